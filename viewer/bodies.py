"""Fitted bodies as meshes: their surface, or the bones of models that have none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from scipy import sparse

from mocap.arrays import Float, Int
from mocap.body.surface import BodySurface, has_surface
from mocap.model.body_motion import BodyMotion
from viewer.colours import LEFT, PEOPLE, RIGHT, SHADOW, shaded
from viewer.shapes import SphereBlock, TubeBlock, sphere
from viewer.stage import Mesh

_BONE_RADIUS_M = 0.014
_FINE_RADIUS_M = 0.004
_SHORT_BONE_M = 0.06
"""Bones up to this long are drawn thin: fingers, toes."""
_SHADOW_HEIGHT_M = 0.0025


class _Drawn(Protocol):
    def mesh(self, index: int) -> Mesh: ...


class Bodies:
    """The fitted bodies of a session.

    Attributes:
        has_sides: whether left and right are drawn in colours of their own, as bones are.

    Args:
        motions: one per person.
        path: file or folder of licensed body models, for surfaces of the SMPL family.

    Raises:
        InputError: a body model's file is not found.
        DependencyError: a body model cannot be made because its library is missing.
    """

    def __init__(self, motions: Sequence[BodyMotion], path: Path | None = None) -> None:
        self._motions = tuple(motions)
        self.has_sides = not all(has_surface(motion) for motion in motions)
        ranks = {p: i for i, p in enumerate(sorted({m.person_id for m in motions}))}
        self._drawn: list[_Drawn] = []
        for motion in motions:
            colour = PEOPLE[ranks[motion.person_id] % len(PEOPLE)]
            surface = has_surface(motion)
            self._drawn.append(
                _Surface(motion, colour, path) if surface else _Bones(motion, colour)
            )

    def mesh(self, frame: int) -> Mesh:
        """All bodies that are there in a frame, in one mesh whose colours are shaded.

        Args:
            frame: its number in the session.
        """
        meshes: list[Mesh] = []
        for motion, drawn in zip(self._motions, self._drawn, strict=True):
            index = frame - int(motion.frame[0]) if len(motion) else -1
            if 0 <= index < len(motion) and motion.present[index]:
                meshes.append(drawn.mesh(index))
        return joined(meshes)


def shadow_of(mesh: Mesh) -> Mesh:
    """What a mesh looks like from above, on the floor."""
    flat = mesh.vertices_m.copy()
    flat[:, 2] = _SHADOW_HEIGHT_M
    up = np.tile((0.0, 0.0, 1.0), (len(flat), 1))
    return Mesh(flat, up, mesh.triangles, np.tile(SHADOW, (len(flat), 1)))


def joined(meshes: Sequence[Mesh]) -> Mesh:
    """Several meshes as one."""
    starts = np.cumsum([0, *(len(mesh.vertices_m) for mesh in meshes)])
    triangles = [mesh.triangles + first for mesh, first in zip(meshes, starts, strict=False)]
    nothing = np.zeros((0, 3))
    return Mesh(
        np.concatenate([nothing, *(mesh.vertices_m for mesh in meshes)]),
        np.concatenate([nothing, *(mesh.normals for mesh in meshes)]),
        np.concatenate([np.zeros((0, 3), np.int64), *triangles]),
        np.concatenate([nothing, *(mesh.colours for mesh in meshes)]),
    )


class _Surface:
    def __init__(
        self, motion: BodyMotion, colour: tuple[float, float, float], path: Path | None
    ) -> None:
        self._surface = BodySurface(motion, path)
        self._colour = colour
        self._corners: sparse.csr_matrix | None = None
        self._faces: Int[np.ndarray, "faces 3"] = self._surface.faces

    def mesh(self, index: int) -> Mesh:
        vertices = self._surface.vertices([index])[0].astype(np.float64)
        normals = self._normals(vertices)
        colours = shaded(np.tile(self._colour, (len(vertices), 1)), normals)
        return Mesh(vertices, normals, self._faces, colours)

    def _normals(self, vertices: Float[np.ndarray, "vertices 3"]) -> np.ndarray:
        if self._corners is None:
            count = len(self._faces)
            rows, columns = self._faces.ravel(), np.repeat(np.arange(count), 3)
            ones = np.ones(len(rows))
            self._corners = sparse.csr_matrix((ones, (rows, columns)), (len(vertices), count))
        a, b, c = np.moveaxis(vertices[self._faces], 1, 0)
        normals = self._corners @ np.cross(b - a, c - a)
        length = np.linalg.norm(normals, axis=1, keepdims=True)
        return np.where(length > 0, normals / np.maximum(length, 1e-30), (0.0, 0.0, 1.0))


class _Bones:
    def __init__(self, motion: BodyMotion, colour: tuple[float, float, float]) -> None:
        self._joints_m = motion.joint_positions_m
        tree = motion.tree
        ends = np.array([(a, j) for j, a in enumerate(tree.parents) if a >= 0])
        rest = motion.rest_joints_m
        length = np.linalg.norm(rest[ends[:, 1]] - rest[ends[:, 0]], axis=1)
        radii = np.where(length > _SHORT_BONE_M, _BONE_RADIUS_M, _FINE_RADIUS_M)
        tubes = TubeBlock(ends, radii, 10, np.full(len(ends), 0.7))
        ball, faces = sphere(1)
        nodes = np.arange(len(tree))
        own = np.full(len(tree), _FINE_RADIUS_M)
        np.maximum.at(own, ends[:, 0], radii)
        spheres = SphereBlock(nodes, 1.2 * own, ball, faces)
        self._blocks: tuple[TubeBlock | SphereBlock, ...] = (tubes, spheres)
        sides = [_side_colour(name, colour) for name in tree.names]
        bone_colours = np.array([sides[j] for _, j in ends])
        self._colours = np.concatenate(
            [
                np.repeat(bone_colours, 2 * tubes.sides, axis=0),
                np.repeat(np.array(sides), len(ball), axis=0),
            ]
        )
        first = tubes.n_vertices
        self._triangles = np.concatenate([tubes.triangles, spheres.triangles + first])

    def mesh(self, index: int) -> Mesh:
        placed = [block.place(self._joints_m[index][None]) for block in self._blocks]
        vertices = np.concatenate([v[0] for v, _ in placed])
        normals = np.concatenate([n[0] for _, n in placed])
        good = np.isfinite(vertices).all(axis=1) & np.isfinite(normals).all(axis=1)
        vertices[~good], normals[~good] = 0.0, (0.0, 0.0, 1.0)
        return Mesh(vertices, normals, self._triangles, shaded(self._colours, normals))


def _side_colour(name: str, middle: tuple[float, float, float]) -> tuple[float, float, float]:
    lower = name.lower()
    if lower.startswith("left"):
        return LEFT
    return RIGHT if lower.startswith("right") else middle
