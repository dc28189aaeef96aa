"""Distances of points and rays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from mocap.association.rays import point_to_ray, ray_to_ray

unit = (
    st.tuples(*[st.floats(-1, 1)] * 3)
    .map(np.array)
    .filter(lambda v: np.linalg.norm(v) > 0.1)
    .map(lambda v: v / np.linalg.norm(v))
)
place = st.tuples(*[st.floats(-3, 3)] * 3).map(np.array)


def test_a_point_beside_before_and_behind():
    ray, center = np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0])
    points = np.array([[1.0, 5.0, 0.0], [1.5, 5.0, 0.0], [1.0, -2.0, 0.0], [np.nan, 0, 0]])
    distance = point_to_ray(points, np.tile(ray, (4, 1)), center)
    np.testing.assert_allclose(distance, [0.0, 0.5, 2.0, np.nan])


@given(place, unit, place, unit)
def test_ray_to_ray_is_the_least_distance(center_a, ray_a, center_b, ray_b):
    def between(along: np.ndarray) -> float:
        gap = center_a + along[0] * ray_a - center_b - along[1] * ray_b
        return float(gap @ gap)

    found = float(ray_to_ray(ray_a[None], center_a, ray_b[None], center_b)[0])
    lines = minimize(between, np.ones(2), method="BFGS", options={"gtol": 1e-12})
    if abs(ray_a @ ray_b) > 0.9:
        return  # the minimum is too flat for an honest comparison
    if (lines.x > 1e-3).all():
        assert found == pytest.approx(np.sqrt(lines.fun), abs=1e-5)
    elif (lines.x < -1e-3).any():
        assert found == np.inf


@given(place, unit, place, unit)
def test_ray_to_ray_is_symmetric(center_a, ray_a, center_b, ray_b):
    there = ray_to_ray(ray_a[None], center_a, ray_b[None], center_b)
    back = ray_to_ray(ray_b[None], center_b, ray_a[None], center_a)
    np.testing.assert_allclose(there, back, atol=1e-6)


def test_parallel_rays_tell_nothing_and_nan_is_passed_on():
    ray = np.array([[0.0, 1.0, 0.0]])
    a, b = np.zeros(3), np.array([1.0, 0.0, 0.0])
    assert ray_to_ray(ray, a, ray, b)[0] == np.inf
    assert ray_to_ray(ray, a, -ray, b)[0] == np.inf
    assert np.isnan(ray_to_ray(ray, a, np.full((1, 3), np.nan), b)[0])
