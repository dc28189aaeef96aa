"""Views of a flat board through lenses that are known, for tests of the lens calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.sightings import CameraSightings
from mocap.geometry.projection import project_points, unproject_pixels
from mocap.geometry.rotations import matrix_from_rotvec
from mocap.model import Intrinsics, Target

SIZE = (1280, 720)
BOARD = Target("chessboard", (7, 5), 0.06)


def lens(focal, center=(639.5, 359.5), distortions=(), *, fy=None, kind="pinhole"):
    """A lens of the test camera."""
    matrix = np.array([[focal, 0, center[0]], [0, fy or focal, center[1]], [0, 0, 1.0]])
    coefficients = np.zeros(4 if kind == "fisheye" else (8 if len(distortions) > 5 else 5))
    coefficients[: len(distortions)] = distortions
    return Intrinsics(SIZE, matrix, coefficients, kind)


PLAIN = lens(900.0, (645.0, 350.0))
BARREL = lens(900.0, (645.0, 350.0), (-0.3, 0.12))
DECENTRED = lens(890.0, (624.0, 371.0), (-0.33, 0.12, 0.003, -0.004, -0.02))
FISHEYE = lens(380.0, (645.0, 365.0), (0.03, -0.02, 0.01, -0.002), kind="fisheye")


@dataclass(frozen=True)
class Footage:
    """Sightings with the truth."""

    sightings: CameraSightings
    poses: np.ndarray
    truth: Intrinsics


def film(
    truth: Intrinsics,
    seed: int = 0,
    *,
    views: int = 25,
    noise_px: float = 0.3,
    spread: float = 1.0,
    tilt: float = 0.6,
    fps: float | None = None,
    target: Target = BOARD,
) -> Footage:
    """A board held all over the image (`spread` 1) or near its middle (smaller)."""
    rng = np.random.default_rng(seed)
    packed, fisheye = truth.packed_distortions, truth.lens == "fisheye"
    points = np.asarray(target.points_m)
    middle, size = points.mean(axis=0), np.array(SIZE)
    seen, poses = [], []
    while len(seen) < views:
        place = size / 2 + spread * rng.uniform(-0.5, 0.5, 2) * size
        ray = unproject_pixels(place, truth.matrix, packed, fisheye)
        turn = matrix_from_rotvec(rng.normal(0, tilt, 3) * [1, 1, 0.7])
        distance = rng.uniform(0.5, 1.3)
        if not np.isfinite(ray).all():
            continue
        x = np.cross([0, 1, 0], ray)
        x /= np.linalg.norm(x)
        rotation = np.stack([x, np.cross(ray, x), ray], axis=1) @ turn
        shift = ray * distance - rotation @ middle
        if rotation[:, 2] @ ray < 0.4:
            continue
        cam = points @ rotation.T + shift
        pixels, _ = project_points(cam, truth.matrix, packed, fisheye, np.eye(4))
        # Only what the lens really images there, not what it folds back.
        back = unproject_pixels(pixels, truth.matrix, packed, fisheye)
        straight = np.linalg.norm(back - cam / np.linalg.norm(cam, axis=1)[:, None], axis=1)
        visible = (straight < 1e-6) & np.all((pixels >= 0) & (pixels <= size - 1), axis=1)
        if fisheye:
            visible &= np.arctan2(np.hypot(cam[:, 0], cam[:, 1]), cam[:, 2]) < np.deg2rad(95)
        if visible.sum() < 10:
            continue
        noisy = pixels + rng.normal(0, noise_px, pixels.shape)
        seen.append(np.where(visible[:, None], noisy, np.nan))
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = rotation, shift
        poses.append(pose)
    return Footage(sightings(np.array(seen), fps=fps), np.array(poses), truth)


def sightings(pixels, *, fps=None, name="cam", size=SIZE, frame=None):
    """Pixels (frames, points, 2) as sightings."""
    n = len(pixels)
    frame = np.arange(n) if frame is None else frame
    return CameraSightings(
        name,
        size,
        frame,
        frame / (fps or 1.0),
        pixels,
        np.ones(pixels.shape[:2]),
        np.zeros(n, bool),
        np.full(n, 100.0),
        n,
        fps,
    )
