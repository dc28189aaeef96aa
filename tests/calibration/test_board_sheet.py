"""Printed boards: true size, found again in their own picture, refused where they do not fit."""

from __future__ import annotations

import io
import re
import zlib
from dataclasses import replace

import numpy as np
import pytest

from calibration.board_sheet import (
    FOOTER_MM,
    MARGIN_MM,
    BoardSheet,
    board_rectangles,
    largest_square_mm,
    paper_by_name,
)
from calibration.detection import find_target
from mocap.errors import TargetError
from mocap.model import Target

A4 = (210.0, 297.0)
BOARDS = [
    Target("charuco", (5, 7), 0.037, 0.0277, "DICT_4X4_50"),
    Target("charuco", (5, 4), 0.043, 0.032, "DICT_5X5_100", inverted=True),
    Target("charuco", (6, 6), 0.032, 0.024, "DICT_4X4_50", legacy_pattern=True),
    Target("charuco", (4, 5), 0.04, 0.03, "DICT_4X4_50", first_marker=7),
    Target("chessboard", (10, 7), 0.024),
    Target("marker_grid", (4, 3), 0.055, 0.04, "DICT_APRILTAG_36h11"),
    Target("marker_grid", (3, 4), 0.055, 0.04, "DICT_4X4_50", inverted=True, first_marker=5),
    Target("aprilgrid", (4, 5), 0.039, 0.03, "DICT_APRILTAG_36h11"),
    Target("aprilgrid", (6, 4), 0.039, 0.029, "DICT_APRILTAG_25h9", inverted=True),
]
DOTS_PER_MM = 5


def rendered(sheet):
    import cv2

    stream = io.BytesIO()
    sheet.figure().savefig(stream, format="png", dpi=25.4 * DOTS_PER_MM)
    return cv2.imdecode(np.frombuffer(stream.getvalue(), np.uint8), cv2.IMREAD_GRAYSCALE)


@pytest.mark.parametrize("target", BOARDS, ids=lambda t: f"{t.kind}{t.squares}")
def test_all_points_are_found_where_they_are_printed(target):
    sheet = BoardSheet(target, A4)
    image = rendered(sheet)
    assert image.shape[::-1] == tuple(round(v * DOTS_PER_MM) for v in sheet.page_mm)
    found = find_target(image, target)
    assert found is not None
    assert found.target == target
    assert found.points.seen.all()
    true = (np.array(sheet.origin_mm) + 1000 * target.points_m[:, :2]) * DOTS_PER_MM - 0.5
    # The drawing of pixels rounds grey levels at the edges: 0.15 dots are 0.03 mm.
    assert np.abs(found.points.pixels - true).max() < 0.15


@pytest.mark.parametrize("target", BOARDS, ids=lambda t: f"{t.kind}{t.squares}")
def test_the_board_stays_within_the_margins(target):
    sheet = BoardSheet(target, A4)
    image = rendered(sheet)
    edge = int((MARGIN_MM - 1) * DOTS_PER_MM)
    for border in (image[:edge], image[:, :edge], image[:, -edge:]):
        assert border.min() > 250
    # The lines below do not touch the board.
    bottom = round((sheet.page_mm[1] - FOOTER_MM - MARGIN_MM + 1) * DOTS_PER_MM)
    assert image[bottom : bottom + DOTS_PER_MM].min() > 250


def contents(pdf):
    """The media box in points, and the drawing with its texts."""
    box = re.search(rb"/MediaBox \[ ?([\d. ]+)\]", pdf)
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    drawn = []
    for stream in streams:
        try:
            drawn.append(zlib.decompress(stream))
        except zlib.error:
            continue
    page = max((each for each in drawn if b" re" in each or b" l\n" in each), key=len)
    return [float(v) for v in box[1].split()], page.decode("latin-1")


