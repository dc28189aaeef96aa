"""Projection through real lenses and back, with the derivative: the NumPy form.

This is the plain form of `mocap.geometry.kernels`, and its oracle in tests. Lens models are
OpenCV's: the pinhole model with radial, tangential and rational terms, and the fisheye model of
Kannala and Brandt (TPAMI 2006). Distortion coefficients come padded with zeros to eight:
(k1, k2, p1, p2, k3, k4, k5, k6) for pinhole, (k1, k2, k3, k4, 0, 0, 0, 0) for fisheye.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from mocap.arrays import Float

_Values: TypeAlias = np.ndarray | np.floating
"""Values of any number of points; NumPy makes a scalar of those of a single point."""

UNDISTORT_ITERATIONS = 20
UNDISTORT_TOLERANCE = 1e-12
UNDISTORT_ACCEPTED = 1e-7
"""Largest error, in normalised image units, at which an undistorted point is accepted."""


def transform_points(
    T_to_from: Float[np.ndarray, "4 4"], points: Float[np.ndarray, "*batch 3"]
) -> Float[np.ndarray, "*batch 3"]:
    """Maps points by a rigid transform."""
    return points @ T_to_from[:3, :3].T + T_to_from[:3, 3]


def project_points(
    points_world: Float[np.ndarray, "*batch 3"],
    matrix: Float[np.ndarray, "3 3"],
    distortions: Float[np.ndarray, " 8"],
    fisheye: bool,
    T_cam_world: Float[np.ndarray, "4 4"],
) -> tuple[Float[np.ndarray, "*batch 2"], Float[np.ndarray, " *batch"]]:
    """Projects world points into one camera.

    Args:
        points_world: positions in metres; NaN gives NaN.
        matrix: camera matrix in pixels.
        distortions: padded coefficients.
        fisheye: which lens model.
        T_cam_world: pose.

    Returns:
        Pixels, and depth along the optical axis in metres. Pixels are NaN where a pinhole
        camera has the point in its back; a fisheye lens sees beyond 90 degrees.
    """
    points = transform_points(T_cam_world, np.asarray(points_world, dtype=np.float64))
    x, y, z = np.moveaxis(points, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        if fisheye:
            a, b = _distort_fisheye(x, y, z, distortions)
        else:
            a, b = _distort_pinhole(x / z, y / z, distortions)
            behind = ~(z > 0)
            a, b = np.where(behind, np.nan, a), np.where(behind, np.nan, b)
    u = matrix[0, 0] * a + matrix[0, 1] * b + matrix[0, 2]
    v = matrix[1, 1] * b + matrix[1, 2]
    return np.stack([u, v], axis=-1), np.asarray(z)


def projection_jacobian(
    points_world: Float[np.ndarray, "*batch 3"],
    matrix: Float[np.ndarray, "3 3"],
    distortions: Float[np.ndarray, " 8"],
    fisheye: bool,
    T_cam_world: Float[np.ndarray, "4 4"],
) -> Float[np.ndarray, "*batch 2 3"]:
    """Derivative of the pixel by the world point, in pixels per metre; see `project_points`."""
    points = transform_points(T_cam_world, np.asarray(points_world, dtype=np.float64))
    x, y, z = np.moveaxis(points, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        if fisheye:
            by_cam = _fisheye_jacobian(x, y, z, distortions)
        else:
            a, b = x / z, y / z
            by_normalized = pinhole_distortion_jacobian(a, b, distortions)
            zero = np.zeros_like(z)
            rows = [1 / z, zero, -a / z, zero, 1 / z, -b / z]
            normalized_by_cam = np.stack(rows, axis=-1).reshape(*z.shape, 2, 3)
            by_cam = by_normalized @ normalized_by_cam
            by_cam = np.where((z > 0)[..., None, None], by_cam, np.nan)
    return matrix[:2, :2] @ by_cam @ T_cam_world[:3, :3]


def unproject_pixels(
    pixels: Float[np.ndarray, "*batch 2"],
    matrix: Float[np.ndarray, "3 3"],
    distortions: Float[np.ndarray, " 8"],
    fisheye: bool,
) -> Float[np.ndarray, "*batch 3"]:
    """Unit rays, in the camera frame, on which the pixels' points lie.

    NaN where the pixel is NaN or where the lens model has no inverse.
    """
    pixels = np.asarray(pixels, dtype=np.float64)
    b = (pixels[..., 1] - matrix[1, 2]) / matrix[1, 1]
    a = (pixels[..., 0] - matrix[0, 2] - matrix[0, 1] * b) / matrix[0, 0]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        if fisheye:
            return _undistort_fisheye(a, b, distortions)
        x, y = _undistort_pinhole(a, b, distortions)
        rays = np.stack([x, y, np.ones_like(x)], axis=-1)
        return rays / np.linalg.norm(rays, axis=-1, keepdims=True)


def _distort_pinhole(x: _Values, y: _Values, d: Float[np.ndarray, " 8"]) -> tuple[_Values, _Values]:
    r2 = x * x + y * y
    radial = (1 + r2 * (d[0] + r2 * (d[1] + r2 * d[4]))) / (
        1 + r2 * (d[5] + r2 * (d[6] + r2 * d[7]))
    )
    u = x * radial + 2 * d[2] * x * y + d[3] * (r2 + 2 * x * x)
    v = y * radial + d[2] * (r2 + 2 * y * y) + 2 * d[3] * x * y
    return u, v


def pinhole_distortion_jacobian(
    x: _Values, y: _Values, d: Float[np.ndarray, " 8"]
) -> Float[np.ndarray, "*batch 2 2"]:
    """Derivative of the distorted by the undistorted normalised image point (pinhole)."""
    r2 = x * x + y * y
    numerator = 1 + r2 * (d[0] + r2 * (d[1] + r2 * d[4]))
    denominator = 1 + r2 * (d[5] + r2 * (d[6] + r2 * d[7]))
    radial = numerator / denominator
    numerator_by_r2 = d[0] + r2 * (2 * d[1] + 3 * r2 * d[4])
    denominator_by_r2 = d[5] + r2 * (2 * d[6] + 3 * r2 * d[7])
    slope = 2 * (numerator_by_r2 - radial * denominator_by_r2) / denominator
    ux = radial + x * x * slope + 2 * d[2] * y + 6 * d[3] * x
    uy = x * y * slope + 2 * d[2] * x + 2 * d[3] * y
    vy = radial + y * y * slope + 6 * d[2] * y + 2 * d[3] * x
    return np.stack([ux, uy, uy, vy], axis=-1).reshape(*np.shape(x), 2, 2)


def _undistort_pinhole(
    a: _Values, b: _Values, d: Float[np.ndarray, " 8"]
) -> tuple[_Values, _Values]:
    x, y = a.copy(), b.copy()
    for _ in range(UNDISTORT_ITERATIONS):
        u, v = _distort_pinhole(x, y, d)
        du, dv = a - u, b - v
        jacobian = pinhole_distortion_jacobian(x, y, d)
        ux, uy, vy = jacobian[..., 0, 0], jacobian[..., 0, 1], jacobian[..., 1, 1]
        determinant = ux * vy - uy * uy
        # Where the model folds back the Newton step points away; the fixed-point step does not.
        good = determinant > 0.1
        determinant = np.where(good, determinant, 1.0)
        x = x + np.where(good, (vy * du - uy * dv) / determinant, du)
        y = y + np.where(good, (ux * dv - uy * du) / determinant, dv)
        if not np.any(np.abs(du) + np.abs(dv) > UNDISTORT_TOLERANCE):
            break
    u, v = _distort_pinhole(x, y, d)
    good = np.abs(u - a) + np.abs(v - b) < UNDISTORT_ACCEPTED
    return np.where(good, x, np.nan), np.where(good, y, np.nan)


def _fisheye_angle(theta: _Values, d: Float[np.ndarray, " 8"]) -> _Values:
    t2 = theta * theta
    return theta * (1 + t2 * (d[0] + t2 * (d[1] + t2 * (d[2] + t2 * d[3]))))


def _fisheye_slope(theta: _Values, d: Float[np.ndarray, " 8"]) -> _Values:
    t2 = theta * theta
    return 1 + t2 * (3 * d[0] + t2 * (5 * d[1] + t2 * (7 * d[2] + t2 * 9 * d[3])))


def _distort_fisheye(
    x: _Values, y: _Values, z: _Values, d: Float[np.ndarray, " 8"]
) -> tuple[_Values, _Values]:
    rho = np.hypot(x, y)
    theta = np.arctan2(rho, z)
    on_axis = rho < 1e-12
    # Exactly behind the lens the point is seen in all directions, which is none.
    ahead = np.where(z > 0, 1 / z, np.nan)
    scale = np.where(on_axis, ahead, _fisheye_angle(theta, d) / np.where(on_axis, 1, rho))
    return x * scale, y * scale


def _fisheye_jacobian(
    x: _Values, y: _Values, z: _Values, d: Float[np.ndarray, " 8"]
) -> Float[np.ndarray, "*batch 2 3"]:
    rho = np.hypot(x, y)
    on_axis = rho < 1e-9
    safe = np.where(on_axis, 1.0, rho)
    theta = np.arctan2(rho, z)
    n2 = rho * rho + z * z
    scale = np.where(on_axis, 1 / z, _fisheye_angle(theta, d) / safe)
    slope = _fisheye_slope(theta, d)
    # d(scale)/d(rho), divided by rho: the form in which x and y enter.
    bend = np.where(on_axis, 0.0, (slope * z / n2 - scale) / (safe * safe))
    along = -slope / n2
    rows = [
        scale + x * x * bend,
        x * y * bend,
        x * along,
        x * y * bend,
        scale + y * y * bend,
        y * along,
    ]
    return np.stack(rows, axis=-1).reshape(*np.shape(x), 2, 3)


def _undistort_fisheye(
    a: _Values, b: _Values, d: Float[np.ndarray, " 8"]
) -> Float[np.ndarray, "*batch 3"]:
    target = np.hypot(a, b)
    theta = np.minimum(target, np.pi)
    for _ in range(UNDISTORT_ITERATIONS):
        error = target - _fisheye_angle(theta, d)
        slope = _fisheye_slope(theta, d)
        theta = np.clip(theta + error / np.where(slope > 0.1, slope, 1.0), 0.0, np.pi)
        if not np.any(np.abs(error) > UNDISTORT_TOLERANCE):
            break
    good = np.abs(_fisheye_angle(theta, d) - target) < UNDISTORT_ACCEPTED
    theta = np.where(good, theta, np.nan)
    on_axis = target < 1e-12
    scale = np.sin(theta) / np.where(on_axis, 1.0, target)
    scale = np.where(on_axis, 1.0, scale)
    return np.stack([a * scale, b * scale, np.cos(theta)], axis=-1)
