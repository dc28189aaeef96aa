"""Kinds of errors are told apart, and carried to the rig as a simulation carries them."""

import numpy as np
import pytest
from scipy import sparse

from calibration.least_squares import Linearization, adjust
from calibration.people.correlated import KINDS, correlated_errors
from calibration.people.measurements import Measurements

CAMERAS, KEYPOINTS, INSTANTS, TRUE_RIG = 3, 8, 60, 6


def _layout():
    """Measurements of every keypoint by every camera at every instant, and a linear problem."""
    camera, keypoint, instant = (
        a.ravel() for a in np.indices((CAMERAS, KEYPOINTS, INSTANTS), np.int64)
    )
    n = len(camera)
    points = KEYPOINTS * INSTANTS
    m = Measurements(
        camera=camera,
        frame=instant,
        point=keypoint * INSTANTS + instant,
        pixels=np.zeros((n, 2)),
        velocity=np.zeros((n, 2)),
        acceleration=np.zeros((n, 2)),
        ahead_s=np.zeros(n),
        sigma_px=np.ones(n),
        point_person=np.zeros(points, np.int64),
        point_instant=np.tile(np.arange(INSTANTS), KEYPOINTS),
        point_keypoint=np.repeat(np.arange(KEYPOINTS), INSTANTS),
        instants_s=np.arange(INSTANTS) / 7.5,
    )
    rng = np.random.default_rng(0)
    design = np.zeros((n, 2, TRUE_RIG))
    for c in range(CAMERAS):
        # A constant part, as of a turned camera, and one that changes sign, as of a time offset.
        design[camera == c, 0, 2 * c] = 1.0
        design[camera == c, 1, 2 * c + 1] = rng.standard_normal(int((camera == c).sum()))
    return m, sparse.csr_matrix(design.reshape(2 * n, TRUE_RIG))


def _errors(m, rng, white, slow, bias):
    keep = np.exp(-(m.instants_s[1] - m.instants_s[0]) / 0.5)
    state = rng.standard_normal((CAMERAS, KEYPOINTS, 2))
    table = np.empty((CAMERAS, KEYPOINTS, INSTANTS, 2))
    for i in range(INSTANTS):
        table[:, :, i] = slow * state
        state = keep * state + np.sqrt(1 - keep**2) * rng.standard_normal(state.shape)
    table += white * rng.standard_normal(table.shape)
    table += bias * rng.standard_normal((CAMERAS, KEYPOINTS, 1, 2))
    return table.reshape(-1, 2)


def _found(m, design, error):
    information = sparse.csc_matrix(design.T @ design)
    step = np.linalg.solve(information.toarray(), design.T @ error.ravel())
    residual = error.ravel() - design @ step
    n = len(m)
    linear = Linearization(residual, design, np.repeat(np.arange(n), 2), np.ones(n, bool))
    return step, correlated_errors(linear, np.ones(n), TRUE_RIG, m)


@pytest.mark.parametrize(
    ("white", "slow", "bias"), [(1.0, 0.0, 0.0), (0.6, 0.8, 0.0), (0.6, 0.0, 0.8)]
)
def test_variances_are_found_and_spread_is_promised(white, slow, bias):
    m, design = _layout()
    rng = np.random.default_rng(3)
    steps, promised, variances = [], [], []
    for _ in range(30):
        step, found = _found(m, design, _errors(m, rng, white, slow, bias))
        steps.append(step)
        promised.append(np.diag(found.covariance))
        variances.append(found.variance)
    variance = np.mean(variances, axis=0)
    lasting = [i for i, kind in enumerate(KINDS) if 0.15 < kind.memory_s < 2.0]
    constant = [i for i, kind in enumerate(KINDS) if np.isinf(kind.memory_s)]
    assert variance.sum() == pytest.approx(white**2 + slow**2 + bias**2, rel=0.15)
    assert variance[constant].sum() == pytest.approx(bias**2, abs=0.2)
    assert variance[lasting].sum() == pytest.approx(slow**2, abs=0.2)
    ratio = np.square(steps).mean(axis=0) / np.mean(promised, axis=0)
    assert 0.5 < ratio.mean() < 1.6


