"""Epipolar matrices: parameters, derivatives, fits."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from synthetic_scene import make_camera

from calibration.timing.matching import all_matchings, match_by_geometry, match_by_speed
from calibration.timing.tracks import CameraTracks
from calibration.timing.two_view import (
    EpipolarMatrix,
    PointPairs,
    epipolar_error,
    essential_of_pose,
    fit_epipolar,
)
from mocap.geometry.projection import transform_points

A, B = make_camera("a", (3, -2, 1.5)), make_camera("b", (-1, -4, 2.0))
T_B_A = B.T_cam_world @ A.T_world_cam


def _pairs(count: int, sigma: float, seed: int = 0) -> PointPairs:
    rng = np.random.default_rng(seed)
    world = rng.normal((0, 0, 1), 0.6, (count, 3))
    images = []
    for camera in (A, B):
        points = transform_points(camera.T_cam_world, world)
        image = points[:, :2] / points[:, 2:] + rng.normal(0, sigma, (count, 2))
        images.append(np.column_stack([image, np.ones(count)]))
    return PointPairs(images[0], images[1], np.ones(count), np.ones(count))


def test_essential_matrix_of_a_pose_annuls_true_pairs() -> None:
    error, _ = epipolar_error(essential_of_pose(T_B_A).matrix, _pairs(50, 0.0))
    assert np.abs(error).max() < 1e-12


def test_error_is_sampsons_of_opencv() -> None:
    pairs = _pairs(30, 0.01)
    F = essential_of_pose(T_B_A).matrix
    error, _ = epipolar_error(F, pairs)
    expected = [
        cv2.sampsonDistance(x, y, F) for x, y in zip(pairs.first, pairs.second, strict=True)
    ]
    assert error**2 == pytest.approx(expected, rel=1e-9)


def test_noisier_points_count_less() -> None:
    pairs = _pairs(30, 0.01)
    double = PointPairs(pairs.first, pairs.second, np.full(30, 4.0), np.full(30, 4.0))
    F = essential_of_pose(T_B_A).matrix
    assert epipolar_error(F, double)[0] == pytest.approx(0.5 * epipolar_error(F, pairs)[0])


@pytest.mark.parametrize("essential", [True, False])
def test_tangents_are_derivatives(essential: bool) -> None:
    rng = np.random.default_rng(1)
    model = EpipolarMatrix.nearest(rng.normal(size=(3, 3)), essential)
    tangents = model.tangents()
    assert len(tangents) == (5 if essential else 7)
    for k, tangent in enumerate(tangents):
        step = np.zeros(len(tangents))
        step[k] = 1e-6
        forward, backward = model.moved(step).matrix, model.moved(-step).matrix
        assert tangent == pytest.approx((forward - backward) / 2e-6, abs=1e-8)
    assert np.linalg.matrix_rank(tangents.reshape(len(tangents), 9)) == len(tangents)


@pytest.mark.parametrize("essential", [True, False])
def test_fit_survives_a_third_of_wrong_pairs(essential: bool) -> None:
    pairs = _pairs(300, 0.001)
    second = pairs.second.copy()
    second[:90] = second[np.roll(np.arange(90), 13)]
    wrong = PointPairs(pairs.first, second, pairs.variance_first, pairs.variance_second)
    model = fit_epipolar(wrong, essential, np.random.default_rng(0))
    assert model is not None
    error, _ = epipolar_error(model.matrix, _pairs(200, 0.0, seed=5))
    assert float(np.sqrt(np.mean(error**2))) < 3e-4


def test_too_few_pairs_give_nothing() -> None:
    assert fit_epipolar(_pairs(15, 0.0), True, np.random.default_rng(0)) is None


def _two_people(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Normalised image points (frames, people, points, 2) of two people in both cameras."""
    rng = np.random.default_rng(seed)
    path = np.cumsum(rng.normal(0, 0.04, (60, 2, 1, 3)), axis=0)
    world = rng.normal(0, 0.3, (60, 2, 9, 3)) * 0.2 + path + (0, 0, 1)
    world[:, 1] += (0.8, 0.3, 0.1)
    images = []
    for camera in (A, B):
        points = transform_points(camera.T_cam_world, world)
        images.append(points[..., :2] / points[..., 2:])
    return images[0], images[1], np.arange(60) / 30.0


def test_people_are_matched_by_geometry_also_in_pieces() -> None:
    first, second, _ = _two_people(0)
    broken = np.full((60, 3, 9, 2), np.nan)
    broken[:, 0] = second[:, 1]
    broken[:30, 1], broken[30:, 2] = second[:30, 0], second[30:, 0]
    matches = match_by_geometry(essential_of_pose(T_B_A).matrix, first, broken, np.ones(60))
    assert sorted(matches) == [(0, 1), (0, 2), (1, 0)]


def test_people_are_matched_by_speed() -> None:
    first, second, time_s = _two_people(1)
    velocity = np.gradient(second, time_s, axis=0)
    swapped = [x[:, ::-1] for x in (second, velocity)]
    assert sorted(match_by_speed(CameraTracks("a", time_s, first), *swapped)) == [(0, 1), (1, 0)]


def test_every_matching_is_tried() -> None:
    assert all_matchings(1, 3) == [[(0, 0)], [(0, 1)], [(0, 2)]]
    assert all_matchings(2, 1) == [[(0, 0)], [(1, 0)]]
    assert len(all_matchings(3, 3)) == 6
