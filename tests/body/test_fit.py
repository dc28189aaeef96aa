"""Fits of the kinematic skeleton against the studio's truth, and people hardly seen."""

from dataclasses import replace

import numpy as np
import pytest
from body_truth import (
    TrueMotion,
    bend_errors,
    fitted_bones,
    joint_errors,
    rows_of,
    true_bones,
    true_motion,
)

from mocap.body.fit import BodyFit, fit_body
from mocap.body.fit_config import FitConfig
from mocap.body.fit_online import OnlineFitter
from mocap.body.skeleton import KinematicSkeleton
from mocap.errors import InputError
from mocap.geometry.kinematics import forward_kinematics
from mocap.geometry.rotations import matrix_from_quaternion
from mocap.model import Motion
from mocap.model.skeletons import COCO_WHOLEBODY_133, HALPE_26

BODY = KinematicSkeleton(COCO_WHOLEBODY_133)
HANDS = KinematicSkeleton(COCO_WHOLEBODY_133, fingers=True)


def check_consistent(fit: BodyFit) -> None:
    """What holds of every fit: limits, constant bones, numbers that belong together."""
    motion = fit.motion
    low, high = motion.dof_limits_rad.T
    assert (motion.dof_rad >= low - 1e-12).all()
    assert (motion.dof_rad <= high + 1e-12).all()
    positions, _ = forward_kinematics(
        motion.tree.parents,
        motion.rest_joints_m,
        motion.root_position_m,
        matrix_from_quaternion(motion.rotations),
    )
    assert np.allclose(positions, motion.joint_positions_m, atol=1e-9)
    for j, parent in enumerate(motion.tree.parents[1:], 1):
        length = np.linalg.norm(positions[:, j] - positions[:, parent], axis=1)
        assert np.ptp(length) < 1e-9
    assert np.isfinite(motion.position_covariance_m2).all()
    assert (np.linalg.eigvalsh(motion.position_covariance_m2) > -1e-12).all()
    assert np.isfinite(motion.rotation_covariance_rad2).all()


@pytest.mark.parametrize("sex", [0.0, 1.0])
@pytest.mark.parametrize(("noise_m", "joint_mm", "bend_deg"), [(0.0, 20.0, 6.0), (0.01, 22.0, 7.5)])
def test_a_walk_of_the_studio(sex: float, noise_m: float, joint_mm: float, bend_deg: float) -> None:
    truth = true_motion("walk_path", 1.62 if sex == 0 else 1.75, sex, 3.0)
    fit = fit_body(BODY, truth.rows(noise_m, 1, slow_share=0.3))
    check_consistent(fit)
    errors = joint_errors(truth, fit.motion)
    for joint, error in errors.items():
        assert 1000 * error.mean() < joint_mm, joint
    for joint, error in bend_errors(truth, fit.motion).items():
        assert np.sqrt(np.mean(error**2)) < bend_deg, joint
    assert fit.report.stature_m == pytest.approx(truth.body.height_m, rel=0.015)
    assert fit.report.contacts > 5
    assert fit.report.largest_slide_mm < 5.0
    assert fit.report.frames_to_look_at == ()


def test_bones_of_an_average_person_within_three_percent() -> None:
    truth = true_motion("walk_path", 1.75, 1.0, 3.0)
    fit = fit_body(BODY, truth.rows(0.01, 2, slow_share=0.3))
    true = true_bones(truth)
    for bone, length in fitted_bones(fit.motion).items():
        assert length == pytest.approx(true[bone], rel=0.03), bone


def test_hands() -> None:
    truth = true_motion("reach", 1.75, 1.0, 2.0)
    fit = fit_body(HANDS, truth.rows(0.003, 3))
    check_consistent(fit)
    hand = [r.median_mm for r in fit.report.residuals if "_hand_" in r.name]
    assert len(hand) == 42
    assert max(hand) < 10.0


def test_a_person_of_another_skeleton_definition() -> None:
    truth = true_motion("squat", 1.75, 1.0, 2.0)
    rows = truth.rows(0.005, 4)
    shared = [n for n in HALPE_26.keypoints if n in COCO_WHOLEBODY_133]
    points = np.full((len(rows), len(HALPE_26), 3), np.nan)
    for name in shared:
        points[:, HALPE_26.index(name)] = rows.points_m[:, COCO_WHOLEBODY_133.index(name)]
    there = np.isfinite(points).all(axis=2)
    other = Motion(
        HALPE_26,
        rows.frame,
        rows.time_s,
        rows.person_id,
        points,
        np.where(there[..., None, None], 2.5e-5 * np.eye(3), np.nan),
        np.where(there, 1.0, np.nan),
        np.where(there, 3, 0),
    )
    fit = fit_body(KinematicSkeleton(HALPE_26), other)
    check_consistent(fit)
    assert fit.report.median_mm < 15.0


