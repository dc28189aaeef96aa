"""The surface of a fitted body: its mesh in any frame, and what a file format needs to animate it.

One interface for all body models that have one. Anny's mesh is free (CC0) and may be written to
files. The meshes of SMPL, SMPL-H and SMPL-X belong to their licensed files; whoever has a motion
and such a file may look at it, but a mesh in a file that is handed on passes the model on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from scipy import sparse

from mocap.arrays import Float, Int
from mocap.body.anny_body import build_of, stretch_of
from mocap.body.anny_data import load_body_data
from mocap.body.anny_rig import AnnyRig, anny_rig, to_skeleton_axes
from mocap.body.skinning import skin
from mocap.body.smpl_data import SmplData
from mocap.body.smpl_file import load_smpl
from mocap.body.smpl_kinds import SMPL_KINDS
from mocap.body.smpl_parameters import betas_of
from mocap.errors import InputError, valid_choices
from mocap.geometry.kinematics import forward_kinematics
from mocap.geometry.rotations import matrix_from_quaternion
from mocap.model.body_motion import BodyMotion

MODELS_WITH_SURFACE = ("anny", *SMPL_KINDS)
_CHUNK = 64


@dataclass(frozen=True, eq=False)
class SurfaceMesh:
    """The mesh of one person's body and how the joints of the motion move it.

    A vertex of a posed body is sum_j w_j (G_j B_j (v - b_j) + p_j) with G_j and p_j the world
    orientation and position of joint j: B_j and b_j say how the joint lies in the pose in which
    the mesh is bound, which need not be the rest pose of the motion; B_j is a rotation, and
    stretches where a person's bone is longer than the model's. The inverse bind matrix of a joint
    in glTF is [B_j | -B_j b_j].

    Attributes:
        vertices_m: the mesh as it is bound, metres, axes of the body model.
        faces: vertex indices, counter-clockwise seen from outside.
        weights: how much each joint of the motion moves each vertex, (vertices, joints).
        bind_turn: B_j.
        bind_joints_m: b_j.
        corner_uv: texture coordinates of the corners of the faces, v upwards; None without any.
        licence: under which the mesh is.
        licence_allows_mesh: whether it may be written to files without being asked for.
    """

    vertices_m: Float[np.ndarray, "vertices 3"]
    faces: Int[np.ndarray, "faces 3"]
    weights: sparse.csr_matrix
    bind_turn: Float[np.ndarray, "joints 3 3"]
    bind_joints_m: Float[np.ndarray, "joints 3"]
    corner_uv: Float[np.ndarray, "faces 3 2"] | None
    licence: str
    licence_allows_mesh: bool


def has_surface(motion: BodyMotion) -> bool:
    """Whether the body model of a motion has a surface."""
    return motion.model in MODELS_WITH_SURFACE


def surface_mesh(motion: BodyMotion, path: Path | None = None) -> SurfaceMesh:
    """The mesh of a motion's body.

    Args:
        motion: the motion.
        path: file or folder of the licensed models, see `mocap.body.smpl_file.find_smpl_file`.

    Raises:
        InputError: the body model has no surface, or its file is not found.
        DependencyError: anny must be built for the first time and its library is missing.
    """
    if motion.model == "anny":
        return _anny_mesh(motion)
    data = _smpl(motion, path)
    shaped = data.shaped(betas_of(motion))
    joints = len(motion.tree)
    return SurfaceMesh(
        vertices_m=shaped.vertices_m,
        faces=data.faces,
        weights=data.weights,
        bind_turn=np.tile(np.eye(3), (joints, 1, 1)),
        bind_joints_m=shaped.joints_m,
        corner_uv=None,
        licence=f"the licence of {data.kind.title} ({data.kind.website})",
        licence_allows_mesh=False,
    )


def surface(
    motion: BodyMotion, frames: Sequence[int] | None = None, path: Path | None = None
) -> tuple[Float[np.ndarray, "frames vertices 3"], Int[np.ndarray, "faces 3"]]:
    """The surface in some frames; see `BodySurface` for one frame after the other.

    Args:
        motion: the motion.
        frames: which of its frames, counted from its first as 0; all when None.
        path: file or folder of the licensed models.

    Returns:
        World positions of the vertices in metres, single precision; and the faces.

    Raises:
        InputError: the body model has no surface, or its file is not found.
        DependencyError: anny must be built for the first time and its library is missing.
    """
    body = BodySurface(motion, path)
    return body.vertices(frames), body.faces


class BodySurface:
    """The surface of one person's motion.

    Attributes:
        faces: vertex indices, counter-clockwise seen from outside.

    Args:
        motion: the motion.
        path: file or folder of the licensed models.

    Raises:
        InputError: the body model has no surface, or its file is not found.
        DependencyError: anny must be built for the first time and its library is missing.
    """

    def __init__(self, motion: BodyMotion, path: Path | None = None) -> None:
        self._motion = motion
        if motion.model == "anny":
            mesh = _anny_mesh(motion)
            self.faces = mesh.faces
            self._posed = self._anny(mesh)
        else:
            data = _smpl(motion, path)
            shaped = data.shaped(betas_of(motion))
            self.faces = data.faces
            self._posed = partial(data.vertices, shaped)

    def vertices(
        self, frames: Sequence[int] | None = None
    ) -> Float[np.ndarray, "frames vertices 3"]:
        """World positions of the vertices in metres, single precision.

        Args:
            frames: which frames of the motion, counted from its first as 0; all when None.
        """
        motion = self._motion
        chosen = np.arange(len(motion)) if frames is None else np.asarray(frames, np.int64)
        rotations = matrix_from_quaternion(motion.rotations[chosen])
        return self._posed(motion.root_position_m[chosen], rotations)

    def _anny(self, mesh: SurfaceMesh) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        tree, rest = self._motion.tree, self._motion.rest_joints_m

        def posed(root: np.ndarray, rotations: np.ndarray) -> np.ndarray:
            result = np.empty((len(root), len(mesh.vertices_m), 3), np.float32)
            for first in range(0, len(root), _CHUNK):
                part = slice(first, first + _CHUNK)
                placed = forward_kinematics(tree.parents, rest, root[part], rotations[part])
                result[part] = posed_vertices(mesh, *placed)
            return result

        return posed


def posed_vertices(
    mesh: SurfaceMesh,
    positions_m: Float[np.ndarray, "frames joints 3"],
    orientations: Float[np.ndarray, "frames joints 3 3"],
) -> Float[np.ndarray, "frames vertices 3"]:
    """The mesh by linear blend skinning alone; what a reader of a glTF file shows.

    For the SMPL family this leaves out the corrections by pose, which `surface` makes.
    """
    return skin(
        mesh.weights,
        mesh.vertices_m[None],
        mesh.bind_joints_m,
        positions_m,
        orientations @ mesh.bind_turn,
    )


def _anny_mesh(motion: BodyMotion) -> SurfaceMesh:
    data = load_body_data()
    rig: AnnyRig = anny_rig(data, fingers="LeftHandThumb1" in motion.tree.names)
    build = build_of(motion.shape_names, motion.shape)
    scale = build.get("scale", 1.0)
    vertices, _ = data.rest(build, extrapolate=True)
    return SurfaceMesh(
        vertices_m=scale * to_skeleton_axes(vertices),
        faces=rig.triangles.astype(np.int64),
        weights=rig.weights,
        bind_turn=stretch_of(build, rig.tree)[..., None] * rig.turn,
        bind_joints_m=scale * (rig.bind_joints @ rig.blend(dict(build))),
        corner_uv=data.corner_uv,
        licence="CC0",
        licence_allows_mesh=True,
    )


def _smpl(motion: BodyMotion, path: Path | None) -> SmplData:
    if motion.model not in SMPL_KINDS:
        raise InputError(
            f"the body model {motion.model!r} of person {motion.person_id} has no surface; "
            f"those with one are {valid_choices(MODELS_WITH_SURFACE)}: fit it with --model anny"
        )
    return load_smpl(motion.model, motion.gender, path)
