"""Jacobians that are made of many small dense blocks of the same shape.

A view of a target touches a few dozen unknowns with all its points. Kept as one dense block per
view, the normal equations are batched matrix products and one sum into a fixed pattern, which is
ten times as fast as products of general sparse matrices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from mocap.arrays import Float, Int

_LARGEST_TABLE = 100_000_000


class BlockPattern:
    """Which unknowns each block touches, and where its products go in the normal matrix.

    Args:
        columns: per block the unknowns of its columns; -1 for a column that is no unknown.
        unknowns: number of unknowns.
    """

    def __init__(self, columns: Int[np.ndarray, "blocks width"], unknowns: int) -> None:
        self.columns = np.where(columns < 0, unknowns, columns)
        self.unknowns = unknowns
        blocks, width = self.columns.shape
        side = unknowns + 1
        flat = (self.columns[:, :, None] * side + self.columns[:, None, :]).reshape(-1)
        places, self._place = _numbered(flat, side * side)
        self._entries = len(places)
        column, row = places // side, places % side
        self._kept = (column < unknowns) & (row < unknowns)
        # The matrix is symmetric, so that the order of `places` is that of compressed columns.
        self._row = row[self._kept]
        self._start = np.searchsorted(column[self._kept], np.arange(unknowns + 1))
        self._shape = (blocks, width)

    def matrix(self, products: Float[np.ndarray, "blocks width width"]) -> sparse.csc_matrix:
        """Sum of all blocks' products."""
        values = np.bincount(self._place, products.reshape(-1), minlength=self._entries)
        parts = (values[self._kept], self._row, self._start)
        return sparse.csc_matrix(parts, shape=(self.unknowns, self.unknowns))

    def vector(self, parts: Float[np.ndarray, "blocks width"]) -> Float[np.ndarray, " unknowns"]:
        """Sum of all blocks' gradients."""
        flat = self.columns.reshape(-1)
        return np.bincount(flat, parts.reshape(-1), minlength=self.unknowns + 1)[:-1]


def _numbered(
    flat: Int[np.ndarray, " entries"], limit: int
) -> tuple[Int[np.ndarray, " places"], Int[np.ndarray, " entries"]]:
    """The different values in ascending order, and for each entry the number of its value."""
    if limit > _LARGEST_TABLE:
        return np.unique(flat, return_inverse=True)
    # A table of all values is several times as fast as sorting the entries.
    taken = np.zeros(limit, bool)
    taken[flat] = True
    places = np.flatnonzero(taken)
    number = np.zeros(limit, np.int32)
    number[places] = np.arange(len(places))
    return places, number[flat]


@dataclass(frozen=True)
class BlockJacobian:
    """A Jacobian whose rows are those of the blocks one after the other, then those of `rest`.

    Attributes:
        pattern: where the blocks' columns belong.
        values: of the blocks; rows of what was not measured are zero.
        rest: further rows, sparse: priors.
    """

    pattern: BlockPattern
    values: Float[np.ndarray, "blocks height width"]
    rest: sparse.csr_matrix

    def normal_equations(
        self, row_weight: Float[np.ndarray, " rows"], residual: Float[np.ndarray, " rows"]
    ) -> tuple[sparse.csc_matrix, Float[np.ndarray, " unknowns"]]:
        """J^T W J and J^T W r."""
        blocks, height, _ = self.values.shape
        split = blocks * height
        weighted = self.values * row_weight[:split].reshape(blocks, height, 1)
        transposed = np.swapaxes(weighted, 1, 2)
        information = self.pattern.matrix(transposed @ self.values)
        parts = (transposed @ residual[:split].reshape(blocks, height, 1))[..., 0]
        gradient = self.pattern.vector(parts)
        if self.rest.nnz:
            rest = sparse.diags(row_weight[split:]) @ self.rest
            information = sparse.csc_matrix(information + self.rest.T @ rest)
            gradient = gradient + np.asarray(rest.T @ residual[split:]).ravel()
        return information, gradient

    def tocsr(self) -> sparse.csr_matrix:
        """The same as one sparse matrix."""
        blocks, height, width = self.values.shape
        rows = np.arange(blocks * height).reshape(blocks, height, 1).repeat(width, axis=2)
        columns = np.broadcast_to(self.pattern.columns[:, None, :], self.values.shape)
        keep = columns < self.pattern.unknowns
        top = sparse.csr_matrix(
            (self.values[keep], (rows[keep], columns[keep])),
            shape=(blocks * height, self.pattern.unknowns),
        )
        return sparse.csr_matrix(sparse.vstack([top, self.rest]))
