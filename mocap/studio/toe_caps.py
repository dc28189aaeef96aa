"""Shoes: the toes of a foot are covered by one convex cap."""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull

from mocap.arrays import Float, Int

_BEHIND_M = 0.025
"""How far behind the joints of the toes the cap begins, inside the shoe."""
_OUT_M = 0.0025
"""How far the cap stands out, so that no toe shows."""


def toe_cap(
    vertices_m: Float[np.ndarray, "vertices 3"],
    shoe: Int[np.ndarray, " shoe"],
    toe_joints_m: Float[np.ndarray, "5 3"],
) -> tuple[Int[np.ndarray, " cap"], Float[np.ndarray, "cap 3"], Int[np.ndarray, "triangles 3"]]:
    """The cap of one shoe.

    Args:
        vertices_m: the clothed body at rest, in body axes.
        shoe: the vertices of the shoe.
        toe_joints_m: where the toes begin.

    Returns:
        Of which vertices the cap's are copies (they move with the same bones); where they are;
        and its triangles, as indices into these, seen from outside counter-clockwise.
    """
    own = shoe[vertices_m[shoe, 0] > toe_joints_m[:, 0].mean() - _BEHIND_M]
    points = vertices_m[own]
    hull = ConvexHull(points)
    corners = points[hull.simplices]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    inward = np.einsum("ta,ta->t", normal, hull.equations[:, :3]) < 0
    simplices = hull.simplices.copy()
    simplices[inward] = simplices[inward][:, ::-1]
    normal[inward] *= -1
    summed = np.zeros_like(points)
    for k in range(3):
        np.add.at(summed, simplices[:, k], normal)
    chosen, inverse = np.unique(simplices, return_inverse=True)
    outward = summed[chosen] / np.linalg.norm(summed[chosen], axis=1, keepdims=True)
    cap = points[chosen] + _OUT_M * outward
    # The sole stays where it is.
    cap[:, 2] = np.maximum(cap[:, 2], points[:, 2].min())
    return own[chosen], cap, inverse.reshape(-1, 3)
