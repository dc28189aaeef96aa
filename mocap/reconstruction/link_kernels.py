"""Compiled pull of the links: a person's keypoints are moved until the bones have their lengths."""

# pyright: basic

from __future__ import annotations

import math

from mocap.compiled import kernel
from mocap.reconstruction.view_kernels import (
    USED,
    empty_views,
    linearize,
    shortened,
    step_of,
    take_views,
)

_LEAST_INFORMATION = 1e-2
"""Per m^2, so that there is a solution where one direction is told by nothing."""
_LEAST_HEIGHTS = 10
"""Frames after which it is known how high above the ground a keypoint usually is."""


@kernel
def link_terms(k, x0, x1, x2, points, of_keypoint, ends, slot, length, sigma_length):
    """Packed matrix and gradient of the links of keypoint k to neighbours that are known."""
    h0, h1, h2, h3, h4, h5 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    g0, g1, g2 = 0.0, 0.0, 0.0
    for m in range(of_keypoint.shape[1]):
        e = of_keypoint[k, m]
        if e < 0:
            break
        o = ends[e, 0] + ends[e, 1] - k
        if not math.isfinite(points[o, 0]):
            continue
        u0, u1, u2 = x0 - points[o, 0], x1 - points[o, 1], x2 - points[o, 2]
        n = math.sqrt(u0 * u0 + u1 * u1 + u2 * u2) + 1e-9
        u0, u1, u2 = u0 / n, u1 / n, u2 / n
        r = n - length[slot[e]]
        s = sigma_length[slot[e]]
        w = 1 / (s * s) / (1 + r * r / (s * s) / 9.0)
        h0 += w * u0 * u0
        h1 += w * u0 * u1
        h2 += w * u0 * u2
        h3 += w * u1 * u1
        h4 += w * u1 * u2
        h5 += w * u2 * u2
        g0 += w * r * u0
        g1 += w * r * u1
        g2 += w * r * u2
    return h0, h1, h2, h3, h4, h5, g0, g1, g2


@kernel(inline="always")
def _scaled(by, a):
    return (
        by * a[0],
        by * a[1],
        by * a[2],
        by * a[3],
        by * a[4],
        by * a[5],
        by * a[6],
        by * a[7],
        by * a[8],
    )


@kernel(inline="always")
def _sum(a, b):
    return (
        a[0] + b[0],
        a[1] + b[1],
        a[2] + b[2],
        a[3] + b[3],
        a[4] + b[4],
        a[5] + b[5],
        a[6] + b[6],
        a[7] + b[7],
        a[8] + b[8],
    )


@kernel
def _begin_beside_neighbour(k, frames, c, centers, of_keypoint, ends, points):
    """Places a keypoint that one view alone shows on its ray, as deep as a known neighbour."""
    for m in range(of_keypoint.shape[1]):
        e = of_keypoint[k, m]
        if e < 0:
            break
        o = ends[e, 0] + ends[e, 1] - k
        if math.isfinite(points[o, 0]):
            depth = 0.0
            for i in range(3):
                depth += frames[c, k, 0, i] * (points[o, i] - centers[c, i])
            for i in range(3):
                points[k, i] = centers[c, i] + depth * frames[c, k, 0, i]
            return True
    return False


@kernel
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
    from_links,
):
    """Gauss-Seidel sweeps over the keypoints that have links; see `solve_person`."""
    gate, cauchy, sweeps = settings[0], settings[1], settings[4]
    ends, slot, of_keypoint = links
    cameras, count = conf.shape
    gate2, per_cauchy2 = gate * gate, 1 / (cauchy * cauchy)
    views, order = empty_views(cameras)
    reported[:] = info
    from_links[:] = 0.0
    for _sweep in range(int(sweeps)):
        for k in range(count):
            if of_keypoint[k, 0] < 0:
                continue
            n = take_views(frames, conf, sigma, centers, k, used, seen[k] == 1, views, order)
            has = math.isfinite(prior[k, 0])
            if not math.isfinite(points[k, 0]):
                if n == 0 and not has:
                    continue
                # Seen by one view only: begin beside a neighbour that is known.
                if not has and not _begin_beside_neighbour(
                    k, frames, order[0], centers, of_keypoint, ends, points
                ):
                    continue
            x0, x1, x2 = points[k, 0], points[k, 1], points[k, 2]
            m, _misfit, _apart, by_views, by_prior = linearize(
                views,
                n,
                k,
                x0,
                x1,
                x2,
                1e9 * gate2 if n == 1 else gate2,
                gate2,
                per_cauchy2,
                prior,
                prior_h,
                has,
                lone[k] if has else -1.0,
            )
            for i in range(n):
                used[order[i], k] = views[i, USED] > 0
            if n > 1 and spread[k] != 1.0:
                by_views = _scaled(1 / spread[k], by_views)
            bare = _sum(by_views, by_prior)
            pull = link_terms(k, x0, x1, x2, points, of_keypoint, ends, slot, length, sigma_length)
            high, up = 0.0, 0.0
            if m < 2 and height_count[k] >= _LEAST_HEIGHTS:
                # How high above the ground a keypoint usually is tells the depth on its ray.
                off = x2 - height[k]
                s2 = height_var[k] + height_min2
                high = 1 / s2 / (1 + off * off / s2 / 9.0)
                up = high * off
            least = _LEAST_INFORMATION
            pull = _sum(pull, (least, 0.0, 0.0, least, 0.0, least + high, 0.0, 0.0, up))
            condition, s0, s1, s2, _ = step_of(bare, pull)
            if condition > 0:
                shrink = shortened(s0, s1, s2)
                points[k, 0] = x0 - shrink * s0
                points[k, 1] = x1 - shrink * s1
                points[k, 2] = x2 - shrink * s2
            # The neighbours are not sure themselves, and errors of the lengths stay: most of what
            # the links say is not new in every frame.
            share = link_report if m >= 2 else link_trust
            for i in range(6):
                info[k, i] = bare[i] + link_trust * pull[i]
                from_links[k, i] = share * pull[i]
                reported[k, i] = bare[i] + from_links[k, i]
