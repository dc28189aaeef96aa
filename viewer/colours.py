"""The colours of people, sides, floor and cameras, as RGB in [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mocap.arrays import Float

BACKGROUND = (0.957, 0.965, 0.975)
LEFT = (0.93, 0.44, 0.08)
RIGHT = (0.10, 0.43, 0.85)
CAMERA = (0.42, 0.45, 0.50)
GRID = (0.80, 0.82, 0.85)
GRID_METRE = (0.68, 0.71, 0.75)
SHADOW = (0.83, 0.84, 0.86)
TEXT = (0.23, 0.26, 0.30)
AXES = ((0.80, 0.20, 0.22), (0.22, 0.62, 0.26), (0.20, 0.32, 0.80))

PEOPLE = (
    (0.13, 0.55, 0.34),
    (0.55, 0.24, 0.68),
    (0.80, 0.11, 0.32),
    (0.00, 0.55, 0.58),
    (0.48, 0.42, 0.02),
    (0.42, 0.28, 0.22),
    (0.30, 0.32, 0.36),
)
"""Colours of people; none is near those of the sides."""

PALE = 0.62
"""How far a doubtful keypoint's colour is moved towards the background."""


PALE_SAMPLE = (0.78, 0.79, 0.81)
"""A colour that stands for pale ones in the legend."""

LIGHT = np.array([0.30, -0.45, 0.84])
"""Direction to the light, of unit length: above, and not along an axis."""
DARKEST = 0.56


def shaded(
    colours: Float[np.ndarray, "vertices 3"], normals: Float[np.ndarray, "vertices 3"]
) -> Float[np.ndarray, "vertices 3"]:
    """Darkens what is turned away from `LIGHT`, down to `DARKEST`.

    Open3D's own lights move with the viewer and bleach colours; with these, a colour is never
    brighter than in the legend.
    """
    facing = (1.0 + normals @ LIGHT) / 2.0
    return colours * (DARKEST + (1.0 - DARKEST) * np.sqrt(np.clip(facing, 0, 1)))[:, None]


def person_colours(ranks: Sequence[int]) -> Float[np.ndarray, "people 3"]:
    """The colours of people by the rank of their id; they repeat after the last one."""
    return np.array([PEOPLE[rank % len(PEOPLE)] for rank in ranks]).reshape(-1, 3)


def paler(colours: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
    """Moves colours towards the background by `PALE`."""
    return (1 - PALE) * colours + PALE * np.array(BACKGROUND)
