"""Constant bones: against a general solver, their covariance, and how lengths are measured."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import least_squares

from mocap.geometry.bone_lengths import impose_lengths, measure_lengths

LIMB = np.array([[0, 1], [1, 2], [2, 3], [0, 3]])
"""A closed ring of four keypoints; a fifth belongs to no bone."""
SIGMA = np.full(4, 0.003)


def random_frame(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions (1, 5, 3), covariance (1, 5, 3, 3) and lengths some centimetres off."""
    rng = np.random.default_rng(seed)
    points = np.array([[0, 0, 0], [0.3, 0, 0], [0.35, 0.25, 0], [0.1, 0.3, 0.1], [1, 1, 1.0]])
    points += rng.normal(0, 0.03, points.shape)
    root = rng.normal(0, 0.02, (5, 3, 3))
    covariance = root @ root.transpose(0, 2, 1) + 1e-5 * np.eye(3)
    ends = points[LIMB]
    lengths = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1) + rng.normal(0, 0.01, 4)
    return points[None], covariance[None], lengths


@given(st.integers(0, 2**31))
def test_is_the_most_likely_position(seed):
    """SciPy finds the same minimum."""
    points, covariance, lengths = random_frame(seed)
    made, _ = impose_lengths(points, covariance, LIMB, lengths, SIGMA)
    roots = np.linalg.inv(np.linalg.cholesky(covariance[0]))

    def residuals(flat: np.ndarray) -> np.ndarray:
        at = flat.reshape(5, 3)
        ends = at[LIMB]
        stretch = (np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1) - lengths) / SIGMA
        moved = np.einsum("kij,kj->ki", roots, at - points[0])
        return np.concatenate([stretch, moved.ravel()])

    best = least_squares(residuals, points[0].ravel(), xtol=1e-14, ftol=1e-14, gtol=1e-14)
    reached = float((residuals(made[0].ravel()) ** 2).sum())
    assert reached <= 2 * best.cost * 1.01 + 1e-6
    np.testing.assert_array_equal(made[0, 4], points[0, 4])


@given(st.integers(0, 2**31))
def test_covariance_is_that_of_the_linearised_problem(seed):
    points, covariance, lengths = random_frame(seed)
    made, spread = impose_lengths(points, covariance, LIMB, lengths, SIGMA)
    information = np.zeros((15, 15))
    for k in range(5):
        information[3 * k : 3 * k + 3, 3 * k : 3 * k + 3] = np.linalg.inv(covariance[0, k])
    for (a, b), sigma in zip(LIMB, SIGMA, strict=True):
        along = made[0, b] - made[0, a]
        row = np.zeros(15)
        row[3 * b : 3 * b + 3] = along / np.linalg.norm(along)
        row[3 * a : 3 * a + 3] = -along / np.linalg.norm(along)
        information += np.outer(row, row) / sigma**2
    expected = np.linalg.inv(information)
    for k in range(5):
        block = expected[3 * k : 3 * k + 3, 3 * k : 3 * k + 3]
        # The kernel's last linearisation is one step before the final positions.
        np.testing.assert_allclose(spread[0, k], block, atol=5e-2 * np.trace(covariance[0, k]))
    np.testing.assert_array_equal(spread[0, 4], covariance[0, 4])


def test_the_surer_end_moves_less():
    points = np.array([[[0.0, 0, 0], [0.4, 0, 0]]])
    covariance = np.stack([1e-4 * np.eye(3), 9e-4 * np.eye(3)])[None]
    bone, sigma = np.array([[0, 1]]), np.array([1e-6])
    made, spread = impose_lengths(points, covariance, bone, np.array([0.3]), sigma)
    np.testing.assert_allclose(made[0, :, 0], [0.01, 0.31], atol=1e-6)
    np.testing.assert_allclose(spread[0, 0, 0, 0], 1e-4 * 0.9, rtol=1e-6)
    np.testing.assert_allclose(spread[0, 1, 1, 1], 9e-4)  # across the bone it says nothing


