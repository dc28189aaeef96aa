"""Poses, derivatives and the fit itself, against truth, finite differences and OpenCV."""

import cv2
import numpy as np
import pytest
from board_views import BARREL, BOARD, DECENTRED, FISHEYE, PLAIN, film, lens, sightings

from calibration.intrinsics import calibrate_lens
from calibration.lens.evidence import LensEvidence
from calibration.lens.fit import LensProblem, LensState, fit_lens
from calibration.lens.form import FULL_FISHEYE, FULL_PINHOLE, lens_vector, parse_form
from calibration.lens.plausible import LensPriors, Plausible
from calibration.lens.poses import BoardPoses, best_poses, linear_poses, residual_px
from calibration.lens.start import homography_focal_px, rough_fit
from calibration.lens.views import BoardViews

LENSES = [PLAIN, BARREL, DECENTRED, FISHEYE]
NAMES = ["plain", "barrel", "decentred", "fisheye"]


@pytest.mark.parametrize("truth", LENSES, ids=NAMES)
def test_linear_poses_are_exact_without_noise(truth):
    footage = film(truth, noise_px=0.0)
    views = BoardViews.of(footage.sightings, BOARD)
    poses = linear_poses(views, lens_vector(truth), truth.lens == "fisheye")
    np.testing.assert_allclose(poses.matrices, footage.poses, atol=1e-5)


def test_the_false_one_of_two_poses_is_exchanged():
    footage = film(PLAIN, 3, noise_px=0.02)
    views = BoardViews.of(footage.sightings, BOARD)
    middle = BOARD.points_m.mean(axis=0)
    false = np.array(footage.poses)
    for pose in false:
        center = pose[:3, :3] @ middle + pose[:3, 3]
        sight = center / np.linalg.norm(center)
        normal = pose[:3, 2]
        mirrored = 2 * (normal @ sight) * sight - normal
        axis = np.cross(normal, mirrored)
        angle = np.arctan2(np.linalg.norm(axis), normal @ mirrored)
        turn, _ = cv2.Rodrigues(axis / np.linalg.norm(axis) * angle)
        pose[:3, :3] = turn @ pose[:3, :3]
        pose[:3, 3] = center - pose[:3, :3] @ middle
    start = BoardPoses(false[:, :3, :3], false[:, :3, 3])
    found = best_poses(views, lens_vector(PLAIN), False, start)
    cosine = np.sum(found.rotation[:, :, 2] * footage.poses[:, :3, 2], axis=-1)
    assert cosine.min() > np.cos(np.deg2rad(1))


@pytest.mark.parametrize(
    ("truth", "form"),
    [(DECENTRED, FULL_PINHOLE), (FISHEYE, FULL_FISHEYE),
     (DECENTRED, parse_form("pinhole k1 k2 p1 p2 k3 k4 k5 k6 fx=fy"))],
)  # fmt: skip
def test_derivatives_are_those_of_finite_differences(truth, form):
    footage = film(truth, views=4)
    views = BoardViews.of(footage.sightings, BOARD)
    priors = LensPriors.of(form, views.size, 700.0, Plausible())
    problem = LensProblem(views, form, priors)
    poses = BoardPoses(footage.poses[:, :3, :3], footage.poses[:, :3, 3])
    state = LensState(lens_vector(truth), poses)
    linear = problem.linearize(state)
    dense = linear.jacobian.tocsr().toarray()
    for column in range(dense.shape[1]):
        step = np.zeros(dense.shape[1])
        step[column] = 1e-6
        high = problem.residual(problem.moved(state, step))
        low = problem.residual(problem.moved(state, -step))
        np.testing.assert_allclose(dense[:, column], (high - low) / 2e-6, rtol=1e-4, atol=2e-3)
    np.testing.assert_allclose(linear.residual, problem.residual(state))


def test_the_homographies_give_the_focal_length():
    footage = film(PLAIN, noise_px=0.1)
    views = BoardViews.of(footage.sightings, BOARD)
    assert homography_focal_px(views, 400, 2000) == pytest.approx(900, rel=0.05)


@pytest.mark.parametrize("truth", LENSES, ids=NAMES)
def test_the_start_is_near_and_all_poses_are_right(truth):
    footage = film(truth, 5)
    views = BoardViews.of(footage.sightings, BOARD)
    rough = rough_fit(views, truth.lens == "fisheye", Plausible())
    assert rough.lens[0] == pytest.approx(truth.focal_px, rel=0.12)
    cosine = np.sum(rough.state.poses.rotation[:, :, 2] * footage.poses[:, :3, 2], axis=-1)
    assert np.rad2deg(np.arccos(cosine.min())) < 20


