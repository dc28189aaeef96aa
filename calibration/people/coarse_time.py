"""Time offsets between cameras to about a frame, from whether people's rays can meet at all.

A pair of cameras that is paired with the wrong instants sees two different postures and places,
for which there is hardly an epipolar geometry. The shift at which the most keypoints agree is the
offset. It is only the start for the adjustment, which finds the fraction.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calibration.people.pairs import TrackletRays, correspondences
from calibration.people.two_view import estimate_relative_pose
from mocap.arrays import Float
from mocap.model import Intrinsics

_SAMPLES, _REFINED = 96, 2
_TRIED = 3
_MIN_GAIN = 1.15
"""The best shift must beat no shift by this factor, or the cameras are taken to be in time."""


def coarse_offsets(
    rays: list[list[TrackletRays]],
    lenses: tuple[Intrinsics, ...],
    mirror: np.ndarray,
    shifts_s: Float[np.ndarray, " shifts"],
    rng: np.random.Generator,
) -> Float[np.ndarray, " cameras"]:
    """How late each camera is against the first one, among some shifts.

    Cameras are tied together by the pairs whose best shift is the clearest.
    """
    cameras = len(rays)
    ties: list[tuple[float, int, int, float]] = []
    for a in range(cameras):
        for b in range(a + 1, cameras):
            found = _best_shift(rays[a], rays[b], lenses[a], lenses[b], mirror, shifts_s, rng)
            if found is not None:
                ties.append((found[0], a, b, found[1]))
    offsets = np.full(cameras, np.nan)
    offsets[0] = 0.0
    while np.isnan(offsets).any():
        known = np.isfinite(offsets)
        open_ties = [tie for tie in ties if known[tie[1]] != known[tie[2]]]
        if not open_ties:
            break
        _, a, b, shift = max(open_ties, key=lambda tie: tie[0])
        if known[a]:
            offsets[b] = offsets[a] + shift
        else:
            offsets[a] = offsets[b] - shift
    return np.nan_to_num(offsets)


def _best_shift(
    rays_a: list[TrackletRays],
    rays_b: list[TrackletRays],
    lens_a: Intrinsics,
    lens_b: Intrinsics,
    mirror: np.ndarray,
    shifts_s: np.ndarray,
    rng: np.random.Generator,
) -> tuple[float, float] | None:
    best: tuple[float, float] | None = None
    for first in rays_a[:_TRIED]:
        for second in rays_b[:_TRIED]:
            for turn in (None, mirror):
                scores = np.zeros(len(shifts_s))
                for s, shift in enumerate(shifts_s):
                    late = replace(second, time_s=second.time_s - shift)
                    common = correspondences(first, late, lens_a, lens_b, turn, rng, 500)
                    if common is None:
                        continue
                    pose = estimate_relative_pose(*common, rng, _SAMPLES, _REFINED)
                    scores[s] = 0.0 if pose is None else pose.score / np.sqrt(len(common[0]))
                at = int(np.argmax(scores))
                still = int(np.argmin(np.abs(shifts_s)))
                if scores[at] < _MIN_GAIN * scores[still]:
                    at = still
                if scores[at] > 0 and (best is None or scores[at] > best[0]):
                    best = float(scores[at]), float(shifts_s[at])
    return best
