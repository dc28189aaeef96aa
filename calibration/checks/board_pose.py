"""The pose of a target in a single camera, which needs nothing of the rig but the lens."""

from __future__ import annotations

import numpy as np

from mocap.arrays import Float
from mocap.geometry.projection import project_points, unproject_pixels
from mocap.model import Intrinsics

MIN_POINTS = 6


def board_pose(
    lens: Intrinsics,
    points_m: Float[np.ndarray, "points 3"],
    pixels: Float[np.ndarray, "points 2"],
) -> tuple[Float[np.ndarray, "4 4"], float] | None:
    """Pose `T_cam_target` of a flat target and its RMSE in pixels, from one image.

    Of the two poses that a plane allows (Collins and Bartoli, IJCV 2014) the better fitting one
    is refined by least squares.

    Args:
        lens: of the camera.
        points_m: of the target.
        pixels: where they were seen; NaN where not.

    Returns:
        None with fewer than 6 points, with points in a line, or where no pose was found.
    """
    import cv2

    rays = unproject_pixels(pixels, lens.matrix, lens.packed_distortions, lens.lens == "fisheye")
    known = np.isfinite(rays).all(axis=1) & (rays[:, 2] > 0.05)
    if known.sum() < MIN_POINTS:
        return None
    flat = points_m[known, :2] - points_m[known, :2].mean(axis=0)
    strength = np.linalg.svd(flat, compute_uv=False)
    if strength[1] < 0.05 * strength[0]:
        return None
    ideal = np.ascontiguousarray(rays[known, :2] / rays[known, 2:])
    target = np.ascontiguousarray(points_m[known])
    eye = np.eye(3)
    try:
        count, turns, shifts, _ = cv2.solvePnPGeneric(
            target, ideal, eye, None, flags=cv2.SOLVEPNP_IPPE
        )
        best: tuple[np.ndarray, float] | None = None
        for turn, shift in zip(turns[:count], shifts[:count], strict=True):
            turn, shift = cv2.solvePnPRefineLM(target, ideal, eye, None, turn, shift)
            pose = np.eye(4)
            pose[:3, :3] = cv2.Rodrigues(turn)[0]
            pose[:3, 3] = shift[:, 0]
            miss = reprojection_px(lens, points_m[known], pixels[known], pose)
            if np.isfinite(miss) and (best is None or miss < best[1]):
                best = pose, miss
    except cv2.error:
        return None
    return best


def reprojection_px(
    lens: Intrinsics,
    points_m: Float[np.ndarray, "points 3"],
    pixels: Float[np.ndarray, "points 2"],
    T_cam_target: Float[np.ndarray, "4 4"],
) -> float:
    """RMSE of a pose over the points that were seen; infinite where none is in front."""
    at = project_points(
        points_m, lens.matrix, lens.packed_distortions, lens.lens == "fisheye", T_cam_target
    )[0]
    squares = np.sum((at - pixels) ** 2, axis=-1)
    seen = np.isfinite(pixels).all(axis=-1)
    if not seen.any() or not np.isfinite(squares[seen]).all():
        return float("inf")
    return float(np.sqrt(squares[seen].mean()))
