"""The path of the target through time: knot poses and how they are blended.

Two kinds share one form, in which the pose of a view is a blend of a few knots:

- free instants: one knot per instant, for cameras that expose together. Nothing is assumed about
  the motion between instants.
- a spline: uniform cubic B-spline of positions and of unit quaternions (their blend normalised),
  for cameras that do not expose together. The spline has as many knots as the fastest camera has
  frames, so that it follows whatever the frames can show; a weak prior on its acceleration holds
  knots that no frame determines. It is broken where the target was out of sight.

The blend of quaternions is linear in R^4, where rotations of either frame are linear isometries,
so the spline does not depend on the choice of the world frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from mocap.arrays import Bool, Float, Int
from mocap.geometry.rotations import (
    matrix_from_quaternion,
    quaternion_from_matrix,
    skew_matrix,
)

GAP_INTERVALS = 2.5
"""The path is broken where no camera has a frame for this many knot intervals."""


@dataclass(frozen=True)
class PathLayout:
    """Where the knots lie in time, and which piece of the path each view belongs to.

    Attributes:
        interval_s: between knots; 0 for free instants.
        start_s: per piece, the time from which the first four of its knots blend.
        first_knot: per piece; one more entry, the number of all knots.
        piece: per view; the instant for free instants.
    """

    interval_s: float
    start_s: Float[np.ndarray, " pieces"]
    first_knot: Int[np.ndarray, " pieces_and_one"]
    piece: Int[np.ndarray, " views"]

    @property
    def knots(self) -> int:
        """Number of all knots."""
        return int(self.first_knot[-1])

    @property
    def order(self) -> int:
        """Number of knots that a pose is blended of."""
        return 4 if self.interval_s > 0 else 1

    def blend(
        self, time_s: Float[np.ndarray, " views"], piece: Int[np.ndarray, " views"] | None = None
    ) -> tuple[
        Int[np.ndarray, "views order"],
        Float[np.ndarray, "views order"],
        Float[np.ndarray, "views order"],
    ]:
        """Knots of each view, their weights, and the derivative of the weights by time (1/s).

        Beyond its ends a piece goes on with its last polynomial.
        """
        piece = self.piece if piece is None else piece
        if self.interval_s == 0:
            return piece[:, None], np.ones((len(piece), 1)), np.zeros((len(piece), 1))
        x = (time_s - self.start_s[piece]) / self.interval_s
        spans = np.diff(self.first_knot)[piece] - 3
        span = np.clip(np.floor(x), 0, spans - 1).astype(np.int64)
        u = x - span
        knots = (self.first_knot[piece] + span)[:, None] + np.arange(4)
        weight = np.stack(
            [
                (1 - u) ** 3,
                3 * u**3 - 6 * u**2 + 4,
                -3 * u**3 + 3 * u**2 + 3 * u + 1,
                u**3,
            ],
            axis=-1,
        )
        slope = np.stack(
            [-3 * (1 - u) ** 2, 9 * u**2 - 12 * u, -9 * u**2 + 6 * u + 3, 3 * u**2], axis=-1
        )
        return knots, weight / 6, slope / (6 * self.interval_s)

    def differences(self, degree: int) -> sparse.csr_matrix:
        """Matrix that takes the first or second differences of knots within pieces."""
        if self.interval_s == 0:
            return sparse.csr_matrix((0, self.knots))
        stencil = {1: [-1.0, 1.0], 2: [1.0, -2.0, 1.0]}[degree]
        first = np.concatenate(
            [
                np.arange(a, b - degree)
                for a, b in zip(self.first_knot[:-1], self.first_knot[1:], strict=True)
            ]
        )
        rows = np.arange(len(first)).repeat(degree + 1)
        columns = (first[:, None] + np.arange(degree + 1)).ravel()
        values = np.tile(stencil, len(first))
        return sparse.csr_matrix((values, (rows, columns)), shape=(len(first), self.knots))


def free_instants(instant: Int[np.ndarray, " views"]) -> PathLayout:
    """One knot per instant; views are numbered by their instants, from 0 without a gap."""
    count = int(instant.max()) + 1
    return PathLayout(0.0, np.zeros(count), np.arange(count + 1), instant)


def spline_layout(time_s: Float[np.ndarray, " views"], interval_s: float) -> PathLayout:
    """Knots for views at given times, which may still move by half an interval."""
    order = np.argsort(time_s, kind="stable")
    new = np.diff(time_s[order]) > GAP_INTERVALS * interval_s
    piece = np.empty(len(time_s), np.int64)
    piece[order] = np.concatenate([[0], np.cumsum(new)])
    pieces = int(piece.max()) + 1
    low = np.full(pieces, np.inf)
    high = np.full(pieces, -np.inf)
    np.minimum.at(low, piece, time_s)
    np.maximum.at(high, piece, time_s)
    spans = np.maximum(np.ceil((high - low) / interval_s - 1e-6), 1).astype(np.int64)
    # Frames at regular times fall on the junctions of the spline, where its knots count most.
    start = 0.5 * (low + high) - 0.5 * spans * interval_s
    start = np.where(spans * interval_s - (high - low) < 1e-3 * interval_s, low, start)
    first = np.concatenate([[0], np.cumsum(spans + 3)])
    return PathLayout(interval_s, start, first, piece)


@dataclass(frozen=True)
class Path:
    """Knot poses of the target in the world.

    Attributes:
        quaternion: unit, wxyz, neighbours on the same side of R^4.
        position_m: of the target's origin.
    """

    quaternion: Float[np.ndarray, "knots 4"]
    position_m: Float[np.ndarray, "knots 3"]


@dataclass(frozen=True)
class BlendedPoses:
    """Poses of views with what their derivatives need.

    Attributes:
        rotation: of `T_world_target`.
        position_m: of `T_world_target`.
        by_knot: for small rotations of the world frame at the knots, the small rotation of the
            blended pose.
        turning: angular velocity in the world frame, rad/s.
        velocity: of the target's origin, m/s.
    """

    rotation: Float[np.ndarray, "views 3 3"]
    position_m: Float[np.ndarray, "views 3"]
    by_knot: Float[np.ndarray, "views order 3 3"]
    turning: Float[np.ndarray, "views 3"]
    velocity: Float[np.ndarray, "views 3"]


def blended_poses(
    path: Path,
    knots: Int[np.ndarray, "views order"],
    weight: Float[np.ndarray, "views order"],
    slope: Float[np.ndarray, "views order"],
) -> BlendedPoses:
    """Evaluates the path."""
    parts = path.quaternion[knots]
    blend = np.einsum("vo,vok->vk", weight, parts)
    length = np.linalg.norm(blend, axis=-1)
    unit = blend / length[:, None]
    inverse = unit * np.array([1.0, -1, -1, -1])
    # Left of the blended rotation: q_i = (s, v) * q, so a turn w of knot i turns by (s - v x) w.
    relative = quaternion_product(parts, inverse[:, None, :])
    share = (weight / length[:, None])[..., None, None]
    by_knot = share * (relative[..., 0, None, None] * np.eye(3) - skew_matrix(relative[..., 1:]))
    rate = quaternion_product(np.einsum("vo,vok->vk", slope, parts), inverse)
    return BlendedPoses(
        matrix_from_quaternion(unit),
        np.einsum("vo,vok->vk", weight, path.position_m[knots]),
        by_knot,
        2 * rate[:, 1:] / length[:, None],
        np.einsum("vo,vok->vk", slope, path.position_m[knots]),
    )


def fit_path(
    layout: PathLayout,
    time_s: Float[np.ndarray, " poses"],
    piece: Int[np.ndarray, " poses"],
    T_world_target: Float[np.ndarray, "poses 4 4"],
    weight: Float[np.ndarray, " poses"],
    stiffness: float = 1e-3,
) -> Path:
    """Knots whose blend comes near to given poses, by linear least squares.

    Args:
        layout: of the knots.
        time_s: of the poses.
        piece: of the path to which each pose belongs.
        T_world_target: the poses.
        weight: of each.
        stiffness: weight of the second differences of the knots against a pose.
    """
    knots, share, _ = layout.blend(time_s, piece)
    order = np.lexsort((time_s, piece))
    quaternion = quaternion_from_matrix(T_world_target[order, :3, :3])
    # Neighbours in time on the same side of R^4.
    flip = np.sum(quaternion[1:] * quaternion[:-1], axis=1) < 0
    quaternion = (
        quaternion * np.concatenate([[1.0], np.cumprod(np.where(flip, -1.0, 1.0))])[:, None]
    )
    values = np.column_stack([quaternion, T_world_target[order, :3, 3]])
    rows = np.arange(len(order)).repeat(layout.order)
    blend = sparse.csr_matrix(
        (share[order].ravel(), (rows, knots[order].ravel())), shape=(len(order), layout.knots)
    )
    weighted = sparse.diags(weight[order]) @ blend
    normal = blend.T @ weighted + 1e-9 * sparse.eye(layout.knots)
    for degree, strength in ((2, stiffness), (1, 1e-3 * stiffness)):
        difference = layout.differences(degree)
        normal = normal + strength * (difference.T @ difference)
    found = splu(sparse.csc_matrix(normal)).solve(np.asarray(weighted.T @ values))
    length = np.linalg.norm(found[:, :4], axis=1, keepdims=True)
    unit = np.where(length > 1e-6, found[:, :4] / np.maximum(length, 1e-6), [1.0, 0, 0, 0])
    return Path(unit, found[:, 4:])


def seen_knots(
    layout: PathLayout, knots: Int[np.ndarray, "views order"]
) -> Bool[np.ndarray, " knots"]:
    """Knots that take part in some view."""
    seen = np.zeros(layout.knots, bool)
    seen[knots.ravel()] = True
    return seen


def quaternion_product(
    a: Float[np.ndarray, "*batch 4"], b: Float[np.ndarray, "*#batch 4"]
) -> Float[np.ndarray, "*batch 4"]:
    """Hamilton's product of quaternions in wxyz order."""
    scalar = a[..., :1] * b[..., :1] - np.sum(a[..., 1:] * b[..., 1:], axis=-1, keepdims=True)
    vector = a[..., :1] * b[..., 1:] + b[..., :1] * a[..., 1:] + np.cross(a[..., 1:], b[..., 1:])
    return np.concatenate([scalar, vector], axis=-1)
