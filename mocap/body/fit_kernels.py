"""Compiled kinematics of a fit: poses, keypoints, normal equations, sparse factorisation.

With the twists of all unknowns about one point, the normal equations of a tree are those of its
composite bodies (Featherstone, Rigid Body Dynamics Algorithms, 2008, ch. 6: J^T W J has the form
of a joint space inertia), and their factor L^T L keeps the sparsity of the tree (ch. 6.5): unknown
i meets only its ancestors. `mocap.body.fit_twin` says the same in NumPy, dense.
"""

# pyright: basic

from __future__ import annotations

import math

import numpy as np

from mocap.compiled import kernel
from mocap.geometry.kernels import project_point, project_point_jacobian

_SMALL = 1e-8


@kernel
def rotation_of(x, y, z, out):
    """Writes the matrix of a rotation vector into `out`."""
    angle2 = x * x + y * y + z * z
    angle = math.sqrt(angle2)
    if angle < 1e-5:
        a, b = 1.0 - angle2 / 6.0, 0.5 - angle2 / 24.0
    else:
        a, b = math.sin(angle) / angle, (1.0 - math.cos(angle)) / angle2
    out[0, 0] = 1.0 - b * (y * y + z * z)
    out[1, 1] = 1.0 - b * (x * x + z * z)
    out[2, 2] = 1.0 - b * (x * x + y * y)
    out[0, 1], out[1, 0] = b * x * y - a * z, b * x * y + a * z
    out[0, 2], out[2, 0] = b * x * z + a * y, b * x * z - a * y
    out[1, 2], out[2, 1] = b * y * z - a * x, b * y * z + a * x


@kernel
def vector_of(R, out):
    """Writes the rotation vector of a matrix into `out`."""
    x, y, z = R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1]
    sine = 0.5 * math.sqrt(x * x + y * y + z * z)
    cosine = 0.5 * (R[0, 0] + R[1, 1] + R[2, 2] - 1.0)
    angle = math.atan2(sine, cosine)
    if sine > 1e-6:
        scale = 0.5 * angle / sine
        out[0], out[1], out[2] = scale * x, scale * y, scale * z
    elif cosine > 0:
        out[0], out[1], out[2] = 0.5 * x, 0.5 * y, 0.5 * z
    else:
        best = 0
        for i in range(1, 3):
            if R[i, i] > R[best, best]:
                best = i
        main = math.sqrt(max(0.5 * (R[best, best] + 1.0), 0.0))
        for i in range(3):
            out[i] = math.pi * (main if i == best else 0.25 * (R[best, i] + R[i, best]) / main)


@kernel
def turned_axis(x, y, z, a, out):
    """Writes Jl(phi) a, the axis about which phi turns when its component along a grows."""
    angle2 = x * x + y * y + z * z
    angle = math.sqrt(angle2)
    if angle < 1e-4:
        b, c = 0.5 - angle2 / 24.0, 1.0 / 6.0 - angle2 / 120.0
    else:
        b = (1.0 - math.cos(angle)) / angle2
        c = (angle - math.sin(angle)) / (angle2 * angle)
    c0, c1, c2 = y * a[2] - z * a[1], z * a[0] - x * a[2], x * a[1] - y * a[0]
    out[0] = a[0] + b * c0 + c * (y * c2 - z * c1)
    out[1] = a[1] + b * c1 + c * (z * c0 - x * c2)
    out[2] = a[2] + b * c2 + c * (x * c1 - y * c0)


@kernel
def _apply(A, v, out):
    for i in range(3):
        out[i] = A[i, 0] * v[0] + A[i, 1] * v[1] + A[i, 2] * v[2]


@kernel
def _multiply(A, B, out):
    for i in range(3):
        for j in range(3):
            out[i, j] = A[i, 0] * B[0, j] + A[i, 1] * B[1, j] + A[i, 2] * B[2, j]


@kernel
def pose_body(body, R0, q, position, orientation, twist):
    """Forward kinematics about the root.

    Args:
        body: `BodyTables`.
        R0: orientation of the root.
        q: values of the degrees of freedom; the first three are not used.
        position: gets joint positions minus that of the root, (J, 3).
        orientation: gets orientations, (J, 3, 3).
        twist: gets, per unknown, its axis w and the velocity of the point at the root, (N, 6).
    """
    before, turn, product = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    phi, axis, world = np.empty(3), np.empty(3), np.empty(3)
    for i in range(3):
        for k in range(6):
            twist[i, k] = 1.0 if k == i + 3 else 0.0
            twist[i + 3, k] = R0[k, i] if k < 3 else 0.0
        position[0, i] = 0.0
    orientation[0] = R0
    for j in range(1, len(body.parents)):
        a = body.parents[j]
        o = position[j]
        _apply(orientation[a], body.bone[j], o)
        for k in range(3):
            o[k] += position[a, k]
        before[:] = orientation[a]
        i, end = body.dof_start[j], body.dof_start[j + 1]
        while i < end:
            stop = i + 1
            while stop < end and body.together[stop]:
                stop += 1
            phi[:] = 0.0
            for m in range(i, stop):
                for k in range(3):
                    phi[k] += q[m] * body.axis[m, k]
            for m in range(i, stop):
                if stop == i + 1:
                    _apply(before, body.axis[m], world)
                else:
                    turned_axis(phi[0], phi[1], phi[2], body.axis[m], axis)
                    _apply(before, axis, world)
                t = twist[m + 3]
                t[0], t[1], t[2] = world[0], world[1], world[2]
                t[3] = o[1] * world[2] - o[2] * world[1]
                t[4] = o[2] * world[0] - o[0] * world[2]
                t[5] = o[0] * world[1] - o[1] * world[0]
            rotation_of(phi[0], phi[1], phi[2], turn)
            _multiply(before, turn, product)
            before[:] = product
            i = stop
        orientation[j] = before


