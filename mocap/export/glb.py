"""glTF binary files (GLB): a skeleton as nodes, its motion, and a surface that moves with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mocap.arrays import Float, Int
from mocap.export.animation import Animation
from mocap.files import write_atomically
from mocap.geometry.rotations import quaternion_from_matrix

_FLOAT, _UINT16, _UINT32 = 5126, 5123, 5125
_ARRAY, _ELEMENTS = 34962, 34963
_STILL = 1e-9


@dataclass(frozen=True)
class SkinnedMesh:
    """A surface bound to the joints of an animation.

    Attributes:
        vertices_m: as they are bound, in the axes of the animation, metres.
        triangles: indices of vertices, counter-clockwise seen from outside.
        joints: per vertex, the joints it follows; a multiple of four. Programs for games read no
            more than four.
        weights: how much it follows each; they add up to 1.
        inverse_bind: 4x4 of each joint, from the bound mesh to the joint's own frame.
        color: red, green, blue, from 0 to 1.
        uv: per vertex, its place in a texture, v upwards; None without any.
    """

    vertices_m: Float[np.ndarray, "vertices 3"]
    triangles: Int[np.ndarray, "triangles 3"]
    joints: Int[np.ndarray, "vertices influences"]
    weights: Float[np.ndarray, "vertices influences"]
    inverse_bind: Float[np.ndarray, "bones 4 4"]
    color: tuple[float, float, float]
    uv: Float[np.ndarray, "vertices 2"] | None = None


def write_glb(content: Animation, mesh: SkinnedMesh, name: str, path: Path) -> None:
    """Writes an animated skeleton with a surface.

    Y is up, metres, as glTF has it. The surface is bound to the joints by a skin, by which programs
    recognise them as a skeleton.

    Args:
        content: skeleton and motion.
        mesh: the surface.
        name: of the person.
        path: the file; an existing one is replaced.

    Raises:
        OutputError: the folder cannot be written to.
    """
    from pygltflib import GLTF2, Asset, Node, Scene

    document = GLTF2(asset=Asset(version="2.0", generator="mocap"), scene=0)
    buffer = _Buffer(document)
    joints = len(content.names)
    children = [[c for c, p in enumerate(content.parents) if p == j] for j in range(joints)]
    for joint, own in enumerate(children):
        place = content.root_positions_m[0] if joint == 0 else content.rest_offsets_m[joint]
        turn = _xyzw(content.local_rotations[0, joint])
        document.nodes.append(
            Node(
                name=content.names[joint],
                translation=place.tolist(),
                rotation=turn.tolist(),
                children=own,
            )
        )
    document.nodes.append(Node(name=f"{name}_surface", mesh=0, skin=0))
    document.nodes.append(Node(name=name, children=[0, joints]))
    document.scenes.append(Scene(nodes=[joints + 1]))
    _add_mesh(document, buffer, mesh)
    _add_skin(document, buffer, mesh)
    _add_motion(document, buffer, content, name)
    buffer.finish()
    write_atomically(path, b"".join(document.save_to_bytes()))


class _Buffer:
    """The binary part of a file, and its parts."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self._parts: list[bytes] = []
        self._length = 0

    def add(self, values: np.ndarray, kind: str, component: int, target: int | None = None) -> int:
        """Appends an array; returns the index of its accessor."""
        from pygltflib import Accessor, BufferView

        types = {_FLOAT: np.float32, _UINT16: np.uint16, _UINT32: np.uint32}
        array = np.ascontiguousarray(values, types[component])
        data = array.tobytes()
        data += b"\0" * (-len(data) % 4)
        self._document.bufferViews.append(
            BufferView(buffer=0, byteOffset=self._length, byteLength=array.nbytes, target=target)
        )
        flat = array.reshape(len(array), -1)
        self._document.accessors.append(
            Accessor(
                bufferView=len(self._document.bufferViews) - 1,
                componentType=component,
                count=len(array),
                type=kind,
                min=flat.min(axis=0).tolist(),
                max=flat.max(axis=0).tolist(),
            )
        )
        self._parts.append(data)
        self._length += len(data)
        return len(self._document.accessors) - 1

    def finish(self) -> None:
        """Hands the bytes over to the document."""
        from pygltflib import Buffer

        self._document.buffers.append(Buffer(byteLength=self._length))
        self._document.set_binary_blob(b"".join(self._parts))


def _xyzw(rotation: Float[np.ndarray, "*batch 3 3"]) -> Float[np.ndarray, "*batch 4"]:
    return np.roll(quaternion_from_matrix(rotation), -1, axis=-1)


