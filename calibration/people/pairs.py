"""Relative poses of pairs of cameras from people of whom it is not known who is who.

Every pair of tracklets that were filmed at the same time is tried as if it were one person. The
relative pose which the most keypoints of all tracklets support, each tracklet being given to at
most one of the other camera, is that of the cameras; it also says who is who. A camera that sees
people from the back may have left and right exchanged throughout, so that is tried too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from scipy.optimize import linear_sum_assignment

from calibration.people.measurements import FLOOR_PX, SIGMA_OF_SIZE, motion_px
from calibration.people.tracklets import Tracklet
from calibration.people.tracks import LabelledPeople, PeopleTracks
from calibration.people.two_view import (
    GATE_SIGMAS,
    RelativePose,
    epipolar_residual,
    estimate_relative_pose,
    refine_relative_pose,
)
from mocap.arrays import Float
from mocap.geometry.projection import unproject_pixels
from mocap.geometry.rotations import skew_matrix
from mocap.model import Intrinsics

SIGMA_SCALE = 2.0
"""Keypoints are taken for this much noisier than usual: focal lengths and offsets are guesses."""
_MIN_FRAMES = 6
_MAX_CORRESPONDENCES = 1500
_MIN_SHARE = 0.45
"""Two tracklets are one person when this share of their keypoints fit (the score, see
`RelativePose`)."""
_HYPOTHESES = 6
_MIN_CONFIDENCE = 0.3

Correspondences: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Rays of a, rays of b and the standard deviations of both."""


@dataclass(frozen=True)
class TrackletRays:
    """A tracklet as rays of its camera.

    Attributes:
        time_s: of each frame, on the session clock as far as the offsets are known.
        seen: where the tracklet has the keypoint.
        pixels: of the keypoints.
        velocity: of the keypoints, px/s.
        sigma_rad: standard deviation of the rays.
    """

    time_s: Float[np.ndarray, " frames"]
    seen: np.ndarray
    pixels: Float[np.ndarray, "frames keypoints 2"]
    velocity: Float[np.ndarray, "frames keypoints 2"]
    sigma_rad: Float[np.ndarray, " frames"]


@dataclass(frozen=True)
class PairPose:
    """Two cameras and the people both saw.

    Attributes:
        a: position of the first camera.
        b: position of the second.
        pose: of b relative to a.
        same: pairs of tracklets (of a, of b) that are one person, and whether left and right of
            the second are exchanged.
        weight: how much the pose is worth: inliers times the sine of their parallax.
    """

    a: int
    b: int
    pose: RelativePose
    same: tuple[tuple[int, int, bool], ...]
    weight: float


def tracklet_rays(
    tracks: PeopleTracks, camera: int, tracklets: list[Tracklet], lens: Intrinsics, offset_s: float
) -> list[TrackletRays]:
    """Prepares the tracklets of one camera."""
    own = tracks.cameras[camera]
    rows = [np.full((len(tracklets), len(c.frame)), -1) for c in tracks.cameras]
    rows[camera] = np.array([t.rows for t in tracklets]).reshape(len(tracklets), len(own.frame))
    labelled = LabelledPeople.from_rows(tracks, rows)
    pixels, confidence = labelled.pixels[camera], labelled.confidence[camera]
    velocity, _ = motion_px(pixels, own.time_s)
    result: list[TrackletRays] = []
    for xy, trust, speed in zip(pixels, confidence, velocity, strict=True):
        good = trust >= _MIN_CONFIDENCE
        low = np.where(good[..., None], xy, np.inf).min(axis=1)
        high = np.where(good[..., None], xy, -np.inf).max(axis=1)
        size = np.linalg.norm(np.where(good.any(axis=1)[:, None], high - low, 0.0), axis=1)
        sigma = SIGMA_SCALE * (FLOOR_PX + SIGMA_OF_SIZE * size) / lens.focal_px
        result.append(TrackletRays(own.time_s - offset_s, good, xy, speed, sigma))
    return result


