"""Records live cameras to video files, all on one clock.

A thread per camera reads and encodes. A file can be read up to its last frame whatever happens to
the program, and notes when its first frame was taken, so that videos of one recording share a
clock although no camera starts at the same instant.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from capture.video_probe import START_NOTE
from mocap.arrays import UInt8
from mocap.errors import InputError, VideoError
from mocap.files import check_output

if TYPE_CHECKING:
    import cv2

TIME_BASE = Fraction(1, 90_000)
ENCODER = {"preset": "ultrafast", "tune": "zerolatency", "crf": "18"}
CRASH_SAFE = {"movflags": "frag_every_frame+empty_moov+default_base_moof", "flush_packets": "1"}
OPEN_TIMEOUT_S = 15.0
FIRST_FRAME_TIMEOUT_S = 15.0
SILENCE_S = 5.0
"""A camera that delivers nothing for so long is given up."""


@dataclass(frozen=True)
class LiveReport:
    """What came of one camera.

    Attributes:
        path: the video.
        size: width and height in pixels.
        frames: recorded.
        lost: why the camera was lost before the end, None when it was not.
    """

    path: Path
    size: tuple[int, int]
    frames: int
    lost: str | None


def record_live(
    sources: Mapping[str, str],
    folder: Path,
    seconds: float,
    *,
    overwrite: bool = False,
    stopped: Callable[[], bool] = lambda: False,
    progress: Callable[[float, float], None] | None = None,
) -> dict[str, LiveReport]:
    """Records several cameras for some time.

    Args:
        sources: by the name of the camera, the number of a device ("0") or the address of a
            stream ("rtsp://...", "http://...").
        folder: where to write NAME.mp4.
        seconds: how long, from when every camera has delivered its first frame.
        overwrite: whether existing videos may be replaced.
        stopped: asked often; ends the recording early.
        progress: called with the seconds recorded and of all.

    Raises:
        VideoError: a camera cannot be opened or delivers nothing.
        OutputError: a video exists already, or cannot be written.
    """
    if not seconds > 0:
        raise InputError(f"a recording of {seconds:g} s; record for some seconds")
    paths = {name: folder / f"{name}.mp4" for name in sources}
    for path in paths.values():
        check_output(path, overwrite=overwrite)
    origin_ns = time.monotonic_ns()
    recorders = {
        name: _Recorder(name, source, paths[name], origin_ns) for name, source in sources.items()
    }
    try:
        for recorder in recorders.values():
            recorder.start()
        # Opening waits for devices: all at once, and each by itself says what is wrong.
        for recorder in recorders.values():
            recorder.wait_until_running()
        begun = time.monotonic()
        for recorder in recorders.values():
            recorder.keep.set()
        while (gone := time.monotonic() - begun) < seconds and not stopped():
            if progress is not None:
                progress(gone, seconds)
            if all(recorder.lost for recorder in recorders.values()):
                break
            time.sleep(0.05)
        if progress is not None:
            progress(min(gone, seconds), seconds)
    finally:
        for recorder in recorders.values():
            recorder.end.set()
        for recorder in recorders.values():
            recorder.join(timeout=OPEN_TIMEOUT_S)
    reports = {name: recorder.report() for name, recorder in recorders.items()}
    empty = [name for name, report in reports.items() if report.frames == 0]
    if empty:
        raise VideoError(
            f"camera {empty[0]!r} ({sources[empty[0]]}) delivered no frame while recording; check "
            f"its cable and that no other program uses it"
        )
    return reports


class _Recorder(threading.Thread):
    """Reads one camera; writes what comes while `keep` is set, until `end` is."""

    def __init__(self, name: str, source: str, path: Path, origin_ns: int) -> None:
        super().__init__(daemon=True, name=f"camera {name}")
        self.keep = threading.Event()
        self.end = threading.Event()
        self._running = threading.Event()
        self._camera, self._source, self._path = name, source, path
        self._origin_ns = origin_ns
        self._size = (0, 0)
        self._frames = 0
        self._error: str | None = None

    @property
    def lost(self) -> bool:
        """Whether the camera has died."""
        return self._error is not None

    def wait_until_running(self) -> None:
        """Waits for the first frame.

        Raises:
            VideoError: none came.
        """
        self._running.wait(OPEN_TIMEOUT_S + FIRST_FRAME_TIMEOUT_S)
        if self._error is not None or not self._running.is_set():
            why = self._error or "it does not answer"
            raise VideoError(
                f"camera {self._camera!r} ({self._source}): {why}; check the device number or "
                f"address, its cable, and that no other program uses it"
            )

    def report(self) -> LiveReport:
        """What came of it, once the thread has ended."""
        return LiveReport(self._path, self._size, self._frames, self._error)

    def run(self) -> None:
        """The thread."""
        try:
            self._record()
        except Exception as error:
            self._error = str(error) or type(error).__name__
        finally:
            self._running.set()

    def _record(self) -> None:
        capture = _open(self._source)
        if capture is None:
            self._error = "cannot be opened"
            return
        file: _LiveFile | None = None
        try:
            last = time.monotonic()
            while not self.end.is_set():
                grabbed = capture.grab()
                taken_ns = time.monotonic_ns() - self._origin_ns
                if not grabbed:
                    if time.monotonic() - last > (SILENCE_S if self._running.is_set() else 1.0):
                        self._error = "delivers no more frames"
                        return
                    time.sleep(0.01)
                    continue
                last = time.monotonic()
                if self._running.is_set() and not self.keep.is_set():
                    continue
                good, picture = capture.retrieve()
                if not good:
                    continue
                height, width = picture.shape[:2]
                self._size = (width - width % 2, height - height % 2)
                self._running.set()
                if not self.keep.is_set():
                    continue
                if file is None:
                    file = _LiveFile(self._path, self._size, taken_ns)
                file.add(picture[: self._size[1], : self._size[0]], taken_ns)
                self._frames += 1
        finally:
            capture.release()
            if file is not None:
                file.close()


class _LiveFile:
    """A video that can be read after a crash."""

    def __init__(self, path: Path, size: tuple[int, int], start_ns: int) -> None:
        import av

        self._start_ns = start_ns
        self._last_pts = -1
        self._container = av.open(str(path), "w", format="mp4", options=CRASH_SAFE)
        self._container.metadata["comment"] = f"{START_NOTE} {start_ns}"
        stream = self._container.add_stream("libx264", rate=30, options=ENCODER)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.time_base = TIME_BASE
        stream.codec_context.time_base = TIME_BASE
        self._stream = stream

    def add(self, picture_bgr: UInt8[np.ndarray, "height width 3"], taken_ns: int) -> None:
        import av

        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture_bgr), format="bgr24")
        pts = round(Fraction(taken_ns - self._start_ns, 10**9) / TIME_BASE)
        frame.pts = self._last_pts = max(pts, self._last_pts + 1)
        frame.time_base = TIME_BASE
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()


def _open(source: str) -> cv2.VideoCapture | None:
    # OpenCV reports a device that is not there by many lines on the terminal.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    settings: list[Any] = []
    address: Any = source
    if source.isdecimal():
        address = int(source)
        backend = cv2.CAP_ANY
    else:
        backend = cv2.CAP_FFMPEG
        timeout_ms = round(1000 * OPEN_TIMEOUT_S)
        settings = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms]
        settings += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, round(1000 * SILENCE_S)]
    capture = cv2.VideoCapture(address, backend, settings)
    with contextlib.suppress(cv2.error):
        # The newest picture counts, not the oldest that waits.
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 2)
    if not capture.isOpened():
        capture.release()
        return None
    return capture
