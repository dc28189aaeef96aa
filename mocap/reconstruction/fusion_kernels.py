"""Compiled estimate of one person's keypoints from views and prediction."""

# pyright: basic

from __future__ import annotations

import math

import numpy as np

from mocap.compiled import kernel
from mocap.geometry.ray_space import miss
from mocap.reconstruction.hypothesis_kernels import (
    AGREES,
    LINK_CHOICE_M,
    MIN_CONDITION,
    PRIOR_SHARE,
    STALE_SHARE,
    agreed,
    choose_start,
)
from mocap.reconstruction.view_kernels import (
    USED,
    empty_views,
    linearize,
    shortened,
    step_of,
    take_views,
    widest_cosine,
)

_STEPS = 6
_SETTLED2 = 0.01
"""A step of less than a tenth of a standard deviation, squared, is the last one."""


@kernel(inline="always")
def _neighbour(k, points, ends, slot, of_keypoint, length, sigma_length, belief):
    """What the bone to a neighbour says of where keypoint k is; see `hypothesis_cost`."""
    belief[4] = 0.0
    e = of_keypoint[k, 0]
    if e < 0:
        return
    o = ends[e, 0] + ends[e, 1] - k
    if o < k and math.isfinite(points[o, 0]):
        for i in range(3):
            belief[i] = points[o, i]
        belief[3] = length[slot[e]]
        belief[4] = max(LINK_CHOICE_M, 2 * sigma_length[slot[e]])


@kernel
def _lone_variance(frames, c, k, centers, prior, prior_cov):
    """Variance of the prediction of keypoint k across the ray of its only view, rad^2."""
    z = miss(frames, c, k, centers, c, prior[k, 0], prior[k, 1], prior[k, 2])[2]
    v = 0.0
    for i in range(3):
        for j in range(3):
            v += prior_cov[k, i, j] * (
                frames[c, k, 1, i] * frames[c, k, 1, j] + frames[c, k, 2, i] * frames[c, k, 2, j]
            )
    return v / 2 / (z * z)


@kernel
def _variance(a):
    """Trace of the inverse of a packed symmetric matrix."""
    c00 = a[3] * a[5] - a[4] * a[4]
    c01 = a[2] * a[4] - a[1] * a[5]
    c02 = a[1] * a[4] - a[2] * a[3]
    det = a[0] * c00 + a[1] * c01 + a[2] * c02
    return (c00 + a[0] * a[5] - a[2] * a[2] + a[0] * a[3] - a[1] * a[1]) / det


@kernel
def _estimate_point(
    views,
    n,
    k,
    gate2,
    min_cosine,
    max_pairs,
    per_cauchy2,
    prior,
    prior_h,
    has,
    share,
    belief,
    lone_variance,
):
    """Keypoint k by iteratively reweighted least squares (Cauchy), from the best hypothesis.

    Returns:
        The point, the number of views used (0 where there is no solution), and the rest as
        `linearize` gives it.
    """
    # The first step reaches farther, so that views may come in; a single view has no rival.
    first, later = 4.0 * gate2, gate2
    if n == 1:
        first = later = 1e9 * gate2
    x0, x1, x2 = prior[k, 0], prior[k, 1], prior[k, 2]
    near2, begun = AGREES * gate2, False
    if has:
        m, misfit, apart, by_views, by_prior = linearize(
            views, n, k, x0, x1, x2, first, near2, per_cauchy2, prior, prior_h, has, lone_variance
        )
        begun = agreed(n, apart)
    if not begun:
        found, x0, x1, x2 = choose_start(
            views, n, k, gate2, min_cosine, max_pairs, prior, prior_h, has, share, belief
        )
        if not found:
            nothing = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
            return x0, x1, x2, 0, 0.0, nothing, nothing
        m, misfit, apart, by_views, by_prior = linearize(
            views, n, k, x0, x1, x2, first, near2, per_cauchy2, prior, prior_h, has, lone_variance
        )
    for step in range(_STEPS):
        condition, s0, s1, s2, decrease = step_of(by_views, by_prior)
        if not condition > MIN_CONDITION:
            m = 0
            break
        shrink = shortened(s0, s1, s2)
        x0, x1, x2 = x0 - shrink * s0, x1 - shrink * s1, x2 - shrink * s2
        if step > 0 and decrease < _SETTLED2:
            break
        m, misfit, apart, by_views, by_prior = linearize(
            views,
            n,
            k,
            x0,
            x1,
            x2,
            later,
            near2,
            per_cauchy2,
            prior,
            prior_h,
            has,
            lone_variance,
        )
    return x0, x1, x2, m, misfit, by_views, by_prior


