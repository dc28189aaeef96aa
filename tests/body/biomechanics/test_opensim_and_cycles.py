from dataclasses import replace

import numpy as np
import pytest
from posed_bodies import posed, skeleton, turn
from scipy.spatial.transform import Rotation

from mocap.body.biomechanics.cycles import gait_cycles
from mocap.body.biomechanics.joint_angles import joint_angles
from mocap.body.biomechanics.opensim import opensim_coordinates
from mocap.body.biomechanics.tables import EventTable, QuantityTable, StrideTable
from mocap.errors import InputError
from mocap.model.body_motion import BodyMotion, JointTree

FORWARD = turn("z", 90)
"""Turns a body that faces -y to +x, OpenSim's forwards."""


def coordinates(motion: BodyMotion) -> dict[str, float]:
    table = opensim_coordinates(motion)
    return dict(zip(table.names, table.values[0], strict=True))


def test_opensim_sequences_rebuild_the_rotations() -> None:
    rng = np.random.default_rng(2)
    pose = {
        name: Rotation.from_rotvec(0.4 * rng.normal(size=3)).as_matrix()
        for name in ("Hips", "Spine1", "LeftArm", "RightArm", "RightUpLeg")
    }
    motion = posed(skeleton(), pose, world=FORWARD)
    found = coordinates(motion)
    # Columns of the body at rest, facing x: OpenSim's x, y, z in our world.
    axes = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]]).T
    rest = dict.fromkeys(pose, FORWARD)

    def rebuilt(names: tuple[str, str, str]) -> np.ndarray:
        values = [found[name] for name in names]
        return Rotation.from_euler("ZXY", values, degrees=True).as_matrix()

    pelvis = FORWARD @ pose["Hips"] @ FORWARD.T
    assert axes.T @ pelvis @ axes == pytest.approx(
        rebuilt(("pelvis_tilt", "pelvis_list", "pelvis_rotation"))
    )
    spine = rest["Spine1"] @ pose["Spine1"] @ FORWARD.T
    assert axes.T @ spine @ axes == pytest.approx(
        rebuilt(("lumbar_extension", "lumbar_bending", "lumbar_rotation"))
    )
    hip = FORWARD @ pose["RightUpLeg"] @ FORWARD.T
    assert axes.T @ hip @ axes == pytest.approx(
        rebuilt(("hip_flexion_r", "hip_adduction_r", "hip_rotation_r"))
    )
    hanging = turn("-y", 90)
    arm = FORWARD @ pose["RightArm"] @ hanging.T @ FORWARD.T
    assert axes.T @ arm @ axes == pytest.approx(rebuilt(("arm_flex_r", "arm_add_r", "arm_rot_r")))


def test_opensim_signs_and_place() -> None:
    motion = posed(
        skeleton(),
        {"LeftLeg": turn("x", 60), "Hips": turn("x", 10), "Spine1": turn("x", 20)},
        world=FORWARD,
        root_m=np.array([[1.0, 2.0, 3.0]]),
    )
    found = coordinates(motion)
    assert found["knee_angle_l"] == pytest.approx(60)
    assert found["pelvis_tilt"] == pytest.approx(-10)
    assert found["lumbar_extension"] == pytest.approx(-20)
    assert [found[f"pelvis_t{axis}"] for axis in "xyz"] == pytest.approx([1.0, 3.0, -2.0])
    assert found["arm_add_r"] == pytest.approx(-90) and found["pro_sup_r"] == pytest.approx(90)


def test_an_arm_goes_on_through_the_t_pose() -> None:
    up = np.linspace(-60, 40, 101)
    turns = Rotation.from_euler("Y", -up[:, None], degrees=True).as_matrix()
    for back, end in ((0.0, -130.0), (5.0, None)):
        pose = {"LeftArm": turns @ turn("z", back)}
        table = opensim_coordinates(posed(skeleton(), pose, frames=101))
        arm = table.select(["arm_flex_l", "arm_add_l", "arm_rot_l"])
        assert np.abs(np.diff(arm.values, axis=0)).max() < 25
        assert arm.singular.any()
        if end is not None:
            assert arm.values[-1, 1] == pytest.approx(end)