@kernel
def place_points(body, position, orientation, points):
    """Keypoints minus the position of the root, (K, 3)."""
    for k in range(len(body.point_joint)):
        j = body.point_joint[k]
        _apply(orientation[j], body.point_local[k], points[k])
        for i in range(3):
            points[k, i] += position[j, i]


@kernel
def measure(data, t, p0, points, W, g):
    """Writes information and pull, W and W (measured - point), of every keypoint; returns the cost.

    The cost is the robust one of Geman and McClure, c d^2 / (c + d^2) / 2 with d in sigmas; W and
    the pull hold its weights (c / (c + d^2))^2.
    """
    c = data.robust
    cost = 0.0
    W[:] = 0.0
    g[:] = 0.0
    e = np.empty(3)
    for k in range(len(points)):
        info = data.information[t, k]
        if info[0, 0] > 0:
            for i in range(3):
                e[i] = data.points[t, k, i] - p0[i] - points[k, i]
            for i in range(3):
                g[k, i] = info[i, 0] * e[0] + info[i, 1] * e[1] + info[i, 2] * e[2]
            d2 = e[0] * g[k, 0] + e[1] * g[k, 1] + e[2] * g[k, 2]
            share = c / (c + d2)
            cost += 0.5 * share * d2
            for i in range(3):
                g[k, i] *= share * share
                for m in range(3):
                    W[k, i, m] = share * share * info[i, m]
    if len(data.matrix):
        cost += _measure_pixels(data, t, p0, points, W, g)
    return cost


@kernel
def _measure_pixels(data, t, p0, points, W, g):
    c = data.robust
    cost = 0.0
    x, J = np.empty(3), np.empty((2, 3))
    for k in range(len(points)):
        for i in range(3):
            x[i] = p0[i] + points[k, i]
        for v in range(len(data.matrix)):
            w = data.pixel_weight[t, v, k]
            if not w > 0:
                continue
            u, s, _ = project_point(
                x, v, data.matrix, data.distortion, data.fisheye, data.T_cam_world
            )
            if not (math.isfinite(u) and math.isfinite(s)):
                cost += 0.5 * c
                continue
            project_point_jacobian(
                x, v, data.matrix, data.distortion, data.fisheye, data.T_cam_world, J
            )
            du, dv = data.pixels[t, v, k, 0] - u, data.pixels[t, v, k, 1] - s
            d2 = w * (du * du + dv * dv)
            share = c / (c + d2)
            cost += 0.5 * share * d2
            w *= share * share
            for i in range(3):
                g[k, i] += w * (J[0, i] * du + J[1, i] * dv)
                for m in range(3):
                    W[k, i, m] += w * (J[0, i] * J[0, m] + J[1, i] * J[1, m])
    return cost


@kernel
def press_floor(body, weight, p0, points, W, g):
    """Adds what keeps the soles from sinking below the floor z = 0; returns the cost."""
    cost = 0.0
    for s in range(len(body.sole)):
        k = body.sole[s]
        below = p0[2] + points[k, 2]
        if below < 0:
            W[k, 2, 2] += weight
            g[k, 2] -= weight * below
            cost += 0.5 * weight * below * below
    return cost


