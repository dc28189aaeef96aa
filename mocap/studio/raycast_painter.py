"""Bodies by rays: four through each pixel, along the true lens (Open3D's ray casting, Embree).

It needs no graphics driver and is the same on any machine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mocap.arrays import Float, Int, UInt8
from mocap.studio.camera_effects import linear_from_srgb
from mocap.studio.instant import Area, CameraRays, Instant
from mocap.studio.raycasting import NOT_HIT

SAMPLES = 2
"""Rays per pixel and side."""


class RaycastPainter:
    """Paints by casting rays; see `mocap.studio.instant.Painter`.

    Args:
        cameras: where the pixels of each camera look.
    """

    concurrent = True
    device = "Embree, on the processor"

    def __init__(self, cameras: Sequence[CameraRays]) -> None:
        self._origins = [camera.origin_m for camera in cameras]
        self._rays = [ray_slopes(camera.padded) for camera in cameras]

    def paint(
        self, camera: int, instant: Instant, area: Area
    ) -> tuple[Float[np.ndarray, "rows columns 3"], Float[np.ndarray, "rows columns"]]:
        """See `Painter.paint`."""
        center, by_u, by_v = (part[area] for part in self._rays[camera])
        rows, columns = center.shape[:2]
        color = np.zeros((rows * columns, 3), np.float32)
        cover = np.zeros(rows * columns, np.float32)
        rays = np.empty((rows, columns, 6), np.float32)
        rays[..., :3] = self._origins[camera]
        for v in sample_places(SAMPLES):
            for u in sample_places(SAMPLES):
                rays[..., 3:] = center + np.float32(u) * by_u + np.float32(v) * by_v
                flat = rays.reshape(-1, 6)
                hits = instant.scene.cast(flat)
                hit = np.flatnonzero(hits.triangle != NOT_HIT)
                triangle = hits.triangle[hit].astype(np.int64)
                color[hit] += _radiance(instant, triangle, hits.weights[hit], flat[hit, 3:])
                cover[hit] += 1.0
        share = np.float32(1 / SAMPLES**2)
        return (color * share).reshape(rows, columns, 3), (cover * share).reshape(rows, columns)

    def close(self) -> None:
        """Nothing is held."""


def ray_slopes(
    padded: Float[np.ndarray, "rows columns 3"],
) -> tuple[
    Float[np.ndarray, "height width 3"],
    Float[np.ndarray, "height width 3"],
    Float[np.ndarray, "height width 3"],
]:
    """Rays of the pixels, and their derivatives by column and by row.

    By these, rays between the centres of pixels are found.

    Args:
        padded: see `CameraRays`.
    """
    half = np.float32(0.5)
    by_u = half * (padded[1:-1, 2:] - padded[1:-1, :-2])
    by_v = half * (padded[2:, 1:-1] - padded[:-2, 1:-1])
    return padded[1:-1, 1:-1], by_u, by_v


def sample_places(count: int) -> Float[np.ndarray, " count"]:
    """Places in a pixel of width 1 around 0."""
    return (np.arange(count) + 0.5) / count - 0.5


def _radiance(
    instant: Instant,
    triangle: Int[np.ndarray, " hits"],
    weights: Float[np.ndarray, "hits 2"],
    rays: Float[np.ndarray, "hits 3"],
) -> Float[np.ndarray, "hits 3"]:
    corners = instant.triangles[triangle]
    w1, w2 = weights[:, :1], weights[:, 1:]
    w0 = 1 - w1 - w2

    def blended(values: np.ndarray) -> np.ndarray:
        return w0 * values[corners[:, 0]] + w1 * values[corners[:, 1]] + w2 * values[corners[:, 2]]

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
