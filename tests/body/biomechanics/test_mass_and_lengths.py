from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from posed_bodies import anny, posed, skeleton, smpl, turn

from mocap.body.biomechanics.joint_angles import SegmentTurns
from mocap.body.biomechanics.lengths import segment_lengths
from mocap.body.biomechanics.mass import (
    center_of_mass,
    largest_sigma_m,
    mass_points,
)
from mocap.body.model import ShapedBody
from mocap.errors import InputError
from mocap.geometry.rotations import matrix_from_rotvec
from mocap.model.body_motion import JointTree

BODIES = {"skeleton": skeleton(), "no fingers": skeleton(fingers=False), "anny": anny()}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("table", ["female", "male", "average"])
def test_a_symmetric_body_has_its_mass_in_the_sagittal_plane(name: str, table: str) -> None:
    com = center_of_mass(posed(BODIES[name], frames=6), table)  # type: ignore[arg-type]
    x, y, z = com.values[0, :3]
    assert x == pytest.approx(0.0, abs=1e-9)
    assert abs(y) < 0.05
    # Arms are raised in these poses; of a hanging body it is at 55 to 57 % of the height.
    assert 0.93 < z < 1.12
    assert com.column("com_x_velocity") == pytest.approx(np.zeros(6), abs=1e-9)
    assert com.units == ("m",) * 3 + ("m/s",) * 3


def test_height_of_the_mass_of_a_standing_adult() -> None:
    arms = {"LeftArm": turn("y", 85), "RightArm": turn("-y", 85)}
    height = 1.74
    for table in ("female", "male"):
        z = center_of_mass(posed(skeleton(), arms, frames=5), table).values[0, 2]  # type: ignore[arg-type]
        assert 0.54 < z / height < 0.59


def test_a_raised_leg_moves_it_by_the_mass_of_the_leg() -> None:
    low = center_of_mass(posed(skeleton(), frames=5), "male").values[0, :3]
    raised = posed(skeleton(), {"LeftUpLeg": turn("-x", 90)}, frames=5)
    high = center_of_mass(raised, "male").values[0, :3]
    # By hand, from the table: thigh, shank and foot of 0.42, 0.42 and 0.06 x 0.13 m.
    thigh, shank = 0.1416 * 0.4095 * 0.42, 0.0433 * (0.42 + 0.4395 * 0.42)
    foot_down, foot_front = 0.0137 * (0.84 + 0.443 * 0.06), 0.0137 * 0.443 * 0.13
    assert high[2] - low[2] == pytest.approx(thigh + shank + foot_down + foot_front, abs=1e-4)
    assert low[1] - high[1] == pytest.approx(thigh + shank + foot_down - foot_front, abs=1e-4)
    assert high[0] == pytest.approx(low[0], abs=1e-9)


@given(st.integers(0, 10_000))
def test_it_moves_with_the_body_and_is_the_same_for_all_models(seed: int) -> None:
    rng = np.random.default_rng(seed)
    world = matrix_from_rotvec(rng.normal(size=3))
    away = rng.normal(size=3)
    rest = skeleton()[1]
    pose = {"LeftArm": matrix_from_rotvec(rng.normal(size=3)), "Head": turn("x", 30)}
    here = center_of_mass(posed(skeleton(), pose, frames=5)).values[0, :3]
    root = np.tile(world @ rest[0] + away, (5, 1))
    there = center_of_mass(posed(skeleton(), pose, frames=5, world=world, root_m=root))
    assert there.values[0, :3] == pytest.approx(world @ here + away)
    plain = center_of_mass(posed(skeleton(), frames=5)).values[0, :3]
    upright = center_of_mass(posed(smpl(), frames=5, world=turn("x", 90))).values[0, :3]
    assert upright == pytest.approx(plain)


def test_its_velocity_is_that_of_the_body() -> None:
    frames = 100
    t = np.arange(frames) / 50.0
    root = np.stack([1.3 * t, 0.1 * t**2, 1.0 + 0 * t], axis=1)
    com = center_of_mass(posed(skeleton(), frames=frames, root_m=root))
    inner = slice(10, -10)
    assert com.column("com_x_velocity")[inner] == pytest.approx(1.3 + 0 * t[inner], abs=0.01)
    assert com.column("com_y_velocity")[inner] == pytest.approx(0.2 * t[inner], abs=0.01)


def test_the_masses_follow_the_gender_of_the_motion() -> None:
    motion = posed(skeleton(), frames=5)
    height = {
        gender: center_of_mass(replace(motion, gender=gender)).values[0, 2]
        for gender in ("female", "male", "neutral")
    }
    for gender, table in (("female", "female"), ("male", "male"), ("neutral", "average")):
        assert height[gender] == center_of_mass(motion, table).values[0, 2]  # type: ignore[arg-type]
    assert len(set(height.values())) == 3
    weights = mass_points(SegmentTurns.of_motion(motion)).weights
    assert weights.sum() == pytest.approx(1.0) and (weights >= 0).all()


