"""The world frame from a target that lies on the floor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from calibration.solution import TargetPath
from calibration.world_frame.frame import WorldFrame
from calibration.world_frame.still import (
    StillStretch,
    mean_stretch,
    outline,
    still_stretches,
)
from mocap.arrays import Float
from mocap.errors import CalibrationError
from mocap.model import Rig, Target

Origin = Literal["middle", "corner"]

BELOW_M = 0.05
"""Nothing is this far below a floor."""
BELOW_SHARE = 0.02
UPRIGHT_DEG = 50.0
"""Cameras that stand upright look at most this far off the horizontal."""


@dataclass(frozen=True)
class _Floor:
    """A stretch as a floor: the plane of the target with the cameras above it."""

    stretch: StillStretch
    up: np.ndarray
    flipped: bool
    cameras_below: tuple[str, ...]
    path_below: float
    tilt_deg: float


def world_from_target(
    rig: Rig,
    target: Target,
    path: TargetPath,
    *,
    at_s: float | None = None,
    origin: Origin = "middle",
    thickness_m: float = 0.0,
) -> WorldFrame:
    """World frame from the target lying flat on the floor: z = 0 is the floor, Z points up.

    Without a time the longest stretch is taken in which the target lay still, all cameras were on
    one side of it, and it was never below that plane by more than a few centimetres at any other
    time. Nothing is assumed about how cameras are mounted; if most of them would be tilted by more
    than 50 degrees, a note says so, since the target may have been held still against a wall.

    Which side of the target is up follows from the cameras, which are above the floor, not from
    the target: its z axis should point into the floor; if it does not (a see-through board lying
    face down, a mirrored print), a note says so.

    Args:
        rig: calibrated, in any frame.
        target: the board.
        path: where it was, in the rig's frame; best at **all** instants at which it was seen
            (`path_of_tracks`), since frames chosen for calibration leave out what stands still.
        at_s: when it lay on the floor, seconds of the session clock; None finds it.
        origin: "middle" of the target's points, or "corner": the point of the lowest number.
        thickness_m: height of the print above the floor.

    Raises:
        CalibrationError: the target lay still nowhere, or nowhere with all cameras on one side; or
            it was not seen at the given time; or a thickness that no board has.
    """
    if not 0 <= thickness_m < 0.5:
        raise CalibrationError(
            f"thickness of the board is {thickness_m:g} m, expected 0 to 0.5; give it in metres"
        )
    if at_s is not None:
        floor = _judged(rig, target, path, _stretch_at(target, path, at_s))
    else:
        floor = _found(rig, target, path)
    stretch = floor.stretch
    x = stretch.T_world_target[:3, 0]
    z = floor.up
    x = x - z * (x @ z)
    x = x / np.linalg.norm(x)
    rotation = np.stack([x, np.cross(z, x), z])
    points = target.points_m
    local = points[0] if origin == "corner" else (points.min(axis=0) + points.max(axis=0)) / 2
    place = stretch.T_world_target[:3, :3] @ local + stretch.T_world_target[:3, 3]
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = -rotation @ (place - thickness_m * z)
    where = "in the middle of the target" if origin == "middle" else "in the target's first corner"
    words = (
        f"right-handed, Z up, metres; floor from the target lying still from "
        f"{stretch.start_s:.2f} s to {stretch.end_s:.2f} s, origin {where}, X along its rows"
    )
    if thickness_m:
        words += f", floor {1000 * thickness_m:g} mm below the print"
    return WorldFrame(pose, 1.0, words, _notes(floor))


def _notes(floor: _Floor) -> tuple[str, ...]:
    notes: list[str] = []
    if floor.flipped:
        notes.append(
            "the target on the floor shows its back to the cameras (lying face down, or printed "
            "mirrored); up was taken from the cameras instead"
        )
    if floor.cameras_below:
        notes.append(
            f"{', '.join(floor.cameras_below)} would be below the floor; check that the target "
            f"really lay on the floor at {floor.stretch.start_s:.1f} s"
        )
    if floor.path_below > BELOW_SHARE:
        notes.append(
            f"the target was below the floor {100 * floor.path_below:.0f} % of the time; check "
            f"that it really lay on the floor at {floor.stretch.start_s:.1f} s"
        )
    if floor.tilt_deg > UPRIGHT_DEG:
        notes.append(
            f"by this floor the cameras are tilted by {floor.tilt_deg:.0f} degrees on average; if "
            f"they are not, the target was held still against something else: lay it on the floor, "
            f"or name the time when it lay there"
        )
    return tuple(notes)


def _found(rig: Rig, target: Target, path: TargetPath) -> _Floor:
    stretches = still_stretches(target, path)
    if not stretches:
        raise CalibrationError(
            "the target lies still nowhere, so the floor is unknown; lay it on the floor for two "
            "seconds where two cameras see it, or set the world frame in another way"
        )
    floors = [_judged(rig, target, path, stretch) for stretch in stretches]
    good = [f for f in floors if not f.cameras_below and f.path_below <= BELOW_SHARE]
    if not good:
        spans = ", ".join(f"{s.start_s:.1f} to {s.end_s:.1f} s" for s in stretches[:3])
        raise CalibrationError(
            f"the target lies still at {spans}, but with cameras or other places of the target on "
            f"both sides of its plane, so that is not the floor; lay it on the floor for two "
            f"seconds, or name the time when it lies there"
        )
    upright = [f for f in good if f.tilt_deg <= UPRIGHT_DEG]
    return (upright or good)[0]


def _stretch_at(target: Target, path: TargetPath, at_s: float) -> StillStretch:
    for stretch in still_stretches(target, path):
        if stretch.start_s <= at_s <= stretch.end_s:
            return stretch
    if len(path.time_s):
        near = int(np.argmin(np.abs(path.time_s - at_s)))
        if abs(path.time_s[near] - at_s) <= 0.25:
            corners = path.T_world_target[:, :3, :3] @ outline(target).T
            corners = (corners + path.T_world_target[:, :3, 3:]).transpose(0, 2, 1)
            return mean_stretch(path, np.array([near]), corners)
    seen = (
        f"it was seen from {path.time_s[0]:.1f} to {path.time_s[-1]:.1f} s"
        if len(path.time_s)
        else "it was never seen by two cameras"
    )
    raise CalibrationError(
        f"no pose of the target at {at_s:g} s; {seen}; name a time when two cameras see it on the "
        f"floor"
    )


def _judged(rig: Rig, target: Target, path: TargetPath, stretch: StillStretch) -> _Floor:
    pose = stretch.T_world_target
    middle = pose[:3, :3] @ target.points_m.mean(axis=0) + pose[:3, 3]
    centers = np.array([camera.center_world for camera in rig])
    height = (centers - middle) @ -pose[:3, 2]
    flipped = bool(np.sum(height > 0) < np.sum(height < 0)) or (
        np.sum(height > 0) == np.sum(height < 0) and height.sum() < 0
    )
    up: Float[np.ndarray, " 3"] = pose[:3, 2] if flipped else -pose[:3, 2]
    below = tuple(
        camera.name for camera, h in zip(rig, (centers - middle) @ up, strict=True) if h < -BELOW_M
    )
    corners = path.T_world_target[:, :3, :3] @ outline(target).T
    corners = (corners + path.T_world_target[:, :3, 3:]).transpose(0, 2, 1)
    under = ((corners - middle) @ up < -BELOW_M).any(axis=1)
    ups = np.array([-camera.T_cam_world[1, :3] for camera in rig])
    # A camera on its side (portrait) has its up along the image's other axis.
    sides = np.array([camera.T_cam_world[0, :3] for camera in rig])
    lean = np.maximum(np.abs(sides @ up), ups @ up)
    tilt = float(np.degrees(np.arccos(np.clip(np.median(lean), -1, 1))))
    return _Floor(stretch, up, flipped, below, float(under.mean()), tilt)
