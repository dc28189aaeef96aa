"""`mocap board`: a PDF and its description, or one line why not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mocap.model import Target
from mocap.storage.target_file import load_target

if TYPE_CHECKING:
    from conftest import Mocap


def test_pdf_and_description(mocap: Mocap, tmp_path: Path) -> None:
    out = tmp_path / "a [bold]board.pdf"
    answer = mocap("board", "--out", out, "--squares", 5, 4, "--square-mm", 54, "--marker-mm", 40,
                   "--dictionary", "DICT_5X5_100", "--paper", "A3", "--inverted",
                   "--legacy-pattern")  # fmt: skip
    assert answer.code == 0, answer.err
    assert out.read_bytes().startswith(b"%PDF")
    assert str(out) in answer.out
    assert "square 54 mm" in answer.out
    target = load_target(out.with_suffix(".toml"))
    assert target == Target("charuco", (5, 4), 0.054, 0.04, "DICT_5X5_100", True, True)
    answer = mocap("board", "--out", out)
    assert answer.code == 2
    assert "--overwrite" in answer.error()
    assert mocap("board", "--out", out, "--overwrite").code == 0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), Target("charuco", (5, 7), 0.037, 0.0277, "DICT_4X4_50")),
        (("--kind", "chessboard", "--squares", 10, 7), Target("chessboard", (10, 7), 0.024)),
        (
            ("--kind", "marker-grid", "--squares", 4, 3, "--first-marker", 9),
            Target("marker_grid", (4, 3), 0.057, 0.0427, "DICT_4X4_50", first_marker=9),
        ),
        (
            ("--kind", "aprilgrid", "--squares", 6, 6),
            Target("aprilgrid", (6, 6), 0.0299, 0.023, "DICT_APRILTAG_36h11"),
        ),
        (
            (
                "--kind",
                "aprilgrid",
                "--squares",
                6,
                6,
                "--paper",
                "A0",
                "--marker-mm",
                88,
                "--tag-spacing",
                0.25,
            ),
            Target("aprilgrid", (6, 6), 0.11, 0.088, "DICT_APRILTAG_36h11"),
        ),
        (
            (
                "--kind",
                "aprilgrid",
                "--squares",
                2,
                2,
                "--square-mm",
                65,
                "--dictionary",
                "DICT_APRILTAG_25h9",
            ),
            Target("aprilgrid", (2, 2), 0.065, 0.05, "DICT_APRILTAG_25h9"),
        ),
    ],
)
def test_squares_as_large_as_the_paper_allows(
    mocap: Mocap, tmp_path: Path, options: tuple[object, ...], expected: Target
) -> None:
    answer = mocap("board", "--out", tmp_path / "b.pdf", *options)
    assert answer.code == 0, answer.err
    assert load_target(tmp_path / "b.toml") == expected


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--square-mm", 54), r"does not fit .* squares up to 37 mm fit"),
        (("--paper", "A9"), "paper 'A9' is unknown"),
        (("--dictionary", "DICT_9X9_50"), "no dictionary 'DICT_9X9_50'"),
        (("--squares", 12, 12), "DICT_4X4_50 holds 0 to 49"),
        (("--squares", 0, 4), "--squares are"),
        (("--kind", "chessboard", "--inverted"), "for boards with markers"),
        (("--kind", "marker-grid", "--legacy-pattern"), "for --kind charuco"),
        (("--tag-spacing", 0.3), "for --kind aprilgrid"),
        (("--kind", "aprilgrid", "--tag-spacing", 30), "in parts of a tag"),
        (
            ("--kind", "aprilgrid", "--tag-spacing", 0.3, "--square-mm", 30, "--marker-mm", 20),
            "say the same twice",
        ),
        (("--kind", "aprilgrid", "--legacy-pattern"), "for --kind charuco"),
        (("--marker-mm", 60), "not between 0 and square_m"),
        (("--square-mm", -3), "square_m"),
    ],
)
def test_what_cannot_be_printed(
    mocap: Mocap, tmp_path: Path, options: tuple[object, ...], words: str
) -> None:
    answer = mocap("board", "--out", tmp_path / "b.pdf", *options)
    assert answer.code == 2
    assert re.search(words, answer.error())
    assert not list(tmp_path.iterdir())


def test_the_name_must_be_that_of_a_pdf(mocap: Mocap, tmp_path: Path) -> None:
    assert "ends with .pdf" in mocap("board", "--out", tmp_path / "board.png").error()
