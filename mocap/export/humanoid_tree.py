"""The joints of the exported humanoid: names that animation programs know, and body proportions.

The names are those of Mixamo, which Blender add-ons, Unity, Unreal and MotionBuilder map to their
own humanoids without help. The order is depth first, as a BVH file lists its joints.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mocap.arrays import Float

SIDES = ("Left", "Right")
FINGERS = ("Thumb", "Index", "Middle", "Ring", "Pinky")
_FINGER_POINTS = {
    "Thumb": ("cmc", "mcp", "ip", "tip"),
    **dict.fromkeys(FINGERS[1:], ("mcp", "pip", "dip", "tip")),
}

X, Y, Z = np.eye(3)

STATURE_OF_TRUNK = 1.0 / 0.288
"""Body height over the distance from mid hip to mid shoulder (Drillis & Contini 1966)."""

FRACTIONS = {
    "Arm": 0.186,
    "ForeArm": 0.146,
    "Palm": 0.054,
    "UpLeg": 0.245,
    "Leg": 0.246,
    "AnkleHeight": 0.039,
    "AnkleToToe": 0.114,
    "Neck": 0.118,
    "HeadTop": 0.064,
}
"""Segment lengths over body height, for those that were never measured (same source)."""


class Tree(NamedTuple):
    """Joint names, depth first, and the index of each one's parent (-1 for the root)."""

    joints: tuple[str, ...]
    parents: tuple[int, ...]


def humanoid_tree(*, fingers: bool) -> Tree:
    """The hierarchy, with or without three joints per finger."""
    rows: list[tuple[str, str]] = [
        ("Hips", ""),
        ("Spine", "Hips"),
        ("Spine1", "Spine"),
        ("Spine2", "Spine1"),
        ("Neck", "Spine2"),
        ("Head", "Neck"),
    ]
    for side in SIDES:
        rows += [
            (f"{side}Shoulder", "Spine2"),
            (f"{side}Arm", f"{side}Shoulder"),
            (f"{side}ForeArm", f"{side}Arm"),
            (f"{side}Hand", f"{side}ForeArm"),
        ]
        for finger in FINGERS if fingers else ():
            chain = (f"{side}Hand", *finger_joints(side, finger))
            rows += list(zip(chain[1:], chain[:-1], strict=True))
    for side in SIDES:
        rows += [
            (f"{side}UpLeg", "Hips"),
            (f"{side}Leg", f"{side}UpLeg"),
            (f"{side}Foot", f"{side}Leg"),
            (f"{side}ToeBase", f"{side}Foot"),
        ]
    names = [name for name, _ in rows]
    return Tree(tuple(names), tuple(names.index(parent) if parent else -1 for _, parent in rows))


def finger_joints(side: str, finger: str) -> tuple[str, ...]:
    """Names of the three joints of a finger, from the palm outwards."""
    return tuple(f"{side}Hand{finger}{i}" for i in (1, 2, 3))


def finger_keypoints(side: str, finger: str) -> tuple[str, ...]:
    """Names of the four keypoints of a finger, from the palm to the tip."""
    points = _FINGER_POINTS[finger]
    return tuple(f"{side.lower()}_hand_{finger.lower()}_{point}" for point in points)


def outward(side: str) -> Float[np.ndarray, " 3"]:
    """Direction of the arm in the rest pose: the left one points to +X."""
    return X if side == "Left" else -X


def elbow_hinge(side: str) -> Float[np.ndarray, " 3"]:
    """Direction of upper arm x forearm in the rest pose when the elbow bends (forwards)."""
    return -Y if side == "Left" else Y


def finger_direction(side: str, finger: str) -> Float[np.ndarray, " 3"]:
    """Direction of a finger in the rest pose: along the arm, the thumb half forwards."""
    if finger == "Thumb":
        return (outward(side) + Z) / np.sqrt(2.0)
    return outward(side)
