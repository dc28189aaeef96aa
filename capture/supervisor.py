"""Starts one worker process per camera, watches them, and hands on what they observe."""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

from capture.transport import Receiver
from capture.video import Pace
from capture.worker import WorkerConfig
from mocap.errors import WorkerError
from mocap.model import Observation
from mocap.model.messages import Message, WorkerFailed, WorkerFinished, WorkerReady

_log = logging.getLogger(__name__)

MAX_RESTARTS = 1
MIN_CAMERAS = 2
STARTUP_SILENCE_S = 120.0
RUNNING_SILENCE_S = 60.0
_STOP_WAIT_S = 5.0
_LAST_WORDS_S = 0.2


@dataclass(frozen=True)
class CameraJob:
    """What one camera's worker has to do.

    Attributes:
        camera: the camera's name.
        video: the file to read.
        end_frame: one past the last frame to read; None for all.
    """

    camera: str
    video: Path
    end_frame: int | None = None


@dataclass
class CameraReport:
    """How one camera's worker fared.

    Attributes:
        frames: observations received.
        restarts: how often the worker was started again.
        lost: why the camera was lost for good, None if it was not.
        startup_s: of the last start.
        decode_s: time spent getting frames.
        detect_s: time spent detecting.
        send_s: time spent sending.
        errors: last error of each worker that died.
    """

    frames: int = 0
    restarts: int = 0
    lost: str | None = None
    startup_s: float = 0.0
    decode_s: float = 0.0
    detect_s: float = 0.0
    send_s: float = 0.0
    errors: list[str] = field(default_factory=list)


@dataclass
class _Running:
    job: CameraJob
    process: subprocess.Popen[str]
    log: IO[str]
    heard_at: float
    ready: bool = False
    finished: bool = False
    failed: WorkerFailed | None = None


