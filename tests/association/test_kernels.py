"""The compiled association, against SciPy and the plain forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from synthetic_scene import project_rig, ring_rig, standing_person

from mocap.association.kernels import assign, cluster, pair_cost, person_cost
from mocap.association.matching import ViewPeople, group_unknown, match_known
from mocap.geometry.ray_space import ray_frames
from mocap.model.config import AssociationConfig
from mocap.model.skeletons import HALPE_26
from mocap.reconstruction.person import camera_centers

CONFIG = AssociationConfig()
RIG = ring_rig(3, radius=5.0)
CENTERS = camera_centers(RIG.arrays)
CHOSEN = np.array(HALPE_26.association_indices)
MIRROR = np.array(HALPE_26.mirror)
LIMITS = (CONFIG.min_confidence, CONFIG.min_keypoints, CONFIG.cap_m, CONFIG.mirror_penalty_m)


def seen(people: np.ndarray, noise_px: float = 3.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ray frames, confidence and camera of all people in all views, camera by camera."""
    pixels = project_rig(people, RIG)
    pixels = pixels + np.random.default_rng(0).normal(0, noise_px, pixels.shape)
    camera = np.repeat(np.arange(len(RIG)), len(people))
    flat = pixels.reshape(-1, *pixels.shape[2:])
    confidence = np.ones(flat.shape[:2])
    a = RIG.arrays
    frames = ray_frames(flat, confidence, camera, a.matrix, a.distortions, a.fisheye, a.T_cam_world)
    return frames, confidence, camera


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 2**32 - 1))
def test_assignment_is_as_cheap_as_scipys(rows: int, columns: int, seed: int):
    cost = np.random.default_rng(seed).uniform(0, 1, (rows, columns))
    found = assign(cost)
    pairs = [(i, j) for i, j in enumerate(found.tolist()) if j >= 0]
    assert len(pairs) == min(rows, columns)
    assert len({j for _, j in pairs}) == len(pairs)
    best = cost[linear_sum_assignment(cost)].sum()
    assert sum(cost[i, j] for i, j in pairs) == pytest.approx(best)


def test_known_people_are_matched_as_in_the_plain_form():
    people = np.stack([standing_person(HALPE_26, p) for p in ((-1.0, 0), (1.0, 0.3), (0.0, -1))])
    frames, confidence, camera = seen(people)
    views = [ViewPeople(CENTERS[c], frames[camera == c][:, :, 0]) for c in range(3)]
    plain = match_known(views, people, HALPE_26, CONFIG)
    sure = np.zeros((26, 3, 3))
    for c in range(3):
        here = np.flatnonzero(camera == c)
        cost = np.array(
            [
                [
                    person_cost(
                        known,
                        sure,
                        frames,
                        confidence,
                        j,
                        CENTERS,
                        c,
                        CHOSEN,
                        MIRROR,
                        *LIMITS,
                        0.01,
                    )
                    for j in here
                ]
                for known in people
            ]
        )
        assert assign(cost).tolist() == [plain[i][c] for i in range(3)]


def test_an_unsure_person_is_nearer_and_a_mirrored_one_pays():
    person = standing_person(HALPE_26)
    frames, confidence, _ = seen(person[None], 0.0)
    args = (frames, confidence, 0, CENTERS, 0, CHOSEN, MIRROR, *LIMITS, 0.01)
    moved = person + 0.1
    sure = person_cost(moved, np.zeros((26, 3, 3)), *args)
    unsure = person_cost(moved, np.tile(0.03 * np.eye(3), (26, 1, 1)), *args)
    assert unsure == pytest.approx(sure / 2)
    turned = person_cost(person[MIRROR], np.zeros((26, 3, 3)), *args)
    assert turned == pytest.approx(CONFIG.mirror_penalty_m, abs=1e-6)
    few = np.full_like(person, np.nan)
    few[CHOSEN[:3]] = person[CHOSEN[:3]]
    assert person_cost(few, np.zeros((26, 3, 3)), *args) == np.inf


def test_unknown_people_are_grouped_as_in_the_plain_form():
    people = np.stack([standing_person(HALPE_26, p) for p in ((-1.0, 0), (1.0, 0.3), (0.0, -1))])
    frames, confidence, camera = seen(people)
    views = [ViewPeople(CENTERS[c], frames[camera == c][:, :, 0]) for c in range(3)]
    plain = group_unknown(views, [set(), set(), set()], HALPE_26, CONFIG)
    n = len(camera)
    cost = np.full((n, n), np.inf)
    for i in range(n):
        for j in range(i):
            if camera[i] != camera[j]:
                cost[i, j] = cost[j, i] = pair_cost(
                    *(frames[i], confidence[i], CENTERS[camera[i]]),
                    *(frames[j], confidence[j], CENTERS[camera[j]]),
                    *(CHOSEN, MIRROR, *LIMITS),
                )
    labels = cluster(cost, camera[:, None] == camera, CONFIG.max_pair_distance_m)
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    fast = {frozenset((int(camera[i]), int(i % 3)) for i in group) for group in groups}
    assert fast == {frozenset(group.items()) for group in plain}


def test_clusters_never_hold_a_camera_twice_and_stop_at_the_limit():
    cost = np.array([[np.inf, 0.1, 0.1], [0.1, np.inf, 0.3], [0.1, 0.3, np.inf]])
    apart = np.zeros((3, 3), bool)
    assert len(np.unique(cluster(cost, apart, 1.0))) == 1
    assert len(np.unique(cluster(cost, apart, 0.05))) == 3
    apart[1, 2] = apart[2, 1] = True
    assert len(np.unique(cluster(cost, apart, 1.0))) == 2
