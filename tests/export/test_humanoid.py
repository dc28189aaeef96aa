from __future__ import annotations

import numpy as np
import pytest

from mocap.errors import InputError
from mocap.export.axes import y_up
from mocap.export.humanoid import Humanoid, solve_humanoid
from mocap.model import Skeleton, skeleton_by_name

BONES = {
    "LeftForeArm": ("left_shoulder", "left_elbow"),
    "LeftHand": ("left_elbow", "left_wrist"),
    "LeftLeg": ("left_hip", "left_knee"),
    "LeftFoot": ("left_knee", "left_ankle"),
    "RightForeArm": ("right_shoulder", "right_elbow"),
    "RightHand": ("right_elbow", "right_wrist"),
    "RightLeg": ("right_hip", "right_knee"),
    "RightFoot": ("right_knee", "right_ankle"),
    "Head": ("neck", "ears"),
}


def at(humanoid: Humanoid, joint: str) -> np.ndarray:
    return humanoid.joint_positions_m[:, humanoid.joints.index(joint)]


def local(humanoid: Humanoid, joint: str) -> np.ndarray:
    return humanoid.local_rotations[:, humanoid.joints.index(joint)]


def world(humanoid: Humanoid, joint: str) -> np.ndarray:
    index = humanoid.joints.index(joint)
    rotation = humanoid.local_rotations[:, index]
    while (index := humanoid.parents[index]) >= 0:
        rotation = humanoid.local_rotations[:, index] @ rotation
    return rotation


def degrees_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a = a / np.linalg.norm(a, axis=-1, keepdims=True)
    b = b / np.linalg.norm(b, axis=-1, keepdims=True)
    return np.degrees(2.0 * np.arcsin(np.clip(np.linalg.norm(a - b, axis=-1) / 2.0, 0.0, 1.0)))


def turned_by(rotations: np.ndarray) -> np.ndarray:
    """Degrees between consecutive rotations."""
    relative = np.swapaxes(rotations[:-1], -1, -2) @ rotations[1:]
    cosine = (np.trace(relative, axis1=-2, axis2=-1) - 1.0) / 2.0
    return np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))


def test_t_pose_gives_the_rest_pose(puppet) -> None:
    humanoid = solve_humanoid(puppet(3).motion("coco_wholebody133"))
    np.testing.assert_allclose(
        humanoid.local_rotations,
        np.broadcast_to(np.eye(3), humanoid.local_rotations.shape),
        atol=1e-6,
    )
    assert (at(humanoid, "LeftHand")[:, 0] > 0.5).all()
    assert (at(humanoid, "RightHand")[:, 0] < -0.5).all()
    toes = humanoid.rest_offsets_m[humanoid.joints.index("LeftToeBase")]
    assert toes[2] > 0.05 and toes[1] < -0.05


@pytest.mark.parametrize("fingers", [False, True])
def test_rest_offsets_are_a_clean_symmetric_t_pose(walker, fingers) -> None:
    humanoid = solve_humanoid(walker.motion("coco_wholebody133"), fingers=fingers)
    rest = dict(zip(humanoid.joints, humanoid.rest_offsets_m, strict=True))
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        for joint in ("Arm", "ForeArm", "Hand"):
            x, y, z = rest[f"{side}{joint}"]
            assert sign * x > 0.05 and y == 0.0 and z == 0.0, joint
        for joint in ("Leg", "Foot"):
            x, y, z = rest[f"{side}{joint}"]
            assert y < -0.3 and x == 0.0 and z == 0.0, joint
    for joint in humanoid.joints:
        if joint.startswith("Left"):
            mirrored = rest[joint.replace("Left", "Right")] * (-1.0, 1.0, 1.0)
            np.testing.assert_allclose(rest[joint], mirrored, atol=1e-12)


@pytest.mark.parametrize("skeleton", ["coco17", "halpe26", "body25", "coco_wholebody133"])
def test_bone_directions_of_a_walk_agree_with_the_truth(walker, skeleton) -> None:
    humanoid = solve_humanoid(walker.motion(skeleton))
    truth = walker.points()
    truth["ears"] = (truth["left_ear"] + truth["right_ear"]) / 2.0
    for joint, (a, b) in BONES.items():
        parent = humanoid.joints[humanoid.parents[humanoid.joints.index(joint)]]
        solved = at(humanoid, joint) - at(humanoid, parent)
        assert degrees_between(solved, y_up(truth[b] - truth[a])).max() < 1.0, joint


