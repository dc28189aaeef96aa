"""Compiled robust triangulation of many keypoints; `mocap.geometry.triangulation` explains it."""

# The types of compiled functions are numba's to infer; annotations on them would say nothing.
# pyright: basic

from __future__ import annotations

import math

import numpy as np

from mocap.compiled import kernel
from mocap.geometry.kernels import project_point, project_point_jacobian, solve_symmetric_3x3
from mocap.geometry.triangulation import (
    FIRST_GATE,
    MAX_HALVINGS,
    MAX_REFINE_STEPS,
    MIN_CONDITION,
    STEP_TOLERANCE_M,
)


@kernel
def _linear_point(chosen, n_chosen, k, rays, centers, weights, a, b, point):
    """Weighted DLT of keypoint k from the chosen views; false if the rays are parallel."""
    a[:] = 0.0
    b[:] = 0.0
    for i in range(n_chosen):
        v = chosen[i]
        w = weights[v, k]
        for r in range(3):
            for s in range(3):
                across = (1.0 if r == s else 0.0) - rays[v, k, r] * rays[v, k, s]
                a[r, s] += w * across
                b[r] += w * across * centers[v, s]
    return solve_symmetric_3x3(a, b, point) >= MIN_CONDITION


@kernel
def _widest_angle(chosen, n_chosen, k, rays):
    smallest = 1.0
    for i in range(n_chosen):
        for j in range(i):
            p, q = chosen[i], chosen[j]
            cosine = 0.0
            for r in range(3):
                cosine += rays[p, k, r] * rays[q, k, r]
            smallest = min(smallest, abs(cosine))
    return math.acos(smallest)


@kernel
def _squared_residual(point, v, k, pixels, cameras):
    """Squared distance in pixels of a point from keypoint k in view v."""
    matrix, distortions, fisheye, T = cameras
    pu, pv, _ = project_point(point, v, matrix, distortions, fisheye, T)
    du, dv = pu - pixels[v, k, 0], pv - pixels[v, k, 1]
    return du * du + dv * dv


@kernel
def _robust_cost(point, used, n_used, k, pixels, confidence, sigma, c2, cameras):
    total = 0.0
    for i in range(n_used):
        v = used[i]
        r2 = _squared_residual(point, v, k, pixels, cameras)
        e = r2 / (sigma[v, k] * sigma[v, k])
        total += confidence[v, k] * confidence[v, k] * c2 * math.log1p(e / c2)
    return total if math.isfinite(total) else math.inf


@kernel
def _refine(point, used, n_used, k, pixels, confidence, sigma, c2, cameras, work):
    """Gauss-Newton on the reprojection error with Cauchy weights; changes `point`."""
    a, b, step, trial, jacobian = work
    matrix, distortions, fisheye, T = cameras
    now = _robust_cost(point, used, n_used, k, pixels, confidence, sigma, c2, cameras)
    for _ in range(MAX_REFINE_STEPS):
        a[:] = 0.0
        b[:] = 0.0
        for i in range(n_used):
            v = used[i]
            pu, pv, _z = project_point(point, v, matrix, distortions, fisheye, T)
            du, dv = pixels[v, k, 0] - pu, pixels[v, k, 1] - pv
            s2 = sigma[v, k] * sigma[v, k]
            w = confidence[v, k] * confidence[v, k] / s2 / (1 + (du * du + dv * dv) / s2 / c2)
            project_point_jacobian(point, v, matrix, distortions, fisheye, T, jacobian)
            for r in range(3):
                b[r] += w * (jacobian[0, r] * du + jacobian[1, r] * dv)
                for s in range(3):
                    a[r, s] += w * (
                        jacobian[0, r] * jacobian[0, s] + jacobian[1, r] * jacobian[1, s]
                    )
        if not solve_symmetric_3x3(a, b, step) >= MIN_CONDITION:
            break
        moved = False
        for _h in range(MAX_HALVINGS):
            for r in range(3):
                trial[r] = point[r] + step[r]
            after = _robust_cost(trial, used, n_used, k, pixels, confidence, sigma, c2, cameras)
            if after <= now:
                point[:] = trial
                now = after
                moved = True
                break
            for r in range(3):
                step[r] /= 2
        length2 = step[0] * step[0] + step[1] * step[1] + step[2] * step[2]
        if not moved or length2 < STEP_TOLERANCE_M * STEP_TOLERANCE_M:
            break


