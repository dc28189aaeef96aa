"""Relative pose of two cameras from corresponding rays, most of which may be wrong.

Minimal solutions from five rays (Nister, TPAMI 2004, in the action-matrix form of Stewenius et
al., ISPRS 2006), all samples at once; choice by truncated squared error (MSAC; Torr and
Zisserman, CVIU 2000); local optimisation of the best (Chum et al., DAGM 2003) on the manifold of
relative poses. Five points are not degenerate for people who walk along a line or are flat in
the image, as eight are. Rays are unit vectors, so lenses of any angle will do.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

from mocap.arrays import Bool, Float
from mocap.geometry.rotations import matrix_from_rotvec, skew_matrix

GATE_SIGMAS = 2.5
_SCREENED = 300
_KEPT = 24
_REFINED = 8
_SAME_COSINE = float(np.cos(np.radians(5.0)))
_STEPS = 12
_DERIVATIVE_STEP = 1e-6


@dataclass(frozen=True)
class RelativePose:
    """The second camera as seen from the first, up to the length of the baseline.

    Attributes:
        R_b_a: rotation that maps directions of camera a to camera b.
        t_b_a: unit vector; x_b = R_b_a x_a + s t_b_a for some s > 0.
        inlier: which correspondences fit.
        score: sum over the correspondences of 1 - min(residual^2, gate^2) / gate^2: the number
            that fit, near misses counting less.
        parallax_rad: median angle between the two rays of the inliers.
        rival: score of the best clearly different pose, as a share of `score`; near 1 the
            correspondences allow both, as points in one plane do.
    """

    R_b_a: Float[np.ndarray, "3 3"]
    t_b_a: Float[np.ndarray, " 3"]
    inlier: Bool[np.ndarray, " n"]
    score: float
    parallax_rad: float
    rival: float = 0.0


def estimate_relative_pose(
    rays_a: Float[np.ndarray, "n 3"],
    rays_b: Float[np.ndarray, "n 3"],
    sigma_a_rad: Float[np.ndarray, " n"],
    sigma_b_rad: Float[np.ndarray, " n"],
    rng: np.random.Generator,
    samples: int = 256,
    refined: int = _REFINED,
) -> RelativePose | None:
    """Finds the relative pose that most correspondences support.

    Args:
        rays_a: unit rays in the frame of camera a.
        rays_b: of the same points in the frame of camera b.
        sigma_a_rad: standard deviation of each ray's direction.
        sigma_b_rad: likewise.
        rng: draws the samples.
        samples: number of minimal samples.
        refined: how many of the best are refined; with few `rival` is too small.

    Returns:
        The pose, or None when there are fewer than 8 correspondences or none of the samples
        has a solution.
    """
    n = len(rays_a)
    if n < 8:
        return None
    chosen = np.argsort(rng.random((samples, n)), axis=1)[:, :5]
    matrices = five_point(rays_a[chosen], rays_b[chosen])
    if not len(matrices):
        return None
    screened = rng.permutation(n)[:_SCREENED]
    args = rays_a, rays_b, sigma_a_rad, sigma_b_rad
    first = _scores(matrices, *(x[screened] for x in args))
    matrices = matrices[np.argsort(-first)[:_KEPT]]
    matrices = matrices[np.argsort(-_scores(matrices, *args))[:refined]]
    found: list[RelativePose] = []
    for matrix in matrices:
        inlier = np.abs(epipolar_residual(matrix, *args)) < GATE_SIGMAS
        if inlier.sum() < 5:
            continue
        rotation, direction = _decompose(matrix, rays_a[inlier], rays_b[inlier])
        found.append(refine_relative_pose(rotation, direction, *args))
    if not found:
        return None
    best = max(found, key=lambda pose: pose.score)
    rivals = [pose.score for pose in found if _different(pose, best)]
    return replace(best, rival=max(rivals, default=0.0) / max(best.score, 1e-9))


def _different(pose: RelativePose, other: RelativePose) -> bool:
    cosine = 0.5 * (float(np.trace(pose.R_b_a @ other.R_b_a.T)) - 1)
    return cosine < _SAME_COSINE or float(pose.t_b_a @ other.t_b_a) < _SAME_COSINE


def refine_relative_pose(
    R_b_a: Float[np.ndarray, "3 3"],
    t_b_a: Float[np.ndarray, " 3"],
    rays_a: Float[np.ndarray, "n 3"],
    rays_b: Float[np.ndarray, "n 3"],
    sigma_a_rad: Float[np.ndarray, " n"],
    sigma_b_rad: Float[np.ndarray, " n"],
) -> RelativePose:
    """Lowers the robust epipolar error of a relative pose (Gauss-Newton, Cauchy weights)."""
    args = rays_a, rays_b, sigma_a_rad, sigma_b_rad
    rotation, direction = R_b_a, t_b_a / np.linalg.norm(t_b_a)
    score = float(_scores(_essential(rotation, direction)[None], *args)[0])
    for _ in range(_STEPS):
        residual = epipolar_residual(_essential(rotation, direction), *args)
        weight = 1.0 / (1.0 + (residual / (GATE_SIGMAS / 2)) ** 2) ** 2
        stepped = _essential(rotation, direction) + _DERIVATIVE_STEP * _tangents(
            rotation, direction
        )
        jacobian = (epipolar_residual(stepped, *args) - residual).T / _DERIVATIVE_STEP
        normal = jacobian.T @ (weight[:, None] * jacobian)
        step = -np.linalg.lstsq(normal, jacobian.T @ (weight * residual), rcond=None)[0]
        step *= min(1.0, 0.3 / max(float(np.linalg.norm(step)), 1e-12))
        tried = _moved(rotation, direction, step)
        new_score = float(_scores(_essential(*tried)[None], *args)[0])
        if new_score < score:
            break
        gained, score = new_score - score, new_score
        rotation, direction = tried
        if gained < 1e-3:
            break
    matrix = _essential(rotation, direction)
    inlier = np.abs(epipolar_residual(matrix, *args)) < GATE_SIGMAS
    if inlier.any():
        rotation, direction = _decompose(matrix, rays_a[inlier], rays_b[inlier])
    inlier &= _in_front(rotation, direction, rays_a, rays_b)
    cosine = np.sum((rays_a[inlier] @ rotation.T) * rays_b[inlier], axis=1)
    angle = np.arccos(np.clip(cosine, -1, 1))
    parallax = float(np.median(angle)) if inlier.any() else 0.0
    return RelativePose(rotation, direction, inlier, score, parallax)


def epipolar_residual(
    matrix: Float[np.ndarray, "*batch 3 3"],
    rays_a: Float[np.ndarray, "n 3"],
    rays_b: Float[np.ndarray, "n 3"],
    sigma_a_rad: Float[np.ndarray, " n"],
    sigma_b_rad: Float[np.ndarray, " n"],
) -> Float[np.ndarray, "*batch n"]:
    """Epipolar error of unit rays in standard deviations, to first order (Sampson's)."""
    line_b = rays_a @ np.swapaxes(matrix, -1, -2)
    line_a = rays_b @ matrix
    error = np.sum(line_b * rays_b, axis=-1)
    # Rays move on the unit sphere, so only the part of the gradient across them counts.
    across_b = np.sum(line_b**2, axis=-1) - error**2
    across_a = np.sum(line_a**2, axis=-1) - error**2
    variance = across_b * sigma_b_rad**2 + across_a * sigma_a_rad**2
    return error / np.sqrt(np.maximum(variance, 1e-30))


def five_point(
    rays_a: Float[np.ndarray, "samples 5 3"], rays_b: Float[np.ndarray, "samples 5 3"]
) -> Float[np.ndarray, "solutions 3 3"]:
    """All real essential matrices E (b^T E a = 0) of samples of five correspondences.

    The null space of the five equations gives E = x N0 + y N1 + z N2 + N3; the ten cubic
    constraints 2 E E^T E - tr(E E^T) E = 0 and det E = 0 are reduced to a 10 x 10 action matrix,
    whose eigenvectors hold the solutions. Degenerate samples give no solution.
    """
    equations = (rays_b[:, :, :, None] * rays_a[:, :, None, :]).reshape(-1, 5, 9)
    _, _, vt = np.linalg.svd(equations)
    null = vt[:, 5:].reshape(-1, 4, 3, 3)
    outer = np.einsum("saik,sblk->sabil", null, null)
    cubic = 2 * np.einsum("sabil,sclj->sabcij", outer, null)
    cubic -= np.einsum("sabii,scjk->sabcjk", outer, null)
    determinant = np.einsum(
        "ijk,sai,sbj,sck->sabc", _LEVI_CIVITA, null[:, :, 0], null[:, :, 1], null[:, :, 2]
    )
    terms = np.concatenate([cubic.reshape(-1, 64, 9), determinant.reshape(-1, 64, 1)], axis=2)
    system = np.einsum("mt,ste->sem", _MONOMIAL_OF_TERM, terms)
    left, right = system[:, :, :10], system[:, :, 10:]
    size = np.linalg.norm(left, axis=(1, 2))
    regular = np.abs(np.linalg.det(left / np.maximum(size, 1e-300)[:, None, None])) > 1e-30
    if not regular.any():
        return np.zeros((0, 3, 3))
    null = null[regular]
    reduced = -np.linalg.solve(left[regular], right[regular])
    action = np.zeros((len(null), 10, 10))
    action[:, :6] = reduced[:, :6]
    action[:, [6, 7, 8, 9], [0, 1, 2, 6]] = 1.0
    values, vectors = np.linalg.eig(action)
    with np.errstate(divide="ignore", invalid="ignore"):
        solution = vectors[:, 6:9] / vectors[:, 9:10]
    real = np.abs(np.imag(values)) < 1e-8 * (1 + np.abs(np.real(values)))
    real &= np.isfinite(solution).all(axis=1)
    sample, which = np.nonzero(real)
    xyz = solution.real[sample, :, which]
    matrices = np.einsum("nk,nkij->nij", xyz, null[sample, :3]) + null[sample, 3]
    return matrices / np.linalg.norm(matrices, axis=(1, 2), keepdims=True)


def _monomials() -> tuple[np.ndarray, np.ndarray]:
    """Which monomial each product of three of (x, y, z, 1) is.

    Order: the ten cubic ones, those that are x times one of the basis first; then the basis
    x^2, xy, xz, y^2, yz, z^2, x, y, z, 1.
    """
    basis = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2), (0,), (1,), (2,), ()]
    cubic = [tuple(sorted((0, *b))) for b in basis[:6]]
    cubic += [(1, 1, 1), (1, 1, 2), (1, 2, 2), (2, 2, 2)]
    order = {powers: i for i, powers in enumerate([*cubic, *basis])}
    table = np.zeros((20, 64))
    for term, factors in enumerate(itertools.product(range(4), repeat=3)):
        table[order[tuple(sorted(f for f in factors if f < 3))], term] = 1.0
    levi_civita = np.zeros((3, 3, 3))
    for i, j, k in itertools.permutations(range(3)):
        levi_civita[i, j, k] = np.linalg.det(np.eye(3)[[i, j, k]])
    return table, levi_civita


