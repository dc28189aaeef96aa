"""Rigs written for other programs: round trips, what is lost and told, and what is refused."""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mocap.errors import InputError, OutputError, RigError
from mocap.geometry.projection import project_points
from mocap.model import Camera, Intrinsics, LensModel, Rig, RigMetadata
from mocap.storage.rig_export import RIG_FORMATS, export_rig
from mocap.storage.rig_file import load_intrinsics, load_rig
from mocap.storage.rig_fitting import key_names, numbered_names, with_terms
from mocap.storage.rig_plain_text import pose2sim_order
from mocap.storage.rig_units import Units

MATRIX = np.array([[901.2345678901234, 0.0, 639.1], [0.0, 899.7654321098765, 361.9], [0, 0, 1]])
FIVE = (-0.12, 0.034, 1.5e-4, -2.5e-5, 0.0061)
RATIONAL = (*FIVE, 0.01, -0.02, 0.003)
FISHEYE = (0.1, -0.02, 0.003, -0.0004)

EVERY_UNIT = [(name, unit) for name, f in RIG_FORMATS.items() for unit in f.units]


def make_camera(
    name: str, seed: int, distortions: Sequence[float] = FIVE, lens: LensModel = "pinhole"
) -> Camera:
    rng = np.random.default_rng(seed)
    intrinsics = Intrinsics((1280, 720), MATRIX + np.diag([seed, seed, 0]), distortions, lens)
    return Camera.from_rotvec(
        name, intrinsics, rng.uniform(-1, 1, 3), rng.uniform((-1, -1, 4), (1, 1, 6))
    )


def make_rig(n: int = 3, distortions: Sequence[float] = FIVE) -> Rig:
    # The numbers do not start at 0, and as text they sort in another order.
    cameras = [make_camera(f"cam_{i + 1}", i, distortions) for i in range(n)]
    return Rig(tuple(cameras), RigMetadata("right-handed, Z up, metres", ("calibrate x.mp4",)))


def pixels(rig: Rig) -> np.ndarray:
    points = np.random.default_rng(9).uniform(-0.8, 0.8, (40, 3))
    arrays = rig.arrays
    return np.stack(
        [
            project_points(
                points,
                arrays.matrix[c],
                arrays.distortions[c],
                bool(arrays.fisheye[c]),
                arrays.T_cam_world[c],
            )[0]
            for c in range(len(rig))
        ]
    )


def there_and_back(rig: Rig, folder: Path, name: str, units: Units | None = None) -> Rig:
    path = folder / ("cams" if RIG_FORMATS[name].files else "rig.x")
    made = export_rig(rig, path, name, units=units, overwrite=True)
    assert all(p.is_file() for p in made)
    again = load_rig(path)
    assert load_intrinsics(path) == {camera.name: camera.intrinsics for camera in again}
    return again


# --- round trips ---


@pytest.mark.parametrize(("name", "unit"), EVERY_UNIT)
def test_twelve_cameras_keep_order_names_lenses_and_poses(tmp_path: Path, caplog, name, unit):
    rig = make_rig(12)
    again = there_and_back(rig, tmp_path, name, unit)
    assert again.names == rig.names
    for ours, theirs in zip(rig, again, strict=True):
        assert theirs.intrinsics == ours.intrinsics
    # Millimetres round the last bit of the translation, rotation vectors that of the matrix.
    np.testing.assert_allclose(again.arrays.T_cam_world, rig.arrays.T_cam_world, atol=1e-14)
    np.testing.assert_allclose(pixels(again), pixels(rig), atol=1e-9)
    assert not caplog.records


@pytest.mark.parametrize(
    ("name", "count"),
    [(n, c) for n, f in RIG_FORMATS.items() for c in (0, 4, 5, 8) if c <= f.carries.terms[-1]],
)
def test_every_number_of_coefficients_gives_the_same_lens(tmp_path: Path, name, count):
    rig = make_rig(2, RATIONAL[:count])
    again = there_and_back(rig, tmp_path, name)
    for ours, theirs in zip(rig, again, strict=True):
        packed = theirs.intrinsics.packed_distortions
        np.testing.assert_array_equal(packed, ours.intrinsics.packed_distortions)


