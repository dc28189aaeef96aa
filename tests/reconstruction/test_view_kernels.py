"""Views of one keypoint side by side: the same geometry as on whole arrays, and true slopes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from synthetic_scene import project_rig, ring_rig, standing_person

from mocap.geometry.ray_space import add_ray, add_view, miss, ray_frames, solve_packed
from mocap.model.skeletons import HALPE_26
from mocap.reconstruction.person import camera_centers
from mocap.reconstruction.view_kernels import (
    PRIOR_CAUCHY2,
    USED,
    count_apart,
    empty_views,
    linearize,
    nearest_to_rays,
    squared_error,
    step_of,
    take_views,
    widest_cosine,
)

N, K = 5, len(HALPE_26)
RIG = ring_rig(N, mixed_lenses=True)
CENTERS = camera_centers(RIG.arrays)
TRUTH = standing_person(HALPE_26, (0.1, 0.2), 0.5)
GATE2, NEAR2, CAUCHY2 = 16.0, 0.5, 4.0
RNG = np.random.default_rng(11)
SIGMA = RNG.uniform(0.004, 0.009, (N, K))
CONF = RNG.uniform(0.4, 1.0, (N, K))
CONF[2, 4] = 0.0
PRIOR = TRUTH + RNG.normal(0, 0.02, TRUTH.shape)
_root = RNG.normal(0, 20, (3, 3))
H = _root @ _root.T + 400 * np.eye(3)
PRIOR_H = np.tile(H[np.triu_indices(3)], (K, 1))


def frames_of() -> np.ndarray:
    a = RIG.arrays
    pixels = project_rig(TRUTH, RIG) + RNG.normal(0, 3.0, (N, K, 2))
    return ray_frames(
        pixels, CONF.copy(), np.arange(N), a.matrix, a.distortions, a.fisheye, a.T_cam_world
    )


FRAMES = frames_of()


def views_of(k: int, chosen: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, int]:
    views, order = empty_views(N)
    some = np.ones((N, K), bool) if chosen is None else chosen
    n = take_views(FRAMES, CONF, SIGMA, CENTERS, k, some, chosen is None, views, order)
    return views, order[:n], n


def linear(
    views: np.ndarray, n: int, k: int, x: np.ndarray, has_prior: bool = True
) -> tuple[Any, ...]:
    """`linearize` at a point, with the prediction or without."""
    place = (float(x[0]), float(x[1]), float(x[2]))
    settings = (GATE2, NEAR2, 1 / CAUCHY2, PRIOR, PRIOR_H, has_prior, -1.0)
    return linearize(*(views, n, k, *place, *settings))


def errors_at(views: np.ndarray, n: int, x: np.ndarray) -> np.ndarray:
    return np.array([squared_error(views, i, x[0], x[1], x[2]) for i in range(n)])


def test_only_views_with_confidence_are_taken_and_only_the_chosen_ones() -> None:
    assert list(views_of(4)[1]) == [0, 1, 3, 4]
    chosen = np.zeros((N, K), bool)
    chosen[[1, 2], 4] = True
    assert list(views_of(4, chosen)[1]) == [1]


@pytest.mark.parametrize("k", [0, 4, 9])
def test_squared_errors_are_those_of_the_whole_arrays(k: int) -> None:
    views, order, n = views_of(k)
    x = TRUTH[k] + 0.01
    expected = [
        sum(r * r for r in miss(FRAMES, c, k, CENTERS, c, x[0], x[1], x[2])[:2]) / SIGMA[c, k] ** 2
        for c in order
    ]
    assert errors_at(views, n, x) == pytest.approx(expected, rel=1e-12)
    for apart, limit in enumerate(sorted(expected, reverse=True)):
        assert count_apart(views, n, x[0], x[1], x[2], 1.001 * limit) == apart


@pytest.mark.parametrize("pair", [None, (3, 1)])
def test_the_point_nearest_to_rays_is_that_of_the_sum_of_rays(pair: tuple[int, int] | None) -> None:
    views, order, n = views_of(4)
    h, g, s = np.zeros(6), np.zeros(3), np.zeros(3)
    for i in range(n) if pair is None else pair:
        c = order[i]
        add_ray(FRAMES[c, 4, 0], CENTERS[c], (CONF[c, 4] / SIGMA[c, 4]) ** 2, h, g)
    condition = solve_packed(h, g, s)
    found = (
        nearest_to_rays(views, n, 0, 0)
        if pair is None
        else nearest_to_rays(views, 0, pair[0], pair[1])
    )
    assert found[0] == pytest.approx(condition, rel=1e-9)
    assert found[1:] == pytest.approx(s, abs=1e-9)


def cost(k: int, x: np.ndarray) -> float:
    """What the estimate minimises: Cauchy's loss of the views, and of the prediction."""
    total = 0.0
    for c in range(N):
        if CONF[c, k] > 0:
            r1, r2, _ = miss(FRAMES, c, k, CENTERS, c, x[0], x[1], x[2])
            e = (r1 * r1 + r2 * r2) / SIGMA[c, k] ** 2
            total += CONF[c, k] ** 2 * CAUCHY2 * np.log1p(e / CAUCHY2) / 2
    d = x - PRIOR[k]
    return total + PRIOR_CAUCHY2 * np.log1p(d @ H @ d / PRIOR_CAUCHY2) / 2


