"""The parts of the detector for several people: regions, anchors, merging, plausibility, models."""

from __future__ import annotations

import builtins
import importlib.util
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.detectors import wheel_models
from capture.detectors.anchor_boxes import anchor_centres, merge_overlapping, overlap
from capture.detectors.body_network import Body, sharpened
from capture.detectors.hand_network import hand_region
from capture.detectors.mediapipe_multi import tiles, whole_image
from capture.detectors.plausibility import (
    body_distance,
    covers,
    is_plausible,
    is_well_seen,
    lies_on,
    trunk_px,
    without_doubles,
)
from capture.detectors.regions import Region
from mocap.errors import DependencyError, InputError

SIZE = (640, 480)
angles = st.floats(-math.pi, math.pi)
places = st.floats(-500, 1500)


@given(places, places, st.floats(10, 1000), angles)
def test_a_region_and_the_picture_cut_from_it_agree(x, y, side, angle) -> None:
    region = Region(x, y, side, angle)
    corners = region.to_image(
        np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 0.5], [0.5, 0.0]])
    )
    np.testing.assert_allclose(corners[3], (x, y), atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(corners[1] - corners[0]), side)
    # Image axes are x right, y down: a quarter turn takes the right side to the lower one.
    right = (corners[1] - corners[0]) / side
    np.testing.assert_allclose(right, (math.cos(angle), math.sin(angle)), atol=1e-9)
    again = Region.along(corners[3], corners[4])
    np.testing.assert_allclose((again.side_px, again.x_px, again.y_px), (side, x, y), atol=1e-6)
    np.testing.assert_allclose(math.cos(again.angle_rad - angle), 1.0, atol=1e-9)
    below = Region.along(corners[3], 2 * corners[3] - corners[4], downward=True)
    np.testing.assert_allclose(math.cos(below.angle_rad - angle), 1.0, atol=1e-9)


@given(angles, st.integers(0, 10_000))
def test_the_region_around_points_has_them_inside_and_touches_them(angle, seed) -> None:
    points = np.random.default_rng(seed).normal(0, 100, (8, 2))
    region = Region.around(points, angle)
    c, s = math.cos(angle), math.sin(angle)
    local = (points - region.centre_px) @ np.array([[c, -s], [s, c]]) / region.side_px
    assert (np.abs(local) <= 0.5 + 1e-9).all()
    np.testing.assert_allclose(np.abs(local).max(), 0.5)


def test_a_scaled_region_is_moved_along_its_own_axis() -> None:
    region = Region(100, 100, 40, math.pi / 2).scaled(2.0, 0.25)
    # Its own "down" is the image's "left".
    np.testing.assert_allclose((region.x_px, region.y_px, region.side_px), (90, 100, 80))


def test_cutting_shows_what_lies_there() -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    image[50:60, 100:110] = 255
    # The same pixels without any turn: their centres lie from 100 to 109, the middle at 104.5.
    np.testing.assert_array_equal(Region(104.5, 54.5, 10.0).cut(image, 10), 255)
    around = Region(104.5, 54.5, 20.0).cut(image, 20)
    np.testing.assert_array_equal(around[5:15, 5:15], 255)
    assert around.sum() == 255 * 300
    # A bright spot to the right of the centre of a region that is turned by a quarter to the right
    # is seen above its centre.
    turned = Region(94.5, 54.5, 40.0, math.pi / 2).cut(image, 40)
    rows, columns = np.nonzero(turned[..., 0])
    np.testing.assert_allclose((rows.mean(), columns.mean()), (9.5, 19.5), atol=0.6)


def test_outside_of_the_image_is_black_or_its_edge() -> None:
    image = np.full((20, 20, 3), 200, np.uint8)
    region = Region(0.0, 10.0, 20.0)
    assert region.cut(image, 20).min() == 200
    assert region.cut(image, 20, black_outside=True)[:, :8].max() == 0


def test_regions_that_are_no_squares_are_not_usable() -> None:
    assert Region(0, 0, 1.0).is_usable()
    for bad in (Region(0, 0, 0.5), Region(math.nan, 0, 9), Region(0, 0, 9, math.inf)):
        assert not bad.is_usable()


