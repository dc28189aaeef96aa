"""By how much a detector's keypoint may lie elsewhere on a person than a body model has it.

The deviations are shape numbers of the body models with a surface, as they are of the kinematic
skeleton: learnt per person, constant over the session, the same on both sides. Their spread is that
of `mocap.body.skeleton_keypoints`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float
from mocap.body.skeleton_keypoints import FACE_SIGMA, OFFSETS_OF_SKELETON, keypoint_offset
from mocap.body.skeleton_lengths import STATURE_M
from mocap.model.skeletons import FACE_POINTS

_AXES = ("left", "back", "up")
_METRES = 1e-3 * STATURE_M[0]


@dataclass(frozen=True, eq=False)
class KeypointOffsets:
    """Offsets of keypoints as further shape numbers.

    Attributes:
        names: such as "hip offset up".
        sigma_m: standard deviations.
        by_offset: change of each keypoint by each of them: left, back and up.
    """

    names: tuple[str, ...]
    sigma_m: Float[np.ndarray, " offsets"]
    by_offset: Float[np.ndarray, "keypoints 3 offsets"]


def keypoint_offsets(detector: str, keypoints: Iterable[str]) -> KeypointOffsets:
    """The offsets which keypoints of a skeleton definition have; those of fingers have none.

    Args:
        detector: name of the skeleton definition.
        keypoints: names of keypoints in it.
    """
    sigma: dict[str, float] = {}
    terms: list[dict[str, np.ndarray]] = []
    for name in keypoints:
        terms.append({})
        side, part, spread = "", "", (0.0, 0.0, 0.0)
        if name in FACE_POINTS:
            part, spread = "face", (FACE_SIGMA,) * 3
        elif (found := keypoint_offset(detector, name)) is not None:
            side, spread = found[0], found[1].sigma
            part = name.removeprefix(f"{side}_") if side else name
        for axis, word in enumerate(_AXES):
            # What lies in the middle of the body does not deviate to a side.
            if part and (side or axis):
                sign = -1.0 if side == "right" and axis == 0 else 1.0
                terms[-1][f"{part} offset {word}"] = sign * np.eye(3)[axis]
                sigma[f"{part} offset {word}"] = spread[axis] * _METRES
    index = {name: i for i, name in enumerate(sigma)}
    by_offset = np.zeros((len(terms), 3, len(index)))
    for k, own in enumerate(terms):
        for name, vector in own.items():
            by_offset[k, :, index[name]] = vector
    return KeypointOffsets(tuple(index), np.array(list(sigma.values())), by_offset)


def usual_offset_m(detector: str, name: str) -> Float[np.ndarray, " 3"]:
    """Mean offset of a body keypoint from the joint centre: left, back and up, metres."""
    found = keypoint_offset(detector, name)
    return np.zeros(3) if found is None else _sided(found[0], found[1].mean)


def difference_from_coco_m(detector: str, name: str) -> Float[np.ndarray, " 3"]:
    """By how much a detector's keypoint lies elsewhere than COCO's of the same name, metres."""
    if detector not in OFFSETS_OF_SKELETON:
        return np.zeros(3)
    return usual_offset_m(detector, name) - usual_offset_m("coco_wholebody133", name)


def _sided(side: str, offset: Iterable[float]) -> np.ndarray:
    return _METRES * np.array([-1.0 if side == "right" else 1.0, 1.0, 1.0]) * np.array(list(offset))
