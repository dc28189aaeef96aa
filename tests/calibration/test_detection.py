"""Targets in pictures of all kinds: their points, how they are printed, and what is wrong."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from board_pictures import (
    APRILGRID,
    CHARUCO,
    CHESSBOARD,
    GRID,
    picture,
    points_under,
    seen_from,
)

from calibration.absence import explain_absence
from calibration.board_layout import check_markers, dictionary_names
from calibration.board_points import BoardDetector
from calibration.detection import TargetFinder, find_target, gray_image, print_notes
from calibration.plane_map import local_axes
from mocap.errors import TargetError
from mocap.model import Target
from mocap.storage.target_file import load_target

TILTED = {"turn_rad": 0.4, "tilt": (0.04, -0.03), "center": (10.0, 7.0)}


def rms_px(found, target, H):
    error = found.points.pixels - points_under(target, H)
    return float(np.sqrt(np.nanmean(np.sum(error**2, axis=1))))


@pytest.mark.parametrize("target", [CHARUCO, CHESSBOARD, GRID, APRILGRID], ids=lambda t: t.kind)
@pytest.mark.parametrize("turn_rad", [0.0, 1.9, 3.1])
def test_all_points_within_hundredths_of_a_pixel(target, turn_rad):
    H = seen_from(target, **{**TILTED, "turn_rad": turn_rad, "square_px": 52})
    found = find_target(picture(target, H), target)
    assert found is not None
    assert found.points.seen.all()
    # Little but the marker's own thin border surrounds the corner of a marker.
    assert rms_px(found, target, H) < (0.1 if target is GRID else 0.04)
    assert found.target == target
    assert not found.points.mirrored
    # A picture in colour shows the same.
    import cv2

    colored = cv2.cvtColor(picture(target, H), cv2.COLOR_GRAY2BGR)
    again = find_target(colored, target)
    np.testing.assert_array_equal(again.points.pixels, found.points.pixels)


@pytest.mark.parametrize(
    "printed",
    [
        replace(CHARUCO, inverted=True),
        replace(CHARUCO, legacy_pattern=True),
        replace(CHARUCO, inverted=True, legacy_pattern=True),
        replace(GRID, inverted=True),
        APRILGRID,
        replace(APRILGRID, inverted=True),
    ],
    ids=["negative", "old layout", "both", "negative grid", "april grid", "negative april grid"],
)
@pytest.mark.parametrize("mirrored", [False, True])
def test_prints_and_sides_are_found_out(printed, mirrored):
    described = replace(printed, inverted=False, legacy_pattern=False)
    H = seen_from(printed, mirrored=mirrored, **TILTED)
    finder = TargetFinder(described)
    found = finder.find(picture(printed, H))
    assert found is not None
    assert found.target == printed
    assert found.points.mirrored == mirrored
    assert rms_px(found, printed, H) < (0.1 if printed.kind == "marker_grid" else 0.04)
    notes = " ".join(print_notes(described, found.target))
    assert ("negative" in notes) == printed.inverted
    assert ("before 4.6" in notes) == printed.legacy_pattern
    # And the other way round: the description claims what the print is not.
    found = find_target(picture(described, H), printed)
    assert found is not None
    assert found.target == described
    assert print_notes(described, described) == ()


def test_sides_may_change_from_frame_to_frame():
    front, back = seen_from(CHARUCO, **TILTED), seen_from(CHARUCO, mirrored=True, **TILTED)
    finder = TargetFinder(CHARUCO)
    for H, mirrored in ((front, False), (back, True), (back, True), (front, False)):
        found = finder.find(picture(CHARUCO, H))
        assert found.points.mirrored == mirrored
        assert rms_px(found, CHARUCO, H) < 0.04


def test_a_mirrored_point_keeps_its_number_and_place():
    H = seen_from(CHARUCO, **TILTED)
    image = picture(CHARUCO, H)
    front = find_target(image, CHARUCO).points
    back = find_target(np.ascontiguousarray(image[:, ::-1]), CHARUCO).points
    assert back.mirrored
    np.testing.assert_allclose(
        back.pixels[:, 0], image.shape[1] - 1 - front.pixels[:, 0], atol=0.01
    )
    np.testing.assert_allclose(back.pixels[:, 1], front.pixels[:, 1], atol=0.01)


def test_nothing_is_found_where_nothing_is():
    rng = np.random.default_rng(0)
    for image in (
        np.full((480, 640), 128, np.uint8),
        rng.integers(0, 255, (480, 640)).astype(np.uint8),
    ):
        for target in (CHARUCO, CHESSBOARD, GRID, APRILGRID):
            assert find_target(image, target) is None


def test_partly_hidden_board_and_absurd_corners():
    H = seen_from(CHARUCO, **TILTED)
    image = picture(CHARUCO, H)
    image[:, :300] = 100
    found = find_target(image, CHARUCO)
    assert found is not None
    assert 4 <= found.points.seen.sum() < 12
    assert rms_px(found, CHARUCO, H) < 0.05


def test_a_single_row_is_no_sighting():
    detector = BoardDetector(CHARUCO)
    found = np.full((12, 2), np.nan)
    found[:4] = points_under(CHARUCO, seen_from(CHARUCO))[:4]
    assert detector._plausible(found, mirrored=False) is None


def test_a_corner_out_of_place_is_left_out():
    H = seen_from(CHARUCO, **TILTED)
    detector, image = BoardDetector(CHARUCO), picture(CHARUCO, H)
    roughly = detector.roughly(image)
    # OpenCV's corner is on the wrong one of the board's corners.
    roughly[5] = roughly[6]
    detector.roughly = lambda *_, **__: roughly
    points = detector.find(image)
    assert not points.seen[5]
    assert points.seen.sum() == 11


def test_the_wrong_side_or_color_is_not_this_board():
    H = seen_from(CHARUCO, **TILTED)
    detector, image = BoardDetector(CHARUCO), picture(CHARUCO, H)
    roughly = detector.roughly(image)
    assert detector._refined(image, roughly, mirrored=True) is None
    assert detector._refined(255 - image, roughly, mirrored=False) is None
    assert detector._refined(image, roughly, mirrored=False) is not None


def test_blur_lowers_sharpness_and_raises_sigma():
    H = seen_from(CHARUCO, **TILTED)
    sharp = find_target(picture(CHARUCO, H, noise=4.0), CHARUCO).points
    blurred = find_target(picture(CHARUCO, H, blur_px=2.5, noise=4.0), CHARUCO).points
    assert blurred.sharpness < 0.6 * sharp.sharpness
    assert np.nanmedian(blurred.sigma_px) > 1.3 * np.nanmedian(sharp.sigma_px)


def test_axes_follow_a_lens_that_bends_the_board():
    rng = np.random.default_rng(2)
    places = np.stack(np.meshgrid(np.arange(8.0), np.arange(6.0)), axis=-1).reshape(-1, 2)

    def bent(p):
        offset = p - [3.5, 2.5]
        return 40 * offset * (1 - 0.006 * np.sum(offset**2, axis=-1, keepdims=True)) + [320, 240]

    axes = local_axes(places, bent(places))
    for i in rng.integers(0, len(places), 10):
        for k, step in enumerate(np.eye(2)):
            true = bent(places[i] + 0.5 * step) - bent(places[i] - 0.5 * step)
            assert np.linalg.norm(axes[i, k] - true) < 0.25 * np.linalg.norm(true)


@pytest.mark.parametrize(
    ("described", "printed", "words"),
    [
        (replace(CHARUCO, squares=(4, 5)), CHARUCO, "swapped, set squares = [5, 4]"),
        (replace(CHARUCO, squares=(7, 5)), CHARUCO, "5 squares in a row"),
        (replace(CHARUCO, dictionary="DICT_5X5_100"), CHARUCO, 'dictionary = "DICT_4X4_50"'),
        (CHARUCO, replace(CHARUCO, dictionary="DICT_5X5_250"), "markers of DICT_5X5_50"),
        (replace(CHARUCO, first_marker=20), CHARUCO, "set first_marker"),
        (GRID, CHARUCO, 'set dictionary = "DICT_4X4_50", kind = "charuco"'),
        (APRILGRID, GRID, 'set kind = "marker_grid"'),
        (GRID, APRILGRID, 'set kind = "aprilgrid"'),
        (CHESSBOARD, APRILGRID, 'kind = "aprilgrid"'),
        (CHARUCO, APRILGRID, 'set dictionary = "DICT_APRILTAG_36h11", kind = "aprilgrid"'),
        (replace(APRILGRID, squares=(3, 4)), APRILGRID, "swapped, set squares = [4, 3]"),
        (replace(APRILGRID, squares=(6, 3)), APRILGRID, "4 markers in a row"),
        (replace(APRILGRID, first_marker=20), APRILGRID, "set first_marker"),
        (replace(GRID, dictionary="DICT_4X4_50"), CHARUCO, 'kind = "charuco"'),
        (CHARUCO, replace(GRID, dictionary="DICT_4X4_50"), 'kind = "marker_grid"'),
        (CHESSBOARD, CHARUCO, 'kind = "charuco"'),
        (replace(CHESSBOARD, squares=(9, 6)), CHESSBOARD, "inner_corners = [7, 4]"),
        (replace(CHARUCO, squares=(8, 5)), CHESSBOARD, 'kind = "chessboard"'),
    ],
)
def test_a_wrong_description_is_told_apart_from_no_board(described, printed, words):
    image = picture(printed, seen_from(printed, **{**TILTED, "square_px": 52}))
    finder = TargetFinder(described)
    assert finder.find(image) is None
    text = explain_absence(finder.images_without, described)
    assert words in text
    assert "\n" not in text


def test_no_board_at_all_is_said_so():
    text = explain_absence([np.full((480, 640), 128, np.uint8)], CHARUCO)
    assert "neither it nor another known board is seen" in text


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (replace(CHARUCO, dictionary="DICT_3X3_50"), "choose one of DICT_4X4_100"),
        (replace(CHARUCO, squares=(15, 15)), "DICT_4X4_50 holds 0 to 49"),
        (replace(CHARUCO, first_marker=45), "markers 45 to 54"),
        (replace(CHARUCO, dictionary="getPredefinedDictionary"), "no dictionary"),
    ],
)
def test_impossible_markers_are_refused(target, words):
    with pytest.raises(TargetError, match=words):
        TargetFinder(target)
    with pytest.raises(TargetError, match=words):
        check_markers(target)


def test_dictionary_names_are_listed_once():
    names = dictionary_names()
    assert len({name.lower() for name in names}) == len(names)
    assert {"DICT_4X4_50", "DICT_APRILTAG_36h11", "DICT_ARUCO_ORIGINAL"} <= set(names)


def test_images_of_other_types_are_refused():
    with pytest.raises(ValueError, match="expected 8 bits"):
        gray_image(np.zeros((10, 10), np.float32))


def golden(path):
    corners, mirrored = defaultdict(dict), {}
    with path.open() as stream:
        for row in csv.DictReader(stream):
            key = int(row["cam"]), int(row["frame"])
            corners[key][int(row["corner_id"])] = float(row["x_px"]), float(row["y_px"])
            mirrored[key] = row["mirrored"] == "1"
    return corners, mirrored


@pytest.mark.slow
@pytest.mark.parametrize("session", ["charuco_4cam", "charuco_offset"])
def test_real_sessions_against_opencv(session, shared_path):
    import av

    folder = shared_path(session)
    corners, mirrored = golden(folder / "corners_opencv5.csv")
    target = replace(load_target(folder / "charuco.toml"), inverted=False)
    found_of, away, sides = 0, [], []
    for camera in range(4):
        finder = TargetFinder(target)
        with av.open(str(folder / f"cam_{camera}.mp4")) as video:
            for frame, shown in enumerate(video.decode(video=0)):
                found = finder.find(shown.to_ndarray(format="bgr24"))
                expected = corners.get((camera, frame), {})
                if found is None:
                    continue
                assert found.target.inverted
                if not expected:
                    continue
                sides.append(found.points.mirrored == mirrored[camera, frame])
                for number, place in expected.items():
                    if found.points.seen[number]:
                        found_of += 1
                        away.append(np.linalg.norm(found.points.pixels[number] - place))
    assert all(sides)
    assert found_of >= 0.98 * sum(map(len, corners.values()))
    # The difference is OpenCV's noise; see the residuals of a rigid board in the documentation.
    assert np.median(away) < 0.2
    assert np.percentile(away, 95) < 0.5


def test_real_chessboards(shared_path):
    import cv2

    target = Target("chessboard", (10, 7), 0.03)
    for path in sorted(shared_path("chessboard").glob("*.jpg")):
        found = find_target(cv2.imread(str(path)), target)
        assert (found is None) == (path.name == "cam_0_frame_000.jpg"), path.name
        assert found is None or found.points.seen.all()


def test_real_chessboards_for_intrinsics(shared_path):
    import cv2

    target = Target("chessboard", (5, 8), 0.06)
    images = sorted(shared_path("checker_intrinsics").glob("*.jpg"))
    found = [find_target(cv2.imread(str(path)), target) for path in images]
    assert len(images) == 7
    assert all(each is not None and each.points.seen.all() for each in found)