@pytest.mark.parametrize("name", [n for n, f in RIG_FORMATS.items() if f.carries.fisheye])
def test_fisheye_among_other_lenses(tmp_path: Path, name):
    cameras = (
        make_camera("cam_0", 0, FISHEYE, "fisheye"),
        make_camera("cam_1", 1, FIVE),
        make_camera("cam_2", 2, (0, 0, 0, 0), "fisheye"),
    )
    rig = Rig(cameras)
    again = there_and_back(rig, tmp_path, name)
    assert [c.intrinsics.lens for c in again] == ["fisheye", "pinhole", "fisheye"]
    np.testing.assert_allclose(pixels(again), pixels(rig), atol=1e-9)


@pytest.mark.parametrize("name", RIG_FORMATS)
def test_different_sizes_and_one_camera(tmp_path: Path, name):
    lens = Intrinsics((1088, 1920), MATRIX, FIVE)
    rig = Rig((replace(make_camera("cam_7", 0), intrinsics=lens),))
    again = there_and_back(rig, tmp_path, name)
    assert again.names == ("cam_7",)
    assert again.cameras[0].intrinsics == lens


@settings(max_examples=25, deadline=None)
@given(
    rotvec=st.lists(st.floats(-4, 4), min_size=3, max_size=3),
    translation=st.lists(st.floats(-20, 20), min_size=3, max_size=3),
    centre=st.tuples(st.floats(300, 900), st.floats(200, 500)),
    k=st.lists(st.floats(-0.3, 0.3), min_size=5, max_size=5),
)
def test_any_pose_and_lens(tmp_path_factory, rotvec, translation, centre, k):
    matrix = MATRIX.copy()
    matrix[:2, 2] = centre
    lens = Intrinsics((1280, 720), matrix, np.array(k))
    camera = Camera.from_rotvec("cam_0", lens, np.array(rotvec), np.array(translation))
    folder = tmp_path_factory.mktemp("rig")
    for name in RIG_FORMATS:
        again = there_and_back(Rig((camera,)), folder, name).cameras[0]
        assert again.intrinsics == lens, name
        np.testing.assert_allclose(
            again.T_cam_world, camera.T_cam_world, rtol=0, atol=1e-13, err_msg=name
        )


STRANGE = ["a b", "view.2", "7", "κάμερα", 'q"uo\\te', "[x]", "metadata", "cam_00"]


@pytest.mark.parametrize("name", ["mocap", "aniposelib", "freemocap", "pose2sim", "opencv"])
def test_formats_that_hold_any_name(tmp_path: Path, name):
    rig = Rig(tuple(make_camera(text, i) for i, text in enumerate(STRANGE)))
    again = there_and_back(rig, tmp_path, name)
    assert sorted(again.names) == sorted(STRANGE)
    for camera in rig:
        assert again[camera.name].intrinsics == camera.intrinsics
    if name != "pose2sim":
        assert again.names == rig.names


def test_control_characters_in_names(tmp_path: Path, caplog):
    rig = Rig((make_camera("a\tb\nc", 0),))
    assert there_and_back(rig, tmp_path, "aniposelib").names == ("a\tb\nc",)
    assert there_and_back(rig, tmp_path, "opencv").names == ("a_b_c",)
    assert "is called 'a_b_c' in the file for OpenCV" in caplog.text


# --- names and order ---


def test_easymocap_names_are_parts_of_keys(tmp_path: Path, caplog):
    names = ["01", "left cam", "view.2", "κ"]
    rig = Rig(tuple(make_camera(text, i) for i, text in enumerate(names)))
    assert there_and_back(rig, tmp_path, "easymocap").names == ("01", "left cam", "view_2", "_")
    assert "camera 'view.2' is called 'view_2' in the file for EasyMocap" in caplog.text
    assert "'01'" not in caplog.text
    both = Rig((make_camera("a.1", 0), make_camera("a_1", 1)))
    with pytest.raises(RigError, match=r"camera 'a\.1' would be called 'a_1'"):
        export_rig(both, tmp_path / "x", "easymocap")


