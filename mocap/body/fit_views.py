"""Measurements of a fit straight from the pictures: pixels of several cameras."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float, Int
from mocap.body.fit_data import Measurements
from mocap.body.fit_tables import PointData
from mocap.geometry.projection import project_points
from mocap.model import Rig, Skeleton

_LEAST_PX, _MOST_PX = 0.5, 40.0
_ENOUGH = 20
FIRST_PX = 8.0
"""Noise of a camera before it is known."""


@dataclass(frozen=True, eq=False)
class PersonViews:
    """The 2D keypoints of one person in V cameras, left and right already set right.

    Attributes:
        rig: the cameras.
        skeleton: names of the keypoints.
        frame: frame number of each row.
        pixels: positions; NaN for missing.
        confidence: 0 to 1.
    """

    rig: Rig
    skeleton: Skeleton
    frame: Int[np.ndarray, " rows"]
    pixels: Float[np.ndarray, "rows cameras keypoints 2"]
    confidence: Float[np.ndarray, "rows cameras keypoints"]


def pixel_data(
    views: PersonViews,
    measured: Measurements,
    sigma_px: Float[np.ndarray, " cameras"],
    robust: float,
) -> PointData:
    """Measurements in the pictures for the kernels.

    Args:
        views: the 2D keypoints.
        measured: the same person's keypoints in 3D; says which frames and keypoints are fitted.
        sigma_px: noise of each camera.
        robust: see `PointData`.
    """
    frames, keypoints = measured.measured.shape
    columns = [views.skeleton.index(name) for name in measured.names]
    rows = views.frame - measured.frame[0]
    inside = (rows >= 0) & (rows < frames)
    cameras = len(views.rig)
    pixels = np.full((frames, cameras, keypoints, 2), np.nan)
    weight = np.zeros((frames, cameras, keypoints))
    pixels[rows[inside]] = views.pixels[inside][:, :, columns]
    weight[rows[inside]] = views.confidence[inside][:, :, columns] ** 2
    weight[~np.isfinite(pixels).all(axis=3)] = 0.0
    weight /= (sigma_px**2)[:, None]
    arrays = views.rig.arrays
    return PointData(
        np.zeros((frames, keypoints, 3)),
        np.zeros((frames, keypoints, 3, 3)),
        np.nan_to_num(pixels),
        weight,
        arrays.matrix,
        arrays.distortions,
        arrays.fisheye.astype(np.bool_),
        arrays.T_cam_world,
        robust,
    )


def camera_noise(
    views: PersonViews, data: PointData, points_m: Float[np.ndarray, "frames keypoints 3"]
) -> Float[np.ndarray, " cameras"]:
    """Noise of each camera against fitted points, robustly, in pixels per coordinate."""
    sigma = np.full(len(views.rig), FIRST_PX)
    arrays = views.rig.arrays
    for c in range(len(sigma)):
        pixels, _ = project_points(
            points_m,
            arrays.matrix[c],
            arrays.distortions[c],
            bool(arrays.fisheye[c]),
            arrays.T_cam_world[c],
        )
        there = (data.pixel_weight[:, c] > 0) & np.isfinite(pixels).all(axis=2)
        if there.sum() >= _ENOUGH:
            off = np.abs(pixels[there] - data.pixels[:, c][there])
            sigma[c] = np.clip(1.4826 * np.median(off), _LEAST_PX, _MOST_PX)
    return sigma
