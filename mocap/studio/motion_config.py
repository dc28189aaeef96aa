"""What a person of the studio does, as it stands in a scene file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from mocap.errors import StudioError, valid_choices

MotionKind = Literal[
    "stand_and_wave",
    "walk_on_spot",
    "walk_path",
    "squat",
    "jump",
    "reach",
    "turn",
    "cross_and_shake",
    "bvh",
]
MOTION_KINDS: tuple[str, ...] = get_args(MotionKind)

MAX_SPEED_M_S = 2.0
"""Fastest walk; faster is running, which is another movement."""


@dataclass(frozen=True)
class MotionConfig:
    """One movement and its parameters; each kind uses those named for it.

    Attributes:
        kind: the movement.
        place_m: (x, y) on the floor where it happens; of `walk_path`, what the path is relative
            to; of `cross_and_shake`, where the hands meet.
        heading_deg: where the person faces at first, from world x towards y. Of `walk_path` it
            also turns the path. The partner of `cross_and_shake` has the same place and 180 more.
        speed_m_s: of walking.
        path_m: of `walk_path`: points (x, y) after the place, x ahead and y to the left; walked
            as a smooth curve. Empty for three metres straight ahead.
        start_s: when the movement begins; before that the person stands. Of the movements that
            repeat, it also shifts the cycle.
        period_s: of `stand_and_wave` (one wave), `squat`, `jump`, `reach`, and `turn` (one
            round): how long one takes.
        size: how large the movement is: 1 is usual, 0.5 half (height of the jump, depth of the
            squat, reach of the arms, swing of the arms and lift of the knees).
        grip_height_m: of `cross_and_shake`: height of the meeting hands, the same for both.
        bvh: of `bvh`: the motion file. Its person starts at the place and faces the heading.
        bvh_start_s: of `bvh`: which time of the file is played first.
        seed: of the small differences between people and repetitions.
    """

    kind: MotionKind = "stand_and_wave"
    place_m: tuple[float, float] = (0.0, 0.0)
    heading_deg: float = 0.0
    speed_m_s: float = 1.1
    path_m: tuple[tuple[float, float], ...] = ()
    start_s: float = 0.0
    period_s: float | None = None
    size: float = 1.0
    grip_height_m: float = 1.0
    bvh: Path | None = None
    bvh_start_s: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in MOTION_KINDS:
            raise StudioError(
                f"unknown motion {self.kind!r}; motions are {valid_choices(MOTION_KINDS)}"
            )
        numbers = {
            "place_m": self.place_m,
            "heading_deg": (self.heading_deg,),
            "path_m": tuple(value for point in self.path_m for value in point),
            "start_s": (self.start_s,),
            "bvh_start_s": (self.bvh_start_s,),
        }
        for name, values in numbers.items():
            if not all(math.isfinite(value) for value in values):
                raise StudioError(f"{name} of motion {self.kind} is {values}; give finite numbers")
        if len(self.place_m) != 2 or any(len(point) != 2 for point in self.path_m):
            raise StudioError(f"place_m and points of path_m of motion {self.kind} are (x, y)")
        for name, value, low, high in (
            ("speed_m_s", self.speed_m_s, 0.2, MAX_SPEED_M_S),
            ("size", self.size, 0.1, 1.5),
            ("grip_height_m", self.grip_height_m, 0.5, 1.5),
            ("period_s", 2.0 if self.period_s is None else self.period_s, 0.3, 60.0),
        ):
            if not low <= value <= high:
                raise StudioError(
                    f"{name} of motion {self.kind} is {value}, expected {low} to {high}"
                )
        if (self.kind == "bvh") != (self.bvh is not None):
            raise StudioError(
                f"motion {self.kind} with bvh = {self.bvh}; name a file with motion 'bvh', "
                f"and only with it"
            )
