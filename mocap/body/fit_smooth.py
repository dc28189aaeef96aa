"""Compiled fit of a whole stretch of frames: every frame's measurements, tied by smooth motion.

The prior of motion is white noise acceleration: the change of velocity from one frame interval to
the next is normal with variance (density x time). The unknowns of frame t then meet those of t+1
and t+2, so the normal equations are block pentadiagonal, and one Cholesky factorisation along time
solves them; a backward pass gives the covariances. Feet that stand are held at their place, and tie
neighbouring frames by the sole's velocity, which is zero.
"""

# pyright: basic

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mocap.body.fit_bands import factor_bands, solve_bands
from mocap.body.fit_frame import LARGEST_TURN, hold_soles, linearise
from mocap.body.fit_kernels import (
    at_limit,
    factor_tree,
    measure,
    move,
    place_points,
    pose_body,
    press_floor,
    variances_tree,
    vector_of,
)
from mocap.compiled import kernel

HELD_RAD = 0.035
"""Standard deviation that is stated for a degree of freedom which is held at its limit."""


class Stretch(NamedTuple):
    """How F frames are tied.

    Attributes:
        time_s: their times.
        motion: per unknown, 1 / density of its acceleration's noise; 0 for none.
        standing: whether each sole point stands still from frame t to t+1.
        standing_weight: 1 / sigma^2 of its displacement between two frames.
        anchor: where each sole point stands in a frame.
        anchor_weight: of that place; 0 where it does not stand.
        floor_weight: of soles below the floor.
    """

    time_s: np.ndarray
    motion: np.ndarray
    standing: np.ndarray
    standing_weight: float
    anchor: np.ndarray
    anchor_weight: np.ndarray
    floor_weight: float

    def frames(self, start: int, stop: int) -> Stretch:
        """Some of the frames."""
        return self._replace(
            time_s=self.time_s[start:stop],
            standing=self.standing[start : max(stop - 1, start)],
            anchor=self.anchor[start:stop],
            anchor_weight=self.anchor_weight[start:stop],
        )


@kernel
def _steps(P, R, Q, out):
    """Writes the change of every unknown from frame to frame, (F-1, N)."""
    between, vector = np.empty((3, 3)), np.empty(3)
    for t in range(len(P) - 1):
        for i in range(3):
            for m in range(3):
                between[i, m] = (
                    R[t, 0, i] * R[t + 1, 0, m]
                    + R[t, 1, i] * R[t + 1, 1, m]
                    + R[t, 2, i] * R[t + 1, 2, m]
                )
        vector_of(between, vector)
        for i in range(3):
            out[t, i] = P[t + 1, i] - P[t, i]
            out[t, i + 3] = vector[i]
        for i in range(3, Q.shape[1]):
            out[t, i + 3] = Q[t + 1, i] - Q[t, i]


@kernel
def sole_columns(body, k, point, twist, out):
    """Writes the derivatives of keypoint k by its chain of unknowns; returns the last of them."""
    j = body.point_joint[k]
    while j > 0 and body.dof_start[j + 1] == body.dof_start[j]:
        j = body.parents[j]
    last = body.dof_start[j + 1] + 2
    i = last
    while i >= 0:
        w = twist[i]
        out[0, i] = w[3] + w[1] * point[2] - w[2] * point[1]
        out[1, i] = w[4] + w[2] * point[0] - w[0] * point[2]
        out[2, i] = w[5] + w[0] * point[1] - w[1] * point[0]
        i = body.above[i]
    return last


