"""Starts one worker process per camera, watches them, and hands on what they observe."""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from capture.detectors import detector_skeleton
from capture.hints import HintSender
from capture.running_worker import CameraJob, RunningWorker
from capture.transport import Receiver
from capture.video import FrameMark, Pace
from capture.worker import WorkerConfig
from mocap.closing import Closing
from mocap.errors import WorkerError
from mocap.model import Observation
from mocap.model.messages import (
    RegionHints,
    WorkerFailed,
    WorkerFinished,
    WorkerMessage,
    WorkerReady,
)

_log = logging.getLogger(__name__)

MIN_CAMERAS = 2
_LAST_WORDS_S = 0.2
_START_DELAY_NS = 50_000_000
_HINTS_WAIT_S = 5.0


@dataclass(frozen=True)
class WatchLimits:
    """When a worker is given up.

    Attributes:
        startup_silence_s: longest silence while it loads its detector.
        running_silence_s: longest silence after that.
        max_restarts: how often it is started again.
    """

    startup_silence_s: float = 120.0
    running_silence_s: float = 60.0
    max_restarts: int = 1


@dataclass(frozen=True)
class HintPlan:
    """That workers are told where to look; see `capture.hints`.

    Attributes:
        lag_ns: how old hints are, so that runs can be repeated; None to take the newest, at once.
    """

    lag_ns: int | None


@dataclass
class CameraReport:
    """How one camera's worker fared.

    Attributes:
        frames: observations received.
        restarts: how often the worker was started again.
        lost: why the camera was lost for good, None if it was not.
        dropped: messages at its socket which were malformed or foreign.
        startup_s: of the last start.
        decode_s: time spent getting frames, by workers that reached the end.
        detect_s: time spent detecting, likewise.
        send_s: time spent sending, likewise.
        errors: last error of each worker that died.
    """

    frames: int = 0
    restarts: int = 0
    lost: str | None = None
    dropped: int = 0
    startup_s: float = 0.0
    decode_s: float = 0.0
    detect_s: float = 0.0
    send_s: float = 0.0
    errors: list[str] = field(default_factory=list)


