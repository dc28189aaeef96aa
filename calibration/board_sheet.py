"""A target on paper, in true size, as a vector drawing with its measures on it."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from calibration.board_layout import (
    border_cells,
    check_markers,
    corners_of_markers,
    marker_cells,
    marker_count,
    opencv_board,
    origin_in_squares,
    outline_in_squares,
    places_in_squares,
)
from mocap.arrays import Bool
from mocap.errors import TargetError
from mocap.model import Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAPERS_MM: dict[str, tuple[float, float]] = {
    "A4": (210.0, 297.0),
    "A3": (297.0, 420.0),
    "A2": (420.0, 594.0),
    "A1": (594.0, 841.0),
    "A0": (841.0, 1189.0),
    "letter": (215.9, 279.4),
    "legal": (215.9, 355.6),
    "tabloid": (279.4, 431.8),
}
MARGIN_MM = 8.0
"""Printers leave the edge of the paper white."""
FOOTER_MM = 22.0
"""Height of the lines below the board."""
RULER_MM = 100.0
_MM_PER_INCH = 25.4
_INK, _PAPER = "black", "white"


@dataclass(frozen=True)
class Rectangle:
    """An upright rectangle on the board, millimetres from its top left corner, y down."""

    x: float
    y: float
    width: float
    height: float
    dark: bool


@dataclass(frozen=True)
class BoardSheet:
    """A target and the paper it is printed on.

    Attributes:
        target: what is printed.
        paper_mm: width and height of the paper; it is turned if the board fits only then.

    Raises:
        TargetError: it does not fit, or the dictionary of the markers is unknown or too small.
    """

    target: Target
    paper_mm: tuple[float, float]

    def __post_init__(self) -> None:
        check_markers(self.target)
        largest = largest_square_mm(outline_in_squares(self.target), self.paper_mm)
        if self.target.square_m * 1000 > largest + 1e-6:
            width, height = self.board_mm
            raise TargetError(
                f"a board of {width:g}x{height:g} mm does not fit on paper of "
                f"{self.paper_mm[0]:g}x{self.paper_mm[1]:g} mm with its margins; squares up to "
                f"{math.floor(10 * largest) / 10:g} mm fit, or choose larger paper"
            )

    @property
    def board_mm(self) -> tuple[float, float]:
        """Width and height of what is printed of the board."""
        width, height = outline_in_squares(self.target)
        square = 1000 * self.target.square_m
        return width * square, height * square

    @property
    def page_mm(self) -> tuple[float, float]:
        """Width and height of the page: the paper, turned if need be."""
        width, height = self.paper_mm
        return (width, height) if self._fits(width, height) else (height, width)

    @property
    def place_mm(self) -> tuple[float, float]:
        """Where the top left corner of the board is, from that of the page, y down."""
        width, height = self.page_mm
        return (
            0.5 * (width - self.board_mm[0]),
            0.5 * (height - FOOTER_MM - self.board_mm[1]),
        )

    @property
    def origin_mm(self) -> tuple[float, float]:
        """Where the origin of the board's frame is, from the top left corner of the page."""
        x, y = self.place_mm
        right, down = origin_in_squares(self.target)
        square = 1000 * self.target.square_m
        return x + right * square, y + down * square

    def _fits(self, width: float, height: float) -> bool:
        board = self.board_mm
        return (
            board[0] <= width - 2 * MARGIN_MM + 1e-6
            and board[1] <= height - 2 * MARGIN_MM - FOOTER_MM + 1e-6
        )

    def figure(self) -> Figure:
        """The page as a drawing, one unit per millimetre."""
        from matplotlib.figure import Figure
        from matplotlib.patches import Rectangle as Patch

        width, height = self.page_mm
        figure = Figure(figsize=(width / _MM_PER_INCH, height / _MM_PER_INCH), facecolor=_PAPER)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
        axes.axis("off")
        left, top = self.place_mm
        for each in board_rectangles(self.target):
            color = _INK if each.dark != self.target.inverted else _PAPER
            axes.add_patch(
                Patch(
                    (left + each.x, top + each.y),
                    each.width,
                    each.height,
                    fc=color,
                    lw=0,
                    snap=False,
                )
            )
        self._footer(axes)
        return figure

    def pdf(self) -> bytes:
        """The page as PDF, the same bytes for the same board."""
        import matplotlib as mpl

        stream = io.BytesIO()
        # Type 42 fonts stay text, which can be searched and copied.
        with mpl.rc_context({"pdf.fonttype": 42}):
            self.figure().savefig(
                stream, format="pdf", metadata={"Title": self.title, "CreationDate": None}
            )
        return stream.getvalue()

    @property
    def title(self) -> str:
        """The measures in one line."""
        target = self.target
        across, down = target.squares
        square, side = 1000 * target.square_m, 1000 * (target.marker_m or 0.0)
        if target.kind == "aprilgrid":
            # Kalibr's own words for the two lengths.
            ratio = (square - side) / side
            text = f"AprilGrid {across} x {down} tags, spacing {ratio:.6g} of a tag"
        elif target.kind == "marker_grid":
            text = f"Marker grid {across} x {down} markers, spacing {square:g} mm"
        else:
            name = "ChArUco" if target.kind == "charuco" else "Chessboard"
            text = f"{name} {across} x {down} squares, square {square:g} mm"
        if target.kind == "chessboard":
            return f"{text}, {target.shape[0]} x {target.shape[1]} inner corners"
        text += f", marker {side:g} mm, {target.dictionary}"
        last = target.first_marker + marker_count(target) - 1
        text += f", numbers {target.first_marker} to {last}"
        if target.legacy_pattern:
            text += ", legacy pattern"
        return text + (", inverted" if target.inverted else "")

    def _footer(self, axes: Any) -> None:
        width, height = self.page_mm
        room = (width - 2 * MARGIN_MM) / _MM_PER_INCH * 72
        base = height - MARGIN_MM
        left = MARGIN_MM
        for x in (0.0, RULER_MM):
            axes.plot([left + x] * 2, [base - 2.5, base + 2.5], color="black", lw=0.5)
        axes.plot([left, left + RULER_MM], [base, base], color="black", lw=0.5)
        axes.text(
            left + RULER_MM / 2,
            base - 1,
            "must measure exactly 100 mm",
            ha="center",
            va="bottom",
            fontsize=7,
        )
        axes.text(
            left,
            base - 13,
            self.title,
            va="bottom",
            # Half an em per letter is more than letters take on average.
            fontsize=min(9.0, room / (0.55 * len(self.title))),
        )
        advice = (
            "Print at 100 % (actual size, not fitted to the page); glue it onto something flat."
        )
        axes.text(
            left, base - 8, advice, va="bottom", fontsize=min(8.0, room / (0.52 * len(advice)))
        )


