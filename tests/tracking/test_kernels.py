"""The compiled filter, against a Kalman filter written with plain matrices."""

from __future__ import annotations

import numpy as np
import pytest

from mocap.geometry.ray_space import pack
from mocap.tracking.kernels import learn_lengths, predict, update

RNG = np.random.default_rng(5)
K = 6
CHOSEN = np.arange(K)


def state() -> tuple[np.ndarray, ...]:
    x, v = RNG.normal(size=(K, 3)), RNG.normal(size=(K, 3))
    root = RNG.normal(size=(K, 6, 6))
    joint = 0.01 * root @ np.swapaxes(root, 1, 2)
    return (
        x,
        v,
        joint[:, :3, :3].copy(),
        joint[:, :3, 3:].copy(),
        joint[:, 3:, 3:].copy(),
    )


def joined(pp: np.ndarray, pv: np.ndarray, vv: np.ndarray) -> np.ndarray:
    return np.block([[pp, pv], [pv.T, vv]])


def test_prediction_and_update_are_those_of_a_kalman_filter():
    x, v, pp, pv, vv = state()
    before = [joined(pp[k], pv[k], vv[k]) for k in range(K)]
    mean = [np.concatenate([x[k], v[k]]) for k in range(K)]
    dt, q = 0.04, 7.0
    seen = np.full(K, 1.0)
    predict(*(x, v, pp, pv, vv, seen, seen, dt, 1.0 + dt, np.full(K, q), CHOSEN, 0.12, 2.0, 0.2))
    step = np.eye(6)
    step[:3, 3:] = dt * np.eye(3)
    noise = np.kron([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]], np.eye(3)) * q
    noise[:3, :3] += 1e-6 * np.eye(3)
    predicted = x.copy()
    ahead = [step @ m for m in mean]
    spread = [step @ p @ step.T + noise for p in before]
    for k in range(K):
        assert x[k] == pytest.approx(ahead[k][:3])
        assert joined(pp[k], pv[k], vv[k]) == pytest.approx(spread[k])
    # A measurement of the position, given as the posterior it leads to.
    measured, r = predicted + RNG.normal(0, 0.02, (K, 3)), 4e-4 * np.eye(3)
    fused, info = np.zeros((K, 3)), np.zeros((K, 6))
    for k in range(K):
        total = np.linalg.inv(pp[k]) + np.linalg.inv(r)
        fused[k] = np.linalg.solve(
            total, np.linalg.solve(pp[k], predicted[k]) + np.linalg.solve(r, measured[k])
        )
        pack(total, info[k])
    update(x, v, pp, pv, vv, predicted, fused, info)
    for k in range(K):
        gain = spread[k][:, :3] @ np.linalg.inv(spread[k][:3, :3] + r)
        mean_after = ahead[k] + gain @ (measured[k] - ahead[k][:3])
        after = spread[k] - gain @ spread[k][:3]
        assert np.concatenate([x[k], v[k]]) == pytest.approx(mean_after)
        assert joined(pp[k], pv[k], vv[k]) == pytest.approx(after, abs=1e-9)


def test_a_stale_keypoint_moves_with_the_body_and_is_let_go_in_the_end():
    x, v, pp, pv, vv = state()
    v[:] = (1.0, 0.0, 0.0)
    v[0] = (0.0, 5.0, 0.0)
    last = x.copy()
    seen = np.full(K, 10.0)
    seen[0] = 9.0
    predict(*(x, v, pp, pv, vv, seen, seen, 0.1, 10.1, np.ones(K), CHOSEN, 0.12, 2.0, 0.02))
    assert x[0] == pytest.approx(last[0] + (0.1, 0, 0), abs=0.01)
    seen[0] = 7.0
    predict(*(x, v, pp, pv, vv, seen, seen, 0.1, 10.2, np.ones(K), CHOSEN, 0.12, 2.0, 0.02))
    assert np.isnan(x[0]).all()
    assert np.isfinite(x[1:]).all()


def test_an_unseen_keypoint_becomes_less_and_less_sure_but_not_without_end():
    x, v, pp, pv, vv = state()
    traces = []
    for n in range(40):
        now = 10.0 + 0.05 * n
        predict(
            *(x, v, pp, pv, vv, np.full(K, 10.0), np.full(K, 10.0), 0.05, now),
            *(np.full(K, 7.0), CHOSEN, 0.12, 9.0, 0.2),
        )
        traces.append(np.trace(pp[2]))
    assert (np.diff(traces) > 0).all()
    assert max(np.diag(vv[2])) <= 16.0 + 1e-9


def test_new_and_lost_keypoints():
    x, v, pp, pv, vv = state()
    predicted = x.copy()
    predicted[1] = np.nan
    fused, info = x.copy(), np.zeros((K, 6))
    fused[2] = np.nan
    info[:, [0, 3, 5]] = 100.0
    update(x, v, pp, pv, vv, predicted, fused, info)
    assert v[1] == pytest.approx(0)
    assert pp[1] == pytest.approx(0.01 * np.eye(3))
    assert np.isnan(x[2]).all()


def test_lengths_are_learnt_in_spite_of_outliers():
    ends, slot, adult = np.array([[0, 1], [2, 3]]), np.array([0, 0]), np.array([0.3])
    length, count, sigma = adult.copy(), np.zeros(1), np.zeros(1)

    def learn(points: np.ndarray, noise_m: float) -> None:
        info = np.tile([1.0, 0, 0, 1, 0, 1], (4, 1)) / noise_m**2
        usual = np.full(4, 0.01)
        learn_lengths(
            points, info, usual, ends, slot, adult, length, count, sigma, 0.06, 0.015, 0.2
        )

    rng = np.random.default_rng(0)
    for n in range(150):
        points = np.zeros((4, 3))
        points[1, 0] = 0.36 + rng.normal(0, 0.01)
        points[3, 0] = 2.0 if n % 15 == 7 else 0.36 + rng.normal(0, 0.01)
        if n % 2:
            points[3] = np.nan
        learn(points, 0.01)
    assert length[0] == pytest.approx(0.36, abs=0.01)
    assert count[0] == 225
    assert sigma[0] == pytest.approx(0.06 * length[0])


@pytest.mark.parametrize(
    ("noise_m", "nearest", "farthest"), [(0.01, 0.0, 0.012), (0.3, 0.08, 0.09)]
)
def test_one_look_counts_by_how_well_it_is_measured(
    noise_m: float, nearest: float, farthest: float
):
    ends, slot, adult = np.array([[0, 1]]), np.array([0]), np.array([0.4])
    length, count, sigma = adult.copy(), np.zeros(1), np.zeros(1)
    points = np.array([[0.0, 0.0, 0.0], [0.31, 0.0, 0.0]])
    info = np.tile([1.0, 0, 0, 1, 0, 1], (2, 1)) / noise_m**2
    usual = np.full(2, 0.02)
    learn_lengths(points, info, usual, ends, slot, adult, length, count, sigma, 0.06, 0.015, 0.2)
    assert nearest <= length[0] - 0.31 <= farthest
