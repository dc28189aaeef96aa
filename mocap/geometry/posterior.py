"""Posterior of a keypoint's position, integrated over which of the views are right.

Every view shows the keypoint with Gaussian noise, or, with probability `outlier_rate`, something
else anywhere within `outlier_m` around. For each set of views that may be the right ones, the
position has a Gaussian posterior around its least-squares solution (Laplace's approximation), and
the set has an evidence: how well the views agree, how much the position could have been anywhere
(the Occam factor; MacKay, Neural Computation 1992), and what the other views cost as outliers. The
posterior is the mixture over all sets. Two views of six that happen to meet exactly do not win
against five which agree within their noise, because four outliers are dear; nor can two pairs that
contradict each other be told apart, which the mixture shows as two modes.

This is the plain form; `mocap.geometry.posterior_kernels` is the compiled one.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from mocap.arrays import Bool, Float

ALL_SETS_VIEWS = 8
"""With more views than this, not all sets are tried, only those around what pairs suggest."""
STEPS = 5
NEAREST_M = 0.05


@dataclass(frozen=True)
class PosteriorSettings:
    """Settings of `triangulate_posterior`.

    Attributes:
        outlier_rate: share of 2D keypoints that show something else.
        outlier_m: an outlier may be anywhere in a disc of this radius, in metres on the body.
        volume_m3: the position may be anywhere in so much space.
        min_angle_rad: the rays of some pair of a set must meet at no smaller angle.
        mode_sigmas: sets whose positions are farther apart belong to different modes.
        max_modes: at most so many modes are reported.
        min_mode: a mode of less weight is not reported.
    """

    outlier_rate: float = 0.1
    outlier_m: float = 1.0
    volume_m3: float = 8.0
    min_angle_rad: float = 0.035
    mode_sigmas: float = 4.0
    max_modes: int = 4
    min_mode: float = 0.02


@dataclass(frozen=True)
class PosteriorPoint:
    """Result of `triangulate_posterior`; NaN where no set of two views tells a position.

    Attributes:
        mean: of the whole mixture.
        covariance: of the whole mixture, the distance between modes included.
        modes: positions of the modes, the most probable first; NaN beyond the last.
        mode_covariance: of each mode by itself.
        mode_weight: probability of each mode; 0 beyond the last.
        inlier: probability that each view is right.
    """

    mean: Float[np.ndarray, " 3"]
    covariance: Float[np.ndarray, "3 3"]
    modes: Float[np.ndarray, "modes 3"]
    mode_covariance: Float[np.ndarray, "modes 3 3"]
    mode_weight: Float[np.ndarray, " modes"]
    inlier: Float[np.ndarray, " views"]


def triangulate_posterior(
    frames: Float[np.ndarray, "views 3 3"],
    centers: Float[np.ndarray, "views 3"],
    sigma: Float[np.ndarray, " views"],
    settings: PosteriorSettings,
) -> PosteriorPoint:
    """Posterior of one keypoint.

    Args:
        frames: unit ray and two unit vectors across it, as rows; see `mocap.geometry.ray_space`.
        centers: optical centres, metres.
        sigma: noise of each view, tangent of an angle; infinite for a view without the keypoint.
        settings: what is assumed of outliers.
    """
    views = np.flatnonzero(np.isfinite(sigma))
    chosen: list[np.ndarray] = []
    components: list[tuple[float, np.ndarray, np.ndarray]] = []
    for inside in _candidate_sets(frames, centers, sigma, views, settings):
        solved = _laplace(frames, centers, sigma, views, inside, settings)
        if solved is not None:
            chosen.append(inside)
            components.append(solved)
    m = settings.max_modes
    empty = np.full((m, 3), np.nan), np.full((m, 3, 3), np.nan), np.zeros(m)
    if not components:
        return PosteriorPoint(
            np.full(3, np.nan), np.full((3, 3), np.nan), *empty, np.zeros(len(sigma))
        )
    evidence = np.array([c[0] for c in components])
    weight = np.exp(evidence - evidence.max())
    weight /= weight.sum()
    points = np.array([c[1] for c in components])
    spread = np.array([c[2] for c in components])
    inlier = weight @ np.array(chosen, float)
    mean, covariance = _moments(weight, points, spread)
    label = _modes(weight, points, spread, settings)
    modes, mode_covariance, mode_weight = empty
    totals = [(float(weight[label == n].sum()), n) for n in range(label.max() + 1)]
    best = sorted(totals, key=lambda t: -t[0])
    for row, (total, n) in enumerate(best[:m]):
        if row and total < settings.min_mode:
            break
        own = label == n
        modes[row], mode_covariance[row] = _moments(weight[own] / total, points[own], spread[own])
        mode_weight[row] = total
    return PosteriorPoint(mean, covariance, modes, mode_covariance, mode_weight, inlier)


def _candidate_sets(
    frames: np.ndarray,
    centers: np.ndarray,
    sigma: np.ndarray,
    views: np.ndarray,
    settings: PosteriorSettings,
) -> list[Bool[np.ndarray, " views"]]:
    """All sets of at least two views; with many views those that pairs suggest."""
    n = len(sigma)
    if len(views) <= ALL_SETS_VIEWS:
        sets: list[np.ndarray] = []
        for bits in range(1 << len(views)):
            inside = np.zeros(n, bool)
            inside[views] = [(bits >> i) & 1 for i in range(len(views))]
            if inside.sum() >= 2:
                sets.append(inside)
        return sets
    found: dict[bytes, np.ndarray] = {}
    for a, b in itertools.combinations(views, 2):
        pair = np.zeros(n, bool)
        pair[[a, b]] = True
        solved = _laplace(frames, centers, sigma, views, pair, settings)
        if solved is None:
            continue
        point, covariance = solved[1], solved[2]
        inside = np.zeros(n, bool)
        for c in views:
            error, depth = _error(frames[c], centers[c], point)
            across = frames[c, 1:] @ covariance @ frames[c, 1:].T
            s2 = sigma[c] ** 2 + np.trace(across) / 2 / depth**2
            odds = 0.5 * error / s2 + np.log(2 * np.pi * s2) - _log_outlier(depth, settings)
            inside[c] = odds < np.log((1 - settings.outlier_rate) / settings.outlier_rate)
        for changed in [None, *views]:
            near = inside.copy()
            if changed is not None:
                near[changed] = not near[changed]
            if near.sum() >= 2:
                found.setdefault(near.tobytes(), near)
    return list(found.values())


def _log_outlier(depth: float, settings: PosteriorSettings) -> float:
    """Log density (per tangent squared) of an outlier at this distance, its sign reversed."""
    return float(np.log(np.pi * (settings.outlier_m / depth) ** 2))


def _error(frame: np.ndarray, center: np.ndarray, point: np.ndarray) -> tuple[float, float]:
    """Squared tangent by which a ray misses a point, and the depth; huge behind the camera."""
    p = point - center
    z = float(frame[0] @ p)
    if z < NEAREST_M:
        return 2e12, NEAREST_M
    r = frame[1:] @ p / z
    return float(r @ r), z


def _laplace(
    frames: np.ndarray,
    centers: np.ndarray,
    sigma: np.ndarray,
    views: np.ndarray,
    inside: np.ndarray,
    settings: PosteriorSettings,
) -> tuple[float, np.ndarray, np.ndarray] | None:
    """Log evidence, position and covariance of one set; None where its rays tell no position."""
    own = np.flatnonzero(inside)
    d = frames[own, 0]
    cosines = np.abs(d @ d.T) + np.eye(len(own))
    if cosines.min() > np.cos(settings.min_angle_rad):
        return None
    across = np.eye(3) - d[:, :, None] * d[:, None, :]
    w = 1 / sigma[own] ** 2
    a = np.einsum("n,nij->ij", w, across)
    point = np.linalg.solve(a, np.einsum("n,nij,nj->i", w, across, centers[own]))
    h = np.eye(3)
    for _ in range(STEPS):
        h, g = np.zeros((3, 3)), np.zeros(3)
        for c in own:
            p = point - centers[c]
            z = frames[c, 0] @ p
            if z < NEAREST_M:
                return None
            r = frames[c, 1:] @ p / z
            j = (frames[c, 1:] - r[:, None] * frames[c, 0]) / z
            h += j.T @ j / sigma[c] ** 2
            g += j.T @ r / sigma[c] ** 2
        point = point - np.linalg.solve(h, g)
    evidence = 1.5 * np.log(2 * np.pi) - 0.5 * np.linalg.slogdet(h)[1] - np.log(settings.volume_m3)
    for c in views:
        error, depth = _error(frames[c], centers[c], point)
        if inside[c]:
            s2 = sigma[c] ** 2
            evidence += np.log(1 - settings.outlier_rate) - np.log(2 * np.pi * s2) - error / s2 / 2
        else:
            evidence += np.log(settings.outlier_rate) - _log_outlier(depth, settings)
    return float(evidence), point, np.linalg.inv(h)


def _moments(
    weight: np.ndarray, points: np.ndarray, spread: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    mean = weight @ points
    off = points - mean
    return mean, np.einsum("n,nij->ij", weight, spread + off[:, :, None] * off[:, None, :])


def _modes(
    weight: np.ndarray, points: np.ndarray, spread: np.ndarray, settings: PosteriorSettings
) -> np.ndarray:
    """Which mode each component belongs to: heaviest first, each joins the nearest in reach."""
    label = np.full(len(weight), -1)
    heads: list[int] = []
    for i in np.argsort(-weight, kind="stable"):
        best, reach = -1, settings.mode_sigmas**2
        for n, head in enumerate(heads):
            off = points[i] - points[head]
            distance = float(off @ np.linalg.solve(spread[i] + spread[head], off))
            if distance < reach:
                best, reach = n, distance
        if best < 0:
            best = len(heads)
            heads.append(int(i))
        label[i] = best
    return label
