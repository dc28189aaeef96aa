"""The shapes a skeleton is drawn with: blocks of equal spheres and of tapered tubes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float, Int


def sphere(level: int) -> tuple[Float[np.ndarray, "vertices 3"], Int[np.ndarray, "triangles 3"]]:
    """A unit sphere made from an icosahedron, each triangle of which is quartered `level` times."""
    golden = (1 + 5**0.5) / 2
    points = [
        np.array(p, float) / np.hypot(1, golden)
        for a in (-1, 1)
        for b in (-golden, golden)
        for p in ((a, b, 0), (0, a, b), (b, 0, a))
    ]
    vertices = np.array(points)
    edge = np.linalg.norm(vertices[:, None] - vertices[None], axis=2)
    near = (edge > 0) & (edge < 1.1)
    n = len(vertices)
    faces = [
        (i, j, k)
        for i in range(n)
        for j in range(i + 1, n)
        for k in range(j + 1, n)
        if near[i, j] and near[j, k] and near[i, k]
    ]
    triangles = np.array([_outward(vertices, face) for face in faces])
    for _ in range(level):
        vertices, triangles = _quartered(vertices, triangles)
    return vertices, triangles


def _outward(vertices: np.ndarray, face: tuple[int, int, int]) -> tuple[int, int, int]:
    a, b, c = vertices[list(face)]
    return face if np.dot(np.cross(b - a, c - a), a) > 0 else (face[0], face[2], face[1])


def _quartered(vertices: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    points = list(vertices)
    known: dict[tuple[int, int], int] = {}

    def middle(i: int, j: int) -> int:
        key = (min(i, j), max(i, j))
        if key not in known:
            known[key] = len(points)
            point = points[i] + points[j]
            points.append(point / np.linalg.norm(point))
        return known[key]

    quarters: list[tuple[int, int, int]] = []
    for a, b, c in triangles:
        ab, bc, ca = middle(a, b), middle(b, c), middle(c, a)
        quarters += [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return np.array(points), np.array(quarters)


@dataclass(frozen=True)
class SphereBlock:
    """Spheres on some nodes, which make one block of vertices.

    Attributes:
        nodes: positions in the array of nodes.
        radii_m: radius of each sphere.
        template: vertices of the unit sphere.
        faces: its triangles.
    """

    nodes: Int[np.ndarray, " spheres"]
    radii_m: Float[np.ndarray, " spheres"]
    template: Float[np.ndarray, "vertices 3"]
    faces: Int[np.ndarray, "triangles 3"]

    @property
    def n_vertices(self) -> int:
        """Number of vertices of one person."""
        return len(self.nodes) * len(self.template)

    @property
    def triangles(self) -> Int[np.ndarray, "triangles 3"]:
        """Indices into the block's own vertices, anticlockwise seen from outside."""
        first = np.arange(len(self.nodes))[:, None, None] * len(self.template)
        return (self.faces[None] + first).reshape(-1, 3)

    @property
    def vertex_nodes(self) -> Int[np.ndarray, " vertices"]:
        """The node each vertex belongs to."""
        return np.repeat(self.nodes, len(self.template))

    def place(
        self, nodes_m: Float[np.ndarray, "people nodes 3"]
    ) -> tuple[Float[np.ndarray, "people vertices 3"], Float[np.ndarray, "people vertices 3"]]:
        """Positions and unit normals of the vertices; not finite where a node is missing."""
        centers = nodes_m[:, self.nodes, None, :]
        vertices = centers + self.radii_m[:, None, None] * self.template
        normals = np.broadcast_to(self.template, vertices.shape)
        shape = (len(nodes_m), self.n_vertices, 3)
        return vertices.reshape(shape), normals.reshape(shape)


@dataclass(frozen=True)
class TubeBlock:
    """Tapered tubes between pairs of nodes, open at the ends, which make one block of vertices.

    Attributes:
        ends: start and end of each tube as positions in the array of nodes.
        radii_m: radius at the start.
        sides: number of sides.
        tapers: radius at the end, by that at the start.
    """

    ends: Int[np.ndarray, "tubes 2"]
    radii_m: Float[np.ndarray, " tubes"]
    sides: int
    tapers: Float[np.ndarray, " tubes"]

    @property
    def n_vertices(self) -> int:
        """Number of vertices of one person."""
        return len(self.ends) * 2 * self.sides

    @property
    def triangles(self) -> Int[np.ndarray, "triangles 3"]:
        """Indices into the block's own vertices, anticlockwise seen from outside."""
        i = np.arange(self.sides)
        j = (i + 1) % self.sides
        n = self.sides
        one = np.concatenate([np.stack([i, j, n + i], 1), np.stack([j, n + j, n + i], 1)])
        first = np.arange(len(self.ends))[:, None, None] * 2 * n
        return (one[None] + first).reshape(-1, 3)

    @property
    def vertex_nodes(self) -> Int[np.ndarray, " vertices"]:
        """The node each vertex belongs to."""
        return np.repeat(self.ends.reshape(-1), self.sides)

    def place(
        self, nodes_m: Float[np.ndarray, "people nodes 3"]
    ) -> tuple[Float[np.ndarray, "people vertices 3"], Float[np.ndarray, "people vertices 3"]]:
        """Positions and unit normals of the vertices; not finite where a node is missing."""
        start, end = nodes_m[:, self.ends[:, 0]], nodes_m[:, self.ends[:, 1]]
        along = end - start
        length = np.linalg.norm(along, axis=2, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            along = along / length
        helper = np.where(np.abs(along[..., 2:]) < 0.8, (0.0, 0.0, 1.0), (1.0, 0.0, 0.0))
        u = np.cross(helper, along)
        with np.errstate(invalid="ignore", divide="ignore"):
            u /= np.linalg.norm(u, axis=2, keepdims=True)
        v = np.cross(along, u)
        angle = np.arange(self.sides) * (2 * np.pi / self.sides)
        ring = u[:, :, None, :] * np.cos(angle)[:, None] + v[:, :, None, :] * np.sin(angle)[:, None]
        normals = np.stack([ring, ring], axis=2)
        radii = np.stack([self.radii_m, self.radii_m * self.tapers], axis=1)[:, :, None, None]
        vertices = np.stack([start, end], axis=2)[:, :, :, None, :] + radii * normals
        shape = (len(nodes_m), self.n_vertices, 3)
        return vertices.reshape(shape), normals.reshape(shape)
