"""Rotations: against SciPy's conventions, and as properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from mocap.geometry.rotations import (
    euler_from_matrix,
    matrix_from_euler,
    matrix_from_quaternion,
    matrix_from_rotvec,
    quaternion_from_matrix,
    rotation_between,
    rotvec_from_matrix,
    skew_matrix,
)

SHAPES = [(), (5,), (2, 3), (0,)]


def random_matrices(shape: tuple[int, ...]) -> np.ndarray:
    count = int(np.prod(shape))
    rotations = Rotation.random(max(count, 1), random_state=4).as_matrix()[:count]
    return rotations.reshape(*shape, 3, 3)


@pytest.mark.parametrize("shape", SHAPES)
def test_conversions_invert_each_other_for_any_batch(shape):
    matrices = random_matrices(shape)
    for there, back in (
        (rotvec_from_matrix, matrix_from_rotvec),
        (quaternion_from_matrix, matrix_from_quaternion),
        (lambda m: euler_from_matrix(m, "ZXY"), lambda a: matrix_from_euler(a, "ZXY")),
    ):
        again = back(there(matrices))
        assert again.shape == matrices.shape
        np.testing.assert_allclose(again, matrices, atol=1e-12)


def test_a_rotation_vector_turns_actively():
    quarter = matrix_from_rotvec(np.array([0.0, 0.0, np.pi / 2]))
    np.testing.assert_allclose(quarter @ [1, 0, 0], [0, 1, 0], atol=1e-15)


def test_quaternions_are_wxyz_with_w_not_negative_and_need_no_unit_length():
    np.testing.assert_allclose(quaternion_from_matrix(np.eye(3)), [1, 0, 0, 0])
    assert (quaternion_from_matrix(random_matrices((50,)))[:, 0] >= 0).all()
    half = matrix_from_quaternion(np.array([0.0, 0.0, 0.0, 5.0]))
    np.testing.assert_allclose(half, np.diag([-1, -1, 1]), atol=1e-15)


def test_euler_angles_are_intrinsic_in_the_order_of_the_letters():
    a0, a1, a2 = 0.3, -0.4, 0.5

    def about(axis: int, angle: float) -> np.ndarray:
        return matrix_from_rotvec(angle * np.eye(3)[axis])

    expected = about(2, a0) @ about(0, a1) @ about(1, a2)
    np.testing.assert_allclose(matrix_from_euler(np.array([a0, a1, a2]), "ZXY"), expected)
    np.testing.assert_allclose(matrix_from_euler(np.array([a0, a1, a2]), "zxy"), expected)
    np.testing.assert_allclose(euler_from_matrix(expected, "ZXY"), [a0, a1, a2])


@pytest.mark.parametrize("shape", SHAPES[:3])
def test_skew_matrix_is_the_cross_product(shape):
    rng = np.random.default_rng(5)
    v, u = rng.normal(size=(*shape, 3)), rng.normal(size=(*shape, 3))
    product = (skew_matrix(v) @ u[..., None])[..., 0]
    np.testing.assert_allclose(product, np.cross(v, u))


unit = st.tuples(*[st.floats(-1, 1)] * 3).map(np.array).filter(lambda v: np.linalg.norm(v) > 0.1)


@given(unit, unit)
def test_rotation_between_turns_one_direction_into_the_other_by_the_smallest_angle(a, b):
    rotation = rotation_between(a, b)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-7)
    assert np.linalg.det(rotation) > 0
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    np.testing.assert_allclose(rotation @ a, b, atol=2e-8)
    angle = np.linalg.norm(rotvec_from_matrix(rotation))
    expected = 2 * np.arctan2(np.linalg.norm(a - b), np.linalg.norm(a + b))
    assert angle == pytest.approx(expected, abs=1e-7)


@given(unit, st.floats(1, 12), st.tuples(st.floats(-1, 1), st.floats(-1, 1)))
def test_rotation_between_nearly_opposite_directions_stays_a_rotation(a, digits, aside):
    a = a / np.linalg.norm(a)
    b = -a + 10.0**-digits * (aside[0] * np.roll(a, 1) + aside[1] * np.roll(a, 2))
    rotation = rotation_between(a, b)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(rotation @ a, b / np.linalg.norm(b), atol=2e-8)


def test_rotation_between_broadcasts_and_passes_nan_on():
    ends = np.array([[1.0, 0, 0], [-1.0, 0, 0], [0, 3.0, 0], [np.nan, 0, 0], [0, 0, 0]])
    rotations = rotation_between(np.array([2.0, 0, 0]), ends)
    np.testing.assert_allclose(rotations[0], np.eye(3))
    np.testing.assert_allclose(rotations[1] @ [1, 0, 0], [-1, 0, 0])
    np.testing.assert_allclose(rotations[2] @ [1, 0, 0], [0, 1, 0], atol=1e-15)
    assert np.isnan(rotations[3:]).all()


@pytest.mark.parametrize(
    "convert",
    [rotvec_from_matrix, quaternion_from_matrix, matrix_from_rotvec, matrix_from_quaternion],
)
def test_read_only_arrays_are_taken(convert):
    values = {
        matrix_from_rotvec: np.ones((2, 3)),
        matrix_from_quaternion: np.ones((2, 4)),
    }.get(convert, np.broadcast_to(np.eye(3), (2, 3, 3)).copy())
    values.setflags(write=False)
    assert np.isfinite(convert(values)).all()
