"""A true lens by pictures of a pinhole camera, which is all that OpenGL can draw.

A part of the image is covered by tiles. For each, a virtual pinhole camera stands in the same
optical centre, looks at the middle of the tile, and has more pixels than the tile; its picture is
then resampled along the rays of the true lens. Any rotation of a pinhole camera about its centre
sees the same rays, so that this is exact for any lens, and a fisheye merely takes more tiles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float
from mocap.studio.instant import Area

DENSITY = 2.0
"""Pixels of the virtual camera per pixel of the true one and side, in the middle of a tile."""
SAMPLES = 2
"""Places per pixel and side at which the virtual camera's picture is sampled."""
MIN_DEPTH = 0.64
"""Cosine of the largest angle from the axis of a virtual camera, about 50 degrees: farther out its
pixels become long and thin."""
MIN_FIELD_DEG, MAX_FIELD_DEG = 5.05, 89.0
"""Vertical field of view that Open3D's visualizer can have; it silently clips others."""
BORDER_PX = 2
_CHECK_STEP = 16


@dataclass(frozen=True, eq=False)
class Tile:
    """A part of the image and the virtual camera that covers it.

    Attributes:
        area: the part.
        R_tile_world: rotation from the world to the virtual camera (x right, y down, z forward).
        focal_px: its focal length; the principal point is the middle of the window.
    """

    area: Area
    R_tile_world: Float[np.ndarray, "3 3"]
    focal_px: float


def cover_area(
    padded: Float[np.ndarray, "rows columns 3"], area: Area, window: tuple[int, int]
) -> list[Tile]:
    """The tiles that cover a part of an image.

    Args:
        padded: rays of the image; see `mocap.studio.instant.CameraRays`.
        area: the part, not empty.
        window: width and height of the virtual camera's picture.
    """
    tile = _aimed(padded, area, window)
    rows, columns = area
    # Along the border, and on a lattice inside.
    v = np.unique(np.r_[rows.start : rows.stop + 2 : _CHECK_STEP, rows.stop + 1])
    u = np.unique(np.r_[columns.start : columns.stop + 2 : _CHECK_STEP, columns.stop + 1])
    local = padded[np.ix_(v, u)].reshape(-1, 3) @ tile.R_tile_world.T
    need = np.array([2.0, 2.0])
    if (local[:, 2] > MIN_DEPTH).all():
        reach = tile.focal_px * np.abs(local[:, :2] / local[:, 2:]).max(axis=0) + BORDER_PX
        need = reach / (0.5 * np.array(window))
    height, width = rows.stop - rows.start, columns.stop - columns.start
    if (need <= 1).all() or (height == 1 and width == 1):
        return [tile]
    # Halves of what is too long; of equals, the side with more pixels.
    if width > 1 and (height == 1 or need[0] * width >= need[1] * height):
        middle = columns.start + width // 2
        halves = (
            (rows, slice(columns.start, middle)),
            (rows, slice(middle, columns.stop)),
        )
    else:
        middle = rows.start + height // 2
        halves = ((slice(rows.start, middle), columns), (slice(middle, rows.stop), columns))
    return [t for half in halves for t in cover_area(padded, half, window)]


def tile_places(
    padded: Float[np.ndarray, "rows columns 3"], tile: Tile, window: tuple[int, int]
) -> Float[np.ndarray, "samples_down samples_right 2"]:
    """Where in the virtual camera's picture each sample of the tile's pixels is, in its pixels.

    Every pixel has `SAMPLES` x `SAMPLES` of them, evenly spread over it.
    """
    import cv2

    rows, columns = tile.area
    part = padded[rows.start : rows.stop + 2, columns.start : columns.stop + 2]
    local = part.reshape(-1, 3) @ tile.R_tile_world.T.astype(np.float32)
    places = local[:, :2] * (np.float32(tile.focal_px) / local[:, 2:])
    places += 0.5 * np.array(window, np.float32) - np.float32(0.5)
    # Between the centres of pixels any lens is as good as straight.
    height, width = part.shape[:2]
    fine = cv2.resize(
        places.reshape(height, width, 2),
        (SAMPLES * width, SAMPLES * height),
        interpolation=cv2.INTER_LINEAR,
    )
    return fine[SAMPLES:-SAMPLES, SAMPLES:-SAMPLES]


def pixel_means(
    samples: Float[np.ndarray, "samples_down samples_right channels"],
) -> Float[np.ndarray, "rows columns channels"]:
    """Means over the samples of each pixel."""
    import cv2

    height, width = samples.shape[:2]
    return cv2.resize(samples, (width // SAMPLES, height // SAMPLES), interpolation=cv2.INTER_AREA)


def focal_range_px(window: tuple[int, int]) -> tuple[float, float]:
    """Smallest and largest focal length that Open3D's visualizer can have."""
    low, high = (
        0.5 * window[1] / np.tan(np.radians(degrees) / 2)
        for degrees in (MAX_FIELD_DEG, MIN_FIELD_DEG)
    )
    return float(low), float(high)


def pixel_spacing(padded: Float[np.ndarray, "rows columns 3"], row: int, column: int) -> float:
    """Angle between neighbouring pixels, in radians: the smaller one of rightwards and down."""
    right = 0.5 * (padded[row + 1, column + 2] - padded[row + 1, column])
    down = 0.5 * (padded[row + 2, column + 1] - padded[row, column + 1])
    return float(min(np.linalg.norm(right), np.linalg.norm(down)))


def _aimed(
    padded: Float[np.ndarray, "rows columns 3"], area: Area, window: tuple[int, int]
) -> Tile:
    """A virtual camera that looks at the middle of an area, upright in it."""
    rows, columns = area
    row, column = (rows.start + rows.stop) // 2, (columns.start + columns.stop) // 2
    row, column = min(row, rows.stop - 1), min(column, columns.stop - 1)
    forward = padded[row + 1, column + 1].astype(np.float64)
    forward /= np.linalg.norm(forward)
    right = (padded[row + 1, column + 2] - padded[row + 1, column]).astype(np.float64)
    right -= (right @ forward) * forward
    right /= np.linalg.norm(right)
    low, high = focal_range_px(window)
    focal_px = float(np.clip(DENSITY / pixel_spacing(padded, row, column), low, high))
    return Tile(area, np.stack([right, np.cross(forward, right), forward]), focal_px)
