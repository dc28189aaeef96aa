"""Pictures of people in a room, as the cameras of a rig see them.

Rays are cast from each camera through its true lens, with Open3D's ray casting (Embree), which
needs no graphics driver and is the same on any machine. So pixels are exact for any lens, pinhole
or fisheye: a point of the scene is seen where `mocap.geometry.projection` projects it. The room is
drawn once per camera; for each instant, light and shadows are computed once for all cameras, and
each camera casts rays only where people are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from mocap.arrays import Float, Int, UInt8
from mocap.errors import StudioError
from mocap.geometry.kernels import world_rays
from mocap.geometry.projection import project_points
from mocap.model import Camera, Rig
from mocap.studio.camera_effects import linear_from_srgb
from mocap.studio.lighting import FloorShadow, make_lamps, room_light, surface_light
from mocap.studio.raycasting import NOT_HIT, RaycastingScene
from mocap.studio.room import (
    FLOOR,
    WALL_NORMALS,
    RoomConfig,
    albedo,
    corner_darkening,
    hit_walls,
)

SAMPLES = 2
"""Rays per pixel and side on people."""
ROOM_SAMPLES = 2
"""Rays per pixel and side on the room, which is drawn only once."""
MARGIN_PX = 2


@dataclass(frozen=True, eq=False)
class Mesh:
    """Something in the room.

    Attributes:
        vertices_m: world positions.
        triangles: counter-clockwise seen from outside.
        colors: of the vertices, 0 to 1, as shown (sRGB).
        uv: place of the vertices in `texture`, in its pixels; None without texture.
        texture: colours in RGB, seen on the front; the back has the colours of the vertices.
    """

    vertices_m: Float[np.ndarray, "vertices 3"]
    triangles: Int[np.ndarray, "triangles 3"]
    colors: Float[np.ndarray, "vertices 3"]
    uv: Float[np.ndarray, "vertices 2"] | None = None
    texture: UInt8[np.ndarray, "rows columns 3"] | None = None


@dataclass(frozen=True, eq=False)
class Instant:
    """Everything in the room at one instant, with the light on it.

    Attributes:
        scene: for casting rays.
        vertices_m: of all meshes.
        triangles: of all meshes.
        light: on the vertices.
        radiance: what the vertices send out: light times colour.
        floor: share of light on the floor; see `FloorShadow`.
        textured: index of the mesh of each triangle if it has a texture, else -1.
        meshes: the meshes.
    """

    scene: RaycastingScene
    vertices_m: Float[np.ndarray, "vertices 3"]
    triangles: Int[np.ndarray, "triangles 3"]
    light: Float[np.ndarray, "vertices 3"]
    radiance: Float[np.ndarray, "vertices 3"]
    floor: Float[np.ndarray, "rows columns"]
    textured: Int[np.ndarray, " triangles"]
    meshes: tuple[Mesh, ...]


class Renderer:
    """Draws a room and what is in it.

    Args:
        rig: the cameras.
        room: the room.

    Raises:
        StudioError: a camera stands outside the room, or its lens has no inverse in its image.
    """

    def __init__(self, rig: Rig, room: RoomConfig) -> None:
        self._room = room
        self._lamps = make_lamps(room)
        self._shadow = FloorShadow(room, self._lamps)
        self._views = [_View(camera, room, self._lamps, self._shadow) for camera in rig]
        self._smoothing: dict[tuple[int, int], tuple[np.ndarray, sparse.csr_matrix]] = {}

    def instant(self, meshes: Sequence[Mesh]) -> Instant:
        """Puts meshes into the room and lights them."""
        meshes = tuple(meshes)
        counts = [len(mesh.vertices_m) for mesh in meshes]
        first = np.cumsum([0, *counts])
        vertices = np.concatenate([m.vertices_m for m in meshes] or [np.zeros((0, 3))])
        triangles = np.concatenate(
            [m.triangles + f for m, f in zip(meshes, first, strict=False)]
            or [np.zeros((0, 3), np.int64)]
        ).astype(np.int64)
        colors = np.concatenate([m.colors for m in meshes] or [np.zeros((0, 3))])
        textured = np.concatenate(
            [
                np.full(len(m.triangles), -1 if m.texture is None else index)
                for index, m in enumerate(meshes)
            ]
            or [np.zeros(0, np.int64)]
        )
        vertices = vertices.astype(np.float64)
        scene = RaycastingScene(vertices, triangles)
        if len(triangles) == 0:
            floor = self._shadow.no_shade()
            empty = np.zeros((0, 3), np.float32)
            return Instant(scene, vertices, triangles, empty, empty, floor, textured, meshes)
        normals = self._normals(vertices, triangles)
        light = surface_light(scene, self._lamps, vertices, normals)
        floor = self._shadow.shade(scene, vertices)
        radiance = light * linear_from_srgb(colors)
        return Instant(
            scene,
            vertices,
            triangles,
            light.astype(np.float32),
            radiance.astype(np.float32),
            floor,
            textured,
            meshes,
        )

    def picture(self, camera: int, instant: Instant) -> Float[np.ndarray, "height width 3"]:
        """The light that a camera gets, linear, float32; 1 is white."""
        return self._views[camera].picture(instant)

    def _normals(
        self, vertices: Float[np.ndarray, "vertices 3"], triangles: Int[np.ndarray, "triangles 3"]
    ) -> Float[np.ndarray, "vertices 3"]:
        """Unit normals of the vertices: means of their triangles', weighted by area."""
        key = (len(vertices), len(triangles))
        known = self._smoothing.get(key)
        if known is None or not np.array_equal(known[0], triangles):
            faces = np.repeat(np.arange(len(triangles)), 3)
            ones = np.ones(len(faces))
            matrix = sparse.csr_matrix((ones, (triangles.ravel(), faces)), shape=key)
            known = (triangles, matrix)
            self._smoothing[key] = known
        a, b, c = (vertices[triangles[:, k]] for k in range(3))
        normals = known[1] @ np.cross(b - a, c - a)
        length = np.linalg.norm(normals, axis=1, keepdims=True)
        return normals / np.maximum(length, 1e-12)


