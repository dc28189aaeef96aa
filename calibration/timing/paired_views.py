"""Two cameras' tracks brought together at a lag: which points belong together, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from calibration.timing.interpolation import Interpolated, can_smooth, interpolate_pixels
from calibration.timing.matching import all_matchings, match_by_geometry, match_by_speed
from calibration.timing.tracks import CameraTracks
from calibration.timing.two_view import (
    EpipolarMatrix,
    PointPairs,
    epipolar_error,
    essential_of_pose,
    fit_epipolar,
    robust_scale,
)
from mocap.geometry.projection import unproject_pixels
from mocap.model import Camera, Intrinsics

FITTED_POINTS = 700
MOST_PERMUTED = 3


@dataclass(frozen=True)
class Views:
    """Both cameras' tracks in image coordinates in which lines are straight, and what is known.

    Attributes:
        first: its points smoothed where `smooth` says so.
        second: as measured; it is smoothed or not where it is interpolated.
        unit_px: pixels per unit of the coordinates.
        essential: whether the coordinates are those of calibrated lenses.
        known: the relative pose, where it is not to be fitted.
        smooth: see `calibration.timing.interpolation`.
    """

    first: CameraTracks
    second: CameraTracks
    unit_px: float
    essential: bool
    known: EpipolarMatrix | None
    smooth: bool


@dataclass(frozen=True)
class Pairs:
    """Pairs of points at one lag: the number of the instant of each, the velocity of its second
    point, and how the variance of that changes with the lag."""

    points: PointPairs
    instant: np.ndarray
    velocity: np.ndarray
    variance_slope: np.ndarray


def prepare_views(
    first: CameraTracks,
    second: CameraTracks,
    cameras: tuple[Camera, Camera] | None,
    lenses: tuple[Intrinsics, Intrinsics] | None,
) -> Views:
    """Straightens the images: normalised coordinates with lenses, else a common scale."""
    if cameras is not None:
        lenses = (cameras[0].intrinsics, cameras[1].intrinsics)
    if lenses is not None:
        straight: list[CameraTracks] = []
        for tracks, lens in zip((first, second), lenses, strict=True):
            rays = unproject_pixels(
                tracks.pixels, lens.matrix, lens.packed_distortions, lens.lens == "fisheye"
            )
            with np.errstate(invalid="ignore"):
                flat = rays[..., :2] / rays[..., 2:]
            # Image points more than 80 degrees off the axis do not fit on a plane.
            flat[~(rays[..., 2] > 0.17)] = np.nan
            straight.append(replace(tracks, pixels=flat))
        known = None
        if cameras is not None:
            known = essential_of_pose(cameras[1].T_cam_world @ cameras[0].T_world_cam)
        focal_px = float(np.sqrt(lenses[0].focal_px * lenses[1].focal_px))
        return _views(straight[0], straight[1], focal_px, known, essential=True)
    flat = [t.pixels[np.isfinite(t.pixels).all(axis=-1)] for t in (first, second)]
    unit = max([1.0, *(float(points.std(axis=0).max()) for points in flat if len(points))])
    scaled = [
        replace(t, pixels=(t.pixels - (points.mean(axis=0) if len(points) else 0.0)) / unit)
        for t, points in zip((first, second), flat, strict=True)
    ]
    return _views(scaled[0], scaled[1], unit, None, essential=False)


def _views(
    first: CameraTracks,
    second: CameraTracks,
    unit_px: float,
    known: EpipolarMatrix | None,
    *,
    essential: bool,
) -> Views:
    smooth = can_smooth(first, second)
    if smooth:
        pixels = interpolate_pixels(first, first.time_s, smooth=True).pixels
        seen = np.isfinite(first.pixels).all(axis=-1, keepdims=True)
        first = replace(first, pixels=np.where(seen, pixels, np.nan))
    return Views(first, second, unit_px, essential, known, smooth)


def pairs_at(
    views: Views,
    lag_s: float,
    rng: np.random.Generator,
    starts: Sequence[EpipolarMatrix] = (),
) -> tuple[Pairs, EpipolarMatrix | None]:
    """What belongs together at a lag, and the matrix that fits all of it; None without one."""
    time_s = views.first.time_s
    at = interpolate_pixels(views.second, time_s + lag_s, smooth=views.smooth)
    first, second = views.first.pixels, at.pixels
    things, others = first.shape[1], second.shape[1]
    if views.known is not None:
        matches = match_by_geometry(views.known.matrix, first, second, at.variance)
        return _collected(first, at, matches), views.known
    if max(things, others) <= MOST_PERMUTED:
        matchings = all_matchings(things, others)
    else:
        matchings = [match_by_speed(views.first, second, at.velocity)]
    best, best_model, best_scale = _collected(first, at, []), None, np.inf
    for matches in matchings:
        pairs = _collected(first, at, matches)
        model, scale = _fitted(views, pairs, rng, starts)
        if scale < best_scale:
            best, best_model, best_scale = pairs, model, scale
    if best_model is not None and things * others > 1:
        # What the speeds got wrong, the geometry that fits most of it may put right; and the
        # pieces of broken tracks come together.
        matches = match_by_geometry(best_model.matrix, first, second, at.variance)
        pairs = _collected(first, at, matches)
        model, _ = _fitted(views, pairs, rng, (best_model,))
        if model is not None:
            best, best_model = pairs, model
    return best, best_model


def _fitted(
    views: Views, pairs: Pairs, rng: np.random.Generator, starts: Sequence[EpipolarMatrix]
) -> tuple[EpipolarMatrix | None, float]:
    """Matrix of all pairs and the robust scale of its errors; None and infinity without."""
    some = pairs.points.chosen(thinned(len(pairs.points)))
    model = fit_epipolar(some, views.essential, rng, tuple(starts))
    if model is None:
        return None, np.inf
    return model, robust_scale(epipolar_error(model.matrix, some)[0])


def _collected(first: np.ndarray, at: Interpolated, matches: Sequence[tuple[int, int]]) -> Pairs:
    x, y, v = [np.zeros((0, 2))], [np.zeros((0, 2))], [np.zeros((0, 2))]
    instants = [np.zeros(0, np.int64)]
    for i, j in matches:
        known = np.isfinite(first[:, i]).all(axis=-1) & np.isfinite(at.pixels[:, j]).all(axis=-1)
        n, k = np.nonzero(known)
        x.append(first[n, i, k])
        y.append(at.pixels[n, j, k])
        v.append(at.velocity[n, j, k])
        instants.append(n)
    instant = np.concatenate(instants)
    order = np.argsort(instant, kind="stable")
    instant = instant[order]
    one = np.ones((len(instant), 1))
    points = PointPairs(
        np.hstack([np.concatenate(x)[order], one]),
        np.hstack([np.concatenate(y)[order], one]),
        np.ones(len(instant)),
        at.variance[instant],
    )
    return Pairs(points, instant, np.concatenate(v)[order], at.variance_slope[instant])


def thinned(count: int) -> np.ndarray:
    """Indices of so many points as a fit needs, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, FITTED_POINTS)).astype(int))
