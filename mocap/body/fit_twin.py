"""The fit in plain NumPy: the oracle of the compiled kernels, dense and without tricks.

Rotations come from SciPy, Jacobians are built column by column, systems are dense. Nothing here is
used by the fit itself.
"""

# pyright: basic

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from mocap.arrays import Float
from mocap.body.fit_frame import Prediction
from mocap.body.fit_shape import Poses
from mocap.body.fit_smooth import Stretch
from mocap.body.fit_tables import BodyTables, PointData
from mocap.geometry.projection import project_points, projection_jacobian


class Equations(NamedTuple):
    """Normal equations H x = b, and the cost."""

    H: np.ndarray
    b: np.ndarray
    cost: float


def body_points(
    body: BodyTables, p0: np.ndarray, R0: np.ndarray, q: np.ndarray
) -> Float[np.ndarray, "keypoints 3"]:
    """World positions of the keypoints, by products of rotations."""
    world = [R0]
    place = [p0]
    for j in range(1, len(body.parents)):
        a = int(body.parents[j])
        place.append(place[a] + world[a] @ body.bone[j])
        turn = world[a]
        for group in _groups(body, j):
            vector = sum(q[i] * body.axis[i] for i in group)
            turn = turn @ Rotation.from_rotvec(np.asarray(vector)).as_matrix()
        world.append(turn)
    at = body.point_joint
    return np.array([place[j] + world[j] @ body.point_local[k] for k, j in enumerate(at)])


def _groups(body: BodyTables, joint: int) -> list[list[int]]:
    groups: list[list[int]] = []
    for i in range(int(body.dof_start[joint]), int(body.dof_start[joint + 1])):
        if body.together[i]:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def points_jacobian(
    body: BodyTables, p0: np.ndarray, R0: np.ndarray, q: np.ndarray, step: float = 1e-6
) -> Float[np.ndarray, "keypoints 3 unknowns"]:
    """Derivatives of the keypoints by the unknowns, by central differences."""
    columns: list[np.ndarray] = []
    for i in range(len(body.above)):
        sides: list[np.ndarray] = []
        for sign in (1.0, -1.0):
            d = np.zeros(len(body.above))
            d[i] = sign * step
            sides.append(body_points(body, *moved(p0, R0, q, d)))
        columns.append((sides[0] - sides[1]) / (2 * step))
    return np.stack(columns, axis=2)


