"""Normal equations of a few unknowns of the cameras and many small groups of points.

Points of one person at one instant are tied to each other, by the bones, and to the cameras, but
to no other points. They are eliminated group by group with dense factorisations, all at once
(the Schur complement; Triggs et al., "Bundle Adjustment: A Modern Synthesis", 1999, section 6).
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from mocap.arrays import Float, Int


class BlockSolver:
    """Solves symmetric systems whose trailing unknowns fall into independent groups.

    Args:
        dense: how many leading unknowns belong to no group.
        group: group of every other unknown, from 0.
    """

    def __init__(self, dense: int, group: Int[np.ndarray, " others"]) -> None:
        self._dense = dense
        self._group = np.asarray(group)
        self._groups = int(group.max()) + 1 if len(group) else 0
        order = np.argsort(self._group, kind="stable")
        counts = np.bincount(self._group, minlength=self._groups)
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]]) if self._groups else np.zeros(0)
        place = np.empty(len(group), np.int64)
        place[order] = np.arange(len(group)) - np.repeat(starts, counts).astype(np.int64)
        self._place = place
        self._size = int(counts.max()) if self._groups else 0
        padding = np.ones((self._groups, self._size))
        padding[self._group, place] = 0.0
        self._padding = padding

    def solve(
        self, matrix: sparse.csc_matrix, right: Float[np.ndarray, " unknowns"]
    ) -> Float[np.ndarray, " unknowns"] | None:
        """The solution, or None where the matrix is not positive definite."""
        parts = self._parts(matrix)
        try:
            reduced, solved = self._reduced(*parts)
            grouped = np.zeros((self._groups, self._size))
            grouped[self._group, self._place] = right[self._dense :]
            own = np.linalg.solve(parts[2], grouped[..., None])[..., 0]
            top = right[: self._dense] - np.einsum("gsd,gs->d", parts[1], own)
            cameras = np.linalg.solve(reduced, top)
        except np.linalg.LinAlgError:
            return None
        points = own - solved @ cameras
        return np.concatenate([cameras, points[self._group, self._place]])

    def covariance(self, matrix: sparse.csc_matrix) -> Float[np.ndarray, "dense dense"]:
        """Block of the inverse that belongs to the leading unknowns.

        Raises:
            numpy.linalg.LinAlgError: the matrix does not determine them.
        """
        reduced, _ = self._reduced(*self._parts(matrix))
        diagonal = np.diag(reduced)
        if np.any(diagonal <= 0):
            raise np.linalg.LinAlgError("some unknowns are not determined by any measurement")
        scaling = 1 / np.sqrt(diagonal)
        factor = np.linalg.cholesky(reduced * scaling[:, None] * scaling)
        inverse = np.linalg.inv(factor)
        return (inverse.T @ inverse) * scaling[:, None] * scaling

    def _parts(self, matrix: sparse.csc_matrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        entries = sparse.coo_matrix(matrix)
        row, column, value = entries.row, entries.col, entries.data
        d = self._dense
        cameras = np.zeros((d, d))
        both = (row < d) & (column < d)
        cameras[row[both], column[both]] = value[both]
        mixed = (row >= d) & (column < d)
        other = row[mixed] - d
        cross = np.zeros((self._groups, self._size, d))
        cross[self._group[other], self._place[other], column[mixed]] = value[mixed]
        inner = (row >= d) & (column >= d)
        first, second = row[inner] - d, column[inner] - d
        points = np.zeros((self._groups, self._size, self._size))
        points[self._group[first], self._place[first], self._place[second]] = value[inner]
        which = np.arange(self._size)
        points[:, which, which] += self._padding
        return cameras, cross, points

    def _reduced(
        self, cameras: np.ndarray, cross: np.ndarray, points: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        solved = np.linalg.solve(points, cross)
        flat = cross.reshape(-1, self._dense)
        reduced = cameras - flat.T @ solved.reshape(-1, self._dense)
        return 0.5 * (reduced + reduced.T), solved
