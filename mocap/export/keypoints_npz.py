"""Keypoints as one NumPy archive: all that a program needs to go on, without this package."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from mocap.files import write_atomically
from mocap.model import Motion


def write_keypoints_npz(motion: Motion, path: Path) -> None:
    """Writes all people as an NPZ, which `np.load(path, allow_pickle=False)` reads.

    Arrays, for P rows (one per person and frame) and K keypoints: `joint_names` (K, text),
    `frame` (P, int64), `time_s` (P), `id` (P, int64), `points` (P, K, 3) in metres, world Z-up,
    NaN for missing, `covariance` (P, K, 3, 3) in square metres, `reprojection_px` (P, K) and
    `n_views` (P, K, int64).

    Args:
        motion: the rows to write.
        path: the file; an existing one is replaced.

    Raises:
        OutputError: the folder cannot be written to.
    """
    content = io.BytesIO()
    np.savez_compressed(
        content,
        joint_names=np.array(motion.skeleton.keypoints, dtype=np.str_),
        frame=motion.frame,
        time_s=motion.time_s,
        id=motion.person_id,
        points=motion.points_m,
        covariance=motion.covariance_m2,
        reprojection_px=motion.reprojection_px,
        n_views=motion.n_views,
    )
    write_atomically(path, content.getvalue())
