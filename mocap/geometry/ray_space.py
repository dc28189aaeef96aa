"""Compiled geometry of rays: what association, triangulation and tracking are made of.

A 2D keypoint is turned once into a unit ray d in the world and two unit vectors b1, b2 across it.
What a 3D point X misses it by is then r = (b1.p, b2.p) / (d.p) with p = X - C, the tangent of an
angle, with the derivative (b_i - r_i d) / (d.p). No lens model is left in the inner loops, and the
result is the same for pinhole and fisheye lenses. Pixels come in again where residuals are
reported.
"""

# The types of compiled functions are numba's to infer; annotations on them would say nothing.
# pyright: basic

from __future__ import annotations

import math

import numpy as np

from mocap.compiled import kernel
from mocap.geometry.kernels import unproject_pixel

NEAREST_M = 0.05
"""A point less far in front of a camera than this is not seen by it."""


@kernel
def ray_frames(pixels, confidence, camera, matrix, distortions, fisheye, T):
    """Rays of the keypoints of many 2D people.

    Args:
        pixels: (P, K, 2); NaN for missing.
        confidence: (P, K); set to 0 where there is no ray.
        camera: (P); which camera each 2D person is from.
        matrix: as in `RigArrays`, like the next three.
        distortions: (C, 8).
        fisheye: (C).
        T: (C, 4, 4).

    Returns:
        frames (P, K, 3, 3): d, b1, b2 as rows; zero where there is no ray.
    """
    people, count = confidence.shape
    frames = np.zeros((people, count, 3, 3))
    for j in range(people):
        c = camera[j]
        for k in range(count):
            x, y, z = math.nan, math.nan, math.nan
            if confidence[j, k] > 0:
                x, y, z = unproject_pixel(
                    pixels[j, k, 0], pixels[j, k, 1], c, matrix, distortions, fisheye
                )
            if not math.isfinite(x):
                confidence[j, k] = 0.0
                continue
            # In the camera frame, b1 lies in the image's rows: turned with the ray, not with the
            # world, so that no direction of the world is special.
            n2 = x * x + z * z
            if n2 > 1e-12:
                by = 1 / math.sqrt(n2)
                p0, p2 = z * by, -x * by
            else:
                p0, p2 = 1.0, 0.0
            q0, q1, q2 = y * p2, z * p0 - x * p2, -y * p0
            for i in range(3):
                t0, t1, t2 = T[c, 0, i], T[c, 1, i], T[c, 2, i]
                frames[j, k, 0, i] = t0 * x + t1 * y + t2 * z
                frames[j, k, 1, i] = t0 * p0 + t2 * p2
                frames[j, k, 2, i] = t0 * q0 + t1 * q1 + t2 * q2

    return frames


@kernel
def miss(frames, a, k, centers, c, x0, x1, x2):
    """(r1, r2, depth) of a point against the ray frame `frames[a, k]` of a camera at `centers[c]`.

    r is huge behind the camera. Whole arrays and indices are taken, since cutting out a part
    costs more than the function itself.
    """
    p0, p1, p2 = x0 - centers[c, 0], x1 - centers[c, 1], x2 - centers[c, 2]
    z = frames[a, k, 0, 0] * p0 + frames[a, k, 0, 1] * p1 + frames[a, k, 0, 2] * p2
    if z < NEAREST_M:
        return 1e6, 1e6, NEAREST_M
    w = 1 / z
    r1 = (frames[a, k, 1, 0] * p0 + frames[a, k, 1, 1] * p1 + frames[a, k, 1, 2] * p2) * w
    r2 = (frames[a, k, 2, 0] * p0 + frames[a, k, 2, 1] * p1 + frames[a, k, 2, 2] * p2) * w
    return r1, r2, z


@kernel
def add_view(frames, a, k, r1, r2, z, w, h, g):
    """Adds one view of weight w (1/rad^2) to the normal equations h (xx xy xz yy yz zz), g (3)."""
    f = w / (z * z)
    d0, d1, d2 = frames[a, k, 0, 0], frames[a, k, 0, 1], frames[a, k, 0, 2]
    a0 = frames[a, k, 1, 0] - r1 * d0
    a1 = frames[a, k, 1, 1] - r1 * d1
    a2 = frames[a, k, 1, 2] - r1 * d2
    c0 = frames[a, k, 2, 0] - r2 * d0
    c1 = frames[a, k, 2, 1] - r2 * d1
    c2 = frames[a, k, 2, 2] - r2 * d2
    h[0] += f * (a0 * a0 + c0 * c0)
    h[1] += f * (a0 * a1 + c0 * c1)
    h[2] += f * (a0 * a2 + c0 * c2)
    h[3] += f * (a1 * a1 + c1 * c1)
    h[4] += f * (a1 * a2 + c1 * c2)
    h[5] += f * (a2 * a2 + c2 * c2)
    s1, s2 = f * z * r1, f * z * r2
    g[0] += a0 * s1 + c0 * s2
    g[1] += a1 * s1 + c1 * s2
    g[2] += a2 * s1 + c2 * s2


