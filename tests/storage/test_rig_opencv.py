"""What OpenCV's sample programs write, made here with OpenCV's own writer."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mocap.errors import RigError
from mocap.geometry.rotations import matrix_from_rotvec
from mocap.storage.rig_file import load_intrinsics, load_rig
from mocap.storage.rig_units import NoPoseError

K = np.array([[900.5, 0.0, 641.25], [0.0, 901.5, 358.75], [0.0, 0.0, 1.0]])
D5 = np.array([[-0.1], [0.02], [0.001], [-0.002], [0.003]])
FORMATS = ["yml", "yaml", "xml", "json"]


def storage(path: Path, **values: Any) -> Path:
    file = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    for key, value in values.items():
        file.write(key, value)
    file.release()
    return path


# --- one camera ---


@pytest.mark.parametrize("suffix", FORMATS)
def test_single_camera(tmp_path: Path, suffix):
    path = storage(
        tmp_path / f"left cam.{suffix}",
        calibration_time="Thu 01 Jan 2026",
        nr_of_frames=20,
        image_width=1280,
        image_height=720,
        board_width=9,
        flags=0,
        fisheye_model=0,
        camera_matrix=K,
        distortion_coefficients=D5,
        avg_reprojection_error=0.2,
        extrinsic_parameters=np.zeros((20, 6)),
        per_view_reprojection_errors=np.zeros((0, 0)),
    )
    lens = load_intrinsics(path)["left cam"]
    assert lens.size == (1280, 720)
    assert lens.lens == "pinhole"
    np.testing.assert_array_equal(lens.matrix, K)
    np.testing.assert_array_equal(lens.distortions, D5.ravel())
    with pytest.raises(NoPoseError, match=r"no pose .* of left cam; .*--intrinsics"):
        load_rig(path)


def test_single_fisheye_and_other_spellings(tmp_path: Path):
    fisheye = storage(
        tmp_path / "a.xml",
        Image_Width=1280,
        Image_Height=720,
        fisheye_model=1,
        Camera_Matrix=K,
        Distortion_Coefficients=D5[:4],
    )
    lens = load_intrinsics(fisheye)["a"]
    assert lens.lens == "fisheye"
    interactive = storage(
        tmp_path / "cameraParameters.xml",
        cameraMatrix=K,
        dist_coeffs=D5,
        cameraResolution=np.array([[1280, 720]]),
    )
    assert load_intrinsics(interactive)["cameraParameters"].size == (1280, 720)


ROS = """image_width: 1280
image_height: 720
camera_name: narrow_stereo
camera_matrix:
  rows: 3
  cols: 3
  data: [900.5, 0., 641.25, 0., 901.5, 358.75, 0., 0., 1.]
distortion_model: {model}
distortion_coefficients:
  rows: 1
  cols: {count}
  data: [{data}]
