"""Pose of a flat board in each view, for a lens that is known at least roughly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.lens.form import matrix_and_distortions
from calibration.lens.views import BoardViews
from calibration.lens_jacobian import project_with_jacobians
from mocap.arrays import Float, Int
from mocap.geometry.projection import project_points, unproject_pixels
from mocap.geometry.rotations import matrix_from_rotvec, rotation_between, skew_matrix

_UNSEEN_PX = 1e4
"""Residual of a point which the lens cannot image at all."""

_MAX_DAMPING = 1e3
_AT_REST = 1e-6
"""Share of its cost by which a view must still be able to fall to be worked on."""


@dataclass(frozen=True)
class BoardPoses:
    """Poses of the board, board to camera.

    Attributes:
        rotation: one per view.
        translation_m: one per view.
    """

    rotation: Float[np.ndarray, "views 3 3"]
    translation_m: Float[np.ndarray, "views 3"]

    def moved(self, step: Float[np.ndarray, "views 6"]) -> BoardPoses:
        """After a small rotation (rad) applied to the left, and a shift (m)."""
        rotation = matrix_from_rotvec(step[:, :3]) @ self.rotation
        return BoardPoses(rotation, self.translation_m + step[:, 3:])

    def chosen(self, views: np.ndarray) -> BoardPoses:
        """Only those of some views."""
        return BoardPoses(self.rotation[views], self.translation_m[views])

    def turned_points(self, views: BoardViews) -> Float[np.ndarray, "n 3"]:
        """The points with the board's rotation, but not its shift, applied."""
        return np.einsum("nij,nj->ni", self.rotation[views.view], views.board_m)

    def camera_points(self, views: BoardViews) -> Float[np.ndarray, "n 3"]:
        """The points in the camera's frame."""
        return self.turned_points(views) + self.translation_m[views.view]

    @property
    def matrices(self) -> Float[np.ndarray, "views 4 4"]:
        """As 4x4 transforms."""
        result = np.tile(np.eye(4), (len(self.rotation), 1, 1))
        result[:, :3, :3] = self.rotation
        result[:, :3, 3] = self.translation_m
        return result


def residual_px(
    views: BoardViews, lens: Float[np.ndarray, " parameters"], fisheye: bool, poses: BoardPoses
) -> Float[np.ndarray, "n 2"]:
    """Predicted less measured pixels; far off where the lens cannot image the point."""
    matrix, distortions = matrix_and_distortions(lens)
    points = poses.camera_points(views)
    with np.errstate(all="ignore"):
        predicted, _ = project_points(points, matrix, distortions, fisheye, np.eye(4))
    return missed_px(views, predicted)


def missed_px(
    views: BoardViews, predicted_px: Float[np.ndarray, "n 2"]
) -> Float[np.ndarray, "n 2"]:
    """Predicted less measured pixels, a large number where there is no prediction."""
    missed = np.nan_to_num(
        predicted_px - views.pixels, nan=_UNSEEN_PX, posinf=_UNSEEN_PX, neginf=-_UNSEEN_PX
    )
    return np.clip(missed, -_UNSEEN_PX, _UNSEEN_PX)


def ray_homographies(
    views: BoardViews, rays: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "views 3 3"]:
    """Maps board coordinates (x, y, 1) to rays, up to a scale, by direct linear transformation.

    Rays instead of image points make it work beyond 90 degrees off the axis. Rays that are NaN
    are left out. (Hartley and Zisserman, Multiple View Geometry, alg. 4.2.)
    """
    plane = views.board_m[:, :2]
    shift, spread = plane.mean(axis=0), max(float(plane.std()), 1e-12)
    normalizer = np.array(
        [[1 / spread, 0, -shift[0] / spread], [0, 1 / spread, -shift[1] / spread], [0, 0, 1]]
    )
    homogeneous = np.column_stack([(plane - shift) / spread, np.ones(len(plane))])
    # ray x (H p) = 0: three equations per point, of rank two.
    rows = np.einsum("nij,nk->nijk", skew_matrix(np.nan_to_num(rays)), homogeneous)
    rows = rows.reshape(len(rays), 3, 9)
    normal = np.add.reduceat(np.einsum("nri,nrj->nij", rows, rows), views.first, axis=0)
    _, vectors = np.linalg.eigh(normal)
    homography = vectors[:, :, 0].reshape(-1, 3, 3)
    along = np.einsum("ni,nij,nj->n", np.nan_to_num(rays), homography[views.view], homogeneous)
    sign = np.where(np.add.reduceat(along, views.first) < 0, -1.0, 1.0)
    return sign[:, None, None] * homography @ normalizer


