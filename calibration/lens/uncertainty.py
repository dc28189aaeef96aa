"""How well the lens is known at every place of the image, in pixels.

Far from where the board was, the lens is extrapolated. A parameter's standard deviation does not
show that; where the image of a ray may lie does. A rotation of the camera, which its pose takes up,
is not counted: it is fitted where the board was seen (as mrcal's projection uncertainty does).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.lens.form import lens_vector, matrix_and_distortions
from calibration.lens.result import LensCalibration
from calibration.lens_jacobian import project_with_jacobians
from mocap.arrays import Bool, Float
from mocap.geometry.projection import project_points, unproject_pixels
from mocap.geometry.rotations import skew_matrix
from mocap.model import Intrinsics

_LEAST_WEIGHT = 1e-3


@dataclass(frozen=True)
class DistortionUncertainty:
    """Map over the image.

    Attributes:
        pixels: where it was evaluated.
        sigma_px: root mean square length by which the image of a ray may be off, at each place;
            NaN where the lens has no inverse. Forms of lens which the evidence does not rule out
            are part of it.
        covered: whether the board was seen there.
    """

    pixels: Float[np.ndarray, "rows columns 2"]
    sigma_px: Float[np.ndarray, "rows columns"]
    covered: Bool[np.ndarray, "rows columns"]

    @property
    def covered_px(self) -> float:
        """Median where the board was seen."""
        return float(np.nanmedian(self.sigma_px[self.covered]))

    @property
    def worst_px(self) -> float:
        """Largest over the image, as far as the lens has an inverse (the image circle of a fisheye
        may end inside the picture)."""
        return float(np.nanmax(self.sigma_px))


def distortion_uncertainty(
    calibration: LensCalibration, columns: int = 32
) -> DistortionUncertainty:
    """Uncertainty of the lens over the whole image.

    Args:
        calibration: of one camera.
        columns: number of places along the width of the image.
    """
    intrinsics = calibration.intrinsics
    width, height = intrinsics.size
    rows = max(2, round(columns * height / width))
    x, y = np.meshgrid(np.linspace(0, width - 1, columns), np.linspace(0, height - 1, rows))
    pixels = np.stack([x, y], axis=-1)
    grid = calibration.coverage.covered
    row = np.minimum((y + 0.5) / height * grid.shape[0], grid.shape[0] - 1).astype(int)
    column = np.minimum((x + 0.5) / width * grid.shape[1], grid.shape[1] - 1).astype(int)
    covered = grid[row, column]
    flat = pixels.reshape(-1, 2)
    by_lens, by_rotation = _sensitivities(intrinsics, flat)
    seen = np.isfinite(by_lens).all(axis=(1, 2))
    anchor = seen & (covered.ravel() if (covered.ravel() & seen).any() else True)
    turn = np.linalg.pinv(by_rotation[anchor].reshape(-1, 3))

    def compensated(moved: np.ndarray) -> np.ndarray:
        """Takes the rotation off that a movement (n, 2, m) of the image's points implies."""
        return moved - by_rotation @ (turn @ moved[anchor].reshape(-1, moved.shape[-1]))

    shown = compensated(by_lens)
    variance = np.einsum("nri,ij,nrj->n", shown, calibration.covariance, shown)
    for other, weight in _rivals(calibration):
        rays = unproject_pixels(flat, *matrix_and_distortions(lens_vector(other)), _fisheye(other))
        image, _ = project_points(
            rays,
            *matrix_and_distortions(lens_vector(intrinsics)),
            _fisheye(intrinsics),
            np.eye(4),
        )
        moved = image - flat
        if np.isfinite(moved[anchor]).all():
            moved = compensated(moved[:, :, None])[:, :, 0]
            variance = variance + weight * np.nan_to_num(np.sum(moved**2, axis=-1))
    sigma = np.where(seen, np.sqrt(np.maximum(variance, 0)), np.nan)
    return DistortionUncertainty(pixels, sigma.reshape(rows, columns), covered)


def _sensitivities(
    intrinsics: Intrinsics, pixels: Float[np.ndarray, "n 2"]
) -> tuple[Float[np.ndarray, "n 2 parameters"], Float[np.ndarray, "n 2 3"]]:
    """How the image of the ray of each pixel moves with the lens, and with a rotation."""
    matrix, distortions = matrix_and_distortions(lens_vector(intrinsics))
    fisheye = _fisheye(intrinsics)
    rays = unproject_pixels(pixels, matrix, distortions, fisheye)
    with np.errstate(invalid="ignore"):
        _, by_point, by_lens = project_with_jacobians(rays, matrix, distortions, fisheye)
    return by_lens, by_point @ -skew_matrix(rays)


def _rivals(calibration: LensCalibration) -> list[tuple[Intrinsics, float]]:
    """The other forms of lens, with their probability given the evidence."""
    admissible = [c for c in calibration.candidates if c.admissible]
    if len(admissible) < 2:
        return []
    scores = np.array([c.score for c in admissible])
    weights = np.exp(-0.5 * (scores - scores.min()))
    weights /= weights.sum()
    return [
        (candidate.intrinsics, float(weight))
        for candidate, weight in zip(admissible, weights, strict=True)
        if candidate.form != calibration.form and weight > _LEAST_WEIGHT
    ]


def _fisheye(intrinsics: Intrinsics) -> bool:
    return intrinsics.lens == "fisheye"
