"""Lags from light."""

from __future__ import annotations

import numpy as np
import pytest
from timing_scene import lit

from calibration.timing import BrightnessSeries, flash_lag, light_events

ONE, SEVERAL = (2.013,), (1.013, 2.437, 3.729, 5.02, 6.31, 6.911)
FRAME_S = 1 / 30


@pytest.mark.parametrize("late_s", [0.4 * FRAME_S, 7.3 * FRAME_S, -2.0])
def test_one_switch_gives_the_lag_to_a_frame(late_s: float) -> None:
    found = flash_lag(lit("a", ONE), lit("b", ONE, late_s=late_s, bright=110))
    assert found.accepted, found.refused
    assert abs(found.lag_s - late_s) < FRAME_S
    assert abs(found.lag_s - late_s) < 3 * found.sigma_s
    assert found.confidence == pytest.approx(0.92)


def test_several_switches_give_a_part_of_a_frame() -> None:
    late_s = 7.3 * FRAME_S
    found = flash_lag(lit("a", SEVERAL), lit("b", SEVERAL, late_s=late_s))
    assert abs(found.lag_s - late_s) < 0.25 * FRAME_S
    assert found.sigma_s < 0.2 * FRAME_S
    assert found.confidence > 0.99


def test_a_known_exposure_makes_the_partly_lit_frame_exact() -> None:
    series = lit("a", (2.0035,), exposure_s=0.03, noise=0.05)
    known = BrightnessSeries("a", series.time_s, series.brightness, exposure_s=0.03)
    (event,) = light_events(known)
    assert event.kind == "on"
    assert event.time_s == pytest.approx(2.0035, abs=0.001)
    (guessed,) = light_events(series)
    assert abs(guessed.time_s - 2.0035) < 3 * guessed.sigma_s


def test_errors_are_as_large_as_stated() -> None:
    rng = np.random.default_rng(0)
    normalised = []
    for seed in range(60):
        exposure_s = float(rng.uniform(0.002, 0.033))
        at_s = float(rng.uniform(2, 3))
        (event,) = light_events(lit("a", (at_s,), exposure_s=exposure_s, seed=seed))
        normalised.append((event.time_s - at_s) / event.sigma_s)
    assert 0.5 < float(np.sqrt(np.mean(np.square(normalised)))) < 1.4
    assert abs(float(np.mean(normalised))) < 0.4


def test_a_short_pulse() -> None:
    late_s = 0.1234
    flash = (2.0, 2.004)
    series = [lit(n, flash, late_s=d, bright=250) for n, d in (("a", 0.0), ("b", late_s))]
    assert [e.kind for e in light_events(series[0])] == ["pulse"]
    found = flash_lag(*series)
    assert abs(found.lag_s - late_s) < 3 * found.sigma_s
    assert found.sigma_s < FRAME_S


def test_a_flash_in_one_camera_only_is_refused() -> None:
    found = flash_lag(lit("a", ONE), lit("b", ()))
    assert not found.accepted
    assert "camera 'b' shows no flash" in (found.refused or "")


def test_slow_changes_are_no_flash() -> None:
    time_s = np.arange(0, 8, FRAME_S)
    level = 80 + 40 * np.sin(time_s)
    level += np.random.default_rng(0).normal(0, 0.3, len(time_s))
    assert light_events(BrightnessSeries("a", time_s, level)) == []
    dawn = 60 + 70 * np.clip((time_s - 3) / 0.5, 0, 1)
    assert light_events(BrightnessSeries("a", time_s, dawn)) == []


def test_evenly_blinking_light_is_refused_with_its_lags() -> None:
    blinking = tuple(np.arange(-40, 60) * 0.5 + 0.013)
    found = flash_lag(lit("a", blinking), lit("b", blinking, late_s=0.1))
    assert not found.accepted
    assert min(abs(lag - 0.1) for lag in found.rivals_s) < FRAME_S
    assert min(abs(lag - 1.1) for lag in found.rivals_s) < FRAME_S


def test_changes_that_do_not_agree_are_refused() -> None:
    first, second = lit("a", (0.9, 2.31, 4.42, 7.1)), lit("b", (1.3, 3.2, 3.95, 6.02))
    found = flash_lag(first, second)
    assert not found.accepted
    assert "changes of light" in (found.refused or "")


def test_on_is_not_off() -> None:
    found = flash_lag(lit("a", ONE), lit("b", ONE, dark=130, bright=60))
    assert not found.accepted
    assert "kind" in (found.refused or "")


def test_times_must_ascend() -> None:
    with pytest.raises(ValueError, match="ascending"):
        BrightnessSeries("a", np.array([0.0, 0.0]), np.zeros(2))
