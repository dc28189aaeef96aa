"""Descriptions of targets: round trip, other tools' files, and what is refused with a remedy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocap.errors import InputError, TargetError
from mocap.model import Target
from mocap.storage.target_file import (
    load_target,
    target_from_toml,
    target_from_yaml,
    target_to_toml,
)
from mocap.studio.board_clip import BoardConfig

CHARUCO = 'kind = "charuco"\nsquares = [5, 4]\nsquare_m = 0.2\nmarker_m = 0.15\n'
CHARUCO += 'dictionary = "DICT_4X4_50"\n'
CALISCOPE = (
    "columns = 4\nrows = 5\nboard_height = 11.0\nboard_width = 8.5\n"
    'dictionary = "DICT_4X4_1000"\nunits = "inch"\naruco_scale = 0.75\n'
)
ANIPOSE = (
    "[calibration]\nboard_size = [7, 10]\nboard_marker_bits = 4\nboard_marker_dict_number = 50\n"
    "board_marker_length = 18.75\nboard_square_side_length = 25\n"
)

KALIBR = """target_type: 'aprilgrid' #gridtype
tagCols: 6               #number of apriltags
tagRows: 5               #number of apriltags
tagSize: 0.088           #size of apriltag, edge to edge [m]
tagSpacing: 0.3          #ratio of space between tags to tagSize
"""

lengths = st.floats(0.002, 1.0)


@given(
    st.sampled_from(["charuco", "chessboard", "marker_grid", "aprilgrid"]),
    st.tuples(st.integers(3, 40), st.integers(3, 40)),
    lengths,
    st.floats(0.1, 0.95),
    st.booleans(),
    st.booleans(),
    st.integers(0, 500),
)
def test_a_target_comes_back_as_it_was(kind, squares, square_m, share, legacy, inverted, first):
    if kind == "chessboard":
        target = Target(kind, squares, square_m, inverted=inverted)
    else:
        target = Target(
            kind, squares, square_m, share * square_m, "DICT_5X5_1000",
            legacy and kind == "charuco", inverted, first,
        )  # fmt: skip
    assert target_from_toml(target_to_toml(target), "x") == target


def test_the_target_of_the_studio_is_read():
    config = BoardConfig(legacy_pattern=True)
    target = target_from_toml(target_to_toml(config.target), "target.toml")
    assert target == config.target
    assert target.points_m.shape == (12, 3)


def test_inner_corners_of_a_chessboard():
    text = 'kind = "chessboard"\ninner_corners = [9, 6]\nsquare_m = 0.03\n'
    assert target_from_toml(text, "x") == Target("chessboard", (10, 7), 0.03)
    assert target_from_toml(text + "squares = [10, 7]\n", "x").shape == (9, 6)
    with pytest.raises(TargetError, match="do not fit together"):
        target_from_toml(text + "squares = [9, 6]\n", "x")


def test_caliscope():
    measured = target_from_toml(
        CALISCOPE + "square_size_override_cm = 5.4\ninverted = true\nlegacy_pattern = true\n", "x"
    )
    assert measured == Target(
        "charuco", (4, 5), 0.054, 0.0405, "DICT_4X4_1000", legacy_pattern=True, inverted=True
    )
    # Without it the squares fill the paper: 8.5 inches over 4 columns is less than 11 over 5 rows.
    assert target_from_toml(CALISCOPE, "x").square_m == pytest.approx(8.5 / 4 * 0.0254)
    in_cm = CALISCOPE.replace('"inch"', '"cm"')
    assert target_from_toml(in_cm, "x").square_m == pytest.approx(0.02125)
    misspelt = target_from_toml(CALISCOPE + "square_size_overide_cm = 5.4\n", "x")
    assert misspelt.square_m == 0.054


@pytest.mark.parametrize("session", ["charuco_4cam", "charuco_offset"])
def test_real_caliscope_files(session, shared_path):
    target = load_target(shared_path(session) / "charuco.toml")
    assert target == Target("charuco", (4, 5), 0.054, 0.0405, "DICT_4X4_1000", inverted=True)


def test_aniposelib():
    charuco = target_from_toml(ANIPOSE + 'board_type = "charuco"\n', "x")
    assert charuco == Target("charuco", (7, 10), 0.025, 0.01875, "DICT_4X4_50")
    metres = ANIPOSE.replace("18.75", "0.01875").replace("= 25", "= 0.025")
    assert target_from_toml(metres + 'board_type = "charuco"\n', "x") == charuco
    checker = target_from_toml(ANIPOSE + 'board_type = "checkerboard"\n', "x")
    assert checker == Target("chessboard", (8, 11), 0.025)


def test_kalibr(tmp_path):
    for name in ("target.yaml", "target.yml"):
        path = tmp_path / name
        path.write_text(KALIBR)
        assert load_target(path) == Target(
            "aprilgrid", (6, 5), 0.1144, 0.088, "DICT_APRILTAG_36h11"
        )
    checker = "target_type: 'checkerboard'\ntargetCols: 6\ntargetRows: 7\nrowSpacingMeters: 0.06\n"
    assert target_from_yaml(checker + "colSpacingMeters: 0.06\n", "x") == Target(
        "chessboard", (7, 8), 0.06
    )
    with pytest.raises(TargetError, match="only boards with squares"):
        target_from_yaml(checker + "colSpacingMeters: 0.05\n", "x")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (KALIBR.replace("0.3 ", "26.4 "), "as a share of tagSize"),
        (KALIBR.replace("0.088", "88.0"), "looks like millimetres"),
        (KALIBR.replace("tagRows", "tagRow"), "'tagRows' is missing"),
        (KALIBR.replace("tagCols: 6", "tagCols: 6.5"), "whole number"),
        (KALIBR.replace("'aprilgrid'", "'circlegrid'"), "cannot be used; print an AprilGrid"),
        (KALIBR.replace("'aprilgrid'", "'april'"), "expected one of aprilgrid, checkerboard"),
        ("a: [1", "not valid YAML"),
        ("- 1", "describes no target of Kalibr"),
        ("a: 1", "describes no target of Kalibr"),
    ],
)
def test_what_is_refused_of_kalibr(text, words):
    with pytest.raises(TargetError, match=words) as caught:
        target_from_yaml(text, "a folder/board.yaml")
    assert str(caught.value).startswith("a folder/board.yaml")
    assert "\n" not in str(caught.value)


def test_pose2sim():
    section = "[calibration.calculate.{0}]\n{1}_corners_nb = [4, 7]\n{1}_square_size = {2}\n"
    lens = section.format("intrinsics", "intrinsics", 60)
    # Rows come first there.
    expected = Target("chessboard", (8, 5), 0.06)
    assert target_from_toml(lens, "x") == expected
    same = lens + section.format("extrinsics.board", "extrinsics", 60)
    assert target_from_toml(same, "x") == expected
    other = lens + section.format("extrinsics.board", "extrinsics", 80)
    with pytest.raises(TargetError, match="different boards"):
        target_from_toml(other, "x")
    scene = '[calibration.calculate.extrinsics]\nextrinsics_method = "scene"\n'
    assert target_from_toml(lens + scene + other[len(lens) :], "x") == expected
    with pytest.raises(TargetError, match="write 60"):
        target_from_toml(section.format("intrinsics", "intrinsics", 0.06), "x")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "describes no target"),
        ("a = 1", "it has a"),
        ("kind = ", "not valid TOML"),
        ('kind = "circles"', "expected one of charuco, chessboard, marker_grid"),
        (CHARUCO.replace("[5, 4]", "5"), "squares is 5, expected two whole numbers"),
        (CHARUCO.replace("[5, 4]", "[5, 4.5]"), "two whole numbers"),
        (CHARUCO.replace("squares = [5, 4]\n", ""), "'squares' is missing"),
        (
            CHARUCO.replace("0.2", "54.0").replace("0.15", "0.04"),
            "looks like millimetres, write 0.054",
        ),
        (CHARUCO.replace("0.15", "40"), "marker_m is 40.*millimetres"),
        (CHARUCO.replace("0.2", '"0.2"'), "expected a number"),
        (CHARUCO.replace("0.2", "-0.2"), "positive"),
        (CHARUCO.replace("0.2", "nan"), "positive"),
        (CHARUCO.replace("0.2", "true"), "expected a number"),
        (CHARUCO.replace("0.15", "0.25"), "not between 0 and square_m"),
        (CHARUCO.replace('"DICT_4X4_50"', "4"), "expected a text"),
        (CHARUCO.replace('dictionary = "DICT_4X4_50"\n', ""), "needs marker_m and dictionary"),
        (CHARUCO + "legacy = true", "did you mean 'legacy_pattern'"),
        (CHARUCO + "legacy_pattern = 1", "expected true or false"),
        (CHARUCO + "first_marker = -1", "whole number from 0"),
        (CHARUCO + "inner_corners = [4, 3]", "inner_corners is for a chessboard"),
        (CHARUCO.replace("charuco", "chessboard"), "has no markers"),
        (CALISCOPE.replace('"inch"', '"feet"'), 'expected "inch" or "cm"'),
        (CALISCOPE.replace("0.75", "1.5"), "aruco_scale is 1.5"),
        (CALISCOPE.replace("units", "unit"), "'units' is missing"),
        (CALISCOPE.replace("= 4\n", "= 0\n"), "columns, rows"),
        (CALISCOPE + "square_size_override_cm = 540", "write 54 if"),
        (ANIPOSE + 'board_type = "aruco"', "board_type is 'aruco'"),
        (ANIPOSE.replace("= 25", "= 2.5") + 'board_type = "charuco"', "may be centimetres"),
    ],
)
def test_what_is_refused_says_which_key_and_what_to_do(text, words):
    with pytest.raises(TargetError, match=words) as caught:
        target_from_toml(text, "a folder/board.toml")
    assert str(caught.value).startswith("a folder/board.toml")
    assert "\n" not in str(caught.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_target(tmp_path / "none.toml")
    path = tmp_path / "board.png"
    path.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(TargetError, match="is no text file"):
        load_target(path)
    path = tmp_path / "board.toml"
    path.write_bytes(b"\xef\xbb\xbf" + CHARUCO.encode())
    assert load_target(path).squares == (5, 4)
