"""What the joint adjustment found, as a solution, and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from calibration.board.joint import JointResult
from calibration.board.path import blended_poses
from calibration.clock_drift import drift_notes
from calibration.lens_jacobian import lens_parameters
from calibration.sightings import Sightings
from calibration.solution import Residuals, Solution, TargetPath
from mocap.arrays import Float, Int
from mocap.model import Camera, Intrinsics, Rig, RigMetadata


def solution_of(
    sightings: Sightings,
    lenses: Sequence[Intrinsics],
    found: JointResult,
    notes: tuple[str, ...],
    offset_doubt_s: Float[np.ndarray, " cameras"],
) -> Solution:
    """The solution of an adjustment.

    Args:
        sightings: that it was made from.
        lenses: with which it began.
        found: the adjustment.
        notes: what the user should read.
        offset_doubt_s: standard deviation that offsets have besides that of the adjustment.
    """
    names = sightings.names
    columns, state, covariance = found.problem.columns, found.state, found.covariance
    first = columns.total - columns.cameras
    place = columns.pose.reshape(-1) - first
    pose_covariance = np.zeros((6 * len(names), 6 * len(names)))
    solved = np.flatnonzero(place >= 0)
    pose_covariance[np.ix_(solved, solved)] = covariance[np.ix_(place[solved], place[solved])]
    sigma = np.sqrt(np.clip(np.diag(covariance), 0.0, None))
    clock = np.maximum(columns.clock - first, -1)
    cameras: list[Camera] = []
    lens_sigma: list[dict[str, float]] = []
    for c, name in enumerate(names):
        pose = np.eye(4)
        left, _, right = np.linalg.svd(state.rotation[c])
        pose[:3, :3], pose[:3, 3] = left @ right, state.translation_m[c]
        block = pose_covariance[6 * c : 6 * c + 6, 6 * c : 6 * c + 6]
        intrinsics, free = lenses[c], found.problem.freedoms[c]
        spread: dict[str, float] = {}
        if free.free:
            intrinsics = replace(
                intrinsics,
                matrix=found.problem.matrix(state, c),
                distortions=state.lens[c, 4 : 4 + len(intrinsics.distortions)],
            )
            own = columns.lens[c, : free.free] - first
            variances = np.diag(free.basis @ covariance[np.ix_(own, own)] @ free.basis.T)
            parameters = lens_parameters(intrinsics.lens == "fisheye")
            spread = {
                key: float(np.sqrt(v))
                for key, v in zip(parameters, variances, strict=True)
                if v > 0
            }
        cameras.append(Camera(name, intrinsics, pose, float(state.offset_s[c]), block))
        lens_sigma.append(spread)
    frame = f"frame of camera {names[0]}: x right, y down, z forward, metres"
    return Solution(
        rig=Rig(tuple(cameras), RigMetadata(frame)),
        residuals=_residuals(found),
        pose_covariance=pose_covariance,
        gauge=names[0],
        lens_sigma=tuple(lens_sigma),
        time_offset_sigma_s=np.where(
            clock[:, 0] >= 0, np.hypot(sigma[clock[:, 0]], offset_doubt_s), np.nan
        ),
        drift_ppm=np.where(clock[:, 1] >= 0, 1e6 * state.drift, np.nan),
        drift_sigma_ppm=np.where(clock[:, 1] >= 0, 1e6 * sigma[clock[:, 1]], np.nan),
        sigma_px=float(np.sqrt(np.mean(found.sigma_px**2))),
        path=_target_path(found),
        converged=found.adjustment.converged,
        iterations=found.iterations,
        notes=notes,
        back_m=state.back_m,
    )


def _residuals(found: JointResult) -> Residuals:
    problem, state = found.problem, found.state
    table = problem.table
    view, point = np.nonzero(table.seen)
    predicted = problem.predicted(state)[view, point]
    weight = found.adjustment.weight[: table.seen.size].reshape(table.seen.shape)
    inlier = problem.use & (weight > 0.05)
    return Residuals(
        table.camera[view],
        table.frame[view],
        state.time_s(table)[view],
        point,
        table.pixels[view, point],
        table.pixels[view, point] - predicted,
        (found.sigma_px[table.camera][:, None] * table.sigma)[view, point],
        inlier[view, point],
    )


def _target_path(found: JointResult) -> TargetPath:
    """The pose of the target at every instant at which some camera has a frame."""
    problem, state = found.problem, found.state
    time_s = state.time_s(problem.table)
    _, picked = np.unique(
        time_s if problem.layout.interval_s else problem.layout.piece, return_index=True
    )
    knots, weight, slope = problem.layout.blend(time_s[picked], problem.layout.piece[picked])
    blended = blended_poses(state.path, knots, weight, slope)
    poses: Float[np.ndarray, "instants 4 4"] = np.tile(np.eye(4), (len(picked), 1, 1))
    poses[:, :3, :3], poses[:, :3, 3] = blended.rotation, blended.position_m
    return TargetPath(time_s[picked], poses)


def offset_columns(found: JointResult) -> Int[np.ndarray, " cameras"]:
    """Where the offsets stand in the covariance; negative where not solved."""
    columns = found.problem.columns
    return columns.clock[:, 0] - (columns.total - columns.cameras)


def solved_drifts(found: JointResult) -> tuple[np.ndarray, np.ndarray]:
    """The solved drifts and their covariance."""
    columns = found.problem.columns
    solved = columns.clock[:, 1] >= 0
    place = columns.clock[solved, 1] - (columns.total - columns.cameras)
    return found.state.drift[solved], found.covariance[np.ix_(place, place)]


def back_note(found: JointResult) -> str:
    """How the print on the back lies, in words."""
    columns = found.problem.columns
    sigma = np.sqrt(np.diag(found.covariance)[columns.back - (columns.total - columns.cameras)])
    shift = ", ".join(
        f"{axis} {1000 * value:+.1f} +- {1000 * s:.1f}"
        for axis, value, s in zip("xyz", found.state.back_m, sigma, strict=True)
    )
    return (
        f"the print on the back of the board is taken to be shifted against that on the front by "
        f"{1000 * float(np.linalg.norm(found.state.back_m)):.1f} mm ({shift} mm; z is the "
        f"thickness)"
    )


def clock_notes(names: Sequence[str], found: JointResult) -> tuple[str, ...]:
    """What the rates of the clocks are, in words."""
    solved = found.problem.columns.clock[:, 1] >= 0
    if not solved.any():
        return ()
    ppm, sigma = np.full(len(names), np.nan), np.full(len(names), np.nan)
    drift, spread = solved_drifts(found)
    ppm[solved], sigma[solved] = 1e6 * drift, 1e6 * np.sqrt(np.diag(spread))
    return drift_notes(names, ppm, sigma)


def offset_notes(
    names: Sequence[str],
    found: JointResult,
    interval_s: float,
    doubt_s: Float[np.ndarray, " cameras"],
) -> list[str]:
    """What the time offsets are, in words.

    Args:
        names: of the cameras.
        found: the adjustment.
        interval_s: of a frame.
        doubt_s: see `solution_of`.
    """
    place = offset_columns(found)
    notes: list[str] = []
    for c, name in enumerate(names):
        if place[c] < 0:
            continue
        offset = float(found.state.offset_s[c])
        sigma = float(np.hypot(np.sqrt(found.covariance[place[c], place[c]]), doubt_s[c]))
        if abs(offset) > max(3 * sigma, 0.02 * interval_s):
            notes.append(
                f"{name} runs {1000 * abs(offset):.0f} ms {'late' if offset > 0 else 'early'} "
                f"against {names[0]} ({abs(offset) / interval_s:.2f} frames, +- "
                f"{1000 * sigma:.1f} ms)"
            )
    return notes
