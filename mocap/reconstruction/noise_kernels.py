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

from mocap.compiled import kernel
from mocap.geometry.ray_space import add_view, invert_packed, miss, solve_packed

MOTION_SHARE = 0.25
"""Share of a followed keypoint's variance that is due to the motion, if many frames are averaged:
the variance grows with R^(3/4) q^(1/4), R the noise and q the density of the accelerations, and a
small change of either changes it as if the gain stayed, since the gain is optimal. With a gain of
1 - s it is about this times the root of s (within 0.02, by the noise of an alpha-beta filter)."""
CLASSES = 5
"""2D keypoints are judged by confidence, in classes of equal width: what confidence says of the
noise differs from detector to detector."""
_MIN_CONDITION = 1e-9
_LEAST_FREE = 0.5


@kernel(inline="always")
def _class_of(confidence):
    return min(int(confidence * CLASSES), CLASSES - 1)


@kernel
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
    squares,
    repeated,
):
    """Compares the residuals of one person's views with stated noise, and with those before.

    Residuals are those at the position that the views alone tell: they do not depend on the
    motion, nor on what was predicted.

    Takes:
        points: (K, 3), as estimated without links.
        frames, conf, sigma, centers, used: the views; see `solve_person`.
        spread: (K) by which the filter scaled the variance of the views.
        cauchy, prior_dof, table: as in `solve_person`.
        level: (classes) variance by the stated one, as known so far.
        chosen: (N) keypoints from which the level is learnt.
        latest: (C, N, 2) residuals of the frame before, changed to those of this one; NaN for none.
        views: (K, 6) result: information of the views.
        ratio: (K) result: variance of the views by what the filter took it for; 0 where fewer than
            two were used.
        squares: (4, classes) result, added to: squared residuals in stated sigmas, redundancy,
            robust weights, and by how much the pull of a view grows with its residual.
        repeated: (2) result, added to: products of residuals with those before, and what these
            would be if they were the same.
    """
    cameras, count = conf.shape
    order = np.zeros(cameras, np.int64)
    trust = np.zeros((cameras, count))
    h, g, s, own = np.zeros(6), np.zeros(3), np.zeros(3), np.zeros(6)
    cov = np.zeros((3, 3))
    place = np.full(count, -1)
    for i in range(len(chosen)):
        place[chosen[i]] = i
    for k in range(count):
        n, stated = 0, 0.0
        for c in range(cameras):
            if used[c, k]:
                order[n] = c
                n += 1
                trust[c, k] = conf[c, k] / math.sqrt(level[_class_of(conf[c, k])])
        ratio[k] = 0.0
        views[k] = 0.0
        at = place[k]
        if at >= 0 and (n < 2 or not math.isfinite(points[k, 0])):
            latest[:, at] = math.nan
        if n < 2 or not math.isfinite(points[k, 0]):
            continue
        h[:] = 0.0
        g[:] = 0.0
        misfit = 0.0
        for i in range(n):
            c = order[i]
            r1, r2, z = miss(frames, c, k, centers, c, points[k, 0], points[k, 1], points[k, 2])
            s2 = sigma[c, k] * sigma[c, k]
            e = (r1 * r1 + r2 * r2) / s2
            w = trust[c, k] * trust[c, k] / (1 + e / (cauchy * cauchy))
            add_view(frames, c, k, r1, r2, z, w / s2, h, g)
            misfit += w * e
        if not solve_packed(h, g, s) > _MIN_CONDITION:
            s[:] = 0.0
        invert_packed(h, cov)
        misfit = max(misfit - g[0] * s[0] - g[1] * s[1] - g[2] * s[2], 0.0) / table[n, 0]
        own_scale = (prior_dof + misfit) / (prior_dof + 2 * n - 3) * table[n, 1]
        for i in range(6):
            views[k, i] = h[i] / own_scale
        x0, x1, x2 = points[k, 0] - s[0], points[k, 1] - s[1], points[k, 2] - s[2]
        total = 0.0
        for i in range(n):
            c = order[i]
            r1, r2, z = miss(frames, c, k, centers, c, x0, x1, x2)
            s2 = sigma[c, k] * sigma[c, k]
            e = (r1 * r1 + r2 * r2) / s2
            robust = 1 / (1 + e / (cauchy * cauchy))
            stated += robust * conf[c, k] * conf[c, k] / s2
            w = robust * trust[c, k] * trust[c, k]
            total += w / s2
            if at < 0:
                continue
            own[:] = 0.0
            add_view(frames, c, k, r1, r2, z, w / s2, own, s)
            taken = own[0] * cov[0, 0] + own[3] * cov[1, 1] + own[5] * cov[2, 2]
            taken += 2 * (own[1] * cov[0, 1] + own[2] * cov[0, 2] + own[4] * cov[1, 2])
            b = _class_of(conf[c, k])
            free = max(2 - taken, 0.0)
            squares[0, b] += robust * conf[c, k] * conf[c, k] * e / table[n, 0]
            squares[1, b] += free
            # As it would be without what the fit took of it.
            e = 2 * e / max(free, _LEAST_FREE)
            robust = 1 / (1 + e / (cauchy * cauchy))
            squares[2, b] += robust
            squares[3, b] += robust - e * robust * robust / (cauchy * cauchy)
            w = math.sqrt(w / s2)
            r1, r2 = w * r1, w * r2
            b1, b2 = latest[c, at, 0], latest[c, at, 1]
            if math.isfinite(b1):
                repeated[0] += r1 * b1 + r2 * b2
                repeated[1] += 0.5 * (r1 * r1 + r2 * r2 + b1 * b1 + b2 * b2)
            latest[c, at, 0], latest[c, at, 1] = r1, r2
        if at >= 0:
            for c in range(cameras):
                if not used[c, k]:
                    latest[c, at] = math.nan
        ratio[k] = own_scale / spread[k] * stated / total


