"""The stages of the SMPL family and its parameters, against the `smplx` library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from body_stand_in import joint_places, smplx_forward

from mocap.body.smpl_file import load_smpl
from mocap.body.smpl_kinds import SMPL_KINDS
from mocap.body.smpl_parameters import (
    EasyMocapParameters,
    SmplParameters,
    body_motion_of_smpl,
    easymocap_parameters,
    from_easymocap,
    poses_of_parts,
    smpl_parameters,
)
from mocap.errors import InputError
from mocap.geometry.rotations import matrix_from_quaternion, matrix_from_rotvec

pytest.importorskip("smplx")
KINDS = tuple(SMPL_KINDS)


def random_parameters(kind: str, frames: int = 4, seed: int = 0) -> SmplParameters:
    rng = np.random.default_rng(seed)
    joints = len(SMPL_KINDS[kind].tree)
    return SmplParameters(
        model=kind,
        gender="neutral",
        betas=rng.normal(0.0, 1.5, 10),
        transl=rng.uniform(-3.0, 3.0, (frames, 3)),
        poses=rng.normal(0.0, 0.5, (frames, joints, 3)),
    )


def motion_of(parameters: SmplParameters, folder: Path):
    data = load_smpl(parameters.model, "neutral", folder)
    rest = data.rest_joints(parameters.betas)
    return body_motion_of_smpl(parameters, rest, np.arange(len(parameters)) / 30.0)


def smplx_file(folder: Path, kind: str) -> Path:
    return folder / kind / f"{kind.upper()}_NEUTRAL.npz"


@pytest.mark.parametrize("kind", KINDS)
def test_joints_and_surface_are_those_of_smplx(stand_ins: Path, kind: str) -> None:
    parameters = random_parameters(kind)
    joints, vertices = smplx_forward(smplx_file(stand_ins, kind), parameters)
    motion = motion_of(parameters, stand_ins)
    assert np.abs(motion.joint_positions_m - joints[:, : len(motion.tree)]).max() < 1e-6
    data = load_smpl(kind, "neutral", stand_ins)
    ours = data.vertices(
        data.shaped(parameters.betas),
        motion.root_position_m,
        matrix_from_quaternion(motion.rotations),
    )
    assert np.abs(ours - vertices).max() < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_pose_corrections_matter_in_the_stand_in(stand_ins: Path, kind: str) -> None:
    """Without this the comparison of surfaces would not notice their absence."""
    data = load_smpl(kind, "neutral", stand_ins)
    rotations = matrix_from_rotvec(random_parameters(kind).poses)
    shaped = data.shaped(np.zeros(10))
    assert np.abs(data.posed_rest(shaped, rotations) - shaped.vertices_m).max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_come_back(stand_ins: Path, kind: str) -> None:
    parameters = random_parameters(kind)
    back = smpl_parameters(motion_of(parameters, stand_ins))
    assert np.allclose(back.transl, parameters.transl, atol=1e-12)
    assert np.array_equal(back.betas, parameters.betas)
    given, got = matrix_from_rotvec(parameters.poses), matrix_from_rotvec(back.poses)
    assert np.allclose(given, got, atol=1e-9)
    assert np.allclose(poses_of_parts(kind, back.parts), back.poses)


@pytest.mark.parametrize("kind", KINDS)
def test_easymocap_turns_the_skinned_body_about_the_origin(stand_ins: Path, kind: str) -> None:
    parameters = random_parameters(kind)
    _, vertices = smplx_forward(smplx_file(stand_ins, kind), parameters)
    easy = easymocap_parameters(motion_of(parameters, stand_ins))
    assert not easy.poses[:, 0].any()
    # By EasyMocap's own formula: skin without the root, then turn and shift.
    unturned = SmplParameters(kind, "neutral", easy.shapes, np.zeros((4, 3)), easy.poses)
    _, rest = smplx_forward(smplx_file(stand_ins, kind), unturned)
    turned = np.einsum("fab,fvb->fva", matrix_from_rotvec(easy.Rh), rest) + easy.Th[:, None]
    assert np.abs(turned - vertices).max() < 1e-4
    root = load_smpl(kind, "neutral", stand_ins).rest_joints(parameters.betas)[0]
    back = from_easymocap(kind, "neutral", easy, root)
    assert np.allclose(back.transl, parameters.transl, atol=1e-9)
    assert np.allclose(
        matrix_from_rotvec(back.poses), matrix_from_rotvec(parameters.poses), atol=1e-9
    )


def test_an_easymocap_root_pose_is_counted(stand_ins: Path) -> None:
    rng = np.random.default_rng(3)
    easy = EasyMocapParameters(
        rng.normal(size=(2, 3)), rng.normal(size=(2, 3)), rng.normal(size=(2, 24, 3)), np.zeros(10)
    )
    root = load_smpl("smpl", "neutral", stand_ins).rest_joints(np.zeros(10))[0]
    ours = from_easymocap("smpl", "neutral", easy, root)
    unmoved = SmplParameters("smpl", "neutral", np.zeros(10), np.zeros((2, 3)), easy.poses)
    rest, _ = smplx_forward(smplx_file(stand_ins, "smpl"), unmoved)
    turned = np.einsum("fab,fjb->fja", matrix_from_rotvec(easy.Rh), rest) + easy.Th[:, None]
    joints, _ = smplx_forward(smplx_file(stand_ins, "smpl"), ours)
    assert np.abs(turned - joints).max() < 1e-6


def test_the_stand_in_is_a_humanoid(stand_ins: Path) -> None:
    for kind in SMPL_KINDS.values():
        data = load_smpl(kind.name, "neutral", stand_ins)
        assert np.abs(data.joint_template_m - joint_places(kind)).max() < 1e-6
        assert 1.6 < np.ptp(data.template_m[:, 1]) < 1.8


def test_wrong_parts_are_named() -> None:
    with pytest.raises(InputError, match="no pose 'jaw_pose' in SMPL-H"):
        poses_of_parts("smplh", {"jaw_pose": np.zeros((2, 3))})
    with pytest.raises(InputError, match=r"body_pose has shape \(2, 69\), expected \(2, 63\)"):
        poses_of_parts("smplx", {"body_pose": np.zeros((2, 69))})
