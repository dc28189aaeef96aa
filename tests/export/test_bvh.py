from __future__ import annotations

import bvhio
import numpy as np
import pytest
from body_motions import body_motion, humanoid_tree, moving, posed, smpl_tree
from export_readers import blender_positions, bvhio_positions
from scipy.spatial.transform import Rotation

from mocap.errors import InputError
from mocap.export.animation import animation
from mocap.export.axes import y_up
from mocap.export.bvh import BvhOptions, bvh_text, write_bvh
from mocap.export.rotation_series import continuous_euler
from mocap.geometry.rotations import matrix_from_euler
from mocap.model import BodyMotion

BODIES = {
    "skeleton": lambda: moving(*humanoid_tree(ends=True)),
    "fingers": lambda: moving(*humanoid_tree(fingers=True, ends=True)),
    "smpl": lambda: moving(*smpl_tree(), model="smpl"),
}


def channels(text: str) -> np.ndarray:
    rows = text.split("Frame Time:")[1].splitlines()[1:]
    return np.array([[float(v) for v in row.split()] for row in rows])


def wanted(motion: BodyMotion, *, fingers: bool = True) -> tuple[tuple[str, ...], np.ndarray]:
    content = animation(motion, fingers=fingers)
    return content.names, motion.joint_positions_m[:, list(content.source)]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(("unit", "order"), [("cm", "ZXY"), ("m", "XYZ"), ("cm", "YXZ")])
def test_independent_reader_finds_the_same_positions(tmp_path, body, unit, order) -> None:
    motion = BODIES[body]()
    path = tmp_path / "person_3.bvh"
    write_bvh(motion, path, BvhOptions(unit=unit, rotation_order=order))
    joints, truth = wanted(motion)
    scale = 0.01 if unit == "cm" else 1.0
    found = bvhio_positions(path, len(motion), joints) * scale
    assert np.abs(found - y_up(truth)).max() < 0.001


@pytest.mark.blender
@pytest.mark.parametrize("body", BODIES)
def test_blender_finds_the_same_positions(tmp_path, body) -> None:
    motion = BODIES[body]()
    path = tmp_path / "person_3.bvh"
    write_bvh(motion, path, BvhOptions())
    joints, truth = wanted(motion)
    found = blender_positions(path, 50.0, joints, scale=0.01)
    assert found.shape == truth.shape
    assert np.abs(found - truth).max() < 0.001


@pytest.mark.parametrize("body", BODIES)
def test_the_rest_pose_is_an_upright_t_pose(body) -> None:
    content = animation(BODIES[body]())
    at = dict(zip(content.names, content.rest(), strict=True))
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        for a, b in (("Arm", "ForeArm"), ("ForeArm", "Hand")):
            bone = at[side + b] - at[side + a]
            np.testing.assert_allclose(bone / np.linalg.norm(bone), (sign, 0, 0), atol=1e-9)
        for a, b in (("UpLeg", "Leg"), ("Leg", "Foot")):
            bone = at[side + b] - at[side + a]
            np.testing.assert_allclose(bone / np.linalg.norm(bone), (0, -1, 0), atol=1e-9)
        assert at[f"{side}ToeBase"][2] > at[f"{side}Foot"][2]
    assert min(height for _, height, _ in at.values()) >= 0.0


def test_head_of_the_file(tmp_path) -> None:
    path = tmp_path / "a.bvh"
    write_bvh(moving(*humanoid_tree(ends=True)), path, BvhOptions())
    read = bvhio.readAsBvh(str(path))
    assert read.FrameCount == 60
    assert read.FrameTime == pytest.approx(0.02)
    assert read.Root.Name == "Hips"
    assert read.Root.Channels == [
        *("Xposition", "Yposition", "Zposition", "Zrotation", "Xrotation", "Yrotation")
    ]
    every = {joint.Name: joint for joint, _, _ in read.Root.layout()}
    assert all(
        every[n].Channels == ["Zrotation", "Xrotation", "Yrotation"] for n in every if n != "Hips"
    )
    assert tuple(every["LeftForeArm"].Offset) == pytest.approx((28.0, 0.0, 0.0), abs=1e-4)
    assert tuple(every["LeftFoot"].Offset) == pytest.approx((0.0, -40.0, 0.0), abs=1e-4)
    assert not any(name.endswith("End") for name in every)
    assert path.read_text().count("End Site") == 5
    assert "-0.000000" not in path.read_text().split("MOTION")[0]


def test_root_is_where_the_hips_are() -> None:
    motion = moving(*humanoid_tree())
    x, y, z = motion.root_position_m.T
    rows = channels(bvh_text(animation(motion), unit="m"))
    np.testing.assert_allclose(rows[:, :3], np.stack((x, z, -y), 1), atol=1e-6)


def test_fingers_may_be_left_out_and_are_unless_measured(tmp_path) -> None:
    tree, rest = humanoid_tree(fingers=True)
    motion = moving(tree, rest)
    finger = np.array(["Hand" in n and not n.endswith("Hand") for n in tree.names])
    unmeasured = moving(tree, rest, measured=np.tile(~finger, (60, 1)))
    counts = []
    for each, fingers in ((motion, "auto"), (motion, "no"), (unmeasured, "auto")):
        path = tmp_path / "a.bvh"
        write_bvh(each, path, BvhOptions(fingers=fingers))
        counts.append(path.read_text().count("JOINT"))
    assert counts == [51, 21, 21]
    # a hand without its fingers still has an end
    assert path.read_text().count("End Site") == 5