def paper_by_name(name: str) -> tuple[float, float]:
    """Width and height of paper, in mm.

    Args:
        name: a format, or WIDTHxHEIGHT in mm.

    Raises:
        TargetError: it is neither.
    """
    for known, size in PAPERS_MM.items():
        if known.lower() == name.lower():
            return size
    try:
        width, height = (float(part) for part in name.lower().removesuffix("mm").split("x"))
    except ValueError:
        width = height = math.nan
    if not (50 <= width <= 5000 and 50 <= height <= 5000):
        raise TargetError(
            f"paper {name!r} is unknown; choose one of {', '.join(PAPERS_MM)}, or give its width "
            f"and height in mm (50 to 5000), such as 600x400"
        )
    return width, height


def largest_square_mm(squares: tuple[float, float], paper_mm: tuple[float, float]) -> float:
    """Side of the largest squares that fit on paper, upright or turned.

    Args:
        squares: width and height of the board in squares.
        paper_mm: width and height.
    """
    across, down = squares
    sizes = [
        min((width - 2 * MARGIN_MM) / across, (height - 2 * MARGIN_MM - FOOTER_MM) / down)
        for width, height in (paper_mm, paper_mm[::-1])
    ]
    return max(sizes)


def board_rectangles(target: Target) -> Iterable[Rectangle]:
    """The board as rectangles to be painted one over the other, as if it were not inverted."""
    square = 1000 * target.square_m
    nx, ny = target.squares
    if target.is_marker_grid:
        width, height = outline_in_squares(target)
        yield Rectangle(0, 0, width * square, height * square, dark=False)
        yield from _squares_between(target)
    else:
        first_white = target.kind == "charuco" and target.legacy_pattern and ny % 2 == 0
        for row in range(ny):
            for column in range(nx):
                dark = (row + column + first_white) % 2 == 0
                yield Rectangle(column * square, row * square, square, square, dark)
    if target.kind == "chessboard":
        return
    side = 1000 * (target.marker_m or 0.0)
    border = border_cells(target)
    codes = np.pad(marker_cells(target), ((0, 0), (border, border), (border, border))) > 0
    for (x, y), light in zip(_marker_places_mm(target), codes, strict=True):
        yield Rectangle(x, y, side, side, dark=True)
        yield from _light_cells(light, x, y, side)


def _squares_between(target: Target) -> Iterable[Rectangle]:
    """The dark squares of an AprilGrid: a marker's corner is sharp also where it is blurred, as
    four fields meet there."""
    if target.kind != "aprilgrid":
        return
    square = 1000 * target.square_m
    gap = square - 1000 * (target.marker_m or 0.0)
    for row in range(target.squares[1] + 1):
        for column in range(target.squares[0] + 1):
            yield Rectangle(column * square, row * square, gap, gap, dark=True)


def _marker_places_mm(target: Target) -> Iterable[tuple[float, float]]:
    """Where the top left corner of each marker is, in the order of their numbers."""
    square = 1000 * target.square_m
    origin = np.array(origin_in_squares(target))
    if target.is_marker_grid:
        first = places_in_squares(target)[corners_of_markers(target)].min(axis=1)
    else:
        corners = opencv_board(target).getObjPoints()
        first = np.array([np.asarray(each)[0, :2] for each in corners])
    for x, y in square * (origin + first):
        yield float(x), float(y)


def _light_cells(
    light: Bool[np.ndarray, "cells cells"], x: float, y: float, side: float
) -> Iterable[Rectangle]:
    """The light cells of a marker as runs along rows, then along columns: where they overlap,
    no program that shows them leaves a dark seam between neighbours."""
    cell = side / len(light)
    for turned in (False, True):
        for line, row in enumerate(light.T if turned else light):
            edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
            for start, end in edges.reshape(-1, 2):
                along, across, length = start * cell, line * cell, (end - start) * cell
                if turned:
                    yield Rectangle(x + across, y + along, cell, length, dark=False)
                else:
                    yield Rectangle(x + along, y + across, length, cell, dark=False)