@kernel
def stretch_cost(body, data, stretch, P, R, Q, work):
    """The robust cost of a stretch."""
    frames = len(P)
    n = len(body.above)
    soles = len(body.sole)
    steps = np.empty((max(frames - 1, 1), n))
    _steps(P, R, Q, steps)
    here, before = np.zeros((soles, 3)), np.zeros((soles, 3))
    cost = 0.0
    for t in range(frames):
        pose_body(body, R[t], Q[t], work.position, work.orientation, work.twist)
        place_points(body, work.position, work.orientation, work.points)
        cost += measure(data, t, P[t], work.points, work.W, work.g)
        cost += press_floor(body, stretch.floor_weight, P[t], work.points, work.W, work.g)
        cost += hold_soles(
            body,
            stretch.anchor[t],
            stretch.anchor_weight[t],
            P[t],
            work.points,
            work.W,
            work.g,
        )
        for i in range(3, Q.shape[1]):
            off = body.rest[i] - Q[t, i]
            cost += 0.5 * body.prior[i] * off * off
        for s in range(soles):
            for i in range(3):
                here[s, i] = P[t, i] + work.points[body.sole[s], i]
                if t and stretch.standing[t - 1, s]:
                    slip = here[s, i] - before[s, i]
                    cost += 0.5 * stretch.standing_weight * slip * slip
                before[s, i] = here[s, i]
    for t in range(1, frames - 1):
        h0 = stretch.time_s[t] - stretch.time_s[t - 1]
        h1 = stretch.time_s[t + 1] - stretch.time_s[t]
        scale = 2.0 / (h0 + h1)
        for i in range(n):
            r = steps[t, i] / h1 - steps[t - 1, i] / h0
            cost += 0.5 * scale * stretch.motion[i] * r * r
    return cost


@kernel
def build_equations(body, data, stretch, expect, P, R, Q, work, A, A1, A2, b, held, own):
    """Normal equations of the stretch; `own`, if not empty, gets the variances without ties."""
    frames, n = b.shape
    soles = len(body.sole)
    twist = np.empty((2, n, 6))
    points = np.empty((2, soles, 3))
    here, before = np.zeros((3, n)), np.zeros((3, n))
    A1[:] = 0.0
    A2[:] = 0.0
    for t in range(frames):
        expect.anchor[:] = stretch.anchor[t]
        expect.anchor_weight[:] = stretch.anchor_weight[t]
        linearise(body, data, t, expect, P[t], R[t], Q[t], work)
        for i in range(n):
            for m in range(i + 1):
                A[t, i, m] = work.H[i, m]
                A[t, m, i] = work.H[i, m]
            b[t, i] = work.b[i]
        if len(own):
            for i in range(6):
                work.H[i, i] += 1.0
            factor_tree(body.above, work.H)
            variances_tree(body.above, work.H, work.step, own[t])
        now = t % 2
        twist[now] = work.twist
        for s in range(soles):
            for i in range(3):
                points[now, s, i] = work.points[body.sole[s], i]
        if t == 0:
            continue
        for s in range(soles):
            if not stretch.standing[t - 1, s]:
                continue
            w = stretch.standing_weight
            k = body.sole[s]
            last = sole_columns(body, k, points[now, s], twist[now], here)
            sole_columns(body, k, points[1 - now, s], twist[1 - now], before)
            e0 = P[t - 1, 0] - P[t, 0] + points[1 - now, s, 0] - points[now, s, 0]
            e1 = P[t - 1, 1] - P[t, 1] + points[1 - now, s, 1] - points[now, s, 1]
            e2 = P[t - 1, 2] - P[t, 2] + points[1 - now, s, 2] - points[now, s, 2]
            i = last
            while i >= 0:
                b[t, i] += w * (here[0, i] * e0 + here[1, i] * e1 + here[2, i] * e2)
                b[t - 1, i] -= w * (before[0, i] * e0 + before[1, i] * e1 + before[2, i] * e2)
                m = last
                while m >= 0:
                    A[t, i, m] += w * (
                        here[0, i] * here[0, m] + here[1, i] * here[1, m] + here[2, i] * here[2, m]
                    )
                    A[t - 1, i, m] += w * (
                        before[0, i] * before[0, m]
                        + before[1, i] * before[1, m]
                        + before[2, i] * before[2, m]
                    )
                    A1[t - 1, i, m] -= w * (
                        here[0, i] * before[0, m]
                        + here[1, i] * before[1, m]
                        + here[2, i] * before[2, m]
                    )
                    m = body.above[m]
                i = body.above[i]
    _tie(stretch, P, R, Q, A, A1, A2, b)
    for t in range(frames):
        for i in range(3, Q.shape[1]):
            held[t, i + 3] = at_limit(body, Q[t], b[t], i)


