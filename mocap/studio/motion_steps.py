"""Footsteps: along a curve, on the spot, in a turn; and the course of a body that takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline

from mocap.arrays import Float
from mocap.studio.bodies import Body
from mocap.studio.motion_body import Course
from mocap.studio.motion_feet import FootShape, FootTrack, Stand

Placement = Callable[[float], tuple[float, float, float]]
"""From the way gone in metres to (x, y, yaw)."""

HALF_STANCE_M = 0.095
"""Half the distance of the ankles when standing, on a body whose legs are 0.85 m."""
TOE_OUT_RAD = 0.10
_HALF_TRACK_SHARE = 0.55
"""Feet land nearer to the middle when walking than when standing."""
_SHIFT_S = 0.35
"""Time to shift the weight before the first step."""
_USUAL_STEP_M = 0.68
_LANDING_RAD = 0.33
_LEAVING_RAD = 0.95
_LOW_LEAVING_RAD = 0.35
_DOUBLE_SHARE = 0.22
"""Share of a step in which both feet stand."""


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        side: 0 left, 1 right.
        lift_s: when the foot leaves.
        land_s: when it lands.
        way_m: the way along the path at which it lands.
        narrow: 0 at standing width, 1 at walking width.
        lift_m: extra height of the swing.
    """

    side: int
    lift_s: float
    land_s: float
    way_m: float
    narrow: float = 1.0
    lift_m: float = 0.0


@dataclass(frozen=True)
class Gait:
    """Length and time of the steps of a walk.

    Attributes:
        step_m: length.
        step_s: duration.
    """

    step_m: float
    step_s: float

    @classmethod
    def of_speed(cls, speed_m_s: float, leg_m: float) -> Gait:
        """What people choose: step length and rate both grow as the root of the speed.

        Source: the walk ratio, step length over rate, is constant at about 0.42 m s for adults
        (Sekiya and Nagasaki, Gait & Posture 7, 1998); scaled to the length of the leg.
        """
        ratio = 0.40 * leg_m / 0.88
        rate = float(np.sqrt(speed_m_s / ratio))
        return cls(speed_m_s / rate, 1.0 / rate)


def walk_steps(
    length_m: float, gait: Gait, start_s: float, first_side: int = 0
) -> tuple[list[Step], float]:
    """The steps of a walk from standing to standing.

    Returns:
        The steps, the last one closing, and the time when the last foot lands.
    """
    count = max(1, round(length_m / gait.step_m))
    step_m = length_m / count
    swing = gait.step_s * (1 - _DOUBLE_SHARE)
    steps: list[Step] = []
    lift = start_s + _SHIFT_S
    for k in range(1, count + 2):
        narrow = 1.0 if k < count else 0.0
        side = (first_side + k - 1) % 2
        steps.append(Step(side, lift, lift + swing, step_m * min(k, count), narrow))
        lift += gait.step_s
    return steps, steps[-1].land_s


def steps_course(
    body: Body,
    placement: Placement,
    steps: Sequence[Step],
    swing: float = 1.0,
    settle_s: float = 0.35,
) -> Course:
    """The course of a body which takes these steps, standing before and after.

    Args:
        body: whose feet.
        placement: the path.
        steps: in order of time; a foot stands before its first and after its last one.
        swing: how much the arms swing.
        settle_s: how long the hips move on after the last landing.
    """
    shapes = (FootShape(body, 0), FootShape(body, 1))
    half = half_stance(body)
    # Per foot: way, lateral distance and the step which brought it there.
    at: list[list[tuple[float, float, Step | None]]] = [[(0.0, half, None)], [(0.0, half, None)]]
    for step in steps:
        lateral = half * (1 - step.narrow * (1 - _HALF_TRACK_SHARE))
        at[step.side].append((step.way_m, lateral, step))
    tracks = []
    for i in range(2):
        stands = []
        for k, (way, lateral, step) in enumerate(at[i]):
            after = at[i][k + 1] if k + 1 < len(at[i]) else None
            x, y, yaw = placement(way)
            sign = (1.0, -1.0)[i]
            place = (x - sign * lateral * np.sin(yaw), y + sign * lateral * np.cos(yaw))
            before = at[i][k - 1][0] if k else way
            gone = min(abs(way - before) / (2 * _USUAL_STEP_M), 1.0)
            going = 0.0 if after is None else min(abs(after[0] - way) / (2 * _USUAL_STEP_M), 1.0)
            stands.append(
                Stand(
                    begin_s=-np.inf if step is None else step.land_s,
                    end_s=np.inf if after is None or after[2] is None else after[2].lift_s,
                    place_m=place,
                    yaw_rad=yaw + sign * TOE_OUT_RAD,
                    landing_rad=_LANDING_RAD * gone if gone > 0.15 else -0.25,
                    leaving_rad=0.0
                    if after is None
                    else _LOW_LEAVING_RAD + (_LEAVING_RAD - _LOW_LEAVING_RAD) * going,
                    lift_m=0.0 if after is None or after[2] is None else after[2].lift_m,
                )
            )
        tracks.append(FootTrack(shapes[i], stands))
    knots, places, yaws = _hips(placement, steps, settle_s)
    return Course((tracks[0], tracks[1]), knots, places, np.unwrap(yaws), swing=swing)