class _View:
    """One camera: its rays, and the empty room as it sees it."""

    def __init__(
        self, camera: Camera, room: RoomConfig, lamps: tuple[Any, ...], shadow: FloorShadow
    ) -> None:
        if not room.contains(camera.center_world, 0.02):
            x, y, z = camera.center_world
            raise StudioError(
                f"camera {camera.name!r} stands at ({x:.2f}, {y:.2f}, {z:.2f}) m, outside the room "
                f"of {' x '.join(f'{side:g}' for side in room.size_m)} m; make the room larger or "
                f"move the camera"
            )
        self._camera = camera
        self._origin = np.array(camera.center_world)
        width, height = camera.intrinsics.size
        rays = _rays(camera, width, height)
        if not np.isfinite(rays).all():
            raise StudioError(
                f"camera {camera.name!r}: its distortion coefficients bend the image onto itself "
                f"before the corners; choose weaker ones or a narrower field of view"
            )
        inside = rays[1:-1, 1:-1]
        # Derivatives by the pixel, by which rays between the centres of pixels are found.
        self._rays = inside.astype(np.float32)
        self._by_u = (0.5 * (rays[1:-1, 2:] - rays[1:-1, :-2])).astype(np.float32)
        self._by_v = (0.5 * (rays[2:, 1:-1] - rays[:-2, 1:-1])).astype(np.float32)
        self._background = self._empty_room(room, lamps)
        points, face = hit_walls(room, self._origin, inside.reshape(-1, 3))
        place = (points[:, :2] - shadow.origin_m) / shadow.spacing_m
        place[face != FLOOR] = -10.0
        place = place.reshape(height, width, 2).astype(np.float32)
        self._floor_place = (place[..., 0].copy(), place[..., 1].copy())

    def picture(self, instant: Instant) -> Float[np.ndarray, "height width 3"]:
        import cv2

        shade = cv2.remap(
            instant.floor,
            *self._floor_place,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=1.0,
        )
        result = self._background * shade[..., None]
        area = self._area(instant.vertices_m)
        if area is not None:
            color, cover = self._cast(instant, area)
            region = result[area]
            region *= 1 - cover[..., None]
            region += color
        return result

    def _area(self, vertices: Float[np.ndarray, "vertices 3"]) -> tuple[slice, slice] | None:
        """The part of the image that the meshes may be in; None for no part."""
        if len(vertices) == 0:
            return None
        intrinsics = self._camera.intrinsics
        width, height = intrinsics.size
        pixels, depth = project_points(
            vertices,
            intrinsics.matrix,
            intrinsics.packed_distortions,
            intrinsics.lens == "fisheye",
            self._camera.T_cam_world,
        )
        # Far outside the image, lens models send points anywhere, even back into it.
        if not (depth > 0.05).all():
            return slice(0, height), slice(0, width)
        low = np.floor(np.nanmin(pixels, axis=0) - MARGIN_PX)
        high = np.ceil(np.nanmax(pixels, axis=0) + MARGIN_PX + 1)
        low = np.clip(low, 0, (width, height)).astype(int)
        high = np.clip(high, 0, (width, height)).astype(int)
        if (high <= low).any():
            return None
        return slice(low[1], high[1]), slice(low[0], high[0])

    def _cast(
        self, instant: Instant, area: tuple[slice, slice]
    ) -> tuple[Float[np.ndarray, "rows columns 3"], Float[np.ndarray, "rows columns"]]:
        """Light from the meshes, times their cover of the pixel; and that cover."""
        center, by_u, by_v = self._rays[area], self._by_u[area], self._by_v[area]
        rows, columns = center.shape[:2]
        color = np.zeros((rows * columns, 3), np.float32)
        cover = np.zeros(rows * columns, np.float32)
        rays = np.empty((rows, columns, 6), np.float32)
        rays[..., :3] = self._origin
        for v in _sample_places(SAMPLES):
            for u in _sample_places(SAMPLES):
                rays[..., 3:] = center + np.float32(u) * by_u + np.float32(v) * by_v
                flat = rays.reshape(-1, 6)
                hits = instant.scene.cast(flat)
                hit = np.flatnonzero(hits.triangle != NOT_HIT)
                triangle = hits.triangle[hit].astype(np.int64)
                seen = self._radiance(instant, triangle, hits.weights[hit], flat[hit, 3:])
                color[hit] += seen
                cover[hit] += 1.0
        share = np.float32(1 / SAMPLES**2)
        return (color * share).reshape(rows, columns, 3), (cover * share).reshape(rows, columns)

    def _radiance(
        self,
        instant: Instant,
        triangle: Int[np.ndarray, " hits"],
        weights: Float[np.ndarray, "hits 2"],
        rays: Float[np.ndarray, "hits 3"],
    ) -> Float[np.ndarray, "hits 3"]:
        corners = instant.triangles[triangle]
        w1, w2 = weights[:, :1], weights[:, 1:]
        w0 = 1 - w1 - w2

        def blended(values: np.ndarray) -> np.ndarray:
            return (
                w0 * values[corners[:, 0]] + w1 * values[corners[:, 1]] + w2 * values[corners[:, 2]]
            )

        result = blended(instant.radiance)
        first = 0
        for index, mesh in enumerate(instant.meshes):
            count = len(mesh.vertices_m)
            if mesh.texture is not None and mesh.uv is not None:
                a, b, c = (instant.vertices_m[corners[:, k]] for k in range(3))
                front = np.einsum("nk,nk->n", np.cross(b - a, c - a), rays) < 0
                chosen = np.flatnonzero((instant.textured[triangle] == index) & front)
                if len(chosen):
                    places = np.zeros((len(instant.vertices_m), 2), np.float32)
                    places[first : first + count] = mesh.uv
                    lit = blended(instant.light)[chosen]
                    result[chosen] = lit * _texels(mesh.texture, blended(places)[chosen])
            first += count
        return result

    def _empty_room(
        self, room: RoomConfig, lamps: tuple[Any, ...]
    ) -> Float[np.ndarray, "height width 3"]:
        total = np.zeros(self._rays.shape)
        for v in _sample_places(ROOM_SAMPLES):
            for u in _sample_places(ROOM_SAMPLES):
                rays = self._rays + np.float32(u) * self._by_u + np.float32(v) * self._by_v
                points, face = hit_walls(room, self._origin, rays.reshape(-1, 3).astype(np.float64))
                openness = corner_darkening(room, points, face)
                light = room_light(lamps, points, WALL_NORMALS[face], openness)
                total += (light * albedo(room, points, face)).reshape(total.shape)
        return (total / ROOM_SAMPLES**2).astype(np.float32)