def find_pair_pose(
    a: int,
    b: int,
    rays_a: list[TrackletRays],
    rays_b: list[TrackletRays],
    lens_a: Intrinsics,
    lens_b: Intrinsics,
    mirror: np.ndarray,
    rng: np.random.Generator,
) -> PairPose | None:
    """The relative pose of two cameras, or None where no two tracklets agree on any."""
    candidates: list[tuple[float, int, int, bool, Correspondences]] = []
    for i, first in enumerate(rays_a):
        for j, second in enumerate(rays_b):
            for turned in (False, True):
                common = correspondences(
                    first, second, lens_a, lens_b, mirror if turned else None, rng
                )
                if common is not None:
                    candidates.append((float(len(common[0])), i, j, turned, common))
    # Long common stretches first; of few tracklets all are tried.
    candidates.sort(key=lambda entry: -entry[0])
    hypotheses: list[RelativePose] = []
    scores: list[float] = []
    for _, _, _, _, common in candidates[: 4 * _HYPOTHESES]:
        pose = estimate_relative_pose(*common, rng=rng)
        if pose is not None:
            hypotheses.append(pose)
            scores.append(pose.score / len(common[0]) * np.sqrt(len(common[0])))
    best: tuple[float, RelativePose, list[tuple[int, int, bool]]] | None = None
    for h in np.argsort(scores)[::-1][:_HYPOTHESES]:
        total, same = _assigned(hypotheses[h], candidates, len(rays_a), len(rays_b))
        if same and (best is None or total > best[0]):
            best = total, hypotheses[h], same
    if best is None:
        return None
    _, pose, same = best
    rival = pose.rival
    chosen = [c[4] for c in candidates if (c[1], c[2], c[3]) in same]
    joined = [np.concatenate(parts) for parts in zip(*chosen, strict=True)]
    pose = refine_relative_pose(pose.R_b_a, pose.t_b_a, joined[0], joined[1], joined[2], joined[3])
    weight = float(pose.inlier.sum()) * float(np.sin(min(pose.parallax_rad, np.pi / 2)))
    # Beyond a right angle rays turn parallel again: cameras that face each other see little depth.
    if pose.parallax_rad > np.pi / 2:
        weight = float(pose.inlier.sum()) * float(np.sin(pose.parallax_rad))
    return PairPose(a, b, replace(pose, rival=rival), tuple(same), weight)


def _assigned(
    pose: RelativePose,
    candidates: list[tuple[float, int, int, bool, Correspondences]],
    count_a: int,
    count_b: int,
) -> tuple[float, list[tuple[int, int, bool]]]:
    matrix = skew_matrix(pose.t_b_a) @ pose.R_b_a
    gain = np.zeros((count_a, count_b))
    turned = np.zeros((count_a, count_b), bool)
    for _, i, j, turn, common in candidates:
        squared = epipolar_residual(matrix, *common) ** 2
        fit = 1 - np.minimum(squared / GATE_SIGMAS**2, 1)
        if float(fit.mean()) >= _MIN_SHARE and float(fit.sum()) > gain[i, j]:
            gain[i, j], turned[i, j] = float(fit.sum()), turn
    rows, columns = linear_sum_assignment(-gain)
    same = [
        (int(i), int(j), bool(turned[i, j]))
        for i, j in zip(rows, columns, strict=True)
        if gain[i, j] > 0
    ]
    return float(gain[rows, columns].sum()), same


def correspondences(
    first: TrackletRays,
    second: TrackletRays,
    lens_a: Intrinsics,
    lens_b: Intrinsics,
    mirror: np.ndarray | None,
    rng: np.random.Generator,
    most: int = _MAX_CORRESPONDENCES,
) -> Correspondences | None:
    """Rays of a, rays of b and their standard deviations, at the same instants.

    Args:
        first: a tracklet of camera a.
        second: a tracklet of camera b.
        lens_a: of camera a.
        lens_b: of camera b.
        mirror: to exchange left and right in the second; None to leave them.
        rng: chooses among too many.
        most: number of correspondences at most.

    Returns:
        None where the two are hardly seen at the same time.
    """
    if len(first.time_s) < 2 or len(second.time_s) < 2:
        return None
    after = np.clip(np.searchsorted(second.time_s, first.time_s), 1, len(second.time_s) - 1)
    earlier = first.time_s - second.time_s[after - 1] < second.time_s[after] - first.time_s
    near = after - earlier
    step = first.time_s - second.time_s[near]
    limit = 0.6 * max(np.median(np.diff(first.time_s)), np.median(np.diff(second.time_s)))
    seen_b, pixels_b = second.seen[near], second.pixels[near]
    pixels_b = pixels_b + step[:, None, None] * second.velocity[near]
    if mirror is not None:
        seen_b, pixels_b = seen_b[:, mirror], pixels_b[:, mirror]
    both = first.seen & seen_b & (np.abs(step) <= limit)[:, None]
    if (both.sum(axis=1) >= 4).sum() < _MIN_FRAMES:
        return None
    frame, keypoint = np.nonzero(both)
    if len(frame) > most:
        chosen = np.sort(rng.choice(len(frame), most, replace=False))
        frame, keypoint = frame[chosen], keypoint[chosen]
    rays_a = _rays(first.pixels[frame, keypoint], lens_a)
    rays_b = _rays(pixels_b[frame, keypoint], lens_b)
    good = np.isfinite(rays_a).all(axis=1) & np.isfinite(rays_b).all(axis=1)
    sigma_a, sigma_b = first.sigma_rad[frame], second.sigma_rad[near[frame]]
    return rays_a[good], rays_b[good], sigma_a[good], sigma_b[good]


def _rays(pixels: np.ndarray, lens: Intrinsics) -> np.ndarray:
    return unproject_pixels(pixels, lens.matrix, lens.packed_distortions, lens.lens == "fisheye")
