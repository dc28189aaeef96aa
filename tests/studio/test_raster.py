"""The rasteriser beside the ray caster, whose pictures are exact."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from studio_shapes import ball

from mocap.errors import StudioError
from mocap.geometry.projection import project_points
from mocap.model import Camera
from mocap.studio.board_clip import BoardConfig, BoardMotion, BoardProp
from mocap.studio.instant import Instant, Mesh
from mocap.studio.render import Renderer
from mocap.studio.rigs import RigConfig, make_rig
from mocap.studio.room import RoomConfig

pytestmark = pytest.mark.usefixtures("graphics")

PLAIN = RoomConfig(size_m=(8.0, 8.0, 3.0), decorated=False, floor="carpet")
SIZE = (320, 240)
BARREL = (-0.25, 0.08, 0.002, -0.003, 0.0)
LENSES = {
    "straight": RigConfig(cameras=2, size=SIZE, distortions=()),
    "barrel": RigConfig(cameras=2, size=SIZE, distortions=BARREL),
    "wide": RigConfig(cameras=2, size=SIZE, field_of_view_deg=110.0, distortions=()),
    "fisheye": RigConfig(
        cameras=2,
        size=SIZE,
        lens="fisheye",
        field_of_view_deg=150.0,
        distortions=(0.02, -0.01, 0.0, 0.0),
    ),
    "half a sphere": RigConfig(
        cameras=2, size=SIZE, lens="fisheye", field_of_view_deg=175.0, distortions=(0.0,) * 4
    ),
}


@pytest.fixture
def barrel() -> Iterator[tuple[Renderer, Renderer]]:
    """A ray caster and a rasteriser of the same cameras."""
    rig = make_rig(LENSES["barrel"], 1)
    with Renderer(rig, PLAIN, "raycast") as exact, Renderer(rig, PLAIN, "raster") as raster:
        yield exact, raster


def project(camera: Camera, points: np.ndarray) -> np.ndarray:
    intrinsics = camera.intrinsics
    return project_points(
        points,
        intrinsics.matrix,
        intrinsics.packed_distortions,
        intrinsics.lens == "fisheye",
        camera.T_cam_world,
    )[0]


def silhouette(renderer: Renderer, camera: int, instants: tuple[Instant, Instant]) -> np.ndarray:
    """How much of each pixel two bodies that differ in colour only cover."""
    red, blue = (renderer.picture(camera, instant) for instant in instants)
    difference = np.abs(red - blue).max(axis=2)
    return difference / difference.max()


def center(picture: np.ndarray) -> np.ndarray:
    rows, columns = np.indices(picture.shape)
    return np.array([(columns * picture).sum(), (rows * picture).sum()]) / picture.sum()


@pytest.mark.parametrize("lens", LENSES)
def test_silhouettes_agree_with_the_ray_caster(lens: str) -> None:
    rig = make_rig(LENSES[lens], 1)
    with Renderer(rig, PLAIN) as exact, Renderer(rig, PLAIN, "raster") as raster:
        for place in ([0.0, 0.0, 1.0], [1.3, -0.9, 0.3], [-0.8, 1.0, 1.8]):
            # Evenly lit: the covers of pixels are compared, not shading.
            bodies = tuple(
                ball(np.array(place), 0.12, color) for color in ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0))
            )
            instants = tuple(exact.instant([body]) for body in bodies)
            for camera in range(len(rig)):
                wanted, got = (silhouette(r, camera, instants) for r in (exact, raster))
                shift = center(wanted > 0.02) - center(got > 0.02)
                assert np.abs(shift).max() < 0.3, (place, camera)
                # A circle of area A is 2 sqrt(pi A) long, so this is by how much its border moves.
                border_px = 2 * np.sqrt(np.pi * wanted.sum())
                assert abs(wanted.sum() - got.sum()) < 0.1 * border_px, (place, camera)
                # The centre of a ball's outline is not quite where the ball's centre is seen.
                pixel = project(rig.cameras[camera], np.array(place))
                assert np.abs(center(got > 0.02) - pixel).max() < 0.35, (place, camera)


def test_pictures_are_as_the_ray_casters(barrel: tuple[Renderer, Renderer]) -> None:
    exact, raster = barrel
    rng = np.random.default_rng(3)
    bodies = [
        ball(rng.uniform([-1, -1, 0.3], [1, 1, 1.8]), rng.uniform(0.1, 0.4), tuple(rng.random(3)))
        for _ in range(6)
    ]
    instant = exact.instant(bodies)
    for camera in range(2):
        wanted, got = exact.picture(camera, instant), raster.picture(camera, instant)
        difference = np.abs(wanted - got).max(axis=2)
        empty = np.abs(wanted - exact.picture(camera, exact.instant([]))).max(axis=2) < 1e-6
        assert (~empty).mean() > 0.05
        assert np.median(difference[~empty]) < 0.01
        # Only edges differ by more: they are sampled at other places.
        assert (difference > 0.06).sum() < 0.25 * (~empty).sum()
        assert difference[empty].max() < 0.3


def test_near_covers_far(barrel: tuple[Renderer, Renderer]) -> None:
    _, raster = barrel
    camera = make_rig(LENSES["barrel"], 1).cameras[0]
    far = np.array([0.0, 0.0, 1.0])
    near = far + 0.4 * (camera.center_world - far)
    red, blue = ball(far, 0.05, (1.0, 0.0, 0.0)), ball(near, 0.1, (0.0, 0.0, 1.0))
    column, row = np.round(project(camera, far)).astype(int)
    alone = raster.picture(0, raster.instant([red]))[row, column]
    assert alone[0] > 4 * alone[2]
    for meshes in ([red, blue], [blue, red]):
        both = raster.picture(0, raster.instant(meshes))[row, column]
        assert both[2] > 4 * both[0]


def textured_square() -> Mesh:
    """Faces +x: upper left red, upper right green, below blue; its back is yellow."""
    points = np.array([[0, -0.4, 0.6], [0, 0.4, 0.6], [0, 0.4, 1.4], [0, -0.4, 1.4]])
    texture = np.zeros((100, 100, 3), np.uint8)
    texture[:50, :50, 0] = 255
    texture[:50, 50:, 1] = 255
    texture[50:, :, 2] = 255
    uv = np.array([[-0.5, 99.5], [99.5, 99.5], [99.5, -0.5], [-0.5, -0.5]])
    triangles = np.array([[0, 1, 2], [0, 2, 3]])
    return Mesh(points, triangles, np.tile((1.0, 1.0, 0.0), (4, 1)), uv, texture)


def test_texture_on_the_front_beside_and_behind_other_bodies() -> None:
    config = RigConfig(cameras=2, size=SIZE, first_angle_deg=0.0, jitter_m=0.0)
    rig = make_rig(config, 0)
    hidden = ball(np.array([-0.6, 0.1, 0.9]), 0.15, (1.0, 0.0, 1.0))
    before = ball(np.array([0.4, 0.2, 0.75]), 0.1, (0.0, 1.0, 1.0))
    with Renderer(rig, PLAIN) as exact, Renderer(rig, PLAIN, "raster") as raster:
        instant = exact.instant([hidden, textured_square(), before])
        front = raster.picture(0, instant)
        for place, channels in (
            ((0, -0.2, 1.2), {0}),
            ((0, 0.2, 1.2), {1}),
            ((0, -0.2, 0.8), {2}),
            ((0.4, 0.2, 0.75), {1, 2}),
        ):
            column, row = np.round(project(rig.cameras[0], np.array(place))).astype(int)
            bright = {k for k in range(3) if front[row, column, k] > 0.3 * front[row, column].max()}
            assert bright == channels, place
        back = raster.picture(1, instant)
        for place, channels in (((0, -0.3, 1.3), {0, 1}), ((-0.6, 0.1, 0.9), {0, 2})):
            column, row = np.round(project(rig.cameras[1], np.array(place))).astype(int)
            bright = {k for k in range(3) if back[row, column, k] > 0.3 * back[row, column].max()}
            assert bright == channels, place
        for camera, got in enumerate((front, back)):
            assert np.abs(got - exact.picture(camera, instant)).mean() < 0.003
        # Other bodies take their places, and colours of the last ones do not stay.
        plain = exact.instant([before])
        for camera in range(2):
            difference = raster.picture(camera, plain) - exact.picture(camera, plain)
            assert np.abs(difference).mean() < 0.001


def test_corners_of_the_board_are_found_in_the_same_places() -> None:
    import cv2

    board = BoardConfig()
    rig = make_rig(RigConfig(cameras=2, distortions=BARREL, noise=0.0), 0)
    prop, motion = BoardProp(board), BoardMotion(board, 0)
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
    pattern = cv2.aruco.CharucoBoard(board.squares, board.square_m, board.marker_m, dictionary)
    detector = cv2.aruco.CharucoDetector(pattern)

    def corners(renderer: Renderer, camera: int, instant: Instant) -> dict[int, np.ndarray]:
        light = renderer.picture(camera, instant)
        image = (255 * np.clip(light, 0, 1) ** 0.45).astype(np.uint8).mean(axis=2)
        found, ids, _, _ = detector.detectBoard(image.astype(np.uint8))
        if ids is None:
            return {}
        return dict(zip(ids.ravel().tolist(), found.reshape(-1, 2), strict=True))

    apart: list[np.ndarray] = []
    errors: list[np.ndarray] = []
    counts = [0, 0]
    with Renderer(rig, PLAIN) as exact, Renderer(rig, PLAIN, "raster") as raster:
        for time_s in np.linspace(0, 8, 7):
            pose = motion.T_world_board(float(time_s))
            instant = exact.instant([prop.mesh(pose)])
            for camera in range(2):
                one, other = (corners(r, camera, instant) for r in (exact, raster))
                counts = [counts[0] + len(one), counts[1] + len(other)]
                apart += [other[key] - one[key] for key in one.keys() & other.keys()]
                for key, pixel in other.items():
                    place = pattern.getChessboardCorners()[key] @ pose[:3, :3].T + pose[:3, 3]
                    errors.append(pixel - project(rig.cameras[camera], place))
    assert len(apart) > 40
    assert abs(counts[0] - counts[1]) < 0.2 * counts[0]
    assert np.median(np.linalg.norm(apart, axis=1)) < 0.1
    assert np.abs(np.mean(apart, axis=0)).max() < 0.05
    assert np.percentile(np.linalg.norm(apart, axis=1), 95) < 0.3
    assert np.median(np.linalg.norm(errors, axis=1)) < 0.3


def test_a_body_all_around_a_camera_is_drawn() -> None:
    """Bodies on all sides of a wide camera, for which no single pinhole picture is enough."""
    rig = make_rig(LENSES["half a sphere"], 0)
    camera = rig.cameras[0]
    sides = camera.T_world_cam[:3, :3].T
    ahead, right = sides[2], sides[0]
    places = [
        camera.center_world + 0.5 * (np.cos(a) * ahead + np.sin(a) * right) for a in (-1.3, 0, 1.3)
    ]
    bodies = [ball(place, 0.15, (1.0, 0.0, 0.0)) for place in places]
    with Renderer(rig, PLAIN) as exact, Renderer(rig, PLAIN, "raster") as raster:
        instant = exact.instant(bodies)
        wanted, got = exact.picture(0, instant), raster.picture(0, instant)
        for place in places:
            column, row = np.round(project(camera, place)).astype(int)
            assert got[row, column, 0] > 4 * got[row, column, 1]
        assert np.abs(wanted - got).mean() < 0.003


def test_the_same_instant_gives_the_same_picture(barrel: tuple[Renderer, Renderer]) -> None:
    exact, raster = barrel
    body = exact.instant([ball(np.array([0.1, 0.0, 1.0]), 0.3, (0.4, 0.5, 0.9))])
    other = exact.instant([ball(np.array([0.1, 0.4, 1.0]), 0.2, (0.9, 0.5, 0.4))])
    first = raster.picture(0, body)
    raster.picture(1, other)
    np.testing.assert_array_equal(raster.picture(0, body), first)
    with Renderer(make_rig(LENSES["barrel"], 1), PLAIN, "raster") as again:
        np.testing.assert_array_equal(again.picture(0, body), first)


def test_an_empty_room_is_the_ray_casters(barrel: tuple[Renderer, Renderer]) -> None:
    exact, raster = barrel
    nobody = exact.instant([])
    np.testing.assert_array_equal(raster.picture(0, nobody), exact.picture(0, nobody))


def test_only_its_own_thread_may_draw_and_not_after_closing(
    barrel: tuple[Renderer, Renderer],
) -> None:
    exact, raster = barrel
    instant = exact.instant([ball(np.array([0.0, 0.0, 1.0]), 0.3, (1.0, 1.0, 1.0))])
    assert exact.concurrent
    assert not raster.concurrent
    with (
        ThreadPoolExecutor(1) as pool,
        pytest.raises(RuntimeError, match="its own thread"),
    ):
        pool.submit(raster.picture, 0, instant).result()
    raster.close()
    raster.close()
    with pytest.raises(RuntimeError, match="until it is closed"):
        raster.picture(0, instant)


def test_the_device_has_a_name(barrel: tuple[Renderer, Renderer]) -> None:
    exact, raster = barrel
    assert "Embree" in exact.device
    assert "OpenGL" in raster.device


def test_a_lens_too_long_for_it_is_refused() -> None:
    long = RigConfig(cameras=2, size=(4096, 64), field_of_view_deg=10.0, distortions=())
    with pytest.raises(StudioError, match=r"'cam0': a lens of .* use renderer \"raycast\""):
        Renderer(make_rig(long, 0), PLAIN, "raster")


def test_without_a_driver_one_line_says_what_to_install() -> None:
    code = "from mocap.offscreen import offscreen_visualizer; offscreen_visualizer(64, 64)"
    environment = {
        **os.environ,
        "__EGL_VENDOR_LIBRARY_FILENAMES": "/nonexistent.json",
        "LIBGL_DRIVERS_PATH": "/nonexistent",
    }
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert "DependencyError: cannot draw without a display" in last
    assert "apt-get install libgl1-mesa-dri libegl-mesa0" in last
