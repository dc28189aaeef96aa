"""A session in stretches that are fitted as a whole, and what ties their frames.

A stretch is fitted with frames of its neighbours on either side, which are not kept.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from mocap.arrays import Bool, Float
from mocap.body.fit_contacts import anchors_of
from mocap.body.fit_poses import motion_density, placed_points
from mocap.body.fit_shape import Poses
from mocap.body.fit_smooth import Stretch
from mocap.body.fit_tables import BodyTables

Cut = tuple[int, int, int, int]
"""First frame to keep and the end of these, first frame to fit and the end of these."""
_STRETCH = 240
"""Frames of a stretch which are kept."""
_OVERLAP = 30
"""Measured frames on either side which only steady it."""
_MOST_OVERLAP = 600
_STANDING_SIGMA_M = 0.0002
"""Displacement of a standing sole between two frames, standard deviation."""
_ANCHOR_SIGMA_M = 0.0005
"""Distance of a standing sole from the place of its contact, standard deviation."""
_FLOOR_SIGMA_M = 0.004


def tie_frames(
    body: BodyTables,
    poses: Poses,
    time_s: Float[np.ndarray, " frames"],
    standing: Bool[np.ndarray, "intervals soles"],
    *,
    smooth: float,
    floor: bool,
) -> Stretch:
    """What ties the frames of a whole session.

    Args:
        body: the body.
        poses: as they are now; soles that stand are held where these have them.
        time_s: times of the frames.
        standing: which soles stand from a frame to the next.
        smooth: how much the motion is smoothed.
        floor: whether soles are kept above z = 0.
    """
    density = motion_density(body) / max(smooth, 1e-9)
    anchor, held = anchors_of(standing, placed_points(body, poses)[:, body.sole])
    return Stretch(
        time_s,
        1.0 / density if smooth > 0 else np.zeros(len(body.above)),
        standing,
        1.0 / _STANDING_SIGMA_M**2,
        anchor,
        held / _ANCHOR_SIGMA_M**2,
        1.0 / _FLOOR_SIGMA_M**2 if floor else 0.0,
    )


def cut_stretches(measured: Bool[np.ndarray, " frames"]) -> list[Cut]:
    """First and last frame to keep, and to fit, of each stretch."""
    frames = len(measured)
    count = max(1, round(frames / _STRETCH))
    edges = np.linspace(0, frames, count + 1).round().astype(int)
    known = np.flatnonzero(measured)
    result: list[Cut] = []
    for start, stop in pairwise(edges):
        before = known[known < start]
        after = known[known >= stop]
        low = int(before[-_OVERLAP]) if len(before) >= _OVERLAP else 0
        high = int(after[_OVERLAP - 1]) + 1 if len(after) >= _OVERLAP else frames
        low = max(low, int(start) - _MOST_OVERLAP)
        high = min(high, int(stop) + _MOST_OVERLAP)
        result.append((int(start), int(stop), low, high))
    return result
