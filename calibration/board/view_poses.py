"""Poses of the target in single views, by the lens of each camera."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from calibration.board.planar_pose import PlanarPoses, planar_poses
from calibration.board.views import ViewTable
from mocap.arrays import Float
from mocap.geometry.projection import unproject_pixels
from mocap.model import Intrinsics


def lens_row(lens: Intrinsics) -> Float[np.ndarray, " 12"]:
    """fx, fy, cx, cy and the packed distortion coefficients."""
    return np.concatenate([np.diag(lens.matrix)[:2], lens.matrix[:2, 2], lens.packed_distortions])


def view_poses(
    points_m: Float[np.ndarray, "points 3"], table: ViewTable, lenses: Sequence[Intrinsics]
) -> PlanarPoses:
    """Poses of the target in all views."""
    rays = np.full((*table.seen.shape, 3), np.nan)
    for c, lens in enumerate(lenses):
        mine = table.camera == c
        rays[mine] = unproject_pixels(
            np.where(table.seen[mine][..., None], table.pixels[mine], np.nan),
            lens.matrix,
            lens.packed_distortions,
            lens.lens == "fisheye",
        )
    return planar_poses(points_m, rays)
