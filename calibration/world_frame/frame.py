"""Moving a rig, and all that was solved with it, into another world frame."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from calibration.solution import Solution, TargetPath
from mocap.arrays import Float, frozen_array
from mocap.geometry.rotations import skew_matrix
from mocap.model import Camera, Rig


@dataclass(frozen=True)
class WorldFrame:
    """How a rig must be moved: x_new = scale * R x_old + t.

    Attributes:
        T_new_old: R and t as a rigid transform.
        scale: by which lengths grow; 1 where the scale was known.
        words: what origin, axes and scale are, for `RigMetadata.world_frame`.
        notes: what the user should read, such as doubts.
    """

    T_new_old: Float[np.ndarray, "4 4"]
    scale: float = 1.0
    words: str = "right-handed, Z up, metres"
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        pose = frozen_array(self.T_new_old, np.float64, (4, 4), "T_new_old")
        object.__setattr__(self, "T_new_old", pose)
        rotation = pose[:3, :3]
        if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-6) or not (
            np.linalg.det(rotation) > 0
        ):
            raise ValueError("T_new_old is not a rotation and a translation")
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"scale is {self.scale}, expected a positive number")


def move_points(
    frame: WorldFrame, points: Float[np.ndarray, "*batch 3"]
) -> Float[np.ndarray, "*batch 3"]:
    """Points in the new frame, metres."""
    return frame.scale * points @ frame.T_new_old[:3, :3].T + frame.T_new_old[:3, 3]


def move_rig(frame: WorldFrame, rig: Rig) -> Rig:
    """The rig in the new frame, the covariance of each pose with it.

    The covariance stays what it is relative to: how well cameras are known against each other, not
    how well the frame itself is known.
    """
    cameras = tuple(_moved(frame, camera) for camera in rig)
    return replace(rig, cameras=cameras, metadata=replace(rig.metadata, world_frame=frame.words))


def move_path(frame: WorldFrame, path: TargetPath) -> TargetPath:
    """The target's path in the new frame."""
    poses = np.tile(np.eye(4), (len(path.time_s), 1, 1))
    poses[:, :3, :3] = frame.T_new_old[:3, :3] @ path.T_world_target[:, :3, :3]
    poses[:, :3, 3] = move_points(frame, path.T_world_target[:, :3, 3])
    return TargetPath(path.time_s, poses)


def move_solution(frame: WorldFrame, solution: Solution) -> Solution:
    """The whole solution in the new frame: rig, joint covariance and target path."""
    size = len(solution.pose_covariance)
    change = np.zeros((size, size))
    for c, camera in enumerate(solution.rig):
        place = slice(6 * c, 6 * c + 6)
        change[place, place] = _pose_derivative(frame, camera)
    return replace(
        solution,
        rig=move_rig(frame, solution.rig),
        pose_covariance=change @ solution.pose_covariance @ change.T,
        path=None if solution.path is None else move_path(frame, solution.path),
        notes=(*solution.notes, *frame.notes),
    )


def _moved(frame: WorldFrame, camera: Camera) -> Camera:
    pose = np.eye(4)
    pose[:3, :3] = camera.T_cam_world[:3, :3] @ frame.T_new_old[:3, :3].T
    # Products of rotations drift from being one; this is the nearest.
    u, _, vt = np.linalg.svd(pose[:3, :3])
    pose[:3, :3] = u @ vt
    pose[:3, 3] = -pose[:3, :3] @ move_points(frame, camera.center_world)
    covariance = camera.pose_covariance
    if covariance is not None:
        change = _pose_derivative(frame, camera)
        covariance = change @ covariance @ change.T
    return replace(camera, T_cam_world=pose, pose_covariance=covariance)


def _pose_derivative(frame: WorldFrame, camera: Camera) -> Float[np.ndarray, "6 6"]:
    """Of the new pose by the old one, for (small rotation on the left of R, translation).

    With R_new = R_old Q^T, where Q is the rotation of the frame and q its translation,
    t_new = s t_old - R_new q; so dt_new = s dt_old + (R_new q) x dw.
    """
    shift = camera.T_cam_world[:3, :3] @ frame.T_new_old[:3, :3].T @ frame.T_new_old[:3, 3]
    change = np.eye(6)
    change[3:, :3] = skew_matrix(shift)
    change[3:, 3:] *= frame.scale
    return change
