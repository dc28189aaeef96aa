"""A rig from the views of a board: the one entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import chi2

from calibration.board.back import BACK_SIGMA_M, shows_both_sides
from calibration.board.freedom import Freedom, LensFreedom, lens_freedoms
from calibration.board.joint import JointResult, Setup, instants, solve_jointly
from calibration.board.outcome import (
    back_note,
    clock_notes,
    offset_columns,
    offset_notes,
    solution_of,
    solved_drifts,
)
from calibration.board.path import Path
from calibration.board.planar_pose import PlanarPoses
from calibration.board.pose_graph import (
    Edge,
    components,
    explain_components,
    first_poses,
    shared_edges,
)
from calibration.board.unknowns import BoardState
from calibration.board.view_poses import lens_row, view_poses
from calibration.board.views import ViewTable, frame_interval, view_table
from calibration.clock_drift import drift_is_proven, no_drift_note
from calibration.sightings import Sightings
from calibration.solution import Solution
from mocap.errors import CalibrationError, valid_choices
from mocap.model import Intrinsics

OFFSET_CONFIDENCE = 0.999
"""Offsets are taken over when they differ from zero with this confidence."""
MAX_OFFSET_SIGMA = 0.25
"""Largest standard deviation of an offset that counts as determined, in frames."""


@dataclass(frozen=True)
class SharedViews:
    """Which cameras see the board together.

    Attributes:
        names: of the cameras.
        edges: between them.
    """

    names: tuple[str, ...]
    edges: tuple[Edge, ...]


def calibrate_rig_from_board(
    sightings: Sightings,
    lenses: Mapping[str, Intrinsics],
    *,
    lens_freedom: Freedom | Mapping[str, LensFreedom] = "fixed",
    solve_offsets: bool | None = None,
    solve_drift: bool = False,
    solve_back: bool = False,
    initial_offsets_s: Mapping[str, float] | None = None,
    exclude_unconnected: bool = False,
    on_step: Callable[[int, float], None] | None = None,
) -> Solution:
    """Finds the poses of all cameras, and what else is asked for, from a moved board.

    Poses of single views, then a graph of shared views, then one adjustment of everything. The
    world of the result is the frame of the first camera, and the session clock is its clock.

    Args:
        sightings: of the board. Cameras need not be synchronised; then frames that follow each
            other are needed, from which the motion of the board is known between them.
        lenses: of all cameras, by name.
        lens_freedom: how far the lenses may change; see `calibration.board.freedom`.
        solve_offsets: whether the cameras' time offsets are unknowns; None: they are taken over
            if the views determine them and they are not zero.
        solve_drift: whether the rates of the clocks are unknowns too; only with offsets.
        solve_back: whether it is unknown how the print on the board's back lies against that on
            its front.
        initial_offsets_s: offsets by name, as far as they are known.
        exclude_unconnected: leaves out cameras that are not connected with most others, instead
            of refusing.
        on_step: called with the iteration and the cost.

    Raises:
        CalibrationError: fewer than two cameras, a camera without a lens, or cameras that share
            no views.
    """
    names = sightings.names
    missing = [name for name in names if name not in lenses]
    if missing:
        raise CalibrationError(
            f"no intrinsics for cameras {valid_choices(missing)}; there are some for "
            f"{valid_choices(lenses)}"
        )
    initial = dict.fromkeys(names, 0.0) | dict(initial_offsets_s or {})
    unknown = [name for name in initial if name not in names]
    if unknown:
        raise CalibrationError(
            f"time offsets for unknown cameras {valid_choices(unknown)}; cameras are "
            f"{valid_choices(names)}"
        )
    if len(names) < 2:
        raise CalibrationError(
            f"one camera ({valid_choices(names)}) has no pose relative to others; give at least "
            f"two cameras, or calibrate its intrinsics only"
        )
    notes: list[str] = []
    prepared = _prepare(sightings, lenses, initial)
    groups = components(len(names), prepared.edges)
    if exclude_unconnected and len(groups) > 1:
        kept, left = groups[0], [c for group in groups[1:] for c in group]
        if len(kept) < 2:
            raise CalibrationError(
                f"cameras are {explain_components(names, prepared.edges)}; film the board where "
                f"two cameras see it at the same time"
            )
        text = ", ".join(names[c] for c in left)
        notes.append(f"left out, as they share no views of the board with the others: {text}")
        sightings = Sightings(sightings.target, tuple(sightings.cameras[c] for c in sorted(kept)))
        names = sightings.names
        prepared = _prepare(sightings, lenses, initial)
    return _solve(
        sightings,
        [lenses[name] for name in names],
        lens_freedoms(names, lenses, lens_freedom),
        prepared,
        solve_offsets,
        solve_drift,
        solve_back,
        np.array([initial[name] for name in names]),
        notes,
        on_step,
    )


def shared_views(
    sightings: Sightings,
    lenses: Mapping[str, Intrinsics],
    initial_offsets_s: Mapping[str, float] | None = None,
) -> SharedViews:
    """How many views of the board each pair of cameras shares, and how well they agree."""
    initial = dict.fromkeys(sightings.names, 0.0) | dict(initial_offsets_s or {})
    return SharedViews(sightings.names, _prepare(sightings, lenses, initial).edges)


@dataclass(frozen=True)
class _Prepared:
    table: ViewTable
    poses: PlanarPoses
    interval_s: float
    time_s: np.ndarray
    edges: tuple[Edge, ...]


def _prepare(
    sightings: Sightings, lenses: Mapping[str, Intrinsics], initial: Mapping[str, float]
) -> _Prepared:
    table = view_table(sightings)
    poses = view_poses(sightings.target.points_m, table, [lenses[n] for n in sightings.names])
    table, found = table.chosen(poses.found), poses.found
    poses = PlanarPoses(poses.T_cam_target[found], poses.rms_rad[found])
    interval_s = frame_interval(table)
    # Cameras with one frame each, of one instant: any interval will do.
    interval_s = interval_s if np.isfinite(interval_s) and interval_s > 0 else 1.0
    offsets = np.array([initial[name] for name in sightings.names])
    time_s = table.stamp_s - offsets[table.camera]
    edges = shared_edges(table, time_s, poses, len(sightings.names), interval_s)
    return _Prepared(table, poses, interval_s, time_s, edges)


def _solve(
    sightings: Sightings,
    lenses: Sequence[Intrinsics],
    freedoms: tuple[LensFreedom, ...],
    prepared: _Prepared,
    solve_offsets: bool | None,
    solve_drift: bool,
    solve_back: bool,
    offsets: np.ndarray,
    notes: list[str],
    on_step: Callable[[int, float], None] | None,
) -> Solution:
    names = sightings.names
    table, interval_s = prepared.table, prepared.interval_s
    first = first_poses(
        table,
        prepared.time_s,
        prepared.poses,
        names,
        interval_s,
        sightings.target.points_m,
        prepared.edges,
    )
    lens = np.array([lens_row(item) for item in lenses])
    setup = Setup(
        sightings.target.points_m,
        table,
        np.array([item.lens == "fisheye" for item in lenses]),
        np.array([item.matrix[0, 1] for item in lenses]),
        freedoms,
        lens,
        interval_s,
    )
    two_sided = solve_back and shows_both_sides(table)
    start = BoardState(
        first.T_cam_world[:, :3, :3],
        first.T_cam_world[:, :3, 3],
        lens,
        offsets - offsets[0],
        np.zeros(len(names)),
        Path(np.zeros((0, 4)), np.zeros((0, 3))),
        np.zeros(3),
    )
    together = instants(table, start.time_s(table), interval_s) is not None

    def joint(timed: bool, drifting: bool = False) -> JointResult:
        return solve_jointly(
            replace(setup, back_sigma_m=BACK_SIGMA_M if two_sided else 0.0),
            start,
            first.T_world_target,
            first.trusted,
            free=not timed and together,
            solve_offset=timed,
            solve_drift=drifting,
            on_step=on_step,
        )

    found: JointResult | None = None
    solved = False
    doubt_s = np.zeros(len(names))
    if solve_offsets is not False:
        found = joint(True, solve_drift)
        solved = solve_offsets is True or _offsets_matter(found, interval_s, together)
    if found is None or not solved:
        found = joint(False)
    elif solve_drift:
        solved_drift, spread = solved_drifts(found)
        if not drift_is_proven(solved_drift, spread):
            time_s = found.state.time_s(table)
            span = float(np.ptp(time_s))
            # Offsets are those of the start, but are measured in the middle.
            clocks = found.problem.columns.clock[:, 1] >= 0
            doubt_s[clocks] = np.sqrt(np.diag(spread)) * abs(float(np.mean(time_s)))
            notes = [*notes, no_drift_note(names, np.sqrt(np.diag(spread)), span)]
            found = joint(True)
    if two_sided:
        notes = [*notes, back_note(found)]
    elif solve_back:
        notes = [
            *notes,
            "front and back of the board are not both seen often enough to tell how far their "
            "prints are apart, so they are taken to lie on each other",
        ]
    if solved:
        notes = notes + offset_notes(names, found, interval_s, doubt_s)
    notes = [*notes, *clock_notes(names, found)]
    if not found.adjustment.converged:
        notes = [*notes, "the adjustment did not come to rest; the result may be rough"]
    return solution_of(sightings, lenses, found, tuple(notes), doubt_s)


def _offsets_matter(found: JointResult, interval_s: float, together: bool) -> bool:
    """Whether the offsets are determined, and worth having."""
    place = offset_columns(found)
    solved = place >= 0
    covariance = found.covariance[np.ix_(place[solved], place[solved])]
    if np.sqrt(np.diag(covariance).max()) > MAX_OFFSET_SIGMA * interval_s:
        return False
    if not together:
        return True
    values = found.state.offset_s[solved]
    distance = float(values @ np.linalg.solve(covariance, values))
    return distance > float(chi2.ppf(OFFSET_CONFIDENCE, int(solved.sum())))