_MONOMIAL_OF_TERM, _LEVI_CIVITA = _monomials()


def _scores(
    matrices: Float[np.ndarray, "m 3 3"],
    rays_a: np.ndarray,
    rays_b: np.ndarray,
    sigma_a: np.ndarray,
    sigma_b: np.ndarray,
) -> Float[np.ndarray, " m"]:
    squared = epipolar_residual(matrices, rays_a, rays_b, sigma_a, sigma_b) ** 2
    return np.sum(1 - np.minimum(squared / GATE_SIGMAS**2, 1), axis=-1)


def _essential(rotation: np.ndarray, direction: np.ndarray) -> np.ndarray:
    return skew_matrix(direction) @ rotation


def _across(direction: np.ndarray) -> np.ndarray:
    """Two unit vectors across a direction and each other."""
    u = np.cross(direction, np.eye(3)[np.argmin(np.abs(direction))])
    u /= np.linalg.norm(u)
    return np.stack([u, np.cross(direction, u)])


def _tangents(rotation: np.ndarray, direction: np.ndarray) -> Float[np.ndarray, "5 3 3"]:
    """Derivatives of the essential matrix by the five numbers that `_moved` takes."""
    turns = skew_matrix(direction) @ skew_matrix(np.eye(3)) @ rotation
    return np.concatenate([turns, skew_matrix(_across(direction)) @ rotation])


