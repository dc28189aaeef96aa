"""The bones of the free body model `anny` as the joints of the kinematic skeleton.

The library's 104 bones rest in a relaxed pose: arms lowered, elbows and fingers a little bent. Here
they are gathered into the joints of `mocap.body.skeleton_tree`, and turned into its T-pose: so both
models share names, degrees of freedom, limits and exporters. Bones that go with one joint (the
metacarpals with the hand, the five toes with the ball of the foot) move as one.

Axes: x to the left, y backwards, z up, metres, as in the skeleton. Every place is linear in the
weights of the model's blend shapes, because the turns into the T-pose are those of the average body
for all bodies; the T-pose of other bodies is therefore a degree or two from exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import sparse

from mocap.arrays import Float, Int
from mocap.body.anny_data import BODY_KEYPOINTS, BodyData, blend_weights
from mocap.body.anny_face import FACE_VERTICES
from mocap.body.anny_keypoints import tip_vertices
from mocap.body.skeleton_dofs import THUMB_DIRECTION
from mocap.body.skeleton_tree import FINGERS, finger_joints, skeleton_tree
from mocap.model.body_motion import JointTree
from mocap.model.skeletons import FACE_POINTS

AVERAGE_SHAPE = {
    "gender": 0.5,
    "age": 0.7,
    "muscle": 0.5,
    "weight": 0.5,
    "height": 0.5,
    "proportions": 0.5,
}
"""The body whose bones are turned exactly into the T-pose."""

_BODY = {
    "Hips": "root",
    "Spine": "spine04",
    "Spine1": "spine03",
    "Spine2": "spine02",
    "Neck": "neck01",
    "Head": "head",
}
_SIDED = {
    "Shoulder": "clavicle",
    "Arm": "upperarm01",
    "ForeArm": "lowerarm01",
    "Hand": "wrist",
    "UpLeg": "upperleg01",
    "Leg": "lowerleg01",
    "Foot": "foot",
}
_H = float(np.sqrt(0.5))
_THUMB_FLEXES_TO = (0.5, 0.5, -_H)
"""Direction in which the tip of the left thumb of the T-pose moves when it bends."""
_MIRROR = np.diag([-1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class AnnyRig:
    """Everything of the model that the joints need; B is the number of blend shapes + 1.

    The last axis of the linear arrays runs over 1 (the template) and the blend shapes: multiply it
    by `blend(shape)`.

    Attributes:
        tree: the joints.
        joint_of_bone: which joint each bone of the library goes with.
        turn: per joint, the rotation from the library's rest pose into the T-pose.
        bind_joints: places of the joints in the library's rest pose.
        bones: in the T-pose, from the parent of each joint to it.
        sole: in the T-pose, from the left foot's joint to the lowest point of its sole.
        coco: places in the library's rest pose of the keypoints of the library's regressor.
        face: the same of the 68 points of the face.
        weights: how much each joint moves each vertex.
        triangles: vertex indices.
        mask: for `blend_weights`.
        projection: of `BodyData`.
    """

    tree: JointTree
    joint_of_bone: Int[np.ndarray, " bones"]
    turn: Float[np.ndarray, "joints 3 3"]
    bind_joints: Float[np.ndarray, "joints 3 blends"]
    bones: Float[np.ndarray, "joints 3 blends"]
    sole: Float[np.ndarray, "3 blends"]
    coco: Float[np.ndarray, "keypoints 3 blends"]
    face: Float[np.ndarray, "points 3 blends"]
    weights: sparse.csr_matrix
    triangles: Int[np.ndarray, "triangles 3"]
    mask: Float[np.ndarray, "originals anchors"]
    projection: Float[np.ndarray, "originals shapes"]

    def blend(self, shape: dict[str, float]) -> Float[np.ndarray, " blends"]:
        """1 and the weights of the blend shapes for phenotype values."""
        weights = blend_weights(shape, self.mask, extrapolate=True)
        return np.concatenate([[1.0], weights @ self.projection])

    def from_joint(
        self, place: Float[np.ndarray, "3 blends"], joint: int
    ) -> Float[np.ndarray, "3 blends"]:
        """A place of the library's rest pose as seen from a joint in the T-pose."""
        return self.turn[joint] @ (place - self.bind_joints[joint])


