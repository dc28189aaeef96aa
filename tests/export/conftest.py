"""A synthetic person with known joint angles, as keypoints in the Z-up world.

At zero angles and heading the person stands in a T-pose at the origin, faces -Y, and has the left
side at +X. Angles are series in radians.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mocap.model import Motion, Skeleton, skeleton_by_name

PELVIS_HEIGHT = 0.95
LENGTHS = {"upper_arm": 0.30, "forearm": 0.26, "thigh": 0.42, "shank": 0.43}


def _r(axis: str, angle: np.ndarray) -> Rotation:
    return Rotation.from_euler(axis, angle[:, None])


@dataclass
class Puppet:
    """Angle series, each of shape (T,), by name; zero unless given."""

    frames: int
    angles: dict[str, np.ndarray] = field(default_factory=dict)
    path_m: np.ndarray | None = None

    def angle(self, name: str) -> np.ndarray:
        return np.broadcast_to(self.angles.get(name, np.float64(0.0)), (self.frames,)).copy()

    def points(self) -> dict[str, np.ndarray]:
        """World positions of all keypoints of halpe26 and of the knuckles, and fingers."""
        t = self.frames
        up, left, ahead = np.eye(3)[2], np.eye(3)[0], -np.eye(3)[1]
        heading = _r("z", self.angle("heading"))
        root = np.zeros((t, 3)) if self.path_m is None else self.path_m
        hips = root + PELVIS_HEIGHT * up
        pelvis = heading * _r("y", self.angle("pelvis_roll"))
        chest = heading * _r("x", self.angle("lean")) * _r("z", self.angle("chest_turn"))
        p: dict[str, np.ndarray] = {"mid_hip": hips}
        neck = hips + chest.apply(0.5 * up)
        p["neck"] = neck
        head = chest * _r("z", self.angle("head_turn"))
        ears = neck + chest.apply(0.2 * up)
        p["left_ear"] = ears + head.apply(0.075 * left)
        p["right_ear"] = ears - head.apply(0.075 * left)
        nose = np.cos(np.deg2rad(10)) * ahead - np.sin(np.deg2rad(10)) * up
        p["nose"] = ears + head.apply(0.11 * nose)
        p["left_eye"] = p["nose"] + head.apply(0.03 * left + 0.03 * up)
        p["right_eye"] = p["nose"] + head.apply(-0.03 * left + 0.03 * up)
        p["head"] = ears + head.apply(0.12 * up)
        for side, sign in (("left", 1.0), ("right", -1.0)):
            out = sign * left
            shoulder = neck + chest.apply(0.18 * out)
            # abduction: 0 is a T-pose, -90 degrees hangs down; swing is forwards
            arm = (
                chest
                * _r("x", self.angle(f"{side}_arm_swing"))
                * _r("y", -sign * self.angle(f"{side}_arm_raise"))
                * _r("x", self.angle(f"{side}_arm_twist"))
            )
            fore = arm * _r("z", -sign * self.angle(f"{side}_elbow"))
            hand = fore * _r("x", self.angle(f"{side}_hand_twist"))
            p[f"{side}_shoulder"] = shoulder
            p[f"{side}_elbow"] = shoulder + arm.apply(LENGTHS["upper_arm"] * out)
            wrist = p[f"{side}_elbow"] + fore.apply(LENGTHS["forearm"] * out)
            p[f"{side}_wrist"] = p[f"{side}_hand_wrist"] = wrist
            for i, finger in enumerate(("index", "middle", "ring", "pinky")):
                start = wrist + hand.apply(0.09 * out + (0.03 - 0.02 * i) * ahead)
                for step, joint in enumerate(("mcp", "pip", "dip", "tip")):
                    curl = hand * _r("y", sign * step * self.angle(f"{side}_curl"))
                    if step:
                        start = start + curl.apply(0.03 * out)
                    p[f"{side}_hand_{finger}_{joint}"] = start
            for step, joint in enumerate(("cmc", "mcp", "ip", "tip")):
                thumb = (0.02 + 0.025 * step) * (out + ahead)
                p[f"{side}_hand_thumb_{joint}"] = wrist + hand.apply(thumb)
            hip = hips + pelvis.apply(0.09 * out)
            thigh = pelvis * _r("x", -self.angle(f"{side}_hip"))
            shank = thigh * _r("x", self.angle(f"{side}_knee"))
            p[f"{side}_hip"] = hip
            p[f"{side}_knee"] = hip + thigh.apply(-LENGTHS["thigh"] * up)
            ankle = p[f"{side}_knee"] + shank.apply(-LENGTHS["shank"] * up)
            p[f"{side}_ankle"] = ankle
            p[f"{side}_heel"] = ankle + shank.apply(-0.07 * up - 0.05 * ahead)
            p[f"{side}_big_toe"] = ankle + shank.apply(-0.07 * up + 0.18 * ahead - 0.02 * out)
            p[f"{side}_small_toe"] = ankle + shank.apply(-0.07 * up + 0.18 * ahead + 0.02 * out)
        return p

    def array(self, skeleton: Skeleton) -> np.ndarray:
        p = self.points()
        none = np.full((self.frames, 3), np.nan)
        return np.stack([p.get(name, none) for name in skeleton.keypoints], axis=1)

    def motion(self, skeleton: str = "halpe26", person_id: int = 3) -> Motion:
        table = skeleton_by_name(skeleton)
        return motion_of(table, self.array(table), person_id=person_id)


def motion_of(
    skeleton: Skeleton,
    points_m: np.ndarray,
    *,
    frame: np.ndarray | None = None,
    rate_hz: float = 50.0,
    person_id: int = 3,
) -> Motion:
    """Rows of one person; covariance and counts are missing where the points are."""
    rows = len(points_m)
    numbers = np.arange(rows) if frame is None else frame
    there = np.isfinite(points_m).all(axis=2)
    return Motion(
        skeleton,
        numbers,
        numbers / rate_hz + 12.5,
        np.full(rows, person_id),
        points_m,
        np.where(there[..., None, None], np.diag((1e-4, 4e-4, 4e-4)), np.nan),
        np.where(there, 1.25, np.nan),
        np.where(there, 3, 0),
    )


def walking(frames: int = 120) -> Puppet:
    """Someone who walks on a circle, arms hanging and swinging, knees and elbows bending."""
    t = np.arange(frames) / 50.0
    phase = 2.0 * np.pi * 0.9 * t
    heading = 0.8 * t
    angles = {
        "heading": heading,
        "pelvis_roll": 0.05 * np.sin(phase),
        "chest_turn": -0.15 * np.sin(phase),
        "lean": np.full(frames, 0.05),
        "head_turn": 0.2 * np.sin(0.5 * phase),
    }
    for side, shift in (("left", 0.0), ("right", np.pi)):
        angles |= {
            f"{side}_hip": 0.4 * np.sin(phase + shift),
            f"{side}_knee": 0.45 + 0.4 * np.sin(phase + shift + 1.0),
            f"{side}_arm_raise": np.full(frames, -1.35),
            f"{side}_arm_swing": 0.35 * np.sin(phase + shift),
            f"{side}_elbow": 0.5 + 0.2 * np.sin(phase + shift),
        }
    path = np.stack(
        (1.5 * np.cos(heading), 1.5 * np.sin(heading), 0.03 * np.sin(2 * phase)), axis=1
    )
    return Puppet(frames, angles, path)


@pytest.fixture
def walker() -> Puppet:
    return walking()


@pytest.fixture
def puppet() -> type[Puppet]:
    return Puppet


@pytest.fixture
def as_motion():
    return motion_of