@pytest.mark.parametrize("skeleton", ["halpe26", "coco_wholebody133"])
def test_joints_of_a_walk_lie_on_their_keypoints(walker, skeleton) -> None:
    humanoid = solve_humanoid(walker.motion(skeleton))
    assert set(humanoid.distance_mm) >= {"Hips", "Neck", "Head", "LeftHand", "RightFoot"}
    assert max(humanoid.distance_mm.values()) < 2.0


def test_blazepose_knuckles_give_the_hand(puppet, as_motion) -> None:
    twist = np.full(4, 0.6)
    person = puppet(4, {"left_hand_twist": twist})
    table = skeleton_by_name("blazepose_wholebody")
    points = person.array(table)
    truth = person.points()
    for name in table.keypoints:  # only the three body points of the hand
        if name.startswith("left_hand_"):
            points[:, table.index(name)] = np.nan
    points[:, table.index("left_index")] = truth["left_hand_index_mcp"]
    points[:, table.index("left_pinky")] = truth["left_hand_pinky_mcp"]
    humanoid = solve_humanoid(as_motion(table, points))
    # a turn about the world's X is one about X in the Y-up frame, too
    expected = np.array([[1, 0, 0], [0, np.cos(0.6), -np.sin(0.6)], [0, np.sin(0.6), np.cos(0.6)]])
    np.testing.assert_allclose(local(humanoid, "LeftHand")[0], expected, atol=1e-3)
    assert "LeftHand" not in humanoid.unmeasured


def test_bone_lengths_are_constant_medians_and_equal_on_both_sides(
    puppet, as_motion, walker
) -> None:
    table = skeleton_by_name("halpe26")
    rng = np.random.default_rng(4)
    points = walker.array(table) + rng.normal(0.0, 0.01, (walker.frames, len(table), 3))
    humanoid = solve_humanoid(as_motion(table, points))
    for i, parent in enumerate(humanoid.parents[1:], start=1):
        length = np.linalg.norm(
            humanoid.joint_positions_m[:, i] - humanoid.joint_positions_m[:, parent], axis=1
        )
        assert np.ptp(length) < 1e-9
        assert length[0] == pytest.approx(humanoid.bone_lengths_m[humanoid.joints[i]])
    left = np.linalg.norm(
        points[:, table.index("left_knee")] - points[:, table.index("left_hip")], axis=1
    )
    right = np.linalg.norm(
        points[:, table.index("right_knee")] - points[:, table.index("right_hip")], axis=1
    )
    both = (np.median(left) + np.median(right)) / 2.0
    assert humanoid.bone_lengths_m["LeftLeg"] == pytest.approx(both)
    assert humanoid.bone_lengths_m["RightLeg"] == pytest.approx(both)


def test_elbow_bent_by_90_degrees_is_a_pure_hinge(puppet) -> None:
    humanoid = solve_humanoid(puppet(2, {"left_elbow": np.full(2, np.pi / 2)}).motion())
    np.testing.assert_allclose(local(humanoid, "LeftArm")[0], np.eye(3), atol=1e-4)
    # -90 degrees about Y turns +X to +Z: the forearm points forwards
    np.testing.assert_allclose(
        local(humanoid, "LeftForeArm")[0], [[0, 0, -1], [0, 1, 0], [1, 0, 0]], atol=1e-4
    )


def test_upper_arm_twist_is_seen_in_the_bend_plane(puppet) -> None:
    angles = {"left_elbow": np.full(2, 1.2), "left_arm_twist": np.full(2, 0.5)}
    humanoid = solve_humanoid(puppet(2, angles).motion())
    c, s = np.cos(0.5), np.sin(0.5)
    np.testing.assert_allclose(
        local(humanoid, "LeftArm")[0], [[1, 0, 0], [0, c, -s], [0, s, c]], atol=1e-3
    )


def test_knee_is_a_pure_hinge_which_bends_backwards(puppet) -> None:
    angles = {"right_knee": np.full(2, 1.0), "right_hip": np.full(2, 0.4)}
    humanoid = solve_humanoid(puppet(2, angles).motion())
    c, s = np.cos(1.0), np.sin(1.0)
    np.testing.assert_allclose(
        local(humanoid, "RightLeg")[0], [[1, 0, 0], [0, c, -s], [0, s, c]], atol=1e-3
    )


