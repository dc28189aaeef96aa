"""The process of one camera's worker: what it is told, and how it ends."""

from __future__ import annotations

import logging
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mocap.model.messages import WorkerFailed

_log = logging.getLogger(__name__)

_STOP_WAIT_S = 5.0


@dataclass(frozen=True)
class CameraJob:
    """What one camera's worker has to do.

    Attributes:
        camera: the camera's name.
        video: the file to read.
        end_ns: only frames before this time, from the first frame on; None for all.
    """

    camera: str
    video: Path
    end_ns: int | None = None


@dataclass
class RunningWorker:
    """A worker that was started.

    Attributes:
        job: what it has to do.
        process: its process, which reads lines.
        log: what it says on its way, and its last words.
        heard_at: when it was heard of last, seconds of the monotonic clock, like `ready_at`.
        ready_at: when it was ready to start; None before.
        started: whether it was told to.
        heard_hints: whether it listens to hints.
        finished: whether it has read all of its video.
        failed: why it ended before.
    """

    job: CameraJob
    process: subprocess.Popen[str]
    log: IO[str]
    heard_at: float
    ready_at: float | None = None
    started: bool = False
    heard_hints: bool = False
    finished: bool = False
    failed: WorkerFailed | None = None

    def tell(self, line: str) -> None:
        """Writes a line to the worker; nothing happens if it is gone."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except OSError:
            _log.debug("worker of camera %r is gone", self.job.camera)

    def dismiss(self) -> None:
        """Lets the worker end; all it had to say was heard."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.close()
        except OSError:
            _log.debug("worker of camera %r was gone already", self.job.camera)

    def release(self) -> None:
        """Lets the worker end, or ends it, and closes all that belongs to it."""
        self.dismiss()
        try:
            self.process.wait(_STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def last_error(self) -> str:
        """Why the worker ended, in one line."""
        if self.failed is not None:
            return self.failed.error
        self.log.seek(0)
        lines = [line.strip() for line in self.log.readlines() if line.strip()]
        code = self.process.poll()
        ended = (
            f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        )
        return f"{ended}; last words: {lines[-1]}" if lines else f"{ended}, no message"
