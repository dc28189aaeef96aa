"""Movements of a body whose feet stay: waving, squatting, reaching."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mocap.studio.bodies import Body
from mocap.studio.inverse_kinematics import Vector, turn, unit
from mocap.studio.motion_body import BodyMotion, ease, pelvis_pitched, with_arm
from mocap.studio.motion_config import MotionConfig
from mocap.studio.motion_steps import standing_course
from mocap.studio.posing import SIDES, HangingArm, Poser, PoseTargets, ReachingArm, Z

_RAISE_S = 0.9
_WAVE_S = 0.8
_SQUAT_S = 2.4
_REACH_S = 2.0


def wave_motion(config: MotionConfig, body: Body, duration_s: float) -> BodyMotion:
    """Stands, raises the right or (odd seed) left arm and waves until the end of the clip."""
    course = standing_course(body, config.place_m, np.deg2rad(config.heading_deg))
    period = config.period_s or _WAVE_S
    side = 0 if config.seed % 2 else 1

    def adjust(time_s: float, targets: PoseTargets) -> PoseTargets:
        share = ease((time_s - config.start_s) / _RAISE_S)
        swing = config.size * np.sin(2 * np.pi * (time_s - config.start_s) / period)
        arm = HangingArm(
            forward=0.15,
            outward=1.15 + 0.06 * swing,
            inward_turn=-1.35,
            elbow=1.75 + 0.38 * swing,
            pronation=0.1,
            wrist=-0.12 * swing,
        )
        sign = (1.0, -1.0)[side]
        moved = with_arm(targets, side, arm, share)
        curl = list(moved.curl)
        curl[side] = (1 - share) * curl[side] + share * 0.06
        weight = 0.012 * np.sin(2 * np.pi * 0.11 * time_s + config.seed)
        return replace(
            moved,
            curl=(curl[0], curl[1]),
            hips_m=moved.hips_m + moved.R_world_pelvis @ np.array([0.0, weight, 0.0]),
            chest_rotvec=moved.chest_rotvec
            + share * np.array([sign * 0.04, 0.0, -sign * 0.06 + 0.015 * swing]),
            head_rotvec=moved.head_rotvec + np.array([sign * 0.05 * share, 0.0, 0.0]),
        )

    return BodyMotion(Poser(body), course, duration_s, adjust, config.seed)


def squat_motion(config: MotionConfig, body: Body, duration_s: float) -> BodyMotion:
    """Squats again and again, the arms going forward for balance."""
    poser = Poser(body)
    yaw = np.deg2rad(config.heading_deg)
    course = standing_course(body, config.place_m, yaw, width=1.7)
    period = config.period_s or _SQUAT_S

    def depth(time_s: float) -> float:
        phase = (time_s - config.start_s) / period
        if phase <= 0:
            return 0.0
        # Down, a short stay, up, a short stand.
        u = phase % 1.0
        return ease(u / 0.42) if u < 0.5 else 1 - ease((u - 0.5) / 0.42)

    def offset(time_s: float) -> Vector:
        down = depth(time_s) * config.size
        return np.array([-0.17 * down, 0.0, -0.40 * down]) * poser.leg_m

    def adjust(time_s: float, targets: PoseTargets) -> PoseTargets:
        down = depth(time_s) * min(config.size, 1.2)
        targets = pelvis_pitched(targets, 0.55 * down)
        targets = replace(
            targets,
            chest_rotvec=targets.chest_rotvec + np.array([0.0, 0.12 * down, 0.0]),
            head_rotvec=targets.head_rotvec - np.array([0.0, 0.45 * down, 0.0]),
        )
        for i in range(2):
            # The trunk leans forward, so that arms which point ahead are raised less against it.
            arm = HangingArm(1.95, 0.10, 0.1, 0.12, 0.9, 0.0)
            targets = with_arm(targets, i, arm, min(1.0, down))
        return targets

    course = replace(course, hips_offset=offset)
    return BodyMotion(poser, course, duration_s, adjust, config.seed)


def reach_motion(config: MotionConfig, body: Body, duration_s: float) -> BodyMotion:
    """Reaches with one hand after the other for places in front, beside and above."""
    poser = Poser(body)
    yaw = np.deg2rad(config.heading_deg)
    course = standing_course(body, config.place_m, yaw, width=1.4)
    period = config.period_s or _REACH_S
    heading = turn(Z, yaw)
    standing = BodyMotion(poser, course, duration_s, seed=config.seed).targets(0.0)
    bones = body.bone_transforms([poser.solve(standing)])[0]
    shoulders = [bones[body.bone(f"upperarm01.{side}"), :3, 3] for side in SIDES]
    arm_m = poser.arm_m

    def place(number: int) -> tuple[int, Vector, Vector]:
        rng = np.random.default_rng([config.seed, number])
        side = (config.seed + number) % 2
        sign = (1.0, -1.0)[side]
        away = np.deg2rad(rng.uniform(-15.0, 70.0))
        up = np.deg2rad(rng.uniform(-35.0, 65.0))
        direction = np.array(
            [np.cos(up) * np.cos(away), sign * np.cos(up) * np.sin(away), np.sin(up)]
        )
        way = heading @ direction
        distance = arm_m * (0.85 + 0.15 * min(config.size, 1.0)) * min(config.size, 1.05)
        return side, shoulders[side] + way * distance, way

    def adjust(time_s: float, targets: PoseTargets) -> PoseTargets:
        number = int(np.floor((time_s - config.start_s) / period))
        if number < 0:
            return targets
        u = (time_s - config.start_s) / period - number
        share = ease(u / 0.42) if u < 0.58 else 1 - ease((u - 0.58) / 0.42)
        side, goal, way = place(number)
        sign = (1.0, -1.0)[side]
        local = heading.T @ way
        down = heading @ np.array([-0.35, sign * 0.45, -1.0])
        arm = ReachingArm(
            wrist_m=goal,
            elbow_direction=unit(down),
            hand_direction=unit(way + 0.15 * Z),
            palm_direction=unit(heading @ np.array([0.15, -sign * 0.6, -0.8])),
            share=share,
        )
        reach = (arm, None) if side == 0 else (None, arm)
        lean = share * np.array([-0.10 * local[1], 0.14 * local[0] - 0.08 * max(local[2], 0), 0.0])
        curl = list(targets.curl)
        curl[side] = (1 - share) * curl[side] + share * 0.12
        look = share * np.array(
            [0.0, -0.35 * local[2], 0.55 * float(np.arctan2(local[1], max(local[0], 0.3)))]
        )
        return replace(
            targets,
            reach=reach,
            curl=(curl[0], curl[1]),
            chest_rotvec=targets.chest_rotvec + lean + share * 0.22 * -sign * Z,
            head_rotvec=targets.head_rotvec + look,
            hips_m=targets.hips_m + share * 0.03 * (heading @ np.array([local[0], local[1], 0.0])),
        )

    return BodyMotion(poser, course, duration_s, adjust, config.seed)
