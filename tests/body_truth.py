"""People of the studio as keypoints, and the joints that their bodies really have."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mocap.model import Motion
from mocap.model.body_motion import BodyMotion
from mocap.model.skeletons import COCO_WHOLEBODY_133
from mocap.studio.bodies import Body, PersonConfig
from mocap.studio.motion_config import MotionConfig, MotionKind
from mocap.studio.motions import make_motion

JOINTS = {
    f"{side}{joint}": f"{bone}.{side[0]}"
    for side in ("Left", "Right")
    for joint, bone in {
        "Arm": "upperarm01",
        "ForeArm": "lowerarm01",
        "Hand": "wrist",
        "UpLeg": "upperleg01",
        "Leg": "lowerleg01",
        "Foot": "foot",
    }.items()
}
"""Joints of the kinematic skeleton and the bones of the studio's body that start there."""
BONES = {
    "upper_arm": ("Arm", "ForeArm"),
    "forearm": ("ForeArm", "Hand"),
    "thigh": ("UpLeg", "Leg"),
    "shank": ("Leg", "Foot"),
}


@dataclass(frozen=True)
class TrueMotion:
    """A person of the studio in F frames.

    Attributes:
        body: the body.
        time_s: times.
        points_m: keypoints of COCO-WholeBody.
        heads_m: joints, as `JOINTS` names them.
    """

    body: Body
    time_s: np.ndarray
    points_m: np.ndarray
    heads_m: dict[str, np.ndarray]

    def rows(
        self, sigma_m: float = 0.0, seed: int = 0, person_id: int = 0, slow_share: float = 0.0
    ) -> Motion:
        """The keypoints as rows of a session, with noise, part of which changes slowly."""
        rng = np.random.default_rng(seed)
        noise = rng.normal(size=self.points_m.shape)
        if slow_share:
            slow = np.zeros_like(noise)
            keep = np.exp(-1.0 / 20.0)
            for t in range(1, len(slow)):
                slow[t] = keep * slow[t - 1] + np.sqrt(1 - keep**2) * rng.normal(size=slow[t].shape)
            noise = np.sqrt(1 - slow_share) * noise + np.sqrt(slow_share) * slow
        points = self.points_m + sigma_m * noise
        return rows_of(points, self.time_s, max(sigma_m, 0.002), person_id)


def rows_of(points_m: np.ndarray, time_s: np.ndarray, sigma_m: float, person_id: int = 0) -> Motion:
    """Keypoints of COCO-WholeBody as rows of a session."""
    there = np.isfinite(points_m).all(axis=2)
    covariance = np.where(there[..., None, None], sigma_m**2 * np.eye(3), np.nan)
    frame = np.arange(len(points_m))
    return Motion(
        COCO_WHOLEBODY_133,
        frame,
        time_s,
        np.full(len(frame), person_id),
        points_m,
        covariance,
        np.where(there, 1.0, np.nan),
        np.where(there, 4, 0),
    )


@lru_cache(maxsize=16)
def true_motion(
    kind: MotionKind,
    height_m: float = 1.75,
    sex: float = 1.0,
    seconds: float = 4.0,
    rate_hz: float = 50.0,
    build: float = 0.5,
) -> TrueMotion:
    """A movement of the studio."""
    body = Body(PersonConfig(height_m=height_m, sex=sex, build=build))
    motion = make_motion(body.config.motion.__class__(kind=kind), body, seconds)
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    poses = [motion(float(t)) for t in time_s]
    heads = body.bone_transforms(poses)[..., :3, 3]
    return TrueMotion(
        body,
        time_s,
        body.pose_keypoints(poses),
        {joint: heads[:, body.bone(bone)] for joint, bone in JOINTS.items()},
    )


def true_bones(truth: TrueMotion) -> dict[str, float]:
    """Lengths between the joints."""
    return {
        name: float(
            np.mean(
                [
                    np.linalg.norm(truth.heads_m[s + a] - truth.heads_m[s + b], axis=1).mean()
                    for s in ("Left", "Right")
                ]
            )
        )
        for name, (a, b) in BONES.items()
    }


def fitted_bones(motion: BodyMotion) -> dict[str, float]:
    """The same lengths of a fitted skeleton."""
    rest = motion.rest_joints_m
    index = motion.tree.index
    return {
        name: float(np.linalg.norm(rest[index(f"Left{a}")] - rest[index(f"Left{b}")]))
        for name, (a, b) in BONES.items()
    }


def joint_errors(truth: TrueMotion, motion: BodyMotion) -> dict[str, np.ndarray]:
    """Distances of the fitted joints from the true ones, metres, per joint."""
    return {
        joint: np.linalg.norm(
            motion.joint_positions_m[:, motion.tree.index(joint)] - heads[motion.frame], axis=1
        )
        for joint, heads in truth.heads_m.items()
    }


def bend_deg(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Bend at b of the chain a - b - c: 0 is straight."""
    u, v = b - a, c - b
    cosine = (u * v).sum(axis=1) / np.linalg.norm(u, axis=1) / np.linalg.norm(v, axis=1)
    return np.rad2deg(np.arccos(np.clip(cosine, -1.0, 1.0)))


def bend_errors(truth: TrueMotion, motion: BodyMotion) -> dict[str, np.ndarray]:
    """Errors of the bends of elbows and knees, degrees."""
    errors: dict[str, np.ndarray] = {}
    for side in ("Left", "Right"):
        for a, b, c in (("Arm", "ForeArm", "Hand"), ("UpLeg", "Leg", "Foot")):
            names = [side + j for j in (a, b, c)]
            true = bend_deg(*(truth.heads_m[n] for n in names))
            fit = bend_deg(*(motion.joint_positions_m[:, motion.tree.index(n)] for n in names))
            errors[names[1]] = fit - true
    return errors


__all__ = [
    "BONES",
    "MotionConfig",
    "TrueMotion",
    "bend_errors",
    "fitted_bones",
    "joint_errors",
    "rows_of",
    "true_bones",
    "true_motion",
]
