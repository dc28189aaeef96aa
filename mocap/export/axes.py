"""Which way is up in the formats of other tools."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mocap.arrays import Float

UpAxis = Literal["y", "z"]
Unit = Literal["m", "mm"]
UNIT_SCALE: dict[str, float] = {"m": 1.0, "cm": 100.0, "mm": 1000.0}
"""How many of a unit make a metre."""

Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""World (Z-up) to the Y-up axes of animation programs: (x, y, z) becomes (x, z, -y)."""
OPENSIM = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
"""World (Z-up) to OpenSim's axes: (x, y, z) becomes (y, z, x). Y is up here, too."""


def y_up(points_m: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
    """World points, Z-up, in the Y-up axes of animation programs: (x, y, z) becomes (x, z, -y)."""
    return points_m @ Y_UP.T


def marker_axes(up: UpAxis) -> Float[np.ndarray, "3 3"]:
    """From the world to the axes of a marker file: the world's own, or OpenSim's with Y up."""
    return OPENSIM if up == "y" else np.eye(3)
