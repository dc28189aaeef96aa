"""Compiled estimate of one person's keypoints from views, prediction and links."""

# pyright: basic

from __future__ import annotations

import math

import numpy as np
from numba import njit

from mocap.geometry.ray_space import (
    add_ray,
    add_view,
    invert_packed,
    miss,
    solve_packed,
)

PRIOR_CAUCHY2 = 9.0
PRIOR_SHARE = 0.5
"""What the prediction counts in the choice between hypotheses, against a sure view."""
STALE_SHARE = 0.1
"""The same for a keypoint that two views have not seen lately."""
LINK_SHARE = 0.5
"""The same for the length of the bone that ends there."""
LINK_CHOICE_M = 0.06
_STEPS = 6
_SETTLED2 = 0.01
"""A step of less than a tenth of a standard deviation, squared, is the last one."""
_AGREES = 0.75
"""Of the gate, squared: views that miss a point by less agree on it."""
_MIN_CONDITION = 1e-9


@njit(cache=True, nogil=True, error_model="numpy")
def point_cost(
    x, k, frames, conf, sigma, centers, order, n, gate2, prior, prior_h, has_prior, belief, stop
):
    """Truncated squared error of a point over all views, and over the prediction."""
    cost = 0.0
    if has_prior:
        d0, d1, d2 = x[0] - prior[0], x[1] - prior[1], x[2] - prior[2]
        m = (
            prior_h[0] * d0 * d0
            + prior_h[3] * d1 * d1
            + prior_h[5] * d2 * d2
            + 2 * (prior_h[1] * d0 * d1 + prior_h[2] * d0 * d2 + prior_h[4] * d1 * d2)
        )
        cost += belief[0] * min(m, gate2)
    if belief[5] > 0:
        d0, d1, d2 = x[0] - belief[1], x[1] - belief[2], x[2] - belief[3]
        off = (math.sqrt(d0 * d0 + d1 * d1 + d2 * d2) - belief[4]) / belief[5]
        cost += LINK_SHARE * min(off * off, gate2)
    for i in range(n):
        c = order[i]
        r1, r2, _ = miss(frames, c, k, centers, c, x[0], x[1], x[2])
        e = (r1 * r1 + r2 * r2) / (sigma[c, k] * sigma[c, k])
        cost += conf[c, k] * conf[c, k] * min(e, gate2)
        if cost >= stop:
            return cost
    return cost


