"""Which cameras of a given rig moved: those whose release explains what the people show.

An adjustment that may move every camera spreads one camera's error over all of them. So each
camera is released alone, all others being held where the rig says; the one whose release lowers
the cost most is the first suspect, and stays released while the next is looked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from calibration.least_squares import adjust
from calibration.people.adjustment import SCALE, PeopleAdjustment
from calibration.people.bundle import PeopleBundle
from calibration.people.unknowns import PeopleState, PosePrior
from mocap.geometry.rotations import rotvec_from_matrix

HELD_RAD, HELD_M = np.radians(0.01), 0.0005
RELEASED_RAD, RELEASED_M = np.radians(3.0), 0.15
MIN_GAIN = 8.4
"""Half of the 99 % quantile of chi-squared with the six degrees of freedom of a pose."""
MIN_SHARE = 0.15
"""A suspect explains at least this share of the cost; less is a detector's bias."""


@dataclass(frozen=True)
class Suspect:
    """A camera that was released.

    Attributes:
        camera: position in the rig.
        explained: share of the adjustment's cost that its release takes away.
        rotation_rad: by which it turned, the other held cameras being right.
        position_m: by which it moved.
    """

    camera: int
    explained: float
    rotation_rad: float
    position_m: float


def find_suspects(
    adjustment: PeopleAdjustment, given: PeopleState, prior: PosePrior
) -> tuple[Suspect, ...]:
    """Releases cameras one after the other as long as each explains much.

    Args:
        adjustment: an adjustment of all cameras; its pixels and their noise are used.
        given: state with the poses of the given rig.
        prior: of those poses; its standard deviations are not read.

    Returns:
        The suspects, the one that explains most first. At least two cameras always stay held,
        for something must say where the rig is; with two cameras there is no telling.
    """
    cameras = len(given.rotation)
    suspects: list[Suspect] = []
    released: list[int] = []
    cost, _ = _released(adjustment, given, prior, released)
    while len(released) < cameras - 2:
        trials = [
            (*_released(adjustment, given, prior, [*released, c]), c)
            for c in range(cameras)
            if c not in released
        ]
        best, state, camera = min(trials, key=lambda trial: trial[0])
        if cost - best < max(MIN_GAIN, MIN_SHARE * cost):
            break
        turn = rotvec_from_matrix(state.rotation[camera] @ given.rotation[camera].T)
        shift = state.centers[camera] - given.centers[camera]
        suspects.append(
            Suspect(
                camera,
                (cost - best) / cost,
                float(np.linalg.norm(turn)),
                float(np.linalg.norm(shift)),
            )
        )
        released.append(camera)
        cost = best
    return tuple(suspects)


def _released(
    adjustment: PeopleAdjustment, given: PeopleState, prior: PosePrior, released: list[int]
) -> tuple[float, PeopleState]:
    """Cost and state with only some cameras free."""
    bundle = adjustment.bundle
    cameras, people = len(given.rotation), adjustment.state.bone_log.shape[0]
    sigma_rad, sigma_m = np.full(cameras, HELD_RAD), np.full(cameras, HELD_M)
    sigma_rad[released], sigma_m[released] = RELEASED_RAD, RELEASED_M
    held = replace(prior, sigma_rad=sigma_rad, sigma_m=sigma_m)
    trial = PeopleBundle(
        bundle.measurements,
        bundle.lenses,
        bundle.bones,
        replace(bundle.unknowns, pose_prior=held),
        people,
    )
    start = replace(given, points=adjustment.state.points, bone_log=adjustment.state.bone_log)
    result = adjust(
        trial,
        start,
        loss="cauchy",
        scale=SCALE,
        max_iterations=25,
        tolerance=1e-4,
        linear_solver=trial.solver.solve,
    )
    return result.cost, result.state
