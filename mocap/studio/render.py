"""Pictures of people in a room, as the cameras of a rig see them.

The room is drawn once per camera, ray by ray through its true lens; for each instant, light and
shadows are computed once for all cameras. Only the people are drawn picture by picture, by one of
two painters: rays (`mocap.studio.raycast_painter`) or OpenGL (`mocap.studio.raster_painter`).
Either follows the true lens, pinhole or fisheye: a point of the scene is seen where
`mocap.geometry.projection` projects it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from mocap.arrays import Float, Int
from mocap.closing import Closing
from mocap.errors import StudioError
from mocap.geometry.kernels import world_rays
from mocap.geometry.projection import project_points
from mocap.model import Camera, Rig
from mocap.studio.camera_effects import linear_from_srgb
from mocap.studio.instant import Area, CameraRays, Instant, Mesh, Painter, RendererKind
from mocap.studio.lighting import FloorShadow, make_lamps, room_light, surface_light
from mocap.studio.raster_painter import RasterPainter
from mocap.studio.raycast_painter import RaycastPainter, ray_slopes, sample_places
from mocap.studio.raycasting import RaycastingScene
from mocap.studio.room import (
    FLOOR,
    WALL_NORMALS,
    RoomConfig,
    albedo,
    corner_darkening,
    hit_walls,
)

__all__ = ["Instant", "Mesh", "Renderer", "RendererKind"]

ROOM_SAMPLES = 2
"""Rays per pixel and side on the room, which is drawn only once."""
MARGIN_PX = 2


class Renderer(Closing):
    """Draws a room and what is in it.

    Args:
        rig: the cameras.
        room: the room.
        kind: how people are drawn.

    Raises:
        StudioError: a camera stands outside the room, its lens has no inverse in its image, or
            it is none for this kind of renderer.
        DependencyError: a graphics library or driver is missing.
    """

    def __init__(self, rig: Rig, room: RoomConfig, kind: RendererKind = "raycast") -> None:
        self._lamps = make_lamps(room)
        self._shadow = FloorShadow(room, self._lamps)
        rays = [_camera_rays(camera, room) for camera in rig]
        # What may be missing shows before the room is drawn, which takes seconds.
        self._painter: Painter = (
            RasterPainter(rays, max(room.size_m)) if kind == "raster" else RaycastPainter(rays)
        )
        self._views = [
            _View(camera, of_camera, room, self._lamps, self._shadow)
            for camera, of_camera in zip(rig, rays, strict=True)
        ]
        self._smoothing: dict[tuple[int, int], tuple[np.ndarray, sparse.csr_matrix]] = {}

    @property
    def concurrent(self) -> bool:
        """Whether several threads may draw pictures at once; else only the one that made this."""
        return self._painter.concurrent

    @property
    def device(self) -> str:
        """What draws people, in words: Embree, or the name of the OpenGL device."""
        return self._painter.device

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
        view = self._views[camera]
        result = view.shaded_room(instant.floor)
        bodies = [mesh.vertices_m for mesh in instant.meshes if len(mesh.triangles)]
        for area in disjoint([a for body in bodies if (a := view.area(body)) is not None]):
            color, cover = self._painter.paint(camera, instant, area)
            region = result[area]
            region *= 1 - cover[..., None]
            region += color
        return result

    def close(self) -> None:
        """Gives back what the painter holds of the graphics card."""
        self._painter.close()

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
    """One camera, and the empty room as it sees it."""

    def __init__(
        self,
        camera: Camera,
        rays: CameraRays,
        room: RoomConfig,
        lamps: tuple[Any, ...],
        shadow: FloorShadow,
    ) -> None:
        self._camera = camera
        self._background = _empty_room(rays, room, lamps)
        height, width = self._background.shape[:2]
        directions = rays.inside.reshape(-1, 3).astype(np.float64)
        points, face = hit_walls(room, rays.origin_m, directions)
        place = (points[:, :2] - shadow.origin_m) / shadow.spacing_m
        place[face != FLOOR] = -10.0
        place = place.reshape(height, width, 2).astype(np.float32)
        self._floor_place = (place[..., 0].copy(), place[..., 1].copy())

    def shaded_room(
        self, floor: Float[np.ndarray, "rows columns"]
    ) -> Float[np.ndarray, "height width 3"]:
        """The room with shadows on its floor; see `FloorShadow`."""
        import cv2

        shade = cv2.remap(
            floor,
            *self._floor_place,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=1.0,
        )
        return self._background * shade[..., None]

    def area(self, vertices: Float[np.ndarray, "vertices 3"]) -> Area | None:
        """The part of the image that the meshes may be in; None for no part."""
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
        return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def disjoint(areas: Sequence[Area]) -> list[Area]:
    """Parts of an image that do not overlap and hold all given ones: overlapping ones as one."""
    result: list[Area] = []
    for added in areas:
        merged = added
        # What grew may reach others that were apart before.
        while meeting := [a for a in result if _overlap(a, merged)]:
            result = [a for a in result if not _overlap(a, merged)]
            merged = _hull([merged, *meeting])
        result.append(merged)
    return result


def _overlap(a: Area, b: Area) -> bool:
    return all(p.start < q.stop and q.start < p.stop for p, q in zip(a, b, strict=True))


def _hull(areas: Sequence[Area]) -> Area:
    rows, columns = (
        slice(min(a[k].start for a in areas), max(a[k].stop for a in areas)) for k in range(2)
    )
    return rows, columns


def _empty_room(
    rays: CameraRays, room: RoomConfig, lamps: tuple[Any, ...]
) -> Float[np.ndarray, "height width 3"]:
    center, by_u, by_v = ray_slopes(rays.padded)
    total = np.zeros(center.shape)
    for v in sample_places(ROOM_SAMPLES):
        for u in sample_places(ROOM_SAMPLES):
            directions = center + np.float32(u) * by_u + np.float32(v) * by_v
            flat = directions.reshape(-1, 3).astype(np.float64)
            points, face = hit_walls(room, rays.origin_m, flat)
            openness = corner_darkening(room, points, face)
            light = room_light(lamps, points, WALL_NORMALS[face], openness)
            total += (light * albedo(room, points, face)).reshape(total.shape)
    return (total / ROOM_SAMPLES**2).astype(np.float32)


def _camera_rays(camera: Camera, room: RoomConfig) -> CameraRays:
    if not room.contains(camera.center_world, 0.02):
        x, y, z = camera.center_world
        raise StudioError(
            f"camera {camera.name!r} stands at ({x:.2f}, {y:.2f}, {z:.2f}) m, outside the room "
            f"of {' x '.join(f'{side:g}' for side in room.size_m)} m; make the room larger or "
            f"move the camera"
        )
    intrinsics = camera.intrinsics
    width, height = intrinsics.size
    x, y = np.meshgrid(np.arange(-1.0, width + 1), np.arange(-1.0, height + 1))
    rays = world_rays(
        np.stack([x.ravel(), y.ravel()], axis=1)[None],
        intrinsics.matrix[None],
        intrinsics.packed_distortions[None],
        np.array([intrinsics.lens == "fisheye"], np.int64),
        camera.T_cam_world[None],
    )
    if not np.isfinite(rays).all():
        raise StudioError(
            f"camera {camera.name!r}: its distortion coefficients bend the image onto itself "
            f"before the corners; choose weaker ones or a narrower field of view"
        )
    padded = rays.reshape(height + 2, width + 2, 3).astype(np.float32)
    return CameraRays(camera.name, np.array(camera.center_world), padded)
