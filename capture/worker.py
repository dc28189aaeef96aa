"""One camera's worker process: reads frames, detects people, sends observations.

Run as `python -m capture.worker`. The configuration is one line of JSON on standard input, which
then stays open: when it ends, the supervisor is gone and the worker stops by itself. Standard
error goes to a file that the supervisor reads when the worker dies without a word.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from capture.detectors import Detector, make_detector
from capture.frames import FrameSource
from capture.transport import Sender
from capture.video import Pace, VideoSource
from mocap.errors import MocapError, VideoError
from mocap.model import Observation
from mocap.model.messages import Message, WorkerFailed, WorkerFinished, WorkerReady

_SEND_WAIT_S = 0.5


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
        start_frame: the first frame to send.
        end_frame: one past the last frame; None for all.
    """

    camera: str
    video: str
    detector: str
    address: str
    token: str
    pace: Pace
    start_frame: int
    end_frame: int | None

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))


class Worker:
    """Sends the observations of one frame source until it ends or `stop` is set.

    Args:
        camera: the camera's name.
        source: its frames.
        detector: finds the people.
        sender: takes the messages.
        stop: ends the worker when set.
    """

    def __init__(
        self,
        camera: str,
        source: FrameSource,
        detector: Detector,
        sender: Sender,
        stop: threading.Event,
    ) -> None:
        self._camera = camera
        self._source = source
        self._detector = detector
        self._sender = sender
        self._stop = stop

    def run(self) -> None:
        """Runs to the end of the source."""
        decode_s = detect_s = send_s = 0.0
        sent = 0
        mark = time.perf_counter()
        for frame in self._source:
            now = time.perf_counter()
            decode_s += now - mark
            detections = self._detector.detect([(self._camera, frame)])[0]
            mark = time.perf_counter()
            detect_s += mark - now
            self._send(Observation(self._camera, frame.index, frame.time_ns, detections))
            now = time.perf_counter()
            send_s += now - mark
            mark = now
            sent += 1
            if self._stop.is_set():
                break
        self._send(WorkerFinished(self._camera, sent, decode_s, detect_s, send_s))

    def _send(self, message: Message) -> None:
        while not self._sender.send(message, _SEND_WAIT_S):
            if self._stop.is_set():
                return


def _watch_supervisor(stop: threading.Event) -> None:
    """Sets `stop` when standard input ends."""

    def watch() -> None:
        while sys.stdin.readline():
            pass
        stop.set()

    threading.Thread(target=watch, name="supervisor watch", daemon=True).start()


def main() -> int:
    """The process: reads its configuration, works, and reports how it ended."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    # The terminal's Ctrl-C reaches all processes; the supervisor alone decides when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    started = time.perf_counter()
    config = WorkerConfig(**json.loads(sys.stdin.readline()))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    _watch_supervisor(stop)
    sender = Sender(config.address, config.token)
    try:
        detector = make_detector(config.detector)
        source = VideoSource(Path(config.video), config.pace, config.start_frame, config.end_frame)
        sender.send(WorkerReady(config.camera, time.perf_counter() - started), timeout_s=10.0)
        Worker(config.camera, source, detector, sender, stop).run()
        source.close()
        detector.close()
    except MocapError as error:
        failed = WorkerFailed(config.camera, str(error), isinstance(error, VideoError))
        sender.send(failed, timeout_s=10.0)
        return error.exit_code
    except Exception as error:
        logging.getLogger(__name__).exception("worker of camera %r", config.camera)
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        sender.send(WorkerFailed(config.camera, what, permanent=False), timeout_s=10.0)
        return 1
    finally:
        sender.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