def moved(
    p0: np.ndarray, R0: np.ndarray, q: np.ndarray, d: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pose after a step, without limits."""
    later = q.copy()
    later[3:] += d[6:]
    return p0 + d[:3], R0 @ Rotation.from_rotvec(d[3:6]).as_matrix(), later


def frame_equations(
    body: BodyTables,
    data: PointData,
    t: int,
    expect: Prediction,
    p0: np.ndarray,
    R0: np.ndarray,
    q: np.ndarray,
) -> Equations:
    """What `mocap.body.fit_frame.linearise` makes, dense."""
    points = body_points(body, p0, R0, q)
    J = points_jacobian(body, p0, R0, q)
    n = len(body.above)
    H, b, cost = np.zeros((n, n)), np.zeros(n), 0.0
    c = data.robust
    for k in range(len(points)):
        information = data.information[t, k]
        off = data.points[t, k] - points[k]
        d2 = float(off @ information @ off)
        share = c / (c + d2)
        H += share**2 * J[k].T @ information @ J[k]
        b += share**2 * J[k].T @ information @ off
        cost += 0.5 * share * d2
        for v in range(len(data.matrix)):
            weight = float(data.pixel_weight[t, v, k])
            if weight == 0:
                continue
            camera = (
                data.matrix[v],
                data.distortion[v],
                bool(data.fisheye[v]),
                data.T_cam_world[v],
            )
            pixel, _ = project_points(points[k], *camera)
            slope = projection_jacobian(points[k], *camera) @ J[k]
            miss = data.pixels[t, v, k] - pixel
            d2 = weight * float(miss @ miss)
            share = c / (c + d2)
            H += share**2 * weight * slope.T @ slope
            b += share**2 * weight * slope.T @ miss
            cost += 0.5 * share * d2
    for k in body.sole:
        below = min(points[k, 2], 0.0)
        if below < 0:
            H += expect.floor_weight * np.outer(J[k, 2], J[k, 2])
        b -= expect.floor_weight * below * J[k, 2]
        cost += 0.5 * expect.floor_weight * below**2
    for s, k in enumerate(body.sole):
        off = expect.anchor[s] - points[k]
        H += expect.anchor_weight[s] * J[k].T @ J[k]
        b += expect.anchor_weight[s] * J[k].T @ off
        cost += 0.5 * expect.anchor_weight[s] * float(off @ off)
    turn = Rotation.from_matrix(R0.T @ expect.R0).as_rotvec()
    off = np.concatenate((expect.p0 - p0, turn, expect.q[3:] - q[3:]))
    rest = np.concatenate((np.zeros(6), body.rest[3:] - q[3:]))
    prior = np.concatenate((np.zeros(6), body.prior[3:]))
    H += np.diag(expect.weight + prior)
    b += expect.weight * off + prior * rest
    cost += 0.5 * float(expect.weight @ off**2 + prior @ rest**2)
    return Equations(H, b, cost)


def stretch_equations(
    body: BodyTables, data: PointData, stretch: Stretch, expect: Prediction, poses: Poses
) -> Equations:
    """What `mocap.body.fit_smooth` solves for a whole stretch, dense, (F N) unknowns."""
    frames, n = len(poses.P), len(body.above)
    H, b, cost = np.zeros((frames * n, frames * n)), np.zeros(frames * n), 0.0
    for t in range(frames):
        there = expect._replace(anchor=stretch.anchor[t], anchor_weight=stretch.anchor_weight[t])
        own = frame_equations(body, data, t, there, poses.P[t], poses.R[t], poses.Q[t])
        here = slice(t * n, (t + 1) * n)
        H[here, here] += own.H
        b[here] += own.b
        cost += own.cost

    def add(J: np.ndarray, off: np.ndarray, weight: np.ndarray | float) -> None:
        nonlocal H, b, cost
        w = np.broadcast_to(weight, off.shape)
        H += J.T @ (w[:, None] * J)
        b += J.T @ (w * off)
        cost += 0.5 * float(w @ off**2)

    changes = [
        np.concatenate(
            (
                poses.P[t + 1] - poses.P[t],
                Rotation.from_matrix(poses.R[t].T @ poses.R[t + 1]).as_rotvec(),
                poses.Q[t + 1, 3:] - poses.Q[t, 3:],
            )
        )
        for t in range(frames - 1)
    ]
    for t in range(1, frames - 1):
        before = stretch.time_s[t] - stretch.time_s[t - 1]
        after = stretch.time_s[t + 1] - stretch.time_s[t]
        J = np.zeros((n, frames * n))
        J[:, (t - 1) * n : t * n] = np.eye(n) / before
        J[:, t * n : (t + 1) * n] = -np.eye(n) * (1 / before + 1 / after)
        J[:, (t + 1) * n : (t + 2) * n] = np.eye(n) / after
        jerk = changes[t] / after - changes[t - 1] / before
        add(J, -jerk, 2.0 / (before + after) * stretch.motion)
    for t in range(frames - 1):
        for s, k in enumerate(body.sole):
            if not stretch.standing[t, s]:
                continue
            J = np.zeros((3, frames * n))
            places: list[np.ndarray] = []
            for step, sign in ((0, -1.0), (1, 1.0)):
                pose = (poses.P[t + step], poses.R[t + step], poses.Q[t + step])
                places.append(body_points(body, *pose)[k])
                J[:, (t + step) * n : (t + step + 1) * n] = sign * points_jacobian(body, *pose)[k]
            add(J, places[0] - places[1], stretch.standing_weight)
    return Equations(H, b, cost)