@lru_cache(maxsize=2)
def anny_rig(data: BodyData, *, fingers: bool) -> AnnyRig:
    """Gathers the bones of the model into the joints of the skeleton.

    Args:
        data: the model.
        fingers: whether there are three joints per finger.
    """
    tree = skeleton_tree(fingers=fingers)
    joint_of_bone = _joint_of_bone(data, tree)
    weights = _weights(data, joint_of_bone, len(tree))
    vertices = _Linear(data.vertices_m, data.blend_vertices_m)
    heads = _Linear(data.heads_m, data.blend_heads_m)
    average = np.concatenate([[1.0], blend_weights(AVERAGE_SHAPE, data.mask) @ data.projection])
    bind = np.stack(
        [_place(name, data, heads, vertices, weights, average, tree) for name in tree.names]
    )
    turn = _turns(tree, bind @ average, data, heads, average)
    bones = np.zeros_like(bind)
    for j in range(1, len(tree)):
        a = tree.parents[j]
        bones[j] = turn[a] @ (bind[j] - bind[a])
    # The floor is under the sole at its lowest in the average body.
    foot = tree.index("LeftFoot")
    height = (vertices.average(average) - bind[foot] @ average) @ turn[foot, 2]
    own = np.flatnonzero(weights[:, [foot, tree.index("LeftToeBase")]].sum(axis=1).A1 > 0.9)
    lowest = int(own[height[own].argmin()])
    sole = turn[foot] @ (vertices.rows([lowest])[0] - bind[foot])
    regressor = data.regressor / data.regressor.sum(axis=1, keepdims=True)
    return AnnyRig(
        tree=tree,
        joint_of_bone=joint_of_bone,
        turn=turn,
        bind_joints=bind,
        bones=bones,
        sole=sole,
        coco=vertices.combined(regressor.astype(np.float64)),
        face=vertices.rows(list(FACE_VERTICES)),
        weights=weights,
        triangles=data.triangles,
        mask=data.mask,
        projection=data.projection,
    )


class _Linear:
    """Points as linear functions of 1 and the blend weights, in the skeleton's axes."""

    def __init__(self, template: np.ndarray, blends: np.ndarray) -> None:
        self._all = (template, blends)

    def rows(self, indices: Sequence[int]) -> np.ndarray:
        template, blends = self._all
        chosen = np.concatenate([template[None, indices], blends[:, indices]]).astype(np.float64)
        return np.moveaxis(to_skeleton_axes(chosen), 0, -1)

    def combined(self, matrix: np.ndarray) -> np.ndarray:
        used = np.flatnonzero(matrix.any(axis=0))
        return np.einsum("kv,vas->kas", matrix[:, used], self.rows(used.tolist()))

    def average(self, weights: np.ndarray) -> np.ndarray:
        template, blends = self._all
        points = template + np.tensordot(weights[1:].astype(np.float32), blends, axes=1)
        return to_skeleton_axes(points.astype(np.float64))


def to_skeleton_axes(points: Float[np.ndarray, "*any 3"]) -> Float[np.ndarray, "*any 3"]:
    """From the axes of `BodyData` (forwards, left, up) to the skeleton's (left, backwards, up)."""
    return np.stack([points[..., 1], -points[..., 0], points[..., 2]], axis=-1)


def _finger_bones(letter: str) -> dict[str, str]:
    side = {"L": "Left", "R": "Right"}[letter]
    return {
        joint: f"finger{number}-{k}.{letter}"
        for number, finger in enumerate(FINGERS, 1)
        for k, joint in enumerate(finger_joints(side, finger)[:3], 1)
    }


def _bone_of_joint(tree: JointTree) -> dict[str, str]:
    """The bone whose head each joint is; ends and toes have none."""
    bones = dict(_BODY)
    for side, letter in (("Left", "L"), ("Right", "R")):
        bones |= {side + part: f"{bone}.{letter}" for part, bone in _SIDED.items()}
        bones |= _finger_bones(letter)
    return {joint: bone for joint, bone in bones.items() if joint in tree.names}


def _joint_of_bone(data: BodyData, tree: JointTree) -> np.ndarray:
    own = {bone: tree.index(joint) for joint, bone in _bone_of_joint(tree).items()}
    result = np.zeros(len(data.bone_names), np.int64)
    for i, name in enumerate(data.bone_names):
        if name in own:
            result[i] = own[name]
        elif name.startswith("toe"):
            result[i] = tree.index("LeftToeBase" if name.endswith("L") else "RightToeBase")
        elif data.parents[i] >= 0:
            result[i] = result[data.parents[i]]
    return result


def _weights(data: BodyData, joint_of_bone: np.ndarray, joints: int) -> sparse.csr_matrix:
    rows = np.repeat(np.arange(len(data.vertices_m)), data.weight_bones.shape[1])
    columns = joint_of_bone[data.weight_bones.ravel()]
    values = (data.weight_values / data.weight_values.sum(axis=1, keepdims=True)).ravel()
    shape = (len(data.vertices_m), joints)
    # Doubles add up.
    return sparse.csr_matrix((values.astype(np.float32), (rows, columns)), shape)


