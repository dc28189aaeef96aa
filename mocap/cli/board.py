"""`mocap board`: a calibration target to print."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from mocap.cli.options import option, required
from mocap.cli.progress import say
from mocap.errors import InputError
from mocap.files import check_output, write_atomically
from mocap.model import Target
from mocap.storage.target_file import target_to_toml

USUAL_SHARE = 0.75
"""Side of a marker in parts of a square, where nothing else is asked for."""


@dataclass(frozen=True)
class Board:
    """Make a calibration board to print, in true size, and its description.

    Beside the PDF stands a TOML file of the same name, which 'mocap calibrate' reads. Print at
    100 %, measure the line of 100 mm on the paper, and glue it onto something flat.

    Example: mocap board --squares 5 7 --paper A3 --out board.pdf
    """

    out: Annotated[Path, required("BOARD.pdf")]
    """The PDF to write."""
    kind: Annotated[
        Literal["charuco", "chessboard", "marker-grid"], option("{charuco,chessboard,marker-grid}")
    ] = "charuco"
    """What to print. Default: charuco, which may be partly hidden and is found in any position."""
    squares: Annotated[tuple[int, int], option("X Y")] = (5, 7)
    """Squares across and down; markers for a grid. Default: 5 7."""
    square_mm: Annotated[float | None, option("MM")] = None
    """Side of a square; for a grid, from one marker to the next. Default: as large as the paper
    allows."""
    marker_mm: Annotated[float | None, option("MM")] = None
    """Side of a marker. Default: 3/4 of a square."""
    dictionary: Annotated[str, option("NAME")] = "DICT_4X4_50"
    """OpenCV's name of the markers' dictionary. Default: DICT_4X4_50."""
    first_marker: Annotated[int, option("NUMBER")] = 0
    """Number of the first marker, so that several boards can be told apart. Default: 0."""
    paper: Annotated[str, option("PAPER")] = "A4"
    """A4, A3, A2, A1, A0, letter, legal, tabloid, or its size in mm as WIDTHxHEIGHT.
    Default: A4."""
    inverted: bool = False
    """Print a negative."""
    legacy_pattern: bool = False
    """Use the ChArUco layout of OpenCV before 4.6."""
    overwrite: bool = False
    """Replace existing files."""

    def execute(self) -> int:
        """Runs the command and returns its exit code."""
        from calibration.board_sheet import BoardSheet, paper_by_name

        if self.out.suffix.lower() != ".pdf":
            raise InputError(f"--out is {self.out}, expected a name that ends with .pdf")
        paper = paper_by_name(self.paper)
        sheet = BoardSheet(self._target(paper), paper)
        description = self.out.with_suffix(".toml")
        for path in (self.out, description):
            check_output(path, overwrite=self.overwrite)
        write_atomically(self.out, sheet.pdf())
        write_atomically(description, target_to_toml(sheet.target).encode())
        page = sheet.page_mm
        say(str(self.out), "bold")
        say(f"  {sheet.title}")
        say(f"  on paper of {page[0]:g}x{page[1]:g} mm; print at 100 % and measure the line")
        say(str(description), "bold")
        return 0

    def _target(self, paper: tuple[float, float]) -> Target:
        from calibration.board_sheet import largest_square_mm

        kind = "marker_grid" if self.kind == "marker-grid" else self.kind
        markers = kind != "chessboard"
        if not markers and (self.marker_mm is not None or self.inverted or self.legacy_pattern):
            raise InputError(
                "--marker-mm, --inverted and --legacy-pattern are for boards with markers; leave "
                "them out with --kind chessboard"
            )
        if self.legacy_pattern and kind != "charuco":
            raise InputError("--legacy-pattern is for --kind charuco; leave it out")
        if not all(1 <= n <= 100 for n in self.squares):
            raise InputError(f"--squares are {self.squares}, expected 1 to 100 each")
        square = self.square_mm
        if square is None:
            largest = largest_square_mm(self.squares, paper)
            square = math.floor(largest) if largest >= 5 else math.floor(10 * largest) / 10
        marker = self.marker_mm
        if marker is None:
            marker = math.floor(10 * USUAL_SHARE * square) / 10
        return Target(
            kind,
            self.squares,
            round(square / 1000, 9),
            round(marker / 1000, 9) if markers else None,
            self.dictionary if markers else None,
            self.legacy_pattern,
            self.inverted,
            self.first_marker if markers else 0,
        )
