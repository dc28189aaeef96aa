"""Lags of all pairs of a rig from what moves: speed first, then geometry where it can."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from calibration.timing.epipolar import EpipolarSettings, epipolar_lag
from calibration.timing.motion import MotionSettings, motion_lag
from calibration.timing.results import PairLag
from calibration.timing.tracks import CameraTracks
from mocap.model import Camera, Intrinsics

MOST_PROPOSED = 12


def motion_lags(
    tracks: Sequence[CameraTracks],
    *,
    cameras: Mapping[str, Camera] | None = None,
    lenses: Mapping[str, Intrinsics] | None = None,
    max_lag_s: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[PairLag]:
    """Lags of all pairs of cameras that saw the same movement.

    Speed proposes lags (one, or the several of a periodic movement), geometry decides between
    them and finds the fraction of a frame. Where speed proposes nothing, geometry looks at all
    lags.

    Args:
        tracks: of each camera.
        cameras: calibrated cameras by name; a relative pose that does not fit is fitted anew.
        lenses: lenses by name where there are no poses.
        max_lag_s: largest lag to consider; None for all that the recordings allow.
        progress: called with the pairs done and of all pairs.

    Returns:
        One or two lags per pair, refused ones included.
    """
    pairs = list(combinations(tracks, 2))
    found: list[PairLag] = []
    for done, (first, second) in enumerate(pairs):
        coarse = motion_lag(first, second, MotionSettings(max_lag_s=max_lag_s))
        names = (first.name, second.name)
        poses = lens = None
        if cameras is not None and all(name in cameras for name in names):
            poses = (cameras[names[0]], cameras[names[1]])
        elif lenses is not None and all(name in lenses for name in names):
            lens = (lenses[names[0]], lenses[names[1]])
        settings = EpipolarSettings(max_lag_s=max_lag_s)
        proposed = (coarse.lag_s,) if coarse.accepted else coarse.rivals_s
        # Without evidence that anything moves together the proposals are accidents.
        if coarse.accepted or (0 < len(proposed) <= MOST_PROPOSED and coarse.confidence >= 0.5):
            settings = replace(settings, near_s=proposed)
        fine = epipolar_lag(first, second, poses, lens, settings)
        if settings.near_s and not fine.accepted:
            fine = epipolar_lag(first, second, poses, lens, replace(settings, near_s=()))
        found += [fine] if fine.accepted and not coarse.accepted else [coarse, fine]
        if progress is not None:
            progress(done + 1, len(pairs))
    return found
