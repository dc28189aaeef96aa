from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from posed_bodies import anny, posed, skeleton, smpl, turn
from scipy.spatial.transform import Rotation

from mocap.body.biomechanics.joint_angles import ANGLE_NAMES, joint_angles
from mocap.body.biomechanics.tables import QuantityTable
from mocap.errors import InputError
from mocap.geometry.rotations import matrix_from_quaternion, matrix_from_rotvec
from mocap.model.body_motion import BodyMotion, JointTree

SMPL_UPRIGHT = turn("x", 90)
"""Stands SMPL's y-up body in the z-up world."""
HEADINGS = (0.0, 37.0, 90.0, 180.0, -120.0)


def row(table: QuantityTable, frame: int = 0) -> dict[str, float]:
    return dict(zip(table.names, table.values[frame], strict=True))


def angles(motion: BodyMotion) -> dict[str, float]:
    return row(joint_angles(motion))


# In the model's frame the body looks to -y, left is x: what a person does, and what it is called.
# Of the left side; the right side is its mirror image.
MOVEMENTS: list[tuple[str, str, str, float]] = [
    ("UpLeg", "-x", "left_hip_flexion", 30.0),
    ("UpLeg", "x", "left_hip_flexion", -15.0),
    ("UpLeg", "y", "left_hip_adduction", 12.0),
    ("UpLeg", "-y", "left_hip_adduction", -40.0),
    ("UpLeg", "-z", "left_hip_internal_rotation", 25.0),
    ("Leg", "x", "left_knee_flexion", 90.0),
    ("Leg", "y", "left_knee_adduction", 4.0),
    ("Leg", "-z", "left_knee_internal_rotation", 8.0),
    ("Foot", "-x", "left_ankle_dorsiflexion", 20.0),
    ("Foot", "x", "left_ankle_dorsiflexion", -35.0),
    ("Foot", "y", "left_ankle_inversion", 15.0),
    ("Foot", "-z", "left_ankle_internal_rotation", 10.0),
    ("Shoulder", "-y", "left_clavicle_elevation", 20.0),
    ("Shoulder", "-z", "left_clavicle_protraction", 15.0),
    ("ForeArm", "-z", "left_elbow_flexion", 90.0),
    ("ForeArm", "-y", "left_elbow_carrying_angle", 6.0),
    ("Hand", "y", "left_wrist_flexion", 50.0),
    ("Hand", "z", "left_wrist_ulnar_deviation", 20.0),
]
"""Joint, axis, angle, and degrees about the axis that make it."""


@pytest.mark.parametrize(("joint", "axis", "name", "degrees"), MOVEMENTS)
def test_a_movement_about_one_axis_is_one_angle_on_both_sides(
    joint: str, axis: str, name: str, degrees: float
) -> None:
    rest = angles(posed(skeleton()))
    turned = turn(axis, abs(degrees))
    mirror = np.diag([-1.0, 1.0, 1.0])
    motion = posed(skeleton(), {f"Left{joint}": turned, f"Right{joint}": mirror @ turned @ mirror})
    found = angles(motion)
    for side in ("left", "right"):
        sided = name.replace("left", side)
        assert found[sided] == pytest.approx(rest[sided] + degrees, abs=1e-6)
        for other, value in found.items():
            if other.startswith(side) and other != sided and "shoulder" not in other:
                assert value == pytest.approx(rest[other], abs=1e-6), other


def test_the_rest_pose_is_the_anatomical_position_with_raised_arms_and_palms_down() -> None:
    for body, world in (
        (skeleton(), None),
        (skeleton(fingers=False), None),
        (smpl(), SMPL_UPRIGHT),
    ):
        found = angles(posed(body, world=world))
        assert set(found) == set(ANGLE_NAMES)
        raised = {
            "shoulder_elevation": 90.0,
            "shoulder_abduction": 90.0,
            "forearm_pronation": 90.0,
        }
        for name, value in found.items():
            if name == "pelvis_left_rotation" or name == "thorax_left_rotation":
                assert value == pytest.approx(-90.0)
            else:
                expected = raised.get(name.split("_", 1)[1], 0.0)
                assert value == pytest.approx(expected, abs=1e-6), name


