"""Movements of the studio's people: from a configuration to the pose at any time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mocap.errors import StudioError
from mocap.studio.bodies import Body, BodyPose
from mocap.studio.bvh_motion import bvh_motion
from mocap.studio.motion_config import MOTION_KINDS, MotionConfig, MotionKind
from mocap.studio.motion_in_place import reach_motion, squat_motion, wave_motion
from mocap.studio.motion_jump import jump_motion
from mocap.studio.motion_meet import cross_and_shake
from mocap.studio.motion_walk import turn_motion, walk_on_spot, walk_path

__all__ = ["MOTION_KINDS", "MotionConfig", "MotionKind", "make_motion"]

_MAKERS: dict[str, Callable[[MotionConfig, Body, float], Callable[[float], BodyPose]]] = {
    "stand_and_wave": wave_motion,
    "walk_on_spot": walk_on_spot,
    "walk_path": walk_path,
    "squat": squat_motion,
    "jump": jump_motion,
    "reach": reach_motion,
    "turn": turn_motion,
    "cross_and_shake": cross_and_shake,
    "bvh": bvh_motion,
}


def make_motion(config: MotionConfig, body: Body, duration_s: float) -> Callable[[float], BodyPose]:
    """The pose of a body at any time of a clip.

    The same configuration and body give the same poses. Times up to half a second outside the clip
    are allowed, because cameras may be early or late.

    Args:
        config: the movement.
        body: who moves.
        duration_s: length of the clip.

    Raises:
        StudioError: the duration is not positive, or the movement cannot be made as described.
    """
    if not (np.isfinite(duration_s) and duration_s > 0):
        raise StudioError(f"the clip lasts {duration_s} s; give a positive number of seconds")
    return _MAKERS[config.kind](config, body, duration_s)
