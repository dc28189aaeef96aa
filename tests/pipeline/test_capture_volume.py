"""Where people are captured: depth in boxes and outlines, and what describes no volume."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocap.errors import InputError
from mocap.pipeline.capture_volume import CaptureVolume

coordinate = st.floats(-6.0, 6.0)


def volume(*box: float, corners: tuple[tuple[float, float], ...] = ()) -> CaptureVolume:
    made = CaptureVolume.of(box, corners)
    assert made is not None
    return made


def test_no_numbers_are_no_volume():
    assert CaptureVolume.of((), ()) is None


@given(coordinate, coordinate)
def test_a_rectangle_is_the_box_of_its_corners(x, y):
    box = volume(-2, 3, -1, 4)
    outline = volume(corners=((-2, -1), (3, -1), (3, 4), (-2, 4)))
    point = np.array([x, y, 1.0])
    a, b = box.depth_m(point), outline.depth_m(point)
    if a >= 0:
        assert b == pytest.approx(a, abs=1e-9)
    else:
        assert b <= a + 1e-9


def test_an_outline_with_a_bay_and_a_box_in_height():
    # An L: the upper right quarter is missing. The order of the corners does not matter.
    corners = ((0, 0), (4, 0), (4, 2), (2, 2), (2, 4), (0, 4))
    for order in (corners, corners[::-1]):
        shape = volume(-9, 9, -9, 9, 0.2, 1.8, corners=order)
        assert shape.depth_m(np.array([1.0, 3.0, 1.0])) == pytest.approx(0.8)
        assert shape.depth_m(np.array([3.0, 1.0, 0.5])) == pytest.approx(0.3)
        assert shape.depth_m(np.array([3.0, 3.0, 1.0])) == pytest.approx(-1.0)
        assert shape.depth_m(np.array([1.0, 1.0, 2.0])) == pytest.approx(-0.2)


@pytest.mark.parametrize(
    ("box", "corners", "words"),
    [
        ((0, 1, 0), (), "takes 4 or 6 numbers"),
        ((1, 1, 0, 1), (), "--volume is empty: X0 is 1 and X1 is 1 m"),
        ((0, 1, 2, -2), (), "--volume is empty: Y0 is 2 and Y1 is -2 m"),
        ((0, 1, 0, 1, 3, 0), (), "--volume is empty: Z0 is 3"),
        ((0, 1, 0, float("nan")), (), "not finite"),
        ((), ((0, 0), (1, 0)), "three or more corners"),
        ((), ((0, 0), (1, 1), (2, 2)), "enclose no area"),
        ((), ((0, 0), (1, 1), (1, 0), (0, 1)), "from corner 1 and from corner 3 cross"),
    ],
)
def test_what_is_no_volume(box, corners, words):
    with pytest.raises(InputError) as error:
        CaptureVolume.of(box, corners)
    assert words in str(error.value)