def test_anchors_of_the_body_network() -> None:
    anchors = anchor_centres(224, (8, 16, 32, 32, 32))
    assert anchors.shape == (2254, 2)
    np.testing.assert_allclose(anchors[0], [4 / 224, 4 / 224])
    np.testing.assert_array_equal(anchors[0], anchors[1])
    np.testing.assert_allclose(anchors[2], [12 / 224, 4 / 224])
    # The three last layers share their cells.
    assert len({tuple(a) for a in anchors[-6:]}) == 1
    assert anchor_centres(128, (8, 16, 16, 16)).shape == (896, 2)


def test_overlap_is_intersection_over_union() -> None:
    box = np.array([0.0, 0.0, 2.0, 2.0])
    others = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6], [1, 1, 1, 1]], float)
    np.testing.assert_allclose(overlap(box, others), [1, 1 / 3, 0, 0])


def test_boxes_of_one_object_are_averaged_by_their_scores() -> None:
    boxes = np.array([[0, 0, 1, 1, 10], [0, 0, 1, 1.2, 40], [5, 5, 6, 6, 7]], float)
    merged = merge_overlapping(boxes, np.array([0.25, 0.75, 0.9]))
    assert [score for score, _ in merged] == [0.9, 0.75]
    np.testing.assert_allclose(merged[0][1], boxes[2])
    np.testing.assert_allclose(merged[1][1], [0, 0, 1, 1.15, 32.5])
    assert merge_overlapping(np.zeros((0, 5)), np.zeros(0)) == []


def test_landmarks_move_to_sure_heat_only() -> None:
    heat = np.full((64, 64, 3), -20.0)
    heat[30, 21:23, :2] = 3.0
    heat[..., 1] -= 4.0
    points = np.array([[20.5 / 64, 31.5 / 64], [20.5 / 64, 31.5 / 64], [1.5, 0.2]])
    moved = sharpened(points, heat)
    np.testing.assert_allclose(moved[0], [21.5 / 64, 30 / 64], atol=1e-6)
    np.testing.assert_array_equal(moved[1:], points[1:])
    # At the edge the window is cut.
    heat[:] = -20.0
    heat[0, 0] = 5.0
    np.testing.assert_allclose(sharpened(np.full((3, 2), 0.01), heat), np.zeros((3, 2)), atol=1e-6)


def test_the_region_of_a_hand_is_turned_with_it() -> None:
    palm = {0: (0, 0), 5: (-2, 8), 6: (-2, 10), 9: (0, 8), 10: (0, 10), 13: (2, 8), 14: (2, 10)}
    points = np.zeros((21, 2))
    for i in range(21):
        points[i] = palm.get(i, (0, 5))
    # Fingers point along the image's y axis, which is down: the hand stands on its head.
    assert abs(abs(hand_region(points).angle_rad) - math.pi) < 1e-9
    up = hand_region(-points)
    assert abs(up.angle_rad) < 1e-9
    assert up.side_px == pytest.approx(20.0)


STANDING = {
    0: (0, -90),
    11: (20, -50),
    12: (-20, -50),
    13: (30, -20),
    14: (-30, -20),
    15: (30, 10),
    16: (-30, 10),
    23: (12, 10),
    24: (-12, 10),
    25: (14, 60),
    26: (-14, 60),
    27: (14, 110),
    28: (-14, 110),
}


def body(x: float = 300, y: float = 200, scale: float = 1.0, **changes: Any) -> Body:
    points = np.tile([0.0, -90.0], (33, 1))
    for index, point in STANDING.items():
        points[index] = point
    points = points * scale + (x, y)
    visibility = np.ones(33)
    region = Region(x, y, 300 * scale)
    found = Body(points, visibility, 1.0, region)
    return Body(**(vars(found) | changes))


def moved(index: int, to: tuple[float, float]) -> np.ndarray:
    points = body().landmarks_px.copy()
    points[index] = to
    return points


def seen(*indices: int) -> np.ndarray:
    visibility = np.zeros(33)
    visibility[list(indices)] = 1.0
    return visibility


@pytest.mark.parametrize(
    "person",
    [
        body(),
        body(scale=0.2),
        # Half of it is outside of the image.
        body(x=5),
        # Only the upper half is seen.
        body(visibility=seen(0, *range(11, 17))),
        # A limb that is too long does not count where it is not seen.
        body(landmarks_px=moved(27, (2000, 300)), visibility=seen(0, *range(11, 17), 23, 24)),
    ],
)
def test_people_are_plausible(person: Body) -> None:
    assert is_plausible(person, SIZE)


