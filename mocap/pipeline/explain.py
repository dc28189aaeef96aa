"""Why a joint is missing or poor: what each camera had to say of it, in words.

Everything follows from what a session stores: 2D people, which of them were matched, what each
view contributed, residuals, and the rig.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from mocap.errors import InputError, valid_choices
from mocap.geometry.kernels import world_rays
from mocap.geometry.projection import project_points
from mocap.model import FrameSet, Motion, Rig, SetAside, ViewState
from mocap.pipeline.accounts import JointAccount, JointReason, ViewAccount, ViewReason
from mocap.pipeline.evidence import Evidence, detections_of
from mocap.pipeline.image_people import explain_image
from mocap.reconstruction.expectation import middle_of
from mocap.reconstruction.person import camera_centers, keypoint_sigma_px
from mocap.reconstruction.swaps import part_names, source_of

POOR_SIGMA_M = 0.03
"""A joint whose standard deviation along its worst axis is larger is called poor."""
PARALLEL_DEG = 8.0
"""Rays that meet at a smaller angle are to blame when a joint is poor."""


def explain_joint(evidence: Evidence, frame: int, person_id: int, joint: str) -> JointAccount:
    """Says what became of one joint of one person in one frame, and why.

    Raises:
        InputError: there is no such frame or person.
        SkeletonError: there is no such joint.
    """
    return explain_person(evidence, frame, person_id, (joint,))[0]


def explain_person(
    evidence: Evidence, frame: int, person_id: int, joints: Sequence[str] | None = None
) -> list[JointAccount]:
    """The same for several joints, or for all; see `explain_joint`."""
    frame_set = evidence.frame_set(frame)
    names = evidence.skeleton.keypoints if joints is None else joints
    chosen = [evidence.skeleton.index(name) for name in names]
    known = {*evidence.raw.person_ids, *evidence.best.person_ids, *evidence.bystander_ids}
    if person_id not in known:
        people = valid_choices(map(str, sorted(known)))
        raise InputError(f"no person {person_id} in this session; the people are {people}")
    row = _row(evidence.raw, frame, person_id)
    shown = _row(evidence.best, frame, person_id)
    others = _others(evidence, frame)
    if row is None:
        return [_of_absent(evidence, frame_set, person_id, k, shown, others) for k in chosen]
    seen = _Seen(evidence, frame_set, row, others)
    return [_of_present(evidence, seen, k, shown) for k in chosen]


def summary(evidence: Evidence, joints: Sequence[str] | None = None) -> dict[str, Counter[str]]:
    """How often each reason holds, by joint, over all rows of the raw layer.

    Args:
        evidence: of the session.
        joints: names; body and feet by default.
    """
    skeleton = evidence.skeleton
    if joints is None:
        joints = [skeleton.keypoints[k] for k in skeleton.indices("body", "feet")]
    chosen = [skeleton.index(name) for name in joints]
    counts: dict[str, Counter[str]] = {name: Counter() for name in joints}
    for row in range(len(evidence.raw)):
        frame = int(evidence.raw.frame[row])
        seen = _Seen(evidence, evidence.frame_set(frame), row)
        shown = _row(evidence.best, frame, int(evidence.raw.person_id[row]))
        for name, k in zip(joints, chosen, strict=True):
            counts[name][str(_of_present(evidence, seen, k, shown).reason)] += 1
    return counts


def _row(motion: Motion, frame: int, person_id: int) -> int | None:
    rows = np.flatnonzero((motion.frame == frame) & (motion.person_id == person_id))
    return int(rows[0]) if len(rows) else None


class _Seen:
    """One row of the raw layer with its 2D keypoints, as the person's left and right are."""

    def __init__(
        self,
        evidence: Evidence,
        frame_set: FrameSet,
        row: int,
        others: dict[str, tuple[str, ...]] | None = None,
    ) -> None:
        rig, skeleton = evidence.rig, evidence.skeleton
        self.others = others or dict.fromkeys(rig.names, ())
        self.row, self.frame_set = row, frame_set
        cameras, k = len(rig), len(skeleton)
        self.detection = evidence.views["detection_index"][row]
        self.swapped = evidence.views["swapped"][row]
        self.pixels, self.confidence = np.full((cameras, k, 2), np.nan), np.zeros((cameras, k))
        for c, name in enumerate(rig.names):
            found = detections_of(frame_set, name)
            if found is None or not 0 <= self.detection[c] < len(found):
                continue
            source = source_of(skeleton, int(self.swapped[c]))
            self.pixels[c] = found.keypoints_px[self.detection[c]][source]
            self.confidence[c] = found.confidence[self.detection[c]][source]
        arrays = rig.arrays
        self.rays = world_rays(
            self.pixels, arrays.matrix, arrays.distortions, arrays.fisheye, arrays.T_cam_world
        )
        points = evidence.raw.points_m[row]
        known = np.isfinite(points[:, 0]).any()
        middle = middle_of(points) if known else camera_centers(arrays).mean(axis=0)
        self.sigma_px = keypoint_sigma_px(middle, arrays, skeleton, evidence.config)