def test_names_are_mixamos_with_prefix_or_the_models_own() -> None:
    motion = moving(*smpl_tree(), model="smpl")
    assert animation(motion).names[:3] == ("Hips", "LeftUpLeg", "LeftLeg")
    assert animation(motion, names="mixamorig").names[1] == "mixamorig:LeftUpLeg"
    assert animation(motion, names="model").names[:2] == ("pelvis", "left_hip")
    mixamo = dict(zip(animation(motion).names, animation(motion, names="model").names, strict=True))
    assert {mixamo[name]: name for name in mixamo} == {
        "pelvis": "Hips",
        "spine1": "Spine",
        "spine2": "Spine1",
        "spine3": "Spine2",
        "neck": "Neck",
        "head": "Head",
        "left_hand": "left_hand",
        "right_hand": "right_hand",
        **{
            f"{side}_{own}": side.capitalize() + role
            for side in ("left", "right")
            for own, role in (
                *(("hip", "UpLeg"), ("knee", "Leg"), ("ankle", "Foot"), ("foot", "ToeBase")),
                *(("collar", "Shoulder"), ("shoulder", "Arm"), ("elbow", "ForeArm")),
                ("wrist", "Hand"),
            )
        },
    }


def test_a_right_angle_at_the_elbow_is_one_in_the_file(tmp_path) -> None:
    # The left arm points to +X at rest: the forearm bends forwards, to -Y, about -Z.
    motion = posed({"LeftForeArm": np.array([0.0, 0.0, -np.pi / 2])})
    path = tmp_path / "a.bvh"
    write_bvh(motion, path, BvhOptions())
    arm, elbow, hand = bvhio_positions(path, 1, ("LeftArm", "LeftForeArm", "LeftHand"))[0]
    upper, lower = arm - elbow, hand - elbow
    cosine = upper @ lower / np.linalg.norm(upper) / np.linalg.norm(lower)
    assert np.rad2deg(np.arccos(cosine)) == pytest.approx(90.0, abs=1e-3)
    assert lower[2] > 0.2
    names = animation(motion).names
    row = channels(path.read_text())[0][3:].reshape(-1, 3)
    assert np.abs(row[names.index("LeftForeArm")]).max() == pytest.approx(90.0)


@pytest.mark.parametrize("order", ["ZXY", "XYZ", "YZX"])
def test_a_full_turn_and_a_cartwheel_are_continuous(order) -> None:
    tree, rest = humanoid_tree()
    turn = np.linspace(0.0, 4.0 * np.pi, 90)
    for axis in "xyz":
        matrices = np.tile(np.eye(3), (90, len(tree), 1, 1))
        matrices[:, 0] = Rotation.from_euler(axis, turn[:, None]).as_matrix()
        matrices[:, 5] = Rotation.from_euler(axis, -0.5 * turn[:, None]).as_matrix()
        motion = body_motion(tree, rest, matrices, np.tile(rest[0], (90, 1)))
        degrees = channels(bvh_text(animation(motion), order=order))[:, 3:]
        assert np.abs(np.diff(degrees, axis=0)).max() < 180.0, axis
    # The last of these is about the world's up, which is the file's Y.
    assert np.abs(degrees[-1]).max() == pytest.approx(720.0, abs=1e-3)


def test_euler_angles_give_their_rotations_back_even_when_locked() -> None:
    middle = np.linspace(0.0, np.pi, 21)  # passes a quarter turn exactly
    angles = np.stack((np.full(21, 0.3), middle, np.full(21, -0.4)), axis=1)[:, None]
    for order in ("ZXY", "XYZ"):
        rotations = matrix_from_euler(angles, order)
        found = continuous_euler(rotations, order)
        np.testing.assert_allclose(matrix_from_euler(found, order), rotations, atol=1e-9)
        assert np.abs(np.diff(found, axis=0)).max() < 0.2


def test_report_names_gaps_residuals_and_what_was_never_measured(tmp_path) -> None:
    tree, rest = humanoid_tree()
    present = np.ones(60, bool)
    present[10:15] = False
    measured = np.ones((60, len(tree)), bool)
    measured[:, tree.index("LeftToeBase")] = False
    residual = np.full((60, 1), 0.012)
    residual[:10] = np.nan
    residual[20] = 0.5
    motion = moving(
        *(tree, rest),
        present=present,
        measured=measured,
        keypoint_names=("nose",),
        keypoints_m=np.zeros((60, 1, 3)),
        residual_m=residual,
    )
    fit, absent, never = write_bvh(motion, tmp_path / "a.bvh", BvhOptions())
    assert fit.startswith("distance from the keypoints: median 12 mm, 95 % below ")
    assert absent == "5 frames without the person, interpolated"
    assert never == "never measured: LeftToeBase"


def test_a_single_frame_is_written(tmp_path) -> None:
    write_bvh(posed({}, frames=1), tmp_path / "a.bvh", BvhOptions())
    assert "Frames: 1\nFrame Time: 0.033333333\n" in (tmp_path / "a.bvh").read_text()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [("unit", "inch", r"'inch'; units are cm, m"), ("rotation_order", "XXY", r"'XXY'.*ZXY")],
)
def test_wrong_options_are_refused(name, value, message) -> None:
    # set afterwards, so that the run-time type check of the tests does not come first
    options = BvhOptions()
    object.__setattr__(options, name, value)
    with pytest.raises(InputError, match=message):
        options.__post_init__()
