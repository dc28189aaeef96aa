"""Which points and views to believe, and how much.

Judged with a rich lens model, so that distortion is not taken for error. A view that misses by
several times what the others do (a blurred picture, a board that moved under a rolling shutter, a
board read wrongly) is left out by name; of the others each gets its own noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.lens.fit import LensFit, LensProblem, LensState, fit_lens
from calibration.lens.form import LensForm
from calibration.lens.plausible import LensPriors
from calibration.lens.poses import refined_poses
from calibration.lens.views import BoardViews
from mocap.arrays import Float, Int

BAD_VIEW = 4.0
"""Times the usual noise beyond which a view is left out."""
BAD_POINT_SIGMAS = 5.0
LEAST_VIEWS = 3
LARGEST_SHARE_LEFT_OUT = 0.4
LEAST_NOISE_PX = 0.005
_ROUNDS = 5
_PRIOR_POINTS = 10.0
"""Weight of the common noise in the noise of a view, in points."""
_RAYLEIGH_MEDIAN = 1.1774
"""Median length of a two-dimensional normal vector, in standard deviations."""


@dataclass(frozen=True)
class CleanViews:
    """What the lens is found from.

    Attributes:
        views: the believed points, with standard deviations in px.
        fit: of the rich model to them.
        left_out: views of the sightings which were not believed.
        points_left_out: number of single points which were not believed.
        sigma_px: noise of a point whose relative standard deviation is 1, usual over the views.
    """

    views: BoardViews
    fit: LensFit
    left_out: Int[np.ndarray, " views"]
    points_left_out: int
    sigma_px: float


def cleaned(
    views: BoardViews, fit: LensFit, priors: LensPriors, *, robust: bool = True
) -> CleanViews:
    """Finds the noise of every view and leaves out what does not belong.

    Args:
        views: with relative standard deviations.
        fit: of the rich model to these views, with any standard deviations.
        priors: of the rich model.
        robust: else nothing is left out, and all views have the same noise.
    """
    current = views
    for _ in range(_ROUNDS):
        scale = _view_noise(current, fit, robust)
        fit = fit_lens(
            current.with_sigma(current.sigma_px * scale[current.view]),
            fit.form,
            LensState(fit.lens, fit.state.poses),
            priors,
            loss="huber" if robust else "squared",
        )
        drop = (
            _unbelievable(current, fit, len(views)) if robust else np.zeros(len(current.view), bool)
        )
        if not drop.any():
            break
        kept = current.kept(~drop)
        poses = fit.state.poses.chosen(np.isin(current.source, kept.source))
        fit = LensFit(fit.form, LensState(fit.lens, poses), fit.problem, 0.0, fit.weight, False)
        current = kept
    scale = _view_noise(current, fit, robust)
    gone = np.setdiff1d(views.source, current.source)
    in_gone = int(np.isin(views.source[views.view], gone).sum())
    return CleanViews(
        current.with_sigma(current.sigma_px * scale[current.view]),
        fit,
        gone,
        len(views.view) - in_gone - len(current.view),
        float(np.median(scale)),
    )


def cleaned_given(views: BoardViews, form: LensForm, state: LensState) -> CleanViews:
    """The same under a lens that is known: nothing is fitted but the poses of `state`."""
    priors = LensPriors.of(form, views.size, float(state.lens[0]), None)

    def held(kept: BoardViews, state: LensState) -> LensFit:
        problem = LensProblem(kept, form, priors)
        return LensFit(form, state, problem, 0.0, np.ones(len(kept.view)), True)

    fit = held(views, state)
    kept = views.kept(~_unbelievable(views, fit, len(views)))
    left = np.isin(views.source, kept.source)
    state = LensState(state.lens, state.poses.chosen(left))
    state = LensState(state.lens, refined_poses(kept, state.lens, form.fisheye, state.poses)[0])
    scale = _view_noise(kept, held(kept, state), robust=True)
    scaled = kept.with_sigma(kept.sigma_px * scale[kept.view])
    lost = len(views.view) - int((~left)[views.view].sum()) - len(kept.view)
    return CleanViews(
        scaled, held(scaled, state), views.source[~left], lost, float(np.median(scale))
    )


def _lengths(views: BoardViews, fit: LensFit) -> Float[np.ndarray, " n"]:
    """Lengths of the residuals in units of the relative standard deviations."""
    return np.linalg.norm(fit.residual_of(views), axis=-1) / views.sigma_px


def _typical(views: BoardViews, lengths: Float[np.ndarray, " n"]) -> Float[np.ndarray, " views"]:
    """Noise of each view as its median tells, deaf to single bad points."""
    medians = [np.median(part) for part in np.split(lengths, views.first[1:])]
    return np.maximum(np.array(medians) / _RAYLEIGH_MEDIAN, LEAST_NOISE_PX)


def _view_noise(views: BoardViews, fit: LensFit, robust: bool) -> Float[np.ndarray, " views"]:
    """Standard deviation per view, drawn towards that of all by what few points leave open."""
    lengths = _lengths(views, fit)
    if robust:
        lengths = np.minimum(lengths, 4 * _typical(views, lengths)[views.view])
    squares = np.add.reduceat(lengths**2, views.first)
    free = np.maximum(2 * views.count - 6 - fit.form.basis.shape[1] / len(views), 1.0)
    common = float(np.median(squares / free)) if robust else float(squares.sum() / free.sum())
    prior = 2 * _PRIOR_POINTS if robust else np.inf
    own = (prior * common + squares) / (prior + free) if robust else np.full(len(views), common)
    return np.maximum(np.sqrt(own), LEAST_NOISE_PX)


def _unbelievable(views: BoardViews, fit: LensFit, every: int) -> np.ndarray:
    """Points to leave out: of bad views all, of the others those far off."""
    lengths = _lengths(views, fit)
    typical = _typical(views, lengths)
    usual = float(np.median(typical))
    already = every - len(views)
    room = min(len(views) - LEAST_VIEWS, int(LARGEST_SHARE_LEFT_OUT * every) - already)
    worst = np.argsort(-typical)[: max(room, 0)]
    worst = worst[typical[worst] > BAD_VIEW * usual]
    in_worst = np.isin(views.view, worst)
    limit = BAD_POINT_SIGMAS * np.maximum(typical, usual)
    return in_worst | (lengths > limit[views.view])
