"""From an adjustment to the `Solution` all calibrations hand back."""

from __future__ import annotations

import numpy as np

from calibration.people.adjustment import PeopleAdjustment
from calibration.people.tracks import LabelledPeople
from calibration.people.unknowns import PeopleState, scaled_lenses
from calibration.solution import Residuals, Solution
from mocap.arrays import Float
from mocap.geometry.rotations import skew_matrix
from mocap.model import Camera, Rig, RigMetadata

_OFF_WEIGHT = 0.1


def make_solution(
    names: tuple[str, ...],
    metadata: RigMetadata,
    people: LabelledPeople,
    adjustment: PeopleAdjustment,
    *,
    gauge: str | None,
    state: PeopleState | None = None,
    joint: Float[np.ndarray, "six_cameras six_cameras"] | None = None,
    notes: tuple[str, ...] = (),
) -> Solution:
    """Collects what an adjustment found.

    Args:
        names: of the cameras.
        metadata: of the rig.
        people: what was adjusted to.
        adjustment: how it ended.
        gauge: the camera that was held.
        state: the adjusted state in another world frame; as adjusted by default.
        joint: covariance of all poses in that frame.
        notes: what the user should read.
    """
    bundle = adjustment.bundle
    state = adjustment.state if state is None else state
    joint = adjustment.pose_covariance() if joint is None else joint
    lenses = scaled_lenses(bundle.lenses, state.log_focal)
    cameras: list[Camera] = []
    for c, name in enumerate(names):
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = state.rotation[c], state.translation[c]
        own = joint[6 * c : 6 * c + 6, 6 * c : 6 * c + 6]
        cameras.append(Camera(name, lenses[c], pose, float(state.offset_s[c]), own))
    focal_sigma = adjustment.sigma_of(bundle.columns.focal)
    lens_sigma = tuple(
        {}
        if np.isnan(sigma)
        else {"fx": float(sigma * lens.matrix[0, 0]), "fy": float(sigma * lens.matrix[1, 1])}
        for sigma, lens in zip(focal_sigma, lenses, strict=True)
    )
    return Solution(
        rig=Rig(tuple(cameras), metadata),
        residuals=make_residuals(people, adjustment),
        pose_covariance=joint,
        gauge=gauge,
        lens_sigma=lens_sigma,
        time_offset_sigma_s=adjustment.sigma_of(bundle.columns.offset),
        drift_ppm=np.where(bundle.columns.drift >= 0, 1e6 * state.drift, np.nan),
        drift_sigma_ppm=1e6 * adjustment.sigma_of(bundle.columns.drift),
        sigma_px=adjustment.sigma_px,
        path=None,
        converged=adjustment.result.converged,
        iterations=adjustment.result.iterations,
        notes=notes,
    )


def make_residuals(people: LabelledPeople, adjustment: PeopleAdjustment) -> Residuals:
    """Every pixel that entered the adjustment."""
    bundle, state = adjustment.bundle, adjustment.state
    m = bundle.measurements
    residual = -bundle.pixel_residual(state)
    cameras = people.tracks.cameras
    frame = np.array([cameras[c].frame[f] for c, f in zip(m.camera, m.frame, strict=True)])
    keypoints = len(people.tracks.skeleton)
    return Residuals(
        camera=m.camera,
        frame=frame.astype(np.int64),
        time_s=m.instants_s[m.point_instant[m.point]],
        point=(m.point_keypoint + keypoints * m.point_person)[m.point],
        pixels=m.pixels,
        residual_px=residual,
        sigma_px=m.sigma_px / np.sqrt(adjustment.design_effect),
        inlier=adjustment.result.weight[: len(m)] > _OFF_WEIGHT,
    )


def center_jacobian(T_cam_world: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "3 6"]:
    """Derivative of the optical centre by the pose's tangent (rotation on the left, translation).

    c = -R^T t; for R = exp(w) R0, exp(-w) t = t - w x t, so that dc/dw = -R0^T [t]x.
    """
    rotation, translation = T_cam_world[:3, :3], T_cam_world[:3, 3]
    return np.concatenate([-rotation.T @ skew_matrix(translation), -rotation.T], axis=1)


def center_covariance(
    T_cam_world: Float[np.ndarray, "4 4"], covariance: Float[np.ndarray, "6 6"]
) -> Float[np.ndarray, "3 3"]:
    """Covariance of the optical centre in the world frame."""
    jacobian = center_jacobian(T_cam_world)
    return jacobian @ covariance @ jacobian.T