@kernel
def _tie(stretch, P, R, Q, A, A1, A2, b):
    frames, n = b.shape
    steps = np.empty((max(frames - 1, 1), n))
    _steps(P, R, Q, steps)
    for t in range(1, frames - 1):
        h0 = stretch.time_s[t] - stretch.time_s[t - 1]
        h1 = stretch.time_s[t + 1] - stretch.time_s[t]
        scale = 2.0 / (h0 + h1)
        low, high = 1.0 / h0, 1.0 / h1
        middle = low + high
        for i in range(n):
            w = scale * stretch.motion[i]
            r = steps[t, i] * high - steps[t - 1, i] * low
            A[t - 1, i, i] += w * low * low
            A[t, i, i] += w * middle * middle
            A[t + 1, i, i] += w * high * high
            A1[t - 1, i, i] -= w * low * middle
            A1[t, i, i] -= w * high * middle
            A2[t - 1, i] += w * low * high
            b[t - 1, i] -= w * low * r
            b[t, i] += w * middle * r
            b[t + 1, i] -= w * high * r


@kernel
def take_out_held(held, A, A1, A2, b):
    """Takes held unknowns out of the equations."""
    frames, n = b.shape
    for t in range(frames):
        for i in range(n):
            if not held[t, i]:
                continue
            b[t, i] = 0.0
            A[t, i, :] = 0.0
            A[t, :, i] = 0.0
            A[t, i, i] = 1.0 / (HELD_RAD * HELD_RAD)
            if t + 1 < frames:
                A1[t, :, i] = 0.0
            if t:
                A1[t - 1, i, :] = 0.0
            A2[t, i] = 0.0
            if t > 1:
                A2[t - 2, i] = 0.0


@kernel
def smooth_stretch(body, data, stretch, expect, P, R, Q, iterations, work, blocks):
    """Fits all frames of a stretch together, in place.

    Args:
        body: `BodyTables`.
        data: `PointData` of the F frames.
        stretch: `Stretch`.
        expect: a `Prediction` without weights; its anchors are overwritten.
        P: root positions, (F, 3), replaced.
        R: root rotations, (F, 3, 3), replaced.
        Q: degrees of freedom, (F, D), replaced.
        iterations: most steps.
        work: `FrameWork`.
        blocks: work space: A (F, N, N), A1 (F, N, N), Y2 (F, N, N).

    Returns:
        The cost before and after, and which unknowns are held at a limit, (F, N).
    """
    A, A1, Y2 = blocks
    frames, n = len(P), len(body.above)
    A2, b = np.zeros((frames, n)), np.zeros((frames, n))
    held = np.zeros((frames, n), np.bool_)
    nothing = np.zeros((0, n))
    first = cost = stretch_cost(body, data, stretch, P, R, Q, work)
    damping = 1e-5
    old_P, old_R, old_Q = P.copy(), R.copy(), Q.copy()
    for _ in range(iterations):
        build_equations(body, data, stretch, expect, P, R, Q, work, A, A1, A2, b, held, nothing)
        take_out_held(held, A, A1, A2, b)
        for t in range(frames):
            for i in range(n):
                A[t, i, i] *= 1.0 + damping
        factor_bands(A, A1, A2, Y2)
        solve_bands(A, A1, Y2, b.reshape(frames, n, 1))
        old_P[:] = P
        old_R[:] = R
        old_Q[:] = Q
        largest = 0.0
        for t in range(frames):
            turn = 0.0
            for i in range(3, n):
                turn = max(turn, abs(b[t, i]))
            if turn > LARGEST_TURN:
                b[t] *= LARGEST_TURN / turn
            largest = max(largest, turn)
            move(body, P[t], R[t], Q[t], b[t])
        new = stretch_cost(body, data, stretch, P, R, Q, work)
        if new <= cost * (1 + 1e-10):
            done = largest < 1e-3 or cost - new < 1e-4 * cost
            cost = new
            damping = max(0.1 * damping, 1e-9)
            if done:
                break
        else:
            P[:] = old_P
            R[:] = old_R
            Q[:] = old_Q
            damping = max(10 * damping, 1e-3)
    return first, cost, held