"""


def test_ros_file_without_header_and_matrix_tags(tmp_path: Path):
    path = tmp_path / "ost.yaml"
    path.write_text(ROS.format(model="plumb_bob", count=5, data="-0.1, 0.02, 0, 0, 0"))
    lens = load_intrinsics(path)["narrow_stereo"]
    np.testing.assert_array_equal(lens.matrix, K)
    assert lens.lens == "pinhole"
    path.write_text(ROS.format(model="equidistant", count=4, data="-0.1, 0.02, 0, 0"))
    assert load_intrinsics(path)["narrow_stereo"].lens == "fisheye"
    path.write_text(ROS.format(model="double_sphere", count=4, data="-0.1, 0.02, 0, 0"))
    with pytest.raises(RigError, match="'distortion_model' is 'double_sphere'"):
        load_intrinsics(path)


@pytest.mark.parametrize("count", [4, 5, 8, 12, 14])
def test_numbers_of_distortion_coefficients(tmp_path: Path, count):
    values = np.zeros((1, count))
    values[0, :8] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8][: min(count, 8)]
    path = storage(
        tmp_path / "a.yml",
        image_width=1280,
        image_height=720,
        camera_matrix=K,
        distortion_coefficients=values,
    )
    np.testing.assert_array_equal(load_intrinsics(path)["a"].distortions, values[0, :8])
    if count > 8:
        values[0, -1] = 1e-3
        storage(path, image_width=1, image_height=1, camera_matrix=K, dist_coeffs=values)
        with pytest.raises(RigError, match=rf"{count} distortion coefficients, of which those"):
            load_intrinsics(path)


# --- stereo ---


def stereo(folder: Path, baseline: float = 0.12, suffix: str = "yml") -> tuple[Path, Path]:
    rotation = matrix_from_rotvec(np.array([0.01, -0.1, 0.02]))
    return (
        storage(folder / f"intrinsics.{suffix}", M1=K, D1=D5.T, M2=K + 1e-3, D2=np.zeros((1, 14))),
        storage(
            folder / f"extrinsics.{suffix}",
            R=rotation,
            T=np.array([[-baseline], [0.0], [0.001]]),
            R1=np.eye(3),
            P1=np.zeros((3, 4)),
            Q=np.eye(4),
        ),
    )


@pytest.mark.parametrize("suffix", FORMATS)
def test_stereo_pair_by_either_file_or_the_folder(tmp_path: Path, suffix):
    M2 = K + 1e-3
    lenses, poses = stereo(tmp_path, suffix=suffix)
    # The last row of a camera matrix must stay (0, 0, 1).
    M2[1, 0], M2[2] = 0.0, (0, 0, 1)
    storage(lenses, M1=K, D1=D5.T, M2=M2, D2=np.zeros((1, 14)))
    for path in (lenses, poses, tmp_path):
        rig = load_rig(path)
        assert rig.names == ("cam_1", "cam_2")
        np.testing.assert_array_equal(rig["cam_1"].T_cam_world, np.eye(4))
        # A point of the first camera's frame is R x + T in the second's.
        np.testing.assert_array_equal(rig["cam_2"].translation_m, [-0.12, 0.0, 0.001])
        assert rig["cam_2"].center_world[0] > 0.1
        assert rig["cam_2"].intrinsics.size == (1280, 720)
        assert len(rig["cam_2"].intrinsics.distortions) == 8


def test_stereo_in_millimetres_and_alone(tmp_path: Path):
    lenses, poses = stereo(tmp_path, baseline=120.0)
    storage(lenses, M1=K, D1=D5.T, M2=K, D2=D5.T)
    with pytest.raises(RigError, match=r"120 m apart.*pass units mm"):
        load_rig(tmp_path)
    np.testing.assert_allclose(load_rig(tmp_path, units="mm")["cam_2"].translation_m[0], -0.12)
    poses.rename(tmp_path / "elsewhere.yml")
    assert list(load_intrinsics(lenses)) == ["cam_1", "cam_2"]
    with pytest.raises(NoPoseError, match="of cam_1, cam_2"):
        load_rig(lenses)
    with pytest.raises(RigError, match="has the pose, but the lenses"):
        load_rig(tmp_path / "elsewhere.yml")


# --- several cameras ---


def multiview(path: Path, **changes: Any) -> Path:
    rvecs = np.array([[0, 0, 0], [0.1, -1.2, 0.3], [0.5, 2.0, -0.1]], float)[..., None]
    values: dict[str, Any] = {
        "rvecs": rvecs,
        "distortions": np.stack([D5.T] * 3),
        "Ks": np.stack([K] * 3),
        "Ts": np.array([[0, 0, 0], [1.5, 0.1, 0.4], [-0.5, 0.2, 2.5]], float)[..., None],
        "is_fisheye": np.array([0, 0, 0], dtype=int),
        "image_sizes": np.array([(1280, 720)] * 3),
        "rvecs0": np.zeros((5, 3, 1)),
        "image_points": np.zeros((3, 5, 4, 2)),
        "image_names": ["a.png", "b.png"],
        "cam_ids": "0,1,2",
    } | changes
    return storage(path, **{key: value for key, value in values.items() if value is not None})


@pytest.mark.parametrize("suffix", FORMATS)
def test_multiview_sample(tmp_path: Path, suffix):
    rig = load_rig(multiview(tmp_path / f"rig.{suffix}"))
    assert rig.names == ("cam_0", "cam_1", "cam_2")
    np.testing.assert_array_equal(rig["cam_0"].T_cam_world, np.eye(4))
    np.testing.assert_allclose(
        rig["cam_2"].T_cam_world[:3, :3], cv2.Rodrigues(np.array([0.5, 2.0, -0.1]))[0], atol=1e-14
    )
    np.testing.assert_array_equal(rig["cam_1"].translation_m, [1.5, 0.1, 0.4])
    for camera in rig:
        np.testing.assert_array_equal(camera.intrinsics.matrix, K)
        np.testing.assert_array_equal(camera.intrinsics.distortions, D5.ravel())
        assert camera.intrinsics.size == (1280, 720)


def test_multiview_names_matrices_and_padded_fisheye(tmp_path: Path):
    rotations = np.stack([matrix_from_rotvec(np.array([0.1 * i, 0.0, 0.0])) for i in range(3)])
    padded = np.stack([np.array([[0.1, 0.2, 0.3, 0.4, 0.0]]), D5.T, D5.T])
    path = multiview(
        tmp_path / "a.yml",
        rvecs=None,
        Rs=rotations,
        cam_ids="left,mid,right",
        is_fisheye=np.array([1, 0, 0], dtype=int),
        distortions=padded,
    )
    rig = load_rig(path)
    assert rig.names == ("left", "mid", "right")
    assert rig["left"].intrinsics.lens == "fisheye"
    np.testing.assert_array_equal(rig["left"].intrinsics.distortions, [0.1, 0.2, 0.3, 0.4])
    np.testing.assert_array_equal(rig["right"].T_cam_world[:3, :3], rotations[2])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"camera_names": ["1", "2", "3"], "Ts": None}, "no pose .* of 1, 2, 3"),
        ({"camera_names": 3}, "'camera_names' is not a list of texts"),
        ({"cam_ids": "0,1"}, "2 names for 3 cameras"),
        ({"Ts": np.zeros((2, 3, 1))}, "'Ts' does not have one entry for each camera"),
        ({"image_sizes": np.array([[1280, 720]])}, "'image_sizes' does not have one entry"),
        ({"distortions": None}, "'distortions' is missing"),
        ({"cam_ids": "a,b,a"}, "two cameras are called 'a'"),
        ({"rvecs": np.full((3, 3, 1), np.nan)}, "camera 'cam_0': 'rvecs' holds NaN"),
        ({"Ts": np.array([[0, 0, 0], [900.0, 0, 0], [0, 0, 0]])[..., None]}, "pass units mm"),
    ],
)
def test_multiview_faults(tmp_path: Path, changes, words):
    path = multiview(tmp_path / "a.yml", **changes)
    with pytest.raises(RigError, match=words) as caught:
        load_rig(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_with_all_its_image_points_is_read_at_once(tmp_path: Path):
    points = np.random.default_rng(0).uniform(0, 1000, (3, 100, 88, 2))
    path = multiview(tmp_path / "a.yml", image_points=points, image_names=["x"] * 6000)
    start = time.perf_counter()
    assert len(load_rig(path)) == 3
    # Quadratic time would be a minute.
    assert time.perf_counter() - start < 5


def test_multiview_lenses_alone(tmp_path: Path):
    path = multiview(tmp_path / "a.yml", rvecs=None, Ts=None)
    assert list(load_intrinsics(path)) == ["cam_0", "cam_1", "cam_2"]
    with pytest.raises(NoPoseError):
        load_rig(path)


def test_poses_of_a_real_multiview_calibration_have_this_convention(tmp_path: Path):
    # Two cameras and a board whose poses are known; OpenCV calibrates, we read what it gives.
    rng = np.random.default_rng(3)
    board = np.stack(np.meshgrid(np.arange(7), np.arange(5)), -1).reshape(-1, 2) * 0.1
    board = np.c_[board - board.mean(0), np.zeros(len(board))].astype(np.float32)
    truth = np.eye(4)
    truth[:3, :3], truth[:3, 3] = matrix_from_rotvec(np.array([0.05, -0.4, 0.1])), (1.0, 0.1, 0.2)
    pixels: list[list[np.ndarray]] = [[], []]
    for _ in range(12):
        rvec, tvec = rng.uniform(-0.5, 0.5, 3), rng.uniform((-0.3, -0.3, 2), (0.3, 0.3, 3))
        in_first = (matrix_from_rotvec(rvec) @ board.T).T + tvec
        for c, pose in enumerate((np.eye(4), truth)):
            p, _ = cv2.projectPoints(
                in_first, cv2.Rodrigues(pose[:3, :3])[0], pose[:3, 3], K, np.zeros(5)
            )
            pixels[c].append(p.reshape(-1, 2).astype(np.float32))
    result = cv2.calibrateMultiview(
        objPoints=[board] * 12,
        imagePoints=pixels,
        imageSize=[(1280, 720)] * 2,
        detectionMask=np.ones((2, 12), np.uint8),
        models=np.zeros(2, np.uint8),
        Ks=[K, K],
        distortions=[np.zeros((1, 5)), np.zeros((1, 5))],
        Rs=None,
        Ts=None,
        flagsForIntrinsics=np.zeros(2, np.int32),
        flags=cv2.CALIB_USE_INTRINSIC_GUESS,
    )
    _, Ks, distortions, rvecs, tvecs = result[:5]
    path = storage(
        tmp_path / "a.yml",
        Ks=np.array(Ks),
        distortions=np.array(distortions),
        rvecs=np.array(rvecs),
        Ts=np.array(tvecs),
        image_sizes=np.array([(1280, 720)] * 2),
        cam_ids="0,1",
    )
    np.testing.assert_allclose(load_rig(path)["cam_1"].T_cam_world, truth, atol=2e-3)


# --- not a calibration ---


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("%YAML:1.0\n---\nx: 3\n", "holds no camera .* it has x"),
        ("%YAML:1.0\n---\na: 3\n  b [", r"not a valid YAML, XML or JSON.*\(line 4: "),
        ('{"a": ', "not a valid YAML, XML or JSON"),
        ('{"a": 3}', "holds no camera"),
        ("<?xml version='1.0'?><opencv_storage><a>3</opencv_storage>", "not a valid YAML"),
        ('<?xml version="1.0"?><opencv_storage><a>3</a></opencv_storage>', "holds no camera"),
        ("%YAML:1.0\n---\nM1: 3\nR: 1\nT: 2\n", "key 'D1' is missing"),
        ("%YAML:1.0\n---\ncamera_matrix: 3\n", "'camera_matrix' has shape one number"),
        ("%YAML:1.0\n---\nKs: 3\n", "'Ks' is not a list"),
    ],
)
def test_not_a_calibration(tmp_path: Path, text, words):
    path = tmp_path / "a.yml"
    path.write_text(text)
    for read in (load_rig, load_intrinsics):
        check: Callable[[Path], object] = read
        with pytest.raises(RigError, match=words) as caught:
            check(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
