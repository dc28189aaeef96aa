"""Anatomical frames of the segments, from the geometry of a body model's rest pose.

A frame is three columns, X forwards, Y upwards or towards the proximal end, Z to the right, for
both sides of the body, as they stand in the anatomical position (Wu et al. 2002, 2005). Wherever a
model lets its limbs hang in its rest pose, these frames follow the limbs, so that angles count from
the anatomical position and not from the rest pose.
"""

from __future__ import annotations

import numpy as np

from mocap.arrays import Float
from mocap.body.biomechanics.segments import BodySegments
from mocap.errors import InputError

WORLD_AXES = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""The ISB's world in ours: X along world x, Y upwards, Z along world -y."""
BENT_SINE = float(np.sin(np.deg2rad(15.0)))
"""Sine of the bend of an elbow at rest from which on its plane is taken for the hinge."""

_ENDS = {
    "thigh": ("hip", "knee"),
    "shank": ("knee", "ankle"),
    "upper_arm": ("shoulder", "elbow"),
    "forearm": ("elbow", "wrist"),
}
SEGMENTS: tuple[str, ...] = (
    *("pelvis", "thorax", "head"),
    *(
        f"{side}_{name}"
        for side in ("left", "right")
        for name in (*_ENDS, "foot", "clavicle", "hand")
    ),
)


def anatomical_frames(
    body: BodySegments, rest_joints_m: Float[np.ndarray, "joints 3"]
) -> dict[str, Float[np.ndarray, "3 3"]]:
    """Anatomical frame of each segment in the rest pose, in the frame of the model.

    Args:
        body: the joints by their anatomical names.
        rest_joints_m: joints in the rest pose.

    Returns:
        Frames by segment; segments which the model does not have are left out.

    Raises:
        InputError: two joints that span a segment lie on one place.
    """
    point = {name: rest_joints_m[joint] for name, joint in body.landmarks.items()}
    upright = np.stack([body.forward, body.up, body.right], axis=1)
    frames: dict[str, np.ndarray] = {}
    for segment in ("pelvis", "thorax", "head"):
        if body.carrier(segment) is not None:
            frames[segment] = upright
    for side in ("left", "right"):
        for name, (start, end) in _ENDS.items():
            if not body.has(f"{side}_{start}", f"{side}_{end}"):
                continue
            along = _direction(point[f"{side}_{start}"] - point[f"{side}_{end}"], f"{side}_{name}")
            if name in ("thigh", "shank"):
                frames[f"{side}_{name}"] = _along(along, body.right)
        if f"{side}_ankle" in point:
            frames[f"{side}_foot"] = upright
        if body.has(f"{side}_clavicle", f"{side}_shoulder"):
            outwards = point[f"{side}_shoulder"] - point[f"{side}_clavicle"]
            right = _direction(outwards if side == "right" else -outwards, f"{side}_clavicle")
            forward = _direction(np.cross(body.up, right), f"{side}_clavicle")
            frames[f"{side}_clavicle"] = np.stack([forward, np.cross(right, forward), right], 1)
        if body.has(*(f"{side}_{name}" for name in ("shoulder", "elbow", "wrist"))):
            frames.update(_arm_frames(body, point, side))
    return frames


def _arm_frames(
    body: BodySegments, point: dict[str, np.ndarray], side: str
) -> dict[str, np.ndarray]:
    """Upper arm, forearm and hand.

    The elbow's hinge is the normal of the bend plane if the arm is bent at rest, and else stands
    so that a bending forearm goes forwards. The palm is where the roots of the fingers say, or
    else, as in every T-pose, down, with the thumb in front.
    """
    shoulder, elbow, wrist = (point[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist"))
    upper = _direction(shoulder - elbow, f"{side}_upper_arm")
    fore = _direction(elbow - wrist, f"{side}_forearm")
    normal = np.cross(upper, fore)
    hinge = normal if np.linalg.norm(normal) > BENT_SINE else np.cross(body.forward, upper)
    outside = 1.0 if side == "right" else -1.0
    along, radial = fore, body.forward
    if body.has(f"{side}_index", f"{side}_pinky"):
        radial = point[f"{side}_index"] - point[f"{side}_pinky"]
    if body.has(f"{side}_middle"):
        along = _direction(wrist - point[f"{side}_middle"], f"{side}_hand")
    return {
        f"{side}_upper_arm": _along(upper, hinge),
        f"{side}_forearm": _along(fore, outside * radial),
        f"{side}_hand": _along(along, outside * radial),
    }


def _along(along: Float[np.ndarray, " 3"], right: Float[np.ndarray, " 3"]) -> np.ndarray:
    """The frame with Y along a bone, and Z as near to a direction as that allows."""
    z = right - (right @ along) * along
    z = _direction(z, "limb")
    return np.stack([np.cross(along, z), along, z], axis=1)


def _direction(vector: Float[np.ndarray, " 3"], segment: str) -> np.ndarray:
    length = float(np.linalg.norm(vector))
    if not length > 1e-9:
        raise InputError(
            f"the rest pose gives {segment} no direction: its joints lie on one place or its axes "
            f"fall together; check the rest pose of the body"
        )
    return vector / length
