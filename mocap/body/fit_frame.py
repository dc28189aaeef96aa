"""Compiled Levenberg-Marquardt of one frame: measurements, pose prior, limits, and a prediction."""

# pyright: basic

from __future__ import annotations

from typing import NamedTuple

import numpy as np

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
from mocap.body.fit_tables import PointData
from mocap.compiled import kernel

LARGEST_TURN = 0.7
"""Radians by which one step may change a degree of freedom."""
_CONVERGED = 2e-4
_DAMPING = 1e-4
_MOST_DAMPING = 1e6
_ANNEAL = 16.0
"""Ratio of one robust scale, a squared distance, to the next."""


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


@kernel
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


@kernel
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


@kernel
def _cost(body, data, t, expect, p0, R0, q, work):
    pose_body(body, R0, q, work.position, work.orientation, work.twist)
    place_points(body, work.position, work.orientation, work.points)
    cost = measure(data, t, p0, work.points, work.W, work.g)
    cost += press_floor(body, expect.floor_weight, p0, work.points, work.W, work.g)
    return cost + hold_soles(
        body, expect.anchor, expect.anchor_weight, p0, work.points, work.W, work.g
    )


_NOTHING = np.zeros(0)


@kernel
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


@kernel
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


@kernel
def farthest(data, t, p0, points):
    """Largest squared distance of a measurement of frame t from the body, in sigmas."""
    largest = 0.0
    for k in range(len(points)):
        info = data.information[t, k]
        if info[0, 0] > 0:
            x = data.points[t, k, 0] - p0[0] - points[k, 0]
            y = data.points[t, k, 1] - p0[1] - points[k, 1]
            z = data.points[t, k, 2] - p0[2] - points[k, 2]
            d2 = info[0, 0] * x * x + info[1, 1] * y * y + info[2, 2] * z * z
            d2 += 2.0 * (info[0, 1] * x * y + info[0, 2] * x * z + info[1, 2] * y * z)
            largest = max(largest, d2)
    return largest


@kernel
def fit_frame_annealed(body, data, t, expect, p0, R0, q, iterations, work, widest):
    """As `fit_frame`, with robust scales that shrink from `widest` to that of the data.

    A limb that starts far from its keypoints is an outlier at the final scale, and stays one; at a
    wide scale it is pulled (graduated non-convexity: Blake and Zisserman, Visual Reconstruction,
    1987). What is an outlier indeed lets go again as the scale shrinks.
    """
    tried = 0
    count = 0
    scale = data.robust
    while scale < widest:
        scale *= _ANNEAL
        count += 1
    for _ in range(count):
        wide = PointData(
            data.points,
            data.information,
            data.pixels,
            data.pixel_weight,
            data.matrix,
            data.distortion,
            data.fisheye,
            data.T_cam_world,
            scale,
        )
        _, steps = fit_frame(body, wide, t, expect, p0, R0, q, iterations, work)
        tried += steps
        scale /= _ANNEAL
    cost, steps = fit_frame(body, data, t, expect, p0, R0, q, iterations, work)
    return cost, tried + steps


@kernel
def fit_frame_regaining(body, data, t, expect, p0, R0, q, iterations, work):
    """As `fit_frame`; where a keypoint is given up, annealed from the same start as well.

    A keypoint that is given up is a wild one, or that of a limb which has gone far since the pose
    the fit starts from. The pose of the lower cost is kept, and the cost returned.
    """
    start_p, start_R, start_q = p0.copy(), R0.copy(), q.copy()
    best, _ = fit_frame(body, data, t, expect, p0, R0, q, iterations, work)
    left = farthest(data, t, p0, work.points)
    if left <= data.robust:
        return best
    first_p, first_R, first_q = p0.copy(), R0.copy(), q.copy()
    p0[:], R0[:], q[:] = start_p, start_R, start_q
    cost, _ = fit_frame_annealed(body, data, t, expect, p0, R0, q, iterations, work, left)
    if cost < best:
        return cost
    p0[:], R0[:], q[:] = first_p, first_R, first_q
    return best


@kernel
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
