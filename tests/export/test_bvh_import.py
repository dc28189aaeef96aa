"""BVH files read, and brought into the world as body motions and sessions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from body_motions import humanoid_tree, moving, posed, smpl_tree
from export_readers import bvhio_positions

from mocap.errors import InputError
from mocap.export.animation import Animation, animation
from mocap.export.axes import Y_UP
from mocap.export.bvh import bvh_text
from mocap.export.bvh_file import read_bvh
from mocap.export.bvh_import import body_motion_of_bvh
from mocap.export.imported import keypoints_of_joints
from mocap.geometry.kinematics import forward_kinematics


def written(tmp_path: Path, content: Animation, **options: object) -> Path:
    path = tmp_path / "clip.bvh"
    path.write_text(bvh_text(content, **options))  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("unit", ["cm", "m"])
@pytest.mark.parametrize("body", ["skeleton", "smpl"])
def test_what_was_written_comes_back(tmp_path, unit, body) -> None:
    tree = smpl_tree() if body == "smpl" else humanoid_tree(fingers=True, ends=True)
    motion = moving(*tree, model=body)
    content = animation(motion)
    read = body_motion_of_bvh(read_bvh(written(tmp_path, content, unit=unit)), "clip.bvh")
    truth = motion.joint_positions_m[:, list(content.source)]
    assert np.abs(read.joint_positions_m - truth).max() < 1e-4
    assert read.tree.names == content.names
    assert read.frame_time_s == pytest.approx(0.02)
    again = animation(read)
    np.testing.assert_allclose(again.local_rotations, content.local_rotations, atol=1e-6)


def test_mixed_rotation_orders_are_read_as_an_independent_reader_does(tmp_path) -> None:
    content = animation(moving(*humanoid_tree()))
    orders = [("ZXY", "XYZ", "YZX", "ZYX")[i % 4] for i in range(len(content.names))]
    path = written(tmp_path, content, unit="m", orders=orders)
    clip = read_bvh(path)
    assert clip.orders == tuple(orders)
    found, _ = forward_kinematics(clip.parents, clip.rest(), clip.root_positions, clip.rotations)
    independent = bvhio_positions(path, len(found), clip.names)
    np.testing.assert_allclose(found, independent, atol=1e-4)
    np.testing.assert_allclose(clip.rotations, content.local_rotations, atol=1e-7)


SIMPLE = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Left Leg {
    OFFSET 0 -40 0
    CHANNELS 1 Xrotation
    End Site
    {
      OFFSET 0 -40 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.04
0 90 0 0 0 0 90
1 90 0 0 0 90 0
"""


