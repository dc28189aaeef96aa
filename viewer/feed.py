"""Feeds: where the people of a frame come from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mocap.arrays import Bool, Float, Int
from mocap.errors import SessionError
from mocap.model import FrameTable, Motion, Skeleton
from mocap.storage.session_reader import Session

LABEL_ABOVE_M = 0.13


@dataclass(frozen=True)
class People:
    """The people of one frame.

    Attributes:
        person_ids: their ids, ascending.
        ranks: the place of each id among all ids of the session, by which colours are given.
        points_m: world positions in metres; NaN for missing.
        doubtful: keypoints that are uncertain, or were filled in rather than measured.
    """

    person_ids: tuple[int, ...]
    ranks: tuple[int, ...]
    points_m: Float[np.ndarray, "people keypoints 3"]
    doubtful: Bool[np.ndarray, "people keypoints"]

    def __len__(self) -> int:
        return len(self.person_ids)

    @property
    def label_points_m(self) -> Float[np.ndarray, "people 3"]:
        """Points above the heads."""
        if len(self) == 0:
            return np.zeros((0, 3))
        found = np.isfinite(self.points_m).all(axis=2, keepdims=True)
        points = np.where(found, self.points_m, np.nan)
        above = np.nanmedian(points, axis=1)
        # Not the topmost one, which may be astray.
        above[:, 2] = np.nanpercentile(points[:, :, 2], 98, axis=1) + LABEL_ABOVE_M
        return above


class Feed:
    """The people of one layer of a session, frame by frame.

    Args:
        frames: the frames of the session.
        motion: its people; rows in which every keypoint is missing are left out.
        layer: how the layer is called.
    """

    def __init__(self, frames: FrameTable, motion: Motion, layer: str) -> None:
        self.frames = frames
        self.layer = layer
        found = np.isfinite(motion.points_m).all(axis=2)
        self.motion = motion.rows(np.any(found, axis=1))
        self._start = np.searchsorted(self.motion.frame, frames.number, side="left")
        self._stop = np.searchsorted(self.motion.frame, frames.number, side="right")

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def skeleton(self) -> Skeleton:
        """The table of the keypoints."""
        return self.motion.skeleton

    @property
    def counts(self) -> Int[np.ndarray, " frames"]:
        """Number of people in each frame."""
        return self._stop - self._start

    @property
    def max_people(self) -> int:
        """The largest number of people in one frame."""
        return int(self.counts.max(initial=0))

    @cached_property
    def person_ids(self) -> tuple[int, ...]:
        """All ids, ascending."""
        return self.motion.person_ids

    @cached_property
    def times_s(self) -> Float[np.ndarray, " frames"]:
        """Seconds from the first frame."""
        return (self.frames.time_ns - self.frames.time_ns[:1]) * 1e-9

    @property
    def busiest_frame(self) -> int:
        """Position of the frame in the middle among those with the most people.

        With nobody in the session, the frame in the middle.
        """
        busiest = np.flatnonzero(self.counts == self.max_people)
        return int(busiest[len(busiest) // 2])

    def people(self, position: int, uncertain_above_m: float = 0.0) -> People:
        """The people of one frame.

        Args:
            position: which frame, counted from 0 in the table of frames.
            uncertain_above_m: keypoints with a greater standard deviation (root mean square of
                the three axes), and filled ones, are doubtful; with 0 none is.
        """
        rows = slice(int(self._start[position]), int(self._stop[position]))
        ids = tuple(int(i) for i in self.motion.person_id[rows])
        points = self.motion.points_m[rows]
        doubtful = np.zeros(points.shape[:2], bool)
        if uncertain_above_m > 0:
            variance = np.trace(self.motion.covariance_m2[rows], axis1=2, axis2=3) / 3.0
            # A variance that is NaN says nothing; it is no reason to call a point doubtful.
            with np.errstate(invalid="ignore"):
                doubtful = variance > uncertain_above_m**2
            doubtful |= self.motion.n_views[rows] == 0
        ranks = tuple(self.person_ids.index(i) for i in ids)
        return People(ids, ranks, points, doubtful)


def load_feed(session: Session, layer: str) -> Feed:
    """Reads one layer of a session.

    Raises:
        SessionError: there is no such layer, or the session has no frame.
    """
    if len(session.frames) == 0:
        raise SessionError(
            f"{session.path} has no frames, so there is nothing to show; record or run it again"
        )
    return Feed(session.frames, session.motion(layer), layer)