@kernel
def told_covariance(
    points,
    reported,
    views,
    links,
    ratio,
    lasting,
    prior_h,
    predicted,
    table,
    length,
    sigma_length,
    covariance,
):
    """Sets the covariances (K, 3, 3) that are told of one person; NaN for unknown points.

    Takes:
        points: (K, 3).
        reported: (K, 6) information by the filter, links included.
        views, ratio: see `judge_views`.
        links: (K, 6) the part of `reported` that is from links.
        lasting: share of the noise that is the same as in the frames before.
        prior_h: (K, 6) information of the prediction, 0 for none; predicted: (K, 3, 3) covariance.
        table: (ends, slot, of_keypoint) of the links; length, sigma_length: per slot.
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
        motion = 0.0
        if prior_h[k, 0] > 0:
            after = covariance[k, 0, 0] + covariance[k, 1, 1] + covariance[k, 2, 2]
            before = predicted[k, 0, 0] + predicted[k, 1, 1] + predicted[k, 2, 2]
            motion = MOTION_SHARE * math.sqrt(min(after / before, 1.0))
        new = motion + (1 - motion) * (1 - lasting) * ratio[k]
        for i in range(3):
            for j in range(3):
                covariance[k, i, j] = new * covariance[k, i, j] + lasting * alone[i, j]
    for k in range(len(points)):
        if ratio[k] == 0 and math.isfinite(points[k, 0]):
            _add_neighbours(k, points, reported, table, length, sigma_length, covariance)


@kernel
def _add_neighbours(k, points, reported, table, length, sigma_length, covariance):
    """What links say of a keypoint that no two views show: as much as its neighbours are known."""
    ends, slot, of_keypoint = table
    h, u = reported[k].copy(), np.zeros(3)
    for m in range(of_keypoint.shape[1]):
        e = of_keypoint[k, m]
        if e < 0:
            break
        o = ends[e, 0] + ends[e, 1] - k
        if not math.isfinite(points[o, 0]):
            continue
        norm = 1e-9
        for i in range(3):
            u[i] = points[k, i] - points[o, i]
            norm += u[i] * u[i]
        norm = math.sqrt(norm)
        variance = sigma_length[slot[e]] ** 2 + (norm - length[slot[e]]) ** 2 / 9.0
        for i in range(3):
            u[i] /= norm
        for i in range(3):
            for j in range(3):
                variance += u[i] * covariance[o, i, j] * u[j]
        h[0] += u[0] * u[0] / variance
        h[1] += u[0] * u[1] / variance
        h[2] += u[0] * u[2] / variance
        h[3] += u[1] * u[1] / variance
        h[4] += u[1] * u[2] / variance
        h[5] += u[2] * u[2] / variance
    invert_packed(h, covariance[k])