@njit(cache=True, nogil=True, error_model="numpy")
def choose_start(
    k,
    frames,
    conf,
    sigma,
    centers,
    order,
    n,
    gate2,
    min_cosine,
    max_pairs,
    prior,
    prior_h,
    has_prior,
    belief,
    work,
    best,
):
    """The best of all hypotheses for keypoint k: prediction, all views, pairs of views (MSAC).

    Pairs are only tried where prediction and views do not agree anyway.

    Returns:
        False if there is none; else `best` is set.
    """
    h, g, s = work[0], work[1], work[2]
    cost = math.inf
    if has_prior:
        near = True
        for i in range(n):
            c = order[i]
            r1, r2, _ = miss(frames, c, k, centers, c, prior[0], prior[1], prior[2])
            near = near and (r1 * r1 + r2 * r2) < _AGREES * gate2 * sigma[c, k] * sigma[c, k]
        for i in range(3):
            best[i] = prior[i]
        if near:
            return True
        cost = point_cost(
            best,
            k,
            frames,
            conf,
            sigma,
            centers,
            order,
            n,
            gate2,
            prior,
            prior_h,
            True,
            belief,
            cost,
        )
    if n >= 2:
        h[:] = 0.0
        g[:] = 0.0
        wide = False
        for i in range(n):
            c = order[i]
            w = conf[c, k] / sigma[c, k]
            add_ray(frames[c, k, 0], centers[c], w * w, h, g)
            for j in range(i):
                if wide:
                    break
                o = order[j]
                cosine = abs(
                    frames[c, k, 0, 0] * frames[o, k, 0, 0]
                    + frames[c, k, 0, 1] * frames[o, k, 0, 1]
                    + frames[c, k, 0, 2] * frames[o, k, 0, 2]
                )
                wide = cosine <= min_cosine
        if wide and solve_packed(h, g, s) > _MIN_CONDITION:
            now = point_cost(
                s,
                k,
                frames,
                conf,
                sigma,
                centers,
                order,
                n,
                gate2,
                prior,
                prior_h,
                has_prior,
                belief,
                cost,
            )
            if now < cost:
                cost = now
                for i in range(3):
                    best[i] = s[i]
    if n < 3 and not (has_prior and n == 2):
        return cost < math.inf
    # Do all views agree with the best so far? Then no pair can be better by much.
    agree = cost < math.inf
    for i in range(n):
        c = order[i]
        if not agree:
            break
        r1, r2, _ = miss(frames, c, k, centers, c, best[0], best[1], best[2])
        agree = (r1 * r1 + r2 * r2) < _AGREES * gate2 * sigma[c, k] * sigma[c, k]
    if agree:
        return True
    pairs = n * (n - 1) // 2
    stride = (pairs + max_pairs - 1) // max_pairs
    index = -1
    for i in range(n):
        for j in range(i):
            index += 1
            if index % stride:
                continue
            a, b = order[i], order[j]
            cosine = abs(
                frames[a, k, 0, 0] * frames[b, k, 0, 0]
                + frames[a, k, 0, 1] * frames[b, k, 0, 1]
                + frames[a, k, 0, 2] * frames[b, k, 0, 2]
            )
            if cosine > min_cosine:
                continue
            h[:] = 0.0
            g[:] = 0.0
            wa, wb = conf[a, k] / sigma[a, k], conf[b, k] / sigma[b, k]
            add_ray(frames[a, k, 0], centers[a], wa * wa, h, g)
            add_ray(frames[b, k, 0], centers[b], wb * wb, h, g)
            if not solve_packed(h, g, s) > _MIN_CONDITION:
                continue
            now = point_cost(
                s,
                k,
                frames,
                conf,
                sigma,
                centers,
                order,
                n,
                gate2,
                prior,
                prior_h,
                has_prior,
                belief,
                cost,
            )
            if now < cost:
                cost = now
                for m in range(3):
                    best[m] = s[m]
    return cost < math.inf


@njit(cache=True, nogil=True, error_model="numpy")
def normal_equations(
    x,
    k,
    frames,
    conf,
    sigma,
    centers,
    order,
    n,
    gate2,
    cauchy2,
    prior,
    prior_h,
    has_prior,
    h,
    g,
    used,
    lone_variance,
):
    """Weighted normal equations of keypoint k at x: views within the gate, and the prediction.

    A view that stands alone is judged together with the prediction (`lone_variance`, rad^2,
    added to its own).

    Returns:
        Number of views used, their weighted squared residuals, and the prediction's weight.
    """
    h[:] = 0.0
    g[:] = 0.0
    count, misfit, trust = 0, 0.0, 0.0
    if has_prior:
        d0, d1, d2 = x[0] - prior[0], x[1] - prior[1], x[2] - prior[2]
        p0 = prior_h[0] * d0 + prior_h[1] * d1 + prior_h[2] * d2
        p1 = prior_h[1] * d0 + prior_h[3] * d1 + prior_h[4] * d2
        p2 = prior_h[2] * d0 + prior_h[4] * d1 + prior_h[5] * d2
        trust = 1 / (1 + (p0 * d0 + p1 * d1 + p2 * d2) / PRIOR_CAUCHY2)
        for i in range(6):
            h[i] = trust * prior_h[i]
        g[0], g[1], g[2] = trust * p0, trust * p1, trust * p2
    for i in range(n):
        c = order[i]
        r1, r2, z = miss(frames, c, k, centers, c, x[0], x[1], x[2])
        s2 = sigma[c, k] * sigma[c, k]
        e = (r1 * r1 + r2 * r2) / s2
        used[c, k] = e < gate2
        if e >= gate2:
            continue
        if lone_variance >= 0:
            r1p, r2p, _ = miss(frames, c, k, centers, c, prior[0], prior[1], prior[2])
            e = (r1p * r1p + r2p * r2p) / (s2 + lone_variance)
        w = conf[c, k] * conf[c, k] / (1 + e / cauchy2)
        add_view(frames, c, k, r1, r2, z, w / s2, h, g)
        misfit += w * e
        count += 1
    return count, misfit, trust


