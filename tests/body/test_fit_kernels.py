"""The compiled kernels of the fit against NumPy, and Jacobians against finite differences."""

import numpy as np
import pytest
from body_data import FRAMES, data_of, model, random_poses, stretch_of, tables
from scipy.spatial.transform import Rotation

from mocap.body.fit_frame import Prediction, fit_frame, frame_work, linearise
from mocap.body.fit_kernels import (
    factor_tree,
    place_points,
    pose_body,
    rotation_of,
    solve_tree,
    turned_axis,
    variances_tree,
    vector_of,
)
from mocap.body.fit_shape import Poses, pose_jacobian, shape_jacobian
from mocap.body.fit_shape_spread import ShapeFactor
from mocap.body.fit_smooth import smooth_stretch
from mocap.body.fit_spread import Spread, spread_of_stretch
from mocap.body.fit_start import loose_prediction
from mocap.body.fit_tables import BodyTables, body_tables
from mocap.body.fit_twin import (
    body_points,
    frame_equations,
    points_jacobian,
    stretch_equations,
)


def busy_prediction(body: BodyTables, poses: Poses, seed: int) -> Prediction:
    rng = np.random.default_rng(seed)
    soles = len(body.sole)
    return Prediction(
        poses.P[0] + 0.1,
        poses.R[0] @ Rotation.from_rotvec((0.1, -0.2, 0.05)).as_matrix(),
        poses.Q[0] + 0.1,
        rng.uniform(0, 50, len(body.above)),
        rng.normal(size=(soles, 3)),
        rng.uniform(0, 100, soles) * (np.arange(soles) % 2),
        1e4,
    )


def test_rotation_helpers_agree_with_scipy() -> None:
    rng = np.random.default_rng(0)
    R, vector, axis = np.zeros((3, 3)), np.zeros(3), np.zeros(3)
    for size in (1e-9, 1e-4, 0.3, 2.0, 3.1, np.pi):
        x = rng.normal(size=3)
        x *= size / np.linalg.norm(x)
        rotation_of(*x, R)
        assert np.allclose(R, Rotation.from_rotvec(x).as_matrix(), atol=1e-12)
        vector_of(R, vector)
        assert np.allclose(Rotation.from_rotvec(vector).as_matrix(), R, atol=1e-7)
        a = rng.normal(size=3)
        turned_axis(*x, a, axis)
        step = 1e-6
        later = Rotation.from_rotvec(x + step * a) * Rotation.from_rotvec(x - step * a).inv()
        assert np.allclose(axis, later.as_rotvec() / (2 * step), atol=1e-6)


@pytest.mark.parametrize("fingers", [False, True])
def test_points_and_pose_jacobian(fingers: bool) -> None:
    body = tables(fingers)
    poses = random_poses(body, 1)
    work = frame_work(len(body.parents), len(body.point_joint), len(body.above))
    for p0, R0, q in zip(*poses, strict=True):
        pose_body(body, R0, q, work.position, work.orientation, work.twist)
        place_points(body, work.position, work.orientation, work.points)
        assert np.allclose(work.points + p0, body_points(body, p0, R0, q), atol=1e-12)
        J = pose_jacobian(body, work)
        assert np.allclose(J, points_jacobian(body, p0, R0, q), atol=1e-7)


def test_shape_jacobian_by_finite_differences() -> None:
    skeleton = model(True)
    keypoints = list(range(len(skeleton.keypoint_names)))
    shape = skeleton.shape_mean + 0.2 * skeleton.shape_sigma
    body = body_tables(skeleton, shape, keypoints)
    poses = random_poses(body, 2)
    work = frame_work(len(body.parents), len(keypoints), len(body.above))
    pose_body(body, poses.R[0], poses.Q[0], work.position, work.orientation, work.twist)
    J = shape_jacobian(skeleton.shaped(shape), keypoints, body, work)
    pose = (np.zeros(3), poses.R[0], poses.Q[0])
    for i in range(len(shape)):
        step = np.zeros(len(shape))
        step[i] = 1e-5
        later, before = (
            body_points(body_tables(skeleton, shape + s * step, keypoints), *pose)
            for s in (1.0, -1.0)
        )
        assert np.allclose(J[:, :, i], (later - before) / 2e-5, atol=1e-8), skeleton.shape_names[i]


@pytest.mark.parametrize("pixels", [False, True])
def test_normal_equations_of_a_frame_agree_with_numpy(pixels: bool) -> None:
    body = tables()
    poses = random_poses(body, 3)
    data = data_of(body, poses, 4, pixels=pixels)
    expect = busy_prediction(body, poses, 5)
    work = frame_work(len(body.parents), len(body.point_joint), len(body.above))
    for t in range(2):
        pose = (poses.P[t], poses.R[t], poses.Q[t])
        cost = linearise(body, data, t, expect, *pose, work)
        dense = frame_equations(body, data, t, expect, *pose)
        assert cost == pytest.approx(dense.cost, rel=1e-9)
        H = work.H + np.tril(work.H, -1).T
        assert np.allclose(H, dense.H, rtol=1e-5, atol=1e-5 * np.abs(dense.H).max())
        assert np.allclose(work.b, dense.b, atol=1e-5 * np.abs(dense.b).max())


