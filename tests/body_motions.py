"""Body motions made by forward kinematics from known rotations, for tests of what uses them."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from mocap.geometry.kinematics import forward_kinematics
from mocap.model import BodyMotion, JointTree

FINGERS = ("Thumb", "Index", "Middle", "Ring", "Pinky")


def humanoid_tree(*, fingers: bool = False, ends: bool = False) -> tuple[JointTree, np.ndarray]:
    """Mixamo's joints in a T-pose: Z-up, left is +X, facing -Y; positions in metres."""
    rows: list[tuple[str, str, tuple[float, float, float]]] = [
        ("Hips", "", (0.0, 0.0, 0.95)),
        ("Spine", "Hips", (0.0, 0.01, 0.1)),
        ("Spine1", "Spine", (0.0, 0.0, 0.13)),
        ("Spine2", "Spine1", (0.0, 0.0, 0.14)),
        ("Neck", "Spine2", (0.0, 0.0, 0.16)),
        ("Head", "Neck", (0.0, -0.02, 0.1)),
    ]
    if ends:
        rows.append(("HeadTop_End", "Head", (0.0, 0.0, 0.18)))
    for side, x in (("Left", 1.0), ("Right", -1.0)):
        rows += [
            (f"{side}Shoulder", "Spine2", (0.06 * x, 0.0, 0.11)),
            (f"{side}Arm", f"{side}Shoulder", (0.12 * x, 0.0, 0.0)),
            (f"{side}ForeArm", f"{side}Arm", (0.28 * x, 0.0, 0.0)),
            (f"{side}Hand", f"{side}ForeArm", (0.26 * x, 0.0, 0.0)),
        ]
        if fingers:
            for i, finger in enumerate(FINGERS):
                ahead = 0.05 - 0.02 * i
                for n in (1, 2, 3, 4) if ends else (1, 2, 3):
                    parent = f"{side}Hand{finger}{n - 1}" if n > 1 else f"{side}Hand"
                    offset = (0.03 * x, 0.0, 0.0) if n > 1 else (0.08 * x, -ahead, 0.0)
                    rows.append((f"{side}Hand{finger}{n}", parent, offset))
        rows += [
            (f"{side}UpLeg", "Hips", (0.09 * x, 0.0, -0.05)),
            (f"{side}Leg", f"{side}UpLeg", (0.0, 0.0, -0.42)),
            (f"{side}Foot", f"{side}Leg", (0.0, 0.0, -0.4)),
            (f"{side}ToeBase", f"{side}Foot", (0.0, -0.13, -0.07)),
        ]
        if ends:
            rows.append((f"{side}Toe_End", f"{side}ToeBase", (0.0, -0.06, 0.0)))
    names = [name for name, _, _ in rows]
    parents = tuple(names.index(parent) if parent else -1 for _, parent, _ in rows)
    rest = np.zeros((len(rows), 3))
    for i, (_, _, offset) in enumerate(rows):
        rest[i] = offset if parents[i] < 0 else rest[parents[i]] + offset
    return JointTree(tuple(names), parents), rest


def body_motion(
    tree: JointTree,
    rest: np.ndarray,
    rotations: Rotation | np.ndarray,
    root_m: np.ndarray,
    *,
    person_id: int = 3,
    model: str = "skeleton",
    rate_hz: float = 50.0,
    first_frame: int = 40,
    **changed: object,
) -> BodyMotion:
    """A motion with these rotations, as matrices (frames, joints, 3, 3)."""
    matrices = np.asarray(rotations)
    frames, joints = matrices.shape[:2]
    positions, _ = forward_kinematics(tree.parents, rest, root_m, matrices)
    quaternions = Rotation.from_matrix(matrices.reshape(-1, 3, 3)).as_quat(scalar_first=True)
    values: dict[str, object] = {
        "person_id": person_id,
        "model": model,
        "gender": "neutral",
        "tree": tree,
        "rest_joints_m": rest,
        "shape_names": (),
        "shape": np.zeros(0),
        "shape_sigma": np.zeros(0),
        "frame": first_frame + np.arange(frames),
        "time_s": 12.5 + np.arange(frames) / rate_hz,
        "present": np.ones(frames, bool),
        "root_position_m": root_m,
        "rotations": quaternions.reshape(frames, joints, 4),
        "joint_positions_m": positions,
        "position_covariance_m2": np.full((frames, joints, 3, 3), np.nan),
        "rotation_covariance_rad2": np.full((frames, joints, 3, 3), np.nan),
        "measured": np.ones((frames, joints), bool),
        "dof_names": (),
        "dof_rad": np.zeros((frames, 0)),
        "dof_limits_rad": np.zeros((0, 2)),
        "keypoint_names": (),
        "keypoints_m": np.zeros((frames, 0, 3)),
        "residual_m": np.zeros((frames, 0)),
    }
    return BodyMotion(**(values | changed))  # type: ignore[arg-type]


