"""Fits of the models with a surface: to joints made by `smplx` itself, and to the studio's truth.

What a keypoint does not show cannot be found: the turn of a bone with one child about its own axis.
So directions of bones are compared, and whole rotations where a joint has several children.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from anny_truth import anny_model, joint_truth, studio_motion
from body_stand_in import smplx_forward
from scipy.interpolate import CubicSpline

from mocap.body.anny_rig import anny_rig
from mocap.body.fit import FitConfig, fit_body
from mocap.body.smpl_body import SmplBody
from mocap.body.smpl_file import load_smpl
from mocap.body.smpl_kinds import SMPL_KINDS
from mocap.body.smpl_parameters import SmplParameters, smpl_parameters
from mocap.body.surface import surface
from mocap.geometry.kinematics import forward_kinematics
from mocap.geometry.rotations import (
    matrix_from_quaternion,
    matrix_from_rotvec,
    rotvec_from_matrix,
)
from mocap.model import Motion, Skeleton
from mocap.model.skeletons import COCO_WHOLEBODY_133
from mocap.studio.bodies import Body, PersonConfig
from mocap.studio.motion_config import MotionConfig
from mocap.studio.motions import make_motion

FRAMES, RATE_HZ = 60, 60.0


def as_motion(table: Skeleton, points_m: np.ndarray, sigma_m: float) -> Motion:
    """Keypoints of one person whom four cameras see all the time."""
    frames, keypoints = points_m.shape[:2]
    return Motion(
        skeleton=table,
        frame=np.arange(frames),
        time_s=np.arange(frames) / RATE_HZ,
        person_id=np.zeros(frames, int),
        points_m=points_m,
        covariance_m2=np.tile(sigma_m**2 * np.eye(3), (frames, keypoints, 1, 1)),
        reprojection_px=np.zeros((frames, keypoints)),
        n_views=np.full((frames, keypoints), 4),
    )


def random_parameters(body: SmplBody, seed: int) -> SmplParameters:
    """Smooth poses inside the limits of the model, which also turns and moves in the world."""
    rng = np.random.default_rng(seed)
    dofs, times = body.dofs, np.linspace(0.0, 1.0, FRAMES)
    limits = np.clip(dofs.limits_rad, -3.0, 3.0)
    keys = rng.uniform(limits[:, 0], limits[:, 1], (3, len(dofs.names)))
    keys = dofs.rest_rad + 0.4 * (keys - dofs.rest_rad)
    values = CubicSpline([0.0, 0.5, 1.0], keys)(times)
    values = np.clip(values, 0.98 * limits[:, 0], 0.98 * limits[:, 1])
    poses = np.zeros((FRAMES, len(body.tree), 3))
    for value, joint, axis in zip(values.T, dofs.joint, dofs.axis, strict=True):
        poses[:, joint] += value[:, None] * axis
    turn = CubicSpline([0.0, 0.5, 1.0], rng.normal(0.0, 0.6, (3, 3)))(times)
    upright = matrix_from_rotvec(np.array([np.pi / 2, 0.0, 0.0]))
    poses[:, 0] = rotvec_from_matrix(matrix_from_rotvec(turn) @ upright)
    place = CubicSpline([0.0, 0.5, 1.0], rng.normal([0.0, 0.0, 1.0], 0.3, (3, 3)))(times)
    return SmplParameters(body.name, "neutral", rng.normal(size=10), place, poses)


@pytest.mark.parametrize("kind", tuple(SMPL_KINDS))
def test_parameters_come_back_from_the_joints_of_smplx(stand_ins: Path, kind: str) -> None:
    pytest.importorskip("smplx")
    body = SmplBody(load_smpl(kind, "neutral", stand_ins))
    truth = random_parameters(body, seed=4)
    path = stand_ins / kind / f"{kind.upper()}_NEUTRAL.npz"
    joints, _ = smplx_forward(path, truth)
    names = body.keypoint_names
    table = Skeleton(f"{kind} own", names, ("body",) * len(names), (), names[:5])
    person = as_motion(table, joints[:, : len(names)], 1e-4)
    config = FitConfig(model_noise_m=1e-4, floor=False, contacts=False)
    fitted = fit_body(body, person, config).motion
    ours = smpl_parameters(fitted)
    again, _ = smplx_forward(path, ours)
    tree = body.tree
    assert np.abs(again - joints)[:, : len(tree)].max() < 1e-3
    assert np.abs(ours.betas - truth.betas).max() < 0.05
    assert (fitted.dof_rad >= fitted.dof_limits_rad[:, 0] - 1e-6).all()
    assert (fitted.dof_rad <= fitted.dof_limits_rad[:, 1] + 1e-6).all()
    _, expected = forward_kinematics(
        tree.parents, fitted.rest_joints_m, truth.transl, matrix_from_rotvec(truth.poses)
    )
    _, found = forward_kinematics(
        tree.parents, fitted.rest_joints_m, truth.transl, matrix_from_rotvec(ours.poses)
    )
    compared = 0
    for j in range(len(tree)):
        children = [c for c, parent in enumerate(tree.parents) if parent == j]
        bones = fitted.rest_joints_m[children] - fitted.rest_joints_m[j]
        for bone in bones:
            a, b = expected[:, j] @ bone, found[:, j] @ bone
            angle = np.arctan2(np.linalg.norm(np.cross(a, b), axis=1), np.sum(a * b, axis=1))
            assert np.rad2deg(angle).max() < 1.0, tree.names[j]
            compared += 1
        if len(children) > 1:
            turn = np.swapaxes(expected[:, j], -1, -2) @ found[:, j]
            assert np.rad2deg(np.linalg.norm(rotvec_from_matrix(turn), axis=-1)).max() < 1.0
    assert compared == len(tree) - 1


@pytest.mark.parametrize(
    ("config", "noise_m"),
    [
        (PersonConfig(height_m=1.8, motion=MotionConfig(kind="walk_path")), 0.0),
        (PersonConfig(height_m=1.6, sex=0.0, motion=MotionConfig(kind="walk_path")), 0.01),
    ],
)
def test_anny_is_found_in_the_studio(config: PersonConfig, noise_m: float) -> None:
    person = Body(config)
    pose = make_motion(config.motion, person, 4.0)
    poses = [pose(t) for t in np.arange(0.0, 2.5, 1 / RATE_HZ)]
    points = person.pose_keypoints(poses)
    points = points + noise_m * np.random.default_rng(0).normal(size=points.shape)
    model = anny_model()
    observed = as_motion(COCO_WHOLEBODY_133, points, max(noise_m, 1e-3))
    fitted = fit_body(model, observed).motion
    truth = studio_motion(person, poses, model)
    positions, _ = joint_truth(person, poses, anny_rig(model.data, fingers=True))
    limbs = [
        model.tree.index(f"{side}{part}")
        for side in ("Left", "Right")
        for part in ("Arm", "ForeArm", "Hand", "UpLeg", "Leg", "Foot")
    ]
    error = np.linalg.norm(fitted.joint_positions_m - positions, axis=2)[:, limbs]
    assert error.mean() < 0.012
    height = fitted.rest_joints_m[model.tree.index("HeadTop_End"), 2]
    assert height == pytest.approx(config.height_m, rel=0.015)
    for j in limbs:
        parent = model.tree.parents[j]
        if model.tree.names[j].removeprefix("Left").removeprefix("Right") in ("Arm", "UpLeg"):
            continue
        lengths = [
            np.linalg.norm(m.rest_joints_m[j] - m.rest_joints_m[parent]) for m in (fitted, truth)
        ]
        assert lengths[0] == pytest.approx(lengths[1], rel=0.04)
    ours, _ = surface(fitted, [30, 90])
    theirs, _ = surface(truth, [30, 90])
    assert np.median(np.linalg.norm(ours - theirs, axis=2)) < 0.012
    turn = matrix_from_quaternion(fitted.rotations[:, 0])
    assert np.allclose(turn @ np.swapaxes(turn, -1, -2), np.eye(3), atol=1e-9)