def test_tree_factor_solves_and_inverts() -> None:
    body = tables(True)
    poses = random_poses(body, 6)
    data = data_of(body, poses, 7, pixels=False)
    work = frame_work(len(body.parents), len(body.point_joint), len(body.above))
    linearise(
        body, data, 0, busy_prediction(body, poses, 8), poses.P[0], poses.R[0], poses.Q[0], work
    )
    H = work.H + np.tril(work.H, -1).T
    x = work.b.copy()
    factor_tree(body.above, work.H)
    solve_tree(body.above, work.H, x)
    assert np.allclose(H @ x, work.b, atol=1e-8 * np.abs(work.b).max())
    variances = np.zeros(len(x))
    variances_tree(body.above, work.H, np.zeros(len(x)), variances)
    assert np.allclose(variances, np.diag(np.linalg.inv(H)), rtol=1e-7)


@pytest.mark.parametrize("pixels", [False, True])
def test_a_frame_is_found_again(pixels: bool) -> None:
    body = tables(True)
    body = body._replace(prior=1e-3 * body.prior)
    poses = random_poses(body, 9)
    exact = np.array([body_points(body, *pose) for pose in zip(*poses, strict=True)])
    data = data_of(body, poses, 10, pixels=pixels, noise=0.0, robust=1e8)
    if pixels:
        data = data._replace(information=np.zeros_like(data.information))
    else:
        sure = np.tile(1e5 * np.eye(3), (*exact.shape[:2], 1, 1))
        data = data._replace(points=exact, information=sure)
    work = frame_work(len(body.parents), len(body.point_joint), len(body.above))
    turn = Rotation.from_rotvec((0.2, 0.1, 0)).as_matrix()
    p0, R0, q = poses.P[0] + 0.1, poses.R[0] @ turn, body.rest.copy()
    fit_frame(body, data, 0, loose_prediction(body), p0, R0, q, 200, work)
    seen = (data.pixel_weight[0] > 0).sum(axis=0) >= 2 if pixels else np.ones(len(exact[0]), bool)
    off = np.linalg.norm(body_points(body, p0, R0, q) - exact[0], axis=1)
    assert seen.sum() > 20
    assert off[seen].max() < 2e-3


def test_limits_are_never_violated() -> None:
    body = tables()
    poses = random_poses(body, 11)
    data = data_of(body, poses, 12, pixels=False, robust=1e8)
    wild = data._replace(
        points=data.points + np.random.default_rng(1).normal(size=data.points.shape)
    )
    work = frame_work(len(body.parents), len(body.point_joint), len(body.above))
    q = body.rest.copy()
    fit_frame(body, wild, 0, loose_prediction(body), np.zeros(3), np.eye(3), q, 50, work)
    assert (q >= body.low).all()
    assert (q <= body.high).all()
    assert ((q[3:] == body.low[3:]) | (q[3:] == body.high[3:])).any()


def test_a_stretch_agrees_with_the_dense_system() -> None:
    body = tables()
    poses = random_poses(body, 13)
    data = data_of(body, poses, 14, pixels=False)
    stretch = stretch_of(body, FRAMES)
    expect = loose_prediction(body, 1e4)
    n = len(body.above)
    work = frame_work(len(body.parents), len(body.point_joint), n)
    blocks = tuple(np.zeros((FRAMES, n, n)) for _ in range(3))
    joints = len(body.parents)
    spread = Spread(
        np.zeros((FRAMES, joints, 3, 3)),
        np.zeros((FRAMES, joints, 3, 3)),
        np.zeros((FRAMES, n)),
        np.zeros((FRAMES, n)),
    )
    known = ShapeFactor(np.zeros((joints, 3, 1)), np.zeros((len(body.point_joint), 3, 1)))
    held = spread_of_stretch(body, data, stretch, expect, *poses, work, blocks, known, spread)
    assert not held.any()
    dense = stretch_equations(body, data, stretch, expect, poses)
    inverse = np.linalg.inv(dense.H)
    assert np.allclose(spread.dof.ravel(), np.diag(inverse), rtol=1e-4)

    first, last, _ = smooth_stretch(
        body, data, stretch, expect, *(array.copy() for array in poses), 1, work, blocks
    )
    assert first == pytest.approx(dense.cost, rel=1e-9)
    assert last < first
    # The covariance of a position is that of the unknowns by the chain to it.
    joint = int(body.point_joint[-1])
    local = np.zeros((1, 3))
    alone = body._replace(point_joint=np.array([joint]), point_local=local)
    J = points_jacobian(alone, poses.P[2], poses.R[2], poses.Q[2])[0]
    block = inverse[2 * n : 3 * n, 2 * n : 3 * n]
    assert np.allclose(spread.position[2, joint], J @ block @ J.T, rtol=1e-3, atol=1e-9)


def test_the_gradient_of_a_stretch_is_that_of_its_cost() -> None:
    body = tables()
    poses = random_poses(body, 15)
    data = data_of(body, poses, 16, pixels=False)
    stretch = stretch_of(body, FRAMES)
    stretch = stretch._replace(floor_weight=0.0, anchor_weight=0.0 * stretch.anchor_weight)
    n = len(body.above)
    work = frame_work(len(body.parents), len(body.point_joint), n)
    blocks = tuple(np.zeros((FRAMES, n, n)) for _ in range(3))
    solved = Poses(*(array.copy() for array in poses))
    smooth_stretch(body, data, stretch, loose_prediction(body), *solved, 60, work, blocks)
    there = stretch_equations(body, data, stretch, loose_prediction(body), solved)
    free = np.tile(
        np.concatenate((np.zeros(3, bool), np.ones(3, bool), np.zeros(n - 6, bool))), FRAMES
    )
    inside = np.minimum(solved.Q - body.low, body.high - solved.Q) > 1e-9
    free |= np.concatenate([np.concatenate((np.ones(6, bool), row[3:])) for row in inside])
    start = stretch_equations(body, data, stretch, loose_prediction(body), poses)
    assert np.abs(there.b[free]).max() < 2e-3 * np.abs(start.b).max()