def moving(
    tree: JointTree, rest: np.ndarray, *, frames: int = 60, seed: int = 1, **more: object
) -> BodyMotion:
    """Everything turns smoothly by up to about 70 degrees, the root all the way round."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0.0, 2.0 * np.pi, frames)[:, None, None]
    amplitude = rng.uniform(-0.7, 0.7, (1, len(tree), 3))
    phase = rng.uniform(0.0, 6.0, (1, len(tree), 3))
    vectors = amplitude * np.sin(t * rng.integers(1, 4, (1, len(tree), 3)) + phase)
    matrices = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix()
    matrices = matrices.reshape(frames, len(tree), 3, 3)
    heading = Rotation.from_euler("z", t[:, 0]).as_matrix()
    matrices[:, 0] = heading @ matrices[:, 0]
    if more.get("model") in ("smpl", "smplh", "smplx"):
        matrices[:, 0] = matrices[:, 0] @ Rotation.from_euler("x", 90, degrees=True).as_matrix()
    root = np.concatenate((np.cos(t), np.sin(2 * t), 1 + 0.1 * np.sin(t)), axis=2)[:, 0]
    return body_motion(tree, rest, matrices, root, **more)  # type: ignore[arg-type]


def posed(names_rotvecs: dict[str, np.ndarray], frames: int = 2, **more: object) -> BodyMotion:
    """The humanoid at rest, but for the joints named; rotation vectors in radians."""
    tree, rest = humanoid_tree()
    matrices = np.tile(np.eye(3), (frames, len(tree), 1, 1))
    for name, vector in names_rotvecs.items():
        matrices[:, tree.index(name)] = Rotation.from_rotvec(vector).as_matrix()
    return body_motion(tree, rest, matrices, np.tile(rest[0], (frames, 1)), **more)  # type: ignore[arg-type]


_SMPL = (
    *("pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2"),
    *("left_ankle", "right_ankle", "spine3", "left_foot", "right_foot", "neck", "left_collar"),
    *("right_collar", "head", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow"),
    *("left_wrist", "right_wrist", "left_hand", "right_hand"),
)
_SMPL_PARENTS = (
    *(-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21),
)


def smpl_tree() -> tuple[JointTree, np.ndarray]:
    """The 24 joints of SMPL, Y-up, facing +Z, legs a little apart, arms a little bent."""
    place = {
        "pelvis": (0.0, -0.24, 0.03),
        "spine1": (0.0, -0.12, 0.0),
        "spine2": (0.0, 0.02, 0.02),
        "spine3": (0.0, 0.07, 0.03),
        "neck": (0.0, 0.29, -0.01),
        "head": (0.0, 0.38, 0.04),
    }
    for side, x in (("left", 1.0), ("right", -1.0)):
        place |= {
            f"{side}_hip": (0.07 * x, -0.33, 0.02),
            f"{side}_knee": (0.11 * x, -0.71, 0.02),
            f"{side}_ankle": (0.09 * x, -1.12, -0.02),
            f"{side}_foot": (0.12 * x, -1.18, 0.1),
            f"{side}_collar": (0.08 * x, 0.19, 0.0),
            f"{side}_shoulder": (0.19 * x, 0.23, -0.01),
            f"{side}_elbow": (0.45 * x, 0.22, -0.04),
            f"{side}_wrist": (0.7 * x, 0.23, -0.04),
            f"{side}_hand": (0.78 * x, 0.22, -0.06),
        }
    return JointTree(_SMPL, _SMPL_PARENTS), np.array([place[name] for name in _SMPL])
