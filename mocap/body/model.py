"""What the fitter asks of a body model: stateless stages from shape to rest joints to keypoints.

A body model is a joint tree whose rest pose depends on a few shape numbers. Its keypoints (what a
detector would call nose, left_knee, left_big_toe) are rigidly attached to joints. That holds
exactly for a kinematic skeleton, and to within a few millimetres for skinned surfaces, whose
vertices move a little against their bones. So one fitter serves them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mocap.arrays import Bool, Float, Int
from mocap.model.body_motion import JointTree


@dataclass(frozen=True, eq=False)
class Dofs:
    """The degrees of freedom of a tree, D in all, beside the three of the root's position.

    The rotation of a joint is the product, in this order, of the rotations of its groups; a group
    is one or more degrees of freedom whose axes make one rotation vector: exp(q_1 a_1 + q_2 a_2).
    A hinge is a group of one, two hinges in a row are two groups of one, a ball joint of the SMPL
    family is one group of three with the unit vectors as axes (its values are the rotation
    vector), and a shoulder is a swing of two and a twist of one, which is free of gimbal lock.
    Joint 0, the root, is one group of three unit vectors without limits.

    Attributes:
        names: of the degrees of freedom, such as "left_knee_flexion".
        joint: the joint each belongs to, in ascending order; at most three per joint, and the
            root has the first three.
        axis: unit vectors in the frame of the model's rest pose.
        limits_rad: lower and upper limits, radians; infinite where there is none.
        rest_rad: most usual values, towards which the pose prior pulls.
        sigma_rad: standard deviation of the pose prior; infinite for none.
        together: whether it makes one rotation vector with the one before it; a ball joint has
            false, true, true.
    """

    names: tuple[str, ...]
    joint: Int[np.ndarray, " dofs"]
    axis: Float[np.ndarray, "dofs 3"]
    limits_rad: Float[np.ndarray, "dofs 2"]
    rest_rad: Float[np.ndarray, " dofs"]
    sigma_rad: Float[np.ndarray, " dofs"]
    together: Bool[np.ndarray, " dofs"]


@dataclass(frozen=True, eq=False)
class ShapedBody:
    """A body model with a shape: rest joints and keypoints, with their derivatives by shape.

    Attributes:
        rest_joints_m: J joints in the rest pose, frame of the model, metres.
        rest_joints_by_shape: their derivatives by the S shape numbers.
        keypoints_m: K keypoints in the rest pose, same frame.
        keypoints_by_shape: their derivatives.
    """

    rest_joints_m: Float[np.ndarray, "joints 3"]
    rest_joints_by_shape: Float[np.ndarray, "joints 3 shape"]
    keypoints_m: Float[np.ndarray, "keypoints 3"]
    keypoints_by_shape: Float[np.ndarray, "keypoints 3 shape"]


class BodyModel(Protocol):
    """A body model as the fitter sees it."""

    @property
    def name(self) -> str:
        """One of "skeleton", "anny", "smpl", "smplh" and "smplx"."""
        ...

    @property
    def gender(self) -> str:
        """One of "neutral", "male" and "female"."""
        ...

    @property
    def tree(self) -> JointTree:
        """Names and parents of the joints."""
        ...

    @property
    def dofs(self) -> Dofs:
        """Its degrees of freedom."""
        ...

    @property
    def shape_names(self) -> tuple[str, ...]:
        """Names of the S shape numbers."""
        ...

    @property
    def shape_mean(self) -> Float[np.ndarray, " shape"]:
        """Shape of an average person."""
        ...

    @property
    def shape_sigma(self) -> Float[np.ndarray, " shape"]:
        """Standard deviation of the shape numbers among people."""
        ...

    @property
    def keypoint_names(self) -> tuple[str, ...]:
        """Names of the K keypoints, of those used in `mocap.model.skeletons`."""
        ...

    @property
    def keypoint_joint(self) -> Int[np.ndarray, " keypoints"]:
        """The joint each keypoint is attached to."""
        ...

    def shaped(self, shape: Float[np.ndarray, " shape"]) -> ShapedBody:
        """The rest pose of a body with this shape."""
        ...
