"""The solver of all adjustments, against problems with known answers and SciPy."""

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import least_squares

from calibration.least_squares import Linearization, adjust, covariance_of, solve_in_given_order


class Curve:
    """y = a exp(b x), one row per measurement."""

    def __init__(self, x, y, sigma=1.0):
        self.x, self.y, self.sigma = x, y, sigma

    def residual(self, state):
        return (state[0] * np.exp(state[1] * self.x) - self.y) / self.sigma

    def linearize(self, state):
        grown = np.exp(state[1] * self.x)
        jacobian = np.column_stack([grown, state[0] * self.x * grown]) / self.sigma
        n = len(self.x)
        return Linearization(
            self.residual(state), sparse.csr_matrix(jacobian), np.arange(n), np.ones(n, bool)
        )

    def moved(self, state, step):
        return state + step


def _curve(outliers=0, noise=0.01, seed=0):
    rng = np.random.default_rng(seed)
    x = np.linspace(0, 2, 60)
    y = 2.0 * np.exp(-0.7 * x) + rng.normal(0, noise, 60)
    y[:outliers] += 5.0
    return Curve(x, y, noise)


@pytest.mark.parametrize("loss", ["squared", "huber", "cauchy"])
def test_same_minimum_as_scipy(loss):
    problem = _curve(outliers=3)
    ours = adjust(problem, np.array([1.8, -0.6]), loss=loss, scale=2.0)
    name = {"squared": "linear"}.get(loss, loss)
    theirs = least_squares(problem.residual, [1.8, -0.6], loss=name, f_scale=2.0, xtol=1e-14)
    assert ours.converged
    np.testing.assert_allclose(ours.state, theirs.x, rtol=1e-3)
    assert ours.cost == pytest.approx(theirs.cost, rel=1e-6)


def test_robust_losses_see_through_outliers_and_say_so():
    problem = _curve(outliers=6)
    plain = adjust(problem, np.array([1.0, 0.0]), loss="squared")
    robust = adjust(problem, np.array([1.8, -0.6]), loss="cauchy", scale=2.0)
    assert abs(plain.state[0] - 2.0) > 0.2
    np.testing.assert_allclose(robust.state, [2.0, -0.7], atol=0.02)
    assert robust.weight[:6].max() < 1e-3 < 0.3 < np.median(robust.weight[6:])


def test_covariance_is_that_of_many_repetitions():
    states = np.array([adjust(_curve(seed=s), np.array([1.5, 0.0])).state for s in range(300)])
    found = adjust(_curve(seed=1), np.array([1.5, 0.0]), loss="squared")
    covariance = found.covariance_of(np.array([0, 1]))
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), states.std(axis=0), rtol=0.15)


def test_groups_share_one_weight():
    class Points:
        """The mean of points in the plane."""

        data = np.array([[0.0, 0.0], [0.1, 0.0], [0.0, 0.1], [30.0, 1.0]])

        def residual(self, state):
            return (state - self.data).ravel()

        def linearize(self, state):
            jacobian = sparse.csr_matrix(np.tile(np.eye(2), (4, 1)))
            return Linearization(
                self.residual(state), jacobian, np.repeat(np.arange(4), 2), np.ones(4, bool)
            )

        def moved(self, state, step):
            return state + step

    found = adjust(Points(), np.zeros(2), loss="cauchy", scale=0.5)
    assert found.weight.shape == (4,)
    assert found.weight[3] < 0.01
    np.testing.assert_allclose(found.state, [0.03, 0.03], atol=0.05)


def test_undetermined_unknowns_are_named_as_such_and_do_not_move():
    class Half:
        """Only the first of two unknowns is measured."""

        def residual(self, state):
            return np.array([state[0] - 3.0])

        def linearize(self, state):
            jacobian = sparse.csr_matrix(np.array([[1.0, 0.0]]))
            return Linearization(self.residual(state), jacobian, np.array([0]), np.ones(1, bool))

        def moved(self, state, step):
            return state + step

    found = adjust(Half(), np.array([0.0, 7.0]))
    np.testing.assert_allclose(found.state, [3.0, 7.0], atol=1e-4)
    with pytest.raises(np.linalg.LinAlgError):
        found.covariance_of(np.array([1]))


def test_a_singular_matrix_has_no_covariance():
    matrix = sparse.csc_matrix(np.array([[1.0, 1.0], [1.0, 1.0]]))
    with pytest.raises(np.linalg.LinAlgError):
        covariance_of(matrix, np.array([0]))


def test_a_start_that_is_not_finite_is_refused():
    with pytest.raises(FloatingPointError):
        adjust(_curve(), np.array([np.nan, 0.0]))


def test_other_unknowns_that_nothing_measures_do_no_harm_to_a_covariance():
    matrix = sparse.csc_matrix(np.diag([4.0, 0.0, 9.0]))
    np.testing.assert_allclose(covariance_of(matrix, np.array([0, 2])), np.diag([1 / 4, 1 / 9]))
    with pytest.raises(np.linalg.LinAlgError):
        covariance_of(matrix, np.array([0, 1]))


def test_unknowns_in_their_given_order_have_the_same_solution():
    rng = np.random.default_rng(2)
    factor = sparse.random(40, 40, 0.1, random_state=3) + sparse.eye(40)
    matrix = sparse.csc_matrix(factor.T @ factor)
    right = rng.normal(size=40)
    found = solve_in_given_order(matrix, right)
    np.testing.assert_allclose(found, np.linalg.solve(matrix.toarray(), right), rtol=1e-8)
    assert solve_in_given_order(sparse.csc_matrix(np.zeros((2, 2))), np.ones(2)) is None
