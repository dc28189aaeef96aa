"""How well any rig fits the board: every corner triangulated, nothing left out.

This is the judge of calibrations from wherever they come, so it knows nothing of the adjustment:
corners are triangulated one by one, without the shape of the board, and what counts is how well
they reproject and how far apart they turn out to be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.board.motion_between import shifts_between_times
from calibration.board.views import ViewTable, frame_interval, view_table
from calibration.sightings import Sightings
from mocap.arrays import Float, Int
from mocap.errors import CalibrationError
from mocap.geometry.projection import project_points, projection_jacobian, unproject_pixels
from mocap.model import Camera, Rig

REFINEMENTS = 8


@dataclass(frozen=True)
class TriangulationReport:
    """Corners of the board in space.

    Attributes:
        time_s: of each instant, on the session clock.
        points_m: of the target at each instant, in the rig's world; NaN where fewer than two
            cameras saw a point.
        pixels: with which they were triangulated, moved to the instant; NaN where not seen.
        residual_px: `pixels` less the reprojected points.
        skipped_pixels: number of pixels that could not be moved to their instant, because too few
            points were seen for a pose of the board.
        rmse_px: of all residual lengths, all points, nothing removed.
        rmse_per_camera_px: likewise.
        edge_true_m: length of an edge of the target.
        edge_m: length of each edge that was seen whole.
        pair_rmse_m: root mean square error of the distances of all pairs of points.
    """

    time_s: Float[np.ndarray, " instants"]
    points_m: Float[np.ndarray, "instants points 3"]
    pixels: Float[np.ndarray, "instants cameras points 2"]
    residual_px: Float[np.ndarray, "instants cameras points 2"]
    skipped_pixels: int
    rmse_px: float
    rmse_per_camera_px: Float[np.ndarray, " cameras"]
    edge_true_m: float
    edge_m: Float[np.ndarray, " edges_seen"]
    pair_rmse_m: float

    @property
    def edge_mean_mm(self) -> float:
        """Mean length of an edge."""
        return 1000 * float(np.mean(self.edge_m)) if len(self.edge_m) else float("nan")

    @property
    def edge_sd_mm(self) -> float:
        """Standard deviation of the lengths of edges."""
        return 1000 * float(np.std(self.edge_m)) if len(self.edge_m) else float("nan")

    @property
    def pair_rmse_mm(self) -> float:
        """As `pair_rmse_m`."""
        return 1000 * self.pair_rmse_m


def triangulation_report(
    rig: Rig, sightings: Sightings, drift_ppm: Float[np.ndarray, " cameras"] | None = None
) -> TriangulationReport:
    """Triangulates every corner at every instant from all cameras that saw it.

    Instants are those of the cameras' frames on the session clock, the rig's time offsets taken
    off, frames within half an interval being one. A camera whose frame is at another time has its
    corners moved by as much as the board moves in its picture between the two times, along a path
    of the board that is fitted to all cameras of the rig as it is given.

    Args:
        rig: holds at least the cameras of the sightings.
        sightings: of a target, which need not be the one of the calibration.
        drift_ppm: of the clocks, in the order of the sightings' cameras; NaN counts as zero.

    Raises:
        CalibrationError: no point is seen by two cameras at the same time.
        RigError: a camera is not in the rig.
    """
    cameras = [rig[name] for name in sightings.names]
    table = view_table(sightings, min_points=1)
    offset = np.array([camera.time_offset_s for camera in cameras])
    rate = 1 + 1e-6 * np.nan_to_num(
        np.zeros(len(cameras)) if drift_ppm is None else np.asarray(drift_ppm, np.float64)
    )
    time_s = (table.stamp_s - offset[table.camera]) / rate[table.camera]
    interval = frame_interval(table)
    interval = interval if np.isfinite(interval) and interval > 0 else 1.0
    instant, moment = _group(table, time_s, interval)
    count, points = len(moment), table.seen.shape[1]
    pixels = np.full((count, len(cameras), points, 2), np.nan)
    shift = np.zeros_like(table.pixels)
    if np.any(np.abs(time_s - moment[instant]) > 1e-9):
        shift = shifts_between_times(
            cameras, sightings.target.points_m, table, time_s, moment[instant], interval
        )
    ok = np.isfinite(shift).all(axis=(1, 2))
    skipped = int(table.seen[~ok].sum())
    moved = np.where(table.seen[..., None], table.pixels + shift, np.nan)
    pixels[instant[ok], table.camera[ok]] = moved[ok]
    flat = np.moveaxis(pixels, 1, 0).reshape(len(cameras), -1, 2)
    space = triangulate_points(rig.subset(sightings.names), sightings.names, flat)
    if not np.isfinite(space).any():
        raise CalibrationError(
            "no point of the board is seen by two cameras at the same time; check the time "
            "offsets of the rig, or film the board where cameras see it together"
        )
    residual = np.full_like(flat, np.nan)
    for c, camera in enumerate(cameras):
        residual[c] = flat[c] - _project(camera, space)
    residual = np.moveaxis(residual.reshape(len(cameras), count, points, 2), 0, 1)
    space = space.reshape(count, points, 3)
    squared = np.sum(residual**2, axis=-1)
    known = np.isfinite(squared)
    per_camera = [
        float(np.sqrt(squared[:, c][known[:, c]].mean())) if known[:, c].any() else float("nan")
        for c in range(len(cameras))
    ]
    edges, pair_rmse = _lengths(space, sightings.target.points_m, sightings.target.edges)
    return TriangulationReport(
        moment,
        space,
        pixels,
        residual,
        skipped,
        float(np.sqrt(squared[known].mean())),
        np.array(per_camera),
        sightings.target.edge_m,
        edges,
        pair_rmse,
    )


def triangulate_points(
    rig: Rig, names: tuple[str, ...], pixels: Float[np.ndarray, "cameras n 2"]
) -> Float[np.ndarray, "n 3"]:
    """Points with the least squared reprojection error, all views with equal weight.

    Linear from the rays, then Gauss-Newton; NaN where fewer than two cameras see a point.

    Args:
        rig: of the cameras.
        names: of the cameras, in the order of `pixels`.
        pixels: NaN where not seen.
    """
    cameras = [rig[name] for name in names]
    seen = np.asarray(np.isfinite(pixels).all(axis=-1))
    normal = np.zeros((pixels.shape[1], 3, 3))
    right = np.zeros((pixels.shape[1], 3))
    for c, camera in enumerate(cameras):
        lens = camera.intrinsics
        rays = unproject_pixels(
            pixels[c], lens.matrix, lens.packed_distortions, lens.lens == "fisheye"
        )
        rays = rays @ camera.T_cam_world[:3, :3]
        seen[c] &= np.isfinite(rays).all(axis=-1)
        across = np.eye(3) - rays[:, :, None] * rays[:, None, :]
        across = np.where(seen[c][:, None, None], across, 0.0)
        normal += across
        right += across @ camera.center_world
    enough = seen.sum(axis=0) >= 2
    result = np.full((pixels.shape[1], 3), np.nan)
    if not enough.any():
        return result
    points = np.linalg.solve(normal[enough] + 1e-12 * np.eye(3), right[enough][..., None])[..., 0]
    for _ in range(REFINEMENTS):
        normal, right = np.zeros((len(points), 3, 3)), np.zeros((len(points), 3))
        for c, camera in enumerate(cameras):
            lens = camera.intrinsics
            jacobian = projection_jacobian(
                points,
                lens.matrix,
                lens.packed_distortions,
                lens.lens == "fisheye",
                camera.T_cam_world,
            )
            error = pixels[c][enough] - _project(camera, points)
            ok = seen[c][enough] & np.isfinite(error).all(axis=-1)
            jacobian = np.where(ok[:, None, None], jacobian, 0.0)
            error = np.where(ok[:, None], error, 0.0)
            normal += np.swapaxes(jacobian, 1, 2) @ jacobian
            right += np.einsum("nij,ni->nj", jacobian, error)
        damping = 1e-9 * np.trace(normal, axis1=1, axis2=2)[:, None, None] + 1e-12
        step = np.linalg.solve(normal + damping * np.eye(3), right[..., None])[..., 0]
        points = points + step
        if np.abs(step).max() < 1e-9:
            break
    result[enough] = points
    return result


def _project(camera: Camera, points: np.ndarray) -> np.ndarray:
    lens = camera.intrinsics
    return project_points(
        points, lens.matrix, lens.packed_distortions, lens.lens == "fisheye", camera.T_cam_world
    )[0]


def _group(
    table: ViewTable, time_s: np.ndarray, interval_s: float
) -> tuple[Int[np.ndarray, " views"], Float[np.ndarray, " instants"]]:
    """Instants of the views: those of the first camera which has a frame there, and for each
    camera the frame that is nearest to it."""
    moments: list[float] = []
    for c in np.unique(table.camera):
        known = np.sort(np.array(moments))
        for t in time_s[table.camera == c]:
            if len(known):
                place = np.searchsorted(known, t)
                near = known[np.clip([place - 1, place], 0, len(known) - 1)]
                if np.min(np.abs(near - t)) <= 0.5001 * interval_s:
                    continue
            moments.append(float(t))
    moment = np.sort(np.array(moments))
    place = np.searchsorted(moment, time_s)
    left, right = np.clip(place - 1, 0, len(moment) - 1), np.clip(place, 0, len(moment) - 1)
    nearer = np.abs(moment[left] - time_s) <= np.abs(moment[right] - time_s)
    return np.where(nearer, left, right), moment


def _lengths(
    space: np.ndarray, points_m: np.ndarray, edges: np.ndarray
) -> tuple[Float[np.ndarray, " edges_seen"], float]:
    length = np.linalg.norm(space[:, edges[:, 0]] - space[:, edges[:, 1]], axis=-1)
    a, b = np.triu_indices(len(points_m), 1)
    measured = np.linalg.norm(space[:, a] - space[:, b], axis=-1)
    error = measured - np.linalg.norm(points_m[a] - points_m[b], axis=-1)
    error = error[np.isfinite(error)]
    rmse = float(np.sqrt(np.mean(error**2))) if len(error) else float("nan")
    return length[np.isfinite(length)], rmse
