"""Video files as frame sources, and the checks that find a bad file before any work is done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from capture.frames import Frame
from mocap.errors import VideoError, valid_choices

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

Pace = Literal["fast", "realtime"]
PACES: tuple[Pace, ...] = ("fast", "realtime")
VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".avi", ".m4v", ".webm", ".mts", ".ts")


@dataclass(frozen=True)
class VideoInfo:
    """What a look through a video's packets tells, without decoding them.

    Attributes:
        path: the file.
        size: width and height of the upright image, in pixels.
        frames: number of frames in the file.
        duration_s: from the first to the last frame, plus one frame.
        rate_hz: median frame rate.
    """

    path: Path
    size: tuple[int, int]
    frames: int
    duration_s: float
    rate_hz: float


def _open(path: Path) -> tuple[InputContainer, VideoStream]:
    import av

    if not path.exists():
        raise VideoError(f"video {path} does not exist; check the path")
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise VideoError(
            f"video {path} cannot be opened ({_reason(error)}); it is truncated or not a video: "
            f"copy or record it again"
        ) from error
    if not container.streams.video:
        container.close()
        raise VideoError(f"{path} has no video stream; is it a sound file?")
    return container, container.streams.video[0]


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)


def _quarter_turns(rotation_degrees: float) -> int:
    return round(rotation_degrees / 90) % 4


def probe_video(path: Path) -> VideoInfo:
    """Reads a video's packets and first frame.

    Raises:
        VideoError: it cannot be opened, holds no frame, or ends before its header says.
    """
    import av

    container, stream = _open(path)
    with container:
        expected = stream.frames
        times: list[int] = []
        try:
            for packet in container.demux(stream):
                if packet.pts is not None and packet.size:
                    times.append(packet.pts)
            container.seek(0)
            first = next(container.decode(stream))
        except (av.FFmpegError, StopIteration) as error:
            raise VideoError(
                f"video {path} cannot be decoded ({_reason(error) or 'no frame'}); it is truncated "
                f"or damaged: copy or record it again"
            ) from error
        if len(times) < expected:
            raise VideoError(
                f"video {path} is truncated: its header says {expected} frames, it holds "
                f"{len(times)}; copy it again, or leave this camera out with --cameras"
            )
        base = float(stream.time_base or Fraction(1, 90_000))
        steps = np.diff(np.sort(np.array(times))) * base
        steps = steps[steps > 0]
        step = float(np.median(steps)) if len(steps) else 1.0 / float(stream.average_rate or 30)
        height, width = first.height, first.width
        if _quarter_turns(first.rotation) % 2:
            width, height = height, width
        span = (max(times) - min(times)) * base
    return VideoInfo(path, (width, height), len(times), span + step, 1.0 / step)


class VideoSource:
    """The frames of a video file, upright, with their presentation times.

    Args:
        path: the file.
        pace: "fast" yields frames as quickly as they are consumed, and every one of them.
            "realtime" yields each at its time, as a camera would, and leaves out those which the
            consumer was too slow for.
        start_frame: the first frame to yield.
        end_frame: one past the last frame to yield; None for all.

    Raises:
        VideoError: the file cannot be opened.
    """

    def __init__(
        self, path: Path, pace: Pace = "fast", start_frame: int = 0, end_frame: int | None = None
    ) -> None:
        if pace not in PACES:
            raise VideoError(f"unknown pace {pace!r}; valid are {valid_choices(PACES)}")
        self.path = path
        self._pace = pace
        self._start = start_frame
        self._end = end_frame
        self._info = probe_video(path)
        self._container, self._stream = _open(path)
        self._stream.thread_type = "AUTO"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the images, in pixels."""
        return self._info.size

    @property
    def rate_hz(self) -> float:
        """Median frame rate."""
        return self._info.rate_hz

    @property
    def frame_count(self) -> int:
        """How many frames will be yielded at the pace "fast"."""
        end = self._info.frames if self._end is None else min(self._end, self._info.frames)
        return max(0, end - self._start)

    def __iter__(self) -> Iterator[Frame]:
        """Yields the frames; the time of the file's first frame is 0.

        Raises:
            VideoError: a frame cannot be decoded, or the file ends early.
        """
        import av

        base = Fraction(self._stream.time_base or Fraction(1, 90_000))
        first_pts: int | None = None
        started_ns: int | None = None
        index = -1
        decoded = self._container.decode(self._stream)
        while True:
            try:
                picture = next(decoded)
            except StopIteration:
                break
            except av.FFmpegError as error:
                raise VideoError(
                    f"video {self.path} is damaged after frame {index} ({_reason(error)}); copy "
                    f"it again, or leave this camera out with --cameras"
                ) from error
            index += 1
            if self._end is not None and index >= self._end:
                return
            pts = picture.pts if picture.pts is not None else 0
            if first_pts is None:
                first_pts = pts
            time_ns = int((pts - first_pts) * base * 1_000_000_000)
            if index < self._start:
                continue
            if started_ns is None:
                started_ns = time.monotonic_ns() - time_ns
            if self._pace == "realtime":
                wait_ns = started_ns + time_ns - time.monotonic_ns()
                if wait_ns > 0:
                    time.sleep(wait_ns * 1e-9)
                elif -wait_ns * 1e-9 > 1.0 / self._info.rate_hz:
                    continue
            yield Frame(index, time_ns, _upright(picture))
        if index + 1 < self._info.frames and self._pace == "fast":
            raise VideoError(
                f"video {self.path} ends after {index + 1} of {self._info.frames} frames: its "
                f"data is damaged; copy it again, or leave this camera out with --cameras"
            )

    def close(self) -> None:
        """Closes the file."""
        self._container.close()


def _upright(picture: Any) -> np.ndarray:
    image = picture.to_ndarray(format="rgb24")
    turns = _quarter_turns(picture.rotation)
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image