def _add_mesh(document: Any, buffer: _Buffer, mesh: SkinnedMesh) -> None:
    from pygltflib import Attributes, Material, Mesh, PbrMetallicRoughness, Primitive

    attributes = Attributes(
        POSITION=buffer.add(mesh.vertices_m, "VEC3", _FLOAT, _ARRAY),
        NORMAL=buffer.add(_normals(mesh), "VEC3", _FLOAT, _ARRAY),
    )
    if mesh.uv is not None:
        # glTF counts v downwards.
        attributes.TEXCOORD_0 = buffer.add(mesh.uv * (1, -1) + (0, 1), "VEC2", _FLOAT, _ARRAY)
    for i in range(mesh.joints.shape[1] // 4):
        four = slice(4 * i, 4 * i + 4)
        joints = buffer.add(mesh.joints[:, four], "VEC4", _UINT16, _ARRAY)
        weights = buffer.add(mesh.weights[:, four], "VEC4", _FLOAT, _ARRAY)
        setattr(attributes, f"JOINTS_{i}", joints)
        setattr(attributes, f"WEIGHTS_{i}", weights)
    indices = buffer.add(mesh.triangles.reshape(-1), "SCALAR", _UINT32, _ELEMENTS)
    document.materials.append(
        Material(
            name="body",
            pbrMetallicRoughness=PbrMetallicRoughness(
                baseColorFactor=[*mesh.color, 1.0], metallicFactor=0.0, roughnessFactor=0.8
            ),
        )
    )
    primitive = Primitive(attributes=attributes, indices=indices, material=0)
    document.meshes.append(Mesh(name="surface", primitives=[primitive]))


def _normals(mesh: SkinnedMesh) -> Float[np.ndarray, "vertices 3"]:
    """Normals of the vertices, weighted by the area of the triangles around them."""
    a, b, c = (mesh.vertices_m[mesh.triangles[:, i]] for i in range(3))
    faces = np.cross(b - a, c - a)
    normals = np.zeros_like(mesh.vertices_m)
    for i in range(3):
        np.add.at(normals, mesh.triangles[:, i], faces)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    up = np.array([0.0, 1.0, 0.0])
    return np.where(length > 0, normals / np.where(length > 0, length, 1.0), up)


def _add_skin(document: Any, buffer: _Buffer, mesh: SkinnedMesh) -> None:
    from pygltflib import Skin

    # Matrices are stored column by column.
    columns = np.swapaxes(mesh.inverse_bind, 1, 2)
    bind = buffer.add(columns.reshape(-1, 16), "MAT4", _FLOAT)
    document.skins.append(
        Skin(
            name="skeleton",
            inverseBindMatrices=bind,
            joints=list(range(len(columns))),
            skeleton=0,
        )
    )


def _add_motion(document: Any, buffer: _Buffer, content: Animation, name: str) -> None:
    from pygltflib import Animation as GltfAnimation
    from pygltflib import AnimationChannel, AnimationChannelTarget, AnimationSampler

    motion = GltfAnimation(name=name)
    times = buffer.add(
        content.frame_time_s * np.arange(len(content.root_positions_m)), "SCALAR", _FLOAT
    )

    def add(node: int, path: str, values: np.ndarray, kind: str) -> None:
        output = buffer.add(values, kind, _FLOAT)
        motion.samplers.append(AnimationSampler(input=times, output=output, interpolation="LINEAR"))
        motion.channels.append(
            AnimationChannel(
                sampler=len(motion.samplers) - 1,
                target=AnimationChannelTarget(node=node, path=path),
            )
        )

    add(0, "translation", content.root_positions_m, "VEC3")
    turns = _continuous(_xyzw(content.local_rotations))
    for joint in range(len(content.names)):
        own = turns[:, joint]
        if joint == 0 or np.ptp(own, axis=0).max() > _STILL:
            add(joint, "rotation", own, "VEC4")
    document.animations.append(motion)


def _continuous(
    quaternions: Float[np.ndarray, "frames joints 4"],
) -> Float[np.ndarray, "frames joints 4"]:
    """The same rotations, each with the sign that is nearer to the frame before."""
    dots = np.sum(quaternions[1:] * quaternions[:-1], axis=-1)
    signs = np.cumprod(np.where(dots < 0, -1.0, 1.0), axis=0)
    result = quaternions.copy()
    result[1:] *= signs[..., None]
    return result
