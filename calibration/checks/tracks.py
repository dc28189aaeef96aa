"""What all cameras saw at the same instants: the common input of the checks.

Checks must look at everything that was seen, not at what an adjustment kept. Tracks therefore hold
every sighting, brought to common instants of the session clock, and are triangulated without
removing anything: an error that is computed only on what was kept proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from calibration.sightings import CameraSightings, Sightings
from mocap.arrays import Bool, Float, Int
from mocap.errors import CalibrationError
from mocap.geometry.projection import project_points, projection_jacobian, unproject_pixels
from mocap.model import Rig

EXACT_SHARE = 0.02
"""A frame this near to an instant, in frames, counts as taken at the instant."""
LONGEST_GAP_S = 0.1
"""Between sightings further apart (and more than about a frame) nothing is interpolated."""
_REFINEMENTS = 4


@dataclass(frozen=True)
class PointTracks:
    """Points in all cameras at common instants.

    Attributes:
        names: of the cameras.
        time_s: the instants, on the session clock.
        pixels: of each point in each camera; NaN where not seen.
        velocity_px_s: of the pixels by the camera's own footage; NaN where unknown.
        sigma_px: standard deviation of each pixel relative to a usual one; NaN where not seen.
        frame: number of the camera's frame nearest to the instant; -1 where there is none.
        behind: whether the camera looked at the back of the target; None without a target.
        target_m: the points in the target's frame; None without a target.
    """

    names: tuple[str, ...]
    time_s: Float[np.ndarray, " instants"]
    pixels: Float[np.ndarray, "cameras instants points 2"]
    velocity_px_s: Float[np.ndarray, "cameras instants points 2"]
    sigma_px: Float[np.ndarray, "cameras instants points"]
    frame: Int[np.ndarray, "cameras instants"]
    behind: Bool[np.ndarray, "cameras instants"] | None = None
    target_m: Float[np.ndarray, "points 3"] | None = None

    @property
    def seen(self) -> np.ndarray:
        """Which points are seen, (cameras, instants, points)."""
        return np.asarray(np.isfinite(self.pixels).all(axis=-1))

    def instants(self, keep: np.ndarray) -> PointTracks:
        """Only some of the instants."""
        return PointTracks(
            self.names,
            self.time_s[keep],
            self.pixels[:, keep],
            self.velocity_px_s[:, keep],
            self.sigma_px[:, keep],
            self.frame[:, keep],
            None if self.behind is None else self.behind[:, keep],
            self.target_m,
        )

    def without(self, camera: int) -> PointTracks:
        """The same with one camera blind."""
        pixels = self.pixels.copy()
        pixels[camera] = np.nan
        return replace(self, pixels=pixels)


@dataclass(frozen=True)
class Triangulation:
    """Points of tracks in the world, by least squares over **all** cameras that see them.

    Attributes:
        points: metres; NaN with fewer than two views, or where rays are parallel.
        residual_px: measured less predicted; NaN where not seen or no point.
        views: number of cameras.
    """

    points: Float[np.ndarray, "instants points 3"]
    residual_px: Float[np.ndarray, "cameras instants points 2"]
    views: Int[np.ndarray, "instants points"]

    def rmse_px(self, camera: int | None = None) -> float:
        """Root mean square length of the residuals; NaN where there are none."""
        residual = self.residual_px if camera is None else self.residual_px[camera]
        squares = np.sum(residual**2, axis=-1)
        squares = squares[np.isfinite(squares)]
        return float(np.sqrt(squares.mean())) if len(squares) else float("nan")

    def typical_px(self) -> float:
        """Root mean square residual as the median of **all** lengths tells it, for detections of
        which some are wild whatever the rig; NaN where there are none."""
        length = np.linalg.norm(self.residual_px, axis=-1)
        length = length[np.isfinite(length)]
        # Lengths of normal deviates in a plane: median 1.177, root mean square 1.414.
        return 1.2011 * float(np.median(length)) if len(length) else float("nan")

    def cost(self, sigma_px: float) -> float:
        """Mean Huber cost of the residuals (in variances, threshold 3 standard deviations), which a
        few wild points hardly move; NaN where there are no residuals."""
        length = np.linalg.norm(self.residual_px, axis=-1) / sigma_px
        length = length[np.isfinite(length)]
        if not len(length):
            return float("nan")
        return float(np.mean(np.where(length < 3, length**2, 6 * length - 9)))


def tracks_of_sightings(
    rig: Rig, sightings: Sightings, drift_ppm: Float[np.ndarray, " cameras"] | None = None
) -> PointTracks:
    """Brings what cameras saw of a target to common instants, by the rig's time offsets.

    Between two frames pixels are interpolated by cubic Hermite curves. Footage without a frame
    rate (images) is never interpolated.

    Args:
        rig: gives names, order and time offsets.
        sightings: of the same cameras; cameras that are not in the rig are refused.
        drift_ppm: of each camera's clock, see `Solution`; None or NaN for none.

    Raises:
        CalibrationError: a camera of the rig has no entry in the sightings.
    """
    for name in rig.names:
        if name not in sightings.names:
            raise CalibrationError(
                f"camera {name!r} of the rig has no sightings; they are of "
                f"{', '.join(sightings.names)}; name the videos after the cameras of the rig"
            )
    cameras = [sightings[name] for name in rig.names]
    rates = np.nan_to_num(drift_ppm, nan=0.0) if drift_ppm is not None else np.zeros(len(rig))
    clocks = [
        camera.time_s * (1 - 1e-6 * rate) - known.time_offset_s
        for camera, known, rate in zip(cameras, rig, rates, strict=True)
    ]
    instants = _instants(cameras, clocks)
    points = cameras[0].pixels.shape[1]
    shape = (len(cameras), len(instants), points)
    pixels, velocity = np.full((*shape, 2), np.nan), np.full((*shape, 2), np.nan)
    sigma, frame = np.full(shape, np.nan), np.full(shape[:2], -1)
    behind = np.zeros(shape[:2], bool)
    for c, (camera, clock) in enumerate(zip(cameras, clocks, strict=True)):
        if len(camera):
            at = _resample(camera, clock, instants)
            pixels[c], velocity[c], sigma[c], frame[c] = at
            behind[c] = camera.mirrored[_nearest(clock, instants)]
    return PointTracks(
        rig.names, instants, pixels, velocity, sigma, frame, behind, sightings.target.points_m
    )


def tracks_of_people(
    rig: Rig,
    time_s: Float[np.ndarray, " instants"],
    pixels: Float[np.ndarray, "cameras instants points 2"],
    confidence: Float[np.ndarray, "cameras instants points"],
    *,
    min_confidence: float = 0.3,
) -> PointTracks:
    """Tracks of people's keypoints, already matched across cameras and in time.

    Args:
        rig: gives names and order.
        time_s: the instants, on the session clock.
        pixels: of keypoint after keypoint, person after person; NaN where missing.
        confidence: of each, in [0, 1].
        min_confidence: keypoints of less are not used.
    """
    known = np.isfinite(pixels).all(axis=-1) & (confidence >= min_confidence)
    kept = np.where(known[..., None], pixels, np.nan)
    sigma = np.where(known, 1 / np.maximum(confidence, min_confidence), np.nan)
    velocity = np.full_like(kept, np.nan)
    if len(time_s) >= 3:
        velocity[:, 1:-1] = (kept[:, 2:] - kept[:, :-2]) / (time_s[2:] - time_s[:-2])[:, None, None]
    frame = np.broadcast_to(np.arange(len(time_s)), kept.shape[:2]).copy()
    return PointTracks(rig.names, np.asarray(time_s, float), kept, velocity, sigma, frame)


def triangulate(rig: Rig, tracks: PointTracks) -> Triangulation:
    """Least-squares points of all tracks, no view left out; see `Triangulation`."""
    seen = tracks.seen
    views = seen.sum(axis=0)
    index = np.nonzero(views >= 2)
    count = len(index[0])
    arrays = rig.arrays
    visible = seen[:, index[0], index[1]]
    pixels = tracks.pixels[:, index[0], index[1]]
    weight = np.where(visible, 1 / np.nan_to_num(tracks.sigma_px[:, index[0], index[1]], nan=1), 0)
    a, b = np.zeros((count, 3, 3)), np.zeros((count, 3))
    for c, camera in enumerate(rig):
        on = np.flatnonzero(visible[c])
        local = unproject_pixels(
            pixels[c, on], arrays.matrix[c], arrays.distortions[c], bool(arrays.fisheye[c])
        )
        on, local = on[np.isfinite(local).all(axis=1)], local[np.isfinite(local).all(axis=1)]
        ray = local @ arrays.T_cam_world[c, :3, :3]
        across = np.eye(3) - ray[:, :, None] * ray[:, None, :]
        across *= (weight[c, on] * camera.intrinsics.focal_px / 1000)[:, None, None] ** 2
        a[on] += across
        b[on] += across @ camera.center_world
    point = np.full((count, 3), np.nan)
    good = _well_posed(a)
    point[good] = np.linalg.solve(a[good], b[good][..., None])[..., 0]
    for _ in range(_REFINEMENTS):
        a, b = np.zeros((count, 3, 3)), np.zeros((count, 3))
        for c in range(len(rig)):
            on = np.flatnonzero(visible[c] & good)
            lens = (arrays.matrix[c], arrays.distortions[c], bool(arrays.fisheye[c]))
            residual = pixels[c, on] - project_points(point[on], *lens, arrays.T_cam_world[c])[0]
            jacobian = projection_jacobian(point[on], *lens, arrays.T_cam_world[c])
            known = np.isfinite(residual).all(axis=1) & np.isfinite(jacobian).all(axis=(1, 2))
            on, residual, jacobian = on[known], residual[known], jacobian[known]
            heavy = jacobian * weight[c, on, None, None] ** 2
            a[on] += np.einsum("nri,nrj->nij", heavy, jacobian)
            b[on] += np.einsum("nri,nr->ni", heavy, residual)
        solvable = good & _well_posed(a)
        # Far points on nearly parallel rays would jump; no step is longer than a metre.
        step = np.linalg.solve(a[solvable], b[solvable][..., None])[..., 0]
        length = np.linalg.norm(step, axis=1, keepdims=True)
        point[solvable] += step / np.maximum(1.0, length)
    points = np.full((*views.shape, 3), np.nan)
    points[index] = point
    return Triangulation(points, residuals(rig, tracks, points), views)


def residuals(
    rig: Rig, tracks: PointTracks, points: Float[np.ndarray, "instants points 3"]
) -> Float[np.ndarray, "cameras instants points 2"]:
    """Measured less predicted pixels of given points."""
    return np.stack(
        [tracks.pixels[c] - predicted(rig, c, points) for c in range(len(tracks.names))]
    )


def predicted(
    rig: Rig, camera: int, points: Float[np.ndarray, "instants points 3"]
) -> Float[np.ndarray, "instants points 2"]:
    """Where one camera sees points."""
    arrays = rig.arrays
    return project_points(
        points,
        arrays.matrix[camera],
        arrays.distortions[camera],
        bool(arrays.fisheye[camera]),
        arrays.T_cam_world[camera],
    )[0]


def _well_posed(a: np.ndarray) -> np.ndarray:
    mean = np.trace(a, axis1=1, axis2=2) / 3
    with np.errstate(invalid="ignore", divide="ignore"):
        return (mean > 0) & (np.linalg.det(a) / mean**3 > 1e-7)


def _instants(cameras: list[CameraSightings], clocks: list[np.ndarray]) -> np.ndarray:
    """Times of the camera that saw most, and those of others which are not within half a frame
    of them."""
    order = sorted(range(len(cameras)), key=lambda c: -len(clocks[c]))
    instants = np.zeros(0)
    for c in order:
        new = np.asarray(clocks[c], float)
        if len(instants) and len(new):
            near = _nearest(instants, new)
            new = new[np.abs(instants[near] - new) > 0.5 * frame_s(cameras[c])]
        instants = np.sort(np.concatenate([instants, new]))
    return instants


def frame_s(camera: CameraSightings) -> float:
    """Time from frame to frame; 1 for images, whose times are their numbers."""
    return 1.0 / camera.nominal_fps if camera.nominal_fps else 1.0


def _nearest(ascending: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    right = np.clip(np.searchsorted(ascending, wanted), 1, max(len(ascending) - 1, 1))
    left = right - 1
    right = np.minimum(right, len(ascending) - 1)
    nearer = np.abs(ascending[left] - wanted) <= np.abs(ascending[right] - wanted)
    return np.where(nearer, left, right)


def _resample(
    camera: CameraSightings, clock: np.ndarray, instants: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pixels, velocities, sigmas and frame numbers of one camera at the instants."""
    step = frame_s(camera)
    gap = max(1.2 * step, LONGEST_GAP_S) if camera.nominal_fps else 0.0
    speed = _speeds(clock, camera.pixels, gap)
    near = _nearest(clock, instants)
    offset = instants - clock[near]
    exact = np.abs(offset) <= EXACT_SHARE * step
    moved = camera.pixels[near] + np.nan_to_num(speed[near]) * offset[:, None, None]
    pixels = np.where(exact[:, None, None], moved, np.nan)
    velocity = np.where(exact[:, None, None], speed[near], np.nan)
    sigma = np.where(exact[:, None], camera.sigma_px[near], np.nan)
    left = np.searchsorted(clock, instants, side="right") - 1
    between = ~exact & (left >= 0) & (left < len(clock) - 1)
    left = np.clip(left, 0, max(len(clock) - 2, 0))
    if len(clock) >= 2:
        h = clock[left + 1] - clock[left]
        between &= h <= gap
        s = np.where(between, (instants - clock[left]) / np.where(h > 0, h, 1.0), 0.0)
        value, slope = _hermite(s, h, camera.pixels, speed, left)
        weight = np.sqrt(
            ((1 - s)[:, None] * camera.sigma_px[left]) ** 2
            + (s[:, None] * camera.sigma_px[left + 1]) ** 2
        )
        pixels = np.where(between[:, None, None], value, pixels)
        velocity = np.where(between[:, None, None], slope, velocity)
        sigma = np.where(between[:, None], weight, sigma)
    used = np.asarray(np.isfinite(pixels).all(axis=-1))
    frame = np.where(used.any(axis=1), camera.frame[near], -1)
    return pixels, velocity, np.where(used, sigma, np.nan), frame


