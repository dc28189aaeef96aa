"""Linear blend skinning: a surface that follows the joints of a body."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from mocap.arrays import Float


def skin(
    weights: sparse.csr_matrix,
    rest_vertices_m: Float[np.ndarray, "#frames vertices 3"],
    rest_joints_m: Float[np.ndarray, "joints 3"],
    positions_m: Float[np.ndarray, "frames joints 3"],
    orientations: Float[np.ndarray, "frames joints 3 3"],
) -> Float[np.ndarray, "frames vertices 3"]:
    """Vertices of a skinned surface, v = sum_j w_j (G_j (v_rest - rest_j) + p_j).

    The blended transforms are computed in single precision, which is exact to a micrometre.

    Args:
        weights: how much each joint moves each vertex, (vertices, joints); rows sum to 1.
        rest_vertices_m: the surface at rest, the same for all frames or one for each.
        rest_joints_m: the joints at rest.
        positions_m: world positions of the joints.
        orientations: rotations from the frame of the model to the world.

    Returns:
        World positions in metres, single precision.
    """
    frames, joints = positions_m.shape[:2]
    moved = np.empty((joints, frames, 3, 4), np.float32)
    moved[..., :3] = np.moveaxis(orientations, 1, 0)
    # Relative to the root, so that single precision does not suffer far from the origin.
    shift = positions_m - np.einsum("fjab,jb->fja", orientations, rest_joints_m)
    moved[..., 3] = np.moveaxis(shift - positions_m[:, :1], 1, 0)
    blended = (weights @ moved.reshape(joints, -1)).reshape(-1, frames, 3, 4)
    rest = np.broadcast_to(rest_vertices_m, (frames, *rest_vertices_m.shape[1:]))
    result = np.einsum("vfab,fvb->fva", blended[..., :3], rest.astype(np.float32))
    result += np.moveaxis(blended[..., 3], 0, 1)
    result += positions_m[:, :1].astype(np.float32)
    return result
