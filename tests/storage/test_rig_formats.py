"""Calibration files of other tools: made-up ones for every rule, real ones for the conventions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mocap.errors import RigError
from mocap.geometry.projection import project_points
from mocap.geometry.rotations import rotvec_from_matrix
from mocap.model import Camera, Rig
from mocap.storage.rig_file import load_intrinsics, load_rig, rig_from_toml, rig_to_toml
from mocap.storage.rig_qualisys import QualisysFile
from mocap.storage.rig_units import NoPoseError, Units


def rig_from_qualisys(content: bytes, source: str, units: Units | None = None) -> Rig:
    return QualisysFile(content, source).rig(units)


QCA = "pose2sim_single/calibration/Calib.qca.txt"


def section(header: str, x: float = 0.0, name: str | None = None, **changes: str) -> str:
    keys = {
        "name": f'"{name}"' if name is not None else "",
        "size": "[1280, 720]",
        "matrix": "[[900.0, 0.0, 640.0], [0.0, 900.0, 360.0], [0.0, 0.0, 1.0]]",
        "distortions": "[-0.1, 0.02, 0.0, 0.0]",
        "rotation": "[0.0, 0.0, 0.0]",
        "translation": f"[{x}, 0.0, 0.0]",
        "fisheye": "false",
    } | changes
    return f"[{header}]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items() if v) + "\n"


def pixels(camera: Camera, point: tuple[float, float, float]) -> tuple[np.ndarray, float]:
    lens = camera.intrinsics
    uv, depth = project_points(
        np.array([point]), lens.matrix, lens.packed_distortions, False, camera.T_cam_world
    )
    return uv[0], float(depth[0])


# --- plain TOML ---


def test_plain_file_keeps_the_order_of_its_sections():
    order = [0, 1, 10, 11, 2, 9, 3, 8, 4, 7, 5, 6]
    text = "".join(section(f"cam_{i}", i / 10, name=f"view{i}") for i in order)
    rig = rig_from_toml(text, "calibration.toml")
    assert rig.names == tuple(f"view{i}" for i in order)
    np.testing.assert_allclose([c.translation_m[0] for c in rig], np.array(order) / 10)
    assert "calibration.toml" in rig.metadata.provenance[0]


def test_pose2sim_file_without_names_with_extras_and_other_sections():
    text = (
        "[metadata]\nadjusted = false\nerror = 0.0\n"
        + "[charuco]\nmatrix = 3\n[checkerboard]\nsize = 1\n[capture_volume]\nrotation = 1\n"
        + section("int_cam_b", 1.0, size="[1280.0, 720.0]", exposure="-7")
        + section("int_cam_a", 2.0)
    )
    rig = rig_from_toml(text, "Calib.toml")
    assert rig.names == ("int_cam_b", "int_cam_a")
    assert rig.cameras[0].intrinsics.size == (1280, 720)
    assert len(rig.cameras[0].intrinsics.distortions) == 4
    assert rig.cameras[0].time_offset_s == 0.0


def test_further_keys_of_ours_count_in_a_plain_file_too():
    rows = ", ".join(str([float(i == j) for j in range(6)]) for i in range(6))
    text = section("a", 500.0, time_offset_s="0.25", pose_covariance=f"[{rows}]")
    camera = rig_from_toml(text, "x.toml", units="mm").cameras[0]
    assert camera.time_offset_s == 0.25
    assert camera.pose_covariance is not None
    np.testing.assert_allclose(np.diag(camera.pose_covariance), [1, 1, 1, 1e-6, 1e-6, 1e-6])


def test_units_are_asked_for_when_metres_are_implausible():
    text = section("a") + section("b", 3000.0)
    with pytest.raises(RigError, match=r"x\.toml: cameras would be 3000 m apart.*pass units mm"):
        rig_from_toml(text, "x.toml")
    assert rig_from_toml(text, "x.toml", units="mm").cameras[1].translation_m[0] == 3.0
    assert rig_from_toml(text, "x.toml", units="m").cameras[1].translation_m[0] == 3000.0


def test_limit_of_the_plausible_spread():
    assert len(rig_from_toml(section("a") + section("b", 49.9), "x.toml")) == 2
    with pytest.raises(RigError, match="50 m apart"):
        rig_from_toml(section("a") + section("b", 50.1), "x.toml")
    # Far from the origin is no sign of a wrong unit, except for a lone camera.
    assert len(rig_from_toml(section("a", 200.0) + section("b", 201.0), "x.toml")) == 2
    with pytest.raises(RigError, match="pass units"):
        rig_from_toml(section("a", 200.0), "x.toml")


@pytest.mark.parametrize(("square", "x_m"), [("39", 0.3), ("5.0", 0.3), ("0.054", 300.0)])
def test_freemocap_units_follow_from_the_square_size(square, x_m):
    # The translations alone would be plausible either way for a small rig.
    head = f"[metadata]\ncharuco_square_size = {square}\ngroundplane_calibration = true\n"
    text = head + section("cam_0", 0.0) + section("cam_1", 300.0, world_position="[0.0, 0.0, 0.0]")
    rig = rig_from_toml(text, "freemocap.toml")
    assert rig.cameras[1].translation_m[0] == pytest.approx(x_m)
    assert f"charuco_square_size is {square}" in rig.metadata.provenance[0]
    assert "floor" in rig.metadata.world_frame


@pytest.mark.parametrize("square", ["1", "1.0", "2.5", "0", "nan", '"39"'])
def test_freemocap_square_size_that_says_nothing(square):
    text = f"[metadata]\ncharuco_square_size = {square}\n" + section("cam_0") + section("c", 2.0)
    with pytest.raises(RigError, match=r"x\.toml: charuco_square_size is .*pass units mm or m"):
        rig_from_toml(text, "x.toml")
    rig = rig_from_toml(text, "x.toml", units="mm")
    assert rig.cameras[1].translation_m[0] == pytest.approx(0.002)


def test_stated_units_of_a_plain_file():
    text = '[metadata]\nunits = "mm"\n' + section("a") + section("b", 3000.0)
    assert rig_from_toml(text, "x.toml").cameras[1].translation_m[0] == 3.0
    with pytest.raises(RigError, match="states that its units are mm"):
        rig_from_toml(text, "x.toml", units="m")


def test_rotation_as_matrix_is_taken():
    text = section("a", rotation="[[0,-1,0],[1,0,0],[0,0,1]]")
    pose = rig_from_toml(text, "x.toml").cameras[0].T_cam_world
    np.testing.assert_allclose(rotvec_from_matrix(pose[:3, :3]), [0, 0, np.pi / 2])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no camera"),
        ('title = "x"\n[metadata]\nerror = 0.1\n', "holds no camera.*title, metadata"),
        (section("a") + section("b", matrix=""), "camera 'b': key 'matrix' is missing"),
        (section("a", rotation="[nan, 0.0, 0.0]"), "camera 'a': 'rotation' holds NaN"),
        (section("a", name="x") + section("b", name="x"), r"x\.toml: two cameras .*'x'"),
        (section("a", name="a/b"), "camera 'a/b': a camera needs a name, without '/'"),
        ("metadata = 3\n" + section("a"), "'metadata' is 3, expected a section"),
    ],
)
def test_plain_file_is_refused(text, words):
    with pytest.raises(RigError, match=words) as caught:
        rig_from_toml(text, "x.toml")
    assert str(caught.value).startswith("x.toml")
    assert "\n" not in str(caught.value)


def test_real_shelf_calibration(shared_path: Callable[[str], Path]):
    rig = load_rig(shared_path("shelf_dev/calibration.toml"))
    assert rig.names == ("cam0", "cam1", "cam2", "cam3", "cam4")
    truth = np.load(shared_path("shelf_dev/gt.npz"))
    points = truth["positions"].reshape(-1, 3)
    points = points[np.isfinite(points).all(axis=1)][::50]
    for camera in rig:
        assert 0.8 < camera.center_world[2] < 3.0
        assert camera.T_cam_world[1, 2] < -0.8
        lens = camera.intrinsics
        uv, _ = project_points(
            points, lens.matrix, lens.packed_distortions, False, camera.T_cam_world
        )
        inside = ((uv >= 0) & (uv <= lens.size)).all(axis=1)
        # cam0 has two thirds of the people's joints in its image, the others all of them.
        assert inside.mean() > 0.6, camera.name


# --- Qualisys ---


def qualisys_camera(serial: str = "c1", **changes: str) -> str:
    values = {
        "head": "",
        "fov": 'left="0" top="0" right="1087" bottom="1919"',
        "transform": 'r11="1" r12="0" r13="0" r21="0" r22="0" r23="1" r31="0" r32="-1" r33="0" '
        'x="1000" y="-3000" z="1500"',
        "intrinsic": 'focalLengthU="64000" focalLengthV="64064" centerPointU="34816" '
        'centerPointV="61440" radialDistortion1="-0.05" radialDistortion2="0.14" '
        'radialDistortion3="0.01" tangentalDistortion1="0.001" tangentalDistortion2="0.002"',
    } | changes
    fov = f"<fov_video {values['fov']}/>" if values["fov"] else ""
    return (
        f'<camera serial="{serial}" {values["head"]}>{fov}'
        f"<transform {values['transform']}/><intrinsic {values['intrinsic']}/></camera>"
    )


def qualisys(*cameras: str) -> bytes:
    return f"<calibration><cameras>{''.join(cameras)}</cameras></calibration>".encode()


def test_qualisys_conventions_by_hand():
    # The camera stands at (1, -3, 1.5) m, upright, and looks along +y: right is +x, up is +z,
    # backwards is -y.
    camera = rig_from_qualisys(qualisys(qualisys_camera()), "x.qca.txt").cameras[0]
    np.testing.assert_allclose(camera.center_world, [1.0, -3.0, 1.5])
    uv, depth = pixels(camera, (1.0, 0.0, 1.5))
    assert depth == pytest.approx(3.0)
    np.testing.assert_allclose(uv, [544.0, 960.0])
    assert pixels(camera, (1.1, 0.0, 1.5))[0][0] > 544
    assert pixels(camera, (1.0, 0.0, 1.6))[0][1] < 960
    assert camera.intrinsics.size == (1088, 1920)
    np.testing.assert_array_equal(
        camera.intrinsics.matrix, [[1000, 0, 544], [0, 1001, 960], [0, 0, 1]]
    )
    np.testing.assert_array_equal(camera.intrinsics.distortions, [-0.05, 0.14, 0.001, 0.002, 0.01])


def test_qualisys_crop_moves_the_centre_and_sets_the_size():
    text = qualisys_camera(fov='left="100" top="40" right="739" bottom="519"')
    lens = rig_from_qualisys(qualisys(text), "x").cameras[0].intrinsics
    assert lens.size == (640, 480)
    assert (lens.matrix[0, 2], lens.matrix[1, 2]) == (444.0, 920.0)


def test_qualisys_marker_cameras_beside_video_cameras_are_left_out():
    video = qualisys_camera("v", head='model="Miqus Video"')
    marker = qualisys_camera("m", head='model="Arqus A12"')
    rig = rig_from_qualisys(qualisys(marker, video), "x")
    assert rig.names == ("v",)
    assert "left out the marker cameras m" in rig.metadata.provenance[0]
    assert rig_from_qualisys(qualisys(marker), "x").names == ("m",)
    names = rig_from_qualisys(qualisys(video, qualisys_camera("n", head='model="none"')), "x").names
    assert names == ("v", "n")


IDENTITY = 'r11="1" r12="0" r13="0" r21="0" r22="1" r23="0" r31="0" r32="0" r33="1" '


@pytest.mark.parametrize(
    ("camera", "words"),
    [
        (qualisys_camera("") + "", "a camera has no serial"),
        (qualisys_camera(fov=""), "camera 'c1': element 'fov_video' is missing"),
        (qualisys_camera(fov='left="0"'), "'top' of 'fov_video' is missing"),
        (qualisys_camera(fov='left="0" top="0" right="9.5" bottom="9"'), "whole pixels"),
        (qualisys_camera(fov='left="0" top="0" right="-1" bottom="9"'), "two positive numbers"),
        (qualisys_camera(transform=IDENTITY + 'x="1" y="nan" z="1"'), "'y' of 'transform' is NaN"),
        (qualisys_camera(transform=IDENTITY + 'x="1" y="one" z="1"'), "'one', not a number"),
        (
            qualisys_camera(transform=IDENTITY.replace('r33="1"', 'r33="0"') + 'x="1" y="1" z="1"'),
            "camera 'c1': 'transform' is not a rotation",
        ),
        (qualisys_camera(head='viewrotation="90"'), "viewrotation is 90, expected 0"),
        (qualisys_camera(head='video_resolution="540p"'), "video_resolution is 540p"),
        (qualisys_camera() + qualisys_camera(), "two cameras of the rig are called 'c1'"),
        ("", "without calibration/cameras/camera"),
    ],
)
def test_qualisys_is_refused(camera, words):
    with pytest.raises(RigError, match=words) as caught:
        rig_from_qualisys(qualisys(camera), "x.qca.txt")
    assert str(caught.value).startswith("x.qca.txt")
    assert "\n" not in str(caught.value)


def test_qualisys_units_cannot_be_overruled(tmp_path: Path):
    path = tmp_path / "rig.qca.txt"
    path.write_bytes(b"\n" + qualisys(qualisys_camera()))
    assert load_rig(path, units="mm") == load_rig(path)
    with pytest.raises(RigError, match="Qualisys files are in mm, but units m"):
        load_rig(path, units="m")


def test_real_qualisys_rig_is_sane(shared_path: Callable[[str], Path]):
    rig = load_rig(shared_path(QCA))
    assert rig.names == ("cam01", "cam02", "cam03", "cam04")
    assert rig_from_toml(rig_to_toml(rig), "rig") == rig
    for camera in rig:
        assert camera.intrinsics.size == (1088, 1920)
        assert 1.5 < camera.center_world[2] < 2.5
        # Upright: the image's downward axis points down in the world.
        assert camera.T_cam_world[1, 2] < -0.8
        uv, depth = pixels(camera, (0.0, 0.0, 1.0))
        assert 2.0 < depth < 5.0
        assert (uv > 0).all()
        assert (uv < camera.intrinsics.size).all()
        k1, k2 = camera.intrinsics.distortions[:2]
        assert -0.06 < k1 < -0.04
        assert 0.12 < k2 < 0.15


def test_real_qualisys_pose_equals_what_pose2sim_made_of_it(shared_path: Callable[[str], Path]):
    # Rotation and translation of cam_01 and cam_03 in the Calib.toml which Pose2Sim's demo ships,
    # converted by Pose2Sim from the same Qualisys file.
    rig = load_rig(shared_path(QCA))
    expected = {
        "cam01": ([1.68827548, 1.04832205, -0.41955852], [0.32110489, 0.95633206, 2.89071305]),
        "cam03": ([0.81096549, -2.19721293, 1.37602778], [-0.79348039, 0.32283594, 4.35351487]),
    }
    for name, (rotation, translation) in expected.items():
        np.testing.assert_allclose(rig[name].rotation_vector, rotation, atol=1e-7)
        np.testing.assert_allclose(rig[name].translation_m, translation, atol=1e-7)
    np.testing.assert_allclose(rig["cam01"].intrinsics.matrix[0, 2], 532.97369384375, atol=1e-9)


# --- liberal in what is right in only one way ---


def lens_of(text: str):
    return rig_from_toml(text, "x.toml").cameras[0].intrinsics


def test_keys_in_other_case():
    text = section("Cam_A").replace("matrix", "Matrix").replace("size", "SIZE")
    text = text.replace("translation", "Translation")
    rig = rig_from_toml("[Metadata]\nmatrix = 1\n" + text, "x.toml")
    assert rig.names == ("Cam_A",)
    assert rig.cameras[0].intrinsics.size == (1280, 720)


def test_missing_distortions_are_none_and_told(caplog):
    assert len(lens_of(section("a", distortions="")).distortions) == 0
    assert "camera 'a': no distortion coefficients" in caplog.text
    with pytest.raises(RigError, match="camera 'a': a fisheye lens without 'distortions'"):
        lens_of(section("a", distortions="", fisheye="true"))


@pytest.mark.parametrize(
    "size", ['["1280", "720"]', '"1280x720"', "[[1280, 720]]", '"(1280, 720)"']
)
def test_size_in_other_forms(size):
    assert lens_of(section("a", size=size)).size == (1280, 720)


@pytest.mark.parametrize("size", ['["1280", "many"]', '"1280"', '"1280.5x720"', '"-1x720"', "true"])
def test_size_that_is_none(size):
    with pytest.raises(RigError, match=r"camera 'a': 'size'"):
        lens_of(section("a", size=size))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("[0.1, 0.2, 0.3, 0.4]", 4),
        ("[[0.1, 0.2, 0.3, 0.4, 0.5]]", 5),
        ("[[0.1], [0.2], [0.3], [0.4], [0.5], [0.6], [0.7], [0.8]]", 8),
        ("[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.0, 0.0, 0.0, 0.0]", 8),
        (f"[0.1{', 0.0' * 13}]", 8),
        ("[0.0, 0.0]", 0),
    ],
)
def test_numbers_of_distortion_coefficients(given, kept):
    assert len(lens_of(section("a", distortions=given)).distortions) == kept


def test_coefficients_that_no_model_here_has():
    for count in (12, 14):
        text = section("a", distortions=f"[0.1{', 0.0' * (count - 2)}, 0.001]")
        with pytest.raises(RigError, match=rf"camera 'a': {count} distortion coefficients, of whi"):
            lens_of(text)
    for values in ("[0.1, 0.2]", "[0.1, 0.2, 0.3]", "[1, 2, 3, 4, 5, 6]"):
        with pytest.raises(RigError, match="pinhole distortion coefficients, expected one of"):
            lens_of(section("a", distortions=values))


@pytest.mark.parametrize(
    ("flag", "lens"),
    [("true", "fisheye"), ("1", "fisheye"), ('"True"', "fisheye"), ("0", "pinhole")],
)
def test_fisheye_flag_in_other_forms(flag, lens):
    assert lens_of(section("a", fisheye=flag)).lens == lens
    with pytest.raises(RigError, match="'fisheye' is 'maybe'; write true or false"):
        lens_of(section("a", fisheye='"maybe"'))


def test_rotation_matrix_that_was_rounded():
    rounded = "[[0.8660, -0.5000, 0.0], [0.5000, 0.8660, 0.0], [0.0, 0.0, 1.0]]"
    pose = rig_from_toml(section("a", rotation=rounded), "x").cameras[0].T_cam_world
    np.testing.assert_allclose(rotvec_from_matrix(pose[:3, :3]), [0, 0, np.pi / 6], atol=1e-4)
    with pytest.raises(RigError, match="'rotation' is not a rotation"):
        rig_from_toml(section("a", rotation=rounded.replace("0.8660", "0.8700")), "x")


def test_freemocap_pose_from_world_position_and_orientation():
    both = section("a", 0.5, rotation="[0.1, 0.2, 0.3]")
    camera = rig_from_toml(both, "x").cameras[0]
    world = section(
        "a",
        rotation="",
        translation="",
        world_position=str(camera.center_world.tolist()),
        world_orientation=str(camera.T_world_cam[:3, :3].tolist()),
    )
    np.testing.assert_allclose(
        rig_from_toml(world, "x").cameras[0].T_cam_world, camera.T_cam_world, atol=1e-14
    )
    half = section("a", rotation="", translation="", world_position="[0.0, 0.0, 0.0]")
    with pytest.raises(RigError, match="'world_orientation' is missing"):
        rig_from_toml(half, "x")


def test_lenses_of_plain_files_without_pose_or_unit(tmp_path: Path):
    path = tmp_path / "Calib_int.toml"
    path.write_text(section("a", rotation="", translation="") + section("b", name="x"))
    lenses = load_intrinsics(path)
    assert list(lenses) == ["a", "x"]
    with pytest.raises(RigError, match=r"no pose .* of a; calibrate"):
        load_rig(path)
    path.write_text(section("a", rotation="", translation=""))
    with pytest.raises(NoPoseError, match=r"no pose .* of a; calibrate"):
        load_rig(path)
    # The unit of the poses does not matter for a lens.
    path.write_text("[metadata]\ncharuco_square_size = 1\n" + section("a") + section("b", 9000.0))
    assert list(load_intrinsics(path)) == ["a", "b"]
    path.write_text(section("a", name="x") + section("b", name="x"))
    with pytest.raises(RigError, match="two cameras are called 'x'"):
        load_intrinsics(path)


def test_lenses_of_qualisys_and_of_our_own_file(tmp_path: Path, shared_path):
    rig = load_rig(shared_path(QCA))
    path = tmp_path / "rig.toml"
    turned = Rig(rig.cameras[::-1], rig.metadata)
    path.write_text(rig_to_toml(turned))
    assert list(load_intrinsics(path)) == list(turned.names)
    assert load_intrinsics(path) == load_intrinsics(shared_path(QCA))
    path.write_text(rig_to_toml(rig).replace('name = "cam02"', 'name = "cam01"'))
    with pytest.raises(RigError, match="two sections are called 'cam01'"):
        load_intrinsics(path)