def walk_like(frames: int = 200) -> QuantityTable:
    t = np.arange(frames) / 50.0
    bend = 30 + 30 * np.sin(2 * np.pi * t)
    turns = Rotation.from_euler("X", bend[:, None], degrees=True).as_matrix()
    return joint_angles(posed(skeleton(), {"LeftLeg": turns, "RightLeg": turns}, frames=frames))


def strides(side: tuple[str, ...], begin: list[float]) -> StrideTable:
    count = len(side)
    values = np.full((count, 1), 60.0)
    start = np.array(begin)
    return StrideTable(
        0, side, start, start + 1.0, ("stance",), ("%",), values, np.full((count, 1), np.nan)
    )


def test_curves_over_the_gait_cycle() -> None:
    table = walk_like().select(["left_knee_flexion", "right_knee_flexion", "trunk_flexion"])
    cycles = gait_cycles(table, strides(("left", "right", "left"), [0.25, 0.5, 1.25]))
    left = cycles["left_knee_flexion"]
    percent = np.linspace(0, 1, 101)
    assert left.curves.shape == (2, 101)
    assert left.mean == pytest.approx(30 + 30 * np.cos(2 * np.pi * percent), abs=0.2)
    assert left.spread == pytest.approx(np.zeros(101), abs=1e-6)
    right = cycles["right_knee_flexion"]
    assert right.mean == pytest.approx(30 - 30 * np.sin(2 * np.pi * percent), abs=0.2)
    assert np.isnan(right.spread).all()
    assert cycles["trunk_flexion"].side == "right" and left.stance_percent == 60.0
    assert set(gait_cycles(table, strides(("right",), [0.5]))) == {
        "right_knee_flexion",
        "trunk_flexion",
    }


def test_a_stride_with_a_gap_does_not_count_in_the_mean() -> None:
    table = walk_like().select(["left_knee_flexion"])
    values = table.values.copy()
    values[30:33] = np.nan
    cycle = gait_cycles(
        replace(table, values=values), strides(("left", "left", "left"), [0.25, 1.25, 2.25])
    )["left_knee_flexion"]
    assert np.isnan(cycle.curves[0]).any() and np.isfinite(cycle.mean).all()


def test_tables_select_join_and_refuse() -> None:
    table = walk_like(20)
    part = table.select(["trunk_flexion", "left_knee_flexion"])
    assert part.names == ("trunk_flexion", "left_knee_flexion")
    assert part.values[:, 1] == pytest.approx(table.column("left_knee_flexion"))
    both = part.joined(table.select(["neck_flexion"]))
    assert both.names == ("trunk_flexion", "left_knee_flexion", "neck_flexion")
    with pytest.raises(InputError, match="no column 'knee'"):
        table.column("knee")
    with pytest.raises(ValueError, match="name twice"):
        part.joined(part)
    with pytest.raises(ValueError, match="different frames"):
        part.joined(walk_like(21).select(["neck_flexion"]))
    with pytest.raises(ValueError, match="in order of time"):
        EventTable(
            0,
            ("toe_off", "toe_off"),
            ("left", "left"),
            np.array([2, 1]),
            np.array([0.2, 0.1]),
            np.ones(2, bool),
        )
    with pytest.raises(ValueError, match="values has shape"):
        replace(part, values=np.zeros((20, 3)))
    with pytest.raises(InputError, match="no figure 'cadence'"):
        strides(("left",), [0.0]).figure("cadence")


def test_a_body_without_arms_has_no_coordinates_of_arms() -> None:
    tree, rest = skeleton()
    hidden = tuple(n.replace("Arm", "Xrm").replace("Hand", "Xand") for n in tree.names)
    table = opensim_coordinates(posed((JointTree(hidden, tree.parents), rest)))
    assert "knee_angle_r" in table.names
    assert not any(name.startswith(("arm_", "elbow", "wrist")) for name in table.names)