def test_missing_ends_and_unknown_lengths_change_nothing():
    points, covariance, lengths = random_frame(1)
    lost = points.copy()
    lost[0, 0] = np.nan
    unknown = lengths.copy()
    unknown[1:3] = np.nan
    made, spread = impose_lengths(lost, covariance, LIMB, unknown, SIGMA)
    np.testing.assert_array_equal(made, lost)
    np.testing.assert_array_equal(spread, covariance)


@given(st.integers(0, 2**31))
def test_moving_the_world_moves_the_result(seed):
    points, covariance, lengths = random_frame(seed)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    made, spread = impose_lengths(points, covariance, LIMB, lengths, SIGMA)
    other, other_spread = impose_lengths(
        points @ turn.T + 5.0, turn @ covariance @ turn.T, LIMB, lengths, SIGMA
    )
    np.testing.assert_allclose(other, made @ turn.T + 5.0, atol=1e-8)
    np.testing.assert_allclose(other_spread, turn @ spread @ turn.T, atol=1e-10)


def swinging(frames: int, lengths: tuple[float, float], sigma: float, seed: int) -> np.ndarray:
    """Two bones (T, 4, 3) of given lengths that swing, with noise."""
    rng, angle = np.random.default_rng(seed), np.linspace(0, 6, frames)
    way = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    origin = np.zeros((frames, 3))
    both = [origin, way * lengths[0], origin + 1, way * lengths[1] + 1]
    return np.stack(both, axis=1) + rng.normal(0, sigma, (frames, 4, 3))


TWO, TWINS, APART = np.array([[0, 1], [2, 3]]), np.array([1, 0]), np.array([0, 1])


def test_lengths_are_found_among_wild_frames():
    points = swinging(300, (0.30, 0.30), 0.01, 0)
    points[::5, 1] += (0.4, 0.0, 0.0)  # every fifth
    points[10:40, 3] = np.nan
    covariance = np.tile(1e-4 * np.eye(3), (300, 4, 1, 1))
    lengths, sigma = measure_lengths(points, covariance, TWO, TWINS)
    np.testing.assert_allclose(lengths, 0.30, atol=0.004)
    assert (sigma < 0.006).all()


def test_noise_does_not_lengthen_bones():
    points = swinging(4000, (0.25, 0.25), 0.03, 1)
    covariance = np.tile(9e-4 * np.eye(3), (4000, 4, 1, 1))
    plain = np.median(np.linalg.norm(points[:, 1] - points[:, 0], axis=1))
    assert plain > 0.255
    lengths, _ = measure_lengths(points, covariance, TWO, APART)
    np.testing.assert_allclose(lengths, 0.25, atol=0.003)


def test_both_sides_are_alike_and_the_one_seen_more_often_counts_more():
    points = swinging(200, (0.30, 0.32), 0.004, 2)
    points[12:, 3] = np.nan
    covariance = np.tile(1.6e-5 * np.eye(3), (200, 4, 1, 1))
    free, _ = measure_lengths(points, covariance, TWO, APART)
    np.testing.assert_allclose(free, [0.30, 0.32], atol=0.004)
    tied, sigma = measure_lengths(points, covariance, TWO, TWINS)
    assert abs(tied[1] - tied[0]) < 0.4 * abs(free[1] - free[0])
    assert abs(tied[0] - free[0]) <= abs(tied[1] - free[1])
    assert (sigma < 0.006).all()


@pytest.mark.parametrize(("frames", "known"), [(9, False), (10, True)])
def test_a_bone_needs_some_frames(frames, known):
    covariance = np.tile(1e-4 * np.eye(3), (frames, 4, 1, 1))
    points = swinging(frames, (0.3, 0.3), 0.0, 0)
    lengths, sigma = measure_lengths(points, covariance, TWO, TWINS)
    assert np.isfinite(lengths).all() == known
    assert np.isfinite(sigma).all() == known
