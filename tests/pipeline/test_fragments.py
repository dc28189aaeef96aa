"""One person whom a view shows as several 2D people, as bottom-up detectors do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from synthetic_scene import frame_set, ring_rig, standing_person

from mocap.model import Detections, FrameSet, Person3D
from mocap.model.config import ReconstructionConfig
from mocap.model.skeletons import HALPE_26
from mocap.pipeline.reconstructor import Reconstructor

RIG = ring_rig(3)
LOWER = np.array(
    [
        any(part in name for part in ("knee", "ankle", "toe", "heel", "hip"))
        for name in HALPE_26.keypoints
    ]
)


def people(n: int) -> np.ndarray:
    return np.stack(
        [
            standing_person(HALPE_26, (0.02 * n - 0.7, 0.0), 0.1),
            standing_person(HALPE_26, (0.7 - 0.01 * n, 0.3), 2.0),
        ]
    )


def broken(s: FrameSet, camera: str, *, doubled: bool) -> FrameSet:
    """Every person of a camera as upper and lower part, or (doubled) whole and upper part."""
    o = s.observations[camera]
    d = o.detections
    upper, lower = np.array(d.confidence), np.array(d.confidence)
    upper[:, LOWER] = 0.0
    lower[:, ~LOWER] = 0.0
    parts = Detections(
        np.concatenate([d.keypoints_px, d.keypoints_px + 1.0]),
        np.concatenate([d.confidence if doubled else lower, upper]),
        np.concatenate([d.score, d.score]),
    )
    return replace(s, observations={**s.observations, camera: replace(o, detections=parts)})


def run(*, doubled: bool) -> list[list[Person3D]]:
    """Twelve frames; in all but the first the people are broken in one view."""
    rng = np.random.default_rng(0)
    reconstructor = Reconstructor(RIG, HALPE_26, ReconstructionConfig())
    found: list[list[Person3D]] = []
    for n in range(12):
        whole = frame_set(n, people(n), RIG, rng=rng, sigma_px=3.0)
        found.append(reconstructor.process(broken(whole, "cam1", doubled=doubled) if n else whole))
    return found


def test_both_parts_of_a_person_are_used():
    found = run(doubled=False)
    assert [len(p) for p in found] == [2] * 12
    for n, frame in enumerate(found[1:], 1):
        for person in frame:
            assert np.mean(person.keypoints.n_views == 3) > 0.95
            truth = people(n)
            error = np.linalg.norm(person.keypoints.points_m - truth, axis=2).mean(axis=1)
            assert error.min() < 0.025


def test_doubles_are_nobody_new():
    found = run(doubled=True)
    assert [len(p) for p in found] == [2] * 12
    assert {p.person_id for frame in found for p in frame} == {0, 1}


def test_parts_are_joined_in_the_first_frame_as_well():
    """Nobody is known yet; two views show the people whole, one in parts."""
    whole = frame_set(0, people(0), RIG, rng=np.random.default_rng(0), sigma_px=3.0)
    reconstructor = Reconstructor(RIG, HALPE_26, ReconstructionConfig())
    found = reconstructor.process(broken(whole, "cam1", doubled=False))
    assert len(found) == 2
    for person in found:
        assert np.mean(person.keypoints.n_views == 3) > 0.95
        error = np.linalg.norm(person.keypoints.points_m - people(0), axis=2).mean(axis=1)
        assert error.min() < 0.025


def test_doubles_are_nobody_in_the_first_frame_either():
    whole = frame_set(0, people(0), RIG, rng=np.random.default_rng(0), sigma_px=3.0)
    doubled = broken(broken(whole, "cam1", doubled=True), "cam2", doubled=True)
    reconstructor = Reconstructor(RIG, HALPE_26, ReconstructionConfig())
    assert len(reconstructor.process(doubled)) == 2
    assert not reconstructor.doubtful
