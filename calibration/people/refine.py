"""Puts a given rig right by the people it films, and says which camera was off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from calibration.people.adjustment import PeopleAdjustment, adjust_people
from calibration.people.labelling import label_people
from calibration.people.measurements import MIN_CONFIDENCE, choose_instants
from calibration.people.outcome import center_covariance, make_solution
from calibration.people.points import left_out_errors
from calibration.people.proportions import bones_of
from calibration.people.suspects import RELEASED_M, RELEASED_RAD, Suspect, find_suspects
from calibration.people.tracks import LabelledPeople, PeopleTracks
from calibration.people.unknowns import PeopleState, PosePrior, Unknowns
from calibration.solution import Solution
from mocap.errors import CalibrationError
from mocap.geometry.rotations import rotvec_from_matrix
from mocap.model import Rig

PRIOR_ROTATION_RAD = np.radians(0.15)
PRIOR_POSITION_M = 0.005
"""How far the cameras of a good rig are from where it says, one standard deviation per axis."""


@dataclass(frozen=True)
class CameraChange:
    """By how much one camera of a given rig was off.

    Attributes:
        name: of the camera.
        rotation_deg: angle between the given and the refined orientation.
        position_m: distance between the given and the refined optical centre.
        rotation_sigma_deg: standard deviation of the rotation, root of the sum over the axes.
        position_sigma_m: likewise of the position.
        significance: length of the change in standard deviations (Mahalanobis distance).
        before_px: with the given rig, the median distance of its keypoints from where the other
            cameras say they should be.
        after_px: with the refined one.
        was_off: whether its release, the other cameras being held, explains a large part of what
            the given rig does not. Cameras that were not off move a little too: they follow the
            bias of the detector, of which their standard deviations tell.
    """

    name: str
    rotation_deg: float
    position_m: float
    rotation_sigma_deg: float
    position_sigma_m: float
    significance: float
    before_px: float
    after_px: float
    was_off: bool


@dataclass(frozen=True)
class Refinement:
    """A refined rig.

    Attributes:
        solution: see `Solution`; its gauge is that of the given rig, held by the consensus of
            its cameras.
        changes: per camera in rig order.
        people: who is who in the 2D that was used.
        adjustment: the adjustment itself, for `calibration.people.posterior`.
        suspects: cameras that had moved, the one that explains most first.
    """

    solution: Solution
    changes: tuple[CameraChange, ...]
    people: LabelledPeople
    adjustment: PeopleAdjustment
    suspects: tuple[Suspect, ...]

    @property
    def report(self) -> str:
        """What was found, in words: one line per camera, the worst first."""
        ranked = sorted(
            self.changes, key=lambda change: -change.rotation_deg - 20 * change.position_m
        )
        return "\n".join(_sentence(change) for change in ranked)


def refine_rig(
    rig: Rig,
    tracks: PeopleTracks,
    *,
    solve_offsets: bool = False,
    solve_focal: bool = False,
    most_instants: int = 120,
    min_confidence: float = MIN_CONFIDENCE,
    prior_rotation_rad: float = PRIOR_ROTATION_RAD,
    prior_position_m: float = PRIOR_POSITION_M,
    on_step: Callable[[int, float], None] | None = None,
) -> Refinement:
    """Adjusts the poses of a rig to what its cameras see of people.

    Position, direction and scale of the whole are those of the given rig: every pose is drawn to
    where it was by a force that lets go of a camera which disagrees with the others.

    Args:
        rig: roughly right; the lenses must fit the images (see `calibration.image_size`).
        tracks: 2D people; cameras are found by name.
        solve_offsets: whether the time offsets are refined too.
        solve_focal: whether the focal lengths are refined too.
        most_instants: how many instants are used at most.
        min_confidence: keypoints of lower confidence are left out.
        prior_rotation_rad: see `PRIOR_ROTATION_RAD`.
        prior_position_m: see `PRIOR_POSITION_M`.
        on_step: called with the iteration and the cost.

    Raises:
        CalibrationError: a camera of the rig is not in the tracks, or nobody is seen by two
            cameras at once.
    """
    if len(rig) < 2:
        raise CalibrationError("the rig has one camera; refining on people needs at least two")
    tracks = tracks.subset(rig.names).only_used_keypoints()
    lenses = tuple(camera.intrinsics for camera in rig)
    given = np.array([camera.time_offset_s for camera in rig])
    # A camera that is off by a degree misses by decimetres; it must still be matched.
    people = label_people(tracks, rig, given, tolerance=2.0)
    instants = choose_instants(people, given, most_instants) if people.people else np.zeros(0)
    if not len(instants):
        raise CalibrationError(
            "nobody is seen by two cameras at once; film people where the views overlap, or "
            "calibrate anew if the rig is no longer roughly right"
        )
    rotation = np.stack([camera.T_cam_world[:3, :3] for camera in rig])
    translation = np.stack([camera.T_cam_world[:3, 3] for camera in rig])
    center = np.stack([camera.center_world for camera in rig])
    interval = float(np.median([camera.interval_s for camera in tracks.cameras]))
    free_offsets = np.full(len(rig), 2 * interval if solve_offsets else 0.0)
    free_offsets[0] = 0.0
    prior = PosePrior(
        rotation, center, np.full(len(rig), prior_rotation_rad), np.full(len(rig), prior_position_m)
    )
    unknowns = Unknowns(
        fixed_camera=None,
        pose_prior=prior,
        focal_sigma=np.full(len(rig), 0.02 if solve_focal else 0.0),
        shared_focal=False,
        offset_sigma_s=free_offsets,
        offset_prior_s=given,
        drift_sigma=np.zeros(len(rig)),
        log_stature=None,
    )
    bones = bones_of(tracks.skeleton)
    start = PeopleState(
        rotation,
        translation,
        np.zeros(len(rig)),
        given,
        np.zeros((0, 0)),
        np.zeros((0, 3)),
        np.zeros(len(rig)),
    )

    def adjusted(believed: PosePrior) -> PeopleAdjustment:
        return adjust_people(
            people,
            lenses,
            instants,
            start,
            bones,
            replace(unknowns, pose_prior=believed),
            min_confidence=min_confidence,
            on_step=on_step,
        )

    # The first adjustment, which may move every camera, only tells how noisy the pixels are.
    wide = np.full(len(rig), RELEASED_RAD), np.full(len(rig), RELEASED_M)
    loose = replace(prior, sigma_rad=0.1 * wide[0], sigma_m=0.1 * wide[1])
    suspects = find_suspects(adjusted(loose), start, prior)
    for suspect in suspects:
        prior.sigma_rad[suspect.camera] = RELEASED_RAD
        prior.sigma_m[suspect.camera] = RELEASED_M
    adjustment = adjusted(prior)
    solution = make_solution(rig.names, rig.metadata, people, adjustment, gauge=None)
    changes = _changes(rig, solution, adjustment, suspects)
    found = [_sentence(changes[suspect.camera]) for suspect in suspects]
    if len(rig) == 2:
        found = ["two cameras cannot tell which of them was off; the change is shared by both"]
    notes = tuple(found or ["no camera of the rig stands out as having been off"])
    return Refinement(replace(solution, notes=notes), changes, people, adjustment, suspects)


def _changes(
    rig: Rig, solution: Solution, adjustment: PeopleAdjustment, suspects: tuple[Suspect, ...]
) -> tuple[CameraChange, ...]:
    before = _median_errors(rig, adjustment)
    after = _median_errors(solution.rig, adjustment)
    changes: list[CameraChange] = []
    for c, (old, new) in enumerate(zip(rig, solution.rig, strict=True)):
        turn = rotvec_from_matrix(new.T_cam_world[:3, :3] @ old.T_cam_world[:3, :3].T)
        shift = new.T_cam_world[:3, 3] - old.T_cam_world[:3, 3]
        own = slice(6 * c, 6 * c + 6)
        covariance = solution.pose_covariance[own, own]
        tangent = np.concatenate([turn, shift])
        center = center_covariance(new.T_cam_world, covariance)
        changes.append(
            CameraChange(
                old.name,
                float(np.degrees(np.linalg.norm(turn))),
                float(np.linalg.norm(new.center_world - old.center_world)),
                float(np.degrees(np.sqrt(np.trace(covariance[:3, :3])))),
                float(np.sqrt(np.trace(center))),
                float(np.sqrt(tangent @ np.linalg.solve(covariance, tangent))),
                before[c],
                after[c],
                c in {suspect.camera for suspect in suspects},
            )
        )
    return tuple(changes)


def _median_errors(rig: Rig, adjustment: PeopleAdjustment) -> list[float]:
    m = adjustment.bundle.measurements
    errors = left_out_errors(
        m,
        tuple(camera.intrinsics for camera in rig),
        rig.arrays.T_cam_world[:, :3, :3],
        rig.arrays.T_cam_world[:, :3, 3],
        np.array([camera.time_offset_s for camera in rig]),
    )
    own = [errors[(m.camera == c) & np.isfinite(errors)] for c in range(len(rig))]
    return [float(np.median(values)) if len(values) else float("nan") for values in own]


def _sentence(change: CameraChange) -> str:
    amount = (
        f"{change.rotation_deg:.2f} degrees (+-{change.rotation_sigma_deg:.2f}) and "
        f"{1000 * change.position_m:.0f} mm (+-{1000 * change.position_sigma_m:.0f}), "
        f"{change.significance:.1f} standard deviations; what the other cameras predict for it "
        f"missed by {change.before_px:.1f} px before and {change.after_px:.1f} px now"
    )
    if change.was_off:
        return f"camera {change.name!r} was off by {amount}"
    return f"camera {change.name!r} was moved by {amount}"
