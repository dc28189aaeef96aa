"""Compiled account of a person's keypoints: residuals in pixels, state of each view, redundancy."""

# pyright: basic

from __future__ import annotations

import math

import numpy as np

from mocap.compiled import kernel
from mocap.geometry.kernels import project_with_jacobian
from mocap.geometry.ray_space import invert_packed
from mocap.reconstruction.swap_kernels import is_exchanged

NEAREST_DEPTH_M = 0.3
"""As in `mocap.reconstruction.person`."""
ABSENT, MISSING, REJECTED, USED = 0, 1, 2, 3
"""The values of `mocap.model.ViewState`."""


@kernel
def account(
    points,
    group,
    turned,
    used,
    pixels,
    conf,
    mirror,
    part_bits,
    sigma,
    cauchy,
    least_confidence,
    matrix,
    distortions,
    fisheye,
    T,
    state,
    residual,
    redundancy,
    reprojection,
    n_views,
):
    """Says what each view contributed to each keypoint of one person.

    Takes:
        points: (K, 3), NaN for unknown.
        group: (C) 2D person of each camera, -1 for none; turned: (C) parts exchanged.
        used: (C, K) which views were used.
        pixels, conf: (P, K, 2), (P, K) all 2D people.
        mirror, part_bits: (K) mirror images, and the parts that each keypoint belongs to.
        sigma: (C, K) noise in pixels.
        cauchy: sigmas at which a view counts half; least_confidence: (K) below it it is missing.
        matrix, distortions, fisheye, T: the cameras.
        state, residual, redundancy: (C, K) results; reprojection, n_views: (K) results.
    """
    cameras, count = used.shape
    h, cov = np.zeros(6), np.zeros((3, 3))
    own = np.zeros((cameras, 6))
    for k in range(count):
        h[:] = 0.0
        total, weight, n = 0.0, 0.0, 0
        known = math.isfinite(points[k, 0])
        for c in range(cameras):
            state[c, k] = ABSENT
            residual[c, k] = math.nan
            redundancy[c, k] = 0.0
            j = group[c]
            if j < 0:
                continue
            source = mirror[k] if is_exchanged(turned[c], part_bits[k]) else k
            w = conf[j, source]
            if not w >= least_confidence[k]:
                state[c, k] = MISSING
                continue
            state[c, k] = USED if used[c, k] and known else REJECTED
            if not known:
                continue
            u, v, _, a0, a1, a2, b0, b1, b2 = project_with_jacobian(
                points[k, 0], points[k, 1], points[k, 2], c, matrix, distortions, fisheye, T
            )
            du, dv = u - pixels[j, source, 0], v - pixels[j, source, 1]
            r2 = du * du + dv * dv
            residual[c, k] = math.sqrt(r2)
            if not used[c, k]:
                continue
            n += 1
            s2 = sigma[c, k] * sigma[c, k]
            w = w * w / s2 / (1 + r2 / s2 / (cauchy * cauchy))
            total += w * r2
            weight += w
            own[c, 0] = w * (a0 * a0 + b0 * b0)
            own[c, 1] = w * (a0 * a1 + b0 * b1)
            own[c, 2] = w * (a0 * a2 + b0 * b2)
            own[c, 3] = w * (a1 * a1 + b1 * b1)
            own[c, 4] = w * (a1 * a2 + b1 * b2)
            own[c, 5] = w * (a2 * a2 + b2 * b2)
            for i in range(6):
                h[i] += own[c, i]
        n_views[k] = n
        reprojection[k] = math.sqrt(total / weight) if n > 0 else math.nan
        if n < 2:
            continue
        invert_packed(h, cov)
        for c in range(cameras):
            if state[c, k] == USED:
                trace = own[c, 0] * cov[0, 0] + own[c, 3] * cov[1, 1] + own[c, 5] * cov[2, 2]
                trace += 2 * (own[c, 1] * cov[0, 1] + own[c, 2] * cov[0, 2] + own[c, 4] * cov[1, 2])
                redundancy[c, k] = min(max(2 - trace, 0.0), 2.0)


@kernel
def learn_noise(
    state, residual, redundancy, n_views, sigma, scale, conf, body, least, robust2, out
):
    """Adds one person's weighted squared residuals and redundancies per camera to out (2, C).

    Takes:
        state, residual, redundancy, n_views: as `account` gives them.
        sigma: (C, K) noise as the configuration states it, pixels; scale: (C) as learnt.
        conf: (C, K) confidence of the keypoints of this person.
        body: keypoints to learn from; least: views that such a keypoint needs.
        robust2: squared sigmas at which a residual counts half.
        out: squares and redundancy, changed.
    """
    for c in range(len(scale)):
        for k in body:
            if n_views[k] < least:
                continue
            out[1, c] += redundancy[c, k]
            if state[c, k] == USED:
                e = residual[c, k] / sigma[c, k]
                e = e * e
                weight = 1 / (1 + e / (scale[c] * scale[c]) / robust2)
                out[0, c] += weight * e * conf[c, k] * conf[c, k]


@kernel
def account_people(
    rows,
    points,
    group,
    turned,
    used,
    pixels,
    conf,
    mirror,
    part_bits,
    body,
    chosen_sigma_m,
    floor_px,
    scale,
    centers,
    focal,
    cauchy,
    least_confidence,
    least,
    robust2,
    matrix,
    distortions,
    fisheye,
    T,
    state,
    residual,
    redundancy,
    reprojection,
    n_views,
    noise,
):
    """`account` and `learn_noise` for the people in the rows of the tracks that were found.

    Takes:
        rows: (N) the rows; all of `points`, `group`, `turned`, `used` by row.
        chosen_sigma_m: (K) noise on the body, metres; floor_px: pixels.
        scale, centers, focal: of the cameras.
        least, robust2: see `learn_noise`; noise: (2, C) its result.
        state, residual, redundancy, reprojection, n_views: results, by position in `rows`.
    """
    cameras, count = used.shape[1], used.shape[2]
    stated, scaled = np.zeros((cameras, count)), np.zeros((cameras, count))
    own = np.zeros((cameras, count))
    middle = np.zeros(3)
    for n in range(len(rows)):
        m = rows[n]
        middle[:] = 0.0
        found = 0
        for k in range(count):
            if math.isfinite(points[m, k, 0]):
                found += 1
                for i in range(3):
                    middle[i] += points[m, k, i]
        for i in range(3):
            middle[i] /= max(found, 1)
        for c in range(cameras):
            depth = 0.0
            for i in range(3):
                depth += (middle[i] - centers[c, i]) ** 2
            depth = max(math.sqrt(depth), NEAREST_DEPTH_M)
            j = group[m, c]
            per_m, learnt = focal[c] / depth, scale[c]
            for k in range(count):
                b = per_m * chosen_sigma_m[k]
                noise_px = math.sqrt(floor_px * floor_px + b * b)
                stated[c, k] = noise_px
                scaled[c, k] = learnt * noise_px
                source = mirror[k] if is_exchanged(turned[m, c], part_bits[k]) else k
                own[c, k] = conf[j, source] if j >= 0 else 0.0
        account(
            points[m],
            group[m],
            turned[m],
            used[m],
            pixels,
            conf,
            mirror,
            part_bits,
            scaled,
            cauchy,
            least_confidence,
            matrix,
            distortions,
            fisheye,
            T,
            state[n],
            residual[n],
            redundancy[n],
            reprojection[n],
            n_views[n],
        )
        learn_noise(
            state[n],
            residual[n],
            redundancy[n],
            n_views[n],
            stated,
            scale,
            own,
            body,
            least,
            robust2,
            noise,
        )
