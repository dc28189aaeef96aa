"""MOT: joint angles as coordinates of OpenSim's full-body models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from mocap.arrays import Float
from mocap.body.biomechanics.opensim import opensim_coordinates
from mocap.body.biomechanics.tables import QuantityTable
from mocap.files import write_atomically
from mocap.geometry.rotations import matrix_from_quaternion, quaternion_from_matrix
from mocap.model import BodyMotion

_TURN = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""The coordinates take the world's (x, z, -y) for OpenSim's axes; turned so beforehand, they come
out in (y, z, x), which are those of the markers in our TRC files."""


def write_mot(motion: BodyMotion, path: Path) -> tuple[str, ...]:
    """Writes the coordinates of one person, in degrees and metres, one row per frame.

    Names and signs are those of Rajagopal's model, see `mocap.body.biomechanics.opensim`. The axes
    are those of our TRC files.

    Args:
        motion: the motion, on any body model whose joints are known by name.
        path: the file; an existing one is replaced.

    Returns:
        In words, which rows rest on no measurement.

    Raises:
        InputError: the body lacks joints that are needed.
        OutputError: the folder cannot be written to.
    """
    table = opensim_coordinates(_turned(motion, _TURN))
    write_atomically(path, mot_text(table, path.stem).encode())
    absent = int(np.count_nonzero(~motion.present))
    return (f"{absent} frames without the person, interpolated",) if absent else ()


def mot_text(table: QuantityTable, name: str) -> str:
    """The content of the file; OpenSim reads it as a motion."""
    lines = [
        name,
        "version=1",
        f"nRows={len(table)}",
        f"nColumns={1 + len(table.names)}",
        "inDegrees=yes",
        "endheader",
        "\t".join(("time", *table.names)),
    ]
    row_format = "\t".join(["%.8f"] * (1 + len(table.names)))
    for time_s, row in zip(table.time_s.tolist(), table.values.tolist(), strict=True):
        lines.append(row_format % (time_s, *row))
    return "\n".join(lines) + "\n"


def _turned(motion: BodyMotion, turn: Float[np.ndarray, "3 3"]) -> BodyMotion:
    """The motion in a world turned about the vertical."""
    rotations = motion.rotations.copy()
    rotations[:, 0] = quaternion_from_matrix(turn @ matrix_from_quaternion(rotations[:, 0]))
    return replace(
        motion,
        root_position_m=motion.root_position_m @ turn.T,
        rotations=rotations,
        joint_positions_m=motion.joint_positions_m @ turn.T,
        position_covariance_m2=turn @ motion.position_covariance_m2 @ turn.T,
        keypoints_m=motion.keypoints_m @ turn.T,
    )
