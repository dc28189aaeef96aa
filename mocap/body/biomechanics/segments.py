"""Which joint of a body model is which: the kinematic skeleton, Anny, the SMPL family, BVH files.

Biomechanics speaks of thigh and shank; a model speaks of LeftUpLeg, upperleg01.L or left_hip. This
table joins the two, and says which joint's rotation carries each segment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float
from mocap.errors import InputError, valid_choices
from mocap.model.body_motion import JointTree

SIDES = ("left", "right")

_CENTRAL: dict[str, tuple[str, ...]] = {
    "pelvis": ("Hips", "pelvis", "root", "Pelvis"),
    "neck": ("Neck", "neck", "neck01"),
    "head": ("Head", "head"),
}
_PAIRED: dict[str, tuple[str, ...]] = {
    "hip": ("{Left}UpLeg", "{left}_hip", "upperleg01.{L}", "{Left}UpperLeg", "{Left}Hip"),
    "knee": ("{Left}Leg", "{left}_knee", "lowerleg01.{L}", "{Left}LowerLeg", "{Left}Knee"),
    "ankle": ("{Left}Foot", "{left}_ankle", "foot.{L}", "{Left}Ankle"),
    "toe": ("{Left}ToeBase", "{left}_foot", "toe3-1.{L}", "{Left}Toe", "{Left}Toes"),
    "clavicle": ("{Left}Shoulder", "{left}_collar", "clavicle.{L}", "{Left}Collar"),
    "shoulder": ("{Left}Arm", "{left}_shoulder", "upperarm01.{L}", "{Left}UpperArm"),
    "elbow": ("{Left}ForeArm", "{left}_elbow", "lowerarm01.{L}", "{Left}LowerArm"),
    "wrist": ("{Left}Hand", "{left}_wrist", "wrist.{L}", "{Left}Wrist"),
    "index": ("{Left}HandIndex1", "{left}_index1", "finger2-1.{L}"),
    "middle": ("{Left}HandMiddle1", "{left}_middle1", "finger3-1.{L}"),
    "pinky": ("{Left}HandPinky1", "{left}_pinky1", "finger5-1.{L}"),
}
LANDMARKS: tuple[str, ...] = (
    *_CENTRAL,
    *(f"{side}_{name}" for side in SIDES for name in _PAIRED),
)
"""All places that a body model's joints can stand for."""

_NEEDED = ("pelvis", "neck", *(f"{s}_{name}" for s in SIDES for name in ("hip", "knee", "ankle")))
_PREFIXES = ("mixamorig:", "mixamorig_", "mixamorig")
_AXIS_COSINE = float(np.cos(np.deg2rad(25.0)))
"""How well the body must be in line with an axis of its model to be taken as exactly in line."""


@dataclass(frozen=True, eq=False)
class BodySegments:
    """The joints of a model by their anatomical names.

    Attributes:
        tree: the joints of the model.
        landmarks: index of the joint at each landmark that the model has.
        forward: direction which the body faces in the rest pose, frame of the model.
        up: upwards in the rest pose.
        right: to the body's right in the rest pose.
    """

    tree: JointTree
    landmarks: Mapping[str, int]
    forward: Float[np.ndarray, " 3"]
    up: Float[np.ndarray, " 3"]
    right: Float[np.ndarray, " 3"]

    def has(self, *landmarks: str) -> bool:
        """Whether the model has all these landmarks."""
        return all(name in self.landmarks for name in landmarks)

    def carrier(self, segment: str) -> int | None:
        """The joint whose rotation a segment has; None if the model has no such segment.

        Where a model splits a bone in two to spread its twist, it is the lower part.

        Args:
            segment: "pelvis", "thorax", "head", or one of thigh, shank, foot, clavicle, upper_arm,
                forearm, hand after "left_" or "right_".
        """
        if segment in ("pelvis", "head"):
            return self.landmarks.get(segment)
        if segment == "thorax":
            return self._parent("neck")
        side, name = segment.split("_", 1)
        if name in ("foot", "hand"):
            return self.landmarks.get(f"{side}_{'ankle' if name == 'foot' else 'wrist'}")
        if name == "clavicle":
            return self._parent(f"{side}_shoulder") if self.has(f"{side}_clavicle") else None
        ends = {"thigh": "knee", "shank": "ankle", "upper_arm": "elbow", "forearm": "wrist"}
        return self._parent(f"{side}_{ends[name]}")

    def _parent(self, landmark: str) -> int | None:
        joint = self.landmarks.get(landmark)
        return None if joint is None else self.tree.parents[joint]

    def chain(self, above: int, below: int) -> tuple[int, ...]:
        """Joints from one below `above` down to `below`; with `above` -1, from the root on.

        Raises:
            ValueError: `below` does not hang on `above`.
        """
        joints: list[int] = []
        joint = below
        while joint != above:
            if joint == -1:
                raise ValueError(f"{self.tree.names[below]} does not hang on joint {above}")
            joints.append(joint)
            joint = self.tree.parents[joint]
        return tuple(reversed(joints))