@njit(cache=True, nogil=True, error_model="numpy")
def scale_views(by, x, prior, prior_h, trust, h, g):
    """Scales what `normal_equations` has from the views, and leaves the prediction's part."""
    d0, d1, d2 = x[0] - prior[0], x[1] - prior[1], x[2] - prior[2]
    if trust == 0:
        d0, d1, d2 = 0.0, 0.0, 0.0
    p0 = trust * (prior_h[0] * d0 + prior_h[1] * d1 + prior_h[2] * d2)
    p1 = trust * (prior_h[1] * d0 + prior_h[3] * d1 + prior_h[4] * d2)
    p2 = trust * (prior_h[2] * d0 + prior_h[4] * d1 + prior_h[5] * d2)
    g[0] = p0 + by * (g[0] - p0)
    g[1] = p1 + by * (g[1] - p1)
    g[2] = p2 + by * (g[2] - p2)
    for i in range(6):
        own = trust * prior_h[i]
        h[i] = own + by * (h[i] - own)


@njit(cache=True, nogil=True, error_model="numpy")
def add_links(x, points, k, of_keypoint, ends, slot, length, sigma_length, h, g):
    """Adds the links of keypoint k to its neighbours, where these are known."""
    for m in range(of_keypoint.shape[1]):
        e = of_keypoint[k, m]
        if e < 0:
            break
        o = ends[e, 0] + ends[e, 1] - k
        if not math.isfinite(points[o, 0]):
            continue
        u0, u1, u2 = x[0] - points[o, 0], x[1] - points[o, 1], x[2] - points[o, 2]
        n = math.sqrt(u0 * u0 + u1 * u1 + u2 * u2) + 1e-9
        u0, u1, u2 = u0 / n, u1 / n, u2 / n
        r = n - length[slot[e]]
        s = sigma_length[slot[e]]
        w = 1 / (s * s) / (1 + r * r / (s * s) / 9.0)
        h[0] += w * u0 * u0
        h[1] += w * u0 * u1
        h[2] += w * u0 * u2
        h[3] += w * u1 * u1
        h[4] += w * u1 * u2
        h[5] += w * u2 * u2
        g[0] += w * r * u0
        g[1] += w * r * u1
        g[2] += w * r * u2


