"""Tables of keypoints, body poses, angles and events, as CSV or Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mocap.arrays import frozen_array
from mocap.files import write_atomically
from mocap.model import BodyMotion, Motion


@dataclass(frozen=True)
class Table:
    """Columns of equal length, each a number, a truth value or a text per row.

    Attributes:
        name: of the table, which becomes that of its file.
        columns: by name, in order. Missing is NaN in numbers, "" in text.
        decimals: digits behind the point in text files, for columns with other than six.
    """

    name: str
    columns: Mapping[str, np.ndarray]
    decimals: Mapping[str, int]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


def joined(name: str, tables: Sequence[Table]) -> Table:
    """The rows of several tables, one below the other; a column that one lacks is empty there."""
    names = list(dict.fromkeys(column for table in tables for column in table.columns))
    columns: dict[str, np.ndarray] = {}
    for column in names:
        parts: list[np.ndarray] = []
        for table in tables:
            own = table.columns.get(column)
            parts.append(np.full(len(table), np.nan) if own is None else own)
        columns[column] = np.concatenate(parts)
    decimals = {key: value for table in tables for key, value in table.decimals.items()}
    return Table(name, columns, decimals)


def keypoint_table(motion: Motion) -> Table:
    """All people, one row per person and frame.

    Columns: `frame`, `time_s`, `id`, then for each keypoint `NAME_x_m`, `NAME_y_m`, `NAME_z_m`
    (metres, world Z-up), `NAME_sigma_m` (root of the mean of the covariance's diagonal, that is
    the standard deviation along one axis), `NAME_reprojection_px` and `NAME_n_views`.
    """
    columns: dict[str, np.ndarray] = {
        "frame": motion.frame,
        "time_s": motion.time_s,
        "id": motion.person_id,
    }
    sigma = np.sqrt(np.trace(motion.covariance_m2, axis1=2, axis2=3) / 3.0)
    decimals: dict[str, int] = {}
    for k, name in enumerate(motion.skeleton.keypoints):
        for axis, letter in enumerate("xyz"):
            columns[f"{name}_{letter}_m"] = motion.points_m[:, k, axis]
        columns[f"{name}_sigma_m"] = sigma[:, k]
        columns[f"{name}_reprojection_px"] = motion.reprojection_px[:, k]
        columns[f"{name}_n_views"] = motion.n_views[:, k]
        decimals[f"{name}_reprojection_px"] = 3
    return Table("keypoints", columns, decimals)


def body_table(motion: BodyMotion) -> Table:
    """A person's body pose, one row per frame.

    Columns: `frame`, `time_s`, `id`, `present` (0 where the person was not there and the pose is
    interpolated), `root_x_m`, `root_y_m`, `root_z_m`, then for each joint its world position
    `NAME_x_m`, `NAME_y_m`, `NAME_z_m` and its rotation relative to its parent as a unit quaternion
    `NAME_qw`, `NAME_qx`, `NAME_qy`, `NAME_qz` (of the root: to the world).
    """
    columns: dict[str, np.ndarray] = {
        "frame": motion.frame,
        "time_s": motion.time_s,
        "id": np.full(len(motion), motion.person_id),
    }
    columns["present"] = motion.present
    for axis, letter in enumerate("xyz"):
        columns[f"root_{letter}_m"] = motion.root_position_m[:, axis]
    for j, name in enumerate(motion.tree.names):
        for axis, letter in enumerate("xyz"):
            columns[f"{name}_{letter}_m"] = motion.joint_positions_m[:, j, axis]
        for axis, letter in enumerate("wxyz"):
            columns[f"{name}_q{letter}"] = motion.rotations[:, j, axis]
    return Table("bodies", columns, {})


def write_csv(table: Table, path: Path) -> None:
    """Writes a table as CSV: UTF-8, comma, decimal point; what is missing is an empty cell.

    Raises:
        OutputError: the folder cannot be written to.
    """
    values = [frozen_array(v, v.dtype.type, (len(table),), n) for n, v in table.columns.items()]
    formats = [
        "%s"
        if v.dtype.kind in "UO"
        else "%d"
        if v.dtype.kind in "biu"
        else f"%.{table.decimals.get(name, 6)}f"
        for name, v in zip(table.columns, values, strict=True)
    ]
    rows = zip(*(v.tolist() for v in values), strict=True)
    if "%s" in formats:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(table.columns)
        for row in rows:
            cells = [f % cell for f, cell in zip(formats, row, strict=True)]
            writer.writerow(["" if cell == "nan" else cell for cell in cells])
        write_atomically(path, text.getvalue().encode())
        return
    # One format operation per row, and "nan" cut out afterwards, is what makes this fast.
    row_format = ",".join(formats)
    lines = [",".join(table.columns), *((row_format % row).replace("nan", "") for row in rows)]
    write_atomically(path, ("\n".join(lines) + "\n").encode())


def write_parquet(table: Table, path: Path) -> None:
    """Writes a table as Parquet; what is missing is null.

    Raises:
        OutputError: the folder cannot be written to.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {
        name: pa.array(np.ascontiguousarray(values), from_pandas=True)
        for name, values in table.columns.items()
    }
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(arrays), sink, compression="zstd")
    write_atomically(path, sink.getvalue().to_pybytes())


def write_table_npz(table: Table, path: Path) -> None:
    """Writes a table as an NPZ with one array per column; what is missing is NaN.

    Raises:
        OutputError: the folder cannot be written to.
    """
    content = io.BytesIO()
    arrays = {name: np.asarray(values) for name, values in table.columns.items()}
    np.savez_compressed(content, allow_pickle=False, **arrays)
    write_atomically(path, content.getvalue())
