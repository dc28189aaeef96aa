"""Compiled search for parts of a body whose left and right one view exchanges, and their record.

A view's exchanges are bits of one number: `WHOLE_BODY`, pairs of limbs, and the hands.
"""

# pyright: basic

from __future__ import annotations

import math

import numpy as np

from mocap.compiled import kernel
from mocap.geometry.ray_space import invert_packed, miss
from mocap.reconstruction.mirror_kernels import exchange_pair

WHOLE_BODY, ARMS, FOREARMS, LEGS, LOWER_LEGS, HANDS = 1, 2, 4, 8, 16, 32
_WRONG = 0.5
"""Of the largest error there can be, what a pair of limbs must have as labelled,"""
_RIGHT = 0.3
"""and to what share of that it must fall when exchanged."""


@kernel
def is_exchanged(bits, own):
    """Whether a keypoint that belongs to the parts `own` is exchanged by a view's `bits`."""
    both = bits & own
    odd = False
    while both:
        odd = not odd
        both &= both - 1
    return odd


@kernel
def exchange(frames, conf, c, mirror, part_bits, bit):
    """Exchanges left and right of the keypoints of one part in camera c, in place."""
    for k in range(len(mirror)):
        o = mirror[k]
        if o > k and part_bits[k] & bit:
            exchange_pair(frames, conf, c, k, o)


@kernel
def swapped_limb(
    points, info, frames, conf, used, sigma, centers, c, mirror, part_bits, limb_bits, gate2
):
    """The pair of limbs that view c exchanges, by the positions that all views agreed on.

    Both limbs must be far from where they are by the other views, and near to it when exchanged:
    one wild keypoint, or the same limb found twice, is no exchange.

    Takes:
        points, info: (K, 3), (K, 6) the person as estimated, with that view's weight as it was.
        frames, conf, used, sigma, centers: the views; see `solve_person`.
        mirror, part_bits: (K) mirror images, and the parts that each keypoint belongs to.
        limb_bits: the parts to try.

    Returns:
        The bit of the part, or 0.
    """
    cov = np.zeros((3, 3))
    best, gain = 0, 0.0
    for bit in limb_bits:
        straight, turned, weight = 0.0, 0.0, 0.0
        n, rejected = 0, 0
        for k in range(len(mirror)):
            if part_bits[k] & bit and conf[c, k] > 0:
                n += 1
                rejected += not used[c, k]
        if n < 2 or 2 * rejected < n:
            continue
        left, right = 0, 0
        for k in range(len(mirror)):
            o = mirror[k]
            if not (part_bits[k] & bit and conf[c, k] > 0):
                continue
            if not (math.isfinite(points[k, 0]) and math.isfinite(points[o, 0])):
                continue
            left += k < o
            right += k > o
            f = frames[c, k]
            w = conf[c, k] * conf[c, k]
            for side in range(2):
                p = o if side else k
                r1, r2, z = miss(frames, c, k, centers, c, points[p, 0], points[p, 1], points[p, 2])
                invert_packed(info[p], cov)
                v = 0.0
                for i in range(3):
                    for j in range(3):
                        v += cov[i, j] * (f[1, i] * f[1, j] + f[2, i] * f[2, j])
                s2 = sigma[c, k] * sigma[c, k] + v / 2 / (z * z)
                e = min((r1 * r1 + r2 * r2) / s2, gate2)
                if side:
                    turned += w * e
                else:
                    straight += w * e
            weight += w
        if left < 1 or right < 1 or straight < _WRONG * gate2 * weight:
            continue
        # Of a leg and a lower leg the one that explains more.
        if turned < _RIGHT * straight and straight - turned > gain:
            best, gain = bit, straight - turned
    return best
