"""The free body model `anny` as the fitter sees it.

Its joints, degrees of freedom and limits are those of the kinematic skeleton; its bones follow from
a few numbers of build, and it has a surface. Nobody's licence is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np

from mocap.arrays import Float, Int
from mocap.body.anny_data import BodyData
from mocap.body.anny_rig import AnnyRig, anny_rig, coco_places
from mocap.body.detector_offsets import KeypointOffsets, difference_from_coco_m, keypoint_offsets
from mocap.body.model import Dofs, ShapedBody
from mocap.body.skeleton_dofs import skeleton_dofs
from mocap.body.skeleton_keypoints import (
    FACE_PLACES,
    finger_places,
    keypoint_offset,
)
from mocap.body.skeleton_lengths import STATURE_M
from mocap.model.body_motion import JointTree
from mocap.model.skeleton import Skeleton

PHENOTYPES: dict[str, tuple[float, float]] = {
    "gender": (0.5, 0.3),
    "age": (0.7, 0.005),
    "muscle": (0.5, 0.01),
    "weight": (0.5, 0.01),
    "height": (0.5, 0.3),
    "proportions": (0.4, 0.25),
}
"""Mean and standard deviation of the build, each from 0 to 1.

Gender is 0 for male and 1 for female; age 0.7 is about 30 years. Keypoints hardly show age, muscle
and weight, and the model's dependence on them has kinks: they are held at their means.
"""
SCALE = (1.0, 0.08)
"""Mean and standard deviation of the scale of the whole body, for those whom the build misses."""
STRETCHES: dict[str, tuple[tuple[str, ...], int, float]] = {
    "hip width": (("Hips",), 0, 0.06),
    "trunk length": (("Spine", "Spine1", "Spine2"), 2, 0.03),
    "shoulder width": (("LeftShoulder", "RightShoulder"), 0, 0.05),
    "upper arm length": (("LeftArm", "RightArm"), 0, 0.04),
    "forearm length": (("LeftForeArm", "RightForeArm"), 0, 0.04),
    "thigh length": (("LeftUpLeg", "RightUpLeg"), 2, 0.04),
    "shank length": (("LeftLeg", "RightLeg"), 2, 0.04),
    "foot length": (("LeftFoot", "RightFoot"), 1, 0.04),
}
"""By how much bones are longer than the build says: joints, axis of the T-pose, and the standard
deviation of the relative deviation, whose mean is 0. The skin is stretched with the bone."""
_GENDERS = {"neutral": PHENOTYPES["gender"], "male": (0.1, 0.1), "female": (0.9, 0.1)}
_STEP = 1e-4
_BUILD = (*PHENOTYPES, "scale", *STRETCHES)
_ALIASES = {
    "left_mouth": "face_54",
    "right_mouth": "face_48",
    "left_eye_inner": "face_42",
    "left_eye_outer": "face_45",
    "right_eye_inner": "face_39",
    "right_eye_outer": "face_36",
}
_BONE = {"hip": "UpLeg", "knee": "Leg"}
"""Bones with which these keypoints move instead of those of the skeleton's table: of the library's
own regression, the bones from which they depart least when a person walks, squats and jumps."""
_NO_SIDE = ("Head", "HeadTop_End", "Hips", "Spine2", "Neck")


@dataclass(frozen=True, eq=False)
class AnnyBody:
    """The model; implements `mocap.body.model.BodyModel`.

    Rest pose: the T-pose of the kinematic skeleton, Z-up, left is +X, facing -Y, the floor about at
    0. Shape numbers: `PHENOTYPES`, "scale", `STRETCHES`, then the offsets of the detector's
    keypoints in metres ("hip offset up").

    Attributes:
        data: the arrays of the model.
        detector: the skeleton definition of the keypoints it is fitted to.
        fingers: whether it has three joints per finger.
        gender: "male" and "female" narrow the prior of the build.
    """

    data: BodyData
    detector: Skeleton
    fingers: bool = False
    gender: str = "neutral"
    name: str = field(default="anny", init=False)

    @property
    def tree(self) -> JointTree:
        """Names and parents of the joints."""
        return self._rig.tree

    @property
    def dofs(self) -> Dofs:
        """Its degrees of freedom, those of the kinematic skeleton."""
        return self._dofs

    @property
    def shape_names(self) -> tuple[str, ...]:
        """Names of the shape numbers."""
        return (*_BUILD, *self._offsets.names)

    @property
    def shape_mean(self) -> Float[np.ndarray, " shape"]:
        """Shape of an average person."""
        return np.concatenate([self._prior[:, 0], np.zeros(len(self._offsets.names))])

    @property
    def shape_sigma(self) -> Float[np.ndarray, " shape"]:
        """Standard deviation of the shape numbers among people."""
        return np.concatenate([self._prior[:, 1], self._offsets.sigma_m])

    @property
    def keypoint_names(self) -> tuple[str, ...]:
        """Names of the keypoints."""
        return tuple(self._places)

    @property
    def keypoint_joint(self) -> Int[np.ndarray, " keypoints"]:
        """The joint each keypoint is attached to."""
        return self._keypoint_joint

    def shaped(self, shape: Float[np.ndarray, " shape"]) -> ShapedBody:
        """The rest pose of a body with this shape.

        The derivatives by the phenotypes are central differences over 0.0002; the places are
        linear in each of these numbers between the model's anchors.
        """
        return _shaped(self, tuple(float(value) for value in shape))

    @cached_property
    def _rig(self) -> AnnyRig:
        return anny_rig(self.data, fingers=self.fingers)

    @property
    def _prior(self) -> np.ndarray:
        phenotypes = {**PHENOTYPES, "gender": _GENDERS[self.gender]}
        stretches = [(0.0, sigma) for _, _, sigma in STRETCHES.values()]
        return np.array([*phenotypes.values(), SCALE, *stretches])

    @cached_property
    def _offsets(self) -> KeypointOffsets:
        return keypoint_offsets(self.detector.name, self._places)

    @cached_property
    def _dofs(self) -> Dofs:
        return skeleton_dofs(self.tree)

    @cached_property
    def _keypoint_joint(self) -> np.ndarray:
        return np.array([joint for joint, _ in self._places.values()])

    @cached_property
    def _places(self) -> dict[str, tuple[int, np.ndarray]]:
        """Per keypoint the joint it moves with, and its place as seen from there in the T-pose.

        Linear in the weights of the blend shapes.
        """
        rig, tree = self._rig, self._rig.tree
        defined = coco_places(rig)
        fingers = finger_places() if self.fingers else {}
        result: dict[str, tuple[int, np.ndarray]] = {}
        for name in self.detector.keypoints:
            found = keypoint_offset(self.detector.name, name)
            if name in fingers:
                bone, place = fingers[name]
                result[name] = (tree.index(bone), self._joint_from(bone, place))
            elif name in FACE_PLACES:
                head = tree.index("Head")
                result[name] = (head, rig.from_joint(defined[name], head))
            elif found is not None:
                side, offset = found
                part = name.removeprefix(f"{side}_")
                bone = _sided(side, _BONE.get(part, offset.bone))
                joint = tree.index(bone)
                known = _ALIASES.get(name, name)
                if known in defined:
                    rows = rig.from_joint(defined[known], joint)
                    shift = difference_from_coco_m(self.detector.name, name)
                else:
                    rows = self._joint_from(bone, _sided(side, offset.place))
                    mirror = np.array([-1.0 if side == "right" else 1.0, 1.0, 1.0])
                    shift = 1e-3 * STATURE_M[0] * mirror * np.array(offset.mean)
                result[name] = (joint, _moved(rows, shift))
        return result

    def _joint_from(self, bone: str, place: str) -> np.ndarray:
        """A joint at or below another one, as seen from there in the T-pose."""
        tree = self._rig.tree
        rows, joint, start = np.zeros_like(self._rig.bones[0]), tree.index(place), tree.index(bone)
        while joint != start:
            rows = rows + self._rig.bones[joint]
            joint = tree.parents[joint]
        return rows

    @cached_property
    def _local(self) -> np.ndarray:
        return np.array([rows for _, rows in self._places.values()])


@lru_cache(maxsize=64)
def _shaped(body: AnnyBody, shape: tuple[float, ...]) -> ShapedBody:
    rig, joint = body._rig, body.keypoint_joint  # pyright: ignore[reportPrivateUsage]
    parents = np.array([max(p, 0) for p in rig.tree.parents])
    build = dict(zip(_BUILD, shape, strict=False))
    scale = build["scale"]
    blends = [rig.blend(build)]
    for name in PHENOTYPES:
        ahead, behind = (rig.blend({**build, name: build[name] + step}) for step in (_STEP, -_STEP))
        blends.append((ahead - behind) / (2 * _STEP))
    weights = np.stack(blends, axis=1)
    bones, local = rig.bones @ weights, body._local @ weights  # pyright: ignore[reportPrivateUsage]
    stretch = stretch_of(build, rig.tree)
    # Columns: the body, its change by the phenotypes, and by the stretches.
    steps = [stretch[parents][..., None] * bones]
    places = [stretch[joint][..., None] * local]
    for name in STRETCHES:
        change = stretch_of({name: 1.0}, rig.tree) - 1.0
        steps.append((change[parents] * bones[..., 0])[..., None])
        places.append((change[joint] * local[..., 0])[..., None])
    joints = np.concatenate(steps, axis=2)
    foot = rig.tree.index("LeftFoot")
    for j in range(1, len(joints)):
        joints[j] += joints[rig.tree.parents[j]]
    ground = joints[foot, 2].copy()
    ground[: weights.shape[1]] += rig.sole[2] @ weights
    joints[:, 2] -= ground
    keypoints = joints[joint] + np.concatenate(places, axis=2)
    offsets = body._offsets.by_offset  # pyright: ignore[reportPrivateUsage]
    made: list[np.ndarray] = []
    for points, own in (
        (joints, np.zeros((len(joints), 3, offsets.shape[2]))),
        (keypoints, offsets),
    ):
        slopes = [scale * points[..., 1 : len(blends)], points[..., :1]]
        slopes += [scale * points[..., len(blends) :], own]
        position = scale * points[..., 0] + own @ np.array(shape[len(_BUILD) :])
        made += [position, np.concatenate(slopes, axis=2)]
    for array in made:
        array.setflags(write=False)
    return ShapedBody(*made)


def stretch_of(build: Mapping[str, float], tree: JointTree) -> Float[np.ndarray, "joints 3"]:
    """Per joint, the factors by which what it carries is stretched along the axes of the T-pose."""
    factors = np.ones((len(tree), 3))
    for name, (joints, axis, _) in STRETCHES.items():
        for joint in joints:
            factors[tree.index(joint), axis] += build.get(name, 0.0)
    return factors


def build_of(names: tuple[str, ...], shape: Float[np.ndarray, " shape"]) -> Mapping[str, float]:
    """Build, scale and stretches by name, of the shape of a motion."""
    return {name: float(value) for name, value in zip(names, shape, strict=True) if name in _BUILD}


def _sided(side: str, part: str) -> str:
    return part if part in _NO_SIDE else side.title() + part


def _moved(rows: np.ndarray, shift: np.ndarray) -> np.ndarray:
    moved = rows.copy()
    moved[:, 0] += shift
    return moved
