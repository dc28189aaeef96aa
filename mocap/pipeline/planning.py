"""What accuracy a rig can give where in a room, before anything is recorded.

The error of a triangulated point follows from where the cameras stand, from their lenses, and from
how far off the detector is in the image. No unbiased method is better than the bound of Cramer and
Rao, which for Gaussian noise is the inverse of the information that the views add up to: the sum
of `J^T J / sigma^2` with the Jacobian `J` of each projection (Hartley and Zisserman, Multiple View
Geometry, appendix 3). The noise is what `TriangulationConfig` says of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from mocap.arrays import Bool, Float, Int
from mocap.errors import InputError
from mocap.geometry.projection import (
    project_points,
    projection_jacobian,
    transform_points,
    unproject_pixels,
)
from mocap.model import Camera, Rig
from mocap.model.config import TriangulationConfig

MIN_VIEWS = 2
NEAREST_M = 0.3
"""Nearer to a camera than this nothing is expected to be detected."""
BLIND_ERROR_M = 0.25
"""What a place that cannot be measured counts as when rigs are compared, and a worse one, too."""
MAX_PLACES = 200_000
_RAY_TOLERANCE = 1e-3
_CANDIDATE_DIRECTIONS = 24
_CANDIDATE_HEIGHTS_M = (0.6, 1.5, 2.5)
_CLEARANCE_M = 0.5


@dataclass(frozen=True)
class Volume:
    """A box of the world in which people are to be captured, metres.

    Attributes:
        low: smallest x, y and z.
        high: largest x, y and z.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    def __post_init__(self) -> None:
        values = (*self.low, *self.high)
        if not all(math.isfinite(v) for v in values):
            raise InputError(f"the volume {values} is not finite; give six numbers in metres")
        if any(a >= b for a, b in zip(self.low, self.high, strict=True)):
            raise InputError(
                f"the volume from {self.low} to {self.high} is empty; give X0 Y0 Z0 X1 Y1 Z1 with "
                f"X0 < X1, Y0 < Y1 and Z0 < Z1, in metres"
            )

    @property
    def center(self) -> Float[np.ndarray, " 3"]:
        """Its middle."""
        return (np.array(self.low) + np.array(self.high)) / 2


@dataclass(frozen=True)
class PlanConfig:
    """How accuracy is predicted."""

    sigma_px: float | None = None
    """Noise of a 2D keypoint, pixels per axis. None takes that of the triangulation, by which it
    is a length on the body and smaller in the image the farther a person is."""
    spacing_m: float = 0.25
    """Distance between the places that are looked at."""
    triangulation: TriangulationConfig = field(default_factory=TriangulationConfig)
    """The noise of body keypoints, and the least angle between rays."""

    def __post_init__(self) -> None:
        if self.sigma_px is not None and not 0 < self.sigma_px < math.inf:
            raise InputError(f"the noise is {self.sigma_px} px; it must be more than 0")
        if not 0 < self.spacing_m < math.inf:
            raise InputError(f"the spacing is {self.spacing_m} m; it must be more than 0")


@dataclass(frozen=True)
class ErrorMap:
    """Expected errors on a grid of places.

    Attributes:
        x_m: first axis of the grid.
        y_m: second axis.
        z_m: third axis.
        error_m: expected root mean square distance from the truth; NaN at blind places.
        covariance_m2: expected covariance of the position; NaN at blind places.
        views: number of cameras that see each place.
        widest_angle_rad: largest angle at which two of their rays meet; 0 with fewer than two.
    """

    x_m: Float[np.ndarray, " nx"]
    y_m: Float[np.ndarray, " ny"]
    z_m: Float[np.ndarray, " nz"]
    error_m: Float[np.ndarray, "nx ny nz"]
    covariance_m2: Float[np.ndarray, "nx ny nz 3 3"]
    views: Int[np.ndarray, "nx ny nz"]
    widest_angle_rad: Float[np.ndarray, "nx ny nz"]

    @property
    def blind(self) -> Bool[np.ndarray, "nx ny nz"]:
        """Places that cannot be measured: fewer than two views, or rays that are too parallel."""
        return np.isnan(self.error_m)

    @property
    def by_place_m(self) -> Float[np.ndarray, "nx ny"]:
        """Root mean square error over the heights of each place of the floor that can be measured;
        NaN where none can."""
        known = ~self.blind
        squares = np.where(known, self.error_m, 0.0) ** 2
        with np.errstate(invalid="ignore"):
            return np.sqrt(squares.sum(axis=2) / known.sum(axis=2))

    @property
    def score_m(self) -> float:
        """Mean over the volume of the error, where a blind place counts as `BLIND_ERROR_M`."""
        return float(np.mean(np.fmin(self.error_m, BLIND_ERROR_M)))


