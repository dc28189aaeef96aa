"""Tiles of virtual pinhole cameras."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocap.geometry.kernels import world_rays
from mocap.model import Camera, Intrinsics
from mocap.studio.raster_lens import (
    MAX_FIELD_DEG,
    MIN_FIELD_DEG,
    SAMPLES,
    Tile,
    cover_area,
    focal_range_px,
    pixel_means,
    pixel_spacing,
    tile_places,
)

WINDOW = (288, 448)


def rays_of(camera: Camera, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    intrinsics = camera.intrinsics
    return world_rays(
        np.stack([u.ravel(), v.ravel()], axis=1)[None],
        intrinsics.matrix[None],
        intrinsics.packed_distortions[None],
        np.array([intrinsics.lens == "fisheye"], np.int64),
        camera.T_cam_world[None],
    ).reshape(*u.shape, 3)


def fisheye(width: int = 160, height: int = 120, degrees: float = 150.0) -> Camera:
    focal = width / np.radians(degrees)
    matrix = np.array([[focal, 0, width / 2 + 3], [0, focal, height / 2 - 2], [0, 0, 1]])
    lens = Intrinsics((width, height), matrix, np.array([0.02, -0.01, 0.0, 0.0]), "fisheye")
    return Camera.from_rotvec("c", lens, np.array([1.2, -0.7, 0.4]), np.array([0.1, 0.2, 2.0]))


def pinhole(width: int = 160, height: int = 120) -> Camera:
    matrix = np.array([[140.0, 0, width / 2], [0, 142.0, height / 2], [0, 0, 1]])
    distortions = np.array([-0.25, 0.08, 0.002, -0.003, 0.0])
    lens = Intrinsics((width, height), matrix, distortions)
    return Camera.from_rotvec("c", lens, np.array([1.2, -0.7, 0.4]), np.array([0.1, 0.2, 2.0]))


def padded_of(camera: Camera) -> np.ndarray:
    width, height = camera.intrinsics.size
    u, v = np.meshgrid(np.arange(-1.0, width + 1), np.arange(-1.0, height + 1))
    return rays_of(camera, u, v).astype(np.float32)


CAMERAS = {"pinhole": pinhole(), "fisheye": fisheye()}
PADDED = {name: padded_of(camera) for name, camera in CAMERAS.items()}


@given(
    name=st.sampled_from(["pinhole", "fisheye"]),
    rows=st.tuples(st.integers(0, 119), st.integers(1, 120)).filter(lambda r: r[0] < r[1]),
    columns=st.tuples(st.integers(0, 159), st.integers(1, 160)).filter(lambda c: c[0] < c[1]),
)
def test_tiles_cover_every_pixel_once_and_see_its_true_rays(
    name: str, rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    area = slice(*rows), slice(*columns)
    seen = np.zeros((120, 160), int)
    for tile in cover_area(PADDED[name], area, WINDOW):
        seen[tile.area] += 1
        np.testing.assert_allclose(tile.R_tile_world @ tile.R_tile_world.T, np.eye(3), atol=1e-6)
        assert np.linalg.det(tile.R_tile_world) > 0
        places = tile_places(PADDED[name], tile, WINDOW)
        r, c = tile.area
        assert places.shape == (SAMPLES * (r.stop - r.start), SAMPLES * (c.stop - c.start), 2)
        assert (places >= 0).all()
        assert (places <= np.array(WINDOW) - 1).all()
        # Back from the virtual camera's pixels to rays, and from the true lens to rays.
        local = np.empty((*places.shape[:2], 3))
        local[..., :2] = (places - (np.array(WINDOW) - 1) / 2) / tile.focal_px
        local[..., 2] = 1
        got = local @ tile.R_tile_world
        got /= np.linalg.norm(got, axis=2, keepdims=True)
        u = c.start + (np.arange(places.shape[1]) + 0.5) / SAMPLES - 0.5
        v = r.start + (np.arange(places.shape[0]) + 0.5) / SAMPLES - 0.5
        wanted = rays_of(CAMERAS[name], *np.meshgrid(u, v))
        # A hundredth of a pixel, which has about 1 / 54 rad in this fisheye.
        assert np.abs(got - wanted).max() < 0.01 * pixel_spacing(PADDED[name], 60, 80)
    wanted_seen = np.zeros_like(seen)
    wanted_seen[area] = 1
    np.testing.assert_array_equal(seen, wanted_seen)


def test_a_wide_lens_takes_several_tiles_and_a_person_one() -> None:
    whole = slice(0, 120), slice(0, 160)
    assert len(cover_area(PADDED["fisheye"], whole, WINDOW)) > 4
    assert len(cover_area(PADDED["pinhole"], (slice(20, 100), slice(60, 90)), WINDOW)) == 1


def test_a_tile_has_more_pixels_than_the_image() -> None:
    tile: Tile = cover_area(PADDED["pinhole"], (slice(20, 100), slice(60, 90)), WINDOW)[0]
    places = tile_places(PADDED["pinhole"], tile, WINDOW)
    step = np.linalg.norm(np.diff(places, axis=1), axis=2) * SAMPLES
    assert step.min() > 1.5


def test_focal_lengths_stay_in_what_open3d_can_draw() -> None:
    low, high = focal_range_px(WINDOW)
    for focal, degrees in ((low, MAX_FIELD_DEG), (high, MIN_FIELD_DEG)):
        assert 2 * np.degrees(np.arctan(0.5 * WINDOW[1] / focal)) == pytest.approx(degrees)


def test_means_over_samples() -> None:
    samples = np.arange(4 * 6 * 4, dtype=np.float32).reshape(4, 6, 4)
    wanted = samples.reshape(2, 2, 3, 2, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(pixel_means(samples), wanted)
