"""Compiled projection: the scalar building blocks of every hot loop.

Each function is the compiled twin of one in `mocap.geometry.projection`, where models, units and
sources are described. They take the arrays of all cameras and the position c of one of them
(`matrix` (C, 3, 3), `d` (C, 8) padded distortions, `fisheye` (C), `T` (C, 4, 4) world to camera):
cutting out one camera's arrays first costs as much as the projection itself.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from mocap.geometry.projection import (
    UNDISTORT_ACCEPTED,
    UNDISTORT_ITERATIONS,
    UNDISTORT_TOLERANCE,
)


@njit(cache=True, nogil=True, error_model="numpy")
def distort_pinhole(x: float, y: float, c: int, d: np.ndarray) -> tuple[float, float]:
    """Distorted from undistorted normalised image point."""
    r2 = x * x + y * y
    radial = (1 + r2 * (d[c, 0] + r2 * (d[c, 1] + r2 * d[c, 4]))) / (
        1 + r2 * (d[c, 5] + r2 * (d[c, 6] + r2 * d[c, 7]))
    )
    u = x * radial + 2 * d[c, 2] * x * y + d[c, 3] * (r2 + 2 * x * x)
    v = y * radial + d[c, 2] * (r2 + 2 * y * y) + 2 * d[c, 3] * x * y
    return u, v


@njit(cache=True, nogil=True, error_model="numpy")
def pinhole_slopes(x: float, y: float, c: int, d: np.ndarray) -> tuple[float, float, float]:
    """du/dx, du/dy (equal to dv/dx) and dv/dy of `distort_pinhole`."""
    r2 = x * x + y * y
    numerator = 1 + r2 * (d[c, 0] + r2 * (d[c, 1] + r2 * d[c, 4]))
    denominator = 1 + r2 * (d[c, 5] + r2 * (d[c, 6] + r2 * d[c, 7]))
    radial = numerator / denominator
    numerator_by_r2 = d[c, 0] + r2 * (2 * d[c, 1] + 3 * r2 * d[c, 4])
    denominator_by_r2 = d[c, 5] + r2 * (2 * d[c, 6] + 3 * r2 * d[c, 7])
    slope = 2 * (numerator_by_r2 - radial * denominator_by_r2) / denominator
    ux = radial + x * x * slope + 2 * d[c, 2] * y + 6 * d[c, 3] * x
    uy = x * y * slope + 2 * d[c, 2] * x + 2 * d[c, 3] * y
    vy = radial + y * y * slope + 6 * d[c, 2] * y + 2 * d[c, 3] * x
    return ux, uy, vy


@njit(cache=True, nogil=True, error_model="numpy")
def fisheye_angle(theta: float, c: int, d: np.ndarray) -> tuple[float, float]:
    """Distorted angle and its derivative by the true angle."""
    t2 = theta * theta
    angle = theta * (1 + t2 * (d[c, 0] + t2 * (d[c, 1] + t2 * (d[c, 2] + t2 * d[c, 3]))))
    slope = 1 + t2 * (3 * d[c, 0] + t2 * (5 * d[c, 1] + t2 * (7 * d[c, 2] + t2 * 9 * d[c, 3])))
    return angle, slope


@njit(cache=True, nogil=True, error_model="numpy")
def project_point(
    point: np.ndarray,
    c: int,
    matrix: np.ndarray,
    d: np.ndarray,
    fisheye: np.ndarray,
    T: np.ndarray,
) -> tuple[float, float, float]:
    """Pixel and depth of one world point; the pixel is NaN behind a pinhole camera."""
    x = T[c, 0, 0] * point[0] + T[c, 0, 1] * point[1] + T[c, 0, 2] * point[2] + T[c, 0, 3]
    y = T[c, 1, 0] * point[0] + T[c, 1, 1] * point[1] + T[c, 1, 2] * point[2] + T[c, 1, 3]
    z = T[c, 2, 0] * point[0] + T[c, 2, 1] * point[1] + T[c, 2, 2] * point[2] + T[c, 2, 3]
    if fisheye[c]:
        rho = math.hypot(x, y)
        if rho < 1e-12:
            if not z > 0:
                return math.nan, math.nan, z
            scale = 1 / z
        else:
            scale = fisheye_angle(math.atan2(rho, z), c, d)[0] / rho
        a, b = x * scale, y * scale
    else:
        if not z > 0:
            return math.nan, math.nan, z
        a, b = distort_pinhole(x / z, y / z, c, d)
    u = matrix[c, 0, 0] * a + matrix[c, 0, 1] * b + matrix[c, 0, 2]
    v = matrix[c, 1, 1] * b + matrix[c, 1, 2]
    return u, v, z


@njit(cache=True, nogil=True, error_model="numpy")
def project_point_jacobian(
    point: np.ndarray,
    c: int,
    matrix: np.ndarray,
    d: np.ndarray,
    fisheye: np.ndarray,
    T: np.ndarray,
    out: np.ndarray,
) -> None:
    """Writes d(pixel)/d(world point), (2, 3) in pixels per metre, into `out`."""
    x = T[c, 0, 0] * point[0] + T[c, 0, 1] * point[1] + T[c, 0, 2] * point[2] + T[c, 0, 3]
    y = T[c, 1, 0] * point[0] + T[c, 1, 1] * point[1] + T[c, 1, 2] * point[2] + T[c, 1, 3]
    z = T[c, 2, 0] * point[0] + T[c, 2, 1] * point[1] + T[c, 2, 2] * point[2] + T[c, 2, 3]
    if fisheye[c]:
        rho = math.hypot(x, y)
        n2 = rho * rho + z * z
        angle, slope = fisheye_angle(math.atan2(rho, z), c, d)
        if rho < 1e-9:
            scale, bend = 1 / z, 0.0
        else:
            scale = angle / rho
            bend = (slope * z / n2 - scale) / (rho * rho)
        along = -slope / n2
        ax, ay, az = scale + x * x * bend, x * y * bend, x * along
        bx, by, bz = ay, scale + y * y * bend, y * along
    else:
        p, q = x / z, y / z
        ux, uy, vy = pinhole_slopes(p, q, c, d)
        ax, ay, az = ux / z, uy / z, -(ux * p + uy * q) / z
        bx, by, bz = uy / z, vy / z, -(uy * p + vy * q) / z
    fx, s, fy = matrix[c, 0, 0], matrix[c, 0, 1], matrix[c, 1, 1]
    u0, u1, u2 = fx * ax + s * bx, fx * ay + s * by, fx * az + s * bz
    v0, v1, v2 = fy * bx, fy * by, fy * bz
    for i in range(3):
        out[0, i] = u0 * T[c, 0, i] + u1 * T[c, 1, i] + u2 * T[c, 2, i]
        out[1, i] = v0 * T[c, 0, i] + v1 * T[c, 1, i] + v2 * T[c, 2, i]


@njit(cache=True, nogil=True, error_model="numpy")
def unproject_pixel(
    u: float, v: float, c: int, matrix: np.ndarray, d: np.ndarray, fisheye: np.ndarray
) -> tuple[float, float, float]:
    """Unit ray in the camera frame of one pixel; NaN if the lens model has no inverse there."""
    b = (v - matrix[c, 1, 2]) / matrix[c, 1, 1]
    a = (u - matrix[c, 0, 2] - matrix[c, 0, 1] * b) / matrix[c, 0, 0]
    if not (math.isfinite(a) and math.isfinite(b)):
        return math.nan, math.nan, math.nan
    if fisheye[c]:
        target = math.hypot(a, b)
        if target < 1e-12:
            return a, b, 1.0
        theta = min(target, math.pi)
        for _ in range(UNDISTORT_ITERATIONS):
            angle, slope = fisheye_angle(theta, c, d)
            error = target - angle
            theta += error / (slope if slope > 0.1 else 1.0)
            theta = min(max(theta, 0.0), math.pi)
            if abs(error) <= UNDISTORT_TOLERANCE:
                break
        if not abs(fisheye_angle(theta, c, d)[0] - target) < UNDISTORT_ACCEPTED:
            return math.nan, math.nan, math.nan
        scale = math.sin(theta) / target
        return a * scale, b * scale, math.cos(theta)
    x, y = a, b
    for _ in range(UNDISTORT_ITERATIONS):
        pu, pv = distort_pinhole(x, y, c, d)
        du, dv = a - pu, b - pv
        ux, uy, vy = pinhole_slopes(x, y, c, d)
        determinant = ux * vy - uy * uy
        if determinant > 0.1:
            x += (vy * du - uy * dv) / determinant
            y += (ux * dv - uy * du) / determinant
        else:
            x += du
            y += dv
        if abs(du) + abs(dv) <= UNDISTORT_TOLERANCE:
            break
    pu, pv = distort_pinhole(x, y, c, d)
    if not abs(pu - a) + abs(pv - b) < UNDISTORT_ACCEPTED:
        return math.nan, math.nan, math.nan
    norm = math.sqrt(x * x + y * y + 1)
    return x / norm, y / norm, 1 / norm


@njit(cache=True, nogil=True, error_model="numpy")
def world_rays(
    pixels: np.ndarray,
    matrix: np.ndarray,
    distortions: np.ndarray,
    fisheye: np.ndarray,
    T_cam_world: np.ndarray,
) -> np.ndarray:
    """Unit rays in the world frame, (C, K, 3), of pixels (C, K, 2), one row per camera."""
    cameras, count = pixels.shape[:2]
    rays = np.empty((cameras, count, 3))
    for c in range(cameras):
        T = T_cam_world[c]
        for k in range(count):
            x, y, z = unproject_pixel(
                pixels[c, k, 0], pixels[c, k, 1], c, matrix, distortions, fisheye
            )
            for i in range(3):
                rays[c, k, i] = T[0, i] * x + T[1, i] * y + T[2, i] * z
    return rays


@njit(cache=True, nogil=True, error_model="numpy")
def solve_symmetric_3x3(a: np.ndarray, b: np.ndarray, x: np.ndarray) -> float:
    """Solves a x = b for a symmetric positive (3, 3) matrix, in closed form.

    Returns:
        The determinant divided by the cube of the mean diagonal, a measure of condition between
        0 and 1; `x` is untouched when it is not positive.
    """
    c00 = a[1, 1] * a[2, 2] - a[1, 2] * a[1, 2]
    c01 = a[0, 2] * a[1, 2] - a[0, 1] * a[2, 2]
    c02 = a[0, 1] * a[1, 2] - a[0, 2] * a[1, 1]
    determinant = a[0, 0] * c00 + a[0, 1] * c01 + a[0, 2] * c02
    mean = (a[0, 0] + a[1, 1] + a[2, 2]) / 3
    if not (mean > 0 and determinant > 0):
        return 0.0
    c11 = a[0, 0] * a[2, 2] - a[0, 2] * a[0, 2]
    c12 = a[0, 1] * a[0, 2] - a[0, 0] * a[1, 2]
    c22 = a[0, 0] * a[1, 1] - a[0, 1] * a[0, 1]
    x[0] = (c00 * b[0] + c01 * b[1] + c02 * b[2]) / determinant
    x[1] = (c01 * b[0] + c11 * b[1] + c12 * b[2]) / determinant
    x[2] = (c02 * b[0] + c12 * b[1] + c22 * b[2]) / determinant
    return determinant / (mean * mean * mean)
