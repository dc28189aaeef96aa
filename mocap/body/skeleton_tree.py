"""The joints of the kinematic skeleton, their names, and which keypoint of a finger is which.

The names are those of Mixamo, which Blender add-ons, Unity, Unreal and MotionBuilder map to their
own humanoids without help. The order is depth first, as a BVH file lists its joints. A leaf of the
tree is the end of the last bone (`HeadTop_End`, `LeftHandThumb4`): it has no rotation of its own.
"""

from __future__ import annotations

from mocap.model.body_motion import JointTree

SIDES = ("Left", "Right")
FINGERS = ("Thumb", "Index", "Middle", "Ring", "Pinky")
_FINGER_POINTS = {
    "Thumb": ("cmc", "mcp", "ip", "tip"),
    **dict.fromkeys(FINGERS[1:], ("mcp", "pip", "dip", "tip")),
}


def skeleton_tree(*, fingers: bool) -> JointTree:
    """The hierarchy, with or without three joints per finger."""
    rows: list[tuple[str, str]] = [
        ("Hips", ""),
        ("Spine", "Hips"),
        ("Spine1", "Spine"),
        ("Spine2", "Spine1"),
        ("Neck", "Spine2"),
        ("Head", "Neck"),
        ("HeadTop_End", "Head"),
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
        if not fingers:
            rows.append((f"{side}Hand_End", f"{side}Hand"))
    for side in SIDES:
        rows += [
            (f"{side}UpLeg", "Hips"),
            (f"{side}Leg", f"{side}UpLeg"),
            (f"{side}Foot", f"{side}Leg"),
            (f"{side}ToeBase", f"{side}Foot"),
            (f"{side}Toe_End", f"{side}ToeBase"),
        ]
    names = tuple(name for name, _ in rows)
    return JointTree(names, tuple(names.index(parent) if parent else -1 for _, parent in rows))


def finger_joints(side: str, finger: str) -> tuple[str, ...]:
    """Names of the three joints of a finger and of its end, from the palm outwards."""
    return tuple(f"{side}Hand{finger}{i}" for i in (1, 2, 3, 4))


def finger_keypoints(side: str, finger: str) -> tuple[str, ...]:
    """Names of the four keypoints of a finger, from the palm to the tip."""
    points = _FINGER_POINTS[finger]
    return tuple(f"{side.lower()}_hand_{finger.lower()}_{point}" for point in points)
