"""C3D: marker positions with their uncertainty and the cameras that saw them, through `ezc3d`."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mocap.errors import InputError
from mocap.export.axes import UNIT_SCALE, Unit, UpAxis, marker_axes
from mocap.export.markers import BODY_PARTS, MarkerNames, MarkerParts, Markers
from mocap.files import write_atomically

_MASK_CAMERAS = 7
"""The format has room for so many cameras."""
_MOST_FRAMES = 65_535
_RESIDUAL_STEP_M, _RESIDUAL_STEPS = 0.0005, 255
"""A residual is stored in one byte, as a number of such steps."""


@dataclass(frozen=True)
class C3dOptions:
    """How C3D files are written."""

    up: UpAxis = "z"
    """Axis that points upwards. z is usual; y: the file's X, Y, Z are the world's y, z, x."""
    unit: Unit = "mm"
    """Unit of length."""
    parts: tuple[MarkerParts, ...] = BODY_PARTS
    """Parts of the body whose keypoints are written."""
    names: MarkerNames = "own"
    """own: left_shoulder, ...; pose2sim: LShoulder, ..., as the markers of its OpenSim models."""


def write_c3d(
    markers: Markers, path: Path, options: C3dOptions, events: Mapping[str, list[float]]
) -> tuple[str, ...]:
    """Writes the markers of one person.

    The residual of a point is its standard deviation along one axis in the file's unit, in steps of
    0.5 mm and at most 127.5 mm; -1 marks a gap, as the format has it. The camera mask names the
    first seven cameras. Frames are numbered from 1; the group MOCAP holds the session's number and
    time of the first one.

    Args:
        markers: the keypoints; gaps stay gaps.
        path: the file; an existing one is replaced.
        options: axes, unit.
        events: times in seconds from the first frame, by label ("left foot strike").

    Returns:
        In words, how many positions are missing.

    Raises:
        InputError: there are more frames than the format can count.
        OutputError: the folder cannot be written to.
    """
    import ezc3d

    if len(markers.frame) > _MOST_FRAMES:
        raise InputError(
            f"person {markers.person_id} has {len(markers.frame)} frames, C3D counts to "
            f"{_MOST_FRAMES}; export in parts with --frames FIRST LAST"
        )
    scale = UNIT_SCALE[options.unit]
    there = markers.there
    file = ezc3d.c3d()
    points = file["parameters"]["POINT"]
    points["RATE"]["value"] = [markers.rate_hz]
    points["UNITS"]["value"] = [options.unit]
    points["LABELS"]["value"] = list(markers.names)
    points["DESCRIPTIONS"]["value"] = ["" for _ in markers.names]
    file.add_parameter("POINT", "X_SCREEN", ["+X"])
    file.add_parameter("POINT", "Y_SCREEN", ["+Y" if options.up == "y" else "+Z"])
    file.add_parameter("MANUFACTURER", "COMPANY", ["mocap"])
    file.add_parameter("MANUFACTURER", "SOFTWARE", ["mocap"])
    file.add_parameter("SUBJECTS", "USED", [1])
    file.add_parameter("SUBJECTS", "NAMES", [f"person {markers.person_id}"])
    file.add_parameter("MOCAP", "FIRST_FRAME", [int(markers.frame[0])])
    file.add_parameter("MOCAP", "FIRST_TIME_S", [float(markers.time_s[0])])

    homogeneous = np.ones((4, len(markers.names), len(markers.frame)))
    xyz = markers.points_m @ (scale * marker_axes(options.up)).T
    homogeneous[:3] = np.moveaxis(np.where(there[..., None], xyz, np.nan), 2, 0).swapaxes(1, 2)
    steps = np.minimum(np.nan_to_num(markers.sigma_m) / _RESIDUAL_STEP_M, _RESIDUAL_STEPS)
    # A little more than a whole step, because what is written is cut off, not rounded.
    residual = (np.floor(steps + 0.5) + 0.01) * _RESIDUAL_STEP_M * scale
    file.add_parameter("POINT", "SCALE", [-_RESIDUAL_STEP_M * scale])
    masks = np.zeros((_MASK_CAMERAS, len(markers.names), len(markers.frame)), bool)
    seen = np.moveaxis(markers.used, 0, 2)[:_MASK_CAMERAS]
    masks[: len(seen)] = seen
    file["data"]["points"] = homogeneous
    file["data"]["meta_points"]["residuals"] = np.where(there, residual, -1.0).T[None]
    file["data"]["meta_points"]["camera_masks"] = masks
    for label, times in events.items():
        side, _, what = label.partition(" ")
        for time_s in times:
            file.add_event(
                time=[0.0, time_s], context=side.capitalize(), label=what.title(), subject=""
            )
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made.c3d"
        file.write(str(made))
        write_atomically(path, made.read_bytes())
    missing = int(np.count_nonzero(~there))
    notes = [f"{missing} positions missing, with residual -1"] if missing else []
    if markers.used.shape[1] > _MASK_CAMERAS:
        notes.append(f"the camera mask holds the first {_MASK_CAMERAS} cameras only")
    return tuple(notes)
