"""One person, matched across views, to 3D keypoints with covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float
from mocap.geometry.kernels import world_rays
from mocap.geometry.triangulation import consistency_table
from mocap.geometry.triangulation_kernels import triangulate_kernel
from mocap.model import Keypoints3D, RigArrays, Skeleton, ViewState
from mocap.model.config import TriangulationConfig
from mocap.reconstruction.expectation import Expectation

REFINE_ROUNDS = 3
_NEAREST_DEPTH_M = 0.3
_COARSE_SIGMA_PER_FOCAL = 0.02


@dataclass(frozen=True)
class ViewedPerson:
    """The 2D keypoints of one person in every camera of a rig, prepared for triangulation.

    Attributes:
        keypoints_px: pixels; NaN for missing and in cameras that do not see the person.
        confidence: in [0, 1]; 0 for missing.
        rays: unit rays in the world frame; NaN for missing.
    """

    keypoints_px: Float[np.ndarray, "cameras keypoints 2"]
    confidence: Float[np.ndarray, "cameras keypoints"]
    rays: Float[np.ndarray, "cameras keypoints 3"]

    @classmethod
    def from_keypoints(
        cls,
        keypoints_px: Float[np.ndarray, "cameras keypoints 2"],
        confidence: Float[np.ndarray, "cameras keypoints"],
        rig: RigArrays,
    ) -> ViewedPerson:
        """Computes the rays."""
        pixels = np.ascontiguousarray(keypoints_px, dtype=np.float64)
        trust = np.ascontiguousarray(confidence, dtype=np.float64)
        rays = world_rays(pixels, rig.matrix, rig.distortions, rig.fisheye, rig.T_cam_world)
        return cls(pixels, trust, rays)

    def keypoints(self, chosen: np.ndarray) -> ViewedPerson:
        """Only the keypoints at the positions `chosen`."""
        return ViewedPerson(
            np.ascontiguousarray(self.keypoints_px[:, chosen]),
            np.ascontiguousarray(self.confidence[:, chosen]),
            np.ascontiguousarray(self.rays[:, chosen]),
        )

    def mirrored(self, cameras: np.ndarray, mirror: np.ndarray) -> ViewedPerson:
        """With left and right exchanged in the cameras where the mask is true."""
        arrays = (self.keypoints_px.copy(), self.confidence.copy(), self.rays.copy())
        for array in arrays:
            array[cameras] = array[cameras][:, mirror]
        return ViewedPerson(*arrays)


def triangulate_person(
    person: ViewedPerson,
    rig: RigArrays,
    skeleton: Skeleton,
    config: TriangulationConfig,
    expected: Expectation | None = None,
    camera_scale: Float[np.ndarray, " cameras"] | None = None,
) -> Keypoints3D:
    """Triangulates all keypoints of one person.

    Args:
        person: the person's 2D keypoints in each camera of the rig.
        rig: the cameras.
        skeleton: the keypoints.
        config: noise and limits.
        expected: where the keypoints were a moment ago. It decides between contradicting views
            and tells the distance to the cameras; it never enters the positions.
        camera_scale: by how much the noise of each camera exceeds what the configuration says
            (`CameraNoise.scale`); 1 when not given.

    Returns:
        The 3D keypoints. Those seen by fewer than two good views are NaN.
    """
    sigma = person_sigma_px(person, rig, skeleton, config, expected, camera_scale)
    points, covariance, reprojection, used, residual, redundancy = run_kernel(
        person, sigma, rig, config, expected
    )
    present = person.confidence.max(axis=1, initial=0.0) > 0
    state = np.where(
        used,
        ViewState.USED,
        np.where(
            person.confidence >= config.min_confidence,
            ViewState.REJECTED,
            np.where(present[:, None], ViewState.MISSING, ViewState.ABSENT),
        ),
    ).astype(np.uint8)
    n_views = used.sum(axis=0)
    return Keypoints3D(points, covariance, reprojection, n_views, state, residual, redundancy)


def person_sigma_px(
    person: ViewedPerson,
    rig: RigArrays,
    skeleton: Skeleton,
    config: TriangulationConfig,
    expected: Expectation | None,
    camera_scale: Float[np.ndarray, " cameras"] | None,
) -> Float[np.ndarray, "cameras keypoints"]:
    """Expected standard deviation, in pixels, of a person's keypoints; see `triangulate_person`."""
    center = coarse_center(person, rig, skeleton, config) if expected is None else expected.center_m
    sigma = keypoint_sigma_px(center, rig, skeleton, config)
    return sigma if camera_scale is None else sigma * camera_scale[:, None]