def _sample_places(count: int) -> Float[np.ndarray, " count"]:
    """Places in a pixel of width 1 around 0."""
    return (np.arange(count) + 0.5) / count - 0.5


def _rays(camera: Camera, width: int, height: int) -> Float[np.ndarray, "rows columns 3"]:
    """World directions of the centres of all pixels, and of one more row and column around."""
    x, y = np.meshgrid(np.arange(-1.0, width + 1), np.arange(-1.0, height + 1))
    intrinsics = camera.intrinsics
    rays = world_rays(
        np.stack([x.ravel(), y.ravel()], axis=1)[None],
        intrinsics.matrix[None],
        intrinsics.packed_distortions[None],
        np.array([intrinsics.lens == "fisheye"], np.int64),
        camera.T_cam_world[None],
    )
    return rays.reshape(height + 2, width + 2, 3)


def _texels(
    texture: UInt8[np.ndarray, "rows columns 3"], places: Float[np.ndarray, "places 2"]
) -> Float[np.ndarray, "places 3"]:
    """Linear colours of a texture at places in its pixels."""
    import cv2

    # OpenCV remaps pictures of at most 32767 pixels per side.
    columns = 4096
    padded = np.zeros((-(-len(places) // columns) * columns, 2), np.float32)
    padded[: len(places)] = places
    grid = padded.reshape(-1, columns, 2)
    picture = cv2.remap(
        texture,
        grid[..., 0].copy(),
        grid[..., 1].copy(),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return linear_from_srgb(picture.reshape(-1, 3)[: len(places)] / 255.0)