@kernel
def _invert_symmetric_3x3(a, out):
    b = np.zeros(3)
    column = np.zeros(3)
    for j in range(3):
        b[:] = 0.0
        b[j] = 1.0
        solve_symmetric_3x3(a, b, column)
        for i in range(3):
            out[i, j] = column[i]


@kernel
def triangulate_kernel(
    pixels,
    confidence,
    sigma,
    rays,
    centers,
    focal,
    matrix,
    distortions,
    fisheye,
    T,
    min_confidence,
    gate,
    cauchy,
    min_angle,
    max_pairs,
    prior_dof,
    max_rounds,
    consistency,
    prior_points,
    prior_sigma,
):
    """Robustly triangulates K keypoints from C views.

    Args:
        pixels: (C, K, 2); 2D keypoints.
        confidence: (C, K); in [0, 1].
        sigma: (C, K); standard deviation of the 2D noise at confidence 1, pixels.
        rays: (C, K, 3); unit rays in the world frame.
        centers: (C, 3); optical centres, metres.
        focal: (C); focal lengths, pixels.
        matrix: (C, 3, 3); as in `RigArrays`, like the next three.
        distortions: (C, 8).
        fisheye: (C).
        T: (C, 4, 4); `T_cam_world`.
        min_confidence: as in `RobustSettings`, like all up to `max_rounds`.
        gate: in sigmas.
        cauchy: in sigmas.
        min_angle: in radians.
        max_pairs: of views.
        prior_dof: degrees of freedom.
        max_rounds: of refinement.
        consistency: (C + 1, 2); from `consistency_table`.
        prior_points: (K, 3); where each keypoint is expected, metres; NaN for no expectation.
        prior_sigma: (K); standard deviation of that, metres.

    Returns:
        points (K, 3), covariance (K, 3, 3), reprojection_px (K), used (C, K) bool,
        residual_px (C, K), redundancy (C, K); as in `triangulate_robust`.
    """
    views, count = confidence.shape
    cameras = (matrix, distortions, fisheye, T)
    points = np.full((count, 3), np.nan)
    covariance = np.full((count, 3, 3), np.nan)
    reprojection = np.full(count, np.nan)
    used_mask = np.zeros((views, count), np.bool_)
    residual = np.full((views, count), np.nan)
    redundancy = np.zeros((views, count))
    weights = np.zeros((views, count))
    own = np.zeros((views, 3, 3))
    candidates = np.zeros(views, np.int64)
    pair = np.zeros(2, np.int64)
    used = np.zeros(views, np.int64)
    again = np.zeros(views, np.int64)
    a, b, step, trial = np.zeros((3, 3)), np.zeros(3), np.zeros(3), np.zeros(3)
    jacobian = np.zeros((2, 3))
    work = (a, b, step, trial, jacobian)
    point, best = np.zeros(3), np.zeros(3)
    gate2, c2 = gate * gate, cauchy * cauchy
    for k in range(count):
        n = 0
        for v in range(views):
            if confidence[v, k] >= min_confidence and math.isfinite(rays[v, k, 0]):
                candidates[n] = v
                n += 1
                w = confidence[v, k] * focal[v] / sigma[v, k]
                weights[v, k] = w * w
        if n < 2:
            continue
        n_pairs = n * (n - 1) // 2
        stride = (n_pairs + max_pairs - 1) // max_pairs
        best_cost = math.inf
        index = 0
        for i in range(n):
            for j in range(i + 1, n + 1):
                everything = j == n  # after the last pair: all views at once
                if everything:
                    if i < n - 1 or n == 2:
                        continue
                    ok = _widest_angle(candidates, n, k, rays) >= min_angle and _linear_point(
                        candidates, n, k, rays, centers, weights, a, b, point
                    )
                else:
                    index += 1
                    if (index - 1) % stride:
                        continue
                    pair[0], pair[1] = candidates[i], candidates[j]
                    ok = _widest_angle(pair, 2, k, rays) >= min_angle and _linear_point(
                        pair, 2, k, rays, centers, weights, a, b, point
                    )
                if not ok:
                    continue
                cost = 0.0
                if math.isfinite(prior_points[k, 0]):
                    for r in range(3):
                        offset = (point[r] - prior_points[k, r]) / prior_sigma[k]
                        cost += offset * offset
                    cost = min(cost, gate2)
                for m in range(n):
                    v = candidates[m]
                    e = _squared_residual(point, v, k, pixels, cameras) / (
                        sigma[v, k] * sigma[v, k]
                    )
                    if not e < gate2:
                        e = gate2
                    cost += confidence[v, k] * confidence[v, k] * e
                    if cost >= best_cost:
                        break
                if cost < best_cost:
                    best_cost = cost
                    best[:] = point
        if best_cost == math.inf:
            continue
        point[:] = best
        n_used = 0
        for rounds in range(max_rounds + 1):
            limit = gate2 * (FIRST_GATE * FIRST_GATE if rounds == 0 and max_rounds > 0 else 1.0)
            n_again = 0
            for m in range(n):
                v = candidates[m]
                e = _squared_residual(point, v, k, pixels, cameras) / (sigma[v, k] * sigma[v, k])
                if e < limit:
                    again[n_again] = v
                    n_again += 1
            same = n_again == n_used
            for m in range(n_again):
                same = same and again[m] == used[m]
            n_used = n_again
            used[:n_used] = again[:n_used]
            if same or n_used < 2 or rounds == max_rounds:
                break
            _refine(point, used, n_used, k, pixels, confidence, sigma, c2, cameras, work)
        if n_used < 2 or _widest_angle(used, n_used, k, rays) < min_angle:
            continue
        a[:] = 0.0
        misfit = 0.0
        total_weight = 0.0
        for m in range(n_used):
            v = used[m]
            r2 = _squared_residual(point, v, k, pixels, cameras)
            s2 = sigma[v, k] * sigma[v, k]
            w = confidence[v, k] * confidence[v, k] / s2 / (1 + r2 / s2 / c2)
            misfit += w * r2
            total_weight += w
            project_point_jacobian(point, v, matrix, distortions, fisheye, T, jacobian)
            for r in range(3):
                for s in range(3):
                    own[v, r, s] = w * (
                        jacobian[0, r] * jacobian[0, s] + jacobian[1, r] * jacobian[1, s]
                    )
                    a[r, s] += own[v, r, s]
        b[:] = 0.0
        if not solve_symmetric_3x3(a, b, step) >= MIN_CONDITION:
            continue
        _invert_symmetric_3x3(a, covariance[k])
        for m in range(n_used):
            v = used[m]
            used_mask[v, k] = True
            redundancy[v, k] = 2.0
            for r in range(3):
                for s in range(3):
                    redundancy[v, k] -= own[v, r, s] * covariance[k, s, r]
        scale = (prior_dof + misfit / consistency[n_used, 0]) / (prior_dof + 2 * n_used - 3)
        scale *= consistency[n_used, 1]
        for r in range(3):
            points[k, r] = point[r]
            for s in range(3):
                covariance[k, r, s] *= scale
        reprojection[k] = math.sqrt(misfit / total_weight)
        for m in range(n):
            v = candidates[m]
            residual[v, k] = math.sqrt(_squared_residual(point, v, k, pixels, cameras))
    return points, covariance, reprojection, used_mask, residual, redundancy
