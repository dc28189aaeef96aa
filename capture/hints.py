"""How the centre tells workers where to look, so that offline runs can be repeated bit for bit.

One socket per camera, from the centre to the worker. After every frame set the centre says where
the people whom this view does not show are expected. Offline, the detector is told for a frame of
time t what was said of the newest frame set that is at least `lag_ns` older, and the worker waits
until that is certain; so the result does not depend on who is fast. Nobody waits for ever:

- The centre needs this camera's frames up to the one before t at most, because of
  `min(t - lag, last - lag / 2)`: a camera with a gap between its frames asks for no more than what
  follows from what it has sent.
- Before a camera has sent `lag_ns` of frames it is told nothing and does not wait.
- A wait ends after `LONGEST_WAIT_S`, with a warning: then something is broken, and frames are worth
  more than repeatability.

Live, nobody waits: the newest hints are taken as they are.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable

import numpy as np
import zmq

from capture.transport import LocalSockets
from mocap.arrays import Float
from mocap.closing import Closing
from mocap.errors import MessageError
from mocap.model.messages import RegionHints, decode, encode

_log = logging.getLogger(__name__)

LAG_FRAMES = 8
"""How old hints are offline, in frames of the slowest camera: so far may a worker be ahead."""
LONGEST_WAIT_S = 20.0
QUEUE_HINTS = 10_000
BEGIN_NS = -(2**62)
"""Time of the first message, which only says that the way is open."""
_POLL_MS = 100


class HintSender(Closing):
    """The centre's end.

    Args:
        cameras: their names.
        token: the session's token.

    Attributes:
        addresses: of each camera's socket.
        lost: hints that found no worker, or no room, by camera.

    Raises:
        WorkerError: the sockets cannot be made.
    """

    def __init__(self, cameras: Iterable[str], token: str) -> None:
        self._token = token
        self.lost: dict[str, int] = dict.fromkeys(cameras, 0)
        self._sockets = LocalSockets(zmq.PUSH, list(self.lost), zmq.SNDHWM, QUEUE_HINTS)
        self.addresses = self._sockets.addresses
        self._opened: set[str] = set()

    def open(self, camera: str) -> bool:
        """Says to a worker that hints will come; false if it does not listen yet."""
        return self._send(RegionHints(camera, BEGIN_NS, np.zeros((0, 4))))

    def send(self, hints: RegionHints) -> None:
        """Sends hints; they are lost if no worker listens."""
        if not self._send(hints):
            self.lost[hints.camera] += 1

    def _send(self, hints: RegionHints) -> bool:
        try:
            self._sockets[hints.camera].send_multipart(encode(hints, self._token), zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def close(self) -> None:
        """Closes the sockets."""
        self._sockets.close()


class HintReceiver(Closing):
    """A worker's end.

    Args:
        camera: the camera's name.
        address: of its socket.
        token: the session's token.
        lag_ns: how old hints are; None to take the newest, at once.
        stop: ends waiting.
    """

    def __init__(
        self, camera: str, address: str, token: str, lag_ns: int | None, stop: threading.Event
    ) -> None:
        self._camera, self._token = camera, token
        self._lag_ns, self._stop = lag_ns, stop
        self._waiting: deque[RegionHints] = deque(maxlen=QUEUE_HINTS)
        self._newest_ns: int | None = None
        self._first_ns: int | None = None
        self._last_ns = 0
        self._given_up = False
        self._dropped = 0
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PULL)
        self._socket.setsockopt(zmq.RCVHWM, QUEUE_HINTS)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.connect(address)

    def for_frame(self, time_ns: int) -> Float[np.ndarray, "regions 4"]:
        """Where to look in the frame of this time; frames come in order of time."""
        first = self._first_ns
        if self._lag_ns is None:
            self._receive(0)
            wanted = time_ns
        elif first is None:
            self._first_ns = self._last_ns = time_ns
            return np.zeros((0, 4), np.float32)
        else:
            wanted = min(time_ns - self._lag_ns, self._last_ns - self._lag_ns // 2)
            self._last_ns = time_ns
            if wanted < first:
                return np.zeros((0, 4), np.float32)
            self._wait_for(wanted)
        chosen: RegionHints | None = None
        while self._waiting and self._waiting[0].time_ns <= wanted:
            chosen = self._waiting.popleft()
        if chosen is None:
            return np.zeros((0, 4), np.float32)
        # The same hints may hold for the next frame, too.
        self._waiting.appendleft(chosen)
        return chosen.regions

    def _wait_for(self, time_ns: int) -> None:
        deadline = time.monotonic() + LONGEST_WAIT_S
        self._receive(0)
        while self._newest_ns is None or self._newest_ns < time_ns:
            if self._given_up or self._stop.is_set():
                return
            self._receive(_POLL_MS)
            if time.monotonic() > deadline:
                self._given_up = True
                _log.warning(
                    "camera %r: no word from the centre for %g s; going on without hints",
                    self._camera,
                    LONGEST_WAIT_S,
                )

    def _receive(self, timeout_ms: int) -> None:
        """Takes all that is there, waiting for the first for a while."""
        if not self._socket.poll(timeout_ms):
            return
        while True:
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            try:
                message = decode(frames, self._token)
                if not isinstance(message, RegionHints) or message.camera != self._camera:
                    raise MessageError("a message that is no hint for this camera")
            except MessageError as error:
                self._dropped += 1
                if self._dropped == 1:
                    _log.warning("camera %r: dropped %s", self._camera, error)
                continue
            self._given_up = False
            self._newest_ns = message.time_ns
            if message.time_ns != BEGIN_NS:
                self._waiting.append(message)

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close(0)
        self._context.term()
