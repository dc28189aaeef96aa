"""A calibrated lens as prior knowledge for a joint adjustment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from calibration.lens_jacobian import lens_parameters
from mocap.arrays import Float


@dataclass(frozen=True)
class LensPrior:
    """What is known of a lens, in the parameter order of `lens_parameters(fisheye)`.

    A joint adjustment moves the lens by lens = mean + basis @ x, with one unknown per column, and
    adds the rows `whitening @ (lens - mean)`.

    Attributes:
        fisheye: which lens model.
        mean: of all parameters.
        basis: how the free numbers move them; a column with two ones is fx = fy.
        covariance: of the free numbers (px for focal length and centre).
    """

    fisheye: bool
    mean: Float[np.ndarray, " parameters"]
    basis: Float[np.ndarray, "parameters free"]
    covariance: Float[np.ndarray, "free free"]

    @property
    def names(self) -> tuple[str, ...]:
        """Of all parameters."""
        return lens_parameters(self.fisheye)

    @property
    def free(self) -> tuple[str, ...]:
        """The parameters which may move."""
        return tuple(
            name for name, row in zip(self.names, self.basis, strict=True) if np.any(row != 0)
        )

    @cached_property
    def whitening(self) -> Float[np.ndarray, "free parameters"]:
        """Turns a deviation of the parameters into residuals of unit variance."""
        scale = np.sqrt(np.diag(self.covariance))
        correlation = self.covariance / np.outer(scale, scale)
        factor = np.linalg.cholesky(correlation + 1e-12 * np.eye(len(scale)))
        inverse = np.linalg.solve(factor, np.diag(1 / scale))
        return inverse @ np.linalg.pinv(self.basis)

    def residual(self, lens: Float[np.ndarray, " parameters"]) -> Float[np.ndarray, " free"]:
        """Whitened deviation of a lens from what is known."""
        return self.whitening @ (lens - self.mean)
