"""GLB files, read by pygltflib, trimesh and Blender."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh
from anny_truth import anny_model, studio_motion
from body_motions import humanoid_tree, moving, smpl_tree
from body_stand_in import write_stand_in
from export_readers import blender_positions, blender_vertices, source_of
from pygltflib import GLTF2
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation, Slerp

from mocap.body.smpl_file import MODELS_VARIABLE, load_smpl
from mocap.body.smpl_parameters import beta_names
from mocap.body.surface import posed_vertices, surface, surface_mesh
from mocap.export.animation import Animation, animation
from mocap.export.axes import y_up
from mocap.export.exporting import export
from mocap.export.glb import SkinnedMesh, write_glb
from mocap.export.glb_meshes import body_mesh, bone_mesh
from mocap.export.options import ExportOptions, GlbOptions
from mocap.geometry.kinematics import forward_kinematics
from mocap.geometry.rotations import matrix_from_quaternion
from mocap.model import BodyMotion
from mocap.studio.bodies import Body, PersonConfig
from mocap.studio.motion_config import MotionConfig
from mocap.studio.motions import make_motion

COLOR = (0.2, 0.4, 0.6)


def array(document: GLTF2, accessor: int) -> np.ndarray:
    """The values of an accessor, by the format's description."""
    each = document.accessors[accessor]
    view = document.bufferViews[each.bufferView]
    width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}[each.type]
    kind = {5126: np.float32, 5123: np.uint16, 5125: np.uint32}[each.componentType]
    blob = document.binary_blob()[view.byteOffset : view.byteOffset + view.byteLength]
    return np.frombuffer(blob, kind).reshape(each.count, width)


def world(document: GLTF2, time_s: float) -> dict[str, np.ndarray]:
    """4x4 of every node at a time, evaluated as glTF says."""
    nodes = document.nodes
    move = {i: np.array(n.translation or (0, 0, 0)) for i, n in enumerate(nodes)}
    turn = {i: Rotation.from_quat(n.rotation or (0, 0, 0, 1)) for i, n in enumerate(nodes)}
    (clip,) = document.animations
    for channel in clip.channels:
        sampler = clip.samplers[channel.sampler]
        times = array(document, sampler.input)[:, 0]
        values = array(document, sampler.output)
        node, at = channel.target.node, np.clip(time_s, times[0], times[-1])
        if channel.target.path == "translation":
            move[node] = np.array([np.interp(at, times, values[:, k]) for k in range(3)])
        else:
            turn[node] = Slerp(times, Rotation.from_quat(values))(at)
    found: dict[str, np.ndarray] = {}

    def visit(node: int, above: np.ndarray) -> None:
        own = np.eye(4)
        own[:3, :3], own[:3, 3] = turn[node].as_matrix(), move[node]
        found[nodes[node].name] = above @ own
        for child in nodes[node].children or ():
            visit(child, above @ own)

    for node in document.scenes[document.scene].nodes:
        visit(node, np.eye(4))
    return found


@pytest.fixture(params=["skeleton", "smpl"])
def made(request, tmp_path) -> tuple[BodyMotion, Animation, Path]:
    if request.param == "smpl":
        motion = moving(*smpl_tree(), model="smpl")
    else:
        motion = moving(*humanoid_tree(fingers=True, ends=True))
    content = animation(motion)
    path = tmp_path / "person_3.glb"
    write_glb(content, bone_mesh(content, COLOR), "person_3", path)
    return motion, content, path


def test_nodes_move_as_the_joints_do(made) -> None:
    motion, content, path = made
    document = GLTF2().load(str(path))
    truth = y_up(motion.joint_positions_m)[:, list(content.source)]
    for frame in (0, 7, 59):
        at = world(document, frame / 50.0)
        found = np.array([at[name][:3, 3] for name in content.names])
        np.testing.assert_allclose(found, truth[frame], atol=1e-4)
    (clip,) = document.animations
    for sampler in clip.samplers:
        times, values = array(document, sampler.input), array(document, sampler.output)
        assert len(times) == len(values) == 60
        if values.shape[1] == 4:
            np.testing.assert_allclose(np.linalg.norm(values, axis=1), 1.0, atol=1e-6)
            assert (np.sum(values[1:] * values[:-1], axis=1) > 0).all()


