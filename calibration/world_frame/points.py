"""The world frame from points whose place in the room is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from calibration.checks.tracks import tracks_of_people, triangulate
from calibration.world_frame.frame import WorldFrame
from calibration.world_frame.still import rigid_fit
from mocap.arrays import Float
from mocap.errors import CalibrationError
from mocap.model import Rig

MISFIT_WARN_M, MISFIT_FAIL = 0.03, 0.2
"""The fit fails where points miss by this share of their own extent."""


@dataclass(frozen=True)
class NamedPoint:
    """A point of the room.

    Attributes:
        name: as the user calls it.
        world_m: where it is in the wanted world frame.
        pixels: where it was clicked, by camera, in pixels; or
        rig_m: where it is in the rig's present frame, if that is known.
    """

    name: str
    world_m: tuple[float, float, float]
    pixels: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    rig_m: tuple[float, float, float] | None = None


def world_from_points(rig: Rig, points: Sequence[NamedPoint], *, scale: bool = False) -> WorldFrame:
    """World frame from at least three known points that do not lie in a line.

    Clicked points are triangulated from two cameras or more. The fit is rigid; with `scale` lengths
    are taken from the points as well (Umeyama, TPAMI 1991), which a rig without a known length
    needs.

    Args:
        rig: calibrated, in any frame.
        points: their names are unique.
        scale: whether the points also set the scale.

    Raises:
        CalibrationError: fewer than three points, points in a line, a point clicked in fewer than
            two cameras, an unknown camera, or points that contradict their places.
    """
    names = [point.name for point in points]
    if len(points) < 3:
        raise CalibrationError(
            f"{len(points)} points for the world frame, expected at least 3; name three points "
            f"that do not lie in a line"
        )
    if len(set(names)) < len(names):
        raise CalibrationError("two points of the world frame have one name; rename one of them")
    wanted = np.array([point.world_m for point in points], float)
    here = _places(rig, points)
    middle = wanted - wanted.mean(axis=0)
    extent = np.linalg.svd(middle, compute_uv=False) / np.sqrt(len(points))
    if extent[1] < 0.02 * extent[0] or extent[0] == 0:
        raise CalibrationError(
            f"the points {', '.join(names)} lie in a line, so the rig could still turn about it; "
            f"add a point beside the line"
        )
    # Equal extents about the mean give the scale without the rotation (Horn, 1987).
    spread = np.linalg.norm(here - here.mean(axis=0))
    factor = float(np.linalg.norm(middle) / spread) if scale else 1.0
    pose = rigid_fit(factor * here, wanted, np.ones(len(points)))
    if pose is None:
        raise CalibrationError(
            f"the points {', '.join(names)} were clicked in a line; check the clicks"
        )
    frame = WorldFrame(pose, factor)
    miss = np.linalg.norm(factor * here @ pose[:3, :3].T + pose[:3, 3] - wanted, axis=1)
    rms, worst = float(np.sqrt(np.mean(miss**2))), int(np.argmax(miss))
    size = float(np.linalg.norm(extent))
    if rms > MISFIT_FAIL * size:
        raise CalibrationError(
            f"the points miss their places by {rms:.2f} m (worst: {names[worst]}, "
            f"{miss[worst]:.2f} m); check names, order of the coordinates, left and right, and "
            f"that they are metres"
        )
    notes: tuple[str, ...] = ()
    if rms > MISFIT_WARN_M:
        notes = (
            f"the points miss their places by {1000 * rms:.0f} mm (worst: {names[worst]}, "
            f"{1000 * miss[worst]:.0f} mm)",
        )
    words = (
        f"right-handed, Z up, metres; from {len(points)} given points ({', '.join(names)}), which "
        f"fit to {1000 * rms:.0f} mm"
    )
    words += ", scale from the points" if scale else ""
    return WorldFrame(frame.T_new_old, factor, words, notes)


def _places(rig: Rig, points: Sequence[NamedPoint]) -> Float[np.ndarray, "points 3"]:
    pixels = np.full((len(rig), 1, len(points), 2), np.nan)
    for i, point in enumerate(points):
        for name, place in point.pixels.items():
            _ = rig[name]
            pixels[rig.names.index(name), 0, i] = place
    tracks = tracks_of_people(rig, np.zeros(1), pixels, np.ones(pixels.shape[:3]))
    seen = triangulate(rig, tracks).points[0]
    for i, point in enumerate(points):
        if point.rig_m is not None:
            seen[i] = point.rig_m
        elif len(point.pixels) < 2:
            raise CalibrationError(
                f"the point {point.name!r} was clicked in {len(point.pixels)} cameras, expected "
                f"at least 2; click it in another one"
            )
        elif not np.isfinite(seen[i]).all():
            raise CalibrationError(
                f"the point {point.name!r} cannot be located from {', '.join(point.pixels)}: their "
                f"rays are parallel or miss the lens; click it in another camera"
            )
    return seen
