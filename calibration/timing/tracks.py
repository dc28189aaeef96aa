"""Image points over time in one camera: people or a board, in one form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from calibration.sightings import CameraSightings
from mocap.arrays import Float, frozen_array
from mocap.model import Observation

GAP_S = 0.4
"""A person who is missing for longer begins a new track."""
REACH_PER_S = 4.0
"""How far people move between frames at most, in their own sizes per second ..."""
REACH_LEAST = 0.25
"""... and what is allowed in any case."""
LEAST_KEYPOINTS = 4


@dataclass(frozen=True)
class CameraTracks:
    """Points of one or more things over time, as one camera saw them.

    Attributes:
        name: of the camera.
        time_s: of each frame, by the camera's own clock, ascending.
        pixels: NaN where not seen. A thing is a person or a board; its points have the same
            numbers in every camera, the things themselves have not.
    """

    name: str
    time_s: Float[np.ndarray, " frames"]
    pixels: Float[np.ndarray, "frames things points 2"]

    def __post_init__(self) -> None:
        time_s = frozen_array(self.time_s, np.float64, (None,), "time_s")
        pixels = frozen_array(self.pixels, np.float64, (len(time_s), None, None, 2), "pixels")
        if np.any(np.diff(time_s) <= 0):
            raise ValueError(f"camera {self.name!r}: times do not ascend")
        object.__setattr__(self, "time_s", time_s)
        object.__setattr__(self, "pixels", pixels)

    @property
    def period_s(self) -> float:
        """Usual time between frames; NaN with fewer than two."""
        return float(np.median(np.diff(self.time_s))) if len(self.time_s) > 1 else float("nan")

    @property
    def duration_s(self) -> float:
        """From the first frame to the last in which something was seen."""
        seen_s = self.seen_times_s
        return float(np.ptp(seen_s)) if len(seen_s) else 0.0

    @property
    def seen_times_s(self) -> Float[np.ndarray, " seen"]:
        """Times of the frames in which something was seen."""
        known = np.isfinite(self.pixels).all(axis=-1).reshape(len(self.time_s), -1)
        return self.time_s[np.asarray(known.any(axis=1))]


def tracks_of_people(
    name: str,
    observations: Sequence[Observation],
    keypoints: Sequence[int],
    min_confidence: float = 0.3,
) -> CameraTracks:
    """Follows people from frame to frame of one camera.

    People are matched to those of the last frames by the mean distance of their keypoints in
    units of their size. A track that is lost and found again counts as another: that costs
    nothing here.

    Args:
        name: of the camera.
        observations: in order of time; `time_ns` is by the camera's own clock.
        keypoints: which of the skeleton's keypoints to use.
        min_confidence: of keypoints that count as seen.
    """
    chosen = list(keypoints)
    time_s = np.array([o.time_ns * 1e-9 for o in observations])
    tracks: list[dict[int, np.ndarray]] = []
    last: list[tuple[int, np.ndarray]] = []
    for frame, observation in enumerate(observations):
        people = np.array(observation.detections.keypoints_px[:, chosen], np.float64)
        people[observation.detections.confidence[:, chosen] < min_confidence] = np.nan
        enough = np.isfinite(people[..., 0]).sum(axis=1) >= LEAST_KEYPOINTS
        people = people[enough]
        alive = [i for i, (f, _) in enumerate(last) if time_s[frame] - time_s[f] <= GAP_S]
        cost = np.full((len(people), len(alive)), np.inf)
        for p, person in enumerate(people):
            for j, i in enumerate(alive):
                past_frame, past = last[i]
                both = np.isfinite(person[:, 0]) & np.isfinite(past[:, 0])
                if both.sum() >= LEAST_KEYPOINTS:
                    moved = np.linalg.norm(person[both] - past[both], axis=1).mean()
                    away_s = time_s[frame] - time_s[past_frame]
                    reach = max(REACH_LEAST, REACH_PER_S * away_s) * (extent(person) + 1e-9)
                    cost[p, j] = moved / reach
        matched: dict[int, int] = {}
        if cost.size:
            for p, j in zip(*linear_sum_assignment(np.minimum(cost, 10.0)), strict=True):
                if cost[p, j] <= 1.0:
                    matched[int(p)] = alive[j]
        for p, person in enumerate(people):
            if p not in matched:
                matched[p] = len(tracks)
                tracks.append({})
                last.append((frame, person))
            tracks[matched[p]][frame] = person
            last[matched[p]] = (frame, person)
    kept = [track for track in tracks if len(track) >= 3]
    pixels = np.full((len(observations), len(kept), len(chosen), 2), np.nan)
    for number, track in enumerate(kept):
        for frame, person in track.items():
            pixels[frame, number] = person
    return CameraTracks(name, time_s, pixels)


def tracks_of_board(sightings: CameraSightings) -> CameraTracks:
    """The points of a board, as one thing."""
    return CameraTracks(sightings.name, sightings.time_s, sightings.pixels[:, None])


def extent(points: Float[np.ndarray, "points 2"]) -> float:
    """Diagonal of the box around the points that are not NaN, in pixels; 0 where none is."""
    seen = points[np.isfinite(points).all(axis=-1)]
    return float(np.linalg.norm(np.ptp(seen, axis=0))) if len(seen) else 0.0
