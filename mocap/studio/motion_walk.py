"""Movements made of steps: along a path, on the spot, turning round."""

from __future__ import annotations

import numpy as np

from mocap.errors import StudioError
from mocap.studio.bodies import Body
from mocap.studio.motion_body import LEAD_S, BodyMotion
from mocap.studio.motion_config import MotionConfig
from mocap.studio.motion_steps import Gait, SmoothPath, Step, steps_course, walk_steps
from mocap.studio.posing import Poser

_STRAIGHT_M = 3.0
_SPOT_STEP_S = 0.55
_SPOT_LIFT_M = 0.13
_TURN_STEP_RAD = 0.5
_TURN_STEP_S = 0.5
_SHORTEST_M = 0.3


def path_points(config: MotionConfig) -> np.ndarray:
    """World points of the path of `walk_path`, the place first.

    Raises:
        StudioError: it is too short to walk.
    """
    local = np.array([(0.0, 0.0), *(config.path_m or ((_STRAIGHT_M, 0.0),))])
    gaps = np.linalg.norm(np.diff(local, axis=0), axis=1)
    if gaps.min() < 0.05 or gaps.sum() < _SHORTEST_M:
        raise StudioError(
            f"path_m {config.path_m} has points closer than 0.05 m, or is shorter than "
            f"{_SHORTEST_M} m; give points further apart"
        )
    angle = np.deg2rad(config.heading_deg)
    turned = local @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return turned + np.array(config.place_m)


def walk_path(config: MotionConfig, body: Body, duration_s: float) -> BodyMotion:
    """Walks along a path, stands at its end."""
    poser = Poser(body)
    path = SmoothPath(path_points(config))
    gait = Gait.of_speed(config.speed_m_s, poser.leg_m)
    steps, _ = walk_steps(path.length_m, gait, config.start_s, first_side=config.seed % 2)
    course = steps_course(body, path, steps, swing=config.size)
    return BodyMotion(poser, course, duration_s, seed=config.seed)


def walk_on_spot(config: MotionConfig, body: Body, duration_s: float) -> BodyMotion:
    """Walks without moving on, lifting the knees, to the end of the clip."""
    yaw = np.deg2rad(config.heading_deg)
    x, y = config.place_m
    step_s = _SPOT_STEP_S if config.period_s is None else config.period_s / 2
    steps: list[Step] = []
    time = config.start_s + 0.35
    lift = _SPOT_LIFT_M * config.size
    while time < duration_s + LEAD_S:
        side = (config.seed + len(steps)) % 2
        steps.append(Step(side, time, time + 0.78 * step_s, 0.0, 0.4, lift))
        time += step_s
    course = steps_course(body, lambda _way: (x, y, float(yaw)), steps, swing=config.size)
    return BodyMotion(Poser(body), course, duration_s, seed=config.seed)


def turn_motion(config: MotionConfig, body: Body, duration_s: float) -> BodyMotion:
    """Turns round on the spot with small steps, to the left or (odd seed) to the right.

    The way of its "path" is the angle turned.
    """
    x, y = config.place_m
    start = np.deg2rad(config.heading_deg)
    sense = -1.0 if config.seed % 2 else 1.0
    step_s = _TURN_STEP_S
    angle = _TURN_STEP_RAD
    if config.period_s is not None:
        angle = min(2 * np.pi * 2 * step_s / config.period_s / 2, 0.8)
    # The foot on the inside of the turn goes first.
    first = 0 if sense > 0 else 1
    steps: list[Step] = []
    time, turned = config.start_s + 0.35, 0.0
    while time < duration_s + LEAD_S:
        turned += angle
        side = (first + len(steps)) % 2
        steps.append(Step(side, time, time + 0.75 * step_s, turned, 0.0, 0.025))
        time += step_s
    course = steps_course(
        body, lambda way: (x, y, float(start + sense * way)), steps, swing=0.5 * config.size
    )
    return BodyMotion(Poser(body), course, duration_s, seed=config.seed)
