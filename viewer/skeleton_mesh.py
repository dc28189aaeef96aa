"""Skeletons as one triangle mesh whose topology stays and whose vertices follow the keypoints.

One object per joint costs seconds per frame; a single mesh whose vertex array is replaced costs
microseconds. Everything here is pure NumPy, so it is tested without a graphics library.
"""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise

import numpy as np

from mocap.arrays import Bool, Float, Int
from mocap.model import Skeleton
from viewer.colours import LEFT, RIGHT, paler
from viewer.shapes import SphereBlock, TubeBlock, sphere

HIDDEN = (0.0, 0.0, 0.0)
"""Where all vertices of a missing keypoint lie; triangles without area are not drawn."""

_HEAD_WORDS = ("nose", "eye", "ear", "mouth")
_FINGER_WORDS = ("pinky", "index", "thumb")
_JOINT_RADIUS_M = {"body": 0.022, "feet": 0.014, "hand": 0.005, "face": 0.003, "head": 0.010}
_BONE_RADIUS_M = {"body": 0.015, "feet": 0.009, "hand": 0.0035, "face": 0.002, "head": 0.006}
_TAPER = 0.7
"""Radius of a limb's bone at its outer end, by that at its inner one."""
_BONE_SIDES = {True: 12, False: 6}
_LINK_RADIUS_M = 0.011


def _kind(name: str, part: str) -> str:
    if part in ("left_hand", "right_hand"):
        return "hand"
    if part in ("face", "feet"):
        return part
    words = name.split("_")
    if any(word in words for word in _HEAD_WORDS):
        return "head"
    return "hand" if any(word in words for word in _FINGER_WORDS) else "body"


def side_of(name: str) -> str:
    """The side a keypoint is on, "left" or "right"; "" for neither."""
    side = name.split("_")[0]
    return side if side in ("left", "right") else ""


