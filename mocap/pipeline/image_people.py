"""What became of each 2D person of an image: who it is, or why it is nobody's.

Everything follows from what a session stores. A 2D person that no other view confirms is kept as it
was recorded, but is no 3D person.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from mocap.arrays import Float
from mocap.association.matching import ViewPeople, group_unknown
from mocap.geometry.kernels import world_rays
from mocap.model import Detections, SetAside
from mocap.pipeline.evidence import Evidence, detections_of

DOUBLE_SHARE = 0.15
"""A 2D person is a double when its keypoints are as near as this to another's, by its size."""


class ImageReason(StrEnum):
    """What became of a 2D person."""

    PERSON = "one of the people"
    OUTSIDE_VOLUME = "outside the capture volume"
    NOT_A_PERFORMER = "not one of the performers"
    DOUBLE = "double"
    TOO_LITTLE = "too few sure keypoints"
    ALONE = "alone in one view"
    NO_BODY = "not confirmed"


_SET_ASIDE = {
    SetAside.OUTSIDE_VOLUME: ImageReason.OUTSIDE_VOLUME,
    SetAside.NOT_A_PERFORMER: ImageReason.NOT_A_PERFORMER,
}


@dataclass(frozen=True)
class ImagePerson:
    """One 2D person and what became of it.

    Attributes:
        camera: the camera.
        index: which of its 2D people.
        reason: what became of it.
        person_id: who it is, or of whom it is a double; None for nobody.
        score: mean confidence of its association keypoints.
        sure: association keypoints that are sure enough to count.
        needed: how many of them it takes.
        box_px: left, top, right, bottom of its sure keypoints; NaN without any.
        fits: other views whose unexplained 2D people it fits, as camera and index.
    """

    camera: str
    index: int
    reason: ImageReason
    person_id: int | None
    score: float
    sure: int
    needed: int
    box_px: tuple[float, float, float, float]
    fits: tuple[tuple[str, int], ...] = ()

    def words(self) -> str:
        """Who it is, or why it is nobody's."""
        aside = f"is bystander {self.person_id}"
        where = " and ".join(f"no. {i} of {camera}" for camera, i in self.fits)
        what = {
            ImageReason.PERSON: f"is person {self.person_id}",
            ImageReason.OUTSIDE_VOLUME: f"{aside}, outside the capture volume",
            ImageReason.NOT_A_PERFORMER: f"{aside}, not one of the performers",
            ImageReason.DOUBLE: f"is seen twice: it lies on person {self.person_id}",
            ImageReason.TOO_LITTLE: f"has {self.sure} sure keypoints, needed {self.needed}",
            ImageReason.ALONE: "is alone in this view: no other view has a person where it may be",
            ImageReason.NO_BODY: f"fits {where}, but together they make no whole body",
        }[self.reason]
        return f"no. {self.index} {what} (score {self.score:.2f})"


