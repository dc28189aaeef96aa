"""People who walk before a synthetic rig, as a detector would give them."""

from __future__ import annotations

import numpy as np
from synthetic_scene import project_rig, standing_person

from calibration.people.tracks import CameraPeople, PeopleTracks
from mocap.model import Rig
from mocap.model.skeletons import HALPE_26

SKELETON = HALPE_26


def walker(time_s, *, start=(0.0, 0.0), phase=0.0, radius=1.0, stature=1.75, speed=1.0):
    """Keypoints (K, 3) of someone who walks along a bent round and swings arms and legs."""
    angle = speed / radius * time_s + phase
    points = standing_person(SKELETON) * (stature / 1.75)
    gait = 2 * np.pi * time_s + 3 * phase
    for side, sign in (("left", 1), ("right", -1)):
        swing = sign * np.sin(gait)
        for names, size in (
            (("knee",), 0.12),
            (("ankle", "heel", "big_toe", "small_toe"), 0.28),
            (("elbow",), -0.10),
            (("wrist",), -0.25),
        ):
            for name in names:
                points[SKELETON.index(f"{side}_{name}"), 1] += size * swing
        for name in ("ankle", "heel", "big_toe", "small_toe"):
            points[SKELETON.index(f"{side}_{name}"), 2] += 0.1 * max(0.0, sign * np.cos(gait))
    turn = angle + 0.5 * np.sin(0.9 * angle)
    c, s = np.cos(turn), np.sin(turn)
    points = points @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]).T
    points[:, 0] += start[0] + radius * np.cos(angle) * (1 + 0.3 * np.sin(0.37 * angle))
    points[:, 1] += start[1] + radius * np.sin(angle)
    return points


def film(
    rig: Rig,
    people=({},),
    *,
    frames=200,
    fps=30.0,
    sigma_px=3.0,
    persistence=0.0,
    bias_px=0.0,
    offsets_s=None,
    flips=(),
    seed=0,
):
    """2D people of every camera, unlabelled and in random order.

    `persistence` is the correlation of the noise from frame to frame, `bias_px` a constant error
    of each keypoint of each camera, `flips` are (camera, first, last) with left and right
    exchanged.
    """
    rng = np.random.default_rng(seed)
    cameras = []
    times = np.arange(frames) / fps
    for c, camera in enumerate(rig):
        late = 0.0 if offsets_s is None else offsets_s[c]
        world = np.array([[walker(t - late, **person) for person in people] for t in times])
        pixels = project_rig(world, Rig((camera,)))[0]
        noise = rng.normal(size=pixels.shape[1:])
        for frame in range(frames):
            fresh = rng.normal(size=noise.shape)
            noise = persistence * noise + np.sqrt(1 - persistence**2) * fresh
            pixels[frame] += sigma_px * noise
        pixels += bias_px * rng.normal(size=pixels.shape[1:])
        confidence = rng.uniform(0.6, 1.0, pixels.shape[:-1])
        width, height = camera.intrinsics.size
        inside = (pixels > 0).all(axis=-1) & (pixels < (width, height)).all(axis=-1)
        lost = ~inside | (rng.random(confidence.shape) < 0.03)
        pixels[lost], confidence[lost] = np.nan, 0.0
        mirror = list(SKELETON.mirror)
        for which, first, last in flips:
            if which == c:
                pixels[first:last] = pixels[first:last][:, :, mirror]
                confidence[first:last] = confidence[first:last][:, :, mirror]
        for frame in range(frames):
            order = rng.permutation(len(people))
            pixels[frame], confidence[frame] = pixels[frame, order], confidence[frame, order]
        rows = np.repeat(np.arange(frames), len(people))
        flat, trust = pixels.reshape(-1, len(SKELETON), 2), confidence.reshape(-1, len(SKELETON))
        good = (trust > 0).sum(axis=1) >= 5
        cameras.append(
            CameraPeople(
                camera.name,
                camera.intrinsics.size,
                np.arange(frames),
                times,
                rows[good],
                flat[good],
                trust[good],
            )
        )
    return PeopleTracks(SKELETON, tuple(cameras))


def errors_after_alignment(truth: Rig, found: Rig):
    """Errors of centres (m) and rotations (rad) after the best similarity, and its scale."""
    from mocap.geometry.rotations import rotvec_from_matrix

    turns = [
        t.T_cam_world[:3, :3].T @ f.T_cam_world[:3, :3] for t, f in zip(truth, found, strict=True)
    ]
    u, _, vt = np.linalg.svd(np.sum(turns, axis=0))
    turn = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
    a = np.stack([c.center_world for c in found]) @ turn.T
    b = np.stack([c.center_world for c in truth])
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    scale = float((a * b).sum() / (a * a).sum())
    rotation = [
        np.linalg.norm(rotvec_from_matrix(t.T_cam_world[:3, :3] @ turn @ f.T_cam_world[:3, :3].T))
        for t, f in zip(truth, found, strict=True)
    ]
    return np.linalg.norm(scale * a - b, axis=1), np.array(rotation), scale