class Supervisor(Closing):
    """The workers of all cameras, as a feed of observations.

    A worker that dies or falls silent is started again once, from the frame after the last one
    that arrived. A camera that is lost for good costs one view; when fewer than two are left, the
    run ends with an error. At the pace "realtime" all cameras begin together, once their
    detectors are loaded.

    Args:
        jobs: one per camera.
        detector: name of the detector.
        pace: "fast" or "realtime".
        limits: when a worker is given up.
        hints: how workers are told where to look, if they are; then `hint` is to be called for
            every camera after every frame set.

    Attributes:
        reports: how each camera's worker fared so far.

    Raises:
        InputError: there is no such detector.
        WorkerError: a worker cannot be started.
    """

    def __init__(
        self,
        jobs: Sequence[CameraJob],
        detector: str,
        pace: Pace,
        limits: WatchLimits | None = None,
        hints: HintPlan | None = None,
    ) -> None:
        self.reports = {job.camera: CameraReport() for job in jobs}
        self._detector = detector
        self._pace: Pace = pace
        self._limits = limits or WatchLimits()
        self._last: dict[str, FrameMark] = {}
        self._origin_ns: int | None = 0 if pace == "fast" else None
        keypoints = len(detector_skeleton(detector))
        self._receiver = Receiver([job.camera for job in jobs], keypoints)
        self._hint_plan = hints
        self._hints: HintSender | None = None
        self._running: dict[str, RunningWorker] = {}
        self._leaving: list[RunningWorker] = []
        self._ended: set[str] = set()
        try:
            if hints is not None:
                self._hints = HintSender(self.reports, self._receiver.token)
            for job in jobs:
                self._start(job)
        except BaseException:
            self.close()
            raise

    def _start(self, job: CameraJob) -> None:
        last = self._last.get(job.camera)
        config = WorkerConfig(
            camera=job.camera,
            video=str(job.video.resolve()),
            detector=self._detector,
            address=self._receiver.addresses[job.camera],
            token=self._receiver.token,
            pace=self._pace,
            after_index=None if last is None else last.index,
            after_ns=0 if last is None else last.time_ns,
            end_ns=job.end_ns,
            hint_address=None if self._hints is None else self._hints.addresses[job.camera],
            hint_lag_ns=None if self._hint_plan is None else self._hint_plan.lag_ns,
        )
        log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        try:
            process = subprocess.Popen(
                # -P: modules of the user's folder must not be taken for ours.
                [sys.executable, "-P", "-m", "capture.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                text=True,
                # The terminal's Ctrl-C is for the central node alone.
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        except OSError as error:
            log.close()
            raise WorkerError(
                f"cannot start the worker of camera {job.camera!r}: {error.strerror}; close other "
                f"programs"
            ) from error
        running = RunningWorker(job, process, log, time.monotonic())
        self._running[job.camera] = running
        running.tell(config.to_json())

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
            died = running.process.poll() is not None
            if died:
                # What it said last may still be on its way, so all of it is heard first.
                while not running.finished and (
                    messages := self._receiver.receive([name], _LAST_WORDS_S)
                ):
                    observations += self._take(messages)
            if running.finished:
                self._ended.add(name)
                running.dismiss()
                self._leaving.append(self._running.pop(name))
            elif died or running.failed is not None:
                self._bury(running)
        for name, report in self.reports.items():
            report.dropped = self._receiver.dropped[name]
        self._give_start()
        self._check_silence(cameras)
        return observations

    def hint(self, hints: RegionHints) -> None:
        """Tells a camera's worker where to look; without a `HintPlan` nothing happens."""
        if self._hints is not None and hints.camera not in self._ended:
            self._hints.send(hints)

    def ended(self) -> list[str]:
        """Cameras from which nothing more will come."""
        return list(self._ended)

    def _take(self, messages: list[tuple[str, WorkerMessage]]) -> list[Observation]:
        observations: list[Observation] = []
        for name, message in messages:
            report, running = self.reports[name], self._running.get(name)
            if running is None:
                continue
            running.heard_at = time.monotonic()
            if isinstance(message, Observation):
                last = self._last.get(name)
                if last is not None and message.frame_index <= last.index:
                    continue
                self._last[name] = FrameMark(message.frame_index, message.time_ns)
                report.frames += 1
                observations.append(message)
            elif isinstance(message, WorkerReady):
                running.ready_at = time.monotonic()
                report.startup_s = message.startup_s
            elif isinstance(message, WorkerFinished):
                running.finished = True
                report.decode_s += message.decode_s
                report.detect_s += message.detect_s
                report.send_s += message.send_s
            else:
                running.failed = message
        return observations

    def _give_start(self) -> None:
        """Lets workers begin: in step at the pace "realtime", else each as soon as it can."""
        ready = [r for r in self._running.values() if self._may_start(r)]
        if self._origin_ns is None and len(ready) == len(self._running):
            self._origin_ns = time.monotonic_ns() + _START_DELAY_NS
        if self._origin_ns is None:
            return
        for running in ready:
            if not running.started:
                running.started = True
                running.heard_at = time.monotonic()
                running.tell(f"start {self._origin_ns}")

    def _may_start(self, running: RunningWorker) -> bool:
        """Whether a worker is ready, and hears hints if it is to be told any."""
        if running.ready_at is None:
            return False
        if running.started or running.heard_hints or self._hints is None:
            return True
        running.heard_hints = self._hints.open(running.job.camera)
        return running.heard_hints or time.monotonic() - running.ready_at > _HINTS_WAIT_S

    def _check_silence(self, cameras: list[str]) -> None:
        now = time.monotonic()
        limits = self._limits
        for name, running in self._running.items():
            if name not in cameras or (running.ready_at is not None and not running.started):
                # Nobody listens to it at the moment, or it has nothing to say yet.
                running.heard_at = now
                continue
            limit = limits.running_silence_s if running.started else limits.startup_silence_s
            if now - running.heard_at > limit and running.process.poll() is None:
                running.failed = WorkerFailed(name, f"it was silent for {limit:g} s", False)
                running.process.kill()

    def _bury(self, running: RunningWorker) -> None:
        """Closes a worker that died; starts it again or gives the camera up."""
        name, report = running.job.camera, self.reports[running.job.camera]
        error = running.last_error()
        running.release()
        del self._running[name]
        report.errors.append(error)
        permanent = running.failed is not None and running.failed.permanent
        if not permanent and report.restarts < self._limits.max_restarts:
            report.restarts += 1
            _log.warning(
                "camera %r: its worker died after %d frames (%s); starting it again",
                name,
                report.frames,
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
                f"3D needs {MIN_CAMERAS} cameras, left is {', '.join(left) or 'none'}"
            )
        _log.warning(
            "camera %r was lost after %d frames: %s; going on with %s",
            name,
            report.frames,
            error,
            ", ".join(left),
        )

    def close(self) -> None:
        """Stops all workers and closes the sockets."""
        for running in self._running.values():
            if running.process.poll() is None:
                running.process.terminate()
        for running in (*self._leaving, *self._running.values()):
            running.release()
        self._leaving.clear()
        self._running.clear()
        if self._hints is not None:
            self._hints.close()
        self._receiver.close()