def explain_image(evidence: Evidence, frame: int) -> list[ImagePerson]:
    """Says of each 2D person of a frame what became of it, camera by camera.

    Args:
        evidence: of the session.
        frame: frame number.

    Raises:
        InputError: there is no such frame.
    """
    frame_set, rig, skeleton = evidence.frame_set(frame), evidence.rig, evidence.skeleton
    found = [
        detections_of(frame_set, name) or Detections.empty(len(skeleton)) for name in rig.names
    ]
    owner: dict[tuple[int, int], tuple[ImageReason, int]] = {}
    for row in np.flatnonzero(evidence.raw.frame == frame).tolist():
        for c, j in enumerate(evidence.views["detection_index"][row].tolist()):
            owner[c, j] = ImageReason.PERSON, int(evidence.raw.person_id[row])
    for row in evidence.bystander_rows(frame):
        assert evidence.bystanders is not None
        reason = _SET_ASIDE[SetAside(int(evidence.bystanders["reason"][row]))]
        for c, j in enumerate(evidence.bystanders["detection_index"][row].tolist()):
            owner[c, j] = reason, int(evidence.bystanders["person_id"][row])
    chosen = list(skeleton.association_indices)
    for c, people in enumerate(found):
        claimed = [j for j in range(len(people)) if (c, j) in owner]
        for j in range(len(people)):
            if j not in claimed:
                twin = double_of(people, j, claimed, chosen)
                if twin is not None:
                    owner[c, j] = ImageReason.DOUBLE, owner[c, twin][1]
    groups = _groups(evidence, found, set(owner))
    config = evidence.association
    made: list[ImagePerson] = []
    for c, people in enumerate(found):
        for j in range(len(people)):
            sure = int((people.confidence[j][chosen] >= config.min_confidence).sum())
            needed = min(config.min_keypoints, len(chosen))
            reason, person_id = owner.get((c, j), (ImageReason.ALONE, None))
            fits = tuple((rig.names[o], i) for o, i in groups.get((c, j), ()) if o != c)
            if (c, j) not in owner:
                if sure < needed:
                    reason = ImageReason.TOO_LITTLE
                elif fits:
                    reason = ImageReason.NO_BODY
            made.append(
                ImagePerson(
                    rig.names[c],
                    j,
                    reason,
                    person_id,
                    float(people.confidence[j][chosen].mean()),
                    sure,
                    needed,
                    box_of(people, j, config.min_confidence),
                    fits if reason is ImageReason.NO_BODY else (),
                )
            )
    return made


def _groups(
    evidence: Evidence, found: list[Detections], owned: Collection[tuple[int, int]]
) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """Of each unexplained 2D person, those of all views that may be the same one."""
    arrays, config = evidence.rig.arrays, evidence.association
    views: list[ViewPeople] = []
    for c, people in enumerate(found):
        pixels = np.where(
            people.confidence[..., None] >= config.min_confidence, people.keypoints_px, np.nan
        ).astype(np.float64)
        rays = [
            world_rays(
                one[None],
                arrays.matrix[c : c + 1],
                arrays.distortions[c : c + 1],
                arrays.fisheye[c : c + 1],
                arrays.T_cam_world[c : c + 1],
            )[0]
            for one in pixels
        ]
        center = evidence.rig.cameras[c].center_world
        views.append(
            ViewPeople(center, np.array(rays).reshape(len(people), len(evidence.skeleton), 3))
        )
    taken = [{j for o, j in owned if o == c} for c in range(len(found))]
    made: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for group in group_unknown(views, taken, evidence.skeleton, config):
        members = sorted(group.items())
        made |= dict.fromkeys(members, members)
    return made


def double_of(
    people: Detections, index: int, others: Collection[int], chosen: list[int]
) -> int | None:
    """Which of the other 2D people of an image one lies on; None for none.

    Args:
        people: of the image.
        index: the one.
        others: positions of those it may be a double of.
        chosen: keypoints that are compared.
    """
    best: tuple[float, int] | None = None
    for j in others:
        gap = np.linalg.norm(people.keypoints_px[index] - people.keypoints_px[j], axis=1)[chosen]
        known = np.isfinite(gap)
        if not known.any():
            continue
        size = size_px(people.keypoints_px[j][chosen])
        share = float(np.median(gap[known])) / max(size, 1.0)
        if share <= DOUBLE_SHARE and (best is None or share < best[0]):
            best = share, j
    return None if best is None else best[1]


def size_px(points: Float[np.ndarray, "keypoints 2"]) -> float:
    """Longer side of the box around keypoints; 0 without any."""
    known = points[np.isfinite(points[:, 0])]
    return float(np.ptp(known, axis=0).max()) if len(known) else 0.0


def box_of(
    people: Detections, index: int, min_confidence: float
) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a 2D person's sure keypoints; NaN without any."""
    points = people.keypoints_px[index][people.confidence[index] >= min_confidence]
    if not len(points):
        nothing = float("nan")
        return nothing, nothing, nothing, nothing
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    return float(left), float(top), float(right), float(bottom)
