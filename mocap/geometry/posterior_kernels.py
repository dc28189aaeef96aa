"""Compiled twin of `mocap.geometry.posterior`, for all keypoints of a person."""

# pyright: basic

from __future__ import annotations

import math

import numpy as np

from mocap.compiled import kernel
from mocap.geometry.posterior import ALL_SETS_VIEWS, NEAREST_M, STEPS
from mocap.geometry.ray_space import add_ray, add_view, invert_packed, miss, solve_packed


@kernel
def _laplace(
    bits, k, frames, centers, sigma, views, n, rate, outlier_m, volume, min_cosine, x, cov
):
    """Log evidence of one set of views (bits over `views`), -inf for none; sets x and cov."""
    h, g, s = np.zeros(6), np.zeros(3), np.zeros(3)
    wide = False
    for i in range(n):
        if not (bits >> i) & 1:
            continue
        c = views[i]
        add_ray(frames[c, k, 0], centers[c], 1 / (sigma[c, k] * sigma[c, k]), h, g)
        for j in range(i):
            o = views[j]
            if (bits >> j) & 1:
                cosine = 0.0
                for a in range(3):
                    cosine += frames[c, k, 0, a] * frames[o, k, 0, a]
                wide = wide or abs(cosine) <= min_cosine
    if not wide or not solve_packed(h, g, x) > 0:
        return -math.inf
    for _ in range(STEPS):
        h[:] = 0.0
        g[:] = 0.0
        for i in range(n):
            if (bits >> i) & 1:
                c = views[i]
                r1, r2, z = miss(frames, c, k, centers, c, x[0], x[1], x[2])
                if r1 > 1e5:
                    return -math.inf
                add_view(frames, c, k, r1, r2, z, 1 / (sigma[c, k] * sigma[c, k]), h, g)
        if not solve_packed(h, g, s) > 0:
            return -math.inf
        for a in range(3):
            x[a] -= s[a]
    invert_packed(h, cov)
    det = (
        h[0] * (h[3] * h[5] - h[4] * h[4])
        - h[1] * (h[1] * h[5] - h[4] * h[2])
        + h[2] * (h[1] * h[4] - h[3] * h[2])
    )
    evidence = 1.5 * math.log(2 * math.pi) - 0.5 * math.log(det) - math.log(volume)
    for i in range(n):
        c = views[i]
        r1, r2, z = miss(frames, c, k, centers, c, x[0], x[1], x[2])
        if (bits >> i) & 1:
            s2 = sigma[c, k] * sigma[c, k]
            evidence += math.log(1 - rate) - math.log(2 * math.pi * s2)
            evidence -= (r1 * r1 + r2 * r2) / s2 / 2
        else:
            z = max(z, NEAREST_M)
            evidence += math.log(rate) - math.log(math.pi * (outlier_m / z) ** 2)
    return evidence


