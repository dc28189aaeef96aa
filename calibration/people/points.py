"""3D points of many measurements at once, the cameras being known."""

from __future__ import annotations

import numpy as np

from calibration.people.measurements import Measurements
from mocap.arrays import Bool, Float
from mocap.geometry.projection import project_points, unproject_pixels
from mocap.model import Intrinsics

ROUNDS = 6
CAUCHY = 2.0
_MIN_CONDITION = 1e-7


def triangulate_points(
    measurements: Measurements,
    lenses: tuple[Intrinsics, ...],
    rotation: Float[np.ndarray, "cameras 3 3"],
    translation: Float[np.ndarray, "cameras 3"],
    offset_s: Float[np.ndarray, " cameras"],
    use: Bool[np.ndarray, " cameras"] | None = None,
    drift: Float[np.ndarray, " cameras"] | None = None,
) -> Float[np.ndarray, "points 3"]:
    """Robust linear triangulation on rays, reweighted (Cauchy) by the angle that is left.

    Args:
        measurements: the pixels.
        lenses: of the cameras.
        rotation: of `T_cam_world`.
        translation: of `T_cam_world`.
        offset_s: how late each camera is.
        use: cameras to use; all by default.
        drift: by how much each camera's clock runs fast, as a fraction.

    Returns:
        World points; NaN where fewer than two cameras see a point, where the rays are nearly
        parallel, or where the point is not ahead of most of its cameras.
    """
    m = measurements
    rays, sigma = world_rays(m, lenses, rotation, offset_s, drift)
    centers = -np.einsum("cji,cj->ci", rotation, translation)[m.camera]
    good: np.ndarray = np.asarray(np.isfinite(rays).all(axis=1))
    if use is not None:
        good &= use[m.camera]
    rays = np.where(good[:, None], rays, 0.0)
    across = np.eye(3) - rays[:, :, None] * rays[:, None, :]
    base = np.where(good, 1.0, 0.0)
    views = np.bincount(m.point, base, m.points)
    weight, points = base, np.zeros((m.points, 3))
    determined = views >= 2
    for _ in range(ROUNDS):
        a = _summed(weight[:, None, None] * across, m)
        b = _summed(weight[:, None] * np.einsum("nij,nj->ni", across, centers), m)
        mean = np.trace(a, axis1=1, axis2=2) / 3
        determinant = np.linalg.det(a / np.where(mean > 0, mean, 1.0)[:, None, None])
        determined = (views >= 2) & (mean > 0) & (determinant > _MIN_CONDITION)
        safe = np.where(determined[:, None, None], a, np.eye(3))
        points = np.linalg.solve(safe, b[..., None])[..., 0]
        offset = points[m.point] - centers
        distance = np.maximum(np.linalg.norm(offset, axis=1), 1e-9)
        away = np.linalg.norm(np.einsum("nij,nj->ni", across, offset), axis=1) / distance
        # Distances become angles, so that near cameras count for more, as they should.
        weight = base / (distance**2) / (1 + (away / (CAUCHY * sigma)) ** 2)
        weight = weight / np.maximum(np.bincount(m.point, weight, m.points)[m.point], 1e-30)
    ahead = np.sum(rays * (points[m.point] - centers), axis=1) > 0
    fronts = np.bincount(m.point, base * ahead, m.points)
    determined &= fronts > 0.5 * views
    return np.where(determined[:, None], points, np.nan)


def left_out_errors(
    measurements: Measurements,
    lenses: tuple[Intrinsics, ...],
    rotation: Float[np.ndarray, "cameras 3 3"],
    translation: Float[np.ndarray, "cameras 3"],
    offset_s: Float[np.ndarray, " cameras"],
) -> Float[np.ndarray, " n"]:
    """How far each pixel is from where the other cameras say it should be, in pixels.

    With two cameras, which cannot contradict each other one at a time, both are triangulated.

    Returns:
        NaN where the others do not determine the point.
    """
    m = measurements
    errors = np.full(len(m), np.nan)
    carried = m.carried_px(offset_s)
    for c, lens in enumerate(lenses):
        use = np.ones(len(lenses), bool)
        use[c] = len(lenses) < 3
        points = triangulate_points(m, lenses, rotation, translation, offset_s, use)
        rows = np.flatnonzero(m.camera == c)
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = rotation[c], translation[c]
        predicted, _ = project_points(
            points[m.point[rows]],
            lens.matrix,
            lens.packed_distortions,
            lens.lens == "fisheye",
            pose,
        )
        errors[rows] = np.linalg.norm(predicted - carried[rows], axis=1)
    return errors


def world_rays(
    m: Measurements,
    lenses: tuple[Intrinsics, ...],
    rotation: Float[np.ndarray, "cameras 3 3"],
    offset_s: Float[np.ndarray, " cameras"],
    drift: Float[np.ndarray, " cameras"] | None = None,
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, " n"]]:
    """Rays of all pixels in world directions, and the standard deviation of their angle."""
    carried = m.carried_px(offset_s, drift)
    rays = np.empty((len(m), 3))
    sigma = np.empty(len(m))
    for c, lens in enumerate(lenses):
        rows = m.camera == c
        own = unproject_pixels(
            carried[rows], lens.matrix, lens.packed_distortions, lens.lens == "fisheye"
        )
        rays[rows] = own @ rotation[c]
        sigma[rows] = m.sigma_px[rows] / lens.focal_px
    return rays, sigma


def _summed(values: np.ndarray, m: Measurements) -> np.ndarray:
    flat = values.reshape(len(values), -1)
    columns = [np.bincount(m.point, flat[:, i], m.points) for i in range(flat.shape[1])]
    return np.stack(columns, axis=1).reshape(m.points, *values.shape[1:])
