"""Is everything that was solved determined well enough?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.checks.evidence import Evidence
from calibration.checks.finding import Finding, Named, gathered
from calibration.solution import Solution
from mocap.arrays import Float
from mocap.geometry.rotations import skew_matrix
from mocap.model import Camera

POSITION_WARN, POSITION_FAIL = 0.01, 0.04
"""Standard deviation of a camera's place, by its distance from what it looked at."""
ROTATION_WARN_DEG, ROTATION_FAIL_DEG = 0.3, 1.5
FOCAL_WARN, FOCAL_FAIL = 0.01, 0.04
CENTRE_WARN, CENTRE_FAIL = 0.015, 0.05
"""Of the principal point, by the width of the image."""
OFFSET_WARN_S = 0.005
SCALE_WARN = 0.04
"""Standard deviation of all lengths together, where people give the scale."""


@dataclass(frozen=True)
class CameraUncertainty:
    """How well a camera's pose is known.

    Attributes:
        position_covariance_m2: of the optical centre, in world axes.
        rotation_rad: standard deviation of the rotation, root of the sum over the axes.
    """

    position_covariance_m2: Float[np.ndarray, "3 3"]
    rotation_rad: float

    @property
    def position_m(self) -> float:
        """Standard deviation of the position, root of the sum over the axes."""
        return float(np.sqrt(max(np.trace(self.position_covariance_m2), 0.0)))


def camera_uncertainty(
    solution: Solution, covariance: Float[np.ndarray, "six_cameras six_cameras"] | None = None
) -> tuple[CameraUncertainty, ...]:
    """Of each camera, relative to the gauge of the solution.

    Args:
        solution: the calibration.
        covariance: of all poses, instead of the solution's.
    """
    joint = solution.pose_covariance if covariance is None else covariance
    result: list[CameraUncertainty] = []
    for c, camera in enumerate(solution.rig):
        block = joint[6 * c : 6 * c + 6, 6 * c : 6 * c + 6]
        # C = -R^T t, with a small rotation applied to the left of R.
        back = camera.T_cam_world[:3, :3].T
        by_pose = np.hstack([-back @ skew_matrix(camera.translation_m), -back])
        turn = float(np.sqrt(max(np.trace(block[:3, :3]), 0.0)))
        result.append(CameraUncertainty(by_pose @ block @ by_pose.T, turn))
    return tuple(result)


def shape_and_scale(
    solution: Solution,
) -> tuple[Float[np.ndarray, "six_cameras six_cameras"], float]:
    """Splits what is unsure of the rig into its shape and its size.

    The height of a person gives the scale to a few per cent, which moves every camera by
    centimetres; that is no fault of any camera, and does not keep rays from meeting.

    Returns:
        The covariance of all poses for a rig of known size, and the relative standard deviation
        of the size.
    """
    rig, joint = solution.rig, solution.pose_covariance
    centers = np.stack([camera.center_world for camera in rig])
    held = None if solution.gauge is None else rig.names.index(solution.gauge)
    middle = centers.mean(axis=0) if held is None else centers[held]
    stretch = np.zeros(6 * len(rig))
    by_pose = np.zeros((3 * len(rig), 6 * len(rig)))
    for c, camera in enumerate(rig):
        rotation = camera.T_cam_world[:3, :3]
        turned = np.hstack([-rotation.T @ skew_matrix(camera.translation_m), -rotation.T])
        by_pose[3 * c : 3 * c + 3, 6 * c : 6 * c + 6] = turned
        stretch[6 * c + 3 : 6 * c + 6] = -rotation @ (centers[c] - middle)
    along = (centers - middle).ravel()
    size = along @ by_pose / max(float(along @ along), 1e-12)
    keep = np.eye(6 * len(rig)) - np.outer(stretch, size)
    return keep @ joint @ keep.T, float(np.sqrt(max(size @ joint @ size, 0.0)))


