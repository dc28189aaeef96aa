"""A rig from what its cameras saw of a board: the steps in their order, and the judgement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
import tyro

from calibration.board.back import seen_from_front
from calibration.board.freedom import focal_freedom
from calibration.board.lag_search import board_lags
from calibration.board.rig_from_board import calibrate_rig_from_board
from calibration.board.unknowns import LensFreedom
from calibration.checks.evidence import Evidence, KnownDistance, Statures
from calibration.checks.layout import layout_explanation
from calibration.frame_choice import choose_frames
from calibration.intrinsics import calibrate_lens
from calibration.lens.result import LensCalibration, free_center
from calibration.people.size import PeopleSizes, people_sizes
from calibration.people.tracks import PeopleTracks
from calibration.sightings import CameraSightings, Sightings
from calibration.solution import Solution
from calibration.timing import RigOffsets, solve_offsets
from calibration.verdict import Verdict, judge
from calibration.world_frame import (
    WorldFrame,
    move_solution,
    path_of_tracks,
    world_from_cameras,
    world_from_target,
)
from mocap.errors import CalibrationError
from mocap.model import Intrinsics, Rig

Say = Callable[[str], None]
Floor = Literal["auto", "board", "none"]
TimeOffsets = Literal["auto", "solve", "none"]

FOCAL_SHARE, ASPECT_SHARE, CENTER_SHARE = 0.1, 0.005, 0.02
"""What is known of a lens before anything was filmed: focal length, fy / fx, and centre as a share
of the width; one standard deviation."""
COEFFICIENT_SIGMA = {"k1": 0.15, "k2": 0.15, "p1": 0.003, "p2": 0.003, "k3": 0.15}
OTHER_COEFFICIENT_SIGMA = 0.1
UNSEEN_SIGMA = {"k1": 0.1, "k2": 0.06, "p1": 0.001, "p2": 0.001}
"""Of coefficients that the evidence did not ask for: they are small, but not nought. A lens without
them bends the rig by more than its covariance says."""
NOTICED_FRAMES = 0.5
"""Offsets below this are left to the adjustment, which finds them better."""
LENS_VIEWS = 80
"""Views of a camera that its lens is calibrated from: more of them say little more."""
JOINT_FRAMES, JOINT_INSTANTS, AROUND_FRAMES = 300, 50, 3
"""Where a camera has more sightings than the first number, the joint adjustment takes so many
instants, chosen for coverage, with so many frames before and after each: it has to know how the
board moves."""


def _option(metavar: str) -> Any:
    """An option whose help text says by itself what holds without it."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint="")


@dataclass(frozen=True)
class BoardOptions:
    """What to solve for, and what to believe."""

    lens_models: Annotated[tuple[str, ...], _option("MODEL [MODEL ...]")] = ()
    """Lens models to choose from, such as "pinhole k1 k2" or "fisheye k1 k2". Default: all, by
    evidence."""
    refine_lenses: bool = False
    """Given lenses are only a start, which the joint adjustment improves."""
    time_offsets: TimeOffsets = "auto"
    """Whether each camera's delay is solved for. auto: where the footage determines it."""
    drift: bool = False
    """Whether the rates of the clocks are solved for as well."""
    two_sided: bool = False
    """The board is printed on both sides, and how far the prints are apart (thickness, shift) is
    solved for."""
    floor: Floor = "auto"
    """Where the floor is. auto: from the board lying still, if it does. board: it must. none:
    the first camera's position is the origin."""
    floor_at_s: Annotated[float | None, _option("SECONDS")] = None
    """When the board lies on the floor, in seconds. Default: found by itself."""
    origin: Literal["middle", "corner"] = "middle"
    """Origin in the middle of the board on the floor, or in its first corner."""
    thickness_m: float = 0.0
    """Height of the print above the floor, in metres."""
    leave_out_unconnected: bool = False
    """Leaves out cameras that never see the board together with the others."""


@dataclass(frozen=True)
class BoardCalibration:
    """The outcome.

    Attributes:
        solution: the rig in its world frame, with everything needed to judge it.
        evidence: what the verdict rests on.
        verdict: whether to use it.
        lenses: what was found out about each lens, by name.
    """

    solution: Solution
    evidence: Evidence
    verdict: Verdict
    lenses: dict[str, LensCalibration]


