"""Compiled geometry of the views of one keypoint, which lie side by side for the inner loops.

The views (V) that show a keypoint are gathered into one small table, a row each: ray frame (9),
camera center (3), 1 / sigma^2, squared confidence, and whether it was used. Sums stay in local
numbers: written to arrays, the compiler would have to store and load them for every view, since it
cannot know that these are not the views.
"""

# pyright: basic

from __future__ import annotations

import math

import numpy as np

from mocap.compiled import kernel
from mocap.geometry.ray_space import NEAREST_M, solve_symmetric

COLUMNS = 15
_PRECISION, _TRUST, USED = 12, 13, 14
PRIOR_CAUCHY2 = 9.0


@kernel
def take_views(frames, conf, sigma, centers, k, chosen, all_views, views, order):
    """Gathers what the cameras show of keypoint k.

    Takes:
        frames, conf, sigma, centers: (C, K, 3, 3), (C, K), (C, K), (C, 3); confidence 0 for none.
        chosen: (C, K) which to take, unless `all_views`.
        views: (C, COLUMNS) result; order: (C) result, the camera of each row.

    Returns:
        Number of views.
    """
    n = 0
    for c in range(len(conf)):
        w = conf[c, k]
        if w > 0 and (all_views or chosen[c, k]):
            order[n] = c
            for i in range(3):
                for j in range(3):
                    views[n, 3 * i + j] = frames[c, k, i, j]
                views[n, 9 + i] = centers[c, i]
            views[n, _PRECISION] = 1 / (sigma[c, k] * sigma[c, k])
            views[n, _TRUST] = w * w
            views[n, USED] = 0.0
            n += 1
    return n


@kernel
def miss_view(views, i, x0, x1, x2):
    """(r1, r2, 1 / depth) of a point against view i; see `mocap.geometry.ray_space.miss`."""
    p0, p1, p2 = x0 - views[i, 9], x1 - views[i, 10], x2 - views[i, 11]
    z = views[i, 0] * p0 + views[i, 1] * p1 + views[i, 2] * p2
    if z < NEAREST_M:
        return 1e6, 1e6, 1 / NEAREST_M
    w = 1 / z
    r1 = (views[i, 3] * p0 + views[i, 4] * p1 + views[i, 5] * p2) * w
    r2 = (views[i, 6] * p0 + views[i, 7] * p1 + views[i, 8] * p2) * w
    return r1, r2, w


@kernel
def squared_error(views, i, x0, x1, x2):
    """Squared distance of a point from the ray of view i, by its variance."""
    r1, r2, _ = miss_view(views, i, x0, x1, x2)
    return (r1 * r1 + r2 * r2) * views[i, _PRECISION]


@kernel
def count_apart(views, n, x0, x1, x2, most2):
    """How many views a point is farther from than so many squared standard deviations."""
    apart = 0
    for i in range(n):
        apart += not squared_error(views, i, x0, x1, x2) < most2
    return apart


@kernel
def truncated_cost(views, n, x0, x1, x2, gate2, cost, stop):
    """`cost` and the squared errors of a point, none above the gate; cut short at `stop`."""
    for i in range(n):
        cost += views[i, _TRUST] * min(squared_error(views, i, x0, x1, x2), gate2)
        if cost >= stop:
            return cost
    return cost


@kernel
def cosine_of(views, a, b):
    """Cosine of the angle between two rays, either direction."""
    return abs(views[a, 0] * views[b, 0] + views[a, 1] * views[b, 1] + views[a, 2] * views[b, 2])


@kernel
def widest_cosine(views, n, only_used, enough):
    """Smallest cosine between two of the views; the first that is at most `enough`."""
    widest = 1.0
    for a in range(n):
        for b in range(a):
            if only_used and not (views[a, USED] and views[b, USED]):
                continue
            widest = min(widest, cosine_of(views, a, b))
            if widest <= enough:
                return widest
    return widest


@kernel
def nearest_to_rays(views, n, a, b):
    """The point nearest to the rays of the first n views, or of views a and b alone (n = 0).

    Returns:
        As `solve_symmetric`.
    """
    h0, h1, h2, h3, h4, h5 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    g0, g1, g2 = 0.0, 0.0, 0.0
    count = n if n else 2
    for m in range(count):
        i = m if n else (a if m == 0 else b)
        w = views[i, _TRUST] * views[i, _PRECISION]
        d0, d1, d2 = views[i, 0], views[i, 1], views[i, 2]
        c0, c1, c2 = views[i, 9], views[i, 10], views[i, 11]
        t = d0 * c0 + d1 * c1 + d2 * c2
        h0 += w * (1 - d0 * d0)
        h1 -= w * d0 * d1
        h2 -= w * d0 * d2
        h3 += w * (1 - d1 * d1)
        h4 -= w * d1 * d2
        h5 += w * (1 - d2 * d2)
        g0 += w * (c0 - t * d0)
        g1 += w * (c1 - t * d1)
        g2 += w * (c2 - t * d2)
    return solve_symmetric(h0, h1, h2, h3, h4, h5, g0, g1, g2)


