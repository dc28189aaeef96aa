"""Which parts of a body a view may show with left and right exchanged, and how that is recorded.

A detector exchanges the whole body of somebody seen from behind, or one pair of limbs, or the
hands. What was undone is kept for each view as one number, the sum of the bits of the parts.
"""

from __future__ import annotations

import numpy as np

from mocap.arrays import Int
from mocap.model import Skeleton
from mocap.reconstruction.swap_kernels import (
    ARMS,
    FOREARMS,
    HANDS,
    LEGS,
    LOWER_LEGS,
    WHOLE_BODY,
    is_exchanged,
)

LIMB_BITS = (ARMS, LEGS, FOREARMS, LOWER_LEGS)
"""The parts that are looked for one by one, larger ones first."""
PART_NAMES = {
    WHOLE_BODY: "whole body",
    ARMS: "arms",
    FOREARMS: "forearms",
    LEGS: "legs",
    LOWER_LEGS: "lower legs",
    HANDS: "hands",
}
HEAD = ("nose", "left_eye", "right_eye", "left_ear", "right_ear", "head", "neck")
_BELOW_ANKLE = ("ankle", "heel", "big_toe", "small_toe")
_ENDS = {
    ARMS: ("elbow", "wrist"),
    FOREARMS: ("wrist",),
    LEGS: ("knee", *_BELOW_ANKLE),
    LOWER_LEGS: _BELOW_ANKLE,
}


def swap_parts(skeleton: Skeleton) -> Int[np.ndarray, " keypoints"]:
    """The parts to which each keypoint belongs, as the sum of their bits."""
    bits = np.zeros(len(skeleton), np.int64)
    for k, name in enumerate(skeleton.keypoints):
        part = skeleton.parts[k]
        side, _, rest = name.partition("_")
        if side not in ("left", "right"):
            continue
        if part in ("left_hand", "right_hand"):
            bits[k] = HANDS
        elif part in ("body", "feet"):
            bits[k] = WHOLE_BODY + sum(bit for bit, ends in _ENDS.items() if rest in ends)
    return bits


def hand_of(skeleton: Skeleton, side: str) -> list[int]:
    """The keypoints of one hand, its root first; empty if there is none with a wrist beside it."""
    own = list(skeleton.indices(f"{side}_hand"))
    root = f"{side}_hand_wrist"
    if not own or root not in skeleton or f"{side}_wrist" not in skeleton:
        return []
    first = skeleton.index(root)
    return [first, *(k for k in own if k != first)]


def source_of(skeleton: Skeleton, swapped: int) -> Int[np.ndarray, " keypoints"]:
    """Which 2D keypoint of a view is taken for each keypoint, by what was exchanged in it."""
    if not swapped:
        return np.arange(len(skeleton))
    own = swap_parts(skeleton)
    mirror = np.array(skeleton.mirror)
    turned = np.array([is_exchanged(swapped, int(bits)) for bits in own], bool)
    return np.where(turned, mirror, np.arange(len(mirror)))


def part_names(swapped: int) -> tuple[str, ...]:
    """The names of the parts in a record."""
    return tuple(name for bit, name in PART_NAMES.items() if swapped & bit)
