"""Which instants a camera films, and what its clock says of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float, Int
from mocap.studio.randomness import random_stream
from mocap.studio.rigs import RigConfig


@dataclass(frozen=True)
class CaptureTimes:
    """The frames of one camera that arrived.

    Attributes:
        number: the camera's own count of the frame; a gap where frames were dropped.
        stamp_s: time of the frame on the camera's clock, which starts at 0.
        world_s: when that was on the scene's clock.
    """

    number: Int[np.ndarray, " frames"]
    stamp_s: Float[np.ndarray, " frames"]
    world_s: Float[np.ndarray, " frames"]

    def __len__(self) -> int:
        return len(self.number)


def capture_times(config: RigConfig, camera: int, duration_s: float, seed: int) -> CaptureTimes:
    """The frames of a camera of the rig.

    An event at time t of the scene is shown by a camera's clock as t (1 + drift) + offset. All
    cameras start when their own clock shows 0, and stamp their frames at multiples of 1 / fps.

    Args:
        config: the rig.
        camera: index of the camera.
        duration_s: how long the camera films.
        seed: of the dropped frames.
    """
    count = max(1, round(duration_s * config.fps))
    number = np.arange(count)
    random = random_stream(seed, "dropped frames", camera)
    arrived = random.random(count) >= config.dropped_share
    arrived[0] = True
    number = number[arrived]
    stamp_s = number / config.fps
    world_s = (stamp_s - config.offset_of(camera)) / config.clock_rate_of(camera)
    return CaptureTimes(number, stamp_s, world_s)