def _others(evidence: Evidence, frame: int) -> dict[str, tuple[str, ...]]:
    """Who the 2D people of each camera are, in words."""
    words: dict[str, list[str]] = {name: [] for name in evidence.rig.names}
    for one in explain_image(evidence, frame):
        words[one.camera].append(one.words())
    return {name: tuple(each) for name, each in words.items()}


def _of_absent(
    evidence: Evidence,
    frame_set: FrameSet,
    person_id: int,
    k: int,
    shown: int | None,
    others: dict[str, tuple[str, ...]],
) -> JointAccount:
    point = np.full(3, np.nan) if shown is None else evidence.best.points_m[shown, k]
    views = tuple(
        _unmatched(evidence, frame_set, c, point, others[name])
        for c, name in enumerate(evidence.rig.names)
    )
    reason = {
        None: JointReason.PERSON_ABSENT,
        SetAside.OUTSIDE_VOLUME: JointReason.OUTSIDE_VOLUME,
        SetAside.NOT_A_PERFORMER: JointReason.NOT_A_PERFORMER,
    }[evidence.set_aside(frame_set.number, person_id)]
    return JointAccount(
        frame_set.number,
        person_id,
        evidence.skeleton.keypoints[k],
        reason,
        bool(np.isfinite(point[0])),
        _sigma_m(evidence.best, shown, k),
        float("nan"),
        evidence.config.min_angle_deg,
        views,
    )


def _unmatched(
    evidence: Evidence, frame_set: FrameSet, c: int, point: np.ndarray, others: tuple[str, ...]
) -> ViewAccount:
    """Account of a camera in which nobody belongs to the person; `others` says who is in it."""
    camera = evidence.rig.names[c]
    found = detections_of(frame_set, camera)
    if found is None:
        return ViewAccount(camera, ViewReason.NO_FRAME)
    if np.isfinite(point[0]) and not _inside(evidence.rig, c, point):
        return ViewAccount(camera, ViewReason.OUTSIDE_IMAGE, people=len(found))
    if not len(found):
        return ViewAccount(camera, ViewReason.NOBODY)
    return ViewAccount(camera, ViewReason.UNMATCHED, people=len(found), others=others)


def _inside(rig: Rig, c: int, point: np.ndarray) -> bool:
    arrays = rig.arrays
    pixel, depth = project_points(
        point[None],
        arrays.matrix[c],
        arrays.distortions[c],
        bool(arrays.fisheye[c]),
        arrays.T_cam_world[c],
    )
    width, height = rig[rig.names[c]].intrinsics.size
    x, y = pixel[0]
    return bool(depth[0] > 0 and -0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5)


