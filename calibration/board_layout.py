"""What a target looks like: places of its points, its colours, and OpenCV's boards."""

from __future__ import annotations

from typing import Any

import numpy as np

from calibration.corner_fit import CornerWindow
from mocap.arrays import Float, Int
from mocap.errors import TargetError, valid_choices
from mocap.model import Target

CHARUCO_BORDER_BITS = 1
_QUADRANT = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
"""Where the inside of a marker lies as seen from its corners, along x and y."""


def dictionary_names() -> tuple[str, ...]:
    """OpenCV's names of its predefined dictionaries, each in one spelling."""
    from cv2 import aruco

    names = [name for name in dir(aruco) if name.startswith("DICT_")]
    return tuple(
        n for n in names if not (n.startswith(("DICT_APRIL", "DICT_ARUCO_MIP")) and "H" in n)
    )


def dictionary_by_name(name: str) -> Any:
    """OpenCV's dictionary.

    Raises:
        TargetError: there is none of this name.
    """
    from cv2 import aruco

    if not name.startswith("DICT_") or not hasattr(aruco, name):
        raise TargetError(
            f"there is no dictionary {name!r} of markers; choose one of "
            f"{valid_choices(dictionary_names(), 40)}"
        )
    return aruco.getPredefinedDictionary(getattr(aruco, name))


def marker_count(target: Target) -> int:
    """Number of markers of a target with markers."""
    squares = target.squares[0] * target.squares[1]
    return squares if target.kind == "marker_grid" else squares // 2


def check_markers(target: Target) -> None:
    """Checks that the dictionary exists and holds enough markers.

    Raises:
        TargetError: it does not.
    """
    if target.dictionary is None:
        return
    held = len(dictionary_by_name(target.dictionary).bytesList)
    last = target.first_marker + marker_count(target) - 1
    if last >= held:
        raise TargetError(
            f"the target has markers {target.first_marker} to {last}, but {target.dictionary} "
            f"holds 0 to {held - 1}; correct squares, first_marker or the dictionary"
        )


def opencv_board(target: Target) -> Any:
    """The target as OpenCV's CharucoBoard or GridBoard, lengths in squares.

    Raises:
        TargetError: the dictionary is unknown or too small.
    """
    from cv2 import aruco

    check_markers(target)
    if target.marker_m is None or target.dictionary is None:
        raise ValueError(f"a {target.kind} is no board of markers")
    dictionary = dictionary_by_name(target.dictionary)
    ids = target.first_marker + np.arange(marker_count(target), dtype=np.int32)
    side = target.marker_m / target.square_m
    if target.kind == "marker_grid":
        return aruco.GridBoard(target.squares, side, 1 - side, dictionary, ids)
    board = aruco.CharucoBoard(target.squares, 1.0, side, dictionary, ids)
    board.setLegacyPattern(target.legacy_pattern)
    return board


def places_in_squares(target: Target) -> Float[np.ndarray, "points 2"]:
    """Places of the points on the board, in squares."""
    return target.points_m[:, :2] / target.square_m


def light_ahead(target: Target) -> Int[np.ndarray, " points"]:
    """1 where the square (the marker, in a grid) that lies from a point along both x and y is
    light, -1 where it is dark."""
    sign = -1 if target.inverted else 1
    if target.kind == "marker_grid":
        return np.full(len(target.points_m), -sign)
    nx, ny = target.shape
    column, row = np.meshgrid(np.arange(nx), np.arange(ny))
    dark = ((column + row) % 2 == 0).ravel()
    if target.kind == "charuco" and target.legacy_pattern and target.squares[1] % 2 == 0:
        dark = ~dark
    return np.where(dark, -sign, sign)


def corner_windows(target: Target) -> CornerWindow:
    """What is printed around each point."""
    if target.kind == "chessboard" or target.marker_m is None:
        return CornerWindow(0.45, 0.45, 1.0, saddle=True)
    side = target.marker_m / target.square_m
    if target.kind == "charuco":
        return CornerWindow(0.45, 0.45, (1 - side) / 2, saddle=True)
    bits = dictionary_by_name(str(target.dictionary)).markerSize
    cell = side / (bits + 2 * CHARUCO_BORDER_BITS)
    # Beside the marker the board may end after half a gap; inside it the code begins after a cell.
    return CornerWindow(0.45 * (1 - side), 0.45 * side, 0.85 * cell, saddle=False)


def inward_axes(
    target: Target, axes_px: Float[np.ndarray, "points 2 2"]
) -> Float[np.ndarray, "points 2 2"]:
    """Axes that point into the marker at the corners of a marker; otherwise as they are."""
    if target.kind != "marker_grid":
        return axes_px
    turns = np.tile(_QUADRANT, (len(axes_px) // 4, 1))
    return axes_px * turns[:, :, None]