@kernel
def _sets(k, frames, centers, sigma, views, n, rate, outlier_m, volume, min_cosine):
    """The sets to try, as bits over `views`."""
    if n <= ALL_SETS_VIEWS:
        out = np.zeros(1 << n, np.int64)
        m = 0
        for bits in range(1 << n):
            if bits & (bits - 1):
                out[m] = bits
                m += 1
        return out[:m]
    out = np.zeros(n * (n - 1) // 2 * (n + 1), np.int64)
    x, cov = np.zeros(3), np.zeros((3, 3))
    m = 0
    for i in range(n):
        for j in range(i):
            pair = (1 << i) | (1 << j)
            found = _laplace(
                pair,
                k,
                frames,
                centers,
                sigma,
                views,
                n,
                rate,
                outlier_m,
                volume,
                min_cosine,
                x,
                cov,
            )
            if found == -math.inf:
                continue
            inside = 0
            for v in range(n):
                c = views[v]
                r1, r2, z = miss(frames, c, k, centers, c, x[0], x[1], x[2])
                across = 0.0
                f = frames[c, k]
                for a in range(3):
                    for b in range(3):
                        across += cov[a, b] * (f[1, a] * f[1, b] + f[2, a] * f[2, b])
                s2 = sigma[c, k] * sigma[c, k] + across / 2 / (z * z)
                odds = 0.5 * (r1 * r1 + r2 * r2) / s2 + math.log(2 * math.pi * s2)
                odds -= math.log(math.pi * (outlier_m / z) ** 2)
                if odds < math.log((1 - rate) / rate):
                    inside |= 1 << v
            for changed in range(-1, n):
                near = inside if changed < 0 else inside ^ (1 << changed)
                if near & (near - 1):
                    out[m] = near
                    m += 1
    return np.unique(out[:m])


@kernel
def posterior_kernel(
    frames,
    centers,
    sigma,
    rate,
    outlier_m,
    volume,
    min_cosine,
    mode_sigmas,
    min_mode,
    mean,
    covariance,
    modes,
    mode_covariance,
    mode_weight,
    inlier,
):
    """`triangulate_posterior` for K keypoints.

    Takes:
        frames: (C, K, 3, 3); centers: (C, 3); sigma: (C, K), infinite for missing.
        rate, outlier_m, volume, min_cosine, mode_sigmas, min_mode: see `PosteriorSettings`.
        mean (K, 3), covariance (K, 3, 3), modes (K, M, 3), mode_covariance (K, M, 3, 3),
        mode_weight (K, M), inlier (C, K): results.
    """
    cameras, count = sigma.shape
    views = np.zeros(cameras, np.int64)
    x, cov, s = np.zeros(3), np.zeros((3, 3)), np.zeros(3)
    h, off = np.zeros(6), np.zeros(3)
    mean[:] = math.nan
    covariance[:] = math.nan
    modes[:] = math.nan
    mode_covariance[:] = math.nan
    mode_weight[:] = 0.0
    inlier[:] = 0.0
    for k in range(count):
        n = 0
        for c in range(cameras):
            if math.isfinite(sigma[c, k]):
                views[n] = c
                n += 1
        if n < 2:
            continue
        sets = _sets(k, frames, centers, sigma, views, n, rate, outlier_m, volume, min_cosine)
        m = len(sets)
        evidence = np.full(m, -math.inf)
        points, spread = np.zeros((m, 3)), np.zeros((m, 3, 3))
        for i in range(m):
            evidence[i] = _laplace(
                sets[i],
                k,
                frames,
                centers,
                sigma,
                views,
                n,
                rate,
                outlier_m,
                volume,
                min_cosine,
                x,
                cov,
            )
            points[i] = x
            spread[i] = cov
        top = -math.inf
        for i in range(m):
            top = max(top, evidence[i])
        if top == -math.inf:
            continue
        weight = np.exp(evidence - top)
        weight /= weight.sum()
        # Modes: heaviest first, each joins the nearest in reach.
        order = np.argsort(-weight, kind="mergesort")
        label = np.full(m, -1)
        heads = np.zeros(m, np.int64)
        n_heads = 0
        for i in order:
            if weight[i] < 1e-12:
                continue
            best, reach = -1, mode_sigmas * mode_sigmas
            for q in range(n_heads):
                o = heads[q]
                for a in range(3):
                    off[a] = points[i, a] - points[o, a]
                cov[:] = spread[i] + spread[o]
                h[0], h[1], h[2] = cov[0, 0], cov[0, 1], cov[0, 2]
                h[3], h[4], h[5] = cov[1, 1], cov[1, 2], cov[2, 2]
                if not solve_packed(h, off, s) > 0:
                    continue
                distance = off[0] * s[0] + off[1] * s[1] + off[2] * s[2]
                if distance < reach:
                    best, reach = q, distance
            if best < 0:
                best = n_heads
                heads[n_heads] = i
                n_heads += 1
            label[i] = best
            for v in range(n):
                if (sets[i] >> v) & 1:
                    inlier[views[v], k] += weight[i]
        total = np.zeros(n_heads)
        for i in range(m):
            if label[i] >= 0:
                total[label[i]] += weight[i]
        ranked = np.argsort(-total, kind="mergesort")
        _moments(weight, points, spread, label, -1, mean[k], covariance[k])
        for row in range(min(n_heads, modes.shape[1])):
            q = ranked[row]
            if row and total[q] < min_mode:
                break
            _moments(weight, points, spread, label, q, modes[k, row], mode_covariance[k, row])
            mode_weight[k, row] = total[q]


@kernel
def _moments(weight, points, spread, label, which, mean, covariance):
    """Mean and covariance of the components of one mode, or of all (-1)."""
    mean[:] = 0.0
    covariance[:] = 0.0
    total = 0.0
    for i in range(len(weight)):
        if label[i] >= 0 and (which < 0 or label[i] == which):
            total += weight[i]
            for a in range(3):
                mean[a] += weight[i] * points[i, a]
    for a in range(3):
        mean[a] /= total
    for i in range(len(weight)):
        if label[i] >= 0 and (which < 0 or label[i] == which):
            for a in range(3):
                for b in range(3):
                    covariance[a, b] += (
                        weight[i]
                        / total
                        * (spread[i, a, b] + (points[i, a] - mean[a]) * (points[i, b] - mean[b]))
                    )
