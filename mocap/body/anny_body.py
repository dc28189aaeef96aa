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
    "age": (0.7, 0.1),
    "muscle": (0.5, 0.15),
    "weight": (0.5, 0.15),
    "height": (0.5, 0.3),
    "proportions": (0.5, 0.25),
}
"""Mean and standard deviation of the build, each from 0 to 1.

Gender is 0 for male and 1 for female; age 1/3 is a child of 11 years, 2/3 is 25, and 1 is 90 years.
Muscle and weight hardly show in keypoints: their prior mostly stands.
"""
SCALE = (1.0, 0.05)
"""Mean and standard deviation of the scale of the whole body, for those whom the build misses."""
_GENDERS = {"neutral": PHENOTYPES["gender"], "male": (0.1, 0.1), "female": (0.9, 0.1)}
_STEP = 1e-4
_ALIASES = {
    "left_mouth": "face_54",
    "right_mouth": "face_48",
    "left_eye_inner": "face_42",
    "left_eye_outer": "face_45",
    "right_eye_inner": "face_39",
    "right_eye_outer": "face_36",
}
_NO_SIDE = ("Head", "HeadTop_End", "Hips", "Spine2", "Neck")


@dataclass(frozen=True, eq=False)
class AnnyBody:
    """The model; implements `mocap.body.model.BodyModel`.

    Rest pose: the T-pose of the kinematic skeleton, Z-up, left is +X, facing -Y, the floor about at
    0. Shape numbers: `PHENOTYPES`, then "scale", then the offsets of the detector's keypoints in
    metres ("hip offset up"). Builds outside 0 to 1 count as 0 or 1.

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
        return (*PHENOTYPES, "scale", *self._offsets.names)

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

        The derivatives by the build are central differences over 0.0002; the places are linear in
        each of these numbers between the model's anchors.
        """
        return _shaped(self, tuple(float(value) for value in shape))

    @cached_property
    def _rig(self) -> AnnyRig:
        return anny_rig(self.data, fingers=self.fingers)

    @property
    def _prior(self) -> np.ndarray:
        return np.array([*({**PHENOTYPES, "gender": _GENDERS[self.gender]}).values(), SCALE])

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
        """Per keypoint the joint it moves with, and its place in the T-pose, linear in blends."""
        rig, tree = self._rig, self._rig.tree
        defined = coco_places(rig)
        fingers = finger_places() if self.fingers else {}
        result: dict[str, tuple[int, np.ndarray]] = {}
        for name in self.detector.keypoints:
            found = keypoint_offset(self.detector.name, name)
            if name in fingers:
                bone, place = fingers[name]
                result[name] = (tree.index(bone), rig.rest_joints[tree.index(place)])
            elif name in FACE_PLACES:
                head = tree.index("Head")
                result[name] = (head, rig.in_t_pose(defined[name][None], [head])[0])
            elif found is not None:
                side, offset = found
                joint = tree.index(_sided(side, offset.bone))
                known = _ALIASES.get(name, name)
                if known in defined:
                    rows = rig.in_t_pose(defined[known][None], [joint])[0]
                    shift = difference_from_coco_m(self.detector.name, name)
                else:
                    rows = rig.rest_joints[tree.index(_sided(side, offset.place))]
                    mirror = np.array([-1.0 if side == "right" else 1.0, 1.0, 1.0])
                    shift = 1e-3 * STATURE_M[0] * mirror * np.array(offset.mean)
                result[name] = (joint, _moved(rows, shift))
        return result

    @cached_property
    def _linear(self) -> np.ndarray:
        places = np.array([rows for _, rows in self._places.values()])
        return np.concatenate([self._rig.rest_joints, places])


@lru_cache(maxsize=64)
def _shaped(body: AnnyBody, shape: tuple[float, ...]) -> ShapedBody:
    rig, linear = body._rig, body._linear  # pyright: ignore[reportPrivateUsage]
    build, scale = dict(zip(PHENOTYPES, shape, strict=False)), shape[len(PHENOTYPES)]
    points = linear @ rig.blend(build)
    slopes = np.zeros((*points.shape, len(shape)))
    for i, (name, value) in enumerate(build.items()):
        ahead = rig.blend({**build, name: value + _STEP})
        behind = rig.blend({**build, name: value - _STEP})
        slopes[..., i] = scale * (linear @ ((ahead - behind) / (2 * _STEP)))
    slopes[..., len(PHENOTYPES)] = points
    joints = len(rig.tree)
    offsets = body._offsets.by_offset  # pyright: ignore[reportPrivateUsage]
    first = len(PHENOTYPES) + 1
    slopes[joints:, :, first:] = offsets
    keypoints = scale * points[joints:] + offsets @ np.array(shape[first:])
    arrays = (scale * points[:joints], slopes[:joints], keypoints, slopes[joints:])
    for array in arrays:
        array.setflags(write=False)
    return ShapedBody(*arrays)


def build_of(names: tuple[str, ...], shape: Float[np.ndarray, " shape"]) -> Mapping[str, float]:
    """Build and scale by name, of the shape of a motion."""
    wanted = (*PHENOTYPES, "scale")
    return {name: float(value) for name, value in zip(names, shape, strict=True) if name in wanted}


def _sided(side: str, part: str) -> str:
    return part if part in _NO_SIDE else side.title() + part


def _moved(rows: np.ndarray, shift: np.ndarray) -> np.ndarray:
    moved = rows.copy()
    moved[:, 0] += shift
    return moved