def keypoint_sigma_px(
    center_m: Float[np.ndarray, " 3"],
    rig: RigArrays,
    skeleton: Skeleton,
    config: TriangulationConfig,
) -> Float[np.ndarray, "cameras keypoints"]:
    """Expected standard deviation, in pixels, of the keypoints of a person at `center_m`."""
    depth = np.linalg.norm(center_m - camera_centers(rig), axis=1)
    scale = focal_lengths(rig) / np.maximum(depth, _NEAREST_DEPTH_M)
    return np.hypot(config.floor_px, scale[:, None] * config.sigma_m(skeleton)[None, :])


def camera_centers(rig: RigArrays) -> Float[np.ndarray, "cameras 3"]:
    """Optical centres in the world frame, in metres."""
    T = rig.T_cam_world
    return -np.einsum("cji,cj->ci", T[:, :3, :3], T[:, :3, 3])


def focal_lengths(rig: RigArrays) -> Float[np.ndarray, " cameras"]:
    """Geometric mean of the focal lengths of each camera, in pixels."""
    return np.sqrt(rig.matrix[:, 0, 0] * rig.matrix[:, 1, 1])


def coarse_center(
    person: ViewedPerson, rig: RigArrays, skeleton: Skeleton, config: TriangulationConfig
) -> Float[np.ndarray, " 3"]:
    """Where a person is, in the world frame, found with a noise that needs no distance.

    The median of the triangulated association keypoints; the middle of the cameras if no two
    views agree on any.
    """
    chosen = person.keypoints(np.array(skeleton.association_indices))
    sigma = np.empty(chosen.confidence.shape)
    sigma[:] = _COARSE_SIGMA_PER_FOCAL * focal_lengths(rig)[:, None]  # about 1 degree
    points = run_kernel(chosen, sigma, rig, config, max_rounds=0)[0]
    found = np.isfinite(points[:, 0])
    if not found.any():
        return camera_centers(rig).mean(axis=0)
    return np.median(points[found], axis=0)


def run_kernel(
    person: ViewedPerson,
    sigma_px: Float[np.ndarray, "cameras keypoints"],
    rig: RigArrays,
    config: TriangulationConfig,
    expected: Expectation | None = None,
    max_rounds: int = REFINE_ROUNDS,
) -> tuple[np.ndarray, ...]:
    """Calls `triangulate_kernel` and returns what it returns.

    With `max_rounds` 0 the points are the best linear ones, which is enough to compare with.
    """
    count = person.confidence.shape[1]
    if expected is None:
        prior, prior_sigma = np.full((count, 3), np.nan), np.ones(count)
    else:
        prior, prior_sigma = expected.points_m, expected.sigma_m
    return triangulate_kernel(
        person.keypoints_px,
        person.confidence,
        sigma_px,
        person.rays,
        camera_centers(rig),
        focal_lengths(rig),
        rig.matrix,
        rig.distortions,
        rig.fisheye,
        rig.T_cam_world,
        config.min_confidence,
        config.gate_sigmas,
        config.cauchy_sigmas,
        float(np.deg2rad(config.min_angle_deg)),
        config.max_pairs,
        config.prior_dof,
        max_rounds,
        consistency_table(config.cauchy_sigmas, len(rig.matrix)),
        prior,
        prior_sigma,
    )
