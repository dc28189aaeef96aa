"""Compiled search for views in which left and right are exchanged."""

# pyright: basic

from __future__ import annotations

import math

import numpy as np

from mocap.compiled import kernel
from mocap.geometry.ray_space import miss
from mocap.reconstruction.hypothesis_kernels import choose_start
from mocap.reconstruction.view_kernels import empty_views, take_views, truncated_cost


@kernel
def exchange_pair(frames, conf, c, k, o):
    """Exchanges the 2D keypoints k and o of camera c, in place."""
    t = conf[c, k]
    conf[c, k] = conf[c, o]
    conf[c, o] = t
    for i in range(3):
        for j in range(3):
            f = frames[c, k, i, j]
            frames[c, k, i, j] = frames[c, o, i, j]
            frames[c, o, i, j] = f


@kernel
def turn(frames, conf, c, mirror, chosen):
    """Exchanges left and right of the keypoints `chosen` of camera c, in place."""
    for k in chosen:
        o = mirror[k]
        if o > k:
            exchange_pair(frames, conf, c, k, o)


@kernel
def against_prediction(frames, conf, sigma, centers, c, prior, prior_cov, chosen, mirror, gate2):
    """Truncated mean squared error, by the gate, of one view as labelled and exchanged."""
    straight, turned, weight = 0.0, 0.0, 0.0
    for k in chosen:
        w = conf[c, k]
        if not w > 0:
            continue
        f = frames[c, k]
        for side in range(2):
            p = mirror[k] if side else k
            e = gate2
            if math.isfinite(prior[p, 0]):
                r1, r2, z = miss(frames, c, k, centers, c, prior[p, 0], prior[p, 1], prior[p, 2])
                v = 0.0
                for i in range(3):
                    for j in range(3):
                        v += prior_cov[p, i, j] * (f[1, i] * f[1, j] + f[2, i] * f[2, j])
                s2 = sigma[c, k] * sigma[c, k] + v / 2 / (z * z)
                e = min((r1 * r1 + r2 * r2) / s2, gate2)
            elif not math.isfinite(prior[mirror[p], 0]):
                e = 0.0
            if side:
                turned += w * w * e
            else:
                straight += w * w * e
        weight += w * w
    if weight <= 0:
        return 0.0, 0.0
    return straight / weight / gate2, turned / weight / gate2


@kernel
def agreement(frames, conf, sigma, centers, chosen, gate2, min_cosine, max_pairs):
    """Truncated error of the best points through all views, by its maximum; no prediction."""
    cameras = conf.shape[0]
    views, order = empty_views(cameras)
    every = np.ones(conf.shape, np.bool_)
    none, none_h, belief = np.zeros((1, 3)), np.zeros((1, 6)), np.zeros(5)
    total, norm = 0.0, 1e-9
    for k in chosen:
        n = take_views(frames, conf, sigma, centers, k, every, True, views, order)
        weight = 0.0
        for i in range(n):
            weight += conf[order[i], k] * conf[order[i], k]
        norm += weight
        if n < 2:
            continue
        found, x0, x1, x2 = choose_start(
            views, n, 0, gate2, min_cosine, max_pairs, none, none_h, False, 0.0, belief
        )
        if found:
            total += truncated_cost(views, n, x0, x1, x2, gate2, 0.0, math.inf)
        else:
            total += weight * gate2
    return total / norm / gate2


@kernel
def find_turned(
    frames,
    conf,
    sigma,
    centers,
    paired,
    mirror,
    gate2,
    min_cosine,
    max_pairs,
    suspicion,
    ratio,
    turned,
):
    """Turns views of a person of whom nothing is known yet, until the views agree; in place.

    One view at a time, fewer than half of them, as long as the error falls below `ratio` of what
    it was.
    """
    cameras = conf.shape[0]
    views = 0
    able = np.zeros(cameras, np.bool_)
    for c in range(cameras):
        n = 0
        for k in paired:
            n += conf[c, k] > 0
        able[c] = n >= 4
        views += able[c]
    cost = agreement(frames, conf, sigma, centers, paired, gate2, min_cosine, max_pairs)
    left = (views - 1) // 2
    while left > 0 and cost > suspicion:
        best, who = ratio * cost, -1
        for c in range(cameras):
            if not able[c] or turned[c]:
                continue
            turn(frames, conf, c, mirror, paired)
            now = agreement(frames, conf, sigma, centers, paired, gate2, min_cosine, max_pairs)
            turn(frames, conf, c, mirror, paired)
            if now < best:
                best, who = now, c
        if who < 0:
            return
        turn(frames, conf, who, mirror, paired)
        turned[who] = True
        cost = best
        left -= 1
