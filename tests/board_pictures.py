"""Pictures of calibration targets under a known map from board to image."""

from __future__ import annotations

import numpy as np

from calibration.board_layout import origin_in_squares, outline_in_squares
from calibration.board_sheet import board_rectangles
from mocap.arrays import Float, UInt8
from mocap.model import Target

TEXELS = 96
"""Of the painted board per square."""
SAMPLES = 4
"""Per side of a pixel."""

CHARUCO = Target("charuco", (5, 4), 0.05, 0.0375, "DICT_4X4_50")
CHESSBOARD = Target("chessboard", (8, 5), 0.03)
GRID = Target("marker_grid", (4, 3), 0.06, 0.045, "DICT_APRILTAG_36h11")
APRILGRID = Target("aprilgrid", (4, 3), 0.064, 0.048, "DICT_APRILTAG_36h11")


def painted(target: Target) -> UInt8[np.ndarray, "rows columns"]:
    """The board from its front, with a margin of one square."""
    nx, ny = outline_in_squares(target)
    scale = TEXELS / (1000 * target.square_m)
    board = np.full((round((ny + 2) * TEXELS), round((nx + 2) * TEXELS)), 225, np.uint8)
    for each in board_rectangles(target):
        x0, y0 = (round(TEXELS + scale * v) for v in (each.x, each.y))
        x1, y1 = (round(TEXELS + scale * v) for v in (each.x + each.width, each.y + each.height))
        board[y0:y1, x0:x1] = 30 if each.dark != target.inverted else 225
    return board


def seen_from(
    target: Target,
    *,
    size: tuple[int, int] = (640, 480),
    square_px: float = 60.0,
    tilt: tuple[float, float] = (0.0, 0.0),
    turn_rad: float = 0.0,
    center: tuple[float, float] = (0.0, 0.0),
    mirrored: bool = False,
) -> Float[np.ndarray, "3 3"]:
    """A map from places on the board (squares, in its frame) to pixels.

    Args:
        target: the board.
        size: of the image.
        square_px: size of a square in the middle.
        tilt: how fast it comes nearer along x and y, per square.
        turn_rad: turn in the image.
        center: of the board, in pixels from that of the image.
        mirrored: whether its back is seen.
    """
    middle = np.eye(3)
    middle[:2, 2] = np.array(origin_in_squares(target)) - 0.5 * np.array(outline_in_squares(target))
    c, s = np.cos(turn_rad), np.sin(turn_rad)
    view = np.diag([square_px, square_px, 1.0]) @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    if mirrored:
        view = np.diag([-1.0, 1.0, 1.0]) @ view
    view[2, :2] = tilt
    place = np.eye(3)
    place[:2, 2] = 0.5 * (np.array(size) - 1) + center
    return place @ view @ middle


def points_under(target: Target, H: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "points 2"]:
    """True pixels of the target's points."""
    places = target.points_m[:, :2] / target.square_m
    projected = np.column_stack([places, np.ones(len(places))]) @ H.T
    return projected[:, :2] / projected[:, 2:]


def picture(
    target: Target,
    H: Float[np.ndarray, "3 3"],
    *,
    size: tuple[int, int] = (640, 480),
    blur_px: float = 0.7,
    noise: float = 1.5,
    seed: int = 0,
) -> UInt8[np.ndarray, "rows columns"]:
    """What a camera sees of the board."""
    import cv2

    width, height = size
    board = painted(target)
    fine = (np.arange(SAMPLES) + 0.5) / SAMPLES - 0.5
    x = (np.arange(width)[:, None] + fine).ravel()
    y = (np.arange(height)[:, None] + fine).ravel()
    inverse = np.linalg.inv(H)
    grid = np.stack(np.meshgrid(x, y), axis=-1)
    u, v, w = np.moveaxis(grid @ inverse[:, :2].T + inverse[:, 2], -1, 0)
    shift = (1 + np.array(origin_in_squares(target))) * TEXELS
    column = np.floor(u / w * TEXELS + shift[0]).astype(int)
    row = np.floor(v / w * TEXELS + shift[1]).astype(int)
    inside = (column >= 0) & (row >= 0) & (column < board.shape[1]) & (row < board.shape[0])
    shown = np.full(column.shape, 120.0)
    shown[inside] = board[row[inside], column[inside]]
    shown = shown.reshape(height, SAMPLES, width, SAMPLES).mean(axis=(1, 3))
    if blur_px > 0:
        shown = cv2.GaussianBlur(shown, (0, 0), blur_px)
    shown = shown + noise * np.random.default_rng(seed).standard_normal(shown.shape)
    return np.clip(np.rint(shown), 0, 255).astype(np.uint8)
