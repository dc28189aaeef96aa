from __future__ import annotations

import numpy as np
import pytest

from viewer.controls import BINDINGS, KEY_END, KEY_HOME, KEY_LEFT, KEY_RIGHT, KEY_SPACE, WindowState
from viewer.playback import SPEEDS, Playback, pictures

TIMES = np.arange(11) / 10.0


def test_frames_follow_time_not_calls():
    playback = Playback(TIMES)
    assert playback.advanced(0.05).frame == 0
    assert playback.advanced(0.1).frame == 1
    assert playback.advanced(0.3).advanced(0.2).frame == 5
    late = Playback(np.array([0.0, 0.1, 0.9, 1.0]))
    assert late.advanced(0.8).frame == 1, "a gap in time is waited out"


def test_speed_scales_time_and_ends_at_its_limits():
    playback = Playback(TIMES, speed=1.0)
    assert playback.faster().advanced(0.2).frame == 4
    assert playback.slower().advanced(0.2).frame == 1
    for _ in range(20):
        playback = playback.faster()
    assert playback.speed == SPEEDS[-1]
    for _ in range(20):
        playback = playback.slower()
    assert playback.speed == SPEEDS[0]


def test_it_loops_or_stops_at_the_end():
    assert Playback(TIMES).duration_s == pytest.approx(1.1)
    assert Playback(TIMES).advanced(1.05).frame == 10, "the last frame is shown as long as others"
    assert Playback(TIMES).advanced(1.25).frame == 1
    ended = Playback(TIMES, loop=False).advanced(5.0)
    assert (ended.frame, ended.playing) == (10, False)
    again = ended.toggled()
    assert (again.frame, again.playing) == (0, True)


def test_pause_holds_and_steps_pause():
    paused = Playback(TIMES).advanced(0.42).toggled()
    assert paused.advanced(3.0).frame == 4
    stepped = Playback(TIMES).advanced(0.42).stepped(1)
    assert (stepped.frame, stepped.playing) == (5, False)
    assert stepped.stepped(-2).frame == 3
    assert stepped.stepped(-100).frame == 0
    assert stepped.stepped(100).frame == 10


def test_every_frame_can_be_stepped_to_in_spite_of_rounding():
    times = np.arange(1000) / 29.97
    playback = Playback(times)
    for frame in range(1, 1000):
        playback = playback.stepped(1)
        assert playback.frame == frame


def test_seeking():
    assert Playback(TIMES).at_fraction(0.5).frame == 5
    assert Playback(TIMES).at_fraction(1.0).frame == 10
    assert Playback(TIMES).at_fraction(7.0).frame == 10
    assert Playback(TIMES).skipped(0.7).frame == 7
    assert Playback(TIMES).skipped(-3.0).frame == 0


def test_a_single_frame_plays():
    playback = Playback(np.zeros(1))
    assert playback.advanced(1.0).frame == 0
    assert playback.fraction == 0.0


@pytest.mark.parametrize("times", [np.zeros(0), np.array([0.0, 2.0, 1.0])])
def test_times_that_are_not_times_are_refused(times):
    with pytest.raises(ValueError, match="ascending"):
        Playback(times)


def test_keys():
    state = WindowState(Playback(TIMES), ("raw", "smooth"), "smooth")
    assert not state.pressed(KEY_SPACE).playback.playing
    assert state.pressed(ord("5")).playback.frame == 5
    assert state.pressed(KEY_END).playback.frame == 10
    assert state.pressed(KEY_END).pressed(KEY_HOME).playback.frame == 0
    assert state.pressed(KEY_RIGHT).pressed(KEY_RIGHT).pressed(KEY_LEFT).playback.frame == 1
    assert state.pressed(ord("]")).playback.speed == 2.0
    assert state.pressed(ord("[")).playback.speed == 0.5
    assert state.pressed(ord("L")).layer == "raw"
    assert state.pressed(ord("L")).pressed(ord("L")).layer == "smooth"
    assert not state.pressed(ord("C")).cameras
    assert not state.pressed(ord("G")).floor
    assert not state.pressed(ord("T")).labels
    assert state.pressed(ord("H")).help
    assert state.pressed(ord("R")).view_resets == 1
    assert not state.pressed(ord("O")).playback.loop
    assert state.pressed(ord("Q")).closed
    assert state.pressed(ord("Z")) is state


def test_no_key_means_two_things():
    keys = [key for binding in BINDINGS for key in binding.keys]
    assert len(keys) == len(set(keys))


def test_pictures_at_the_rate_of_the_session_show_each_frame_once():
    shown, rate = pictures(np.arange(5) / 25, np.arange(5) + 7, None)
    assert shown.tolist() == [0, 1, 2, 3, 4]
    assert rate == pytest.approx(25.0)


def test_pictures_hold_a_frame_where_numbers_are_missing():
    numbers = np.array([4, 5, 8, 9])
    shown, rate = pictures((numbers - 4) / 50.0, numbers, None)
    assert shown.tolist() == [0, 1, 1, 1, 2, 3]
    assert rate == pytest.approx(50.0)


def test_pictures_at_another_rate_keep_real_time():
    times = np.arange(31) / 30.0
    shown, rate = pictures(times, np.arange(31), 10.0)
    assert rate == 10.0
    assert shown.tolist() == list(range(0, 31, 3))
    doubled, _ = pictures(times, np.arange(31), 60.0)
    assert len(doubled) == 61
    assert np.abs(times[doubled] - np.arange(61) / 60).max() <= 1 / 60 + 1e-9


def test_pictures_of_a_single_frame():
    assert pictures(np.zeros(1), np.array([3]), None) == (np.zeros(1), 30.0)