@dataclass(frozen=True)
class OneMore:
    """What one more camera would bring.

    Attributes:
        camera: the best of the places tried, looking at the middle of the volume.
        errors: the map with it.
        tried: number of places tried.
    """

    camera: Camera
    errors: ErrorMap
    tried: int


@dataclass(frozen=True)
class Plan:
    """The prediction for a rig and a volume.

    Attributes:
        errors: with the rig as it is.
        without: by camera, the score (`ErrorMap.score_m`) of the rig without it.
        more: what one more camera would bring.
    """

    errors: ErrorMap
    without: dict[str, float]
    more: OneMore


@dataclass(frozen=True)
class _Contribution:
    """What one camera knows of every place."""

    sees: np.ndarray
    information: np.ndarray
    rays: np.ndarray


def plan_rig(rig: Rig, volume: Volume, config: PlanConfig | None = None) -> Plan:
    """Predicts the accuracy of a rig in a volume, and tries a further camera around it.

    Raises:
        InputError: the spacing gives too many places.
    """
    config = config or PlanConfig()
    grid = grid_of(volume, config.spacing_m)
    places = _places(grid)
    own = [_contribution(camera, places, config) for camera in rig]
    errors = _combine(own, grid, config)
    without = {
        name: _combine([o for j, o in enumerate(own) if j != i], grid, config).score_m
        for i, name in enumerate(rig.names)
    }
    best: tuple[Camera, ErrorMap] | None = None
    candidates = candidate_cameras(rig, volume)
    for camera in candidates:
        with_it = _combine([*own, _contribution(camera, places, config)], grid, config)
        if best is None or with_it.score_m < best[1].score_m:
            best = camera, with_it
    assert best is not None, "there are always candidates"
    return Plan(errors, without, OneMore(*best, tried=len(candidates)))


def error_map(rig: Rig, volume: Volume, config: PlanConfig | None = None) -> ErrorMap:
    """Expected errors of a rig in a volume; see `plan_rig`."""
    config = config or PlanConfig()
    grid = grid_of(volume, config.spacing_m)
    places = _places(grid)
    return _combine([_contribution(camera, places, config) for camera in rig], grid, config)