def hidden(
    truth: TrueMotion, names: tuple[str, ...], frames: slice, noise_m: float = 0.005
) -> Motion:
    """The rows, without keypoints whose name ends with one of the names, in some frames."""
    points = truth.rows(noise_m, 5).points_m.copy()
    for k, name in enumerate(COCO_WHOLEBODY_133.keypoints):
        if name.endswith(names) or ("face_" in names and name.startswith("face_")):
            points[frames, k] = np.nan
    return rows_of(points, truth.time_s, noise_m)


LEGS = ("hip", "knee", "ankle", "toe", "heel")


def test_only_the_upper_body_visible() -> None:
    truth = true_motion("stand_and_wave", 1.75, 1.0, 2.0)
    fit = fit_body(BODY, hidden(truth, LEGS, slice(None)))
    check_consistent(fit)
    errors = joint_errors(truth, fit.motion)
    assert max(e.mean() for j, e in errors.items() if "Arm" in j or "Hand" in j) < 0.04
    assert {"thigh", "shank"} <= set(fit.report.assumed)
    assert not fit.motion.measured[:, fit.motion.tree.index("LeftLeg")].any()
    assert fit.motion.measured[:, fit.motion.tree.index("LeftForeArm")].all()
    # Legs that nobody saw stand below the body, as far as anybody can tell.
    assert 1.4 < fit.report.stature_m < 2.0
    sigma = np.sqrt(np.trace(fit.motion.position_covariance_m2, axis1=2, axis2=3))
    foot, hand = (fit.motion.tree.index(n) for n in ("LeftFoot", "LeftHand"))
    assert sigma[:, foot].min() > 5 * sigma[:, hand].max()


def test_a_hidden_stretch_is_bridged_with_growing_uncertainty() -> None:
    truth = true_motion("walk_path", 1.75, 1.0, 3.0)
    gap = slice(60, 90)
    arm = ("left_elbow", "left_wrist", *COCO_WHOLEBODY_133.keypoints[91:112])
    fit = fit_body(BODY, hidden(truth, arm, gap))
    check_consistent(fit)
    joint = fit.motion.tree.index("LeftHand")
    sigma = np.sqrt(np.trace(fit.motion.position_covariance_m2[:, joint], axis1=1, axis2=2))
    assert sigma[75] > 2 * sigma[61] > 2 * sigma[50]
    assert not fit.motion.measured[75, fit.motion.tree.index("LeftForeArm")]
    assert fit.motion.measured[50, fit.motion.tree.index("LeftForeArm")]
    error = joint_errors(truth, fit.motion)["LeftHand"]
    assert error[75] < 4 * sigma[75] + 0.02


def test_nobody_there_for_a_while() -> None:
    truth = true_motion("walk_path", 1.75, 1.0, 3.0)
    rows = truth.rows(0.005, 6)
    keep = (rows.frame < 70) | (rows.frame >= 90)
    fit = fit_body(BODY, rows.rows(keep))
    check_consistent(fit)
    assert len(fit.motion) == len(rows)
    assert not fit.motion.present[70:90].any()
    assert fit.motion.present.sum() == keep.sum()
    assert joint_errors(truth, fit.motion)["LeftUpLeg"][80] < 0.1
    assert np.isnan(fit.motion.residual_m[80]).all()


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_a_person_seen_in_few_frames(frames: int) -> None:
    truth = true_motion("walk_path", 1.75, 1.0, 3.0)
    rows = truth.rows(0.005, 7)
    fit = fit_body(BODY, rows.rows(rows.frame < frames))
    check_consistent(fit)
    assert len(fit.motion) == frames
    assert max(e.max() for e in joint_errors(truth, fit.motion).values()) < 0.08


def test_outliers_are_not_followed() -> None:
    truth = true_motion("walk_path", 1.75, 1.0, 3.0)
    points = truth.rows(0.005, 8).points_m.copy()
    rng = np.random.default_rng(9)
    wild = rng.random(points.shape[:2]) < 0.05
    points[wild] += rng.normal(size=(int(wild.sum()), 3)) * 0.5
    fit = fit_body(BODY, rows_of(points, truth.time_s, 0.005))
    check_consistent(fit)
    for joint, error in joint_errors(truth, fit.motion).items():
        assert error.mean() < 0.025, joint


def test_the_world_may_be_moved() -> None:
    truth = true_motion("walk_path", 1.75, 1.0, 3.0)
    rows = truth.rows(0.005, 10)
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    shift = np.array([2.0, -3.0, 0.0])
    there = replace(rows, points_m=rows.points_m @ turn.T + shift)
    a, b = fit_body(BODY, rows).motion, fit_body(BODY, there).motion
    assert np.allclose(a.joint_positions_m @ turn.T + shift, b.joint_positions_m, atol=2e-3)


