"""Keypoints as a table for spreadsheets and statistics programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mocap.files import write_atomically
from mocap.model import Motion

_FIELDS = (
    ("x_m", "%.6f"),
    ("y_m", "%.6f"),
    ("z_m", "%.6f"),
    ("sigma_m", "%.6f"),
    ("reprojection_px", "%.3f"),
    ("n_views", "%d"),
)


def write_keypoints_csv(motion: Motion, path: Path) -> None:
    """Writes all people as CSV, one row per person and frame.

    Columns: `frame`, `time_s`, `id`, then for each keypoint `NAME_x_m`, `NAME_y_m`, `NAME_z_m`
    (metres, world Z-up), `NAME_sigma_m` (root of the mean of the covariance's diagonal, that is
    the standard deviation along one axis), `NAME_reprojection_px` and `NAME_n_views`. What is
    missing is an empty cell.

    Args:
        motion: the rows to write.
        path: the file; an existing one is replaced.

    Raises:
        OutputError: the folder cannot be written to.
    """
    header = ["frame", "time_s", "id"]
    header += [f"{name}_{field}" for name in motion.skeleton.keypoints for field, _ in _FIELDS]
    variance = np.trace(motion.covariance_m2, axis1=2, axis2=3) / 3.0
    cells = np.concatenate(
        (
            motion.points_m,
            np.sqrt(variance)[..., None],
            motion.reprojection_px[..., None],
            motion.n_views[..., None],
        ),
        axis=2,
    ).reshape(len(motion), len(motion.skeleton) * len(_FIELDS))
    # One format operation per row, and "nan" cut out afterwards, is what makes this fast.
    row_format = ",".join(
        ["%d", "%.6f", "%d", *(text for _ in motion.skeleton.keypoints for _, text in _FIELDS)]
    )
    lines = [",".join(header)]
    for frame, time_s, person_id, row in zip(
        motion.frame.tolist(),
        motion.time_s.tolist(),
        motion.person_id.tolist(),
        cells.tolist(),
        strict=True,
    ):
        lines.append((row_format % (frame, time_s, person_id, *row)).replace("nan", ""))
    write_atomically(path, ("\n".join(lines) + "\n").encode())
