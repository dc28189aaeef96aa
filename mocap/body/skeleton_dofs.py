"""The anatomical degrees of freedom of the kinematic skeleton, with their limits.

Everything is given for the midline and the left side; the right side is the mirror image. In the
rest pose, a T-pose, left is +X, the body faces -Y and +Z is up; palms face down and all values
are zero. Limits are those of active movement of healthy adults (American Academy of Orthopaedic
Surgeons, Joint Motion, 1965; Kapandji, The Physiology of the Joints), widened where one rotation
stands for several joints. A knee has no degree of freedom sideways, an elbow none but flexion and
the turn of the forearm.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mocap.body.model import Dofs
from mocap.body.skeleton_tree import FINGERS, SIDES, finger_joints
from mocap.model.body_motion import JointTree

_X, _Y, _Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
_MINUS_X, _MINUS_Y, _MINUS_Z = (-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0)

_H = float(np.sqrt(0.5))
THUMB_DIRECTION = (_H, -_H, 0.0)
"""Of the left thumb in the rest pose: half forwards."""
_THUMB_FLEXION = (0.5, 0.5, _H)
"""Turns the tip of the left thumb over the palm: half backwards, half down."""
_THUMB_PALMAR = (0.5, 0.5, -_H)
"""Turns the left thumb away from the palm."""


class _Dof(NamedTuple):
    name: str
    axis: tuple[float, float, float]
    low_deg: float
    high_deg: float
    rest_deg: float
    sigma_deg: float
    together: bool = False


_MIDLINE: dict[str, tuple[_Dof, ...]] = {
    joint: (
        _Dof(f"{word}_flexion", _X, *flexion, 0.0, sigma[0]),
        _Dof(f"{word}_left_bend", _Y, -bend, bend, 0.0, sigma[1], True),
        _Dof(f"{word}_left_turn", _Z, -turn, turn, 0.0, sigma[2]),
    )
    for joint, word, flexion, bend, turn, sigma in (
        ("Spine", "lumbar", (-20.0, 40.0), 20.0, 15.0, (12.0, 8.0, 6.0)),
        ("Spine1", "thoracolumbar", (-20.0, 35.0), 20.0, 20.0, (12.0, 8.0, 8.0)),
        ("Spine2", "thoracic", (-20.0, 30.0), 20.0, 20.0, (12.0, 8.0, 8.0)),
        ("Neck", "neck", (-40.0, 45.0), 30.0, 40.0, (15.0, 10.0, 15.0)),
        ("Head", "head", (-40.0, 30.0), 20.0, 45.0, (12.0, 8.0, 20.0)),
    )
}

_LEFT: dict[str, tuple[_Dof, ...]] = {
    "Shoulder": (
        _Dof("clavicle_elevation", _MINUS_Y, -15.0, 45.0, 0.0, 12.0),
        _Dof("clavicle_protraction", _MINUS_Z, -30.0, 35.0, 0.0, 12.0, True),
    ),
    # A swing from the T-pose and a twist: no gimbal lock wherever an arm can go.
    "Arm": (
        _Dof("shoulder_elevation", _MINUS_Y, -115.0, 120.0, -60.0, 60.0),
        _Dof("shoulder_horizontal_flexion", _MINUS_Z, -80.0, 140.0, 20.0, 60.0, True),
        _Dof("shoulder_internal_rotation", _X, -100.0, 100.0, 0.0, 45.0),
    ),
    "ForeArm": (
        _Dof("elbow_flexion", _MINUS_Z, -5.0, 150.0, 30.0, 60.0),
        _Dof("forearm_pronation", _X, -90.0, 90.0, 0.0, 35.0),
    ),
    "Hand": (
        _Dof("wrist_flexion", _Y, -75.0, 85.0, 0.0, 25.0),
        _Dof("wrist_radial_deviation", _MINUS_Z, -40.0, 30.0, 0.0, 12.0, True),
    ),
    "UpLeg": (
        _Dof("hip_flexion", _MINUS_X, -40.0, 135.0, 10.0, 40.0),
        _Dof("hip_abduction", _MINUS_Y, -40.0, 70.0, 5.0, 20.0, True),
        _Dof("hip_external_rotation", _Z, -50.0, 60.0, 5.0, 20.0),
    ),
    "Leg": (
        _Dof("knee_flexion", _X, -5.0, 155.0, 15.0, 50.0),
        _Dof("knee_external_rotation", _Z, -10.0, 10.0, 0.0, 3.0),
    ),
    "Foot": (
        _Dof("ankle_dorsiflexion", _MINUS_X, -60.0, 40.0, 0.0, 20.0),
        _Dof("ankle_inversion", _Y, -25.0, 35.0, 0.0, 10.0),
    ),
    "ToeBase": (_Dof("toe_extension", _MINUS_X, -30.0, 70.0, 0.0, 15.0),),
}


def _finger_dofs(finger: str) -> tuple[tuple[_Dof, ...], ...]:
    f = finger.lower()
    if finger == "Thumb":
        return (
            (
                _Dof(f"{f}_cmc_flexion", _THUMB_FLEXION, -45.0, 50.0, 0.0, 20.0),
                _Dof(f"{f}_cmc_palmar_abduction", _THUMB_PALMAR, -45.0, 60.0, 10.0, 20.0, True),
                _Dof(f"{f}_cmc_turn", THUMB_DIRECTION, -40.0, 40.0, 0.0, 15.0),
            ),
            (_Dof(f"{f}_mcp_flexion", _THUMB_FLEXION, -20.0, 75.0, 10.0, 25.0),),
            (_Dof(f"{f}_ip_flexion", _THUMB_FLEXION, -20.0, 90.0, 10.0, 25.0),),
        )
    return (
        (
            _Dof(f"{f}_mcp_flexion", _Y, -35.0, 95.0, 20.0, 30.0),
            _Dof(f"{f}_mcp_radial_abduction", _MINUS_Z, -25.0, 25.0, 0.0, 8.0, True),
        ),
        (_Dof(f"{f}_pip_flexion", _Y, -5.0, 115.0, 25.0, 30.0),),
        (_Dof(f"{f}_dip_flexion", _Y, -10.0, 90.0, 15.0, 20.0),),
    )


def skeleton_dofs(tree: JointTree) -> Dofs:
    """The degrees of freedom of the tree; the root's own three come first."""
    root = tuple(
        _Dof(f"pelvis_{letter}", axis, -np.inf, np.inf, 0.0, np.inf, letter != "x")
        for letter, axis in (("x", _X), ("y", _Y), ("z", _Z))
    )
    by_joint: dict[str, tuple[_Dof, ...]] = {"Hips": root, **_MIDLINE}
    for side in SIDES:
        for part, dofs in _LEFT.items():
            by_joint[side + part] = _on_side(side, dofs)
        for finger in FINGERS:
            joints = finger_joints(side, finger)
            for joint, dofs in zip(joints, _finger_dofs(finger), strict=False):
                by_joint[joint] = _on_side(side, dofs)
    rows = [(j, dof) for j, name in enumerate(tree.names) for dof in by_joint.get(name, ())]
    dofs = [dof for _, dof in rows]
    return Dofs(
        names=tuple(dof.name for dof in dofs),
        joint=np.array([j for j, _ in rows]),
        axis=np.array([dof.axis for dof in dofs]),
        limits_rad=np.deg2rad([(dof.low_deg, dof.high_deg) for dof in dofs]),
        rest_rad=np.deg2rad([dof.rest_deg for dof in dofs]),
        sigma_rad=np.deg2rad([dof.sigma_deg for dof in dofs]),
        together=np.array([dof.together for dof in dofs]),
    )


def _on_side(side: str, dofs: tuple[_Dof, ...]) -> tuple[_Dof, ...]:
    # The mirror image of a rotation about a is the rotation about (a_x, -a_y, -a_z).
    def mirrored(axis: tuple[float, float, float]) -> tuple[float, float, float]:
        return axis if side == "Left" else (axis[0], 0.0 - axis[1], 0.0 - axis[2])

    return tuple(
        dof._replace(name=f"{side.lower()}_{dof.name}", axis=mirrored(dof.axis)) for dof in dofs
    )