def test_plain_least_squares_is_that_of_opencv():
    footage = film(DECENTRED, 2, views=15)
    seen = footage.sightings.seen
    places = [BOARD.points_m[s].astype(np.float32) for s in seen]
    pixels = [p[s].astype(np.float32) for p, s in zip(footage.sightings.pixels, seen, strict=True)]
    rmse, matrix, coefficients, *_ = cv2.calibrateCamera(
        places, pixels, (1280, 720), None, None, criteria=(3, 500, 1e-15)
    )
    found = calibrate_lens(
        footage.sightings, BOARD, models=["pinhole k1 k2 p1 p2 k3 fx,fy"], plausible=None,
        robust=False,
    )  # fmt: skip
    assert found.rmse_px == pytest.approx(rmse, rel=1e-4)
    np.testing.assert_allclose(found.intrinsics.matrix, matrix, rtol=1e-4)
    scale = np.array([0.3, 0.1, 0.003, 0.004, 0.1])
    np.testing.assert_allclose(
        found.intrinsics.distortions / scale, coefficients.ravel() / scale, atol=2e-3
    )


def test_the_fisheye_fit_is_that_of_opencv():
    footage = film(FISHEYE, 2, views=15, spread=0.6)
    whole = footage.sightings.seen.all(axis=1)
    sightings_ = footage.sightings.chosen(whole)
    places = [BOARD.points_m[None] for _ in range(len(sightings_))]
    matrix, coefficients = np.array(FISHEYE.matrix), np.array(FISHEYE.distortions)[:, None]
    flags = cv2.CALIB_RECOMPUTE_EXTRINSIC | cv2.CALIB_FIX_SKEW
    rmse, matrix, coefficients, *_ = cv2.fisheye.calibrate(
        places, [p[None] for p in sightings_.pixels], (1280, 720), matrix, coefficients,
        flags=flags | cv2.CALIB_USE_INTRINSIC_GUESS, criteria=(3, 200, 1e-12),
    )  # fmt: skip
    found = calibrate_lens(
        sightings_, BOARD, models=["fisheye k1 k2 k3 k4 fx,fy"], plausible=None, robust=False
    )
    assert found.rmse_px == pytest.approx(rmse, rel=2e-3)
    np.testing.assert_allclose(found.intrinsics.matrix, matrix, rtol=2e-3)


@pytest.fixture(scope="module")
def barrel_fit():
    footage = film(BARREL, 7, views=12)
    views = BoardViews.of(footage.sightings, BOARD)
    views = views.with_sigma(np.full(len(views.view), 0.3))
    form = parse_form("pinhole k1 k2")
    poses = BoardPoses(footage.poses[:, :3, :3], footage.poses[:, :3, 3])
    priors = LensPriors.of(form, views.size, 900.0, Plausible())
    start = LensState(lens_vector(BARREL), poses)
    return fit_lens(views, form, start, priors, loss="squared", tolerance=1e-14)


def test_covariance_is_that_of_the_whole_system(barrel_fit):
    linear = barrel_fit.problem.linearize(barrel_fit.state)
    jacobian = linear.jacobian.tocsr()
    whole = np.linalg.inv((jacobian.T @ jacobian).toarray())
    free = barrel_fit.form.basis.shape[1]
    np.testing.assert_allclose(
        LensEvidence.of(barrel_fit).covariance(), whole[:free, :free], rtol=1e-4, atol=1e-12
    )


def test_error_of_left_out_views_is_that_of_fits_without_them(barrel_fit):
    evidence = LensEvidence.of(barrel_fit)
    views = barrel_fit.problem.views
    predicted = evidence.left_out_chi2
    for view in (0, 4, 9):
        others = np.setdiff1d(np.arange(len(views)), [view])
        part = views.chosen(others)
        start = LensState(barrel_fit.lens, barrel_fit.state.poses.chosen(others))
        refit = fit_lens(
            part, barrel_fit.form, start, barrel_fit.problem.priors, loss="squared",
            tolerance=1e-14,
        )  # fmt: skip
        alone = views.chosen(np.array([view]))
        pose = best_poses(alone, refit.lens, False, barrel_fit.state.poses.chosen(np.array([view])))
        missed = residual_px(alone, refit.lens, False, pose) / 0.3
        assert predicted[view] == pytest.approx(float(np.sum(missed**2)), rel=0.02)
    assert np.all(predicted >= evidence.chi2)


def test_correlated_errors_are_seen_and_independent_ones_are_not():
    def inflation(breathing_px):
        """Each view is taken with a focal length of its own."""
        rng = np.random.default_rng(4)
        shown = [
            film(lens(900.0 + rng.normal(0, breathing_px)), seed, views=1).sightings.pixels
            for seed in range(40)
        ]
        seen = sightings(np.concatenate(shown))
        return calibrate_lens(seen, BOARD, models=["pinhole"]).inflation

    assert inflation(0.0) < 1.5
    assert inflation(12.0) > 2.0
