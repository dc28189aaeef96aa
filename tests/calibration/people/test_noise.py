"""Noisy keypoints are told from unlucky ones."""

from dataclasses import replace

import numpy as np
import pytest

from calibration.people.measurements import Measurements
from calibration.people.noise import chance_variance, noise_factors
from calibration.people.track_table import TrackTable

CAMERAS, KEYPOINTS, INSTANTS = 4, 20, 60


def _measurements():
    camera, keypoint, instant = (
        a.ravel() for a in np.indices((CAMERAS, KEYPOINTS, INSTANTS), np.int64)
    )
    n, points = len(camera), KEYPOINTS * INSTANTS
    return Measurements(
        camera=camera,
        frame=instant,
        point=keypoint * INSTANTS + instant,
        pixels=np.zeros((n, 2)),
        velocity=np.zeros((n, 2)),
        acceleration=np.zeros((n, 2)),
        ahead_s=np.zeros(n),
        sigma_px=np.full(n, 2.0),
        point_person=np.zeros(points, np.int64),
        point_instant=np.tile(np.arange(INSTANTS), KEYPOINTS),
        point_keypoint=np.repeat(np.arange(KEYPOINTS), INSTANTS),
        instants_s=np.arange(INSTANTS) / 7.5,
    )


def _residual(rng, bias):
    """Errors of unit variance, of which so much is constant, less what the points take."""
    shape = (CAMERAS, KEYPOINTS, INSTANTS, 2)
    error = np.sqrt(1 - bias**2) * rng.standard_normal(shape)
    error += bias * rng.standard_normal((CAMERAS, KEYPOINTS, 1, 2))
    # Three of the eight numbers of a point are taken away by its place, of all cameras alike.
    places = np.zeros((CAMERAS, 2, 3))
    places[:, 0, 0] = places[:, 1, 1] = 0.5
    places[:, 0, 2] = [0.5, -0.5, 0.5, -0.5]
    places = places.reshape(2 * CAMERAS, 3)
    flat = np.moveaxis(error, 0, 2).reshape(KEYPOINTS, INSTANTS, 2 * CAMERAS)
    flat = flat - flat @ places @ places.T
    return np.moveaxis(flat.reshape(KEYPOINTS, INSTANTS, CAMERAS, 2), 2, 0).reshape(-1, 2)


def _spread(factors):
    return float(np.std(np.log(factors[0])))


@pytest.mark.parametrize("bias", [0.0, 0.8])
def test_keypoints_that_are_alike_are_found_alike_however_their_errors_last(bias):
    m = _measurements()
    rng = np.random.default_rng(1)
    spread = [
        _spread(noise_factors(m, 2 * _residual(rng, bias), CAMERAS, KEYPOINTS)) for _ in range(10)
    ]
    # Medians alone differ by 0.03 and 0.2.
    assert np.mean(spread) < (0.015 if bias == 0 else 0.08)


def test_noisy_keypoints_and_cameras_are_found():
    m = _measurements()
    keypoint = m.point_keypoint[m.point]
    true = np.where(keypoint < 5, 3.0, 1.0) * np.where(m.camera == 1, 2.0, 1.0)
    factors = noise_factors(
        m, 2 * true[:, None] * _residual(np.random.default_rng(2), 0.3), CAMERAS, KEYPOINTS
    )
    np.testing.assert_allclose(factors[0, :5].mean() / factors[0, 5:].mean(), 3.0, rtol=0.1)
    np.testing.assert_allclose(factors[1] / factors[0], 2.0, rtol=0.15)
    assert factors[0, 5:].mean() == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize("bias", [0.0, 0.8])
def test_chance_is_what_repetition_shows(bias):
    m = _measurements()
    rng = np.random.default_rng(3)
    keypoint = m.point_keypoint[m.point]
    logs, promised = [], []
    for _ in range(40):
        residual = _residual(rng, bias)
        length = np.linalg.norm(residual, axis=1)
        logs.append([np.log(np.median(length[keypoint == k])) for k in range(KEYPOINTS)])
        persistence = TrackTable(m).persistence(residual)
        promised.append(chance_variance(m, persistence, keypoint))
    seen = np.var(logs, axis=0, ddof=1).mean()
    assert np.mean(promised) == pytest.approx(seen, rel=0.25)


def test_a_keypoint_nobody_sees_keeps_the_usual_factor():
    m = _measurements()
    m = m.kept(m.point_keypoint[m.point] != 7)
    residual = 2 * np.random.default_rng(4).standard_normal((len(m), 2))
    factors = noise_factors(replace(m), residual, CAMERAS, KEYPOINTS + 3)
    assert np.isfinite(factors).all()
    np.testing.assert_allclose(factors[:, [7, 20, 22]].std(axis=1), 0.0, atol=1e-12)
