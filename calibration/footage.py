"""What is searched for a target: the frames of each camera, from wherever they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Picture:
    """One frame.

    Attributes:
        frame: its number in the footage, from 0.
        time_s: when it was taken by the camera's own clock.
        image: grey (rows, columns) or BGR (rows, columns, 3), 8 bits.
    """

    frame: int
    time_s: float
    image: np.ndarray


class ReadPictures(Protocol):
    """Reads frames in ascending order."""

    def __call__(self, wanted: Sequence[int] | None) -> Iterable[Picture]:
        """Gives at least the frames in `wanted` (ascending), all for None.

        It is called once for each pass through the footage. Frames that are not wanted may be
        given, too, and are left out; frames that cannot be read are not given.
        """
        ...


@dataclass(frozen=True)
class Footage:
    """What one camera filmed.

    Attributes:
        name: of the camera.
        image_size: width and height in pixels.
        frame_count: number of frames; may be a little wrong.
        nominal_fps: frames per second; None for images without times.
        read: gives the frames.
    """

    name: str
    image_size: tuple[int, int]
    frame_count: int
    nominal_fps: float | None
    read: ReadPictures


Progress = Callable[[str, int, int], None]
"""Takes a camera's name, frames done, and frames to do; called by the thread that asked."""
