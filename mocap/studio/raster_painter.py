"""Bodies as triangles, drawn off-screen by OpenGL: on a graphics card where there is one.

Open3D's visualizer draws the light that every vertex sends out, as it was computed for the instant,
with many pixels per pixel; see `mocap.studio.raster_lens` for how that becomes a picture through
the true lens. Its pictures have 8 bits per channel, so they hold the square root of light, and
black stands for nothing.

Colours of a texture times the light on it need two pictures. The second one is of a copy of
everything that stands far away, since adding and removing objects is slower than drawing them.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mocap.arrays import Float, Int
from mocap.closing import Closing
from mocap.errors import StudioError
from mocap.offscreen import import_open3d, offscreen_visualizer, opengl_device
from mocap.studio.camera_effects import linear_from_srgb
from mocap.studio.instant import Area, CameraRays, Instant
from mocap.studio.raster_lens import (
    DENSITY,
    Tile,
    cover_area,
    focal_range_px,
    pixel_means,
    pixel_spacing,
    tile_places,
)

MIN_SIDE_PX, MAX_SIZE_PX = 128, (576, 896)
"""Bounds of the window; people are higher than wide."""
NEAR_M = 0.02
DARKEST = 3 / 255
"""Nothing is drawn darker, as black stands for nothing."""
_SEEN = 0.5 / 255


@dataclass(frozen=True, eq=False)
class _Sheets:
    """Meshes as the visualizer gets them.

    Attributes:
        triangles: of the vertices of the instant, which stand there once, and a second time as
            fronts of textures.
        plain: triangles of the copy that are white.
        textured: index of the mesh, and triangles of its own vertices.
    """

    triangles: Int[np.ndarray, "triangles 3"]
    plain: Int[np.ndarray, "plain 3"]
    textured: tuple[tuple[int, Int[np.ndarray, "front 3"]], ...]


class RasterPainter(Closing):
    """Paints by OpenGL; see `mocap.studio.instant.Painter`.

    Only the thread that made it may use it, as it owns the OpenGL context.

    Args:
        cameras: where the pixels of each camera look.
        room_m: the longest side of the room.

    Raises:
        StudioError: a lens is too long for it.
        DependencyError: Open3D, or a graphics driver, is missing.
    """

    concurrent = False

    def __init__(self, cameras: Sequence[CameraRays], room_m: float) -> None:
        self._cameras = tuple(cameras)
        self._window = _window_for(self._cameras)
        self._far_m = 2 * room_m
        self._copy_at = np.array([4 * self._far_m, 0.0, 0.0])
        self._thread = threading.get_ident()
        self._o3d = import_open3d()
        self._visualizer: Any = offscreen_visualizer(*self._window)
        self._instant: Instant | None = None
        self._topology: tuple[Any, ...] | None = None
        self._sheets: _Sheets | None = None
        self._meshes: list[Any] = []
        self._scale = 1.0
        try:
            options = self._visualizer.get_render_option()
            options.background_color = np.zeros(3)
            options.light_on = False
            self._device = opengl_device()
        except BaseException:
            self.close()
            raise

    @property
    def device(self) -> str:
        """Name of the OpenGL device."""
        return self._device

    def paint(
        self, camera: int, instant: Instant, area: Area
    ) -> tuple[Float[np.ndarray, "rows columns 3"], Float[np.ndarray, "rows columns"]]:
        """See `Painter.paint`."""
        if self._visualizer is None or threading.get_ident() != self._thread:
            raise RuntimeError("a raster painter works until it is closed, in its own thread only")
        if instant is not self._instant:
            self._show(instant)
        rows, columns = area
        size = rows.stop - rows.start, columns.stop - columns.start
        painted = np.empty((*size, 4), np.float32)
        view = self._cameras[camera]
        for tile in cover_area(view.padded, area, self._window):
            r, c = tile.area
            target = (
                slice(r.start - rows.start, r.stop - rows.start),
                slice(c.start - columns.start, c.stop - columns.start),
            )
            painted[target] = self._paint_tile(view, tile)
        return painted[..., :3], painted[..., 3]

    def close(self) -> None:
        """Gives back the OpenGL context."""
        if self._visualizer is not None:
            self._visualizer.destroy_window()
            self._visualizer = None

    def _paint_tile(self, view: CameraRays, tile: Tile) -> Float[np.ndarray, "rows columns 4"]:
        """Light times cover, and cover, of the pixels of a tile."""
        import cv2

        places = tile_places(view.padded, tile, self._window)
        # Channel by channel, which is many times faster than over the first two axes at once.
        channels = (places[..., 0], places[..., 1])
        low = np.maximum([int(np.floor(channel.min())) - 1 for channel in channels], 0)
        high = np.array([int(np.ceil(channel.max())) + 2 for channel in channels])
        used = slice(low[1], high[1]), slice(low[0], high[0])
        shown = self._draw(view.origin_m, tile)[used]
        seen = shown[..., 0] > _SEEN
        light = np.empty((*seen.shape, 4), np.float32)
        np.multiply(shown, shown, out=light[..., :3])
        light[..., :3] *= np.float32(self._scale)
        if self._sheets is not None and self._sheets.textured:
            texture = self._draw(view.origin_m + self._copy_at, tile)[used]
            seen &= texture[..., 0] > _SEEN
            light[..., :3] *= _LINEAR[np.rint(255 * texture).astype(np.uint8)]
            light[~seen, :3] = 0
        light[..., 3] = seen
        places = places - low.astype(np.float32)
        samples = cv2.remap(
            light,
            places[..., 0],
            places[..., 1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=0,
        )
        return pixel_means(samples)

    def _draw(
        self, center_m: Float[np.ndarray, " 3"], tile: Tile
    ) -> Float[np.ndarray, "rows columns 3"]:
        """What the virtual camera of a tile sees from a place."""
        camera = self._o3d.camera
        width, height = self._window
        pose = np.eye(4)
        pose[:3, :3] = tile.R_tile_world
        pose[:3, 3] = -tile.R_tile_world @ center_m
        parameters = camera.PinholeCameraParameters()
        parameters.intrinsic = camera.PinholeCameraIntrinsic(
            width, height, tile.focal_px, tile.focal_px, width / 2 - 0.5, height / 2 - 0.5
        )
        parameters.extrinsic = pose
        control = self._visualizer.get_view_control()
        control.convert_from_pinhole_camera_parameters(parameters, allow_arbitrary=True)
        control.set_constant_z_near(NEAR_M)
        control.set_constant_z_far(self._far_m)
        return np.asarray(self._visualizer.capture_screen_float_buffer(True))

    def _show(self, instant: Instant) -> None:
        """Gives the visualizer the bodies of an instant."""
        topology = (
            instant.triangles,
            [(mesh.texture, mesh.uv) for mesh in instant.meshes],
        )
        if self._topology is None or not _same_topology(self._topology, topology):
            self._sheets = _sheets_of(instant)
            self._remake(instant, self._sheets)
            self._topology = topology
        sheets = self._sheets
        assert sheets is not None
        fronts = [instant.light] if sheets.textured else []
        light = np.concatenate([instant.radiance, *fronts]).astype(np.float64)
        self._scale = max(float(light.max()), 1e-6)
        shown = np.maximum(np.sqrt(np.maximum(light, 0) / self._scale), DARKEST)
        vector = self._o3d.utility.Vector3dVector
        here = np.tile(instant.vertices_m, (1 + len(fronts), 1))
        self._meshes[0].vertices = vector(here)
        self._meshes[0].vertex_colors = vector(shown)
        if sheets.textured:
            self._meshes[1].vertices = vector(instant.vertices_m + self._copy_at)
            for (index, _), mesh in zip(sheets.textured, self._meshes[2:], strict=True):
                mesh.vertices = vector(instant.meshes[index].vertices_m + self._copy_at)
        for mesh in self._meshes:
            self._visualizer.update_geometry(mesh)
        self._instant = instant

    def _remake(self, instant: Instant, sheets: _Sheets) -> None:
        """Replaces the visualizer's objects by those of an instant, with other triangles."""
        for mesh in self._meshes:
            self._visualizer.remove_geometry(mesh, reset_bounding_box=False)
        count = len(instant.vertices_m)
        copies = 2 if sheets.textured else 1
        self._meshes = [self._mesh(np.tile(instant.vertices_m, (copies, 1)), sheets.triangles)]
        if sheets.textured:
            self._meshes.append(self._mesh(instant.vertices_m, sheets.plain))
            self._meshes[1].vertex_colors = self._o3d.utility.Vector3dVector(np.ones((count, 3)))
        for index, triangles in sheets.textured:
            body = instant.meshes[index]
            assert body.uv is not None
            assert body.texture is not None
            mesh = self._mesh(body.vertices_m, triangles)
            rows, columns = body.texture.shape[:2]
            places = (np.asarray(body.uv, np.float64) + 0.5) / np.array([columns, rows])
            mesh.triangle_uvs = self._o3d.utility.Vector2dVector(places[triangles.ravel()])
            mesh.triangle_material_ids = self._o3d.utility.IntVector([0] * len(triangles))
            brighter = np.maximum(body.texture, 1)
            mesh.textures = [self._o3d.geometry.Image(np.ascontiguousarray(brighter))]
            self._meshes.append(mesh)
        # Backs of textures have another colour than their fronts, so each side has triangles of
        # its own, and is seen from its own side only.
        self._visualizer.get_render_option().mesh_show_back_face = not sheets.textured
        for mesh in self._meshes:
            self._visualizer.add_geometry(mesh, reset_bounding_box=mesh is self._meshes[0])

    def _mesh(
        self, vertices: Float[np.ndarray, "vertices 3"], triangles: Int[np.ndarray, "triangles 3"]
    ) -> Any:
        o3d = self._o3d
        made = o3d.geometry.TriangleMesh(
            o3d.utility.Vector3dVector(vertices),
            o3d.utility.Vector3iVector(np.ascontiguousarray(triangles, np.int32)),
        )
        # The visualizer draws no mesh without normals, though no light falls on it.
        made.vertex_normals = o3d.utility.Vector3dVector(np.zeros(vertices.shape))
        return made


