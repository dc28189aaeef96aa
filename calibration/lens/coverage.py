"""How much of the image, of the tilts and of the distances the views of a board cover."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from calibration.lens.poses import BoardPoses
from calibration.lens.views import BoardViews
from mocap.arrays import Bool, Float

GRID_COLUMNS = 96


@dataclass(frozen=True)
class LensCoverage:
    """What the views cover.

    Attributes:
        covered: cells of the image over which the board was, of `GRID_COLUMNS` columns.
        share: of the image that is covered.
        radius_share: distance of the outermost point from the middle of the image, as a share of
            that of the corner.
        corners: number of the four corner regions (an eighth of each side) that are reached.
        tilt_deg: 10th and 90th percentile of the angle between board and image plane.
        distance_ratio: farthest by nearest view.
    """

    covered: Bool[np.ndarray, "rows columns"]
    share: float
    radius_share: float
    corners: int
    tilt_deg: tuple[float, float]
    distance_ratio: float


def covered_cells(
    pixels: Iterable[Float[np.ndarray, "points 2"]], size: tuple[int, int]
) -> Bool[np.ndarray, "rows columns"]:
    """Cells of an image, 96 along its width, over which a board was in some view.

    Args:
        pixels: of the points that were seen in each view.
        size: width and height of the image.
    """
    import cv2

    width, height = size
    rows = max(1, round(GRID_COLUMNS * height / width))
    scale = np.array([GRID_COLUMNS / width, rows / height])
    canvas = np.zeros((rows, GRID_COLUMNS), np.uint8)
    for seen in pixels:
        if len(seen):
            cells = np.floor((seen + 0.5) * scale).astype(np.int32)
            cv2.fillConvexPoly(canvas, cv2.convexHull(cells), 1)
    return canvas.astype(bool)


def coverage_of(views: BoardViews, poses: BoardPoses) -> LensCoverage:
    """Measures what views cover, the board being where `poses` say."""
    width, height = views.size
    canvas = covered_cells(np.split(views.pixels, views.first[1:]), views.size)
    middle = (np.array([width, height]) - 1) / 2
    offset = (views.pixels - middle) / middle
    outer = np.linalg.norm((views.pixels - middle), axis=-1) / np.linalg.norm(middle)
    in_corner = np.abs(offset).min(axis=-1) > 0.75
    quadrant = (offset[:, 0] > 0) + 2 * (offset[:, 1] > 0)
    normal: Float[np.ndarray, "views 3"] = poses.rotation[:, :, 2]
    tilt = np.rad2deg(np.arccos(np.clip(np.abs(normal[:, 2]), 0, 1)))
    distance = np.linalg.norm(
        np.add.reduceat(poses.camera_points(views), views.first, axis=0) / views.count[:, None],
        axis=-1,
    )
    low, high = np.percentile(tilt, [10, 90])
    return LensCoverage(
        canvas,
        float(canvas.mean()),
        float(outer.max()),
        len(np.unique(quadrant[in_corner])),
        (float(low), float(high)),
        float(distance.max() / max(float(distance.min()), 1e-12)),
    )
