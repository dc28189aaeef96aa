"""Synthetic rigs, people and observations whose truth is known, for the tests of the core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mocap.geometry.projection import project_points, unproject_pixels
from mocap.geometry.triangulation import Views
from mocap.model import (
    Camera,
    Detections,
    FrameSet,
    Intrinsics,
    LensModel,
    Observation,
    Rig,
    Skeleton,
)

SIZE = (1280, 960)
RADIAL = (-0.12, 0.08, 0.0011, -0.0007, -0.01)
RATIONAL = (0.3, -0.1, 0.0011, -0.0007, 0.02, 0.4, -0.05, 0.03)
FISHEYE = (0.02, -0.005, 0.002, -0.0003)

# A person of 1.75 m at the origin who faces +Y, so that the right side is at +X.
_MIDDLE = {
    "nose": (0.0, 0.12, 1.62),
    "head": (0.0, 0.0, 1.75),
    "neck": (0.0, 0.0, 1.45),
    "mid_hip": (0.0, 0.0, 0.93),
}
_SIDED = {
    "eye": (0.035, 0.09, 1.66),
    "ear": (0.075, 0.0, 1.64),
    "shoulder": (0.19, 0.0, 1.44),
    "elbow": (0.25, -0.03, 1.15),
    "wrist": (0.28, 0.10, 0.92),
    "hip": (0.10, 0.0, 0.92),
    "knee": (0.12, 0.04, 0.50),
    "ankle": (0.13, 0.0, 0.09),
    "big_toe": (0.14, 0.18, 0.02),
    "small_toe": (0.19, 0.15, 0.02),
    "heel": (0.13, -0.06, 0.03),
}


def look_at(center: Sequence[float], target: Sequence[float]) -> np.ndarray:
    """T_cam_world of a camera at `center` which looks at `target`, upright in a Z-up world."""
    eye = np.asarray(center, float)
    forward = np.asarray(target, float) - eye
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = -rotation @ eye
    return pose


def make_camera(
    name: str,
    center: Sequence[float],
    target: Sequence[float] = (0.0, 0.0, 1.0),
    *,
    focal: float = 900.0,
    distortions: Sequence[float] = (),
    lens: LensModel = "pinhole",
    time_offset_s: float = 0.0,
) -> Camera:
    matrix = np.array([[focal, 0, SIZE[0] / 2 + 3], [0, focal * 1.01, SIZE[1] / 2 - 5], [0, 0, 1]])
    intrinsics = Intrinsics(SIZE, matrix, np.array(distortions, float), lens)
    return Camera(name, intrinsics, look_at(center, target), time_offset_s)


def ring_rig(
    cameras: int, *, radius: float = 4.0, mixed_lenses: bool = False, start_rad: float = 0.3
) -> Rig:
    """Cameras all around, at different heights; with `mixed_lenses` also distorted and fisheye."""
    made: list[Camera] = []
    for i in range(cameras):
        angle = start_rad + 2 * np.pi * i / cameras
        center = (radius * np.cos(angle), radius * np.sin(angle), 1.2 + 0.35 * (i % 3))
        kind = i % 4 if mixed_lenses else 0
        lens: LensModel = "fisheye" if kind == 2 else "pinhole"
        distortions = ((), RADIAL, FISHEYE, RATIONAL)[kind]
        focal = 450.0 if lens == "fisheye" else 900.0 + 20 * i
        made.append(make_camera(f"cam{i}", center, focal=focal, distortions=distortions, lens=lens))
    return Rig(tuple(made))


def standing_person(
    skeleton: Skeleton, position: Sequence[float] = (0.0, 0.0), heading_rad: float = 0.0
) -> np.ndarray:
    """World positions (K, 3) of a skeleton's keypoints."""
    points = np.empty((len(skeleton), 3))
    for k, name in enumerate(skeleton.keypoints):
        side, _, part = name.partition("_")
        if name in _MIDDLE:
            points[k] = _MIDDLE[name]
        else:
            x, y, z = _SIDED[part]
            points[k] = (x if side == "right" else -x), y, z
    c, s = np.cos(heading_rad), np.sin(heading_rad)
    points = points @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]).T
    points[:, :2] += position
    return points


def project_rig(points: np.ndarray, rig: Rig) -> np.ndarray:
    """Pixels (C, ..., 2) of world points (..., 3) in every camera."""
    arrays = rig.arrays
    return np.stack(
        [
            project_points(
                points,
                arrays.matrix[c],
                arrays.distortions[c],
                bool(arrays.fisheye[c]),
                arrays.T_cam_world[c],
            )[0]
            for c in range(len(rig))
        ]
    )


def views_of(
    rig: Rig,
    pixels: np.ndarray,
    confidence: np.ndarray | None = None,
    sigma_px: np.ndarray | float = 1.0,
) -> Views:
    """One keypoint, seen at `pixels` (C, 2), as input of `triangulate_robust`."""
    arrays = rig.arrays
    n = len(rig)
    rays = np.stack(
        [
            unproject_pixels(
                pixels[c], arrays.matrix[c], arrays.distortions[c], bool(arrays.fisheye[c])
            )
            @ arrays.T_cam_world[c, :3, :3]
            for c in range(n)
        ]
    )
    return Views(
        pixels=np.asarray(pixels, float),
        confidence=np.ones(n) if confidence is None else np.asarray(confidence, float),
        sigma_px=np.broadcast_to(np.asarray(sigma_px, float), (n,)).copy(),
        rays=rays,
        centers=np.stack([camera.center_world for camera in rig]),
        focal_px=np.array([camera.intrinsics.focal_px for camera in rig]),
        matrix=arrays.matrix,
        distortions=arrays.distortions,
        fisheye=arrays.fisheye,
        T_cam_world=arrays.T_cam_world,
    )


def detections(pixels: np.ndarray, confidence: float | np.ndarray = 1.0) -> Detections:
    """People (P, K, 2), NaN for missing, as detections."""
    trust = np.broadcast_to(np.asarray(confidence, float), pixels.shape[:2]).copy()
    trust[~np.isfinite(pixels).all(axis=2)] = 0.0
    return Detections(pixels, trust, np.ones(len(pixels)))


def frame_set(
    number: int,
    people: np.ndarray,
    rig: Rig,
    *,
    rate_hz: float = 30.0,
    rng: np.random.Generator | None = None,
    sigma_px: float = 0.0,
    hidden: Mapping[str, Sequence[int]] | None = None,
) -> FrameSet:
    """What the rig sees of people (P, K, 3): noise-free unless told; `hidden` by camera name.

    Cameras list the people in an order of their own.
    """
    time_ns = round(number / rate_hz * 1e9)
    pixels = project_rig(people, rig) if len(people) else np.zeros((len(rig), *people.shape[:2], 2))
    observations: dict[str, Observation] = {}
    for c, name in enumerate(rig.names):
        seen = [p for p in range(len(people)) if p not in (hidden or {}).get(name, ())]
        seen = seen[c % len(seen) :] + seen[: c % len(seen)] if seen else []
        shown = pixels[c][seen]
        if rng is not None:
            shown = shown + rng.normal(0.0, sigma_px, shown.shape)
        observations[name] = Observation(name, number, time_ns, detections(shown))
    return FrameSet(number, time_ns, observations)
