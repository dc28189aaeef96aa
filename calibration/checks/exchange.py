"""Were two cameras exchanged: their videos, or their lenses?"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from calibration.checks.board_pose import board_pose
from calibration.checks.evidence import Evidence
from calibration.checks.finding import Finding
from mocap.arrays import Float
from mocap.model import Rig

FRAMES = 12
OWN = 0.8
"""A lens fits its own camera clearly better than another one where it leaves this share of the
error."""
GAIN = 2.0
NEAR, FAR = 0.25, 0.6
"""Exchanged cameras stand this near to each other's old place, and this far from their own, by the
distance between the two places."""


def check_exchange(evidence: Evidence) -> list[Finding]:
    """Exchanged cameras, against an earlier rig and against given lenses."""
    by_lens = _lenses(evidence)
    named = {finding.cameras for finding in by_lens}
    return [*(f for f in _poses(evidence) if f.cameras not in named), *by_lens]


def lens_errors_px(evidence: Evidence) -> Float[np.ndarray, "cameras lenses"]:
    """Median RMSE of the target's pose in single images of each camera, with the lens of each;
    NaN where image sizes differ or too little was seen."""
    assert evidence.sightings is not None
    rig = evidence.rig
    errors = np.full((len(rig), len(rig)), np.nan)
    points = evidence.sightings.target.points_m
    for c, camera in enumerate(rig):
        own = evidence.sightings[camera.name]
        rows = np.flatnonzero(own.seen.sum(axis=1) >= 8)
        if len(rows) < 4:
            continue
        # Many points near the edges of the image say most about a lens.
        weight = np.nanmax(np.abs(own.pixels[rows] - np.array(own.image_size) / 2), axis=(1, 2))
        rows = rows[np.argsort(-weight)[:FRAMES]]
        for k, other in enumerate(rig):
            if other.intrinsics.size == camera.intrinsics.size:
                poses = [board_pose(other.intrinsics, points, own.pixels[i]) for i in rows]
                misses = [pose[1] for pose in poses if pose is not None]
                if len(misses) >= 4:
                    errors[c, k] = float(np.median(misses))
    return errors


def _lenses(evidence: Evidence) -> list[Finding]:
    if evidence.sightings is None or not evidence.lenses_given:
        return []
    errors = lens_errors_px(evidence)
    names = evidence.rig.names
    found: list[Finding] = []
    for a, b in itertools.combinations(range(len(names)), 2):
        own, other = errors[a, a] + errors[b, b], errors[a, b] + errors[b, a]
        if not (own > GAIN * other and own > 0.8 * evidence.scale_px):
            continue
        if errors[a, b] < errors[a, a] and errors[b, a] < errors[b, b]:
            found.append(
                Finding(
                    "fail",
                    "exchanged",
                    (names[a], names[b]),
                    f"the lenses of {names[a]} and {names[b]} are exchanged: with each other's "
                    f"lens the target fits to {errors[a, b]:.2f} and {errors[b, a]:.2f} px, with "
                    f"their own to {errors[a, a]:.2f} and {errors[b, b]:.2f} px",
                    f"Exchange the names of the videos of {names[a]} and {names[b]}, or their "
                    f"sections in the file of --intrinsics",
                    {"own_px": float(own), "exchanged_px": float(other)},
                )
            )
    return found


def aligned(rig: Rig, old: Rig, names: list[str]) -> dict[str, np.ndarray]:
    """Poses `T_old_cam` of the cameras of a rig, moved rigidly into the frame of an older one.

    The named camera is the anchor which leaves the least median distance of the named cameras from
    their old places.
    """
    best: tuple[float, dict[str, np.ndarray]] | None = None
    for anchor in names:
        to_old = old[anchor].T_world_cam @ rig[anchor].T_cam_world
        moved = {camera.name: to_old @ camera.T_world_cam for camera in rig}
        misses = [
            float(np.linalg.norm(moved[n][:3, 3] - old[n].center_world))
            for n in names
            if n != anchor
        ]
        miss = float(np.median(misses)) if misses else 0.0
        if best is None or miss < best[0]:
            best = miss, moved
    assert best is not None, "there is at least one name"
    return best[1]


def _poses(evidence: Evidence) -> list[Finding]:
    """Exchanged videos, by where cameras stood in an earlier rig."""
    if evidence.old_rig is not None:
        return _crossed(evidence.rig, evidence.old_rig)
    if evidence.lens_rig is None:
        return []
    # The rig of the lenses may be of another day: what its lenses contradict is no exchange of
    # names but cameras that changed places.
    found: list[Finding] = []
    for finding in _crossed(evidence.rig, evidence.lens_rig):
        a, b = (evidence.rig.names.index(name) for name in finding.cameras)
        errors = lens_errors_px(evidence) if evidence.sightings is not None else None
        if errors is not None and errors[a, a] + errors[b, b] < OWN * (errors[a, b] + errors[b, a]):
            continue
        first, second = finding.cameras
        others = len(evidence.rig) > 2
        found.append(
            replace(
                finding,
                severity="fail" if others else "warn",
                seen=finding.seen.replace("in the earlier rig", "in the file of --intrinsics"),
                remedy=f"Exchange the names of the videos of {first} and {second}; if these "
                f"cameras really changed places, all is well: give their lenses in a file without "
                f"poses ('mocap calibrate lenses' writes one)",
            )
        )
    return found


def _crossed(rig: Rig, old: Rig) -> list[Finding]:
    """The two cameras that stand each where the other stood, if there are any."""
    common = [name for name in rig.names if name in old.names]
    found: list[Finding] = []
    least = NEAR
    for a, b in itertools.combinations(common, 2):
        others = [name for name in common if name not in (a, b)]
        if others:
            moved = aligned(rig, old, others)
            places = {n: moved[n][:3, 3] for n in (a, b)}
        elif len(common) == 2:
            # Two cameras alone: exchanged, a stands where b would be as seen from its own.
            to_old = old[b].T_world_cam @ rig[a].T_cam_world
            places = {a: old[b].center_world, b: (to_old @ rig[b].T_world_cam)[:3, 3]}
            straight = old[a].T_world_cam @ rig[a].T_cam_world @ rig[b].T_world_cam
            if np.linalg.norm(straight[:3, 3] - old[b].center_world) < FAR * np.linalg.norm(
                old[a].center_world - old[b].center_world
            ):
                continue
        else:
            continue
        apart = float(np.linalg.norm(old[a].center_world - old[b].center_world))
        crossed = max(
            float(np.linalg.norm(places[a] - old[b].center_world)),
            float(np.linalg.norm(places[b] - old[a].center_world)),
        )
        own = min(float(np.linalg.norm(places[n] - old[n].center_world)) for n in (a, b))
        # In an evenly spaced rig several exchanges nearly fit; the best is meant.
        if crossed < least * apart and own > FAR * apart:
            least = crossed / apart
            found = [
                Finding(
                    "fail",
                    "exchanged",
                    (a, b),
                    f"{a} stands where {b} stood in the earlier rig and {b} where {a} stood (to "
                    f"{1000 * crossed:.0f} mm, being {apart:.2f} m apart)",
                    f"Exchange the names of the videos of {a} and {b}, or replace the earlier rig "
                    f"if the cameras really changed places",
                    {"crossed_mm": 1000 * crossed, "apart_m": apart},
                )
            ]
    return found
