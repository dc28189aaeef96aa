"""What must not change the people that are found: order, place of the world, a blind camera."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_scene import frame_set, ring_rig, standing_person

from mocap.geometry.rotations import matrix_from_rotvec
from mocap.model import Camera, Detections, FrameSet, Observation, Person3D, Rig
from mocap.model.config import ReconstructionConfig
from mocap.model.skeletons import HALPE_26
from mocap.pipeline.reconstructor import Reconstructor

RIG = ring_rig(4, radius=5.0)
FRAMES = 5


def scene(rig: Rig = RIG, seed: int = 0) -> list[FrameSet]:
    """Two people who walk past each other; one wrist is hidden in two views."""
    rng = np.random.default_rng(seed)
    sets: list[FrameSet] = []
    for n in range(FRAMES):
        people = np.stack(
            [
                standing_person(HALPE_26, (-0.8 + 0.04 * n, 0.2), 0.3),
                standing_person(HALPE_26, (0.9 - 0.04 * n, -0.3), 2.0),
            ]
        )
        sets.append(frame_set(n, people, rig, rng=rng, sigma_px=3.0))
    return sets


def run(sets: list[FrameSet], rig: Rig = RIG) -> list[list[Person3D]]:
    reconstructor = Reconstructor(rig, HALPE_26, ReconstructionConfig())
    return [reconstructor.process(s) for s in sets]


def points_of(people: list[Person3D]) -> np.ndarray:
    """Points of all people, ordered by where they are."""
    return np.array(sorted((p.keypoints.points_m for p in people), key=lambda x: x[0, 0]))


PLAIN = [points_of(people) for people in run(scene())]


@settings(max_examples=12, deadline=None)
@given(st.permutations(range(4)))
def test_the_order_of_the_cameras_does_not_matter(order: list[int]):
    rig = Rig(tuple(RIG.cameras[c] for c in order))
    for people, expected in zip(run(scene(), rig), PLAIN, strict=True):
        assert points_of(people) == pytest.approx(expected, abs=1e-6)


@settings(max_examples=12, deadline=None)
@given(st.permutations(range(4)), st.integers(0, 2**16))
def test_the_order_of_people_and_of_arrival_does_not_matter(order: list[int], seed: int):
    rng = np.random.default_rng(seed)
    shuffled: list[FrameSet] = []
    for s in scene():
        observations: dict[str, Observation] = {}
        for c in order:
            o = s.observations[RIG.names[c]]
            p = rng.permutation(len(o.detections))
            d = o.detections
            mixed = Detections(d.keypoints_px[p], d.confidence[p], d.score[p])
            observations[o.camera] = Observation(o.camera, o.frame_index, o.time_ns, mixed)
        shuffled.append(FrameSet(s.number, s.time_ns, observations))
    for people, expected in zip(run(shuffled), PLAIN, strict=True):
        assert points_of(people) == pytest.approx(expected, abs=1e-6)


@settings(max_examples=12, deadline=None)
@given(
    st.tuples(*[st.floats(-3, 3)] * 3),
    st.tuples(*[st.floats(-20, 20)] * 3),
)
def test_moving_the_world_moves_the_people(turn: tuple[float, ...], shift: tuple[float, ...]):
    T_world_new = np.eye(4)
    T_world_new[:3, :3] = matrix_from_rotvec(np.array(turn))
    T_world_new[:3, 3] = shift
    cameras: list[Camera] = [
        replace(camera, T_cam_world=camera.T_cam_world @ T_world_new) for camera in RIG
    ]
    found = run(scene(), Rig(tuple(cameras)))
    for people, expected in zip(found, PLAIN, strict=True):
        back = [p.keypoints.points_m @ T_world_new[:3, :3].T + shift for p in people]
        assert np.array(sorted(back, key=lambda x: x[0, 0])) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("empty", [True, False])
def test_a_camera_that_sees_nobody_is_no_camera(empty: bool):
    extra = ring_rig(5, radius=6.0, start_rad=1.1).cameras[2]
    blind = Rig((*RIG.cameras[:2], replace(extra, name="blind"), *RIG.cameras[2:]))
    sets = scene()
    if empty:
        sets = [
            FrameSet(
                s.number,
                s.time_ns,
                {
                    **s.observations,
                    "blind": Observation("blind", s.number, s.time_ns, Detections.empty(26)),
                },
            )
            for s in sets
        ]
    for people, expected in zip(run(sets, blind), PLAIN, strict=True):
        assert points_of(people) == pytest.approx(expected, abs=1e-9)
        assert all(p.detection_index[2] == -1 for p in people)


@settings(max_examples=8, deadline=None)
@given(st.floats(0.8, 1.25))
def test_a_longer_metre_makes_longer_people(scale: float):
    # Not exactly: noise and bones are stated in metres.
    cameras = [
        replace(
            camera,
            T_cam_world=np.block(
                [
                    [camera.T_cam_world[:3, :3], scale * camera.T_cam_world[:3, 3:]],
                    [np.zeros((1, 3)), np.ones((1, 1))],
                ]
            ),
        )
        for camera in RIG
    ]
    found = run(scene(), Rig(tuple(cameras)))
    for people, expected in zip(found, PLAIN, strict=True):
        assert points_of(people) == pytest.approx(scale * expected, abs=0.05)


def test_hardly_anybody_false_among_many_people_seen_by_few_cameras():
    rig = ring_rig(5, radius=11.0, mixed_lenses=True)
    start = np.stack(
        [standing_person(HALPE_26, (1.1 * (p % 5 - 2.5), 1.1 * (p // 5 - 2))) for p in range(20)]
    )
    rng = np.random.default_rng(0)
    reconstructor = Reconstructor(rig, HALPE_26, ReconstructionConfig())
    found: list[Person3D] = []
    false = 0
    for n in range(20):
        truth = start + np.array([0.01 * n, 0.0, 0.0])
        found = reconstructor.process(frame_set(n, truth, rig, rng=rng, sigma_px=3.0))
        for p in found:
            off = np.linalg.norm(p.keypoints.points_m - truth, axis=2)
            false += np.median(off, axis=1).min() > 0.15
    assert len(found) == 20
    assert false <= 4  # of 400


def test_more_people_than_there_was_room_for():
    rig = ring_rig(6, radius=9.0)
    people = np.stack(
        [standing_person(HALPE_26, (1.2 * (p % 5) - 2.4, 1.4 * (p // 5) - 2)) for p in range(20)]
    )
    sets = [frame_set(n, people, rig) for n in range(2)]
    assert [len(found) for found in run(sets, rig)] == [20, 20]
