"""Playback as pure state: which instant is shown, how fast, and what each command makes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mocap.arrays import Float

SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
TIME_TOLERANCE_S = 1e-6


@dataclass(frozen=True, eq=False)
class Playback:
    """Where playback stands; every command returns a new state.

    Attributes:
        times_s: ascending seconds of the frames, the first at 0.
        position_s: the instant shown.
        playing: whether time goes on by itself.
        speed: seconds of the session per second of the viewer.
        loop: whether playback begins again at the end.
    """

    times_s: Float[np.ndarray, " frames"]
    position_s: float = 0.0
    playing: bool = True
    speed: float = 1.0
    loop: bool = True

    def __post_init__(self) -> None:
        times = np.asarray(self.times_s)
        if times.ndim != 1 or len(times) == 0 or (np.diff(times) < 0).any():
            raise ValueError("times_s must be ascending and hold at least one frame")

    @property
    def duration_s(self) -> float:
        """Length of the session; the last frame is shown as long as the median one."""
        steps = np.diff(self.times_s)
        return float(self.times_s[-1]) + (float(np.median(steps)) if len(steps) else 0.0)

    @property
    def frame(self) -> int:
        """The last frame at or before the instant shown."""
        found = np.searchsorted(self.times_s, self.position_s + TIME_TOLERANCE_S, side="right")
        return int(np.clip(found - 1, 0, len(self.times_s) - 1))

    @property
    def fraction(self) -> float:
        """The instant shown, as a part of the whole from 0 to 1."""
        return self.position_s / self.duration_s if self.duration_s > 0 else 0.0

    def advanced(self, elapsed_s: float) -> Playback:
        """The state after a time of the viewer's clock, in seconds; the same while paused."""
        if not self.playing or elapsed_s <= 0:
            return self
        position = self.position_s + elapsed_s * self.speed
        if position < self.duration_s:
            return replace(self, position_s=position)
        if self.loop and self.duration_s > 0:
            return replace(self, position_s=position % self.duration_s)
        return replace(self, position_s=float(self.times_s[-1]), playing=False)

    def toggled(self) -> Playback:
        """Plays or pauses; at the end of a session that does not loop, plays from the start."""
        if not self.playing and not self.loop and self.frame == len(self.times_s) - 1:
            return replace(self, playing=True, position_s=0.0)
        return replace(self, playing=not self.playing)

    def stepped(self, frames: int) -> Playback:
        """Pauses and goes some frames forwards, or backwards if negative."""
        return replace(self.at_frame(self.frame + frames), playing=False)

    def skipped(self, seconds: float) -> Playback:
        """Goes some seconds of the session forwards, or backwards if negative."""
        position = float(np.clip(self.position_s + seconds, 0.0, float(self.times_s[-1])))
        return replace(self, position_s=position)

    def at_frame(self, frame: int) -> Playback:
        """Goes to a frame, counted from 0; beyond the ends, to the first or the last."""
        index = int(np.clip(frame, 0, len(self.times_s) - 1))
        return replace(self, position_s=float(self.times_s[index]))

    def at_fraction(self, fraction: float) -> Playback:
        """Goes to a part of the whole, from 0 to 1."""
        position = float(np.clip(fraction, 0.0, 1.0)) * self.duration_s
        return replace(self, position_s=min(position, float(self.times_s[-1])))

    def faster(self) -> Playback:
        """The next higher one of `SPEEDS`."""
        higher = [s for s in SPEEDS if s > self.speed]
        return replace(self, speed=higher[0]) if higher else self

    def slower(self) -> Playback:
        """The next lower one of `SPEEDS`."""
        lower = [s for s in SPEEDS if s < self.speed]
        return replace(self, speed=lower[-1]) if lower else self


def pictures(
    times_s: Float[np.ndarray, " frames"], numbers: np.ndarray, fps: float | None
) -> tuple[np.ndarray, float]:
    """Which frame each picture of a real-time video shows, and the rate of the pictures.

    Args:
        times_s: ascending seconds of the frames, the first at 0.
        numbers: the frames' strictly increasing numbers.
        fps: pictures per second; None for the rate of the session.

    Returns:
        Positions of frames, and pictures per second. At the rate of the session each frame is
        one picture, and where frame numbers are missing the frame before stays, so that the
        video keeps time. At another rate each picture shows the frame nearest in time.
    """
    if fps is None:
        if len(times_s) < 2:
            return np.zeros(1, np.int64), SINGLE_FRAME_FPS
        rate = 1.0 / float(np.median(np.diff(times_s) / np.diff(numbers)))
        wanted = np.arange(numbers[0], numbers[-1] + 1)
        return np.searchsorted(numbers, wanted, side="right") - 1, rate
    count = int(np.floor(times_s[-1] * fps + 0.5)) + 1
    instants = np.arange(count) / fps
    middles = (times_s[1:] + times_s[:-1]) / 2.0
    return np.searchsorted(middles, instants - TIME_TOLERANCE_S, side="right"), float(fps)


SINGLE_FRAME_FPS = 30.0
"""Rate of the video of a single frame, which has no rate of its own."""