@kernel
def solve_symmetric(h0, h1, h2, h3, h4, h5, g0, g1, g2):
    """Solves h s = g for packed symmetric h (xx xy xz yy yz zz).

    Returns:
        The determinant by the cube of the mean diagonal (0 where there is no solution), and s.
    """
    c00 = h3 * h5 - h4 * h4
    c01 = h2 * h4 - h1 * h5
    c02 = h1 * h4 - h2 * h3
    det = h0 * c00 + h1 * c01 + h2 * c02
    mean = (h0 + h3 + h5) / 3
    if not (mean > 0 and det > 0):
        return 0.0, 0.0, 0.0, 0.0
    c11 = h0 * h5 - h2 * h2
    c12 = h1 * h2 - h0 * h4
    c22 = h0 * h3 - h1 * h1
    by = 1 / det
    return (
        det / (mean * mean * mean),
        (c00 * g0 + c01 * g1 + c02 * g2) * by,
        (c01 * g0 + c11 * g1 + c12 * g2) * by,
        (c02 * g0 + c12 * g1 + c22 * g2) * by,
    )


@kernel
def solve_packed(h, g, s):
    """`solve_symmetric` on arrays: sets s, which is untouched where there is no solution."""
    condition, s0, s1, s2 = solve_symmetric(h[0], h[1], h[2], h[3], h[4], h[5], g[0], g[1], g[2])
    if condition > 0:
        s[0], s[1], s[2] = s0, s1, s2
    return condition


@kernel
def invert_packed(h, out):
    """Inverse (3, 3) of a packed symmetric positive matrix."""
    c00 = h[3] * h[5] - h[4] * h[4]
    c01 = h[2] * h[4] - h[1] * h[5]
    c02 = h[1] * h[4] - h[2] * h[3]
    det = h[0] * c00 + h[1] * c01 + h[2] * c02
    out[0, 0] = c00 / det
    out[0, 1] = out[1, 0] = c01 / det
    out[0, 2] = out[2, 0] = c02 / det
    out[1, 1] = (h[0] * h[5] - h[2] * h[2]) / det
    out[1, 2] = out[2, 1] = (h[1] * h[2] - h[0] * h[4]) / det
    out[2, 2] = (h[0] * h[3] - h[1] * h[1]) / det


@kernel
def pack(matrix, out):
    """The packed form of a symmetric (3, 3) matrix."""
    out[0], out[1], out[2] = matrix[0, 0], matrix[0, 1], matrix[0, 2]
    out[3], out[4], out[5] = matrix[1, 1], matrix[1, 2], matrix[2, 2]


@kernel
def add_ray(d, center, w, h, g):
    """Adds a ray to the linear problem h x = g of the point nearest to rays (weights w)."""
    t = d[0] * center[0] + d[1] * center[1] + d[2] * center[2]
    h[0] += w * (1 - d[0] * d[0])
    h[1] -= w * d[0] * d[1]
    h[2] -= w * d[0] * d[2]
    h[3] += w * (1 - d[1] * d[1])
    h[4] -= w * d[1] * d[2]
    h[5] += w * (1 - d[2] * d[2])
    for i in range(3):
        g[i] += w * (center[i] - t * d[i])


@kernel
def ray_gap(a, center_a, b, center_b):
    """Distance in metres between two rays; infinite if parallel or if they meet behind a camera."""
    e0, e1, e2 = center_b[0] - center_a[0], center_b[1] - center_a[1], center_b[2] - center_a[2]
    cosine = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    sine2 = 1 - cosine * cosine
    if sine2 < 1e-6:
        return math.inf
    ea = a[0] * e0 + a[1] * e1 + a[2] * e2
    eb = b[0] * e0 + b[1] * e1 + b[2] * e2
    s = (ea - cosine * eb) / sine2
    t = (cosine * ea - eb) / sine2
    if not (s > 0 and t > 0):
        return math.inf
    g0 = e0 + t * b[0] - s * a[0]
    g1 = e1 + t * b[1] - s * a[1]
    g2 = e2 + t * b[2] - s * a[2]
    return math.sqrt(g0 * g0 + g1 * g1 + g2 * g2)
