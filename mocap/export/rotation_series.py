"""Rotations over time, built from measured directions: frames, gaps, limb twist, Euler angles.

Everything here is a pure function of arrays whose first axis is time. A frame that was not
measured is NaN.
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy.linalg import solveh_banded
from scipy.spatial.transform import Rotation, Slerp

from mocap.arrays import Bool, Float
from mocap.geometry.rotations import (
    euler_from_matrix,
    matrix_from_euler,
    rotation_between,
    rotvec_from_matrix,
)

_SINE_STRAIGHT, _SINE_BENT = 0.13, 0.40
"""Sine of the bend below which the bend plane says nothing, and above which it is trusted."""
_SINE_CERTAIN = 0.70
"""Sine of the bend above which even an unusual bend plane is believed."""
_CONTINUITY, _NEUTRAL = 0.3, 1e-3
"""Weights of a steady twist and of the untwisted limb, against 1 for a trusted bend plane."""
_DEGENERATE = 1e-6


def unit(vector: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
    """Vectors of length one; NaN where the length is (nearly) zero or NaN."""
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    return vector / np.where(length > _DEGENERATE, length, np.nan)


def frame_from_axes(
    primary: Float[np.ndarray, "frames 3"],
    secondary: Float[np.ndarray, "frames 3"],
    rest_primary: Float[np.ndarray, " 3"],
    rest_secondary: Float[np.ndarray, " 3"],
) -> Float[np.ndarray, "frames 3 3"]:
    """Rotations that turn the rest directions into the measured ones.

    The primary direction is met exactly, the secondary as well as the primary allows. NaN where a
    direction is NaN or the two are parallel.
    """
    return _basis(primary, secondary) @ _basis(rest_primary, rest_secondary).T


def _basis(
    primary: Float[np.ndarray, "*batch 3"], secondary: Float[np.ndarray, "*batch 3"]
) -> Float[np.ndarray, "*batch 3 3"]:
    u = unit(primary)
    s = unit(secondary)
    v = unit(s - np.sum(s * u, axis=-1, keepdims=True) * u)
    return np.stack((u, v, np.cross(u, v)), axis=-1)


def measured_rows(values: Float[np.ndarray, "frames ..."]) -> Bool[np.ndarray, " frames"]:
    """True where nothing in the frame is NaN."""
    return np.asarray(np.isfinite(values).reshape(len(values), -1).all(axis=1))


def fill_rotations(rotations: Float[np.ndarray, "frames 3 3"]) -> Float[np.ndarray, "frames 3 3"]:
    """Fills NaN frames: between measured ones on the shortest arc, beyond them by holding.

    A series without any measured frame becomes the identity.
    """
    valid = np.flatnonzero(measured_rows(rotations))
    if len(valid) == 0:
        return np.broadcast_to(np.eye(3), rotations.shape).copy()
    if len(valid) == 1:
        return np.broadcast_to(rotations[valid[0]], rotations.shape).copy()
    if len(valid) == len(rotations):
        return rotations
    result = rotations.copy()
    gaps = np.setdiff1d(np.arange(len(rotations)), valid)
    between = Slerp(valid, Rotation.from_matrix(rotations[valid]))
    result[gaps] = between(np.clip(gaps, valid[0], valid[-1])).as_matrix()
    return result


def fill_positions(positions: Float[np.ndarray, "frames 3"]) -> Float[np.ndarray, "frames 3"]:
    """Fills NaN frames linearly between measured ones, beyond them by holding."""
    valid = np.flatnonzero(measured_rows(positions))
    rows = np.arange(len(positions))
    result = np.empty_like(positions)
    for axis in range(3):
        result[:, axis] = np.interp(rows, valid, positions[valid, axis])
    return result


def limb_rotations(
    upper: Float[np.ndarray, "frames 3"],
    lower: Float[np.ndarray, "frames 3"],
    parent: Float[np.ndarray, "frames 3 3"],
    rest_upper: Float[np.ndarray, " 3"],
    rest_hinge: Float[np.ndarray, " 3"],
) -> Float[np.ndarray, "frames 3 3"]:
    """Rotations of an upper arm or a thigh, its twist taken from the bend of the limb.

    The upper segment's direction is met exactly. The hinge axis is the normal of the bend plane.
    The straighter the limb, the less the normal means, so that the twist is the least-squares
    compromise, over the whole series, between the normals (weighted by the bend), a twist that
    does not change, and, weakest, the twist of a limb turned from its rest pose on the shortest
    way. The twist is measured against a frame carried along the path of the limb by parallel
    transport in the parent's frame, which has no singular direction.

    Args:
        upper: vectors along the upper segment; NaN where not measured.
        lower: vectors along the lower segment; NaN where not measured.
        parent: rotations of the parent joint, without gaps.
        rest_upper: unit direction of the upper segment in the rest pose.
        rest_hinge: unit direction of upper x lower in the rest pose when the limb bends.

    Returns:
        Rotations of the upper segment; NaN where `upper` is NaN.
    """
    result = np.full((len(upper), 3, 3), np.nan)
    rows = np.flatnonzero(measured_rows(unit(upper)))
    if len(rows) == 0:
        return result
    to_parent = np.swapaxes(parent[rows], 1, 2)
    direction = _apply(to_parent, unit(upper[rows]))
    bend = np.cross(direction, _apply(to_parent, unit(lower[rows])))
    sine = np.nan_to_num(np.linalg.norm(bend, axis=1))
    bend = np.nan_to_num(bend)
    neutral = _apply(rotation_between(rest_upper, direction), rest_hinge)

    carried = np.empty_like(direction)
    carried[0] = neutral[0]
    steps = rotation_between(direction[:-1], direction[1:])
    for row, step in enumerate(steps):
        moved = step @ carried[row]
        moved = moved - (moved @ direction[row + 1]) * direction[row + 1]
        carried[row + 1] = moved / np.linalg.norm(moved)

    side = np.cross(direction, carried)
    measured = _plane_vector(bend, carried, side)
    expected = _plane_vector(neutral, carried, side)
    # A slight bend the wrong way is noise of a straight limb, not an elbow turned inside out.
    usual = np.clip(np.sum(measured * expected, axis=1) + 0.5, 0.0, 1.0)
    usual += (1.0 - usual) * _smooth_step(sine, _SINE_BENT, _SINE_CERTAIN)
    weight = _smooth_step(sine, _SINE_STRAIGHT, _SINE_BENT) * usual
    twist = _steady_directions(measured, weight, expected, np.diff(rows).astype(np.float64))

    hinge = twist[:, :1] * carried + twist[:, 1:] * side
    result[rows] = parent[rows] @ frame_from_axes(direction, hinge, rest_upper, rest_hinge)
    return result


def _apply(
    rotation: Float[np.ndarray, "frames 3 3"], vector: Float[np.ndarray, "*any 3"]
) -> Float[np.ndarray, "frames 3"]:
    return np.squeeze(rotation @ vector[..., None], axis=-1)


def _plane_vector(
    vector: Float[np.ndarray, "frames 3"],
    first: Float[np.ndarray, "frames 3"],
    second: Float[np.ndarray, "frames 3"],
) -> Float[np.ndarray, "frames 2"]:
    """Coordinates in a plane, made unit length (zero stays zero)."""
    plane = np.stack((np.sum(vector * first, axis=1), np.sum(vector * second, axis=1)), axis=1)
    length = np.linalg.norm(plane, axis=1, keepdims=True)
    return plane / np.where(length > _DEGENERATE, length, 1.0)


def _smooth_step(
    value: Float[np.ndarray, " frames"], low: float, high: float
) -> Float[np.ndarray, " frames"]:
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _steady_directions(
    measured: Float[np.ndarray, "frames 2"],
    weight: Float[np.ndarray, " frames"],
    expected: Float[np.ndarray, "frames 2"],
    step: Float[np.ndarray, " steps"],
) -> Float[np.ndarray, "frames 2"]:
    """Unit vectors which minimise the weighted squares named in `limb_rotations`.

    Vectors rather than angles: nothing has to be unwrapped, and the problem stays linear.
    """
    link = _CONTINUITY / step
    diagonal = weight + _NEUTRAL
    diagonal[:-1] += link
    diagonal[1:] += link
    banded = np.zeros((2, len(diagonal)))
    banded[0, 1:] = -link
    banded[1] = diagonal
    right = weight[:, None] * measured + _NEUTRAL * expected
    solved = np.asarray(solveh_banded(banded, right), dtype=np.float64)
    length = np.linalg.norm(solved, axis=1, keepdims=True)
    return np.where(length > _DEGENERATE, solved / np.maximum(length, _DEGENERATE), expected)


def continuous_euler(
    rotations: Float[np.ndarray, "frames joints 3 3"], order: str
) -> Float[np.ndarray, "frames joints 3"]:
    """Intrinsic Euler angles in radians that change from frame to frame as little as possible.

    Of the two triples that mean the same rotation, and of all full turns, the one nearest to the
    frame before is taken, so that angles may exceed a half turn. Where the middle angle is a
    quarter turn and the outer two act about one axis, the first is kept.

    Args:
        rotations: rotation matrices.
        order: three different letters of XYZ, as in `mocap.geometry.rotations.euler_from_matrix`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # gimbal lock is dealt with below
        angles = euler_from_matrix(rotations, order)
    other = angles * (1.0, -1.0, 1.0) + np.pi
    locked = np.abs(np.cos(angles[..., 1])) < 1e-6
    last_axis = "XYZ".index(order[2])
    result = np.empty_like(angles)
    before = np.zeros(angles.shape[1:])
    full = 2.0 * np.pi
    for row in range(len(angles)):
        for joint in np.flatnonzero(locked[row]):
            first, middle = before[joint, 0], angles[row, joint, 1]
            outer = matrix_from_euler(np.array([first, middle, 0.0]), order)
            remainder = rotvec_from_matrix(outer.T @ rotations[row, joint])
            angles[row, joint] = other[row, joint] = (first, middle, remainder[last_axis])
        choices = np.stack((angles[row], other[row]))
        choices -= full * np.round((choices - before) / full)
        cost = np.abs(choices - before).sum(axis=-1)
        result[row] = np.where((cost[0] <= cost[1])[:, None], choices[0], choices[1])
        before = result[row]
    return result
