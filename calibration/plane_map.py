"""Maps from a flat board to an image: exact ones, and ones that follow a lens."""

from __future__ import annotations

from typing import Any

import numpy as np

from mocap.arrays import Bool, Float

TRIES = 200
"""Of the robust map; half of the points may be absurd."""


def homography(
    places: Float[np.ndarray, "points 2"],
    pixels: Float[np.ndarray, "points 2"],
    limit_px: float | None = None,
) -> tuple[Float[np.ndarray, "3 3"] | None, Bool[np.ndarray, " points"] | None]:
    """The plane-to-image map that fits most points, and which do; None where none is found.

    Args:
        places: on the board.
        pixels: of the same points.
        limit_px: how far points that fit may be away; without it, least median of squares.
    """
    import cv2

    method = cv2.LMEDS if limit_px is None else cv2.RANSAC
    found: Any = cv2.findHomography(places, pixels, method, limit_px or 3.0, None, TRIES, 0.999)
    H, inside = found
    return H, None if inside is None else np.ravel(inside) > 0


def plain_homography(
    places: Float[np.ndarray, "points 2"], pixels: Float[np.ndarray, "points 2"]
) -> Float[np.ndarray, "3 3"] | None:
    """The plane-to-image map that fits all points best; None where there is none."""
    import cv2

    found: Any = cv2.findHomography(places, pixels, 0)
    return found[0]


def local_axes(
    places: Float[np.ndarray, "points 2"], pixels: Float[np.ndarray, "points 2"]
) -> Float[np.ndarray, "points 2 2"]:
    """How many pixels a square along x (first row) and y (second) is at each point.

    An affine map per point, in which near points weigh more: it follows perspective and strong
    lens distortion alike.

    Args:
        places: in squares, not all on one line.
        pixels: of the same points.
    """
    away = places[None] - places[:, None]
    weight = 1 / (1 + np.sum(away**2, axis=-1)) ** 2
    total = weight.sum(axis=1)
    mean_place = (weight @ places) / total[:, None]
    mean_pixel = (weight @ pixels) / total[:, None]
    from_mean = places[None] - mean_place[:, None]
    moved = pixels[None] - mean_pixel[:, None]
    spread = np.einsum("in,inj,ink->ijk", weight, from_mean, from_mean)
    spread += 1e-9 * np.eye(2)
    return np.linalg.solve(spread, np.einsum("in,inj,ink->ijk", weight, from_mean, moved))


def smooth_part(
    places: Float[np.ndarray, "points 2"], away: Float[np.ndarray, "points 2"]
) -> Float[np.ndarray, "points 2"]:
    """What of the displacements is a polynomial over the board, of the degree that the number of
    points bears; outliers have little weight."""
    degree = 3 if len(places) >= 24 else 2 if len(places) >= 14 else -1
    if degree < 0:
        return np.zeros_like(away)
    x, y = ((places - places.mean(axis=0)) / np.ptp(places, axis=0).max()).T
    terms = np.stack([x**i * y**j for i in range(degree + 1) for j in range(degree + 1 - i)], -1)
    weight = np.ones(len(places))
    smooth = np.zeros_like(away)
    for _ in range(4):
        fit, *_ = np.linalg.lstsq(terms * weight[:, None], away * weight[:, None], rcond=None)
        smooth = terms @ fit
        left = np.linalg.norm(away - smooth, axis=-1)
        weight = 1 / (1 + left / max(0.05, float(np.median(left))))
    return smooth
