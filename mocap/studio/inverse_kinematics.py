"""Small pure functions that bend limbs of two bones to reach a point."""

from __future__ import annotations

import numpy as np

from mocap.arrays import Float

Vector = Float[np.ndarray, "3"]
Rotation = Float[np.ndarray, "3 3"]

MAX_STRETCH = 0.998
"""A limb is never stretched further than this share of its length; a straight one has no plane."""


def unit(vector: Vector) -> Vector:
    """The vector with length 1."""
    return vector / np.sqrt(vector @ vector)


def across(vector: Vector, axis: Vector) -> Vector:
    """Unit vector along the part of `vector` which is perpendicular to the unit vector `axis`."""
    return unit(vector - axis * (vector @ axis))


def turn(axis: Vector, angle_rad: float) -> Rotation:
    """Rotation about a unit vector."""
    x, y, z = (float(value) for value in axis)
    s, c = np.sin(angle_rad), 1.0 - np.cos(angle_rad)
    return np.array(
        [
            [1 - c * (y * y + z * z), c * x * y - s * z, c * x * z + s * y],
            [c * x * y + s * z, 1 - c * (x * x + z * z), c * y * z - s * x],
            [c * x * z - s * y, c * y * z + s * x, 1 - c * (x * x + y * y)],
        ]
    )


def turn_by(rotvec: Vector) -> Rotation:
    """Rotation by a rotation vector."""
    angle = float(np.sqrt(rotvec @ rotvec))
    return turn(rotvec / angle, angle) if angle > 1e-12 else np.eye(3)


def frame(along: Vector, hinge: Vector) -> Rotation:
    """Axes of a bone as columns: its direction, its hinge made perpendicular, and their product."""
    x = unit(along)
    y = across(hinge, x)
    z = np.array([x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]])
    return np.stack([x, y, z], axis=1)


def signed_angle(start: Vector, end: Vector, axis: Vector) -> float:
    """Angle about a unit axis from one vector to another, both seen along the axis."""
    a, b = across(start, axis), across(end, axis)
    return float(np.arctan2(np.cross(a, b) @ axis, a @ b))


def split_twist(rotation: Rotation, axis: Vector) -> tuple[Rotation, float]:
    """Splits a rotation into swing @ twist, the twist being about `axis`.

    Returns:
        The swing, which turns `axis` the shortest way to where the rotation turns it, and the
        angle of the twist in radians.
    """
    turned = rotation @ axis
    normal = np.cross(axis, turned)
    sine = float(np.linalg.norm(normal))
    angle = float(np.arctan2(sine, axis @ turned))
    swing = turn(normal / sine, angle) if sine > 1e-9 else np.eye(3)
    twist = swing.T @ rotation
    helper = across(np.eye(3)[int(np.argmin(np.abs(axis)))], axis)
    return swing, signed_angle(helper, twist @ helper, axis)


def bend_limb(
    start: Vector, end: Vector, pole: Vector, upper_m: float, lower_m: float
) -> tuple[Vector, Vector, Vector]:
    """Where the middle joint of a limb goes when its ends are given.

    Args:
        start: the upper end.
        end: where the lower end should be. When it is out of reach, the limb points to it.
        pole: the direction in which the middle joint stands off the line between the ends.
        upper_m: length of the upper bone.
        lower_m: length of the lower bone.

    Returns:
        Unit directions of the upper and of the lower bone, and the hinge: about it the lower
        bone turns against the upper one when the limb bends (a negative turn for a knee).
    """
    line = end - start
    distance = float(np.sqrt(line @ line))
    axis = line / distance
    reach = upper_m + lower_m
    distance = min(max(distance, abs(upper_m - lower_m) / MAX_STRETCH), reach * MAX_STRETCH)
    side = across(pole, axis)
    along = (upper_m**2 - lower_m**2 + distance**2) / (2 * distance)
    off = float(np.sqrt(max(upper_m**2 - along**2, 0.0)))
    middle = along * axis + off * side
    upper = middle / upper_m
    lower = unit(distance * axis - middle)
    return upper, lower, np.cross(side, axis)
