"""What an adjustment found, with everything needed to judge it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mocap.arrays import Bool, Float, Int
from mocap.model import Rig


@dataclass(frozen=True)
class Residuals:
    """Every measured pixel and how far the solution misses it.

    Attributes:
        camera: index of the camera in the rig.
        frame: number of the frame in that camera's footage.
        time_s: when the pixel was taken on the session clock, offsets taken off.
        point: number of the target's point; for people, keypoint number + keypoints x person.
        pixels: as measured.
        residual_px: measured less predicted, not weighted.
        sigma_px: standard deviation with which the pixel entered.
        inlier: False where the robust loss had practically switched the pixel off.
    """

    camera: Int[np.ndarray, " n"]
    frame: Int[np.ndarray, " n"]
    time_s: Float[np.ndarray, " n"]
    point: Int[np.ndarray, " n"]
    pixels: Float[np.ndarray, "n 2"]
    residual_px: Float[np.ndarray, "n 2"]
    sigma_px: Float[np.ndarray, " n"]
    inlier: Bool[np.ndarray, " n"]

    @property
    def length_px(self) -> Float[np.ndarray, " n"]:
        """Length of each residual."""
        return np.linalg.norm(self.residual_px, axis=-1)

    def rmse_px(self, camera: int | None = None, *, inliers_only: bool = False) -> float:
        """Root mean square length of the residuals, of all of them unless told otherwise;
        NaN where there are none."""
        keep = np.ones(len(self.camera), bool) if camera is None else self.camera == camera
        if inliers_only:
            keep = keep & self.inlier
        return float(np.sqrt(np.mean(self.length_px[keep] ** 2))) if keep.any() else float("nan")


@dataclass(frozen=True)
class TargetPath:
    """Where the target was.

    Attributes:
        time_s: instants on the session clock.
        T_world_target: its pose at each.
    """

    time_s: Float[np.ndarray, " instants"]
    T_world_target: Float[np.ndarray, "instants 4 4"]


@dataclass(frozen=True)
class Solution:
    """A calibrated rig and how well it is determined.

    Attributes:
        rig: cameras with poses, lenses, time offsets and the marginal covariance of each pose.
        residuals: of every pixel that was given, used or not.
        pose_covariance: joint covariance of all camera poses, 6 numbers per camera in rig order:
            a small rotation (rad) applied to the left of `T_cam_world`'s rotation, and the
            translation (m) of `T_cam_world`. Its gauge is `gauge`.
        gauge: the camera whose pose is held fixed, and so has zero covariance; None when the
            covariance is that of the inner constraints (relative to all cameras together).
        lens_sigma: per camera, standard deviations of the solved lens parameters by name (px for
            fx, fy, cx, cy); empty where the lens was given.
        time_offset_sigma_s: standard deviation per camera; NaN where the offset was not solved.
        drift_ppm: how much faster each camera's clock runs than the session clock; NaN where not
            solved.
        drift_sigma_ppm: standard deviation per camera; NaN where not solved.
        sigma_px: noise of a pixel of usual quality, as estimated from the residuals.
        path: of the target; None without a target.
        converged: whether the adjustment came to rest.
        iterations: it took.
        back_m: how far the print on the target's back is shifted against that on its front, in
            the target's frame; zero where nothing of the kind was found.
        notes: what the user should read, in words.
    """

    rig: Rig
    residuals: Residuals
    pose_covariance: Float[np.ndarray, "six_cameras six_cameras"]
    gauge: str | None
    lens_sigma: tuple[dict[str, float], ...]
    time_offset_sigma_s: Float[np.ndarray, " cameras"]
    drift_ppm: Float[np.ndarray, " cameras"]
    drift_sigma_ppm: Float[np.ndarray, " cameras"]
    sigma_px: float
    path: TargetPath | None
    converged: bool
    iterations: int
    notes: tuple[str, ...] = field(default=())
    back_m: Float[np.ndarray, " 3"] = field(default_factory=lambda: np.zeros(3))
