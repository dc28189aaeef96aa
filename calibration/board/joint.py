"""The joint adjustment, in rounds: rough and robust first, then with the noise that it found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from calibration.board.noise import effective_variance, time_clusters
from calibration.board.path import (
    PathLayout,
    blended_poses,
    fit_path,
    free_instants,
    seen_knots,
    spline_layout,
)
from calibration.board.problem import BoardProblem
from calibration.board.unknowns import BoardState, LensFreedom, PathPrior
from calibration.board.views import MIN_POINTS, ViewTable
from calibration.least_squares import (
    Adjustment,
    adjust,
    inverse_columns,
    solve_in_given_order,
)
from mocap.arrays import Bool, Float
from mocap.errors import CalibrationError

FIRST_SIGMA_PX = 1.5
HUBER_SIGMAS = 2.5
OUTLIER_SIGMAS = 5.0
MIN_SIGMA_PX = 0.02
SHARED_POINTS = 200
"""The noise of a camera is drawn to that of all as if by this many points."""
SIMULTANEOUS = 0.05
"""Views closer than this share of the frame interval are of one instant."""
PRIOR_WIDTH = 2.0
CLUSTERS, MIN_CLUSTERS = 30, 6
SPANS_PER_CLUSTER = (6, 12)
"""Lengths of the stretches of time whose disagreement is measured, in knot intervals."""


@dataclass(frozen=True)
class Setup:
    """What the adjustment is about.

    Attributes:
        points_m: of the target.
        table: the views.
        fisheye: which cameras have a fisheye lens.
        skew: of each camera matrix.
        freedoms: of the lenses.
        lens: as given.
        interval_s: between frames of the fastest camera.
        back_sigma_m: what is known of the shift of the print on the target's back against that on
            its front; 0 where there is none.
    """

    points_m: Float[np.ndarray, "points 3"]
    table: ViewTable
    fisheye: Bool[np.ndarray, " cameras"]
    skew: Float[np.ndarray, " cameras"]
    freedoms: Sequence[LensFreedom]
    lens: Float[np.ndarray, "cameras 12"]
    interval_s: float
    back_sigma_m: float = 0.0


@dataclass(frozen=True)
class JointResult:
    """The outcome.

    Attributes:
        problem: as it stood in the last round.
        adjustment: of the last round.
        sigma_px: noise of usual points of each camera.
        spread: per camera unknown, by how much noise that is not independent widens it.
        inverse: columns of the inverse of the information for the camera unknowns, not widened.
        iterations: of all rounds.
    """

    problem: BoardProblem
    adjustment: Adjustment[BoardState]
    sigma_px: Float[np.ndarray, " cameras"]
    spread: Float[np.ndarray, " camera_unknowns"]
    inverse: Float[np.ndarray, "unknowns camera_unknowns"]
    iterations: int

    @property
    def state(self) -> BoardState:
        """Values of all unknowns."""
        return self.adjustment.state

    @property
    def covariance(self) -> Float[np.ndarray, "camera_unknowns camera_unknowns"]:
        """Of the camera unknowns, which stand behind the knots."""
        block = self.inverse[-self.problem.columns.cameras :]
        block = self.spread[:, None] * block * self.spread
        return 0.5 * (block + block.T)


def instants(
    table: ViewTable, time_s: Float[np.ndarray, " views"], interval_s: float
) -> np.ndarray | None:
    """Numbers views by the instant that they show; None where cameras do not expose together."""
    order = np.argsort(time_s, kind="stable")
    gaps = np.diff(time_s[order])
    number = np.empty(len(time_s), np.int64)
    number[order] = np.append(0, np.cumsum(gaps > 0.3 * interval_s))
    count = int(number.max()) + 1
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(low, number, time_s)
    np.maximum.at(high, number, time_s)
    pairs = number * (int(table.camera.max()) + 1) + table.camera
    if len(np.unique(pairs)) < len(pairs):
        return None
    return number if np.all(high - low <= SIMULTANEOUS * interval_s) else None


def solve_jointly(
    setup: Setup,
    start: BoardState,
    T_world_target: Float[np.ndarray, "views 4 4"],
    trusted: Bool[np.ndarray, " views"],
    *,
    free: bool,
    solve_offset: bool,
    solve_drift: bool,
    on_step: Callable[[int, float], None] | None = None,
) -> JointResult:
    """Adjusts everything.

    Args:
        setup: what it is about.
        start: cameras and clocks to begin with; its path is not used.
        T_world_target: pose of the target in each view, to begin with.
        trusted: views whose pose is good enough to begin with.
        free: instants are free, for cameras that expose together; else the path is a spline.
        solve_offset: whether time offsets are unknowns.
        solve_drift: whether drifts are.
        on_step: called with the iteration and the cost.

    Raises:
        CalibrationError: something is not determined.
    """
    found = _adjust_in_rounds(
        setup,
        start,
        T_world_target,
        trusted,
        free=free,
        clocks=(solve_offset, solve_drift),
        on_step=on_step,
    )
    return _uncertain(*found)


def _adjust_in_rounds(
    setup: Setup,
    start: BoardState,
    T_world_target: np.ndarray,
    trusted: np.ndarray,
    *,
    free: bool,
    clocks: tuple[bool, bool],
    on_step: Callable[[int, float], None] | None,
) -> tuple[BoardProblem, Adjustment[BoardState], np.ndarray, int]:
    table = setup.table
    cameras = len(start.rotation)
    sigma = np.full(cameras, FIRST_SIGMA_PX)
    state, use = start, table.seen
    layout: PathLayout | None = None
    iterations = 0
    problem, result = None, None
    laid_s = start.time_s(table)
    for round_number in range(4):
        time_s = state.time_s(table)
        moved = layout is None or _left(layout, setup.interval_s, laid_s, time_s)
        if moved:
            layout, state = _lay_out(setup, state, time_s, T_world_target, trusted, free)
            laid_s = time_s
        assert layout is not None
        prior = None if free else _prior(layout, state, time_s)
        settings = (layout, prior, clocks)
        problem = _problem(setup, use, sigma, *settings)
        if round_number == 0:
            # What the first poses have in the back of a camera cannot be adjusted.
            use = use & np.isfinite(problem.predicted(state)).all(axis=-1)
            problem = _problem(setup, use, sigma, *settings)
        result = adjust(
            problem,
            state,
            loss="cauchy" if round_number == 0 else "huber",
            scale=HUBER_SIGMAS,
            max_iterations=60,
            tolerance=(1e-3, 1e-4, 1e-5, 1e-8)[round_number],
            on_step=on_step,
            linear_solver=solve_in_given_order,
        )
        iterations += result.iterations
        state = result.state
        T_world_target, trusted = _poses_of(problem, state)
        if round_number < 3:
            sigma, use = _judge(problem, state, sigma, robust=round_number == 0)
    assert problem is not None and result is not None
    return problem, result, sigma, iterations


def _uncertain(
    problem: BoardProblem, result: Adjustment[BoardState], sigma: np.ndarray, iterations: int
) -> JointResult:
    count = problem.columns.cameras
    unknowns = problem.columns.total - count + np.arange(count)
    try:
        inverse = inverse_columns(result.information, unknowns)
    except np.linalg.LinAlgError as error:
        raise CalibrationError(
            "the views of the board do not determine the cameras; film more frames, with the "
            "board tilted and moved through the whole volume"
        ) from error
    spread = _spread(problem, result, inverse, unknowns)
    return JointResult(problem, result, sigma, spread, inverse, iterations)


def _problem(
    setup: Setup,
    use: np.ndarray,
    sigma: np.ndarray,
    layout: PathLayout,
    prior: PathPrior | None,
    clocks: tuple[bool, bool],
) -> BoardProblem:
    return BoardProblem(
        setup.points_m,
        setup.table,
        use,
        sigma,
        setup.fisheye,
        setup.skew,
        setup.freedoms,
        setup.lens,
        layout,
        prior,
        solve_offset=clocks[0],
        solve_drift=clocks[1],
        back_sigma_m=setup.back_sigma_m,
    )


def _lay_out(
    setup: Setup,
    state: BoardState,
    time_s: np.ndarray,
    T_world_target: np.ndarray,
    trusted: np.ndarray,
    free: bool,
) -> tuple[PathLayout, BoardState]:
    layout = spline_layout(time_s, setup.interval_s)
    if free:
        number = instants(setup.table, time_s, setup.interval_s)
        if number is None:
            raise CalibrationError(
                "the cameras do not expose at the same times; solve for time offsets"
            )
        layout = free_instants(number)
    weight = np.where(trusted, 1.0, 1e-3)
    path = fit_path(layout, time_s, layout.piece, T_world_target, weight)
    return layout, replace(state, path=path)


def _left(layout: PathLayout, interval_s: float, laid_s: np.ndarray, now_s: np.ndarray) -> bool:
    """Whether clocks have moved so far that the knots do not fit any more."""
    return layout.interval_s > 0 and bool(np.max(np.abs(now_s - laid_s)) > 0.25 * interval_s)


def _prior(layout: PathLayout, state: BoardState, time_s: np.ndarray) -> PathPrior:
    """A prior a little wider than the accelerations which the frames show."""
    seen = seen_knots(layout, layout.blend(time_s)[0]).astype(float)
    second = layout.differences(2)
    inner = np.asarray(abs(second) @ seen).ravel() >= 4
    if not inner.any():
        inner[:] = True
    turns = 2 * np.linalg.norm(second @ state.path.quaternion, axis=1)[inner]
    shifts = np.linalg.norm(second @ state.path.position_m, axis=1)[inner]
    if not len(turns):
        return PathPrior(1.0, 0.3)
    # Per axis, from lengths; the largest tenth may be slips of the first poses.
    scale = PRIOR_WIDTH / np.sqrt(3.0)
    turn, shift = (float(np.quantile(v, 0.9)) * scale for v in (turns, shifts))
    return PathPrior(float(np.clip(turn, 1e-3, 1.0)), float(np.clip(shift, 5e-4, 0.3)))


def _poses_of(problem: BoardProblem, state: BoardState) -> tuple[np.ndarray, np.ndarray]:
    """Pose of the target in each view, and whether its points follow it."""
    blended = blended_poses(state.path, *problem.layout.blend(state.time_s(problem.table)))
    poses = np.tile(np.eye(4), (len(problem.table), 1, 1))
    poses[:, :3, :3], poses[:, :3, 3] = blended.rotation, blended.position_m
    return poses, np.ones(len(poses), bool)


def _judge(
    problem: BoardProblem, state: BoardState, sigma: np.ndarray, *, robust: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Noise of each camera, and which points follow it."""
    table = problem.table
    difference = np.linalg.norm(table.pixels - problem.predicted(state), axis=-1) / table.sigma
    difference = np.where(np.isfinite(difference), difference, np.inf)
    inside = difference <= OUTLIER_SIGMAS * sigma[table.camera][:, None]
    use = table.seen if robust else table.seen & inside
    rows = 2 * int(use.sum())
    left = max(rows - problem.columns.total, rows // 4, 1) / max(rows, 1)

    def spread(values: np.ndarray) -> float:
        if not len(values):
            return float(np.mean(sigma))
        if robust:
            return float(np.median(values)) / 1.1774
        # The part of a two-dimensional normal within the loss's limit, made whole again.
        near = np.minimum(values, HUBER_SIGMAS * np.median(values) / 1.1774)
        return float(np.sqrt(np.mean(near**2) / 2)) * 1.022

    everyone = spread(difference[use]) / np.sqrt(left)
    result = np.empty_like(sigma)
    for c in range(len(sigma)):
        mine = (table.camera == c)[:, None] & use
        own, count = spread(difference[mine]) / np.sqrt(left), int(mine.sum())
        pooled = count * own**2 + SHARED_POINTS * everyone**2
        result[c] = np.sqrt(pooled / (count + SHARED_POINTS))
    result = np.maximum(result, MIN_SIGMA_PX)
    keep = difference <= OUTLIER_SIGMAS * result[table.camera][:, None]
    return result, _determined(problem, table.seen & keep)


def _determined(problem: BoardProblem, use: np.ndarray) -> np.ndarray:
    """Takes out the last points of free instants that keep too few for a pose."""
    if problem.layout.interval_s > 0:
        return use
    instant = problem.layout.piece
    count = np.bincount(instant, use.sum(axis=1), minlength=problem.layout.knots)
    return use & (count >= MIN_POINTS)[instant][:, None]


def _spread(
    problem: BoardProblem,
    result: Adjustment[BoardState],
    inverse: np.ndarray,
    unknowns: np.ndarray,
) -> Float[np.ndarray, " camera_unknowns"]:
    """Factors of the standard deviations, by the larger of the disagreements between short and
    between long stretches of time; for all unknowns, and for each kind of them where it is more.

    Errors of the path between frames pull at the clocks above all, a wrong lens at the lenses.
    """
    linear = problem.linearize(result.state)
    time_s = result.state.time_s(problem.table)
    if problem.layout.interval_s == 0:
        clusters = [problem.layout.piece, time_clusters(time_s, CLUSTERS)]
    else:
        # Neighbouring stretches of a spline share knots; only long ones are nearly independent.
        spans = float(np.ptp(time_s)) / problem.layout.interval_s
        counts = {int(np.clip(spans / n, MIN_CLUSTERS, CLUSTERS)) for n in SPANS_PER_CLUSTER}
        clusters = [time_clusters(time_s, count) for count in sorted(counts)]
    split = 2 * problem.use.size
    left = 2 * int(problem.use.sum()) - problem.columns.total
    weighted = result.weight[linear.group[:split]] * linear.residual[:split] ** 2
    # As if all points were independent; the clusters can only add to it.
    independent = float(weighted.sum()) / left if left > 0 else 1.0

    def variance(chosen: np.ndarray) -> float:
        found = [
            effective_variance(linear, result.weight, inverse[:, chosen], unknowns[chosen], c)
            for c in clusters
        ]
        return max([independent, *(value for value in found if np.isfinite(value))])

    everything = variance(np.arange(len(unknowns)))
    spread = np.full(len(unknowns), everything)
    columns = problem.columns
    for kind in (columns.pose, columns.clock, columns.lens, columns.back):
        chosen = kind[kind >= 0] - unknowns[0]
        if 0 < len(chosen) < len(unknowns):
            spread[chosen] = max(everything, variance(chosen))
    return np.sqrt(spread)