def body_segments(
    tree: JointTree,
    rest_joints_m: Float[np.ndarray, "joints 3"],
    names: Mapping[str, str] | None = None,
) -> BodySegments:
    """Finds the anatomical landmarks of a body model by the names of its joints.

    It knows the names of the kinematic skeleton (those of Mixamo), of Anny, of the SMPL family, and
    some that BVH files use.

    Args:
        tree: the joints.
        rest_joints_m: their places in the rest pose, from which up, forward and right are taken.
        names: names of joints by landmark (`LANDMARKS`), for other models; they go first.

    Raises:
        InputError: a leg, the pelvis or the neck is not found, or `names` has an unknown name.
    """
    plain = {_plain(name): joint for joint, name in reversed(list(enumerate(tree.names)))}
    found: dict[str, int] = {}
    for landmark, joint_name in (names or {}).items():
        if landmark not in LANDMARKS:
            raise InputError(f"no landmark {landmark!r}; {valid_choices(LANDMARKS, 60)}")
        found[landmark] = tree.index(joint_name)
    for landmark in LANDMARKS:
        for candidate in _candidates(landmark):
            if landmark not in found and candidate in plain:
                found[landmark] = plain[candidate]
    missing = [name for name in _NEEDED if name not in found]
    if missing:
        raise InputError(
            f"the body model has no joint known as {', '.join(missing)}; its joints are "
            f"{valid_choices(tree.names, 30)}; give a map from landmarks to these names"
        )
    hips = [rest_joints_m[found[f"{side}_hip"]] for side in SIDES]
    up = rest_joints_m[found["neck"]] - (hips[0] + hips[1]) / 2
    right = hips[1] - hips[0]
    if np.linalg.norm(right) == 0.0 or np.linalg.norm(np.cross(up, right)) == 0.0:
        raise InputError("the rest pose of the body model has no width or no height")
    exact = up / np.linalg.norm(up)
    up = _nearest_axis(exact)
    right = right - (right @ up) * up
    right /= np.linalg.norm(right)
    if up is not exact:
        right = _nearest_axis(right)
    return BodySegments(tree, found, np.cross(up, right), up, right)


def _candidates(landmark: str) -> list[str]:
    if landmark in _CENTRAL:
        return list(_CENTRAL[landmark])
    side, name = landmark.split("_", 1)
    words = {"left": side, "Left": side.capitalize(), "L": side[0].upper()}
    return [pattern.format(**words) for pattern in _PAIRED[name]]


def _plain(name: str) -> str:
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            return name[len(prefix) :]
    return name


def _nearest_axis(direction: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " 3"]:
    """The axis of the model next to a direction, or the direction itself if none is near."""
    axis = int(np.argmax(np.abs(direction)))
    if abs(direction[axis]) < _AXIS_COSINE:
        return direction
    return np.sign(direction[axis]) * np.eye(3)[axis]
