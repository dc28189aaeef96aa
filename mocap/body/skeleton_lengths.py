"""Lengths of the kinematic skeleton: what they are for an average person, and how much they vary.

A length is `fraction` times the stature plus a deviation of its own, so that what is seen of a
person says something about what is not. Fractions are between joint centres: arms, legs and trunk
from de Leva (Journal of Biomechanics 29, 1996; means of women and men), feet and ankles from
Drillis & Contini (1966), necks, hands and fingers from the average body of the free model `anny`.
"""

from __future__ import annotations

from typing import NamedTuple

from mocap.body.skeleton_dofs import THUMB_DIRECTION
from mocap.body.skeleton_tree import FINGERS, finger_joints

_Vector = tuple[float, float, float]


class Length(NamedTuple):
    """One length: its fraction of the stature, and the standard deviation of that fraction."""

    fraction: float
    sigma: float


STATURE_M = (1.70, 0.20)
"""Mean and standard deviation of the stature, wide enough for children."""

_PHALANGES = {
    "Thumb": (0.0215, 0.0200, 0.0155),
    "Index": (0.0195, 0.0140, 0.0130),
    "Middle": (0.0220, 0.0160, 0.0130),
    "Ring": (0.0195, 0.0155, 0.0135),
    "Pinky": (0.0155, 0.0105, 0.0120),
}
_KNUCKLES: dict[str, tuple[float, float]] = {
    "Index": (1.0, -0.40),
    "Middle": (1.0, 0.0),
    "Ring": (0.96, 0.30),
    "Pinky": (0.87, 0.58),
}
"""Place of the knuckles: along the palm in palm lengths, and backwards in hand widths."""

BODY_LENGTHS: dict[str, Length] = {
    "hip_half_width": Length(0.058, 0.009),
    "thigh": Length(0.243, 0.016),
    "shank": Length(0.248, 0.016),
    "ankle_height": Length(0.039, 0.005),
    "ball_of_foot": Length(0.075, 0.008),
    "toes": Length(0.042, 0.006),
    "trunk": Length(0.310, 0.014),
    "neck": Length(0.066, 0.008),
    "head": Length(0.094, 0.007),
    "shoulder_half_width": Length(0.108, 0.009),
    "shoulder_height": Length(0.0, 0.012),
    "upper_arm": Length(0.162, 0.016),
    "forearm": Length(0.150, 0.016),
    "palm": Length(0.058, 0.008),
}
FINGER_LENGTHS: dict[str, Length] = {
    "hand_width": Length(0.041, 0.006),
    "thumb_base_along": Length(0.023, 0.004),
    "thumb_base_ahead": Length(0.015, 0.004),
    "thumb_base_up": Length(-0.002, 0.004),
    **{
        f"{finger.lower()}_{i + 1}": Length(fraction, 0.18 * fraction)
        for finger, phalanges in _PHALANGES.items()
        for i, fraction in enumerate(phalanges)
    },
}

Terms = tuple[tuple[str, _Vector], ...]
"""An offset as a sum of lengths times vectors."""

_LEFT_BONES: dict[str, Terms] = {
    "Shoulder": (
        ("shoulder_half_width", (0.13, 0.0, 0.0)),
        ("trunk", (0.0, 0.0, 0.20)),
        ("shoulder_height", (0.0, 0.0, 1.0)),
    ),
    "Arm": (("shoulder_half_width", (0.87, 0.0, 0.0)), ("trunk", (0.0, 0.0, -0.02))),
    "ForeArm": (("upper_arm", (1.0, 0.0, 0.0)),),
    "Hand": (("forearm", (1.0, 0.0, 0.0)),),
    "Hand_End": (("palm", (1.0, 0.0, 0.0)),),
    "UpLeg": (("hip_half_width", (1.0, 0.0, 0.0)),),
    "Leg": (("thigh", (0.0, 0.0, -1.0)),),
    "Foot": (("shank", (0.0, 0.0, -1.0)),),
    "ToeBase": (("ball_of_foot", (0.0, -1.0, 0.0)), ("ankle_height", (0.0, 0.0, -0.62))),
    "Toe_End": (("toes", (0.0, -1.0, 0.0)), ("ankle_height", (0.0, 0.0, -0.13))),
}
BONES: dict[str, Terms] = {
    "Spine": (("trunk", (0.0, 0.0, 0.17)),),
    "Spine1": (("trunk", (0.0, 0.0, 0.25)),),
    "Spine2": (("trunk", (0.0, 0.0, 0.26)),),
    "Neck": (("trunk", (0.0, 0.0, 0.32)),),
    "Head": (("neck", (0.0, 0.0, 1.0)),),
    "HeadTop_End": (("head", (0.0, 0.0, 1.0)),),
}
"""Offset of each joint from its parent in the rest pose; filled up below for both sides."""

ROOT: Terms = (
    ("ankle_height", (0.0, 0.0, 1.0)),
    ("shank", (0.0, 0.0, 1.0)),
    ("thigh", (0.0, 0.0, 1.0)),
)
"""Where the hips are in the rest pose, the floor being at 0."""


def _finger_bones(finger: str) -> dict[str, Terms]:
    first, *others = (joint.removeprefix("Left") for joint in finger_joints("Left", finger))
    direction: _Vector = (1.0, 0.0, 0.0)
    if finger == "Thumb":
        direction = THUMB_DIRECTION
        base: Terms = (
            ("thumb_base_along", (1.0, 0.0, 0.0)),
            ("thumb_base_ahead", (0.0, -1.0, 0.0)),
            ("thumb_base_up", (0.0, 0.0, 1.0)),
        )
    else:
        along, back = _KNUCKLES[finger]
        base = (("palm", (along, 0.0, 0.0)), ("hand_width", (0.0, back, 0.0)))
    phalanges = {
        joint: ((f"{finger.lower()}_{i + 1}", direction),) for i, joint in enumerate(others)
    }
    return {first: base, **phalanges}


def mirrored(terms: Terms) -> Terms:
    """The same offset on the right side."""
    return tuple((name, (0.0 - x, y, z)) for name, (x, y, z) in terms)


for _finger in FINGERS:
    _LEFT_BONES.update(_finger_bones(_finger))
for _name, _terms in _LEFT_BONES.items():
    BONES[f"Left{_name}"] = _terms
    BONES[f"Right{_name}"] = mirrored(_terms)