@kernel
def prior_terms(k, x0, x1, x2, prior, prior_h):
    """Weight of the prediction of keypoint k at a point, and its weighted gradient."""
    d0, d1, d2 = x0 - prior[k, 0], x1 - prior[k, 1], x2 - prior[k, 2]
    p0 = prior_h[k, 0] * d0 + prior_h[k, 1] * d1 + prior_h[k, 2] * d2
    p1 = prior_h[k, 1] * d0 + prior_h[k, 3] * d1 + prior_h[k, 4] * d2
    p2 = prior_h[k, 2] * d0 + prior_h[k, 4] * d1 + prior_h[k, 5] * d2
    trust = 1 / (1 + (p0 * d0 + p1 * d1 + p2 * d2) / PRIOR_CAUCHY2)
    return trust, trust * p0, trust * p1, trust * p2


@kernel
def linearize(
    views, n, k, x0, x1, x2, gate2, near2, per_cauchy2, prior, prior_h, has_prior, lone_variance
):
    """Weighted normal equations of keypoint k at x: views within the gate, and the prediction.

    A view that stands alone is judged together with the prediction (`lone_variance`, rad^2,
    added to its own). Column `USED` of the views is set.

    Returns:
        Number of views used, their weighted squared residuals, and the number of views farther
        away than `near2`; packed matrix (6) and gradient (3) of the views in one tuple, then the
        same of the prediction.
    """
    t0, t1, t2, t3, t4, t5 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    p0, p1, p2 = 0.0, 0.0, 0.0
    if has_prior:
        trust, p0, p1, p2 = prior_terms(k, x0, x1, x2, prior, prior_h)
        t0, t1, t2 = trust * prior_h[k, 0], trust * prior_h[k, 1], trust * prior_h[k, 2]
        t3, t4, t5 = trust * prior_h[k, 3], trust * prior_h[k, 4], trust * prior_h[k, 5]
    h0, h1, h2, h3, h4, h5 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    g0, g1, g2 = 0.0, 0.0, 0.0
    count, misfit, apart = 0, 0.0, 0
    for i in range(n):
        r1, r2, nearness = miss_view(views, i, x0, x1, x2)
        precision = views[i, _PRECISION]
        e = (r1 * r1 + r2 * r2) * precision
        apart += not e < near2
        if not e < gate2:
            views[i, USED] = 0.0
            continue
        views[i, USED] = 1.0
        if lone_variance >= 0:
            q1, q2, _ = miss_view(views, i, prior[k, 0], prior[k, 1], prior[k, 2])
            e = (q1 * q1 + q2 * q2) / (1 / precision + lone_variance)
        w = views[i, _TRUST] / (1 + e * per_cauchy2)
        misfit += w * e
        count += 1
        f = w * precision * nearness
        a0 = views[i, 3] - r1 * views[i, 0]
        a1 = views[i, 4] - r1 * views[i, 1]
        a2 = views[i, 5] - r1 * views[i, 2]
        c0 = views[i, 6] - r2 * views[i, 0]
        c1 = views[i, 7] - r2 * views[i, 1]
        c2 = views[i, 8] - r2 * views[i, 2]
        s1, s2 = f * r1, f * r2
        g0 += a0 * s1 + c0 * s2
        g1 += a1 * s1 + c1 * s2
        g2 += a2 * s1 + c2 * s2
        f *= nearness
        h0 += f * (a0 * a0 + c0 * c0)
        h1 += f * (a0 * a1 + c0 * c1)
        h2 += f * (a0 * a2 + c0 * c2)
        h3 += f * (a1 * a1 + c1 * c1)
        h4 += f * (a1 * a2 + c1 * c2)
        h5 += f * (a2 * a2 + c2 * c2)
    views_part = (h0, h1, h2, h3, h4, h5, g0, g1, g2)
    return count, misfit, apart, views_part, (t0, t1, t2, t3, t4, t5, p0, p1, p2)


@kernel
def step_of(a, b):
    """Newton's step of the sum of two normal equations; as `solve_symmetric`, and its decrease."""
    g0, g1, g2 = a[6] + b[6], a[7] + b[7], a[8] + b[8]
    condition, s0, s1, s2 = solve_symmetric(
        a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3], a[4] + b[4], a[5] + b[5], g0, g1, g2
    )
    return condition, s0, s1, s2, g0 * s0 + g1 * s1 + g2 * s2


@kernel
def shortened(s0, s1, s2):
    """What a step is to be multiplied by, so that it is no longer than 0.3 m."""
    length2 = s0 * s0 + s1 * s1 + s2 * s2
    return 0.3 / math.sqrt(length2) if length2 > 0.09 else 1.0


@kernel
def empty_views(cameras):
    """Room for the views of one keypoint, and for their cameras."""
    return np.zeros((cameras, COLUMNS)), np.zeros(cameras, np.int64)
