"""Whether a lens maps the whole image one to one, or folds back inside it."""

from __future__ import annotations

import numpy as np

from mocap.arrays import Float
from mocap.geometry.projection import pinhole_distortion_jacobian
from mocap.model import Intrinsics

_SAMPLES = 200
_WIDEST_PINHOLE_RAD = np.deg2rad(85.0)
_WIDEST_FISHEYE_RAD = np.deg2rad(100.0)
_LEAST_SLOPE = 0.02


def border_px(size: tuple[int, int], per_side: int = 4) -> Float[np.ndarray, "n 2"]:
    """Points along the border of an image."""
    along = np.linspace(0, 1, per_side, endpoint=False)
    width, height = size[0] - 1, size[1] - 1
    zero, one = np.zeros(per_side), np.ones(per_side)
    x = np.concatenate([along, one, 1 - along, zero]) * width
    y = np.concatenate([zero, along, one, 1 - along]) * height
    return np.stack([x, y], axis=-1)


def folds_back(intrinsics: Intrinsics) -> bool:
    """Whether, going outwards from the centre, the image radius stops growing before the border
    of the image is reached. Of a fisheye, whose image circle may lie inside the picture, it is
    asked up to 100 degrees off the axis only.

    A lens that does is wrong near the border, whatever its residuals where the board was.
    """
    matrix, d = intrinsics.matrix, intrinsics.packed_distortions
    offset = border_px(intrinsics.size) - matrix[:2, 2]
    offset = offset / np.array([matrix[0, 0], matrix[1, 1]])
    farthest = np.linalg.norm(offset, axis=-1)
    directions = offset / np.maximum(farthest, 1e-12)[:, None]
    if intrinsics.lens == "fisheye":
        theta = np.linspace(0, _WIDEST_FISHEYE_RAD, _SAMPLES)
        t2 = theta * theta
        angle = theta * (1 + t2 * (d[0] + t2 * (d[1] + t2 * (d[2] + t2 * d[3]))))
        slope = np.gradient(angle, theta)
        inside = angle <= farthest.max()
        before = np.logical_and.accumulate(inside)
        return bool(np.any(slope[before] < _LEAST_SLOPE))
    radius = np.tan(np.linspace(0, _WIDEST_PINHOLE_RAD, _SAMPLES))
    r2 = radius * radius
    denominator = 1 + r2 * (d[5] + r2 * (d[6] + r2 * d[7]))
    x, y = (directions[:, axis, None] * radius for axis in (0, 1))
    with np.errstate(all="ignore"):
        jacobian = pinhole_distortion_jacobian(x, y, d)
        outward = np.einsum("bi,bnij,bj->bn", directions, jacobian, directions)
        bad = ~((outward > _LEAST_SLOPE) & (np.linalg.det(jacobian) > 0) & (denominator > 0))
        means = 0.5 * (outward[:, 1:] + outward[:, :-1]) * np.diff(radius)
    grown = np.concatenate([np.zeros((len(x), 1)), np.cumsum(means, axis=1)], axis=1)
    reached = grown >= farthest[:, None]
    first_bad = np.where(bad.any(axis=1), bad.argmax(axis=1), _SAMPLES)
    first_reached = np.where(reached.any(axis=1), reached.argmax(axis=1), _SAMPLES)
    return bool(np.any(first_bad <= first_reached))
