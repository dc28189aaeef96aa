"""Figures of a session without ground truth."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_scene import frame_set, ring_rig, standing_person

from mocap.model import Detections, FrameSet, Motion, Observation, ViewState, skeleton_by_name
from mocap.model.config import ReconstructionConfig
from mocap.pipeline.metrics import (
    LIMBS,
    Reprojection,
    ViewShare,
    assignment_of,
    limb_deviation_m,
    limb_lengths_m,
    nearest_rows,
    reconstruct_all,
    reprojection,
    valid_share,
    view_share,
)

HALPE = skeleton_by_name("halpe26")
K = len(HALPE)
RIG = ring_rig(3, mixed_lenses=True)


def motion_of(points: np.ndarray, frame: list[int], person: list[int]) -> Motion:
    n = len(points)
    return Motion(
        HALPE,
        np.array(frame, np.int64),
        np.array(frame) / 30.0,
        np.array(person, np.int64),
        points,
        np.zeros((n, K, 3, 3)),
        np.zeros((n, K)),
        np.zeros((n, K), np.int64),
    )


def test_limbs():
    base = standing_person(HALPE)
    stretched = base.copy()
    wrist, elbow = HALPE.index("left_wrist"), HALPE.index("left_elbow")
    stretched[wrist] = base[elbow] + 1.2 * (base[wrist] - base[elbow])
    missing = base.copy()
    missing[HALPE.index("right_knee")] = np.nan
    motion = motion_of(np.stack([base, stretched, missing]), [0, 1, 2], [0, 0, 0])
    lengths = limb_lengths_m(motion)
    assert list(lengths) == [f"{a}-{b}" for a, b in LIMBS]
    normal = float(np.linalg.norm(base[wrist] - base[elbow]))
    np.testing.assert_allclose(lengths["left_elbow-left_wrist"], normal * np.array([1, 1.2, 1]))
    assert np.isnan(lengths["right_hip-right_knee"]).tolist() == [False, False, True]
    deviation = limb_deviation_m(motion)
    assert deviation["left_elbow-left_wrist"] == pytest.approx(normal * np.std([1, 1.2, 1]))
    assert deviation["right_hip-right_knee"] == pytest.approx(0, abs=1e-12)
    nothing = limb_deviation_m(motion_of(np.full((2, K, 3), np.nan), [0, 1], [0, 0]))
    assert np.isnan(list(nothing.values())).all()


def test_valid_share_counts_what_should_be_there():
    points = np.tile(standing_person(HALPE), (4, 1, 1))
    points[:2, 3] = np.nan
    motion = motion_of(points, [0, 1, 2, 3], [0] * 4)
    assert valid_share(motion, [3, 4]) == 6 / 8
    assert valid_share(motion, [3, 4], rows=8) == 6 / 16
    assert np.isnan(valid_share(motion, []))


def test_reprojection_counts_every_view_that_has_the_keypoint():
    """Also the one that is wrong; not those that are unsure, unassigned or mirrored away."""
    truth = standing_person(HALPE, (0.2, 0.1))
    shown = frame_set(4, truth[None], RIG)
    observations = dict(shown.observations)
    pixels = observations["cam1"].detections.keypoints_px.copy()
    confidence = np.ones((1, K))
    pixels[0, 2] += (30, 40)
    confidence[0, 7] = 0.1
    mirror = np.array(HALPE.mirror)
    observations["cam1"] = Observation(
        "cam1", 4, shown.time_ns, Detections(pixels[:, mirror], confidence[:, mirror], np.ones(1))
    )
    sets = [FrameSet(4, shown.time_ns, observations)]
    points = truth.copy()
    points[9] = np.nan
    motion = motion_of(points[None], [4], [6])
    assignment = {(4, 6): ((0, 0, -1), (False, True, False))}
    found = reprojection(motion, sets, RIG, assignment, 0.3)
    assert len(found.error_px) == (K - 1) + (K - 2)  # cam0 lacks 9; cam1 lacks 9 and 7
    wrong = (found.camera == 1) & (found.keypoint == 2)
    assert found.error_px[wrong] == pytest.approx(50, abs=0.01)
    np.testing.assert_allclose(found.error_px[~wrong], 0, atol=1e-3)
    assert found.median_px() == pytest.approx(0, abs=1e-3)
    assert found.median_of_camera_px(1, [2]) == pytest.approx(50, abs=0.01)
    assert np.isnan(found.median_of_camera_px(2))
    nobody = reprojection(motion, sets, RIG, {}, 0.3)
    assert len(nobody.error_px) == 0
    assert np.isnan(nobody.median_px())


def test_medians():
    found = Reprojection(np.array([0, 0, 1]), np.array([2, 3, 2]), np.array([1.0, 5.0, 9.0]))
    assert found.median_px() == 5.0
    assert found.median_px([2]) == 5.0
    assert found.median_px([3]) == 5.0
    assert found.median_of_camera_px(0) == 3.0
    assert found.median_of_camera_px(0, [3]) == 5.0


def test_assignment_comes_from_the_columns_of_the_raw_layer():
    table = assignment_of(
        np.array([3, 4]),
        np.array([0, 1]),
        np.array([[0, -1], [2, 1]], np.int32),
        np.array([[0, 0], [1, 0]], np.uint8),
    )
    assert table == {(3, 0): ([0, -1], [False, False]), (4, 1): ([2, 1], [True, False])}


def test_reconstruct_all_gives_the_raw_layer():
    rng = np.random.default_rng(1)
    places = [(-0.8, 0.0), (0.8, 0.3)]
    truth = np.array([standing_person(HALPE, place) for place in places])
    sets = [frame_set(n, truth, RIG, rng=rng, sigma_px=1.0) for n in (0, 1, 3)]
    motion = reconstruct_all(sets, RIG, HALPE, ReconstructionConfig())
    np.testing.assert_array_equal(motion.frame, [0, 0, 1, 1, 3, 3])
    np.testing.assert_array_equal(motion.person_id, [0, 1] * 3)
    np.testing.assert_allclose(motion.time_s, np.repeat([0, 1, 3], 2) / 30, atol=1e-9)
    assert valid_share(motion, range(K)) == 1.0
    nothing = reconstruct_all([FrameSet(0, 0, {})], RIG, HALPE, ReconstructionConfig())
    assert len(nothing) == 0


def test_nearest_rows_looks_in_the_same_frame_only():
    here, there = standing_person(HALPE, (0, 0)), standing_person(HALPE, (2, 0))
    nowhere = np.full((K, 3), np.nan)
    reference = motion_of(np.stack([here, there, here]), [0, 0, 2], [0, 1, 0])
    other = motion_of(
        np.stack([nowhere, there + 0.1, here + 0.1, here]), [0, 0, 0, 1], [5, 6, 7, 7]
    )
    np.testing.assert_array_equal(nearest_rows(reference, other), [2, 1, -1])
    alone = motion_of(nowhere[None], [0], [0])
    np.testing.assert_array_equal(nearest_rows(reference, alone), [-1, -1, -1])


def test_view_share_counts_only_people_that_were_matched() -> None:
    used, rejected, missing = ViewState.USED, ViewState.REJECTED, ViewState.MISSING
    state = np.array([[used, rejected, used], [missing, used, used], [used] * 3], np.uint8)
    share = view_share(state, np.array([0, 2, -1], np.int32), np.array([1, 0, 1], np.uint8), (0, 1))
    assert share == ViewShare(seen=2, used=0.5, rejected=0.25, mirrored=1)


def test_view_share_of_a_camera_that_saw_nobody() -> None:
    state = np.zeros((2, 3), np.uint8)
    nobody = np.array([-1, -1], np.int32)
    share = view_share(state, nobody, np.zeros(2, np.uint8), (0, 1, 2))
    assert share == ViewShare(seen=0, used=0.0, rejected=0.0, mirrored=0)