def test_straight_noisy_limbs_do_not_flip(puppet, as_motion) -> None:
    # Arms swing while they stay straight within noise; then they bend, then they are straight.
    frames = 200
    t = np.linspace(0.0, 1.0, frames)
    bend = np.where((t > 0.4) & (t < 0.6), 1.2 * np.sin((t - 0.4) * np.pi / 0.2) ** 2, 0.0)
    swing = {
        "left_arm_raise": -1.3 + 0.4 * np.sin(6 * t),
        "right_arm_raise": -1.3 + 0.4 * np.sin(6 * t),
        "left_arm_swing": 0.5 * np.sin(9 * t),
        "left_elbow": bend,
        "right_elbow": bend,
        "left_hip": 0.4 * np.sin(8 * t),
    }
    table = skeleton_by_name("halpe26")
    rng = np.random.default_rng(11)
    clean = puppet(frames, swing).array(table)
    points = clean + rng.normal(0.0, 0.004, clean.shape)
    humanoid = solve_humanoid(as_motion(table, points))
    reference = solve_humanoid(as_motion(table, clean))
    for joint in ("LeftArm", "RightArm", "LeftForeArm", "LeftUpLeg", "RightUpLeg", "RightLeg"):
        assert turned_by(world(humanoid, joint)).max() < 15.0, joint
        error = np.swapaxes(world(reference, joint), 1, 2) @ world(humanoid, joint)
        angle = np.degrees(np.arccos((np.trace(error, axis1=1, axis2=2) - 1.0) / 2.0))
        assert angle.max() < 30.0, joint


def test_knees_bent_a_little_the_wrong_way_stay_in_front(puppet) -> None:
    humanoid = solve_humanoid(puppet(40, {"left_knee": np.full(40, -0.25)}).motion())
    ahead = world(humanoid, "LeftUpLeg")[:, 2, 2]
    assert (ahead > 0.9).all()


def test_turning_the_world_turns_the_root_only(walker, as_motion) -> None:
    table = skeleton_by_name("halpe26")
    points = walker.array(table)
    c, s = np.cos(2.0), np.sin(2.0)
    turned = points @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) + (3.0, -2.0, 0.5)
    a = solve_humanoid(as_motion(table, points))
    b = solve_humanoid(as_motion(table, turned))
    np.testing.assert_allclose(a.local_rotations[:, 1:], b.local_rotations[:, 1:], atol=1e-9)


def test_missing_frame_is_interpolated_between_its_neighbours(walker, as_motion) -> None:
    table = skeleton_by_name("halpe26")
    points = walker.array(table)
    keep = np.ones(len(points), dtype=bool)
    keep[[50, 51, 52]] = False
    full = solve_humanoid(as_motion(table, points))
    gap = solve_humanoid(as_motion(table, points[keep], frame=np.flatnonzero(keep) + 7))
    assert gap.frame[0] == 7 and len(gap.frame) == walker.frames
    assert gap.frame_time_s == pytest.approx(0.02)
    np.testing.assert_array_equal(np.flatnonzero(~gap.present), [50, 51, 52])
    np.testing.assert_allclose(
        gap.root_positions_m[51], (full.root_positions_m[49] + full.root_positions_m[53]) / 2.0
    )
    error = np.linalg.norm(gap.joint_positions_m - full.joint_positions_m, axis=2)
    assert 0.0 < error[51].max() < 0.03
    others = np.setdiff1d(np.arange(walker.frames), [50, 51, 52])
    assert error[others].max() < 0.002


def test_hidden_joints_are_interpolated_and_counted(walker, as_motion) -> None:
    table = skeleton_by_name("halpe26")
    points = walker.array(table).copy()
    points[30:40, table.index("left_elbow")] = np.nan
    points[:5, table.index("right_wrist")] = np.nan
    points[60:63, table.index("left_hip")] = np.nan
    points[60:63, table.index("mid_hip")] = np.nan
    humanoid = solve_humanoid(as_motion(table, points))
    assert np.isfinite(humanoid.joint_positions_m).all()
    missing = {
        joint: int(n)
        for joint, n in zip(humanoid.joints, (~humanoid.measured).sum(axis=0), strict=True)
    }
    assert missing["LeftArm"] == 10
    assert missing["LeftForeArm"] == 10
    assert missing["RightForeArm"] == 5
    assert missing["Hips"] == 3
    assert missing["RightLeg"] == 0
    truth = solve_humanoid(walker.motion())
    error = np.linalg.norm(humanoid.joint_positions_m - truth.joint_positions_m, axis=2)
    assert error.max() < 0.05


