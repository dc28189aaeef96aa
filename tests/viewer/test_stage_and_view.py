from __future__ import annotations

import numpy as np
import pytest

from mocap.errors import InputError
from mocap.geometry.projection import project_points
from mocap.model import Camera, Intrinsics, Rig
from mocap.storage.session_reader import Session
from viewer.feed import load_feed
from viewer.hud import Bar, Text, flat_mesh
from viewer.options import ViewOptions, check_size
from viewer.stage import FRUSTUM_DEPTH_M, camera_frusta, floor_grid, world_axes
from viewer.viewpoint import (
    ViewPoint,
    cameras_in_view,
    choose_view,
    facing_deg,
    fit_eye,
    look_along,
    people_volume,
)


def test_the_grid_lies_on_the_floor_below_the_people_and_the_origin():
    grid = floor_grid(np.array([[2.0, 3.0, 0.0], [4.2, 5.0, 1.8]]))
    assert (grid.points_m[:, 2] == 0).all()
    low, high = grid.points_m.min(axis=0), grid.points_m.max(axis=0)
    assert (low[:2] <= -1.0).all()
    assert (high[:2] >= [5.2, 6.0]).all()
    start, end = grid.points_m[grid.ends[:, 0]], grid.points_m[grid.ends[:, 1]]
    assert ((start == end).sum(axis=1) == 2).all(), "every line runs along one axis"


def test_a_large_floor_has_few_lines():
    grid = floor_grid(np.array([[-300.0, 0.0, 0.0], [300.0, 2.0, 1.8]]))
    assert len(grid.ends) < 150


def test_axes_point_along_the_world():
    axes = world_axes()
    red = axes.vertices_m[(axes.colours[:, 0] > 0.7) & (axes.colours[:, 1] < 0.3)]
    assert red[:, 0].max() == pytest.approx(0.5)
    assert np.abs(red[:, 1:]).max() < 0.02


def test_frusta_have_the_field_of_view_of_their_cameras(stick_figures):
    rig = stick_figures["rig"]()
    lines = camera_frusta(rig)
    per_camera = lines.points_m.reshape(len(rig), -1, 3)
    for camera, points in zip(rig, per_camera, strict=True):
        np.testing.assert_allclose(points[0], camera.center_world)
        lens = camera.intrinsics
        pixels, depth = project_points(
            points[1:5], lens.matrix, lens.packed_distortions, False, camera.T_cam_world
        )
        expected = [[-0.5, -0.5], [1279.5, -0.5], [1279.5, 719.5], [-0.5, 719.5]]
        np.testing.assert_allclose(pixels, expected, atol=1e-6)
        np.testing.assert_allclose(depth, FRUSTUM_DEPTH_M)
        assert points[5, 2] > points[1:5, 2].min(), "the roof is on the upper side"
    assert lines.ends.max() == len(lines.points_m) - 1


def test_a_very_wide_lens_gives_a_finite_frustum():
    lens = Intrinsics(
        (1280, 720), np.array([[250.0, 0, 640], [0, 250, 360], [0, 0, 1]]), np.zeros(4), "fisheye"
    )
    lines = camera_frusta(Rig((Camera("wide", lens, np.eye(4)),)))
    assert np.isfinite(lines.points_m).all()
    assert np.abs(lines.points_m).max() < 1.0


def test_the_view_projects_like_opencv_and_is_not_mirrored():
    # From -Y looking along +Y: +X of the world is at the right, +Z at the top.
    view = ViewPoint(look_along(np.array([0, 1.0, 0]), np.array([0, -5.0, 1.0])), (641, 361), 500.0)
    pixels = view.project(np.array([[0, 0, 1.0], [1, 0, 1.0], [0, 0, 2.0], [0, -9.0, 1.0]]))
    np.testing.assert_allclose(pixels[:3], [[320, 180], [420, 180], [320, 80]])
    assert np.isnan(pixels[3]).all(), "behind the viewer"


def test_fit_eye_is_the_nearest_from_which_all_is_seen():
    rng = np.random.default_rng(3)
    for _ in range(20):
        points = rng.normal(size=(30, 3)) * (2.0, 1.0, 0.7)
        forward = rng.normal(size=3) * (1, 1, 0.3)
        tangents = (0.5, 0.3, 0.2)
        eye = fit_eye(points, forward, tangents)
        pose = look_along(forward, eye)
        local = points @ pose[:3, :3].T + pose[:3, 3]
        slopes = local[:, :2] / local[:, 2:]
        assert (local[:, 2] > 0).all()
        (left, top), (right, bottom) = slopes.min(axis=0), slopes.max(axis=0)
        across = np.allclose((-left, right), 0.5)
        upright = np.allclose((-top, bottom), (0.3, 0.2))
        assert across or upright, "both edges of one axis touch"
        assert -left <= 0.5 + 1e-9
        assert right <= 0.5 + 1e-9
        assert -top <= 0.3 + 1e-9
        assert bottom <= 0.2 + 1e-9