def _hips(
    placement: Placement, steps: Sequence[Step], settle_s: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Knots of the hips: midway between the feet in the middle of each double support."""
    ways = [0.0, 0.0]
    times = [steps[0].lift_s - _SHIFT_S] if steps else [0.0]
    gone = [0.0]
    for k, step in enumerate(steps):
        ways[step.side] = step.way_m
        follow = steps[k + 1].lift_s if k + 1 < len(steps) else np.inf
        pause = follow - step.land_s
        if pause > 2 * settle_s:
            times += [step.land_s + settle_s]
            gone += [sum(ways) / 2]
            if np.isfinite(follow):
                times += [follow - _SHIFT_S]
                gone += [sum(ways) / 2]
        else:
            times.append(step.land_s + pause / 2)
            gone.append(sum(ways) / 2)
    rows = np.array([placement(way) for way in gone])
    return np.array(times), rows[:, :2], rows[:, 2]


def half_stance(body: Body) -> float:
    """Half the distance of the ankles of a standing body."""
    leg = body.rest_heads_m[body.bone("upperleg01.L"), 2]
    return HALF_STANCE_M * float(leg) / 0.9


def standing_course(
    body: Body, place_m: Sequence[float], yaw_rad: float, width: float = 1.0
) -> Course:
    """The course of a body which stands.

    Args:
        body: whose feet.
        place_m: (x, y) of the middle between the feet.
        yaw_rad: where it faces.
        width: of the stance, as a multiple of the usual one.
    """
    half = half_stance(body) * width
    tracks = []
    for i, sign in enumerate((1.0, -1.0)):
        place = (
            place_m[0] - sign * half * np.sin(yaw_rad),
            place_m[1] + sign * half * np.cos(yaw_rad),
        )
        stand = Stand(-np.inf, np.inf, place, yaw_rad + sign * TOE_OUT_RAD * (1 + width) / 2)
        tracks.append(FootTrack(FootShape(body, i), [stand]))
    return Course(
        (tracks[0], tracks[1]), np.zeros(1), np.array([place_m], float), np.array([yaw_rad])
    )


class SmoothPath:
    """A smooth curve through points on the floor, by the way along it.

    Attributes:
        length_m: its length.

    Args:
        points_m: at least two different points, the first the start.
        yaw_rad: direction at the start; free when None.
    """

    def __init__(
        self, points_m: Float[np.ndarray, "points 2"], yaw_rad: float | None = None
    ) -> None:
        chord = np.linalg.norm(np.diff(points_m, axis=0), axis=1)
        knots = np.concatenate([[0.0], np.cumsum(chord)])
        begin = (
            (2, np.zeros(2))
            if yaw_rad is None
            else (1, np.array([np.cos(yaw_rad), np.sin(yaw_rad)]))
        )
        ends: Any = (begin, (2, np.zeros(2)))
        curve = CubicSpline(knots, points_m, bc_type=ends)
        fine = np.linspace(0.0, knots[-1], 400)
        self._points = curve(fine)
        steps = np.linalg.norm(np.diff(self._points, axis=0), axis=1)
        self._way = np.concatenate([[0.0], np.cumsum(steps)])
        slope = curve(fine, 1)
        self._yaw = np.unwrap(np.arctan2(slope[:, 1], slope[:, 0]))
        self.length_m = float(self._way[-1])

    def __call__(self, way_m: float) -> tuple[float, float, float]:
        """(x, y, yaw) after a way in metres."""
        x, y = (float(np.interp(way_m, self._way, self._points[:, k])) for k in range(2))
        return x, y, float(np.interp(way_m, self._way, self._yaw))
