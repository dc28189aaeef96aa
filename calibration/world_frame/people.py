"""The world frame from people: the floor under their feet, and gravity from how they stand."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from calibration.world_frame.frame import WorldFrame
from calibration.world_frame.scale import ANKLE_HEIGHT, scale_from_stature, stature_m
from mocap.arrays import Float
from mocap.errors import CalibrationError
from mocap.geometry.rotations import matrix_from_rotvec
from mocap.model import Rig, Skeleton

SOLE_SHARE = 0.012
"""Height of heel and toe keypoints above the floor, by stature: about 2 cm."""
STRAIGHT = 0.92
"""A person stands if the distance from ankles to shoulders is this share of the lengths between."""
UPRIGHT_SIGMA_RAD = 0.035
"""How far standing people may lean in the mean: what feet on a large floor know better."""
AGREE_DEG = 10.0
_MIN_STEPS = 8
_ROUNDS = 12


@dataclass(frozen=True)
class PeopleFloor:
    """A floor that people stand on.

    Attributes:
        up: unit normal, in the frame of the points.
        place: a point of the floor: below the mean of the feet.
        upright: mean direction from feet to head of standing people.
        tilt_rad: angle between the plane through the feet alone and `upright`; NaN where the feet
            were in a line or at one place.
        spread_m: standard deviation of standing feet about the floor.
        steps: number of standing feet that were used.
    """

    up: Float[np.ndarray, " 3"]
    place: Float[np.ndarray, " 3"]
    upright: Float[np.ndarray, " 3"]
    tilt_rad: float
    spread_m: float
    steps: int


def people_floor(
    points: Float[np.ndarray, "frames people keypoints 3"], skeleton: Skeleton
) -> PeopleFloor:
    """Fits the floor to the lowest feet.

    Gravity is first taken from people who stand straight (feet to head). Then a plane is fitted
    robustly (Tukey's biweight) to the lower foot of every person and frame; its normal and gravity
    are combined by how well each is known, so that one person on one spot still gives a level
    floor. Heel and toe keypoints are taken to be 1.2 per cent of a person's height above the floor,
    ankles, where a skeleton has no others, 3.9 per cent.

    Args:
        points: in any frame and unit; NaN for missing.
        skeleton: their table.

    Raises:
        CalibrationError: nobody stood straight, or too few feet were seen.
    """
    body = _body(points, skeleton)
    shoulders, ankles, path = body
    length = np.linalg.norm(shoulders - ankles, axis=-1)
    stands = length > STRAIGHT * path
    direction = (shoulders - ankles)[stands]
    if len(direction) < _MIN_STEPS:
        raise CalibrationError(
            f"people stood straight in {len(direction)} frames, expected at least {_MIN_STEPS}, so "
            f"nothing says what is up; film somebody standing and walking in full view"
        )
    direction = direction / np.linalg.norm(direction, axis=1, keepdims=True)
    upright = np.median(direction, axis=0)
    upright = upright / np.linalg.norm(upright)
    height = stature_m(points, skeleton)
    feet, lift = _feet(points, skeleton, np.nan_to_num(height, nan=float(np.nanmedian(height))))
    # The lower foot of each person and frame; the other one may be in the air.
    level = feet @ upright - lift
    level = np.where(np.isfinite(level), level, np.inf)
    lowest = np.argmin(level, axis=2)
    known = np.isfinite(np.take_along_axis(level, lowest[..., None], axis=2)[..., 0])
    standing = np.take_along_axis(feet, lowest[..., None, None], axis=2)[:, :, 0][known]
    above = np.take_along_axis(lift, lowest[..., None], axis=2)[..., 0][known]
    if len(standing) < _MIN_STEPS:
        raise CalibrationError(
            f"feet were seen in {len(standing)} frames, expected at least {_MIN_STEPS}; film "
            f"people in full view, with their feet"
        )
    return _fitted(standing, above, upright)


def world_from_people(
    rig: Rig,
    points: Float[np.ndarray, "frames people keypoints 3"],
    skeleton: Skeleton,
    *,
    true_stature_m: Float[np.ndarray, " people"] | float | None = None,
) -> WorldFrame:
    """World frame from people who stand and walk on a level floor.

    z = 0 is the floor, Z points up, the origin lies below the mean position of the people, and Y
    points away from the first camera.

    Args:
        rig: calibrated, in any frame.
        points: 3D keypoints in the rig's frame; NaN for missing.
        skeleton: their table.
        true_stature_m: heights of the people, or of all; None keeps the scale.

    Raises:
        CalibrationError: see `people_floor` and `scale_from_stature`.
    """
    floor = people_floor(points, skeleton)
    factor = 1.0
    if true_stature_m is not None:
        factor = scale_from_stature(points, skeleton, true_stature_m)
    first = rig.cameras[0]
    z = floor.up
    y = floor.place - first.center_world
    y = y - z * (y @ z)
    if np.linalg.norm(y) < 1e-6:
        y = -first.T_cam_world[1, :3] - z * (-first.T_cam_world[1, :3] @ z)
    y = y / np.linalg.norm(y)
    rotation = np.stack([np.cross(y, z), y, z])
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = -factor * rotation @ floor.place
    notes: list[str] = []
    if np.degrees(floor.tilt_rad) > AGREE_DEG:
        notes.append(
            f"the plane through the feet and the way people stand differ by "
            f"{np.degrees(floor.tilt_rad):.0f} degrees: is the floor sloped, or a camera wrong?"
        )
    below = [c.name for c in rig if z @ (c.center_world - floor.place) < 0]
    if below:
        notes.append(f"{', '.join(below)} would be below the floor; check the calibration")
    scale = "scale as it was"
    if true_stature_m is not None:
        scale = "scale from people's height"
    words = (
        f"right-handed, Z up, metres; floor from {floor.steps} standing feet "
        f"(+- {1000 * factor * floor.spread_m:.0f} mm), origin below the mean position of people, "
        f"Y away from {first.name}, {scale}"
    )
    return WorldFrame(pose, factor, words, tuple(notes))


def _body(points: np.ndarray, skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Middle of the shoulders, middle of the ankles, and the length along the body between."""

    def middle(part: str) -> np.ndarray:
        left, right = (skeleton.index(f"{side}_{part}") for side in ("left", "right"))
        return (points[:, :, left] + points[:, :, right]) / 2

    chain = [middle(part) for part in ("shoulder", "hip", "knee", "ankle")]
    path = sum(np.linalg.norm(a - b, axis=-1) for a, b in pairwise(chain))
    return chain[0], chain[-1], np.asarray(path)


def _feet(
    points: np.ndarray, skeleton: Skeleton, height: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Foot keypoints (frames, people, feet, 3) and how high each is above the floor."""
    soles = [i for i, n in enumerate(skeleton.keypoints) if n.endswith(("_heel", "_toe"))]
    share = SOLE_SHARE
    if not soles:
        soles = [skeleton.index("left_ankle"), skeleton.index("right_ankle")]
        share = ANKLE_HEIGHT
    feet = points[:, :, soles]
    lift = np.broadcast_to(share * height[None, :, None], feet.shape[:3])
    return feet, lift


def _fitted(standing: np.ndarray, above: np.ndarray, upright: np.ndarray) -> PeopleFloor:
    """Plane through standing feet, its normal near `upright`."""
    helper = np.eye(3)[int(np.argmin(np.abs(upright)))]
    e1 = np.cross(upright, helper)
    e1 /= np.linalg.norm(e1)
    e2 = np.cross(upright, e1)
    middle = np.median(standing, axis=0)
    offset = standing - middle
    # height over the plane = offset . up - a (offset . e1) - b (offset . e2) - c - above
    design = np.column_stack([offset @ e1, offset @ e2, np.ones(len(offset))])
    level = offset @ upright - above
    weight = np.ones(len(level))
    # Feet that step are above the floor, never below: start from the lower half.
    weight[level > np.median(level)] = 0.2
    fit, noise = np.zeros(3), 1.0
    for turn_number in range(_ROUNDS):
        # At first the feet decide alone: leaning people must not make good feet look like outliers.
        sigma = 0.5 if turn_number < _ROUNDS // 2 else UPRIGHT_SIGMA_RAD
        tilt_prior = np.diag([1.0, 1.0, 0.0]) / sigma**2
        miss = level - design @ fit
        noise = max(1.4826 * float(np.median(np.abs(miss[weight > 0.1]))), 1e-4)
        # Neighbouring frames repeat each other; about a tenth of them is independent.
        precise = 0.1 * weight / noise**2
        fit = np.linalg.solve(
            design.T @ (precise[:, None] * design) + tilt_prior, design.T @ (precise * level)
        )
        miss = level - design @ fit
        u = miss / (4.685 * noise)
        weight = np.where(np.abs(u) < 1, (1 - u**2) ** 2, 0.0)
        weight = np.where(miss > 0, weight * np.exp(-np.maximum(miss, 0) / (2 * noise)), weight)
    alone = weight > 0.1
    tilt = float("nan")
    spread = np.linalg.svd(design[alone, :2] - design[alone, :2].mean(axis=0), compute_uv=False)
    if spread[-1] / np.sqrt(max(int(alone.sum()), 1)) > 5 * noise:
        free = np.linalg.lstsq(design[alone], level[alone], rcond=None)[0]
        tilt = float(np.hypot(*np.arctan(free[:2])))
    turn = np.arctan(fit[:2])
    up = matrix_from_rotvec(-turn[0] * np.cross(upright, e1) - turn[1] * np.cross(upright, e2))
    normal = up @ upright
    mean = standing.mean(axis=0)
    place_level = float((mean - middle) @ upright - np.array([*((mean - middle) @ np.stack(
        [e1, e2], axis=-1)), 1.0]) @ fit)  # fmt: skip
    place = mean - upright * place_level
    return PeopleFloor(
        normal,
        place,
        upright,
        tilt,
        float(np.std(level[alone] - design[alone] @ fit)),
        int(alone.sum()),
    )
