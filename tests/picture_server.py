"""Cameras of the network for tests: pictures over HTTP, one after the other."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Callable

import cv2
import numpy as np


class PictureServer(http.server.ThreadingHTTPServer):
    """Serves pictures to whoever asks, from the first one on.

    Args:
        picture: gives the BGR or grey picture of a number; None ends the stream.
        rate_hz: pictures per second.
    """

    daemon_threads = True

    def __init__(self, picture: Callable[[int], np.ndarray | None], rate_hz: float) -> None:
        super().__init__(("127.0.0.1", 0), _Stream)
        self.picture, self.rate_hz = picture, rate_hz
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """Where the stream is."""
        return f"http://127.0.0.1:{self.server_address[1]}/stream.mjpg"

    def close(self) -> None:
        """Ends serving."""
        self.shutdown()
        self.server_close()


class _Stream(http.server.BaseHTTPRequestHandler):
    server: PictureServer

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        self.end_headers()
        begun = time.monotonic()
        for number in range(100_000):
            picture = self.server.picture(number)
            if picture is None:
                return
            data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
            head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + data + b"\r\n")
            except OSError:
                return
            time.sleep(max(0.0, begun + (number + 1) / self.server.rate_hz - time.monotonic()))

    def log_message(self, *_: object) -> None:
        pass
