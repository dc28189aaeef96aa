"""Cameras and rigs: what they compute and what they refuse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from synthetic_scene import FISHEYE, RATIONAL, look_at, make_camera, ring_rig

from mocap.errors import RigError
from mocap.model import Camera, Intrinsics, Rig

MATRIX = np.array([[900.0, 0.5, 640.0], [0.0, 910.0, 360.0], [0.0, 0.0, 1.0]])


def test_extrinsics_are_those_of_opencv():
    rotation, translation = np.array([0.3, -1.2, 0.8]), np.array([0.1, -0.4, 3.0])
    camera = Camera.from_rotvec(
        "c", Intrinsics((1280, 720), MATRIX, np.zeros(5)), rotation, translation
    )
    np.testing.assert_allclose(camera.T_cam_world[:3, :3], cv2.Rodrigues(rotation)[0], atol=1e-12)
    np.testing.assert_allclose(camera.rotation_vector, rotation)
    np.testing.assert_allclose(camera.translation_m, translation)
    np.testing.assert_allclose(camera.T_world_cam @ camera.T_cam_world, np.eye(4), atol=1e-12)
    center = np.append(camera.center_world, 1.0)
    np.testing.assert_allclose(camera.T_cam_world @ center, [0, 0, 0, 1], atol=1e-12)


def test_arrays_are_in_rig_order_padded_and_marked():
    rig = ring_rig(4, mixed_lenses=True)
    arrays = rig.arrays
    np.testing.assert_array_equal(arrays.fisheye, [0, 0, 1, 0])
    np.testing.assert_array_equal(arrays.distortions[2], [*FISHEYE, 0, 0, 0, 0])
    np.testing.assert_array_equal(arrays.distortions[3], RATIONAL)
    np.testing.assert_array_equal(arrays.distortions[0], np.zeros(8))
    for c, camera in enumerate(rig):
        np.testing.assert_array_equal(arrays.matrix[c], camera.intrinsics.matrix)
        np.testing.assert_array_equal(arrays.T_cam_world[c], camera.T_cam_world)


def test_a_camera_keeps_a_copy_that_nobody_can_change():
    matrix, pose = MATRIX.copy(), look_at((3, 0, 1), (0, 0, 1))
    camera = Camera("c", Intrinsics((1280, 720), matrix, np.zeros(0)), pose)
    matrix[0, 0] = 1.0
    pose[:] = 0.0
    assert camera.intrinsics.matrix[0, 0] == 900.0
    assert camera.T_cam_world[3, 3] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        camera.T_cam_world[0, 0] = 5.0


def test_equality_goes_by_value():
    a, b = make_camera("a", (3, 0, 1)), make_camera("a", (3, 0, 1))
    assert a == b
    assert a != replace(b, time_offset_s=0.1)
    assert a != replace(b, pose_covariance=np.eye(6))
    assert a != make_camera("a", (3, 0, 1.001))
    assert a != "a"
    assert Rig((a,)) == Rig((b,))


@pytest.mark.parametrize("count", [0, 4, 5, 8])
def test_numbers_of_pinhole_coefficients(count):
    packed = Intrinsics((10, 10), MATRIX, np.arange(count) + 1.0).packed_distortions
    np.testing.assert_array_equal(packed, [*np.arange(count) + 1.0, *np.zeros(8 - count)])


NAN_MATRIX = MATRIX * np.array([[np.nan, 1, 1], [1, 1, 1], [1, 1, 1]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": (0, 720)}, "size"),
        ({"matrix": np.eye(4)}, "shape"),
        ({"matrix": NAN_MATRIX}, "NaN"),
        ({"matrix": np.diag([-900.0, 900.0, 1.0])}, "not positive"),
        ({"matrix": MATRIX.T}, "form"),
        ({"matrix": 2 * MATRIX}, "form"),
        ({"distortions": np.array([np.inf, 0, 0, 0])}, "NaN or infinity"),
        ({"distortions": np.zeros(3)}, "3 pinhole"),
        ({"distortions": np.zeros(12)}, "12 pinhole"),
        ({"distortions": np.zeros(5), "lens": "fisheye"}, "expected 4"),
        ({"distortions": np.zeros((1, 5))}, "shape"),
        ({"lens": "panorama"}, "panorama.*pinhole"),
    ],
)
def test_bad_intrinsics_are_refused(change, message):
    good: dict[str, Any] = {"size": (1280, 720), "matrix": MATRIX, "distortions": np.zeros(5)}
    Intrinsics(**good)
    with pytest.raises(ValueError, match=message):
        Intrinsics(**(good | change))


def pose_with(row: int, column: int, value: float) -> np.ndarray:
    pose = np.eye(4)
    pose[row, column] = value
    return pose


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": " "}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": ".."}, "name"),
        ({"T_cam_world": np.eye(3)}, "shape"),
        ({"T_cam_world": pose_with(0, 3, np.nan)}, "NaN"),
        ({"T_cam_world": pose_with(0, 0, -1.0)}, "not a rotation"),  # a reflection
        ({"T_cam_world": pose_with(0, 0, 1.01)}, "not a rotation"),
        ({"T_cam_world": pose_with(3, 0, 0.5)}, "not a rotation"),
        ({"T_cam_world": pose_with(3, 3, 2.0)}, "not a rotation"),
        ({"time_offset_s": float("nan")}, "time_offset_s"),
        ({"pose_covariance": np.eye(3)}, "shape"),
    ],
)
def test_bad_cameras_are_refused(change, message):
    good: dict[str, Any] = {
        "name": "a",
        "intrinsics": Intrinsics((1280, 720), MATRIX, np.zeros(5)),
        "T_cam_world": np.eye(4),
    }
    Camera(**good)
    with pytest.raises(ValueError, match=message):
        Camera(**(good | change))


def test_a_rig_keeps_its_order_and_is_addressed_by_name():
    names = ("cam_10", "cam_2", "b")
    rig = Rig(tuple(make_camera(n, (3, i, 1)) for i, n in enumerate(names)))
    assert rig.names == names
    assert [c.name for c in rig] == list(names)
    assert rig["cam_2"].center_world[1] == pytest.approx(1.0)
    assert rig.subset(["b", "cam_10"]).names == ("cam_10", "b")
    moved = rig.replaced(make_camera("cam_2", (5, 5, 5)))
    assert moved.names == names
    np.testing.assert_allclose(moved["cam_2"].center_world, 5)


def test_rigs_refuse_unknown_double_and_no_cameras():
    a, b = make_camera("a", (3, 0, 1)), make_camera("b", (0, 3, 1))
    rig = Rig((a, b))
    with pytest.raises(RigError, match=r"'c'.*a, b"):
        _ = rig["c"]
    with pytest.raises(RigError, match=r"'c'.*a, b"):
        rig.subset(["a", "c"])
    with pytest.raises(RigError, match="twice"):
        rig.subset(["a", "a"])
    with pytest.raises(RigError, match="'c'"):
        rig.replaced(make_camera("c", (1, 1, 1)))
    with pytest.raises(RigError, match=r"two cameras.*'a'"):
        Rig((a, a))
    with pytest.raises(RigError, match="at least one"):
        Rig(())
