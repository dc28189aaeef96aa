"""Frames and where they come from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mocap.arrays import UInt8


@dataclass(frozen=True)
class Frame:
    """One image of one camera.

    Attributes:
        index: the camera's own frame count, from 0.
        time_ns: capture time on the session clock, in nanoseconds.
        image_rgb: the image, upright, red first.
    """

    index: int
    time_ns: int
    image_rgb: UInt8[np.ndarray, "height width 3"]


class FrameSource(Protocol):
    """Delivers the frames of one camera, in order of time.

    Iterating yields frames until the source ends. `close` may be called at any time and more
    than once.
    """

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the images, in pixels."""
        ...

    @property
    def frame_count(self) -> int | None:
        """How many frames there will be, None when nobody knows."""
        ...

    def __iter__(self) -> Iterator[Frame]:
        """Yields the frames."""
        ...

    def close(self) -> None:
        """Releases the camera or file."""
        ...
