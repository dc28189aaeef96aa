"""Derivatives of the projection by point and lens, against finite differences and OpenCV."""

import cv2
import numpy as np
import pytest

from calibration.lens_jacobian import lens_parameters, project_with_jacobians
from mocap.geometry.projection import project_points

MATRIX = np.array([[812.0, 0.4, 633.0], [0, 805.0, 358.0], [0, 0, 1]])
PINHOLE = np.array([-0.31, 0.11, 0.002, -0.0015, 0.03, 0.02, -0.04, 0.01])
FISHEYE = np.array([0.05, -0.02, 0.004, -0.001, 0, 0, 0, 0])


def _points(seed: int, n: int = 40) -> np.ndarray:
    rng = np.random.default_rng(seed)
    depth = rng.uniform(0.5, 4, n)
    return np.column_stack([rng.uniform(-0.6, 0.6, (n, 2)) * depth[:, None], depth])


@pytest.mark.parametrize(("fisheye", "distortions"), [(False, PINHOLE), (True, FISHEYE)])
def test_derivatives_are_those_of_finite_differences(fisheye, distortions):
    points = _points(1)
    points[0] = [0, 0, 2.0]  # on the optical axis
    pixels, by_point, by_lens = project_with_jacobians(points, MATRIX, distortions, fisheye)
    eye = np.eye(4)
    assert np.allclose(pixels, project_points(points, MATRIX, distortions, fisheye, eye)[0])
    h = 1e-6
    for axis in range(3):
        step = np.zeros(3)
        step[axis] = h
        high, _ = project_points(points + step, MATRIX, distortions, fisheye, eye)
        low, _ = project_points(points - step, MATRIX, distortions, fisheye, eye)
        np.testing.assert_allclose(by_point[..., axis], (high - low) / (2 * h), atol=2e-4)
    places = {"fx": (0, 0), "fy": (1, 1), "cx": (0, 2), "cy": (1, 2)}
    for number, name in enumerate(lens_parameters(fisheye)):
        results = []
        for sign in (1, -1):
            matrix, moved = MATRIX.copy(), distortions.copy()
            if name in places:
                matrix[places[name]] += sign * h
            else:
                moved[number - 4] += sign * h
            results.append(project_points(points, matrix, moved, fisheye, eye)[0])
        numeric = (results[0] - results[1]) / (2 * h)
        if name == "fy":  # the skew enters u through b, which does not depend on fy
            assert np.allclose(by_lens[:, 0, number], 0)
        np.testing.assert_allclose(by_lens[..., number], numeric, atol=2e-4, err_msg=name)


def test_derivatives_are_those_of_opencv():
    points = _points(2)
    matrix = MATRIX.copy()
    matrix[0, 1] = 0
    _, jacobian = cv2.projectPoints(points, np.zeros(3), np.zeros(3), matrix, PINHOLE)
    jacobian = jacobian.reshape(len(points), 2, -1)
    _, by_point, by_lens = project_with_jacobians(points, matrix, PINHOLE, False)
    # OpenCV's columns: rotation 3, translation 3, fx, fy, cx, cy, then the coefficients.
    np.testing.assert_allclose(by_point, jacobian[:, :, 3:6], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(by_lens, jacobian[:, :, 6:18], rtol=1e-9, atol=1e-9)


def test_a_point_behind_a_pinhole_camera_is_nan():
    pixels, by_point, _ = project_with_jacobians(
        np.array([[0.1, 0.2, -1.0]]), MATRIX, PINHOLE, False
    )
    assert np.isnan(pixels).all()
    assert np.isnan(by_point).all()
