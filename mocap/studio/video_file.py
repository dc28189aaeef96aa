"""Video files as a camera writes them: H.264 in MP4, each frame with its time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType

import numpy as np

from mocap.arrays import UInt8
from mocap.errors import OutputError

TIME_BASE = Fraction(1, 90_000)
# Without B-frames, as encoders in cameras work; one thread, so that the file is always the same.
X264_OPTIONS = {"preset": "veryfast", "crf": "19", "bf": "0", "threads": "1"}
GOP_S = 1.0


class VideoFile:
    """Writes one video; the file appears when it is complete.

    Args:
        path: the file to make.
        size: width and height in pixels, both even.
        rate_hz: usual frame rate.
    """

    def __init__(self, path: Path, size: tuple[int, int], rate_hz: float) -> None:
        import av

        self._path = path
        self._part = path.with_name(f".{path.name}.part")
        try:
            self._container = av.open(
                str(self._part), "w", format="mp4", options={"movflags": "faststart"}
            )
        except OSError as error:
            raise self._error(error) from error
        rate = Fraction(rate_hz).limit_denominator(1001)
        stream = self._container.add_stream("libx264", rate=rate, options=X264_OPTIONS)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.gop_size = max(1, round(GOP_S * rate_hz))
        stream.time_base = TIME_BASE
        stream.codec_context.time_base = TIME_BASE
        self._stream = stream

    def add(self, picture: UInt8[np.ndarray, "height width 3"], stamp_s: float) -> None:
        """Adds a picture in RGB with its time on the camera's clock."""
        import av

        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = round(stamp_s / TIME_BASE)
        frame.time_base = TIME_BASE
        try:
            self._container.mux(self._stream.encode(frame))
        except OSError as error:
            raise self._error(error) from error

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if exc_type is None:
                self._container.mux(self._stream.encode(None))
            self._container.close()
            if exc_type is None:
                self._part.replace(self._path)
        except OSError as error:
            raise self._error(error) from error
        finally:
            self._part.unlink(missing_ok=True)

    def _error(self, error: OSError) -> OutputError:
        return OutputError(
            f"cannot write the video {self._path}: {error.strerror or error}; is the disk full? "
            f"choose another place"
        )
