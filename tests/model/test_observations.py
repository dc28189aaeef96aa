"""2D people, frame sets, and rows of 3D people."""

from __future__ import annotations

import numpy as np
import pytest

from mocap.errors import InputError
from mocap.model import Detections, FrameSet, FrameTable, Motion, Observation, skeleton_by_name

PIXELS = np.arange(12.0).reshape(2, 3, 2)
TRUST = np.full((2, 3), 0.5)
SCORE = np.array([0.5, 0.9])


def changed(array: np.ndarray, place: tuple[int, ...], value: float) -> np.ndarray:
    copy = array.copy()
    copy[place] = value
    return copy


@pytest.mark.parametrize(
    ("pixels", "confidence", "score", "message"),
    [
        (PIXELS[0], TRUST, SCORE, "keypoints_px has shape"),
        (PIXELS[..., :1], TRUST, SCORE, "keypoints_px has shape"),
        (PIXELS, TRUST[:1], SCORE, "confidence has shape"),
        (PIXELS, TRUST[:, :2], SCORE, "confidence has shape"),
        (PIXELS, TRUST, SCORE[:1], "score has shape"),
        (changed(PIXELS, (0, 0, 0), np.inf), TRUST, SCORE, "infinity"),
        (PIXELS, TRUST, changed(SCORE, (0,), np.nan), "score"),
        (PIXELS, changed(TRUST, (0, 1), 1.01), SCORE, "confidence"),
        (PIXELS, changed(TRUST, (0, 1), -0.01), SCORE, "confidence"),
        (PIXELS, changed(TRUST, (0, 1), np.nan), SCORE, "confidence"),
        (changed(PIXELS, (1, 2, 1), np.nan), TRUST, SCORE, "NaN but its confidence"),
    ],
)
def test_detections_refuse(pixels, confidence, score, message):
    with pytest.raises(ValueError, match=message):
        Detections(pixels, confidence, score)


def test_detections_are_frozen_copies_and_equal_by_value():
    source = PIXELS.copy()
    missing = changed(source, (1, 2, 0), np.nan)
    detections = Detections(missing, changed(TRUST, (1, 2), 0.0), SCORE)
    assert len(detections) == 2
    assert detections.keypoints_px.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        detections.keypoints_px[0, 0, 0] = 1.0
    assert detections == Detections(missing, changed(TRUST, (1, 2), 0.0), SCORE)
    assert detections != Detections(missing + 1, changed(TRUST, (1, 2), 0.0), SCORE)
    assert len(Detections.empty(17)) == 0
    assert Detections.empty(17).keypoints_px.shape == (0, 17, 2)


def test_a_frame_set_refuses_an_observation_under_another_name():
    observation = Observation("a", 0, 0, Detections.empty(3))
    FrameSet(0, 0, {"a": observation})
    with pytest.raises(ValueError, match="'a' stands under 'b'"):
        FrameSet(0, 0, {"b": observation})


def motion(frame: list[int], person: list[int]) -> Motion:
    k, n = 17, len(frame)
    return Motion(
        skeleton_by_name("coco17"),
        np.array(frame),
        np.array(frame) / 30,
        np.array(person),
        np.arange(n)[:, None, None] * np.ones((1, k, 3)),
        np.zeros((n, k, 3, 3)),
        np.zeros((n, k)),
        np.zeros((n, k), np.int64),
    )


def test_rows_of_one_person():
    both = motion([0, 0, 1, 1, 2], [3, 7, 3, 7, 7])
    assert both.person_ids == (3, 7)
    seven = both.person(7)
    np.testing.assert_array_equal(seven.frame, [0, 1, 2])
    np.testing.assert_array_equal(seven.points_m[:, 0, 0], [1, 3, 4])
    with pytest.raises(InputError, match=r"no person 4.*3, 7"):
        both.person(4)


def test_motion_refuses_columns_of_other_length():
    good = motion([0, 1], [0, 0])
    with pytest.raises(ValueError, match="person_id has shape"):
        Motion(
            good.skeleton,
            good.frame,
            good.time_s,
            good.person_id[:1],
            good.points_m,
            good.covariance_m2,
            good.reprojection_px,
            good.n_views,
        )


def test_rate_goes_by_the_frame_numbers():
    numbers = np.array([0, 1, 2, 5, 6])
    table = FrameTable(numbers, numbers * 20_000_000, np.zeros((5, 1), np.int64))
    assert table.rate_hz == pytest.approx(50.0)
    assert np.isnan(FrameTable(numbers[:1], numbers[:1], np.zeros((1, 1), np.int64)).rate_hz)
