"""Small bodies for tests of biomechanics: a skeleton, one with SMPL's names, one with Anny's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.spatial.transform import Rotation

from mocap.geometry.kinematics import forward_kinematics
from mocap.geometry.rotations import quaternion_from_matrix
from mocap.model.body_motion import BodyMotion, JointTree

# Of a person facing -y: x to the left, z upwards. Sided rows are of the left side.
_CENTRE = {
    "Hips": ("", (0.0, 0.0, 0.95)),
    "Spine": ("Hips", (0.0, 0.0, 1.05)),
    "Spine1": ("Spine", (0.0, 0.01, 1.18)),
    "Spine2": ("Spine1", (0.0, 0.02, 1.31)),
    "Neck": ("Spine2", (0.0, 0.02, 1.49)),
    "Head": ("Neck", (0.0, 0.0, 1.58)),
}
_LEFT = {
    "Shoulder": ("Spine2", (0.03, 0.02, 1.44)),
    "Arm": ("LeftShoulder", (0.18, 0.02, 1.44)),
    "ForeArm": ("LeftArm", (0.46, 0.02, 1.44)),
    "Hand": ("LeftForeArm", (0.71, 0.02, 1.44)),
    "HandIndex1": ("LeftHand", (0.80, -0.01, 1.44)),
    "HandMiddle1": ("LeftHand", (0.80, 0.02, 1.44)),
    "HandPinky1": ("LeftHand", (0.79, 0.05, 1.44)),
    "UpLeg": ("Hips", (0.09, 0.0, 0.92)),
    "Leg": ("LeftUpLeg", (0.09, 0.0, 0.50)),
    "Foot": ("LeftLeg", (0.09, 0.0, 0.08)),
    "ToeBase": ("LeftFoot", (0.10, -0.13, 0.02)),
}
_SMPL = {
    "Hips": "pelvis",
    "Spine": "spine1",
    "Spine1": "spine2",
    "Spine2": "spine3",
    "Neck": "neck",
    "Head": "head",
    "Shoulder": "collar",
    "Arm": "shoulder",
    "ForeArm": "elbow",
    "Hand": "wrist",
    "HandIndex1": "index1",
    "HandMiddle1": "middle1",
    "HandPinky1": "pinky1",
    "UpLeg": "hip",
    "Leg": "knee",
    "Foot": "ankle",
    "ToeBase": "foot",
}
_SMPL_AXES = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])
"""From x left, z up, facing -y to SMPL's x left, y up, facing +z."""
# Rest joints of an average body of Anny, facing -y: arms half raised, elbows and knees bent.
_ANNY = {
    "root": ("", (0.0, 0.0, 0.94)),
    "spine05": ("root", (0.0, 0.0, 0.94)),
    "spine01": ("spine05", (0.0, 0.055, 1.287)),
    "neck01": ("spine01", (0.0, -0.012, 1.501)),
    "head": ("neck01", (0.0, -0.047, 1.599)),
    "pelvis.L": ("root", (0.0, 0.0, 0.94)),
    "upperleg01.L": ("pelvis.L", (0.116, 0.009, 0.933)),
    "upperleg02.L": ("upperleg01.L", (0.124, -0.016, 0.839)),
    "lowerleg01.L": ("upperleg02.L", (0.151, -0.026, 0.533)),
    "lowerleg02.L": ("lowerleg01.L", (0.178, -0.017, 0.3)),
    "foot.L": ("lowerleg02.L", (0.203, -0.005, 0.079)),
    "toe3-1.L": ("foot.L", (0.21, -0.155, 0.033)),
    "clavicle.L": ("spine01", (0.023, -0.022, 1.425)),
    "shoulder01.L": ("clavicle.L", (0.118, -0.026, 1.44)),
    "upperarm01.L": ("shoulder01.L", (0.207, -0.018, 1.396)),
    "upperarm02.L": ("upperarm01.L", (0.249, -0.02, 1.335)),
    "lowerarm01.L": ("upperarm02.L", (0.382, -0.02, 1.194)),
    "lowerarm02.L": ("lowerarm01.L", (0.448, -0.114, 1.133)),
    "wrist.L": ("lowerarm02.L", (0.514, -0.206, 1.067)),
    "finger2-1.L": ("wrist.L", (0.545, -0.315, 1.025)),
    "finger3-1.L": ("wrist.L", (0.564, -0.296, 1.012)),
    "finger5-1.L": ("wrist.L", (0.574, -0.255, 0.992)),
}


