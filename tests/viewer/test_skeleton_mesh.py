from __future__ import annotations

import numpy as np
import pytest

from mocap.model import skeleton_by_name
from mocap.model.skeletons import SKELETONS
from viewer.colours import LEFT, PEOPLE, RIGHT, paler, person_colours, shaded
from viewer.shapes import TubeBlock, sphere
from viewer.skeleton_mesh import HIDDEN, SkeletonMesh


def _volume(vertices, triangles):
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    return np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6


@pytest.mark.parametrize(("level", "count"), [(0, 12), (1, 42), (2, 162)])
def test_spheres_are_closed_and_face_outwards(level, count):
    vertices, triangles = sphere(level)
    assert len(vertices) == count
    assert len(triangles) == 2 * count - 4
    np.testing.assert_allclose(np.linalg.norm(vertices, axis=1), 1.0)
    # Positive only if every face is seen from outside; near the ball's 4.19 if none is missing.
    assert {0: 2.4, 1: 3.6, 2: 4.0}[level] < _volume(vertices, triangles) < 4.19


def test_tubes_have_their_radii_at_their_ends():
    tubes = TubeBlock(np.array([[0, 1]]), np.array([0.2]), 8, np.array([0.5]))
    nodes = np.array([[[1.0, 2.0, 3.0], [1.0, 2.0, 5.0]]])
    vertices, normals = tubes.place(nodes)
    from_axis = np.linalg.norm(vertices[0, :, :2] - (1.0, 2.0), axis=1)
    np.testing.assert_allclose(from_axis, [0.2] * 8 + [0.1] * 8)
    np.testing.assert_allclose(vertices[0, :, 2], [3.0] * 8 + [5.0] * 8)
    faces = tubes.triangles
    a, b, c = (vertices[0][faces[:, i]] for i in range(3))
    facing = np.cross(b - a, c - a)
    assert (np.einsum("ij,ij->i", facing, normals[0][faces[:, 0]]) > 0).all()


@pytest.mark.parametrize("name", sorted(SKELETONS))
def test_topology_is_constant_and_everything_is_finite(name, stick_figures):
    table = skeleton_by_name(name)
    mesh = SkeletonMesh(table, 3)
    standing = stick_figures["standing"](table)
    partly = standing.copy()
    partly[::3] = np.nan
    counts = set()
    for people in ([], [standing], [standing, partly], [partly, np.full_like(partly, np.nan)]):
        points = np.array(people).reshape(-1, len(table), 3)
        vertices, normals = mesh.vertices(points)
        assert np.isfinite(vertices).all()
        np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0)
        counts.add(len(vertices))
    assert counts == {3 * mesh.vertices_per_person}
    assert mesh.triangles.max() == 3 * mesh.vertices_per_person - 1
    assert len(np.unique(mesh.triangles)) == 3 * mesh.vertices_per_person


def test_missing_keypoints_and_their_bones_vanish(stick_figures):
    table = skeleton_by_name("coco17")
    mesh = SkeletonMesh(table, 1)
    points = stick_figures["standing"](table)[None] + (3.0, 0.0, 0.0)
    whole, _ = mesh.vertices(points)
    assert not (whole == HIDDEN).all(axis=1).any()
    wrist = table.index("left_wrist")
    gap = points.copy()
    gap[0, wrist] = np.nan
    vertices, _ = mesh.vertices(gap)
    gone = (vertices == HIDDEN).all(axis=1)
    # The ball of 162 vertices, and both ends of the tube to it.
    assert gone.sum() == 162 + 2 * 12
    changed = (whole != vertices).any(axis=1)
    np.testing.assert_array_equal(changed, gone)


def test_nothing_reaches_to_the_hidden_point(stick_figures):
    table = skeleton_by_name("coco17")
    mesh = SkeletonMesh(table, 1)
    points = stick_figures["standing"](table)[None] + (3.0, 0.0, 0.0)
    points[0, table.index("left_wrist")] = np.nan
    vertices, _ = mesh.vertices(points)
    a, b, c = (vertices[mesh.triangles[:, i]] for i in range(3))
    longest = np.max([np.linalg.norm(a - b, axis=1), np.linalg.norm(b - c, axis=1)], axis=0)
    assert longest.max() < 1.0, "a triangle reaches from a limb to the hidden point"


def test_joints_are_where_the_keypoints_are(stick_figures):
    table = skeleton_by_name("coco_wholebody133")
    mesh = SkeletonMesh(table, 2)
    people = np.stack([stick_figures["standing"](table)] * 2)
    people[1] += (2.0, 1.0, 0.0)
    vertices, _ = mesh.vertices(people)
    for person, points in enumerate(people):
        mine = vertices.reshape(2, -1, 3)[person]
        distance = np.linalg.norm(mine[:, None] - points[None], axis=2).min(axis=0)
        np.testing.assert_array_less(distance, 0.0221)
        face = list(table.indices("face"))
        assert distance[face].max() < 0.0031, "face points are thin"


def test_colours_tell_sides_people_and_doubt(stick_figures):
    table = skeleton_by_name("coco17")
    mesh = SkeletonMesh(table, 2)
    points = np.stack([stick_figures["standing"](table)] * 2)
    points[1] += (2.0, 0.0, 0.0)
    doubtful = np.zeros((2, len(table)), bool)
    doubtful[1, table.index("right_knee")] = True
    vertices, _ = mesh.vertices(points)
    colours = mesh.colours(person_colours([0, 1]), doubtful)

    def colour_at(person, name):
        near = np.linalg.norm(vertices - points[person, table.index(name)], axis=1) < 0.0225
        return np.unique(colours[near].round(6), axis=0)

    np.testing.assert_allclose(colour_at(0, "left_knee"), [LEFT])
    np.testing.assert_allclose(colour_at(0, "right_knee"), [RIGHT])
    np.testing.assert_allclose(colour_at(1, "right_knee"), [paler(np.array(RIGHT)).round(6)])
    every = mesh.colours(person_colours([0, 1]), np.ones((2, len(table)), bool))
    bare = np.zeros((2, len(table)), bool)
    assert (every > mesh.colours(person_colours([0, 1]), bare)).any(axis=1).all()
    kinds = {tuple(c) for c in mesh.colours(person_colours([0, 1]), bare).round(6)}
    assert kinds == {LEFT, RIGHT, PEOPLE[0], PEOPLE[1]}


def test_more_people_than_places_are_refused(stick_figures):
    table = skeleton_by_name("coco17")
    with pytest.raises(ValueError, match="at most 1 people"):
        SkeletonMesh(table, 1).vertices(np.zeros((2, len(table), 3)))


def test_shading_darkens_what_faces_away_and_never_brightens():
    normals = sphere(2)[0]
    grey = np.full(normals.shape, 0.5)
    result = shaded(grey, normals)
    assert result.max() <= 0.5
    assert result[np.argmax(normals[:, 2])].mean() > 1.25 * result[np.argmin(normals[:, 2])].mean()
