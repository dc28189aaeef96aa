"""The cameras' own pictures of the frames of a session, read from its videos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from capture.frames import Frame
from capture.rig_videos import find_videos
from capture.video import VideoSource
from mocap.closing import Closing
from mocap.errors import VideoError
from mocap.storage.session_reader import Session


class CameraPictures(Closing):
    """Follows the videos of a session from frame to frame, forwards only.

    Args:
        session: the session.
        videos: the folder or the files it was made from.

    Raises:
        VideoError: a video is missing, or has another size than the session's rig says.
    """

    def __init__(self, session: Session, videos: Sequence[Path]) -> None:
        self._camera_frame = session.frames.camera_frame
        self._names = session.rig.names
        self._sources: dict[str, VideoSource] = {}
        self._current: dict[str, Frame] = {}
        for name, path in find_videos(list(videos), self._names).items():
            self._sources[name] = VideoSource(path)
            size, expected = self._sources[name].size, session.rig[name].intrinsics.size
            if size != expected:
                raise VideoError(
                    f"video {path} is {size[0]}x{size[1]}, but the session was made from "
                    f"{expected[0]}x{expected[1]}; name the videos it was made from"
                )
        self._frames: dict[str, Iterator[Frame]] = {n: iter(s) for n, s in self._sources.items()}

    def at(self, position: int) -> dict[str, np.ndarray]:
        """The pictures, RGB by camera name, of a frame of the session.

        Args:
            position: in the table of frames, not smaller than in the call before.
        """
        found: dict[str, np.ndarray] = {}
        for camera, name in enumerate(self._names):
            wanted = int(self._camera_frame[position, camera])
            if wanted < 0:
                continue
            while name not in self._current or self._current[name].index < wanted:
                frame = next(self._frames[name], None)
                if frame is None:
                    break
                self._current[name] = frame
            if name in self._current and self._current[name].index == wanted:
                found[name] = self._current[name].image_rgb
        return found

    def close(self) -> None:
        """Closes the videos."""
        for source in self._sources.values():
            source.close()
