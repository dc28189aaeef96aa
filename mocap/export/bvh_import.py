"""A BVH file as a body motion: its unit and its upward axis are found, or stated."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mocap.arrays import Float
from mocap.errors import InputError
from mocap.export.bvh_file import BvhClip
from mocap.export.joint_names import joint_roles
from mocap.geometry.kinematics import forward_kinematics
from mocap.geometry.rotations import quaternion_from_matrix, rotation_between
from mocap.model import BodyMotion, JointTree

BvhUnit = Literal["m", "cm", "mm", "in"]
METRES: dict[str, float] = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254}
_STATURE_M = (0.8, 2.4)
_STATURE_INCHES_M = (1.27, 2.1)
"""Inches are rare: only a grown person's height is taken for them."""
_LEGS = ("LeftUpLeg", "RightUpLeg", "LeftFoot", "RightFoot")


def body_motion_of_bvh(
    clip: BvhClip,
    name: str,
    *,
    metres_per_unit: float | None = None,
    up: Literal["x", "y", "z"] | None = None,
    person_id: int = 0,
) -> BodyMotion:
    """The motion of a BVH file in the Z-up world.

    Args:
        clip: the file.
        name: of the file, for messages.
        metres_per_unit: length of the file's unit; found from the height at rest when None.
        up: the file's axis that points upwards; found from the rest pose when None (Y where the
            joints are not those of a person).
        person_id: whose motion it is taken to be.

    Raises:
        InputError: the unit cannot be told.
    """
    rest = clip.rest()
    upward = _up(clip, rest) if up is None else np.eye(3)["xyz".index(up)]
    scale = _scale(clip, rest, upward, name) if metres_per_unit is None else metres_per_unit
    T_world_file = rotation_between(upward, np.array([0.0, 0.0, 1.0]))
    frames, joints = clip.rotations.shape[:2]
    rotations = clip.rotations.copy()
    rotations[:, 0] = T_world_file @ rotations[:, 0]
    root = scale * clip.root_positions @ T_world_file.T
    positions, _ = forward_kinematics(clip.parents, scale * rest, root, rotations)
    unknown = np.full((frames, joints, 3, 3), np.nan)
    return BodyMotion(
        person_id=person_id,
        model="bvh",
        gender="neutral",
        tree=JointTree(clip.names, clip.parents),
        rest_joints_m=scale * rest,
        shape_names=(),
        shape=np.zeros(0),
        shape_sigma=np.zeros(0),
        frame=np.arange(frames),
        time_s=clip.frame_time_s * np.arange(frames),
        present=np.ones(frames, bool),
        root_position_m=root,
        rotations=quaternion_from_matrix(rotations),
        joint_positions_m=positions,
        position_covariance_m2=unknown,
        rotation_covariance_rad2=unknown,
        measured=np.ones((frames, joints), bool),
        dof_names=(),
        dof_rad=np.zeros((frames, 0)),
        dof_limits_rad=np.zeros((0, 2)),
        keypoint_names=(),
        keypoints_m=np.zeros((frames, 0, 3)),
        residual_m=np.zeros((frames, 0)),
    )


def _up(clip: BvhClip, rest: Float[np.ndarray, "joints 3"]) -> Float[np.ndarray, " 3"]:
    """The axis of the file, or its opposite, that is nearest to the legs, from foot to hip."""
    roles = joint_roles(clip.names, clip.parents)
    if not all(role in roles for role in _LEGS):
        return np.array([0.0, 1.0, 0.0])
    a, b, c, d = (rest[roles[role]] for role in _LEGS)
    legs = a + b - c - d
    axis = int(np.argmax(np.abs(legs)))
    return (1.0 if legs[axis] >= 0 else -1.0) * np.eye(3)[axis]


def _scale(
    clip: BvhClip,
    rest: Float[np.ndarray, "joints 3"],
    up: Float[np.ndarray, " 3"],
    name: str,
) -> float:
    """The length of the file's unit, by which a person at rest has a person's height."""
    ends = rest + clip.ends
    points = np.concatenate((rest, ends[np.isfinite(ends).all(axis=1)]))
    height = float(np.ptp(points @ up))
    for unit, metres in METRES.items():
        low, high = _STATURE_INCHES_M if unit == "in" else _STATURE_M
        if low <= height * metres <= high:
            return metres
    raise InputError(
        f"{name}: the unit of length cannot be told, since the skeleton at rest is {height:g} "
        f"units high; name it by --unit, or by --scale METRES"
    )
