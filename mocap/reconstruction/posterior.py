"""Covariance of keypoints by the views alone, integrated over which of them are right."""

from __future__ import annotations

import numpy as np

from mocap.arrays import Float, Int
from mocap.geometry.posterior import PosteriorSettings
from mocap.geometry.posterior_kernels import posterior_kernel
from mocap.geometry.ray_space import ray_frames
from mocap.model import RigArrays, Skeleton
from mocap.model.config import TriangulationConfig
from mocap.reconstruction.person import camera_centers, focal_lengths
from mocap.reconstruction.swaps import source_of

_NEAREST_DEPTH_M = 0.3


def posterior_covariance(
    points_m: Float[np.ndarray, "keypoints 3"],
    pixels: Float[np.ndarray, "cameras keypoints 2"],
    confidence: Float[np.ndarray, "cameras keypoints"],
    swapped: Int[np.ndarray, " cameras"],
    camera_scale: Float[np.ndarray, " cameras"],
    level: Float[np.ndarray, " classes"],
    rig: RigArrays,
    skeleton: Skeleton,
    config: TriangulationConfig,
) -> Float[np.ndarray, "keypoints 3 3"]:
    """Expected squared offset of the true keypoints from the positions that were taken.

    Args:
        points_m: the positions.
        pixels: the person in each camera.
        confidence: of its keypoints; 0 for missing.
        swapped: parts of each view whose left and right were exchanged.
        camera_scale: noise of each camera, by what the configuration says.
        level: variance of the noise by confidence, by the stated one; see `NoiseLevel.variance`.
        rig: the cameras.
        skeleton: the keypoints.
        config: noise and share of outliers.

    Returns:
        Covariances about `points_m`: that of the mixture over all sets of views, and the offset of
        its mean. NaN where fewer than two views show a keypoint.
    """
    cameras, count = confidence.shape
    trust = np.where(confidence >= config.least_confidence(skeleton), confidence, 0.0)
    frames = ray_frames(
        np.ascontiguousarray(pixels, dtype=np.float64),
        trust,
        np.arange(cameras),
        rig.matrix,
        rig.distortions,
        rig.fisheye,
        rig.T_cam_world,
    )
    for c in np.flatnonzero(swapped):
        source = source_of(skeleton, int(swapped[c]))
        frames[c], trust[c] = frames[c][source], trust[c][source]
    centers = camera_centers(rig)
    middle = np.nanmean(points_m, axis=0)
    depth = np.maximum(np.linalg.norm(middle - centers, axis=1), _NEAREST_DEPTH_M)
    stated = np.hypot(
        config.sigma_m(skeleton)[None] / depth[:, None],
        (config.floor_px / focal_lengths(rig))[:, None],
    )
    with np.errstate(divide="ignore"):
        sigma = np.where(trust > 0, camera_scale[:, None] * stated / trust, np.inf)
    # As for the default covariance: what the session's residuals show, not what is stated.
    classes = np.minimum((trust * len(level)).astype(np.int64), len(level) - 1)
    sigma = sigma * np.sqrt(level)[classes]
    settings = PosteriorSettings(outlier_rate=config.outlier_rate)
    mean, covariance = np.empty((count, 3)), np.empty((count, 3, 3))
    modes = np.empty((count, settings.max_modes, 3))
    mode_covariance = np.empty((count, settings.max_modes, 3, 3))
    mode_weight, inlier = np.empty(modes.shape[:2]), np.empty((cameras, count))
    posterior_kernel(
        frames,
        centers,
        sigma,
        settings.outlier_rate,
        settings.outlier_m,
        settings.volume_m3,
        float(np.cos(np.deg2rad(config.min_angle_deg))),
        settings.mode_sigmas,
        settings.min_mode,
        mean,
        covariance,
        modes,
        mode_covariance,
        mode_weight,
        inlier,
    )
    off = mean - points_m
    return covariance + off[:, :, None] * off[:, None, :]
