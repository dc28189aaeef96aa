"""The adjustment: derivatives against finite differences, the solver against dense algebra."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from synthetic_scene import ring_rig
from walking_people import SKELETON, film

from calibration.people.block_solver import BlockSolver
from calibration.people.bundle import PeopleBundle
from calibration.people.labelling import label_people
from calibration.people.measurements import measure, motion_px
from calibration.people.points import triangulate_points
from calibration.people.proportions import bones_of
from calibration.people.unknowns import PeopleState, PosePrior, Unknowns


def _problem(fixed_camera=None, shared_focal=False):
    rig = ring_rig(4, mixed_lenses=True)
    tracks = film(rig, frames=12, sigma_px=2.0)
    people = label_people(tracks, rig)
    m = measure(people, np.array([0.1, 0.21, 0.305]), np.zeros(4))
    rotation, translation = rig.arrays.T_cam_world[:, :3, :3], rig.arrays.T_cam_world[:, :3, 3]
    lenses = tuple(camera.intrinsics for camera in rig)
    points = triangulate_points(m, lenses, rotation, translation, np.zeros(4))
    m = m.kept(np.isfinite(points[m.point]).all(axis=1))
    points = points[np.isfinite(points).all(axis=1)]
    bones = bones_of(SKELETON)
    center = np.stack([camera.center_world for camera in rig]) + 0.01
    prior = PosePrior(rotation, center, np.full(4, 0.01), np.full(4, 0.02))
    unknowns = Unknowns(
        fixed_camera,
        prior,
        np.full(4, 0.1),
        shared_focal,
        np.full(4, 0.05),
        np.zeros(4),
        np.full(4, 1e-3),
        0.5,
    )
    rng = np.random.default_rng(0)
    state = PeopleState(
        rotation,
        translation,
        rng.normal(0, 0.01, 4),
        rng.normal(0, 0.004, 4),
        rng.normal(-1, 0.05, (1, len(bones.ends))),
        points,
        rng.normal(0, 0.01, 4),
    )
    return PeopleBundle(m, lenses, bones, unknowns, 1), state


@pytest.mark.parametrize("fixed", [None, 1])
@pytest.mark.parametrize("shared", [False, True])
def test_jacobian_is_the_finite_difference(fixed, shared):
    bundle, state = _problem(fixed, shared)
    if shared:
        state = replace(state, log_focal=np.full(4, 0.01))
    linear = bundle.linearize(state)
    np.testing.assert_allclose(linear.residual, bundle.residual(state), atol=1e-9)
    rng = np.random.default_rng(1)
    dense = linear.jacobian.toarray()
    columns = [*range(bundle.columns.rig), *rng.integers(bundle.columns.rig, dense.shape[1], 40)]
    for column in columns:
        step = np.zeros(dense.shape[1])
        step[column] = 1e-6
        difference = bundle.residual(bundle.moved(state, step))
        difference = (difference - bundle.residual(bundle.moved(state, -step))) / 2e-6
        size = max(1.0, np.abs(difference).max())
        np.testing.assert_allclose(dense[:, column] / size, difference / size, atol=2e-5)


def test_held_unknowns_have_no_column():
    bundle, _ = _problem(2)
    assert (bundle.columns.pose[2] == -1).all() and (bundle.columns.pose[[0, 1, 3]] >= 0).all()


def test_block_solver_is_the_dense_solution():
    rng = np.random.default_rng(0)
    group = np.array([0, 0, 1, 1, 1, 2, 0])
    rows = [rng.normal(size=(30, 4 + 7)) for _ in range(3)]
    for g, block in enumerate(rows):
        block[:, 4:][:, group != g] = 0
    a = np.concatenate(rows)
    matrix = sparse.csc_matrix(a.T @ a)
    solver = BlockSolver(4, group)
    right = rng.normal(size=11)
    np.testing.assert_allclose(solver.solve(matrix, right), np.linalg.solve(a.T @ a, right))
    np.testing.assert_allclose(solver.covariance(matrix), np.linalg.inv(a.T @ a)[:4, :4])


def test_block_solver_refuses_what_is_not_determined():
    solver = BlockSolver(2, np.array([0]))
    matrix = sparse.csc_matrix(np.diag([1.0, 0.0, 1.0]))
    with pytest.raises(np.linalg.LinAlgError):
        solver.covariance(matrix)


def test_a_bone_length_that_varies_costs():
    bundle, state = _problem()
    rest = bundle.residual(state)
    stretched = replace(state, points=state.points * 1.5)
    rows = slice(2 * len(bundle.measurements), 2 * len(bundle.measurements) + 20)
    assert np.abs(bundle.residual(stretched)[rows]).mean() > np.abs(rest[rows]).mean()


@pytest.mark.parametrize("fraction", [0.0, 0.2, 0.35, 0.5])
def test_noise_of_carried_pixels_does_not_depend_on_the_offset(fraction):
    rng = np.random.default_rng(3)
    pixels = rng.normal(size=(1, 5000, 8, 2))
    time_s = np.arange(5000) / 30
    velocity, acceleration = motion_px(pixels, time_s)
    step = fraction / 30
    carried = pixels + step * velocity + 0.5 * step**2 * acceleration
    assert carried[:, 5:-5].std() == pytest.approx(1.0, abs=0.01)


def test_motion_of_a_steady_walk():
    time_s = np.arange(20) / 30
    pixels = np.stack([100 + 60 * time_s, 50 - 30 * time_s], axis=-1)[None, :, None]
    velocity, acceleration = motion_px(pixels, time_s)
    np.testing.assert_allclose(velocity[0, :, 0], np.tile([60.0, -30.0], (20, 1)), atol=1e-6)
    np.testing.assert_allclose(acceleration, 0, atol=1e-4)


def test_one_frame_alone_is_at_rest():
    velocity, acceleration = motion_px(np.full((1, 1, 1, 2), 5.0), np.zeros(1))
    assert not velocity.any() and not acceleration.any()