def test_caliscope_names_are_numbers(tmp_path: Path, caplog):
    rig = Rig((make_camera("port_4", 0), make_camera("cam_2", 1)))
    assert there_and_back(rig, tmp_path, "caliscope").names == ("cam_4", "cam_2")
    assert "camera 'port_4' is called 'cam_4' in the file for Caliscope" in caplog.text
    rig = Rig((make_camera("left", 0), make_camera("cam_0", 1)))
    assert there_and_back(rig, tmp_path, "caliscope").names == ("cam_0", "cam_1")
    assert "camera 'cam_0' is called 'cam_1'" in caplog.text


def test_name_rules():
    assert numbered_names(["cam01", "12", "Port_3"]) == ["cam_1", "cam_12", "cam_3"]
    assert numbered_names(["cam1", "cam_1"]) == ["cam_0", "cam_1"]
    assert key_names([" a.b ", "ü/x"]) == ["a_b", "__x"]
    assert pose2sim_order(["b", "cam_10", "cam_9", "a", "2cam1"]) == [
        *("2cam1", "cam_9", "cam_10"),
        *("a", "b"),
    ]


def test_pose2sim_pairs_cameras_with_its_folders_by_number(tmp_path: Path, caplog):
    rig = Rig(tuple(make_camera(text, i) for i, text in enumerate(["cam_10", "cam_2", "cam_1"])))
    again = there_and_back(rig, tmp_path, "pose2sim")
    assert again.names == ("cam_1", "cam_2", "cam_10")
    assert again["cam_10"].intrinsics == rig["cam_10"].intrinsics
    assert "cam_1, cam_2, cam_10" in caplog.text


# --- what is lost ---


@pytest.mark.parametrize("name", RIG_FORMATS)
def test_time_offset_and_covariance_are_told_by_camera(tmp_path: Path, caplog, name):
    rig = make_rig(2)
    covariance = np.eye(6) * 1e-6
    camera = replace(rig.cameras[1], time_offset_s=0.0125, pose_covariance=covariance)
    again = there_and_back(rig.replaced(camera), tmp_path, name)
    if name == "mocap":
        assert again.cameras[1] == camera
        assert not caplog.records
        return
    assert again.cameras[1].time_offset_s == 0.0
    assert again.cameras[1].pose_covariance is None
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 2
    assert all("camera 'cam_2'" in text for text in texts)
    assert "12.5 ms is lost" in texts[0]
    assert "covariance" in texts[1]


@pytest.mark.parametrize("name", RIG_FORMATS)
def test_skew_is_told(tmp_path: Path, caplog, name):
    matrix = MATRIX.copy()
    matrix[0, 1] = 0.75
    rig = Rig((replace(make_camera("cam_0", 0), intrinsics=Intrinsics((1280, 720), matrix, FIVE)),))
    assert there_and_back(rig, tmp_path, name).cameras[0].intrinsics.matrix[0, 1] == 0.75
    assert ("skew of the camera matrix (0.75 px)" in caplog.text) == (name != "mocap")


@pytest.mark.parametrize("name", ["pose2sim", "easymocap"])
def test_fisheye_is_refused_where_the_program_has_none(tmp_path: Path, name):
    rig = Rig((make_camera("cam_0", 0), make_camera("cam_1", 0, FISHEYE, "fisheye")))
    with pytest.raises(RigError, match="camera 'cam_1' has a fisheye lens"):
        export_rig(rig, tmp_path / "x", name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["caliscope", "easymocap"])
