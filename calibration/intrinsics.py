"""The lens of one camera, found from views of a flat board.

The start comes from the homographies of the views, the refinement fits the lens and all board
poses together, and the form of the lens (which distortion terms, free centre, square pixels,
fisheye) is chosen by evidence. Little footage gives a plausible lens whose covariance is wide, and
says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from calibration.least_squares import Loss
from calibration.lens.choice import choose_form, form_spread
from calibration.lens.coverage import coverage_of
from calibration.lens.evidence import LensEvidence
from calibration.lens.fit import LensFit, LensProblem, LensState, fit_lens
from calibration.lens.form import (
    FULL_FISHEYE,
    FULL_PINHOLE,
    LensForm,
    forms_of,
    lens_vector,
)
from calibration.lens.misfit import find_misfit
from calibration.lens.noise import LEAST_VIEWS, CleanViews, cleaned, cleaned_given
from calibration.lens.plausible import LensPriors, Plausible
from calibration.lens.poses import BoardPoses, best_poses, linear_poses
from calibration.lens.result import LensCalibration, free_center
from calibration.lens.start import rough_fit
from calibration.lens.views import MIN_POINTS, BoardViews
from calibration.lens.words import lens_notes
from calibration.sightings import CameraSightings
from calibration.solution import Residuals
from mocap.errors import CalibrationError
from mocap.model import Intrinsics, Target

SWITCHED_OFF = 0.05
"""Weight of the robust loss below which a pixel counts as not used."""
VIDEO_RUNS = (1, 2, 4, 8)
"""Numbers of successive views of a video whose errors may belong together."""


def calibrate_lens(
    sightings: CameraSightings,
    target: Target,
    *,
    given: Intrinsics | None = None,
    models: Iterable[str | LensForm] | None = None,
    plausible: Plausible | None = Plausible(),  # noqa: B008 - frozen
    robust: bool = True,
) -> LensCalibration:
    """Finds the lens of a camera, or looks at a given one.

    Args:
        sightings: what the camera saw.
        target: the board.
        given: a known lens, which is kept: only board poses, residuals and whether it fits are
            found.
        models: among which to choose, see `parse_form`; one of them is as good as an order. All
            where None.
        plausible: prior knowledge of lenses; None for none.
        robust: whether bad views and points are found and left out and residuals beyond the noise
            count less; else plain least squares with all points.

    Raises:
        CalibrationError: too few usable views, a given lens for another image size, or an unknown
            model.
    """
    forms = forms_of(models)
    views = BoardViews.of(sightings, target)
    if len(views) < LEAST_VIEWS and given is None:
        raise CalibrationError(
            f"camera {sightings.name!r}: {len(views)} usable views of the board in "
            f"{sightings.frames_examined} frames ({len(sightings)} with any of it), at least "
            f"{LEAST_VIEWS} with {MIN_POINTS} points each are needed; show the board closer and "
            f"longer, or give the intrinsics"
        )
    if given is not None:
        return _looked_at(sightings, views, given)
    loss: Loss = "huber" if robust else "squared"
    fits = _rich_fits(views, plausible, loss)
    # The better of the two lens models judges which views to believe, and whether what was asked
    # for is enough, also where it was not asked for itself.
    best = min(fits, key=lambda fisheye: fits[fisheye].cost)
    clean = cleaned(views, fits[best], fits[best].problem.priors, robust=robust)
    starts = {best: clean.fit.state}
    for fisheye, fit in fits.items():
        if fisheye != best:
            kept = np.isin(views.source, clean.views.source)
            starts[fisheye] = LensState(fit.lens, fit.state.poses.chosen(kept))
    asked = {form.fisheye for form in forms}
    starts = {fisheye: state for fisheye, state in starts.items() if fisheye in asked}
    runs = (1,) if sightings.nominal_fps is None else VIDEO_RUNS
    choice = choose_form(clean.views, forms, starts, plausible, loss=loss, runs=runs)
    chosen = choice.chosen.fit
    form = free_center(chosen.form)
    priors = LensPriors.of(form, views.size, float(chosen.lens[0]), plausible)
    widened = LensFit(
        form, chosen.state, LensProblem(clean.views, form, priors), 0.0, chosen.weight, True
    )
    covariance = LensEvidence.of(widened).covariance(
        choice.inflation, plausible.unmodelled_px if plausible else 0.0
    )
    covariance = form.basis @ covariance @ form.basis.T
    calibration = _described(
        sightings, views, clean, chosen, choice.chosen.intrinsics, covariance, clean.fit
    )
    return _with_notes(
        replace(
            calibration,
            form_spread=form_spread(choice),
            candidates=choice.candidates,
            reason=choice.reason,
            left_out_px=choice.chosen.left_out_px,
            inflation=choice.inflation,
        )
    )


def _rich_fits(views: BoardViews, plausible: Plausible | None, loss: Loss) -> dict[bool, LensFit]:
    """Each lens model with many free parameters, from its own start, for a noise of one pixel."""
    fits: dict[bool, LensFit] = {}
    for fisheye in (False, True):
        rough = rough_fit(views, fisheye, plausible or Plausible())
        form = FULL_FISHEYE if fisheye else FULL_PINHOLE
        priors = LensPriors.of(form, views.size, float(rough.lens[0]), plausible)
        fit = fit_lens(views, form, rough.state, priors, loss="huber", tolerance=1e-5)
        poses = best_poses(views, fit.lens, fisheye, fit.state.poses)
        state = LensState(fit.lens, poses)
        fits[fisheye] = fit_lens(views, form, state, priors, loss=loss, tolerance=1e-6)
    return fits


def _looked_at(sightings: CameraSightings, views: BoardViews, given: Intrinsics) -> LensCalibration:
    if given.size != sightings.image_size:
        raise CalibrationError(
            f"camera {sightings.name!r}: the given intrinsics are for "
            f"{given.size[0]}x{given.size[1]} pixels, the footage has "
            f"{sightings.image_size[0]}x{sightings.image_size[1]}; give those of this video mode"
        )
    if not len(views):
        raise CalibrationError(
            f"camera {sightings.name!r}: no usable view of the board in "
            f"{sightings.frames_examined} frames; show at least {MIN_POINTS} of its points"
        )
    fisheye = given.lens == "fisheye"
    lens = lens_vector(given)
    names = FULL_FISHEYE.parameters if fisheye else FULL_PINHOLE.parameters
    terms = tuple(n for n, value in zip(names[4:], lens[4:], strict=True) if value != 0)
    form = LensForm(fisheye, terms, square_pixels=False)
    poses = best_poses(views, lens, fisheye, linear_poses(views, lens, fisheye))
    clean = cleaned_given(views, form, LensState(lens, poses))
    covariance = np.zeros((len(names), len(names)))
    richest = None
    if len(clean.views) >= LEAST_VIEWS:
        fits = _rich_fits(clean.views, Plausible(), "huber")
        richest = min(fits.values(), key=lambda fit: fit.cost)
    calibration = _described(sightings, views, clean, clean.fit, given, covariance, richest)
    return _with_notes(replace(calibration, given=True, reason="given"))


def _described(
    sightings: CameraSightings,
    views: BoardViews,
    clean: CleanViews,
    fit: LensFit,
    intrinsics: Intrinsics,
    covariance: np.ndarray,
    richest: LensFit | None,
) -> LensCalibration:
    """Everything but the choice.

    `richest` is the best fit of any lens to the same views, against which this one is held.
    """
    used = clean.views
    poses = fit.state.poses
    return LensCalibration(
        name=sightings.name,
        intrinsics=intrinsics,
        given=False,
        form=fit.form,
        parameters=fit.form.parameters,
        covariance=covariance,
        form_spread=np.zeros_like(covariance),
        candidates=(),
        reason="",
        residuals=_all_residuals(sightings, views, clean, fit),
        rmse_px=fit.rmse_px,
        left_out_px=float("nan"),
        sigma_px=clean.sigma_px,
        inflation=1.0,
        frame=sightings.frame[used.source],
        T_cam_target=poses.matrices,
        frames_left_out=sightings.frame[clean.left_out],
        points_left_out=clean.points_left_out,
        coverage=coverage_of(used, poses),
        misfit=find_misfit(
            used, -fit.residual_px, None if richest is None else -richest.residual_of(used)
        ),
        notes=(),
    )


def _all_residuals(
    sightings: CameraSightings, views: BoardViews, clean: CleanViews, fit: LensFit
) -> Residuals:
    """Residuals of every usable view, that of the left-out ones with poses of their own."""
    fisheye = fit.form.fisheye
    used = np.isin(views.source, clean.views.source)
    start = linear_poses(views, fit.lens, fisheye)
    rotation, translation = start.rotation.copy(), start.translation_m.copy()
    rotation[used] = fit.state.poses.rotation
    translation[used] = fit.state.poses.translation_m
    poses = BoardPoses(rotation, translation)
    if not used.all():
        free = best_poses(views, fit.lens, fisheye, poses)
        rotation[~used], translation[~used] = free.rotation[~used], free.translation_m[~used]
        poses = BoardPoses(rotation, translation)
    everything = LensFit(
        fit.form, LensState(fit.lens, poses), fit.problem, fit.cost, fit.weight, fit.converged
    )
    points = sightings.pixels.shape[1]
    key = views.source[views.view] * points + views.point
    believed = clean.views.source[clean.views.view] * points + clean.views.point
    place = np.searchsorted(key, believed)
    inlier = np.zeros(len(key), bool)
    inlier[place] = fit.weight > SWITCHED_OFF
    sigma = views.sigma_px * clean.sigma_px
    sigma[place] = clean.views.sigma_px
    source = views.source[views.view]
    return Residuals(
        camera=np.zeros(len(key), np.int64),
        frame=sightings.frame[source],
        time_s=sightings.time_s[source],
        point=views.point,
        pixels=views.pixels,
        residual_px=-everything.residual_of(views),
        sigma_px=sigma,
        inlier=inlier,
    )


def _with_notes(calibration: LensCalibration) -> LensCalibration:
    return replace(calibration, notes=lens_notes(calibration))
