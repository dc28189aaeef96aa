"""Compiled covariances of a stretch at its solution: of joints, rotations and unknowns."""

# pyright: basic

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from mocap.body.fit_bands import (
    factor_bands,
    lower_solve,
    subtract_outer,
    subtract_rows,
    upper_solve,
)
from mocap.body.fit_kernels import pose_body
from mocap.body.fit_smooth import build_equations, take_out_held


class Spread(NamedTuple):
    """What the covariances of a stretch come out as; see `BodyMotion`.

    Attributes:
        position: covariance of each joint's position.
        rotation: of its rotation.
        dof: variance of each unknown.
        own: variance of each unknown from the frame's own measurements and the pose prior; for
            the root a weak prior of one metre and one radian.
    """

    position: np.ndarray
    rotation: np.ndarray
    dof: np.ndarray
    own: np.ndarray


@njit(cache=True, nogil=True, error_model="numpy")
def spread_of_stretch(body, data, stretch, expect, P, R, Q, work, blocks, spread):
    """Covariances of a stretch at its solution, into `spread`.

    The backward pass is that of the selected inverse of a banded matrix (Takahashi, 1973): with
    U1 = L^-T Y1 and U2 = L^-T Y2, the covariance of frame t with the two after it follows from
    theirs.
    """
    A, A1, Y2 = blocks
    frames, n = len(P), len(body.above)
    A2, b = np.zeros((frames, n)), np.zeros((frames, n))
    held = np.zeros((frames, n), np.bool_)
    build_equations(body, data, stretch, expect, P, R, Q, work, A, A1, A2, b, held, spread.own)
    take_out_held(held, A, A1, A2, b)
    factor_bands(A, A1, A2, Y2)
    Z11, Z12, Z21 = np.zeros((n, n)), np.zeros((n, n)), np.zeros((n, n))
    Z22, C0, C1, C2 = np.zeros((n, n)), np.zeros((n, n)), np.zeros((n, n)), np.zeros((n, n))
    for t in range(frames - 1, -1, -1):
        L = A[t]
        C0[:] = 0.0
        C1[:] = 0.0
        C2[:] = 0.0
        for i in range(n):
            C0[i, i] = 1.0
        lower_solve(L, C0)
        upper_solve(L, C0)
        if t + 1 < frames:
            U1 = A1[t]
            upper_solve(L, U1)
            subtract_rows(C1, U1, Z11)
            if t + 2 < frames:
                U2 = Y2[t]
                upper_solve(L, U2)
                subtract_rows(C1, U2, Z21)
                subtract_rows(C2, U1, Z12)
                subtract_rows(C2, U2, Z22)
                subtract_outer(C0, C2, U2)
            subtract_outer(C0, C1, U1)
        # Rounding must stay symmetric: the recursion amplifies what is not.
        for i in range(n):
            for m in range(i):
                C0[m, i] = C0[i, m]
        Z22[:] = Z11
        Z12[:] = C1
        Z21[:] = C1.T
        Z11[:] = C0
        _frame_spread(body, R[t], Q[t], C0, work, t, spread)
    return held


@njit(cache=True, nogil=True, error_model="numpy")
def _frame_spread(body, R0, q, C, work, t, spread):
    pose_body(body, R0, q, work.position, work.orientation, work.twist)
    n = len(C)
    J = np.zeros((3, n))
    chain = np.empty(n, np.int64)
    for i in range(n):
        spread.dof[t, i] = C[i, i]
    for j in range(len(body.parents)):
        # A joint does not move by its own rotation.
        a = body.parents[j] if j else 0
        while a > 0 and body.dof_start[a + 1] == body.dof_start[a]:
            a = body.parents[a]
        i = 2 if j == 0 else body.dof_start[a + 1] + 2
        count = 0
        while i >= 0:
            w, p = work.twist[i], work.position[j]
            J[0, i] = w[3] + w[1] * p[2] - w[2] * p[1]
            J[1, i] = w[4] + w[2] * p[0] - w[0] * p[2]
            J[2, i] = w[5] + w[0] * p[1] - w[1] * p[0]
            chain[count] = i
            count += 1
            i = body.above[i]
        out = spread.position[t, j]
        out[:] = 0.0
        for x in range(count):
            i = chain[x]
            v0, v1, v2 = 0.0, 0.0, 0.0
            for y in range(count):
                m = chain[y]
                v0 += C[i, m] * J[0, m]
                v1 += C[i, m] * J[1, m]
                v2 += C[i, m] * J[2, m]
            for r in range(3):
                out[r, 0] += J[r, i] * v0
                out[r, 1] += J[r, i] * v1
                out[r, 2] += J[r, i] * v2
        # In the joint's own frame.
        turn = spread.rotation[t, j]
        turn[:] = 0.0
        start, stop = body.dof_start[j], body.dof_start[j + 1]
        G = work.orientation[j]
        for x in range(start, stop):
            for y in range(start, stop):
                for r in range(3):
                    wx = 0.0
                    for k in range(3):
                        wx += G[k, r] * work.twist[x + 3, k]
                    for s in range(3):
                        wy = 0.0
                        for k in range(3):
                            wy += G[k, s] * work.twist[y + 3, k]
                        turn[r, s] += wx * wy * C[x + 3, y + 3]
