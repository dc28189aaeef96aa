"""Joint angles as coordinates of OpenSim's full-body models, for motion (MOT) files.

Names, sequences and signs are those of Rajagopal et al. (IEEE Trans Biomed Eng 63, 2016), which
most later models share. OpenSim's world and segments have X forwards, Y upwards, Z to the right.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mocap.body.biomechanics import sequences
from mocap.body.biomechanics.frames import WORLD_AXES
from mocap.body.biomechanics.joint_angles import (
    WORLD,
    JointDefinition,
    SegmentTurns,
    angles_of,
    joint_angles,
)
from mocap.body.biomechanics.segments import SIDES
from mocap.body.biomechanics.tables import QuantityTable
from mocap.model.body_motion import BodyMotion

_SAME: dict[str, str] = {
    "hip_flexion": "hip_flexion",
    "hip_adduction": "hip_adduction",
    "hip_rotation": "hip_internal_rotation",
    "knee_angle": "knee_flexion",
    "ankle_angle": "ankle_dorsiflexion",
    "subtalar_angle": "ankle_inversion",
    "elbow_flex": "elbow_flexion",
    "pro_sup": "forearm_pronation",
    "wrist_flex": "wrist_flexion",
    "wrist_dev": "wrist_ulnar_deviation",
}
"""Coordinates of a side that are angles of the ISB by another name."""
_PELVIS = JointDefinition(
    WORLD, "pelvis", "ZXY", (("pelvis_tilt", 1.0), ("pelvis_list", 1.0), ("pelvis_rotation", 1.0))
)
_LUMBAR = JointDefinition(
    "pelvis",
    "thorax",
    "ZXY",
    (("lumbar_extension", 1.0), ("lumbar_bending", 1.0), ("lumbar_rotation", 1.0)),
)
_ARM = JointDefinition(
    "thorax", "upper_arm", "ZXY", (("arm_flex", 1.0), ("arm_add", 1.0), ("arm_rot", 1.0))
)


def opensim_coordinates(
    motion: BodyMotion, *, names: Mapping[str, str] | None = None
) -> QuantityTable:
    """Coordinates of one person, in degrees and metres.

    Args:
        motion: the motion.
        names: names of joints by landmark, for models whose joints are not known by name.

    Returns:
        "pelvis_tilt", "pelvis_list", "pelvis_rotation" (deg), "pelvis_tx", "pelvis_ty",
        "pelvis_tz" (m, Y upwards), then angles with "_r" and "_l". The pelvis is at the model's
        root joint of it, and arms are continued through their gimbal lock at 90 degrees of
        abduction. Clavicles and toes are not among them.

    Raises:
        InputError: the model's joints are not known by their names.
    """
    turns = SegmentTurns.of_motion(motion, names)
    pelvis = motion.tree.names[turns.body.landmarks["pelvis"]]
    tables = [_table(turns, _PELVIS, ""), _place(motion, motion.tree.index(pelvis))]
    isb = joint_angles(motion, names=names)
    lumbar = _table(turns, _LUMBAR, "")
    tables.append(lumbar)
    for side in reversed(SIDES):
        found = {f"{new}_{side[0]}": f"{side}_{old}" for new, old in _SAME.items()}
        there = {new: old for new, old in found.items() if old in isb.names}
        chosen = isb.select(there.values())
        tables.append(_renamed(chosen, tuple(there)))
        if turns.between("thorax", f"{side}_upper_arm") is not None:
            tables.append(_table(turns, _ARM, side))
    return tables[0].joined(*tables[1:])


def _renamed(table: QuantityTable, names: tuple[str, ...]) -> QuantityTable:
    return QuantityTable(
        table.person_id,
        names,
        table.units,
        table.frame,
        table.time_s,
        table.values,
        table.sigma,
        table.measured,
        table.singular,
    )


def _table(turns: SegmentTurns, definition: JointDefinition, side: str) -> QuantityTable:
    """Angles in OpenSim's sequence, continued through the gimbal lock."""
    motion = turns.motion
    distal = f"{side}_{definition.distal}" if side else definition.distal
    found = turns.between(definition.proximal, distal)
    assert found is not None
    rotation, covariance, measured = found
    angles = angles_of(rotation, covariance, definition.sequence, mirrored=side == "left")
    signs = np.array([sign for _, sign in definition.angles])
    suffix = f"_{side[0]}" if side else ""
    return QuantityTable(
        motion.person_id,
        tuple(f"{name}{suffix}" for name, _ in definition.angles),
        ("deg",) * 3,
        motion.frame,
        motion.time_s,
        np.degrees(sequences.continuous(angles.value) * signs) + 0.0,
        np.degrees(angles.sigma),
        np.repeat(measured[:, None], 3, axis=1),
        angles.singular,
    )


def _place(motion: BodyMotion, joint: int) -> QuantityTable:
    covariance = WORLD_AXES.T @ motion.position_covariance_m2[:, joint] @ WORLD_AXES
    measured = motion.present & motion.measured[:, joint]
    return QuantityTable(
        motion.person_id,
        ("pelvis_tx", "pelvis_ty", "pelvis_tz"),
        ("m",) * 3,
        motion.frame,
        motion.time_s,
        motion.joint_positions_m[:, joint] @ WORLD_AXES,
        np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)),
        np.repeat(measured[:, None], 3, axis=1),
        np.zeros((len(motion), 3), dtype=bool),
    )
