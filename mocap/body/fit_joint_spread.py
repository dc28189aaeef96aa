"""Compiled covariances of the joints and rotations of one frame, from that of its unknowns."""

# pyright: basic

from __future__ import annotations

import numpy as np

from mocap.body.fit_kernels import at_limit, factor_tree, solve_tree
from mocap.body.fit_shape_spread import move_by_shape, pull_of_shape
from mocap.compiled import kernel

_HELD = 1e8
"""Weight of a degree of freedom that is held at its limit."""


@kernel
def chain_columns(body, j, place, twist, J, chain):
    """Writes the derivatives of a joint's position by the unknowns that move it.

    Args:
        body: `BodyTables`.
        j: the joint; it does not move by its own rotation.
        place: its position from the root.
        twist: of the unknowns.
        J: gets the derivatives, (3, N), in the columns of these unknowns.
        chain: gets the unknowns, from the joint to the root.

    Returns:
        How many they are.
    """
    a = body.parents[j] if j else 0
    while a > 0 and body.dof_start[a + 1] == body.dof_start[a]:
        a = body.parents[a]
    i = 2 if j == 0 else body.dof_start[a + 1] + 2
    count = 0
    while i >= 0:
        w = twist[i]
        J[0, i] = w[3] + w[1] * place[2] - w[2] * place[1]
        J[1, i] = w[4] + w[2] * place[0] - w[0] * place[2]
        J[2, i] = w[5] + w[0] * place[1] - w[1] * place[0]
        chain[count] = i
        count += 1
        i = body.above[i]
    return count


@kernel
def joint_spread(body, position, orientation, twist, C, out_position, out_rotation):
    """Covariances of one frame's joints.

    Args:
        body: `BodyTables`.
        position: of the joints from the root.
        orientation: of the joints.
        twist: of the unknowns.
        C: covariance of the unknowns, (N, N).
        out_position: gets those of positions, world, (J, 3, 3).
        out_rotation: gets those of rotations in the joint's own frame, (J, 3, 3).
    """
    n = len(C)
    J = np.zeros((3, n))
    chain = np.empty(n, np.int64)
    for j in range(len(body.parents)):
        count = chain_columns(body, j, position[j], twist, J, chain)
        out = out_position[j]
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
        turn = out_rotation[j]
        turn[:] = 0.0
        start, stop = body.dof_start[j], body.dof_start[j + 1]
        G = orientation[j]
        for x in range(start, stop):
            for y in range(start, stop):
                for r in range(3):
                    wx = 0.0
                    for k in range(3):
                        wx += G[k, r] * twist[x + 3, k]
                    for s in range(3):
                        wy = 0.0
                        for k in range(3):
                            wy += G[k, s] * twist[y + 3, k]
                        turn[r, s] += wx * wy * C[x + 3, y + 3]


@kernel
def covariance_tree(above, L):
    """(L^T L)^-1, (N, N), from the factor of `factor_tree`; zero where unknowns share no chain."""
    n = len(above)
    rows = np.zeros((n, n))
    C = np.zeros((n, n))
    for i in range(n):
        # Row i of L^-1 is not zero at i and its ancestors only.
        row = rows[i]
        row[i] = 1.0
        k = i
        while k >= 0:
            row[k] /= L[k, k]
            m = above[k]
            while m >= 0:
                row[m] -= row[k] * L[k, m]
                m = above[m]
            k = above[k]
        m = i
        while m >= 0:
            total = 0.0
            k = m
            while k >= 0:
                total += row[k] * rows[m, k]
                k = above[k]
            C[i, m] = total
            C[m, i] = total
            m = above[m]
    return C


