"""Which 2D people of several views are the same person."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_scene import project_rig, ring_rig, standing_person

from mocap.association.matching import (
    ViewPeople,
    group_unknown,
    match_known,
)
from mocap.geometry.kernels import world_rays
from mocap.model import Rig, skeleton_by_name
from mocap.model.config import AssociationConfig

SKELETON = skeleton_by_name("body25")
MIRROR = np.array(SKELETON.mirror)
K = len(SKELETON)
CONFIG = AssociationConfig()
HERE, THERE = standing_person(SKELETON, (-0.7, 0.0)), standing_person(SKELETON, (0.8, 0.3), 2.0)


def views_from(rig: Rig, pixels: list[np.ndarray]) -> list[ViewPeople]:
    """Per camera the pixels (P, K, 2) of its people, as rays."""
    arrays = rig.arrays
    views: list[ViewPeople] = []
    for c, camera in enumerate(rig):
        one = slice(c, c + 1)
        rays = world_rays(
            np.ascontiguousarray(pixels[c].reshape(1, -1, 2)),
            arrays.matrix[one],
            arrays.distortions[one],
            arrays.fisheye[one],
            arrays.T_cam_world[one],
        )
        views.append(ViewPeople(camera.center_world, rays.reshape(-1, K, 3)))
    return views


def seen(rig: Rig, people: list[np.ndarray], noise_px: float = 2.0) -> list[np.ndarray]:
    pixels = project_rig(np.array(people).reshape(-1, K, 3), rig)
    noise = np.random.default_rng(1).normal(0, noise_px, pixels.shape)
    return list(pixels + noise)


def unknown(views: list[ViewPeople], taken: list[set[int]] | None = None) -> list[dict[int, int]]:
    return group_unknown(views, taken or [set() for _ in views], SKELETON, CONFIG)


@pytest.fixture
def rig() -> Rig:
    return ring_rig(4, mixed_lenses=True)


def test_two_people_whatever_their_order_in_each_view(rig):
    pixels = seen(rig, [HERE, THERE])
    for c in (1, 2):
        pixels[c] = pixels[c][::-1]
    groups = unknown(views_from(rig, pixels))
    assert sorted(groups, key=lambda g: g[0]) == [
        {0: 0, 1: 1, 2: 1, 3: 0},
        {0: 1, 1: 0, 2: 0, 3: 1},
    ]
    known = match_known(views_from(rig, pixels), np.array([THERE, HERE]), SKELETON, CONFIG)
    assert known == [{0: 1, 1: 0, 2: 0, 3: 1}, {0: 0, 1: 1, 2: 1, 3: 0}]


def test_one_person_in_one_view_only(rig):
    pixels = seen(rig, [HERE])
    for c in (0, 2, 3):
        pixels[c] = pixels[c][:0]
    views = views_from(rig, pixels)
    assert unknown(views) == []
    assert match_known(views, HERE[None], SKELETON, CONFIG) == [{1: 0}]
    assert match_known(views, THERE[None], SKELETON, CONFIG) == [{}]


def test_a_person_seen_by_all_and_another_by_one_view(rig):
    pixels = seen(rig, [HERE, THERE])
    for c in (0, 1, 3):
        pixels[c] = pixels[c][:1]
    assert unknown(views_from(rig, pixels)) == [{0: 0, 1: 0, 2: 0, 3: 0}]


def test_nobody(rig):
    views = views_from(rig, [np.zeros((0, K, 2))] * 4)
    assert unknown(views) == []
    assert match_known(views, np.zeros((0, K, 3)), SKELETON, CONFIG) == []
    assert match_known(views, HERE[None], SKELETON, CONFIG) == [{}]
    full = views_from(rig, seen(rig, [HERE]))
    assert match_known(full, np.zeros((0, K, 3)), SKELETON, CONFIG) == []


def test_a_mirrored_detection_still_belongs_to_the_person(rig):
    pixels = seen(rig, [HERE, THERE])
    pixels[2] = pixels[2][:, MIRROR]
    views = views_from(rig, pixels)
    everybody = [dict.fromkeys(range(4), 0), dict.fromkeys(range(4), 1)]
    assert sorted(unknown(views), key=lambda g: g[0]) == everybody
    assert match_known(views, np.array([HERE, THERE]), SKELETON, CONFIG) == everybody


def test_people_that_are_taken_are_left_alone(rig):
    views = views_from(rig, seen(rig, [HERE, THERE]))
    assert unknown(views, [{0}, {0}, {0}, {0}]) == [dict.fromkeys(range(4), 1)]
    assert unknown(views, [{0, 1}, {0, 1}, {0}, {0, 1}]) == []


def test_two_2d_people_of_one_view_are_never_one_person(rig):
    """A double detection: one of the two stays alone."""
    pixels = seen(rig, [HERE])
    pixels[1] = np.concatenate([pixels[1], pixels[1] + 3.0])
    groups = unknown(views_from(rig, pixels))
    assert len(groups) == 1
    assert sorted(groups[0]) == [0, 1, 2, 3]


def test_people_with_too_few_keypoints_are_left_out(rig):
    pixels = seen(rig, [HERE])
    few = np.array(SKELETON.association_indices)[CONFIG.min_keypoints - 1 :]
    pixels[1][:, few] = np.nan
    assert unknown(views_from(rig, pixels)) == [{0: 0, 2: 0, 3: 0}]
    enough = seen(rig, [HERE])
    enough[1][:, few[1:]] = np.nan
    assert unknown(views_from(rig, enough)) == [{0: 0, 1: 0, 2: 0, 3: 0}]


def test_strangers_far_from_the_known_person_are_not_claimed(rig):
    away = standing_person(SKELETON, (2.0, -2.0))
    assert match_known(views_from(rig, seen(rig, [away])), HERE[None], SKELETON, CONFIG) == [{}]


def test_a_known_person_without_expected_keypoints_claims_nobody(rig):
    views = views_from(rig, seen(rig, [HERE]))
    assert match_known(views, np.full((1, K, 3), np.nan), SKELETON, CONFIG) == [{}]


def test_a_match_that_is_refused_displaces_none_that_is_accepted(rig):
    """Two known people in a row before the camera and two 2D people: the first fits the nearer
    known one well and the other a little; giving it to the other, so that the nearer one takes the
    second at a distance beyond the limit, has the lower sum but matches one person less well."""
    right = np.array([0.0, 0.2, 0.0])
    known = np.array([HERE, HERE + right])
    camera = Rig((ring_rig(4, start_rad=0.0).cameras[0],))
    views = views_from(camera, seen(camera, [HERE + 0.1 * right, HERE - 1.4 * right], 0.0))
    assert match_known(views, known, SKELETON, CONFIG) == [{0: 0}, {}]


def test_groups_with_more_views_come_first(rig):
    pixels = seen(rig, [HERE, THERE])
    pixels[3] = pixels[3][1:]
    groups = unknown(views_from(rig, pixels))
    assert [len(g) for g in groups] == [4, 3]
    assert groups[0] == {0: 1, 1: 1, 2: 1, 3: 0}