def test_spread_is_promised_where_stated_deviations_do_not_follow_the_errors():
    m, design = _layout()
    rng = np.random.default_rng(4)
    # Pixels of small stated deviation count most, and have errors larger than stated.
    stated = np.repeat(rng.choice([0.5, 2.0], len(m)), 2)
    weighted = sparse.csr_matrix(sparse.diags(1 / stated) @ design)
    steps, promised = [], []
    for _ in range(30):
        error = _errors(m, rng, 0.6, 0.8, 0.0) / stated.reshape(-1, 2)
        step, found = _found(m, weighted, error)
        steps.append(step)
        promised.append(np.diag(found.covariance))
    ratio = np.square(steps).mean(axis=0) / np.mean(promised, axis=0)
    assert 0.6 < ratio.mean() < 1.4


def test_independent_errors_have_no_effect_and_constant_ones_blur_only_what_is_constant():
    m, design = _layout()
    rng = np.random.default_rng(1)
    assert _found(m, design, _errors(m, rng, 1.0, 0.0, 0.0))[1].effect < 1.25
    _, found = _found(m, design, _errors(m, rng, 0.6, 0.0, 0.8))
    plain = 1 / np.asarray(design.power(2).sum(axis=0)).ravel()
    grown = np.diag(found.covariance) / plain
    assert grown[0::2].min() > 10 and grown[1::2].max() < 2


class _TwoViews:
    """Points with their own place along the rows that two cameras share, and across them in each
    image, as of an epipolar geometry; two unknowns shift the second camera, each point by its own
    amount, so that only errors that are new at each instant matter. Linear."""

    def __init__(self, m, error):
        n = len(m)
        rows = np.arange(2 * n)
        amount = np.random.default_rng(6).standard_normal((m.points, 2))
        moved = np.where(m.camera[:, None] == 1, amount[m.point], 0.0)
        column = 2 + 3 * m.point[:, None] + np.stack([np.zeros(n, int), 1 + m.camera], axis=1)
        places = (
            np.concatenate([moved.ravel(), np.ones(2 * n)]),
            (
                np.concatenate([np.repeat(rows[::2], 2), rows]),
                np.concatenate([np.tile([0, 1], n), column.ravel()]),
            ),
        )
        self.jacobian = sparse.csr_matrix(places, shape=(2 * n, 2 + 3 * m.points))
        self.error, self.group, self.robust = error.ravel(), rows // 2, np.ones(n, bool)

    def residual(self, state):
        return self.jacobian @ state - self.error

    def linearize(self, state):
        return Linearization(self.residual(state), self.jacobian, self.group, self.robust)

    def moved(self, state, step):
        return state + step


def test_spread_is_promised_where_two_views_leave_residuals_in_one_direction():
    m, _ = _layout()
    m = m.kept((m.camera < 2) & (m.point_instant[m.point] < 30))
    rng = np.random.default_rng(5)
    steps, promised = [], []
    for _ in range(30):
        problem = _TwoViews(m, 1.5 * rng.standard_normal((len(m), 2)))
        start = np.zeros(2 + 3 * m.points)
        fit = adjust(problem, start, loss="cauchy", scale=2.0, tolerance=1e-6)
        found = correlated_errors(problem.linearize(fit.state), fit.weight, 2, m)
        steps.append(fit.state[:2])
        promised.append(np.diag(found.covariance))
    # With weights taken as fixed the ratio is 1.7.
    ratio = np.square(steps).mean(axis=0) / np.mean(promised, axis=0)
    assert 0.6 < ratio.mean() < 1.3


def test_unknowns_that_nothing_measures_are_refused():
    m, design = _layout()
    empty = sparse.csr_matrix(design.toarray() * (np.arange(TRUE_RIG) > 0))
    with pytest.raises(np.linalg.LinAlgError):
        _found_blind(m, empty)


def _found_blind(m, design):
    n = len(m)
    linear = Linearization(np.ones(2 * n), design, np.repeat(np.arange(n), 2), np.ones(n, bool))
    return correlated_errors(linear, np.ones(n), TRUE_RIG, m)