@njit(cache=True, nogil=True, error_model="numpy")
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
    """
    gate, cauchy, min_cosine, max_pairs, _sweeps, prior_dof, table = settings
    ends, slot, of_keypoint = links
    cameras, count = conf.shape
    gate2, cauchy2 = gate * gate, cauchy * cauchy
    order = np.zeros(cameras, np.int64)
    h, g, s = np.zeros(6), np.zeros(3), np.zeros(3)
    work = (h, g, s)
    x, belief, cov = np.zeros(3), np.zeros(6), np.zeros((3, 3))
    lone = np.full(count, -1.0)
    seen = np.zeros(count, np.int64)
    for k in range(count):
        n = 0
        for c in range(cameras):
            used[c, k] = False
            if conf[c, k] > 0:
                order[n] = c
                n += 1
        seen[k] = n
        spread[k] = 1.0
        points[k] = math.nan
        free[k] = math.nan
        info[k] = 0.0
        has = math.isfinite(prior[k, 0])
        if n == 0:
            if has:
                points[k] = prior[k]
                info[k] = prior_h[k]
            continue
        if not has and n < 2:
            continue
        belief[:] = 0.0
        belief[0] = PRIOR_SHARE if fresh[k] else STALE_SHARE
        e = of_keypoint[k, 0]
        if e >= 0:
            o = ends[e, 0] + ends[e, 1] - k
            if o < k and math.isfinite(points[o, 0]):
                for i in range(3):
                    belief[1 + i] = points[o, i]
                belief[4] = length[slot[e]]
                belief[5] = max(LINK_CHOICE_M, 2 * sigma_length[slot[e]])
        if not choose_start(
            k,
            frames,
            conf,
            sigma,
            centers,
            order,
            n,
            gate2,
            min_cosine,
            int(max_pairs),
            prior[k],
            prior_h[k],
            has,
            belief,
            work,
            x,
        ):
            continue
        if n == 1:
            c = order[0]
            f = frames[c, k]
            z = miss(frames, c, k, centers, c, prior[k, 0], prior[k, 1], prior[k, 2])[2]
            v = 0.0
            for i in range(3):
                for j in range(3):
                    v += prior_cov[k, i, j] * (f[1, i] * f[1, j] + f[2, i] * f[2, j])
            lone[k] = v / 2 / (z * z)
        m, misfit, trust, settled = 0, 0.0, 0.0, False
        for step in range(_STEPS):
            wide = 4.0 if step == 0 and n > 1 else 1.0
            if n == 1:
                wide = 1e9
            m, misfit, trust = normal_equations(
                x,
                k,
                frames,
                conf,
                sigma,
                centers,
                order,
                n,
                wide * gate2,
                cauchy2,
                prior[k],
                prior_h[k],
                has,
                h,
                g,
                used,
                lone[k],
            )
            if not solve_packed(h, g, s) > _MIN_CONDITION:
                m = 0
                break
            length2 = s[0] * s[0] + s[1] * s[1] + s[2] * s[2]
            shrink = 0.3 / math.sqrt(length2) if length2 > 0.09 else 1.0
            for i in range(3):
                x[i] -= shrink * s[i]
            if step > 0 and g[0] * s[0] + g[1] * s[1] + g[2] * s[2] < _SETTLED2:
                settled = True
                break
        if n > 1 and not settled:
            m, misfit, trust = normal_equations(
                x,
                k,
                frames,
                conf,
                sigma,
                centers,
                order,
                n,
                gate2,
                cauchy2,
                prior[k],
                prior_h[k],
                has,
                h,
                g,
                used,
                lone[k],
            )
        if not has and m < 2:
            for c in range(cameras):
                used[c, k] = False
            continue
        if not has:
            # Rays too parallel tell no depth.
            widest = 1.0
            for i in range(n):
                for j in range(i):
                    a, b = order[i], order[j]
                    if used[a, k] and used[b, k]:
                        widest = min(
                            widest,
                            abs(
                                frames[a, k, 0, 0] * frames[b, k, 0, 0]
                                + frames[a, k, 0, 1] * frames[b, k, 0, 1]
                                + frames[a, k, 0, 2] * frames[b, k, 0, 2]
                            ),
                        )
            if widest > min_cosine:
                for c in range(cameras):
                    used[c, k] = False
                continue
        if m == 0 and has:
            for i in range(3):
                x[i] = prior[k, i]
        points[k] = x
        if m >= 2:
            invert_packed(h, cov)
            if cov[0, 0] + cov[1, 1] + cov[2, 2] < max_free_m2:
                free[k] = x
            spread[k] = (prior_dof + misfit / table[m, 0]) / (prior_dof + 2 * m - 3) * table[m, 1]
        for i in range(6):
            info[k, i] = h[i]
            if m >= 2:
                # The prediction's part is not the residuals' to scale.
                info[k, i] = (h[i] - trust * prior_h[k, i] * has) / spread[k]
                if has:
                    info[k, i] += trust * prior_h[k, i]
    return lone, seen


@njit(cache=True, nogil=True, error_model="numpy")
def sweep_links(
    frames,
    conf,
    sigma,
    centers,
    prior,
    prior_h,
    links,
    length,
    sigma_length,
    settings,
    points,
    info,
    used,
    spread,
    lone,
    seen,
    link_trust,
    height,
    height_var,
    height_count,
    height_min2,
    link_report,
    reported,
):
    """Gauss-Seidel sweeps over the keypoints that have links; see `solve_person`."""
    gate, cauchy, sweeps = settings[0], settings[1], settings[4]
    ends, slot, of_keypoint = links
    cameras, count = conf.shape
    gate2, cauchy2 = gate * gate, cauchy * cauchy
    order = np.zeros(cameras, np.int64)
    h, g, s = np.zeros(6), np.zeros(3), np.zeros(3)
    x, bare = np.zeros(3), np.zeros(6)
    reported[:] = info
    for _sweep in range(int(sweeps)):
        for k in range(count):
            if of_keypoint[k, 0] < 0:
                continue
            n = 0
            for c in range(cameras):
                if conf[c, k] > 0 and (used[c, k] or seen[k] == 1):
                    order[n] = c
                    n += 1
            has = math.isfinite(prior[k, 0])
            if not math.isfinite(points[k, 0]):
                if n == 0 and not has:
                    continue
                if not has:
                    # Seen by one view only: begin beside a neighbour that is known.
                    for i in range(cameras):
                        if conf[i, k] > 0:
                            order[0], n = i, 1
                    found = False
                    for m in range(of_keypoint.shape[1]):
                        e = of_keypoint[k, m]
                        if e < 0:
                            break
                        o = ends[e, 0] + ends[e, 1] - k
                        if math.isfinite(points[o, 0]):
                            c = order[0]
                            depth = 0.0
                            for i in range(3):
                                depth += frames[c, k, 0, i] * (points[o, i] - centers[c, i])
                            for i in range(3):
                                points[k, i] = centers[c, i] + depth * frames[c, k, 0, i]
                            found = True
                            break
                    if not found:
                        continue
            for i in range(3):
                x[i] = points[k, i]
            m = 0
            for _ in range(1):
                m, _misfit, _trust = normal_equations(
                    x,
                    k,
                    frames,
                    conf,
                    sigma,
                    centers,
                    order,
                    n,
                    1e9 * gate2 if n == 1 else gate2,
                    cauchy2,
                    prior[k],
                    prior_h[k],
                    has,
                    h,
                    g,
                    used,
                    lone[k] if has else -1.0,
                )
                if n > 1 and spread[k] != 1.0:
                    scale_views(1 / spread[k], x, prior[k], prior_h[k], _trust, h, g)
                for i in range(6):
                    bare[i] = h[i]
                add_links(x, points, k, of_keypoint, ends, slot, length, sigma_length, h, g)
                if m < 2 and height_count[k] >= 10:
                    # How high above the ground a keypoint usually is tells the depth on its ray.
                    off = x[2] - height[k]
                    s2 = height_var[k] + height_min2
                    w = 1 / s2 / (1 + off * off / s2 / 9.0)
                    h[5] += w
                    g[2] += w * off
                h[0] += 1e-2
                h[3] += 1e-2
                h[5] += 1e-2
                if not solve_packed(h, g, s) > 0:
                    break
                length2 = s[0] * s[0] + s[1] * s[1] + s[2] * s[2]
                shrink = 0.3 / math.sqrt(length2) if length2 > 0.09 else 1.0
                for i in range(3):
                    x[i] -= shrink * s[i]
            points[k] = x
            # The neighbours are not sure themselves, and errors of the lengths stay: most of what
            # the links say is not new in every frame.
            share = link_report if m >= 2 else link_trust
            for i in range(6):
                info[k, i] = bare[i] + link_trust * (h[i] - bare[i])
                reported[k, i] = bare[i] + share * (h[i] - bare[i])
