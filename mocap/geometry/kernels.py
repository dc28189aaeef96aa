"""Compiled projection: the scalar building blocks of every hot loop.

Each function is the compiled twin of one in `mocap.geometry.projection`, where models, units and
sources are described. They take the arrays of all cameras and the position c of one of them
(`matrix` (C, 3, 3), `d` (C, 8) padded distortions, `fisheye` (C), `T` (C, 4, 4) world to camera):
cutting out one camera's arrays first costs as much as the projection itself.
"""

from __future__ import annotations

import math

import numpy as np

from mocap.compiled import kernel
from mocap.geometry.projection import (
    UNDISTORT_ACCEPTED,
    UNDISTORT_ITERATIONS,
    UNDISTORT_TOLERANCE,
)

_LAST_STEP = 1e-8
"""Newton's step from an error of this size leaves one of about its square: none."""


@kernel
def distort_pinhole(x: float, y: float, c: int, d: np.ndarray) -> tuple[float, float]:
    """Distorted from undistorted normalised image point."""
    r2 = x * x + y * y
    radial = (1 + r2 * (d[c, 0] + r2 * (d[c, 1] + r2 * d[c, 4]))) / (
        1 + r2 * (d[c, 5] + r2 * (d[c, 6] + r2 * d[c, 7]))
    )
    u = x * radial + 2 * d[c, 2] * x * y + d[c, 3] * (r2 + 2 * x * x)
    v = y * radial + d[c, 2] * (r2 + 2 * y * y) + 2 * d[c, 3] * x * y
    return u, v


@kernel
def distort_with_slopes(
    x: float, y: float, c: int, d: np.ndarray
) -> tuple[float, float, float, float, float]:
    """Distorted point as by `distort_pinhole`, and its du/dx, du/dy (equal to dv/dx) and dv/dy."""
    r2 = x * x + y * y
    numerator = 1 + r2 * (d[c, 0] + r2 * (d[c, 1] + r2 * d[c, 4]))
    by = 1 / (1 + r2 * (d[c, 5] + r2 * (d[c, 6] + r2 * d[c, 7])))
    radial = numerator * by
    numerator_by_r2 = d[c, 0] + r2 * (2 * d[c, 1] + 3 * r2 * d[c, 4])
    denominator_by_r2 = d[c, 5] + r2 * (2 * d[c, 6] + 3 * r2 * d[c, 7])
    slope = 2 * (numerator_by_r2 - radial * denominator_by_r2) * by
    u = x * radial + 2 * d[c, 2] * x * y + d[c, 3] * (r2 + 2 * x * x)
    v = y * radial + d[c, 2] * (r2 + 2 * y * y) + 2 * d[c, 3] * x * y
    ux = radial + x * x * slope + 2 * d[c, 2] * y + 6 * d[c, 3] * x
    uy = x * y * slope + 2 * d[c, 2] * x + 2 * d[c, 3] * y
    vy = radial + y * y * slope + 6 * d[c, 2] * y + 2 * d[c, 3] * x
    return u, v, ux, uy, vy


@kernel
def fisheye_angle(theta: float, c: int, d: np.ndarray) -> tuple[float, float]:
    """Distorted angle and its derivative by the true angle."""
    t2 = theta * theta
    angle = theta * (1 + t2 * (d[c, 0] + t2 * (d[c, 1] + t2 * (d[c, 2] + t2 * d[c, 3]))))
    slope = 1 + t2 * (3 * d[c, 0] + t2 * (5 * d[c, 1] + t2 * (7 * d[c, 2] + t2 * 9 * d[c, 3])))
    return angle, slope


@kernel
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


