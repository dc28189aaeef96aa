"""Projection of camera points with its derivatives by the point and by the lens.

The lens models are those of `mocap.geometry.projection`; here are the derivatives by the
parameters of the lens, which only calibration needs.
"""

from __future__ import annotations

import numpy as np

from mocap.arrays import Float
from mocap.geometry.projection import project_points, projection_jacobian

PINHOLE_PARAMETERS = ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
FISHEYE_PARAMETERS = ("fx", "fy", "cx", "cy", "k1", "k2", "k3", "k4")
_IDENTITY = np.eye(4)


def lens_parameters(fisheye: bool) -> tuple[str, ...]:
    """Names of the parameters of a lens, in the order of `project_with_jacobians`.

    The distortion coefficients from index 4 on are the packed ones of `Intrinsics`.
    """
    return FISHEYE_PARAMETERS if fisheye else PINHOLE_PARAMETERS


def project_with_jacobians(
    points_cam: Float[np.ndarray, "n 3"],
    matrix: Float[np.ndarray, "3 3"],
    distortions: Float[np.ndarray, " 8"],
    fisheye: bool,
) -> tuple[
    Float[np.ndarray, "n 2"], Float[np.ndarray, "n 2 3"], Float[np.ndarray, "n 2 parameters"]
]:
    """Projects points given in the camera frame.

    Args:
        points_cam: in metres.
        matrix: camera matrix in pixels; a skew is respected but not among the parameters.
        distortions: packed coefficients.
        fisheye: which lens model.

    Returns:
        Pixels; their derivative by the point (pixels per metre); their derivative by the
        parameters of `lens_parameters`. NaN where a pinhole camera has the point in its back.
    """
    points_cam = np.asarray(points_cam, dtype=np.float64)
    pixels, _ = project_points(points_cam, matrix, distortions, fisheye, _IDENTITY)
    by_point = projection_jacobian(points_cam, matrix, distortions, fisheye, _IDENTITY)
    # The distorted point of the normalised image plane, of which the pixel is an affine map.
    b = (pixels[:, 1] - matrix[1, 2]) / matrix[1, 1]
    a = (pixels[:, 0] - matrix[0, 2] - matrix[0, 1] * b) / matrix[0, 0]
    by_lens = np.zeros((len(points_cam), 2, len(lens_parameters(fisheye))))
    by_lens[:, 0, 0] = a
    by_lens[:, 1, 1] = b
    by_lens[:, 0, 2] = 1.0
    by_lens[:, 1, 3] = 1.0
    by_distortion = (_fisheye if fisheye else _pinhole)(points_cam, distortions)
    by_lens[:, :, 4:] = matrix[:2, :2] @ by_distortion
    return pixels, by_point, by_lens


def _pinhole(
    points: Float[np.ndarray, "n 3"], d: Float[np.ndarray, " 8"]
) -> Float[np.ndarray, "n 2 8"]:
    with np.errstate(invalid="ignore", divide="ignore"):
        x, y = points[:, 0] / points[:, 2], points[:, 1] / points[:, 2]
    r2 = x * x + y * y
    r4, r6 = r2 * r2, r2 * r2 * r2
    numerator = 1 + d[0] * r2 + d[1] * r4 + d[4] * r6
    denominator = 1 + d[5] * r2 + d[6] * r4 + d[7] * r6
    over = -numerator / (denominator * denominator)
    by_scale = np.stack(
        [r2 / denominator, r4 / denominator, r6 / denominator, over * r2, over * r4, over * r6],
        axis=-1,
    )
    radial = np.stack([x, y], axis=-1)[:, :, None] * by_scale[:, None, :]
    tangential = np.stack([2 * x * y, r2 + 2 * x * x, r2 + 2 * y * y, 2 * x * y], axis=-1)
    result = np.empty((len(points), 2, 8))
    result[:, :, [0, 1, 4, 5, 6, 7]] = radial
    result[:, :, [2, 3]] = tangential.reshape(-1, 2, 2)
    return result


def _fisheye(
    points: Float[np.ndarray, "n 3"], _: Float[np.ndarray, " 8"]
) -> Float[np.ndarray, "n 2 4"]:
    x, y, z = points.T
    rho = np.hypot(x, y)
    theta = np.arctan2(rho, z)
    on_axis = rho < 1e-12
    direction = np.stack([x, y], axis=-1) / np.where(on_axis, 1.0, rho)[:, None]
    powers = theta[:, None] ** np.array([3, 5, 7, 9])
    return direction[:, :, None] * powers[:, None, :]
