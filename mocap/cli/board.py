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
from mocap.storage.target_formats import APRILGRID_DICTIONARY

USUAL_SHARE = 0.75
"""Side of a marker in parts of a square, where nothing else is asked for."""
TAG_SPACING = 0.3
"""Gap between the tags of an AprilGrid in parts of a tag, as in most of Kalibr's examples."""
Kind = Literal["charuco", "chessboard", "marker-grid", "aprilgrid"]


@dataclass(frozen=True)
class Board:
    """Make a calibration board to print, in true size, and its description.

    Beside the PDF stands a TOML file of the same name, which 'mocap calibrate' reads. Print at
    100 %, measure the line of 100 mm on the paper, and glue it onto something flat.

    Example: mocap board --squares 5 7 --paper A3 --out board.pdf
    """

    out: Annotated[Path, required("BOARD.pdf")]
    """The PDF to write."""
    kind: Annotated[Kind, option("{charuco,chessboard,marker-grid,aprilgrid}")] = "charuco"
    """What to print. Default: charuco, which may be partly hidden and is found in any position.
    An aprilgrid is that of Kalibr."""
    squares: Annotated[tuple[int, int], option("X Y")] = (5, 7)
    """Squares across and down; markers for a grid. Default: 5 7."""
    square_mm: Annotated[float | None, option("MM")] = None
    """Side of a square; for a grid, from one marker to the next. Default: as large as the paper
    allows."""
    marker_mm: Annotated[float | None, option("MM")] = None
    """Side of a marker. Default: 3/4 of a square, 10/13 for an aprilgrid."""
    tag_spacing: Annotated[float | None, option("RATIO")] = None
    """Gap between the tags of an aprilgrid in parts of a tag, Kalibr's tagSpacing. Default: what
    --square-mm and --marker-mm say, otherwise 0.3."""
    dictionary: Annotated[str | None, option("NAME")] = None
    """OpenCV's name of the markers' dictionary. Default: DICT_4X4_50; for an aprilgrid
    DICT_APRILTAG_36h11, which Kalibr expects."""
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
        kind = "marker_grid" if self.kind == "marker-grid" else self.kind
        markers = kind != "chessboard"
        self._check_options()
        square, marker = self._lengths_mm(paper)
        usual = APRILGRID_DICTIONARY if kind == "aprilgrid" else "DICT_4X4_50"
        return Target(
            kind,
            self.squares,
            round(square / 1000, 9),
            round(marker / 1000, 9) if markers else None,
            (self.dictionary or usual) if markers else None,
            self.legacy_pattern,
            self.inverted,
            self.first_marker if markers else 0,
        )

    def _check_options(self) -> None:
        if self.kind == "chessboard" and (
            self.marker_mm is not None or self.inverted or self.legacy_pattern
        ):
            raise InputError(
                "--marker-mm, --inverted and --legacy-pattern are for boards with markers; leave "
                "them out with --kind chessboard"
            )
        if self.legacy_pattern and self.kind != "charuco":
            raise InputError("--legacy-pattern is for --kind charuco; leave it out")
        if not all(1 <= n <= 100 for n in self.squares):
            raise InputError(f"--squares are {self.squares}, expected 1 to 100 each")
        if self.tag_spacing is None:
            return
        if self.kind != "aprilgrid":
            raise InputError("--tag-spacing is for --kind aprilgrid; leave it out")
        if not 0 < self.tag_spacing <= 1:
            raise InputError(
                f"--tag-spacing is {self.tag_spacing:g}, expected the gap in parts of a tag, over "
                f"0 and up to 1"
            )
        if self.square_mm is not None and self.marker_mm is not None:
            raise InputError(
                "--square-mm, --marker-mm and --tag-spacing say the same twice; leave one out"
            )

    def _lengths_mm(self, paper: tuple[float, float]) -> tuple[float, float]:
        """Sides of a square and of a marker."""
        from calibration.board_sheet import largest_square_mm

        square, marker = self.square_mm, self.marker_mm
        share = USUAL_SHARE
        if self.kind == "aprilgrid":
            spacing = TAG_SPACING if self.tag_spacing is None else self.tag_spacing
            share = 1 / (1 + spacing)
            if square is None and marker is None:
                # The squares around the outer tags make it larger by a gap.
                outline = (self.squares[0] + 1 - share, self.squares[1] + 1 - share)
                largest = share * largest_square_mm(outline, paper)
                marker = math.floor(largest) if largest >= 5 else math.floor(10 * largest) / 10
            if square is None and marker is not None:
                square = marker * (1 + spacing)
            if marker is None and square is not None:
                marker = square * share
        if square is None:
            largest = largest_square_mm(self.squares, paper)
            square = math.floor(largest) if largest >= 5 else math.floor(10 * largest) / 10
        if marker is None:
            marker = math.floor(10 * share * square) / 10
        return square, marker
