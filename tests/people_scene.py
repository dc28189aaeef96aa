"""A person of the studio who walks before its cameras, as a detector would report it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.interpolate import CubicSpline

from calibration.people.tracks import CameraPeople, PeopleTracks
from mocap.geometry.projection import project_points
from mocap.model import Rig
from mocap.model.skeletons import COCO_WHOLEBODY_133
from mocap.studio.bodies import Body, PersonConfig
from mocap.studio.motion_config import MotionConfig
from mocap.studio.motions import make_motion
from mocap.studio.rigs import RigConfig, make_rig

DISTORTIONS = (-0.12, 0.06, 0.0004, -0.0003, 0.0)
HEIGHT_M = 1.78
_BODY = 23
"""Keypoints of body and feet, which come first."""
_RATE_HZ, _LEAD_S = 60.0, 0.5


@dataclass(frozen=True)
class DetectorNoise:
    """Errors of a detector, standard deviations in pixels per coordinate.

    Attributes:
        white_px: new in every frame.
        slow_px: of each keypoint, remembered for about `memory_s`.
        shared_px: the same, but common to all keypoints of the person.
        bias_px: constant, of each keypoint in each camera.
        memory_s: time after which the correlation has fallen to 1/e.
    """

    white_px: float = 1.5
    slow_px: float = 2.0
    shared_px: float = 0.0
    bias_px: float = 1.0
    memory_s: float = 0.5


def studio_rig(
    cameras: int, seed: int, *, distorted: bool, offset_frames: Sequence[float] = ()
) -> Rig:
    """A ring of the studio's cameras; of two the second stands 60 degrees further."""
    distortions = DISTORTIONS if distorted else (0.0,) * 5
    offsets = tuple(f / 30.0 for f in offset_frames)
    if cameras > 2:
        config = RigConfig(cameras=cameras, distortions=distortions, time_offset_s=offsets)
        return make_rig(config, seed)
    six = make_rig(RigConfig(cameras=6, distortions=distortions), seed)
    places = tuple(tuple(float(x) for x in six.cameras[c].center_world) for c in (0, 1))
    config = RigConfig(
        kind="free",
        positions_m=places,  # pyright: ignore[reportArgumentType]
        distortions=distortions,
        time_offset_s=offsets,
    )
    return make_rig(config, seed)


def people_tracks(
    rig: Rig,
    seed: int,
    noise: DetectorNoise | None = None,
    *,
    seconds: float = 8.0,
    drift_ppm: Sequence[float] = (),
) -> PeopleTracks:
    """What a detector reports of one person who walks a figure of eight."""
    noise = noise or DetectorNoise()
    rng = np.random.default_rng([seed, 41])
    path = _walk(round(seconds))
    yaw, shift = rng.uniform(0, 2 * np.pi), rng.uniform(-0.2, 0.2, 2)
    turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    time_s = np.arange(round(seconds * 30.0)) / 30.0
    cameras: list[CameraPeople] = []
    for camera, drift in zip(rig, drift_ppm or (0.0,) * len(rig), strict=True):
        points = path((time_s - camera.time_offset_s) / (1 + 1e-6 * drift)) @ turn.T
        points[..., :2] += shift
        lens = camera.intrinsics
        flat, _ = project_points(
            points.reshape(-1, 3),
            lens.matrix,
            lens.packed_distortions,
            lens.lens == "fisheye",
            camera.T_cam_world,
        )
        pixels = np.full((len(time_s), len(COCO_WHOLEBODY_133), 2), np.nan)
        own = flat.reshape(len(time_s), _BODY, 2) + _errors(noise, time_s, rng)
        width, height = lens.size
        inside = (own >= 0).all(axis=-1) & (own < (width, height)).all(axis=-1)
        own[~inside | (rng.random(inside.shape) < 0.03)] = np.nan
        pixels[:, :_BODY] = own
        confidence = np.where(np.isfinite(pixels).all(axis=-1), 1.0, 0.0)
        confidence *= rng.uniform(0.6, 1.0, confidence.shape)
        good = np.flatnonzero((confidence > 0).sum(axis=1) >= 6)
        frames = np.arange(len(time_s))
        cameras.append(
            CameraPeople(
                camera.name, lens.size, frames, time_s, good, pixels[good], confidence[good]
            )
        )
    return PeopleTracks(COCO_WHOLEBODY_133, tuple(cameras))


def _errors(noise: DetectorNoise, time_s: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Errors (frames, keypoints, 2)."""
    frames = len(time_s)
    total = noise.white_px * rng.standard_normal((frames, _BODY, 2))
    keep = float(np.exp(-(time_s[1] - time_s[0]) / noise.memory_s))
    for size, count in ((noise.slow_px, _BODY), (noise.shared_px, 1)):
        state = rng.standard_normal((count, 2))
        for frame in range(frames):
            total[frame] += size * state
            state = keep * state + np.sqrt(1 - keep**2) * rng.standard_normal((count, 2))
    return total + noise.bias_px * rng.standard_normal((_BODY, 2))


@lru_cache(maxsize=2)
def _walk(seconds: int) -> CubicSpline:
    """Keypoints of the studio's walker over time; made once, as it takes seconds."""
    turns = np.arange(1, 3 * seconds) * np.pi / 8
    path = tuple((1.2 * float(np.sin(a)), 0.8 * float(np.sin(2 * a))) for a in turns)
    config = PersonConfig(
        height_m=HEIGHT_M, motion=MotionConfig(kind="walk_path", speed_m_s=1.2, path_m=path)
    )
    body = Body(config)
    motion = make_motion(config.motion, body, seconds + 2 * _LEAD_S)
    time_s = np.arange(round((seconds + 2 * _LEAD_S) * _RATE_HZ)) / _RATE_HZ
    points = body.pose_keypoints([motion(float(t)) for t in time_s])[:, :_BODY]
    return CubicSpline(time_s - _LEAD_S, points)
