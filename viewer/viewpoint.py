"""From where a scene is looked at, so that the people fill the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float
from mocap.model import Camera, Motion, Rig, Skeleton
from viewer.feed import Feed
from viewer.options import ViewOptions
from viewer.stage import camera_label_points

VERTICAL_FIELD_DEG = 36.0
MARGIN = 0.14
"""Part of the half picture that stays free on each side."""
CAPTION_MARGIN = 0.32
"""The same below in narrow pictures, where people would stand on the caption."""
NARROW = 1.2
"""Width by height below which a picture is narrow."""
LABEL_ROOM_M = 0.2
CAMERA_ALLOWANCE = 1.5
"""How much farther away the viewer may go so that cameras are in the picture."""
REACH_M = 1.6
"""Keypoints farther from the middle of their person are not believed when the view is chosen."""
OUTLIER_PERCENT = 1.0
EMPTY_VOLUME = np.array([[-1.0, -1.0, 0.0], [1.0, 1.0, 1.8]])
FIELD_SLOPE = 0.7
TOO_NEAR = 0.45
"""Part of the way to the people up to which a camera would fill too much of the picture."""
Tangents = tuple[float, float, float]
SIDE_ANGLES_DEG = (32.0, -32.0, 20.0, -20.0, 45.0, -45.0, 8.0, -8.0)


@dataclass(frozen=True, eq=False)
class ViewPoint:
    """A pinhole camera without distortion that looks at the scene.

    Attributes:
        T_cam_world: world to camera (x right, y down, z forward), metres.
        size: width and height of the picture, in pixels.
        focal_px: focal length in pixels.
    """

    T_cam_world: Float[np.ndarray, "4 4"]
    size: tuple[int, int]
    focal_px: float

    def scaled(self, factor: int) -> ViewPoint:
        """The same view in a picture `factor` times as large."""
        size = (self.size[0] * factor, self.size[1] * factor)
        return ViewPoint(self.T_cam_world, size, self.focal_px * factor)

    def project(self, points_m: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 2"]:
        """Pixels of world points; NaN for points that are missing or behind the viewer."""
        in_camera = points_m @ self.T_cam_world[:3, :3].T + self.T_cam_world[:3, 3]
        depth = in_camera[..., 2:]
        with np.errstate(invalid="ignore", divide="ignore"):
            middle = (np.array(self.size) - 1) / 2
            pixels = self.focal_px * in_camera[..., :2] / depth + middle
            return np.where(depth > 1e-6, pixels, np.nan)


def look_along(
    forward: Float[np.ndarray, " 3"], eye_m: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, "4 4"]:
    """`T_cam_world` of an upright viewer; `forward` must not be vertical."""
    rotation = _axes(forward)
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = -rotation @ eye_m
    return pose


def _axes(forward: np.ndarray) -> np.ndarray:
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward])


def fit_eye(
    points_m: Float[np.ndarray, "points 3"],
    forward: Float[np.ndarray, " 3"],
    half_tangents: Tangents,
) -> Float[np.ndarray, " 3"]:
    """The nearest eye, looking along `forward`, from which all points are in the picture.

    Args:
        points_m: at least one point.
        forward: direction of view, not vertical.
        half_tangents: tangents of the angles from the axis to the sides, the upper and the lower
            edge of the field of view.
    """
    side, upper, lower = half_tangents
    axes = _axes(forward)
    local = points_m @ axes.T
    eye = np.zeros(3)
    depth = np.inf
    # A point is inside if p - e <= t (p_z - e_z) and e - p <= s (p_z - e_z) on both axes, where t
    # and s are the tangents towards right or lower, and left or upper: planes through the eye.
    bounds: list[tuple[float, float, float, float]] = []
    for axis, (forth, back) in enumerate(((side, side), (lower, upper))):
        high = float(np.max(local[:, axis] - forth * local[:, 2]))
        low = float(np.max(-local[:, axis] - back * local[:, 2]))
        bounds.append((high, low, forth, back))
        depth = min(depth, -(high + low) / (forth + back))
    eye[2] = min(depth, float(local[:, 2].min()) - 0.1)
    for axis, (high, low, forth, back) in enumerate(bounds):
        eye[axis] = ((high + forth * eye[2]) - (low + back * eye[2])) / 2
    return eye @ axes


def people_volume(motion: Motion) -> Float[np.ndarray, "2 3"]:
    """Lower and upper corner of where people are, in metres, without stray keypoints.

    Keypoints far from the middle of their person are left out, and so is the outermost percent
    of the rows. With nobody, a volume of the size of a person above the origin.
    """
    points = _believable(motion)
    if len(points) == 0:
        return EMPTY_VOLUME.copy()
    low, high = np.nanmin(points, axis=1), np.nanmax(points, axis=1)
    corners = np.stack(
        [
            np.percentile(low, OUTLIER_PERCENT, axis=0),
            np.percentile(high, 100 - OUTLIER_PERCENT, axis=0),
        ]
    )
    corners[0, 2] = min(corners[0, 2], 0.0) if corners[0, 2] < 0.5 else corners[0, 2]
    return corners


def _believable(motion: Motion) -> np.ndarray:
    points = motion.points_m[:, list(motion.skeleton.indices("body", "feet"))]
    found = np.isfinite(points).all(axis=2)
    points = points[np.any(found, axis=1)]
    if len(points) == 0:
        return points
    middle = np.nanmedian(points, axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        far = np.linalg.norm(points - middle, axis=2, keepdims=True) > REACH_M
    return np.where(far, np.nan, points)


def facing_deg(
    points_m: Float[np.ndarray, "people keypoints 3"], skeleton: Skeleton
) -> float | None:
    """Azimuth to which people face on average, in degrees from +X towards +Y.

    By the lines from left to right hips and shoulders; None where no such pair is there.
    """
    across = np.zeros(3)
    for joint in ("hip", "shoulder"):
        names = (f"left_{joint}", f"right_{joint}")
        if all(name in skeleton for name in names):
            left, right = (points_m[:, skeleton.index(name)] for name in names)
            across += np.nansum(right - left, axis=0)
    ahead = np.cross((0.0, 0.0, 1.0), across)
    if np.hypot(ahead[0], ahead[1]) < 1e-3:
        return None
    return math.degrees(math.atan2(ahead[1], ahead[0]))


def choose_view(
    feed: Feed, rig: Rig, size: tuple[int, int], options: ViewOptions, frame: int | None = None
) -> ViewPoint:
    """A view in which the people fill the picture, and cameras are in it where they can be.

    Args:
        feed: the people.
        rig: the cameras.
        size: width and height of the picture, in pixels.
        options: direction of view, and whether cameras are drawn.
        frame: the only frame to be shown; None for the motion in all frames.
    """
    if frame is None:
        motion, shown = feed.motion, feed.busiest_frame
    else:
        motion, shown = feed.motion.rows(feed.motion.frame == feed.frames.number[frame]), frame
    low, high = people_volume(motion)
    corners = np.array(
        [[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])]
    )
    center = (low + high) / 2
    vertical = math.tan(math.radians(VERTICAL_FIELD_DEG / 2))
    horizontal = vertical * size[0] / size[1]
    margin_below = MARGIN
    if options.labels:
        corners[:, 2] += np.where(corners[:, 2] > center[2], LABEL_ROOM_M, 0.0)
        if size[0] < NARROW * size[1]:
            margin_below = CAPTION_MARGIN
    tangents = (
        horizontal * (1 - MARGIN),
        vertical * (1 - MARGIN),
        vertical * (1 - margin_below),
    )
    cameras = camera_label_points(rig.cameras) if options.cameras else None
    azimuth = options.azimuth_deg
    if azimuth is None:
        front = facing_deg(feed.people(shown).points_m, feed.skeleton)
        azimuth = _best_azimuth(
            corners, cameras, tangents, -60.0 if front is None else front, options
        )
    forward = _forward(azimuth, options.elevation_deg)
    eye = fit_eye(corners, forward, tangents)
    if cameras is not None:
        eye = _with_cameras(corners, cameras, forward, tangents, eye, center)
    focal = size[1] / 2 / vertical
    return ViewPoint(look_along(forward, eye), size, focal)


def _forward(azimuth_deg: float, elevation_deg: float) -> np.ndarray:
    azimuth, elevation = math.radians(azimuth_deg), math.radians(elevation_deg)
    flat = math.cos(elevation)
    return -np.array([flat * math.cos(azimuth), flat * math.sin(azimuth), math.sin(elevation)])


def _best_azimuth(
    corners: np.ndarray,
    cameras: np.ndarray | None,
    tangents: Tangents,
    front_deg: float,
    options: ViewOptions,
) -> float:
    """The first side angle at which no camera stands between the viewer and the people."""
    for side in SIDE_ANGLES_DEG:
        forward = _forward(front_deg + side, options.elevation_deg)
        eye = fit_eye(corners, forward, tangents)
        pose = look_along(forward, eye)
        if cameras is None or not _in_the_way(cameras, corners, pose):
            return front_deg + side
    return front_deg + SIDE_ANGLES_DEG[0]


def _in_the_way(cameras: np.ndarray, corners: np.ndarray, pose: np.ndarray) -> bool:
    people = corners @ pose[:3, :3].T + pose[:3, 3]
    local = cameras @ pose[:3, :3].T + pose[:3, 3]
    slopes = people[:, :2] / people[:, 2:]
    low, high = slopes.min(axis=0) - 0.05, slopes.max(axis=0) + 0.05
    near = (local[:, 2] > 0) & (local[:, 2] < people[:, 2].min())
    with np.errstate(divide="ignore", invalid="ignore"):
        at = local[:, :2] / local[:, 2:]
    hiding = near & (at > low).all(axis=1) & (at < high).all(axis=1)
    huge = (local[:, 2] > 0) & (local[:, 2] < TOO_NEAR * people[:, 2].mean())
    huge &= (np.abs(at) < FIELD_SLOPE).all(axis=1)
    return bool((hiding | huge).any())


def cameras_in_view(rig: Rig, view: ViewPoint, volume_m: Float[np.ndarray, "2 3"]) -> list[Camera]:
    """The cameras without those so near to the viewer that they would hide the people."""
    pose = view.T_cam_world
    distance = float(pose[2, :3] @ volume_m.mean(axis=0) + pose[2, 3])
    depths = [float(pose[2, :3] @ camera.center_world + pose[2, 3]) for camera in rig]
    return [c for c, d in zip(rig, depths, strict=True) if not -0.5 < d < TOO_NEAR * distance]


def _with_cameras(
    corners: np.ndarray,
    cameras: np.ndarray,
    forward: np.ndarray,
    tangents: Tangents,
    eye: np.ndarray,
    center: np.ndarray,
) -> np.ndarray:
    """Moves the eye back for as many cameras as `CAMERA_ALLOWANCE` permits, cheapest first.

    A camera counts with its mirror image on the other side, so that the people stay in the middle.
    """
    right = _axes(forward)[0]
    nearest = float(np.dot(center - eye, forward))
    limit = CAMERA_ALLOWANCE * nearest
    # Those just before the viewer are not drawn.
    cameras = cameras[(cameras - eye) @ forward > TOO_NEAR * nearest]

    def distance(points: np.ndarray) -> float:
        return float(np.dot(center - fit_eye(points, forward, tangents), forward))

    def with_image(points: np.ndarray, camera: np.ndarray) -> np.ndarray:
        image = camera - 2 * np.dot(camera - center, right) * right
        return np.vstack([points, camera, image])

    points = corners
    for camera in sorted(cameras, key=lambda c: distance(with_image(corners, c))):
        wider = with_image(points, camera)
        if distance(wider) <= limit:
            points = wider
    return fit_eye(points, forward, tangents)
