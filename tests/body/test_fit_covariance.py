"""Covariances of a fit: against fits of other shapes, and many draws of people and noise."""

from functools import lru_cache

import numpy as np
import pytest
from body_data import FRAMES, data_of, model, random_poses, stretch_of, tables
from body_truth import true_motion
from scipy.spatial.transform import Rotation
from scipy.stats import chi2

from mocap.body.fit import fit_body
from mocap.body.fit_config import FitConfig
from mocap.body.fit_frame import frame_work
from mocap.body.fit_joint_spread import covariance_tree
from mocap.body.fit_kernels import factor_tree
from mocap.body.fit_online import OnlineFitter
from mocap.body.fit_poses import placed_points
from mocap.body.fit_shape import Poses
from mocap.body.fit_shape_spread import ShapeFactor, shape_factor
from mocap.body.fit_smooth import smooth_stretch
from mocap.body.fit_spread import Spread, spread_of_stretch
from mocap.body.fit_start import loose_prediction
from mocap.body.fit_tables import BodyTables, body_tables
from mocap.body.skeleton import KinematicSkeleton
from mocap.model import Motion
from mocap.model.skeletons import COCO_WHOLEBODY_133

BODY = KinematicSkeleton(COCO_WHOLEBODY_133)
NOISE_M = 0.008
JOINTS = ("LeftArm", "RightForeArm", "LeftHand", "LeftUpLeg", "RightLeg", "LeftFoot")


def test_covariance_of_a_tree_is_the_inverse_where_unknowns_share_a_chain() -> None:
    body = tables(True)
    n = len(body.above)
    related = np.eye(n, dtype=bool)
    for i in range(n):
        m = body.above[i]
        while m >= 0:
            related[i, m] = True
            m = body.above[m]
    rng = np.random.default_rng(0)
    L = np.where(related, rng.normal(0.0, 0.2, (n, n)), 0.0) + 2.0 * np.eye(n)
    H = L.T @ L
    factor = np.tril(H)
    factor_tree(body.above, factor)
    found = covariance_tree(body.above, factor)
    expected = np.linalg.inv(H)
    both = related | related.T
    assert np.allclose(found[both], expected[both], rtol=1e-8)


def test_directions_of_the_shape_keep_its_covariance() -> None:
    skeleton = model()
    shaped = skeleton.shaped(skeleton.shape_mean)
    rng = np.random.default_rng(1)
    root = skeleton.shape_sigma[:, None] * rng.normal(size=(len(skeleton.shape_mean),) * 2)
    keypoints = list(range(len(skeleton.keypoint_names)))
    factor = shape_factor(shaped, keypoints, root @ root.T)
    for found, by_shape in (
        (factor.joint, shaped.rest_joints_by_shape),
        (factor.point, shaped.keypoints_by_shape),
    ):
        expected = np.einsum("jis,jis->j", by_shape @ root @ root.T, by_shape)
        assert np.allclose(np.einsum("jir,jir->j", found, found), expected, rtol=0.02, atol=1e-6)
    nothing = shape_factor(shaped, keypoints, np.zeros_like(root))
    assert nothing.joint.shape[2] == 1
    assert not nothing.joint.any()


@pytest.mark.parametrize("standing", [False, True])
def test_what_the_shape_adds_is_what_another_shape_changes(standing: bool) -> None:
    skeleton = model()
    keypoints = list(range(len(skeleton.keypoint_names)))
    body = unlimited(tables())
    start = random_poses(body, 3)
    if standing:
        start = start.chosen(np.zeros(FRAMES, int))
    data = data_of(body, start, 4, pixels=False, noise=1e-4, robust=1e8)
    stretch = stretch_of(body, FRAMES)
    # What a fit cannot meet bends its answer to another shape, which the first order does not have.
    stretch = stretch._replace(
        anchor=placed_points(body, start)[:, body.sole],
        anchor_weight=standing * 100.0 * stretch.anchor_weight,
        standing=stretch.standing & standing,
    )
    n, joints = len(body.above), len(body.parents)
    work = frame_work(joints, len(keypoints), n)
    blocks = tuple(np.zeros((FRAMES, n, n)) for _ in range(3))
    direction = 0.3 * skeleton.shape_sigma * np.random.default_rng(5).normal(size=n_shape(skeleton))

    def solved(step: float) -> tuple[BodyTables, Poses]:
        shape = skeleton.shape_mean + step * direction
        other = unlimited(body_tables(skeleton, shape, keypoints))
        poses = Poses(*(array.copy() for array in start))
        for _ in range(3):
            smooth_stretch(other, data, stretch, loose_prediction(other), *poses, 40, work, blocks)
        return other, poses

    def positions(step: float) -> np.ndarray:
        other, poses = solved(step)
        at_joints = other._replace(point_joint=np.arange(joints), point_local=np.zeros((joints, 3)))
        return placed_points(at_joints, poses)

    step = 1e-3
    moved = (positions(step) - positions(-step)) / (2 * step)
    _, poses = solved(0.0)
    shaped = skeleton.shaped(skeleton.shape_mean)
    one = ShapeFactor(
        (shaped.rest_joints_by_shape @ direction)[..., None],
        (shaped.keypoints_by_shape @ direction)[..., None],
    )
    found = []
    for factor in (one, ShapeFactor(0.0 * one.joint, 0.0 * one.point)):
        spread = Spread(
            *(np.zeros((FRAMES, joints, 3, 3)) for _ in range(2)),
            *(np.zeros((FRAMES, n)) for _ in range(2)),
        )
        expect = loose_prediction(body)
        held = spread_of_stretch(body, data, stretch, expect, *poses, work, blocks, factor, spread)
        assert not held.any()
        found.append(spread.position)
    expected = np.einsum("fji,fjk->fjik", moved, moved)
    assert np.abs(moved).max() > 0.005
    assert np.allclose(found[0] - found[1], expected, atol=0.03 * expected.max())


