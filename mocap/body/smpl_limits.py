"""How far the joints of the SMPL family turn, as rotation vectors in the frame of the model.

The joints of these models are ball joints; their limits here bound the rotation vector, per
component, in degrees. They are those of active movement of healthy adults (American Academy of
Orthopaedic Surgeons, Joint Motion, 1965; Kapandji, The Physiology of the Joints), with the spine's
shared among its joints, and widened where a limb's flexion and twist make one vector. Frame: x to
the left, y up, z forward; the rest pose is a T-pose with the palms down. Everything is given for
the left side; the mirror image of the vector (x, y, z) is (x, -y, -z).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mocap.body.model import Dofs
from mocap.body.smpl_kinds import SmplKind

_Range = tuple[float, float]


class _Ball(NamedTuple):
    x: _Range
    y: _Range
    z: _Range
    sigma: tuple[float, float, float]
    rest: tuple[float, float, float] = (0.0, 0.0, 0.0)


_MIDLINE: dict[str, _Ball] = {
    # x: forward bend; y: turn to the left; z: bend to the right.
    "spine1": _Ball((-25, 45), (-30, 30), (-25, 25), (12, 8, 8)),
    "spine2": _Ball((-20, 35), (-30, 30), (-20, 20), (10, 8, 7)),
    "spine3": _Ball((-20, 25), (-25, 25), (-20, 20), (8, 8, 6)),
    "neck": _Ball((-40, 45), (-45, 45), (-35, 35), (15, 15, 10)),
    "head": _Ball((-40, 40), (-50, 50), (-35, 35), (12, 15, 8)),
}
_LEFT: dict[str, _Ball] = {
    # y: back (+) and forward; z: up (+).
    "collar": _Ball((-20, 20), (-35, 30), (-25, 45), (6, 10, 12)),
    "shoulder": _Ball((-110, 110), (-140, 80), (-115, 110), (40, 50, 60), (0, -10, -60)),
    # x: pronation is +; y: flexion is -.
    "elbow": _Ball((-90, 90), (-155, 5), (-60, 60), (30, 50, 15), (0, -30, 0)),
    "wrist": _Ball((-45, 45), (-45, 45), (-85, 80), (12, 12, 25)),
    # x: flexion is -; y: external rotation is +; z: abduction is +.
    "hip": _Ball((-135, 40), (-60, 60), (-45, 75), (40, 15, 15), (-10, 0, 3)),
    # x: flexion is +.
    "knee": _Ball((-8, 155), (-35, 35), (-20, 20), (50, 8, 5), (15, 0, 0)),
    # x: plantar flexion is +.
    "ankle": _Ball((-45, 65), (-40, 40), (-35, 35), (20, 10, 10)),
    "foot": _Ball((-70, 40), (-12, 12), (-12, 12), (12, 4, 4)),
    # The hand of SMPL stands for the fingers.
    "hand": _Ball((-15, 15), (-25, 25), (-80, 30), (5, 8, 20), (0, 0, -10)),
}
_THUMB = (
    _Ball((-50, 60), (-60, 50), (-60, 60), (20, 20, 20)),
    _Ball((-50, 60), (-80, 30), (-50, 50), (12, 25, 12)),
    _Ball((-50, 60), (-90, 30), (-50, 50), (12, 25, 12)),
)
_FINGER = (
    # z: flexion is -; y: to the thumb is -.
    _Ball((-25, 25), (-30, 30), (-100, 40), (6, 8, 30), (0, 0, -20)),
    _Ball((-10, 10), (-12, 12), (-120, 12), (3, 4, 30), (0, 0, -25)),
    _Ball((-10, 10), (-12, 12), (-95, 15), (3, 4, 20), (0, 0, -15)),
)
_FREE = (-np.inf, np.inf)
_ROOT = _Ball(_FREE, _FREE, _FREE, (np.inf, np.inf, np.inf))


def smpl_dofs(kind: SmplKind, *, fingers: bool) -> Dofs:
    """The degrees of freedom: three per joint which moves, one rotation vector each.

    Eyes and jaw do not move, since no keypoint shows how, nor do fingers that are not wanted.

    Args:
        kind: the model.
        fingers: whether its fingers move, if it has any.
    """
    balls = {
        j: ball
        for j, name in enumerate(kind.tree.names)
        if (ball := _ball(name, fingers)) is not None
    }
    order = [(j, axis) for j in balls for axis in range(3)]
    return Dofs(
        names=tuple(f"{kind.tree.names[j]}_{'xyz'[axis]}" for j, axis in order),
        joint=np.array([j for j, _ in order]),
        axis=np.array([np.eye(3)[axis] for _, axis in order]),
        limits_rad=np.deg2rad([balls[j][axis] for j, axis in order]),
        rest_rad=np.deg2rad([balls[j].rest[axis] for j, axis in order]),
        sigma_rad=np.deg2rad([balls[j].sigma[axis] for j, axis in order]),
        together=np.array([axis > 0 for _, axis in order]),
    )


def _ball(name: str, fingers: bool) -> _Ball | None:
    if name == "pelvis":
        return _ROOT
    if name in _MIDLINE:
        return _MIDLINE[name]
    side, _, part = name.partition("_")
    ball = _LEFT.get(part)
    if ball is None and fingers and part[-1:] in ("1", "2", "3"):
        ball = (_THUMB if part.startswith("thumb") else _FINGER)[int(part[-1]) - 1]
    if ball is None or side == "left":
        return ball
    (x0, x1), (y0, y1), (z0, z1), sigma, (rx, ry, rz) = ball
    return _Ball((x0, x1), (-y1, -y0), (-z1, -z0), sigma, (rx, -ry, -rz))
