"""An imported body motion as what a session holds: its joints as keypoints."""

from __future__ import annotations

import numpy as np

from mocap.export.joint_names import FINGERS, SIDES, joint_roles
from mocap.model import BodyMotion, Motion, Skeleton

_KEYPOINTS = {
    "Arm": "shoulder",
    "ForeArm": "elbow",
    "Hand": "wrist",
    "UpLeg": "hip",
    "Leg": "knee",
    "Foot": "ankle",
}
_FINGER_POINTS = {
    "Thumb": ("cmc", "mcp", "ip"),
    **dict.fromkeys(FINGERS[1:], ("mcp", "pip", "dip")),
}
_LIMBS = tuple(f"{side.lower()}_{name}" for side in SIDES for name in _KEYPOINTS.values())


def keypoints_of_joints(motion: BodyMotion) -> tuple[Skeleton, Motion]:
    """The joints of a motion as keypoints of a skeleton of its own.

    Joints that are keypoints of a person carry the usual names (the joint `LeftForeArm` is
    `left_elbow`), so that sessions can be compared; others keep their own. Each counts as seen by
    one view; the covariance is not known.

    Args:
        motion: the motion; frames without the person have no rows.
    """
    tree = motion.tree
    roles = joint_roles(tree.names, tree.parents)
    names, parts = list(tree.names), ["body"] * len(tree)
    for role, joint in roles.items():
        names[joint], parts[joint] = _keypoint(role, names[joint])
    for joint, name in enumerate(tree.names):
        if names.count(names[joint]) > 1 and names[joint] == name:
            names[joint] = f"{name}_joint"
    bones = tuple((names[p], names[j]) for j, p in enumerate(tree.parents) if p >= 0)
    association = tuple(name for name in _LIMBS if name in names) or tuple(names)
    skeleton = Skeleton(f"joints of {motion.model}", tuple(names), tuple(parts), bones, association)
    there = motion.present
    rows = int(there.sum())
    return skeleton, Motion(
        skeleton,
        motion.frame[there],
        motion.time_s[there],
        np.full(rows, motion.person_id),
        motion.joint_positions_m[there],
        motion.position_covariance_m2[there],
        np.full((rows, len(tree)), np.nan),
        np.ones((rows, len(tree)), np.int64),
    )


def _keypoint(role: str, own: str) -> tuple[str, str]:
    """Name and part of the keypoint at a joint that plays a part in a person."""
    if role in ("Hips", "Neck"):
        return {"Hips": "mid_hip", "Neck": "neck"}[role], "body"
    for side in SIDES:
        rest = role.removeprefix(side)
        if rest == role:
            continue
        for finger, points in _FINGER_POINTS.items():
            if rest.startswith(f"Hand{finger}"):
                point = points[int(rest[-1]) - 1]
                name = f"{side.lower()}_hand_{finger.lower()}_{point}"
                return name, f"{side.lower()}_hand"
        if rest in _KEYPOINTS:
            return f"{side.lower()}_{_KEYPOINTS[rest]}", "body"
        return own, "feet" if rest == "ToeBase" else "body"
    return own, "body"