def test_sigma_of_mass_and_lengths_agrees_with_random_draws() -> None:
    rng = np.random.default_rng(5)
    tree, _ = skeleton()
    draws = 4000
    root = 0.01 * rng.normal(size=(len(tree), 3, 3))
    covariance = np.tile(root @ np.swapaxes(root, 1, 2), (draws, 1, 1, 1))
    motion = posed(skeleton(), frames=draws, position_covariance_m2=covariance)
    noise = np.einsum("jab,fjb->fja", root, rng.normal(size=(draws, len(tree), 3)))
    noisy = replace(motion, joint_positions_m=motion.joint_positions_m + noise)
    com = center_of_mass(noisy)
    spread = com.values[20:-20].std(axis=0)
    assert com.sigma[0, :3] == pytest.approx(spread[:3], rel=0.06)
    assert com.sigma[0, 3:] == pytest.approx(spread[3:], rel=0.06)
    assert (largest_sigma_m(motion)[0] > com.sigma[0, :3]).all()
    lengths = segment_lengths(motion)
    assert lengths.sigma_source == "positions"
    for name, start, end in (
        ("left_thigh", "LeftUpLeg", "LeftLeg"),
        ("right_forearm", "RightForeArm", "RightHand"),
    ):
        places = [noisy.joint_positions_m[:, tree.index(j)] for j in (start, end)]
        drawn = np.linalg.norm(places[0] - places[1], axis=1).std()
        assert lengths.sigma_m[lengths.names.index(name)] == pytest.approx(drawn, rel=0.06)


def test_one_error_of_all_joints_is_the_largest_there_can_be() -> None:
    rng = np.random.default_rng(6)
    tree, _ = skeleton()
    draws = 3000
    covariance = np.tile(4e-4 * np.eye(3), (draws, len(tree), 1, 1))
    motion = posed(skeleton(), frames=draws, position_covariance_m2=covariance)
    shift = 0.02 * rng.normal(size=(draws, 1, 3))
    com = center_of_mass(replace(motion, joint_positions_m=motion.joint_positions_m + shift))
    assert com.values[:, :3].std(axis=0) == pytest.approx(largest_sigma_m(motion)[0], rel=0.05)


def test_lengths_are_those_of_the_rest_pose() -> None:
    lengths = segment_lengths(posed(skeleton(), {"LeftLeg": turn("x", 70)}))
    for name, metres in (
        ("left_thigh", 0.42),
        ("right_shank", 0.42),
        ("left_upper_arm", 0.28),
        ("right_forearm", 0.25),
        ("pelvis_width", 0.18),
        ("shoulder_width", 0.36),
        ("left_palm", 0.09),
        ("left_clavicle", 0.15),
    ):
        assert lengths.of(name) == pytest.approx(metres), name
    assert lengths.of("trunk") == pytest.approx(np.hypot(0.52, 0.02))


def test_sigma_of_lengths_from_the_shape() -> None:
    rng = np.random.default_rng(7)
    tree, rest = skeleton()
    by_shape = 0.05 * rng.normal(size=(len(tree), 3, 4))
    motion = posed(
        skeleton(),
        shape_names=("a", "b", "c", "d"),
        shape=np.zeros(4),
        shape_sigma=np.array([0.1, 0.05, 0.2, 0.1]),
    )
    body = ShapedBody(rest, by_shape, np.zeros((0, 3)), np.zeros((0, 3, 4)))
    lengths = segment_lengths(motion, body)
    assert lengths.sigma_source == "shape"
    draws = motion.shape_sigma * rng.normal(size=(5000, 4))
    bodies = rest + np.einsum("jkp,dp->djk", by_shape, draws)
    for name, a, b in (("left_thigh", "LeftUpLeg", "LeftLeg"), ("neck", "Neck", "Head")):
        drawn = np.linalg.norm(bodies[:, tree.index(a)] - bodies[:, tree.index(b)], axis=1).std()
        assert lengths.sigma_m[lengths.names.index(name)] == pytest.approx(drawn, rel=0.06)


def test_what_a_mass_needs() -> None:
    motion = posed(skeleton(), frames=5)
    with pytest.raises(InputError, match="no mass table 'child'; tables are female, male, average"):
        center_of_mass(motion, "child")  # type: ignore[arg-type]
    tree, rest = skeleton()
    without = JointTree(tuple(n.replace("ToeBase", "Tip") for n in tree.names), tree.parents)
    with pytest.raises(InputError, match="this model has no left_toe, right_toe"):
        center_of_mass(posed((without, rest), frames=5))
