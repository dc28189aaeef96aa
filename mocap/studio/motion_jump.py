"""Jumping: crouch, push off, fly as a stone does, land and rise."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace

import numpy as np

from mocap.studio.bodies import Body
from mocap.studio.motion_body import (
    CROUCH_M,
    LEAD_S,
    STRETCH,
    BodyMotion,
    ease,
    pelvis_pitched,
    with_arm,
)
from mocap.studio.motion_config import MotionConfig
from mocap.studio.motion_feet import FootTrack
from mocap.studio.motion_steps import standing_course
from mocap.studio.posing import HangingArm, Poser, PoseTargets

GRAVITY_M_S2 = 9.81
_HEIGHT_M = 0.27
"""Rise of the hips from leaving the floor to the top, of a usual jump."""
_CROUCH_SHARE, _ABSORB_SHARE = 0.27, 0.17
"""Depth of the hips before and after, in leg lengths."""
_CROUCH_S, _RISE_S = 0.55, 0.65
_LEAVING_RAD, _LANDING_RAD = 0.85, -0.45
_TUCK_M = 0.03
_LEAVING_STRETCH, _LANDING_STRETCH = 0.980, 0.955
_PUSH_FACTOR = 1.9
"""Duration of push and landing, over way and final speed: 2 would be an even acceleration."""
_PAUSE_S = 0.35
_TRUNK_S = 0.12
_LANDING_BEND = 0.6
_ARM_LEAD_S, _ARM_LAG_S = 0.28, 0.20
"""How long before the push the arms begin to swing up, and how long into the flight they do."""


def _quintic(
    duration: float, start: tuple[float, float, float], end: tuple[float, float, float]
) -> np.ndarray:
    """Coefficients in u of the polynomial with given values, speeds, accelerations at its ends."""
    t = duration
    rows = np.zeros((6, 6))
    for power in range(6):
        rows[0, power] = power == 0
        rows[1, power] = power == 1
        rows[2, power] = 2 * (power == 2)
        rows[3, power] = 1
        rows[4, power] = power
        rows[5, power] = power * (power - 1)
    scale = np.array([1, t, t * t])
    return np.linalg.solve(rows, np.concatenate([np.array(start) * scale, np.array(end) * scale]))


class _Jump:
    """Height of the hips in one jump, from the beginning of the crouch.

    Attributes:
        leave_s: when the feet leave the floor.
        land_s: when they touch it.
        end_s: when the body stands again.
        hop_m: height of the flight over the line between its ends.
    """

    def __init__(self, poser: Poser, ankles: tuple[float, float, float], height_m: float) -> None:
        """`ankles`: height of the ankle standing, leaving and landing."""
        leg, g = poser.leg_m, GRAVITY_M_S2
        stand = ankles[0] + STRETCH * leg - CROUCH_M
        leave = ankles[1] + _LEAVING_STRETCH * leg
        land = ankles[2] + _LANDING_STRETCH * leg
        crouch = stand - _CROUCH_SHARE * leg
        absorb = stand - _ABSORB_SHARE * leg
        up = float(np.sqrt(2 * g * height_m))
        down = float(np.sqrt(2 * g * (height_m + leave - land)))
        flight = (up + down) / g
        push = _PUSH_FACTOR * (leave - crouch) / up
        brake = _PUSH_FACTOR * (land - absorb) / down
        self.stand_m = stand
        self.crouch_m = crouch
        self._times = np.cumsum([0.0, _CROUCH_S, push, flight, brake, _RISE_S]).tolist()
        self._curves = [
            _quintic(_CROUCH_S, (stand, 0, 0), (crouch, 0, 0)),
            _quintic(push, (crouch, 0, 0), (leave, up, -g)),
            _quintic(flight, (leave, up, -g), (land, -down, -g)),
            _quintic(brake, (land, -down, -g), (absorb, 0, 0)),
            _quintic(_RISE_S, (absorb, 0, 0), (stand, 0, 0)),
        ]
        self.leave_s, self.land_s, self.end_s = self._times[2], self._times[3], self._times[5]
        self.push_s, self.brake_s = push, brake
        self.hop_m = g * flight**2 / 8

    def height(self, time_s: float) -> float:
        """Height of the hips."""
        if not 0 < time_s < self.end_s:
            return self.stand_m
        k = bisect_right(self._times, time_s) - 1
        u = (time_s - self._times[k]) / (self._times[k + 1] - self._times[k])
        return float(np.polyval(self._curves[k][::-1], u))


def jump_motion(config: MotionConfig, body: Body, duration_s: float) -> BodyMotion:
    """Jumps up again and again; the hips fly along a parabola.

    `size` scales the height, 0.27 m of the hips for 1.
    """
    poser = Poser(body)
    yaw = np.deg2rad(config.heading_deg)
    course = standing_course(body, config.place_m, yaw, width=1.25)
    shape = course.feet[0].shape
    ankles = (
        shape.ankle_height_m,
        float(shape.rolled((0.0, 0.0), 0.0, -_LEAVING_RAD).ankle[2]),
        float(shape.rolled((0.0, 0.0), 0.0, _LANDING_RAD).ankle[2]),
    )
    jump = _Jump(poser, ankles, _HEIGHT_M * config.size)
    period = max(config.period_s or 0.0, jump.end_s + (0.0 if config.period_s else _PAUSE_S))
    first = config.start_s + 0.2
    count = max(0, int(np.ceil((duration_s + LEAD_S - first) / period)))
    course = replace(
        course,
        feet=tuple(_hopping(track, jump, first, period, count) for track in course.feet),
        hips_height=lambda time_s: (
            jump.height((time_s - first) % period) if first <= time_s else jump.stand_m
        ),
    )

    def adjust(time_s: float, targets: PoseTargets) -> PoseTargets:
        t = (time_s - first) % period if time_s >= first else 0.0
        # The trunk bends more slowly than the legs, before the push and after the landing.
        bent = ease(t / _CROUCH_S) * (1 - ease((t - _CROUCH_S) / (jump.push_s + _TRUNK_S)))
        landed = t - jump.land_s
        bent += (
            _LANDING_BEND
            * ease((landed + _TRUNK_S) / (jump.brake_s + 2 * _TRUNK_S))
            * (1 - ease((landed - jump.brake_s - _TRUNK_S) / (_RISE_S - _TRUNK_S)))
        )
        swing_s = jump.push_s + _ARM_LEAD_S + _ARM_LAG_S
        up = ease((t - _CROUCH_S + _ARM_LEAD_S) / swing_s)
        back = ease(t / (_CROUCH_S - _ARM_LEAD_S / 2)) * (1 - up)
        up *= 1 - ease(
            (t - jump.leave_s - _ARM_LAG_S) / (jump.land_s - jump.leave_s + jump.brake_s)
        )
        ahead = targets.R_world_pelvis[:, 0] * [1.0, 1.0, 0.0]
        targets = pelvis_pitched(targets, 0.48 * bent)
        targets = replace(
            targets,
            hips_m=targets.hips_m - bent * 0.11 * poser.leg_m * ahead,
            chest_rotvec=targets.chest_rotvec + np.array([0.0, 0.2 * bent - 0.08 * up, 0.0]),
            head_rotvec=targets.head_rotvec - np.array([0.0, 0.5 * bent, 0.0]),
        )
        for i in range(2):
            targets = with_arm(targets, i, HangingArm(-0.6, 0.18, 0.15, 0.35, 0.5), back)
            targets = with_arm(targets, i, HangingArm(2.0, 0.15, 0.1, 0.35, 0.3), up)
        return targets

    return BodyMotion(poser, course, duration_s, adjust, config.seed)


def _hopping(track: FootTrack, jump: _Jump, first: float, period: float, count: int) -> FootTrack:
    """A standing foot which leaves the floor in every jump."""
    (stand,) = track.stands
    stands = []
    for k in range(count + 1):
        begin = -np.inf if k == 0 else first + (k - 1) * period + jump.land_s
        end = np.inf if k == count else first + k * period + jump.leave_s
        stands.append(
            replace(
                stand,
                begin_s=begin,
                end_s=end,
                landing_rad=0.0 if k == 0 else _LANDING_RAD,
                leaving_rad=0.0 if k == count else _LEAVING_RAD,
                lift_m=_TUCK_M,
                hop_m=jump.hop_m,
            )
        )
    return FootTrack(track.shape, stands)
