"""A rig from the people its cameras film: the steps in their order, and the judgement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import tyro

from calibration.check import RigCheck, check_rig
from calibration.checks.evidence import Evidence, KnownDistance, Statures
from calibration.checks.uncertainty import camera_uncertainty, shape_and_scale
from calibration.people.calibrate import PeopleCalibration, calibrate_rig_from_people
from calibration.people.common_instants import point_tracks
from calibration.people.labelling import label_people
from calibration.people.refine import Refinement, refine_rig
from calibration.people.tracks import PeopleTracks
from calibration.solution import Solution
from calibration.verdict import Verdict, judge
from calibration.world_frame import move_solution, stature_m, world_from_people
from mocap.errors import CalibrationError
from mocap.model import Intrinsics, Rig

LITTLE_SCALE = 0.005
"""Below this nobody needs to be told how well the scale is known."""


def _option(metavar: str) -> Any:
    """An option whose help text says by itself what holds without it."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint="")


@dataclass(frozen=True)
class PeopleOptions:
    """What to solve for, and what is known."""

    height_m: Annotated[float | None, _option("METRES")] = None
    """Height of the person who is seen most, without shoes, in metres. It gives the scale, to about
    3 %."""
    camera_distance: Annotated[tuple[str, str, float] | None, _option("CAMERA CAMERA METRES")] = (
        None
    )
    """Instead of a height: two cameras and the distance of their lenses in metres."""
    solve_offsets: bool = True
    """Whether each camera's delay is solved for."""
    drift: bool = False
    """Whether the rates of the clocks are solved for as well, where the people prove that they
    differ. Worth it for minutes of footage."""
    max_offset_s: float = 0.0
    """Delays up to so many seconds are searched for first. Needed for cameras that were not
    started together."""
    field_of_view_deg: float = 60.0
    """Of lenses that are not given, along the longer side of the image; their focal lengths are
    then refined."""
    shared_focal: bool = False
    """Whether lenses that are not given have the same focal length."""
    max_instants: int = 100
    """Instants that are used at most."""


@dataclass(frozen=True)
class PeopleResult:
    """The outcome.

    Attributes:
        solution: the rig in its world frame.
        evidence: what the verdict rests on.
        verdict: whether to use it.
        calibration: all details.
    """

    solution: Solution
    evidence: Evidence
    verdict: Verdict
    calibration: PeopleCalibration


def calibrate_with_people(
    tracks: PeopleTracks,
    lenses: Sequence[Intrinsics | None] | None,
    options: PeopleOptions,
    *,
    initial_offsets_s: Sequence[float] | None = None,
    old_rig: Rig | None = None,
) -> PeopleResult:
    """Calibrates a rig without a board.

    Args:
        tracks: 2D people.
        lenses: per camera; None for one that is not known.
        options: what to solve for.
        initial_offsets_s: how late each camera is, to about a frame.
        old_rig: an earlier calibration, for the verdict.

    Raises:
        CalibrationError: the people do not determine the rig; the message says what to do.
    """
    calibration = calibrate_rig_from_people(
        tracks,
        lenses,
        height_m=options.height_m,
        camera_distance=options.camera_distance,
        initial_offsets_s=initial_offsets_s,
        solve_offsets=options.solve_offsets,
        solve_drift=options.drift,
        max_offset_s=options.max_offset_s,
        field_of_view_deg=options.field_of_view_deg,
        shared_focal=options.shared_focal,
        most_instants=options.max_instants,
    )
    solution = calibration.solution
    people = calibration.people
    points = np.moveaxis(people.points_m, 0, 1)
    notes: tuple[str, ...] = ()
    floor = False
    try:
        frame = world_from_people(solution.rig, points, people.skeleton)
        solution = move_solution(frame, solution)
        points = frame.scale * points @ frame.T_new_old[:3, :3].T + frame.T_new_old[:3, 3]
        floor = True
    except CalibrationError as error:
        notes = (f"the floor is where the people's feet are on average: {error}",)
    notes = (*notes, *_scale_words(solution))
    measured = stature_m(points, people.skeleton)
    known = options.height_m is not None
    distance = options.camera_distance
    evidence = Evidence(
        _noted(solution, notes),
        people=point_tracks(solution.rig, calibration.labelled, solution.drift_ppm),
        lenses_given=lenses is not None and all(lens is not None for lens in lenses),
        floor_set=floor,
        old_rig=old_rig,
        statures=None if known else Statures(np.atleast_1d(measured)),
        distances=() if distance is None else (KnownDistance(*distance),),
    )
    return PeopleResult(evidence.solution, evidence, judge(evidence), calibration)


def check_with_people(rig: Rig, tracks: PeopleTracks) -> RigCheck:
    """How good an old calibration is, by the people its cameras see today.

    Raises:
        CalibrationError: two cameras never see the same person.
    """
    offsets = np.array([camera.time_offset_s for camera in rig])
    labelled = label_people(tracks.subset(rig.names), rig, offsets, tolerance=2.0)
    if not labelled.people:
        raise CalibrationError(
            "nobody is seen by two cameras at once, so the rig cannot be checked; film people "
            "where the views overlap, or calibrate anew if the rig is far off"
        )
    return check_rig(rig, point_tracks(rig, labelled))


def refine_with_people(
    rig: Rig, tracks: PeopleTracks, *, solve_offsets: bool, solve_focal: bool
) -> tuple[Refinement, Evidence, Verdict]:
    """Refines a rig on people, and judges the result.

    Raises:
        CalibrationError: see `refine_rig`.
    """
    refinement = refine_rig(rig, tracks, solve_offsets=solve_offsets, solve_focal=solve_focal)
    evidence = Evidence(
        refinement.solution,
        people=point_tracks(refinement.solution.rig, refinement.people),
        lenses_given=not solve_focal,
        floor_set=False,
    )
    return refinement, evidence, judge(evidence)


def _scale_words(solution: Solution) -> tuple[str, ...]:
    """What of the stated uncertainty of positions is the size of the whole rig."""
    shape, scale = shape_and_scale(solution)
    if scale < LITTLE_SCALE:
        return ()
    largest = max(known.position_m for known in camera_uncertainty(solution, shape))
    return (
        f"all lengths together are known to {100 * scale:.0f} %, which is most of the uncertainty "
        f"of positions; in a rig of given size every camera is known to {1000 * largest:.0f} mm "
        f"(one standard deviation)",
    )


def _noted(solution: Solution, notes: tuple[str, ...]) -> Solution:
    return replace(solution, notes=(*solution.notes, *notes))
