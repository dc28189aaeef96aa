"""Projection: against OpenCV, against finite differences, and the compiled against the plain form.

Golden values come from OpenCV at run time (`cv2.projectPoints`, `cv2.undistortPoints` and their
fisheye counterparts), which is an independent implementation of the same lens models.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_scene import FISHEYE, RADIAL, RATIONAL, look_at

from mocap.geometry.kernels import (
    project_point,
    project_point_jacobian,
    solve_symmetric_3x3,
    unproject_pixel,
    world_rays,
)
from mocap.geometry.projection import (
    project_points,
    projection_jacobian,
    transform_points,
    unproject_pixels,
)
from mocap.geometry.rotations import rotvec_from_matrix

MATRIX = np.array([[910.0, 0.0, 633.0], [0.0, 905.0, 357.0], [0.0, 0.0, 1.0]])
SKEWED = np.array([[910.0, 7.0, 633.0], [0.0, 905.0, 357.0], [0.0, 0.0, 1.0]])
POSE = look_at((3.1, -2.2, 1.7), (0.1, 0.2, 1.0))
LENSES = {
    "no distortion": ((), False),
    "radial and tangential": (RADIAL[:4], False),
    "third radial term": (RADIAL, False),
    "rational": (RATIONAL, False),
    "fisheye": (FISHEYE, True),
    "fisheye without distortion": ((0.0,) * 4, True),
}
lenses = pytest.mark.parametrize(("coefficients", "fisheye"), LENSES.values(), ids=LENSES)


def packed(coefficients: tuple[float, ...]) -> np.ndarray:
    padded = np.zeros(8)
    padded[: len(coefficients)] = coefficients
    return padded


def alone(
    matrix: np.ndarray, d: np.ndarray, fisheye: bool, pose: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """One camera as the arrays of a rig that has no other."""
    return matrix[None], d[None], np.array([int(fisheye)]), pose[None]


def world_points(count: int = 200) -> np.ndarray:
    """Points well within the picture of the camera at POSE."""
    return np.random.default_rng(1).uniform((-1.0, -1.0, 0.2), (1.0, 1.0, 1.9), (count, 3))


def opencv_project(
    points: np.ndarray, coefficients: tuple[float, ...], fisheye: bool
) -> np.ndarray:
    rotation, translation = rotvec_from_matrix(POSE[:3, :3]), POSE[:3, 3]
    if fisheye:
        d = np.array(coefficients)
        out, _ = cv2.fisheye.projectPoints(points[:, None], rotation, translation, MATRIX, d)
    else:
        d = np.array(coefficients) if coefficients else None
        out, _ = cv2.projectPoints(points[:, None], rotation, translation, MATRIX, d)
    return out[:, 0]


@lenses
def test_projection_equals_opencv(coefficients, fisheye):
    points = world_points()
    pixels, depth = project_points(points, MATRIX, packed(coefficients), fisheye, POSE)
    np.testing.assert_allclose(pixels, opencv_project(points, coefficients, fisheye), atol=1e-9)
    np.testing.assert_allclose(depth, transform_points(POSE, points)[:, 2])
    assert np.ptp(pixels, axis=0).min() > 300  # the points fill the picture


@lenses
def test_undistortion_equals_opencv(coefficients, fisheye):
    pixels = np.random.default_rng(2).uniform((150, 60), (1100, 650), (200, 2))
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-14)
    d = np.array(coefficients) if coefficients else None
    if fisheye:
        slopes = cv2.fisheye.undistortPoints(pixels[:, None], MATRIX, d, criteria=criteria)[:, 0]
    else:
        slopes = cv2.undistortPoints(pixels[:, None], MATRIX, d, criteria=criteria)[:, 0]
    rays = unproject_pixels(pixels, MATRIX, packed(coefficients), fisheye)
    np.testing.assert_allclose(rays[:, :2] / rays[:, 2:], slopes, atol=2e-9)
    np.testing.assert_allclose(np.linalg.norm(rays, axis=1), 1.0)


@lenses
@pytest.mark.parametrize("matrix", [MATRIX, SKEWED], ids=["straight", "skewed"])
def test_unprojection_inverts_projection(coefficients, fisheye, matrix):
    points = world_points()
    d = packed(coefficients)
    pixels, _ = project_points(points, matrix, d, fisheye, POSE)
    in_camera = transform_points(POSE, points)
    expected = in_camera / np.linalg.norm(in_camera, axis=1, keepdims=True)
    np.testing.assert_allclose(unproject_pixels(pixels, matrix, d, fisheye), expected, atol=1e-9)


@lenses
@pytest.mark.parametrize("matrix", [MATRIX, SKEWED], ids=["straight", "skewed"])
def test_jacobian_equals_finite_differences(coefficients, fisheye, matrix):
    points, d, step = world_points(50), packed(coefficients), 1e-5
    numeric = np.empty((len(points), 2, 3))
    for axis in range(3):
        offset = step * np.eye(3)[axis]
        ahead, _ = project_points(points + offset, matrix, d, fisheye, POSE)
        back, _ = project_points(points - offset, matrix, d, fisheye, POSE)
        numeric[:, :, axis] = (ahead - back) / (2 * step)
    exact = projection_jacobian(points, matrix, d, fisheye, POSE)
    np.testing.assert_allclose(exact, numeric, rtol=1e-6, atol=1e-4)
    compiled = np.empty((2, 3))
    for point, plain in zip(points, exact, strict=True):
        project_point_jacobian(point, 0, *alone(matrix, d, fisheye, POSE), compiled)
        np.testing.assert_allclose(compiled, plain, rtol=1e-10, atol=1e-9)


def test_fisheye_jacobian_on_the_axis_and_beside_it():
    d = packed(FISHEYE)
    on_axis = np.array([0.0, 0.0, 2.0])
    expected = MATRIX[:2] @ np.diag([0.5, 0.5, 0.0])
    for point in (on_axis, on_axis + np.array([1e-7, 0, 0])):
        jacobian = projection_jacobian(point, MATRIX, d, True, np.eye(4))
        np.testing.assert_allclose(jacobian, expected, atol=1e-3)
        compiled = np.empty((2, 3))
        project_point_jacobian(point, 0, *alone(MATRIX, d, True, np.eye(4)), compiled)
        np.testing.assert_allclose(compiled, jacobian, atol=1e-9)


@given(
    st.tuples(*[st.floats(-6, 6)] * 3),
    st.sampled_from(sorted(LENSES)),
    st.sampled_from(["straight", "skewed"]),
)
def test_compiled_projection_equals_the_plain_one(point, lens, kind):
    coefficients, fisheye = LENSES[lens]
    d, matrix = packed(coefficients), SKEWED if kind == "skewed" else MATRIX
    plain, depth = project_points(np.array(point), matrix, d, fisheye, POSE)
    u, v, z = project_point(np.array(point), 0, *alone(matrix, d, fisheye, POSE))
    np.testing.assert_allclose((u, v, z), (*plain, depth), rtol=1e-10, atol=1e-8)


@given(
    st.tuples(st.floats(-3000, 4000), st.floats(-3000, 4000)),
    st.sampled_from(sorted(LENSES)),
)
def test_compiled_unprojection_equals_the_plain_one(pixel, lens):
    """Far outside the picture as well, where the lens model may have no inverse."""
    coefficients, fisheye = LENSES[lens]
    d = packed(coefficients)
    plain = unproject_pixels(np.array(pixel), MATRIX, d, fisheye)
    compiled = unproject_pixel(*pixel, 0, *alone(MATRIX, d, fisheye, POSE)[:3])
    np.testing.assert_allclose(compiled, plain, atol=1e-7)


def test_world_rays_equal_the_plain_form_turned_into_the_world():
    rng = np.random.default_rng(3)
    pixels = rng.uniform((0, 0), (1280, 720), (2, 30, 2))
    pixels[0, 4] = np.nan
    matrix, poses = np.stack([MATRIX, SKEWED]), np.stack([POSE, look_at((-2, 3, 1), (0, 0, 1))])
    distortions, fisheye = np.stack([packed(RADIAL), packed(FISHEYE)]), np.array([0, 1])
    rays = world_rays(pixels, matrix, distortions, fisheye, poses)
    for c in range(2):
        plain = unproject_pixels(pixels[c], matrix[c], distortions[c], bool(fisheye[c]))
        np.testing.assert_allclose(rays[c], plain @ poses[c, :3, :3], atol=1e-12)
    assert np.isnan(rays[0, 4]).all()
    assert np.isfinite(rays).all(axis=2).sum() == 59


@lenses
def test_single_points_and_batches_of_any_shape(coefficients, fisheye):
    points, d = world_points(24), packed(coefficients)
    pixels, depth = project_points(points, MATRIX, d, fisheye, POSE)
    jacobians = projection_jacobian(points, MATRIX, d, fisheye, POSE)
    rays = unproject_pixels(pixels, MATRIX, d, fisheye)
    grid = points.reshape(2, 3, 4, 3)
    np.testing.assert_array_equal(
        project_points(grid, MATRIX, d, fisheye, POSE)[0], pixels.reshape(2, 3, 4, 2)
    )
    one, one_depth = project_points(points[5], MATRIX, d, fisheye, POSE)
    assert one.shape == (2,)
    assert one_depth.shape == ()
    np.testing.assert_allclose(one, pixels[5], rtol=1e-14)
    np.testing.assert_allclose(one_depth, depth[5], rtol=1e-14)
    jacobian = projection_jacobian(points[5], MATRIX, d, fisheye, POSE)
    np.testing.assert_allclose(jacobian, jacobians[5], rtol=1e-12, atol=1e-12)
    ray = unproject_pixels(pixels[5], MATRIX, d, fisheye)
    np.testing.assert_allclose(ray, rays[5], rtol=1e-12)


def test_a_pinhole_camera_sees_nothing_behind_it():
    behind = np.array([[0.0, 0.0, -2.0], [0.5, 0.2, 0.0], [0.5, 0.2, -1e-9]])
    pixels, _ = project_points(behind, MATRIX, packed(RADIAL), False, np.eye(4))
    assert np.isnan(pixels).all()
    assert np.isnan(projection_jacobian(behind, MATRIX, packed(()), False, np.eye(4))).all()
    for point in behind:
        assert np.isnan(
            project_point(point, 0, *alone(MATRIX, packed(RADIAL), False, np.eye(4)))[:2]
        ).all()


def test_a_fisheye_camera_sees_beyond_90_degrees_but_not_exactly_behind_it():
    d = packed(FISHEYE)
    angle = np.deg2rad(110)
    aside = 2 * np.array([np.sin(angle), 0.0, np.cos(angle)])
    pixel, depth = project_points(aside, MATRIX, d, True, np.eye(4))
    assert depth < 0
    np.testing.assert_allclose(unproject_pixels(pixel, MATRIX, d, True), aside / 2, atol=1e-9)
    for point in (np.array([0.0, 0.0, -1.0]), np.zeros(3)):
        assert np.isnan(project_points(point, MATRIX, d, True, np.eye(4))[0]).all()
        assert np.isnan(project_point(point, 0, *alone(MATRIX, d, True, np.eye(4)))[:2]).all()


def test_pixels_without_a_ray_are_nan():
    strong_barrel = packed((-0.5, 0.0, 0.0, 0.0))  # folds back at a slope of 0.82
    far = np.array([[3000.0, 357.0], [633.0, 357.0], [np.nan, 3.0]])
    rays = unproject_pixels(far, MATRIX, strong_barrel, False)
    np.testing.assert_array_equal(np.isnan(rays).any(axis=1), [True, False, True])
    beyond = np.array([633.0 + 910 * 30, 357.0])  # 30 rad
    assert np.isnan(unproject_pixels(beyond, MATRIX, packed((0.0,) * 4), True)).all()


def test_nan_points_give_nan_pixels():
    pixels, depth = project_points(np.full((2, 3), np.nan), MATRIX, packed(()), False, POSE)
    assert np.isnan(pixels).all()
    assert np.isnan(depth).all()


@given(st.lists(st.floats(-2, 2), min_size=12, max_size=12))
def test_solve_symmetric_equals_lapack(values):
    root, b = np.array(values[:9]).reshape(3, 3), np.array(values[9:])
    a = root @ root.T + 0.05 * np.eye(3)
    x = np.zeros(3)
    condition = solve_symmetric_3x3(a, b, x)
    assert condition == pytest.approx(np.linalg.det(a) / (np.trace(a) / 3) ** 3, rel=1e-6)
    np.testing.assert_allclose(x, np.linalg.solve(a, b), rtol=1e-7, atol=1e-9)


def test_solve_symmetric_leaves_the_result_alone_when_singular():
    x = np.full(3, 7.0)
    assert solve_symmetric_3x3(np.zeros((3, 3)), np.ones(3), x) == 0.0
    assert solve_symmetric_3x3(np.diag([1.0, 1.0, -1.0]), np.ones(3), x) == 0.0
    np.testing.assert_array_equal(x, 7.0)
