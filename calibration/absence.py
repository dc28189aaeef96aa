"""Why a target was not found: what is seen in its place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from calibration.board_layout import (
    APRILGRID_BORDER_CELLS,
    BORDER_CELLS,
    dictionary_by_name,
    marker_count,
    marker_detector,
)
from calibration.plane_map import homography
from mocap.arrays import Float, UInt8
from mocap.model import Target

FAMILIES: dict[str, tuple[str, ...]] = {
    **{
        f"{n}X{n}": tuple(f"DICT_{n}X{n}_{held}" for held in (50, 100, 250, 1000))
        for n in (4, 5, 6, 7)
    },
    "APRILTAG_36h11": ("DICT_APRILTAG_36h11",),
    "APRILTAG_36h10": ("DICT_APRILTAG_36h10",),
    "APRILTAG_25h9": ("DICT_APRILTAG_25h9",),
    "APRILTAG_16h5": ("DICT_APRILTAG_16h5",),
    "ARUCO_MIP_36h12": ("DICT_ARUCO_MIP_36h12",),
    "ARUCO_ORIGINAL": ("DICT_ARUCO_ORIGINAL",),
}
"""Dictionaries whose smaller ones are the beginning of the larger, smallest first."""
LEAST_MARKERS = 5
"""So many must lie like those of a board; fewer may be mistaken for anything."""
CERTAIN_MARKERS = 8
"""So many leave no doubt, and nothing else is looked for."""
MOST_COLUMNS = 30
STEP = np.array([0.2, 0.0])
"""Along a row, in squares: far enough to tell its direction."""
KINDS = {
    "charuco": "a ChArUco board",
    "marker_grid": "a grid of markers",
    "aprilgrid": "an AprilGrid of Kalibr",
}
PLACE_LIMIT = 0.25
"""How far a marker may lie from its place, in sides of a marker."""


@dataclass(frozen=True)
class SeenBoard:
    """Markers that lie like those of a board.

    Attributes:
        dictionary: smallest one that holds them.
        first: smallest number seen.
        last: largest number seen.
        markers: how many lie in place.
        kind: whether like a ChArUco board or like a grid, and which.
        columns: squares, or markers of a grid, in a row.
    """

    dictionary: str
    first: int
    last: int
    markers: int
    kind: str
    columns: int


def explain_absence(images: Sequence[UInt8[np.ndarray, "rows columns"]], target: Target) -> str:
    """Says in one clause what is seen instead of the target, and what to do.

    Args:
        images: some in which it was not found.
        target: as described.
    """
    seen = _most_markers(images)
    if seen is not None:
        return _about_markers(seen, target)
    if target.kind == "chessboard":
        for shape in _near_shapes(target.shape):
            if any(_shows_chessboard(image, shape) for image in images):
                return (
                    f"a chessboard with {shape[0]}x{shape[1]} inner corners is seen, the "
                    f"description has {target.shape[0]}x{target.shape[1]} (inner corners are one "
                    f"less than squares in each direction); set inner_corners = "
                    f"[{shape[0]}, {shape[1]}]"
                )
    elif any(_shows_chessboard(image, target.shape) for image in images if min(target.shape) > 1):
        return (
            f"a chessboard of {target.squares[0]}x{target.squares[1]} squares without markers is "
            f'seen, the description says {target.kind}; set kind = "chessboard"'
        )
    return (
        "neither it nor another known board is seen; show the whole board, sharp, evenly lit and "
        "not too small, and check that it is the one described"
    )


def _about_markers(seen: SeenBoard, target: Target) -> str:
    numbers = f"numbers {seen.first} to {seen.last}"
    kind = KINDS[seen.kind]
    if target.kind == "chessboard":
        return (
            f"{kind} with markers of {seen.dictionary} ({numbers}) is seen, the description says "
            f'chessboard; set kind = "{seen.kind}" with square_m, marker_m and dictionary'
        )
    same = next((f for f in FAMILIES.values() if target.dictionary in f), (target.dictionary,))
    if seen.dictionary not in same:
        too = "" if seen.kind == target.kind else f', kind = "{seen.kind}"'
        return (
            f"{kind} with markers of {seen.dictionary} ({numbers}) is seen, the description says "
            f'{target.kind} of {target.dictionary}; set dictionary = "{seen.dictionary}"{too}'
        )
    if seen.kind != target.kind:
        return (
            f"the markers lie like those of {kind}, the description says {target.kind}; "
            f'set kind = "{seen.kind}"'
        )
    first, last = target.first_marker, target.first_marker + marker_count(target) - 1
    if seen.columns != target.squares[0]:
        what = "squares" if target.kind == "charuco" else "markers"
        text = (
            f"the markers lie like those of a board with {seen.columns} {what} in a row, the "
            f"description says {target.squares[0]}x{target.squares[1]}"
        )
        if seen.columns == target.squares[1]:
            return (
                f"{text}; columns and rows are swapped, set squares = "
                f"[{seen.columns}, {target.squares[0]}]"
            )
        return f"{text}; count the {what} along x and y and correct squares"
    if seen.first > last or seen.last < first:
        return (
            f"markers with {numbers} are seen, those of the description have {first} to {last}; "
            f"set first_marker"
        )
    return (
        f"markers of {seen.dictionary} ({numbers}) are seen, but the corners between them "
        f"cannot be read; show the board nearer, sharper and without glare"
    )


def _most_markers(images: Iterable[np.ndarray]) -> SeenBoard | None:
    """The board with most markers in place that any of the images shows."""
    best: SeenBoard | None = None
    for image in images:
        for names, border in _families():
            detector = marker_detector(names[-1], border, inverted=True)
            for picture in (image, np.ascontiguousarray(image[:, ::-1])):
                answer: Any = detector.detectMarkers(picture)
                found_corners, found_ids, _ = answer
                ids = np.ravel(np.array(found_ids if found_ids is not None else [], int))
                corners = np.reshape(np.array(found_corners, float), (-1, 4, 2))
                if len(ids) < LEAST_MARKERS:
                    continue
                found = _board_of(ids, corners, names, border)
                if found is not None and (best is None or found.markers > best.markers):
                    best = found
                if best is not None and best.markers >= CERTAIN_MARKERS:
                    return best
    return best


def _families() -> Iterable[tuple[tuple[str, ...], int]]:
    """Dictionaries with the borders that their markers may have."""
    for name, names in FAMILIES.items():
        yield names, BORDER_CELLS
        if name.startswith("APRILTAG"):
            yield names, APRILGRID_BORDER_CELLS


def _board_of(
    ids: np.ndarray,
    corners: Float[np.ndarray, "markers 4 2"],
    names: tuple[str, ...],
    border: int,
) -> SeenBoard | None:
    """The layout in which most markers are in place."""
    if border == APRILGRID_BORDER_CELLS:
        # See `corners_of_markers`.
        corners = corners[:, [2, 3, 0, 1]]
    middle = corners.mean(axis=1)
    side = float(np.median(np.linalg.norm(corners[:, 1] - corners[:, 0], axis=-1)))
    best: tuple[int, str, int, np.ndarray] | None = None
    for kind, columns, first_white in _layouts(border):
        places = _marker_places(ids, kind, columns, first_white)
        if np.ptp(places[:, 0]) < 1 or np.ptp(places[:, 1]) < 1:
            continue
        H, inside = homography(places, middle, PLACE_LIMIT * side)
        if H is None or inside is None:
            continue
        if inside.sum() < LEAST_MARKERS or not _upright(H, places[inside], corners[inside]):
            continue
        if best is None or inside.sum() > best[0]:
            best = (int(inside.sum()), kind, columns, ids[inside])
    if best is None:
        return None
    markers, kind, columns, numbers = best
    last = int(numbers.max())
    holding = [name for name in names if len(dictionary_by_name(name).bytesList) > last]
    return SeenBoard(holding[0], int(numbers.min()), last, markers, kind, columns)


def _upright(H: np.ndarray, places: np.ndarray, corners: np.ndarray) -> bool:
    """Whether the markers' own directions agree with their places."""
    import cv2

    ahead = cv2.perspectiveTransform((places + STEP)[:, None], H)[:, 0]
    behind = cv2.perspectiveTransform((places - STEP)[:, None], H)[:, 0]
    along = corners[:, 1] - corners[:, 0]
    cosine = np.sum((ahead - behind) * along, axis=-1)
    cosine /= np.linalg.norm(ahead - behind, axis=-1) * np.linalg.norm(along, axis=-1) + 1e-9
    return bool(np.median(cosine) > 0.9)


