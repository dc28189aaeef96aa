"""Groups the observations of free-running cameras into frame sets by capture time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from statistics import fmean

from mocap.model import FrameSet, Observation

BUFFERED_FRAMES = 64
"""Observations of one camera which may wait for the others."""


class FrameSetAssembler:
    """Collects observations and gives out frame sets in order of time.

    Observations of one camera come in order of time. Those of different cameras belong together
    when their capture times, less each camera's time offset, differ by at most half a frame. A set
    is complete when every camera that is still delivering has shown what it has for that instant,
    or has something later. An incomplete set is given out once it has waited `max_wait_s`.

    Args:
        time_offset_s: how late each camera is, by name.
        period_ns: duration of a frame, of the fastest camera.
        max_wait_s: longest wait for a camera; None waits for as long as it is alive, so that
            nothing is lost when reading files.
    """

    def __init__(
        self, time_offset_s: Mapping[str, float], period_ns: int, max_wait_s: float | None
    ) -> None:
        self._offset_ns = {name: round(s * 1e9) for name, s in time_offset_s.items()}
        self._waiting: dict[str, deque[tuple[int, float, Observation]]] = {
            name: deque() for name in time_offset_s
        }
        self._ended: set[str] = set()
        self._period_ns = period_ns
        self._tolerance_ns = period_ns // 2
        self._max_wait_s = max_wait_s
        self._last_time_ns: int | None = None
        self._last_end_ns = 0
        self._last_cameras: frozenset[str] = frozenset()
        self._last_number = -1

    def wanted(self) -> list[str]:
        """Cameras whose observations there is room for."""
        return [
            name
            for name, waiting in self._waiting.items()
            if name not in self._ended and len(waiting) < BUFFERED_FRAMES
        ]

    def add(self, observation: Observation, now_s: float) -> bool:
        """Takes an observation.

        Args:
            observation: of a known camera.
            now_s: the time of arrival on any steady clock.

        Returns:
            False if the set it belongs to has already been given out: it came too late and is not
            used.
        """
        time_ns = observation.time_ns - self._offset_ns[observation.camera]
        last = self._last_time_ns
        if last is not None:
            missed = observation.camera not in self._last_cameras
            if time_ns <= (max(last, self._last_end_ns) if missed else last):
                return False
        self._waiting[observation.camera].append((time_ns, now_s, observation))
        return True

    def end(self, cameras: Iterable[str]) -> None:
        """Says that these cameras will deliver nothing more."""
        self._ended.update(cameras)

    @property
    def finished(self) -> bool:
        """Whether all cameras have ended and everything was given out."""
        return len(self._ended) == len(self._waiting) and not any(self._waiting.values())

    def ready(self, now_s: float) -> list[FrameSet]:
        """The frame sets that can be given out now.

        Args:
            now_s: on the clock of `add`.
        """
        sets: list[FrameSet] = []
        while (heads := [w[0] for w in self._waiting.values() if w]) and self._may_go(heads, now_s):
            start = min(time_ns for time_ns, _, _ in heads)
            end = start + self._tolerance_ns
            members = [
                waiting.popleft()
                for waiting in self._waiting.values()
                if waiting and waiting[0][0] <= end
            ]
            time_ns = start + round(fmean(t - start for t, _, _ in members))
            # The number counts frames of the session clock, so that a gap in time shows in it.
            step = 1
            if self._last_time_ns is not None:
                step = max(1, round((time_ns - self._last_time_ns) / self._period_ns))
                # Only a camera whose clock stumbles gets here with an earlier time.
                time_ns = max(time_ns, self._last_time_ns + 1)
            self._last_number += step
            self._last_time_ns, self._last_end_ns = time_ns, end
            self._last_cameras = frozenset(o.camera for _, _, o in members)
            sets.append(FrameSet(self._last_number, time_ns, {o.camera: o for _, _, o in members}))
        return sets

    def _may_go(self, heads: list[tuple[int, float, Observation]], now_s: float) -> bool:
        silent = any(
            not waiting and name not in self._ended for name, waiting in self._waiting.items()
        )
        if not silent:
            return True
        if self._max_wait_s is None:
            return False
        earliest = min(heads, key=lambda head: head[0])
        return now_s - earliest[1] >= self._max_wait_s
