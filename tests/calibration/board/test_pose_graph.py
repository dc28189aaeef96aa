"""The graph of shared views."""

import numpy as np
import pytest
from board_scene import board_scene, relative_errors

from calibration.board.planar_pose import PlanarPoses
from calibration.board.pose_graph import (
    Edge,
    components,
    explain_components,
    first_poses,
    shared_edges,
)
from calibration.board.view_poses import view_poses
from calibration.board.views import frame_interval, view_table
from mocap.model import Camera, Rig


def _prepared(scene, offsets=0.0):
    table = view_table(scene.sightings)
    poses = view_poses(scene.sightings.target.points_m, table, [c.intrinsics for c in scene.rig])
    table = table.chosen(poses.found)
    poses = PlanarPoses(poses.T_cam_target[poses.found], poses.rms_rad[poses.found])
    time_s = table.stamp_s - np.broadcast_to(offsets, len(scene.rig))[table.camera]
    return table, time_s, poses, frame_interval(table)


def _first(scene, table, time_s, poses, interval):
    names = scene.sightings.names
    edges = shared_edges(table, time_s, poses, len(names), interval)
    found = first_poses(
        table, time_s, poses, names, interval, scene.sightings.target.points_m, edges
    )
    cameras = [Camera(c.name, c.intrinsics, found.T_cam_world[i]) for i, c in enumerate(scene.rig)]
    return Rig(tuple(cameras)), found


@pytest.mark.parametrize("flipped", [0.0, 0.3])
def test_flipped_solutions_are_seen_through(flipped):
    scene = board_scene(4, seed=0, fps=8.0, duration_s=6.0)
    table, time_s, poses, interval = _prepared(scene)
    flip = np.random.default_rng(0).random(len(table)) < flipped
    # As if the wrong solution had fitted as well as the right one, and stood first.
    swapped = np.where(flip[:, None, None, None], poses.T_cam_target[:, ::-1], poses.T_cam_target)
    rms = np.where(flip[:, None], poses.rms_rad[:, :1], poses.rms_rad)
    usable = np.isfinite(swapped[:, 0]).all(axis=(1, 2))
    poses = PlanarPoses(swapped[usable], rms[usable])
    rig, _ = _first(scene, table.chosen(usable), time_s[usable], poses, interval)
    turn, shift = relative_errors(rig, scene.rig)
    assert turn.max() < 1.0 and shift.max() < 40.0


def test_unsynchronised_cameras_share_views_between_frames():
    scene = board_scene(4, seed=1, offset_frames=(0, 0.4, -0.5, 0.3))
    offsets = np.array([c.time_offset_s for c in scene.rig])
    rig, found = _first(scene, *_prepared(scene, offsets))
    turn, shift = relative_errors(rig, scene.rig)
    assert turn.max() < 1.5 and shift.max() < 60.0
    assert found.trusted.mean() > 0.9


def test_views_without_a_second_solution_are_fine():
    scene = board_scene(3, seed=2, fps=5.0, duration_s=4.0)
    table, time_s, poses, interval = _prepared(scene)
    T, rms = poses.T_cam_target.copy(), poses.rms_rad.copy()
    T[::2, 1], rms[::2, 1] = np.nan, np.nan
    rig, _ = _first(scene, table, time_s, PlanarPoses(T, rms), interval)
    assert relative_errors(rig, scene.rig)[0].max() < 1.0


def test_groups_of_cameras_in_words():
    eye = np.eye(4)
    edges = [Edge(0, 2, 9, 8.0, eye), Edge(1, 3, 5, 4.0, eye), Edge(0, 1, 6, 0.5, eye)]
    assert components(5, edges) == [[0, 2], [1, 3], [4]]
    text = explain_components(["a", "b", "c", "d", "e"], edges)
    assert "a, c | b, d | e" in text and "a and b share 6 views that do not agree" in text
    assert explain_components(["a", "b"], [Edge(0, 1, 9, 8.0, eye)]) is None


def test_the_interval_is_that_of_neighbouring_frames():
    scene = board_scene(2, seed=3, fps=10.0, duration_s=4.0, dropped_share=0.3)
    assert frame_interval(view_table(scene.sightings)) == pytest.approx(0.1)
    thinned = [c.chosen(c.frame % 3 == 0) for c in scene.sightings.cameras]
    table = view_table(type(scene.sightings)(scene.sightings.target, tuple(thinned)))
    assert frame_interval(table) == pytest.approx(0.3)