def _layouts(border: int) -> Iterable[tuple[str, int, bool]]:
    if border == APRILGRID_BORDER_CELLS:
        for columns in range(1, MOST_COLUMNS + 1):
            yield "aprilgrid", columns, False
        return
    for columns in range(2, MOST_COLUMNS + 1):
        yield "charuco", columns, False
        yield "charuco", columns, True
    for columns in range(1, MOST_COLUMNS + 1):
        yield "marker_grid", columns, False


def _marker_places(
    ids: np.ndarray, kind: str, columns: int, first_white: bool
) -> Float[np.ndarray, "markers 2"]:
    """Where the markers' centres lie, in squares."""
    if kind != "charuco":
        upwards = -1 if kind == "aprilgrid" else 1
        return np.stack([ids % columns, upwards * (ids // columns)], axis=-1).astype(np.float64)
    # White squares in reading order; two rows hold as many of them as there are columns.
    pair, rest = np.divmod(ids, columns)
    upper = (columns + 1) // 2 if first_white else columns // 2
    row = 2 * pair + (rest >= upper)
    place = np.where(rest >= upper, rest - upper, rest)
    column = 2 * place + ((row + (0 if first_white else 1)) % 2)
    return np.stack([column, row], axis=-1).astype(np.float64)


def _near_shapes(shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Shapes one is likely to have meant, nearest first."""
    near = [
        (shape[0] + a, shape[1] + b) for a in (-1, 1, 0, -2, 2) for b in (-1, 1, 0, -2, 2) if a or b
    ]
    near.sort(key=lambda each: (abs(each[0] - shape[0] - each[1] + shape[1]), -sum(each)))
    return [each for each in near if min(each) > 2]


def _shows_chessboard(image: np.ndarray, shape: tuple[int, int]) -> bool:
    import cv2

    if min(shape) < 3:
        return False
    flags = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_FAST_CHECK
    return bool(cv2.findChessboardCorners(image, shape, flags=flags)[0])
