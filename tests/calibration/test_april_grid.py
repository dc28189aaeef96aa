"""Kalibr's AprilGrid, drawn by its rules, is found with its numbers; markers that OpenCV misses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from board_pictures import APRILGRID, GRID, picture, points_under, seen_from

from calibration.board_points import BoardDetector
from calibration.detection import TargetFinder, find_target
from mocap.model import Target

CODES = (0xD5D628584, 0xD97F18B49, 0xDD280910E, 0xE479E9C98, 0xEBCBCA822, 0xF31DAB3AC)
"""The first tags of t36h11, as `kalibr_create_target_pdf` has them."""
TAG, GAP, MARGIN = 100, 30, 60
TILTED = {"turn_rad": 0.4, "tilt": (0.04, -0.03), "center": (10.0, 7.0)}


def drawn_by_kalibr(columns: int, rows: int) -> np.ndarray:
    """An AprilGrid by the rules of `kalibr_create_target_pdf`: y up, the cell of row i and column j
    dark where bit 6 i + j of the code is not set, the whole turned by half a turn."""
    width, height = (n * (TAG + GAP) + GAP + 2 * MARGIN for n in (columns, rows))
    board = np.full((height, width), 255, np.uint8)

    def fill(x: int, y: int, wide: int, high: int) -> None:
        top = height - MARGIN - GAP - y - high
        board[top : top + high, MARGIN + GAP + x : MARGIN + GAP + x + wide] = 0

    cell = TAG // 10
    for row in range(rows):
        for column in range(columns):
            x, y = column * (TAG + GAP), row * (TAG + GAP)
            for i in range(2):
                fill(x, y + i * (TAG - 2 * cell), TAG, 2 * cell)
                fill(x + i * (TAG - 2 * cell), y, 2 * cell, TAG)
            code = CODES[row * columns + column]
            bits = np.array([[not code & (1 << (6 * i + j)) for j in range(6)] for i in range(6)])
            for i, j in np.argwhere(np.rot90(bits, 2)):
                fill(x + (j + 2) * cell, y + (7 - i) * cell, cell, cell)
            for a, b in ((-GAP, -GAP), (TAG, -GAP), (TAG, TAG), (-GAP, TAG)):
                fill(x + a, y + b, GAP, GAP)
    return board


def test_a_board_of_kalibr_is_found_with_the_numbers_of_kalibr():
    import cv2

    target = Target("aprilgrid", (3, 2), 0.0286, 0.022, "DICT_APRILTAG_36h11")
    image = cv2.GaussianBlur(drawn_by_kalibr(3, 2), (0, 0), 1.0)
    found = find_target(image, target)
    assert found is not None and found.points.seen.all() and not found.points.mirrored
    # createGridPoints: each row of corners from the left, the lowest row first.
    expected = [
        (
            MARGIN + GAP + (c // 2) * (TAG + GAP) + (c % 2) * TAG - 0.5,
            image.shape[0] - MARGIN - GAP - (r // 2) * (TAG + GAP) - (r % 2) * TAG - 0.5,
        )
        for r in range(4)
        for c in range(6)
    ]
    assert np.abs(found.points.pixels - expected).max() < 0.02


@pytest.mark.parametrize(("square_px", "limit_px"), [(100, 0.02), (52, 0.02), (32, 0.04)])
def test_corners_are_sharp_to_hundredths_of_a_pixel(square_px, limit_px):
    H = seen_from(APRILGRID, **{**TILTED, "square_px": square_px})
    points = find_target(picture(APRILGRID, H), APRILGRID).points
    assert points.seen.all()
    error = points.pixels - points_under(APRILGRID, H)
    assert np.sqrt(np.mean(error**2)) < limit_px
    assert np.nanmedian(points.sigma_px) < 0.05


@pytest.mark.parametrize("target", [APRILGRID, GRID], ids=lambda t: t.kind)
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("inverted", [False, True])
def test_markers_that_opencv_misses_are_read_where_the_others_say(target, mirrored, inverted):
    printed = replace(target, inverted=inverted)
    H = seen_from(printed, mirrored=mirrored, **TILTED)
    image, detector = picture(printed, H), BoardDetector(printed)
    roughly = detector.roughly(image, mirrored=mirrored)
    own = detector._corners
    roughly[np.delete(own, [0, 5], axis=0)] = np.nan
    detector.roughly = lambda *_, **__: roughly.copy()
    points = detector.find(image, mirrored=mirrored)
    assert points.seen.all()
    error = points.pixels - points_under(printed, H)
    assert np.sqrt(np.mean(error**2)) < 0.1


@pytest.mark.parametrize("target", [APRILGRID, GRID], ids=lambda t: t.kind)
def test_no_marker_is_read_where_none_or_another_is(target):
    H = seen_from(target, **TILTED)
    # The last row belongs to another board of the same kind, the first marker is hidden.
    other = replace(target, first_marker=20)
    image = picture(target, H)
    true = points_under(target, H)
    corners = BoardDetector(target)._corners
    last = np.arange(8, 12)
    import cv2

    mask = np.zeros_like(image)
    for marker in last:
        hull = cv2.convexHull(true[corners[marker]].astype(np.float32)).astype(int)
        cv2.fillConvexPoly(mask, hull, 1)
    image = np.where(mask > 0, picture(other, H), image)
    hidden = cv2.convexHull(true[corners[0]].astype(np.float32)).astype(int)
    cv2.fillConvexPoly(image, hidden, 128)
    points = TargetFinder(target).find(image).points
    gone = corners[[0, *last]].ravel()
    assert not points.seen[gone].any()
    assert points.seen[np.delete(corners, [0, *last], axis=0)].all()
