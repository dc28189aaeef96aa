"""Calibration targets: flat boards whose points are known in metres."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np

from mocap.arrays import Float, Int
from mocap.errors import TargetError

TargetKind = Literal["charuco", "chessboard", "marker_grid", "aprilgrid"]


@dataclass(frozen=True)
class Target:
    """A flat board.

    The board's frame is OpenCV's: origin in the outer corner of the first square (of the first
    marker for a grid; in the first inner corner for a chessboard), x along the rows, y along the
    columns, z into the board. A point keeps its number and its place when the board is seen from
    its back.

    An AprilGrid is numbered as Kalibr does (`GridCalibrationTargetAprilgrid`): the first marker is
    at the bottom left, the others follow to the right and then upwards, and so do the points, which
    count through each row of corners. The origin is the first point, the bottom left corner of the
    first marker. As y points down here and up there, a point (x, y, 0) is Kalibr's (x, -y, 0).

    Attributes:
        kind: "charuco"; "chessboard"; "marker_grid" of ArUco or AprilTag markers; "aprilgrid" of
            Kalibr: AprilTags with a border of two cells, and dark squares between their corners.
        squares: number of squares in x and y; of markers in x and y for a grid.
        square_m: side of a square; for a grid, distance between the same corners of neighbouring
            markers.
        marker_m: side of a marker; None for a chessboard.
        dictionary: OpenCV's name of the markers' dictionary; None for a chessboard.
        legacy_pattern: whether a ChArUco layout is that of OpenCV before 4.6.
        inverted: whether the print is a negative.
        first_marker: number of the first marker.
    """

    kind: TargetKind
    squares: tuple[int, int]
    square_m: float
    marker_m: float | None = None
    dictionary: str | None = None
    legacy_pattern: bool = False
    inverted: bool = False
    first_marker: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "squares", (int(self.squares[0]), int(self.squares[1])))
        if self.kind not in get_args(TargetKind):
            raise TargetError(
                f"kind of the target is {self.kind!r}, expected one of "
                f"{', '.join(get_args(TargetKind))}"
            )
        least = {"charuco": 2, "chessboard": 3, "marker_grid": 1, "aprilgrid": 1}[self.kind]
        if min(self.squares) < least or max(self.squares) > 100:
            raise TargetError(
                f"the target has {self.squares[0]}x{self.squares[1]} squares, expected {least} to "
                f"100 per side"
            )
        if not (math.isfinite(self.square_m) and 0 < self.square_m <= 5):
            raise TargetError(
                f"square_m of the target is {self.square_m:g}, expected metres between 0 and 5; "
                f"measure the printed square and give it in metres"
            )
        if self.kind == "chessboard":
            if self.marker_m is not None or self.dictionary is not None:
                raise TargetError("a chessboard has no markers; remove marker_m and dictionary")
            return
        if self.dictionary is None or self.marker_m is None:
            raise TargetError(f"a {self.kind} target needs marker_m and dictionary; add them")
        if not 0 < self.marker_m < self.square_m:
            raise TargetError(
                f"marker_m {self.marker_m:g} of the target is not between 0 and square_m "
                f"{self.square_m:g}; measure both on the print"
            )

    @property
    def is_marker_grid(self) -> bool:
        """Whether the points are the corners of markers in rows and columns."""
        return self.kind in ("marker_grid", "aprilgrid")

    @property
    def shape(self) -> tuple[int, int]:
        """Number of points in x and y, where they are those between squares."""
        return (self.squares[0] - 1, self.squares[1] - 1)

    @cached_property
    def points_m(self) -> Float[np.ndarray, "points 3"]:
        """All points, in the order of their numbers: rows of y, x running first.

        A marker of a "marker_grid" has four, clockwise from its top left as one looks at the print.
        """
        nx, ny = self.squares if self.is_marker_grid else self.shape
        column, row = np.meshgrid(np.arange(nx), np.arange(ny))
        places = np.stack([column.ravel(), row.ravel()], axis=-1) * self.square_m
        if self.kind == "charuco":
            places = places + self.square_m
        side = self.marker_m or 0.0
        if self.kind == "marker_grid":
            corners = side * np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
            places = (places[:, None] + corners).reshape(-1, 2)
        if self.kind == "aprilgrid":
            x, y = ((np.arange(n)[:, None] * self.square_m + [0.0, side]).ravel() for n in (nx, ny))
            places = np.stack(np.meshgrid(x, 0.0 - y), axis=-1).reshape(-1, 2)
        points = np.column_stack([places, np.zeros(len(places))])
        points.setflags(write=False)
        return points

    @cached_property
    def edges(self) -> Int[np.ndarray, "edges 2"]:
        """Pairs of adjacent points, whose distances tell how true to scale a result is: one
        square for a board, one marker side for a grid."""
        if self.kind == "marker_grid":
            first = 4 * np.arange(self.squares[0] * self.squares[1])
            pairs = [np.stack([first + a, first + (a + 1) % 4], axis=-1) for a in range(4)]
            return np.concatenate(pairs)
        # Every second step along an AprilGrid crosses a gap.
        step = 2 if self.kind == "aprilgrid" else 1
        nx, ny = (2 * n for n in self.squares) if step == 2 else self.shape
        number = np.arange(nx * ny).reshape(ny, nx)
        ends = [(number[:, :-1:step], number[:, 1::step]), (number[:-1:step], number[1::step])]
        return np.concatenate([np.stack([a.ravel(), b.ravel()], axis=-1) for a, b in ends])

    @property
    def edge_m(self) -> float:
        """True length of every edge."""
        return float(self.marker_m or 0.0) if self.is_marker_grid else self.square_m

    def describe(self) -> str:
        """The target in a few words, for messages and reports."""
        nx, ny = self.squares
        text = f"{self.kind} {nx}x{ny}, square {1000 * self.square_m:g} mm"
        if self.marker_m is not None:
            text += f", marker {1000 * self.marker_m:g} mm, {self.dictionary}"
        if self.legacy_pattern:
            text += ", legacy pattern"
        return text + (", inverted" if self.inverted else "")
