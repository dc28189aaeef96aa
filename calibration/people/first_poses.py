"""A first rig from nothing but 2D people: who is who between views, and where cameras stand."""

from __future__ import annotations

import numpy as np

from calibration.people.chain import FirstPoses, chain_poses
from calibration.people.coarse_time import coarse_offsets
from calibration.people.pairs import PairPose, TrackletRays, find_pair_pose, tracklet_rays
from calibration.people.tracklets import follow_people
from calibration.people.tracks import PeopleTracks
from mocap.arrays import Float
from mocap.errors import CalibrationError
from mocap.model import Intrinsics


def first_poses(
    tracks: PeopleTracks,
    lenses: tuple[Intrinsics, ...],
    offsets: np.ndarray,
    max_offset_s: float,
    rng: np.random.Generator,
) -> tuple[FirstPoses, Float[np.ndarray, " cameras"]]:
    """Follows people in each view, matches them between pairs of views, and chains the pairs.

    Args:
        tracks: 2D people.
        lenses: of the cameras.
        offsets: how late each camera is thought to be, in seconds.
        max_offset_s: searches for offsets up to this instead; 0 to keep those given.
        rng: for the random samples.

    Returns:
        The first poses and the offsets, to about a frame.

    Raises:
        CalibrationError: a camera sees nobody, or no two cameras the same person at the same time.
    """
    tracklets = [follow_people(camera) for camera in tracks.cameras]
    for camera, own in zip(tracks.cameras, tracklets, strict=True):
        if not own:
            raise CalibrationError(
                f"camera {camera.name!r} sees nobody for more than a few frames; film people "
                f"where it looks, or leave it out"
            )
    mirror = np.array(tracks.skeleton.mirror)
    numbers = range(len(tracks.cameras))

    def rays() -> list[list[TrackletRays]]:
        return [
            tracklet_rays(tracks, c, tracklets[c], lenses[c], float(offsets[c])) for c in numbers
        ]

    if max_offset_s > 0:
        step = float(np.median([c.interval_s for c in tracks.cameras]))
        count = int(np.ceil(max_offset_s / step))
        shifts = np.arange(-count, count + 1) * step
        offsets = coarse_offsets(rays(), lenses, mirror, shifts, rng)
    prepared = rays()
    pairs: list[PairPose] = []
    for a in numbers:
        for b in range(a + 1, len(tracks.cameras)):
            pair = find_pair_pose(a, b, prepared[a], prepared[b], lenses[a], lenses[b], mirror, rng)
            if pair is not None:
                pairs.append(pair)
    if not pairs:
        raise CalibrationError(
            "no two cameras see the same person at the same time; film people where the views "
            "overlap, and give the time offsets of the cameras if they did not start together"
        )
    return chain_poses(tracks, lenses, tracklets, pairs, offsets), offsets
