"""People whom one view alone shows: kept as leads, because nothing says how far away they are.

A lead is a 2D person, followed through one camera's images, that no 3D person explains. It may be
somebody out of the other cameras' sight, a poster, or an error of the detector. Its 2D keypoints
are in the session like all others; a lead says from when to when, and where to look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from mocap.model import Bystander, Detections, FrameSet, Person3D, Rig, Skeleton
from mocap.model.config import AssociationConfig
from mocap.pipeline.image_people import box_of, double_of, size_px

MIN_FRAMES = 10
MIN_SHARE = 0.5
"""A lead is seen in this share of the frames it spans."""
MAX_GAP_S = 0.5
STEP_SHARE = 0.5
"""From frame to frame it moves by less than this, by its size."""
STILL_S = 3.0
STILL_SHARE = 0.02
"""A lead whose keypoints keep their places to this, by its size, for so long does not move."""


@dataclass(frozen=True)
class Lead:
    """Somebody whom one view alone shows.

    Attributes:
        camera: the camera.
        first: first frame number.
        last: last frame number.
        frames: number of frames in which it is seen.
        start_s: time of the first, on the session clock.
        end_s: time of the last.
        score: mean confidence of its association keypoints.
        box_px: left, top, right, bottom, mean over its frames.
        still: whether it never moves.
    """

    camera: str
    first: int
    last: int
    frames: int
    start_s: float
    end_s: float
    score: float
    box_px: tuple[float, float, float, float]
    still: bool

    def sentence(self) -> str:
        """The lead in words."""
        left, top, right, bottom = self.box_px
        words = (
            f"camera {self.camera} alone saw somebody in {self.frames} frames, {self.first} to "
            f"{self.last} (about x {left:.0f} to {right:.0f}, y {top:.0f} to {bottom:.0f} px, "
            f"score {self.score:.2f})"
        )
        return (
            f"{words}, who never moves: a poster or a piece of furniture?" if self.still else words
        )

    def as_json(self) -> dict[str, Any]:
        """For the summary of a session."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Lead:
        """The lead from the summary of a session."""
        values: dict[str, Any] = {**stored, "box_px": tuple(stored["box_px"])}
        return cls(**values)


@dataclass
class _Followed:
    """A lead as it grows: sums over its frames."""

    first: int
    start_s: float
    last: int
    end_s: float
    points: np.ndarray
    frames: int = 0
    score: float = 0.0
    box: np.ndarray = field(default_factory=lambda: np.zeros(4))
    size: float = 0.0
    origin: np.ndarray = field(default_factory=lambda: np.zeros(0))
    count: np.ndarray = field(default_factory=lambda: np.zeros(0))
    total: np.ndarray = field(default_factory=lambda: np.zeros(0))
    squared: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def add(
        self, number: int, time_s: float, points: np.ndarray, score: float, box: np.ndarray
    ) -> None:
        """Takes one frame; points (A, 2), NaN for unsure ones."""
        self.last, self.end_s, self.points = number, time_s, points
        self.frames += 1
        self.score += score
        self.box += box
        self.size += size_px(points)
        known = np.isfinite(points[:, 0])
        if not len(self.count):
            # About the first place, so that the squares do not cancel.
            self.origin = np.nan_to_num(points)
            self.count, self.total = np.zeros(len(points)), np.zeros_like(points)
            self.squared = np.zeros_like(points)
        offset = np.where(known[:, None], points - self.origin, 0.0)
        self.count += known
        self.total += offset
        self.squared += offset**2

    def spread_share(self) -> float:
        """Median over the keypoints of their standard deviation, by the size."""
        often = self.count >= 0.5 * self.frames
        if not often.any():
            return float("inf")
        n = self.count[often, None]
        variance = np.maximum(self.squared[often] / n - (self.total[often] / n) ** 2, 0.0)
        spread = np.sqrt(variance.sum(axis=1))
        return float(np.median(spread)) / max(self.size / self.frames, 1.0)


