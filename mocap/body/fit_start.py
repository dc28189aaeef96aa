"""Compiled first fit of a track: frame after frame, each from the one before or from the rest pose.

It brings every frame near its solution; `mocap.body.fit_smooth` then fits all frames together.
"""

# pyright: basic

from __future__ import annotations

import numpy as np

from mocap.arrays import Float
from mocap.body.fit_frame import (
    Prediction,
    farthest,
    fit_frame,
    fit_frame_annealed,
    fit_frame_regaining,
)
from mocap.body.fit_tables import BodyTables
from mocap.compiled import kernel

FEWEST_POINTS = 3
"""A frame with fewer measured keypoints has no fit of its own."""
_BAD_COST = 4.0
"""Cost per measured keypoint above which a frame is also tried from the rest pose."""
_FOLLOW_RAD, _FOLLOW_M = 1.0, 1.0
"""How loosely a pose follows the one before it."""


def rough_roots(
    points_m: Float[np.ndarray, "frames keypoints 3"],
    measured: np.ndarray,
    rest_points_m: Float[np.ndarray, "keypoints 3"],
    weight: Float[np.ndarray, " keypoints"],
) -> tuple[Float[np.ndarray, "frames 3"], Float[np.ndarray, "frames 3 3"]]:
    """Root poses that lay the rest pose over the keypoints (Kabsch); NaN with too few of them.

    Args:
        points_m: measured positions.
        measured: which there are, (F, K).
        rest_points_m: the keypoints in the rest pose, from the root.
        weight: of each keypoint; those of the trunk are the ones that stay in place.
    """
    w = measured * weight
    total = w.sum(axis=1)
    enough = ((w > 0).sum(axis=1) >= FEWEST_POINTS) & (total > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        w = np.where(enough[:, None], w / total[:, None], 0.0)
    there = np.where(measured[..., None], points_m, 0.0)
    centre = np.einsum("fk,fki->fi", w, there)
    rest_centre = np.einsum("fk,ki->fi", w, rest_points_m)
    cross = np.einsum(
        "fk,fki,fkj->fij", w, there - centre[:, None], rest_points_m - rest_centre[:, None]
    )
    u, _, vt = np.linalg.svd(cross)
    sign = np.linalg.det(u @ vt)
    u[..., 2] *= np.sign(sign)[:, None]
    rotation = u @ vt
    position = centre - np.einsum("fij,fj->fi", rotation, rest_centre)
    rotation[~enough] = np.nan
    position[~enough] = np.nan
    return position, rotation


def loose_prediction(body: BodyTables, floor_weight: float = 0.0) -> Prediction:
    """A prediction without weights."""
    soles = len(body.sole)
    return Prediction(
        np.zeros(3),
        np.eye(3),
        np.zeros(len(body.axis)),
        np.zeros(len(body.above)),
        np.zeros((soles, 3)),
        np.zeros(soles),
        floor_weight,
    )


@kernel
def follow_track(body, data, wide, expect, counts, rough_P, rough_R, P, R, Q, done, work):
    """Fits the frames of a track one after the other, in place.

    Args:
        body: `BodyTables`.
        data: `PointData`.
        wide: the same with a robust scale so large that it hardly acts, for first steps.
        expect: a `Prediction` to use; its contents are overwritten.
        counts: number of measured keypoints per frame.
        rough_P: rough root positions, NaN where unknown.
        rough_R: rough root rotations.
        P: gets root positions.
        R: gets root rotations.
        Q: gets the degrees of freedom.
        done: gets whether the frame was fitted.
        work: `FrameWork`.
    """
    before = -1
    p, r, q = np.empty(3), np.empty((3, 3)), np.empty(Q.shape[1])
    for t in range(len(P)):
        done[t] = False
        if counts[t] < 3 or (before < 0 and not np.isfinite(rough_P[t, 0])):
            continue
        best = np.inf
        if before >= 0:
            p[:], r[:], q[:] = P[before], R[before], Q[before]
            expect.p0[:] = p
            expect.R0[:] = r
            expect.q[:] = q
            expect.weight[:3] = 1.0 / (_FOLLOW_M * _FOLLOW_M)
            expect.weight[3:] = 1.0 / (_FOLLOW_RAD * _FOLLOW_RAD)
            if t - before > 5:
                expect.weight[:6] = 0.0
            best = fit_frame_regaining(body, data, t, expect, p, r, q, 12, work)
            P[t], R[t], Q[t] = p, r, q
        if best > _BAD_COST * counts[t] and np.isfinite(rough_P[t, 0]):
            p[:], r[:], q[:] = rough_P[t], rough_R[t], body.rest
            q[:3] = 0.0
            expect.weight[:] = 0.0
            fit_frame(body, wide, t, expect, p, r, q, 30, work)
            left = farthest(data, t, p, work.points)
            cost, _ = fit_frame_annealed(body, data, t, expect, p, r, q, 20, work, left)
            if cost < best:
                P[t], R[t], Q[t] = p, r, q
                best = cost
        done[t] = best < np.inf
        if done[t]:
            before = t