def test_the_skin_is_bound_where_the_joints_rest(made) -> None:
    _, content, path = made
    document = GLTF2().load(str(path))
    (skin,) = document.skins
    assert [document.nodes[j].name for j in skin.joints] == list(content.names)
    inverse = array(document, skin.inverseBindMatrices).reshape(-1, 4, 4).swapaxes(1, 2)
    bind = np.linalg.inv(inverse)
    np.testing.assert_allclose(bind[:, :3, 3], content.rest(), atol=1e-6)
    mesh = document.meshes[0].primitives[0].attributes
    weights, joints = array(document, mesh.WEIGHTS_0), array(document, mesh.JOINTS_0)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-6)
    assert joints.max() < len(content.names)
    np.testing.assert_allclose(np.linalg.norm(array(document, mesh.NORMAL), axis=1), 1, atol=1e-5)
    for accessor in document.accessors:
        values = array(document, document.accessors.index(accessor))
        np.testing.assert_allclose(accessor.min, values.min(axis=0), rtol=1e-6)
        np.testing.assert_allclose(accessor.max, values.max(axis=0), rtol=1e-6)


def test_trimesh_reads_the_surface_at_rest(made) -> None:
    _, content, path = made
    scene = trimesh.load(path)
    (mesh,) = scene.geometry.values()
    expected = bone_mesh(content, COLOR)
    assert len(mesh.faces) == len(expected.triangles)
    np.testing.assert_allclose(
        mesh.bounds, [f(expected.vertices_m, axis=0) for f in (np.min, np.max)], atol=1e-6
    )
    assert set(content.names) <= set(scene.graph.nodes)
    pieces = mesh.split(only_watertight=False)
    assert all(piece.is_watertight and piece.volume > 0 for piece in pieces)


@pytest.mark.blender
def test_blender_finds_the_same_positions(made) -> None:
    motion, content, path = made
    found = blender_positions(path, 50.0, content.names)
    truth = motion.joint_positions_m[:, list(content.source)]
    assert found.shape == truth.shape
    assert np.abs(found - truth).max() < 0.001


def test_a_surface_with_eight_influences(tmp_path) -> None:
    content = animation(moving(*humanoid_tree()))
    rng = np.random.default_rng(3)
    vertices = rng.normal(size=(30, 3))
    weights = rng.uniform(size=(30, 8))
    weights /= weights.sum(axis=1, keepdims=True)
    joints = rng.integers(0, len(content.names), (30, 8))
    triangles = rng.permutation(30).reshape(10, 3)
    inverse = np.tile(np.eye(4), (len(content.names), 1, 1))
    path = tmp_path / "a.glb"
    write_glb(content, SkinnedMesh(vertices, triangles, joints, weights, inverse, COLOR), "a", path)
    document = GLTF2().load(str(path))
    attributes = document.meshes[0].primitives[0].attributes
    found = np.concatenate(
        (array(document, attributes.JOINTS_0), array(document, attributes.JOINTS_1)), axis=1
    )
    np.testing.assert_array_equal(found, joints)
    np.testing.assert_allclose(array(document, attributes.WEIGHTS_1), weights[:, 4:], atol=1e-6)
    assert document.materials[0].pbrMetallicRoughness.baseColorFactor == [*COLOR, 1.0]


def skinned(document: GLTF2, time_s: float) -> np.ndarray:
    """The corners of all triangles, moved by the skin as glTF says."""
    at = world(document, time_s)
    (skin,) = document.skins
    inverse = array(document, skin.inverseBindMatrices).reshape(-1, 4, 4).swapaxes(1, 2)
    matrices = np.array([at[document.nodes[j].name] for j in skin.joints]) @ inverse
    primitive = document.meshes[0].primitives[0]
    vertices = array(document, primitive.attributes.POSITION)
    joints = array(document, primitive.attributes.JOINTS_0)
    weights = array(document, primitive.attributes.WEIGHTS_0)
    blended = np.einsum("vi,viab->vab", weights, matrices[joints])
    moved = np.einsum("vab,vb->va", blended[:, :3, :3], vertices) + blended[:, :3, 3]
    return moved[array(document, primitive.indices).reshape(-1, 3)]