@pytest.mark.parametrize(
    "person",
    [
        body(scale=0.1),
        body(x=-200),
        body(visibility=np.full(33, 0.4)),
        body(visibility=seen(0, 11, 12, 13)),
        # No trunk.
        body(visibility=seen(0, *range(13, 17), *range(25, 29))),
        body(landmarks_px=moved(27, (600, 470))),
        body(landmarks_px=moved(15, (math.nan, 10))),
    ],
)
def test_other_skeletons_are_not(person: Body) -> None:
    assert not is_plausible(person, SIZE)


def test_somebody_new_must_be_seen_well_or_detected_surely() -> None:
    upper = body(visibility=seen(0, *range(11, 17)))
    assert is_well_seen(body(), 0.3)
    assert is_well_seen(upper, 0.7)
    assert not is_well_seen(upper, 0.5)
    hanging = replace(body(), region=replace(body().region, angle_rad=2.7))
    assert not is_well_seen(hanging, 0.5)
    assert is_well_seen(hanging, 0.7)


@given(st.floats(0.3, 3.0), st.floats(-math.pi, math.pi), st.floats(0, 0.3))
def test_the_distance_of_bodies_is_in_trunk_lengths(scale, angle, share) -> None:
    one = body(scale=scale)
    step = share * trunk_px(one) * np.array([math.cos(angle), math.sin(angle)])
    other = body(x=300 + step[0], y=200 + step[1], scale=scale)
    assert body_distance(one, other) == pytest.approx(share, abs=1e-6)
    assert body_distance(other, one) == pytest.approx(share, abs=1e-6)


def test_of_doubles_the_one_of_higher_rank_is_kept() -> None:
    bodies = [body(), body(x=306), body(x=420)]
    assert without_doubles(bodies, [1.0, 2.0, 0.5]) == [1, 2]
    assert without_doubles(bodies, [2.0, 1.0, 0.5]) == [0, 2]
    assert without_doubles([], []) == []


def test_part_of_a_body_is_nobody_whatever_its_rank() -> None:
    # A small skeleton upright within the thigh and the hip.
    small = body(x=313, y=225, scale=0.18)
    large = body()
    assert lies_on(small, large)
    assert without_doubles([small, large], [9.0, 1.0]) == [1]
    # Somebody small further away stands beside, or is seen over the shoulder.
    for beside in (body(x=380, y=200, scale=0.4), body(x=345, y=110, scale=0.4)):
        assert not lies_on(beside, large)
    # Two people of one size in front of each other are no part of each other.
    assert not lies_on(body(x=312), large)


def test_a_candidate_where_somebody_is_known_is_not_new() -> None:
    known = body()
    assert covers(known, np.array([310.0, 190.0]), 280.0)
    assert not covers(known, np.array([310.0, 190.0]), 100.0)
    assert not covers(known, np.array([380.0, 190.0]), 280.0)


@given(st.integers(50, 2000), st.integers(50, 2000), st.floats(0.2, 1.0))
def test_tiles_cover_the_image(width, height, share) -> None:
    found = tiles((width, height), share)
    side = share * min(width, height)
    for axis, length in enumerate((width, height)):
        starts = sorted({(t.x_px, t.y_px)[axis] - (side - 1) / 2 for t in found})
        assert starts[0] == pytest.approx(0.0)
        assert starts[-1] + side >= length - 1e-6
        for a, b in pairwise(starts):
            assert b - a <= side * 2 / 3 + 1e-6
    whole = whole_image((width, height))
    assert whole.side_px == max(width, height)
    np.testing.assert_allclose(whole.centre_px, ((width - 1) / 2, (height - 1) / 2))


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5, math.nan])
def test_tiles_of_no_size_are_refused(share: float) -> None:
    with pytest.raises(InputError, match=r"the share of a tile is .*; it must lie above 0"):
        tiles(SIZE, share)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(DependencyError, match=r"mediapipe, which is not installed; run 'pip inst"):
        wheel_models.model_file("pose_detection/pose_detection")


def test_a_package_without_networks_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    with pytest.raises(DependencyError, match=r"no modules/a/b.tflite .*; run 'pip install"):
        wheel_models.Network("a/b")


def test_a_missing_interpreter_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("ai_edge_litert"):
            raise ImportError("No module named 'ai_edge_litert'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DependencyError, match=r"needs ai-edge-litert \(No module named"):
        wheel_models.Network("hand_landmark/hand_landmark_full")