@pytest.mark.parametrize(
    ("joint", "axis", "name"),
    [
        ("Hips", "x", "pelvis_anterior_tilt"),
        ("Hips", "-y", "pelvis_right_drop"),
        ("Hips", "x", "thorax_forward_lean"),
        ("Spine1", "x", "trunk_flexion"),
        ("Spine1", "-y", "trunk_right_bend"),
        ("Spine1", "z", "trunk_left_rotation"),
        ("Spine1", "x", "thorax_forward_lean"),
        ("Spine1", "-y", "thorax_right_lean"),
        ("Neck", "x", "neck_flexion"),
        ("Neck", "-y", "neck_right_bend"),
        ("Head", "z", "neck_left_rotation"),
    ],
)
def test_signs_of_pelvis_trunk_and_neck(joint: str, axis: str, name: str) -> None:
    assert angles(posed(skeleton(), {joint: turn(axis, 20)}))[name] == pytest.approx(20.0)


def test_turning_to_the_left_raises_the_rotation_of_the_pelvis() -> None:
    for heading in (-170.0, -30.0, 60.0):
        found = angles(posed(skeleton(), world=turn("z", 90 + heading)))
        assert found["pelvis_left_rotation"] == pytest.approx(heading)


def random_pose(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    tree, _ = skeleton()
    return {
        name: matrix_from_rotvec(0.5 * rng.normal(size=3))
        for name in tree.names
        if not name.endswith("1") and name != "Hips"
    }


@given(st.integers(0, 10_000), st.sampled_from(HEADINGS))
def test_heading_and_place_change_nothing_but_the_rotation_about_the_vertical(
    seed: int, heading: float
) -> None:
    pose = random_pose(seed)
    tilted = turn("x", 15) @ turn("y", 8)
    here = angles(posed(skeleton(), pose, world=tilted))
    there = angles(
        posed(skeleton(), pose, world=turn("z", heading) @ tilted, root_m=np.array([[3.0, -7, 2]]))
    )
    for name, value in here.items():
        change = (there[name] - value + 180.0) % 360.0 - 180.0
        expected = heading if name in ("pelvis_left_rotation", "thorax_left_rotation") else 0.0
        assert (change - expected + 180.0) % 360.0 - 180.0 == pytest.approx(0.0, abs=1e-6), name


@given(st.integers(0, 10_000))
def test_the_mirror_image_has_the_angles_of_the_other_side(seed: int) -> None:
    pose = random_pose(seed)
    mirror = np.diag([-1.0, 1.0, 1.0])
    swapped = {"Left": "Right", "Right": "Left"}
    mirrored: dict[str, np.ndarray] = {}
    for name, value in pose.items():
        side = next((s for s in swapped if name.startswith(s)), "")
        other = swapped.get(side, "") + name.removeprefix(side)
        mirrored[other] = mirror @ value @ mirror
    here, there = angles(posed(skeleton(), pose)), angles(posed(skeleton(), mirrored))
    for name, value in here.items():
        if name.startswith("left_"):
            assert there[name.replace("left_", "right_")] == pytest.approx(value, abs=1e-6), name
        elif not name.startswith("right_"):
            sideways = any(word in name for word in ("right", "rotation"))
            start = -90.0 if name in ("pelvis_left_rotation", "thorax_left_rotation") else 0.0
            expected = 2 * start - value if sideways else value
            assert (there[name] - expected + 180) % 360 - 180 == pytest.approx(0, abs=1e-6), name


@given(st.integers(0, 10_000), st.floats(0.6, 1.6), st.floats(0.6, 1.6))
def test_angles_do_not_depend_on_bone_lengths(seed: int, lower: float, upper: float) -> None:
    tree, rest = skeleton()
    scale = np.where(rest[:, 2] > 0.93, upper, lower)
    stretched = rest.copy()
    for j, parent in enumerate(tree.parents):
        if parent >= 0:
            stretched[j] = stretched[parent] + scale[j] * (rest[j] - rest[parent])
    pose = random_pose(seed)
    here, there = angles(posed((tree, rest), pose)), angles(posed((tree, stretched), pose))
    assert here == pytest.approx(there, abs=1e-6)


@given(st.integers(0, 10_000))
def test_the_smpl_family_has_the_angles_of_the_skeleton(seed: int) -> None:
    pose = random_pose(seed)
    to_smpl = turn("-x", 90)
    tree, _ = skeleton()
    other, _ = smpl()
    turned = {other.names[tree.index(n)]: to_smpl @ r @ to_smpl.T for n, r in pose.items()}
    here = angles(posed(skeleton(), pose))
    there = angles(posed(smpl(), turned, world=SMPL_UPRIGHT))
    assert here == pytest.approx(there, abs=1e-6)


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (skeleton, ("LeftArm", "LeftForeArm", "LeftHand", "LeftUpLeg", "LeftLeg", "LeftFoot")),
        (
            anny,
            ("upperarm01.L", "lowerarm01.L", "wrist.L", "upperleg01.L", "lowerleg01.L", "foot.L"),
        ),
    ],
)
@given(seed=st.integers(0, 10_000))
def test_the_bend_of_elbow_and_knee_is_that_of_the_bones(
    make: Callable[[], tuple[JointTree, np.ndarray]], names: tuple[str, ...], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    body = make()
    pose = {name: matrix_from_rotvec(0.7 * rng.normal(size=3)) for name in names}
    motion = posed(body, pose)
    found = angles(motion)
    place = dict(zip(body[0].names, motion.joint_positions_m[0], strict=True))
    for first, flexion, side in (
        (0, "left_elbow_flexion", "left_elbow_carrying_angle"),
        (3, "left_knee_flexion", "left_knee_adduction"),
    ):
        a, b, c = (place[name] for name in names[first : first + 3])
        cosine = (b - a) @ (c - b) / np.linalg.norm(b - a) / np.linalg.norm(c - b)
        product = np.cos(np.radians(found[flexion])) * np.cos(np.radians(found[side]))
        assert product == pytest.approx(cosine, abs=1e-9)


def test_the_bent_rest_pose_of_anny_counts_from_the_anatomical_position() -> None:
    rest = angles(posed(anny()))
    assert rest["left_elbow_flexion"] == pytest.approx(45.2, abs=0.5)
    assert rest["left_elbow_carrying_angle"] == pytest.approx(0.0, abs=1e-6)
    assert rest["left_knee_flexion"] == pytest.approx(7.6, abs=0.5)
    assert rest["left_shoulder_elevation"] == pytest.approx(40.9, abs=0.5)
    # Twist of either half of a bone is the same.
    for bones, name in (
        (("lowerarm01.L", "lowerarm02.L", "wrist.L"), "left_forearm_pronation"),
        (("upperleg01.L", "upperleg02.L"), "left_hip_internal_rotation"),
    ):
        tree, joints = anny()
        start = tree.index(bones[0])
        end = tree.index("wrist.L" if "arm" in bones[0] else "lowerleg01.L")
        along = (joints[end] - joints[start]) / np.linalg.norm(joints[end] - joints[start])
        turned = [angles(posed(anny(), {b: matrix_from_rotvec(0.3 * along)}))[name] for b in bones]
        assert np.abs(np.array(turned) - rest[name]) == pytest.approx(np.degrees(0.3), abs=1e-6)
        assert np.ptp(turned) == pytest.approx(0.0, abs=1e-6)


def test_pronation_is_the_same_whether_a_model_turns_elbow_or_wrist() -> None:
    for axis, degrees in (("x", 40.0), ("-x", -70.0)):
        found = [
            angles(posed(skeleton(), {joint: turn(axis, abs(degrees))}))
            for joint in ("LeftForeArm", "LeftHand")
        ]
        for values in found:
            assert values["left_forearm_pronation"] == pytest.approx(90.0 + degrees)
            assert values["left_wrist_flexion"] == pytest.approx(0.0, abs=1e-6)


def arm(rotation: np.ndarray) -> dict[str, float]:
    """Angles of a left arm with an orientation, the hanging arm being the identity."""
    hanging = turn("y", 90)
    return angles(posed(skeleton(), {"LeftArm": rotation @ hanging}))


@pytest.mark.parametrize(
    ("axis", "degrees", "plane", "elevation"),
    [("-x", 60, 90.0, 60.0), ("-y", 60, 0.0, 60.0), ("x", 40, -90.0, 40.0), ("-y", 150, 0, 150)],
)
def test_shoulder_plane_and_elevation(
    axis: str, degrees: float, plane: float, elevation: float
) -> None:
    found = arm(turn(axis, degrees))
    assert found["left_shoulder_plane_of_elevation"] == pytest.approx(plane)
    assert found["left_shoulder_elevation"] == pytest.approx(elevation)
    assert found["left_shoulder_axial_rotation"] == pytest.approx(-plane)
    assert found["left_shoulder_internal_rotation"] == pytest.approx(0.0, abs=1e-6)
    sign = 1.0 if axis == "-x" else -1.0
    sagittal, frontal = (sign * degrees, 0.0) if "x" in axis else (0.0, degrees)
    assert found["left_shoulder_flexion"] == pytest.approx(sagittal, abs=1e-6)
    assert found["left_shoulder_abduction"] == pytest.approx(frontal, abs=1e-6)


def test_internal_rotation_of_a_hanging_arm_is_read_by_both_conventions() -> None:
    table = joint_angles(posed(skeleton(), {"LeftArm": turn("-z", 35) @ turn("y", 90)}))
    found = row(table)
    assert found["left_shoulder_internal_rotation"] == pytest.approx(35.0)
    assert found["left_shoulder_elevation"] == pytest.approx(0.0, abs=1e-5)
    total = found["left_shoulder_plane_of_elevation"] + found["left_shoulder_axial_rotation"]
    assert total == pytest.approx(35.0, abs=1e-5)
    singular = dict(zip(table.names, table.singular[0], strict=True))
    assert singular["left_shoulder_plane_of_elevation"]
    assert singular["left_shoulder_axial_rotation"]
    assert not singular["left_shoulder_elevation"] and not singular["left_shoulder_flexion"]
    assert not singular["right_shoulder_plane_of_elevation"]


def swinging_arm(frames: int = 200) -> BodyMotion:
    """An arm that swings through the hanging position, a little off it."""
    t = np.linspace(0, 4 * np.pi, frames)
    rotvec = np.stack([-0.6 * np.sin(t), -0.02 + 0 * t, 0 * t], axis=1)
    return posed(skeleton(), {"LeftArm": matrix_from_rotvec(rotvec) @ turn("y", 90)}, frames=frames)


def test_the_alternative_is_smooth_where_the_isb_shoulder_jumps_and_is_flagged() -> None:
    table = joint_angles(swinging_arm())
    usable = table.select(
        [f"left_shoulder_{n}" for n in ("flexion", "abduction", "internal_rotation")]
    )
    assert np.abs(np.diff(usable.values, axis=0)).max() < 3.0
    assert not usable.singular.any()
    plane = table.select(["left_shoulder_plane_of_elevation"])
    jumps = np.flatnonzero(np.abs(np.diff(plane.values[:, 0])) > 30)
    assert len(jumps)
    assert (plane.singular[jumps, 0] | plane.singular[jumps + 1, 0]).all()
    outside = plane.values[~plane.singular[:, 0], 0]
    assert np.abs(outside).max() < 180.0
    elevation = table.column("left_shoulder_elevation")
    assert elevation.min() >= 0.0


def test_angles_go_on_over_half_a_turn_without_a_jump() -> None:
    frames = 300
    degrees = np.linspace(0, 900, frames)
    world = Rotation.from_euler("Z", degrees[:, None], degrees=True).as_matrix()
    heading = joint_angles(posed(skeleton(), {"Hips": world}, frames=frames)).column(
        "pelvis_left_rotation"
    )
    assert np.diff(heading) == pytest.approx(np.diff(degrees))
    assert abs(np.median(heading)) <= 180.0
    pronation = np.linspace(-170, 165, frames)
    forearm = Rotation.from_euler("X", pronation[:, None], degrees=True).as_matrix()
    found = joint_angles(posed(skeleton(), {"LeftForeArm": forearm}, frames=frames))
    assert np.diff(found.column("left_forearm_pronation")) == pytest.approx(np.diff(pronation))


def test_a_hand_that_was_lost_and_spun_does_not_wind_up_the_pronation() -> None:
    spin = np.concatenate([np.zeros(20), np.linspace(0, 360, 50), np.full(20, 360.0)])
    forearm = Rotation.from_euler("X", spin[:, None], degrees=True).as_matrix()
    table = joint_angles(posed(skeleton(), {"LeftHand": forearm}, frames=90))
    pronation = table.column("left_forearm_pronation")
    assert pronation[0] == pytest.approx(90.0) and pronation[-1] == pytest.approx(90.0)
    assert pronation.min() > -100.0 and pronation.max() <= 260.0


def test_what_was_not_measured_is_flagged_and_left_out_on_request() -> None:
    tree, _ = skeleton()
    measured = np.ones((3, len(tree)), bool)
    measured[1, tree.index("LeftLeg")] = False
    present = np.array([True, True, False])
    motion = posed(skeleton(), frames=3, measured=measured, present=present)
    table = joint_angles(motion)
    assert np.isfinite(table.values).all()
    knee = table.index("left_knee_flexion")
    assert table.measured[:, knee].tolist() == [True, False, False]
    assert table.measured[:2, table.index("right_knee_flexion")].all()
    assert table.measured[:2, table.index("left_ankle_dorsiflexion")].all()
    only = joint_angles(motion, only_measured=True)
    assert np.isnan(only.column("left_knee_flexion")).tolist() == [False, True, True]
    assert np.isnan(only.values[2]).all() and np.isnan(only.sigma[2]).all()


SPREADS = [
    "pelvis_anterior_tilt",
    "thorax_right_lean",
    "trunk_flexion",
    "left_hip_flexion",
    "left_hip_internal_rotation",
    "right_knee_flexion",
    "left_ankle_inversion",
    "left_shoulder_plane_of_elevation",
    "left_shoulder_elevation",
    "left_shoulder_axial_rotation",
    "left_shoulder_flexion",
    "left_shoulder_abduction",
    "right_shoulder_internal_rotation",
    "left_elbow_flexion",
    "left_forearm_pronation",
    "right_wrist_ulnar_deviation",
    "neck_left_rotation",
]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_standard_deviations_agree_with_random_draws(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tree, _ = skeleton()
    draws = 4000
    root = 0.02 * rng.normal(size=(len(tree), 3, 3))
    covariance = root @ np.swapaxes(root, 1, 2)
    pose = random_pose(seed)
    one = posed(skeleton(), pose, rotation_covariance_rad2=covariance[None])
    first = joint_angles(one)
    expected = dict(zip(first.names, first.sigma[0], strict=True))
    noise = np.einsum("jab,fjb->fja", root, rng.normal(size=(draws, len(tree), 3)))
    rotations = matrix_from_quaternion(one.rotations)[0] @ matrix_from_rotvec(noise)
    turned = {name: rotations[:, j] for j, name in enumerate(tree.names)}
    table = joint_angles(posed(skeleton(), turned, frames=draws))
    for name in SPREADS:
        away = (table.column(name) - first.column(name) + 180.0) % 360.0 - 180.0
        spread = float(np.std(away))
        assert expected[name] == pytest.approx(spread, rel=0.08), name


def test_an_angle_in_gimbal_lock_is_as_unsure_as_an_angle_can_be() -> None:
    table = joint_angles(posed(skeleton(), {"LeftArm": turn("y", 90)}))
    sigma = dict(zip(table.names, table.sigma[0], strict=True))
    assert sigma["left_shoulder_plane_of_elevation"] == pytest.approx(360 / np.sqrt(12))
    assert sigma["left_shoulder_flexion"] < 2.0


def test_unknown_covariance_gives_unknown_sigma_and_the_same_angle() -> None:
    tree, _ = skeleton()
    unknown = np.full((1, len(tree), 3, 3), np.nan)
    table = joint_angles(posed(skeleton(), rotation_covariance_rad2=unknown))
    assert np.isnan(table.sigma).all() and np.isfinite(table.values).all()


def test_other_models_need_a_map_of_names() -> None:
    tree, rest = skeleton()
    strange = JointTree(tuple(f"bone_{j}" for j in range(len(tree))), tree.parents)
    motion = posed((strange, rest))
    with pytest.raises(InputError, match="no joint known as pelvis"):
        joint_angles(motion)
    names = {
        "pelvis": "bone_0",
        "neck": f"bone_{tree.index('Neck')}",
        **{
            f"{side}_{landmark}": f"bone_{tree.index(side.capitalize() + name)}"
            for side in ("left", "right")
            for landmark, name in (("hip", "UpLeg"), ("knee", "Leg"), ("ankle", "Foot"))
        },
    }
    table = joint_angles(motion, names=names)
    assert "left_knee_flexion" in table.names and "left_elbow_flexion" not in table.names
    with pytest.raises(InputError, match="no landmark 'shin'"):
        joint_angles(motion, names={"shin": "bone_1"})
    with pytest.raises(InputError, match="no joint 'bone_99'"):
        joint_angles(motion, names={"pelvis": "bone_99"})


def test_mixamo_prefixes_are_known() -> None:
    tree, rest = skeleton()
    prefixed = JointTree(tuple(f"mixamorig:{name}" for name in tree.names), tree.parents)
    assert angles(posed((prefixed, rest))) == angles(posed((tree, rest)))


def test_a_rest_pose_without_extent_is_refused() -> None:
    tree, rest = skeleton()
    flat = rest.copy()
    flat[tree.index("LeftLeg")] = flat[tree.index("LeftUpLeg")]
    with pytest.raises(InputError, match="left_thigh no direction"):
        joint_angles(posed((tree, flat)))
    with pytest.raises(InputError, match="no width or no height"):
        joint_angles(posed((tree, np.zeros_like(rest))))


def test_a_motion_without_frames_or_poses_is_refused() -> None:
    with pytest.raises(InputError, match="person 0 has no frames"):
        joint_angles(posed(skeleton(), frames=0))
    motion = posed(skeleton(), frames=3)
    rotations = motion.rotations.copy()
    rotations[1] = np.nan
    with pytest.raises(InputError, match="frames without a pose"):
        joint_angles(replace(motion, rotations=rotations))
