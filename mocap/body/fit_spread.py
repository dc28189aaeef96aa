"""Compiled covariances of a stretch at its solution: of joints, rotations and unknowns."""

# pyright: basic

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mocap.body.fit_bands import factor_bands, invert_frame, solve_bands
from mocap.body.fit_frame import linearise
from mocap.body.fit_joint_spread import add_shape_spread, joint_spread
from mocap.body.fit_kernels import pose_body
from mocap.body.fit_shape_spread import move_by_shape, pull_of_shape
from mocap.body.fit_smooth import build_equations, sole_columns, take_out_held
from mocap.compiled import kernel


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


@kernel
def spread_of_stretch(body, data, stretch, expect, P, R, Q, work, blocks, factor, spread):
    """Covariances of a stretch at its solution, into `spread`.

    `factor` is the `ShapeFactor` of the shape's uncertainty, which positions and rotations have in
    them; `dof` and `own` are those of a known shape.
    """
    A, A1, Y2 = blocks
    frames, n = len(P), len(body.above)
    A2, b = np.zeros((frames, n)), np.zeros((frames, n))
    held = np.zeros((frames, n), np.bool_)
    build_equations(body, data, stretch, expect, P, R, Q, work, A, A1, A2, b, held, spread.own)
    take_out_held(held, A, A1, A2, b)
    factor_bands(A, A1, A2, Y2)
    directions = factor.joint.shape[2]
    X = np.zeros((frames, n, directions))
    moved_joint = np.zeros((len(body.parents), 3, directions))
    moved_point = np.zeros((len(body.point_joint), 3, directions))
    _pull_of_shape(
        body, data, stretch, expect, P, R, Q, work, held, factor, moved_joint, moved_point, X
    )
    solve_bands(A, A1, Y2, X)
    C, later = np.zeros((n, n)), np.zeros((3, n, n))
    for t in range(frames - 1, -1, -1):
        invert_frame(A, A1, Y2, t, later, C)
        pose_body(body, R[t], Q[t], work.position, work.orientation, work.twist)
        for i in range(n):
            spread.dof[t, i] = C[i, i]
        joint_spread(
            body,
            work.position,
            work.orientation,
            work.twist,
            C,
            spread.position[t],
            spread.rotation[t],
        )
        move_by_shape(body, work.orientation, factor, moved_joint, moved_point)
        add_shape_spread(
            body,
            work.position,
            work.orientation,
            work.twist,
            moved_joint,
            X[t],
            spread.position[t],
            spread.rotation[t],
        )
    return held


@kernel
def _pull_of_shape(
    body, data, stretch, expect, P, R, Q, work, held, factor, moved_joint, moved_point, G
):
    """Writes -G, the right side of the change of the poses with the shape, (F, N, R)."""
    frames, n, directions = G.shape
    here, before = np.zeros((3, n)), np.zeros((3, n))
    soles = len(body.sole)
    twist = np.empty((2, n, 6))
    points = np.empty((2, soles, 3))
    moved = np.empty((2, soles, 3, directions))
    for t in range(frames):
        expect.anchor[:] = stretch.anchor[t]
        expect.anchor_weight[:] = stretch.anchor_weight[t]
        linearise(body, data, t, expect, P[t], R[t], Q[t], work)
        move_by_shape(body, work.orientation, factor, moved_joint, moved_point)
        pull_of_shape(body, work.twist, work.points, work.W, moved_point, work.force, G[t])
        now = t % 2
        twist[now] = work.twist
        for s in range(soles):
            k = body.sole[s]
            points[now, s] = work.points[k]
            moved[now, s] = moved_point[k]
            if t == 0 or not stretch.standing[t - 1, s]:
                continue
            i = sole_columns(body, k, points[now, s], twist[now], here)
            sole_columns(body, k, points[1 - now, s], twist[1 - now], before)
            while i >= 0:
                for c in range(directions):
                    for m in range(3):
                        slip = stretch.standing_weight * (
                            moved[now, s, m, c] - moved[1 - now, s, m, c]
                        )
                        G[t, i, c] += here[m, i] * slip
                        G[t - 1, i, c] -= before[m, i] * slip
                i = body.above[i]
    for t in range(frames):
        for i in range(n):
            for c in range(directions):
                G[t, i, c] = 0.0 if held[t, i] else -G[t, i, c]