def test_rational_terms_are_fitted_if_that_is_near_enough(tmp_path: Path, caplog, name):
    # Also a lens with eight coefficients of which three are zero: nothing is lost.
    rig = Rig((make_camera("cam_0", 0, RATIONAL), make_camera("cam_1", 1, (*FIVE, 0, 0, 0))))
    again = there_and_back(rig, tmp_path, name)
    np.testing.assert_array_equal(again.cameras[1].intrinsics.distortions, FIVE)
    assert len(caplog.records) == 1
    text = caplog.records[0].getMessage()
    assert "camera 'cam_0'" in text
    assert "5 of the 8 distortion coefficients" in text
    _, off_px = with_terms(rig.cameras[0].intrinsics, 5)
    assert f"at most {off_px:.2g} px" in text
    assert 0 < off_px < 0.1
    # The program's pixels and ours, all over the image.
    lens, fitted = rig.cameras[0].intrinsics, again.cameras[0].intrinsics
    rays = np.stack(np.meshgrid(np.linspace(-0.6, 0.6, 15), np.linspace(-0.35, 0.35, 9)), -1)
    rays = np.concatenate([rays, np.ones((*rays.shape[:2], 1))], axis=-1)
    apart = [
        project_points(rays, x.matrix, x.packed_distortions, False, np.eye(4))[0]
        for x in (lens, fitted)
    ]
    assert np.abs(apart[0] - apart[1]).max() <= off_px


def test_rational_terms_that_cannot_be_fitted_are_refused(tmp_path: Path):
    wide = (20.0, 30.0, 0.0, 0.0, 5.0, 20.5, 38.0, 15.0)
    rig = Rig((make_camera("cam_3", 0, wide),))
    with pytest.raises(RigError, match=r"holds 5 of the 8 .*no lens with 5 is nearer than"):
        export_rig(rig, tmp_path / "x", "caliscope")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("terms", [4, 5])
def test_fitting_a_lens_which_has_so_few_terms_gives_it_back(terms):
    lens = Intrinsics((1280, 720), MATRIX, np.array([*FIVE[:terms], 0, 0, 0, 0])[:8])
    lens = replace(lens, distortions=np.pad(np.array(FIVE[:terms]), (0, 8 - terms)))
    fitted, off_px = with_terms(lens, terms)
    np.testing.assert_allclose(fitted.distortions, FIVE[:terms], atol=1e-9)
    assert off_px < 1e-8


# --- units ---


def test_units_of_the_files(tmp_path: Path):
    rig = make_rig(2)
    for name, unit, scale in [
        ("aniposelib", None, 1.0),
        ("aniposelib", "mm", 1000.0),
        ("freemocap", None, 1000.0),
        ("freemocap", "m", 1.0),
        ("pose2sim", None, 1.0),
        ("caliscope", None, 1.0),
    ]:
        path = tmp_path / "x.toml"
        export_rig(rig, path, name, units=unit, overwrite=True)
        document = tomllib.loads(path.read_text())
        first = document["cameras"]["1"] if "cameras" in document else next(iter(document.values()))
        np.testing.assert_allclose(first["translation"], rig.cameras[0].translation_m * scale)
        if name in ("aniposelib", "freemocap"):
            assert document["metadata"]["units"] == (unit or RIG_FORMATS[name].units[0])


@pytest.mark.parametrize("name", ["mocap", "pose2sim", "caliscope", "easymocap"])
def test_unit_that_a_format_cannot_have(tmp_path: Path, name):
    with pytest.raises(InputError, match=rf"format {name} are in m, but units mm"):
        export_rig(make_rig(), tmp_path / "x", name, units="mm")


# --- files ---


def test_unknown_format(tmp_path: Path):
    with pytest.raises(InputError, match=r"unknown rig format 'colmap'; formats are mocap, anip"):
        export_rig(make_rig(), tmp_path / "x", "colmap")


@pytest.mark.parametrize("name", RIG_FORMATS)
def test_existing_files_are_kept_unless_asked(tmp_path: Path, name):
    path = tmp_path / "x"
    made = export_rig(make_rig(2), path, name)
    with pytest.raises(OutputError, match="exists already"):
        export_rig(make_rig(3), path, name)
    assert len(load_rig(path)) == 2
    assert export_rig(make_rig(3), path, name, overwrite=True) == made
    assert len(load_rig(path)) == 3


