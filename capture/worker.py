"""One camera's worker process: reads frames, detects people, sends observations.

Run as `python -m capture.worker`. The configuration is one line of JSON on standard input, which
then stays open. The line "start N" follows, where N is the time on the monotonic clock at which the
frame of time 0 is due. When standard input ends, the supervisor has heard all it needs, or is gone,
and the worker ends; a worker that is done waits for that, so that nothing it sent is lost however
long it takes to be read. Standard error goes to a file that the supervisor reads when the worker
dies without a word.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass
from io import FileIO, RawIOBase
from pathlib import Path

from capture.detectors import Detector, HintedDetector, make_detector
from capture.frames import Frame, FrameSource
from capture.hints import HintReceiver
from capture.transport import Sender
from capture.video import FrameMark, Pace, VideoSource
from mocap.errors import DependencyError, InputError, MocapError, WorkerError
from mocap.model import Detections, Observation
from mocap.model.messages import WorkerFailed, WorkerFinished, WorkerMessage, WorkerReady

_log = logging.getLogger(__name__)

EXIT_STOPPED = 143
_SEND_WAIT_S = 0.5
_ORPHAN_GRACE_S = 5.0


@dataclass(frozen=True)
class WorkerConfig:
    """What a worker is told.

    Attributes:
        camera: the camera's name.
        video: the file to read.
        detector: name of the detector.
        address: where to send observations.
        token: the session's token.
        pace: "fast" or "realtime".
        after_index: index of the last frame that an earlier worker sent; None to begin at the
            start.
        after_ns: its time.
        end_ns: send only frames before this time; None for all.
        hint_address: where hints come from; None for no hints.
        hint_lag_ns: how old hints are; None to take the newest, at once.
    """

    camera: str
    video: str
    detector: str
    address: str
    token: str
    pace: Pace
    after_index: int | None
    after_ns: int
    end_ns: int | None
    hint_address: str | None = None
    hint_lag_ns: int | None = None

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))


class Orders:
    """What the supervisor says on standard input, heard by a thread.

    Args:
        stream: standard input, after the configuration.
    """

    def __init__(self, stream: RawIOBase) -> None:
        self.stop = threading.Event()
        self._start = threading.Event()
        self._origin_ns = 0
        self._stream = stream
        threading.Thread(target=self._listen, name="orders", daemon=True).start()

    def _listen(self) -> None:
        while line := self._stream.readline():
            word, _, value = line.partition(b" ")
            if word == b"start":
                self._origin_ns = int(value)
                self._start.set()
        self.end()
        # A detector may hang where nothing can interrupt it; nobody is left to end this process.
        time.sleep(_ORPHAN_GRACE_S)
        os._exit(EXIT_STOPPED)

    def end(self) -> None:
        """Asks the worker to stop."""
        self.stop.set()
        self._start.set()

    def wait_for_start(self) -> int:
        """Waits for the order to start, or to stop; returns when frame time 0 is due."""
        self._start.wait()
        return self._origin_ns


class Worker:
    """Sends the observations of one frame source until it ends or `stop` is set.

    Args:
        camera: the camera's name.
        detector: finds the people.
        sender: takes the messages.
        stop: ends the worker when set.
        hints: says where to look, if the detector takes that; None for no hints.
    """

    def __init__(
        self,
        camera: str,
        detector: Detector,
        sender: Sender,
        stop: threading.Event,
        hints: HintReceiver | None = None,
    ) -> None:
        self._camera = camera
        self._detector = detector
        self._sender = sender
        self._stop = stop
        self._hints = hints

    def run(self, source: FrameSource) -> bool:
        """Runs to the end of a source.

        Returns:
            False if it was stopped before.

        Raises:
            WorkerError: the detector does not deliver what it promises.
        """
        decode_s = detect_s = send_s = 0.0
        sent = 0
        mark = time.perf_counter()
        for frame in source:
            now = time.perf_counter()
            decode_s += now - mark
            if self._hints is not None and isinstance(self._detector, HintedDetector):
                self._detector.suggest(self._camera, self._hints.for_frame(frame.time_ns))
                waited = time.perf_counter()
                send_s += waited - now
                now = waited
            detections = self._detect(frame)
            mark = time.perf_counter()
            detect_s += mark - now
            if self._stop.is_set() or not self.send(
                Observation(self._camera, frame.index, frame.time_ns, detections)
            ):
                return False
            now = time.perf_counter()
            send_s += now - mark
            mark = now
            sent += 1
        if self._stop.is_set():
            return False
        return self.send(WorkerFinished(self._camera, sent, decode_s, detect_s, send_s))

    def _detect(self, frame: Frame) -> Detections:
        found = self._detector.detect([(self._camera, frame)])
        if len(found) != 1:
            raise WorkerError(f"the detector returned {len(found)} results for 1 frame")
        got, expected = found[0].keypoints_px.shape[1], len(self._detector.skeleton)
        if got != expected:
            raise WorkerError(
                f"the detector returned {got} keypoints, but its skeleton "
                f"{self._detector.skeleton.name!r} has {expected}"
            )
        return found[0]

    def send(self, message: WorkerMessage) -> bool:
        """Sends a message, waiting for room for as long as it takes.

        Returns:
            False if the worker was stopped while it waited.
        """
        while not self._sender.send(message, _SEND_WAIT_S):
            if self._stop.is_set():
                return False
        return True


def main() -> int:
    """The process: reads its configuration, works, and reports how it ended."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    # The supervisor alone decides when to stop; the terminal's Ctrl-C is not for this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    started = time.perf_counter()
    # Not sys.stdin: a thread that waits in it disturbs the end of the interpreter.
    stream = FileIO(sys.stdin.fileno(), closefd=False)
    config = WorkerConfig(**json.loads(stream.readline()))
    orders = Orders(stream)
    signal.signal(signal.SIGTERM, lambda *_: orders.end())
    sender = Sender(config.address, config.token)
    try:
        code = _work(config, orders, sender, started)
        orders.stop.wait()
        return code
    except Exception as error:
        if isinstance(error, MocapError):
            what, code = str(error), error.exit_code
            _log.error("%s", what)
        else:
            _log.exception("worker of camera %r", config.camera)
            what, code = f"{type(error).__name__}: {error}".splitlines()[0], 1
        permanent = isinstance(error, InputError | DependencyError)
        failed = WorkerFailed(config.camera, what, permanent)
        while not sender.send(failed, _SEND_WAIT_S) and not orders.stop.is_set():
            pass
        orders.stop.wait()
        return code
    finally:
        sender.close(at_once=True)


def _work(config: WorkerConfig, orders: Orders, sender: Sender, started: float) -> int:
    after = None
    if config.after_index is not None:
        after = FrameMark(config.after_index, config.after_ns)
    source = VideoSource(Path(config.video), config.pace, after=after, end_ns=config.end_ns)
    hints: HintReceiver | None = None
    if config.hint_address is not None:
        hints = HintReceiver(
            config.camera, config.hint_address, config.token, config.hint_lag_ns, orders.stop
        )
    try:
        detector = make_detector(config.detector)
        try:
            detector.prepare(config.camera, source.size)
            worker = Worker(config.camera, detector, sender, orders.stop, hints)
            worker.send(WorkerReady(config.camera, time.perf_counter() - started))
            source.start_at(orders.wait_for_start())
            return 0 if worker.run(source) else EXIT_STOPPED
        finally:
            detector.close()
    finally:
        source.close()
        if hints is not None:
            hints.close()


if __name__ == "__main__":
    sys.exit(main())
