"""What a video file holds, found from its packets; and the checks that find a bad file before any
work is done.

Packets tell the presentation times of all frames without decoding them. That is enough to compare
the lengths of several videos, and to notice later that the decoder lost frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mocap.arrays import Int
from mocap.errors import VideoError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

REMEDY = "copy it again, or leave this camera out with --cameras"
START_NOTE = "mocap-start-ns"
"""Word in the comment of a file, before the time of its first frame in nanoseconds."""
_MISSING_FRAMES = 2


@dataclass(frozen=True)
class VideoInfo:
    """What a look through a video's packets tells.

    Attributes:
        path: the file.
        size: width and height of the upright image, in pixels.
        frames: number of frames in the file.
        duration_s: from the first to the last frame, plus one frame.
        rate_hz: usual frame rate; gaps are left out of account.
        start_s: when the first frame was taken, on the clock shared with the other videos of the
            same recording; 0 for all files but those which `capture.live` has recorded.
    """

    path: Path
    size: tuple[int, int]
    frames: int
    duration_s: float
    rate_hz: float
    start_s: float = 0.0

    @property
    def end_s(self) -> float:
        """When the video ends on the clock of `start_s`."""
        return self.start_s + self.duration_s


@dataclass(frozen=True, eq=False)
class Timeline:
    """The presentation times of a video.

    Attributes:
        pts: of the frames that can be decoded, in units of `base_s`, strictly increasing.
        base_s: the stream's unit of time in seconds.
        stated: whether every decoded picture carries its own time. AVI knows none: there the
            pictures, which come in the right order, take the times one by one.
        start_ns: see `VideoInfo.start_s`.
    """

    pts: Int[np.ndarray, " frames"]
    base_s: Fraction
    stated: bool
    start_ns: int = 0

    def time_ns(self, pts: int) -> int:
        """Time after the start, in nanoseconds."""
        steps = pts - int(self.pts[0])
        return self.start_ns + steps * self.base_s.numerator * 10**9 // self.base_s.denominator

    @cached_property
    def times_ns(self) -> Int[np.ndarray, " frames"]:
        """`time_ns` of all frames."""
        steps = self.pts - self.pts[0]
        return self.start_ns + steps * self.base_s.numerator * 10**9 // self.base_s.denominator


def open_video(path: Path) -> tuple[InputContainer, VideoStream]:
    """Opens a file and finds its first video stream.

    Raises:
        VideoError: it does not exist, cannot be opened, or has no video stream.
    """
    import av
    from av.error import FFmpegError

    if not path.exists():
        raise VideoError(f"video {path} does not exist; check the path")
    if path.is_dir():
        raise VideoError(f"video {path} is a folder; name the file in it")
    try:
        container = av.open(str(path))
    except (FFmpegError, OSError) as error:
        raise VideoError(
            f"video {path} cannot be opened ({reason(error)}); it is truncated or not a video: "
            f"copy or record it again"
        ) from error
    if not container.streams.video:
        sound = bool(container.streams.audio)
        container.close()
        what = "is it a sound file?" if sound else "it is truncated: copy or record it again"
        raise VideoError(f"video {path} has no video stream; {what}")
    return container, container.streams.video[0]


def reason(error: BaseException) -> str:
    """FFmpeg's words for an error."""
    return str(getattr(error, "strerror", None) or error)


def quarter_turns(picture: VideoFrame) -> int:
    """Quarter turns, counter-clockwise, which bring a picture upright."""
    return round(picture.rotation / 90) % 4


def probe_video(path: Path) -> VideoInfo:
    """Reads a video's packets and first frame.

    Raises:
        VideoError: it cannot be opened, holds no frame, or ends before its header says.
    """
    return examine_video(path)[0]


def examine_video(path: Path) -> tuple[VideoInfo, Timeline]:
    """As `probe_video`, with the times of all frames.

    Raises:
        VideoError: as `probe_video`.
    """
    from av.error import FFmpegError

    container, stream = open_video(path)
    with container:
        times: list[int] = []
        packets = 0
        try:
            for packet in container.demux(stream):
                if not packet.size:
                    continue
                packets += 1
                if packet.pts is not None and not packet.is_discard:
                    times.append(packet.pts)
            expected = _expected_packets(container, stream)
            stated_end_s = _stated_end_s(stream)
            base_s = Fraction(stream.time_base or Fraction(1, 90_000))
            average_hz = float(stream.average_rate or 30)
            stated = container.format.name != "avi"
            start_ns = _start_ns(container)
        except FFmpegError as error:
            raise VideoError(f"video {path} is damaged ({reason(error)}); {REMEDY}") from error
        if packets < expected:
            raise VideoError(
                f"video {path} is truncated: its header says {expected} frames, it holds "
                f"{packets}; {REMEDY}"
            )
    # Opened anew, because not every format can be wound back.
    first = _first_picture(path)
    if not times or first.pts is None:
        raise VideoError(
            f"video {path} holds no presentation times; put it into a container that has them "
            f"(ffmpeg -i VIDEO -c copy VIDEO.mkv)"
        )
    pts = np.unique(np.array(times, np.int64))
    if stated:
        # What refers to frames before the start of the file cannot be shown.
        pts = pts[pts >= first.pts]
    step_s = _usual_step(pts) * float(base_s)
    if not step_s:
        step_s = 1.0 / average_hz
    span_s = float(int(pts[-1] - pts[0]) * base_s) + step_s
    end_s = float(int(pts[-1]) * base_s) + step_s
    if end_s < stated_end_s - _MISSING_FRAMES * step_s:
        raise VideoError(
            f"video {path} is truncated: it ends at {end_s:.2f} s, its header says "
            f"{stated_end_s:.2f} s; {REMEDY}"
        )
    width, height = first.width, first.height
    size = (height, width) if quarter_turns(first) % 2 else (width, height)
    info = VideoInfo(path, size, len(pts), span_s, 1.0 / step_s, start_ns * 1e-9)
    return info, Timeline(pts, base_s, stated, start_ns)


def _start_ns(container: InputContainer) -> int:
    """The start that `capture.live` has noted in the file; 0 where there is none."""
    word, _, number = container.metadata.get("comment", "").partition(" ")
    return int(number) if word == START_NOTE and number.isdecimal() else 0


def _first_picture(path: Path) -> VideoFrame:
    from av.error import FFmpegError

    container, stream = open_video(path)
    with container:
        try:
            return next(container.decode(stream))
        except (FFmpegError, StopIteration) as error:
            raise VideoError(
                f"video {path} cannot be decoded ({reason(error) or 'no frame'}); it is truncated "
                f"or damaged: copy or record it again"
            ) from error


def _expected_packets(container: InputContainer, stream: VideoStream) -> int:
    """How many packets there should be; 0 where the file does not say."""
    if "mp4" in container.format.name and stream.frames:
        # The header also counts frames that an edit list cuts away; the index does not.
        return len(stream.index_entries)
    return stream.frames


def _stated_end_s(stream: VideoStream) -> float:
    """Where a stream ends by the note which Matroska carries; 0 where there is none."""
    parts = stream.metadata.get("DURATION", "").split(":")
    try:
        hours, minutes, seconds = (float(part) for part in parts)
    except ValueError:
        return 0.0
    return 3600 * hours + 60 * minutes + seconds


def _usual_step(pts: np.ndarray) -> float:
    """Mean difference of times, gaps left out; times may be rounded to a coarse unit."""
    steps = np.diff(pts)
    if not len(steps):
        return 0.0
    median = np.median(steps)
    return float(steps[(steps > 0.5 * median) & (steps < 1.5 * median)].mean())
