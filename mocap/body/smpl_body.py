"""SMPL, SMPL-H and SMPL-X as the fitter sees them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mocap.arrays import Float, Int
from mocap.body.detector_offsets import KeypointOffsets, keypoint_offsets
from mocap.body.model import Dofs, ShapedBody
from mocap.body.smpl_data import SmplData
from mocap.body.smpl_keypoints import Place, SmplPlaces
from mocap.body.smpl_limits import smpl_dofs
from mocap.body.smpl_parameters import beta_names
from mocap.model.body_motion import JointTree
from mocap.model.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class SmplBody:
    """A model of the SMPL family; implements `mocap.body.model.BodyModel`.

    Shape numbers: the betas, whose prior is the standard normal distribution of the models; then,
    in metres, the offsets of the detector's keypoints ("hip offset up").

    Attributes:
        data: the model file.
        detector: the skeleton definition of the keypoints it is fitted to; None for the model's
            own joints and named vertices, which have no offsets.
        fingers: whether its fingers move, if it has any.
        num_betas: how many shape numbers are used; no more than the file has.
    """

    data: SmplData
    detector: Skeleton | None = None
    fingers: bool = True
    num_betas: int = 10

    @property
    def name(self) -> str:
        """Of the model."""
        return self.data.kind.name

    @property
    def gender(self) -> str:
        """Of the model file."""
        return self.data.gender

    @property
    def tree(self) -> JointTree:
        """Names and parents of the joints."""
        return self.data.kind.tree

    @property
    def dofs(self) -> Dofs:
        """Its degrees of freedom."""
        return self._dofs

    @property
    def shape_names(self) -> tuple[str, ...]:
        """Names of the shape numbers."""
        return beta_names(self._betas) + self._offsets.names

    @property
    def shape_mean(self) -> Float[np.ndarray, " shape"]:
        """Shape of an average person: zero."""
        return np.zeros(len(self.shape_names))

    @property
    def shape_sigma(self) -> Float[np.ndarray, " shape"]:
        """Standard deviation of the shape numbers among people."""
        return np.concatenate([np.ones(self._betas), self._offsets.sigma_m])

    @property
    def keypoint_names(self) -> tuple[str, ...]:
        """Names of the keypoints."""
        return tuple(self._places)

    @property
    def keypoint_joint(self) -> Int[np.ndarray, " keypoints"]:
        """The joint each keypoint is attached to."""
        return self._keypoint_joint

    def shaped(self, shape: Float[np.ndarray, " shape"]) -> ShapedBody:
        """The rest pose of a body with this shape; it is linear in the shape."""
        joints, keypoints, keypoints_mean = self._linear
        return ShapedBody(
            rest_joints_m=self.data.joint_template_m + joints @ shape,
            rest_joints_by_shape=joints,
            keypoints_m=keypoints_mean + keypoints @ shape,
            keypoints_by_shape=keypoints,
        )

    @property
    def _betas(self) -> int:
        return min(self.num_betas, self.data.num_betas)

    @cached_property
    def _dofs(self) -> Dofs:
        return smpl_dofs(self.data.kind, fingers=self.fingers)

    @cached_property
    def _keypoint_joint(self) -> np.ndarray:
        return np.array([place.joint for place in self._places.values()])

    @cached_property
    def _places(self) -> dict[str, Place]:
        places = SmplPlaces(self.data, self._betas)
        if self.detector is None:
            return places.own()
        return places.of_detector(self.detector.name, self.detector.keypoints)

    @cached_property
    def _offsets(self) -> KeypointOffsets:
        if self.detector is None:
            return KeypointOffsets((), np.zeros(0), np.zeros((len(self._places), 3, 0)))
        return keypoint_offsets(self.detector.name, self._places)

    @cached_property
    def _linear(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Derivatives of joints and keypoints by the shape, and the keypoints of zero shape."""
        offsets = self._offsets.by_offset
        joints = np.zeros((len(self.tree), 3, self._betas + offsets.shape[2]))
        joints[..., : self._betas] = self.data.joint_directions[..., : self._betas]
        by_betas = np.array([place.by_betas for place in self._places.values()])
        turned = np.stack([offsets[:, 0], offsets[:, 2], -offsets[:, 1]], axis=1)
        keypoints = np.concatenate([by_betas, turned], axis=2)
        return joints, keypoints, np.array([place.mean_m for place in self._places.values()])
