"""Compiled association: costs of people against 2D people, optimal assignment, grouping."""

# pyright: basic

from __future__ import annotations

import math

import numpy as np

from mocap.compiled import kernel
from mocap.geometry.ray_space import miss, ray_gap

_FORBIDDEN = 1e6


@kernel
def person_cost(
    known,
    covariance,
    frames,
    confidence,
    j,
    centers,
    c,
    chosen,
    mirror,
    min_confidence,
    min_keypoints,
    cap,
    mirror_penalty,
    blur2,
):
    """Mean distance in metres of a known person's keypoints from the rays of 2D person j.

    A distance is shortened by how unsure the known position is (`covariance` across the ray,
    against `blur2`).

    Takes:
        known, covariance: (K, 3) and (K, 3, 3) of the known person; NaN for unknown.
        frames, confidence: (P, K, 3, 3) and (P, K) of all 2D people.
        j: which of them; centers, c: its camera.
        chosen, mirror: association keypoints and all mirror images.
        min_confidence, min_keypoints, cap, mirror_penalty: as in `AssociationConfig`.
        blur2: square metres.

    Returns:
        The smaller of the means as labelled and with left and right exchanged; infinite with
        fewer than `min_keypoints` in common.
    """
    best = math.inf
    for turned in range(2):
        total, weight, common = 0.0, 0.0, 0
        for k in chosen:
            source = mirror[k] if turned else k
            if not (confidence[j, source] >= min_confidence and math.isfinite(known[k, 0])):
                continue
            r1, r2, z = miss(frames, j, source, centers, c, known[k, 0], known[k, 1], known[k, 2])
            # Across the ray is the trace less what lies along it.
            d0, d1, d2 = frames[j, source, 0, 0], frames[j, source, 0, 1], frames[j, source, 0, 2]
            p00, p11, p22 = covariance[k, 0, 0], covariance[k, 1, 1], covariance[k, 2, 2]
            along = p00 * d0 * d0 + p11 * d1 * d1 + p22 * d2 * d2
            along += 2 * (
                covariance[k, 0, 1] * d0 * d1
                + covariance[k, 0, 2] * d0 * d2
                + covariance[k, 1, 2] * d1 * d2
            )
            across = max(p00 + p11 + p22 - along, 0.0)
            off = z * math.sqrt((r1 * r1 + r2 * r2) / (1 + across / 2 / blur2))
            total += min(off, cap)
            weight += 1.0
            common += 1
        if common >= min_keypoints:
            mean = total / weight + (mirror_penalty if turned else 0.0)
            best = min(best, mean)
    return best


@kernel
def pair_cost(
    frames_a,
    conf_a,
    center_a,
    frames_b,
    conf_b,
    center_b,
    chosen,
    mirror,
    min_confidence,
    min_keypoints,
    cap,
    mirror_penalty,
):
    """Mean distance in metres between the rays of two 2D people of different cameras."""
    best = math.inf
    for turned in range(2):
        total, common = 0.0, 0
        for k in chosen:
            other = mirror[k] if turned else k
            if conf_a[k] >= min_confidence and conf_b[other] >= min_confidence:
                gap = ray_gap(frames_a[k, 0], center_a, frames_b[other, 0], center_b)
                total += min(gap, cap)
                common += 1
        if common >= min_keypoints:
            best = min(best, total / common + (mirror_penalty if turned else 0.0))
    return best


@kernel
def assign(cost):
    """Optimal assignment by shortest augmenting paths (Jonker and Volgenant, 1987).

    Takes:
        cost: (N, M) finite.

    Returns:
        (N) the column of each row, -1 for none where there are more rows than columns.
    """
    rows, columns = cost.shape
    result = np.full(rows, -1)
    if rows == 0 or columns == 0:
        return result
    n = max(rows, columns)
    # Square it up with a constant, which changes no optimum.
    u, v = np.zeros(n + 1), np.zeros(n + 1)
    owner, way = np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64)
    least, done = np.zeros(n + 1), np.zeros(n + 1, np.bool_)
    for i in range(1, n + 1):
        owner[0] = i
        j0 = 0
        least[:] = math.inf
        done[:] = False
        while True:
            done[j0] = True
            i0, delta, j1 = owner[j0], math.inf, 0
            for j in range(1, n + 1):
                if done[j]:
                    continue
                c = cost[i0 - 1, j - 1] if i0 <= rows and j <= columns else _FORBIDDEN
                now = c - u[i0] - v[j]
                if now < least[j]:
                    least[j] = now
                    way[j] = j0
                if least[j] < delta:
                    delta = least[j]
                    j1 = j
            for j in range(n + 1):
                if done[j]:
                    u[owner[j]] += delta
                    v[j] -= delta
                else:
                    least[j] -= delta
            j0 = j1
            if owner[j0] == 0:
                break
        while j0:
            j1 = way[j0]
            owner[j0] = owner[j1]
            j0 = j1
    for j in range(1, columns + 1):
        if owner[j] <= rows:
            result[owner[j] - 1] = j - 1
    return result


@kernel
def cluster(cost, apart, limit):
    """Joins the closest clusters, by mean distance, while it is within the limit.

    Clusters that hold a pair of whom one cannot be the other are never joined; a pair without
    common keypoints does not count.

    Takes:
        cost: (N, N) symmetric; infinite where nothing can be said.
        apart: (N, N) symmetric: two 2D people of one camera who cannot be one person.
        limit: largest mean distance.

    Returns:
        (N) labels.
    """
    n = len(cost)
    label = np.arange(n)
    total, known = np.zeros((n, n)), np.zeros((n, n))
    clash = np.zeros((n, n), np.bool_)
    alive = np.ones(n, np.bool_)
    for i in range(n):
        for j in range(n):
            clash[i, j] = i == j or apart[i, j]
            if cost[i, j] < math.inf and not clash[i, j]:
                total[i, j], known[i, j] = cost[i, j], 1.0
    while True:
        best, p, q = limit, -1, -1
        for a in range(n):
            if not alive[a]:
                continue
            for b in range(a):
                if clash[a, b] or not (alive[b] and known[a, b] > 0):
                    continue
                if total[a, b] < best * known[a, b]:
                    best, p, q = total[a, b] / known[a, b], a, b
        if p < 0:
            return label
        alive[p] = False
        for i in range(n):
            if label[i] == p:
                label[i] = q
            total[q, i] += total[p, i]
            known[q, i] += known[p, i]
            clash[q, i] = clash[q, i] or clash[p, i]
            total[i, q], known[i, q], clash[i, q] = total[q, i], known[q, i], clash[q, i]
