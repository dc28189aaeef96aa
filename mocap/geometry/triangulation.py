"""Robust triangulation of keypoints seen by several cameras: the NumPy form.

This is the plain form of `mocap.geometry.triangulation_kernels`, and its oracle in tests; the
pipeline runs the compiled one. The steps for one keypoint:

1. *Hypotheses*: the weighted linear solution (DLT; Hartley and Zisserman, Multiple View Geometry,
   12.2, here on rays, which also serves fisheye lenses) of every pair of views, and of all views.
2. *Choice* by truncated squared error over **all** views (MSAC; Torr and Zisserman, CVIU 2000).
   Each view that a hypothesis leaves out costs the full truncation, so two views which happen to
   agree do not win against three which agree nearly as well. Where the keypoint was a moment ago,
   if known, counts like one more view in the choice, and only there.
3. *Refinement* of the reprojection error in pixels, lens distortion included, by Gauss-Newton with
   Cauchy weights over the views within the gate; views and point are re-estimated in turn.
4. *Covariance* from the Gauss-Newton matrix (geometry), scaled by the residuals. The scale is the
   posterior mean of the variance under a prior of `prior_dof` degrees of freedom, because two to
   four views hold too few residuals to go by them alone. Robust weights make residuals look small
   and the matrix large; both are corrected to what they are for Gaussian noise (Huber and
   Ronchetti, Robust Statistics, 7.6).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mocap.arrays import Bool, Float, Int
from mocap.geometry.projection import project_points, projection_jacobian

MAX_REFINE_STEPS = 12
MAX_HALVINGS = 4
STEP_TOLERANCE_M = 1e-5
MIN_CONDITION = 1e-9
FIRST_GATE = 2.0
"""The first refinement takes views within this many gates: the hypothesis it starts from comes
from two views, whose own noise makes good views look worse than they are."""


@dataclass(frozen=True)
class RobustSettings:
    """Settings of `triangulate_robust`.

    Attributes:
        min_confidence: 2D keypoints of lower confidence are not used.
        gate_sigmas: a view further than this from the reprojection is an outlier.
        cauchy_sigmas: where the Cauchy weight of an inlier has fallen to one half.
        min_angle_rad: rays of at least one pair of views must meet at no smaller angle.
        max_pairs: at most this many pairs of views are tried, evenly taken from all.
        prior_dof: weight of the expected 2D noise against the residuals in the covariance.
        max_rounds: how often point and inliers are re-estimated in turn; 0 takes the best
            hypothesis as it is.
    """

    min_confidence: float = 0.3
    gate_sigmas: float = 4.0
    cauchy_sigmas: float = 2.0
    min_angle_rad: float = 0.035
    max_pairs: int = 120
    prior_dof: float = 4.0
    max_rounds: int = 3


@dataclass(frozen=True)
class Views:
    """One keypoint in C views.

    Attributes:
        pixels: 2D keypoints.
        confidence: in [0, 1].
        sigma_px: standard deviation of the 2D noise at confidence 1.
        rays: unit rays in the world frame.
        centers: optical centres in the world frame, metres.
        focal_px: focal lengths.
        matrix: camera matrices.
        distortions: padded coefficients.
        fisheye: 1 for fisheye.
        T_cam_world: poses.
    """

    pixels: Float[np.ndarray, "views 2"]
    confidence: Float[np.ndarray, " views"]
    sigma_px: Float[np.ndarray, " views"]
    rays: Float[np.ndarray, "views 3"]
    centers: Float[np.ndarray, "views 3"]
    focal_px: Float[np.ndarray, " views"]
    matrix: Float[np.ndarray, "views 3 3"]
    distortions: Float[np.ndarray, "views 8"]
    fisheye: Int[np.ndarray, " views"]
    T_cam_world: Float[np.ndarray, "views 4 4"]


@dataclass(frozen=True)
class RobustPoint:
    """Result of `triangulate_robust`; see `mocap.model.motion.Keypoints3D` for the meaning.

    `redundancy` says how much of a view's two measurements the other views could predict: from 0,
    when the point follows this view wherever it goes, to 2. A view that was not used has 0.
    """

    point: Float[np.ndarray, " 3"]
    covariance: Float[np.ndarray, "3 3"]
    reprojection_px: float
    used: Bool[np.ndarray, " views"]
    residual_px: Float[np.ndarray, " views"]
    redundancy: Float[np.ndarray, " views"]


@lru_cache(maxsize=64)
def consistency_table(cauchy_sigmas: float, most_views: int) -> Float[np.ndarray, "views 2"]:
    """What Cauchy weights do to residuals and covariance under Gaussian noise.

    The squared residual of a view, in sigmas, is exponentially distributed. Its mean is 2 less
    what the fit takes away, on average 3 of the 2 n measurements of n views.

    Args:
        cauchy_sigmas: as in `RobustSettings`.
        most_views: the largest number of views.

    Returns:
        Per number of views: the share of the squared residuals that is left after weighting, and
        the factor from the inverse of the weighted Gauss-Newton matrix to the true covariance.
        Rows 0 and 1 are 1.
    """
    nodes, weights = np.polynomial.laguerre.laggauss(48)
    table = np.ones((most_views + 1, 2))
    for n in range(2, most_views + 1):
        s = nodes * (2 * n - 3) / n
        weight = 1 / (1 + s / cauchy_sigmas**2)
        share = weights @ (weight * s) / (weights @ s)
        slope = weights @ (weight - s * weight**2 / cauchy_sigmas**2)
        spread = weights @ (weight**2 * s) / (weights @ s)
        table[n] = share, spread / slope**2 * (weights @ weight)
    table.setflags(write=False)
    return table


def gaussian_slope(cauchy_sigmas: float) -> float:
    """By how much a view's pull grows with its residual, by its Cauchy weight, on average.

    The residuals are Gaussian noise as stated; the pull is weight times residual.
    """
    nodes, weights = np.polynomial.laguerre.laggauss(48)
    s = 2 * nodes
    weight = 1 / (1 + s / cauchy_sigmas**2)
    return float(weights @ (weight - s * weight**2 / cauchy_sigmas**2) / (weights @ weight))


def triangulate_dlt(
    rays: Float[np.ndarray, "views 3"],
    centers: Float[np.ndarray, "views 3"],
    weights: Float[np.ndarray, " views"],
) -> Float[np.ndarray, " 3"]:
    """Weighted linear triangulation from rays.

    Minimises the weighted squares of `[ray]x (point - center)`.

    Returns:
        The point in metres, or NaN if the rays are parallel.
    """
    across = np.eye(3) - rays[:, :, None] * rays[:, None, :]
    a = np.einsum("v,vij->ij", weights, across)
    b = np.einsum("v,vij,vj->i", weights, across, centers)
    mean = np.trace(a) / 3
    if not mean > 0 or np.linalg.det(a) / mean**3 < MIN_CONDITION:
        return np.full(3, np.nan)
    return np.linalg.solve(a, b)


def triangulate_robust(
    views: Views,
    settings: RobustSettings,
    prior_point: Float[np.ndarray, " 3"] | None = None,
    prior_sigma_m: float = np.inf,
) -> RobustPoint:
    """Triangulates one keypoint; see the module's text.

    Args:
        views: the keypoint in each view.
        settings: limits.
        prior_point: where the keypoint is expected, metres; it takes part in the choice between
            hypotheses only, never in the position.
        prior_sigma_m: standard deviation of that expectation.

    Returns:
        The point with its covariance, or NaN where fewer than two views agree or their rays are
        too parallel. Residuals are given for every view that has the keypoint.
    """
    n = len(views.pixels)
    none = RobustPoint(
        point=np.full(3, np.nan),
        covariance=np.full((3, 3), np.nan),
        reprojection_px=np.nan,
        used=np.zeros(n, bool),
        residual_px=np.full(n, np.nan),
        redundancy=np.zeros(n),
    )
    valid = (views.confidence >= settings.min_confidence) & np.isfinite(views.rays).all(axis=1)
    candidates = np.flatnonzero(valid)
    if len(candidates) < 2:
        return none
    weights = (views.confidence * views.focal_px / views.sigma_px) ** 2

    def errors(point: np.ndarray) -> np.ndarray:
        """Squared residuals of all views in sigmas; NaN behind a camera."""
        return (_residuals(views, point) / views.sigma_px) ** 2

    gate2 = settings.gate_sigmas**2
    pairs = list(itertools.combinations(candidates, 2))
    stride = -(-len(pairs) // settings.max_pairs)
    hypotheses = [np.array(pair) for pair in pairs[::stride]]
    if len(candidates) > 2:
        hypotheses.append(candidates)
    best, best_cost = None, np.inf
    for chosen in hypotheses:
        if _widest_angle(views.rays[chosen]) < settings.min_angle_rad:
            continue
        point = triangulate_dlt(views.rays[chosen], views.centers[chosen], weights[chosen])
        e = errors(point)[valid]
        cost = np.sum(views.confidence[valid] ** 2 * np.where(e < gate2, e, gate2))
        if prior_point is not None and np.isfinite(prior_point).all():
            offset = point - prior_point
            cost += min(offset @ offset / prior_sigma_m**2, gate2)
        if cost < best_cost:
            best, best_cost = point, cost
    if best is None:
        return none
    first = FIRST_GATE**2 if settings.max_rounds else 1.0
    used = valid & (errors(best) < first * gate2)
    point = best
    for _ in range(settings.max_rounds):
        if used.sum() < 2:
            return none
        point = _refine(views, used, point, settings)
        again = valid & (errors(point) < gate2)
        if (again == used).all():
            break
        used = again
    if used.sum() < 2 or _widest_angle(views.rays[used]) < settings.min_angle_rad:
        return none
    residual = np.where(valid, _residuals(views, point), np.nan)
    e = (residual / views.sigma_px) ** 2
    cauchy = 1 / (1 + e / settings.cauchy_sigmas**2)
    weight = np.where(used, cauchy * (views.confidence / views.sigma_px) ** 2, 0.0)
    own = np.zeros((n, 3, 3))
    for v in np.flatnonzero(used).tolist():
        jacobian = _jacobian(views, v, point)
        own[v] = weight[v] * jacobian.T @ jacobian
    information = own.sum(axis=0)
    mean = np.trace(information) / 3
    if not mean > 0 or np.linalg.det(information) / mean**3 < MIN_CONDITION:
        return none
    geometric = np.linalg.inv(information)
    squares = weight[used] * residual[used] ** 2
    n_used = int(used.sum())
    dof = 2 * n_used - 3
    share, factor = consistency_table(settings.cauchy_sigmas, n_used)[n_used]
    scale = (settings.prior_dof + squares.sum() / share) / (settings.prior_dof + dof) * factor
    redundancy = np.where(used, 2 - np.einsum("vij,ji->v", own, geometric), 0.0)
    rms = float(np.sqrt(squares.sum() / weight.sum()))
    return RobustPoint(point, scale * geometric, rms, used, residual, redundancy)


def _refine(
    views: Views, used: np.ndarray, start: np.ndarray, settings: RobustSettings
) -> np.ndarray:
    c2 = settings.cauchy_sigmas**2

    def cost(point: np.ndarray) -> float:
        e = (_residuals(views, point)[used] / views.sigma_px[used]) ** 2
        total = np.sum(views.confidence[used] ** 2 * c2 * np.log1p(e / c2))
        return float(total) if np.isfinite(total) else np.inf

    point, now = start, cost(start)
    for _ in range(MAX_REFINE_STEPS):
        a, b = np.zeros((3, 3)), np.zeros(3)
        for v in np.flatnonzero(used).tolist():
            offset = views.pixels[v] - _project(views, v, point)
            e = offset @ offset / views.sigma_px[v] ** 2
            w = (views.confidence[v] / views.sigma_px[v]) ** 2 / (1 + e / c2)
            jacobian = _jacobian(views, v, point)
            a += w * jacobian.T @ jacobian
            b += w * jacobian.T @ offset
        mean = np.trace(a) / 3
        if not mean > 0 or np.linalg.det(a) / mean**3 < MIN_CONDITION:
            break
        step = np.linalg.solve(a, b)
        moved = False
        for _ in range(MAX_HALVINGS):
            after = cost(point + step)
            if after <= now:
                point, now, moved = point + step, after, True
                break
            step = step / 2
        if not moved or np.linalg.norm(step) < STEP_TOLERANCE_M:
            break
    return point


def _project(views: Views, v: int, point: np.ndarray) -> np.ndarray:
    return project_points(
        point,
        views.matrix[v],
        views.distortions[v],
        bool(views.fisheye[v]),
        views.T_cam_world[v],
    )[0]


def _jacobian(views: Views, v: int, point: np.ndarray) -> np.ndarray:
    return projection_jacobian(
        point,
        views.matrix[v],
        views.distortions[v],
        bool(views.fisheye[v]),
        views.T_cam_world[v],
    )


def _residuals(views: Views, point: np.ndarray) -> np.ndarray:
    n = len(views.pixels)
    projected = np.array([_project(views, v, point) for v in range(n)])
    return np.linalg.norm(projected - views.pixels, axis=1)


def _widest_angle(rays: np.ndarray) -> float:
    cosines = np.clip(np.abs(rays @ rays.T), 0.0, 1.0)
    return float(np.arccos(cosines.min()))
