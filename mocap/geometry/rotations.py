"""Rotations as vectors, matrices, quaternions (wxyz) and Euler angles, batched.

All functions take any number of leading batch axes. Rotations are active: `R @ v` rotates `v`.
SciPy does the conversions; this module fixes the conventions and the axes.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from mocap.arrays import Float

_OPPOSITE = 1e-16
"""Half the squared length of the sum of two directions, below which they count as opposite."""


def matrix_from_rotvec(rotvec: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Rotation matrices of rotation vectors (axis times angle in radians)."""
    vectors = np.array(rotvec, dtype=np.float64)  # SciPy takes no read-only ones
    flat = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix()
    return flat.reshape(*vectors.shape[:-1], 3, 3)


def rotvec_from_matrix(matrix: Float[np.ndarray, "*batch 3 3"]) -> Float[np.ndarray, "*batch 3"]:
    """Rotation vectors, of length at most pi, of rotation matrices."""
    matrices = np.asarray(matrix, dtype=np.float64)
    flat = Rotation.from_matrix(matrices.reshape(-1, 3, 3)).as_rotvec()
    return flat.reshape(*matrices.shape[:-2], 3)


def quaternion_from_matrix(
    matrix: Float[np.ndarray, "*batch 3 3"],
) -> Float[np.ndarray, "*batch 4"]:
    """Unit quaternions in wxyz order, with w not negative."""
    matrices = np.asarray(matrix, dtype=np.float64)
    flat = Rotation.from_matrix(matrices.reshape(-1, 3, 3)).as_quat(
        canonical=True, scalar_first=True
    )
    return flat.reshape(*matrices.shape[:-2], 4)


def matrix_from_quaternion(
    quaternion: Float[np.ndarray, "*batch 4"],
) -> Float[np.ndarray, "*batch 3 3"]:
    """Rotation matrices of quaternions in wxyz order, which need not be of unit length."""
    quaternions = np.asarray(quaternion, dtype=np.float64)
    flat = Rotation.from_quat(quaternions.reshape(-1, 4), scalar_first=True).as_matrix()
    return flat.reshape(*quaternions.shape[:-1], 3, 3)


def euler_from_matrix(
    matrix: Float[np.ndarray, "*batch 3 3"], order: str
) -> Float[np.ndarray, "*batch 3"]:
    """Intrinsic Euler angles in radians.

    Args:
        matrix: rotation matrices.
        order: three different letters of XYZ. With "ZXY", R = Rz(a0) Rx(a1) Ry(a2), as BVH
            means a joint whose channels are Zrotation Xrotation Yrotation.
    """
    matrices = np.asarray(matrix, dtype=np.float64)
    flat = Rotation.from_matrix(matrices.reshape(-1, 3, 3)).as_euler(order.upper())
    return flat.reshape(*matrices.shape[:-2], 3)


def matrix_from_euler(
    angles: Float[np.ndarray, "*batch 3"], order: str
) -> Float[np.ndarray, "*batch 3 3"]:
    """Inverse of `euler_from_matrix`."""
    values = np.asarray(angles, dtype=np.float64)
    flat = Rotation.from_euler(order.upper(), values.reshape(-1, 3)).as_matrix()
    return flat.reshape(*values.shape[:-1], 3, 3)


def rotation_between(
    start: Float[np.ndarray, "*#batch 3"], end: Float[np.ndarray, "*#batch 3"]
) -> Float[np.ndarray, "... 3 3"]:
    """The smallest rotations that turn directions `start` into directions `end`.

    The batch axes are broadcast. Neither needs unit length. Opposite directions are turned by pi
    about an axis which is perpendicular to `start` and chosen by its smallest component. NaN or
    zero vectors give NaN.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        a = start / np.linalg.norm(start, axis=-1, keepdims=True)
        b = end / np.linalg.norm(end, axis=-1, keepdims=True)
    a, b = np.broadcast_arrays(a, b)
    # 1 + cosine, in a form which keeps its digits where the directions are nearly opposite.
    nearness = np.sum((a + b) ** 2, axis=-1)[..., None, None] / 2
    axis = np.cross(a, b)
    skew = skew_matrix(axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        result = np.eye(3) + skew + skew @ skew / nearness
    opposite = nearness[..., 0, 0] < _OPPOSITE
    if np.any(opposite):
        helper = np.eye(3)[np.argmin(np.abs(a[opposite]), axis=-1)]
        normal = np.cross(a[opposite], helper)
        normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
        result[opposite] = 2.0 * normal[..., :, None] * normal[..., None, :] - np.eye(3)
    return result


def skew_matrix(vector: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Matrices S with S @ u = vector x u."""
    x, y, z = np.moveaxis(np.asarray(vector, dtype=np.float64), -1, 0)
    zero = np.zeros_like(x)
    rows = [zero, -z, y, z, zero, -x, -y, x, zero]
    return np.stack(rows, axis=-1).reshape(*np.shape(x), 3, 3)
