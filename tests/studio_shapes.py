"""Simple bodies whose place in a picture is known."""

from __future__ import annotations

import numpy as np

from mocap.studio.render import Mesh


def ball(center: np.ndarray, radius_m: float, color: tuple[float, float, float]) -> Mesh:
    rings, sides = 16, 32
    polar = np.linspace(0, np.pi, rings + 1)
    around = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    p, a = np.meshgrid(polar, around, indexing="ij")
    points = np.stack([np.sin(p) * np.cos(a), np.sin(p) * np.sin(a), np.cos(p)], -1).reshape(-1, 3)
    index = np.arange((rings + 1) * sides).reshape(rings + 1, sides)
    low, high = index[:-1], index[1:]
    right_low, right_high = np.roll(low, -1, axis=1), np.roll(high, -1, axis=1)
    triangles = np.concatenate(
        [
            np.stack([low, high, right_high], -1).reshape(-1, 3),
            np.stack([low, right_high, right_low], -1).reshape(-1, 3),
        ]
    )
    return Mesh(np.asarray(center) + radius_m * points, triangles, np.tile(color, (len(points), 1)))


def red_center(picture: np.ndarray) -> np.ndarray:
    """Centre, in pixels, of what is red, in light and in shadow."""
    values = picture.astype(float)
    red, other = values[..., 0], np.maximum(values[..., 1], values[..., 2])
    rows, columns = np.nonzero((other < 0.6 * red) & (red > 0.05 * red.max()))
    return np.array([columns.mean(), rows.mean()])