@pytest.mark.parametrize(("yaw", "expected"), [(0.0, 90.0), (90.0, 180.0), (-120.0, -30.0)])
def test_facing(stick_figures, yaw, expected, walkers):
    standing = stick_figures["standing"](walkers.skeleton)
    points = stick_figures["moved"](standing, yaw, 1.0, 2.0)[None]
    angle = facing_deg(points, walkers.skeleton)
    assert (angle - expected + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)
    assert facing_deg(points[:0], walkers.skeleton) is None


def test_all_people_of_all_frames_are_in_the_picture_and_fill_it(walkers):
    feed = load_feed(walkers, "raw")
    for options in (ViewOptions(), ViewOptions(cameras=False), ViewOptions(azimuth_deg=0.0)):
        view = choose_view(feed, walkers.rig, (1280, 720), options)
        pixels = view.project(feed.motion.points_m).reshape(-1, 2)
        assert (pixels > 0).all()
        assert (pixels < (1280, 720)).all()
        covered = pixels.max(axis=0) - pixels.min(axis=0)
        assert (covered / (1280, 720)).max() > 0.45


def test_the_person_is_seen_from_the_front(walkers):
    feed = load_feed(walkers, "raw")
    view = choose_view(feed, walkers.rig, (1280, 720), ViewOptions(), 0)
    table = walkers.skeleton
    points = feed.people(0).points_m[0]
    left, right = (view.project(points[table.index(f"{s}_shoulder")]) for s in ("left", "right"))
    assert right[0] < left[0], "who looks at us has the right side at our left"


def test_cameras_just_before_the_viewer_are_not_drawn(stick_figures):
    rig = stick_figures["rig"]()
    volume = np.array([[-0.5, -0.5, 0.0], [0.5, 0.5, 1.8]])
    near = rig.cameras[2].center_world
    behind = near * 1.1
    view = ViewPoint(look_along(-near * (1, 1, 0.3), behind), (640, 360), 500.0)
    names = [camera.name for camera in cameras_in_view(rig, view, volume)]
    assert names == ["cam_0", "cam_1", "cam_3"]
    far = ViewPoint(look_along(-near * (1, 1, 0.3), near * 4), (640, 360), 500.0)
    assert len(cameras_in_view(rig, far, volume)) == 4


def test_names_and_caption_have_room_in_narrow_pictures(walkers):
    feed = load_feed(walkers, "raw")
    people = feed.people(0)
    view = choose_view(feed, walkers.rig, (360, 640), ViewOptions(), 0)
    label = view.project(people.label_points_m)[0]
    assert label[1] > 15
    assert view.project(people.points_m[0])[:, 1].max() < 640 - 90


def test_a_stray_keypoint_does_not_move_the_view(make_session, stick_figures):
    people = stick_figures["two_walkers"](9)
    with Session(make_session(people, "good")) as session:
        good = people_volume(session.motion("raw"))
    people[4][0][1][5] = (40.0, -30.0, 12.0)
    with Session(make_session(people, "stray")) as session:
        np.testing.assert_allclose(people_volume(session.motion("raw")), good, atol=0.1)


def test_flat_items_are_at_their_pixels():
    pose = look_along(np.array([0.3, 1.0, -0.2]), np.array([1.0, -5.0, 2.0]))
    view = ViewPoint(pose, (640, 360), 480.0)

    def glyphs(text):
        return np.array([[0.0, 0.0], [len(text), 0.0], [0.0, 1.0]]), np.array([[0, 1, 2]])

    items = [Bar((10, 20), (100, 5), (1, 0, 0)), Text("abc", (50, 60), 10, (0, 0, 1), "middle")]
    mesh = flat_mesh(items, glyphs, view)
    expected = [[10, 20], [10, 25], [110, 25], [110, 20], [35, 60], [65, 60], [35, 50]]
    np.testing.assert_allclose(view.project(mesh.vertices_m), expected, atol=1e-9)
    assert len(flat_mesh([], glyphs, view).vertices_m) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"elevation_deg": 90.0},
        {"elevation_deg": float("nan")},
        {"azimuth_deg": float("inf")},
        {"uncertain_above_m": -0.1},
        {"supersample": 0},
        {"supersample": 9},
    ],
)
def test_impossible_options_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        ViewOptions(**wrong)


def test_impossible_sizes_are_refused():
    check_size((641, 361))
    with pytest.raises(InputError, match="out of range"):
        check_size((0, 720))
    with pytest.raises(InputError, match="give 642x360"):
        check_size((641, 360), even=True)
