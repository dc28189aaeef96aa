"""How well a fit is supported: covariance, correlated noise, and error on views left out.

With the board poses eliminated (Schur complement) every view contributes a small matrix and a
gradient to the lens. From these few numbers follow, without another fit, the lens without any one
view and how well it predicts that view; and whether the views pull at the lens as independent
noise would, or harder because the errors within a view belong together (a bent board, blur, a
rolling shutter).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from calibration.lens.fit import LensFit
from mocap.arrays import Float

_PRIOR_STRENGTH = 4.0
"""Weight, in directions, of the expectation that noise is independent."""
_LEAST_RUNS = 5
REGIONS = 12
"""Small regions of the image along its width."""


@dataclass(frozen=True)
class LensEvidence:
    """A fit as its views see it, poses eliminated.

    Attributes:
        information: of each view about the free numbers of the lens.
        gradient: of each view's half sum of squares by them, at the solution.
        chi2: sum of squares of each view, robustly weighted, in whitened units.
        prior: information of the priors.
        points: number of points of each view.
        region: how the free numbers' gradient reacts to a shift, by one pixel in u and v, of all
            that is seen in one small region of the image.
    """

    information: Float[np.ndarray, "views free free"]
    gradient: Float[np.ndarray, "views free"]
    chi2: Float[np.ndarray, " views"]
    prior: Float[np.ndarray, "free free"]
    points: Float[np.ndarray, " views"]
    region: Float[np.ndarray, "regions free 2"]

    @classmethod
    def of(cls, fit: LensFit) -> LensEvidence:
        """Eliminates the poses of a fit."""
        views = fit.problem.views
        residual, rows, _, prior_rows = fit.problem.dense_rows(fit.state)
        free = fit.problem.basis.shape[1]
        weighted = fit.weight[:, None, None] * rows
        first = views.first
        normal = np.add.reduceat(np.einsum("nri,nrj->nij", weighted, rows), first, axis=0)
        gradient = np.add.reduceat(np.einsum("nri,nr->ni", weighted, residual), first, axis=0)
        lens, cross, pose = (
            normal[:, :free, :free],
            normal[:, :free, free:],
            normal[:, free:, free:],
        )
        # Rotation and shift have different units.
        scale = 1 / np.sqrt(np.maximum(np.einsum("vii->vi", pose), 1e-300))
        scaled = pose * scale[:, :, None] * scale[:, None, :] + 1e-12 * np.eye(6)
        right = np.concatenate([cross.transpose(0, 2, 1), gradient[:, free:, None]], axis=-1)
        solved = scale[:, :, None] * np.linalg.solve(scaled, scale[:, :, None] * right)
        information = lens - cross @ solved[:, :, :free]
        reduced = gradient[:, :free] - (cross @ solved[:, :, free:])[:, :, 0]
        pulls = weighted[:, :, :free] - np.einsum(
            "nri,nij->nrj", weighted[:, :, free:], solved[views.view, :, :free]
        )
        columns, row = np.floor(views.pixels * (REGIONS / views.size[0])).astype(np.int64).T
        _, place = np.unique(columns + (row - row.min()) * 10 * REGIONS, return_inverse=True)
        region = np.zeros((int(place.max()) + 1, free, 2))
        np.add.at(region, place, np.swapaxes(pulls, 1, 2) / views.sigma_px[:, None, None])
        chi2 = np.add.reduceat(fit.weight * np.sum(residual**2, axis=-1), first)
        return cls(
            0.5 * (information + information.transpose(0, 2, 1)),
            reduced,
            chi2,
            prior_rows.T @ prior_rows,
            views.count.astype(np.float64),
            region,
        )

    @property
    def total(self) -> Float[np.ndarray, "free free"]:
        """Information of all views and the priors."""
        return self.information.sum(axis=0) + self.prior

    def covariance(
        self, inflation: float = 1.0, unmodelled_px: float = 0.0
    ) -> Float[np.ndarray, "free free"]:
        """Covariance of the free numbers, for whitened residuals of unit variance.

        Args:
            inflation: how many times less correlation makes the residuals count.
            unmodelled_px: standard deviation of a shift that everything seen in one region of the
                image has in common, in each coordinate.
        """
        random = _inverse(self.information.sum(axis=0) / inflation + self.prior)
        shift = unmodelled_px * _inverse(self.total) @ self.region
        return random + np.einsum("cir,cjr->ij", shift, shift)

    def inflation(self, runs: tuple[int, ...] = (1,)) -> float:
        """By how much correlated errors raise the variance of the lens; at least 1.

        The views' gradients vary, for independent noise, as their information says: the ratio of
        both, over all directions of the free numbers (the cluster-robust covariance of Liang and
        Zeger, 1986, in one number), drawn towards 1 as far as few views leave it open.

        Args:
            runs: numbers of successive views whose errors may belong together, 1 for images that
                have nothing to do with each other; the largest ratio counts. In a video the board
                moves little from one view to the next, and with it the errors.
        """
        inverse = _inverse(self.total)
        largest = 1.0
        for run in runs:
            starts = np.arange(0, len(self.gradient), run)
            if len(starts) < _LEAST_RUNS and run > 1:
                continue
            gradient = np.add.reduceat(self.gradient, starts, axis=0)
            information = np.add.reduceat(self.information, starts, axis=0)
            seen = float(np.einsum("ij,vi,vj->", inverse, gradient, gradient))
            share = inverse @ information
            expected = float(np.einsum("vii->", share) - np.einsum("vij,vji->", share, share))
            ratio = (seen + _PRIOR_STRENGTH) / (max(expected, 0.0) + _PRIOR_STRENGTH)
            largest = max(largest, ratio)
        return largest

    @property
    def left_out_chi2(self) -> Float[np.ndarray, " views"]:
        """Sum of squares of each view under the lens found from the others, its pose refitted
        (one Newton step from the common solution)."""
        others = _inverse(self.total - self.information)
        step = np.einsum("vij,vj->vi", others, self.gradient)
        growth = 2 * np.einsum("vi,vi->v", self.gradient, step) + np.einsum(
            "vi,vij,vj->v", step, self.information, step
        )
        return self.chi2 + np.maximum(growth, 0.0)

    def score(self, misfit: float, inflation: float) -> float:
        """-2 log of the evidence for the form (Laplace's approximation; MacKay, Neural Computation
        1992), up to a constant that all forms share: what the fit misses, and for each free
        number a price that grows with how much narrower the data make it than the prior was.

        Without priors it is the Bayesian information criterion (Schwarz, 1978), with the number
        of measurements reduced to what they are worth as independent ones.

        Args:
            misfit: robust sum of squares of the pixels.
            inflation: of the noise, the same for all forms that are compared.
        """
        free = len(self.prior)
        values = np.linalg.eigvalsh(self.prior) if free else np.ones(0)
        if not np.all(values > 0):
            worth = max(2 * float(self.points.sum()) / inflation, math.e)
            return misfit / inflation + free * math.log(worth)
        posterior = self.information.sum(axis=0) / inflation + self.prior
        price = np.linalg.slogdet(posterior)[1] - np.linalg.slogdet(self.prior)[1]
        return misfit / inflation + float(price)


def _inverse(matrix: Float[np.ndarray, "*batch n n"]) -> Float[np.ndarray, "*batch n n"]:
    """Inverse of symmetric matrices whose entries are of very different size; directions that
    nothing determines get a huge, but finite, variance."""
    diagonal = np.einsum("...ii->...i", matrix)
    scale = 1 / np.sqrt(np.maximum(diagonal, 1e-300))
    outer = scale[..., :, None] * scale[..., None, :]
    values, vectors = np.linalg.eigh(matrix * outer)
    values = np.maximum(values, 1e-12)
    return outer * ((vectors / values[..., None, :]) @ np.swapaxes(vectors, -1, -2))
