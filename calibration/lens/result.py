"""A calibrated lens with everything needed to judge it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from calibration.lens.choice import LensCandidate
from calibration.lens.coverage import LensCoverage
from calibration.lens.form import LensForm, lens_vector
from calibration.lens.misfit import LensMisfit
from calibration.lens.prior import LensPrior
from calibration.solution import Residuals
from mocap.arrays import Float, Int
from mocap.errors import valid_choices
from mocap.model import Intrinsics


@dataclass(frozen=True)
class LensCalibration:
    """What the views of one camera say about its lens.

    Attributes:
        name: of the camera.
        intrinsics: the lens.
        given: whether the lens was given and only looked at.
        form: which parameters are free.
        parameters: names, in the order of `covariance`.
        covariance: of all parameters (px for fx, fy, cx, cy); zero for those which are not free.
            The centre's is that of a free centre even where the middle was chosen. Given the
            form; see `form_spread`.
        form_spread: what not knowing the form adds to it, in the same order.
        candidates: every form that was fitted, best first; empty for a given lens.
        reason: why this form, in words.
        residuals: of all seen points in usable views, believed or not (camera index 0; the pose of
            views that were left out is refitted).
        rmse_px: root mean square length of the believed residuals.
        left_out_px: the same of views left out of the fit in turn (leave-one-out
            cross-validation); NaN for a given lens.
        sigma_px: noise of one coordinate of a usual point.
        inflation: by how much correlated errors within a view raise the variance of the lens.
        frame: of each used view.
        T_cam_target: pose of the board in each used view.
        frames_left_out: frames whose views were not believed.
        points_left_out: number of single points that were not believed.
        coverage: of the image.
        misfit: whether the lens model fits.
        notes: what the user should read, in words.
    """

    name: str
    intrinsics: Intrinsics
    given: bool
    form: LensForm
    parameters: tuple[str, ...]
    covariance: Float[np.ndarray, "parameters parameters"]
    form_spread: Float[np.ndarray, "parameters parameters"]
    candidates: tuple[LensCandidate, ...]
    reason: str
    residuals: Residuals
    rmse_px: float
    left_out_px: float
    sigma_px: float
    inflation: float
    frame: Int[np.ndarray, " views"]
    T_cam_target: Float[np.ndarray, "views 4 4"]
    frames_left_out: Int[np.ndarray, " left_out"]
    points_left_out: int
    coverage: LensCoverage
    misfit: LensMisfit
    notes: tuple[str, ...]

    @property
    def lens_misfit(self) -> bool:
        """Verdict: the lens model does not fit this camera."""
        return self.misfit.found

    @property
    def values(self) -> dict[str, float]:
        """All parameters by name."""
        return dict(zip(self.parameters, map(float, lens_vector(self.intrinsics)), strict=True))

    @property
    def sigma(self) -> dict[str, float]:
        """Standard deviations of the free parameters by name, the doubt about the form
        included."""
        sigmas = np.sqrt(np.diag(self.covariance + self.form_spread))
        return {
            name: float(sigma)
            for name, sigma, own in zip(
                self.parameters, sigmas, np.diag(self.covariance), strict=True
            )
            if own > 0
        }

    @property
    def focal_sigma_px(self) -> float:
        """Standard deviation of the mean of fx and fy."""
        total = self.covariance + self.form_spread
        return math.sqrt(max(float(total[:2, :2].sum()), 0.0)) / 2

    def interval(self, name: str, level: float = 0.9) -> tuple[float, float]:
        """Interval which holds a parameter with a given probability.

        Raises:
            KeyError: there is no such parameter.
        """
        if name not in self.parameters:
            raise KeyError(f"no parameter {name!r}; there are {valid_choices(self.parameters)}")
        half = float(norm.ppf(0.5 + level / 2)) * self.sigma.get(name, 0.0)
        return self.values[name] - half, self.values[name] + half

    @property
    def prior(self) -> LensPrior:
        """The lens as prior of a joint adjustment; without free numbers where it was given."""
        basis = free_center(self.form).basis
        if self.given:
            basis = basis[:, :0]
        inverse = np.linalg.pinv(basis)
        return LensPrior(
            self.form.fisheye,
            lens_vector(self.intrinsics),
            basis,
            inverse @ self.covariance @ inverse.T,
        )


def free_center(form: LensForm) -> LensForm:
    """The form with a free centre, which no camera's is exactly the middle to be."""
    return LensForm(form.fisheye, form.terms, form.square_pixels, True)