_LINEAR = linear_from_srgb(np.arange(256) / 255.0).astype(np.float32)


def _sheets_of(instant: Instant) -> _Sheets:
    textured = instant.textured >= 0
    if not textured.any():
        return _Sheets(instant.triangles, np.zeros((0, 3), np.int64), ())
    count = len(instant.vertices_m)
    plain, fronts = instant.triangles[~textured], instant.triangles[textured]
    backs = fronts[:, ::-1]
    both = np.concatenate([plain, plain[:, ::-1], backs])
    own = [
        (index, np.asarray(mesh.triangles, np.int64))
        for index, mesh in enumerate(instant.meshes)
        if mesh.texture is not None
    ]
    return _Sheets(np.concatenate([both, fronts + count]), both, tuple(own))


def _same_topology(old: tuple[Any, ...], new: tuple[Any, ...]) -> bool:
    return (
        len(old[1]) == len(new[1])
        and all(a is c and b is d for (a, b), (c, d) in zip(old[1], new[1], strict=True))
        and np.array_equal(old[0], new[0])
    )


def _window_for(cameras: Sequence[CameraRays]) -> tuple[int, int]:
    """Size of a window with which every camera has `DENSITY`, or nearly so.

    Raises:
        StudioError: a lens is so long that its picture would have fewer pixels than the camera.
    """
    focal_px: list[float] = []
    for camera in cameras:
        height, width = camera.inside.shape[:2]
        focal_px.append(1 / pixel_spacing(camera.padded, height // 2, width // 2))
    # A wide lens with few pixels needs a low window: Open3D's field of view ends at 90 degrees.
    highest = int(min(MAX_SIZE_PX[1], DENSITY * min(focal_px)))
    height = max(highest, MIN_SIDE_PX) // 2 * 2
    width = max(height * MAX_SIZE_PX[0] // MAX_SIZE_PX[1], MIN_SIDE_PX) // 2 * 2
    longest = focal_range_px((width, height))[1]
    for camera, focal in zip(cameras, focal_px, strict=True):
        if focal > longest:
            raise StudioError(
                f"camera {camera.name!r}: a lens of {focal:.0f} pixels focal length is too long "
                f'for renderer "raster" beside the others, which goes up to {longest:.0f}; use '
                f'renderer "raycast"'
            )
    return width, height
