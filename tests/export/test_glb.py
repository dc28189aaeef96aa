"""GLB files, read by pygltflib, trimesh and Blender."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh
from body_motions import humanoid_tree, moving, smpl_tree
from export_readers import blender_positions
from pygltflib import GLTF2
from scipy.spatial.transform import Rotation, Slerp

from mocap.export.animation import Animation, animation
from mocap.export.axes import y_up
from mocap.export.glb import SkinnedMesh, bone_mesh, write_glb
from mocap.model import BodyMotion

COLOR = (0.2, 0.4, 0.6)


def array(document: GLTF2, accessor: int) -> np.ndarray:
    """The values of an accessor, by the format's description."""
    each = document.accessors[accessor]
    view = document.bufferViews[each.bufferView]
    width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}[each.type]
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
    path = tmp_path / "a.glb"
    write_glb(content, SkinnedMesh(vertices, triangles, joints, weights, COLOR), "a", path)
    document = GLTF2().load(str(path))
    attributes = document.meshes[0].primitives[0].attributes
    found = np.concatenate(
        (array(document, attributes.JOINTS_0), array(document, attributes.JOINTS_1)), axis=1
    )
    np.testing.assert_array_equal(found, joints)
    np.testing.assert_allclose(array(document, attributes.WEIGHTS_1), weights[:, 4:], atol=1e-6)
    assert document.materials[0].pbrMetallicRoughness.baseColorFactor == [*COLOR, 1.0]
