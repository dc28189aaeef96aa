"""Where to start: a rough lens and board poses from nothing but the views."""

from __future__ import annotations

import numpy as np

from calibration.lens.fit import LensFit, LensState, fit_lens
from calibration.lens.form import LensForm, half_diagonal_px, middle_px
from calibration.lens.plausible import LensPriors, Plausible
from calibration.lens.poses import best_poses, linear_poses, ray_homographies, residual_px
from calibration.lens.views import BoardViews
from mocap.arrays import Float, Int

_VIEWS = 12
"""So many views are enough to tell the starts apart."""
_FIELDS_OF_VIEW = 6
_FAR_PX = 50.0
_TRIED = 2
_FOCAL_SPAN = 4.0


def rough_fit(views: BoardViews, fisheye: bool, plausible: Plausible) -> LensFit:
    """A lens with one focal length and one distortion term, and poses, near the solution.

    The focal length is started from the homographies (`homography_focal_px`) and from a series of
    plausible ones; those which explain some of the views best are refined, and the best of them
    goes on with all views.

    Args:
        views: what was seen.
        fisheye: which lens model.
        plausible: range of focal lengths.
    """
    form = LensForm(fisheye, ("k1",), square_pixels=True, free_center=False)
    short, long = plausible.focal_px(fisheye, views.size)
    focals = list(np.geomspace(short, long, _FIELDS_OF_VIEW))
    if not fisheye:
        focals.append(homography_focal_px(views, short, long))
    some = views.chosen(_varied(views, _VIEWS))
    scored: list[tuple[float, LensState]] = []
    for focal in focals:
        lens = np.zeros(len(form.parameters))
        lens[:2], lens[2:4] = focal, middle_px(views.size)
        poses = linear_poses(some, lens, fisheye)
        miss = np.linalg.norm(residual_px(some, lens, fisheye, poses), axis=-1)
        scored.append((float(np.mean(np.minimum(miss, _FAR_PX))), LensState(lens, poses)))
    scored.sort(key=lambda entry: entry[0])
    fits: list[LensFit] = []
    for _, state in scored[:_TRIED]:
        priors = LensPriors.of(form, views.size, float(state.lens[0]), plausible)
        poses = best_poses(some, state.lens, fisheye, state.poses)
        state = LensState(state.lens, poses)
        fits.append(
            fit_lens(some, form, state, priors, loss="huber", max_iterations=25, tolerance=1e-4)
        )
    lens = min(fits, key=lambda fit: fit.cost).lens
    poses = best_poses(views, lens, fisheye, linear_poses(views, lens, fisheye))
    priors = LensPriors.of(form, views.size, float(lens[0]), plausible)
    fit = fit_lens(
        views, form, LensState(lens, poses), priors, loss="huber", max_iterations=25, tolerance=1e-4
    )
    # With the better lens the true one of two possible poses may be another.
    better = best_poses(views, fit.lens, fisheye, fit.state.poses)
    return fit_lens(
        views, form, LensState(fit.lens, better), priors, max_iterations=25, tolerance=1e-4
    )


def homography_focal_px(views: BoardViews, short_px: float, long_px: float) -> float:
    """Focal length from the homographies of all views, with square pixels and the centre in the
    middle (Zhang, TPAMI 2000, eq. 3 and 4), between two bounds.

    Each view gives two equations a w + b = 0 for w = 1 / f^2; they are weighted so that a view
    which does not fit the others counts little.
    """
    scale = half_diagonal_px(views.size)
    rays = np.column_stack(
        [(views.pixels - middle_px(views.size)) / scale, np.ones(len(views.view))]
    )
    homography = ray_homographies(views, rays)
    x, y = homography[:, :, 0], homography[:, :, 1]
    size = np.linalg.norm(x, axis=-1) * np.linalg.norm(y, axis=-1) + 1e-300
    slope = [np.sum(x[:, :2] * y[:, :2], axis=-1), np.sum(x[:, :2] ** 2 - y[:, :2] ** 2, axis=-1)]
    offset = [x[:, 2] * y[:, 2], x[:, 2] ** 2 - y[:, 2] ** 2]
    a, b = np.concatenate(slope) / np.tile(size, 2), np.concatenate(offset) / np.tile(size, 2)
    weight = np.ones(len(a))
    inverse_square = 0.0
    for _ in range(10):
        inverse_square = -float(np.sum(weight * a * b) / max(float(np.sum(weight * a * a)), 1e-300))
        miss = np.abs(a * inverse_square + b)
        weight = 1 / (miss + 1e-3 * float(np.median(miss)) + 1e-12)
    # From the unit in which the rays were given back to pixels.
    focal = scale / np.sqrt(inverse_square) if inverse_square > 0 else long_px
    return float(np.clip(focal, short_px / _FOCAL_SPAN, long_px * _FOCAL_SPAN))


def _varied(views: BoardViews, count: int) -> Int[np.ndarray, " chosen"]:
    """Views with many points, spread over the image: each next one is farthest, in image space
    and by its size there, from those already taken."""
    center = np.add.reduceat(views.pixels, views.first, axis=0) / views.count[:, None]
    squares = np.add.reduceat(views.pixels**2, views.first, axis=0) / views.count[:, None]
    spread = np.sqrt(np.maximum(squares - center**2, 0.0))
    features: Float[np.ndarray, "views 4"] = np.concatenate([center, 2 * spread], axis=-1)
    enough = views.count >= np.median(views.count)
    taken = [int(np.argmax(np.where(enough, spread.sum(axis=-1), -1.0)))]
    distance = np.linalg.norm(features - features[taken[0]], axis=-1)
    while len(taken) < min(count, int(enough.sum())):
        taken.append(int(np.argmax(np.where(enough, distance, -1.0))))
        distance = np.minimum(distance, np.linalg.norm(features - features[taken[-1]], axis=-1))
    return np.array(sorted(set(taken)))
