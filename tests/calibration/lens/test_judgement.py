"""What judges a lens: folding, bad views, misfit, coverage, uncertainty over the image."""

from dataclasses import replace

import numpy as np
import pytest
from board_views import BARREL, BOARD, FISHEYE, PLAIN, film, lens, sightings

from calibration.intrinsics import calibrate_lens
from calibration.lens.fold import folds_back
from calibration.lens.prior import LensPrior
from calibration.lens.uncertainty import distortion_uncertainty
from calibration.lens.views import BoardViews
from mocap.geometry.projection import project_points, unproject_pixels
from mocap.model import Intrinsics


@pytest.mark.parametrize(
    ("intrinsics", "folds"),
    [
        (PLAIN, False),
        (BARREL, False),
        (FISHEYE, False),
        (lens(900.0, distortions=(0.3, 0.1)), False),
        # r (1 - 0.6 r^2) has its largest value, 0.497, before the corner at 0.816.
        (lens(900.0, distortions=(-0.6,)), True),
        (lens(900.0, distortions=(0.2, -0.9)), True),
        # r / (1 - 2 r^2) reaches the corner long before its pole; r / (1 + 2 r^2) never does.
        (lens(900.0, distortions=(0, 0, 0, 0, 0, -2.0, 0, 0)), False),
        (lens(900.0, distortions=(0, 0, 0, 0, 0, 2.0, 0, 0)), True),
        (lens(380.0, distortions=(-0.4,), kind="fisheye"), True),
    ],
)
def test_folding_inside_the_image_is_found(intrinsics, folds):
    assert folds_back(intrinsics) == folds


def test_a_narrow_picture_of_the_same_lens_does_not_fold():
    wide = lens(900.0, distortions=(-0.6,))
    narrow = Intrinsics((400, 300), [[900, 0, 200], [0, 900, 150], [0, 0, 1.0]], wide.distortions)
    assert folds_back(wide) and not folds_back(narrow)


def test_few_points_and_lines_are_no_views():
    pixels = np.array(film(PLAIN, views=6, spread=0.3).sightings.pixels)
    pixels[0, 5:] = np.nan  # five points
    pixels[1, 6:] = np.nan  # one row of six
    views = BoardViews.of(sightings(pixels), BOARD)
    assert list(views.source) == [2, 3, 4, 5]


def test_bad_views_and_points_are_left_out_by_name():
    footage = film(BARREL, 11, views=20)
    pixels = np.array(footage.sightings.pixels)
    rng = np.random.default_rng(0)
    pixels[4] += rng.normal(0, 6.0, pixels[4].shape)  # blurred beyond use
    seen = np.flatnonzero(np.isfinite(pixels[9]).all(axis=1))
    pixels[9, seen[0]] += 15.0
    frame = 10 * np.arange(20)
    found = calibrate_lens(sightings(pixels, frame=frame), BOARD, models=["pinhole k1 k2"])
    assert list(found.frames_left_out) == [40]
    assert found.points_left_out == 1
    assert any("40" in note and "left out" in note for note in found.notes)
    assert found.values["fx"] == pytest.approx(900, abs=4 * found.sigma["fx"])
    assert len(found.frame) == 19 and 40 not in found.frame
    # Their residuals are still there to be looked at.
    worst = found.residuals.length_px[found.residuals.frame == 40]
    assert np.median(worst) > 2 and not found.residuals.inlier[found.residuals.frame == 40].any()


def test_noise_of_each_view_is_found():
    footage = film(PLAIN, 12, views=20, noise_px=0.2)
    pixels = np.array(footage.sightings.pixels)
    pixels[:5] += np.random.default_rng(1).normal(0, 0.45, pixels[:5].shape)
    found = calibrate_lens(sightings(pixels), BOARD, models=["pinhole"])
    sigma = found.residuals.sigma_px
    noisy = np.isin(found.residuals.frame, np.arange(5))
    assert np.median(sigma[noisy]) > 1.6 * np.median(sigma[~noisy])


def test_good_footage_leaves_nothing_out_and_fits():
    found = calibrate_lens(film(BARREL, 13).sightings, BOARD)
    assert not len(found.frames_left_out) and found.points_left_out == 0
    assert not found.lens_misfit


@pytest.mark.parametrize(
    ("truth", "model"), [(FISHEYE, "pinhole k1 k2"), (BARREL, "pinhole"), (BARREL, "pinhole k1")]
)
def test_a_lens_model_that_does_not_fit_is_told(truth, model):
    found = calibrate_lens(film(truth, 14, views=30).sightings, BOARD, models=[model])
    assert found.lens_misfit
    assert found.misfit.systematic_px > 0.1
    assert any("does not fit" in note for note in found.notes)


