"""Limbs whose left and right one view exchanges, and hands on the wrong wrists."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from synthetic_scene import frame_set, ring_rig, standing_person

from mocap.model import FrameSet, Person3D, Skeleton
from mocap.model.config import ReconstructionConfig
from mocap.model.skeletons import COCO_WHOLEBODY_133, HALPE_26
from mocap.pipeline.reconstructor import Reconstructor
from mocap.reconstruction.swaps import part_names, source_of, swap_parts

RIG = ring_rig(4)
FRAMES = 40
SIGMA_PX = 4.0
FLIPPED = range(12, 30)
ARMS = ("elbow", "wrist")
LOWER_LEGS = ("ankle", "heel", "big_toe", "small_toe")


def walk(skeleton: Skeleton, n: int) -> np.ndarray:
    points = standing_person(HALPE_26, (0.02 * n - 0.4, 0.1), 0.02 * n)
    whole = np.empty((len(skeleton), 3))
    rng = np.random.default_rng(5)
    for k, name in enumerate(skeleton.keypoints):
        if name in HALPE_26:
            whole[k] = points[HALPE_26.index(name)]
            continue
        anchor = "nose" if name.startswith("face") else name.split("_")[0] + "_wrist"
        cloud = rng.normal(0, 0.03, 3)
        root = name.endswith("hand_wrist")
        whole[k] = points[HALPE_26.index(anchor)] + (0.1 * cloud if root else cloud)
    return whole


def scene(
    skeleton: Skeleton, seed: int, camera: str, names: tuple[str, ...], frames: range = FLIPPED
) -> list[FrameSet]:
    """A walk in which `camera` exchanges the keypoints left_NAME and right_NAME."""
    rng = np.random.default_rng(seed)
    sets: list[FrameSet] = []
    for n in range(FRAMES):
        made = frame_set(n, walk(skeleton, n)[None], RIG, rng=rng, sigma_px=SIGMA_PX)
        if n in frames:
            order = np.arange(len(skeleton))
            for name in names:
                left, right = skeleton.index(f"left_{name}"), skeleton.index(f"right_{name}")
                order[[left, right]] = right, left
            o = made.observations[camera]
            d = replace(
                o.detections,
                keypoints_px=o.detections.keypoints_px[:, order],
                confidence=o.detections.confidence[:, order],
            )
            made = replace(
                made, observations={**made.observations, camera: replace(o, detections=d)}
            )
        sets.append(made)
    return sets


def run(sets: list[FrameSet], skeleton: Skeleton) -> list[Person3D]:
    reconstructor = Reconstructor(RIG, skeleton, ReconstructionConfig())
    found = [reconstructor.process(s) for s in sets]
    assert all(len(people) == 1 for people in found)
    return [people[0] for people in found]


def error_m(people: list[Person3D], skeleton: Skeleton) -> float:
    """Largest error of the wrists and ankles in the frames with exchanges."""
    ends = [skeleton.index(f"{s}_{n}") for s in ("left", "right") for n in ("wrist", "ankle")]
    return max(
        float(np.linalg.norm(people[n].keypoints.points_m - walk(skeleton, n), axis=1)[ends].max())
        for n in FLIPPED
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("names", "bit"),
    [(ARMS, 2), (("wrist",), 4), (("knee", *LOWER_LEGS), 8), (LOWER_LEGS, 16)],
)
def test_limbs_exchanged_in_one_view_are_found_and_undone(
    names: tuple[str, ...], bit: int, seed: int
):
    people = run(scene(HALPE_26, seed, "cam1", names), HALPE_26)
    found = [n for n in range(FRAMES) if people[n].swapped[1] & bit]
    assert len(set(found) & set(FLIPPED)) >= 0.85 * len(FLIPPED)
    others = sum(any(p.swapped[c] for c in (0, 2, 3)) for p in people)
    assert len(set(found) - set(FLIPPED)) + others <= 1
    assert not any(any(p.mirrored) for p in people)
    assert error_m(people, HALPE_26) < 0.06


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_exchanged_in_clean_data(seed: int):
    people = run(scene(HALPE_26, seed, "cam0", (), range(0)), HALPE_26)
    assert not any(any(p.swapped) for p in people)


def test_limbs_exchanged_in_the_first_frame():
    people = run(scene(HALPE_26, 0, "cam2", ARMS, range(5)), HALPE_26)
    assert [bool(p.swapped[2] & 2) for p in people[:8]] == [True] * 5 + [False] * 3
    wrist = HALPE_26.index("left_wrist")
    off = people[0].keypoints.points_m[wrist] - walk(HALPE_26, 0)[wrist]
    assert np.linalg.norm(off) < 0.06


def test_hands_on_the_wrong_wrists_are_exchanged():
    skeleton = COCO_WHOLEBODY_133
    hands = tuple(n[5:] for n in skeleton.keypoints if n.startswith("left_hand"))
    people = run(scene(skeleton, 1, "cam3", hands), skeleton)
    assert [bool(p.swapped[3] & 32) for p in people] == [n in FLIPPED for n in range(FRAMES)]
    own = list(skeleton.indices("left_hand", "right_hand"))
    for n in FLIPPED:
        off = people[n].keypoints.points_m[own] - walk(skeleton, n)[own]
        assert np.linalg.norm(off, axis=1).max() < 0.08


@pytest.mark.parametrize("part", ["left_hand", "face"])
def test_a_hand_or_face_of_somebody_else_is_left_out(part: str):
    skeleton = COCO_WHOLEBODY_133
    own = list(skeleton.indices(part))
    sets = scene(skeleton, 2, "cam0", (), range(0))
    moved: list[FrameSet] = []
    for s in sets:
        observations = dict(s.observations)
        for name in ("cam0", "cam1"):
            o = observations[name]
            pixels = np.array(o.detections.keypoints_px)
            pixels[:, own] += (120.0, -90.0)
            observations[name] = replace(o, detections=replace(o.detections, keypoints_px=pixels))
        moved.append(replace(s, observations=observations))
    for n, person in enumerate(run(moved, skeleton)):
        off = person.keypoints.points_m[own] - walk(skeleton, n)[own]
        assert np.linalg.norm(off, axis=1).mean() < 0.035
        assert person.keypoints.n_views[own].max() == 2


def test_a_hand_that_is_nowhere_near_in_any_view_is_unknown():
    skeleton = COCO_WHOLEBODY_133
    own = list(skeleton.indices("right_hand"))
    points = np.stack([walk(skeleton, 0), walk(skeleton, 0)])
    points[0, own] += (0.0, 0.0, 0.5)
    reconstructor = Reconstructor(RIG, skeleton, ReconstructionConfig())
    (person,) = reconstructor.process(frame_set(0, points[:1], RIG))
    assert np.isnan(person.keypoints.points_m[own]).all()
    assert np.isfinite(person.keypoints.points_m[: skeleton.index("face_00")]).all()


def test_what_is_taken_for_a_keypoint_follows_from_the_record():
    left, right = HALPE_26.index("left_wrist"), HALPE_26.index("right_wrist")
    knee = HALPE_26.index("left_knee")
    assert source_of(HALPE_26, 2)[left] == right
    assert source_of(HALPE_26, 1 | 4)[left] == left
    assert source_of(HALPE_26, 1 | 4)[knee] == HALPE_26.index("right_knee")
    assert (source_of(HALPE_26, 1) == HALPE_26.mirror).all()
    assert part_names(1 | 16) == ("whole body", "lower legs")
    assert swap_parts(HALPE_26)[HALPE_26.index("nose")] == 0
