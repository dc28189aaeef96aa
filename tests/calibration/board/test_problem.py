"""The equations of the joint adjustment, against finite differences."""

from dataclasses import replace

import numpy as np
import pytest
from board_scene import board_scene
from synthetic_scene import ring_rig

from calibration.board.path import fit_path, free_instants, spline_layout
from calibration.board.problem import BoardProblem
from calibration.board.unknowns import BoardState, LensFreedom, PathPrior
from calibration.board.views import view_table
from calibration.lens_jacobian import lens_parameters


def _problem(kind, seed=0):
    rig = ring_rig(4, radius=2.6, mixed_lenses=True)
    rig = type(rig)(rig.cameras)
    scene = board_scene(4, seed=seed, duration_s=1.2, fps=10.0, rig=rig, noise_px=1.0)
    table = view_table(scene.sightings)
    table = replace(table, back=table.camera == 2)
    rng = np.random.default_rng(seed)
    arrays = rig.arrays
    state_offset = rng.normal(0, 0.03, 4)
    drift = rng.normal(0, 1e-3, 4)
    times = (table.stamp_s - state_offset[table.camera]) / (1 + drift[table.camera])
    if kind == "free":
        _, instant = np.unique(table.frame, return_inverse=True)
        layout, prior = free_instants(instant), None
    else:
        layout, prior = spline_layout(times, 0.1), PathPrior(0.2, 0.05)
    poses = np.stack([scene.motion.T_world_board(t + 2.0) for t in times])
    path = fit_path(layout, times, layout.piece, poses, np.ones(len(poses)))
    freedoms = []
    for c in range(4):
        size = len(lens_parameters(bool(arrays.fisheye[c])))
        basis = np.zeros((size, 3 + c))
        basis[0, 0] = basis[1, 0] = basis[2, 1] = basis[3, 2] = 1.0
        for k in range(c):
            basis[4 + k, 3 + k] = 1.0
        scatter = rng.normal(size=(3 + c, 3 + c))
        freedoms.append(LensFreedom(basis, scatter @ scatter.T + np.eye(3 + c)))
    freedoms[0] = LensFreedom(np.zeros((12, 0)), np.zeros((0, 0)))
    lens = np.column_stack(
        [
            arrays.matrix[:, 0, 0],
            arrays.matrix[:, 1, 1],
            arrays.matrix[:, :2, 2],
            arrays.distortions,
        ]
    )
    state = BoardState(
        arrays.T_cam_world[:, :3, :3].copy(),
        arrays.T_cam_world[:, :3, 3].copy(),
        lens,
        state_offset,
        drift,
        path,
        np.array([0.002, -0.001, 0.003]),
    )
    use = table.seen.copy()
    use[rng.random(use.shape) < 0.1] = False
    problem = BoardProblem(
        scene.sightings.target.points_m,
        table,
        use,
        np.array([0.5, 1.0, 2.0, 0.7]),
        arrays.fisheye.astype(bool),
        np.zeros(4),
        freedoms,
        lens + 0.01,
        layout,
        prior,
        reference=1,
        solve_offset=kind != "free",
        solve_drift=kind != "free",
        back_sigma_m=0.004,
    )
    return problem, state


@pytest.mark.parametrize("kind", ["free", "spline"])
def test_jacobian_is_that_of_finite_differences(kind):
    problem, state = _problem(kind)
    linear = problem.linearize(state)
    np.testing.assert_allclose(linear.residual, problem.residual(state), atol=1e-12)
    analytic = linear.jacobian.tocsr().toarray()
    rng = np.random.default_rng(1)
    n = problem.columns.total
    assert analytic.shape == (len(linear.residual), n)
    columns = np.unique(np.concatenate([rng.integers(0, n, 40), np.arange(n - 45, n)]))
    for column in columns:
        step = np.zeros(n)
        # Offsets and turns are small units, pixels of the lens large ones.
        step[column] = 1e-6
        plus, minus = (problem.residual(problem.moved(state, s * step)) for s in (1, -1))
        numeric = (plus - minus) / 2e-6
        scale = max(1.0, np.abs(numeric).max())
        np.testing.assert_allclose(analytic[:, column] / scale, numeric / scale, atol=2e-5)


def test_normal_equations_of_blocks_are_those_of_the_sparse_matrix():
    problem, state = _problem("spline")
    linear = problem.linearize(state)
    weight = np.random.default_rng(0).uniform(0.1, 1, len(linear.residual))
    information, gradient = linear.jacobian.normal_equations(weight, linear.residual)
    dense = linear.jacobian.tocsr().toarray()
    np.testing.assert_allclose(
        information.toarray(), dense.T @ (weight[:, None] * dense), rtol=1e-9, atol=1e-6
    )
    np.testing.assert_allclose(gradient, dense.T @ (weight * linear.residual), atol=1e-6)
