"""Joint angles by the conventions of the International Society of Biomechanics.

Sources: Grood and Suntay (J Biomech Eng 105, 1983) for the knee; Wu et al. (J Biomech 35, 2002) for
ankle, hip and spine, (38, 2005) for shoulder, elbow and wrist; Baker (Gait & Posture 13, 2001) for
pelvis and trunk against the world. docs/joint_angles.md describes each angle.

Angles of the left side are those of its mirror image, so that the same movement of either side has
the same sign. Their uncertainty is carried over, to first order, from the covariances of the joint
rotations along the chain, taken as independent of each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mocap.arrays import Bool, Float
from mocap.body.biomechanics import sequences
from mocap.body.biomechanics.frames import WORLD_AXES, anatomical_frames
from mocap.body.biomechanics.segments import SIDES, BodySegments, body_segments
from mocap.body.biomechanics.tables import QuantityTable
from mocap.errors import InputError
from mocap.geometry.kinematics import forward_kinematics
from mocap.geometry.rotations import matrix_from_quaternion
from mocap.model.body_motion import BodyMotion

WORLD = "world"
SWING = "swing"
_MIRROR = np.diag([1.0, 1.0, -1.0])
_MIRROR_TURN = np.diag([-1.0, -1.0, 1.0])
"""What the mirror makes of a rotation vector."""


@dataclass(frozen=True)
class JointDefinition:
    """How the angles between two segments are made.

    Attributes:
        proximal: segment that the angles are relative to, or "world".
        distal: segment whose angles they are.
        sequence: three letters of XYZ, or "swing" for swing and twist.
        angles: name and sign of the three angles; an angle without a name is not reported.
    """

    proximal: str
    distal: str
    sequence: str
    angles: tuple[tuple[str | None, float], ...]


_CENTRAL = (
    JointDefinition(
        WORLD,
        "pelvis",
        "YXZ",
        (("pelvis_left_rotation", 1.0), ("pelvis_right_drop", 1.0), ("pelvis_anterior_tilt", -1.0)),
    ),
    JointDefinition(
        WORLD,
        "thorax",
        "YXZ",
        (("thorax_left_rotation", 1.0), ("thorax_right_lean", 1.0), ("thorax_forward_lean", -1.0)),
    ),
    JointDefinition(
        "pelvis",
        "thorax",
        "ZXY",
        (("trunk_flexion", -1.0), ("trunk_right_bend", 1.0), ("trunk_left_rotation", 1.0)),
    ),
    JointDefinition(
        "thorax",
        "head",
        "ZXY",
        (("neck_flexion", -1.0), ("neck_right_bend", 1.0), ("neck_left_rotation", 1.0)),
    ),
)
_PAIRED = (
    JointDefinition(
        "pelvis",
        "thigh",
        "ZXY",
        (("hip_flexion", 1.0), ("hip_adduction", 1.0), ("hip_internal_rotation", 1.0)),
    ),
    JointDefinition(
        "thigh",
        "shank",
        "ZXY",
        (("knee_flexion", -1.0), ("knee_adduction", 1.0), ("knee_internal_rotation", 1.0)),
    ),
    JointDefinition(
        "shank",
        "foot",
        "ZXY",
        (("ankle_dorsiflexion", 1.0), ("ankle_inversion", 1.0), ("ankle_internal_rotation", 1.0)),
    ),
    JointDefinition(
        "thorax",
        "clavicle",
        "YXZ",
        (("clavicle_protraction", 1.0), ("clavicle_elevation", -1.0), (None, 1.0)),
    ),
    JointDefinition(
        "thorax",
        "upper_arm",
        "YXY",
        (
            ("shoulder_plane_of_elevation", 1.0),
            ("shoulder_elevation", -1.0),
            ("shoulder_axial_rotation", 1.0),
        ),
    ),
    JointDefinition(
        "thorax",
        "upper_arm",
        SWING,
        (
            ("shoulder_flexion", 1.0),
            ("shoulder_abduction", 1.0),
            ("shoulder_internal_rotation", 1.0),
        ),
    ),
    JointDefinition(
        "upper_arm",
        "forearm",
        "ZXY",
        (("elbow_flexion", 1.0), ("elbow_carrying_angle", -1.0), ("forearm_pronation", 1.0)),
    ),
    # The wrist cannot turn about the forearm: what a model turns there is pronation.
    JointDefinition(
        "forearm",
        "hand",
        "YZX",
        (("forearm_pronation", 1.0), ("wrist_flexion", 1.0), ("wrist_ulnar_deviation", 1.0)),
    ),
)


_MIDDLE_DEG = {
    "hip_flexion": 45.0,
    "knee_flexion": 70.0,
    "shoulder_plane_of_elevation": 45.0,
    "shoulder_axial_rotation": -45.0,
    "shoulder_flexion": 60.0,
    "shoulder_abduction": 60.0,
    "elbow_flexion": 70.0,
    "forearm_pronation": 80.0,
}
"""Middles of the ranges of joints, where that is not near zero: an angle of a joint is reported
within half a turn of it, so that a full turn more or less can only come where no joint can be."""


def _all_definitions() -> tuple[tuple[str, JointDefinition], ...]:
    """Definitions with their side: "left", "right" or "" for none."""
    return (*(("", d) for d in _CENTRAL), *((side, d) for side in SIDES for d in _PAIRED))


ANGLE_NAMES: tuple[str, ...] = tuple(
    dict.fromkeys(
        f"{side}_{name}" if side else name
        for side, definition in _all_definitions()
        for name, _ in definition.angles
        if name is not None
    )
)
"""All angles, in the order of the table."""


@dataclass(frozen=True, eq=False)
class SegmentTurns:
    """Orientation of the segments of one person, with what uncertainty needs.

    Attributes:
        motion: the motion.
        body: its joints by anatomical names.
        frames: anatomical frame of each segment in the rest pose.
        rotations: of each joint relative to its parent, (F, J, 3, 3).
        orientations: from the frame of the model to the world, of each joint.
    """

    motion: BodyMotion
    body: BodySegments
    frames: dict[str, np.ndarray]
    rotations: np.ndarray
    orientations: np.ndarray

    @classmethod
    def of_motion(cls, motion: BodyMotion, names: Mapping[str, str] | None = None) -> SegmentTurns:
        """Prepares a motion; `names` as in `joint_angles`.

        Raises:
            InputError: the motion has no frames or some without a pose, or its joints are not
                known by their names.
        """
        if not len(motion):
            raise InputError(f"the motion of person {motion.person_id} has no frames")
        if not np.isfinite(motion.rotations).all():
            raise InputError(
                f"the motion of person {motion.person_id} has frames without a pose; fill them "
                f"and mark them in `present`"
            )
        body = body_segments(motion.tree, motion.rest_joints_m, names)
        frames = anatomical_frames(body, motion.rest_joints_m)
        rotations = matrix_from_quaternion(motion.rotations)
        _, orientations = forward_kinematics(
            motion.tree.parents, motion.rest_joints_m, motion.root_position_m, rotations
        )
        return cls(motion, body, frames, rotations, orientations)

    def between(
        self, proximal: str, distal: str
    ) -> tuple[np.ndarray, np.ndarray, Bool[np.ndarray, " frames"]] | None:
        """Rotation of one anatomical frame in another, its covariance, and what was measured.

        Args:
            proximal: a segment, or "world".
            distal: a segment.

        Returns:
            (F, 3, 3) rotations; (F, 3, 3) covariances of a small rotation d of the distal frame,
            R exp(d), in square radians; and where all joints between the two were measured. None
            if the model lacks one of the segments.
        """
        below = self.body.carrier(distal)
        above = -1 if proximal == WORLD else self.body.carrier(proximal)
        if distal not in self.frames or below is None or above is None:
            return None
        if proximal == WORLD:
            start = np.broadcast_to(WORLD_AXES.T, (len(self.motion), 3, 3))
        elif proximal in self.frames:
            start = self.frames[proximal].T @ np.swapaxes(self.orientations[:, above], 1, 2)
        else:
            return None
        joints = list(self.body.chain(above, below))
        frame = self.frames[distal]
        rotation = start @ self.orientations[:, below] @ frame
        covariance = np.zeros((len(self.motion), 3, 3))
        back = np.broadcast_to(frame.T, (len(self.motion), 3, 3))
        for joint in reversed(joints):
            spread = self.motion.rotation_covariance_rad2[:, joint]
            covariance = covariance + back @ spread @ np.swapaxes(back, 1, 2)
            back = back @ np.swapaxes(self.rotations[:, joint], 1, 2)
        measured = self.motion.present & self.motion.measured[:, joints].all(axis=1)
        return rotation, covariance, measured


@dataclass(frozen=True, eq=False)
class _Angles:
    value: Float[np.ndarray, "frames 3"]
    sigma: Float[np.ndarray, "frames 3"]
    singular: Bool[np.ndarray, "frames 3"]


def joint_angles(
    motion: BodyMotion,
    *,
    names: Mapping[str, str] | None = None,
    only_measured: bool = False,
) -> QuantityTable:
    """Joint angles of one person, in degrees, with standard deviations.

    Args:
        motion: the motion, on any body model whose joints are known by name.
        names: names of joints by landmark, for other models (`segments.LANDMARKS`).
        only_measured: NaN where an angle was not held by measurements; else such values stay, and
            only the column `measured` tells.

    Returns:
        One column per angle of `ANGLE_NAMES` that the model has. Those of pelvis and thorax
        against the world go on over full turns; those of joints are within half a turn of the
        middle of their range.

    Raises:
        InputError: the model's joints are not known by their names.
    """
    turns = SegmentTurns.of_motion(motion, names)
    columns: dict[str, tuple[np.ndarray, ...]] = {}
    for side, definition in _all_definitions():
        _add(columns, turns, side, definition)
    ordered = [name for name in ANGLE_NAMES if name in columns]
    table = QuantityTable(
        motion.person_id,
        tuple(ordered),
        ("deg",) * len(ordered),
        motion.frame,
        motion.time_s,
        np.degrees(np.stack([columns[name][0] for name in ordered], axis=1)),
        np.degrees(np.stack([columns[name][1] for name in ordered], axis=1)),
        np.stack([columns[name][2] for name in ordered], axis=1),
        np.stack([columns[name][3] for name in ordered], axis=1),
    )
    return table.only_measured() if only_measured else table


def _add(
    columns: dict[str, tuple[np.ndarray, ...]],
    turns: SegmentTurns,
    side: str,
    definition: JointDefinition,
) -> None:
    """Adds the angles of one joint to the columns: value, sigma, measured, singular."""
    prefix = f"{side}_" if side else ""
    upper = definition.proximal
    if upper not in (WORLD, "pelvis", "thorax"):
        upper = prefix + upper
    found = turns.between(upper, prefix + definition.distal)
    if found is None:
        return
    rotation, covariance, measured = found
    angles = angles_of(rotation, covariance, definition.sequence, mirrored=side == "left")
    for k, (name, sign) in enumerate(definition.angles):
        if name is None:
            continue
        value, sigma = sign * angles.value[:, k], angles.sigma[:, k]
        held, singular = measured, angles.singular[:, k]
        before = columns.get(prefix + name)
        if before is not None:
            value, sigma = value + before[0], np.hypot(sigma, before[1])
            held, singular = held & before[2], singular | before[3]
        if upper == WORLD:
            value = sequences.unwrapped(value)
        else:
            value = sequences.around(value, np.radians(_MIDDLE_DEG.get(name, 0.0)))
        value += 0.0  # no negative zeros
        columns[prefix + name] = (value, sigma, held, singular)


def angles_of(
    rotation: Float[np.ndarray, "frames 3 3"],
    covariance: Float[np.ndarray, "frames 3 3"],
    sequence: str,
    *,
    mirrored: bool = False,
) -> _Angles:
    """Angles of anatomical frames in one another, in radians.

    Args:
        rotation: of the distal frame in the proximal one.
        covariance: of a small rotation d of the distal frame, R exp(d).
        sequence: three letters of XYZ, or "swing".
        mirrored: for the left side: angles of the mirror image.

    Returns:
        Values, standard deviations, and whether the angle is next to a singularity. The middle
        angle of a sequence is well defined in its gimbal lock and never flagged.
    """
    if mirrored:
        rotation = _MIRROR @ rotation @ _MIRROR
        covariance = _MIRROR_TURN @ covariance @ _MIRROR_TURN
    singular = np.zeros((len(rotation), 3), dtype=bool)
    if sequence == SWING:
        value = sequences.swing_twist_angles(rotation)
        rates = sequences.swing_twist_rates(rotation)
        singular[:] = sequences.near_overhead(rotation)[:, None]
    else:
        value = sequences.sequence_angles(rotation, sequence)
        rates = sequences.sequence_rates(value, sequence)
        singular[:, ::2] = sequences.near_singular(value, sequence)[:, None]
    return _Angles(value, sequences.sigma_of(rates, covariance), singular)
