"""Video files as frame sources."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from capture.frames import Frame
from capture.pacing import Pacer
from capture.video_probe import REMEDY, examine_video, open_video, quarter_turns, reason
from mocap.errors import VideoError, valid_choices

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_log = logging.getLogger(__name__)

Pace = Literal["fast", "realtime"]
PACES: tuple[Pace, ...] = ("fast", "realtime")

_HIDDEN_PACKETS = 1
"""Packets without a picture of their own between two pictures. Some codecs have such packets;
more than this are lost pictures."""


@dataclass(frozen=True)
class FrameMark:
    """A frame of one camera.

    Attributes:
        index: the camera's own frame count, from 0.
        time_ns: capture time on the session clock, in nanoseconds.
    """

    index: int
    time_ns: int


class VideoSource:
    """The frames of a video file, upright, with their presentation times.

    Args:
        path: the file.
        pace: "fast" yields frames as quickly as they are consumed, and every one of them.
            "realtime" yields each at its time, as a camera would, and leaves out frames when the
            consumer is too slow for all; see `capture.pacing`.
        after: yield only the frames after this one, which an earlier source of the same file
            yielded.
        end_ns: yield only the frames before this time; None for all.

    Raises:
        VideoError: the file cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        pace: Pace = "fast",
        *,
        after: FrameMark | None = None,
        end_ns: int | None = None,
    ) -> None:
        if pace not in PACES:
            raise VideoError(f"unknown pace {pace!r}; valid are {valid_choices(PACES)}")
        self.path = path
        self._pace = pace
        self._after = after
        self._end_ns = end_ns
        self._origin_ns: int | None = None
        self._info, self._timeline = examine_video(path)
        self._pacer = Pacer(1.0 / self._info.rate_hz)
        self._closed = False
        self._open()

    def _open(self) -> None:
        self._container, self._stream = open_video(self.path)
        self._stream.thread_type = "AUTO"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the images, in pixels."""
        return self._info.size

    @property
    def rate_hz(self) -> float:
        """Usual frame rate."""
        return self._info.rate_hz

    @property
    def frame_count(self) -> int:
        """How many frames will be yielded at the pace "fast"."""
        times_ns = self._timeline.times_ns
        wanted = np.ones(len(times_ns), bool)
        if self._end_ns is not None:
            wanted &= times_ns < self._end_ns
        if self._after is not None:
            wanted &= times_ns > self._after.time_ns
        return int(wanted.sum())

    def start_at(self, monotonic_ns: int) -> None:
        """Says when the frame of time 0 is due, at the pace "realtime".

        Several sources are in step when they are told the same. Without it, the first frame that
        is yielded is due at once.

        Args:
            monotonic_ns: on the clock of `time.monotonic_ns`.
        """
        self._origin_ns = monotonic_ns

    def __iter__(self) -> Iterator[Frame]:
        """Yields the frames; the time of the first is `VideoInfo.start_s`, for most files 0.

        Raises:
            VideoError: a frame cannot be decoded, or the file ends early.
        """
        for index, time_ns, picture in self._pictures():
            if self._end_ns is not None and time_ns >= self._end_ns:
                return
            if self._pace == "realtime" and not self._in_time(time_ns):
                continue
            yield Frame(index, time_ns, _upright(picture))
            if self._closed:
                return

    def grey(self, wanted: Sequence[int] | None = None) -> Iterator[tuple[int, float, np.ndarray]]:
        """Yields index, time in seconds and grey image of some frames, whatever the pace.

        Args:
            wanted: their indices, ascending; None for all. Reading ends after the last of them.

        Raises:
            VideoError: as iterating.
        """
        chosen = None if wanted is None else set(wanted)
        last = None if wanted is None else max(wanted, default=-1)
        for index, time_ns, picture in self._pictures():
            if last is not None and index > last:
                return
            if chosen is None or index in chosen:
                yield index, time_ns * 1e-9, _upright(picture, "gray")

    def _in_time(self, time_ns: int) -> bool:
        """Waits until a frame is due; False when it is to be left out."""
        if self._origin_ns is None:
            self._origin_ns = time.monotonic_ns() - time_ns
        early_s = (self._origin_ns + time_ns - time.monotonic_ns()) * 1e-9
        if not self._pacer.keeps(round(time_ns * 1e-9 * self._info.rate_hz), early_s):
            return False
        if early_s > 0:
            time.sleep(early_s)
        return True

    def _pictures(self) -> Iterator[tuple[int, int, VideoFrame]]:
        """Index, time and picture of each frame; all that should be there, or an error."""
        from av.error import FFmpegError

        timeline, after = self._timeline, self._after
        position: int | None = None if self._sought() else -1
        index = -1
        decoded = self._container.decode(self._stream)
        while not self._closed:
            try:
                picture = next(decoded)
            except StopIteration:
                break
            except FFmpegError as error:
                raise self._damaged(index, reason(error)) from error
            here = self._position(picture, position)
            if here is None:
                raise self._damaged(index, "frames are missing or in disorder")
            if picture.is_corrupt:
                raise self._damaged(index, "the next frame is corrupt")
            position = here
            time_ns = timeline.time_ns(int(timeline.pts[here]))
            if after is not None and time_ns <= after.time_ns:
                index = after.index
                continue
            index += 1
            yield index, time_ns, picture
        missing = len(timeline.pts) - 1 - (-1 if position is None else position)
        if missing > _HIDDEN_PACKETS and not self._closed:
            raise self._damaged(index, f"the last {missing} of {len(timeline.pts)} are missing")

    def _position(self, picture: VideoFrame, last: int | None) -> int | None:
        """Position of a picture in the timeline, given that of the one before (None if unknown).

        Returns:
            None if it does not follow the one before.
        """
        pts = self._timeline.pts
        if not self._timeline.stated:
            here = 0 if last is None else last + 1
            return here if here < len(pts) else None
        if picture.pts is None:
            return None
        here = int(np.searchsorted(pts, picture.pts))
        if here >= len(pts) or pts[here] != picture.pts:
            return None
        return here if last is None or 0 <= here - last - 1 <= _HIDDEN_PACKETS else None

    def _sought(self) -> bool:
        """Goes to a key frame before the first frame to yield, where that is possible."""
        from av.error import FFmpegError

        if self._after is None or not self._timeline.stated:
            return False
        following = np.searchsorted(self._timeline.times_ns, self._after.time_ns, "right")
        target = int(self._timeline.pts[max(0, following - 1)])
        try:
            self._container.seek(target, stream=self._stream)
            first = next(self._container.decode(self._stream))
            if first.pts is not None and first.pts <= target:
                self._container.seek(target, stream=self._stream)
                return True
        except (FFmpegError, StopIteration):
            _log.debug("video %s cannot be sought in; it is read from its start", self.path)
        self._container.close()
        self._open()
        return False

    def _damaged(self, index: int, why: str) -> VideoError:
        where = f"after frame {index}" if index >= 0 else "at its start"
        return VideoError(f"video {self.path} is damaged {where} ({why}); {REMEDY}")

    def close(self) -> None:
        """Closes the file and ends the iteration."""
        self._closed = True
        self._container.close()


def _upright(picture: VideoFrame, pixels: str = "rgb24") -> np.ndarray:
    image = picture.to_ndarray(format=pixels)
    turns = quarter_turns(picture)
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image