def skeleton(fingers: bool = True) -> tuple[JointTree, np.ndarray]:
    """The kinematic skeleton in its T-pose, Z-up."""
    rows = dict(_CENTRE)
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        for name, (parent, (x, y, z)) in _LEFT.items():
            if fingers or not name.endswith("1"):
                rows[side + name] = (parent.replace("Left", side), (sign * x, y, z))
    return _tree(rows)


def smpl() -> tuple[JointTree, np.ndarray]:
    """The same body with SMPL's names and axes."""
    tree, rest = skeleton()
    names = []
    for name in tree.names:
        for side in ("Left", "Right"):
            if name.startswith(side):
                names.append(f"{side.lower()}_{_SMPL[name.removeprefix(side)]}")
                break
        else:
            names.append(_SMPL[name])
    return JointTree(tuple(names), tree.parents), rest @ _SMPL_AXES.T


def anny() -> tuple[JointTree, np.ndarray]:
    """A body with Anny's names and rest pose, Z-up."""
    rows: dict[str, tuple[str, tuple[float, float, float]]] = {}
    for name, (parent, (x, y, z)) in _ANNY.items():
        rows[name] = (parent, (x, y, z))
        if name.endswith(".L"):
            right = parent.replace(".L", ".R")
            rows[name.replace(".L", ".R")] = (right, (-x, y, z))
    return _tree(rows)


def _tree(rows: Mapping[str, tuple[str, tuple[float, ...]]]) -> tuple[JointTree, np.ndarray]:
    names = list(rows)
    parents = tuple(names.index(parent) if parent else -1 for parent, _ in rows.values())
    return JointTree(tuple(names), parents), np.array([place for _, place in rows.values()])


def turn(axis: str, degrees: float) -> np.ndarray:
    """Rotation about "x", "y" or "z", or "-x" ..., of the model's frame."""
    sign = -1.0 if axis.startswith("-") else 1.0
    return Rotation.from_euler(axis[-1].upper(), sign * degrees, degrees=True).as_matrix()


def posed(
    body: tuple[JointTree, np.ndarray],
    turns: Mapping[str, np.ndarray] | None = None,
    *,
    frames: int = 1,
    world: np.ndarray | None = None,
    root_m: np.ndarray | None = None,
    rate_hz: float = 50.0,
    **changes: object,
) -> BodyMotion:
    """A motion in which joints have the rotations that are given, and all others the identity.

    Args:
        body: tree and rest joints.
        turns: by joint: (3, 3) or (frames, 3, 3), relative to the parent, frame of the model.
        frames: how many.
        world: rotation of the whole body; of the root, before its own.
        root_m: (frames, 3) place of the root; the rest place turned by `world` by default.
        rate_hz: frame rate.
        changes: other fields of the motion.
    """
    tree, rest = body
    rotations = np.tile(np.eye(3), (frames, len(tree), 1, 1))
    for name, value in (turns or {}).items():
        rotations[:, tree.index(name)] = value
    if world is not None:
        rotations[:, 0] = world @ rotations[:, 0]
    if root_m is None:
        root_m = np.tile((np.eye(3) if world is None else world) @ rest[0], (frames, 1))
    positions, _ = forward_kinematics(tree.parents, rest, root_m, rotations)
    values: dict[str, object] = {
        "person_id": 0,
        "model": "skeleton",
        "gender": "neutral",
        "tree": tree,
        "rest_joints_m": rest,
        "shape_names": (),
        "shape": np.zeros(0),
        "shape_sigma": np.zeros(0),
        "frame": np.arange(frames),
        "time_s": np.arange(frames) / rate_hz,
        "present": np.ones(frames, bool),
        "root_position_m": root_m,
        "rotations": quaternion_from_matrix(rotations),
        "joint_positions_m": positions,
        "position_covariance_m2": np.tile(1e-4 * np.eye(3), (frames, len(tree), 1, 1)),
        "rotation_covariance_rad2": np.tile(1e-4 * np.eye(3), (frames, len(tree), 1, 1)),
        "measured": np.ones((frames, len(tree)), bool),
        "dof_names": (),
        "dof_rad": np.zeros((frames, 0)),
        "dof_limits_rad": np.zeros((0, 2)),
        "keypoint_names": (),
        "keypoints_m": np.zeros((frames, 0, 3)),
        "residual_m": np.zeros((frames, 0)),
    }
    return BodyMotion(**{**values, **changes})  # type: ignore[arg-type]
