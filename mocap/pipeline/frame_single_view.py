"""Somebody whom one camera shows: how far away he is, and how sure that is."""

# pyright: basic

from __future__ import annotations

import math

import numpy as np

from mocap.compiled import kernel
from mocap.geometry.ray_space import invert_packed, pack

BODY_SIGMA_M = 0.05
BODY_SPEED_M_S = 0.3
BODY_DENSITY = 10.0
"""Of a body as a whole: how well two views place it and its speed, and the power of its
accelerations, m^2/s^3: people speed up by 3 m/s^2 or so, for about a second."""


@kernel
def drift_variance(alone_s):
    """Variance, m^2, of how far away somebody is, this long after two views last showed him."""
    speed = BODY_SPEED_M_S * alone_s
    return BODY_SIGMA_M**2 + speed * speed + BODY_DENSITY * alone_s**3 / 3


@kernel
def scale_from_links(
    points,
    center,
    ends,
    slot,
    length,
    sigma,
    prior,
    prior_h,
    chosen,
    moved,
    height,
    height_var,
    height_count,
    height_min2,
    middle,
    drift2,
):
    """Moves a person seen by one camera along its rays so that the links have their lengths.

    Keypoint by keypoint this would take many sweeps, because each holds its neighbours back.

    Takes:
        middle: (3) of the body.
        drift2: variance, m^2, of the distance of the body as a whole; see `drift_variance`.
    """
    a, b = 0.0, 0.0
    for e in range(len(ends)):
        p, q = ends[e, 0], ends[e, 1]
        if not (math.isfinite(points[p, 0]) and math.isfinite(points[q, 0])):
            continue
        d2 = 0.0
        for i in range(3):
            d2 += (points[p, i] - points[q, i]) ** 2
        n = math.sqrt(d2)
        r = length[slot[e]] - n
        s = sigma[slot[e]]
        w = 1 / (s * s) / (1 + r * r / (s * s) / 9.0)
        a += w * n * n
        b += w * n * r
    # The errors of the predicted depths are common to all keypoints: one of them counts.
    pa, pb, count = 0.0, 0.0, 0
    for k in chosen:
        if not (math.isfinite(points[k, 0]) and math.isfinite(prior[k, 0])):
            continue
        h = prior_h[k]
        p0, p1, p2 = points[k, 0] - center[0], points[k, 1] - center[1], points[k, 2] - center[2]
        o0, o1, o2 = (
            prior[k, 0] - points[k, 0],
            prior[k, 1] - points[k, 1],
            prior[k, 2] - points[k, 2],
        )
        g0 = h[0] * p0 + h[1] * p1 + h[2] * p2
        g1 = h[1] * p0 + h[3] * p1 + h[4] * p2
        g2 = h[2] * p0 + h[4] * p1 + h[5] * p2
        pa += g0 * p0 + g1 * p1 + g2 * p2
        pb += g0 * o0 + g1 * o1 + g2 * o2
        count += 1
    if count and pa > 0:
        # The body as a whole keeps its way better than a hand does.
        far2 = 0.0
        for i in range(3):
            far2 += (middle[i] - center[i]) ** 2
        trust = max(pa / count, far2 / drift2)
        a += trust
        b += trust * pb / pa
    # So are those of the heights.
    pa, pb, count = 0.0, 0.0, 0
    for k in chosen:
        if not (math.isfinite(points[k, 0]) and height_count[k] >= 10):
            continue
        slope = points[k, 2] - center[2]
        r = height[k] - points[k, 2]
        variance = height_var[k] + height_min2
        w = 1 / variance / (1 + r * r / variance / 9.0)
        pa += w * slope * slope
        pb += w * slope * r
        count += 1
    if count:
        a += 2 * pa / count
        b += 2 * pb / count
    if a <= 0:
        return 0.01
    s = min(max(b / a, -0.05), 0.05)
    for k in range(len(points)):
        for i in range(3):
            points[k, i] += s * (points[k, i] - center[i])
            moved[k, i] += s * (moved[k, i] - center[i])
    return 1 / a


@kernel
def add_depth_variance(points, info, center, variance):
    """Makes all keypoints unsure along their rays by a variance in parts of the distance."""
    h = np.zeros(6)
    cov = np.zeros((3, 3))
    for k in range(len(points)):
        if not math.isfinite(points[k, 0]):
            continue
        invert_packed(info[k], cov)
        for i in range(3):
            for j in range(3):
                cov[i, j] += variance * (points[k, i] - center[i]) * (points[k, j] - center[j])
        pack(cov, h)
        invert_packed(h, cov)
        pack(cov, info[k])
