"""What the residuals of one camera say in half a second: a shift of its image, and a delay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float

FLOOR_PX = 0.5
"""Residuals of a detector are never known better than this."""
_CAUCHY_PX = 12.0


@dataclass(frozen=True)
class ResidualBin:
    """What half a second says of one camera.

    Attributes:
        time_s: when it begins, seconds.
        shift_px: of the whole image, (u, v), pixels.
        delay_s: how late the camera is, seconds.
        delay_sigma_s: standard deviation of that.
        rest_px2: median squared disagreement of the other cameras among themselves, pixels squared.
    """

    time_s: float
    shift_px: Float[np.ndarray, " 2"]
    delay_s: float
    delay_sigma_s: float
    rest_px2: float


def fit_bin(
    time_s: float,
    residual: Float[np.ndarray, "samples 2"],
    speed: Float[np.ndarray, "samples 2"],
    rest_px2: float,
) -> ResidualBin:
    """Shift and delay of one bin: least squares with Cauchy weights.

    A camera that is late by d shows where the keypoints were d ago: residual = shift - d speed.

    Args:
        time_s: when the bin begins, seconds.
        residual: seen less expected positions, pixels.
        speed: of the expected positions, pixels per second.
        rest_px2: as in `ResidualBin`.
    """
    n = len(residual)
    design = np.zeros((n, 2, 3))
    design[:, 0, 0] = design[:, 1, 1] = 1
    design[:, :, 2] = -speed
    solution = np.concatenate([np.median(residual, axis=0), [0.0]])
    covariance = np.eye(3)
    for _ in range(8):
        error = residual - design @ solution
        squared = (error**2).sum(axis=1)
        scale = max(float(np.median(squared)) / 1.386, FLOOR_PX**2)
        weight = 1 / (1 + squared / min(4 * scale, _CAUCHY_PX**2))
        matrix = np.einsum("npi,npj,n->ij", design, design, weight) + np.diag([0, 0, 1e-3])
        covariance = scale * np.linalg.inv(matrix)
        solution = np.linalg.solve(matrix, np.einsum("npi,np,n->i", design, residual, weight))
    # Neighbouring samples of one keypoint err alike.
    sigma = float(np.sqrt(5 * covariance[2, 2]))
    return ResidualBin(time_s, solution[:2], float(solution[2]), sigma, rest_px2)


def fit_line(
    x: Float[np.ndarray, " samples"], y: Float[np.ndarray, " samples"]
) -> tuple[float, float]:
    """Slope and level of the line of least absolute deviations, by reweighting."""
    design = np.stack([x, np.ones(len(x))], axis=1)
    weight = np.ones(len(x))
    slope, level = 0.0, 0.0
    for _ in range(10):
        root = np.sqrt(weight)
        slope, level = np.linalg.lstsq(design * root[:, None], y * root, rcond=None)[0]
        error = np.abs(y - slope * x - level)
        weight = 1 / np.maximum(error, 1e-4)
    return float(slope), float(level)
