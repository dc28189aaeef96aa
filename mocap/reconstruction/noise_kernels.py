"""Compiled: what the residuals of a person's views say about their noise, and the covariance by it.

The filter that follows people weighs views by stated noise. Its own covariance is right only if
that noise is as large as stated and new in every frame. Detectors err in the same way for a while,
though, which neither the prediction nor smoothing averages out. So the covariance that is told is
not the filter's, but is made of three parts: the noise that is new in every frame, scaled to what
the residuals show; that which lasts, which goes through undiminished; and the motion.
"""

# pyright: basic

from __future__ import annotations

import math

import numpy as np
from numba import njit

from mocap.geometry.ray_space import invert_packed, miss, solve_packed
from mocap.reconstruction.fusion_kernels import normal_equations

MOTION_SHARE = 0.25
"""Share of a followed keypoint's variance that is due to the motion: the variance grows with
R^(3/4) q^(1/4), R the noise and q the density of the accelerations, and a small change of either
changes it as if the gain stayed, since the gain is optimal."""
_MIN_CONDITION = 1e-9
_ANY2 = 1e12


@njit(cache=True, nogil=True, error_model="numpy")
def judge_views(
    points,
    frames,
    conf,
    sigma,
    centers,
    used,
    spread,
    cauchy,
    prior_dof,
    table,
    level,
    chosen,
    latest,
    views,
    ratio,
    sums,
):
    """Compares the residuals of one person's views with stated noise, and with those before.

    Residuals are those at the position that the views alone tell: they do not depend on the
    motion, nor on what was predicted.

    Takes:
        points: (K, 3), as estimated without links.
        frames, conf, sigma, centers, used: the views; see `solve_person`.
        spread: (K) by which the filter scaled the variance of the views.
        cauchy, prior_dof, table: as in `solve_person`.
        level: what the squared residuals of all keypoints are lately, by what they should be.
        chosen: (N) keypoints from which `sums` are learnt.
        latest: (C, N, 2) residuals of the frame before, changed to those of this one; NaN for none.
        views: (K, 6) result: information of the views as the filter has it.
        ratio: (K) result: variance of the views by that; 0 where fewer than two were used.
        sums: (4) result, added to: squared residuals in sigmas, what they should be, products of
            residuals with those before, and what these would be if they were the same.
    """
    cameras, count = conf.shape
    order = np.zeros(cameras, np.int64)
    within = np.zeros((cameras, count), np.bool_)
    h, g, s = np.zeros(6), np.zeros(3), np.zeros(3)
    place = np.full(count, -1)
    for i in range(len(chosen)):
        place[chosen[i]] = i
    for k in range(count):
        n = 0
        for c in range(cameras):
            if used[c, k]:
                order[n] = c
                n += 1
        ratio[k] = 0.0
        views[k] = 0.0
        own = place[k]
        if n < 2 or not math.isfinite(points[k, 0]):
            if own >= 0:
                latest[:, own] = math.nan
            continue
        _, misfit, _ = normal_equations(
            points[k],
            k,
            frames,
            conf,
            sigma,
            centers,
            order,
            n,
            _ANY2,
            cauchy * cauchy,
            points[k],
            h,
            False,
            h,
            g,
            within,
            -1.0,
        )
        if not solve_packed(h, g, s) > _MIN_CONDITION:
            s[:] = 0.0
        squares = max(misfit - g[0] * s[0] - g[1] * s[1] - g[2] * s[2], 0.0) / table[n, 0]
        expected = 2 * n - 3
        stated = spread[k] / table[n, 1]
        ratio[k] = (prior_dof * level + squares) / (prior_dof + expected) / stated
        for i in range(6):
            views[k, i] = h[i] / spread[k]
        if own < 0:
            continue
        sums[0] += squares
        sums[1] += expected
        x0, x1, x2 = points[k, 0] - s[0], points[k, 1] - s[1], points[k, 2] - s[2]
        for c in range(cameras):
            if not used[c, k]:
                latest[c, own] = math.nan
                continue
            r1, r2, _ = miss(frames, c, k, centers, c, x0, x1, x2)
            s2 = sigma[c, k] * sigma[c, k]
            w = conf[c, k] / math.sqrt(s2 + (r1 * r1 + r2 * r2) / (cauchy * cauchy))
            r1, r2 = w * r1, w * r2
            b1, b2 = latest[c, own, 0], latest[c, own, 1]
            if math.isfinite(b1):
                sums[2] += r1 * b1 + r2 * b2
                sums[3] += 0.5 * (r1 * r1 + r2 * r2 + b1 * b1 + b2 * b2)
            latest[c, own, 0], latest[c, own, 1] = r1, r2


@njit(cache=True, nogil=True, error_model="numpy")
def told_covariance(points, reported, views, links, ratio, lasting, motion_share, covariance):
    """Sets the covariances (K, 3, 3) that are told of one person; NaN for unknown points.

    Takes:
        points: (K, 3).
        reported: (K, 6) information by the filter, links included.
        views, ratio: see `judge_views`.
        links: (K, 6) the part of `reported` that is from links.
        lasting: share of the noise that is the same as in the frames before.
        motion_share: `MOTION_SHARE`, or 0 for somebody who was not predicted.
    """
    h = np.zeros(6)
    alone = np.zeros((3, 3))
    for k in range(len(points)):
        if not math.isfinite(points[k, 0]):
            covariance[k] = math.nan
            continue
        invert_packed(reported[k], covariance[k])
        if ratio[k] == 0:
            continue
        for i in range(6):
            h[i] = views[k, i] + links[k, i]
        invert_packed(h, alone)
        new = motion_share + (1 - motion_share) * (1 - lasting) * ratio[k]
        for i in range(3):
            for j in range(3):
                covariance[k, i, j] = new * covariance[k, i, j] + lasting * ratio[k] * alone[i, j]
