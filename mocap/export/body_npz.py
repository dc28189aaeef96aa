"""One person's body motion as a NumPy archive."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from mocap.files import write_atomically
from mocap.model import BodyMotion


def write_body_npz(motion: BodyMotion, path: Path) -> None:
    """Writes a person's body motion as an NPZ, which `np.load(path, allow_pickle=False)` reads.

    Arrays are named as the attributes of `BodyMotion`, in the same units and frames, with
    `joint_names` and `joint_parents` (-1 for the root) for its tree; `id`, `model` and `gender` are
    single values.

    Args:
        motion: the motion.
        path: the file; an existing one is replaced.

    Raises:
        OutputError: the folder cannot be written to.
    """
    content = io.BytesIO()
    np.savez_compressed(
        content,
        id=np.int64(motion.person_id),
        model=np.str_(motion.model),
        gender=np.str_(motion.gender),
        joint_names=_texts(motion.tree.names),
        joint_parents=np.array(motion.tree.parents, np.int64),
        rest_joints_m=motion.rest_joints_m,
        shape_names=_texts(motion.shape_names),
        shape=motion.shape,
        shape_sigma=motion.shape_sigma,
        frame=motion.frame,
        time_s=motion.time_s,
        present=motion.present,
        root_position_m=motion.root_position_m,
        rotations=motion.rotations,
        joint_positions_m=motion.joint_positions_m,
        position_covariance_m2=motion.position_covariance_m2,
        rotation_covariance_rad2=motion.rotation_covariance_rad2,
        measured=motion.measured,
        dof_names=_texts(motion.dof_names),
        dof_rad=motion.dof_rad,
        dof_limits_rad=motion.dof_limits_rad,
        keypoint_names=_texts(motion.keypoint_names),
        keypoints_m=motion.keypoints_m,
        residual_m=motion.residual_m,
    )
    write_atomically(path, content.getvalue())


def _texts(values: tuple[str, ...]) -> np.ndarray:
    return np.array(values, dtype=np.str_)
