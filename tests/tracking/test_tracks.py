"""What is remembered of a person."""

from __future__ import annotations

import numpy as np
import pytest

from mocap.tracking.tracks import Track, mean_separation_m

NAN = np.full(3, np.nan)


def test_keypoints_that_are_not_seen_keep_their_last_position():
    first = np.array([[0.0, 0, 0], [1.0, 1, 1], NAN])
    track = Track.born(7, first, 10.0)
    assert (track.person_id, track.last_seen_s) == (7, 10.0)
    np.testing.assert_array_equal(track.seen_s, [10.0, 10.0, -np.inf])
    later = track.seen(np.array([[0.5, 0, 0], NAN, NAN]), 10.2)
    np.testing.assert_array_equal(later.points_m, [[0.5, 0, 0], [1, 1, 1], NAN])
    np.testing.assert_array_equal(later.seen_s, [10.2, 10.0, -np.inf])
    assert later.last_seen_s == 10.2
    np.testing.assert_array_equal(track.points_m, first)  # the track before is as it was


def test_expectation_grows_unsure_with_time_and_ends():
    track = Track.born(0, np.array([[0.0, 0, 0], [1.0, 1, 1], NAN]), 10.0)
    track = track.seen(np.array([[0.5, 0, 0], NAN, NAN]), 10.4)
    points, sigma = track.expected(10.6, sigma_m=0.03, speed_m_s=2.0, memory_s=0.5)
    np.testing.assert_array_equal(points, [[0.5, 0, 0], NAN, NAN])
    assert sigma[0] == pytest.approx(0.03 + 2.0 * 0.2)
    assert np.isfinite(sigma).all()
    points, sigma = track.expected(10.4, sigma_m=0.03, speed_m_s=2.0, memory_s=0.5)
    np.testing.assert_array_equal(points, [[0.5, 0, 0], [1, 1, 1], NAN])
    np.testing.assert_allclose(sigma, [0.03, 0.03 + 0.8, 0.03])


def test_mean_separation_counts_common_keypoints():
    a = np.array([[0.0, 0, 0], [1.0, 0, 0], NAN])
    b = np.array([[0.0, 3, 4], NAN, [9.0, 9, 9]])
    assert mean_separation_m(a, b) == 5.0
    assert mean_separation_m(a, np.array([NAN, NAN, [0.0, 0, 0]])) == float("inf")
