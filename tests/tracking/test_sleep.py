"""Who comes back is known by the place and by the bones."""

from __future__ import annotations

import numpy as np

from mocap.model.config import TrackingConfig
from mocap.tracking.sleep import Sleeper, returning

CONFIG = TrackingConfig()
BONES = np.array([0.30, 0.25, 0.42, 0.40])


def sleeper(person_id: int, x: float, scale: float = 1.0) -> Sleeper:
    return Sleeper(person_id, 5.0, np.array([x, 0, 1.0]), scale * BONES, np.full(4, 50.0))


def who(x: float, time_s: float, *sleepers: Sleeper, count: float = 1.0) -> int | None:
    found = returning(sleepers, np.array([x, 0, 1.0]), BONES, np.full(4, count), time_s, CONFIG)
    return None if found is None else found.person_id


def test_the_nearest_with_the_same_bones_is_known_again():
    assert who(0.0, 7.0, sleeper(3, 1.0), sleeper(4, 0.5)) == 4
    assert who(0.0, 7.0, sleeper(3, 1.0), sleeper(4, 0.5, 1.3)) == 3
    assert who(0.0, 7.0, sleeper(4, 0.5, 0.8)) is None


def test_nobody_comes_back_faster_than_he_can_walk():
    assert who(0.0, 6.0, sleeper(1, 1.9)) == 1
    assert who(0.0, 6.0, sleeper(1, 2.1)) is None
    assert who(0.0, 9.0, sleeper(1, 2.1)) == 1


def test_without_measured_lengths_the_place_decides():
    assert who(0.0, 7.0, sleeper(4, 0.5, 1.5), count=0.0) == 4
    assert who(0.0, 7.0) is None
