"""A whole body over time: hips carried by the feet, swinging arms, and what a movement adds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.ndimage import gaussian_filter1d, minimum_filter1d

from mocap.arrays import Float
from mocap.studio.bodies import BodyPose
from mocap.studio.inverse_kinematics import turn, turn_by
from mocap.studio.motion_feet import FootTrack
from mocap.studio.posing import HangingArm, Poser, PoseTargets, X, Y, Z

RATE_HZ = 100.0
"""Of the grid on which the course of the hips is computed."""
LEAD_S = 0.6
"""How far the grid goes beyond the clip at both ends: cameras may be early or late."""
_AHEAD_M = 0.03
"""The hips stand a little before the ankles: the weight is over the middle of the feet."""
STRETCH = 0.993
"""How straight legs are at most, as a share of their length."""
_SMOOTH_S = 0.055
_SWAY_M = 0.028
_SWAY_SMOOTH_S = 0.09
_ARM_SMOOTH_S = 0.06
_STRIDE_M = 0.7
CROUCH_M = 0.003
"""How much lower than that the hips are."""
_BREATH_HZ = 0.25


@dataclass(frozen=True)
class Course:
    """Where the body goes.

    Attributes:
        feet: left and right foot.
        knots_s: times, increasing, at which the hips are given.
        places_m: (x, y) of the hips there.
        yaws_rad: where the pelvis faces there, without jumps of a full turn.
        hips_offset: extra displacement of the hips at a time, in metres; forwards, to the left,
            upwards, in the axes of the heading.
        hips_height: height of the hips at a time, which replaces that given by the legs where it
            is not NaN (in a jump).
        swing: how much the arms swing.
    """

    feet: tuple[FootTrack, FootTrack]
    knots_s: Float[np.ndarray, " knots"]
    places_m: Float[np.ndarray, "knots 2"]
    yaws_rad: Float[np.ndarray, " knots"]
    hips_offset: Callable[[float], np.ndarray] | None = None
    hips_height: Callable[[float], float] | None = None
    swing: float = 1.0


Adjust = Callable[[float, PoseTargets], PoseTargets]
"""What a movement adds to the targets of a time: arms, trunk, head."""


@dataclass(frozen=True)
class BodyMotion:
    """The pose of a body at any time.

    Attributes:
        poser: solves the poses.
        course: where the body goes.
        adjust: what the movement adds.
        duration_s: length of the clip.
        seed: of the small movements of a living body.
    """

    poser: Poser
    course: Course
    duration_s: float
    adjust: Adjust | None = None
    seed: int = 0
    _channels: CubicSpline = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_channels", self._course_channels())

    def __call__(self, time_s: float) -> BodyPose:
        """The pose at a time in seconds."""
        return self.poser.solve(self.targets(time_s))

    def targets(self, time_s: float) -> PoseTargets:
        """What the pose at a time is to fulfil."""
        clipped = float(np.clip(time_s, -LEAD_S, self.duration_s + LEAD_S))
        x, y, z, yaw, list_rad, spin, swing = self._channels(clipped)
        course = self.course
        height = float("nan") if course.hips_height is None else course.hips_height(clipped)
        heading = turn(Z, yaw)
        hips = np.array([x, y, z if np.isnan(height) else height])
        breath = np.sin(2 * np.pi * _BREATH_HZ * time_s + self.seed)
        arms = tuple(self._arm(sign * swing, sign * 0.02 * breath) for sign in (1.0, -1.0))
        targets = PoseTargets(
            hips_m=hips,
            R_world_pelvis=heading @ turn(Z, spin) @ turn(X, list_rad) @ turn(Y, 0.02),
            feet=(course.feet[0].at(time_s), course.feet[1].at(time_s)),
            arms=(arms[0], arms[1]),
            chest_rotvec=np.array([-0.9 * list_rad, 0.03 + 0.008 * breath, -2.0 * spin]),
            head_rotvec=np.array([0.0, -0.02, spin]),
        )
        return targets if self.adjust is None else self.adjust(time_s, targets)

    def _arm(self, swing: float, breath: float) -> HangingArm:
        """An arm which is swung forward by `swing`, in radians."""
        return HangingArm(
            forward=0.04 + swing,
            outward=0.13 + abs(breath),
            inward_turn=0.20,
            elbow=0.22 + 0.45 * max(swing + 0.15, 0.0),
            pronation=0.45,
        )

    def _course_channels(self) -> CubicSpline:
        course, poser = self.course, self.poser
        times = np.arange(-LEAD_S, self.duration_s + LEAD_S + 1.5 / RATE_HZ, 1 / RATE_HZ)
        feet = [[track.at(t) for t in times] for track in course.feet]
        ankles = np.array([[foot.ankle_m for foot in row] for row in feet])
        plan = np.column_stack([course.places_m, course.yaws_rad])
        flat = _through(course.knots_s, plan, times)
        yaw = _blur(flat[:, 2], _SMOOTH_S)
        left = np.column_stack([-np.sin(yaw), np.cos(yaw)])
        ahead = np.column_stack([np.cos(yaw), np.sin(yaw)])
        loads = [
            np.array([track.stand_at(t) is not None for t in times], float) for track in course.feet
        ]
        lean = _blur(loads[0] - loads[1], _SWAY_SMOOTH_S)
        place = np.column_stack([_blur(flat[:, 0], _SMOOTH_S), _blur(flat[:, 1], _SMOOTH_S)])
        place += _SWAY_M * lean[:, None] * left
        step = np.einsum("ta,ta->t", ankles[0, :, :2] - ankles[1, :, :2], ahead) / _STRIDE_M
        step = _blur(step, _ARM_SMOOTH_S)
        lift = _blur(ankles[0, :, 2] - ankles[1, :, 2], _ARM_SMOOTH_S)
        spin = -0.09 * np.clip(step, -1.2, 1.2)
        hip_list = 0.05 * lean
        swing = -course.swing * (0.50 * step + 0.9 * np.clip(lift, -0.3, 0.3) * (1 - np.abs(step)))
        extra = np.zeros((len(times), 3))
        if course.hips_offset is not None:
            extra = np.array([course.hips_offset(t) for t in times])
        place += _AHEAD_M * ahead + extra[:, :1] * ahead + extra[:, 1:2] * left
        limit = np.full(len(times), np.inf)
        for i, sign in enumerate((1.0, -1.0)):
            hip = place + sign * poser.half_hips_m * left
            away = np.sum((hip - ankles[i, :, :2]) ** 2, axis=1)
            reach = np.sqrt(np.maximum((STRETCH * poser.leg_m) ** 2 - away, 0.01))
            limit = np.minimum(limit, ankles[i, :, 2] + reach)
        limit = np.minimum(limit, poser.standing_hips_m) - CROUCH_M
        window = 2 * round(0.03 * RATE_HZ) + 1
        height = _blur(minimum_filter1d(limit, window), 0.03) + extra[:, 2]
        channels = [place[:, 0], place[:, 1], height, yaw, hip_list, spin, swing]
        return CubicSpline(times, np.column_stack(channels))


def _through(knots: np.ndarray, values: np.ndarray, times: np.ndarray) -> np.ndarray:
    if len(knots) == 1:
        return np.repeat(values, len(times), axis=0)
    return PchipInterpolator(knots, values)(np.clip(times, knots[0], knots[-1]))


def _blur(values: np.ndarray, sigma_s: float) -> np.ndarray:
    return gaussian_filter1d(values, sigma_s * RATE_HZ, mode="nearest")


def with_arm(targets: PoseTargets, i: int, arm: HangingArm, share: float) -> PoseTargets:
    """Targets in which the left (0) or right (1) arm is moved towards other angles."""
    old = targets.arms[i]
    names = ("forward", "outward", "inward_turn", "elbow", "pronation", "wrist")
    mixed = {n: (1 - share) * getattr(old, n) + share * getattr(arm, n) for n in names}
    arms = (
        (HangingArm(**mixed), targets.arms[1]) if i == 0 else (targets.arms[0], HangingArm(**mixed))
    )
    return replace(targets, arms=arms)


def ease(u: float) -> float:
    """From 0 at and before 0 to 1 at and after 1, with speed and acceleration 0 at both ends."""
    u = min(max(u, 0.0), 1.0)
    return u * u * u * (u * (6 * u - 15) + 10)


def pelvis_pitched(targets: PoseTargets, angle_rad: float) -> PoseTargets:
    """Targets whose pelvis is tilted forward."""
    return replace(targets, R_world_pelvis=targets.R_world_pelvis @ turn_by(angle_rad * Y))
