"""One lens form fitted to all views: lens and board poses together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from calibration.block_jacobian import BlockJacobian, BlockPattern
from calibration.least_squares import Linearization, Loss, adjust
from calibration.lens.form import LensForm, matrix_and_distortions
from calibration.lens.plausible import LensPriors
from calibration.lens.poses import BoardPoses, missed_px, residual_px
from calibration.lens.views import BoardViews
from calibration.lens_jacobian import project_with_jacobians
from mocap.arrays import Float
from mocap.geometry.rotations import skew_matrix

HUBER_SIGMAS = 2.5
"""Length of a pixel's residual beyond which it counts less: about one in twenty of good ones."""


@dataclass(frozen=True)
class LensState:
    """Unknowns of a fit.

    Attributes:
        lens: all parameters of the lens, free or not.
        poses: of the board in each view.
    """

    lens: Float[np.ndarray, " parameters"]
    poses: BoardPoses


class LensProblem:
    """Pixels of board points as a function of lens and poses.

    Unknowns: the free numbers of the form, then for each view a small rotation (rad) and a shift
    (m). Rows: two per pixel, then the priors.

    Args:
        views: what was seen.
        form: of the lens.
        priors: of its parameters.
    """

    def __init__(self, views: BoardViews, form: LensForm, priors: LensPriors) -> None:
        self.views, self.form, self.priors = views, form, priors
        self.basis = form.basis
        free, priors_rows = self.basis.shape[1], len(priors.mean) + len(priors.border)
        # Each view is a block of the height of the largest one; what is missing are zero rows.
        height = int(views.count.max())
        self._slot = views.view * height + np.arange(len(views.view)) - views.first[views.view]
        self._slots = len(views) * height
        pose = free + 6 * np.arange(len(views))[:, None] + np.arange(6)
        columns = np.concatenate([np.tile(np.arange(free), (len(views), 1)), pose], axis=1)
        self._pattern = BlockPattern(columns, free + 6 * len(views))
        self._group = np.concatenate(
            [np.repeat(np.arange(self._slots), 2), self._slots + np.arange(priors_rows)]
        )
        self._robust = np.arange(self._slots + priors_rows) < self._slots

    def residual(self, state: LensState) -> Float[np.ndarray, " rows"]:
        """Whitened residuals."""
        px = residual_px(self.views, state.lens, self.form.fisheye, state.poses)
        prior, _ = self.priors.residual(state.lens)
        return np.concatenate([self._slotted(px / self.views.sigma_px[:, None]).ravel(), prior])

    def linearize(self, state: LensState) -> Linearization:
        """Whitened residuals and their derivative."""
        residual, rows, prior, prior_rows = self.dense_rows(state)
        values = self._slotted(rows).reshape(len(self.views), -1, rows.shape[-1])
        rest = sparse.csr_matrix(
            (
                prior_rows.ravel(),
                np.tile(np.arange(prior_rows.shape[1]), len(prior_rows)),
                prior_rows.shape[1] * np.arange(len(prior_rows) + 1),
            ),
            shape=(len(prior_rows), self._pattern.unknowns),
        )
        return Linearization(
            np.concatenate([self._slotted(residual).ravel(), prior]),
            BlockJacobian(self._pattern, values, rest),
            self._group,
            self._robust,
        )

    def weight_of_points(
        self, weight: Float[np.ndarray, " measurements"]
    ) -> Float[np.ndarray, " n"]:
        """The weights of the points among those of all measurements of an adjustment."""
        return weight[self._slot]

    def _slotted(self, values: np.ndarray) -> np.ndarray:
        """Values per point, at the places of the points in the blocks."""
        result = np.zeros((self._slots, *values.shape[1:]))
        result[self._slot] = values
        return result

    def moved(self, state: LensState, step: Float[np.ndarray, " unknowns"]) -> LensState:
        """The state after a step."""
        free = self.basis.shape[1]
        poses = state.poses.moved(step[free:].reshape(-1, 6))
        return LensState(state.lens + self.basis @ step[:free], poses)

    def dense_rows(
        self, state: LensState
    ) -> tuple[
        Float[np.ndarray, "n 2"],
        Float[np.ndarray, "n 2 free_and_6"],
        Float[np.ndarray, " priors"],
        Float[np.ndarray, "priors free"],
    ]:
        """Residuals with their derivatives by the free numbers and by the pose of their own view;
        then the priors'. A point which the lens cannot image pulls at nothing."""
        matrix, distortions = matrix_and_distortions(state.lens)
        turned = state.poses.turned_points(self.views)
        points = turned + state.poses.translation_m[self.views.view]
        with np.errstate(all="ignore"):  # what cannot be imaged is not finite, and left out
            pixels, by_point, by_lens = project_with_jacobians(
                points, matrix, distortions, self.form.fisheye
            )
            rows = np.concatenate(
                [by_lens @ self.basis, by_point @ -skew_matrix(turned), by_point], axis=-1
            )
        seen = np.all(np.isfinite(rows), axis=(1, 2))
        scale = self.views.sigma_px[:, None]
        rows = np.where(seen[:, None, None], rows / scale[:, :, None], 0.0)
        residual = missed_px(self.views, pixels) / scale
        prior, slopes = self.priors.residual(state.lens)
        return residual, rows, prior, slopes @ self.basis


