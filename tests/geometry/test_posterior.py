"""The posterior over inlier sets: calibrated, aware of two modes, no friend of two views."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2
from synthetic_scene import ring_rig

from mocap.geometry.posterior import PosteriorSettings, triangulate_posterior
from mocap.geometry.posterior_kernels import posterior_kernel

SIGMA = 0.004
SETTINGS = PosteriorSettings()


def frames_towards(
    points: np.ndarray, centers: np.ndarray, rng: np.random.Generator | None, sigma: float = SIGMA
) -> np.ndarray:
    """Ray frames (C, 3, 3) of cameras that each see their own of `points` (C, 3), with noise."""
    made = []
    for point, center in zip(points, centers, strict=True):
        d = (point - center) / np.linalg.norm(point - center)
        b1 = np.cross(d, (0.0, 0.0, 1.0))
        b1 /= np.linalg.norm(b1)
        b2 = np.cross(d, b1)
        if rng is not None:
            d = d + sigma * (rng.normal() * b1 + rng.normal() * b2)
            d /= np.linalg.norm(d)
            b1 = np.cross(d, (0.0, 0.0, 1.0))
            b1 /= np.linalg.norm(b1)
            b2 = np.cross(d, b1)
        made.append(np.stack([d, b1, b2]))
    return np.array(made)


def centers_of(cameras: int) -> np.ndarray:
    return np.stack([camera.center_world for camera in ring_rig(cameras)])


@pytest.mark.parametrize("cameras", [3, 5])
def test_regions_hold_what_they_promise_with_outliers(cameras: int):
    rng = np.random.default_rng(cameras)
    centers, inside = centers_of(cameras), {50: 0, 90: 0}
    trials = 400
    for _ in range(trials):
        truth = rng.uniform((-0.5, -0.5, 0.5), (0.5, 0.5, 1.5))
        shown = np.tile(truth, (cameras, 1))
        for c in np.flatnonzero(rng.random(cameras) < SETTINGS.outlier_rate):
            shown[c] += rng.uniform(-0.7, 0.7, 3)
        got = triangulate_posterior(
            frames_towards(shown, centers, rng), centers, np.full(cameras, SIGMA), SETTINGS
        )
        # By mode: the region of a mixture is where its modes are.
        off = truth - got.modes
        for share in inside:
            held = 0.0
            for x, cov, weight in zip(off, got.mode_covariance, got.mode_weight, strict=True):
                if weight > 0 and x @ np.linalg.solve(cov, x) < chi2.ppf(share / 100, 3):
                    held = 1.0
            inside[share] += held
    assert 0.44 < inside[50] / trials < 0.56
    assert 0.84 < inside[90] / trials < 0.94


def test_two_views_that_meet_exactly_do_not_win_against_four_that_agree_within_noise():
    rng = np.random.default_rng(1)
    centers = centers_of(6)
    truth, other = np.array([0.1, 0.0, 1.0]), np.array([0.3, 0.25, 1.2])
    for _ in range(20):
        frames = frames_towards(np.array([truth] * 4 + [other] * 2), centers, rng)
        frames[4:] = frames_towards(np.array([other] * 2), centers[4:], None)
        got = triangulate_posterior(frames, centers, np.full(6, SIGMA), SETTINGS)
        assert np.linalg.norm(got.modes[0] - truth) < 0.05
        assert got.mode_weight[0] > 0.95
        assert (got.inlier[:4] > 0.5).all()
        assert (got.inlier[4:] < 0.05).all()


def test_two_pairs_that_contradict_each_other_are_two_modes():
    centers = centers_of(4)
    one, two = np.array([0.0, 0.0, 1.0]), np.array([0.3, 0.2, 1.3])
    frames = frames_towards(np.array([one, one, two, two]), centers, None)
    got = triangulate_posterior(frames, centers, np.full(4, SIGMA), SETTINGS)
    assert got.mode_weight[:2].sum() > 0.9
    assert got.mode_weight[1] > 0.2
    near = [min(np.linalg.norm(mode - x) for mode in got.modes[:2]) for x in (one, two)]
    assert max(near) < 0.02
    # The covariance of the whole covers the distance between them.
    assert np.sqrt(np.trace(got.covariance)) > 0.15


def test_views_that_agree_give_one_mode_with_the_covariance_of_least_squares():
    rng = np.random.default_rng(4)
    centers = centers_of(5)
    frames = frames_towards(np.tile((0.0, 0.1, 1.0), (5, 1)), centers, rng)
    got = triangulate_posterior(frames, centers, np.full(5, SIGMA), SETTINGS)
    assert got.mode_weight[0] > 0.97
    h = np.zeros((3, 3))
    for f, c in zip(frames, centers, strict=True):
        j = f[1:] / (f[0] @ (got.mean - c))
        h += j.T @ j / SIGMA**2
    least = np.linalg.inv(h)
    assert np.trace(least) * 0.99 < np.trace(got.covariance) < 1.5 * np.trace(least)


def test_many_views_are_not_tried_in_all_sets():
    rng = np.random.default_rng(2)
    centers = centers_of(12)
    truth = np.array([0.1, -0.2, 1.1])
    shown = np.tile(truth, (12, 1))
    shown[[2, 7, 9]] += rng.uniform(-0.5, 0.5, (3, 3))
    got = triangulate_posterior(
        frames_towards(shown, centers, rng), centers, np.full(12, SIGMA), SETTINGS
    )
    assert np.linalg.norm(got.mean - truth) < 0.03
    assert (got.inlier[[2, 7, 9]] < 0.2).all()


def test_nothing_is_told_by_one_view_or_parallel_rays():
    centers = centers_of(4)
    frames = frames_towards(np.tile((0.0, 0.0, 1.0), (4, 1)), centers, None)
    sigma = np.array([SIGMA, np.inf, np.inf, np.inf])
    got = triangulate_posterior(frames, centers, sigma, SETTINGS)
    assert np.isnan(got.mean).all()
    assert got.mode_weight.sum() == 0
    beside = np.array([[4.0, 0.0, 1.0], [4.0, 0.01, 1.0]])
    near = frames_towards(np.tile((0.0, 0.0, 1.2), (2, 1)), beside, None)
    assert np.isnan(triangulate_posterior(near, beside, np.full(2, SIGMA), SETTINGS).mean).all()


@pytest.mark.parametrize("cameras", [3, 6, 10])
def test_the_compiled_form_is_the_same(cameras: int):
    rng = np.random.default_rng(cameras)
    centers, count = centers_of(cameras), 6
    frames, sigma = np.zeros((cameras, count, 3, 3)), np.full((cameras, count), SIGMA)
    for k in range(count):
        shown = np.tile(rng.uniform((-0.5, -0.5, 0.5), (0.5, 0.5, 1.5)), (cameras, 1))
        shown[rng.random(cameras) < 0.3] += rng.uniform(-0.5, 0.5, 3)
        frames[:, k] = frames_towards(shown, centers, rng)
    sigma[0, 1] = sigma[1:, 2] = np.inf
    m = SETTINGS.max_modes
    mean, covariance = np.zeros((count, 3)), np.zeros((count, 3, 3))
    modes, mode_covariance = np.zeros((count, m, 3)), np.zeros((count, m, 3, 3))
    mode_weight, inlier = np.zeros((count, m)), np.zeros((cameras, count))
    posterior_kernel(
        frames,
        centers,
        sigma,
        SETTINGS.outlier_rate,
        SETTINGS.outlier_m,
        SETTINGS.volume_m3,
        float(np.cos(SETTINGS.min_angle_rad)),
        SETTINGS.mode_sigmas,
        SETTINGS.min_mode,
        mean,
        covariance,
        modes,
        mode_covariance,
        mode_weight,
        inlier,
    )
    for k in range(count):
        plain = triangulate_posterior(frames[:, k], centers, sigma[:, k], SETTINGS)
        np.testing.assert_allclose(mean[k], plain.mean, atol=1e-6)
        np.testing.assert_allclose(covariance[k], plain.covariance, atol=1e-7)
        np.testing.assert_allclose(modes[k], plain.modes, atol=1e-6)
        np.testing.assert_allclose(mode_weight[k], plain.mode_weight, atol=1e-6)
        np.testing.assert_allclose(inlier[:, k], plain.inlier, atol=1e-6)
    assert np.isnan(mean[2]).all()
