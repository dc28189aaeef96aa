"""Caliscope's camera_array.toml: versions of it, cameras without pose, and real files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mocap.errors import RigError
from mocap.geometry.rotations import matrix_from_rotvec
from mocap.storage.rig_file import load_intrinsics, load_rig, rig_from_toml
from mocap.storage.rig_units import NoPoseError


def section(key: str, **changes: str | None) -> str:
    keys: dict[str, str | None] = {
        "size": "[1280, 720]",
        "matrix": "[[900.0, 0.0, 640.0], [0.0, 901.0, 360.0], [0.0, 0.0, 1.0]]",
        "distortions": "[-0.1, 0.02, 0.0, 0.0, 0.003]",
        "rotation": "[0.1, -0.2, 0.3]",
        "translation": "[0.5, 0.25, 2.0]",
        "rotation_count": "-1",
        "fisheye": "false",
    }
    keys |= changes
    return f"[cameras.{key}]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items() if v) + "\n"


def test_cameras_are_called_after_their_videos_in_the_order_of_the_file():
    order = [0, 1, 10, 11, 2, 9, 3, 8, 4, 7, 5, 6]
    text = "".join(section(str(i), translation=f"[{i / 10}, 0.0, 0.0]") for i in order)
    rig = rig_from_toml(text, "camera_array.toml")
    assert rig.names == tuple(f"cam_{i}" for i in order)
    np.testing.assert_allclose([c.translation_m[0] for c in rig], np.array(order) / 10)
    assert "Caliscope" in rig.metadata.provenance[0]
    # How the images are turned to be shown is not part of the calibration.
    assert rig.cameras[0].intrinsics.size == (1280, 720)


@pytest.mark.parametrize("version", [{"cam_id": "3"}, {"port": "3"}, {}])
def test_number_is_repeated_by_some_versions(version):
    assert rig_from_toml(section("3", **version), "x").names == ("cam_3",)
    if version:
        with pytest.raises(RigError, match=r"x: section \[cameras\.4\] says (cam_id|port) = 3"):
            rig_from_toml(section("4", **version), "x")


@pytest.mark.parametrize("vector", ["[0.1, -0.2, 0.3]", "[[0.1], [-0.2], [0.3]]"])
def test_rotation_as_vector_and_as_matrix(vector):
    expected = matrix_from_rotvec(np.array([0.1, -0.2, 0.3]))
    pose = rig_from_toml(section("0", rotation=vector), "x").cameras[0].T_cam_world
    np.testing.assert_array_equal(pose[:3, :3], expected)
    np.testing.assert_array_equal(pose[:3, 3], [0.5, 0.25, 2.0])
    exact = section("0", rotation=str(expected.tolist()))
    np.testing.assert_array_equal(
        rig_from_toml(exact, "x").cameras[0].T_cam_world[:3, :3], expected
    )
    rounded = section("0", rotation=str(np.round(expected, 5).tolist()))
    pose = rig_from_toml(rounded, "x").cameras[0].T_cam_world
    np.testing.assert_allclose(pose[:3, :3], expected, atol=1e-5)
    np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-14)


def test_mirrored_and_scaled_rotations_are_refused():
    for matrix in ("[[1,0,0],[0,1,0],[0,0,-1]]", "[[1.1,0,0],[0,1.1,0],[0,0,1.1]]"):
        with pytest.raises(RigError, match="camera 'cam_0': 'rotation' is not a rotation"):
            rig_from_toml(section("0", rotation=matrix), "x")


@pytest.mark.parametrize("absent", [None, '"null"'])
def test_camera_without_pose_is_named_and_its_lens_is_read(tmp_path: Path, absent):
    text = section("0") + section("1", rotation=absent, translation=absent)
    path = tmp_path / "camera_array.toml"
    path.write_text(text)
    with pytest.raises(NoPoseError, match=r"no pose .* of cam_1; calibrate the poses") as caught:
        load_rig(path)
    assert "cam_0" not in str(caught.value)
    assert "\n" not in str(caught.value)
    lenses = load_intrinsics(path)
    assert list(lenses) == ["cam_0", "cam_1"]
    assert lenses["cam_0"] == lenses["cam_1"]
    np.testing.assert_array_equal(lenses["cam_1"].distortions, [-0.1, 0.02, 0.0, 0.0, 0.003])


def test_half_a_pose_is_a_fault():
    with pytest.raises(RigError, match="camera 'cam_1': key 'translation' is missing"):
        rig_from_toml(section("1", translation=None), "x")


def test_ignored_cameras_are_left_out_of_the_rig(tmp_path: Path):
    path = tmp_path / "a.toml"
    path.write_text(section("0") + section("1", ignore="true", rotation=None, translation=None))
    rig = load_rig(path)
    assert rig.names == ("cam_0",)
    assert "left out cam_1" in rig.metadata.provenance[0]
    assert list(load_intrinsics(path)) == ["cam_0", "cam_1"]
    path.write_text(section("0", ignore="true"))
    with pytest.raises(RigError, match=r"all cameras .*cam_0.* are marked 'ignore'"):
        load_rig(path)


def test_cameras_that_are_not_calibrated_at_all(tmp_path: Path):
    nothing = {"matrix": None, "distortions": None, "rotation": None, "translation": None}
    path = tmp_path / "a.toml"
    path.write_text(section("0") + section("1", **nothing))
    assert list(load_intrinsics(path)) == ["cam_0"]
    with pytest.raises(NoPoseError, match="of cam_1"):
        load_rig(path)
    path.write_text(section("0", **nothing))
    with pytest.raises(RigError, match="holds no calibrated lens"):
        load_intrinsics(path)


def test_fisheye_and_nested_distortions():
    fisheye = rig_from_toml(section("0", fisheye="true", distortions="[[0.1,0.2,0.3,0.4]]"), "x")
    assert fisheye.cameras[0].intrinsics.lens == "fisheye"
    np.testing.assert_array_equal(fisheye.cameras[0].intrinsics.distortions, [0.1, 0.2, 0.3, 0.4])
    with pytest.raises(RigError, match="camera 'cam_0': 5 fisheye distortion"):
        rig_from_toml(section("0", fisheye="true"), "x")


def test_units_are_checked_as_of_other_formats():
    text = section("0") + section("1", translation="[3000.0, 0.0, 0.0]")
    with pytest.raises(RigError, match="pass units mm"):
        rig_from_toml(text, "x")
    rig = rig_from_toml(text, "x", units="mm")
    np.testing.assert_allclose(rig.cameras[1].translation_m, [3.0, 0, 0])


@pytest.mark.parametrize("session", ["charuco_4cam", "charuco_offset"])
def test_real_files(shared_path: Callable[[str], Path], session):
    path = shared_path(f"{session}/camera_array.toml")
    rig = load_rig(path)
    assert rig.names == ("cam_0", "cam_1", "cam_2", "cam_3")
    assert load_intrinsics(path) == {camera.name: camera.intrinsics for camera in rig}
    corners = np.genfromtxt(
        shared_path(f"{session}/corners_opencv5.csv"), delimiter=",", names=True, dtype=None
    )
    assert {f"cam_{number}" for number in np.unique(corners["cam"])} == set(rig.names)
    for camera in rig:
        assert camera.intrinsics.size == (1280, 720)
        assert 600 < camera.intrinsics.focal_px < 950
        assert len(camera.intrinsics.distortions) == 5
    # The known figure: corners triangulated with this rig reproject to about 0.6 and 1.3 px.
    from mocap.geometry.projection import project_points, unproject_pixels

    squares: list[float] = []
    for key in np.unique(corners[["frame", "corner_id"]]):
        rows = corners[(corners["frame"] == key["frame"])]
        rows = rows[rows["corner_id"] == key["corner_id"]]
        if len(rows) < 2:
            continue
        a, b, seen = np.zeros((3, 3)), np.zeros(3), []
        for row in rows:
            camera = rig[f"cam_{row['cam']}"]
            lens = camera.intrinsics
            pixel = np.array([row["x_px"], row["y_px"]])
            ray = unproject_pixels(pixel, lens.matrix, lens.packed_distortions, False)
            ray = camera.T_cam_world[:3, :3].T @ ray
            across = np.eye(3) - np.outer(ray, ray)
            a, b = a + across, b + across @ camera.center_world
            seen.append((camera, pixel))
        point = np.linalg.solve(a, b)
        for camera, pixel in seen:
            lens = camera.intrinsics
            uv, _ = project_points(
                point, lens.matrix, lens.packed_distortions, False, camera.T_cam_world
            )
            squares.append(float(((uv - pixel) ** 2).sum()))
    rmse_px = np.sqrt(np.mean(squares))
    assert rmse_px < (0.9 if session == "charuco_4cam" else 1.9)