def _place(
    name: str,
    data: BodyData,
    heads: _Linear,
    vertices: _Linear,
    weights: sparse.csr_matrix,
    average: np.ndarray,
    tree: JointTree,
) -> np.ndarray:
    """Where a joint is in the library's rest pose."""
    bone = _bone_of_joint(tree).get(name)
    if bone is not None:
        return heads.rows([data.bone_names.index(bone)])[0]
    if name.endswith("ToeBase"):
        letter = name[0]
        toes = [data.bone_names.index(f"toe{k}-1.{letter}") for k in range(1, 6)]
        return heads.rows(toes).mean(axis=0)
    if name.endswith("Hand_End"):
        letter = name[0]
        return heads.rows([data.bone_names.index(f"finger3-1.{letter}")])[0]
    # An end: the tip of what its parent moves.
    parent = tree.parents[tree.index(name)]
    joint = _place(tree.names[parent], data, heads, vertices, weights, average, tree) @ average
    places = vertices.average(average)
    own = np.flatnonzero(weights[:, [parent]].toarray()[:, 0] > 0.5)
    direction = None
    if name == "HeadTop_End":
        direction = np.array([0.0, 0.0, 1.0])
    elif name.endswith("Toe_End"):
        direction = np.array([0.0, -1.0, 0.0])
    tip = tip_vertices(places, own, joint, direction)
    return vertices.rows(tip.tolist()).mean(axis=0)


def _turns(
    tree: JointTree, places: np.ndarray, data: BodyData, heads: _Linear, average: np.ndarray
) -> np.ndarray:
    """Rotations from the library's rest pose into the T-pose, of the average body."""
    at = dict(zip(tree.names, places, strict=True))
    for letter in ("L", "R"):
        for joint, bone in _finger_bones(letter).items():
            at[joint] = heads.rows([data.bone_names.index(bone)])[0] @ average
    turn = np.tile(np.eye(3), (len(tree), 1, 1))
    for side in ("Left", "Right"):
        mirror = np.eye(3) if side == "Left" else _MIRROR
        own = {n.removeprefix(side): mirror @ p for n, p in at.items() if n.startswith(side)}
        for part, rotation in _left_turns(own).items():
            if side + part in tree.names:
                turn[tree.index(side + part)] = mirror @ rotation @ mirror
    return turn


def _left_turns(at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    x, y, z = np.eye(3)
    upper, lower = at["ForeArm"] - at["Arm"], at["Hand"] - at["ForeArm"]
    along = at["HandMiddle1"] - at["Hand"]
    palm = np.cross(along, at["HandIndex1"] - at["HandPinky1"])
    hand = _frame(x, -z) @ _frame(along, palm).T
    turns = {
        "Arm": _frame(x, -z) @ _frame(upper, np.cross(upper, lower)).T,
        "ForeArm": _frame(x, -z) @ _frame(lower, palm).T,
        "Hand": hand,
        "Hand_End": hand,
        "UpLeg": _frame(-z, -y) @ _frame(at["Leg"] - at["UpLeg"], -y).T,
        "Leg": _frame(-z, -y) @ _frame(at["Foot"] - at["Leg"], -y).T,
    }
    heading = at["ToeBase"] - at["Foot"]
    foot = _frame(-y, z) @ _frame(heading * (1.0, 1.0, 0.0), z).T
    turns |= {"Foot": foot, "ToeBase": foot, "Toe_End": foot}
    for finger in FINGERS:
        chain = [joint.removeprefix("Left") for joint in finger_joints("Left", finger)]
        for k in range(3):
            if chain[k + 1] in at:
                bone = at[chain[k + 1]] - at[chain[k]]
            else:
                bone = at[chain[k]] - at[chain[k - 1]]
            if finger == "Thumb":
                target = np.array(_THUMB_FLEXES_TO)
                turn = _frame(np.array(THUMB_DIRECTION), target) @ _frame(bone, hand.T @ target).T
            else:
                turn = _frame(x, -z) @ _frame(bone, palm).T
            turns[chain[k]] = turn
        turns[chain[3]] = turns[chain[2]]
    return turns


def _frame(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Rotation whose first column is along `first`, the second in the plane of both."""
    a = first / np.linalg.norm(first)
    b = second - a * (a @ second)
    b /= np.linalg.norm(b)
    return np.stack([a, b, np.cross(a, b)], axis=1)


def coco_places(rig: AnnyRig) -> dict[str, np.ndarray]:
    """Places in the library's rest pose of all keypoints that it defines, by name."""
    names = (*BODY_KEYPOINTS, *FACE_POINTS)
    return dict(zip(names, np.concatenate([rig.coco, rig.face]), strict=True))