def _speeds(clock: np.ndarray, pixels: np.ndarray, gap: float) -> np.ndarray:
    """Velocity at each frame: by both neighbours, or by the one there is; NaN without any."""
    speed = np.full_like(pixels, np.nan)
    if len(clock) < 2 or gap <= 0:
        return speed
    h = np.diff(clock)
    slope = np.where((h <= gap)[:, None, None], np.diff(pixels, axis=0) / h[:, None, None], np.nan)
    speed[:-1] = slope
    late = np.isnan(speed[1:])
    speed[1:] = np.where(late, slope, speed[1:])
    h0, h1 = h[:-1, None, None], h[1:, None, None]
    central = (h1 * slope[:-1] + h0 * slope[1:]) / (h0 + h1)
    speed[1:-1] = np.where(np.isfinite(central), central, speed[1:-1])
    return speed


def _hermite(
    s: np.ndarray, h: np.ndarray, pixels: np.ndarray, speed: np.ndarray, left: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    s, h = s[:, None, None], h[:, None, None]
    p0, p1 = pixels[left], pixels[left + 1]
    m0, m1 = speed[left] * h, speed[left + 1] * h
    value = (
        (2 * s**3 - 3 * s**2 + 1) * p0
        + (s**3 - 2 * s**2 + s) * m0
        + (3 * s**2 - 2 * s**3) * p1
        + (s**3 - s**2) * m1
    )
    slope = (
        6 * (s**2 - s) * (p0 - p1) + (3 * s**2 - 4 * s + 1) * m0 + (3 * s**2 - 2 * s) * m1
    ) / np.where(h > 0, h, 1.0)
    return value, slope