@dataclass(frozen=True)
class LensFit:
    """A fitted lens.

    Attributes:
        form: of the lens.
        state: the unknowns.
        problem: what was fitted.
        cost: half the robust sum of squares, priors included.
        weight: which the robust loss left to each pixel.
        converged: whether it came to rest.
    """

    form: LensForm
    state: LensState
    problem: LensProblem
    cost: float
    weight: Float[np.ndarray, " n"]
    converged: bool

    @property
    def lens(self) -> Float[np.ndarray, " parameters"]:
        """All parameters of the lens."""
        return self.state.lens

    @cached_property
    def residual_px(self) -> Float[np.ndarray, "n 2"]:
        """Predicted less measured."""
        return self.residual_of(self.problem.views)

    def residual_of(self, views: BoardViews) -> Float[np.ndarray, "n 2"]:
        """Predicted less measured, of other points of the same views."""
        return residual_px(views, self.lens, self.form.fisheye, self.state.poses)

    @property
    def prior_squares(self) -> float:
        """Sum of squares of the priors' residuals."""
        return float(np.sum(self.problem.priors.residual(self.lens)[0] ** 2))

    @property
    def rmse_px(self) -> float:
        """Root mean square length of the residuals."""
        return float(np.sqrt(np.mean(np.sum(self.residual_px**2, axis=-1))))


def fit_lens(
    views: BoardViews,
    form: LensForm,
    start: LensState,
    priors: LensPriors,
    *,
    loss: Loss = "huber",
    max_iterations: int = 60,
    tolerance: float = 1e-8,
) -> LensFit:
    """Fits a lens and all board poses.

    Args:
        views: what was seen.
        form: which parameters are free.
        start: near the solution; parameters that are not free are set to what the form says.
        priors: of the lens.
        loss: of the length of a pixel's residual.
        max_iterations: after which it stops.
        tolerance: relative change of the cost at which it has come to rest.
    """
    problem = LensProblem(views, form, priors)
    state = LensState(conforming(form, start.lens, views.size), start.poses)
    found = adjust(
        problem,
        state,
        loss=loss,
        scale=HUBER_SIGMAS,
        max_iterations=max_iterations,
        tolerance=tolerance,
    )
    weight = problem.weight_of_points(found.weight)
    return LensFit(form, found.state, problem, found.cost, weight, found.converged)


def conforming(
    form: LensForm, lens: Float[np.ndarray, " parameters"], size: tuple[int, int]
) -> Float[np.ndarray, " parameters"]:
    """A lens with the parameters that a form does not free set to what it says."""
    result = np.zeros(len(form.parameters))
    result[: len(lens)] = lens[: len(result)]
    if form.square_pixels:
        result[:2] = np.sqrt(result[0] * result[1])
    if not form.free_center:
        result[2:4] = (np.asarray(size) - 1) / 2
    for place, name in enumerate(form.parameters[4:], start=4):
        if name not in form.terms:
            result[place] = 0.0
    return result