@kernel
def solve_person(
    frames,
    conf,
    sigma,
    centers,
    prior,
    prior_cov,
    prior_h,
    links,
    length,
    sigma_length,
    settings,
    points,
    info,
    used,
    free,
    spread,
    fresh,
    max_free_m2,
):
    """Estimates all keypoints of one person.

    Takes:
        frames: (C, K, 3, 3) ray frames; conf: (C, K), 0 for none; sigma: (C, K) tangent noise.
        centers: (C, 3).
        prior: (K, 3) predictions, NaN for none; prior_cov (K, 3, 3); prior_h (K, 6) packed
            information.
        links: (ends, slot, of_keypoint); length, sigma_length: per slot.
        settings: gate, cauchy, min_cosine, max_pairs, sweeps, prior_dof.
        points: (K, 3) result; NaN for unknown.
        info: (K, 6) result: packed information.
        used: (C, K) result.
        free: (K, 3) result: without links, NaN with fewer than two views.
        spread: (K) result: squared residuals by what they should be, of the views.

    Returns:
        Variance of the prediction across the ray (K) where one view shows a keypoint, else -1;
        and how many views show each keypoint (K).
    """
    gate, cauchy, min_cosine, max_pairs, _sweeps, prior_dof, table = settings
    ends, slot, of_keypoint = links
    cameras, count = conf.shape
    gate2, per_cauchy2 = gate * gate, 1 / (cauchy * cauchy)
    views, order = empty_views(cameras)
    belief = np.zeros(5)
    lone = np.full(count, -1.0)
    seen = np.zeros(count, np.int64)
    for k in range(count):
        n = take_views(frames, conf, sigma, centers, k, used, True, views, order)
        seen[k] = n
        spread[k] = 1.0
        has = math.isfinite(prior[k, 0])
        for i in range(3):
            points[k, i] = math.nan
            free[k, i] = math.nan
        for i in range(6):
            info[k, i] = 0.0
        for c in range(cameras):
            used[c, k] = False
        if n == 0:
            if has:
                for i in range(3):
                    points[k, i] = prior[k, i]
                for i in range(6):
                    info[k, i] = prior_h[k, i]
            continue
        if not has and n < 2:
            continue
        _neighbour(k, points, ends, slot, of_keypoint, length, sigma_length, belief)
        share = PRIOR_SHARE if fresh[k] else STALE_SHARE
        if n == 1:
            lone[k] = _lone_variance(frames, order[0], k, centers, prior, prior_cov)
        x0, x1, x2, m, misfit, by_views, by_prior = _estimate_point(
            views,
            n,
            k,
            gate2,
            min_cosine,
            int(max_pairs),
            per_cauchy2,
            prior,
            prior_h,
            has,
            share,
            belief,
            lone[k],
        )
        # Rays too parallel tell no depth.
        if not has and (m < 2 or widest_cosine(views, n, True, min_cosine) > min_cosine):
            continue
        if m == 0:
            x0, x1, x2 = prior[k, 0], prior[k, 1], prior[k, 2]
        for i in range(n):
            used[order[i], k] = m > 0 and views[i, USED] > 0
        points[k, 0], points[k, 1], points[k, 2] = x0, x1, x2
        by = 1.0
        if m >= 2:
            # The prediction's part is not the residuals' to scale.
            spread[k] = (prior_dof + misfit / table[m, 0]) / (prior_dof + 2 * m - 3) * table[m, 1]
            by = 1 / spread[k]
            total = (
                by_views[0] + by_prior[0],
                by_views[1] + by_prior[1],
                by_views[2] + by_prior[2],
                by_views[3] + by_prior[3],
                by_views[4] + by_prior[4],
                by_views[5] + by_prior[5],
            )
            if _variance(total) < max_free_m2:
                free[k, 0], free[k, 1], free[k, 2] = x0, x1, x2
        for i in range(6):
            info[k, i] = by * by_views[i] + by_prior[i]
    return lone, seen
