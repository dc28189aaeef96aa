"""The arrays of a model file of the SMPL family, and its stages: shape, then pose, then surface."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from mocap.arrays import Float, Int
from mocap.body.skinning import skin
from mocap.body.smpl_kinds import SmplKind
from mocap.geometry.kinematics import forward_kinematics

_CHUNK = 64
"""Frames skinned at once; more does not make it faster, only larger in memory."""


@dataclass(frozen=True, eq=False)
class SmplShaped:
    """A body with a shape, at rest in the frame of the model.

    Attributes:
        vertices_m: the surface.
        joints_m: the joints.
    """

    vertices_m: Float[np.ndarray, "vertices 3"]
    joints_m: Float[np.ndarray, "joints 3"]


@dataclass(frozen=True, eq=False)
class SmplData:
    """What is in a model file; lengths in metres, Y-up, left is +X, facing +Z.

    Attributes:
        kind: which model it is.
        gender: "neutral", "male" or "female".
        template_m: vertices of the average body.
        shape_directions: their change by each shape number.
        pose_directions: their change by each entry of R_j - 1, of joint 1 and on.
        joint_regressor: joints as weighted means of vertices.
        weights: how much each joint moves each vertex.
        faces: vertex indices of the triangles.
        face_point_faces: of SMPL-X, the triangles with the points 17 to 67 of the face (iBUG
            300-W): brows, nose, eyes and lips; else empty.
        face_point_coordinates: their barycentric coordinates there.
        joint_template_m: joints of the average body.
        joint_directions: their change by each shape number.
    """

    kind: SmplKind
    gender: str
    template_m: Float[np.ndarray, "vertices 3"]
    shape_directions: Float[np.ndarray, "vertices 3 shape"]
    pose_directions: Float[np.ndarray, "vertices 3 features"]
    joint_regressor: sparse.csr_matrix
    weights: sparse.csr_matrix
    faces: Int[np.ndarray, "faces 3"]
    face_point_faces: Int[np.ndarray, " points"]
    face_point_coordinates: Float[np.ndarray, "points 3"]
    joint_template_m: Float[np.ndarray, "joints 3"] = field(init=False)
    joint_directions: Float[np.ndarray, "joints 3 shape"] = field(init=False)

    def __post_init__(self) -> None:
        joints = self.joint_regressor @ self.template_m
        by_shape = self.joint_regressor @ self.shape_directions.reshape(len(self.template_m), -1)
        object.__setattr__(self, "joint_template_m", joints)
        object.__setattr__(self, "joint_directions", by_shape.reshape(*joints.shape, -1))

    @property
    def num_betas(self) -> int:
        """How many shape numbers the file has."""
        return self.shape_directions.shape[2]

    def rest_joints(self, betas: Float[np.ndarray, " shape"]) -> Float[np.ndarray, "joints 3"]:
        """J(betas): the joints at rest; betas beyond those given are zero."""
        return self.joint_template_m + self.joint_directions[..., : len(betas)] @ betas

    def shaped(self, betas: Float[np.ndarray, " shape"]) -> SmplShaped:
        """The body at rest; betas beyond those given are zero."""
        vertices = self.template_m + self.shape_directions[..., : len(betas)] @ betas
        return SmplShaped(vertices, self.rest_joints(betas))

    def posed_rest(
        self, shaped: SmplShaped, rotations: Float[np.ndarray, "frames joints 3 3"]
    ) -> Float[np.ndarray, "frames vertices 3"]:
        """The surface at rest with the corrections which the pose makes to it."""
        feature = (rotations[:, 1:] - np.eye(3)).reshape(len(rotations), -1)
        directions = self.pose_directions.reshape(-1, feature.shape[1])
        offsets = feature.astype(directions.dtype) @ directions.T
        return shaped.vertices_m + offsets.reshape(len(rotations), -1, 3)

    def vertices(
        self,
        shaped: SmplShaped,
        root_position_m: Float[np.ndarray, "frames 3"],
        rotations: Float[np.ndarray, "frames joints 3 3"],
    ) -> Float[np.ndarray, "frames vertices 3"]:
        """World positions of the surface, metres, single precision.

        Args:
            shaped: the body.
            root_position_m: world position of the root joint.
            rotations: of each joint relative to its parent; of the root to the world.
        """
        result = np.empty((len(rotations), len(self.template_m), 3), np.float32)
        for first in range(0, len(rotations), _CHUNK):
            part = slice(first, first + _CHUNK)
            positions, orientations = forward_kinematics(
                self.kind.tree.parents, shaped.joints_m, root_position_m[part], rotations[part]
            )
            rest = self.posed_rest(shaped, rotations[part])
            result[part] = skin(self.weights, rest, shaped.joints_m, positions, orientations)
        return result
