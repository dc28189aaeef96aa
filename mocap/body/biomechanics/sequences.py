"""Three angles of a rotation in the sequences of the ISB, with their derivatives and singularities.

Every function takes rotations R of a distal frame in a proximal one, whose axes are X forwards, Y
upwards (proximally) and Z to the right (Wu et al. 2002). A sequence such as "ZXY" means
R = Rz(a) Rx(b) Ry(c): in the words of Grood and Suntay (1983), a turns about the Z of the proximal
segment, c about the Y of the distal one, and b about the floating axis perpendicular to both.
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy.spatial.transform import Rotation

from mocap.arrays import Bool, Float
from mocap.geometry.rotations import matrix_from_rotvec

AXES = {"X": np.array([1.0, 0, 0]), "Y": np.array([0, 1.0, 0]), "Z": np.array([0, 0, 1.0])}
SINGULAR_RAD = float(np.deg2rad(10.0))
"""Angle to the gimbal lock below which angles are flagged: errors of the outer two grow by six."""
LARGEST_SIGMA_RAD = 2 * np.pi / np.sqrt(12.0)
"""Standard deviation of an angle of which nothing is known."""
_TINY = 1e-9
_STEP = 1e-6


def sequence_angles(
    rotation: Float[np.ndarray, "frames 3 3"], sequence: str
) -> Float[np.ndarray, "frames 3"]:
    """The three angles, in radians, each within half a turn.

    Of the two triples that mean one rotation, the middle angle is within a quarter turn (three
    different axes), or negative (first and last axis the same), as Wu et al. (2005) have it for
    the elevation of the arm. At the gimbal lock the last angle is zero.

    Args:
        rotation: rotation matrices.
        sequence: three letters of XYZ, no two neighbours the same.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # gimbal lock is flagged by `near_singular`
        angles = Rotation.from_matrix(rotation.reshape(-1, 3, 3)).as_euler(sequence)
    angles = angles.reshape(-1, 3)
    if sequence[0] == sequence[2]:
        angles *= (1.0, -1.0, 1.0)
        angles[:, ::2] = wrapped(angles[:, ::2] + np.pi)
        # The lock leaves the last angle to choose: all of the turn goes into the first.
        locked = np.abs(np.sin(angles[:, 1])) < _TINY
        sign = np.where(np.cos(angles[:, 1]) > 0, 1.0, -1.0)
        total = wrapped(angles[:, 0] + sign * angles[:, 2])
        angles[locked, 0] = total[locked]
        angles[locked, 2] = 0.0
    return angles


def sequence_rates(
    angles: Float[np.ndarray, "frames 3"], sequence: str
) -> Float[np.ndarray, "frames 3 3"]:
    """Derivatives of the angles by a small rotation d of the distal frame, R exp(d).

    With R = Ra(a) Rb(b) Rc(c), d = c' ec + Rc^T eb b' + Rc^T Rb^T ea a'; the matrix of that is
    inverted. At the gimbal lock the entries are huge, but finite.
    """
    first, middle, last = (AXES[letter] for letter in sequence)
    back_c = matrix_from_rotvec(-angles[:, 2:] * last)
    back_b = matrix_from_rotvec(-angles[:, 1:2] * middle)
    columns = (
        np.einsum("fij,fjk,k->fi", back_c, back_b, first),
        back_c @ middle,
        np.broadcast_to(last, (len(angles), 3)),
    )
    a, b, c = columns
    minors = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1)
    determinant = np.sum(minors[:, 0] * a, axis=1)
    small = np.abs(determinant) < _TINY
    determinant = np.where(small, np.copysign(_TINY, determinant), determinant)
    return minors / determinant[:, None, None]


def near_singular(
    angles: Float[np.ndarray, "frames 3"], sequence: str
) -> Bool[np.ndarray, " frames"]:
    """Whether the middle angle is within ten degrees of the gimbal lock."""
    same = sequence[0] == sequence[2]
    distance = np.sin(angles[:, 1]) if same else np.cos(angles[:, 1])
    return np.abs(distance) < np.sin(SINGULAR_RAD)


def swing_twist_angles(
    rotation: Float[np.ndarray, "frames 3 3"],
) -> Float[np.ndarray, "frames 3"]:
    """Flexion, abduction and internal rotation of the arm without a gimbal lock at the side.

    The long axis Y of the arm is swung on the shortest way out of the hanging position, then
    turned about itself: R = swing twist. The rotation vector of the swing lies in the transverse
    plane of the thorax; its Z part is flexion (the share of the swing in the sagittal plane), its
    negative X part abduction. Straight overhead, half a turn from hanging, the direction of the
    swing is undetermined. (Tilt and torsion; Bonev et al. 2002. With the ISB's plane of elevation
    p, elevation e and axial rotation r: e sin p, e cos p, and p + r.)

    Returns:
        Radians; positive for flexion, abduction and internal rotation of a right arm.
    """
    swing, twist = _swing_twist(rotation)
    return np.stack([swing[:, 2], -swing[:, 0], twist], axis=1)


