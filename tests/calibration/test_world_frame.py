"""Floor, origin, axes and scale, from rigs and people that were moved away from the truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_scene import make_camera, project_rig, ring_rig, standing_person
from verdict_scene import BOARD, board_pose_at, evidence_of, sightings_of, solution_of

from calibration.checks.tracks import tracks_of_sightings, triangulate
from calibration.checks.uncertainty import camera_uncertainty
from calibration.solution import TargetPath
from calibration.world_frame import (
    NamedPoint,
    WorldFrame,
    move_path,
    move_points,
    move_rig,
    move_solution,
    path_of_tracks,
    people_floor,
    scale_from_distance,
    scale_from_stature,
    stature_m,
    still_stretches,
    world_from_cameras,
    world_from_people,
    world_from_points,
    world_from_target,
)
from calibration.world_frame.scale import ANKLE_TO_SHOULDER
from mocap.errors import CalibrationError, RigError
from mocap.geometry.rotations import matrix_from_rotvec
from mocap.model import Rig
from mocap.model.skeletons import COCO_17, HALPE_26

RIG = ring_rig(4, mixed_lenses=True)


def _frame(rotvec, shift, scale=1.0) -> WorldFrame:
    pose = np.eye(4)
    pose[:3, :3] = matrix_from_rotvec(np.asarray(rotvec, float))
    pose[:3, 3] = shift
    return WorldFrame(pose, scale)


AWAY = _frame([0.4, -1.1, 2.0], [1.0, -2.0, 0.5])


def _path(seed: int = 0) -> TargetPath:
    time_s = np.arange(0, 8, 1 / 15)
    return TargetPath(time_s, board_pose_at(seed)(time_s))


def _walk(skeleton, frames: int = 60, seed: int = 0, lean_rad: float = 0.0, lift: float = 0.12):
    """A person who walks about, now and then lifting a foot, with noise."""
    rng = np.random.default_rng(seed)
    people = np.empty((frames, 1, len(skeleton), 3))
    for i in range(frames):
        place = (1.2 * np.cos(0.15 * i), 0.9 * np.sin(0.11 * i))
        people[i, 0] = standing_person(skeleton, place, 0.15 * i)
        side = "left_" if i % 20 < 10 else "right_"
        for k, name in enumerate(skeleton.keypoints):
            if name.startswith(side) and name.endswith(("ankle", "toe", "heel")):
                people[i, 0, k, 2] += lift
    people[..., 0] += np.tan(lean_rad) * people[..., 2]
    return people + rng.normal(0, 0.01, people.shape)


@given(
    st.lists(st.floats(-2, 2), min_size=3, max_size=3),
    st.lists(st.floats(-3, 3), min_size=3, max_size=3),
    st.floats(0.2, 5),
)
def test_moving_a_rig_and_the_points_leaves_the_pixels(rotvec, shift, scale):
    frame = _frame(rotvec, shift, scale)
    points = np.random.default_rng(0).normal([0, 0, 1], 0.5, (20, 3))
    before = project_rig(points, RIG)
    after = project_rig(move_points(frame, points), move_rig(frame, RIG))
    assert np.allclose(before, after, atol=1e-6)


def test_covariance_moves_as_finite_differences_say():
    frame = _frame([0.3, 0.8, -0.5], [2.0, 1.0, -3.0], 2.5)
    camera = RIG.cameras[1]
    start = move_rig(frame, Rig((camera,))).cameras[0]
    derivative = np.zeros((6, 6))
    h = 1e-6
    for k in range(6):
        step = np.zeros(6)
        step[k] = h
        pose = camera.T_cam_world.copy()
        pose[:3, :3] = matrix_from_rotvec(step[:3]) @ pose[:3, :3]
        pose[:3, 3] += step[3:]
        moved = move_rig(frame, Rig((type(camera)(camera.name, camera.intrinsics, pose),))).cameras[
            0
        ]
        turn = moved.T_cam_world[:3, :3] @ start.T_cam_world[:3, :3].T
        derivative[:3, k] = np.array([turn[2, 1], turn[0, 2], turn[1, 0]]) / h
        derivative[3:, k] = (moved.T_cam_world[:3, 3] - start.T_cam_world[:3, 3]) / h
    root = np.random.default_rng(1).normal(size=(6, 6))
    covariance = root @ root.T
    from dataclasses import replace

    with_it = move_rig(frame, Rig((replace(camera, pose_covariance=covariance),))).cameras[0]
    assert np.allclose(with_it.pose_covariance, derivative @ covariance @ derivative.T, atol=1e-3)


def test_uncertainty_of_places_turns_and_grows_with_the_frame():
    solution = solution_of(RIG, sightings_of(RIG, 1, seconds=3.0))
    moved = move_solution(_frame([0.3, 0.8, -0.5], [2.0, 1.0, -3.0], 2.0), solution)
    for a, b in zip(camera_uncertainty(solution), camera_uncertainty(moved), strict=True):
        assert b.position_m == pytest.approx(2 * a.position_m, rel=1e-6)
        assert b.rotation_rad == pytest.approx(a.rotation_rad, rel=1e-6)
    assert moved.rig.cameras[0].pose_covariance is not None
    assert np.allclose(moved.pose_covariance[6:12, 6:12], moved.rig.cameras[1].pose_covariance)


def test_floor_is_found_from_noisy_sightings():
    rig = ring_rig(4)
    sightings = sightings_of(rig, 3)
    away = move_rig(AWAY, rig)
    tracks = tracks_of_sightings(away, sightings)
    path = path_of_tracks(BOARD, tracks.time_s, triangulate(away, tracks))
    frame = world_from_target(away, BOARD, path)
    back = move_rig(frame, away)
    # The truth: board at (0.2, -0.1, 0), turned by 0.4 rad, face up.
    turn = matrix_from_rotvec(np.array([0, 0, -0.4]))
    for camera, true in zip(back, rig, strict=True):
        want = turn @ (true.center_world - [0.2, -0.1, 0.0])
        assert np.linalg.norm(camera.center_world - want) < 0.01
    assert "floor from the target lying still" in back.metadata.world_frame
    assert frame.notes == ()


def test_floor_at_a_given_time_corner_and_thickness():
    path, rig = move_path(AWAY, _path()), move_rig(AWAY, RIG)
    found = world_from_target(rig, BOARD, path)
    given_time = world_from_target(rig, BOARD, path, at_s=7.5)
    assert np.allclose(found.T_new_old, given_time.T_new_old, atol=1e-9)
    thick = world_from_target(rig, BOARD, path, thickness_m=0.01)
    difference = move_points(thick, np.zeros(3)) - move_points(found, np.zeros(3))
    assert np.allclose(difference, [0, 0, 0.01], atol=1e-9)
    corner = world_from_target(rig, BOARD, path, origin="corner")
    lying = path.T_world_target[-1]
    first = lying[:3, :3] @ BOARD.points_m[0] + lying[:3, 3]
    assert np.allclose(move_points(corner, first), 0, atol=3e-4)


def test_board_lying_face_down_is_undone_and_told():
    path = _path()
    flip = np.diag([1.0, -1.0, -1.0, 1.0])
    poses = path.T_world_target.copy()
    poses[path.time_s > 6.4] = poses[path.time_s > 6.4] @ flip
    frame = world_from_target(RIG, BOARD, TargetPath(path.time_s, poses))
    assert "shows its back" in frame.notes[0]
    assert all(camera.center_world[2] > 1 for camera in move_rig(frame, RIG))


def test_board_held_still_in_the_air_is_not_the_floor():
    path = _path()
    poses = path.T_world_target.copy()
    poses[(path.time_s > 0.5) & (path.time_s < 4.5)] = poses[np.searchsorted(path.time_s, 2.0)]
    path = TargetPath(path.time_s, poses)
    assert still_stretches(BOARD, path)[0].end_s < 5
    frame = world_from_target(RIG, BOARD, path)
    assert np.allclose(frame.T_new_old[2, :3], [0, 0, 1], atol=1e-6)
    only = TargetPath(path.time_s[path.time_s < 5], poses[path.time_s < 5])
    with pytest.raises(CalibrationError, match="both sides"):
        world_from_target(RIG, BOARD, only)


def test_board_on_a_wall_is_told():
    front = Rig(
        tuple(make_camera(f"c{i}", (3.0 + 0.1 * i, i - 1.0, 1.2), (0, 0, 1.2)) for i in range(3))
    )
    wall = np.eye(4)
    wall[:3, :3] = np.array([[0, 0, -1.0], [1, 0, 0], [0, -1, 0]])
    wall[:3, 3] = (0, -0.3, 1.5)
    time_s = np.arange(0, 2, 0.1)
    path = TargetPath(time_s, np.tile(wall, (len(time_s), 1, 1)))
    frame = world_from_target(front, BOARD, path)
    assert any("tilted by" in note for note in frame.notes)


def test_messages_of_the_floor():
    path = _path()
    moving = TargetPath(path.time_s[:60], path.T_world_target[:60])
    with pytest.raises(CalibrationError, match="still nowhere"):
        world_from_target(RIG, BOARD, moving)
    with pytest.raises(CalibrationError, match=r"at 99 s; it was seen from 0\.0 to 7\.9 s"):
        world_from_target(RIG, BOARD, path, at_s=99)
    with pytest.raises(CalibrationError, match="thickness"):
        world_from_target(RIG, BOARD, path, thickness_m=5)


ROOM = {"door": (2.0, 1.0, 0.0), "table": (-1.0, 0.5, 0.74), "shelf": (0.3, -1.5, 1.2),
        "lamp": (0.5, 0.4, 1.5)}  # fmt: skip


def _clicked(names, scale=1.0, noise=0.0):
    pixels = project_rig(np.array([ROOM[n] for n in names]), RIG)
    pixels = pixels + np.random.default_rng(0).normal(0, noise, pixels.shape)
    return [
        NamedPoint(
            name,
            tuple(scale * np.array(ROOM[name])),
            {RIG.names[c]: tuple(pixels[c, i]) for c in range(4) if np.isfinite(pixels[c, i, 0])},
        )
        for i, name in enumerate(names)
    ]


def test_clicked_points_give_frame_and_scale():
    away = move_rig(AWAY, RIG)
    back = move_rig(world_from_points(away, _clicked(list(ROOM), noise=0.5)), away)
    for camera, true in zip(back, RIG, strict=True):
        assert np.linalg.norm(camera.center_world - true.center_world) < 0.02
    half = move_rig(WorldFrame(AWAY.T_new_old, 0.5), RIG)
    frame = world_from_points(half, _clicked(list(ROOM)), scale=True)
    assert frame.scale == pytest.approx(2.0, abs=1e-6)
    assert "scale from the points" in frame.words


def test_messages_of_points():
    with pytest.raises(CalibrationError, match="2 points"):
        world_from_points(RIG, _clicked(["door", "table"]))
    points = _clicked(["door", "table", "shelf"])
    lonely = NamedPoint("door", points[0].world_m, dict(list(points[0].pixels.items())[:1]))
    with pytest.raises(CalibrationError, match="'door' was clicked in 1 cameras"):
        world_from_points(RIG, [lonely, *points[1:]])
    with pytest.raises(RigError, match="no camera 'x'"):
        world_from_points(RIG, [NamedPoint("a", (0, 0, 0), {"x": (1, 1)}), *points[1:]])
    line = [NamedPoint(str(i), (i, i, 0), rig_m=(i, i, 0)) for i in range(3)]
    with pytest.raises(CalibrationError, match="in a line"):
        world_from_points(RIG, line)
    swapped = [
        NamedPoint(p.name, q.world_m, p.pixels) for p, q in zip(points, points[1:] + points[:1],
                                                                 strict=True)
    ]  # fmt: skip
    with pytest.raises(CalibrationError, match="miss their places"):
        world_from_points(RIG, swapped)
    with pytest.raises(CalibrationError, match="one name"):
        world_from_points(RIG, [points[0], points[0], points[1]])


@pytest.mark.parametrize("skeleton", [HALPE_26, COCO_17], ids=lambda s: s.name)
def test_floor_from_people(skeleton):
    people = _walk(skeleton)
    away, moved = move_rig(AWAY, RIG), move_points(AWAY, people)
    frame = world_from_people(away, moved, skeleton)
    back = move_rig(frame, away)
    heights = [camera.center_world[2] for camera in back]
    assert np.allclose(heights, [c.center_world[2] for c in RIG], atol=0.04)
    up = np.degrees(np.arccos((AWAY.T_new_old[:3, :3] @ [0, 0, 1]) @ frame.T_new_old[2, :3]))
    assert up < 1.0
    assert np.linalg.norm(move_points(frame, moved).mean(axis=(0, 1, 2))[:2]) < 0.3
    assert frame.notes == ()


def test_floor_of_one_who_only_stands_is_level_by_gravity():
    people = np.stack([standing_person(HALPE_26)[None] for _ in range(30)])
    people += np.random.default_rng(3).normal(0, 0.01, people.shape)
    floor = people_floor(people, HALPE_26)
    assert np.degrees(np.arccos(floor.up[2])) < 2
    assert abs(floor.place[2]) < 0.03


def test_leaning_people_do_not_tilt_a_large_floor_and_are_told():
    people = _walk(HALPE_26, frames=120, lean_rad=np.radians(14))
    floor = people_floor(people, HALPE_26)
    assert np.degrees(np.arccos(floor.up[2])) < 4
    assert any("differ by" in note for note in world_from_people(RIG, people, HALPE_26).notes)


def test_stature_and_scale():
    people = _walk(HALPE_26, lift=0.0)
    # Joints by anthropometry are 0.779 of the stature from ankles to shoulders, not 0.746.
    stature = 1.75 * 0.779 / ANKLE_TO_SHOULDER
    assert stature_m(people, HALPE_26)[0] == pytest.approx(stature, rel=0.03)
    assert scale_from_stature(2 * people, HALPE_26, stature) == pytest.approx(0.5, rel=0.03)
    frame = world_from_people(RIG, 2 * people, HALPE_26, true_stature_m=stature)
    assert frame.scale == pytest.approx(0.5, rel=0.03)
    assert "scale from people's height" in frame.words
    a, b = RIG.names[:2]
    apart = np.linalg.norm(RIG[a].center_world - RIG[b].center_world)
    assert scale_from_distance(RIG, a, b, 3 * float(apart)) == pytest.approx(3)


def test_messages_of_scale_and_people():
    people = _walk(HALPE_26)
    with pytest.raises(CalibrationError, match=r"given as 175 m, expected 0\.4 to 2\.6"):
        scale_from_stature(people, HALPE_26, 175.0)
    with pytest.raises(CalibrationError, match="nobody of known height"):
        scale_from_stature(people, HALPE_26, np.array([np.nan]))
    with pytest.raises(CalibrationError, match="stood straight in 0"):
        people_floor(np.full_like(people, np.nan), HALPE_26)
    with pytest.raises(CalibrationError, match="distance from"):
        scale_from_distance(RIG, *RIG.names[:2], -1.0)


def test_cameras_alone_give_a_level_frame_that_says_what_it_lacks():
    frame = world_from_cameras(move_rig(AWAY, RIG))
    back = move_rig(frame, move_rig(AWAY, RIG))
    assert np.allclose(back.cameras[0].center_world, 0, atol=1e-9)
    up = (frame.T_new_old[:3, :3] @ AWAY.T_new_old[:3, :3])[2]
    assert np.degrees(np.arccos(up[2])) < 8
    assert "the floor is unknown" in frame.words and frame.notes
    down = RIG.cameras[0].T_cam_world.copy()
    down[:3] = np.diag([-1.0, -1, 1]) @ down[:3]
    from dataclasses import replace

    mixed = Rig((RIG.cameras[0], replace(RIG.cameras[0], name="x", T_cam_world=down)))
    with pytest.raises(CalibrationError, match="do not agree on what is up"):
        world_from_cameras(mixed)


def test_evidence_of_a_moved_solution_has_the_same_residuals():
    rig = ring_rig(3)
    evidence = evidence_of(rig, sightings_of(rig, 2, seconds=3.0))
    moved = move_solution(AWAY, evidence.solution)
    tracks = tracks_of_sightings(moved.rig, evidence.sightings)
    assert triangulate(moved.rig, tracks).rmse_px() == pytest.approx(evidence.seen.rmse_px())