def linear_poses(
    views: BoardViews, lens: Float[np.ndarray, " parameters"], fisheye: bool
) -> BoardPoses:
    """Poses from the homography of each view (Zhang, TPAMI 2000, section 3.1)."""
    matrix, distortions = matrix_and_distortions(lens)
    homography = ray_homographies(
        views, unproject_pixels(views.pixels, matrix, distortions, fisheye)
    )
    x, y, translation = np.moveaxis(homography, -1, 0)
    scale = 0.5 * (np.linalg.norm(x, axis=-1) + np.linalg.norm(y, axis=-1))
    scale = np.where(scale > 0, scale, 1.0)[:, None]
    x, y = x / scale, y / scale
    u, _, vt = np.linalg.svd(np.stack([x, y, np.cross(x, y)], axis=-1))
    rotation = u @ vt
    u[:, :, 2] *= np.linalg.det(rotation)[:, None]
    return BoardPoses(u @ vt, translation / scale)


def refined_poses(
    views: BoardViews,
    lens: Float[np.ndarray, " parameters"],
    fisheye: bool,
    poses: BoardPoses,
    iterations: int = 20,
) -> tuple[BoardPoses, Float[np.ndarray, " views"]]:
    """Improves every pose for itself, the lens held fixed.

    Returns:
        The poses, and the Huber cost of each view (whitened, beyond 3 standard deviations
        linear).
    """
    matrix, distortions = matrix_and_distortions(lens)
    damping = np.full(len(views), 1e-3)
    at_rest = np.zeros(len(views), bool)
    weight, cost = _huber(views, residual_px(views, lens, fisheye, poses))
    for _ in range(iterations):
        turned = poses.turned_points(views)
        points = turned + poses.translation_m[views.view]
        with np.errstate(all="ignore"):  # what cannot be imaged is not finite, and left out
            pixels, by_point, _ = project_with_jacobians(points, matrix, distortions, fisheye)
            jacobian = np.concatenate([by_point @ -skew_matrix(turned), by_point], axis=-1)
        good = np.all(np.isfinite(jacobian), axis=(1, 2))
        factor = (weight * good / views.sigma_px**2)[:, None, None]
        jacobian = np.where(good[:, None, None], jacobian, 0.0)
        residual = np.where(good[:, None], missed_px(views, pixels), 0.0)
        weighted = factor * jacobian
        normal = _by_view(np.einsum("nri,nrj->nij", weighted, jacobian), views.first)
        gradient = _by_view(np.einsum("nri,nr->ni", weighted, residual), views.first)
        diagonal = np.einsum("vii->vi", normal)
        damped = normal + np.einsum(
            "vi,ij->vij", damping[:, None] * diagonal + 1e-9 * diagonal.max(), np.eye(6)
        )
        step = -np.linalg.solve(damped, gradient[:, :, None])[:, :, 0]
        tried = poses.moved(step)
        new_weight, new_cost = _huber(views, residual_px(views, lens, fisheye, tried))
        better = new_cost < cost
        poses = _merged(poses, tried, better)
        weight = np.where(better[views.view], new_weight, weight)
        expected = -0.5 * np.sum(gradient * step, axis=-1)
        at_rest |= (expected <= _AT_REST * cost) | (damping > _MAX_DAMPING)
        cost = np.where(better, new_cost, cost)
        damping = np.where(better, damping / 5, damping * 5)
        if at_rest.all():
            break
    return poses, cost


def best_poses(
    views: BoardViews, lens: Float[np.ndarray, " parameters"], fisheye: bool, poses: BoardPoses
) -> BoardPoses:
    """Refines the poses, and exchanges those which are the false one of the two that a small flat
    board allows (Oberkampf et al., 1996): its normal mirrored at the line of sight."""
    first, cost = refined_poses(views, lens, fisheye, poses)
    board = _by_view(views.board_m, views.first) / views.count[:, None]
    center = np.einsum("vij,vj->vi", first.rotation, board) + first.translation_m
    sight = center / np.maximum(np.linalg.norm(center, axis=-1, keepdims=True), 1e-12)
    normal = first.rotation[:, :, 2]
    mirrored = 2 * np.sum(normal * sight, axis=-1, keepdims=True) * sight - normal
    rotation = rotation_between(normal, mirrored) @ first.rotation
    translation = center - np.einsum("vij,vj->vi", rotation, board)
    second, other = refined_poses(views, lens, fisheye, BoardPoses(rotation, translation))
    return refined_poses(views, lens, fisheye, _merged(first, second, other < cost))[0]


def _huber(
    views: BoardViews, residual: Float[np.ndarray, "n 2"], scale: float = 3.0
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " views"]]:
    length = np.linalg.norm(residual, axis=-1) / views.sigma_px
    weight = np.minimum(1.0, scale / np.maximum(length, 1e-12))
    rho = np.where(length > scale, 2 * scale * length - scale * scale, length * length)
    return weight, 0.5 * _by_view(rho, views.first)


def _by_view(values: np.ndarray, first: Int[np.ndarray, " views"]) -> np.ndarray:
    return np.add.reduceat(values, first, axis=0)


def _merged(poses: BoardPoses, other: BoardPoses, take: np.ndarray) -> BoardPoses:
    return BoardPoses(
        np.where(take[:, None, None], other.rotation, poses.rotation),
        np.where(take[:, None], other.translation_m, poses.translation_m),
    )
