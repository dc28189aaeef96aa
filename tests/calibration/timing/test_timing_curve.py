"""Choosing a lag, and refusing to: the part that all methods share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.timing.correlation import (
    correlation_time,
    masked_correlation,
    peak_with_sigma,
)
from calibration.timing.curve import LagCurve, choose_lag, refine_peak

LAGS = np.arange(-200, 201) * 0.01


def _curve(peaks: dict[float, float], samples: float = 100.0) -> LagCurve:
    explained = sum(r**2 * np.exp(-0.5 * ((LAGS - lag) / 0.02) ** 2) for lag, r in peaks.items())
    return LagCurve(LAGS, 1 - np.clip(explained, 0, 0.999), np.full(len(LAGS), samples), 0.1)


def test_a_single_high_peak_is_taken() -> None:
    choice = choose_lag(_curve({0.5: 0.9}))
    assert choice.refused is None
    assert LAGS[choice.index] == pytest.approx(0.5)
    assert choice.confidence > 0.999


def test_two_equal_peaks_are_both_reported() -> None:
    choice = choose_lag(_curve({0.5: 0.9, -0.7: 0.9}))
    assert choice.refused is not None
    assert "2 lags" in choice.refused
    found = sorted([LAGS[choice.index], *LAGS[choice.rivals]])
    assert found == pytest.approx([-0.7, 0.5])
    assert choice.confidence <= 0.5


def test_evenly_spaced_peaks_are_called_periodic() -> None:
    choice = choose_lag(_curve({k * 0.5: 0.9 for k in range(-3, 4)}))
    assert choice.refused is not None
    assert "periodic" in choice.refused


def test_a_lower_second_peak_does_not_stop_the_first() -> None:
    assert choose_lag(_curve({0.5: 0.9, -0.7: 0.5})).refused is None


def test_nothing_above_chance_is_refused() -> None:
    choice = choose_lag(_curve({0.5: 0.25}))
    assert choice.refused is not None
    assert "hardly anything" in choice.refused


def test_unknown_lags_only_is_a_result() -> None:
    curve = LagCurve(LAGS, np.full(len(LAGS), np.nan), np.zeros(len(LAGS)), 0.1)
    assert choose_lag(curve).index == -1
    assert choose_lag(curve).refused is not None


def test_few_samples_are_not_enough_however_high_the_peak() -> None:
    assert choose_lag(_curve({0.5: 0.95}, samples=5.0)).refused is not None


@given(st.floats(-0.9, 0.9), st.integers(1, 4), st.floats(0.1, 5.0))
def test_parabola_finds_its_own_top(top: float, half: int, curvature: float) -> None:
    x = np.arange(-half, half + 1)
    assert refine_peak(3.0 - curvature * (x - top) ** 2) == pytest.approx(top, abs=1e-6)


def test_a_valley_has_no_top() -> None:
    assert refine_peak(np.array([1.0, 0.0, 1.0])) == 0.0


def test_masked_correlation_is_that_of_numpy_on_what_both_have() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(60, 1)) + 50, rng.normal(size=(45, 1)) - 20
    a[rng.random(60) < 0.2], b[rng.random(45) < 0.2] = np.nan, np.nan
    lags, found, counts = masked_correlation(a, b, 8)
    for lag in (-40, -7, 0, 3, 20):
        i = np.arange(max(0, -lag), min(60, 45 - lag))
        x, y = a[i, 0], b[i + lag, 0]
        both = np.isfinite(x) & np.isfinite(y)
        at = int(np.flatnonzero(lags == lag)[0])
        assert counts[at] == both.sum()
        if both.sum() >= 8:
            assert found[at] == pytest.approx(np.corrcoef(x[both], y[both])[0, 1], abs=1e-9)
        else:
            assert np.isnan(found[at])


def test_white_noise_has_one_sample_per_sample() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 4000, 1))
    assert correlation_time(a, b) == pytest.approx(1.0, abs=0.2)
    smooth = np.stack([np.convolve(x[:, 0], np.ones(10), "same") for x in (a, b)])[..., None]
    assert correlation_time(smooth[0], smooth[1]) == pytest.approx(6.7, rel=0.25)


@pytest.mark.parametrize("noise", [0.3, 0.8])
def test_sigma_of_a_peak_is_that_of_its_errors(noise: float) -> None:
    errors, sigmas = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        common = np.convolve(rng.normal(size=700), np.hanning(15), "same")
        own = [np.convolve(rng.normal(size=700), np.hanning(9), "same") for _ in range(2)]
        a, b = (common + noise * o for o in own)
        lag, sigma = peak_with_sigma(a[:-5, None], b[5:, None], -5, 3)
        errors.append(lag + 5)
        sigmas.append(sigma)
    true = float(np.std(errors))
    assert abs(float(np.mean(errors))) < 0.5 * true + 0.02
    assert 0.6 * true < float(np.median(sigmas)) < 1.8 * true
