"""What is known of lenses before anything is measured.

Footage that shows the board in one spot of the image leaves some parameters open. A weak prior
keeps those near what cameras are like, with the honest width of that knowledge; where the footage
speaks, it does not matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from calibration.lens.form import LensForm, half_diagonal_px, middle_px
from mocap.arrays import Float

_RADII = (0.7, 1.0)
"""Where the slope is looked at, as shares of the distance to the image's corner."""


@dataclass(frozen=True)
class Plausible:
    """Widths of the priors, all as standard deviations.

    Attributes:
        view_deg: field of view along the longer side of a pinhole camera, from 2 sigma below to
            2 sigma above; the focal length is log-normal.
        fisheye_view_deg: the same of a fisheye camera.
        aspect: of log(fx / fy).
        center: of the centre about the middle, as a share of the image's side.
        radial: of each radial term at the image's corner, as a share of the radius.
        slope: of how much faster or slower the image radius grows near the border of the image
            than at its centre; what folds back is 2 sigma and more away.
        tangential: of each tangential term at the image's corner, likewise.
        unmodelled_px: what no lens model expresses: how far the image of each small region is off
            in every view alike. Many views of one region do not average it out.
    """

    view_deg: tuple[float, float] = (35.0, 120.0)
    fisheye_view_deg: tuple[float, float] = (80.0, 220.0)
    aspect: float = 0.03
    center: float = 0.05
    radial: float = 0.5
    slope: float = 0.4
    tangential: float = 0.03
    unmodelled_px: float = 0.05

    def focal_px(self, fisheye: bool, size: tuple[int, int]) -> tuple[float, float]:
        """Shortest and longest plausible focal length."""
        side = max(size)
        wide, narrow = (
            math.radians(v) for v in (self.fisheye_view_deg if fisheye else self.view_deg)[::-1]
        )
        if fisheye:
            return side / wide, side / narrow
        return 0.5 * side / math.tan(wide / 2), 0.5 * side / math.tan(narrow / 2)


@dataclass(frozen=True)
class LensPriors:
    """The priors of one lens form, as residuals.

    Attributes:
        mean: expected value of every parameter; the focal length's entry is its logarithm's.
        sigma: its standard deviation; infinite for none.
        aspect: standard deviation of log(fx / fy).
        border: rows that give, applied to the parameters, the whitened change of slope at some
            radii up to the image's corner.
    """

    mean: Float[np.ndarray, " parameters"]
    sigma: Float[np.ndarray, " parameters"]
    aspect: float
    border: Float[np.ndarray, "radii parameters"]

    @classmethod
    def of(
        cls, form: LensForm, size: tuple[int, int], focal_px: float, plausible: Plausible | None
    ) -> LensPriors:
        """Priors of a form, without any effect where `plausible` is None.

        Args:
            form: the lens.
            size: of the image.
            focal_px: about the focal length, which tells how far the image's corner is from the
                axis and so how large a coefficient may be.
            plausible: the widths.
        """
        count = len(form.parameters)
        mean, sigma = np.zeros(count), np.full(count, np.inf)
        if plausible is None:
            return cls(mean, sigma, math.inf, np.zeros((0, count)))
        short, long = plausible.focal_px(form.fisheye, size)
        mean[0] = 0.5 * (math.log(short) + math.log(long))
        sigma[0] = 0.25 * (math.log(long) - math.log(short))
        mean[2:4] = middle_px(size)
        sigma[2:4] = plausible.center * np.asarray(size)
        corner = half_diagonal_px(size) / focal_px
        orders = {"k1": 2, "k2": 4, "k3": 6, "k4": 8} if form.fisheye else {
            "k1": 2, "k2": 4, "k3": 6, "k4": 2, "k5": 4, "k6": 6,
        }  # fmt: skip
        for place, name in enumerate(form.parameters[4:], start=4):
            sigma[place] = (
                plausible.radial / corner ** orders[name]
                if name in orders
                else plausible.tangential / corner
            )
        border = np.zeros((len(_RADII), count))
        for row, radius in enumerate(_RADII):
            for place, name in enumerate(form.parameters[4:], start=4):
                order = orders.get(name, 0)
                # A denominator's terms act, to first order, as those of the numerator turned round.
                sign = -1.0 if not form.fisheye and name in ("k4", "k5", "k6") else 1.0
                border[row, place] = (
                    sign * (order + 1) * (radius * corner) ** order / plausible.slope
                    if order
                    else 0.0
                )
        return cls(mean, sigma, plausible.aspect, border)

    def residual(
        self, lens: Float[np.ndarray, " parameters"]
    ) -> tuple[Float[np.ndarray, " rows"], Float[np.ndarray, "rows parameters"]]:
        """Whitened residuals and their derivative by the parameters: one row for the focal
        length, one for fx / fy, one per further parameter, and those of the slope."""
        count = len(lens)
        rows, slopes = np.zeros(count), np.zeros((count, count))
        with np.errstate(invalid="ignore"):
            log_x, log_y = np.log(lens[0]), np.log(lens[1])
        rows[0] = (0.5 * (log_x + log_y) - self.mean[0]) / self.sigma[0]
        slopes[0, :2] = 0.5 / (lens[:2] * self.sigma[0])
        rows[1] = (log_x - log_y) / self.aspect
        slopes[1, :2] = np.array([1.0, -1.0]) / (lens[:2] * self.aspect)
        rows[2:] = (lens[2:] - self.mean[2:]) / self.sigma[2:]
        slopes[np.arange(2, count), np.arange(2, count)] = 1 / self.sigma[2:]
        return (
            np.concatenate([rows, self.border @ lens]),
            np.concatenate([slopes, self.border]),
        )