def _moved(
    rotation: np.ndarray, direction: np.ndarray, step: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    moved = direction + step[3:] @ _across(direction)
    return matrix_from_rotvec(step[:3]) @ rotation, moved / np.linalg.norm(moved)


def _in_front(
    rotation: np.ndarray, direction: np.ndarray, rays_a: np.ndarray, rays_b: np.ndarray
) -> np.ndarray:
    """Whether the point where the rays come closest is ahead of both cameras."""
    a = rays_a @ rotation.T
    cosine = np.sum(a * rays_b, axis=1)
    a_t, b_t = a @ direction, rays_b @ direction
    sine2 = np.maximum(1 - cosine**2, 1e-12)
    depth_a = (-a_t + cosine * b_t) / sine2
    depth_b = (b_t - cosine * a_t) / sine2
    return (depth_a > 0) & (depth_b > 0)


def _decompose(
    matrix: np.ndarray, rays_a: np.ndarray, rays_b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The one of the four poses of an essential matrix with most points ahead of both cameras."""
    u, _, vt = np.linalg.svd(matrix)
    u, vt = u * np.sign(np.linalg.det(u)), vt * np.sign(np.linalg.det(vt))
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    candidates = [(u @ w @ vt, sign * u[:, 2]) for w in (turn, turn.T) for sign in (1.0, -1.0)]
    counts = [_in_front(r, t, rays_a, rays_b).sum() for r, t in candidates]
    return candidates[int(np.argmax(counts))]
