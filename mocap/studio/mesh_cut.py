"""Cuts a triangle mesh along the zero line of a field, so that colours can change there sharply."""

from __future__ import annotations

import numpy as np

from mocap.arrays import Float, Int

_SNAP = 0.02
"""A cut closer than this share of an edge to a vertex goes through the vertex."""


def cut_mesh(
    attributes: Float[np.ndarray, "vertices attributes"],
    triangles: Int[np.ndarray, "triangles 3"],
    field: Float[np.ndarray, " vertices"],
) -> tuple[
    Float[np.ndarray, "more_vertices attributes"],
    Int[np.ndarray, "more_triangles 3"],
    Int[np.ndarray, " more_triangles"],
]:
    """Splits the triangles which the zero line of `field` crosses.

    Args:
        attributes: what vertices carry (positions, weights, fields); interpolated linearly.
        triangles: vertex indices.
        field: a value per vertex, interpolated linearly.

    Returns:
        Attributes, the old vertices first; triangles, none with the line inside; and which old
        triangle each comes from. The winding is kept.
    """
    sign = np.where(field >= 0, 1, -1)
    values = np.array(field, dtype=np.float64)
    edges = np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    edges = np.unique(edges, axis=0)
    crossed = edges[sign[edges[:, 0]] != sign[edges[:, 1]]]
    if not len(crossed):
        return attributes, triangles, np.arange(len(triangles))
    a, b = values[crossed[:, 0]], values[crossed[:, 1]]
    share = np.clip(a / (a - b), _SNAP, 1 - _SNAP)[:, None]
    added = attributes[crossed[:, 0]] * (1 - share) + attributes[crossed[:, 1]] * share
    ids = {(int(i), int(j)): len(attributes) + n for n, (i, j) in enumerate(crossed)}
    sides = sign[triangles]
    mixed = np.abs(sides.sum(axis=1)) != 3
    kept = np.flatnonzero(~mixed)
    made: list[tuple[int, int, int]] = []
    source: list[int] = []
    for t in np.flatnonzero(mixed):
        # Turn the triangle so that its first corner is alone on its side of the line.
        first = int(np.flatnonzero(sides[t] == -np.sign(sides[t].sum()))[0])
        p, q, r = (int(triangles[t, (first + k) % 3]) for k in range(3))
        pq, pr = ids[min(p, q), max(p, q)], ids[min(p, r), max(p, r)]
        made += [(p, pq, pr), (pq, q, r), (pq, r, pr)]
        source += [int(t)] * 3
    return (
        np.concatenate([attributes, added]),
        np.concatenate([triangles[kept], np.array(made, triangles.dtype)]),
        np.concatenate([kept, np.array(source, np.int64)]),
    )