class Supervisor:
    """The workers of all cameras, as a feed of observations.

    A worker that dies or falls silent is started again once, from the frame after the last one
    that arrived. A camera that is lost for good costs one view; when fewer than two are left, the
    run ends with an error.

    Args:
        jobs: one per camera.
        detector: name of the detector.
        pace: "fast" or "realtime".
    """

    def __init__(self, jobs: Sequence[CameraJob], detector: str, pace: Pace) -> None:
        self.reports = {job.camera: CameraReport() for job in jobs}
        self._detector = detector
        self._pace: Pace = pace
        self._next_frame = {job.camera: 0 for job in jobs}
        self._receiver = Receiver([job.camera for job in jobs])
        self._running: dict[str, _Running] = {}
        self._ended: set[str] = set()
        try:
            for job in jobs:
                self._start(job)
        except BaseException:
            self.close()
            raise

    def _start(self, job: CameraJob) -> None:
        config = WorkerConfig(
            camera=job.camera,
            video=str(job.video.resolve()),
            detector=self._detector,
            address=self._receiver.addresses[job.camera],
            token=self._receiver.token,
            pace=self._pace,
            start_frame=self._next_frame[job.camera],
            end_frame=job.end_frame,
        )
        log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        process = subprocess.Popen(
            # -P: modules of the user's folder must not be taken for ours.
            [sys.executable, "-P", "-m", "capture.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=log,
            text=True,
        )
        assert process.stdin is not None
        try:
            process.stdin.write(config.to_json() + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            _log.debug("worker of camera %r ended before it was told what to do", job.camera)
        self._running[job.camera] = _Running(job, process, log, time.monotonic())

    @property
    def pids(self) -> dict[str, int]:
        """Process id of each worker that is running."""
        return {
            name: r.process.pid for name, r in self._running.items() if r.process.poll() is None
        }

    def poll(self, cameras: list[str], timeout_s: float) -> list[Observation]:
        """Waits for observations of the given cameras and looks after all workers.

        Raises:
            WorkerError: too few cameras are left.
        """
        observations = self._take(self._receiver.receive(cameras, timeout_s))
        for name in [n for n in cameras if n in self._running]:
            running = self._running[name]
            if not running.finished and running.process.poll() is None:
                continue
            # What it said last may still be on its way, so all of it is heard first.
            while messages := self._receiver.receive([name], _LAST_WORDS_S):
                observations += self._take(messages)
                if running.finished:
                    break
            self._bury(running)
        self._check_silence(cameras)
        return observations

    def ended(self) -> list[str]:
        """Cameras from which nothing more will come."""
        return list(self._ended)

    def _take(self, messages: list[tuple[str, Message]]) -> list[Observation]:
        observations: list[Observation] = []
        for name, message in messages:
            report, running = self.reports[name], self._running.get(name)
            if running is None:
                continue
            running.heard_at = time.monotonic()
            if isinstance(message, Observation):
                if message.frame_index < self._next_frame[name]:
                    continue
                self._next_frame[name] = message.frame_index + 1
                report.frames += 1
                observations.append(message)
            elif isinstance(message, WorkerReady):
                running.ready = True
                report.startup_s = message.startup_s
            elif isinstance(message, WorkerFinished):
                running.finished = True
                report.decode_s += message.decode_s
                report.detect_s += message.detect_s
                report.send_s += message.send_s
            else:
                running.failed = message
        return observations

    def _check_silence(self, cameras: list[str]) -> None:
        now = time.monotonic()
        for name, running in self._running.items():
            if name not in cameras:
                # Nobody listens to it at the moment, so it cannot be heard.
                running.heard_at = now
                continue
            limit = RUNNING_SILENCE_S if running.ready else STARTUP_SILENCE_S
            if now - running.heard_at > limit and running.process.poll() is None:
                running.failed = WorkerFailed(name, f"it was silent for {limit:g} s", False)
                running.process.kill()

    def _bury(self, running: _Running) -> None:
        """Closes a worker that is over; starts it again or gives the camera up if it died."""
        name, report = running.job.camera, self.reports[running.job.camera]
        error = self._last_error(running)
        self._release(running)
        del self._running[name]
        if running.finished:
            self._ended.add(name)
            return
        report.errors.append(error)
        permanent = running.failed is not None and running.failed.permanent
        if not permanent and report.restarts < MAX_RESTARTS:
            report.restarts += 1
            _log.warning(
                "camera %r: its worker died after frame %d (%s); starting it again",
                name,
                self._next_frame[name] - 1,
                error,
            )
            self._start(running.job)
            return
        report.lost = error
        self._ended.add(name)
        left = [n for n, r in self.reports.items() if r.lost is None]
        if len(left) < min(MIN_CAMERAS, len(self.reports)):
            raise WorkerError(
                f"camera {name!r} was lost after {report.frames} frames: {error}; "
                f"{len(left)} camera is left, and 3D needs {MIN_CAMERAS}"
            )
        _log.warning(
            "camera %r was lost after %d frames: %s; going on with %s",
            name,
            report.frames,
            error,
            ", ".join(left),
        )

    def _last_error(self, running: _Running) -> str:
        if running.failed is not None:
            return running.failed.error
        running.log.seek(0)
        lines = [line.strip() for line in running.log.readlines() if line.strip()]
        code = running.process.poll()
        ended = (
            f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        )
        return f"{ended}; last words: {lines[-1]}" if lines else f"{ended}, no message"

    def _release(self, running: _Running) -> None:
        process = running.process
        if process.stdin is not None:
            try:
                process.stdin.close()
            except BrokenPipeError:
                _log.debug("worker of camera %r was gone already", running.job.camera)
        try:
            process.wait(_STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        running.log.close()

    def close(self) -> None:
        """Stops all workers and closes the sockets."""
        for running in self._running.values():
            if running.process.poll() is None:
                running.process.terminate()
        for running in self._running.values():
            # A worker may be waiting for room in its queue; make some.
            if running.process.poll() is None:
                self._receiver.receive([running.job.camera], 0.0)
            self._release(running)
        self._running.clear()
        self._receiver.close()

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
