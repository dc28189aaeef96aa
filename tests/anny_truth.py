"""What the joints of `AnnyBody` do when a person of the studio moves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from mocap.body.anny_body import PHENOTYPES, AnnyBody
from mocap.body.anny_data import BodyData, load_body_data
from mocap.body.anny_rig import AnnyRig, anny_rig
from mocap.body.model import BodyModel
from mocap.geometry.kinematics import forward_kinematics
from mocap.geometry.rotations import quaternion_from_matrix
from mocap.model.body_motion import BodyMotion
from mocap.model.skeletons import COCO_WHOLEBODY_133
from mocap.studio.bodies import Body, BodyPose

# From the axes of the studio's bones (forwards, left, up) to the skeleton's (left, back, up).
AXES = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def shape_of(body: Body, model: AnnyBody) -> np.ndarray:
    """The shape numbers of a studio's person."""
    shape = model.shape_mean.copy()
    for i, name in enumerate((*PHENOTYPES, "scale")):
        shape[i] = body.shape_parameters[name]
    return shape


def joint_truth(
    body: Body, poses: Sequence[BodyPose], rig: AnnyRig
) -> tuple[np.ndarray, np.ndarray]:
    """World positions and orientations of the joints, by the bones of the library.

    Joints which are the heads of no bone (toes, tips) are carried by the bone they move with.
    """
    data: BodyData = load_body_data()
    transforms = body.bone_transforms(poses)
    bind = body.shape_parameters["scale"] * (rig.bind_joints @ rig.blend(body.shape_parameters))
    heads = body.rest_heads_m @ AXES.T
    ground = heads[0] - body.shape_parameters["scale"] * _root(data, body)
    positions = np.empty((len(poses), len(rig.tree), 3))
    orientations = np.empty((len(poses), len(rig.tree), 3, 3))
    for j, name in enumerate(rig.tree.names):
        bone = _bone(data, rig, j, name)
        turn = transforms[:, bone, :3, :3] @ AXES.T
        orientations[:, j] = turn @ rig.turn[j].T
        place = bind[j] + ground - heads[bone]
        positions[:, j] = transforms[:, bone, :3, 3] + turn @ place
    return positions, orientations


def _root(data: BodyData, body: Body) -> np.ndarray:
    return AXES @ data.rest(body.shape_parameters)[1][0]


def _bone(data: BodyData, rig: AnnyRig, joint: int, name: str) -> int:
    """The bone which carries a joint: the one whose head it is, or the one its parent moves."""
    own = np.flatnonzero(rig.joint_of_bone == joint)
    if len(own):
        near = "toe2-1" if "Toe" in name else ""
        chosen = [i for i in own if data.bone_names[i].startswith(near)]
        return int(chosen[0])
    return _bone(data, rig, rig.tree.parents[joint], rig.tree.names[rig.tree.parents[joint]])


@lru_cache(maxsize=2)
def anny_model(*, fingers: bool = True) -> AnnyBody:
    """The model for COCO-WholeBody."""
    return AnnyBody(load_body_data(), COCO_WHOLEBODY_133, fingers)


def motion_of(
    model: BodyModel,
    shape: np.ndarray,
    root_m: np.ndarray,
    rotations: np.ndarray,
) -> BodyMotion:
    """A motion on any body model, 30 frames a second, of rotations relative to the parents."""
    shaped = model.shaped(shape)
    tree, frames = model.tree, len(root_m)
    positions, orientations = forward_kinematics(
        tree.parents, shaped.rest_joints_m, root_m, rotations
    )
    joint = model.keypoint_joint
    offset = shaped.keypoints_m - shaped.rest_joints_m[joint]
    keypoints = positions[:, joint] + np.einsum("fkab,kb->fka", orientations[:, joint], offset)
    unknown = np.full((frames, len(tree), 3, 3), np.nan)
    return BodyMotion(
        person_id=0,
        model=model.name,
        gender=model.gender,
        tree=tree,
        rest_joints_m=shaped.rest_joints_m,
        shape_names=model.shape_names,
        shape=shape,
        shape_sigma=np.full(len(shape), np.nan),
        frame=np.arange(frames),
        time_s=np.arange(frames) / 30.0,
        present=np.ones(frames, bool),
        root_position_m=root_m,
        rotations=quaternion_from_matrix(rotations),
        joint_positions_m=positions,
        position_covariance_m2=unknown,
        rotation_covariance_rad2=unknown,
        measured=np.ones((frames, len(tree)), bool),
        dof_names=(),
        dof_rad=np.zeros((frames, 0)),
        dof_limits_rad=np.zeros((0, 2)),
        keypoint_names=model.keypoint_names,
        keypoints_m=keypoints,
        residual_m=np.zeros((frames, len(joint))),
    )


def local_rotations(parents: Sequence[int], orientations: np.ndarray) -> np.ndarray:
    """Rotations relative to the parents, of world orientations."""
    local = orientations.copy()
    for j, parent in enumerate(parents):
        if parent >= 0:
            local[:, j] = np.swapaxes(orientations[:, parent], -1, -2) @ orientations[:, j]
    return local


def studio_motion(body: Body, poses: Sequence[BodyPose], model: AnnyBody) -> BodyMotion:
    """The motion of a studio's person on the joints of the model."""
    rig = anny_rig(load_body_data(), fingers=model.fingers)
    positions, orientations = joint_truth(body, poses, rig)
    local = local_rotations(rig.tree.parents, orientations)
    return motion_of(model, shape_of(body, model), positions[:, 0], local)
