"""COCO-WholeBody keypoints of a body, as linear functions of its bones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float, Int
from mocap.body.anny_data import BODY_KEYPOINTS, BodyData
from mocap.body.anny_face import FACE_VERTICES
from mocap.model.skeletons import COCO_WHOLEBODY_133, hand_keypoints

_TIP_SHARE = 0.004
"""A tip is the mean of the vertices within this many body heights of the farthest one."""


@dataclass(frozen=True)
class KeypointTable:
    """Keypoints as sums over bones: p_k = sum_j T_world_bone_j c_kj.

    It is exact for keypoints that are weighted means of linearly skinned vertices.

    Attributes:
        coefficients: c_kj, homogeneous and weighted.
    """

    coefficients: Float[np.ndarray, "keypoints bones 4"]

    def positions(
        self, T_world_bone: Float[np.ndarray, "*batch bones 4 4"]
    ) -> Float[np.ndarray, "*batch keypoints 3"]:
        """World positions of the keypoints, in metres."""
        bones, rows = T_world_bone.shape[-3], T_world_bone[..., :3, :]
        stacked = np.moveaxis(rows, -3, -2).reshape(*T_world_bone.shape[:-3], 3, bones * 4)
        flat = self.coefficients.reshape(len(self.coefficients), bones * 4)
        return np.swapaxes(stacked @ flat.T, -1, -2)


def make_keypoint_table(
    data: BodyData,
    vertices_m: Float[np.ndarray, "vertices 3"],
    heads_m: Float[np.ndarray, "bones 3"],
    weights: Float[np.ndarray, "vertices bones"],
) -> KeypointTable:
    """The table of one body.

    Args:
        data: the body model.
        vertices_m: the unclothed body at rest.
        heads_m: its joints.
        weights: how much each bone moves each vertex.
    """
    names = COCO_WHOLEBODY_133.keypoints
    local = np.ones((len(vertices_m), len(heads_m), 4))
    local[..., :3] = vertices_m[:, None] - heads_m[None]
    local *= weights[..., None]
    result = np.zeros((len(names), len(heads_m), 4))
    body = len(BODY_KEYPOINTS)
    regressor = data.regressor.astype(np.float64)
    result[:body] = np.tensordot(regressor / regressor.sum(axis=1, keepdims=True), local, axes=1)
    face = COCO_WHOLEBODY_133.indices("face")
    result[list(face)] = local[list(FACE_VERTICES)]
    for side, letter in (("left", "L"), ("right", "R")):
        bones = [data.bone_names.index(f"wrist.{letter}")]
        for finger in range(1, 6):
            chain = [data.bone_names.index(f"finger{finger}-{k}.{letter}") for k in (1, 2, 3)]
            bones += [*chain, -chain[-1]]
        for name, bone in zip(hand_keypoints(side), bones, strict=True):
            row = names.index(name)
            if bone >= 0:
                result[row, bone, 3] = 1.0
            else:
                own = np.flatnonzero(weights[:, -bone] > 0.5)
                tip = tip_vertices(vertices_m, own, heads_m[-bone])
                result[row] = local[tip].mean(axis=0)
    return KeypointTable(result)


def tip_vertices(
    vertices_m: Float[np.ndarray, "vertices 3"],
    own: Int[np.ndarray, " own"],
    joint_m: Float[np.ndarray, " 3"],
    direction: Float[np.ndarray, " 3"] | None = None,
) -> Int[np.ndarray, " tip"]:
    """The vertices at the tip of what a joint moves.

    Args:
        vertices_m: the body at rest.
        own: the vertices which the joint moves.
        joint_m: the joint.
        direction: in which the tip lies; towards the middle of the vertices when None.
    """
    towards = vertices_m[own].mean(axis=0) - joint_m if direction is None else direction
    along = (vertices_m[own] - joint_m) @ (towards / np.linalg.norm(towards))
    height = float(np.ptp(vertices_m[:, 2]))
    return own[along > along.max() - _TIP_SHARE * height]
