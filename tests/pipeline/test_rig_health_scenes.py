"""Rig health behind the whole reconstruction: bumps of any size, clocks, and good rigs."""

from __future__ import annotations

import pytest
from health_scene import Mishap, events_of, film

NOTICED_S = 2.6
"""Four bins of half a second, and the one that is under way."""


@pytest.mark.parametrize(
    ("cameras", "people", "turn_deg", "seed"),
    [(5, 2, 0.5, 3), (4, 1, 1.0, 1), (6, 3, 2.0, 2), (3, 2, 2.0, 4), (5, 2, 4.0, 0)],
)
def test_a_bump_is_named_with_its_time(cameras, people, turn_deg, seed):
    mishap = Mishap(seed % cameras, turn_deg=turn_deg, at_s=8.0)
    rig, sets = film(cameras, people, seed, seconds=12.0, mishap=mishap)
    (event,), (noticed_s,) = events_of(rig, sets)
    name = f"cam{mishap.camera}"
    assert event.kind == "moved"
    assert name in (event.camera, *event.rivals)
    if cameras > 3:
        assert event.camera == name
    assert abs(event.time_s - mishap.at_s) <= 0.6
    assert 0 < noticed_s - mishap.at_s <= NOTICED_S
    assert event.angle_deg == pytest.approx(turn_deg, rel=0.3, abs=0.15)


@pytest.mark.parametrize(("cameras", "people", "seed"), [(3, 2, 11), (4, 3, 12), (8, 1, 13)])
def test_nothing_is_said_of_a_good_rig(cameras, people, seed):
    assert events_of(*film(cameras, people, seed, seconds=15.0, lasting_px=5.0))[0] == ()


def test_a_drifting_clock_is_named():
    mishap = Mishap(1, drift_ppm=2000.0)
    (event,), _ = events_of(*film(4, 3, 5, seconds=30.0, mishap=mishap))
    assert (event.kind, event.camera) == ("clock", "cam1")
    assert event.delay_s > 0.02