def test_a_limb_that_is_suddenly_elsewhere_is_not_given_up() -> None:
    truth = true_motion("reach", 1.75, 1.0, 2.0)
    height = truth.points_m[:, COCO_WHOLEBODY_133.index("left_wrist"), 2]
    frames = np.repeat([height.argmin(), height.argmax()], 20)
    jump = replace(
        truth,
        time_s=truth.time_s[:40],
        points_m=truth.points_m[frames],
        heads_m={joint: heads[frames] for joint, heads in truth.heads_m.items()},
    )
    assert np.ptp(height) > 0.4
    rows = jump.rows(0.001, 16)
    fit = fit_body(BODY, rows, FitConfig(smooth=0.0))
    assert max(e[21:].max() for e in joint_errors(jump, fit.motion).values()) < 0.05
    columns = [COCO_WHOLEBODY_133.index(n) for n in BODY.keypoint_names]
    fitter = OnlineFitter(BODY, shape=fit.motion.shape)
    hand = BODY.tree.index("LeftHand")
    for t in range(22):
        pose = fitter.update(
            rows.time_s[t], rows.points_m[t, columns], rows.covariance_m2[t, columns]
        )
    assert pose is not None
    assert np.linalg.norm(pose.joint_positions_m[hand] - jump.heads_m["LeftHand"][21]) < 0.05


def test_feet_stay_above_the_floor() -> None:
    truth = true_motion("squat", 1.75, 1.0, 2.0)
    rows = truth.rows(0.02, 11)
    fit = fit_body(BODY, replace(rows, points_m=rows.points_m - np.array([0.0, 0.0, 0.015])))
    soles = [i for i, n in enumerate(fit.motion.keypoint_names) if n.endswith(("heel", "toe"))]
    assert fit.motion.keypoints_m[:, soles, 2].min() > -0.01


def test_a_floor_elsewhere_is_said_and_not_used() -> None:
    truth = true_motion("squat", 1.75, 1.0, 2.0)
    rows = truth.rows(0.005, 12)
    fit = fit_body(BODY, replace(rows, points_m=rows.points_m + np.array([0.0, 0.0, 0.4])))
    assert fit.report.floor_m == pytest.approx(0.4, abs=0.05)
    assert any("floor" in remark for remark in fit.report.remarks)
    assert fit.report.contacts > 0


def test_without_smoothing_and_contacts() -> None:
    truth = true_motion("walk_path", 1.75, 1.0, 3.0)
    rows = truth.rows(0.01, 13)
    free = fit_body(BODY, rows, FitConfig(smooth=0.0, contacts=False))
    check_consistent(free)
    assert free.report.contacts == 0
    smooth = fit_body(BODY, rows)
    rough = [np.diff(f.motion.dof_rad, 2, axis=0).std() for f in (free, smooth)]
    assert rough[0] > 2 * rough[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.rows(r.frame < 0), "got the rows of 0"),
        (lambda r: replace(r, points_m=np.full_like(r.points_m, np.nan)), "never more than 0"),
        (lambda r: replace(r, frame=r.frame[::-1].copy()), "not in order of time"),
        (lambda r: replace(r, frame=r.frame * 10_000_000), "check the frame numbers"),
    ],
)
def test_what_cannot_be_fitted_is_said(change: object, message: str) -> None:
    rows = true_motion("walk_path", 1.75, 1.0, 3.0).rows()
    with pytest.raises(InputError, match=message):
        fit_body(BODY, change(rows))  # pyright: ignore


def test_settings_are_checked() -> None:
    with pytest.raises(InputError, match="smooth of a body fit is -1"):
        FitConfig(smooth=-1.0)


def test_online_fit_follows_without_looking_ahead() -> None:
    truth = true_motion("walk_path", 1.75, 1.0, 3.0)
    rows = truth.rows(0.01, 14, slow_share=0.3)
    columns = [COCO_WHOLEBODY_133.index(n) for n in BODY.keypoint_names]
    points, covariance = rows.points_m[:, columns].copy(), rows.covariance_m2[:, columns]
    points[100:110] = np.nan
    fitter, again = OnlineFitter(BODY), OnlineFitter(BODY)
    errors: list[float] = []
    for t in range(len(points)):
        pose = fitter.update(rows.time_s[t], points[t], covariance[t])
        assert pose is not None
        low, high = BODY.dofs.limits_rad.T
        assert (pose.dof_rad >= low).all()
        assert (pose.dof_rad <= high).all()
        assert pose.measured == (not 100 <= t < 110)
        joints = [BODY.tree.index(j) for j in truth.heads_m]
        heads = np.array([h[t] for h in truth.heads_m.values()])
        errors.append(float(np.linalg.norm(pose.joint_positions_m[joints] - heads, axis=1).mean()))
        if t == 60:
            early = pose
    assert np.mean(errors[30:100]) < 0.022
    assert max(errors[100:110]) < 0.15
    for t in range(61):
        twin = again.update(rows.time_s[t], points[t], covariance[t])
    assert twin is not None
    assert np.array_equal(twin.joint_positions_m, early.joint_positions_m)
    with pytest.raises(InputError, match="in order of time"):
        fitter.update(0.0, points[0], covariance[0])
