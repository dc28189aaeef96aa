"""Derivatives of robust scores against finite differences."""

import numpy as np
import pytest
from scipy import sparse

from calibration.least_squares import Linearization
from calibration.people.score_curvature import score_curvature

SCALE = 2.0


def _score(residual, group, robust):
    """Cauchy's: r / (1 + |r|^2 / c^2), with the weights."""
    squared = np.bincount(group, residual**2)
    weight = np.where(robust, 1 / (1 + squared / SCALE**2), 1.0)
    return weight[group] * residual, weight


def _rows():
    group = np.array([0, 0, 1, 1, 2, 3, 3, 3])
    robust = np.array([True, True, True, False])
    residual = np.array([0.3, -1.1, 0.0, 0.0, 1.5, 4.0, -2.0, 1.0])
    return residual, group, robust


def test_derivative_is_the_finite_difference():
    residual, group, robust = _rows()
    _, weight = _score(residual, group, robust)
    linear = Linearization(residual, sparse.eye(8, format="csr"), group, robust)
    found = score_curvature(linear, weight).times(np.eye(8))
    step = 1e-6
    for column in range(8):
        change = step * (np.arange(8) == column)
        ahead, _ = _score(residual + change, group, robust)
        behind, _ = _score(residual - change, group, robust)
        np.testing.assert_allclose(found[:, column], (ahead - behind) / (2 * step), atol=1e-8)


def test_hessian_is_that_of_dense_algebra():
    residual, group, robust = _rows()
    jacobian = np.random.default_rng(0).standard_normal((8, 3))
    linear = Linearization(residual, sparse.csr_matrix(jacobian), group, robust)
    curvature = score_curvature(linear, _score(residual, group, robust)[1])
    expected = jacobian.T @ curvature.times(np.eye(8)) @ jacobian
    np.testing.assert_allclose(
        curvature.hessian(linear.jacobian).toarray(), expected, rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("length", [2.5, 10.0, 1000.0])
def test_wrong_detections_hold_little_and_never_push(length):
    residual, group = np.array([0.6, 0.8]) * length, np.zeros(2, int)
    _, weight = _score(residual, group, np.array([True]))
    linear = Linearization(residual, sparse.eye(2, format="csr"), group, np.array([True]))
    values = np.linalg.eigvalsh(score_curvature(linear, weight).times(np.eye(2)))
    assert 0 < values[0] <= 0.05 * weight[0] * (1 + 1e-9)
    assert values[1] == pytest.approx(weight[0])
