"""Boards with a print on both sides, whose prints do not lie on each other.

The board has a thickness, and two prints are never glued exactly upon each other: a camera that
sees the back sees other points than those which look at the front. Left alone, a shift of some
millimetres bends the poses of the cameras behind the board, and looks as if one of them had moved
while the board was turned. The joint adjustment therefore solves for it; here what was seen of the
back is moved to where the front's points are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from calibration.board.view_poses import view_poses
from calibration.board.views import MIN_POINTS, ViewTable, view_table
from calibration.sightings import CameraSightings, Sightings
from mocap.arrays import Float
from mocap.geometry.projection import project_points
from mocap.model import Intrinsics

BACK_SIGMA_M = 0.005
"""How far the prints of the two sides are usually apart: the board's thickness, and how well they
were laid upon each other."""
LEAST_VIEWS, LEAST_SHARE = 8, 0.05
"""So many views, and such a share of all, must be of the rarer side."""


def shows_both_sides(table: ViewTable) -> bool:
    """Whether front and back are both seen often enough for a shift between them to matter."""
    behind = int(np.count_nonzero(table.back))
    rarer = min(behind, len(table) - behind)
    return rarer >= LEAST_VIEWS and rarer >= LEAST_SHARE * len(table)


def seen_from_front(
    sightings: Sightings, lenses: Mapping[str, Intrinsics], back_m: Float[np.ndarray, " 3"]
) -> Sightings:
    """What cameras would have seen of the front's points.

    Pixels of the back are moved by as much as the shift of the prints moves the board's points in
    the picture, by the pose of the board in that view. Views of the back with fewer than four
    points, which have no pose, are dropped.

    Args:
        sightings: as delivered.
        lenses: of the cameras, by name.
        back_m: shift of the back's points against the front's, in the board's frame.
    """
    if not np.any(back_m):
        return sightings
    points = sightings.target.points_m
    cameras: list[CameraSightings] = []
    for camera in sightings.cameras:
        if not camera.mirrored.any():
            cameras.append(camera)
            continue
        camera = camera.chosen(~camera.mirrored | (camera.seen.sum(axis=1) >= MIN_POINTS))
        lens = lenses[camera.name]
        poses = view_poses(points, view_table(Sightings(sightings.target, (camera,)), 0), [lens])
        pixels = camera.pixels.copy()
        intrinsics = (lens.matrix, lens.packed_distortions, lens.lens == "fisheye")
        for view in np.flatnonzero(camera.mirrored & poses.found):
            pose = poses.T_cam_target[view, 0]
            pixels[view] += project_points(points - back_m, *intrinsics, pose)[0]
            pixels[view] -= project_points(points, *intrinsics, pose)[0]
        kept = ~camera.mirrored | poses.found
        cameras.append(replace(camera, pixels=pixels).chosen(kept))
    return replace(sightings, cameras=tuple(cameras))
