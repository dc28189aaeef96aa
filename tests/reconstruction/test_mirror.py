"""Views in which left and right of a whole body are exchanged."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_scene import project_rig, ring_rig, standing_person

from mocap.model import skeleton_by_name
from mocap.model.config import TriangulationConfig
from mocap.reconstruction.expectation import Expectation
from mocap.reconstruction.mirror import find_mirrored_views
from mocap.reconstruction.person import ViewedPerson

HALPE = skeleton_by_name("halpe26")
MIRROR = np.array(HALPE.mirror)
CONFIG = TriangulationConfig()
RIG = ring_rig(4)
HEADINGS = np.linspace(0, 2 * np.pi, 7)[:-1]
UNEXPECTED, EXPECTED = False, True


def seen(
    heading: float, mirrored: list[int], *, rig=RIG, noise_px: float = 3.0
) -> tuple[ViewedPerson, Expectation]:
    """A person with some views mirrored, and where it was a moment ago."""
    rng = np.random.default_rng(round(1000 * heading))
    truth = standing_person(HALPE, (0.2, 0.1), heading)
    pixels = project_rig(truth, rig)
    pixels += rng.normal(0, noise_px, pixels.shape)
    for c in mirrored:
        pixels[c] = pixels[c][MIRROR]
    person = ViewedPerson.from_keypoints(pixels, np.ones(pixels.shape[:2]), rig.arrays)
    before = truth + rng.normal(0, 0.02, truth.shape)
    return person, Expectation(before, np.full(len(HALPE), 0.05))


@pytest.mark.parametrize("with_expectation", [UNEXPECTED, EXPECTED])
@pytest.mark.parametrize("heading", HEADINGS)
def test_nothing_is_found_when_nothing_is_mirrored(heading, with_expectation):
    person, expected = seen(heading, [])
    before = expected if with_expectation else None
    assert not find_mirrored_views(person, RIG.arrays, HALPE, CONFIG, before).any()


@pytest.mark.parametrize("with_expectation", [UNEXPECTED, EXPECTED])
@pytest.mark.parametrize("view", range(4))
@pytest.mark.parametrize("heading", HEADINGS[::2])
def test_one_of_four_views_is_found(view, heading, with_expectation):
    person, expected = seen(heading, [view])
    before = expected if with_expectation else None
    found = find_mirrored_views(person, RIG.arrays, HALPE, CONFIG, before)
    np.testing.assert_array_equal(np.flatnonzero(found), [view])


@pytest.mark.parametrize("mirrored", [[0, 1], [1, 3], [0, 1, 2], [0, 1, 2, 3]])
def test_any_number_of_views_is_found_with_an_expectation(mirrored):
    person, expected = seen(0.5, mirrored)
    found = find_mirrored_views(person, RIG.arrays, HALPE, CONFIG, expected)
    np.testing.assert_array_equal(np.flatnonzero(found), mirrored)


def test_without_an_expectation_fewer_than_half_of_the_views_are_turned():
    """All views turned look the same as none, so the majority is believed."""
    person, _ = seen(0.5, [0, 1, 2, 3])
    assert not find_mirrored_views(person, RIG.arrays, HALPE, CONFIG).any()
    person, _ = seen(0.5, [0, 1, 2])
    found = find_mirrored_views(person, RIG.arrays, HALPE, CONFIG)
    np.testing.assert_array_equal(np.flatnonzero(found), [3])
    pair = ring_rig(2)
    person, _ = seen(0.5, [1], rig=pair)
    assert not find_mirrored_views(person, pair.arrays, HALPE, CONFIG).any()


def test_a_view_that_sees_too_little_is_left_alone():
    person, expected = seen(0.5, [2])
    confidence = person.confidence.copy()
    confidence[2, list(HALPE.indices())[3:]] = 0.0
    little = ViewedPerson(person.keypoints_px, confidence, person.rays)
    assert not find_mirrored_views(little, RIG.arrays, HALPE, CONFIG, expected).any()


def test_nobody():
    nothing = ViewedPerson.from_keypoints(
        np.full((4, 26, 2), np.nan), np.zeros((4, 26)), RIG.arrays
    )
    assert not find_mirrored_views(nothing, RIG.arrays, HALPE, CONFIG).any()
