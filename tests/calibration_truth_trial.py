"""One calibration of the studio's cameras, compared with the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from board_scene import board_scene
from people_scene import HEIGHT_M, DetectorNoise, people_tracks, studio_rig
from scipy.stats import chi2

from calibration.people.calibrate import calibrate_rig_from_people
from calibration.people.outcome import center_jacobian
from calibration.with_board import BoardOptions, calibrate_with_board
from mocap.arrays import Float
from mocap.geometry.rotations import rotvec_from_matrix
from mocap.model import Rig

FPS = 30.0
BOARD_FPS = 10.0


@dataclass(frozen=True)
class Trial:
    """Errors of one calibration, and where they lie in their promised distributions.

    Attributes:
        centre_mm: of every camera, after the best rigid motion or similarity.
        rotation_deg: the same.
        offset_frames: of every camera but the first.
        scale: true length of a found length.
        centre_p: of every camera but the first, relative to it: the probability with which the
            error was promised to be smaller than it is.
        rotation_p: the same.
        offset_p: the same.
    """

    centre_mm: Float[np.ndarray, " cameras"]
    rotation_deg: Float[np.ndarray, " cameras"]
    offset_frames: Float[np.ndarray, " others"]
    scale: float
    centre_p: Float[np.ndarray, " others"]
    rotation_p: Float[np.ndarray, " others"]
    offset_p: Float[np.ndarray, " others"]


def board_trial(
    cameras: int,
    seed: int,
    *,
    distorted: bool,
    offset_frames: Sequence[float],
    duration_s: float = 8.0,
) -> Trial:
    """Lenses, poses and offsets from a waved board, 0.3 px of noise."""
    scene = board_scene(
        cameras,
        seed=seed,
        distorted=distorted,
        fps=BOARD_FPS,
        offset_frames=offset_frames,
        duration_s=duration_s,
    )
    found = calibrate_with_board(scene.sightings, {}, BoardOptions()).solution
    return compared(
        scene.rig, found.rig, found.pose_covariance, found.time_offset_sigma_s, BOARD_FPS, False
    )


def people_trial(
    cameras: int,
    seed: int,
    *,
    distorted: bool,
    offset_frames: Sequence[float],
    seconds: float = 8.0,
    noise: DetectorNoise | None = None,
    instants: int = 100,
) -> Trial:
    """Poses and offsets from a walker; lenses and height are known, offsets to a frame."""
    rig = studio_rig(cameras, seed, distorted=distorted, offset_frames=offset_frames)
    tracks = people_tracks(rig, seed, noise, seconds=seconds)
    result = calibrate_rig_from_people(
        tracks,
        [camera.intrinsics for camera in rig],
        height_m=HEIGHT_M,
        initial_offsets_s=[round(f) / FPS for f in offset_frames],
        most_instants=instants,
    )
    found, adjustment = result.solution, result.adjustment
    # What the shape is unsure of, without the scale, which is told apart.
    placed = result.placement.state(adjustment.state)
    shape = result.placement.pose_covariance(adjustment.pose_covariance(), placed, 0, 0.0)
    return compared(rig, found.rig, shape, found.time_offset_sigma_s, FPS, True)


def compared(
    truth: Rig,
    found: Rig,
    covariance: Float[np.ndarray, "six_cameras six_cameras"],
    offset_sigma_s: Float[np.ndarray, " cameras"],
    fps: float,
    free_scale: bool,
) -> Trial:
    """Compares a rig, whose covariance holds its first camera, with the true one."""
    centre, rotation, scale = aligned_errors(truth, found, free_scale)
    centre_p, rotation_p = _promised(truth, found, covariance, free_scale)
    late = np.array([f.time_offset_s - truth[f.name].time_offset_s for f in found])
    late = (late - late[0])[1:]
    sigma = offset_sigma_s[1:]
    return Trial(
        1000 * centre,
        np.degrees(rotation),
        fps * np.abs(late),
        scale,
        centre_p,
        rotation_p,
        np.asarray(chi2.cdf((late / sigma) ** 2, 1)),
    )


def aligned_errors(
    truth: Rig, found: Rig, free_scale: bool
) -> tuple[Float[np.ndarray, " cameras"], Float[np.ndarray, " cameras"], float]:
    """Errors of centres (m) and rotations (rad) after the motion of the whole rig that makes
    rotations agree best, and centres after it; and the scale."""
    turns = [truth[f.name].T_cam_world[:3, :3].T @ f.T_cam_world[:3, :3] for f in found]
    u, _, vt = np.linalg.svd(np.sum(turns, axis=0))
    turn = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
    a = np.stack([f.center_world for f in found]) @ turn.T
    b = np.stack([truth[f.name].center_world for f in found])
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    scale = float((a * b).sum() / (a * a).sum())
    errors = np.linalg.norm((scale if free_scale else 1.0) * a - b, axis=1)
    rotation = [
        np.linalg.norm(
            rotvec_from_matrix(truth[f.name].T_cam_world[:3, :3] @ turn @ f.T_cam_world[:3, :3].T)
        )
        for f in found
    ]
    return errors, np.array(rotation), scale


def _promised(
    truth: Rig, found: Rig, covariance: np.ndarray, free_scale: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of smaller errors of centres and rotations, the first camera being held."""
    first = found.cameras[0]
    motion = first.T_world_cam @ truth[first.name].T_cam_world
    middle = first.center_world
    true = np.stack([motion[:3, :3] @ truth[f.name].center_world + motion[:3, 3] for f in found])
    ours = np.stack([f.center_world for f in found])
    n = len(found)
    by_pose = np.zeros((3 * n, 6 * n))
    for c, camera in enumerate(found):
        by_pose[3 * c : 3 * c + 3, 6 * c : 6 * c + 6] = center_jacobian(camera.T_cam_world)
    spread = by_pose @ covariance @ by_pose.T
    stretch = (ours - middle).ravel()
    keep = np.eye(3 * n)
    if free_scale:
        keep -= np.outer(stretch, stretch) / (stretch @ stretch)
        factor = float(((true - middle) * (ours - middle)).sum() / ((true - middle) ** 2).sum())
        true = middle + factor * (true - middle)
    spread = keep @ spread @ keep.T
    away = keep @ (ours - true).ravel()
    centre, rotation = [], []
    for c, camera in enumerate(found):
        if c == 0:
            continue
        part = slice(3 * c, 3 * c + 3)
        centre.append(_smaller(away[part], spread[part, part]))
        real = truth[camera.name].T_cam_world[:3, :3] @ motion[:3, :3].T
        error = rotvec_from_matrix(real @ camera.T_cam_world[:3, :3].T)
        part = slice(6 * c, 6 * c + 3)
        rotation.append(_smaller(error, covariance[part, part]))
    return np.array(centre), np.array(rotation)


def _smaller(error: np.ndarray, covariance: np.ndarray) -> float:
    values, vectors = np.linalg.eigh(covariance)
    known = values > 1e-6 * values.max()
    squared = float(np.sum((vectors.T @ error)[known] ** 2 / values[known]))
    return float(chi2.cdf(squared, int(known.sum())))
