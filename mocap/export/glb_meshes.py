"""What a GLB file shows: a body's surface, or its bones where that may not be passed on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mocap.arrays import Float
from mocap.body.surface import SurfaceMesh
from mocap.export.animation import Animation
from mocap.export.glb import SkinnedMesh

_INFLUENCES = 4
"""Joints per vertex that every program reads."""


def body_mesh(
    content: Animation, surface: SurfaceMesh, color: tuple[float, float, float]
) -> SkinnedMesh:
    """The surface of a body, bound to the joints of its animation.

    Each vertex follows the four joints that move it most.

    Args:
        content: the animation, with all joints of the motion and none of them made an end.
        surface: the mesh of the motion's body.
        color: of the surface.
    """
    joints = list(content.source)
    place = {joint: i for i, joint in enumerate(joints)}
    # The root of the animation turns as the model does, but for the axes.
    B = content.from_model[0]
    turn = content.from_model @ surface.bind_turn[joints]
    inverse = np.tile(np.eye(4), (len(joints), 1, 1))
    inverse[:, :3, :3] = turn @ B.T
    inverse[:, :3, 3] = -(turn @ surface.bind_joints_m[joints][..., None])[..., 0]

    weights = surface.weights.toarray()
    largest = np.argsort(-weights, axis=1)[:, :_INFLUENCES]
    chosen = np.take_along_axis(weights, largest, axis=1)
    owners = np.vectorize(place.__getitem__, otypes=[np.int64])(largest)
    owners[chosen == 0] = 0
    corner, triangles, uv = _split_at_seams(surface)
    return SkinnedMesh(
        vertices_m=surface.vertices_m[corner] @ B.T,
        triangles=triangles,
        joints=owners[corner],
        weights=(chosen / chosen.sum(axis=1, keepdims=True))[corner],
        inverse_bind=inverse,
        color=color,
        uv=uv,
    )


def _split_at_seams(
    surface: SurfaceMesh,
) -> tuple[np.ndarray, np.ndarray, Float[np.ndarray, "vertices 2"] | None]:
    """One vertex per place in the texture: which vertex each is, triangles, and the places."""
    if surface.corner_uv is None:
        return np.arange(len(surface.vertices_m)), surface.faces, None
    uv = surface.corner_uv.reshape(-1, 2)
    corners = np.column_stack((surface.faces.reshape(-1), np.round(uv * 1e6)))
    _, first, which = np.unique(corners, axis=0, return_index=True, return_inverse=True)
    return surface.faces.reshape(-1)[first], which.reshape(-1, 3), uv[first]


def bone_mesh(content: Animation, color: tuple[float, float, float]) -> SkinnedMesh:
    """Each bone as a slim double pyramid, for bodies whose surface may not be passed on.

    Args:
        content: the skeleton.
        color: of the bones.
    """
    rest = content.rest()
    ends: list[tuple[int, np.ndarray]] = [
        (parent, content.rest_offsets_m[j]) for j, parent in enumerate(content.parents) if j
    ]
    ends += [(j, end) for j, end in enumerate(content.end_offsets_m) if np.isfinite(end).all()]
    vertices: list[np.ndarray] = []
    triangles: list[np.ndarray] = []
    owners: list[int] = []
    for joint, bone in ends:
        length = float(np.linalg.norm(bone))
        if length == 0:
            continue
        start = 6 * (len(owners) // 6)
        vertices += list(rest[joint] + _pyramids(bone, length))
        triangles += [start + row for row in _PYRAMID_TRIANGLES]
        owners += [joint] * 6
    joints = np.zeros((len(owners), 4), np.int64)
    joints[:, 0] = owners
    weights = np.zeros((len(owners), 4))
    weights[:, 0] = 1.0
    inverse = np.tile(np.eye(4), (len(content.names), 1, 1))
    inverse[:, :3, 3] = -rest
    return SkinnedMesh(np.array(vertices), np.array(triangles), joints, weights, inverse, color)


_WIDTH, _NARROWEST_M, _WIDEST_M, _WIDEST_AT = 0.12, 0.004, 0.03, 0.2
_PYRAMID_TRIANGLES: Sequence[np.ndarray] = [
    np.array([tip, *pair]) if tip == 5 else np.array([tip, *reversed(pair)])
    for tip in (0, 5)
    for pair in ((1, 2), (2, 3), (3, 4), (4, 1))
]


def _pyramids(bone: Float[np.ndarray, " 3"], length: float) -> Float[np.ndarray, "6 3"]:
    """Two pyramids base to base: the start of the bone, four corners, its end."""
    along = bone / length
    side = np.cross(along, np.eye(3)[int(np.argmin(np.abs(along)))])
    side /= np.linalg.norm(side)
    other = np.cross(along, side)
    width = float(np.clip(_WIDTH * length, _NARROWEST_M, _WIDEST_M))
    corners = [_WIDEST_AT * bone + width * v for v in (side, other, -side, -other)]
    return np.stack([np.zeros(3), *corners, bone])
