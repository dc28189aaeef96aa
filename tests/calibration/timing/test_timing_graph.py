"""From pairs to one offset per camera."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.timing import PairLag, solve_offsets
from calibration.timing.drift import WindowLag, fit_drift
from calibration.timing.results import refusal
from mocap.errors import InputError

NAMES = ("a", "b", "c", "d")


def _pairs(truth: np.ndarray, names: tuple[str, ...], sigma: float, seed: int) -> list[PairLag]:
    rng = np.random.default_rng(seed)
    return [
        PairLag(
            names[i],
            names[j],
            "motion",
            float(truth[j] - truth[i] + rng.normal(0, sigma)),
            sigma,
            0.95,
        )
        for i in range(len(names))
        for j in range(i + 1, len(names))
    ]


@given(st.integers(0, 1000), st.integers(2, 6))
def test_exact_pairs_give_exact_offsets(seed: int, count: int) -> None:
    names = tuple("abcdefgh"[:count])
    truth = np.random.default_rng(seed).normal(0, 1, count)
    found = solve_offsets(names, _pairs(truth, names, 0.0 + 1e-9, seed))
    assert found.offsets_s == pytest.approx(truth - truth[0], abs=1e-6)
    assert found.complete


def test_order_and_direction_of_pairs_do_not_matter() -> None:
    pairs = _pairs(np.array([0.0, 0.2, -0.4, 1.0]), NAMES, 0.002, 1)
    first = solve_offsets(NAMES, pairs)
    turned = [p.reversed() if k % 2 else p for k, p in enumerate(reversed(pairs))]
    assert solve_offsets(NAMES, turned).offsets_s == pytest.approx(first.offsets_s, abs=1e-9)
    other = solve_offsets(NAMES[::-1], pairs)
    assert other.offsets_s[::-1] - other.offsets_s[-1] == pytest.approx(first.offsets_s, abs=1e-9)


def test_sigma_covers_the_error() -> None:
    normalised = []
    for seed in range(60):
        truth = np.array([0.0, 0.2, -0.4, 1.0])
        found = solve_offsets(NAMES, _pairs(truth, NAMES, 0.01, seed))
        normalised += list((found.offsets_s - truth)[1:] / found.sigma_s[1:])
    assert 0.7 < float(np.std(normalised)) < 1.2


def test_one_wrong_pair_is_dropped_and_named() -> None:
    truth = np.array([0.0, 0.2, -0.4, 1.0])
    pairs = _pairs(truth, NAMES, 0.001, 0)
    wrong = PairLag("b", "d", "audio", 0.1, 0.0001, 0.99)
    found = solve_offsets(NAMES, [*(p for p in pairs if (p.first, p.second) != ("b", "d")), wrong])
    assert found.dropped == (wrong,)
    assert found.offsets_s == pytest.approx(truth, abs=0.005)
    assert any("audio says 100.0 ms for 'b' to 'd'" in note for note in found.notes)


def test_a_triangle_that_does_not_close_is_doubtful() -> None:
    pairs = [
        PairLag("a", "b", "motion", 0.1, 0.001, 0.95),
        PairLag("b", "c", "motion", 0.1, 0.001, 0.95),
        PairLag("a", "c", "motion", 0.9, 0.001, 0.95),
    ]
    found = solve_offsets(("a", "b", "c"), pairs)
    assert len(found.dropped) == 1
    assert any("not certain" in note for note in found.notes)
    assert min(found.confidence) < 0.6


def test_a_second_method_for_the_same_pair_checks_the_first() -> None:
    pairs = [
        PairLag("a", "b", "motion", 0.1, 0.002, 0.95),
        PairLag("a", "b", "epipolar", 0.1012, 0.0004, 0.99),
    ]
    found = solve_offsets(("a", "b"), pairs)
    assert found.method == ("", "motion + epipolar")
    assert found.offsets_s[1] == pytest.approx(0.1011, abs=0.0003)
    assert not any("no other pair checks" in note for note in found.notes)


def test_pairs_without_a_check_are_named() -> None:
    found = solve_offsets(("a", "b"), [PairLag("a", "b", "motion", 0.1, 0.002, 0.95)])
    assert any("no other pair checks 'a' to 'b'" in note for note in found.notes)
    assert found.confidence[1] == pytest.approx(0.95)


def test_unconnected_cameras_are_named_with_reasons() -> None:
    pairs = [
        PairLag("a", "b", "motion", 0.1, 0.001, 0.95),
        PairLag("c", "d", "motion", 0.3, 0.001, 0.95),
        refusal("a", "c", "audio", "the video of camera 'c' has no sound"),
    ]
    found = solve_offsets((*NAMES, "e"), pairs)
    assert found.refused[:2] == (None, None)
    assert "neither is connected to 'a'" in (found.refused[2] or "")
    assert "no pair with this camera" in (found.refused[4] or "")
    assert np.isnan(found.offsets_s[2:]).all()
    assert not found.complete
    alone = solve_offsets(("a", "c"), pairs[2:])
    assert alone.refused[1] == "the video of camera 'c' has no sound"


def test_drift_goes_through_the_graph() -> None:
    ppm = {"a": 0.0, "b": 40.0, "c": -25.0}
    pairs = [
        PairLag(i, j, "audio", 0.0, 0.001, 0.99, drift_ppm=ppm[j] - ppm[i], drift_sigma_ppm=0.5)
        for i, j in (("a", "b"), ("b", "c"), ("a", "c"))
    ]
    assert solve_offsets(tuple(ppm), pairs).drift_ppm == pytest.approx([0, 40, -25], abs=0.1)
    plain = [PairLag("a", "b", "audio", 0.0, 0.001, 0.99)]
    assert np.isnan(solve_offsets(("a", "b"), plain).drift_ppm).all()


def test_lags_at_the_start_of_drifting_clocks_are_brought_together() -> None:
    # t_b = t (1 + 1000 ppm) + 10 s, t_c = t (1 - 2000 ppm) - 5 s
    clocks = {"a": (0.0, 0.0), "b": (1e-3, 10.0), "c": (-2e-3, -5.0)}
    pairs = []
    for i, j in (("a", "b"), ("b", "c"), ("a", "c")):
        (di, oi), (dj, oj) = clocks[i], clocks[j]
        rate = (1 + dj) / (1 + di)
        lag = oj - oi * rate
        drift = 1e6 * (rate - 1)
        pairs.append(PairLag(i, j, "audio", lag, 1e-3, 0.99, drift_ppm=drift, drift_sigma_ppm=0.1))
    found = solve_offsets(tuple(clocks), pairs)
    assert found.offsets_s == pytest.approx([0, 10, -5], abs=1e-3)
    assert not found.dropped


@pytest.mark.parametrize(
    ("pair", "message"),
    [(("a", "x"), "camera 'x'; cameras are a, b"), (("a", "a"), "'a' and itself")],
)
def test_strange_pairs_are_errors(pair: tuple[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        solve_offsets(("a", "b"), [PairLag(*pair, "motion", 0.1, 0.01, 0.9)])


def test_a_lag_needs_a_sigma_unless_refused() -> None:
    with pytest.raises(ValueError, match="positive standard deviation"):
        PairLag("a", "b", "motion", 0.1, 0.0, 0.9)
    with pytest.raises(ValueError, match="confidence"):
        PairLag("a", "b", "motion", 0.1, 0.1, 1.2)
    assert not refusal("a", "b", "motion", "why").accepted


def test_reversing_a_drifting_pair_inverts_the_clock() -> None:
    pair = PairLag("a", "b", "audio", 0.5, 0.001, 0.9, drift_ppm=2000.0, drift_sigma_ppm=1.0)
    back = pair.reversed()
    t = 7.0
    there = t * (1 + 1e-6 * pair.drift_ppm) + pair.lag_s
    assert there * (1 + 1e-6 * back.drift_ppm) + back.lag_s == pytest.approx(t, abs=1e-12)


def test_a_line_through_pieces_ignores_the_odd_one() -> None:
    rng = np.random.default_rng(0)
    whole = PairLag("a", "b", "audio", 0.0, 0.001, 0.9)
    windows = [
        WindowLag(t, 0.1 + 50e-6 * t + rng.normal(0, 1e-4), 1e-4) for t in np.arange(5, 125, 10.0)
    ]
    windows[4] = WindowLag(windows[4].time_s, 0.3, 1e-4)
    found = fit_drift(whole, windows)
    assert found.drift_ppm == pytest.approx(50.0, abs=4 * found.drift_sigma_ppm)
    assert found.lag_s == pytest.approx(0.1, abs=5e-4)
    few = fit_drift(whole, windows[:3])
    assert math.isnan(few.drift_ppm)
    assert any("too few pieces" in note for note in few.notes)