def _of_present(evidence: Evidence, seen: _Seen, k: int, shown: int | None) -> JointAccount:
    raw, config, row = evidence.raw, evidence.config, seen.row
    n_views = int(raw.n_views[row, k])
    measured = bool(np.isfinite(raw.points_m[row, k, 0])) and n_views > 0
    best = np.full(3, np.nan) if shown is None else evidence.best.points_m[shown, k]
    point = raw.points_m[row, k] if measured else best
    views = tuple(_of_view(evidence, seen, c, k, point) for c in range(len(evidence.rig)))
    usable = [c for c, v in enumerate(views) if v.reason in (ViewReason.USED, ViewReason.REJECTED)]
    angle = _widest_angle_deg(seen.rays[usable, k])
    sigma = _sigma_m(evidence.best, shown, k) if shown is not None else _sigma_m(raw, row, k)
    predicted = not measured and bool(np.isfinite([point[0], raw.points_m[row, k, 0]]).any())
    if measured:
        reason = JointReason.MEASURED
        used = [c for c in usable if views[c].reason is ViewReason.USED]
        narrow = _widest_angle_deg(seen.rays[used, k]) < max(PARALLEL_DEG, config.min_angle_deg)
        if n_views == 1:
            reason = JointReason.ONE_VIEW
        elif sigma > POOR_SIGMA_M:
            reason = JointReason.PARALLEL if narrow else JointReason.POOR
    elif not usable:
        reason = JointReason.NOT_SEEN
    elif len(usable) == 1:
        reason = JointReason.ONE_VIEW
    elif angle < config.min_angle_deg:
        reason = JointReason.PARALLEL
    else:
        reason = JointReason.CONTRADICTION
    return JointAccount(
        int(raw.frame[row]),
        int(raw.person_id[row]),
        evidence.skeleton.keypoints[k],
        reason,
        predicted,
        sigma,
        angle,
        config.min_angle_deg,
        views,
    )


def _of_view(evidence: Evidence, seen: _Seen, c: int, k: int, point: np.ndarray) -> ViewAccount:
    if seen.detection[c] < 0:
        return _unmatched(evidence, seen.frame_set, c, point, seen.others[evidence.rig.names[c]])
    camera = evidence.rig.names[c]
    found = detections_of(seen.frame_set, camera)
    confidence = float(seen.confidence[c, k])
    state = int(evidence.views["view_state"][seen.row, c, k])
    residual = float(evidence.views["residual_px"][seen.row, c, k])
    if confidence <= 0:
        reason = ViewReason.NOT_DETECTED
        if np.isfinite(point[0]) and not _inside(evidence.rig, c, point):
            reason = ViewReason.OUTSIDE_IMAGE
    elif state == ViewState.USED:
        reason = ViewReason.USED
    elif confidence < evidence.config.min_confidence:
        reason = ViewReason.LOW_SCORE
    else:
        reason = ViewReason.REJECTED
    return ViewAccount(
        camera,
        reason,
        confidence if confidence > 0 else float("nan"),
        evidence.config.min_confidence,
        residual,
        residual / float(seen.sigma_px[c, k]),
        0 if found is None else len(found),
        part_names(int(seen.swapped[c])),
    )


def _widest_angle_deg(rays: np.ndarray) -> float:
    """Largest angle between two lines along unit rays, degrees."""
    rays = rays[np.isfinite(rays[:, 0])]
    if len(rays) < 2:
        return float("nan")
    cosine = np.abs(rays @ rays.T)[np.triu_indices(len(rays), 1)]
    return float(np.degrees(np.arccos(np.clip(cosine.min(), 0.0, 1.0))))


def _sigma_m(motion: Motion, row: int | None, k: int) -> float:
    if row is None or not np.isfinite(motion.covariance_m2[row, k]).all():
        return float("nan")
    return float(np.sqrt(np.linalg.eigvalsh(motion.covariance_m2[row, k])[-1]))
