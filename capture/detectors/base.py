"""What a 2D detector is, whatever runs inside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from capture.frames import Frame
from mocap.arrays import Float
from mocap.model import Detections, Skeleton


class Detector(Protocol):
    """Finds people and their keypoints in images.

    One detector may serve several cameras, so that a GPU sees one batch. What it remembers from
    frame to frame belongs to one camera's stream and is kept apart by the stream's name. Any
    number of people per image may be delivered; what is missing is NaN with confidence 0.
    """

    @property
    def skeleton(self) -> Skeleton:
        """The keypoints it finds, in the order of its output."""
        ...

    def prepare(self, stream: str, size: tuple[int, int]) -> None:
        """Gets ready for a stream, so that its first frame does not wait for models to be loaded.

        Args:
            stream: name of the stream (camera).
            size: width and height of its images.
        """
        ...

    def detect(self, frames: Sequence[tuple[str, Frame]]) -> list[Detections]:
        """Finds the people in one frame of each of several streams.

        Args:
            frames: stream (camera) name and frame; the frames of one stream come in order.

        Returns:
            The people of each frame, in pixels of the frame's own image.
        """
        ...

    def close(self) -> None:
        """Releases models and devices."""
        ...


@runtime_checkable
class HintedDetector(Protocol):
    """A detector that can also be told where to look; see `mocap.model.messages.RegionHints`."""

    def suggest(self, stream: str, regions: Float[np.ndarray, "regions 4"]) -> None:
        """Says where people may be in the next frame of a stream.

        They are people whom other views show, and this one did not show lately. There may be
        nobody: they may be hidden.

        Args:
            stream: name of the stream (camera).
            regions: x and y of the middle of the hips and the side of the square around the body,
                in pixels, and the angle of the body against upright, clockwise, in radians.
        """
        ...
