"""Calibrates a rig without a board, from people who walk through the volume."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from calibration.clock_drift import USUAL_SIGMA, drift_is_proven, drift_notes, no_drift_note
from calibration.people.adjustment import PeopleAdjustment, adjust_people
from calibration.people.first_poses import first_poses
from calibration.people.labelling import label_people
from calibration.people.measurements import MIN_CONFIDENCE, choose_instants
from calibration.people.outcome import center_covariance, make_solution
from calibration.people.placement import Placement, upright_placement
from calibration.people.proportions import bones_of
from calibration.people.scale import KnownSize, scale_of
from calibration.people.tracks import LabelledPeople, PeopleTracks
from calibration.people.unknowns import PeopleState, Unknowns, scaled_lenses
from calibration.solution import Solution
from mocap.arrays import Float
from mocap.errors import CalibrationError
from mocap.model import Camera, Intrinsics, Rig, RigMetadata, Skeleton

ASSUMED_FIELD_OF_VIEW_DEG = 60.0
ASSUMED_FOCAL_SIGMA = 0.2
"""Relative error of a focal length that was guessed from a field of view."""
AMBIGUOUS = 0.95
"""A different pose of two cameras that fits this well cannot be told from the right one."""
MIN_INSTANTS = 8
_BAD_CENTER = 0.25
"""A camera whose position is unsure by this share of its distance is not determined."""
_OFFSET_SIGMA_FRAMES = 3.0


@dataclass(frozen=True)
class PeopleIn3D:
    """The people a rig was calibrated from, in its world.

    Attributes:
        skeleton: names of the keypoints.
        time_s: instants on the session clock.
        points_m: NaN where two cameras did not see the keypoint.
    """

    skeleton: Skeleton
    time_s: Float[np.ndarray, " instants"]
    points_m: Float[np.ndarray, "people instants keypoints 3"]


@dataclass(frozen=True)
class PeopleCalibration:
    """A rig calibrated from people.

    Attributes:
        solution: see `Solution`. Its gauge camera is the first one.
        people: 3D keypoints in the world of the rig, for setting the floor.
        labelled: who is who in 2D.
        adjustment: in the frame and size before the world was set, for
            `calibration.people.posterior`.
        placement: from that frame to the world.
        scale_sigma: relative standard deviation of all lengths, contained in the covariances.
    """

    solution: Solution
    people: PeopleIn3D
    labelled: LabelledPeople
    adjustment: PeopleAdjustment
    placement: Placement
    scale_sigma: float


def assumed_lens(
    size: tuple[int, int], field_of_view_deg: float = ASSUMED_FIELD_OF_VIEW_DEG
) -> Intrinsics:
    """A lens without distortion, of a field of view along the longer side of the image."""
    if not 5.0 <= field_of_view_deg <= 150.0:
        raise CalibrationError(
            f"the field of view is {field_of_view_deg:g} degrees; give 5 to 150 degrees"
        )
    focal = 0.5 * max(size) / np.tan(np.radians(field_of_view_deg) / 2)
    matrix = np.array([[focal, 0, (size[0] - 1) / 2], [0, focal, (size[1] - 1) / 2], [0, 0, 1]])
    return Intrinsics(size, matrix, np.zeros(0))


def calibrate_rig_from_people(
    tracks: PeopleTracks,
    lenses: Sequence[Intrinsics | None] | None = None,
    *,
    height_m: float | None = None,
    known_length: tuple[str, str, float] | None = None,
    camera_distance: tuple[str, str, float] | None = None,
    initial_offsets_s: Sequence[float] | None = None,
    solve_offsets: bool = True,
    solve_drift: bool = False,
    max_offset_s: float = 0.0,
    solve_focal: bool | None = None,
    shared_focal: bool = False,
    field_of_view_deg: float = ASSUMED_FIELD_OF_VIEW_DEG,
    most_instants: int = 100,
    min_confidence: float = MIN_CONFIDENCE,
    rng: np.random.Generator | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> PeopleCalibration:
    """Finds poses, time offsets and focal lengths of cameras that film people.

    Args:
        tracks: 2D people.
        lenses: per camera in the order of the tracks; None for a lens that is not known, for
            which one is assumed and its focal length solved.
        height_m: stature of the person who is seen most, without shoes.
        known_length: two keypoints and their distance in metres, on the same person.
        camera_distance: names of two cameras and the distance of their lenses in metres.
        initial_offsets_s: how late each camera is, to about a frame.
        solve_offsets: whether time offsets are refined (the first camera's is held).
        solve_drift: whether the rates of the clocks are unknowns too; they are taken over where the
            people prove that they differ. Only with offsets.
        max_offset_s: without `initial_offsets_s`, offsets up to this are searched for.
        solve_focal: whether focal lengths are refined; by default those that were assumed.
        shared_focal: whether all cameras have the same correction of the focal length.
        field_of_view_deg: of assumed lenses, along the longer side.
        most_instants: how many instants are used at most.
        min_confidence: keypoints of lower confidence are left out.
        rng: for the random samples; the same by default.
        on_step: called with the iteration and the cost of each adjustment.

    Raises:
        CalibrationError: there is one camera, two cameras never see the same person at the same
            time, there are too few frames, or the people are too still to tell.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    size = KnownSize(height_m, known_length, camera_distance)
    _check_counts(tracks, lenses, initial_offsets_s)
    size.check(tracks)
    tracks = tracks.only_used_keypoints()
    cameras = len(tracks.cameras)
    given: list[Intrinsics | None] = [None] * cameras if lenses is None else list(lenses)
    used = tuple(
        lens if lens is not None else assumed_lens(camera.image_size, field_of_view_deg)
        for lens, camera in zip(given, tracks.cameras, strict=True)
    )
    focal_sigma = np.array([ASSUMED_FOCAL_SIGMA if lens is None else 0.0 for lens in given])
    if solve_focal is not None:
        known = np.where(focal_sigma > 0, focal_sigma, 0.02)
        focal_sigma = known if solve_focal else np.zeros(cameras)
    bones = bones_of(tracks.skeleton, None if known_length is None else known_length[:2])
    offsets = np.zeros(cameras)
    if initial_offsets_s is not None:
        offsets = np.asarray(initial_offsets_s, np.float64)
    first, offsets = first_poses(
        tracks, used, offsets, 0.0 if initial_offsets_s is not None else max_offset_s, rng
    )
    interval = float(np.median([c.interval_s for c in tracks.cameras]))
    offset_sigma = np.full(cameras, _OFFSET_SIGMA_FRAMES * interval if solve_offsets else 0.0)
    offset_sigma[0] = 0.0
    rates = np.full(cameras, USUAL_SIGMA if solve_drift and solve_offsets else 0.0)
    rates[0] = 0.0
    unknowns = Unknowns(
        fixed_camera=0,
        pose_prior=None,
        focal_sigma=focal_sigma,
        shared_focal=shared_focal,
        offset_sigma_s=offset_sigma,
        offset_prior_s=offsets,
        drift_sigma=rates,
        log_stature=float(np.log(size.stature_m)),
    )
    state = PeopleState(
        first.rotation,
        first.translation,
        np.zeros(cameras),
        offsets,
        np.zeros((0, 0)),
        np.zeros((0, 3)),
        np.zeros(cameras),
    )

    def adjusted(
        people: LabelledPeople, start: PeopleState, final: bool, unknowns: Unknowns = unknowns
    ) -> PeopleAdjustment:
        most = most_instants if final else 50
        instants = choose_instants(people, start.offset_s, most, 4, start.drift)
        _check_instants(instants)
        return adjust_people(
            people,
            used,
            instants,
            start,
            bones,
            unknowns,
            min_confidence=min_confidence,
            final=final,
            on_step=on_step,
        )

    rough = adjusted(first.people, state, False)
    labelled = _labelled(tracks, used, rough)
    adjustment = adjusted(labelled, rough.state, True)
    clocks: tuple[str, ...] = ()
    if rates.any():
        solved = adjustment.bundle.columns.drift
        solved = solved[solved >= 0]
        spread = adjustment.rig_covariance[np.ix_(solved, solved)]
        if drift_is_proven(adjustment.state.drift[1:], spread):
            clocks = drift_notes(
                tracks.names,
                1e6 * adjustment.state.drift,
                np.append(np.nan, 1e6 * np.sqrt(np.diag(spread))),
            )
        else:
            span = float(np.ptp(adjustment.bundle.measurements.instants_s))
            clocks = (no_drift_note(tracks.names, np.sqrt(np.diag(spread)), span),)
            still = replace(rough.state, drift=np.zeros(cameras))
            adjustment = adjusted(labelled, still, True, replace(unknowns, drift_sigma=0.0 * rates))
    done = _finished(tracks, labelled, adjustment, size, given)
    notes = (*done.solution.notes, *clocks)
    if first.rival >= AMBIGUOUS:
        notes = (
            *notes,
            f"another pose of the two cameras fits {100 * first.rival:.0f} % as well, since the "
            f"people are seen as if in one plane; add a camera or film them at different distances",
        )
    return replace(done, solution=replace(done.solution, notes=notes))


def _labelled(
    tracks: PeopleTracks,
    lenses: tuple[Intrinsics, ...],
    rough: PeopleAdjustment,
) -> LabelledPeople:
    """Who is who by the rough rig, in a world of about the right size."""
    state = rough.state
    table = points_table(rough, state.points)
    placement = upright_placement(table, tracks.skeleton, 1.0)
    placed = placement.state(state)
    rig = _rig(tracks.names, scaled_lenses(lenses, state.log_focal), placed, None)
    labelled = label_people(tracks, rig, state.offset_s, tolerance=2.0, drift=state.drift)
    if not labelled.people:
        raise CalibrationError(
            "the cameras cannot be made to agree on any person; film one person alone who walks "
            "through the whole volume, and give the lenses if they are known"
        )
    return labelled


def _rig(
    names: tuple[str, ...],
    lenses: tuple[Intrinsics, ...],
    state: PeopleState,
    metadata: RigMetadata | None,
) -> Rig:
    cameras: list[Camera] = []
    for c, name in enumerate(names):
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = state.rotation[c], state.translation[c]
        cameras.append(Camera(name, lenses[c], pose, float(state.offset_s[c])))
    return Rig(tuple(cameras), metadata or RigMetadata())


def points_table(
    adjustment: PeopleAdjustment, points: Float[np.ndarray, "points 3"]
) -> Float[np.ndarray, "people instants keypoints 3"]:
    """Points of an adjustment by person, instant and keypoint; NaN where there is none."""
    m = adjustment.bundle.measurements
    people = adjustment.state.bone_log.shape[0]
    k = int(max(m.point_keypoint.max(), adjustment.bundle.bones.ends.max())) + 1
    table = np.full((people, len(m.instants_s), k, 3), np.nan)
    table[m.point_person, m.point_instant, m.point_keypoint] = points
    return table


def _finished(
    tracks: PeopleTracks,
    labelled: LabelledPeople,
    adjustment: PeopleAdjustment,
    size: KnownSize,
    given: list[Intrinsics | None],
) -> PeopleCalibration:
    state = adjustment.state
    scale = scale_of(tracks, adjustment, size)
    notes = list(scale.notes)
    table = points_table(adjustment, state.points)
    placement = upright_placement(table, tracks.skeleton, scale.factor)
    placed = placement.state(state)
    joint = placement.pose_covariance(adjustment.pose_covariance(), placed, 0, scale.sigma)
    if any(lens is None for lens in given):
        focal = np.exp(state.log_focal)
        worst = int(
            np.nanargmax(np.nan_to_num(adjustment.sigma_of(adjustment.bundle.columns.focal)))
        )
        notes.append(
            f"lenses that were not given have no distortion and focal lengths from the people; the "
            f"least sure is that of camera {tracks.names[worst]!r}, "
            f"{focal[worst] * adjustment.bundle.lenses[worst].focal_px:.0f} px +- "
            f"{100 * float(adjustment.sigma_of(adjustment.bundle.columns.focal)[worst]):.1f} %"
        )
    metadata = RigMetadata("Z along standing people, floor below their feet, metres")
    solution = make_solution(
        tracks.names,
        metadata,
        labelled,
        adjustment,
        gauge=tracks.names[0],
        state=placed,
        joint=joint,
        notes=tuple(notes),
    )
    _check_determined(solution, table * scale.factor)
    people = PeopleIn3D(
        tracks.skeleton, adjustment.bundle.measurements.instants_s, placement.points(table)
    )
    return PeopleCalibration(solution, people, labelled, adjustment, placement, scale.sigma)


def _check_counts(
    tracks: PeopleTracks,
    lenses: Sequence[Intrinsics | None] | None,
    offsets_s: Sequence[float] | None,
) -> None:
    cameras = len(tracks.cameras)
    if cameras < 2:
        raise CalibrationError(
            f"{cameras} camera; calibration from people needs at least two that see the same "
            f"people, use a board for a single camera"
        )
    for what, values in (("lenses", lenses), ("time offsets", offsets_s)):
        if values is not None and len(values) != cameras:
            raise CalibrationError(
                f"{len(values)} {what} for {cameras} cameras; give one for each camera"
            )


def _check_instants(instants: np.ndarray) -> None:
    if len(instants) < MIN_INSTANTS:
        raise CalibrationError(
            f"only {len(instants)} instants at which two cameras see the same person, at least "
            f"{MIN_INSTANTS} are needed; use more frames (all of a walk of ten seconds or more)"
        )


def _check_determined(solution: Solution, table: np.ndarray) -> None:
    """Refuses cameras whose positions the people leave open."""
    middle = np.nanmedian(table.reshape(-1, 3), axis=0)
    for camera in solution.rig:
        assert camera.pose_covariance is not None
        spread = center_covariance(camera.T_cam_world, camera.pose_covariance)
        sigma = float(np.sqrt(np.trace(spread)))
        distance = float(np.linalg.norm(camera.center_world - middle))
        if sigma > _BAD_CENTER * max(distance, 1.0):
            raise CalibrationError(
                f"the people leave the position of camera {camera.name!r} open by "
                f"{1000 * sigma:.0f} mm: they stand still or fill too little of the images; film "
                f"someone who walks through the whole volume for ten seconds or more"
            )
