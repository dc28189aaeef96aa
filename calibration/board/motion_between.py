"""How far the target's points move in the pictures between a frame and a moment near it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from calibration.board.freedom import fixed_lens
from calibration.board.joint import Setup, solve_path
from calibration.board.path import Path
from calibration.board.planar_pose import PlanarPoses, planar_poses
from calibration.board.pose_graph import target_poses
from calibration.board.problem import BoardState
from calibration.board.views import ViewTable
from mocap.arrays import Float
from mocap.geometry.projection import unproject_pixels
from mocap.model import Camera, Intrinsics


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


def shifts_between_times(
    cameras: Sequence[Camera],
    points_m: Float[np.ndarray, "points 3"],
    table: ViewTable,
    time_s: Float[np.ndarray, " views"],
    wanted_s: Float[np.ndarray, " views"],
    interval_s: float,
) -> Float[np.ndarray, "views points 2"]:
    """What has to be added to each view's pixels to have them at another time.

    Args:
        cameras: calibrated; their poses, lenses and offsets are taken as they are.
        points_m: of the target.
        table: the views.
        time_s: of each view on the session clock.
        wanted_s: the other time, less than a frame away.
        interval_s: between frames of the fastest camera.

    Returns:
        Shifts in pixels; NaN for views without a pose that move.
    """
    lenses = [camera.intrinsics for camera in cameras]
    poses = view_poses(points_m, table, lenses)
    found = poses.found
    shift = np.where(np.abs(time_s - wanted_s) < 1e-9, 0.0, np.nan)
    shift = np.broadcast_to(shift[:, None, None], table.pixels.shape).copy()
    if not found.any():
        return shift
    poses = PlanarPoses(poses.T_cam_target[found], poses.rms_rad[found])
    views = table.chosen(found)
    T_cam_world = np.stack([camera.T_cam_world for camera in cameras])
    target, trusted = target_poses(
        views, time_s[found], poses, np.linalg.inv(T_cam_world), interval_s, points_m
    )
    lens = np.array([lens_row(item) for item in lenses])
    # Times are on the session clock already.
    none = np.zeros(len(cameras))
    at_time = ViewTable(
        views.camera, views.frame, time_s[found], views.pixels, views.seen, views.sigma, views.back
    )
    setup = Setup(
        points_m,
        at_time,
        np.array([item.lens == "fisheye" for item in lenses]),
        np.array([item.matrix[0, 1] for item in lenses]),
        [fixed_lens(item) for item in lenses],
        lens,
        interval_s,
    )
    start = BoardState(
        T_cam_world[:, :3, :3],
        T_cam_world[:, :3, 3],
        lens,
        none,
        none,
        Path(np.zeros((0, 4)), np.zeros((0, 3))),
        np.zeros(3),
    )
    problem, state = solve_path(setup, start, target, trusted)
    now = problem.predicted(state)
    shift[found] = problem.predicted(state, wanted_s[found]) - now
    return shift
