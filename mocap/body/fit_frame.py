"""Compiled Levenberg-Marquardt of one frame: measurements, pose prior, limits, and a prediction."""

# pyright: basic

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from mocap.body.fit_kernels import (
    at_limit,
    factor_tree,
    measure,
    move,
    normal_equations,
    place_points,
    pose_body,
    press_floor,
    solve_tree,
    vector_of,
)

LARGEST_TURN = 0.7
"""Radians by which one step may change a degree of freedom."""
_CONVERGED = 2e-4
_DAMPING = 1e-4
_MOST_DAMPING = 1e6


class Prediction(NamedTuple):
    """What is expected of a frame before it is measured; weights are 1 / sigma^2, 0 for none.

    Attributes:
        p0: root position.
        R0: root rotation.
        q: values of the degrees of freedom.
        weight: per unknown.
        anchor: where each sole point should stand.
        anchor_weight: of each.
        floor_weight: of sole points below the floor.
    """

    p0: np.ndarray
    R0: np.ndarray
    q: np.ndarray
    weight: np.ndarray
    anchor: np.ndarray
    anchor_weight: np.ndarray
    floor_weight: float


class FrameWork(NamedTuple):
    """Work space of one frame; `H` must be zero where unknowns are not related."""

    position: np.ndarray
    orientation: np.ndarray
    twist: np.ndarray
    points: np.ndarray
    W: np.ndarray
    g: np.ndarray
    inertia: np.ndarray
    force: np.ndarray
    H: np.ndarray
    b: np.ndarray
    step: np.ndarray
    old_turn: np.ndarray
    old: np.ndarray


def frame_work(joints: int, points: int, unknowns: int) -> FrameWork:
    """Work space for a body."""
    n = unknowns
    return FrameWork(
        np.zeros((joints, 3)),
        np.zeros((joints, 3, 3)),
        np.zeros((n, 6)),
        np.zeros((points, 3)),
        np.zeros((points, 3, 3)),
        np.zeros((points, 3)),
        np.zeros((joints, 6, 6)),
        np.zeros((joints, 6)),
        np.zeros((n, n)),
        np.zeros(n),
        np.zeros(n),
        np.zeros((3, 3)),
        np.zeros(n),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _expected(body, expect, p0, R0, q, b):
    """Cost of pose prior and prediction; adds their pull to b when it is not empty."""
    cost = 0.0
    pull = len(b) > 0
    between, vector = np.empty((3, 3)), np.empty(3)
    for i in range(3):
        for m in range(3):
            between[i, m] = (
                R0[0, i] * expect.R0[0, m] + R0[1, i] * expect.R0[1, m] + R0[2, i] * expect.R0[2, m]
            )
    vector_of(between, vector)
    for i in range(3):
        off = expect.p0[i] - p0[i]
        cost += 0.5 * expect.weight[i] * off * off
        cost += 0.5 * expect.weight[i + 3] * vector[i] * vector[i]
        if pull:
            b[i] += expect.weight[i] * off
            b[i + 3] += expect.weight[i + 3] * vector[i]
    for i in range(3, len(q)):
        off = expect.q[i] - q[i]
        rest = body.rest[i] - q[i]
        cost += 0.5 * (expect.weight[i + 3] * off * off + body.prior[i] * rest * rest)
        if pull:
            b[i + 3] += expect.weight[i + 3] * off + body.prior[i] * rest
    return cost


@njit(cache=True, nogil=True, error_model="numpy")
def hold_soles(body, anchor, anchor_weight, p0, points, W, g):
    """Adds what keeps sole points at their anchors; returns the cost."""
    cost = 0.0
    for s in range(len(body.sole)):
        weight = anchor_weight[s]
        if weight > 0:
            k = body.sole[s]
            for i in range(3):
                off = anchor[s, i] - p0[i] - points[k, i]
                W[k, i, i] += weight
                g[k, i] += weight * off
                cost += 0.5 * weight * off * off
    return cost


@njit(cache=True, nogil=True, error_model="numpy")
def _cost(body, data, t, expect, p0, R0, q, work):
    pose_body(body, R0, q, work.position, work.orientation, work.twist)
    place_points(body, work.position, work.orientation, work.points)
    cost = measure(data, t, p0, work.points, work.W, work.g)
    cost += press_floor(body, expect.floor_weight, p0, work.points, work.W, work.g)
    return cost + hold_soles(
        body, expect.anchor, expect.anchor_weight, p0, work.points, work.W, work.g
    )


_NOTHING = np.zeros(0)


@njit(cache=True, nogil=True, error_model="numpy")
def linearise(body, data, t, expect, p0, R0, q, work):
    """Normal equations of one frame into `work.H` and `work.b`; returns the cost."""
    cost = _cost(body, data, t, expect, p0, R0, q, work)
    normal_equations(
        body, work.twist, work.points, work.W, work.g, work.inertia, work.force, work.H, work.b
    )
    cost += _expected(body, expect, p0, R0, q, work.b)
    for i in range(len(work.b)):
        work.H[i, i] += expect.weight[i]
        if i >= 6:
            work.H[i, i] += body.prior[i - 3]
    return cost


@njit(cache=True, nogil=True, error_model="numpy")
def fit_frame(body, data, t, expect, p0, R0, q, iterations, work):
    """Fits one frame, in place, from the pose it is given.

    Degrees of freedom which are at a limit and pulled beyond it are held there for a step.

    Args:
        body: `BodyTables`.
        data: `PointData`.
        t: which of its frames.
        expect: `Prediction`.
        p0: root position, replaced.
        R0: root rotation, replaced.
        q: values of the degrees of freedom, replaced.
        iterations: most steps.
        work: `FrameWork`.

    Returns:
        The cost, and how many steps were tried.
    """
    nothing = np.zeros(0)
    n = len(body.above)
    damping = _DAMPING
    cost = linearise(body, data, t, expect, p0, R0, q, work)
    for tried in range(1, iterations + 1):
        work.step[:] = work.b
        for i in range(3, len(q)):
            if at_limit(body, q, work.b, i):
                _hold(body.above, work.H, work.step, i + 3)
        for i in range(n):
            work.H[i, i] += damping * work.H[i, i] + 1e-6
        factor_tree(body.above, work.H)
        solve_tree(body.above, work.H, work.step)
        largest = 0.0
        for i in range(3, n):
            largest = max(largest, abs(work.step[i]))
        if largest > LARGEST_TURN:
            work.step[:] *= LARGEST_TURN / largest
        work.old[:3] = p0
        work.old[3:] = q
        work.old_turn[:] = R0
        move(body, p0, R0, q, work.step)
        new = _cost(body, data, t, expect, p0, R0, q, work)
        new += _expected(body, expect, p0, R0, q, nothing)
        if new <= cost * (1 + 1e-12) or damping > _MOST_DAMPING:
            damping = max(0.2 * damping, 1e-7)
            done = cost - new < 1e-4 * (1e-3 + new) or largest < _CONVERGED
            cost = new
            if done or tried == iterations:
                return cost, tried
        else:
            p0[:] = work.old[:3]
            q[:] = work.old[3:]
            R0[:] = work.old_turn
            damping = max(10 * damping, 1e-3)
        cost = linearise(body, data, t, expect, p0, R0, q, work)
    return cost, iterations


@njit(cache=True, nogil=True, error_model="numpy")
def _hold(above, H, b, i):
    """Takes unknown i out of the equations."""
    b[i] = 0.0
    m = above[i]
    while m >= 0:
        H[i, m] = 0.0
        m = above[m]
    for k in range(i + 1, len(b)):
        H[k, i] = 0.0
    H[i, i] = 1.0
