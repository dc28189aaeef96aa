"""Surfaces of body motions, against the library's own skinning and `smplx`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from anny_truth import AXES, anny_model, local_rotations, motion_of, studio_motion
from body_stand_in import smplx_forward

from mocap.body.anny_data import load_body_data
from mocap.body.anny_rig import anny_rig
from mocap.body.registry import BODY_MODELS, BodyRequest, body_model
from mocap.body.smpl_file import MODELS_VARIABLE, load_smpl
from mocap.body.smpl_kinds import SMPL_KINDS
from mocap.body.smpl_parameters import SmplParameters, body_motion_of_smpl
from mocap.body.surface import has_surface, posed_vertices, surface, surface_mesh
from mocap.errors import InputError
from mocap.geometry.kinematics import forward_kinematics
from mocap.geometry.rotations import matrix_from_quaternion
from mocap.model.body_motion import BodyMotion
from mocap.model.skeletons import COCO_WHOLEBODY_133
from mocap.studio.bodies import Body, PersonConfig
from mocap.studio.motion_config import MotionConfig
from mocap.studio.motions import make_motion


@pytest.fixture(scope="module")
def person() -> Body:
    return Body(PersonConfig(height_m=1.74, motion=MotionConfig(kind="reach")))


@pytest.fixture(scope="module")
def reaching(person: Body) -> tuple[BodyMotion, list]:
    motion = make_motion(person.config.motion, person, 3.0)
    poses = [motion(t) for t in (0.0, 0.7, 1.5)]
    return studio_motion(person, poses, anny_model()), poses


def test_unposed_anny_is_the_librarys_body() -> None:
    model = anny_model()
    rig = anny_rig(load_body_data(), fingers=True)
    turned = local_rotations(rig.tree.parents, np.swapaxes(rig.turn, -1, -2)[None].copy())
    shape = model.shape_mean
    motion = motion_of(model, shape, np.array([[1.0, 2.0, 3.0]]), turned)
    vertices, faces = surface(motion)
    build = dict(zip(model.shape_names[:6], shape, strict=False))
    library, heads = load_body_data().rest(build)
    expected = (library - heads[0]) @ AXES.T + [1.0, 2.0, 3.0]
    assert np.abs(vertices[0] - expected).max() < 2e-5
    assert faces.max() < len(library)


def test_posed_anny_is_the_librarys_but_for_gathered_bones(person: Body, reaching) -> None:
    motion, poses = reaching
    data = load_body_data()
    vertices, _ = surface(motion)
    library, heads = data.rest(person.shape_parameters)
    scale = person.shape_parameters["scale"]
    moved = person.bone_transforms(poses)
    expected = np.zeros_like(vertices, dtype=float)
    for influence in range(data.weight_bones.shape[1]):
        bones = data.weight_bones[:, influence]
        local = scale * (library - heads[bones])
        turn = moved[:, bones]
        place = np.einsum("fvab,vb->fva", turn[..., :3, :3], local) + turn[..., :3, 3]
        expected += data.weight_values[:, influence, None] * place
    distance = np.linalg.norm(vertices - expected, axis=2)
    assert np.median(distance) < 0.004
    assert np.quantile(distance, 0.99) < 0.03


def test_what_a_gltf_reader_does_gives_the_surface(reaching) -> None:
    motion, _ = reaching
    mesh = surface_mesh(motion)
    positions, orientations = forward_kinematics(
        motion.tree.parents,
        motion.rest_joints_m,
        motion.root_position_m,
        matrix_from_quaternion(motion.rotations),
    )
    inverse_bind = np.tile(np.eye(4), (len(motion.tree), 1, 1))
    inverse_bind[:, :3, :3] = mesh.bind_turn
    inverse_bind[:, :3, 3] = -np.einsum("jab,jb->ja", mesh.bind_turn, mesh.bind_joints_m)
    node = np.tile(np.eye(4), (len(motion.tree), 1, 1))
    node[:, :3, :3], node[:, :3, 3] = orientations[1], positions[1]
    local = np.concatenate([mesh.vertices_m, np.ones((len(mesh.vertices_m), 1))], axis=1)
    blended = np.einsum("vj,jab->vab", mesh.weights.toarray(), node @ inverse_bind)
    by_hand = np.einsum("vab,vb->va", blended, local)[:, :3]
    vertices, _ = surface(motion, [1])
    assert np.abs(vertices[0] - by_hand).max() < 1e-5
    assert mesh.licence_allows_mesh and mesh.corner_uv is not None
    assert mesh.corner_uv.shape == (*mesh.faces.shape, 2)
    assert mesh.corner_uv.min() >= 0.0 and mesh.corner_uv.max() <= 1.0


def test_the_skin_is_stretched_with_the_bones() -> None:
    model = anny_model()
    still = np.tile(np.eye(3), (1, len(model.tree), 1, 1))
    shape = model.shape_mean.copy()
    plain, _ = surface(motion_of(model, shape, np.zeros((1, 3)), still))
    shape[model.shape_names.index("forearm length")] = 0.1
    motion = motion_of(model, shape, np.zeros((1, 3)), still)
    longer, _ = surface(motion)
    moved = longer[0] - plain[0]
    elbow, wrist = (
        motion.rest_joints_m[motion.tree.index(f"Left{n}")] for n in ("ForeArm", "Hand")
    )
    growth = (wrist - elbow)[0] / 11
    left = plain[0, :, 0] + motion.rest_joints_m[0, 0]
    hand = left > wrist[0] + 0.05
    assert hand.sum() > 500 and np.abs(moved[hand] - [growth, 0, 0]).max() < 1e-3
    assert np.abs(moved[np.abs(left) < elbow[0] - 0.1]).max() < 1e-3


def test_faces_look_outwards(reaching) -> None:
    motion, _ = reaching
    mesh = surface_mesh(motion)
    corners = mesh.vertices_m[mesh.faces]
    volume = np.einsum("fa,fa->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    assert 0.04 < volume < 0.12


@pytest.mark.parametrize("kind", tuple(SMPL_KINDS))
def test_smpl_surfaces_are_those_of_smplx(stand_ins: Path, kind: str) -> None:
    pytest.importorskip("smplx")
    rng = np.random.default_rng(1)
    joints = len(SMPL_KINDS[kind].tree)
    parameters = SmplParameters(
        kind,
        "neutral",
        rng.normal(size=10),
        rng.uniform(-2, 2, (5, 3)),
        rng.normal(0, 0.4, (5, joints, 3)),
    )
    data = load_smpl(kind, "neutral", stand_ins)
    motion = body_motion_of_smpl(parameters, data.rest_joints(parameters.betas), np.arange(5.0))
    vertices, faces = surface(motion, [4, 2], stand_ins)
    _, theirs = smplx_forward(stand_ins / kind / f"{kind.upper()}_NEUTRAL.npz", parameters)
    assert np.abs(vertices - theirs[[4, 2]]).max() < 1e-5
    assert np.array_equal(faces, data.faces)
    mesh = surface_mesh(motion, stand_ins)
    assert not mesh.licence_allows_mesh
    positions, orientations = forward_kinematics(
        motion.tree.parents,
        motion.rest_joints_m,
        motion.root_position_m,
        matrix_from_quaternion(motion.rotations),
    )
    rough = posed_vertices(mesh, positions, orientations)
    assert np.abs(rough[[4, 2]] - vertices).max() < 0.03


def test_a_skeleton_has_no_surface(reaching) -> None:
    motion = replace(reaching[0], model="skeleton")
    assert has_surface(reaching[0]) and not has_surface(motion)
    with pytest.raises(InputError, match=r"'skeleton' of person 0 has no surface.*anny"):
        surface(motion)


@pytest.mark.parametrize("name", BODY_MODELS)
def test_every_model_is_to_be_had_by_name(
    stand_ins: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(MODELS_VARIABLE, str(stand_ins))
    model = body_model(name, BodyRequest(COCO_WHOLEBODY_133))
    assert model.name == name
    shaped = model.shaped(model.shape_mean)
    assert shaped.keypoints_m.shape == (len(model.keypoint_names), 3)
    assert (np.diff(model.dofs.joint) >= 0).all()


def test_a_model_without_its_file_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MODELS_VARIABLE, raising=False)
    with pytest.raises(InputError, match=MODELS_VARIABLE):
        body_model("smplx", BodyRequest(COCO_WHOLEBODY_133))