def test_the_pdf_is_a_vector_drawing_in_true_size():
    target = BOARDS[0]
    sheet = BoardSheet(target, A4)
    pdf = sheet.pdf()
    assert pdf.startswith(b"%PDF")
    assert sheet.pdf() == pdf
    assert b"/Subtype /Image" not in pdf
    assert b"/Type /Font" in pdf
    box, page = contents(pdf)
    point = 72 / 25.4
    np.testing.assert_allclose(box, [0, 0, 210 * point, 297 * point], atol=0.01)
    # Corners of closed paths with four corners: the squares and the markers.
    number = r"(-?[\d.]+) (-?[\d.]+)"
    paths = re.findall(rf"{number} m\n{number} l\n{number} l\n{number} l\n", page)
    corners = np.array(paths, float).reshape(-1, 4, 2)
    sides = np.ptp(corners, axis=1)
    squares = corners[np.all(np.abs(sides - 37 * point) < 0.01, axis=1)]
    assert len(squares) == 35
    left, top = sheet.place_mm
    np.testing.assert_allclose(squares[..., 0].min(), left * point, atol=0.01)
    np.testing.assert_allclose(squares[..., 0].max(), (left + 185) * point, atol=0.01)
    np.testing.assert_allclose(box[3] - squares[..., 1].max(), top * point, atol=0.01)
    # The line that must measure 100 mm does.
    lines = np.array(re.findall(rf"{number} m\n{number} l\n(?!-?[\d.]+ -?[\d.]+ l)", page), float)
    lengths = np.linalg.norm(lines[:, 2:] - lines[:, :2], axis=1)
    assert np.any(np.abs(lengths - 100 * point) < 0.01)


def test_the_measures_are_printed_on_it():
    figure = BoardSheet(BOARDS[1], A4).figure()
    texts = " ".join(text.get_text() for text in figure.axes[0].texts)
    for words in ("5 x 4 squares", "square 43 mm", "marker 32 mm", "DICT_5X5_100", "inverted"):
        assert words in texts
    assert "exactly 100 mm" in texts
    assert "100 %" in texts
    assert "9 x 6 inner corners" in BoardSheet(BOARDS[4], A4).title
    assert "spacing 55 mm" in BoardSheet(BOARDS[5], A4).title
    assert "legacy" in BoardSheet(BOARDS[2], A4).title
    assert (
        "AprilGrid 4 x 5 tags, spacing 0.3 of a tag, marker 30 mm"
        in BoardSheet(BOARDS[7], A4).title
    )


def test_texts_stay_on_the_page():
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    for target, paper in (
        (BOARDS[0], A4),
        (replace(BOARDS[0], square_m=0.018, marker_m=0.013), (120, 200)),
    ):
        sheet = BoardSheet(target, paper)
        figure = sheet.figure()
        canvas = FigureCanvasAgg(figure)
        for text in figure.axes[0].texts:
            box = text.get_window_extent(canvas.get_renderer())
            assert box.x1 <= figure.bbox.x1
            assert box.x0 >= 0


def test_a_board_that_does_not_fit_names_the_one_that_does():
    target = Target("charuco", (5, 4), 0.054, 0.04, "DICT_4X4_50")
    with pytest.raises(TargetError, match=r"270x216 mm does not fit .* 43 mm fit"):
        BoardSheet(target, A4)
    largest = largest_square_mm((5, 4), A4)
    fits = replace(target, square_m=largest / 1000, marker_m=0.03)
    assert BoardSheet(fits, A4).page_mm == (297.0, 210.0)
    with pytest.raises(TargetError, match="does not fit"):
        BoardSheet(replace(fits, square_m=1.001 * largest / 1000), A4)
    with pytest.raises(TargetError, match="DICT_4X4_50 holds 0 to 49"):
        BoardSheet(replace(fits, first_marker=48), A4)


def test_papers():
    assert paper_by_name("a3") == (297.0, 420.0)
    assert paper_by_name("Letter") == (215.9, 279.4)
    assert paper_by_name("600x400") == (600.0, 400.0)
    assert paper_by_name("600x400mm") == (600.0, 400.0)
    for name in ("A9", "600", "10x10", "axb", "nanx100", "1x2x3"):
        with pytest.raises(TargetError, match="is unknown; choose one of A4"):
            paper_by_name(name)


def test_the_drawing_is_that_of_opencv():
    from calibration.board_layout import opencv_board

    for target in BOARDS[:4]:
        texels = 36
        scale = texels / (1000 * target.square_m)
        shape = (target.squares[1] * texels, target.squares[0] * texels)
        drawn = np.full(shape, 255, np.uint8)
        for each in board_rectangles(target):
            x0, y0 = round(each.x * scale), round(each.y * scale)
            x1, y1 = round((each.x + each.width) * scale), round((each.y + each.height) * scale)
            drawn[y0:y1, x0:x1] = 0 if each.dark else 255
        expected = opencv_board(target).generateImage(shape[::-1], marginSize=0)
        # Cells are no whole number of pixels.
        assert np.mean(drawn != expected) < 0.06