def unlimited(body: BodyTables) -> BodyTables:
    return body._replace(low=-np.inf + 0.0 * body.rest, high=np.inf + 0.0 * body.rest)


def n_shape(skeleton: KinematicSkeleton) -> int:
    return len(skeleton.shape_mean)


@lru_cache(maxsize=1)
def walk() -> tuple[Poses, np.ndarray]:
    """Poses of a walk, and their times."""
    truth = true_motion("walk_path", 1.75, 1.0, 2.0, 25.0)
    motion = fit_body(BODY, truth.rows()).motion
    turn = Rotation.from_quat(motion.rotations[:, 0], scalar_first=True).as_matrix()
    values = np.pad(motion.dof_rad, ((0, 0), (3, 0)))
    return Poses(motion.root_position_m, turn, values), truth.time_s


def somebody(seed: int) -> tuple[Motion, np.ndarray]:
    """Rows of a person of random shape who walks, with noise; and the true joints."""
    rng = np.random.default_rng(seed)
    poses, time_s = walk()
    shape = BODY.shape_mean + BODY.shape_sigma * np.clip(rng.normal(size=n_shape(BODY)), -2.5, 2.5)
    keypoints = list(range(len(BODY.keypoint_names)))
    body = body_tables(BODY, shape, keypoints)
    points = placed_points(body, poses)
    points = points + NOISE_M * rng.normal(size=points.shape)
    joints = len(body.parents)
    at_joints = body._replace(point_joint=np.arange(joints), point_local=np.zeros((joints, 3)))
    full = np.full((len(time_s), len(COCO_WHOLEBODY_133), 3), np.nan)
    full[:, [COCO_WHOLEBODY_133.index(n) for n in BODY.keypoint_names]] = points
    there = np.isfinite(full).all(axis=2)
    rows = Motion(
        COCO_WHOLEBODY_133,
        np.arange(len(time_s)),
        time_s,
        np.zeros(len(time_s), int),
        full,
        np.where(there[..., None, None], NOISE_M**2 * np.eye(3), np.nan),
        np.where(there, 1.0, np.nan),
        np.where(there, 4, 0),
    )
    return rows, placed_points(at_joints, poses)


def shares(off: np.ndarray, covariance: np.ndarray) -> tuple[float, float]:
    """Shares of the errors in the 50 and 90 % regions."""
    square = np.einsum("...i,...ij,...j->...", off, np.linalg.inv(covariance), off)
    return tuple(float((square < chi2.ppf(p, 3)).mean()) for p in (0.5, 0.9))  # pyright: ignore


def test_regions_of_the_fit_hold_as_many_joints_as_they_say() -> None:
    config = FitConfig(model_noise_m=1e-5, floor=False, contacts=False, threads=1)
    joints = [BODY.tree.index(name) for name in JOINTS]
    off, covariance = [], []
    for seed in range(12):
        rows, truth = somebody(seed)
        motion = fit_body(BODY, rows, config).motion
        off.append((motion.joint_positions_m - truth)[::10][:, joints])
        covariance.append(motion.position_covariance_m2[::10][:, joints])
    half, most = shares(np.array(off), np.array(covariance))
    assert 0.4 < half < 0.75
    assert 0.84 < most < 0.99


def test_regions_of_the_online_fit_hold_as_many_joints_as_they_say() -> None:
    config = FitConfig(model_noise_m=1e-5, floor=False, contacts=False)
    columns = [COCO_WHOLEBODY_133.index(n) for n in BODY.keypoint_names]
    joints = [BODY.tree.index(name) for name in JOINTS]
    off, covariance = [], []
    for seed in range(16):
        rows, truth = somebody(seed)
        fitter = OnlineFitter(BODY, config)
        for t in range(len(rows)):
            pose = fitter.update(
                rows.time_s[t], rows.points_m[t, columns], rows.covariance_m2[t, columns]
            )
            assert pose is not None
            if t > 10 and t % 10 == 0:
                off.append((pose.joint_positions_m - truth[t])[joints])
                covariance.append(pose.position_covariance_m2[joints])
    half, most = shares(np.array(off), np.array(covariance))
    assert 0.4 < half < 0.75
    assert 0.84 < most < 0.99