def clip_of(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "clip.bvh"
    path.write_text(text)
    return path


def test_names_with_blanks_braces_on_the_line_and_hinges(tmp_path) -> None:
    clip = read_bvh(clip_of(tmp_path, SIMPLE))
    assert clip.names == ("Hips", "Left Leg")
    assert clip.orders == ("ZXY", "X")
    np.testing.assert_allclose(clip.ends, [[np.nan] * 3, [0, -40, 0]])
    np.testing.assert_allclose(clip.rotations[0, 1] @ [0, -1, 0], (0, 0, -1), atol=1e-12)
    np.testing.assert_allclose(clip.rotations[1, 0] @ [0, 0, 1], (1, 0, 0), atol=1e-12)


def test_positions_of_other_joints_replace_their_offsets_if_they_stand_still(tmp_path) -> None:
    text = SIMPLE.replace("CHANNELS 1 Xrotation", "CHANNELS 2 Yposition Xrotation")
    still = text.replace("0 90 0 0 0 0 90\n", "0 90 0 0 0 0 -41 90\n")
    still = still.replace("1 90 0 0 0 90 0\n", "1 90 0 0 0 90 -41 0\n")
    assert read_bvh(clip_of(tmp_path, still)).offsets[1].tolist() == [0, -41, 0]
    with pytest.raises(InputError, match=r"'Left Leg' moves against its parent by 9"):
        read_bvh(clip_of(tmp_path, still.replace("-41 0", "-50 0")))


def test_a_name_that_stands_twice_gets_a_number(tmp_path) -> None:
    text = SIMPLE.replace("ROOT Hips", "ROOT Left Leg")
    assert read_bvh(clip_of(tmp_path, text)).names == ("Left Leg", "Left Leg_2")


BAD = {
    "two roots": (
        SIMPLE.replace("MOTION", "ROOT Other\n{\nOFFSET 0 0 0\nCHANNELS 1 Xrotation\n}\nMOTION"),
        "2 roots .Hips, Other., expected one",
    ),
    "missing frames": (SIMPLE.replace("Frames: 2", "Frames: 3"), r"holds 14 \(2.00 frames\)"),
    "too many frames": (SIMPLE.replace("Frames: 2", "Frames: 1"), "7 numbers in all, but holds 14"),
    "half a frame": (SIMPLE.replace(" 90 0\n", "\n"), r"holds 12 \(1.71 frames\)"),
    "no motion": (SIMPLE.split("MOTION")[0], "there is no MOTION"),
    "no hierarchy": ("solid cube\n", "does not begin with HIERARCHY"),
    "empty": ("", "does not begin with HIERARCHY"),
    "open brace": (SIMPLE.replace("  }\n}\nMOTION", "  }\nMOTION"), "'Hips' are not closed"),
    "brace too many": (SIMPLE.replace("MOTION", "}\nMOTION"), "a '}' too many"),
    "channel": (SIMPLE.replace("1 Xrotation", "1 Wrotation"), "unknown channel 'Wrotation'"),
    "twice": (SIMPLE.replace("Zrotation Xrotation Y", "Zrotation Yrotation Y"), "twice about Y"),
    "counts": (SIMPLE.replace("CHANNELS 1", "CHANNELS 2"), "2 channels announced, 1 named"),
    "word": (SIMPLE.replace("  OFFSET 0 0 0", "  SCALE 1"), "unexpected word 'SCALE'"),
    "offset": (SIMPLE.replace("OFFSET 0 0 0", "OFFSET 0 zero 0"), "zero"),
    "nan": (SIMPLE.replace("0 90 0 0 0 0 90", "0 nan 0 0 0 0 90"), "not a finite number"),
    "rate": (SIMPLE.replace("0.04", "0"), "2 frames of 0.0 s"),
    "no rate": (SIMPLE.replace("Frame Time:", "Rate:"), "Frame Time: is missing"),
}


@pytest.mark.parametrize("damage", BAD)
def test_bad_files_are_refused_by_name(tmp_path, damage) -> None:
    text, message = BAD[damage]
    path = clip_of(tmp_path, text)
    with pytest.raises(InputError, match=message) as error:
        read_bvh(path)
    assert str(path) in str(error.value)


def test_a_unit_that_cannot_be_told_must_be_named(tmp_path) -> None:
    path = clip_of(tmp_path, SIMPLE.replace("-40", "-4000"))
    with pytest.raises(InputError, match=r"a.bvh: the unit .* 8000 units high; name it by --unit"):
        body_motion_of_bvh(read_bvh(path), "a.bvh")
    read = body_motion_of_bvh(read_bvh(path), "a.bvh", metres_per_unit=1e-4)
    np.testing.assert_allclose(read.joint_positions_m[0, 0], (0.0, 0.0, 0.009), atol=1e-12)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_upward_axis_is_found(tmp_path, axis) -> None:
    content = animation(posed({"LeftForeArm": np.array([0.0, 0.0, -1.5])}))
    turn = np.roll(np.eye(3), axis - 1, axis=0)  # Y becomes the axis
    assert turn[axis, 1] == 1.0
    turned = Animation(
        names=content.names,
        parents=content.parents,
        roles=content.roles,
        rest_offsets_m=content.rest_offsets_m @ turn.T,
        end_offsets_m=content.end_offsets_m @ turn.T,
        frame_time_s=content.frame_time_s,
        root_positions_m=content.root_positions_m @ turn.T,
        local_rotations=turn @ content.local_rotations @ turn.T,
        source=content.source,
        from_model=content.from_model,
    )
    read = body_motion_of_bvh(read_bvh(written(tmp_path, turned)), "a.bvh")
    at = dict(zip(read.tree.names, read.joint_positions_m[0], strict=True))
    assert at["Head"][2] > 1.4
    assert abs(at["LeftFoot"][2] - 0.08) < 1e-6
    arm = at["LeftHand"] - at["LeftForeArm"]
    assert abs(arm[2]) < 1e-4
    assert np.linalg.norm(arm) == pytest.approx(0.26, abs=1e-5)
    again = animation(read)
    np.testing.assert_allclose(
        again.local_rotations[:, 1:], content.local_rotations[:, 1:], atol=1e-6
    )


def test_joints_become_keypoints_of_the_usual_names() -> None:
    motion = moving(*humanoid_tree(fingers=True, ends=True))
    skeleton, points = keypoints_of_joints(motion)
    assert {"mid_hip", "neck", "left_elbow", "right_ankle", "left_hand_index_mcp"} <= set(
        skeleton.keypoints
    )
    assert skeleton.parts[skeleton.index("left_hand_thumb_ip")] == "left_hand"
    assert ("left_elbow", "left_wrist") in skeleton.bones
    assert set(skeleton.association) >= {"left_shoulder", "right_knee"}
    np.testing.assert_array_equal(
        points.points_m[:, skeleton.index("left_elbow")],
        motion.joint_positions_m[:, motion.tree.index("LeftForeArm")],
    )
    present = np.ones(60, bool)
    present[5:9] = False
    _, fewer = keypoints_of_joints(moving(*humanoid_tree(), present=present))
    assert 46 not in fewer.frame
    assert len(fewer) == 56


def test_y_up_is_a_rotation() -> None:
    np.testing.assert_allclose(Y_UP @ Y_UP.T, np.eye(3))
    assert np.linalg.det(Y_UP) == pytest.approx(1.0)