def _swing_twist(
    rotation: Float[np.ndarray, "frames 3 3"],
) -> tuple[Float[np.ndarray, "frames 3"], Float[np.ndarray, " frames"]]:
    """Rotation vector of the swing of Y, and angle of the twist about Y."""
    along = rotation[:, :, 1]
    sine = np.hypot(along[:, 0], along[:, 2])
    angle = np.arctan2(sine, along[:, 1])
    # Y x along = (z, 0, -x); the ratio tends to 1 as the sine does to 0 for a hanging arm.
    tiny = sine < _TINY
    ratio = np.where(tiny, 1.0, angle / np.where(tiny, 1.0, sine))
    swing = np.stack([along[:, 2] * ratio, np.zeros_like(sine), -along[:, 0] * ratio], axis=1)
    overhead = tiny & (along[:, 1] < 0)
    swing[overhead] = (0.0, 0.0, np.pi)
    rest = np.swapaxes(matrix_from_rotvec(swing), 1, 2) @ rotation
    return swing, np.arctan2(rest[:, 0, 2], rest[:, 2, 2])


def swing_twist_rates(
    rotation: Float[np.ndarray, "frames 3 3"],
) -> Float[np.ndarray, "frames 3 3"]:
    """Derivatives of `swing_twist_angles` by a small rotation d of the arm, R exp(d)."""
    columns = []
    for axis in np.eye(3):
        ahead, behind = (
            swing_twist_angles(rotation @ matrix_from_rotvec(sign * _STEP * axis))
            for sign in (1.0, -1.0)
        )
        columns.append(wrapped(ahead - behind) / (2 * _STEP))
    return np.stack(columns, axis=2)


def near_overhead(
    rotation: Float[np.ndarray, "frames 3 3"],
) -> Bool[np.ndarray, " frames"]:
    """Whether the arm is within ten degrees of straight overhead, where the swing is singular."""
    return rotation[:, 1, 1] < -np.cos(SINGULAR_RAD)


def wrapped(angle: np.ndarray) -> np.ndarray:
    """Angles in radians brought into (-pi, pi]."""
    return np.pi - np.mod(np.pi - angle, 2 * np.pi)


def sigma_of(
    rates: Float[np.ndarray, "frames 3 3"], covariance: Float[np.ndarray, "frames 3 3"]
) -> Float[np.ndarray, "frames 3"]:
    """Standard deviations of three angles, to first order.

    Args:
        rates: derivatives of the angles by a small rotation.
        covariance: of that rotation, square radians; NaN where unknown.
    """
    variance = np.einsum("fij,fjk,fik->fi", rates, covariance, rates)
    with np.errstate(invalid="ignore"):
        return np.minimum(np.sqrt(np.maximum(variance, 0.0)), LARGEST_SIGMA_RAD)


def unwrapped(angle: Float[np.ndarray, " frames"]) -> Float[np.ndarray, " frames"]:
    """An angle without jumps of a full turn, its median within half a turn; for turning bodies.

    Args:
        angle: radians.
    """
    result = np.unwrap(angle)
    middle = float(np.median(result))
    return result - (middle - float(wrapped(np.array(middle))))


def around(angle: Float[np.ndarray, " frames"], middle: float) -> Float[np.ndarray, " frames"]:
    """An angle in radians within half a turn of a value; for joints, which cannot turn round."""
    return middle + wrapped(angle - middle)


def continuous(angles: Float[np.ndarray, "frames 3"]) -> Float[np.ndarray, "frames 3"]:
    """The triples of three different axes that change least from frame to frame.

    Of the two triples that mean one rotation, and of all full turns, each frame takes the one next
    to the frame before, so that a motion through the gimbal lock goes on smoothly behind it. The
    first frame is taken as it is.

    Args:
        angles: radians, as from `sequence_angles`.
    """
    result = angles.copy()
    both = np.stack([angles, angles * (1.0, -1.0, 1.0) + np.pi], axis=1)
    for t in range(1, len(angles)):
        before = result[t - 1]
        near = both[t] - 2 * np.pi * np.round((both[t] - before) / (2 * np.pi))
        result[t] = near[int(np.argmin(np.abs(near - before).sum(axis=1)))]
    return result
