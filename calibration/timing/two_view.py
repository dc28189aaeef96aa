"""The geometry of two views: epipolar errors, and epipolar matrices fitted to them.

An epipolar matrix is kept as F = U diag(1, s, 0) V^T with rotations U and V. An essential matrix
has s = 1 and 5 degrees of freedom, a fundamental matrix 7; steps are small rotations applied to
U and V, so that every matrix on the way is a valid one (Bartoli and Sturm, Non-linear estimation
of the fundamental matrix with minimal parameters, PAMI 2004).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float
from mocap.geometry.rotations import matrix_from_rotvec, skew_matrix

SUBSETS, SUBSETS_MORE = 60, 12
"""Without and with a start that may be near."""
SUBSET_POINTS = 8
SCORED_POINTS = 200
ITERATIONS = 10
SETTLED = 1e-5
TUNING = 3.0
"""Errors of this many robust standard deviations have a quarter of their weight left."""


@dataclass(frozen=True)
class PointPairs:
    """The same points in two images.

    Attributes:
        first: homogeneous image points of the first camera, third number 1.
        second: of the second camera.
        variance_first: of each first point, in units of that of a measured one.
        variance_second: likewise.
    """

    first: Float[np.ndarray, "points 3"]
    second: Float[np.ndarray, "points 3"]
    variance_first: Float[np.ndarray, " points"]
    variance_second: Float[np.ndarray, " points"]

    def __len__(self) -> int:
        return len(self.first)

    def chosen(self, keep: np.ndarray) -> PointPairs:
        """Only some of the points (a mask or indices)."""
        return PointPairs(
            self.first[keep],
            self.second[keep],
            self.variance_first[keep],
            self.variance_second[keep],
        )


@dataclass(frozen=True)
class EpipolarMatrix:
    """F = U diag(1, ratio, 0) V^T, with x_second^T F x_first = 0.

    Attributes:
        U: rotation.
        V: rotation.
        ratio: of the singular values; 1 for an essential matrix.
        essential: whether the ratio stays 1.
    """

    U: Float[np.ndarray, "3 3"]
    V: Float[np.ndarray, "3 3"]
    ratio: float
    essential: bool

    @classmethod
    def nearest(cls, matrix: Float[np.ndarray, "3 3"], essential: bool) -> EpipolarMatrix:
        """The valid matrix nearest to one that may be none."""
        U, values, Vt = np.linalg.svd(matrix)
        # The last singular value is dropped, so signs of the last columns are free.
        left = U * np.array([1, 1, np.sign(np.linalg.det(U))])
        right = Vt.T * np.array([1, 1, np.sign(np.linalg.det(Vt))])
        ratio = 1.0 if essential else float(values[1] / max(values[0], 1e-300))
        return cls(left, right, ratio, essential)

    @property
    def matrix(self) -> Float[np.ndarray, "3 3"]:
        """F itself."""
        return self.U @ np.diag([1.0, self.ratio, 0.0]) @ self.V.T

    def tangents(self) -> Float[np.ndarray, "parameters 3 3"]:
        """Derivative of the matrix by each parameter of `moved`."""
        D = np.diag([1.0, self.ratio, 0.0])
        axes = skew_matrix(np.eye(3))
        left = [self.U @ axis @ D @ self.V.T for axis in axes]
        # Turning both by the same angle about z changes nothing where the ratio is 1.
        right = [-self.U @ D @ axis @ self.V.T for axis in (axes[:2] if self.essential else axes)]
        ratio = [] if self.essential else [self.U @ np.diag([0.0, 1, 0]) @ self.V.T]
        return np.stack([*left, *right, *ratio])

    def moved(self, step: Float[np.ndarray, " parameters"]) -> EpipolarMatrix:
        """After a small step: rotations of U and V on their right, then the ratio."""
        turn = np.zeros(3)
        turn[: 2 if self.essential else 3] = step[3 : 5 if self.essential else 6]
        ratio = self.ratio if self.essential else float(np.clip(self.ratio + step[6], 1e-3, 1e3))
        return EpipolarMatrix(
            self.U @ matrix_from_rotvec(step[:3]),
            self.V @ matrix_from_rotvec(turn),
            ratio,
            self.essential,
        )


def essential_of_pose(T_second_first: Float[np.ndarray, "4 4"]) -> EpipolarMatrix:
    """The essential matrix of a known relative pose, in normalised image coordinates."""
    E = skew_matrix(T_second_first[:3, 3]) @ T_second_first[:3, :3]
    return EpipolarMatrix.nearest(E, essential=True)


def epipolar_error(
    F: Float[np.ndarray, "3 3"], pairs: PointPairs
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """Signed distance of each pair from agreement, to first order (Sampson's error).

    Returns:
        The error in units of one measured point's standard deviation times its noise, that is:
        in the unit of the image points, corrected for pairs that are more or less noisy; and the
        divisor that made it from x_second^T F x_first.
    """
    line_second = pairs.first @ F.T
    line_first = pairs.second @ F
    algebraic = np.einsum("ni,ni->n", pairs.second, line_second)
    divisor = np.sqrt(
        pairs.variance_second * (line_second[:, :2] ** 2).sum(axis=1)
        + pairs.variance_first * (line_first[:, :2] ** 2).sum(axis=1)
    )
    divisor = np.maximum(divisor, 1e-12)
    return algebraic / divisor, divisor


def robust_weights(
    error: Float[np.ndarray, " points"], widening: float = 1.0
) -> Float[np.ndarray, " points"]:
    """Weights that take outliers out smoothly (Geman and McClure), by the errors' own scale.

    Args:
        error: signed errors.
        widening: multiplies the scale.
    """
    scale = widening * robust_scale(error)
    return 1.0 / (1.0 + (error / (TUNING * scale)) ** 2) ** 2


def robust_scale(error: np.ndarray) -> float:
    """Standard deviation by the median of the absolute errors."""
    return max(float(np.median(np.abs(error))) / 0.6745, 1e-12)


def fit_epipolar(
    pairs: PointPairs,
    essential: bool,
    rng: np.random.Generator,
    starts: tuple[EpipolarMatrix, ...] = (),
) -> EpipolarMatrix | None:
    """Fits an epipolar matrix robustly: the best of random subsets, then reweighted least squares.

    Args:
        pairs: of any number of instants.
        essential: for normalised coordinates of calibrated cameras.
        rng: chooses the subsets.
        starts: matrices which may be near.

    Returns:
        None with fewer than 16 pairs.
    """
    if len(pairs) < 2 * SUBSET_POINTS:
        return None
    some = pairs.chosen(np.linspace(0, len(pairs) - 1, min(SCORED_POINTS, len(pairs))).astype(int))
    rows = (pairs.second[:, :, None] * pairs.first[:, None, :]).reshape(len(pairs), 9)
    # Rows of equal length, so that points far out do not rule.
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    subsets = rng.integers(0, len(pairs), (SUBSETS_MORE if starts else SUBSETS, SUBSET_POINTS + 2))
    stacked = rows[subsets]
    solutions = np.linalg.eigh(np.swapaxes(stacked, 1, 2) @ stacked)[1][:, :, 0]
    whole = np.linalg.eigh(rows.T @ rows)[1][:, 0]
    matrices = np.concatenate([solutions, whole[None]]).reshape(-1, 3, 3)
    U, values, Vt = np.linalg.svd(matrices)
    values[:, 2] = 0.0
    if essential:
        values[:, :2] = 1.0
    matrices = np.concatenate([(U * values[:, None]) @ Vt, *(s.matrix[None] for s in starts)])
    best = int(np.argmin(_median_errors(matrices, some)))
    first = len(matrices) - len(starts)
    start = starts[best - first] if best >= first else None
    return refine_epipolar(start or EpipolarMatrix.nearest(matrices[best], essential), pairs)


def _median_errors(F: Float[np.ndarray, "matrices 3 3"], pairs: PointPairs) -> np.ndarray:
    """Median size of the epipolar error of each of several matrices."""
    line_second = pairs.first @ np.swapaxes(F, 1, 2)
    line_first = pairs.second @ F
    algebraic = (pairs.second * line_second).sum(axis=2)
    square = pairs.variance_second * (line_second[..., :2] ** 2).sum(axis=2)
    square += pairs.variance_first * (line_first[..., :2] ** 2).sum(axis=2)
    return np.median(np.abs(algebraic) / np.sqrt(np.maximum(square, 1e-24)), axis=1)


def refine_epipolar(start: EpipolarMatrix, pairs: PointPairs) -> EpipolarMatrix:
    """Reweighted least squares of the epipolar errors, from a start that is near."""
    model = start
    rows = (pairs.second[:, :, None] * pairs.first[:, None, :]).reshape(len(pairs), 9)
    for _ in range(ITERATIONS):
        error, divisor = epipolar_error(model.matrix, pairs)
        weight = robust_weights(error)
        J = rows @ model.tangents().reshape(-1, 9).T / divisor[:, None]
        normal = (J * weight[:, None]).T @ J
        normal += 1e-9 * np.trace(normal) / len(normal) * np.eye(len(normal))
        step = -np.linalg.solve(normal, J.T @ (weight * error))
        length = np.linalg.norm(step)
        model = model.moved(step * min(1.0, 0.3 / max(length, 1e-12)))
        if length < SETTLED:
            break
    return model