@kernel
def project_with_jacobian(
    px: float,
    py: float,
    pz: float,
    c: int,
    matrix: np.ndarray,
    d: np.ndarray,
    fisheye: np.ndarray,
    T: np.ndarray,
) -> tuple[float, float, float, float, float, float, float, float, float]:
    """Pixel and depth of a world point, and d(pixel)/d(world point): the rows of u and of v.

    Pixels per metre; the pixel is NaN behind a pinhole camera, where the rest says nothing.
    """
    x = T[c, 0, 0] * px + T[c, 0, 1] * py + T[c, 0, 2] * pz + T[c, 0, 3]
    y = T[c, 1, 0] * px + T[c, 1, 1] * py + T[c, 1, 2] * pz + T[c, 1, 3]
    z = T[c, 2, 0] * px + T[c, 2, 1] * py + T[c, 2, 2] * pz + T[c, 2, 3]
    if fisheye[c]:
        rho2 = x * x + y * y
        rho, n2 = math.sqrt(rho2), rho2 + z * z
        angle, slope = fisheye_angle(math.atan2(rho, z), c, d)
        if rho < 1e-9:
            if not z > 0:
                return math.nan, math.nan, z, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            scale, bend = 1 / z, 0.0
        else:
            scale = angle / rho
            bend = (slope * z / n2 - scale) / rho2
        along = -slope / n2
        a, b = x * scale, y * scale
        ax, ay, az = scale + x * x * bend, x * y * bend, x * along
        bx, by, bz = ay, scale + y * y * bend, y * along
    else:
        if not z > 0:
            return math.nan, math.nan, z, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        w = 1 / z
        p, q = x * w, y * w
        a, b, ux, uy, vy = distort_with_slopes(p, q, c, d)
        ax, ay, az = ux * w, uy * w, -(ux * p + uy * q) * w
        bx, by, bz = uy * w, vy * w, -(uy * p + vy * q) * w
    fx, s, fy = matrix[c, 0, 0], matrix[c, 0, 1], matrix[c, 1, 1]
    u0, u1, u2 = fx * ax + s * bx, fx * ay + s * by, fx * az + s * bz
    v0, v1, v2 = fy * bx, fy * by, fy * bz
    return (
        fx * a + s * b + matrix[c, 0, 2],
        fy * b + matrix[c, 1, 2],
        z,
        u0 * T[c, 0, 0] + u1 * T[c, 1, 0] + u2 * T[c, 2, 0],
        u0 * T[c, 0, 1] + u1 * T[c, 1, 1] + u2 * T[c, 2, 1],
        u0 * T[c, 0, 2] + u1 * T[c, 1, 2] + u2 * T[c, 2, 2],
        v0 * T[c, 0, 0] + v1 * T[c, 1, 0] + v2 * T[c, 2, 0],
        v0 * T[c, 0, 1] + v1 * T[c, 1, 1] + v2 * T[c, 2, 1],
        v0 * T[c, 0, 2] + v1 * T[c, 1, 2] + v2 * T[c, 2, 2],
    )


@kernel
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
    _, _, _, u0, u1, u2, v0, v1, v2 = project_with_jacobian(
        point[0], point[1], point[2], c, matrix, d, fisheye, T
    )
    out[0, 0], out[0, 1], out[0, 2] = u0, u1, u2
    out[1, 0], out[1, 1], out[1, 2] = v0, v1, v2


@kernel
def unproject_pixel(
    u: float, v: float, c: int, matrix: np.ndarray, d: np.ndarray, fisheye: np.ndarray
) -> tuple[float, float, float]:
    """Unit ray in the camera frame of one pixel; NaN if the lens model has no inverse there."""
    b = (v - matrix[c, 1, 2]) / matrix[c, 1, 1]
    a = (u - matrix[c, 0, 2] - matrix[c, 0, 1] * b) / matrix[c, 0, 0]
    if not (math.isfinite(a) and math.isfinite(b)):
        return math.nan, math.nan, math.nan
    if fisheye[c]:
        target = math.sqrt(a * a + b * b)
        if target < 1e-12:
            return a, b, 1.0
        theta = min(target, math.pi)
        error = math.inf
        for _ in range(UNDISTORT_ITERATIONS):
            angle, slope = fisheye_angle(theta, c, d)
            error = target - angle
            theta = min(max(theta + error / (slope if slope > 0.1 else 1.0), 0.0), math.pi)
            if abs(error) <= (_LAST_STEP if slope > 0.1 else UNDISTORT_TOLERANCE):
                break
        if abs(error) > _LAST_STEP:
            error = target - fisheye_angle(theta, c, d)[0]
        if not abs(error) < UNDISTORT_ACCEPTED:
            return math.nan, math.nan, math.nan
        scale = math.sin(theta) / target
        return a * scale, b * scale, math.cos(theta)
    x, y = a, b
    error = math.inf
    for _ in range(UNDISTORT_ITERATIONS):
        pu, pv, ux, uy, vy = distort_with_slopes(x, y, c, d)
        du, dv = a - pu, b - pv
        error = abs(du) + abs(dv)
        if error == 0:
            break
        determinant = ux * vy - uy * uy
        if determinant > 0.1:
            by = 1 / determinant
            x += (vy * du - uy * dv) * by
            y += (ux * dv - uy * du) * by
        else:
            x += du
            y += dv
        if error <= (_LAST_STEP if determinant > 0.1 else UNDISTORT_TOLERANCE):
            break
    if error > _LAST_STEP:
        pu, pv = distort_pinhole(x, y, c, d)
        error = abs(pu - a) + abs(pv - b)
    if not error < UNDISTORT_ACCEPTED:
        return math.nan, math.nan, math.nan
    by = 1 / math.sqrt(x * x + y * y + 1)
    return x * by, y * by, by


@kernel
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


@kernel
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
