"""Runs a stream of frame sets through reconstruction into a session file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mocap.model import Bystander, FrameSet, Observation, Person3D
from mocap.pipeline.look_back import LookBack, SettledFrame
from mocap.pipeline.reconstructor import Reconstructor
from mocap.pipeline.sync import FrameSetAssembler

POLL_S = 0.1


class ObservationFeed(Protocol):
    """Delivers the observations of several cameras, wherever they come from."""

    def poll(self, cameras: list[str], timeout_s: float) -> list[Observation]:
        """Waits for observations of the given cameras, at most so long."""
        ...

    def ended(self) -> list[str]:
        """Cameras from which nothing more will come."""
        ...


class FrameSink(Protocol):
    """Takes what a session consists of; `mocap.storage.SessionWriter` is one."""

    def add_frame(
        self,
        frame_set: FrameSet,
        people: Sequence[Person3D],
        bystanders: Sequence[Bystander] = (),
    ) -> None:
        """Takes one frame with its 3D people, and with those who were set aside."""
        ...

    def add_late(self, observation: Observation) -> None:
        """Takes an observation that came too late for its frame set."""
        ...

    def flush_if_due(self) -> None:
        """Is called when there is nothing to do."""
        ...


Progress = Callable[[int, int | None], None]
"""Called with the number of frames done and, if known, of all frames."""


Watcher = Callable[[FrameSet, Sequence[Person3D], Sequence[Bystander]], None]
"""Is shown every frame with its people, and with those who were set aside."""


@dataclass
class RunTiming:
    """Where the time of the central node went, in seconds.

    Attributes:
        wait_s: waiting for observations.
        reconstruct_s: matching, triangulating and tracking.
        store_s: writing.
        frames: frames processed.
        people: 3D people found, summed over frames.
        late: observations that came too late.
        first_frame_s: from the start until the first frame was there.
    """

    wait_s: float = 0.0
    reconstruct_s: float = 0.0
    store_s: float = 0.0
    frames: int = 0
    people: int = 0
    late: int = 0
    first_frame_s: float = field(default=float("nan"))


def assemble(
    feed: ObservationFeed,
    assembler: FrameSetAssembler,
    sink: FrameSink,
    timing: RunTiming,
    stopped: Callable[[], bool],
) -> Iterator[FrameSet]:
    """Groups a feed's observations into frame sets until it ends or `stopped` says so."""
    while not assembler.finished and not stopped():
        for observation in feed.poll(assembler.wanted(), POLL_S):
            if not assembler.add(observation, time.monotonic()):
                timing.late += 1
                sink.add_late(observation)
        assembler.end(feed.ended())
        yield from assembler.ready(time.monotonic())
        sink.flush_if_due()


def run_frames(
    frame_sets: Iterable[FrameSet],
    reconstructor: Reconstructor,
    sink: FrameSink,
    timing: RunTiming,
    *,
    total: int | None,
    progress: Progress,
    stopped: Callable[[], bool],
    watchers: Sequence[Watcher] = (),
    late_watchers: Sequence[Watcher] = (),
) -> None:
    """Reconstructs and stores every frame set; the one loop of live and offline runs.

    Frames are stored as soon as it is known who was there; see `mocap.pipeline.look_back`.

    Args:
        frame_sets: in order of time.
        reconstructor: holds the state from frame to frame.
        sink: takes the frames.
        timing: is filled in.
        total: number of frames to come, if known.
        progress: is told after every frame.
        stopped: ends the loop after the frame at hand.
        watchers: are shown every frame at once, with the people and bystanders told of then.
        late_watchers: are shown what is stored, when it is.
    """

    def keep(settled: Sequence[SettledFrame]) -> None:
        for frame in settled:
            sink.add_frame(*frame)
            for watcher in late_watchers:
                watcher(*frame)
            timing.people += len(frame.people)

    look_back = LookBack(reconstructor)
    try:
        _run(frame_sets, reconstructor, look_back, keep, timing, total, progress, stopped, watchers)
    finally:
        # Whatever ended the run, what was seen is stored.
        keep(look_back.finish())


def _run(
    frame_sets: Iterable[FrameSet],
    reconstructor: Reconstructor,
    look_back: LookBack,
    keep: Callable[[Sequence[SettledFrame]], None],
    timing: RunTiming,
    total: int | None,
    progress: Progress,
    stopped: Callable[[], bool],
    watchers: Sequence[Watcher],
) -> None:
    started = mark = time.perf_counter()
    for frame_set in frame_sets:
        now = time.perf_counter()
        timing.wait_s += now - mark
        if timing.frames == 0:
            timing.first_frame_s = now - started
        people = reconstructor.process(frame_set)
        mark = time.perf_counter()
        timing.reconstruct_s += mark - now
        for watcher in watchers:
            watcher(frame_set, people, reconstructor.bystanders)
        keep(look_back.add(frame_set, people))
        timing.frames += 1
        progress(timing.frames, total)
        now = time.perf_counter()
        timing.store_s += now - mark
        mark = now
        if stopped():
            break
