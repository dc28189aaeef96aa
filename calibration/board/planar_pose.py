"""Poses of a flat target in single views, with both solutions that a plane has.

A plane seen from afar looks nearly the same when it is mirrored about the image plane (necker
reversal), so each view gives two poses, both refined; which one is true is decided later by the
other cameras. All views are solved at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mocap.arrays import Bool, Float
from mocap.geometry.rotations import matrix_from_rotvec, rotation_between, skew_matrix

MIN_POINTS = 4
MIN_SPREAD = 0.05
"""Points nearer to a line than this share of their length give no plane."""
MIN_AXIS_COSINE = 0.2
REFINEMENTS = 12


@dataclass(frozen=True)
class PlanarPoses:
    """Poses of the target in the camera frame of each view.

    Attributes:
        T_cam_target: the two poses, the one which fits better first; NaN where there is none.
        rms_rad: root mean square distance of the points' rays from those of each pose.
    """

    T_cam_target: Float[np.ndarray, "views 2 4 4"]
    rms_rad: Float[np.ndarray, "views 2"]

    @property
    def found(self) -> Bool[np.ndarray, " views"]:
        """Views that have a pose."""
        return np.isfinite(self.rms_rad[:, 0])


def planar_poses(
    points_m: Float[np.ndarray, "points 3"], rays_cam: Float[np.ndarray, "views points 3"]
) -> PlanarPoses:
    """Finds the poses of a flat target in many views.

    Closed form from the homography (Collins and Bartoli, "Infinitesimal Plane-Based Pose
    Estimation", IJCV 2014), in a virtual camera that looks at the target, so that a lens may see
    beyond 90 degrees; then Gauss-Newton for both solutions.

    Args:
        points_m: the target's points, with z = 0.
        rays_cam: unit rays in the camera frame; NaN where a point is not seen.

    Returns:
        The poses, NaN for views with fewer than four points or with all points near one line.
    """
    views = len(rays_cam)
    poses = np.full((views, 2, 4, 4), np.nan)
    rms = np.full((views, 2), np.nan)
    seen = np.asarray(np.isfinite(rays_cam).all(axis=-1))
    usable = np.flatnonzero(_spread_enough(points_m, seen))
    if len(usable) == 0:
        return PlanarPoses(poses, rms)
    rays, seen = np.where(seen[..., None], rays_cam, 0.0)[usable], seen[usable]
    axis = rays.sum(axis=1)
    # Rotation of the virtual camera, whose axis goes through the target.
    turn = rotation_between(axis, np.array([0.0, 0.0, 1.0]))
    turned = rays @ np.swapaxes(turn, 1, 2)
    seen &= turned[..., 2] > MIN_AXIS_COSINE
    image = turned[..., :2] / np.where(seen, turned[..., 2], 1.0)[..., None]
    image = np.where(seen[..., None], image, 0.0)
    rotation = _closed_form(points_m, image, seen)
    weight = seen[:, None].repeat(2, axis=1).reshape(-1, len(points_m)).astype(float)
    image2 = image[:, None].repeat(2, axis=1).reshape(-1, len(points_m), 2)
    rotation = rotation.reshape(-1, 3, 3)
    finite = np.asarray(np.isfinite(rotation).all(axis=(1, 2)))
    rotation = np.where(finite[:, None, None], rotation, np.eye(3))
    translation = _translation(points_m, image2, weight, rotation)
    rotation, translation, error = _refine(points_m, image2, weight, rotation, translation)
    error = np.where(finite & (translation[:, 2] > 0), error, np.inf).reshape(-1, 2)
    rotation, translation = rotation.reshape(-1, 2, 3, 3), translation.reshape(-1, 2, 3)
    order = np.argsort(error, axis=1, kind="stable")
    rows = np.arange(len(usable))[:, None]
    error, rotation, translation = (
        error[rows, order],
        rotation[rows, order],
        translation[rows, order],
    )
    ok = np.isfinite(error)
    back = np.swapaxes(turn, 1, 2)[:, None]
    block = np.full((len(usable), 2, 4, 4), np.nan)
    block[ok] = np.eye(4)
    block[..., :3, :3] = np.where(ok[..., None, None], back @ rotation, np.nan)
    block[..., :3, 3] = np.where(ok[..., None], (back @ translation[..., None])[..., 0], np.nan)
    poses[usable], rms[usable] = block, np.where(ok, error, np.nan)
    return PlanarPoses(poses, rms)


def _spread_enough(points_m: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Views whose points span a plane."""
    count = seen.sum(axis=1)
    mean = seen @ points_m[:, :2] / np.maximum(count, 1)[:, None]
    away = np.where(seen[..., None], points_m[None, :, :2] - mean[:, None], 0.0)
    scatter = np.swapaxes(away, 1, 2) @ away
    values = np.linalg.eigvalsh(scatter)
    return (count >= MIN_POINTS) & (values[:, 0] > MIN_SPREAD**2 * np.maximum(values[:, 1], 1e-30))


def _closed_form(points_m: np.ndarray, image: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The two rotations of each view, (views, 2, 3, 3); NaN where degenerate."""
    count = seen.sum(axis=1)[:, None]
    plane = np.where(seen[..., None], points_m[None, :, :2], 0.0)
    mean = plane.sum(axis=1) / count
    scale = np.sqrt(((plane - mean[:, None]) ** 2 * seen[..., None]).sum(axis=(1, 2)) / count[:, 0])
    x, y = np.moveaxis((plane - mean[:, None]) / scale[:, None, None] * seen[..., None], -1, 0)
    size = np.sqrt((image**2).sum(axis=(1, 2)) / count[:, 0])
    u, v = np.moveaxis(image / size[:, None, None], -1, 0)
    one, zero = seen.astype(float), np.zeros_like(x)
    first = np.stack([x, y, one, zero, zero, zero, -u * x, -u * y, -u], axis=-1)
    second = np.stack([zero, zero, zero, x, y, one, -v * x, -v * y, -v], axis=-1)
    system = np.concatenate([first, second], axis=1)
    _, vectors = np.linalg.eigh(np.swapaxes(system, 1, 2) @ system)
    homography = vectors[:, :, 0].reshape(-1, 3, 3)
    with np.errstate(all="ignore"):
        homography = homography / homography[:, 2:, 2:]
        p, q = homography[:, 0, 2] * size, homography[:, 1, 2] * size
        h = homography * size[:, None, None]
        low = homography[:, 2, :2]
        slope = np.stack([h[:, 0, :2] - low * p[:, None], h[:, 1, :2] - low * q[:, None]], axis=1)
        direction = np.stack([p, q, np.ones_like(p)], axis=-1)
        finite = np.asarray(np.isfinite(slope).all(axis=(1, 2)))
        finite = finite & np.asarray(np.isfinite(direction).all(axis=1))
        direction = np.where(finite[:, None], direction, np.array([0.0, 0.0, 1.0]))
        slope = np.where(finite[:, None, None], slope, np.eye(2))
        to_point = rotation_between(np.array([0.0, 0.0, 1.0]), direction)
        view = to_point[:, :2, :2] - direction[:, :2, None] * to_point[:, 2:, :2]
        shape = np.linalg.solve(view, slope)
        shape = shape / np.linalg.norm(shape, ord=2, axis=(1, 2))[:, None, None]
        rest = np.clip(1.0 - (shape**2).sum(axis=1), 0.0, None)
        b0, b1 = np.sqrt(rest[:, 0]), np.sqrt(rest[:, 1])
        b1 = np.where((shape[:, :, 0] * shape[:, :, 1]).sum(axis=1) > 0, -b1, b1)
    found = np.empty((len(image), 2, 3, 3))
    for k, sign in enumerate((1.0, -1.0)):
        one_column = np.concatenate([shape[:, :, 0], sign * b0[:, None]], axis=1)
        two_column = np.concatenate([shape[:, :, 1], sign * b1[:, None]], axis=1)
        columns = np.stack([one_column, two_column, np.cross(one_column, two_column)], axis=-1)
        found[:, k] = to_point @ columns
    left, _, right = np.linalg.svd(np.where(finite[:, None, None, None], found, np.eye(3)))
    proper = left @ right
    return np.where(finite[:, None, None, None], proper, np.nan)


def _translation(
    points_m: np.ndarray, image: np.ndarray, weight: np.ndarray, rotation: np.ndarray
) -> np.ndarray:
    """Translation that fits a rotation best, linearly."""
    turned = points_m @ np.swapaxes(rotation, 1, 2)
    rows = np.zeros((*image.shape[:2], 2, 3))
    rows[..., 0, 0] = rows[..., 1, 1] = 1.0
    rows[..., 2] = -image
    value = image * turned[..., 2:] - turned[..., :2]
    normal = np.einsum("vp,vpij,vpik->vjk", weight, rows, rows)
    right = np.einsum("vp,vpij,vpi->vj", weight, rows, value)
    return np.linalg.solve(normal + 1e-12 * np.eye(3), right[..., None])[..., 0]


def _refine(
    points_m: np.ndarray,
    image: np.ndarray,
    weight: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Damped Gauss-Newton of all poses side by side; returns also the rms residual."""
    count = weight.sum(axis=1)
    damping = np.full(len(image), 1e-4)
    residual, points = _residual(points_m, image, weight, rotation, translation)
    cost = (residual**2).sum(axis=(1, 2))
    for _ in range(REFINEMENTS):
        z = np.where(np.abs(points[..., 2]) > 1e-9, points[..., 2], 1e-9)
        by_point = np.zeros((*image.shape[:2], 2, 3))
        by_point[..., 0, 0] = by_point[..., 1, 1] = 1 / z
        by_point[..., 2] = -points[..., :2] / (z * z)[..., None]
        by_point *= weight[..., None, None]
        turned = points - translation[:, None]
        jacobian = np.concatenate([-by_point @ skew_matrix(turned), by_point], axis=-1)
        jacobian = jacobian.reshape(len(image), -1, 6)
        transposed = np.swapaxes(jacobian, 1, 2)
        normal = transposed @ jacobian
        gradient = transposed @ residual.reshape(len(image), -1, 1)
        diagonal = np.einsum("vii->vi", normal)
        normal = normal + np.eye(6) * (damping[:, None] * diagonal + 1e-15)[:, None]
        step = -np.linalg.solve(normal, gradient)[..., 0]
        moved = matrix_from_rotvec(step[:, :3]) @ rotation
        shifted = translation + step[:, 3:]
        new_residual, new_points = _residual(points_m, image, weight, moved, shifted)
        new_cost = (new_residual**2).sum(axis=(1, 2))
        better = new_cost < cost
        at_rest = np.abs(cost - new_cost) <= 1e-9 * cost
        rotation = np.where(better[:, None, None], moved, rotation)
        translation = np.where(better[:, None], shifted, translation)
        residual = np.where(better[:, None, None], new_residual, residual)
        points = np.where(better[:, None, None], new_points, points)
        cost = np.where(better, new_cost, cost)
        damping = np.clip(np.where(better, damping / 5, damping * 8), 1e-9, 1e6)
        if at_rest.all():
            break
    return rotation, translation, np.sqrt(cost / count)


def _residual(
    points_m: np.ndarray,
    image: np.ndarray,
    weight: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    points = points_m @ np.swapaxes(rotation, 1, 2) + translation[:, None]
    # A point behind the camera is far off, on a scale that stays finite.
    z = np.where(points[..., 2] > 1e-3, points[..., 2], 1e-3)
    return (points[..., :2] / z[..., None] - image) * weight[..., None], points