@kernel
def add_shape_spread(body, position, orientation, twist, moved, X, out_position, out_rotation):
    """Adds the shape's part to the covariances of one frame's joints.

    Args:
        body: `BodyTables`.
        position: of the joints from the root.
        orientation: of the joints.
        twist: of the unknowns.
        moved: displacements of the joints with the shape while the pose stays, (J, 3, R).
        X: by how much the pose moves with the shape, (N, R).
        out_position: covariances of positions, added to.
        out_rotation: covariances of rotations in the joint's own frame, added to.
    """
    n, directions = X.shape
    J = np.zeros((3, n))
    chain = np.empty(n, np.int64)
    for j in range(len(body.parents)):
        count = chain_columns(body, j, position[j], twist, J, chain)
        for c in range(directions):
            d0, d1, d2 = moved[j, 0, c], moved[j, 1, c], moved[j, 2, c]
            for x in range(count):
                i = chain[x]
                d0 += J[0, i] * X[i, c]
                d1 += J[1, i] * X[i, c]
                d2 += J[2, i] * X[i, c]
            _add_outer(out_position[j], d0, d1, d2)
            w0, w1, w2 = 0.0, 0.0, 0.0
            for x in range(body.dof_start[j] + 3, body.dof_start[j + 1] + 3):
                w0 += twist[x, 0] * X[x, c]
                w1 += twist[x, 1] * X[x, c]
                w2 += twist[x, 2] * X[x, c]
            G = orientation[j]
            _add_outer(
                out_rotation[j],
                G[0, 0] * w0 + G[1, 0] * w1 + G[2, 0] * w2,
                G[0, 1] * w0 + G[1, 1] * w1 + G[2, 1] * w2,
                G[0, 2] * w0 + G[1, 2] * w1 + G[2, 2] * w2,
            )


@kernel
def _add_outer(out, x, y, z):
    out[0, 0] += x * x
    out[1, 1] += y * y
    out[2, 2] += z * z
    out[0, 1] += x * y
    out[1, 0] += x * y
    out[0, 2] += x * z
    out[2, 0] += x * z
    out[1, 2] += y * z
    out[2, 1] += y * z


@kernel
def frame_spread(body, q, expected, factor, work, out_position, out_rotation):
    """Covariances of the joints of a frame that was fitted by itself.

    Args:
        body: `BodyTables`.
        q: values of the degrees of freedom.
        expected: weights of the prediction, which `work.H` has in it. It was made with the same
            shape, so it does not hold a pose back from following the shape.
        factor: `ShapeFactor` of the shape's uncertainty.
        work: `FrameWork` as `linearise` leaves it; `work.H` is kept.
        out_position: gets the covariances of positions, world, (J, 3, 3).
        out_rotation: gets those of rotations in the joint's own frame, (J, 3, 3).
    """
    n = len(body.above)
    joints, directions = len(body.parents), factor.joint.shape[2]
    H, own = work.H.copy(), work.H.copy()
    for i in range(n):
        own[i, i] -= expected[i]
    for i in range(6):
        H[i, i] += 1e-6
        own[i, i] += 1e-6
    for i in range(3, len(q)):
        if at_limit(body, q, work.b, i):
            H[i + 3, i + 3] += _HELD
            own[i + 3, i + 3] += _HELD
    factor_tree(body.above, H)
    C = covariance_tree(body.above, H)
    joint_spread(body, work.position, work.orientation, work.twist, C, out_position, out_rotation)
    moved_joint = np.zeros((joints, 3, directions))
    moved_point = np.zeros((len(body.point_joint), 3, directions))
    move_by_shape(body, work.orientation, factor, moved_joint, moved_point)
    X, column = np.zeros((n, directions)), np.zeros(n)
    pull_of_shape(body, work.twist, work.points, work.W, moved_point, work.force, X)
    factor_tree(body.above, own)
    for c in range(directions):
        for i in range(n):
            column[i] = -X[i, c]
        solve_tree(body.above, own, column)
        for i in range(n):
            X[i, c] = column[i]
    add_shape_spread(
        body,
        work.position,
        work.orientation,
        work.twist,
        moved_joint,
        X,
        out_position,
        out_rotation,
    )