def test_an_arm_never_seen_is_named_and_has_the_length_of_the_other(walker, as_motion) -> None:
    table = skeleton_by_name("halpe26")
    points = walker.array(table).copy()
    for name in ("left_elbow", "left_wrist"):
        points[:, table.index(name)] = np.nan
    humanoid = solve_humanoid(as_motion(table, points))
    assert {"LeftArm", "LeftForeArm"} <= set(humanoid.unmeasured)
    assert "LeftForeArm" not in humanoid.assumed_lengths
    assert humanoid.bone_lengths_m["LeftForeArm"] == pytest.approx(0.30)
    assert "LeftForeArm" not in humanoid.distance_mm
    assert np.isfinite(humanoid.joint_positions_m).all()


def test_lengths_never_measured_are_named(walker) -> None:
    humanoid = solve_humanoid(walker.motion("coco17"))
    assert {"LeftToeBase", "HeadEnd", "RightHandEnd"} <= set(humanoid.assumed_lengths)
    assert {"LeftFoot", "RightHand"} <= set(humanoid.unmeasured)
    assert 0.05 < humanoid.bone_lengths_m["LeftToeBase"] < 0.25


def test_fingers_follow_the_curl(puppet) -> None:
    person = puppet(3, {"right_curl": np.full(3, 0.5)})
    humanoid = solve_humanoid(person.motion("coco_wholebody133"), fingers=True)
    assert humanoid.joints.count("RightHandPinky3") == 1
    assert max(humanoid.distance_mm.values()) < 0.1
    # each joint of the curled fingers is bent by the same angle
    for joint in ("RightHandIndex2", "RightHandMiddle3"):
        angle = np.arccos((np.trace(local(humanoid, joint)[0]) - 1.0) / 2.0)
        assert angle == pytest.approx(0.5, abs=1e-3)


def test_fingers_need_hand_keypoints(walker, as_motion) -> None:
    with pytest.raises(InputError, match="left_hand_thumb_cmc"):
        solve_humanoid(walker.motion("halpe26"), fingers=True)
    table = skeleton_by_name("coco_wholebody133")
    points = walker.array(table).copy()
    points[:, [table.index(f"{s}_hand_ring_dip") for s in ("left", "right")]] = np.nan
    with pytest.raises(InputError, match="ring of this person was never measured"):
        solve_humanoid(as_motion(table, points), fingers=True)


def test_without_hips_or_shoulders_the_error_says_so(walker, as_motion) -> None:
    table = skeleton_by_name("halpe26")
    points = walker.array(table).copy()
    points[:, table.index("left_hip")] = np.nan
    with pytest.raises(InputError, match="left_hip never measured"):
        solve_humanoid(as_motion(table, points))
    points = walker.array(table).copy()
    points[:60, table.index("left_hip")] = np.nan
    points[60:, table.index("right_shoulder")] = np.nan
    with pytest.raises(InputError, match="same frame"):
        solve_humanoid(as_motion(table, points))


def test_a_skeleton_without_hips_is_refused(as_motion) -> None:
    table = Skeleton("face", ("nose", "left_shoulder"), ("body", "body"), (), ())
    with pytest.raises(InputError, match="no left_hip, right_hip, right_shoulder"):
        solve_humanoid(as_motion(table, np.zeros((3, 2, 3))))


def test_wrong_rows_are_refused(puppet, as_motion) -> None:
    table = skeleton_by_name("halpe26")
    points = puppet(3).array(table)
    with pytest.raises(InputError, match="one frame only"):
        solve_humanoid(as_motion(table, points[:1]))
    with pytest.raises(InputError, match="rows of 0"):
        solve_humanoid(as_motion(table, points[:0]))
    with pytest.raises(InputError, match="order of time"):
        solve_humanoid(as_motion(table, points, frame=np.array([4, 3, 5])))
    with pytest.raises(InputError, match="spread over"):
        solve_humanoid(as_motion(table, points, frame=np.array([0, 1, 10**8])))


def test_a_hand_out_of_all_proportion_is_not_believed(walker, as_motion) -> None:
    table = skeleton_by_name("coco_wholebody133")
    points = walker.array(table).copy()
    clean = solve_humanoid(as_motion(table, points))
    index, pinky = (table.index(f"left_hand_{f}_mcp") for f in ("index", "pinky"))
    # the knuckles exchanged and drawn apart: the palm would turn over
    points[50, [index, pinky]] = points[50, [pinky, index]] + 1.5 * (
        points[50, [pinky, index]] - points[50, [index, pinky]]
    )
    humanoid = solve_humanoid(as_motion(table, points))
    hand = humanoid.joints.index("LeftHand")
    assert np.flatnonzero(~humanoid.measured[:, hand]).tolist() == [50]
    np.testing.assert_allclose(
        world(humanoid, "LeftHand")[50], world(clean, "LeftHand")[50], atol=0.02
    )
