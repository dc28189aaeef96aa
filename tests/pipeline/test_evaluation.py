"""Sessions whose distance from the truth is known are measured at that distance."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2
from synthetic_scene import ring_rig, standing_person

from mocap.errors import InputError
from mocap.geometry.rotations import matrix_from_rotvec
from mocap.model import FrameTable, Motion
from mocap.model.skeletons import COCO_WHOLEBODY_133, HALPE_26
from mocap.model.truth import Truth
from mocap.pipeline.comparison import NOBODY, EvaluationConfig, compare, person_axes
from mocap.pipeline.evaluation import (
    align_similarity,
    calibration_curve,
    evaluate,
    keypoint_groups,
)

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from geometry_bound import (
    excess_percent,
    least_squares_excess_percent,
    make_experiment,
    reconstruct,
)

CAMERAS = ("a", "b", "c")
RATE_HZ = 20.0
SIGMA_M = 0.01
K = len(HALPE_26)


def walkers(frames: int, people: int = 2) -> np.ndarray:
    """(frames, people, K, 3): they walk side by side along +X, 2 m apart, and turn slowly."""
    return np.array(
        [
            [standing_person(HALPE_26, (0.03 * f, 2.0 * p), 0.02 * f) for p in range(people)]
            for f in range(frames)
        ]
    )


def truth_of(points: np.ndarray, offset_s: float = 0.0) -> Truth:
    frames, people = points.shape[:2]
    frame = np.repeat(np.arange(frames), people)
    return Truth.of_points(
        HALPE_26.keypoints,
        CAMERAS,
        frame,
        frame / RATE_HZ + offset_s,
        np.tile(np.arange(people) + 10, frames),
        points.reshape(-1, K, 3),
        np.ones((frames * people, len(CAMERAS), K), bool),
    )


def session_of(points: np.ndarray, sigma_m: float = SIGMA_M) -> tuple[Motion, FrameTable]:
    frames, people = points.shape[:2]
    n = frames * people
    frame = np.repeat(np.arange(frames), people)
    motion = Motion(
        HALPE_26,
        frame,
        frame / RATE_HZ,
        np.tile(np.arange(people), frames),
        points.reshape(-1, K, 3),
        np.broadcast_to(np.eye(3) * sigma_m**2, (n, K, 3, 3)),
        np.ones((n, K)),
        np.full((n, K), 3),
    )
    numbers = np.arange(frames)
    times = np.round(numbers / RATE_HZ * 1e9).astype(np.int64)
    return motion, FrameTable(numbers, times, np.repeat(numbers[:, None], len(CAMERAS), axis=1))


def without_rows(motion: Motion, rows: list[int]) -> Motion:
    return motion.rows(~np.isin(np.arange(len(motion)), rows))


def with_ids(motion: Motion, ids: np.ndarray) -> Motion:
    return replace(motion, person_id=ids)


def test_a_perfect_session_has_no_error() -> None:
    points = walkers(10)
    evaluation = evaluate(compare(*session_of(points), truth_of(points), CAMERAS))
    body = evaluation.parts["body"]
    assert body.mpjpe_mm == pytest.approx(0, abs=1e-9)
    assert body.pa_mpjpe_mm == pytest.approx(0, abs=1e-9)
    assert body.pck == {50: 1.0, 100: 1.0, 150: 1.0}
    assert body.found == 1.0
    assert body.expected == 10 * 2 * K
    assert (evaluation.frames, evaluation.people.in_view) == (10, 20)
    assert evaluation.people.missing == evaluation.people.false == 0
    assert evaluation.people.ids == {10: (0,), 11: (1,)}


def test_noise_comes_out_as_the_error_it_is() -> None:
    points = walkers(150)
    noisy = points + np.random.default_rng(0).normal(0, SIGMA_M, points.shape)
    body = evaluate(compare(*session_of(noisy), truth_of(points), CAMERAS)).parts["body"]
    # The mean length of an isotropic Gaussian vector is sigma * sqrt(8 / pi).
    assert body.mpjpe_mm == pytest.approx(1000 * SIGMA_M * np.sqrt(8 / np.pi), rel=0.02)
    assert body.rms_mm == pytest.approx(1000 * SIGMA_M * np.sqrt(3), rel=0.02)
    assert body.spread_mm == pytest.approx(1000 * SIGMA_M * np.sqrt(3), rel=0.02)
    assert body.bias_mm < 2
    # Second differences of white noise have sqrt(6) times its size.
    assert body.jitter.error_mm == pytest.approx(
        1000 * SIGMA_M * np.sqrt(6) * np.sqrt(8 / np.pi), rel=0.02
    )
    assert body.jitter.truth_mm < 1
    assert body.calibration.share[50] == pytest.approx(0.5, abs=0.02)
    assert body.calibration.share[90] == pytest.approx(0.9, abs=0.02)
    assert body.calibration.sigma_ratio == pytest.approx(1, abs=0.02)
    assert body.calibration.predicted_rms_mm == pytest.approx(1000 * SIGMA_M * np.sqrt(3))


def test_a_covariance_that_is_too_sure_is_found_out() -> None:
    points = walkers(100)
    noisy = points + np.random.default_rng(0).normal(0, 2 * SIGMA_M, points.shape)
    comparison = compare(*session_of(noisy), truth_of(points), CAMERAS)
    regions = evaluate(comparison).parts["body"].calibration
    assert regions.share[50] == pytest.approx(chi2.cdf(chi2.ppf(0.5, 3) / 4, 3), abs=0.02)
    assert regions.share[90] == pytest.approx(chi2.cdf(chi2.ppf(0.9, 3) / 4, 3), abs=0.02)
    assert regions.sigma_ratio == pytest.approx(2, rel=0.02)
    body = keypoint_groups(comparison)["body"]
    curve = calibration_curve(comparison, body, np.array([0.5, 0.9]))
    assert curve == pytest.approx([regions.share[50], regions.share[90]])


def test_bias_is_given_along_the_axes_of_the_person() -> None:
    points = walkers(40, people=1)
    wrong = points.copy()
    knee = HALPE_26.index("left_knee")
    for f in range(40):
        # A standing person of heading 0 faces +Y and has its left at -X.
        wrong[f, 0, knee] += matrix_from_rotvec(np.array([0, 0, 0.02 * f])) @ [-0.02, 0.03, 0.01]
    evaluation = evaluate(compare(*session_of(wrong), truth_of(points), CAMERAS))
    joint = next(j for j in evaluation.joints if j.name == "left_knee")
    assert joint.bias_mm == pytest.approx((30, 20, 10), abs=1e-6)
    assert joint.spread_mm == pytest.approx((0, 0, 0), abs=1e-6)
    assert joint.mean_mm == pytest.approx(1000 * np.sqrt(0.0014))
    other = next(j for j in evaluation.joints if j.name == "right_knee")
    assert other.bias_mm == pytest.approx((0, 0, 0), abs=1e-9)


def test_pa_mpjpe_forgives_place_direction_and_size_but_no_reflection() -> None:
    points = walkers(5, people=1)
    rotation = matrix_from_rotvec(np.array([0.02, -0.03, 0.05]))
    moved = 1.03 * points @ rotation.T + np.array([0.05, 0.02, -0.03])
    body = evaluate(compare(*session_of(moved), truth_of(points), CAMERAS)).parts["body"]
    assert body.mpjpe_mm > 20
    assert body.pa_mpjpe_mm == pytest.approx(0, abs=1e-6)
    mirrored = points[0, 0] * [-1, 1, 1]
    assert np.abs(align_similarity(mirrored, points[0, 0]) - points[0, 0]).max() > 0.05


def test_what_is_missing_counts_as_wrong() -> None:
    points = walkers(10)
    wrong = points.copy()
    wrong[:, :, :13] = np.nan
    motion, frames = session_of(wrong)
    motion = without_rows(motion, [0, 5])
    evaluation = evaluate(compare(motion, frames, truth_of(points), CAMERAS))
    body = evaluation.parts["body"]
    assert evaluation.people.missing == 2
    assert body.found == pytest.approx(0.9 * 0.5)
    assert body.pck[150] == pytest.approx(0.9 * 0.5)
    assert body.mpjpe_mm == pytest.approx(0, abs=1e-9)


def test_a_distant_person_is_missing_and_false() -> None:
    points = walkers(4)
    wrong = points.copy()
    wrong[2, 1, :, 1] += 0.6
    comparison = compare(*session_of(wrong), truth_of(points), CAMERAS)
    assert evaluate(comparison).people.missing == 1
    assert comparison.false_frame.tolist() == [2]
    assert comparison.false_id.tolist() == [1]
    wider = compare(*session_of(wrong), truth_of(points), CAMERAS, EvaluationConfig(gate_m=0.7))
    assert evaluate(wider).people.missing == evaluate(wider).people.false == 0


def test_as_many_people_as_possible_are_matched() -> None:
    # Taking the nearest pair first would leave the other two beyond the gate.
    points = walkers(1)
    points[0, 1] = points[0, 0] + [0.4, 0, 0]
    found = np.stack([[points[0, 1] + [0.45, 0, 0], points[0, 0] + [0.3, 0, 0]]])
    comparison = compare(*session_of(found), truth_of(points), CAMERAS)
    assert comparison.person_id.tolist() == [1, 0]


def test_exchanged_ids_are_counted_and_no_error() -> None:
    points = walkers(10)
    motion, frames = session_of(points)
    ids = np.array(motion.person_id)
    ids[10:] = 1 - ids[10:]
    evaluation = evaluate(compare(with_ids(motion, ids), frames, truth_of(points), CAMERAS))
    assert evaluation.people.id_switches == 2
    assert evaluation.parts["body"].mpjpe_mm == pytest.approx(0, abs=1e-9)
    # A gap alone is none.
    gap = evaluate(compare(without_rows(motion, [8, 10]), frames, truth_of(points), CAMERAS))
    assert gap.people.id_switches == 0


def test_a_lag_is_found_and_not_mistaken_for_a_bias() -> None:
    time_s = np.arange(80) / RATE_HZ
    lag_s = 0.012

    def swinging(t: np.ndarray) -> np.ndarray:
        points = np.repeat(walkers(1, 1), len(t), axis=0)
        points[..., 0] += 0.2 * np.sin(3 * t)[:, None, None]
        return points

    late = swinging(time_s - lag_s) + np.array([0, 0.02, 0])
    evaluation = evaluate(compare(*session_of(late), truth_of(swinging(time_s)), CAMERAS))
    assert evaluation.lag_ms == pytest.approx(12, rel=0.05)
    still = np.repeat(walkers(1, 1), 80, axis=0)
    assert np.isnan(evaluate(compare(*session_of(still), truth_of(still), CAMERAS)).lag_ms)


def test_truth_between_its_frames_is_interpolated() -> None:
    points = walkers(10, people=1)
    points[..., :] = points[0] + np.arange(10)[:, None, None, None] * [0.1, 0, 0]
    motion, frames = session_of(points)
    shifted = truth_of(points + np.array([0.04, 0, 0]), offset_s=0.4 / RATE_HZ)
    comparison = compare(motion, frames, shifted, CAMERAS)
    # Before its first frame the truth is not known but by the frame itself.
    assert np.abs(comparison.error_m[1:]).max() < 1e-9
    assert comparison.error_m[0, 0, 0] == pytest.approx(-0.04)


def test_frames_outside_the_truth_are_not_judged_but_told() -> None:
    points = walkers(10)
    truth = truth_of(points[2:8], offset_s=2 / RATE_HZ)
    evaluation = evaluate(compare(*session_of(points), truth, CAMERAS))
    assert (evaluation.frames, evaluation.frames_without_truth) == (6, 4)
    motion, frames = session_of(points[:4])
    evaluation = evaluate(compare(motion, frames, truth_of(points), CAMERAS))
    assert evaluation.truth_frames_without_session == 6


def test_a_person_out_of_view_is_not_missing() -> None:
    points = walkers(5)
    truth = truth_of(points)
    visible = np.array(truth.visible)
    visible[1::2, 1:] = False
    truth = replace(truth, visible=visible)
    motion, frames = session_of(points[:, :1])
    people = evaluate(compare(motion, frames, truth, CAMERAS)).people
    assert (people.in_view, people.missing, people.out_of_view) == (5, 0, 5)
    # Cameras which are not in the session do not count.
    people = evaluate(compare(motion, frames, truth, CAMERAS[:1])).people
    assert (people.in_view, people.missing, people.out_of_view) == (5, 0, 5)


def test_nobody_in_the_session_and_nobody_in_the_truth() -> None:
    points = walkers(5)
    nobody, frames = session_of(points)
    nobody = nobody.rows(np.zeros(len(nobody), bool))
    evaluation = evaluate(compare(nobody, frames, truth_of(points), CAMERAS))
    assert evaluation.people.missing == 10
    assert np.isnan(evaluation.parts["body"].mpjpe_mm)
    assert evaluation.parts["body"].pck[150] == 0
    empty = truth_of(points[:0])
    evaluation = evaluate(compare(*session_of(points), empty, CAMERAS))
    assert evaluation.people.false == 10
    assert evaluation.parts["body"].expected == 0


def test_only_shared_keypoints_are_compared() -> None:
    points = walkers(3)
    truth = replace(
        truth_of(points),
        joint_names=tuple(f"x_{n}" if n == "nose" else n for n in HALPE_26.keypoints),
    )
    comparison = compare(*session_of(points), truth, CAMERAS)
    assert "nose" not in comparison.names
    assert len(comparison.names) == K - 1


def test_parts_of_a_whole_body_are_scored_by_themselves() -> None:
    skeleton = COCO_WHOLEBODY_133
    k = len(skeleton)
    truth_points = np.random.default_rng(0).normal(0, 0.3, (4, k, 3))
    wrong = truth_points.copy()
    wrong[:, skeleton.indices("face")] += [0.03, 0, 0]
    wrong[:, skeleton.indices("left_hand")] += [0, 0.02, 0]
    frame = np.arange(4)
    motion = Motion(
        skeleton,
        frame,
        frame / RATE_HZ,
        np.zeros(4, np.int64),
        wrong,
        np.broadcast_to(np.eye(3), (4, k, 3, 3)),
        np.ones((4, k)),
        np.full((4, k), 2),
    )
    truth = Truth.of_points(
        skeleton.keypoints,
        CAMERAS,
        frame,
        frame / RATE_HZ,
        np.zeros(4, np.int64),
        truth_points,
        np.ones((4, 3, k), bool),
    )
    table = FrameTable(
        frame, np.round(frame / RATE_HZ * 1e9).astype(np.int64), np.zeros((4, 3), np.int64)
    )
    parts = evaluate(compare(motion, table, truth, CAMERAS)).parts
    assert list(parts) == ["body", "limbs", "feet", "hands", "face"]
    assert parts["face"].mpjpe_mm == pytest.approx(30)
    assert parts["hands"].mpjpe_mm == pytest.approx(10)
    assert parts["body"].mpjpe_mm == pytest.approx(0, abs=1e-9)
    assert parts["limbs"].expected == 4 * 12


def test_axes_of_who_lies_on_the_side_are_unknown() -> None:
    standing = standing_person(HALPE_26)[None]
    axes = person_axes(standing, HALPE_26.keypoints)[0]
    assert axes == pytest.approx(np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]]))
    lying = standing @ matrix_from_rotvec(np.array([0, np.pi / 2, 0])).T
    assert np.isnan(person_axes(lying, HALPE_26.keypoints)).all()
    assert np.isnan(person_axes(standing[:, :3], HALPE_26.keypoints[:3])).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"joint_names": tuple(f"x{i}" for i in range(K))}, "no keypoint in common"),
        ({"camera_names": ("x", "y", "z")}, "no camera in common"),
        ({"time_s": np.repeat(np.arange(100.0, 103.0), 2)}, "no time in common"),
    ],
)
def test_a_truth_of_another_scene_is_refused(change: dict[str, object], message: str) -> None:
    points = walkers(3)
    with pytest.raises(InputError, match=message):
        compare(*session_of(points), replace(truth_of(points), **change), CAMERAS)


@pytest.mark.parametrize("cameras", [3, 4, 6])
def test_perfect_keypoints_with_noise_reach_the_bound_of_geometry(cameras: int) -> None:
    experiment = make_experiment(ring_rig(cameras, mixed_lenses=True), 60, np.random.default_rng(1))
    comparison = reconstruct(experiment)
    assert (comparison.person_id != NOBODY).all()
    assert excess_percent(comparison, experiment) < 10
    # The bound itself: least squares without robust weights attains it, and cannot beat it.
    assert abs(least_squares_excess_percent(experiment)) < 3
    regions = evaluate(comparison).parts["body"].calibration
    assert 0.40 < regions.share[50] < 0.60
    assert 0.80 < regions.share[90] < 0.95
