"""One person's motion as joint rotations on a body of constant shape: what a fit ends in."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from mocap.arrays import Bool, Float, Int, frozen_array
from mocap.errors import InputError, valid_choices


@dataclass(frozen=True)
class JointTree:
    """The hierarchy of a body model.

    Attributes:
        names: joint names; the first one is the root.
        parents: index of each joint's parent, which stands before it; -1 for the root.

    Raises:
        ValueError: names are not unique, or a parent does not stand before its child.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.names) or len(self.names) != len(self.parents):
            raise ValueError("a joint tree needs one parent per joint and no name twice")
        if not self.names or self.parents[0] != -1:
            raise ValueError("the first joint of a tree is its root, with parent -1")
        if any(not 0 <= p < j for j, p in enumerate(self.parents) if j):
            raise ValueError("in a joint tree every parent stands before its children")

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """Index of a joint.

        Raises:
            InputError: there is no such joint; the message lists those there are.
        """
        if name not in self.names:
            raise InputError(f"no joint {name!r}; joints are {valid_choices(self.names)}")
        return self.names.index(name)


@dataclass(frozen=True, eq=False)
class BodyMotion:
    """The motion of one person over F frames on a body model with J joints.

    World: Z-up, metres, seconds. Frames run from the person's first to the last without gaps;
    where the person was not there the pose is interpolated and `present` is false.

    Attributes:
        person_id: whose motion it is.
        model: the body model: "skeleton", "anny", "smpl", "smplh", "smplx", or the name of what
            it was imported from.
        gender: "neutral", "male" or "female"; "neutral" where the model knows no difference.
        tree: names and parents of the joints.
        rest_joints_m: positions of the joints in the rest pose of this person's body, in the
            frame of the model (the skeleton: T-pose, Z-up, left is +X, facing -Y, the floor at 0;
            the SMPL family: Y-up, left is +X, facing +Z, origin as in the model file).
        shape_names: what the shape numbers are called.
        shape: the shape numbers, constant over the motion.
        shape_sigma: their standard deviations; NaN where unknown.
        frame: frame numbers of the session, consecutive.
        time_s: seconds of the session clock.
        present: whether the person was there in the frame.
        root_position_m: world position of the root joint (for the SMPL family this is not
            `transl`, which also holds the root's place in the model).
        rotations: unit quaternions wxyz of each joint relative to its parent; of the root from
            the frame of the model to the world.
        joint_positions_m: forward kinematics of the above.
        position_covariance_m2: covariance of each joint's position; NaN where unknown.
        rotation_covariance_rad2: covariance of each joint's rotation as a small rotation vector d
            in the joint's own frame, R exp(d); NaN where unknown.
        measured: whether the rotation of the joint was held by measurements in the frame, rather
            than by the motion before and after, limits and priors.
        dof_names: names of the anatomical degrees of freedom ("left_knee_flexion"), for models
            that have them; else empty.
        dof_rad: their values, radians.
        dof_limits_rad: their lower and upper limits, radians.
        keypoint_names: the keypoints that were fitted.
        keypoints_m: where the fitted body has them, world, metres.
        residual_m: distance of each from its measured position; NaN where there was none.
    """

    person_id: int
    model: str
    gender: str
    tree: JointTree
    rest_joints_m: Float[np.ndarray, "joints 3"]
    shape_names: tuple[str, ...]
    shape: Float[np.ndarray, " shape"]
    shape_sigma: Float[np.ndarray, " shape"]
    frame: Int[np.ndarray, " frames"]
    time_s: Float[np.ndarray, " frames"]
    present: Bool[np.ndarray, " frames"]
    root_position_m: Float[np.ndarray, "frames 3"]
    rotations: Float[np.ndarray, "frames joints 4"]
    joint_positions_m: Float[np.ndarray, "frames joints 3"]
    position_covariance_m2: Float[np.ndarray, "frames joints 3 3"]
    rotation_covariance_rad2: Float[np.ndarray, "frames joints 3 3"]
    measured: Bool[np.ndarray, "frames joints"]
    dof_names: tuple[str, ...]
    dof_rad: Float[np.ndarray, "frames dofs"]
    dof_limits_rad: Float[np.ndarray, "dofs 2"]
    keypoint_names: tuple[str, ...]
    keypoints_m: Float[np.ndarray, "frames keypoints 3"]
    residual_m: Float[np.ndarray, "frames keypoints"]

    def __post_init__(self) -> None:
        f, j, k = len(self.frame), len(self.tree), len(self.keypoint_names)
        s, d = len(self.shape_names), len(self.dof_names)
        shapes: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
            "rest_joints_m": (np.float64, (j, 3)),
            "shape": (np.float64, (s,)),
            "shape_sigma": (np.float64, (s,)),
            "frame": (np.int64, (f,)),
            "time_s": (np.float64, (f,)),
            "present": (np.bool_, (f,)),
            "root_position_m": (np.float64, (f, 3)),
            "rotations": (np.float64, (f, j, 4)),
            "joint_positions_m": (np.float64, (f, j, 3)),
            "position_covariance_m2": (np.float64, (f, j, 3, 3)),
            "rotation_covariance_rad2": (np.float64, (f, j, 3, 3)),
            "measured": (np.bool_, (f, j)),
            "dof_rad": (np.float64, (f, d)),
            "dof_limits_rad": (np.float64, (d, 2)),
            "keypoints_m": (np.float64, (f, k, 3)),
            "residual_m": (np.float64, (f, k)),
        }
        for name, (dtype, shape) in shapes.items():
            object.__setattr__(self, name, frozen_array(getattr(self, name), dtype, shape, name))
        if f and (np.diff(self.frame) != 1).any():
            raise ValueError("the frames of a body motion are consecutive")

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def frame_time_s(self) -> float:
        """Median seconds from one frame to the next; NaN with fewer than two frames."""
        return float(np.median(np.diff(self.time_s))) if len(self) > 1 else float("nan")

    def frames(self, first: int, last: int) -> BodyMotion:
        """The frames with numbers from `first` to `last`, both included."""
        keep = (self.frame >= first) & (self.frame <= last)
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in _PER_FRAME:
            values[name] = values[name][keep]
        return BodyMotion(**values)


_PER_FRAME = (
    "frame",
    "time_s",
    "present",
    "root_position_m",
    "rotations",
    "joint_positions_m",
    "position_covariance_m2",
    "rotation_covariance_rad2",
    "measured",
    "dof_rad",
    "keypoints_m",
    "residual_m",
)
