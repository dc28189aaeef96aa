"""Videos that are a little smaller or larger than their camera was calibrated for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.image_size import fit_camera_to_image_size
from mocap.errors import RigError
from mocap.geometry.projection import project_points
from mocap.model import Camera, Intrinsics
from mocap.storage.rig_file import load_rig

MATRIX = np.array([[1680.0, 0.5, 533.0], [0.0, 1681.0, 948.0], [0.0, 0.0, 1.0]])


def camera(size: tuple[int, int] = (1088, 1920)) -> Camera:
    lens = Intrinsics(size, MATRIX, np.array([-0.05, 0.14, 0.001, 0.002, 0.01]))
    return Camera.from_rotvec("left", lens, np.zeros(3), np.array([0.0, 0.0, 3.0]))


def project(camera: Camera, points: np.ndarray) -> np.ndarray:
    lens = camera.intrinsics
    return project_points(points, lens.matrix, lens.packed_distortions, False, camera.T_cam_world)[
        0
    ]


def test_same_size_changes_nothing():
    fitted, warning = fit_camera_to_image_size(camera(), (1088, 1920))
    assert fitted == camera()
    assert warning is None


@given(dw=st.integers(-21, 21), dh=st.integers(-38, 38), seed=st.integers(0, 99))
def test_pixels_follow_the_stated_scale_about_the_centre(dw, dh, seed):
    rig_camera = camera()
    w, h = 1088 + dw, 1920 + dh
    points = np.random.default_rng(seed).uniform(-0.5, 0.5, (8, 3))
    fitted, warning = fit_camera_to_image_size(rig_camera, (w, h))
    in_video = project(fitted, points)
    ratio_w, ratio_h = 1088 / w, 1920 / h
    s = ratio_w if abs(np.log(ratio_w)) >= abs(np.log(ratio_h)) else ratio_h
    centers = (np.array([w, h]) - 1) / 2, (np.array([1088, 1920]) - 1) / 2
    np.testing.assert_allclose(
        s * (in_video - centers[0]) + centers[1], project(rig_camera, points), atol=1e-9
    )
    assert fitted.intrinsics.size == (w, h)
    assert np.array_equal(fitted.intrinsics.distortions, rig_camera.intrinsics.distortions)
    assert np.array_equal(fitted.T_cam_world, rig_camera.T_cam_world)
    assert (warning is None) == (dw == 0 and dh == 0)


def test_warning_names_camera_sizes_and_scale():
    _, warning = fit_camera_to_image_size(camera(), (1080, 1920))
    assert warning is not None
    for word in ("'left'", "1080x1920", "1088x1920", "0.99265"):
        assert word in warning
    assert "\n" not in warning


@pytest.mark.parametrize(
    "size", [(1066, 1920), (1110, 1920), (1088, 1881), (544, 960), (1920, 1088), (0, 0)]
)
def test_larger_mismatch_is_refused(size):
    with pytest.raises(RigError) as caught:
        fit_camera_to_image_size(camera(), size)
    message = str(caught.value)
    for word in ("'left'", f"{size[0]}x{size[1]}", "1088x1920", "2 %", "calibrate"):
        assert word in message
    assert "\n" not in message


def test_limit_can_be_set():
    fitted, warning = fit_camera_to_image_size(camera(), (544, 960), max_mismatch=0.5)
    assert fitted.intrinsics.matrix[0, 0] == pytest.approx(840.0)
    assert warning is not None
    with pytest.raises(RigError, match=r"0\.5 %"):
        fit_camera_to_image_size(camera(), (1080, 1920), max_mismatch=0.005)


def test_real_clip_agrees_with_its_measured_mapping(shared_path: Callable[[str], Path]):
    # Measured on static points of the clip: x_rig = 1.0076 x + 0.05, y_rig = 1.0076 y - 7.3.
    rig = load_rig(shared_path("pose2sim_single/calibration/Calib.qca.txt"))
    rig_camera = rig["cam01"]
    fitted, _ = fit_camera_to_image_size(rig_camera, (1080, 1920))
    x, y = np.meshgrid(np.linspace(-0.3, 0.3, 7), np.linspace(-0.55, 0.55, 7))
    rays = np.stack([x, y, np.ones_like(x)], axis=-1).reshape(-1, 3)
    points = rig_camera.center_world + 3 * rays @ rig_camera.T_cam_world[:3, :3]
    in_rig, in_video = project(rig_camera, points), project(fitted, points)
    assert np.ptp(in_rig, axis=0) == pytest.approx([1000, 1840], abs=120)
    error = in_rig - (1.0076 * in_video + [0.05, -7.3])
    assert np.abs(error).max() < 1.5
    unfitted = in_rig - (1.0076 * in_rig + [0.05, -7.3])
    assert np.abs(unfitted).max() > 6
