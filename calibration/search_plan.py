"""Which frames of long footage are searched, so that a film of ten minutes takes no hour.

Short footage is searched whole. Of longer footage, first every n-th frame; then, if the target is
in view for a part of it only, the parts around what was found, more densely. All cameras look at
the same instants, since frames count most which several cameras share.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from calibration.footage import Footage
from mocap.arrays import Float, Int

COARSE_SHARE = 0.5
"""Part of the frames that are searched evenly, the rest being kept for where the target is."""
DENSEST_S = 0.05
"""Frames nearer in time show the same and are not worth a search."""


def is_short(footage: Footage, most_frames: int) -> bool:
    """Whether all of it is searched: images, and videos of no more than `most_frames`."""
    return footage.nominal_fps is None or footage.frame_count <= most_frames


def coarse_times(footage: Sequence[Footage], most_frames: int) -> Float[np.ndarray, " times"]:
    """Instants of the first pass, the same for all long videos."""
    duration = max(f.frame_count / f.nominal_fps for f in footage if f.nominal_fps)
    return np.arange(0.0, duration, duration / max(1, round(COARSE_SHARE * most_frames)))


def dense_times(
    found_s: Float[np.ndarray, " found"], coarse_s: Float[np.ndarray, " times"], most_frames: int
) -> Float[np.ndarray, " times"]:
    """Instants of the second pass: around those at which any camera found the target.

    Args:
        found_s: those instants.
        coarse_s: of the first pass.
        most_frames: how many instants may be searched in both passes.
    """
    left = most_frames - len(coarse_s)
    if len(found_s) == 0 or len(coarse_s) < 2 or left <= 0:
        return np.zeros(0)
    step = float(coarse_s[1] - coarse_s[0])
    near = np.unique(np.rint(np.asarray(found_s) / step).astype(int))
    # Each found instant stands for the time half-way to its neighbours, and one step beyond.
    cells = np.unique(np.concatenate([near - 1, near, near + 1]))
    cells = cells[(cells >= 0) & (cells < len(coarse_s))]
    per_cell = int(min(left // len(cells), step / DENSEST_S - 1))
    if per_cell < 1:
        return np.zeros(0)
    part = np.arange(1, per_cell + 1) / (per_cell + 1) - 0.5
    times = (cells[:, None] + part).ravel() * step
    times = times[np.abs(times - np.rint(times / step) * step) > 1e-6]
    return times[times >= 0]


def frames_at(footage: Footage, times_s: Float[np.ndarray, " times"]) -> Int[np.ndarray, " frames"]:
    """The frames of a video at instants, ascending, each once."""
    frames = np.unique(np.rint(np.asarray(times_s) * (footage.nominal_fps or 1.0)).astype(int))
    return frames[(frames >= 0) & (frames < footage.frame_count)]
