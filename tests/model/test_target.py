"""Targets: their points against OpenCV's boards, and what is refused."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mocap.errors import TargetError
from mocap.model import Target

CHARUCO = Target("charuco", (5, 4), 0.05, 0.04, "DICT_4X4_50")
CHESSBOARD = Target("chessboard", (10, 7), 0.03)
GRID = Target("marker_grid", (4, 3), 0.06, 0.045, "DICT_4X4_50")
APRILGRID = Target("aprilgrid", (4, 3), 0.1144, 0.088, "DICT_APRILTAG_36h11")


def dictionary():
    return cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)


def test_points_are_those_of_opencv():
    board = cv2.aruco.CharucoBoard((5, 4), 0.05, 0.04, dictionary())
    np.testing.assert_allclose(CHARUCO.points_m, board.getChessboardCorners(), atol=1e-7)
    grid = cv2.aruco.GridBoard((4, 3), 0.045, 0.015, dictionary())
    expected = np.reshape(grid.getObjPoints(), (-1, 3))
    np.testing.assert_allclose(GRID.points_m, expected, atol=1e-7)
    x, y, z = CHESSBOARD.points_m.T
    assert CHESSBOARD.shape == (9, 6)
    np.testing.assert_allclose(x, np.tile(np.arange(9) * 0.03, 6))
    np.testing.assert_allclose(y, np.repeat(np.arange(6) * 0.03, 9))
    assert not z.any()
    with pytest.raises(ValueError, match="read-only"):
        CHARUCO.points_m[0] = 1


def test_points_of_an_aprilgrid_are_those_of_kalibr():
    # GridCalibrationTargetAprilgrid::createGridPoints of Kalibr, tagSize 0.088, tagSpacing 0.3.
    expected = [
        ((c // 2) * 1.3 * 0.088 + (c % 2) * 0.088, (r // 2) * 1.3 * 0.088 + (r % 2) * 0.088)
        for r in range(6)
        for c in range(8)
    ]
    x, y, z = APRILGRID.points_m.T
    np.testing.assert_allclose(np.stack([x, -y], axis=-1), expected, atol=1e-12)
    assert not z.any()
    assert "aprilgrid 4x3" in APRILGRID.describe()


@pytest.mark.parametrize("target", [CHARUCO, CHESSBOARD, GRID, APRILGRID], ids=lambda t: t.kind)
def test_edges_are_as_long_as_they_are_said_to_be(target):
    a, b = target.points_m[target.edges.T]
    np.testing.assert_allclose(np.linalg.norm(a - b, axis=1), target.edge_m)
    assert len({frozenset(edge) for edge in target.edges.tolist()}) == len(target.edges)
    counts = {"charuco": 17, "chessboard": 93, "marker_grid": 48, "aprilgrid": 48}
    assert len(target.edges) == counts[target.kind]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("circles", (5, 4), 0.05), "kind of the target"),
        (("charuco", (1, 4), 0.05, 0.04, "DICT_4X4_50"), "1x4 squares, expected 2 to"),
        (("chessboard", (2, 5), 0.05), "expected 3 to"),
        (("chessboard", (101, 5), 0.05), "to 100 per side"),
        (("chessboard", (5, 4), 0.0), "square_m"),
        (("chessboard", (5, 4), 54.0), "give it in metres"),
        (("chessboard", (5, 4), float("nan")), "square_m"),
        (("chessboard", (5, 4), 0.05, 0.04), "has no markers"),
        (("charuco", (5, 4), 0.05), "needs marker_m and dictionary"),
        (("charuco", (5, 4), 0.05, 0.05, "DICT_4X4_50"), "not between 0 and square_m"),
    ],
)
def test_impossible_targets_are_refused(arguments, words):
    with pytest.raises(TargetError, match=words):
        Target(*arguments)


def test_description_names_everything():
    text = Target("charuco", (5, 4), 0.05, 0.04, "DICT_4X4_50", True, True).describe()
    for words in ("charuco 5x4", "50 mm", "40 mm", "DICT_4X4_50", "legacy", "inverted"):
        assert words in text