@pytest.mark.parametrize("k", [0, 4, 9])
def test_the_gradient_is_that_of_the_cost(k: int) -> None:
    views, _, n = views_of(k)
    x = TRUTH[k] + np.array([0.008, -0.006, 0.004])
    count, _, _, by_views, by_prior = linear(views, n, k, x)
    assert count == n and views[:n, USED].all()
    step = 1e-6 * np.eye(3)
    slope = [(cost(k, x + e) - cost(k, x - e)) / 2e-6 for e in step]
    assert np.array(by_views[6:]) + by_prior[6:] == pytest.approx(slope, rel=1e-5)


def test_the_matrix_is_that_of_the_whole_arrays_and_the_step_solves_it() -> None:
    k = 9
    views, order, n = views_of(k)
    x = TRUTH[k] + 0.01
    count, misfit, apart, by_views, by_prior = linear(views, n, k, x)
    h, g = np.zeros(6), np.zeros(3)
    errors = errors_at(views, n, x)
    weights = CONF[order, k] ** 2 / (1 + errors / CAUCHY2)
    for c, w in zip(order, weights, strict=True):
        add_view(
            FRAMES,
            c,
            k,
            *miss(FRAMES, c, k, CENTERS, c, x[0], x[1], x[2]),
            w / SIGMA[c, k] ** 2,
            h,
            g,
        )
    assert by_views[:6] == pytest.approx(h, rel=1e-9)
    assert by_views[6:] == pytest.approx(g, rel=1e-9)
    assert misfit == pytest.approx((weights * errors).sum())
    assert apart == (errors > NEAR2).sum() and count == n
    both = np.array(by_views) + by_prior
    full = np.zeros((3, 3))
    full[np.triu_indices(3)] = both[:6]
    full = full + np.triu(full, 1).T
    expected = np.linalg.solve(full, both[6:])
    condition, *step, decrease = step_of(by_views, by_prior)
    assert condition > 0
    assert step == pytest.approx(expected, rel=1e-9)
    assert decrease == pytest.approx(both[6:] @ expected)


def test_a_view_beyond_the_gate_is_left_out_and_said_so() -> None:
    k = 9
    views, _, n = views_of(k)
    views[1, 0:9] = FRAMES[1, 0].ravel()  # another keypoint's ray
    count, *_ = linear(views, n, k, TRUTH[k], has_prior=False)
    assert count == n - 1
    assert list(views[:n, USED]) == [1, 0, 1, 1, 1]


def test_the_widest_angle_is_of_the_used_views_alone() -> None:
    views, order, n = views_of(9)
    rays = FRAMES[order, 9, 0]
    cosines = np.abs(rays @ rays.T)[np.triu_indices(n, 1)]
    assert widest_cosine(views, n, False, 0.0) == pytest.approx(cosines.min())
    views[:, USED] = [1, 0, 1, 0, 0]
    assert widest_cosine(views, n, True, 0.0) == pytest.approx(abs(rays[0] @ rays[2]))
