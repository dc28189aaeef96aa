"""The smoother of one keypoint: against one dense least-squares problem, and its bandwidth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocap.geometry.smoothing import (
    NoiseGain,
    motion_density,
    noise_share,
    process_noise_density,
    segments_within_gap,
    smooth_robustly,
    smooth_track,
    smooth_track_dense,
    squared_distances,
)


def random_covariances(rng: np.random.Generator, count: int) -> np.ndarray:
    root = rng.normal(0, 0.02, (count, 3, 3))
    return root @ root.transpose(0, 2, 1) + 1e-5 * np.eye(3)


def even_density(covariance: np.ndarray, time_s: np.ndarray, cutoff_hz: float) -> np.ndarray:
    return np.full(len(time_s), process_noise_density(covariance, time_s, cutoff_hz))


@given(st.integers(0, 2**31), st.integers(2, 25), st.sampled_from([0.0, 0.4]))
def test_equals_the_dense_solution(seed, frames, missing):
    """With uneven times, gaps, and another covariance and density in every frame."""
    rng = np.random.default_rng(seed)
    time_s = np.cumsum(rng.uniform(0.005, 0.1, frames))
    path = np.stack([np.sin(time_s), 0.3 * time_s, np.cos(2 * time_s)], axis=1)
    points = path + rng.normal(0, 0.002, path.shape)  # small: no outliers, which only one treats
    covariance = random_covariances(rng, frames)
    lost = rng.random(frames) < missing
    lost[0] = False
    points[lost], covariance[lost] = np.nan, np.nan
    for density in (np.full(frames, 1.0), rng.uniform(1, 300, frames)):
        smooth, spread = smooth_track(points, covariance, time_s, density, np.inf)
        dense, dense_spread = smooth_track_dense(points, covariance, time_s, density)
        np.testing.assert_allclose(smooth, dense, atol=1e-7)
        np.testing.assert_allclose(spread, dense_spread, rtol=1e-5, atol=1e-9)
        assert np.isfinite(smooth).all()


@pytest.mark.parametrize("cutoff_hz", [4.0, 6.0, 10.0])
@pytest.mark.parametrize("ratio", [0.5, 1.0, 1.5])
def test_frequency_response_is_that_of_a_zero_phase_butterworth_filter(cutoff_hz, ratio):
    """Amplitude 1 / (1 + (f / fc)^4): one half at the cut-off frequency."""
    rate, seconds = 240.0, 8.0
    time_s = np.arange(0, seconds, 1 / rate)
    wave = np.sin(2 * np.pi * ratio * cutoff_hz * time_s)
    points = np.stack([wave, 0 * wave, 0 * wave], axis=1)
    covariance = np.tile(np.eye(3), (len(time_s), 1, 1))  # so large that nothing is an outlier
    density = even_density(covariance, time_s, cutoff_hz)
    smooth, _ = smooth_track(points, covariance, time_s, density, np.inf)
    middle = slice(len(wave) // 4, 3 * len(wave) // 4)
    gain = smooth[middle, 0] @ wave[middle] / (wave[middle] @ wave[middle])
    assert gain == pytest.approx(1 / (1 + ratio**4), abs=0.01)
    # No phase: what is left after the scaled wave is taken off is nothing.
    np.testing.assert_allclose(smooth[middle, 0], gain * wave[middle], atol=0.01)


def test_straight_motion_is_not_changed():
    time_s = np.arange(60) / 60
    points = np.array([1.0, 2.0, 0.5]) + time_s[:, None] * np.array([1.5, 0, -0.3])
    covariance = np.tile(1e-4 * np.eye(3), (60, 1, 1))
    density = even_density(covariance, time_s, 6.0)
    smooth, spread = smooth_track(points, covariance, time_s, density, np.inf)
    # The initial speed has a finite prior: a fraction of a millimetre in the first frames.
    np.testing.assert_allclose(smooth, points, atol=1e-3)
    np.testing.assert_allclose(smooth[10:-10], points[10:-10], atol=1e-5)
    assert (np.trace(spread, axis1=1, axis2=2) < 3e-4).all()


def test_noise_becomes_less_and_the_covariance_says_how_much():
    rng, frames, sigma = np.random.default_rng(1), 3000, 0.01
    time_s = np.arange(frames) / 60
    truth = np.stack([np.sin(time_s), np.cos(0.7 * time_s), 0 * time_s], axis=1)
    points = truth + rng.normal(0, sigma, truth.shape)
    covariance = np.tile(sigma**2 * np.eye(3), (frames, 1, 1))
    density = even_density(covariance, time_s, 6.0)
    smooth, spread = smooth_track(points, covariance, time_s, density, np.inf)
    error = (smooth - truth)[50:-50]
    assert error.std() < 0.6 * sigma
    # Slow motion, so the error is what the covariance says of noise, or less.
    stated = np.sqrt(spread[50:-50, 0, 0].mean())
    assert 0.6 * stated < error.std() < 1.1 * stated


def test_uncertainty_grows_within_a_gap():
    time_s = np.arange(31) / 30
    points = np.tile([0.0, 0.0, 1.0], (31, 1))
    covariance = np.tile(1e-4 * np.eye(3), (31, 1, 1))
    points[12:19], covariance[12:19] = np.nan, np.nan
    density = even_density(covariance, time_s, 6.0)
    smooth, spread = smooth_track(points, covariance, time_s, density, np.inf)
    np.testing.assert_allclose(smooth, [[0, 0, 1]] * 31, atol=1e-9)
    variance = np.trace(spread, axis1=1, axis2=2)
    assert variance[15] == variance.max()
    assert variance[15] > 3 * variance[5]


def noisy_path(frames: int = 120, sigma: float = 0.005) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(2)
    time_s = np.arange(frames) / 60
    truth = np.stack([np.sin(time_s), time_s, np.ones(frames)], axis=1)
    points = truth + rng.normal(0, sigma, truth.shape)
    covariance = np.tile(sigma**2 * np.eye(3), (frames, 1, 1))
    return truth, points, covariance, time_s, even_density(covariance, time_s, 6.0)


@pytest.mark.parametrize("wild", [(60,), (60, 61, 62), (20, 24, 28, 60, 90)])
def test_outliers_are_damped_and_their_neighbours_hardly_move(wild):
    truth, points, covariance, time_s, density = noisy_path()
    points[list(wild)] += (0.5, -0.5, 0.0)
    smooth, _, distance = smooth_robustly(points, covariance, time_s, density, 1e9)
    linear, _ = smooth_track(points, covariance, time_s, density, np.inf)
    error = np.linalg.norm(smooth - truth, axis=1)
    assert np.linalg.norm(linear - truth, axis=1).max() > 0.1  # the same without care
    assert error.max() < 0.02
    assert (distance[list(wild)] > 100).all()
    assert (np.delete(distance, wild) < 60).all()


def test_an_outlier_in_the_first_frame_is_damped_too():
    """Nothing is before it: only what comes after it can tell."""
    truth, points, covariance, time_s, density = noisy_path()
    points[0] += (0.3, 0.0, 0.0)
    smooth, _, _ = smooth_robustly(points, covariance, time_s, density, 1e9)
    assert np.linalg.norm(smooth - truth, axis=1)[5:].max() < 0.02


def test_distances_are_those_to_the_others_alone():
    """The shortcut over R - P equals leaving the measurement out."""
    _, points, covariance, time_s, density = noisy_path(30)
    smooth, spread = smooth_track(points, covariance, time_s, density, np.inf)
    distance = squared_distances(points, covariance, smooth, spread)
    for t in (3, 14, 25):
        less = points.copy()
        less[t] = np.nan
        other, other_spread = smooth_track(less, covariance, time_s, density, np.inf)
        residual = points[t] - other[t]
        direct = residual @ np.linalg.solve(covariance[t] + other_spread[t], residual)
        assert distance[t] == pytest.approx(direct, rel=2e-2)


@pytest.mark.parametrize("limit", [10.0, 20.0])
def test_acceleration_keeps_to_its_limit(limit):
    """A keypoint that is elsewhere for a third of a second: no outlier, but not possible."""
    _, points, covariance, time_s, density = noisy_path()
    points[50:70] += (0.6, 0.0, 0.0)

    def acceleration(path: np.ndarray) -> float:
        return float(np.linalg.norm(np.diff(path, 2, axis=0) * 60**2, axis=1).max())

    free, _, _ = smooth_robustly(points, covariance, time_s, density, 1e9)
    bound, spread, _ = smooth_robustly(points, covariance, time_s, density, limit)
    assert acceleration(free) > 1.5 * limit
    assert acceleration(bound) < 1.1 * limit
    np.testing.assert_allclose(bound[:20], free[:20], atol=0.002)  # elsewhere nothing changes
    assert (np.linalg.eigvalsh(spread) > 0).all()


def test_motion_density_is_that_of_a_random_walk_of_velocity():
    rng, density, step = np.random.default_rng(4), 3.0, 0.01
    velocity = np.cumsum(rng.normal(0, np.sqrt(density * step), (40000, 3)), axis=0)
    path = np.cumsum(velocity * step, axis=0)
    path[100:200] = np.nan
    assert motion_density(path, np.arange(len(path)) * step) == pytest.approx(density, rel=0.1)
    assert motion_density(np.zeros((5, 3)), np.arange(5) * step) == 0.0


@pytest.mark.parametrize(("rate", "cutoff"), [(60.0, 6.0), (25.0, 6.0), (120.0, 10.0)])
def test_white_noise_is_confirmed_and_lasting_noise_is_not(rate, cutoff):
    rng, sigma, frames = np.random.default_rng(5), 0.01, 4000
    time_s = np.arange(frames) / rate
    covariance = np.tile(sigma**2 * np.eye(3), (frames, 1, 1))
    density = even_density(covariance, time_s, cutoff)
    gain = NoiseGain.of(cutoff, rate)
    white = rng.normal(0, sigma, (frames, 3))
    smooth, spread, distance = smooth_robustly(white, covariance, time_s, density, 1e9)
    assert noise_share(distance, gain) == pytest.approx(1.0, abs=0.12)
    stated = gain.passed * spread[100:-100, 0, 0].mean()
    assert smooth[100:-100].var() == pytest.approx(stated, rel=0.12)
    lasting = np.repeat(rng.normal(0, sigma, (frames // 100, 3)), 100, axis=0)
    path = np.sqrt(0.75) * lasting + np.sqrt(0.25) * white
    _, _, distance = smooth_robustly(path, covariance, time_s, density, 1e9)
    assert noise_share(distance, gain) == pytest.approx(0.25, abs=0.06)
    assert noise_share(distance[:9], gain) == 1.0  # too few to tell


def test_a_single_measurement_comes_back_as_it_is():
    point, covariance = np.array([[1.0, 2.0, 3.0]]), 0.01 * np.eye(3)[None]
    smooth, spread = smooth_track(point, covariance, np.zeros(1), np.ones(1), np.inf)
    np.testing.assert_array_equal(smooth, point)
    np.testing.assert_array_equal(spread, covariance)


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        ("", []),
        ("......", []),
        ("..x...", [(2, 2)]),
        ("xxxxxx", [(0, 5)]),
        (".xx.x.", [(1, 4)]),
        ("x...x.", [(0, 4)]),  # a gap of exactly the limit
        ("x....x", [(0, 0), (5, 5)]),
        ("xx....xx....x", [(0, 1), (6, 7), (12, 12)]),
    ],
)
def test_segments_end_at_gaps_longer_than_the_limit(measured, expected):
    flags = np.array([c == "x" for c in measured], bool)
    assert segments_within_gap(flags, np.arange(len(flags)) * 1.0, 4.0) == expected


def test_gaps_are_measured_in_seconds_not_in_frames():
    time_s = np.array([0.0, 0.1, 0.2, 0.9, 1.0])
    assert segments_within_gap(np.ones(5, bool), time_s, 0.5) == [(0, 2), (3, 4)]