class LeadFinder:
    """Follows, frame by frame, the 2D people that no 3D person explains.

    Args:
        rig: the cameras.
        skeleton: the keypoints.
        config: says which keypoints count.
    """

    def __init__(self, rig: Rig, skeleton: Skeleton, config: AssociationConfig) -> None:
        self._names = rig.names
        self._chosen = list(skeleton.association_indices)
        self._config = config
        self._needed = min(config.min_keypoints, len(self._chosen))
        self._open: list[list[_Followed]] = [[] for _ in rig.names]
        self._done: list[Lead] = []

    @property
    def leads(self) -> tuple[Lead, ...]:
        """All that lasted, those of the first camera first, in order of time."""
        made = [*self._done]
        for c, followed in enumerate(self._open):
            made += [lead for one in followed if (lead := self._lead(c, one)) is not None]
        place = {name: c for c, name in enumerate(self._names)}
        return tuple(sorted(made, key=lambda lead: (place[lead.camera], lead.first)))

    def watch(
        self, frame_set: FrameSet, people: Sequence[Person3D], bystanders: Sequence[Bystander] = ()
    ) -> None:
        """Takes one frame with its people; frames come in order of time."""
        time_s = frame_set.time_ns * 1e-9
        for c, name in enumerate(self._names):
            observation = frame_set.observations.get(name)
            self._close(c, time_s)
            if observation is None or not len(observation.detections):
                continue
            claimed = {one.detection_index[c] for one in (*people, *bystanders)} - {-1}
            self._follow(c, frame_set.number, time_s, observation.detections, claimed)

    def _follow(
        self, c: int, number: int, time_s: float, found: Detections, claimed: set[int]
    ) -> None:
        waiting = list(self._open[c])
        for j in range(len(found)):
            if j in claimed:
                continue
            sure = found.confidence[j][self._chosen] >= self._config.min_confidence
            if sure.sum() < self._needed or double_of(found, j, claimed, self._chosen) is not None:
                continue
            points = np.where(sure[:, None], found.keypoints_px[j][self._chosen], np.nan)
            points = points.astype(np.float64)
            best = min(waiting, key=lambda one: _step_share(one.points, points), default=None)
            if best is None or _step_share(best.points, points) > STEP_SHARE:
                best = _Followed(number, time_s, number, time_s, points)
                self._open[c].append(best)
            else:
                waiting.remove(best)
            score = float(found.confidence[j][self._chosen].mean())
            box = np.array(box_of(found, j, self._config.min_confidence))
            best.add(number, time_s, points, score, box)

    def _close(self, c: int, time_s: float) -> None:
        gone = [one for one in self._open[c] if time_s - one.end_s > MAX_GAP_S]
        if gone:
            self._open[c] = [one for one in self._open[c] if time_s - one.end_s <= MAX_GAP_S]
            self._done += [lead for one in gone if (lead := self._lead(c, one)) is not None]

    def _lead(self, c: int, one: _Followed) -> Lead | None:
        if one.frames < max(MIN_FRAMES, MIN_SHARE * (one.last - one.first + 1)):
            return None
        left, top, right, bottom = (one.box / one.frames).tolist()
        still = one.end_s - one.start_s >= STILL_S and one.spread_share() <= STILL_SHARE
        return Lead(
            self._names[c],
            one.first,
            one.last,
            one.frames,
            one.start_s,
            one.end_s,
            one.score / one.frames,
            (left, top, right, bottom),
            still,
        )


def _step_share(before: np.ndarray, now: np.ndarray) -> float:
    """Median way of the common keypoints, by the size; infinite without common ones."""
    gap = np.linalg.norm(now - before, axis=1)
    known = np.isfinite(gap)
    if not known.any():
        return float("inf")
    return float(np.median(gap[known])) / max(size_px(before), size_px(now), 1.0)
