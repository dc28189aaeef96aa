"""What a target looks like: places of its points, its colours, and OpenCV's boards."""

from __future__ import annotations

from typing import Any

import numpy as np

from calibration.corner_fit import CornerWindow
from mocap.arrays import Float, Int
from mocap.errors import TargetError, valid_choices
from mocap.model import Target

BORDER_CELLS = 1
"""Width of the dark border of a marker in cells of its code."""
APRILGRID_BORDER_CELLS = 2
"""The same in Kalibr's AprilGrid (`kalibr_create_target_pdf`, borderBits)."""
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


def border_cells(target: Target) -> int:
    """Width of the border of the target's markers, in cells."""
    return APRILGRID_BORDER_CELLS if target.kind == "aprilgrid" else BORDER_CELLS


def marker_detector(dictionary: str, cells: int, *, inverted: bool = False) -> Any:
    """OpenCV's detector of markers.

    Args:
        dictionary: its name.
        cells: width of the markers' border.
        inverted: whether to look for light markers on dark, too.

    Raises:
        TargetError: there is no such dictionary.
    """
    from cv2 import aruco

    parameters = aruco.DetectorParameters()
    parameters.detectInvertedMarker = inverted
    parameters.markerBorderBits = cells
    return aruco.ArucoDetector(dictionary_by_name(dictionary), parameters)


def marker_count(target: Target) -> int:
    """Number of markers of a target with markers."""
    squares = target.squares[0] * target.squares[1]
    return squares if target.is_marker_grid else squares // 2


def corners_of_markers(target: Target) -> Int[np.ndarray, "markers 4"]:
    """The points at the corners of each marker of a grid, in the order in which OpenCV has them.

    Kalibr prints AprilTags upside down as OpenCV sees it: OpenCV's first corner, the top left one,
    is the bottom right one there.
    """
    number = np.arange(marker_count(target))
    if target.kind == "marker_grid":
        return 4 * number[:, None] + np.arange(4)
    row, column = np.divmod(number, target.squares[0])
    wide = 2 * target.squares[0]
    first = 2 * (row * wide + column)
    return first[:, None] + np.array([1, 0, wide, wide + 1])


def marker_cells(target: Target) -> Int[np.ndarray, "markers cells cells"]:
    """The code of each marker as it is printed, first row at the top: 1 light, -1 dark, where the
    print is not inverted."""
    from cv2 import aruco

    dictionary = dictionary_by_name(str(target.dictionary))
    side = dictionary.markerSize
    codes = [
        aruco.generateImageMarker(dictionary, target.first_marker + number, side + 2)[1:-1, 1:-1]
        for number in range(marker_count(target))
    ]
    cells = np.where(np.stack(codes) > 127, 1, -1)
    # See `corners_of_markers`.
    return cells[:, ::-1, ::-1] if target.kind == "aprilgrid" else cells


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
        ValueError: OpenCV has no such board.
    """
    from cv2 import aruco

    check_markers(target)
    if target.marker_m is None or target.dictionary is None or target.kind == "aprilgrid":
        raise ValueError(f"OpenCV has no board of the kind {target.kind}")
    dictionary = dictionary_by_name(target.dictionary)
    ids = target.first_marker + np.arange(marker_count(target), dtype=np.int32)
    side = target.marker_m / target.square_m
    if target.kind == "marker_grid":
        return aruco.GridBoard(target.squares, side, 1 - side, dictionary, ids)
    board = aruco.CharucoBoard(target.squares, 1.0, side, dictionary, ids)
    board.setLegacyPattern(target.legacy_pattern)
    return board


def outline_in_squares(target: Target) -> tuple[float, float]:
    """Width and height of what is printed; around the markers of a "marker_grid" is half a gap."""
    nx, ny = target.squares
    edge = _gap(target) if target.kind == "aprilgrid" else 0.0
    return nx + edge, ny + edge


def origin_in_squares(target: Target) -> tuple[float, float]:
    """Where the origin of the board's frame is, from the top left corner of the outline."""
    if target.kind == "chessboard":
        return 1.0, 1.0
    if target.kind == "marker_grid":
        return 0.5 * _gap(target), 0.5 * _gap(target)
    if target.kind == "aprilgrid":
        return _gap(target), float(target.squares[1])
    return 0.0, 0.0


def _gap(target: Target) -> float:
    """Gap between the markers of a grid, in squares."""
    return 1 - (target.marker_m or 0.0) / target.square_m


def places_in_squares(target: Target) -> Float[np.ndarray, "points 2"]:
    """Places of the points on the board, in squares."""
    return target.points_m[:, :2] / target.square_m


def light_ahead(target: Target) -> Int[np.ndarray, " points"]:
    """1 where the square (the marker, in a grid) that lies from a point along both x and y is
    light, -1 where it is dark."""
    sign = -1 if target.inverted else 1
    if target.is_marker_grid:
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
    border = border_cells(target)
    bits = dictionary_by_name(str(target.dictionary)).markerSize
    code = 0.85 * border * side / (bits + 2 * border)
    if target.kind == "aprilgrid":
        # Against the marker's axes lies a square as wide as the gap; others lie at its ends.
        return CornerWindow(0.75 * (1 - side), 0.45 * side, code, saddle=True)
    # Beside the marker the board may end after half a gap; inside it the code begins after a cell.
    return CornerWindow(0.45 * (1 - side), 0.45 * side, code, saddle=False)


def inward_axes(
    target: Target, axes_px: Float[np.ndarray, "points 2 2"]
) -> Float[np.ndarray, "points 2 2"]:
    """Axes that point into the marker at the corners of a marker; otherwise as they are."""
    if target.kind == "marker_grid":
        return axes_px * np.tile(_QUADRANT, (len(axes_px) // 4, 1))[:, :, None]
    if target.kind == "aprilgrid":
        # Of the corners of a marker the first is to the left, and the first row is below.
        turns = np.stack(np.meshgrid([1, -1], [-1, 1]), axis=-1)
        turns = np.tile(turns, (target.squares[1], target.squares[0], 1)).reshape(-1, 2)
        return axes_px * turns[:, :, None]
    return axes_px