def calibrate_with_board(
    sightings: Sightings,
    given: Mapping[str, Intrinsics],
    options: BoardOptions,
    *,
    lens_sightings: Sightings | None = None,
    old_rig: Rig | None = None,
    lens_rig: Rig | None = None,
    distances: tuple[KnownDistance, ...] = (),
    people: PeopleTracks | None = None,
    height_m: float | None = None,
    say: Say = lambda _: None,
) -> BoardCalibration:
    """Calibrates a rig.

    Args:
        sightings: of the board, by all cameras.
        given: known lenses by name; kept as they are unless the options say otherwise.
        options: what to solve for.
        lens_sightings: separate footage for the lenses, cameras of the same names.
        old_rig: an earlier calibration, for the verdict.
        lens_rig: where the cameras stood when the given lenses were calibrated, for the verdict.
        distances: known distances between cameras, for the verdict.
        people: 2D people in front of the cameras, whose height the verdict looks at.
        height_m: of the one who is seen most; without it people are taken to be adults.
        say: is told what is being done.

    Raises:
        CalibrationError: the footage does not determine the rig; the message says why and what
            to do.
    """
    _check_seen(sightings)
    say("lenses")
    lenses = _lenses(sightings, lens_sightings, given, options)
    intrinsics = {name: lens.intrinsics for name, lens in lenses.items()}
    say("time offsets from the movement")
    initial = _first_offsets(sightings, intrinsics, options)
    say("poses of the cameras")
    used = _worthwhile(sightings, initial)
    try:
        solution = calibrate_rig_from_board(
            used,
            intrinsics,
            lens_freedom=_freedoms(lenses, lens_sightings is not None, options),
            solve_offsets=_solve_offsets(sightings, options),
            solve_drift=options.drift,
            solve_back=options.two_sided,
            initial_offsets_s=initial,
            exclude_unconnected=options.leave_out_unconnected,
        )
    except CalibrationError as error:
        why = layout_explanation(used, intrinsics, initial)
        if why is None:
            raise
        raise CalibrationError(why) from error
    say("world frame and verdict")
    kept = tuple(c for c in sightings.cameras if c.name in solution.rig.names)
    seen = seen_from_front(
        Sightings(sightings.target, kept),
        {camera.name: camera.intrinsics for camera in solution.rig},
        solution.back_m,
    )
    frame = _world_frame(solution, seen, options)
    moved = move_solution(frame, solution)
    sizes = None
    if people is not None:
        say("people's height")
        sizes = people_sizes(moved.rig, people)
        moved = replace(moved, notes=(*moved.notes, *sizes.notes))
    evidence = Evidence(
        moved,
        seen,
        lenses_given=all(lens.given for lens in lenses.values()),
        misfits={name: lens.misfit for name, lens in lenses.items()},
        floor_set="floor from the target" in frame.words,
        old_rig=old_rig,
        lens_rig=lens_rig,
        distances=distances,
        statures=None if sizes is None else _statures(sizes, height_m),
        upright=None if sizes is None else sizes.upright,
    )
    return BoardCalibration(moved, evidence, judge(evidence), lenses)


def _statures(sizes: PeopleSizes, height_m: float | None) -> Statures:
    true_m = None
    if height_m is not None:
        true_m = np.full(len(sizes.stature_m), np.nan)
        true_m[:1] = height_m
    return Statures(sizes.stature_m, true_m)


def _check_seen(sightings: Sightings) -> None:
    if len(sightings.cameras) < 2:
        raise CalibrationError(
            f"{len(sightings.cameras)} camera; a rig needs at least two: give the footage of all "
            f"cameras"
        )
    never = [camera.name for camera in sightings.cameras if not len(camera)]
    if len(never) == len(sightings.cameras):
        hints = "; ".join(dict.fromkeys(n for c in sightings.cameras for n in c.notes))
        raise CalibrationError(
            f"no camera saw the board ({sightings.target.describe()})"
            f"{': ' + hints if hints else ''}; check the description of the board, and that it is "
            f"sharp and large enough in the images"
        )
    if len(never) == len(sightings.cameras) - 1:
        only = next(camera.name for camera in sightings.cameras if len(camera))
        raise CalibrationError(
            f"only {only} saw the board; at least two cameras must see it at the same time"
        )


def _lenses(
    sightings: Sightings,
    lens_sightings: Sightings | None,
    given: Mapping[str, Intrinsics],
    options: BoardOptions,
) -> dict[str, LensCalibration]:
    found: dict[str, LensCalibration] = {}
    chosen = choose_frames(sightings, LENS_VIEWS, shared=False)
    separate = None
    if lens_sightings is not None:
        separate = choose_frames(lens_sightings, LENS_VIEWS, shared=False)
    for camera in chosen.cameras:
        source, target = camera, sightings.target
        if camera.name not in given and separate is not None:
            source, target = separate[camera.name], separate.target
        if not len(source) and options.leave_out_unconnected:
            continue
        found[camera.name] = calibrate_lens(
            source, target, given=given.get(camera.name), models=options.lens_models or None
        )
    return found


def _freedoms(
    lenses: Mapping[str, LensCalibration], separate: bool, options: BoardOptions
) -> dict[str, LensFreedom]:
    """How far each lens may move in the joint adjustment; those not named are fixed."""
    freedoms: dict[str, LensFreedom] = {}
    for name, lens in lenses.items():
        if lens.given:
            if options.refine_lenses:
                freedoms[name] = focal_freedom(lens.intrinsics)
        elif separate:
            freedoms[name] = LensFreedom(lens.prior.basis, lens.prior.covariance)
        else:
            freedoms[name] = weakly_known(lens)
    return freedoms


