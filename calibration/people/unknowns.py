"""What the adjustment on people solves for, what of it is free, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mocap.arrays import Bool, Float, Int
from mocap.model import Intrinsics


@dataclass(frozen=True)
class PeopleState:
    """What is adjusted.

    Attributes:
        rotation: of `T_cam_world`.
        translation: of `T_cam_world`.
        log_focal: logarithm of the factor on the given focal lengths.
        offset_s: how late each camera is.
        bone_log: logarithm of each person's bone lengths.
        points: 3D keypoints in the order of the measurements' points.
        drift: by how much each camera's clock runs fast, as a fraction.
    """

    rotation: Float[np.ndarray, "cameras 3 3"]
    translation: Float[np.ndarray, "cameras 3"]
    log_focal: Float[np.ndarray, " cameras"]
    offset_s: Float[np.ndarray, " cameras"]
    bone_log: Float[np.ndarray, "people bones"]
    points: Float[np.ndarray, "points 3"]
    drift: Float[np.ndarray, " cameras"]

    @property
    def centers(self) -> Float[np.ndarray, "cameras 3"]:
        """Optical centres in the world frame."""
        return -np.einsum("cji,cj->ci", self.rotation, self.translation)

    def scaled(self, factor: float) -> PeopleState:
        """The same in a world that is larger by a factor."""
        return replace(
            self,
            translation=self.translation * factor,
            bone_log=self.bone_log + np.log(factor),
            points=self.points * factor,
        )


@dataclass(frozen=True)
class PosePrior:
    """What is believed of the poses beforehand.

    Attributes:
        rotation: of `T_cam_world`.
        center: optical centres in the world frame.
        sigma_rad: standard deviation of each rotation, per axis.
        sigma_m: of each centre, per axis.
    """

    rotation: Float[np.ndarray, "cameras 3 3"]
    center: Float[np.ndarray, "cameras 3"]
    sigma_rad: Float[np.ndarray, " cameras"]
    sigma_m: Float[np.ndarray, " cameras"]


@dataclass(frozen=True)
class Unknowns:
    """What is free, and what is believed beforehand.

    Attributes:
        fixed_camera: whose pose is held; None to hold none, which needs a `pose_prior`.
        pose_prior: see `PosePrior`.
        focal_sigma: standard deviation of each camera's log focal factor; 0 holds it.
        shared_focal: whether all free focal factors are one.
        offset_sigma_s: standard deviation of each offset about its prior; 0 holds it.
        offset_prior_s: offsets believed beforehand.
        drift_sigma: standard deviation of each drift about none; 0 holds it.
        log_stature: logarithm of the stature of the first person, which sets the scale; None
            where poses or a prior set it.
    """

    fixed_camera: int | None
    pose_prior: PosePrior | None
    focal_sigma: Float[np.ndarray, " cameras"]
    shared_focal: bool
    offset_sigma_s: Float[np.ndarray, " cameras"]
    offset_prior_s: Float[np.ndarray, " cameras"]
    drift_sigma: Float[np.ndarray, " cameras"]
    log_stature: float | None


@dataclass(frozen=True)
class Columns:
    """Where each unknown stands; -1 for what is held."""

    pose: Int[np.ndarray, "cameras 6"]
    focal: Int[np.ndarray, " cameras"]
    offset: Int[np.ndarray, " cameras"]
    drift: Int[np.ndarray, " cameras"]
    bone: Int[np.ndarray, "people bones"]
    point: Int[np.ndarray, "points 3"]
    count: int
    rig: int
    """The first so many unknowns belong to the cameras."""


def columns_of(
    unknowns: Unknowns, cameras: int, used_bones: Bool[np.ndarray, "people bones"], points: int
) -> Columns:
    """Numbers the unknowns: cameras first, then bones, then points.

    Args:
        unknowns: what is free.
        cameras: how many.
        used_bones: bones whose two ends are seen at some instant.
        points: how many.
    """
    next_free = 0

    def take(free: np.ndarray) -> np.ndarray:
        nonlocal next_free
        column = np.where(free, np.cumsum(free).reshape(free.shape) - 1 + next_free, -1)
        next_free += int(free.sum())
        return column

    pose_free = np.ones((cameras, 6), bool)
    if unknowns.fixed_camera is not None:
        pose_free[unknowns.fixed_camera] = False
    pose = take(pose_free)
    focal_free = unknowns.focal_sigma > 0
    if unknowns.shared_focal and focal_free.any():
        focal = np.where(focal_free, next_free, -1)
        next_free += 1
    else:
        focal = take(focal_free)
    offset = take(unknowns.offset_sigma_s > 0)
    drift = take(unknowns.drift_sigma > 0)
    rig = next_free
    bone = take(used_bones)
    point = take(np.ones((points, 3), bool))
    return Columns(pose, focal, offset, drift, bone, point, next_free, rig)


def scaled_lenses(
    lenses: tuple[Intrinsics, ...], log_focal: Float[np.ndarray, " cameras"]
) -> tuple[Intrinsics, ...]:
    """Lenses with their focal lengths multiplied."""
    return tuple(
        replace(lens, matrix=lens.matrix * focal_factor(log))
        for lens, log in zip(lenses, log_focal, strict=True)
    )


def focal_factor(log_focal: float) -> Float[np.ndarray, "3 3"]:
    """What the camera matrix is multiplied by, entry by entry."""
    factor = np.ones((3, 3))
    factor[:2, :2] = np.exp(log_focal)
    return factor
