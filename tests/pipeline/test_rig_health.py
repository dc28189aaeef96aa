"""Rigs that are bumped or whose clocks drift, and good rigs, of which nothing may be said."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from synthetic_scene import detections, project_rig, ring_rig, standing_person

from mocap.geometry.projection import projection_jacobian
from mocap.geometry.rotations import matrix_from_rotvec
from mocap.model import FrameSet, Keypoints3D, Observation, Person3D, Rig, ViewState
from mocap.model.skeletons import COCO_17
from mocap.pipeline.rig_events import RigEvent
from mocap.pipeline.rig_health import RigHealth

RATE = 30.0
BUMP_S = 12.0
Bump = Callable[[Rig], Rig]


def walking(time_s: float) -> np.ndarray:
    """Somebody who walks in a circle and swings the arms and legs."""
    place = 0.8 * np.array([np.cos(0.8 * time_s), np.sin(0.8 * time_s)])
    points = standing_person(COCO_17, place, 0.8 * time_s)
    for k, name in enumerate(COCO_17.keypoints):
        if name.endswith(("wrist", "elbow", "ankle", "knee")):
            sign = 1 if name.startswith("left") else -1
            points[k, 2] += 0.12 * sign * np.sin(6 * time_s)
    return points


def bump(camera: int, turn_deg: float = 0.0, move_m: float = 0.0) -> Bump:
    """Turns a camera about its vertical, or moves it sideways."""

    def made(rig: Rig) -> Rig:
        one = rig[rig.names[camera]]
        change = np.eye(4)
        change[:3, :3] = matrix_from_rotvec(np.radians([0.0, turn_deg, 0.0]))
        change[0, 3] = -move_m
        return rig.replaced(replace(one, T_cam_world=change @ one.T_cam_world))

    return made


def scene(
    cameras: int,
    seed: int,
    *,
    seconds: float = 20.0,
    after: Bump | None = None,
    drift_ppm: float = 0.0,
    border: bool = False,
    lasting_px: float = 3.0,
) -> tuple[Rig, list[tuple[FrameSet, list[Person3D]]]]:
    """Frames with people as the given rig reconstructs them.

    Noise is white plus what lasts for a second, as a detector's. The first camera's clock drifts.
    People are the linear solution over all views but those that are off by more than 20 px.
    """
    rng, rig = np.random.default_rng(seed), ring_rig(cameras)
    true_rig = rig
    k = len(COCO_17)
    lasting = rng.normal(0, lasting_px, (cameras, k, 2))
    frames = []
    for n in range(round(seconds * RATE)):
        time_s = n / RATE
        if after is not None and time_s >= BUMP_S:
            true_rig = after(rig)
        keep = np.exp(-3 / RATE)
        if n % 3:  # ten frames a second are looked at
            frames.append((FrameSet(n, round(time_s * 1e9), {}), []))
            continue
        lasting = keep * lasting + np.sqrt(1 - keep**2) * rng.normal(0, lasting_px, lasting.shape)
        points = walking(time_s)
        pixels = project_rig(points, true_rig)
        late = project_rig(walking(time_s - 1e-6 * drift_ppm * time_s), true_rig)
        pixels[0] = late[0]
        if border:
            pixels[1, :, 0] += 600  # at and beyond the edge of the image, where it is cut
            pixels[1] = np.clip(pixels[1], 0, 1279)
        pixels += lasting + rng.normal(0, 2.0, pixels.shape)
        frames.append((frame_of(n, pixels, rig), [person_of(pixels, points, rig)]))
    return rig, frames


def frame_of(n: int, pixels: np.ndarray, rig: Rig) -> FrameSet:
    time_ns = round(n / RATE * 1e9)
    seen = {
        name: Observation(name, n, time_ns, detections(pixels[c][None]))
        for c, name in enumerate(rig.names)
    }
    return FrameSet(n, time_ns, seen)


def person_of(pixels: np.ndarray, near: np.ndarray, rig: Rig) -> Person3D:
    """Gauss-Newton over the views that are within 20 px of the best place."""
    arrays, points = rig.arrays, near.copy()
    cameras, k = pixels.shape[:2]
    for _ in range(2):
        error = pixels - project_rig(points, rig)
        good = np.linalg.norm(error, axis=2) < 20
        lens = [
            (arrays.matrix[c], arrays.distortions[c], False, arrays.T_cam_world[c])
            for c in range(cameras)
        ]
        jacobian = np.stack([projection_jacobian(points, *lens[c]) for c in range(cameras)])
        matrix = np.einsum("ckpi,ckpj,ck->kij", jacobian, jacobian, good) + np.eye(3)
        vector = np.einsum("ckpi,ckp,ck->ki", jacobian, error, good)
        points = points + np.linalg.solve(matrix, vector[..., None])[..., 0]
    residual = np.linalg.norm(pixels - project_rig(points, rig), axis=2)
    state = np.where(residual < 20, ViewState.USED, ViewState.REJECTED).astype(np.uint8)
    keypoints = Keypoints3D(
        points,
        np.tile(1e-4 * np.eye(3), (k, 1, 1)),
        residual.mean(axis=0),
        (state == ViewState.USED).sum(axis=0),
        state,
        residual,
        np.ones((cameras, k)),
    )
    return Person3D(0, keypoints, (0,) * cameras, (False,) * cameras)


def watched(made: tuple[Rig, list[tuple[FrameSet, list[Person3D]]]]) -> tuple[RigEvent, ...]:
    rig, frames = made
    health = RigHealth(rig, COCO_17)
    for frame_set, people in frames:
        health.watch(frame_set, people)
    return health.events


@pytest.mark.parametrize(("cameras", "seed"), [(3, 0), (5, 2)])
def test_nothing_is_said_of_a_good_rig(cameras, seed):
    assert watched(scene(cameras, seed)) == ()


def test_nothing_is_said_when_someone_stands_at_the_border():
    assert watched(scene(4, 4, border=True)) == ()


@pytest.mark.parametrize(("cameras", "seed"), [(5, 0), (6, 1)])
def test_a_turn_of_one_degree_is_named_with_time_direction_and_size(cameras, seed):
    rig, frames = scene(cameras, seed, after=bump(1, turn_deg=1.0))
    (event,) = watched((rig, frames))
    assert (event.kind, event.camera, event.rivals) == ("moved", "cam1", ())
    assert event.time_s == pytest.approx(BUMP_S, abs=0.6)
    before = project_rig(walking(0.0), rig)[1]
    after = project_rig(walking(0.0), bump(1, turn_deg=1.0)(rig))[1]
    expected = np.median(after - before, axis=0)
    np.testing.assert_allclose(event.shift_px, expected, atol=3.0)
    assert event.angle_deg == pytest.approx(1.0, abs=0.2)
    side = "right" if expected[0] > 0 else "left"
    assert f"camera cam1 was moved at {event.time_s:.1f} s" in event.sentence()
    assert f"px to the {side}" in event.sentence()
    assert event.remedy("s.h5") == (
        f"mocap calibrate refine s.h5 --after-s {event.time_s + 0.5:.1f} --out RIG.toml"
    )
    assert RigEvent.from_json(json.loads(json.dumps(event.as_json()))) == event


@pytest.mark.parametrize("seed", [0, 1])
def test_a_move_of_20_mm_is_noticed(seed):
    (event,) = watched(scene(5, seed, after=bump(1, move_m=0.02), lasting_px=1.5))
    assert (event.kind, event.camera) == ("moved", "cam1")
    assert event.distance_m == pytest.approx(0.02, abs=0.008)
    assert event.time_s == pytest.approx(BUMP_S, abs=2.6)


def test_of_three_cameras_the_others_that_it_may_have_been_are_named_too():
    (event,) = watched(scene(3, 1, after=bump(1, turn_deg=1.0)))
    assert "cam1" in (event.camera, *event.rivals)
    assert event.time_s == pytest.approx(BUMP_S, abs=0.6)


def test_nothing_looks_ahead():
    """What is said of the first frames does not depend on those after them."""
    rig, frames = scene(5, 0, after=bump(1, turn_deg=1.0))
    health, count = RigHealth(rig, COCO_17), 0
    while not health.events:
        health.watch(*frames[count])
        count += 1
    assert BUMP_S < count / RATE < BUMP_S + 3.5
    assert watched((rig, frames[:count])) == health.events


def test_a_clock_that_drifts_by_a_frame_is_named():
    """34 ms in 40 s: a frame."""
    (event,) = watched(scene(5, 1, seconds=40.0, drift_ppm=850.0))
    assert (event.kind, event.camera) == ("clock", "cam0")
    assert 0.015 < event.delay_s < 0.04
    assert event.drift_ppm == pytest.approx(850, rel=0.4)
    assert "ms late" in event.sentence()
    assert "--offsets" in event.remedy("s.h5")


def test_two_cameras_are_not_judged():
    assert watched(scene(2, 0, seconds=15.0, after=bump(1, turn_deg=1.0))) == ()
