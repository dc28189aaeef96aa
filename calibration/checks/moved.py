"""Which cameras of an old rig have moved since, and how far."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calibration.checks.finding import Finding
from calibration.checks.linear import (
    PER_CAMERA,
    POSE,
    ChangeModel,
    Estimate,
    back_columns,
    change_model,
    columns,
    estimate,
    moved_rig,
)
from calibration.checks.tracks import PointTracks, triangulate
from mocap.arrays import Float
from mocap.geometry.rotations import rotvec_from_matrix
from mocap.model import Rig

SIGNIFICANT_GAIN = 150.0
MOVED_M, MOVED_DEG, MOVED_SIGMAS = 0.003, 0.1, 4.0
LITTLE_M, LITTLE_DEG = 0.01, 0.3
"""Up to here a move is a warning."""
_ROUNDS = 8


def resected(
    rig: Rig, tracks: PointTracks, camera: int, model: ChangeModel | None = None
) -> tuple[Float[np.ndarray, " 6"], Estimate]:
    """Where a camera stands by the others, as a change (rotation vector of the camera, displacement
    of its centre) from where the rig has it, all other cameras being held."""
    total = rig
    start = model or change_model(rig, tracks, triangulate(rig, tracks))
    own = columns(camera, POSE)
    found = estimate(start, own, np.zeros(0, np.int64))
    first = found
    now = triangulate(rig, tracks).cost(start.sigma_px)
    for _ in range(_ROUNDS):
        change = np.zeros(len(rig) * PER_CAMERA)
        change[own] = found.value
        tried = moved_rig(total, change)
        seen = triangulate(tried, tracks)
        cost = seen.cost(start.sigma_px)
        if not cost < 0.9999 * now:
            break
        total, now = tried, cost
        found = estimate(change_model(total, tracks, seen), own, np.zeros(0, np.int64))
    before, after = rig.cameras[camera], total.cameras[camera]
    turn = rotvec_from_matrix(after.T_cam_world[:3, :3] @ before.T_cam_world[:3, :3].T)
    change = np.concatenate([turn, after.center_world - before.center_world])
    return change, replace(found, gain=first.gain)


def culprits_of(model: ChangeModel, least_px: float, *, back: bool = False) -> dict[int, Estimate]:
    """The cameras that were moved.

    Cameras are freed one after the other, the one that explains most first, until nothing
    significant is left; freeing all at once would leave no reference.

    Args:
        model: of small changes.
        least_px: by how much a moved camera must worsen its residuals.
        back: whether the print on the target's back may be shifted.
    """
    n = model.cameras
    free = [back_columns(n)] if back else [np.zeros(0, np.int64)]
    culprits: dict[int, Estimate] = {}
    # The majority stays: at most half of the cameras can be told to have moved.
    while len(culprits) < max(1, (n - 1) // 2):
        nuisance = np.concatenate(free)
        options = {
            c: estimate(model, columns(c, POSE), nuisance) for c in range(n) if c not in culprits
        }
        best = max(options, key=lambda c: options[c].gain)
        count = max(int(model.pixels[:, best].sum()), 1)
        effect = model.sigma_px * float(np.sqrt(max(options[best].gain, 0.0) / count))
        if options[best].gain < SIGNIFICANT_GAIN or effect < least_px:
            break
        culprits[best] = options[best]
        free.append(columns(best, POSE))
    return culprits


def moved_cameras(
    rig: Rig, tracks: PointTracks, model: ChangeModel, least_px: float
) -> tuple[list[tuple[float, float, float, float]], dict[int, Estimate]]:
    """How far each camera is from its place (metres and radians, each with its standard
    deviation), and those that were moved."""
    n = len(rig)
    culprits = culprits_of(model, least_px)
    moves: list[tuple[float, float, float, float]] = []
    for c in range(n):
        others = [k for k in culprits if k != c]
        reference = tracks
        for k in others:
            reference = reference.without(k)
        change, found = resected(rig, reference, c)
        sigma = found.sigma
        moves.append(
            (
                float(np.linalg.norm(change[3:])),
                float(np.linalg.norm(sigma[3:])),
                float(np.linalg.norm(change[:3])),
                float(np.linalg.norm(sigma[:3])),
            )
        )
    return moves, culprits


def is_move(move: tuple[float, float, float, float]) -> bool:
    """Whether a move is more than its uncertainty and more than a tripod's breathing."""
    moved, moved_sigma, turned, turned_sigma = move
    return (moved > max(MOVED_SIGMAS * moved_sigma, MOVED_M)) or (
        turned > max(MOVED_SIGMAS * turned_sigma, np.radians(MOVED_DEG))
    )


def move_finding(rig: Rig, moves: list[tuple[float, float, float, float]], camera: int) -> Finding:
    """What is said of a camera that has moved.

    Args:
        rig: the old calibration.
        moves: see `moved_cameras`.
        camera: which one.
    """
    moved, moved_sigma, turned, turned_sigma = moves[camera]
    name = rig.names[camera]
    who, which = name, (name,)
    if len(rig) == 2:
        who, which = f"{rig.names[0]} or {rig.names[1]}", rig.names
    degrees, degrees_sigma = float(np.degrees(turned)), float(np.degrees(turned_sigma))
    little = moved < LITTLE_M and degrees < LITTLE_DEG
    return Finding(
        "warn" if little else "fail",
        "moved",
        which,
        f"{who} has moved by {1000 * moved:.0f} mm (+- {1000 * moved_sigma:.0f}) and "
        f"{degrees:.2f} degrees (+- {degrees_sigma:.2f}) since the rig was calibrated",
        "Recalibrate, or run mocap calibrate refine",
        {
            "moved_mm": 1000 * moved,
            "moved_sigma_mm": 1000 * moved_sigma,
            "turned_deg": degrees,
            "turned_sigma_deg": degrees_sigma,
        },
    )
