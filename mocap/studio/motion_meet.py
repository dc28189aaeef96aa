"""Two people who come towards each other, shake hands, and pass.

Each person knows only the place where the hands meet and the own heading. The partner does the
same turned by half a circle, so both right hands come to the same place at the same time.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mocap.studio.bodies import Body
from mocap.studio.inverse_kinematics import turn, unit
from mocap.studio.motion_body import BodyMotion, ease
from mocap.studio.motion_config import MotionConfig
from mocap.studio.motion_steps import Gait, SmoothPath, Step, steps_course, walk_steps
from mocap.studio.posing import Poser, PoseTargets, ReachingArm, Y, Z

_STOP_M = 0.44
"""From the middle of the standing feet to the meeting hands."""
_APPROACH_M, _DEPART_M = 1.6, 1.9
_PASS_M = 0.42
"""How far each keeps to the left when they pass."""
_REACH_S, _SHAKE_S, _RETURN_S = 0.75, 1.5, 0.7
_SHAKE_HZ, _SHAKE_M = 1.9, 0.028
_GRIP_SHARE = 0.12
_PALM_M = 0.024
"""From the wrist to the place of the grip: along the hand (in arm lengths), and into the palm."""


def cross_and_shake(config: MotionConfig, body: Body, duration_s: float) -> BodyMotion:
    """Walks up to the meeting place, shakes hands and walks past.

    The partner has the same place, speed, start and grip height, and a heading 180 degrees away.
    All times are those of a walk of a leg of 0.85 m, so that people of different size meet.
    """
    poser = Poser(body)
    yaw = np.deg2rad(config.heading_deg)
    heading = turn(Z, yaw)
    meeting = np.array([*config.place_m, config.grip_height_m])

    def world(points: list[tuple[float, float]]) -> np.ndarray:
        return (np.array([(x, y, 0.0) for x, y in points]) @ heading.T)[:, :2] + meeting[:2]

    start, stop = -_STOP_M - _APPROACH_M, -_STOP_M
    coming = SmoothPath(world([(start, 0.0), (stop, 0.0)]), yaw)
    going = SmoothPath(
        world(
            [(stop, 0.0), (-0.08, 0.8 * _PASS_M), (0.45, _PASS_M), (_DEPART_M - _STOP_M, _PASS_M)]
        )
    )
    gait = Gait.of_speed(config.speed_m_s, 0.85)
    steps, arrived = walk_steps(coming.length_m, gait, config.start_s)
    reach_at = arrived + 0.15
    shake_at = reach_at + _REACH_S
    release_at = shake_at + _SHAKE_S
    leave_at = release_at + 0.5 * _RETURN_S
    first = 0
    away, _ = walk_steps(going.length_m, gait, leave_at, first_side=first)
    steps = [
        *steps,
        *(
            Step(s.side, s.lift_s, s.land_s, s.way_m + coming.length_m, s.narrow, s.lift_m)
            for s in away
        ),
    ]

    def placement(way: float) -> tuple[float, float, float]:
        if way <= coming.length_m + 1e-9:
            return coming(way)
        return going(way - coming.length_m)

    course = steps_course(body, placement, steps, swing=config.size)

    def adjust(time_s: float, targets: PoseTargets) -> PoseTargets:
        out = ease((time_s - reach_at) / _REACH_S)
        share = out * (1 - ease((time_s - release_at) / _RETURN_S))
        if share <= 0:
            return targets
        shaking = ease((time_s - shake_at) / 0.2) * (1 - ease((time_s - release_at + 0.2) / 0.2))
        up = _SHAKE_M * shaking * np.sin(2 * np.pi * _SHAKE_HZ * (time_s - shake_at))
        # The hands cross at a small angle, as two right hands do.
        along = unit(heading @ np.array([1.0, 0.12, 0.06]))
        palm = unit(heading @ np.array([0.12, 1.0, 0.0]))
        grip = meeting + up * Z
        wrist = grip - _GRIP_SHARE * poser.arm_m * along - _PALM_M * palm
        arm = ReachingArm(
            wrist_m=wrist,
            elbow_direction=unit(heading @ np.array([-0.4, -0.35, -1.0])),
            hand_direction=along,
            palm_direction=palm,
            share=share,
        )
        grasp = ease((time_s - shake_at + 0.15) / 0.2) * (1 - ease((time_s - release_at) / 0.2))
        return replace(
            targets,
            reach=(None, arm),
            curl=(targets.curl[0], 0.15 + 0.45 * grasp),
            chest_rotvec=targets.chest_rotvec + share * (0.05 * Y + 0.15 * Z),
            head_rotvec=targets.head_rotvec - share * 0.12 * Z,
        )

    return BodyMotion(poser, course, duration_s, adjust, config.seed)