def grid_of(volume: Volume, spacing_m: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions along the three axes, the faces of the volume included.

    Raises:
        InputError: there would be more than `MAX_PLACES` places.
    """
    counts = [
        max(2, 1 + math.ceil((b - a) / spacing_m - 1e-9))
        for a, b in zip(volume.low, volume.high, strict=True)
    ]
    if math.prod(counts) > MAX_PLACES:
        raise InputError(
            f"a spacing of {spacing_m:g} m gives {math.prod(counts)} places in this volume, "
            f"expected at most {MAX_PLACES}; choose a larger --spacing-m or a smaller volume"
        )
    x, y, z = (
        np.linspace(a, b, n) for a, b, n in zip(volume.low, volume.high, counts, strict=True)
    )
    return x, y, z


def sees(camera: Camera, points_m: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
    """Which points lie in the camera's image, at least `NEAREST_M` away. Nothing hides them."""
    lens = camera.intrinsics
    d, fisheye = lens.packed_distortions, lens.lens == "fisheye"
    pixels, _ = project_points(points_m, lens.matrix, d, fisheye, camera.T_cam_world)
    width, height = lens.size
    with np.errstate(invalid="ignore"):
        inside = np.all((pixels >= -0.5) & (pixels < np.array([width, height]) - 0.5), axis=1)
    # Far outside the field of view the polynomials of a lens fold back into the image.
    back = unproject_pixels(np.where(inside[:, None], pixels, 0.0), lens.matrix, d, fisheye)
    local = transform_points(camera.T_cam_world, points_m)
    distance = np.linalg.norm(local, axis=1)
    ahead = local / np.maximum(distance, 1e-12)[:, None]
    with np.errstate(invalid="ignore"):
        same = np.linalg.norm(back - ahead, axis=1) < _RAY_TOLERANCE
    return inside & same & (distance >= NEAREST_M)


def _places(grid: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    return np.stack(np.meshgrid(*grid, indexing="ij"), axis=-1).reshape(-1, 3)


def _contribution(camera: Camera, places: np.ndarray, config: PlanConfig) -> _Contribution:
    lens = camera.intrinsics
    seen = sees(camera, places)
    offset = places - camera.center_world
    distance = np.linalg.norm(offset, axis=1)
    rays = offset / np.maximum(distance, 1e-12)[:, None]
    jacobian = projection_jacobian(
        places,
        lens.matrix,
        lens.packed_distortions,
        lens.lens == "fisheye",
        camera.T_cam_world,
    )
    if config.sigma_px is None:
        noise = config.triangulation
        on_body = lens.focal_px / np.maximum(distance, NEAREST_M) * noise.sigma_body_m
        sigma = np.hypot(noise.floor_px, on_body)
    else:
        sigma = np.full(len(places), config.sigma_px)
    jacobian = np.where(seen[:, None, None], jacobian, 0.0) / sigma[:, None, None]
    return _Contribution(seen, np.einsum("nri,nrj->nij", jacobian, jacobian), rays)


def _combine(
    contributions: list[_Contribution],
    grid: tuple[np.ndarray, np.ndarray, np.ndarray],
    config: PlanConfig,
) -> ErrorMap:
    shape = tuple(len(axis) for axis in grid)
    count = math.prod(shape)
    views, information = np.zeros(count, np.int64), np.zeros((count, 3, 3))
    angle = np.zeros(count)
    for i, one in enumerate(contributions):
        views += one.sees
        information += one.information
        for other in contributions[:i]:
            cosine = np.abs(np.einsum("ni,ni->n", one.rays, other.rays))
            meet = np.where(one.sees & other.sees, np.arccos(np.clip(cosine, 0.0, 1.0)), 0.0)
            angle = np.maximum(angle, meet)
    least = math.radians(config.triangulation.min_angle_deg)
    good = (views >= MIN_VIEWS) & (angle >= least)
    covariance = np.full((count, 3, 3), np.nan)
    covariance[good] = np.linalg.inv(information[good])
    error = np.sqrt(np.trace(covariance, axis1=1, axis2=2))
    return ErrorMap(
        *grid,
        error.reshape(shape),
        covariance.reshape(*shape, 3, 3),
        views.reshape(shape),
        angle.reshape(shape),
    )


def candidate_cameras(rig: Rig, volume: Volume) -> list[Camera]:
    """Further cameras to try: all around the volume, looking at its middle.

    They stand as far from the middle as the rig's cameras do in the median, but outside of the
    volume, at three heights and at the median height of the rig's cameras, and have the lens of the
    rig's camera of median focal length.
    """
    center = volume.center
    offsets = np.array([camera.center_world for camera in rig]) - center
    reach = float(np.median(np.linalg.norm(offsets[:, :2], axis=1)))
    half = (np.array(volume.high) - np.array(volume.low))[:2] / 2
    by_focal = sorted(rig, key=lambda camera: camera.intrinsics.focal_px)
    lens = by_focal[len(by_focal) // 2].intrinsics
    median_height = float(np.median(offsets[:, 2]) + center[2])
    heights = sorted({*_CANDIDATE_HEIGHTS_M, round(median_height, 2)})
    name = "new"
    while name in rig.names:
        name += "_"
    cameras: list[Camera] = []
    for direction in range(_CANDIDATE_DIRECTIONS):
        angle = 2 * math.pi * direction / _CANDIDATE_DIRECTIONS
        heading = np.array([math.cos(angle), math.sin(angle)])
        edge = float(np.min(half / np.maximum(np.abs(heading), 1e-9)))
        distance = max(reach, edge + _CLEARANCE_M)
        for height in heights:
            position = np.array([*(center[:2] + distance * heading), height])
            pose = looking_at(position, center)
            cameras.append(Camera(name, lens, pose))
    return cameras


def looking_at(
    position_m: Float[np.ndarray, " 3"], target_m: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, "4 4"]:
    """T_cam_world of an upright camera at a position that looks at a target beside it."""
    forward = target_m - position_m
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right = right / np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = -rotation @ position_m
    return pose
