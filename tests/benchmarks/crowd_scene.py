"""Several people of the studio, and what a detector would say of them: errors, gaps, false people.

The truth, occlusion included, comes from the studio's bodies. The detector is a model: its errors
grow with the size of a person in the image; half of their variance lasts for about half a second;
hidden keypoints are guessed badly or missing; people are missed, cut in half, found twice or mixed
up with the person in front; views from behind are mirrored for a while; and people are found where
nobody is. All of it follows from a seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mocap.geometry.projection import project_points
from mocap.model import Detections, FrameSet, FrameTable, Observation, Rig
from mocap.model.skeletons import COCO_17
from mocap.model.truth import Truth
from mocap.studio.bodies import PersonConfig
from mocap.studio.cast import Cast, make_truth
from mocap.studio.motion_config import MotionConfig
from mocap.studio.rigs import RigConfig, make_rig
from mocap.studio.room import RoomConfig
from mocap.studio.scene import SceneConfig

RATE_HZ = 30.0
_K = len(COCO_17)
_MIRROR = np.array(COCO_17.mirror)
_UPPER = np.arange(11)


@dataclass(frozen=True)
class DetectorModel:
    """Errors of the detector.

    Attributes:
        sigma_m: of a visible keypoint, as a length on the body.
        floor_px: beside it, in pixels.
        hidden: by which errors of hidden keypoints are larger.
        hidden_missing: share of hidden keypoints that are not given.
        outliers: share of keypoints with errors five times as large.
        missed: chance per frame that a person who is seen well begins to be missed.
        half: chance per frame that a person begins to be cut in half.
        twice: share of people who are found twice.
        mirrored: chance per frame that somebody seen from behind begins to be mirrored.
        mixed: chance per frame that a limb hidden by somebody else is taken from him.
        false: people per image and frame that begin where nobody is.
        last_s: mean time for which all of this lasts.
    """

    sigma_m: float = 0.018
    floor_px: float = 0.7
    hidden: float = 3.0
    hidden_missing: float = 0.35
    outliers: float = 0.02
    missed: float = 0.004
    half: float = 0.003
    twice: float = 0.01
    mirrored: float = 0.01
    mixed: float = 0.15
    false: float = 0.004
    last_s: float = 0.3


def ring(cameras: int) -> Rig:
    """A ring of cameras, alternately higher and lower."""
    config = RigConfig(cameras=cameras, radius_m=4.6, size=(1280, 960), jitter_m=0.15)
    return make_rig(config, seed=5)


def people_of(count: int) -> tuple[PersonConfig, ...]:
    """Two who walk up to each other and shake hands, two who hug, two who cross all their ways."""
    meet = [
        MotionConfig(
            kind="cross_and_shake", heading_deg=75.0 + h, place_m=(0.5, 0.3), speed_m_s=1.3
        )
        for h in (0.0, 180.0)
    ]
    # Standing breast to breast, each reaching round the other.
    hug = [
        MotionConfig(kind="reach", heading_deg=h, place_m=(-0.9 - x, -0.9), size=0.8, seed=s)
        for h, x, s in ((0.0, 0.19, 1), (180.0, -0.19, 2))
    ]
    cross = [
        MotionConfig(
            kind="walk_path",
            place_m=(-1.9, 1.1),
            heading_deg=-30.0,
            speed_m_s=1.2,
            path_m=((1.2, 0.1), (2.4, -0.1), (3.6, 0.0), (4.2, 0.4)),
        ),
        MotionConfig(
            kind="walk_path",
            place_m=(1.5, 1.6),
            heading_deg=-125.0,
            speed_m_s=1.1,
            path_m=((1.2, 0.2), (2.4, -0.1), (3.4, -0.2)),
        ),
    ]
    looks = (
        {"height_m": 1.83, "outfit": "office"},
        {"height_m": 1.65, "sex": 0.0, "outfit": "sport"},
        {"height_m": 1.74, "outfit": "casual"},
        {"height_m": 1.70, "sex": 0.0, "outfit": "casual"},
        {"height_m": 1.78, "outfit": "sport"},
        {"height_m": 1.62, "sex": 0.0, "outfit": "office"},
    )
    order = {2: meet, 3: [*meet, cross[0]], 4: [*meet, *hug], 5: [*meet, *hug, cross[0]]}
    motions = order.get(count, [*meet, *hug, *cross])
    return tuple(
        PersonConfig(**look, seed=i, motion=motion)  # pyright: ignore[reportArgumentType]
        for i, (look, motion) in enumerate(zip(looks, motions, strict=False))
    )


def make_crowd(people: int, rig: Rig, seconds: float) -> Truth:
    """The truth of a scene, with what each camera sees."""
    room = RoomConfig(size_m=(14.0, 14.0, 4.0), decorated=False)
    config = SceneConfig(people=people_of(people), room=room, duration_s=seconds)
    times_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return make_truth(Cast(config, 0.0, seconds), rig, room, times_s)


def frame_table(truth: Truth, cameras: int) -> FrameTable:
    """The frames of the scene."""
    numbers = np.unique(truth.frame)
    time_ns = np.round(numbers / RATE_HZ * 1e9).astype(np.int64)
    return FrameTable(numbers, time_ns, np.repeat(numbers[:, None], cameras, axis=1))


class _Spells:
    """What begins by chance and lasts for a while, for each of several things."""

    def __init__(self, rng: np.random.Generator, last_s: float) -> None:
        self._rng, self._stay = rng, np.exp(-1 / (RATE_HZ * last_s))
        self._on: dict[tuple[object, ...], bool] = {}

    def __call__(self, chance: float, *what: object) -> bool:
        on = self._on.get(what, False)
        draw = self._rng.random()
        self._on[what] = draw < self._stay if on else draw < chance
        return self._on[what]


def detect(truth: Truth, rig: Rig, model: DetectorModel, seed: int) -> list[FrameSet]:
    """What the cameras' detectors say of the scene.

    Args:
        truth: with a column of `visible` for each camera of the rig, and perhaps more.
        rig: the cameras.
        model: of the detector.
        seed: of everything random.
    """
    rng = np.random.default_rng(seed)
    spell = _Spells(rng, model.last_s)
    keep = np.exp(-1 / (RATE_HZ * 0.5))
    lasting: dict[tuple[int, int], np.ndarray] = {}
    ghosts: dict[str, list[tuple[int, np.ndarray]]] = {name: [] for name in rig.names}
    own = [truth.joint_names.index(name) for name in COCO_17.keypoints]
    columns = [truth.camera_names.index(name) for name in rig.names]
    sets: list[FrameSet] = []
    for number in np.unique(truth.frame).tolist():
        rows = np.flatnonzero(truth.frame == number)
        observations: dict[str, Observation] = {}
        for c, name in enumerate(rig.names):
            lens, pose = rig[name].intrinsics, rig[name].T_cam_world
            points = truth.points[rows][:, own]
            exact, depth = project_points(
                points.reshape(-1, 3), lens.matrix, lens.packed_distortions, False, pose
            )
            exact, depth = exact.reshape(len(rows), _K, 2), depth.reshape(len(rows), _K)
            seen = truth.visible[rows][:, columns[c]][:, own]
            found: list[tuple[np.ndarray, np.ndarray]] = []
            for p, row in enumerate(rows.tolist()):
                key = (c, int(truth.id[row]))
                fresh = rng.normal(size=(_K, 2))
                before = lasting.get(key, rng.normal(size=(_K, 2)))
                lasting[key] = keep * before + np.sqrt(1 - keep**2) * fresh
                inside = ((exact[p] > 0) & (exact[p] < lens.size)).all(axis=1)
                share = seen[p].mean()
                if spell(0.3 if share < 0.3 else model.missed, "missed", *key):
                    continue
                if inside.mean() < 0.4 or share < 0.12:
                    continue
                sigma = np.hypot(
                    model.sigma_m * lens.focal_px / np.median(depth[p]), model.floor_px
                )
                scale = np.where(seen[p], 1.0, model.hidden)
                scale = scale * np.where(rng.random(_K) < model.outliers, 5.0, 1.0)
                error = np.sqrt(0.5) * (lasting[key] + rng.normal(size=(_K, 2)))
                pixels = exact[p] + sigma * scale[:, None] * error
                pixels = _mixed(pixels, exact, depth, seen, p, rng, model)
                trust = np.where(seen[p], rng.uniform(0.6, 1.0, _K), rng.uniform(0.1, 0.6, _K))
                lost = ~inside | (~seen[p] & (rng.random(_K) < model.hidden_missing))
                if spell(model.half, "half", *key):
                    upper = np.isin(np.arange(_K), _UPPER)
                    lost |= upper if key[1] % 2 else ~upper
                if _from_behind(points[p], pose) and spell(model.mirrored, "mirrored", *key):
                    pixels, trust, lost = pixels[_MIRROR], trust[_MIRROR], lost[_MIRROR]
                found.append((np.where(lost[:, None], np.nan, pixels), np.where(lost, 0.0, trust)))
                if rng.random() < model.twice:
                    again = pixels + sigma * rng.normal(size=(_K, 2))
                    found.append((np.where(lost[:, None], np.nan, again), np.where(lost, 0, trust)))
            found += _ghosts(ghosts[name], exact, lens.size, rng, model)
            order = rng.permutation(len(found))
            people = Detections(
                np.array([found[i][0] for i in order]).reshape(-1, _K, 2),
                np.array([found[i][1] for i in order]).reshape(-1, _K),
                np.array([found[i][1].mean() for i in order]),
            )
            time_ns = round(number / RATE_HZ * 1e9)
            observations[name] = Observation(name, number, time_ns, people)
        sets.append(FrameSet(number, round(number / RATE_HZ * 1e9), observations))
    return sets


def _mixed(
    pixels: np.ndarray,
    exact: np.ndarray,
    depth: np.ndarray,
    seen: np.ndarray,
    p: int,
    rng: np.random.Generator,
    model: DetectorModel,
) -> np.ndarray:
    """Hidden limbs taken from whoever stands in front."""
    height = float(np.nanmax(np.ptp(exact[p], axis=0)))
    for limb in ((7, 9), (8, 10), (13, 15), (14, 16)):
        if seen[p][list(limb)].any():
            continue
        for o in range(len(exact)):
            near = np.linalg.norm(exact[o, limb[0]] - exact[p, limb[0]]) < 0.25 * height
            if o != p and near and depth[o].mean() < depth[p].mean() and rng.random() < model.mixed:
                pixels = pixels.copy()
                pixels[list(limb)] = exact[o, list(limb)] + rng.normal(0, 2.0, (2, 2))
                break
    return pixels


def _from_behind(points: np.ndarray, T_cam_world: np.ndarray) -> bool:
    left, right = points[COCO_17.index("left_shoulder")], points[COCO_17.index("right_shoulder")]
    across = T_cam_world[:3, :3] @ (left - right)
    # Seen from the front the left shoulder is on the right of the image.
    return bool(across[0] < 0)


def _ghosts(
    ghosts: list[tuple[int, np.ndarray]],
    exact: np.ndarray,
    size: tuple[int, int],
    rng: np.random.Generator,
    model: DetectorModel,
) -> Sequence[tuple[np.ndarray, np.ndarray]]:
    """People where nobody is, which stay for some frames; changes the list."""
    ghosts[:] = [(left - 1, pixels) for left, pixels in ghosts if left > 1]
    if len(exact) and rng.random() < model.false:
        shape = exact[rng.integers(len(exact))]
        middle = np.nanmean(shape, axis=0)
        there = rng.uniform((100, 100), np.array(size) - 100)
        squeezed = rng.uniform(0.4, 1.1, 2) * (shape - middle) + there
        ghosts.append((int(rng.geometric(1 / (RATE_HZ * model.last_s))), squeezed))
    return [
        (pixels + rng.normal(0, 2.0, pixels.shape), rng.uniform(0.2, 0.8, _K))
        for _, pixels in ghosts
    ]
