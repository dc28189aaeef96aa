"""The sockets between camera workers and the central node.

Every camera has a socket of its own (PUSH to PULL), so that the central node can stop listening to
a camera which runs ahead: its queue fills up and the worker waits. Nothing is lost and nothing
grows without bound. The sockets are files in a folder that only this user can enter, or, where
there are none (or their names would get too long), loopback ports; messages carry the session's
token.
"""

from __future__ import annotations

import logging
import secrets
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import zmq

from mocap.closing import Closing
from mocap.errors import MessageError, WorkerError
from mocap.model import Observation
from mocap.model.messages import RegionHints, WorkerMessage, decode, encode

_log = logging.getLogger(__name__)

QUEUE_MESSAGES = 32
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
_LINGER_MS = 2000
_MAX_SOCKET_PATH = 90


class LocalSockets(Closing):
    """One socket per camera that only this user's processes can reach.

    Args:
        kind: type of the sockets, as ZeroMQ numbers them.
        cameras: their names.
        limit: the option that bounds the queue, as ZeroMQ numbers it.
        messages: the bound.

    Attributes:
        addresses: of each camera's socket.

    Raises:
        WorkerError: the sockets cannot be made.
    """

    def __init__(self, kind: int, cameras: Iterable[str], limit: int, messages: int) -> None:
        self._context = zmq.Context()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._sockets: dict[str, zmq.Socket[bytes]] = {}
        self.addresses: dict[str, str] = {}
        try:
            if sys.platform != "win32":
                self._folder = tempfile.TemporaryDirectory(prefix="mocap-")
            for i, name in enumerate(cameras):
                socket = self._context.socket(kind)
                self._sockets[name] = socket
                socket.setsockopt(limit, messages)
                socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
                socket.setsockopt(zmq.LINGER, 0)
                self.addresses[name] = self._bind(socket, i)
        except (zmq.ZMQError, OSError) as error:
            self.close()
            raise WorkerError(
                f"cannot open a local socket ({error}); set TMPDIR to a folder of your own"
            ) from error

    def _bind(self, socket: zmq.Socket[bytes], number: int) -> str:
        file = None if self._folder is None else Path(self._folder.name) / str(number)
        if file is not None and len(str(file).encode()) <= _MAX_SOCKET_PATH:
            socket.bind(f"ipc://{file}")
            return f"ipc://{file}"
        return f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}"

    def __getitem__(self, camera: str) -> zmq.Socket[bytes]:
        return self._sockets[camera]

    def close(self) -> None:
        """Closes the sockets and removes their folder."""
        for socket in self._sockets.values():
            socket.close(0)
        self._context.term()
        if self._folder is not None:
            self._folder.cleanup()


class Receiver(Closing):
    """The central node's end: one socket per camera.

    Args:
        cameras: their names.
        keypoints: how many keypoints each observation must have.

    Attributes:
        token: what every message must carry.
        addresses: of each camera's socket.
        dropped: messages of each camera's socket which were not accepted.

    Raises:
        WorkerError: the sockets cannot be made.
    """

    def __init__(self, cameras: Iterable[str], keypoints: int) -> None:
        names = list(cameras)
        self.token = secrets.token_hex(16)
        self.dropped: dict[str, int] = dict.fromkeys(names, 0)
        self._keypoints = keypoints
        self._sockets = LocalSockets(zmq.PULL, names, zmq.RCVHWM, QUEUE_MESSAGES)
        self.addresses = self._sockets.addresses

    def receive(self, cameras: Iterable[str], timeout_s: float) -> list[tuple[str, WorkerMessage]]:
        """Waits for messages of the given cameras, and returns all that are there.

        Messages which are malformed, foreign, or speak for another camera are counted in
        `dropped`, logged at their first occurrence per camera, and left out.
        """
        poller = zmq.Poller()
        names: dict[zmq.Socket[bytes], str] = {}
        for name in cameras:
            poller.register(self._sockets[name], zmq.POLLIN)
            names[self._sockets[name]] = name
        messages: list[tuple[str, WorkerMessage]] = []
        for socket, _ in poller.poll(max(0, int(timeout_s * 1000))):
            name = names[socket]  # type: ignore[index]
            for _ in range(QUEUE_MESSAGES):
                try:
                    frames = self._sockets[name].recv_multipart(zmq.NOBLOCK)
                except zmq.Again:
                    break
                message = self._accept(name, frames)
                if message is not None:
                    messages.append((name, message))
        return messages

    def _accept(self, camera: str, frames: list[bytes]) -> WorkerMessage | None:
        try:
            message = decode(frames, self.token)
            if isinstance(message, RegionHints):
                raise MessageError("a message of a kind that only the centre sends")
            if message.camera != camera:
                raise MessageError(f"a message that speaks for camera {message.camera!r}")
            if isinstance(message, Observation):
                got = message.detections.keypoints_px.shape[1]
                if got != self._keypoints:
                    raise MessageError(
                        f"an observation of {got} keypoints, expected {self._keypoints}"
                    )
        except MessageError as error:
            self.dropped[camera] += 1
            if self.dropped[camera] == 1:
                _log.warning("camera %r: dropped %s; later ones are only counted", camera, error)
            return None
        return message

    def close(self) -> None:
        """Closes the sockets and removes their folder."""
        self._sockets.close()


class Sender:
    """A worker's end.

    Args:
        address: of the camera's socket.
        token: the session's token.
    """

    def __init__(self, address: str, token: str) -> None:
        self._token = token
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUSH)
        self._socket.setsockopt(zmq.SNDHWM, QUEUE_MESSAGES)
        self._socket.setsockopt(zmq.LINGER, _LINGER_MS)
        self._socket.connect(address)

    def send(self, message: WorkerMessage, timeout_s: float) -> bool:
        """Sends a message, waiting for room in the queue.

        Returns:
            False if there was no room in time.
        """
        frames = encode(message, self._token)
        self._socket.setsockopt(zmq.SNDTIMEO, int(timeout_s * 1000))
        try:
            self._socket.send_multipart(frames)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            raise WorkerError(f"cannot send to the central node: {error}") from error
        return True

    def close(self, *, at_once: bool = False) -> None:
        """Closes the socket after what was sent has left, or after two seconds.

        Args:
            at_once: throws away what has not left yet.
        """
        self._socket.close(0 if at_once else None)
        self._context.term()