class SkeletonMesh:
    """The drawing of up to `people` people as one mesh of constant topology.

    Keypoints are spheres and bones tapered tubes; those of the face and the hands are thinner.
    Tables without a neck or a spine get two links between the midpoints of their shoulders,
    hips and ears, in the drawing only.

    Args:
        skeleton: keypoints and bones.
        people: largest number of people; at least 1 place is made.
    """

    def __init__(self, skeleton: Skeleton, people: int) -> None:
        self.skeleton = skeleton
        self.people = max(people, 1)
        self._middles = _middles(skeleton)
        self._blocks = self._make_blocks()

    def _make_blocks(self) -> list[SphereBlock | TubeBlock]:
        skeleton = self.skeleton
        kinds = [_kind(n, p) for n, p in zip(skeleton.keypoints, skeleton.parts, strict=True)]
        bones = skeleton.bone_indices
        # A bone is as thin as the thinner one of its ends.
        bone_kinds = [
            min((kinds[a], kinds[b]), key=lambda kind: _BONE_RADIUS_M[kind]) for a, b in bones
        ]
        first_middle = len(skeleton)
        links = [
            (first_middle + i, first_middle + j) for i, j in pairwise(range(len(self._middles)))
        ]
        blocks: list[SphereBlock | TubeBlock] = []
        for coarse in (False, True):
            large = ("body", "feet", "head")
            nodes = [i for i, kind in enumerate(kinds) if (kind in large) != coarse]
            template, faces = sphere(0 if coarse else 2)
            radii = np.array([_JOINT_RADIUS_M[kinds[i]] for i in nodes])
            blocks.append(SphereBlock(np.array(nodes, np.int64), radii, template, faces))
            chosen = [i for i, kind in enumerate(bone_kinds) if (kind in large) != coarse]
            ends = [bones[i] for i in chosen]
            thickness = [_BONE_RADIUS_M[bone_kinds[i]] for i in chosen]
            if not coarse:
                ends += links
                thickness += [_LINK_RADIUS_M] * len(links)
            pairs = np.array(ends, np.int64).reshape(-1, 2)
            # Limbs get thinner outwards; bones of the trunk have no outer end.
            limbs = self._bone_sides(pairs) > 0
            blocks.append(
                TubeBlock(
                    pairs,
                    np.array(thickness),
                    _BONE_SIDES[not coarse],
                    np.where(limbs, _TAPER, 1.0),
                )
            )
        return blocks

    @cached_property
    def _node_sides(self) -> np.ndarray:
        """Per node 0 for neither side, 1 for left, 2 for right."""
        numbers = {"": 0, "left": 1, "right": 2}
        sides = [numbers[side_of(name)] for name in self.skeleton.keypoints]
        return np.array(sides + [0] * len(self._middles))

    def _bone_sides(self, pairs: Int[np.ndarray, "bones 2"]) -> Int[np.ndarray, " bones"]:
        """The side of each bone; 0 for those of the trunk and across the middle."""
        names = (*self.skeleton.keypoints, *("" for _ in self._middles))
        trunk = np.array([name.endswith(("_shoulder", "_hip")) for name in names])
        first, second = self._node_sides[pairs].T
        return np.where((first == second) & ~trunk[pairs].all(axis=1), first, 0)

    @cached_property
    def triangles(self) -> Int[np.ndarray, "triangles 3"]:
        """Vertex indices, anticlockwise seen from outside."""
        one, first = [], 0
        for block in self._blocks:
            one.append(block.triangles + first)
            first += block.n_vertices
        person = np.concatenate(one)
        offsets = np.arange(self.people)[:, None, None] * first
        return (person[None] + offsets).reshape(-1, 3).astype(np.int32)

    @cached_property
    def body_triangles(self) -> Int[np.ndarray, "triangles 3"]:
        """Those of `triangles` that belong to body, feet and head."""
        first_fine = sum(block.n_vertices for block in self._blocks[:2])
        return self.triangles[self.triangles[:, 0] % self.vertices_per_person < first_fine]

    @cached_property
    def vertices_per_person(self) -> int:
        """Number of vertices of each place for a person."""
        return sum(block.n_vertices for block in self._blocks)

    @cached_property
    def _vertex_nodes(self) -> np.ndarray:
        return np.concatenate([block.vertex_nodes for block in self._blocks])

    @cached_property
    def _vertex_sides(self) -> np.ndarray:
        """Per vertex 0 for neither side, 1 for left, 2 for right."""
        of_vertices: list[np.ndarray] = []
        for block in self._blocks:
            if isinstance(block, SphereBlock):
                of_vertices.append(self._node_sides[block.vertex_nodes])
            else:
                of_vertices.append(np.repeat(self._bone_sides(block.ends), 2 * block.sides))
        return np.concatenate(of_vertices)

    def vertices(
        self, points_m: Float[np.ndarray, "people keypoints 3"]
    ) -> tuple[Float[np.ndarray, "vertices 3"], Float[np.ndarray, "vertices 3"]]:
        """Positions and unit normals of all vertices.

        Args:
            points_m: world positions in metres, for at most `people` people; NaN for missing.

        Returns:
            Both of constant length and finite; what is missing lies in the one point `HIDDEN`.
        """
        count = len(points_m)
        if count > self.people or points_m.shape[1:] != (len(self.skeleton), 3):
            raise ValueError(
                f"points_m has shape {points_m.shape}, expected at most {self.people} people of "
                f"({len(self.skeleton)}, 3)"
            )
        positions = np.empty((self.people, self.vertices_per_person, 3))
        normals = np.empty_like(positions)
        positions[:] = HIDDEN
        normals[:] = (0.0, 0.0, 1.0)
        middles = [points_m[:, list(nodes)].mean(axis=1) for nodes in self._middles]
        nodes_m = np.concatenate([points_m, *(m[:, None] for m in middles)], axis=1)
        first = 0
        for block in self._blocks:
            rows = slice(first, first + block.n_vertices)
            first = rows.stop
            placed, directions = block.place(nodes_m)
            good = np.isfinite(placed).all(axis=2) & np.isfinite(directions).all(axis=2)
            positions[:count, rows][good] = placed[good]
            normals[:count, rows][good] = directions[good]
        return positions.reshape(-1, 3), normals.reshape(-1, 3)

    def colours(
        self,
        person_colours: Float[np.ndarray, "people 3"],
        doubtful: Bool[np.ndarray, "people keypoints"],
    ) -> Float[np.ndarray, "vertices 3"]:
        """RGB in [0, 1] of all vertices: by side for limbs, by person for the rest.

        Doubtful keypoints and the ends of bones at them are paler.
        """
        count = len(person_colours)
        colours = np.zeros((self.people, self.vertices_per_person, 3))
        colours[:count] = np.asarray(person_colours)[:, None, :]
        colours[:count, self._vertex_sides == 1] = LEFT
        colours[:count, self._vertex_sides == 2] = RIGHT
        nodes = np.zeros((count, len(self.skeleton) + len(self._middles)), bool)
        nodes[:, : len(self.skeleton)] = doubtful
        for place, pair in enumerate(self._middles, start=len(self.skeleton)):
            nodes[:, place] = doubtful[:, list(pair)].any(axis=1)
        pale = nodes[:, self._vertex_nodes]
        colours[:count][pale] = paler(colours[:count][pale])
        return colours.reshape(-1, 3)


def _middles(skeleton: Skeleton) -> list[tuple[int, int]]:
    """Pairs of keypoints whose midpoints are linked to show spine and neck."""
    if "neck" in skeleton or "mid_hip" in skeleton:
        return []
    pairs = [(f"left_{joint}", f"right_{joint}") for joint in ("hip", "shoulder", "ear")]
    if not all(name in skeleton for pair in pairs for name in pair):
        return []
    return [(skeleton.index(a), skeleton.index(b)) for a, b in pairs]