@pytest.fixture(scope="module")
def anny_motion() -> BodyMotion:
    """Someone of the studio who reaches out."""
    person = Body(PersonConfig(height_m=1.74, motion=MotionConfig(kind="reach")))
    motion = make_motion(person.config.motion, person, 3.0)
    return studio_motion(person, [motion(t) for t in (0.0, 0.7, 1.5)], anny_model())


def test_the_free_body_is_shown_by_its_surface(anny_motion, walker, tmp_path) -> None:
    motion = anny_motion
    source = source_of(walker.motion(person_id=0), bodies=[motion])
    report = export(source, ["glb"], tmp_path, ExportOptions(), overwrite=False)
    assert not report.failures
    (written,) = report.written["glb"]
    assert written.notes[-1].startswith("surface under ")
    document = GLTF2().load(str(written.path))
    truth, faces = surface(motion)
    for frame in range(3):
        found = skinned(document, frame / 30.0)
        distance = np.linalg.norm(found - y_up(truth[frame].astype(float))[faces], axis=2)
        # Four joints per vertex are what programs read, and all but a few vertices have no more.
        assert np.quantile(distance, 0.99) < 0.001
        assert distance.max() < 0.01
    primitive = document.meshes[0].primitives[0]
    uv = array(document, primitive.attributes.TEXCOORD_0)
    assert uv.min() >= 0.0 and uv.max() <= 1.0
    corners = array(document, primitive.indices).reshape(-1, 3)
    expected = surface_mesh(motion).corner_uv * (1, -1) + (0, 1)
    np.testing.assert_allclose(uv[corners], expected, atol=1e-5)


@pytest.mark.blender
def test_blender_shows_the_same_surface(anny_motion, tmp_path) -> None:
    motion = anny_motion
    content = animation(motion, ends=False)
    path = tmp_path / "anny.glb"
    write_glb(content, body_mesh(content, surface_mesh(motion), COLOR), "anny", path)
    found = blender_vertices(path, 30.0)
    truth, _ = surface(motion, [0])
    # Blender has one vertex per place in the texture: of each, the nearest true one.
    distance, _ = cKDTree(truth[0]).query(found)
    assert len(found) >= truth.shape[1]
    assert np.quantile(distance, 0.99) < 0.001
    assert distance.max() < 0.01


def test_smpls_surface_is_written_only_when_asked_for(walker, monkeypatch, tmp_path) -> None:
    write_stand_in(tmp_path, "smpl")
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path))
    tree, _ = smpl_tree()
    data = load_smpl("smpl")
    motion = moving(
        data.kind.tree,
        data.rest_joints(np.zeros(10)),
        model="smpl",
        shape_names=beta_names(10),
        shape=np.zeros(10),
        shape_sigma=np.ones(10),
    )
    assert tree.names == data.kind.tree.names
    source = source_of(walker.motion(), bodies=[motion])
    report = export(source, ["glb"], tmp_path / "a", ExportOptions(), overwrite=False)
    assert "bones only: the licence of SMPL" in report.written["glb"][0].notes[-1]
    options = ExportOptions(glb=GlbOptions(mesh="surface"))
    report = export(source, ["glb"], tmp_path / "b", options, overwrite=False)
    (written,) = report.written["glb"]
    assert "licence of SMPL" in written.notes[-1]
    document = GLTF2().load(str(written.path))
    mesh = surface_mesh(motion)
    positions, orientations = forward_kinematics(
        motion.tree.parents,
        motion.rest_joints_m,
        motion.root_position_m,
        matrix_from_quaternion(motion.rotations),
    )
    truth = posed_vertices(mesh, positions[:8], orientations[:8]).astype(float)
    distance = np.linalg.norm(skinned(document, 7 / 50.0) - y_up(truth[7])[mesh.faces], axis=2)
    assert np.median(distance) < 1e-3


def test_a_skeleton_has_no_surface_to_write(walker, tmp_path) -> None:
    source = source_of(walker.motion(), bodies=[moving(*humanoid_tree())])
    options = ExportOptions(glb=GlbOptions(mesh="surface"))
    report = export(source, ["glb"], tmp_path, options, overwrite=False)
    assert "has no surface" in report.failures[0].message