def test_folder_and_file_are_not_mixed_up(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="is a file; format easymocap is a folder"):
        export_rig(make_rig(), tmp_path / "file", "easymocap", overwrite=True)
    with pytest.raises(OutputError, match="is a folder; name a file"):
        export_rig(make_rig(), tmp_path, "opencv", overwrite=True)


def test_one_existing_file_of_two_keeps_both(tmp_path: Path):
    (tmp_path / "extri.yml").write_text("mine")
    with pytest.raises(OutputError, match=r"extri\.yml exists already"):
        export_rig(make_rig(), tmp_path, "easymocap")
    assert [p.name for p in tmp_path.iterdir()] == ["extri.yml"]


# --- other programs read it ---


def test_opencv_reads_the_multiview_file(tmp_path: Path):
    rig = Rig((make_camera("left", 0), make_camera("right", 1, FISHEYE, "fisheye")))
    path = tmp_path / "rig.yml"
    export_rig(rig, path, "opencv", units="mm")
    file = cv2.FileStorage(str(path), cv2.FILE_STORAGE_READ)
    # Read as OpenCV's multi-view sample reads the same keys.
    read = {k: file.getNode(k).mat() for k in ("Ks", "distortions", "rvecs", "Ts", "is_fisheye")}
    assert file.getNode("cam_ids").string() == "left,right"
    assert file.getNode("units").string() == "mm"
    sizes = file.getNode("image_sizes").mat()
    np.testing.assert_array_equal(sizes, [[1280, 720], [1280, 720]])
    assert sizes.dtype.kind == read["is_fisheye"].dtype.kind == "i"
    points = np.random.default_rng(0).uniform(-500, 500, (20, 1, 3))
    theirs = [
        cv2.projectPoints(
            points, read["rvecs"][0], read["Ts"][0], read["Ks"][0], read["distortions"][0]
        )[0],
        cv2.fisheye.projectPoints(
            points, read["rvecs"][1], read["Ts"][1], read["Ks"][1], read["distortions"][1, :4]
        )[0],
    ]
    assert read["is_fisheye"].ravel().tolist() == [0, 1]
    for camera, their in zip(rig, theirs, strict=True):
        lens = camera.intrinsics
        ours, _ = project_points(
            points[:, 0] / 1000,
            lens.matrix,
            lens.packed_distortions,
            lens.lens == "fisheye",
            camera.T_cam_world,
        )
        np.testing.assert_allclose(their[:, 0], ours, atol=1e-8)


def test_opencv_reads_the_easymocap_files(tmp_path: Path):
    names = ["01", "2", "left cam"]
    rig = Rig(tuple(make_camera(name, i) for i, name in enumerate(names)))
    export_rig(rig, tmp_path, "easymocap")
    files = {
        stem: cv2.FileStorage(str(tmp_path / f"{stem}.yml"), cv2.FILE_STORAGE_READ)
        for stem in ("intri", "extri")
    }
    for file in files.values():
        node = file.getNode("names")
        assert [node.at(i).string() for i in range(node.size())] == names
    for camera in rig:
        name, lens = camera.name, camera.intrinsics
        intri, extri = files["intri"], files["extri"]
        np.testing.assert_array_equal(intri.getNode(f"K_{name}").mat(), lens.matrix)
        np.testing.assert_array_equal(intri.getNode(f"dist_{name}").mat(), lens.distortions[None])
        assert int(intri.getNode(f"W_{name}").real()) == 1280
        assert int(intri.getNode(f"H_{name}").real()) == 720
        rotation = cv2.Rodrigues(extri.getNode(f"R_{name}").mat())[0]
        np.testing.assert_allclose(rotation, camera.T_cam_world[:3, :3], atol=1e-14)
        np.testing.assert_array_equal(
            extri.getNode(f"Rot_{name}").mat(), camera.T_cam_world[:3, :3]
        )
        np.testing.assert_array_equal(
            extri.getNode(f"T_{name}").mat(), camera.translation_m[:, None]
        )