def check_uncertainty(evidence: Evidence) -> list[Finding]:
    """Poses, lenses and time offsets that the footage hardly determines."""
    found: list[Finding] = []
    solution, rig = evidence.solution, evidence.rig
    points = evidence.seen.points[np.isfinite(evidence.seen.points).all(axis=-1)]
    middle = np.median(points, axis=0) if len(points) else np.zeros(3)
    covariance = None
    if evidence.sightings is None:
        covariance, scale = shape_and_scale(solution)
        found += _weak_scale(scale)
    people = evidence.sightings is None
    poses: list[Named] = []
    lenses: list[Named] = []
    clocks: list[Named] = []
    for camera, known in zip(rig, camera_uncertainty(solution, covariance), strict=True):
        distance = max(float(np.linalg.norm(camera.center_world - middle)), 0.1)
        share, turn = known.position_m / distance, float(np.degrees(known.rotation_rad))
        finite = np.isfinite(share) and np.isfinite(turn)
        if finite and share <= POSITION_WARN and turn <= ROTATION_WARN_DEG:
            continue
        bad = not finite or share > POSITION_FAIL or turn > ROTATION_FAIL_DEG
        words = (
            f"that of {camera.name} to {1000 * known.position_m:.0f} mm and {turn:.2f} degrees at "
            f"{distance:.1f} m from {evidence.what}"
        )
        poses.append(Named("fail" if bad else "warn", camera.name, words, 1000 * known.position_m))
    for camera, sigma in zip(rig, solution.lens_sigma, strict=True):
        lenses += _weak_lens(camera, sigma)
    for camera, sigma_s in zip(rig, solution.time_offset_sigma_s, strict=True):
        if sigma_s > OFFSET_WARN_S:
            words = (
                f"that of {camera.name} is {1000 * camera.time_offset_s:.1f} +- "
                f"{1000 * sigma_s:.1f} ms"
            )
            clocks.append(Named("warn", camera.name, words, 1000 * float(sigma_s)))
    nearer = (
        "Let people walk nearer to {}, all over its image, while another camera sees them as "
        "well, for longer"
        if people
        else "Film the target nearer to {}, in more places and tilts, while another camera sees "
        "it as well"
    )
    if not people and not evidence.lenses_given:
        nearer += (
            "; and give lenses that were calibrated from near (mocap calibrate lenses, "
            "--intrinsics), as the direction of a camera is no better known than the centre of "
            "its lens"
        )
    return [
        *found,
        *gathered(
            "weak_pose",
            poses,
            "the footage hardly determines a pose: {} (one standard deviation)",
            nearer,
            "position_mm",
        ),
        *gathered(
            "weak_lens",
            lenses,
            "the footage hardly determines a lens: {} (one standard deviation)",
            "Give a lens of {} that is known by --intrinsics (a board finds it); or let people "
            "walk near to it and far from it, up to the edges of the image"
            if people
            else "Film the target with {} from near, tilted by 30 to 45 degrees, up to the edges "
            "of the image; or give a lens that is known by --intrinsics",
            "focal_share",
        ),
        *gathered(
            "weak_offset",
            clocks,
            "the footage hardly determines a time offset: {}",
            "Let people move faster for a while, sideways as {} sees it"
            if people
            else "Move the target faster for a while, sideways as {} sees it",
            "sigma_ms",
        ),
    ]


def _weak_scale(sigma: float) -> list[Finding]:
    if not sigma > SCALE_WARN:
        return []
    return [
        Finding(
            "warn",
            "weak_scale",
            (),
            f"all lengths together are known to {100 * sigma:.0f} % (one standard deviation)",
            "Give the height of the person (--height-m), or the distance of two cameras",
            {"scale_share": sigma},
        )
    ]


def _weak_lens(camera: Camera, sigma: dict[str, float]) -> list[Named]:
    if not sigma:
        return []
    size, focal_px = camera.intrinsics.size, camera.intrinsics.focal_px
    focal = max(sigma.get("fx", 0.0), sigma.get("fy", 0.0)) / focal_px
    centre = max(sigma.get("cx", 0.0), sigma.get("cy", 0.0)) / max(size)
    if focal <= FOCAL_WARN and centre <= CENTRE_WARN:
        return []
    bad = focal > FOCAL_FAIL or centre > CENTRE_FAIL
    words = (
        f"the focal length of {camera.name} to {100 * focal:.1f} % and the centre of its lens to "
        f"{centre * max(size):.0f} px"
    )
    return [Named("fail" if bad else "warn", camera.name, words, focal)]
