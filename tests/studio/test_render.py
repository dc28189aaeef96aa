import numpy as np
import pytest
from studio_shapes import ball

from mocap.errors import StudioError
from mocap.geometry.projection import project_points
from mocap.model import Camera
from mocap.studio.raycasting import RaycastingScene, visible_points
from mocap.studio.render import Mesh, Renderer
from mocap.studio.rigs import RigConfig, make_rig
from mocap.studio.room import RoomConfig, hit_walls

PLAIN = RoomConfig(decorated=False, floor="carpet")
LENSES = {
    "straight": RigConfig(cameras=2, distortions=()),
    "barrel": RigConfig(cameras=2, distortions=(-0.25, 0.08, 0.002, -0.003, 0.0)),
    "fisheye": RigConfig(
        cameras=2, lens="fisheye", field_of_view_deg=150.0, distortions=(0.02, -0.01, 0.0, 0.0)
    ),
}


def project(camera: Camera, points: np.ndarray) -> np.ndarray:
    intrinsics = camera.intrinsics
    return project_points(
        points,
        intrinsics.matrix,
        intrinsics.packed_distortions,
        intrinsics.lens == "fisheye",
        camera.T_cam_world,
    )[0]


@pytest.mark.parametrize("lens", LENSES)
def test_ball_is_seen_where_the_rig_projects_it(lens: str) -> None:
    rig = make_rig(LENSES[lens], 1)
    renderer = Renderer(rig, PLAIN)
    for place in ([0.0, 0.0, 1.0], [0.9, -0.6, 0.3], [-0.8, 0.7, 1.8]):
        red, blue = (
            renderer.instant([ball(np.array(place), 0.08, color)])
            for color in ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0))
        )
        for index, camera in enumerate(rig):
            # They differ in every pixel that the ball touches, and in no other.
            differ = renderer.picture(index, red) - renderer.picture(index, blue)
            rows, columns = np.nonzero(np.abs(differ).max(axis=2) > 1e-6)
            found = [columns.mean(), rows.mean()]
            np.testing.assert_allclose(found, project(camera, np.array(place)), atol=0.25)


def test_near_covers_far() -> None:
    rig = make_rig(RigConfig(cameras=2), 0)
    renderer = Renderer(rig, PLAIN)
    camera = rig.cameras[0]
    far = np.array([0.0, 0.0, 1.0])
    near = far + 0.4 * (camera.center_world - far)
    red, blue = ball(far, 0.05, (1.0, 0.0, 0.0)), ball(near, 0.1, (0.0, 0.0, 1.0))
    column, row = np.round(project(camera, far)).astype(int)
    alone = renderer.picture(0, renderer.instant([red]))[row, column]
    assert alone[0] > 4 * alone[2]
    for meshes in ([red, blue], [blue, red]):
        both = renderer.picture(0, renderer.instant(meshes))[row, column]
        assert both[2] > 4 * both[0]


def test_people_throw_shadows_on_the_floor_and_on_each_other() -> None:
    rig = make_rig(RigConfig(cameras=2, height_m=2.2), 0)
    renderer = Renderer(rig, PLAIN)
    empty = renderer.picture(0, renderer.instant([]))
    body = ball(np.array([0.0, 0.0, 0.5]), 0.3, (1.0, 1.0, 1.0))
    instant = renderer.instant([body])
    with_ball = renderer.picture(0, instant)
    column, row = np.round(project(rig.cameras[0], np.array([-0.3, 0.25, 0.0]))).astype(int)
    assert with_ball[row, column].mean() < 0.8 * empty[row, column].mean()
    roof = ball(np.array([0.5, -0.4, 1.6]), 0.5, (1.0, 1.0, 1.0))
    shaded = renderer.instant([body, roof])
    count = len(body.vertices_m)
    assert shaded.light[:count].max() < 0.9 * instant.light.max()


def test_front_of_a_textured_mesh_shows_its_texture() -> None:
    rig = make_rig(RigConfig(cameras=2, first_angle_deg=0.0, jitter_m=0.0), 0)
    renderer = Renderer(rig, PLAIN)
    # A square that faces camera 0 at +x: left half red, right half green.
    points = np.array([[0, -0.4, 0.6], [0, 0.4, 0.6], [0, 0.4, 1.4], [0, -0.4, 1.4]])
    texture = np.zeros((100, 100, 3), np.uint8)
    texture[:, :50, 0] = 255
    texture[:, 50:, 1] = 255
    uv = np.array([[0, 99], [99, 99], [99, 0], [0, 0.0]])
    square = Mesh(
        points, np.array([[0, 1, 2], [0, 2, 3]]), np.tile((0.0, 0.0, 1.0), (4, 1)), uv, texture
    )
    instant = renderer.instant([ball(np.array([2.0, 2.0, 0.5]), 0.1, (1.0, 1.0, 1.0)), square])
    for camera, places, channels in (
        (0, [[0, -0.2, 1.0], [0, 0.2, 1.0]], (0, 1)),
        (1, [[0, -0.2, 1.0], [0, 0.2, 1.0]], (2, 2)),
    ):
        picture = renderer.picture(camera, instant)
        for place, channel in zip(places, channels, strict=True):
            column, row = np.round(project(rig.cameras[camera], np.array(place))).astype(int)
            color = picture[row, column]
            assert color[channel] > 3 * np.delete(color, channel).max(), (camera, place)


def test_camera_outside_the_room_is_refused() -> None:
    rig = make_rig(RigConfig(cameras=2, radius_m=6.0), 0)
    with pytest.raises(StudioError, match=r"'cam0' stands at .* outside the room"):
        Renderer(rig, PLAIN)


def test_lens_that_folds_the_image_is_refused() -> None:
    rig = make_rig(RigConfig(cameras=2, field_of_view_deg=100.0, distortions=(-0.5, 0, 0, 0)), 0)
    with pytest.raises(StudioError, match="'cam0': its distortion"):
        Renderer(rig, PLAIN)


def test_rays_end_on_the_right_wall() -> None:
    rays = np.concatenate([np.eye(3), -np.eye(3), [[0.5, 0.1, -0.2]]])
    points, face = hit_walls(RoomConfig(size_m=(4.0, 6.0, 3.0)), np.array([0.5, 0.0, 1.0]), rays)
    np.testing.assert_array_equal(face, [1, 3, 5, 0, 2, 4, 1])
    np.testing.assert_allclose(points[0], [2.0, 0.0, 1.0])
    np.testing.assert_allclose(points[6], [2.0, 0.3, 0.4])


def test_visibility() -> None:
    rig = make_rig(RigConfig(cameras=2, first_angle_deg=0.0, jitter_m=0.0), 0)
    body = ball(np.array([0.0, 0.0, 1.0]), 0.2, (1.0, 1.0, 1.0))
    scene = RaycastingScene(body.vertices_m, body.triangles)
    points = np.array(
        [[0.21, 0, 1.0], [-0.21, 0, 1.0], [0.1, 0, 1.0], [0, 0, 50.0], [np.nan, 0, 1.0]]
    )
    seen = visible_points(scene, rig, points, np.full(5, 0.05))
    np.testing.assert_array_equal(
        seen, [[True, False, False, False, False], [False, True, False, False, False]]
    )
    deep = visible_points(scene, rig, points, np.full(5, 0.13))
    np.testing.assert_array_equal(deep[:, 2], [True, False])