def test_pose2sim_form(tmp_path: Path):
    rig = Rig((make_camera("cam_01", 0), make_camera("cam 02", 1)))
    path = tmp_path / "Calib.toml"
    export_rig(rig, path, "pose2sim")
    document = tomllib.loads(path.read_text())
    # As Pose2Sim finds the cameras.
    skipped = ["metadata", "capture_volume", "charuco", "checkerboard"]
    keys = [k for k in document if k not in skipped and isinstance(document[k], dict)]
    assert [document[k]["name"] for k in keys] == ["cam_01", "cam 02"]
    assert keys[0] == "cam_01"
    assert all(isinstance(side, float) for side in document[keys[0]]["size"])
    assert document["metadata"] == {"adjusted": False, "error": 0.0}


def test_freemocap_form(tmp_path: Path):
    rig = make_rig(12)
    path = tmp_path / "x_camera_calibration.toml"
    export_rig(rig, path, "freemocap")
    document = tomllib.loads(path.read_text())
    sections = [k for k in document if k != "metadata"]
    assert sections == sorted(sections)
    assert sections[0] == "cam_00"
    # What its Blender add-on needs; it takes positions in mm and columns as axes.
    assert document["metadata"]["groundplane_calibration"] is True
    for key, camera in zip(sections, rig, strict=True):
        table = document[key]
        np.testing.assert_allclose(table["world_position"], 1000 * camera.center_world)
        np.testing.assert_allclose(
            table["world_orientation"], camera.T_world_cam[:3, :3], atol=1e-15
        )
    lying = Rig(rig.cameras, RigMetadata("frame of the first camera"))
    export_rig(lying, path, "freemocap", overwrite=True)
    document = tomllib.loads(path.read_text())
    assert document["metadata"]["groundplane_calibration"] is False


@pytest.mark.parametrize("name", ["aniposelib", "freemocap", "pose2sim"])
def test_the_toml_library_of_these_programs_reads_it(tmp_path: Path, name):
    toml = pytest.importorskip("toml")
    path = tmp_path / "x.toml"
    export_rig(make_rig(12), path, name)
    assert toml.load(path) == tomllib.loads(path.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["m", "mm"])
def test_aniposelib_loads_it_and_projects_the_same(tmp_path: Path, unit):
    from aniposelib.cameras import CameraGroup

    rig = Rig(
        (
            *make_rig(10).cameras,
            make_camera("fish", 10, FISHEYE, "fisheye"),
            make_camera("rational", 11, RATIONAL),
            make_camera("plain", 12, ()),
        )
    )
    path = tmp_path / "calibration.toml"
    export_rig(rig, path, "aniposelib", units=unit)
    group = CameraGroup.load(str(path))
    assert tuple(group.get_names()) == rig.names
    points = np.random.default_rng(1).uniform(-0.5, 0.5, (20, 3))
    theirs = group.project(points * (1000 if unit == "mm" else 1))
    for c, camera in enumerate(rig):
        lens = camera.intrinsics
        ours, _ = project_points(
            points,
            lens.matrix,
            lens.packed_distortions,
            lens.lens == "fisheye",
            camera.T_cam_world,
        )
        np.testing.assert_allclose(theirs[c], ours, atol=1e-8, err_msg=camera.name)
    # What aniposelib itself writes keeps the unit.
    dumped = tmp_path / "dumped.toml"
    group.dump(str(dumped))
    again = load_rig(dumped)
    assert again.names == rig.names
    np.testing.assert_allclose(again.arrays.T_cam_world, rig.arrays.T_cam_world, atol=1e-12)


@pytest.mark.parametrize("name", RIG_FORMATS)
def test_real_rig(tmp_path: Path, caplog, shared_path: Callable[[str], Path], name):
    rig = load_rig(shared_path("pose2sim_single/calibration/Calib.qca.txt"))
    caplog.set_level(logging.WARNING)
    again = there_and_back(rig, tmp_path, name)
    np.testing.assert_allclose(again.arrays.T_cam_world, rig.arrays.T_cam_world, atol=1e-14)
    np.testing.assert_allclose(pixels(again), pixels(rig), atol=1e-9)
