"""Five-point solver and relative pose, against known poses."""

import numpy as np
import pytest

from calibration.people.two_view import (
    epipolar_residual,
    estimate_relative_pose,
    five_point,
    refine_relative_pose,
)
from mocap.geometry.rotations import matrix_from_rotvec, rotvec_from_matrix, skew_matrix


def _unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _scene(seed, n=400, flat=False):
    rng = np.random.default_rng(seed)
    rotation = matrix_from_rotvec(rng.normal(size=3) * 0.6)
    direction = _unit(rng.normal(size=3))
    points = rng.normal(size=(n, 3)) * ([1, 1, 0.0] if flat else [1, 1, 1]) + [0, 0, 5]
    return rng, rotation, direction, _unit(points), _unit(points @ rotation.T + 3 * direction)


@pytest.mark.parametrize("seed", range(5))
def test_five_point_finds_the_true_matrix_in_every_sample(seed):
    _, rotation, direction, a, b = _scene(seed, 100)
    truth = skew_matrix(direction) @ rotation / np.sqrt(2)
    for k in range(20):
        sample = slice(5 * k, 5 * k + 5)
        found = five_point(a[None, sample], b[None, sample])
        error = np.minimum(np.abs(found - truth).max((1, 2)), np.abs(found + truth).max((1, 2)))
        assert error.min() < 1e-6
        np.testing.assert_allclose(
            np.einsum("ni,mij,nj->mn", b[sample], found, a[sample]), 0, atol=1e-9
        )


def test_degenerate_samples_give_no_solution_or_finite_ones():
    a = np.tile(_unit(np.array([0.1, 0.2, 1.0])), (1, 5, 1))
    assert np.isfinite(five_point(a, a)).all()


@pytest.mark.parametrize("seed", range(3))
def test_points_in_one_plane_allow_two_poses_and_this_is_told(seed):
    rng, _, _, a, b = _scene(seed, flat=True)
    spread = np.full(len(a), 0.001)
    assert estimate_relative_pose(a, b, spread, spread, rng).rival > 0.95


@pytest.mark.parametrize("seed", range(3))
def test_pose_among_outliers(seed):
    rng, rotation, direction, a, b = _scene(seed)
    sigma = 0.001
    a, b = (_unit(rays + rng.normal(0, sigma, rays.shape)) for rays in (a, b))
    b[:150] = _unit(rng.normal(size=(150, 3)))
    spread = np.full(len(a), sigma)
    found = estimate_relative_pose(a, b, spread, spread, rng)
    angle = np.degrees(np.linalg.norm(rotvec_from_matrix(found.R_b_a @ rotation.T)))
    assert angle < 0.5
    assert np.degrees(np.arccos(np.clip(found.t_b_a @ direction, -1, 1))) < 1.0
    assert found.rival < 0.9
    assert found.inlier[150:].mean() > 0.9 > 0.15 > found.inlier[:150].mean()


def test_residual_has_unit_variance_for_the_stated_noise():
    rng, rotation, direction, a, b = _scene(1, 4000)
    a = _unit(a + rng.normal(0, 0.002, a.shape))
    b = _unit(b + rng.normal(0, 0.001, b.shape))
    matrix = skew_matrix(direction) @ rotation
    residual = epipolar_residual(matrix, a, b, np.full(4000, 0.002), np.full(4000, 0.001))
    assert residual.std() == pytest.approx(1.0, abs=0.05)


def test_refinement_never_lowers_the_score():
    _, rotation, direction, a, b = _scene(2)
    spread = np.full(len(a), 0.003)
    turned = matrix_from_rotvec(np.array([0.004, -0.003, 0.002])) @ rotation
    matrix = skew_matrix(direction) @ turned
    before = np.sum(1 - np.minimum((epipolar_residual(matrix, a, b, spread, spread) / 2.5) ** 2, 1))
    assert refine_relative_pose(turned, direction, a, b, spread, spread).score > before


def test_too_few_correspondences():
    rng, _, _, a, b = _scene(0, 7)
    assert estimate_relative_pose(a, b, np.ones(7), np.ones(7), rng) is None