def weakly_known(lens: LensCalibration) -> LensFreedom:
    """A lens that was found in the footage which the joint adjustment sees again: its own result
    must not count twice, so only what holds of any lens is put in."""
    form = free_center(lens.form)
    usual = ("k1", "k2") if form.fisheye else ("k1", "k2", "p1", "p2")
    unseen = tuple(name for name in usual if name not in form.terms)
    basis = replace(form, terms=(*form.terms, *unseen)).basis
    matrix, size = lens.intrinsics.matrix, lens.intrinsics.size
    # Both focal lengths change together; of fy by itself the aspect is known.
    basis[1, 0] = matrix[1, 1] / matrix[0, 0]
    sigma = dict.fromkeys(lens.parameters, OTHER_COEFFICIENT_SIGMA)
    sigma |= COEFFICIENT_SIGMA | {name: UNSEEN_SIGMA[name] for name in unseen}
    sigma |= {"fx": FOCAL_SHARE * matrix[0, 0], "fy": ASPECT_SHARE * matrix[1, 1]}
    sigma |= {"cx": CENTER_SHARE * size[0], "cy": CENTER_SHARE * size[0]}
    own = [sigma[lens.parameters[int(np.flatnonzero(column)[0])]] for column in basis.T]
    return LensFreedom(basis, np.diag(np.square(own)))


def _solve_offsets(sightings: Sightings, options: BoardOptions) -> bool | None:
    """None where the footage is to decide."""
    if not _timed(sightings):
        if options.time_offsets == "solve" or options.drift:
            raise CalibrationError(
                "images have no times, so there are no time offsets to solve; images of the same "
                "number are taken to be of the same instant: give videos instead"
            )
        return False
    return {"auto": None, "solve": True, "none": False}[options.time_offsets]


def _timed(sightings: Sightings) -> bool:
    """Whether it is known when frames were taken; of images it is not."""
    return any(camera.nominal_fps is not None for camera in sightings.cameras)


def _first_offsets(
    sightings: Sightings, lenses: Mapping[str, Intrinsics], options: BoardOptions
) -> dict[str, float]:
    """Offsets of cameras which start far apart in time, from the movement of the board."""
    if options.time_offsets == "none":
        return {}
    videos = tuple(c for c in sightings.cameras if len(c) > 1 and c.nominal_fps is not None)
    if len(videos) < 2:
        return {}
    offsets: RigOffsets = solve_offsets(
        [camera.name for camera in videos],
        board_lags(Sightings(sightings.target, videos), lenses),
    )
    result: dict[str, float] = {}
    for camera, offset_s, refused in zip(videos, offsets.offsets_s, offsets.refused, strict=True):
        if refused is None and abs(offset_s) * (camera.nominal_fps or 0.0) > NOTICED_FRAMES:
            result[camera.name] = float(offset_s)
    return result


def _worthwhile(sightings: Sightings, offsets_s: Mapping[str, float]) -> Sightings:
    """What the joint adjustment uses of long footage."""
    if max(len(camera) for camera in sightings.cameras) <= JOINT_FRAMES:
        return sightings
    late_s = np.array([offsets_s.get(name, 0.0) for name in sightings.names])
    chosen = choose_frames(sightings, JOINT_INSTANTS, time_offset_s=late_s)
    times_s = np.concatenate(
        [camera.time_s - late for camera, late in zip(chosen.cameras, late_s, strict=True)]
    )
    times_s = np.unique(times_s)
    kept: list[CameraSightings] = []
    for camera, late in zip(sightings.cameras, late_s, strict=True):
        around_s = (AROUND_FRAMES + 0.5) / (camera.nominal_fps or np.inf)
        own = camera.time_s - late
        after = np.clip(np.searchsorted(times_s, own), 1, len(times_s) - 1)
        near = np.minimum(np.abs(own - times_s[after - 1]), np.abs(times_s[after] - own))
        kept.append(camera.chosen(np.flatnonzero(near <= max(around_s, 1e-9))))
    return Sightings(sightings.target, tuple(kept))


def _world_frame(solution: Solution, sightings: Sightings, options: BoardOptions) -> WorldFrame:
    rig = solution.rig
    if options.floor == "none":
        return world_from_cameras(rig)
    if not _timed(sightings) and options.floor_at_s is None:
        if options.floor == "board":
            raise CalibrationError(
                "images have no times, so it is unknown in which of them the board lies still; "
                "give the number of one in which it lies on the floor by --floor-at-s"
            )
        return _without_floor(
            rig,
            "in images nothing tells when the board lies on the floor; "
            "give the number of such an image by --floor-at-s",
        )
    # Frames chosen for the calibration leave out what stands still.
    seen = Evidence(solution, sightings)
    path = path_of_tracks(sightings.target, seen.tracks.time_s, seen.seen)
    try:
        return world_from_target(
            rig,
            sightings.target,
            path,
            at_s=options.floor_at_s,
            origin=options.origin,
            thickness_m=options.thickness_m,
        )
    except CalibrationError as error:
        if options.floor == "board" or options.floor_at_s is not None:
            raise
        return _without_floor(rig, str(error))


def _without_floor(rig: Rig, why: str) -> WorldFrame:
    try:
        frame = world_from_cameras(rig)
    except CalibrationError:
        frame = WorldFrame(
            np.eye(4), 1.0, f"right-handed, metres; the frame of camera {rig.names[0]}", ()
        )
    return replace(frame, notes=(*frame.notes, why))
