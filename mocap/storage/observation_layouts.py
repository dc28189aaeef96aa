"""How other tools order their keypoints, and which skeleton that is.

Most orders are those of one of our tables. Some are not, but hold all (or nearly all) keypoints of
one: they are brought into that table's order by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mocap.arrays import Float
from mocap.errors import SkeletonError
from mocap.model import Skeleton
from mocap.model.skeletons import (
    BODY_25,
    COCO_17,
    COCO_WHOLEBODY_133,
    FACE_POINTS,
    HALPE_26,
    SKELETONS,
    hand_keypoints,
)

_HANDS = (*hand_keypoints("left"), *hand_keypoints("right"))
# OpenPose's face is iBUG's with the two pupils, for which the tables have no name.
_OPENPOSE_FACE = (*FACE_POINTS, "right_pupil", "left_pupil")
_OPENPOSE_COCO_18 = (
    *("nose", "neck", "right_shoulder", "right_elbow", "right_wrist"),
    *("left_shoulder", "left_elbow", "left_wrist", "right_hip", "right_knee", "right_ankle"),
    *("left_hip", "left_knee", "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear"),
)


@dataclass(frozen=True)
class Layout:
    """An order of keypoints in a file.

    Attributes:
        keypoints: their names, in the file's order.
        skeleton: the table they are brought into.
    """

    keypoints: tuple[str, ...]
    skeleton: Skeleton

    def to_skeleton(
        self, values: Float[np.ndarray, "file_keypoints 3"]
    ) -> Float[np.ndarray, "keypoints 3"]:
        """One person's keypoints in the order of the table; what the file lacks is NaN, NaN, 0."""
        if self.keypoints == self.skeleton.keypoints:
            return values
        position = {name: i for i, name in enumerate(self.keypoints)}
        rows = np.array([position.get(name, -1) for name in self.skeleton.keypoints])
        missing = np.array([np.nan, np.nan, 0.0])
        return np.where((rows >= 0)[:, None], values[rows], missing)


_LAYOUTS = (
    *(Layout(skeleton.keypoints, skeleton) for skeleton in SKELETONS.values()),
    Layout(_OPENPOSE_COCO_18, COCO_17),
    # Halpe's full body, as AlphaPose writes it.
    Layout((*HALPE_26.keypoints, *FACE_POINTS, *_HANDS), COCO_WHOLEBODY_133),
)
_BODIES_WITH_PARTS = {
    25: BODY_25.keypoints,
    18: _OPENPOSE_COCO_18,
    17: COCO_17.keypoints,
    26: HALPE_26.keypoints,
}


def layout_of(
    body: int, face: int, left_hand: int, right_hand: int, wanted: Skeleton | None, path: Path
) -> Layout:
    """The layout of people with so many keypoints.

    Args:
        body: keypoints in the body's array.
        face: in the face's array of its own; 0 if there is none.
        left_hand: in the left hand's.
        right_hand: in the right hand's.
        wanted: the skeleton the user named, or None.
        path: where they come from, for the error.

    Raises:
        SkeletonError: there is none, or it is not of the skeleton `wanted`.
    """
    found = _parts(body, face, left_hand, right_hand)
    if found is None and not (face or left_hand or right_hand):
        fitting = [each for each in _LAYOUTS if len(each.keypoints) == body]
        if wanted is not None:
            fitting = [each for each in fitting if each.skeleton is wanted]
        found = fitting[0] if len(fitting) == 1 else None
    if found is not None and (wanted is None or found.skeleton is wanted):
        return found
    got = f"{body} keypoints per person"
    if face or left_hand or right_hand:
        got += f" and {face} of the face, {left_hand} and {right_hand} of the hands"
    if wanted is not None:
        raise SkeletonError(
            f"{path} has {got}, expected the {len(wanted)} of {wanted.name}; pass the --skeleton "
            f"they were made with"
        )
    known = ", ".join(f"{s.name} ({len(s)})" for s in SKELETONS.values())
    raise SkeletonError(
        f"{path} has {got}, expected those of a known skeleton: {known}; choose one of them in "
        f"the tool that wrote the file, or name it with --skeleton if the number fits several"
    )


def _parts(body: int, face: int, left_hand: int, right_hand: int) -> Layout | None:
    """The layout of a body with hands or face in arrays of their own."""
    if not (face or left_hand or right_hand):
        return None
    names = _BODIES_WITH_PARTS.get(body)
    hands_fit = left_hand in (0, 21) and right_hand in (0, 21)
    if names is None or face not in (0, len(FACE_POINTS), len(_OPENPOSE_FACE)) or not hands_fit:
        return None
    parts = (
        _OPENPOSE_FACE[:face],
        hand_keypoints("left")[:left_hand],
        hand_keypoints("right")[:right_hand],
    )
    return Layout((*names, *(name for part in parts for name in part)), COCO_WHOLEBODY_133)
