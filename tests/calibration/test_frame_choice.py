"""Which frames are chosen, and that the choice is worth its name."""

from __future__ import annotations

import numpy as np
import pytest
from board_pictures import CHARUCO, points_under, seen_from

from calibration.frame_choice import choose_frames, instants
from calibration.sightings import CameraSightings, Sightings

SIZE = (640, 480)


def camera(name, views, *, times=None, sharpness=None, fps=10.0):
    n = len(views)
    pixels = np.array([points_under(CHARUCO, seen_from(CHARUCO, size=SIZE, **v)) for v in views])
    return CameraSightings(
        name,
        SIZE,
        np.arange(n),
        np.arange(n) / 10 if times is None else np.asarray(times),
        pixels.reshape(n, 12, 2),
        np.ones((n, 12)),
        np.zeros(n, bool),
        np.ones(n) if sharpness is None else np.asarray(sharpness),
        n,
        fps,
    )


def random_views(count, seed=0):
    rng = np.random.default_rng(seed)
    return [
        {
            "square_px": rng.uniform(20, 60),
            "center": tuple(rng.uniform(-150, 150, 2)),
            "tilt": tuple(rng.uniform(-0.08, 0.08, 2)),
            "turn_rad": rng.uniform(-3, 3),
        }
        for _ in range(count)
    ]


def cells(seen):
    place = np.clip((seen.pixels / SIZE * (8, 6)).astype(int), 0, (7, 5)).reshape(-1, 2)
    return len(np.unique(place, axis=0))


def test_few_frames_are_all_kept():
    seen = Sightings(CHARUCO, (camera("a", random_views(5)), camera("b", random_views(3))))
    assert choose_frames(seen, 5) is seen
    with pytest.raises(ValueError, match="budget of 0"):
        choose_frames(seen, 0)


def test_views_that_differ_are_preferred_to_repetitions():
    still = [{"square_px": 40.0}] * 40
    others = random_views(6)
    seen = Sightings(CHARUCO, (camera("a", still + others),))
    kept = choose_frames(seen, 7, shared=False).cameras[0]
    assert len(kept) == 7
    assert np.sum(kept.frame < 40) == 1
    np.testing.assert_array_equal(kept.pixels, seen.cameras[0].pixels[kept.frame])


def test_chosen_frames_cover_more_than_random_ones():
    seen = Sightings(CHARUCO, (camera("a", random_views(200)),))
    chosen = choose_frames(seen, 10, shared=False).cameras[0]
    rng = np.random.default_rng(1)
    by_chance = [
        cells(seen.cameras[0].chosen(np.sort(rng.choice(200, 10, False)))) for _ in range(20)
    ]
    assert cells(chosen) > max(by_chance)


def test_of_equal_views_the_sharp_one_is_kept():
    views = [view for view in random_views(5) for _ in range(3)]
    sharpness = np.tile([0.3, 1.0, 0.5], 5)
    seen = Sightings(CHARUCO, (camera("a", views, sharpness=sharpness),))
    kept = choose_frames(seen, 5, shared=False).cameras[0]
    assert kept.frame.tolist() == [1, 4, 7, 10, 13]


def test_the_choice_is_the_same_every_time():
    seen = Sightings(CHARUCO, (camera("a", random_views(60)), camera("b", random_views(50, 1))))
    first, second = choose_frames(seen, 12), choose_frames(seen, 12)
    for a, b in zip(first.cameras, second.cameras, strict=True):
        np.testing.assert_array_equal(a.frame, b.frame)


def test_shared_instants_are_kept_together():
    # Camera b sees the board at every third instant only.
    a = camera("a", random_views(60))
    b = camera("b", random_views(20, 1), times=np.arange(20) * 0.3)
    kept = choose_frames(Sightings(CHARUCO, (a, b)), 15)
    shared = np.intersect1d(kept["a"].time_s.round(3), kept["b"].time_s.round(3))
    assert len(kept["b"]) >= 10
    assert len(shared) == len(kept["b"])
    assert 15 <= len(kept["a"]) <= 20
    # Each pair of cameras that shares any view shares a chosen one.
    c = camera("c", random_views(1, 2), times=[4.2])
    kept = choose_frames(Sightings(CHARUCO, (a, b, c)), 15)
    assert len(kept["c"]) == 1
    assert 4.2 in kept["a"].time_s.round(3)


def test_instants_follow_the_clocks_of_the_cameras():
    a = camera("a", random_views(4))
    b = camera("b", random_views(3, 1), times=[0.52, 0.61, 0.72])
    seen = Sightings(CHARUCO, (a, b))
    np.testing.assert_array_equal(
        instants(seen, np.array([0.0, 0.5])), [[0, 0], [1, 1], [2, 2], [3, -1]]
    )
    apart = instants(seen, np.zeros(2))
    assert not np.any((apart >= 0).all(axis=1))
    fast = camera("f", random_views(8, 2), times=np.arange(8) / 20, fps=20.0)
    table = instants(Sightings(CHARUCO, (a, fast)), np.zeros(2))
    assert (table >= 0).all(axis=1).sum() == 4


def test_a_camera_that_saw_nothing_is_no_hindrance():
    seen = Sightings(CHARUCO, (camera("a", random_views(9)), camera("b", [])))
    kept = choose_frames(seen, 4)
    assert [len(each) for each in kept.cameras] == [4, 0]
