"""TRC: marker positions as text, for OpenSim and other biomechanics programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mocap.export.axes import UNIT_SCALE, Unit, UpAxis, marker_axes
from mocap.export.markers import BODY_PARTS, Gaps, MarkerNames, MarkerParts, Markers, close_gaps
from mocap.files import write_atomically


@dataclass(frozen=True)
class TrcOptions:
    """How TRC files are written."""

    up: UpAxis = "y"
    """Axis that points upwards. y, which OpenSim wants: the file's X, Y, Z are the world's
    y, z, x."""
    unit: Unit = "m"
    """Unit of length."""
    gaps: Gaps = "fill"
    """OpenSim stumbles over gaps. fill: bridge them by lines, cut the ends; trim: keep the longest
    stretch without gaps; leave: empty cells."""
    parts: tuple[MarkerParts, ...] = BODY_PARTS
    """Parts of the body whose keypoints are written."""
    names: MarkerNames = "own"
    """own: left_shoulder, ...; pose2sim: LShoulder, ..., as the markers of its OpenSim models."""


def write_trc(markers: Markers, path: Path, options: TrcOptions) -> tuple[Markers, tuple[str, ...]]:
    """Writes the markers of one person.

    Args:
        markers: the keypoints.
        path: the file; an existing one is replaced.
        options: axes, unit, gaps.

    Returns:
        The markers as they were written, and in words what was filled, cut off or left out.

    Raises:
        InputError: nothing is left of the markers.
        OutputError: the folder cannot be written to.
    """
    whole, notes = close_gaps(markers, options.gaps)
    write_atomically(path, trc_text(whole, path.name, options).encode())
    return whole, notes


def trc_text(markers: Markers, name: str, options: TrcOptions) -> str:
    """The content of the file: five lines of head, an empty line, a line per frame.

    Frames are numbered from 1, as all readers expect; `Time` is that of the session.
    """
    points = markers.points_m @ (UNIT_SCALE[options.unit] * marker_axes(options.up)).T
    count, m = len(points), len(markers.names)
    rate = f"{markers.rate_hz:.6g}"
    labels = "\t".join(f"{label}\t\t" for label in markers.names).rstrip("\t")
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{name}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame"
        "\tOrigNumFrames",
        f"{rate}\t{rate}\t{count}\t{m}\t{options.unit}\t{rate}\t1\t{count}",
        f"Frame#\tTime\t{labels}\t\t",
        "\t\t" + "\t".join(f"X{i}\tY{i}\tZ{i}" for i in range(1, m + 1)),
        "",
    ]
    decimals = 6 if options.unit == "m" else 3
    row_format = "\t".join(["%d", "%.6f", *[f"%.{decimals}f"] * (3 * m)])
    values = points.reshape(count, 3 * m).tolist()
    for number, time_s, row in zip(range(1, count + 1), markers.time_s, values, strict=True):
        lines.append((row_format % (number, time_s, *row)).replace("nan", ""))
    return "\n".join(lines) + "\n"


def marker_summary(markers: Markers) -> str:
    """How many frames and markers, and how certain they are."""
    known = markers.sigma_m[np.isfinite(markers.sigma_m)]
    what = f"person {markers.person_id}: {len(markers.frame)} frames, {len(markers.names)} markers"
    if not len(known):
        return what
    return f"{what}, median standard deviation {1000 * float(np.median(known)):.1f} mm"
