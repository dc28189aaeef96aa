"""Our rig file: exact round trip, camera order, other tools as readers, and every guard."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mocap.errors import OutputError, RigError
from mocap.geometry.projection import project_points
from mocap.geometry.rotations import matrix_from_rotvec
from mocap.model import Camera, Intrinsics, Rig, RigMetadata
from mocap.storage.rig_file import load_rig, rig_from_toml, rig_to_toml, save_rig

MATRIX = np.array([[901.2345678901234, 0.0, 639.1], [0.0, 899.7654321098765, 361.9], [0, 0, 1]])
PINHOLE = np.array([-0.12, 0.034, 1.5e-4, -2.5e-5, 0.0061, 0.01, -0.02, 0.003])
FISHEYE = np.array([0.1, -0.02, 0.003, -0.0004])


def make_camera(name: str, seed: int, **changes) -> Camera:
    rng = np.random.default_rng(seed)
    camera = Camera.from_rotvec(
        name,
        Intrinsics((1280, 720), MATRIX + np.diag([1, 1, 0]) * rng.random(), PINHOLE[:5]),
        rng.uniform(-1, 1, 3),
        rng.uniform((-1, -1, 4), (1, 1, 6)),
        time_offset_s=float(rng.normal() * 0.01),
    )
    return replace(camera, **changes)


def make_rig(n: int = 3) -> Rig:
    # Names whose text order is not the rig's order, so that any sorting shows.
    names = [f"view {n - i}" for i in range(n)]
    metadata = RigMetadata("Z up, origin at the board", ("calibrate a.mp4", 'board "4x5", [x]'))
    return Rig(tuple(make_camera(name, i) for i, name in enumerate(names)), metadata)


def edited(old: str, new: str, n: int = 2) -> str:
    text = rig_to_toml(make_rig(n))
    assert old in text
    return text.replace(old, new, 1)


def without_line(start: str) -> str:
    lines = rig_to_toml(make_rig(2)).splitlines()
    index = next(i for i, line in enumerate(lines) if line.startswith(start))
    return "\n".join(lines[:index] + lines[index + 1 :])


# --- round trip ---


def test_round_trip_is_exact_to_the_last_bit():
    rig = make_rig()
    covariance = np.random.default_rng(5).normal(size=(6, 6))
    rig = rig.replaced(replace(rig.cameras[1], pose_covariance=covariance @ covariance.T))
    text = rig_to_toml(rig)
    again = rig_from_toml(text, "rig")
    assert again == rig
    assert again.cameras[0].pose_covariance is None
    assert rig_to_toml(again) == text


@pytest.mark.parametrize("count", [0, 4, 5, 8])
def test_every_number_of_pinhole_coefficients_survives(count):
    camera = make_camera("a", 0, intrinsics=Intrinsics((640, 480), MATRIX, PINHOLE[:count]))
    again = rig_from_toml(rig_to_toml(Rig((camera,))), "rig")
    assert again.cameras[0] == camera


def test_fisheye_survives():
    lens = Intrinsics((640, 480), MATRIX, FISHEYE, "fisheye")
    camera = make_camera("a", 0, intrinsics=lens)
    again = rig_from_toml(rig_to_toml(Rig((camera,))), "rig")
    assert again.cameras[0] == camera


@settings(max_examples=60, deadline=None)
@given(
    rotvec=st.lists(st.floats(-4, 4), min_size=3, max_size=3),
    translation=st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3),
    focal=st.floats(1e-3, 1e7),
    offset=st.floats(-10, 10),
    text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1),
)
def test_any_pose_number_and_name_survives(rotvec, translation, focal, offset, text):
    matrix = np.array([[focal, 0, -focal], [0, focal / 3, 1e-300], [0, 0, 1]])
    lens = Intrinsics((640, 480), matrix, np.zeros(0))
    name = f"c{text}"
    camera = Camera.from_rotvec(
        name, lens, np.array(rotvec), np.array(translation), time_offset_s=offset
    )
    rig = Rig((camera,), RigMetadata(text, (text, "")))
    again = rig_from_toml(rig_to_toml(rig), "rig")
    assert again == rig


def test_rotation_vector_of_the_file_is_world_to_camera_and_translation_is_metres():
    table = tomllib.loads(rig_to_toml(make_rig(1)))["cam_00"]
    camera = make_rig(1).cameras[0]
    point = np.array([0.3, -0.2, 1.1])
    in_camera = matrix_from_rotvec(np.array(table["rotation"])) @ point + table["translation"]
    np.testing.assert_allclose(in_camera, (camera.T_cam_world @ [*point, 1])[:3], atol=1e-14)
    assert set(table) >= {"name", "size", "matrix", "distortions", "fisheye", "time_offset_s"}
    assert table["fisheye"] is False


@pytest.mark.parametrize("n", [1, 12, 101])
def test_order_survives_and_sections_sort_as_text_in_that_order(n):
    rig = make_rig(n)
    text = rig_to_toml(rig)
    assert rig_from_toml(text, "rig").names == rig.names
    sections = {key: table for key, table in tomllib.loads(text).items() if key != "metadata"}
    assert list(sections) == sorted(sections)
    assert tuple(sections[key]["name"] for key in sorted(sections)) == rig.names


def test_order_is_that_of_the_metadata_not_of_the_sections():
    # As aniposelib leaves a rig of 12 cameras after loading and dumping it twice.
    rig = make_rig(3)
    text = edited("[cam_00]", "[cam_9]", 3)
    order = 'camera_order = ["view 3", "view 2", "view 1"]'
    assert order in text
    swapped = text.replace(order, 'camera_order = ["view 1", "view 3", "view 2"]')
    again = rig_from_toml(swapped, "rig")
    assert again.names == ("view 1", "view 3", "view 2")
    assert again["view 3"] == rig["view 3"]


# --- files ---


def test_save_and_load(tmp_path: Path):
    rig, path = make_rig(), tmp_path / "new folder" / "rig.toml"
    save_rig(rig, path)
    assert load_rig(path) == rig
    assert [p.name for p in path.parent.iterdir()] == ["rig.toml"]


def test_windows_line_ends_and_byte_order_mark_are_read(tmp_path: Path):
    path = tmp_path / "rig.toml"
    path.write_bytes(b"\xef\xbb\xbf" + rig_to_toml(make_rig()).replace("\n", "\r\n").encode())
    assert load_rig(path) == make_rig()


def test_existing_file_is_kept_unless_asked(tmp_path: Path):
    path = tmp_path / "rig.toml"
    save_rig(make_rig(2), path)
    with pytest.raises(OutputError, match="exists already"):
        save_rig(make_rig(3), path)
    assert len(load_rig(path)) == 2
    save_rig(make_rig(3), path, overwrite=True)
    assert len(load_rig(path)) == 3


def test_a_rig_that_cannot_be_written_leaves_the_old_file(tmp_path: Path):
    path = tmp_path / "rig.toml"
    save_rig(make_rig(2), path)
    broken = Rig((make_camera("left", 0, pose_covariance=np.full((6, 6), np.nan)),))
    with pytest.raises(RigError, match=r"'left': pose_covariance holds NaN"):
        save_rig(broken, path, overwrite=True)
    assert load_rig(path) == make_rig(2)


def test_name_that_is_no_unicode_is_refused():
    with pytest.raises(RigError, match="cannot be written as UTF-8"):
        rig_to_toml(Rig((make_camera("caf\udce9", 0),)))


# --- other tools read it ---


def test_the_toml_library_of_pose2sim_and_freemocap_reads_it(tmp_path: Path):
    # Both use the old `toml` package, which chokes on much that is valid TOML.
    toml = pytest.importorskip("toml")
    rig, path = make_rig(12), tmp_path / "rig.toml"
    save_rig(rig, path)
    document = toml.load(path)
    skipped = ("metadata", "capture_volume", "charuco", "checkerboard")
    keys = [k for k, v in document.items() if k not in skipped and isinstance(v, dict)]
    assert tuple(document[key]["name"] for key in keys) == rig.names
    for key, camera in zip(keys, rig, strict=True):
        table = document[key]
        assert np.array_equal(table["matrix"], camera.intrinsics.matrix)
        assert np.array_equal(table["distortions"], camera.intrinsics.distortions)
        assert np.array_equal(table["translation"], camera.translation_m)
        assert np.array_equal(table["rotation"], camera.rotation_vector)
        assert tuple(table["size"]) == camera.intrinsics.size


@pytest.mark.slow
def test_aniposelib_reads_it_in_order_and_projects_the_same(tmp_path: Path):
    from aniposelib.cameras import CameraGroup

    rig = make_rig(12)
    fisheye = Intrinsics((1280, 720), MATRIX, FISHEYE, "fisheye")
    rig = rig.replaced(replace(rig.cameras[10], intrinsics=fisheye))
    rig = rig.replaced(replace(rig.cameras[11], intrinsics=replace(fisheye, lens="pinhole")))
    plain = Intrinsics((1280, 720), MATRIX, np.zeros(0))
    rig = rig.replaced(replace(rig.cameras[1], intrinsics=plain))
    path = tmp_path / "calibration.toml"
    save_rig(rig, path)
    group = CameraGroup.load(str(path))
    assert tuple(group.get_names()) == rig.names
    assert [tuple(camera.get_size()) for camera in group.cameras] == [(1280, 720)] * 12
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (20, 3))
    theirs = group.project(points)
    for index, camera in enumerate(rig):
        lens = camera.intrinsics
        ours, _ = project_points(
            points,
            lens.matrix,
            lens.packed_distortions,
            lens.lens == "fisheye",
            camera.T_cam_world,
        )
        np.testing.assert_allclose(theirs[index], ours, atol=1e-8, err_msg=camera.name)

    # And what aniposelib writes after that is read with the same order and cameras.
    dumped = tmp_path / "dumped.toml"
    group.dump(str(dumped))
    again = load_rig(dumped)
    assert again.names == rig.names
    np.testing.assert_allclose(again.arrays.T_cam_world, rig.arrays.T_cam_world, atol=1e-12)
    # Twice: now aniposelib has sorted cam_10 before cam_2.
    CameraGroup.load(str(dumped)).dump(str(dumped))
    shuffled = tomllib.loads(dumped.read_text())
    assert [shuffled[f"cam_{i}"]["name"] for i in range(12)] != list(rig.names)
    assert load_rig(dumped).names == rig.names


# --- guards ---


def refused(text: str, *words: str) -> None:
    with pytest.raises(RigError) as caught:
        rig_from_toml(text, "my.toml")
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in ("my.toml", *words)), message


def test_missing_file(tmp_path: Path):
    with pytest.raises(RigError, match=r"rig file .*none\.toml does not exist"):
        load_rig(tmp_path / "none.toml")
    with pytest.raises(RigError, match="is not a file"):
        load_rig(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\x89PNG\r\n\xff\xfe", "is not a text file"),
        (b"hello world", "not a valid TOML"),
        (b"<calibration><cameras>", "not valid XML"),
        (b"<html><body/></html>", "expected a Qualisys calibration"),
    ],
)
def test_not_a_rig_file(tmp_path: Path, content: bytes, words: str):
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    with pytest.raises(RigError, match=words) as caught:
        load_rig(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["matrix", "distortions", "rotation", "translation", "size"])
def test_missing_key(key):
    refused(without_line(f"{key} ="), "'view 2'", repr(key), "missing")


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("matrix = ", "matrix = [[nan, 0, 1], [0, 1, 1], [0, 0, 1]] # ", "'matrix'"),
        ("distortions = [", "distortions = [nan, ", "distortions"),
        ("\nrotation = [", "\nrotation = [nan, nan, nan] # ", "rotation"),
        ("translation = [", "translation = [1.0, nan, 2.0] # ", "translation"),
        ("translation = [", "translation = [1.0, inf, 2.0] # ", "translation"),
        ("rotation_matrix = [", "rotation_matrix = [[nan,0,0],[0,1,0],[0,0,1]] # ", "rotation_m"),
        ("time_offset_s = ", "time_offset_s = nan # ", "time_offset_s"),
        ("size = [", "size = [nan, 720] # ", "size"),
    ],
)
def test_nan_names_camera_and_key(old, new, key):
    refused(edited(old, new), "'view 2'", key, "NaN or infinity")


def test_nan_in_covariance():
    rows = ", ".join(["[nan, 0, 0, 0, 0, 0]"] * 6)
    refused(
        edited("fisheye = false", f"fisheye = false\npose_covariance = [{rows}]"),
        "'view 2'",
        "pose_covariance",
        "NaN",
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("matrix = ", "matrix = [[1.0, 0.0], [0.0, 1.0]] # ", ("'matrix'", "2x2", "3x3")),
        ("\nrotation = ", "\nrotation = [0.1, 0.2] # ", ("'rotation'", "expected 3")),
        ("translation = ", "translation = 3.0 # ", ("'translation'", "one number")),
        ("distortions = ", "distortions = [[0.1, 0.2]] # ", ("'distortions'", "1x2")),
        ("size = ", "size = [1280, 720, 3] # ", ("'size'", "expected 2")),
        ("size = ", "size = [1280.5, 720] # ", ("'size'", "whole pixels")),
        ("size = ", "size = [0, 720] # ", ("'size'", "whole pixels")),
        ("matrix = ", "matrix = [[1.0, 0.0], [0.0]] # ", ("'matrix'", "not an array of numbers")),
        ("translation = ", 'translation = ["1", "2", "3"] # ', ("'translation'", "numbers")),
        ("distortions = ", "distortions = [0.1, 0.2] # ", ("2 pinhole distortion",)),
        ("fisheye = false", "fisheye = true", ("5 fisheye distortion",)),
        ("fisheye = false", 'fisheye = "no"', ("'fisheye'", "true or false")),
        ("matrix = ", "matrix = [[-1,0,0],[0,1,0],[0,0,1]] # ", ("focal lengths",)),
    ],
)
def test_wrong_shape_or_type(old, new, words):
    refused(edited(old, new), "'view 2'", *words)


@pytest.mark.parametrize(
    "matrix",
    ["[[1,0,0],[0,1,0],[0,0,0]]", "[[1,0,0],[0,1,0],[0,0,-1]]", "[[2,0,0],[0,2,0],[0,0,2]]"],
)
@pytest.mark.parametrize("key", ["rotation", "rotation_matrix"])
def test_singular_mirrored_or_scaled_rotation(matrix, key):
    text = edited(f"\n{key} = ", f"\n{key} = {matrix} # ")
    refused(text, "'view 2'", repr(key), "not a rotation", "determinant")


def test_edited_rotation_vector_beside_the_old_matrix():
    text = edited("\nrotation = ", "\nrotation = [0.1, 0.2, 0.3] # ")
    refused(text, "'view 2'", "different rotations", "delete 'rotation_matrix'")
    lines = [line for line in text.splitlines() if not line.startswith("rotation_matrix")]
    pose = rig_from_toml("\n".join(lines), "my.toml").cameras[0].T_cam_world
    np.testing.assert_allclose(pose[:3, :3], matrix_from_rotvec(np.array([0.1, 0.2, 0.3])))


def test_name_that_is_no_text():
    refused(edited('name = "view 2"', "name = 2"), "'name'", "cam_00")


def test_duplicate_names():
    refused(edited('name = "view 1"', 'name = "view 2"'), "'view 2'", "rename")


def test_duplicate_sections():
    refused(edited("[cam_01]", "[cam_00]"), "not a valid TOML")


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ('["view 2"]', ("lists view 2", "view 1")),
        ('["view 2", "view 1", "view 0"]', ("view 0",)),
        ('["view 2", "other"]', ("other",)),
        ('["view 2", "view 1", "view 2"]', ("two entries", "'view 2'")),
        ('"view 2"', ("not a list of texts",)),
        ('["view 2", 1]', ("not a list of texts",)),
    ],
)
def test_order_that_does_not_match_the_sections(order, words):
    refused(edited('["view 2", "view 1"]', order), "camera_order", *words)


def test_missing_order_frame_units_and_provenance():
    refused(without_line("camera_order"), "'camera_order'", "missing")
    refused(without_line("world_frame"), "'world_frame'", "missing")
    refused(without_line("provenance"), "'provenance'", "missing")
    refused(without_line("units"), "'units' is missing")


def test_zero_cameras():
    refused(rig_to_toml(make_rig(2)).split("[cam_00]")[0], "no camera")


def test_newer_or_strange_format_version():
    line = "format_version = 1"
    refused(edited(line, "format_version = 2"), "version 2", "reads up to 1", "update")
    for strange in ('"1"', "0", "true"):
        refused(edited(line, f"format_version = {strange}"), "'format_version'", "whole number")


def test_units_of_the_file_win_and_contradictions_are_refused():
    text = rig_to_toml(make_rig(2))
    assert rig_from_toml(text, "my.toml", units="m") == make_rig(2)
    with pytest.raises(RigError, match="states that its units are m, but units mm"):
        rig_from_toml(text, "my.toml", units="mm")
    refused(edited('units = "m"', 'units = "inch"'), "'inch'", "m, mm")
    in_mm = rig_from_toml(edited('units = "m"', 'units = "mm"'), "my.toml").cameras[0]
    np.testing.assert_allclose(in_mm.translation_m, make_rig(2).cameras[0].translation_m / 1e3)
