"""Compiled choice of where the estimate of a keypoint begins (MSAC, Torr and Zisserman, 2000)."""

# pyright: basic

from __future__ import annotations

import math

from mocap.compiled import kernel
from mocap.reconstruction.view_kernels import (
    cosine_of,
    count_apart,
    nearest_to_rays,
    truncated_cost,
    widest_cosine,
)

PRIOR_SHARE = 0.5
"""What the prediction counts in the choice between hypotheses, against a sure view."""
STALE_SHARE = 0.1
"""The same for a keypoint that two views have not seen lately."""
LINK_SHARE = 0.5
"""The same for the length of the bone that ends there."""
LINK_CHOICE_M = 0.06
MIN_CONDITION = 1e-9
"""Of normal equations: the determinant by the cube of the mean diagonal."""
AGREES = 0.75
"""Of the gate, squared: views that miss a point by less agree on it."""
_MANY_VIEWS = 4
"""From so many views on, one that disagrees with all others is taken to be wrong."""


@kernel
def agreed(n, apart):
    """Whether n views agree on a point from which some are apart: nothing is better by much."""
    return apart == 0 or (apart == 1 and n >= _MANY_VIEWS)


@kernel
def hypothesis_cost(views, n, k, x0, x1, x2, gate2, prior, prior_h, has_prior, share, belief, stop):
    """Truncated squared error of a point over all views, prediction and bone.

    Takes:
        views, n: see `take_views`.
        prior, prior_h: (K, 3), (K, 6) predictions and their packed information.
        share: what the prediction counts.
        belief: (5) a neighbour, the distance to it and that distance's sigma (0 for none), metres.
        stop: a cost that is high enough to stop.
    """
    cost = 0.0
    if has_prior:
        d0, d1, d2 = x0 - prior[k, 0], x1 - prior[k, 1], x2 - prior[k, 2]
        m = (
            prior_h[k, 0] * d0 * d0
            + prior_h[k, 3] * d1 * d1
            + prior_h[k, 5] * d2 * d2
            + 2 * (prior_h[k, 1] * d0 * d1 + prior_h[k, 2] * d0 * d2 + prior_h[k, 4] * d1 * d2)
        )
        cost += share * min(m, gate2)
    if belief[4] > 0:
        d0, d1, d2 = x0 - belief[0], x1 - belief[1], x2 - belief[2]
        off = (math.sqrt(d0 * d0 + d1 * d1 + d2 * d2) - belief[3]) / belief[4]
        cost += LINK_SHARE * min(off * off, gate2)
    return truncated_cost(views, n, x0, x1, x2, gate2, cost, stop)


@kernel
def choose_start(
    views, n, k, gate2, min_cosine, max_pairs, prior, prior_h, has_prior, share, belief
):
    """The best of all hypotheses for keypoint k: prediction, all views, pairs of views.

    Pairs are only tried where prediction and views do not agree anyway. Arguments as in
    `hypothesis_cost`.

    Returns:
        Whether there is one, and the point.
    """
    b0, b1, b2, cost = math.nan, math.nan, math.nan, math.inf
    if has_prior:
        b0, b1, b2 = prior[k, 0], prior[k, 1], prior[k, 2]
        cost = hypothesis_cost(
            views, n, k, b0, b1, b2, gate2, prior, prior_h, True, share, belief, cost
        )
    if n >= 2 and widest_cosine(views, n, False, min_cosine) <= min_cosine:
        condition, x0, x1, x2 = nearest_to_rays(views, n, 0, 0)
        if condition > MIN_CONDITION:
            now = hypothesis_cost(
                views, n, k, x0, x1, x2, gate2, prior, prior_h, has_prior, share, belief, cost
            )
            if now < cost:
                b0, b1, b2, cost = x0, x1, x2, now
    if n < 3 and not (has_prior and n == 2):
        return cost < math.inf, b0, b1, b2
    if cost < math.inf and agreed(n, count_apart(views, n, b0, b1, b2, AGREES * gate2)):
        return True, b0, b1, b2
    pairs = n * (n - 1) // 2
    stride = (pairs + max_pairs - 1) // max_pairs
    index = -1
    for i in range(n):
        for j in range(i):
            index += 1
            if index % stride or cosine_of(views, i, j) > min_cosine:
                continue
            condition, x0, x1, x2 = nearest_to_rays(views, 0, i, j)
            if not condition > MIN_CONDITION:
                continue
            now = hypothesis_cost(
                views, n, k, x0, x1, x2, gate2, prior, prior_h, has_prior, share, belief, cost
            )
            if now < cost:
                b0, b1, b2, cost = x0, x1, x2, now
    return cost < math.inf, b0, b1, b2
