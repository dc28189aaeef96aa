"""A BVH file as the movement of a studio body of any size.

Directions of arms and legs and the turns of pelvis, chest, head and feet are taken from the file;
lengths are those of the body. The way over the floor is scaled by the length of the legs, so that
feet slide little; they are not held by force, because the file may well contain running.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mocap.errors import StudioError, valid_choices
from mocap.export.bvh_file import BvhClip, read_bvh
from mocap.export.joint_names import SIDES, joint_roles
from mocap.geometry.rotations import rotvec_from_matrix
from mocap.studio.bodies import Body, BodyPose
from mocap.studio.inverse_kinematics import (
    Rotation,
    Vector,
    signed_angle,
    turn,
    turn_by,
    unit,
)
from mocap.studio.motion_config import MotionConfig
from mocap.studio.posing import Foot, HangingArm, Poser, PoseTargets, X, Y, Z

_PARTS = {
    "arm": "Arm",
    "forearm": "ForeArm",
    "hand": "Hand",
    "upleg": "UpLeg",
    "leg": "Leg",
    "foot": "Foot",
}
"""Parts of the limbs, and what `joint_roles` calls them."""
_UPRIGHT = 0.6
"""Cosine by which the resting trunk and legs must be upright."""
_SPREAD = 0.5
_FLOOR_PERCENTILE = 2.0


class _Source:
    """The file in body axes: which joint is what, and where everything is at a time."""

    def __init__(self, clip: BvhClip, name: str) -> None:
        self.clip = clip
        self.role = _roles(clip, name)
        rest = clip.rest()
        self._to_body = self._axes(rest, name)
        self.rest = rest @ self._to_body.T
        self.leg = sum(
            float(np.linalg.norm(self.rest[self.role[a]] - self.rest[self.role[b]]))
            for a, b in (("left_upleg", "left_leg"), ("left_leg", "left_foot"))
        )

    def _axes(self, rest: np.ndarray, name: str) -> Rotation:
        """From the file's axes to forward, left, up of the resting body."""
        role = self.role
        hips = (rest[role["left_upleg"]] + rest[role["right_upleg"]]) / 2
        feet = (rest[role["left_foot"]] + rest[role["right_foot"]]) / 2
        arms = (rest[role["left_arm"]] + rest[role["right_arm"]]) / 2
        legs, trunk = hips - feet, arms - hips
        left = rest[role["left_upleg"]] - rest[role["right_upleg"]]
        sizes = [float(np.linalg.norm(v)) for v in (legs, trunk, left)]
        if min(sizes) < 1e-6 * max(sizes) or unit(legs) @ unit(trunk) < _UPRIGHT:
            raise StudioError(
                f"the rest pose of {name} does not stand upright (legs, trunk and hips have "
                f"lengths {sizes}); export it with a T-pose at rest"
            )
        # The axis of the file nearest to the trunk is its upward axis.
        up = np.zeros(3)
        axis = int(np.argmax(np.abs(trunk)))
        up[axis] = np.sign(trunk[axis])
        y = unit(left - up * (left @ up))
        return np.stack([np.cross(y, up), y, up])

    def at(self, time_s: float) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the joints and their turns against the rest pose, in body axes."""
        clip = self.clip
        place = float(np.clip(time_s / clip.frame_time_s, 0, len(clip.rotations) - 1))
        i = min(int(place), max(len(clip.rotations) - 2, 0))
        j = min(i + 1, len(clip.rotations) - 1)
        share = place - i
        between = np.swapaxes(clip.rotations[i], -1, -2) @ clip.rotations[j]
        steps = share * rotvec_from_matrix(between)
        root = (1 - share) * clip.root_positions[i] + share * clip.root_positions[j]
        turns = np.zeros((len(clip.names), 3, 3))
        positions = np.zeros((len(clip.names), 3))
        for k, parent in enumerate(clip.parents):
            own = clip.rotations[i, k] @ turn_by(steps[k])
            if parent < 0:
                turns[k], positions[k] = own, root
            else:
                turns[k] = turns[parent] @ own
                positions[k] = positions[parent] + turns[parent] @ clip.offsets[k]
        axes = self._to_body
        return positions @ axes.T, axes @ turns @ axes.T


def _roles(clip: BvhClip, name: str) -> dict[str, int]:
    """Which joint plays which part.

    Raises:
        StudioError: some part is missing.
    """
    found = joint_roles(clip.names, clip.parents)
    result = {
        f"{side.lower()}_{part}": found[side + role]
        for side in SIDES
        for part, role in _PARTS.items()
        if side + role in found
    }
    wanted = [f"{side}_{part}" for side in ("left", "right") for part in _PARTS]
    missing = [part for part in wanted if part not in result]
    if missing:
        raise StudioError(
            f"{name} has no joint for {', '.join(missing)}; its joints are "
            f"{valid_choices(clip.names, 40)}; rename them (LeftArm, LeftForeArm, LeftHand, "
            f"LeftUpLeg, LeftLeg, LeftFoot and the right ones)"
        )
    result["pelvis"] = found.get("Hips", 0)
    result["chest"] = found.get("Spine2", result["pelvis"])
    result["head"] = found.get("Head", result["chest"])
    return result


def bvh_motion(config: MotionConfig, body: Body, duration_s: float) -> Callable[[float], BodyPose]:
    """Plays a BVH file; after its end the last pose stays.

    Raises:
        InputError: the file is not a BVH file.
        StudioError: it is not a person.
    """
    path = config.bvh
    if path is None:
        raise StudioError("motion 'bvh' without a file; set bvh")
    source = _Source(read_bvh(path), str(path))
    poser = Poser(body)
    scale = poser.leg_m / source.leg
    role = source.role
    start = config.bvh_start_s
    points, turns = source.at(start)
    ahead = turns[role["pelvis"]] @ X
    turned = turn(Z, np.deg2rad(config.heading_deg) - float(np.arctan2(ahead[1], ahead[0])))
    origin = (points[role["left_upleg"]] + points[role["right_upleg"]]) / 2 * [1.0, 1.0, 0.0]
    place = np.array([*config.place_m, 0.0])

    def targets(time_s: float, floor_m: float) -> PoseTargets:
        joints, delta = source.at(start + time_s - config.start_s)
        joints = (joints - origin) @ turned.T
        delta = turned @ delta
        pelvis, chest, head = (delta[role[part]] for part in ("pelvis", "chest", "head"))
        hips = (joints[role["left_upleg"]] + joints[role["right_upleg"]]) / 2 * scale
        hips = hips + place - Z * floor_m
        feet = tuple(
            _foot(poser, joints, delta, role, side, hips, pelvis) for side in ("left", "right")
        )
        arms = tuple(_arm(source, joints, delta, chest, side) for side in ("left", "right"))
        return PoseTargets(
            hips_m=hips,
            R_world_pelvis=pelvis,
            feet=(feet[0], feet[1]),
            arms=(arms[0], arms[1]),
            chest_rotvec=rotvec_from_matrix(pelvis.T @ chest),
            head_rotvec=rotvec_from_matrix(chest.T @ head),
        )

    # The floor is where the ankles are lowest: they then are as high as those of a flat foot.
    times = np.arange(0.0, duration_s + 1e-9, max(source.clip.frame_time_s, 1 / 30))
    lowest = [min(f.ankle_m[2] for f in targets(t, 0.0).feet) for t in times]
    floor = float(np.percentile(lowest, _FLOOR_PERCENTILE)) - poser.ankle_height_m
    return lambda time_s: poser.solve(targets(time_s, floor))


def _foot(
    poser: Poser,
    joints: np.ndarray,
    delta: np.ndarray,
    role: dict[str, int],
    side: str,
    hips: Vector,
    pelvis: Rotation,
) -> Foot:
    sign = 1.0 if side == "left" else -1.0
    hip, knee, ankle = (joints[role[f"{side}_{part}"]] for part in ("upleg", "leg", "foot"))
    upper_m, lower_m = poser.leg_lengths_m
    own = hips + pelvis @ (sign * poser.half_hips_m * Y)
    ankle_m = own + upper_m * unit(knee - hip) + lower_m * unit(ankle - knee)
    return Foot(ankle_m, delta[role[f"{side}_foot"]])


def _arm(
    source: _Source, joints: np.ndarray, delta: np.ndarray, chest: Rotation, side: str
) -> HangingArm:
    role, sign = source.role, (1.0 if side == "left" else -1.0)
    shoulder, elbow, wrist = (role[f"{side}_{part}"] for part in ("arm", "forearm", "hand"))
    upper = chest.T @ unit(joints[elbow] - joints[shoulder])
    lower = chest.T @ unit(joints[wrist] - joints[elbow])
    forward = float(np.arcsin(np.clip(upper[0], -1, 1)))
    outward = float(np.arctan2(sign * upper[1], -upper[2]))
    hanging = turn(X, sign * outward) @ turn(-Y, forward)
    bent = hanging.T @ lower
    elbow_rad = float(np.arccos(np.clip(-bent[2], -1, 1)))
    inward = -sign * float(np.arctan2(bent[1], bent[0])) if elbow_rad > 0.1 else 0.15
    rest = unit(source.rest[wrist] - source.rest[shoulder])
    pronation = 0.35
    if abs(rest[1]) > _SPREAD:
        # Of arms spread at rest, the palms face down.
        hinge = hanging @ turn(Z, -sign * inward) @ -Y
        palm = chest.T @ delta[wrist] @ -Z
        pronation = sign * signed_angle(sign * hinge, palm, lower)
    return HangingArm(forward, outward, inward, elbow_rad, float(np.clip(pronation, -1.4, 1.6)))