def test_noise_that_belongs_together_within_a_view_is_no_misfit():
    rng = np.random.default_rng(2)
    pixels = np.array(film(PLAIN, 15, views=30).sightings.pixels)
    for view in pixels:  # bends of the board that change from view to view
        bend = np.sin(BOARD.points_m[:, :2] * 12 + rng.uniform(0, 6, 2))
        view += rng.normal(0, 0.8) * bend
    assert not calibrate_lens(sightings(pixels), BOARD, models=["pinhole"]).lens_misfit


def test_a_given_lens_is_kept_and_judged():
    footage = film(BARREL, 16)
    kept = calibrate_lens(footage.sightings, BOARD, given=BARREL)
    assert kept.intrinsics is BARREL and kept.given
    assert not kept.lens_misfit and not kept.sigma
    assert kept.rmse_px == pytest.approx(0.3 * np.sqrt(2), rel=0.1)
    np.testing.assert_allclose(kept.T_cam_target[:, :3, 3], footage.poses[:, :3, 3], atol=0.02)
    wrong = calibrate_lens(footage.sightings, BOARD, given=PLAIN)
    assert wrong.lens_misfit
    assert any("does not belong to this footage" in note for note in wrong.notes)


def test_uncertainty_grows_where_the_board_never_was():
    near = calibrate_lens(film(BARREL, 17, spread=0.3).sightings, BOARD, models=["pinhole k1 k2"])
    wide = calibrate_lens(film(BARREL, 17).sightings, BOARD, models=["pinhole k1 k2"])
    map_near, map_wide = distortion_uncertainty(near), distortion_uncertainty(wide)
    assert near.coverage.share < 0.6 < wide.coverage.share
    assert map_near.worst_px > 4 * map_near.covered_px
    assert map_near.worst_px > 3 * map_wide.worst_px
    assert map_near.sigma_px.shape == map_near.covered.shape == map_near.pixels.shape[:2]


@pytest.mark.slow
def test_uncertainty_over_the_image_is_that_of_many_repetitions():
    ratios = []
    for seed in range(14):
        found = calibrate_lens(
            film(BARREL, 200 + seed, views=10, spread=0.6).sightings, BOARD,
            models=["pinhole k1 k2"],
        )  # fmt: skip
        known = distortion_uncertainty(found, 12)
        rays = unproject_pixels(
            known.pixels, BARREL.matrix, BARREL.packed_distortions, False
        ).reshape(-1, 3)
        mine = unproject_pixels(
            known.pixels, found.intrinsics.matrix, found.intrinsics.packed_distortions, False
        ).reshape(-1, 3)
        # The rotation that a pose would take up, fitted where the board was seen.
        seen = known.covered.ravel()
        u, _, vt = np.linalg.svd(mine[seen].T @ rays[seen])
        turned = rays @ (u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt).T
        image, _ = project_points(
            turned, found.intrinsics.matrix, found.intrinsics.packed_distortions, False, np.eye(4)
        )
        error = np.linalg.norm(image - known.pixels.reshape(-1, 2), axis=-1)
        ratios.append(error / known.sigma_px.ravel())
    ratio = np.sqrt(np.mean(np.array(ratios) ** 2, axis=0))
    assert 0.6 < np.median(ratio) < 1.3
    assert ratio.max() < 1.8


def test_the_prior_of_a_lens_is_its_covariance():
    found = calibrate_lens(film(BARREL, 18, views=15).sightings, BOARD, models=["pinhole k1 k2"])
    prior = found.prior
    assert prior.free == ("fx", "fy", "cx", "cy", "k1", "k2")
    assert np.allclose(prior.residual(prior.mean), 0)
    np.testing.assert_allclose(
        prior.basis @ prior.covariance @ prior.basis.T, found.covariance, atol=1e-9
    )
    # A deviation of one standard deviation along any direction has length one.
    rng = np.random.default_rng(0)
    root = np.linalg.cholesky(prior.covariance)
    for _ in range(5):
        way = rng.normal(size=len(root))
        way /= np.linalg.norm(way)
        moved = prior.mean + prior.basis @ (root @ way)
        assert np.linalg.norm(prior.residual(moved)) == pytest.approx(1.0, rel=1e-4)


def test_the_prior_of_a_given_lens_does_not_move():
    prior = calibrate_lens(film(BARREL, 18, views=15).sightings, BOARD, given=BARREL).prior
    assert isinstance(prior, LensPrior)
    assert prior.free == () and prior.basis.shape == (12, 0)
    assert prior.residual(prior.mean).shape == (0,)


def test_an_interval_of_an_unknown_parameter_is_refused():
    found = calibrate_lens(film(PLAIN, 18, views=8).sightings, BOARD, models=["pinhole"])
    low, high = found.interval("fx")
    assert low < found.values["fx"] < high
    assert found.interval("k1") == (0.0, 0.0)
    with pytest.raises(KeyError, match="fx, fy, cx"):
        found.interval("focal")


def test_notes_of_good_footage_do_not_complain():
    found = calibrate_lens(film(PLAIN, 19, views=40, noise_px=0.1).sightings, BOARD)
    assert found.notes == ()
    assert replace(found, notes=("x",)).notes == ("x",)