@kernel
def normal_equations(body, twist, points, W, g, inertia, force, H, b):
    """Writes J^T W J (of related unknowns, i >= m) and J^T W e of the keypoints into H and b."""
    inertia[:] = 0.0
    force[:] = 0.0
    for k in range(len(points)):
        j = body.point_joint[k]
        x, y, z = points[k, 0], points[k, 1], points[k, 2]
        f, M = force[j], inertia[j]
        f[0] += y * g[k, 2] - z * g[k, 1]
        f[1] += z * g[k, 0] - x * g[k, 2]
        f[2] += x * g[k, 1] - y * g[k, 0]
        for i in range(3):
            f[3 + i] += g[k, i]
        w = W[k]
        # C = [p]x W; the moment of a velocity v is C v, that of a turn is -C [p]x.
        for m in range(3):
            c0 = y * w[2, m] - z * w[1, m]
            c1 = z * w[0, m] - x * w[2, m]
            c2 = x * w[1, m] - y * w[0, m]
            M[0, 3 + m] += c0
            M[1, 3 + m] += c1
            M[2, 3 + m] += c2
            for i in range(3):
                M[3 + i, 3 + m] += w[i, m]
        for i in range(3):
            if i == 0:
                a0, a1, a2 = (
                    y * w[2, 0] - z * w[1, 0],
                    y * w[2, 1] - z * w[1, 1],
                    y * w[2, 2] - z * w[1, 2],
                )
            elif i == 1:
                a0, a1, a2 = (
                    z * w[0, 0] - x * w[2, 0],
                    z * w[0, 1] - x * w[2, 1],
                    z * w[0, 2] - x * w[2, 2],
                )
            else:
                a0, a1, a2 = (
                    x * w[1, 0] - y * w[0, 0],
                    x * w[1, 1] - y * w[0, 1],
                    x * w[1, 2] - y * w[0, 2],
                )
            M[i, 0] += y * a2 - z * a1
            M[i, 1] += z * a0 - x * a2
            M[i, 2] += x * a1 - y * a0
    for j in range(len(body.parents) - 1, 0, -1):
        a = body.parents[j]
        for i in range(6):
            force[a, i] += force[j, i]
            for m in range(6):
                inertia[a, i, m] += inertia[j, i, m]
    y6 = np.empty(6)
    for j in range(len(body.parents) - 1, -1, -1):
        M, f = inertia[j], force[j]
        first = 0 if j == 0 else body.dof_start[j] + 3
        for i in range(first, body.dof_start[j + 1] + 3):
            t = twist[i]
            for r in range(3):
                y6[r] = 0.0
                y6[3 + r] = 0.0
                for m in range(3):
                    y6[r] += M[r, m] * t[m] + M[r, 3 + m] * t[3 + m]
                    y6[3 + r] += M[m, 3 + r] * t[m] + M[3 + r, 3 + m] * t[3 + m]
            total = 0.0
            for r in range(6):
                total += t[r] * f[r]
            b[i] = total
            m = i
            while m >= 0:
                s = twist[m]
                total = 0.0
                for r in range(6):
                    total += s[r] * y6[r]
                H[i, m] = total
                m = body.above[m]


@kernel
def factor_tree(above, H):
    """Replaces H by L with L^T L = H, both with the sparsity of the tree."""
    for k in range(len(above) - 1, -1, -1):
        root = math.sqrt(max(H[k, k], _SMALL))
        H[k, k] = root
        i = above[k]
        while i >= 0:
            H[k, i] /= root
            i = above[i]
        i = above[k]
        while i >= 0:
            m = i
            while m >= 0:
                H[i, m] -= H[k, i] * H[k, m]
                m = above[m]
            i = above[i]


@kernel
def solve_tree(above, L, x):
    """Replaces x by the solution of L^T L y = x."""
    n = len(above)
    for k in range(n - 1, -1, -1):
        x[k] /= L[k, k]
        i = above[k]
        while i >= 0:
            x[i] -= L[k, i] * x[k]
            i = above[i]
    for k in range(n):
        total = x[k]
        i = above[k]
        while i >= 0:
            total -= L[k, i] * x[i]
            i = above[i]
        x[k] = total / L[k, k]


@kernel
def variances_tree(above, L, row, out):
    """Writes the diagonal of (L^T L)^-1 into `out`; `row` is work space of the same length."""
    for i in range(len(above)):
        # Row i of L^-1 is not zero at i and its ancestors only.
        row[i] = 1.0
        total = 0.0
        m = i
        while m >= 0:
            row[m] = 1.0 if m == i else 0.0
            m = above[m]
        k = i
        while k >= 0:
            row[k] /= L[k, k]
            total += row[k] * row[k]
            m = above[k]
            while m >= 0:
                row[m] -= row[k] * L[k, m]
                m = above[m]
            k = above[k]
        out[i] = total


@kernel
def move(body, p0, R0, q, step):
    """Takes a step, in place; values stay within their limits."""
    turn, product = np.empty((3, 3)), np.empty((3, 3))
    for i in range(3):
        p0[i] += step[i]
    rotation_of(step[3], step[4], step[5], turn)
    _multiply(R0, turn, product)
    R0[:] = product
    for i in range(3, len(q)):
        q[i] = min(max(q[i] + step[i + 3], body.low[i]), body.high[i])


@kernel
def at_limit(body, q, b, i):
    """Whether the degree of freedom i is at a limit and pulled beyond it."""
    return (q[i] <= body.low[i] and b[i + 3] < 0) or (q[i] >= body.high[i] and b[i + 3] > 0)
