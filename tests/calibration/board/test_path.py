"""The path of the target: blending, knots, and its derivatives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.board.path import (
    Path,
    blended_poses,
    fit_path,
    free_instants,
    quaternion_product,
    spline_layout,
)
from mocap.geometry.rotations import matrix_from_quaternion, matrix_from_rotvec
from mocap.studio.board_clip import BoardConfig, BoardMotion


@given(st.floats(-0.4, 3.4))
def test_weights_are_a_partition_of_one_and_their_slopes_of_zero(time):
    layout = spline_layout(np.linspace(0, 3, 31), 0.1)
    _, weight, slope = layout.blend(np.array([time]), np.array([0]))
    assert weight.sum() == pytest.approx(1, abs=1e-9)
    assert slope.sum() == pytest.approx(0, abs=1e-6)


def test_slopes_are_the_derivative_of_the_weights():
    layout = spline_layout(np.linspace(0, 3, 31), 0.1)
    time = np.random.default_rng(0).uniform(0.05, 2.95, 50)
    piece = np.zeros(50, int)
    knots, _, slope = layout.blend(time, piece)
    up, down = layout.blend(time + 1e-7, piece), layout.blend(time - 1e-7, piece)
    same = (up[0] == knots).all(axis=1) & (down[0] == knots).all(axis=1)
    assert same.sum() > 45
    np.testing.assert_allclose(((up[1] - down[1]) / 2e-7)[same], slope[same], atol=1e-5)


def test_the_path_is_broken_at_gaps():
    time = np.concatenate([np.arange(10) * 0.1, 5 + np.arange(7) * 0.1])
    layout = spline_layout(time, 0.1)
    assert layout.piece.tolist() == [0] * 10 + [1] * 7
    assert layout.knots == (9 + 3) + (6 + 3)
    # Knots of different pieces never meet.
    knots, _, _ = layout.blend(time)
    assert knots[:10].max() < knots[10:].min()
    assert np.abs(layout.differences(2)).sum(axis=1).max() == 4
    assert layout.differences(2).shape[0] == (12 - 2) + (9 - 2)


def test_a_waved_board_is_followed_to_a_small_error():
    motion = BoardMotion(BoardConfig(duration_s=30.0), 2)
    time = np.arange(0, 5, 1 / 15)
    poses = np.stack([motion.T_world_board(t) for t in time])
    layout = spline_layout(time, 1 / 15)
    path = fit_path(layout, time, layout.piece, poses, np.ones(len(time)), stiffness=1e-9)
    between = np.arange(0.5, 4.5, 0.031)
    found = blended_poses(path, *layout.blend(between, np.zeros(len(between), int)))
    true = np.stack([motion.T_world_board(t) for t in between])
    assert np.abs(found.position_m - true[:, :3, 3]).max() < 3e-4
    assert np.abs(found.rotation - true[:, :3, :3]).max() < 3e-4
    # Velocity of the origin, from differences of the truth.
    step = 1e-4
    ahead = np.stack([motion.T_world_board(t + step) for t in between])
    speed = (ahead[:, :3, 3] - true[:, :3, 3]) / step
    assert np.abs(found.velocity - speed).max() < 0.03


def test_the_path_does_not_depend_on_the_world_frame():
    rng = np.random.default_rng(4)
    layout = spline_layout(np.arange(12) * 0.1, 0.1)
    turns = np.cumsum(rng.normal(0, 0.2, (layout.knots, 4)), axis=0) + np.array([3.0, 0, 0, 0])
    path = Path(
        turns / np.linalg.norm(turns, axis=1, keepdims=True),
        rng.normal(size=(15, 3))[: layout.knots],
    )
    blend = layout.blend(rng.uniform(0, 1.1, 20), np.zeros(20, int))
    world = rng.normal(size=4)
    world /= np.linalg.norm(world)
    turned = Path(quaternion_product(world, path.quaternion), path.position_m)
    np.testing.assert_allclose(
        blended_poses(turned, *blend).rotation,
        matrix_from_quaternion(world) @ blended_poses(path, *blend).rotation,
        atol=1e-12,
    )


def test_free_instants_are_the_knots_themselves():
    layout = free_instants(np.array([0, 1, 1, 2, 0]))
    assert layout.order == 1 and layout.knots == 3
    poses = np.tile(np.eye(4), (5, 1, 1))
    poses[:, :3, :3] = matrix_from_rotvec(
        np.array([[0.1, 0, 0]] * 5) * np.array([[0], [1], [1], [2], [0]])
    )
    path = fit_path(layout, np.zeros(5), layout.piece, poses, np.ones(5))
    found = blended_poses(path, *layout.blend(np.zeros(5)))
    np.testing.assert_allclose(found.rotation, poses[:, :3, :3], atol=1e-9)
    assert layout.differences(2).shape == (0, 3)
