"""The SMPL family as the fitter sees it: keypoints, offsets, degrees of freedom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from body_stand_in import smplx_forward

from mocap.body.smpl_body import SmplBody
from mocap.body.smpl_file import load_smpl
from mocap.body.smpl_kinds import SMPL_KINDS
from mocap.body.smpl_parameters import SmplParameters
from mocap.model.skeleton import Skeleton
from mocap.model.skeletons import COCO_17, COCO_WHOLEBODY_133, FACE_POINTS, SKELETONS

KINDS = tuple(SMPL_KINDS)


def body(folder: Path, kind: str, detector: Skeleton | None = COCO_WHOLEBODY_133) -> SmplBody:
    return SmplBody(load_smpl(kind, "neutral", folder), detector)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "detector", [None, *SKELETONS.values()], ids=lambda s: s.name if s else "own"
)
def test_shape_derivatives_are_those_of_differences(stand_ins, kind, detector) -> None:
    model = body(stand_ins, kind, detector)
    rng = np.random.default_rng(1)
    shape = rng.normal(size=len(model.shape_names)) * model.shape_sigma
    here = model.shaped(shape)
    assert here.rest_joints_m.shape == (len(model.tree), 3)
    assert here.keypoints_m.shape == (len(model.keypoint_names), 3)
    step = 1e-3
    for i in range(len(shape)):
        more = model.shaped(shape + step * np.eye(len(shape))[i])
        for now, then, slope in (
            (here.rest_joints_m, more.rest_joints_m, here.rest_joints_by_shape),
            (here.keypoints_m, more.keypoints_m, here.keypoints_by_shape),
        ):
            np.testing.assert_allclose((then - now) / step, slope[..., i], atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_own_keypoints_are_those_of_smplx_at_rest(stand_ins, kind) -> None:
    """Names and vertices: the library's joints, in its order, and its selected vertices."""
    joint_names = pytest.importorskip("smplx.joint_names")
    model = body(stand_ins, kind, None)
    betas = np.random.default_rng(2).normal(size=10)
    joints = len(model.tree)
    rest = SmplParameters(kind, "neutral", betas, np.zeros((1, 3)), np.zeros((1, joints, 3)))
    path = stand_ins / kind / f"{kind.upper()}_NEUTRAL.npz"
    theirs = smplx_forward(path, rest)[0][0]
    ours = model.shaped(betas).keypoints_m
    np.testing.assert_allclose(ours[: joints + 21], theirs[: joints + 21], atol=1e-6)
    if kind != "smpl":
        table = {"smplh": joint_names.SMPLH_JOINT_NAMES, "smplx": joint_names.JOINT_NAMES}[kind]
        assert list(model.tree.names) == table[:joints]
        for own, name in zip(model.keypoint_names[joints:], table[joints:], strict=False):
            finger = own.replace("_hand_", "_").removesuffix("_tip")
            assert name in (own, finger)


def test_face_points_are_those_of_smplx(stand_ins) -> None:
    pytest.importorskip("smplx")
    model = body(stand_ins, "smplx")
    rest = SmplParameters("smplx", "neutral", np.zeros(10), np.zeros((1, 3)), np.zeros((1, 55, 3)))
    theirs = smplx_forward(stand_ins / "smplx" / "SMPLX_NEUTRAL.npz", rest)[0][0]
    ours = model.shaped(model.shape_mean).keypoints_m
    face = [name for name in model.keypoint_names if name in FACE_POINTS]
    assert "face_30" in face
    for name in face:
        # 55 joints and 21 vertices stand before the points from 17 on.
        theirs_of_it = theirs[76 + FACE_POINTS.index(name) - 17]
        np.testing.assert_allclose(ours[model.keypoint_names.index(name)], theirs_of_it, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("detector", SKELETONS.values(), ids=lambda s: s.name if s else "own")
def test_both_sides_of_the_body_are_equal(stand_ins, kind, detector) -> None:
    model = body(stand_ins, kind, detector)
    shaped = model.shaped(model.shape_mean + model.shape_sigma * 0.5)
    names = model.keypoint_names
    joints = model.tree.names
    for i, name in enumerate(names):
        if name.startswith("left"):
            other = names.index(name.replace("left", "right", 1))
            mirror = shaped.keypoints_m[other] * (-1, 1, 1)
            np.testing.assert_allclose(shaped.keypoints_m[i], mirror, atol=0.008)
            own, its = joints[model.keypoint_joint[i]], joints[model.keypoint_joint[other]]
            assert own.replace("left", "right") == its
    limits = dict(zip(model.dofs.names, np.rad2deg(model.dofs.limits_rad), strict=True))
    for name, (low, high) in limits.items():
        if name.startswith("left"):
            other = limits[name.replace("left", "right", 1)]
            expected = (low, high) if name.endswith("x") else (-high, -low)
            assert tuple(other) == pytest.approx(expected)


@pytest.mark.parametrize("kind", KINDS)
def test_every_body_keypoint_of_coco_is_placed(stand_ins, kind) -> None:
    model = body(stand_ins, kind)
    wanted = [*COCO_17.keypoints, "left_big_toe", "right_heel", "left_hand_wrist"]
    assert not [name for name in wanted if name not in model.keypoint_names]
    fingers = [n for n in COCO_WHOLEBODY_133.keypoints if "_hand_" in n]
    assert kind == "smpl" or not [n for n in fingers if n not in model.keypoint_names]
    shaped = model.shaped(model.shape_mean)
    at = dict(zip(model.keypoint_names, shaped.keypoints_m, strict=True))
    assert at["left_hip"][0] > shaped.rest_joints_m[model.tree.index("left_hip"), 0]
    assert at["nose"][2] > at["left_ear"][2]


@pytest.mark.parametrize("kind", KINDS)
def test_dofs_make_balls_within_limits(stand_ins, kind) -> None:
    dofs = body(stand_ins, kind).dofs
    assert list(dofs.joint[:3]) == [0, 0, 0]
    assert not np.isfinite(dofs.limits_rad[:3]).any()
    assert list(dofs.together) == [False, True, True] * (len(dofs.names) // 3)
    assert (np.diff(dofs.joint) >= 0).all()
    assert (dofs.limits_rad[3:, 0] <= dofs.rest_rad[3:]).all()
    assert (dofs.rest_rad[3:] <= dofs.limits_rad[3:, 1]).all()


def test_without_fingers_they_do_not_move(stand_ins) -> None:
    data = load_smpl("smplh", "neutral", stand_ins)
    still = SmplBody(data, COCO_17, fingers=False)
    names = [still.tree.names[j] for j in still.dofs.joint]
    assert "left_wrist" in names and not [n for n in names if "index" in n]


def test_offsets_are_no_betas(stand_ins) -> None:
    model = body(stand_ins, "smplx")
    assert model.shape_names[:10] == tuple(f"beta_{i}" for i in range(10))
    assert "hip offset up" in model.shape_names
    assert len(model.shape_sigma) == len(model.shape_names)
