"""The kinematic skeleton: a body model of joints and bones only, which needs nobody's licence."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from mocap.arrays import Float, Int
from mocap.body.model import Dofs, ShapedBody
from mocap.body.skeleton_dofs import skeleton_dofs
from mocap.body.skeleton_keypoints import (
    FACE_PLACES,
    FACE_SIGMA,
    finger_places,
    keypoint_offset,
)
from mocap.body.skeleton_lengths import (
    BODY_LENGTHS,
    BONES,
    FINGER_LENGTHS,
    ROOT,
    STATURE_M,
    Terms,
)
from mocap.body.skeleton_tree import finger_keypoints, skeleton_tree
from mocap.model.body_motion import JointTree
from mocap.model.skeleton import Skeleton

_AXES = ("left", "back", "up")


@dataclass(frozen=True)
class KinematicSkeleton:
    """A humanoid with anatomical degrees of freedom; implements `mocap.body.model.BodyModel`.

    Rest pose: a T-pose, Z-up, left is +X, facing -Y, palms down, the floor at 0, all rotations the
    identity. Shape numbers, all in metres: `stature`; `thigh` and so on, by how much that length
    is longer than the stature says; `left_hip offset up` and so on, by how much the keypoint lies
    elsewhere on the body than the table says. Both sides of the body are equal.

    Attributes:
        detector: the skeleton definition of the keypoints it is fitted to.
        fingers: whether it has three joints per finger.
    """

    detector: Skeleton
    fingers: bool = False
    name: str = field(default="skeleton", init=False)
    gender: str = field(default="neutral", init=False)

    @property
    def tree(self) -> JointTree:
        """Names and parents of the joints."""
        return self._tables[0]

    @property
    def dofs(self) -> Dofs:
        """Its degrees of freedom."""
        return self._tables[1]

    @property
    def shape_names(self) -> tuple[str, ...]:
        """Names of the shape numbers."""
        return tuple(self._prior)

    @property
    def shape_mean(self) -> Float[np.ndarray, " shape"]:
        """Shape of an average person."""
        return np.array([STATURE_M[0]] + [0.0] * (len(self._prior) - 1))

    @property
    def shape_sigma(self) -> Float[np.ndarray, " shape"]:
        """Standard deviation of the shape numbers among people."""
        return np.array(list(self._prior.values()))

    @property
    def keypoint_names(self) -> tuple[str, ...]:
        """Names of the keypoints."""
        return tuple(self._places)

    @property
    def keypoint_joint(self) -> Int[np.ndarray, " keypoints"]:
        """The joint each keypoint is attached to."""
        return np.array([self.tree.index(bone) for bone, _, _ in self._places.values()])

    def shaped(self, shape: Float[np.ndarray, " shape"]) -> ShapedBody:
        """The rest pose of a body with this shape; it is linear in the shape."""
        joints, keypoints = self._by_shape
        return ShapedBody(joints @ shape, joints, keypoints @ shape, keypoints)

    def stature_m(self, shape: Float[np.ndarray, " shape"]) -> float:
        """Height of a body from the floor to the top of the head, metres."""
        return float(self.shaped(shape).rest_joints_m[self.tree.index("HeadTop_End"), 2])

    @cached_property
    def _tables(self) -> tuple[JointTree, Dofs]:
        tree = skeleton_tree(fingers=self.fingers)
        return tree, skeleton_dofs(tree)

    @cached_property
    def _lengths(self) -> dict[str, tuple[float, float]]:
        lengths = {**BODY_LENGTHS, **(FINGER_LENGTHS if self.fingers else {})}
        return {name: (length.fraction, length.sigma) for name, length in lengths.items()}

    @cached_property
    def _places(self) -> dict[str, tuple[str, str, dict[str, np.ndarray]]]:
        """Per keypoint its bone, the joint it lies at, and the offset's derivatives by shape."""
        fingers = finger_places() if self.fingers else {}
        result: dict[str, tuple[str, str, dict[str, np.ndarray]]] = {}
        for name in self.detector.keypoints:
            if name in fingers:
                result[name] = (*fingers[name], {})
            elif name in FACE_PLACES:
                terms = {
                    "stature": 1e-3 * np.array(FACE_PLACES[name]),
                    "face offset back": np.array([0.0, 1.0, 0.0]),
                    "face offset up": np.array([0.0, 0.0, 1.0]),
                }
                result[name] = ("Head", "Head", terms)
            elif (found := keypoint_offset(self.detector.name, name)) is not None:
                side, offset = found
                sign = -1.0 if side == "right" else 1.0
                on = side.title() if offset.bone not in ("Head", "Hips", "Spine2") else ""
                at = side.title() if offset.place not in ("Head", "Hips") else ""
                flip = np.array([sign, 1.0, 1.0])
                terms = {"stature": 1e-3 * flip * offset.mean}
                part = name.removeprefix(f"{side}_") if side else name
                for axis, word in enumerate(_AXES):
                    if side or axis:
                        terms[f"{part} offset {word}"] = flip * np.eye(3)[axis]
                result[name] = (on + offset.bone, at + offset.place, terms)
        return result

    @cached_property
    def _prior(self) -> dict[str, float]:
        """Standard deviation of each shape number, in their order."""
        mean, sigma = STATURE_M
        prior = {"stature": sigma}
        prior |= {name: mean * spread for name, (_, spread) in self._lengths.items()}
        for name, (_, _, terms) in self._places.items():
            found = keypoint_offset(self.detector.name, name)
            spread = (FACE_SIGMA,) * 3 if found is None else found[1].sigma
            by_word: dict[str, float] = dict(zip(_AXES, spread, strict=True))
            prior |= {
                term: 1e-3 * mean * by_word[term.rpartition(" ")[2]]
                for term in terms
                if term != "stature"
            }
        return prior

    @cached_property
    def _by_shape(self) -> tuple[np.ndarray, np.ndarray]:
        index = {name: i for i, name in enumerate(self._prior)}

        def derivative(terms: Terms) -> np.ndarray:
            rows = np.zeros((3, len(index)))
            for name, vector in terms:
                rows[:, index[name]] += vector
                rows[:, 0] += self._lengths[name][0] * np.array(vector)
            return rows

        joints = np.zeros((len(self.tree), 3, len(index)))
        joints[0] = derivative(ROOT)
        for j in range(1, len(joints)):
            joints[j] = joints[self.tree.parents[j]] + derivative(BONES[self.tree.names[j]])
        keypoints = np.zeros((len(self._places), 3, len(index)))
        for k, (_, place, terms) in enumerate(self._places.values()):
            keypoints[k] = joints[self.tree.index(place)]
            for name, vector in terms.items():
                keypoints[k, :, index[name]] += vector
        return joints, keypoints


def has_hands(detector: Skeleton) -> bool:
    """Whether a skeleton definition has the keypoints of all fingers."""
    return finger_keypoints("Left", "Index")[0] in detector
