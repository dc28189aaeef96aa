from __future__ import annotations

import bvhio
import numpy as np
import pytest

from mocap.errors import InputError
from mocap.export.bvh import BvhOptions, bvh_text, write_bvh
from mocap.export.humanoid import solve_humanoid
from mocap.export.rotation_series import continuous_euler
from mocap.geometry.rotations import matrix_from_euler
from mocap.model import skeleton_by_name


def channels(text: str) -> np.ndarray:
    rows = text.split("Frame Time:")[1].splitlines()[1:]
    return np.array([[float(v) for v in row.split()] for row in rows])


def read_positions(path, frames: int, joints: tuple[str, ...]) -> np.ndarray:
    root = bvhio.readAsHierarchy(str(path))
    found = np.empty((frames, len(joints), 3))
    for frame in range(frames):
        root.loadPose(frame)
        at = {joint.Name: joint.PositionWorld for joint, _, _ in root.layout()}
        found[frame] = [tuple(at[name]) for name in joints]
    return found


@pytest.mark.parametrize("order", ["ZXY", "XYZ", "YXZ"])
@pytest.mark.parametrize("unit", ["cm", "m"])
def test_independent_reader_finds_the_same_positions(walker, tmp_path, order, unit) -> None:
    motion = walker.motion()
    path = tmp_path / "person_3.bvh"
    report = write_bvh(motion, path, BvhOptions(unit=unit, rotation_order=order))
    humanoid = solve_humanoid(motion)
    scale = 0.01 if unit == "cm" else 1.0
    found = read_positions(path, report.frames, humanoid.joints) * scale
    assert np.abs(found - humanoid.joint_positions_m).max() < 0.001


def test_fingers_are_read_too(puppet, tmp_path) -> None:
    curl = np.linspace(0.0, 0.8, 6)
    motion = puppet(6, {"left_curl": curl, "right_elbow": curl}).motion("coco_wholebody133")
    path = tmp_path / "hands.bvh"
    write_bvh(motion, path, BvhOptions(fingers=True))
    humanoid = solve_humanoid(motion, fingers=True)
    found = read_positions(path, 6, humanoid.joints) / 100.0
    assert np.abs(found - humanoid.joint_positions_m).max() < 0.001


def test_head_of_the_file(walker, tmp_path) -> None:
    path = tmp_path / "a.bvh"
    report = write_bvh(walker.motion(), path, BvhOptions())
    read = bvhio.readAsBvh(str(path))
    assert read.FrameCount == report.frames == 120
    assert read.FrameTime == pytest.approx(0.02)
    assert read.Root.Name == "Hips"
    assert read.Root.Channels == [
        *("Xposition", "Yposition", "Zposition", "Zrotation", "Xrotation", "Yrotation")
    ]
    every = {joint.Name: joint for joint, _, _ in read.Root.layout()}
    assert all(
        every[n].Channels == ["Zrotation", "Xrotation", "Yrotation"] for n in every if n != "Hips"
    )
    assert tuple(every["LeftForeArm"].Offset) == pytest.approx((30.0, 0.0, 0.0), abs=1e-4)
    assert tuple(every["LeftFoot"].Offset) == pytest.approx((0.0, -43.0, 0.0), abs=1e-4)
    assert path.read_text().count("End Site") == 5
    assert "-0.000000" not in path.read_text().split("MOTION")[0]


def test_root_is_where_the_hips_are(walker, tmp_path) -> None:
    path = tmp_path / "a.bvh"
    write_bvh(walker.motion(), path, BvhOptions(unit="m"))
    x, y, z = walker.points()["mid_hip"].T
    np.testing.assert_allclose(
        channels(path.read_text())[:, :3], np.stack((x, z, -y), 1), atol=1e-6
    )


@pytest.mark.parametrize("order", ["ZXY", "XYZ", "YZX"])
def test_a_full_turn_and_a_cartwheel_are_continuous(puppet, order) -> None:
    turn = np.linspace(0.0, 4.0 * np.pi, 90)
    for angle in ("heading", "left_arm_swing", "right_hip"):
        humanoid = solve_humanoid(
            puppet(90, {angle: turn, "right_knee": np.full(90, 0.6)}).motion()
        )
        degrees = channels(bvh_text(humanoid, BvhOptions(rotation_order=order)))[:, 3:]
        assert np.abs(np.diff(degrees, axis=0)).max() < 180.0, angle
    assert channels(
        bvh_text(
            solve_humanoid(puppet(90, {"heading": turn}).motion()), BvhOptions(rotation_order="ZXY")
        )
    )[-1, 5] == pytest.approx(720.0, abs=1e-3)


def test_euler_angles_give_their_rotations_back_even_when_locked() -> None:
    middle = np.linspace(0.0, np.pi, 21)  # passes a quarter turn exactly
    angles = np.stack((np.full(21, 0.3), middle, np.full(21, -0.4)), axis=1)[:, None]
    for order in ("ZXY", "XYZ"):
        rotations = matrix_from_euler(angles, order)
        found = continuous_euler(rotations, order)
        np.testing.assert_allclose(matrix_from_euler(found, order), rotations, atol=1e-9)
        assert np.abs(np.diff(found, axis=0)).max() < 0.2


def test_report_counts_gaps(walker, as_motion, tmp_path) -> None:
    table = skeleton_by_name("halpe26")
    points = walker.array(table).copy()
    points[10:14, table.index("left_wrist")] = np.nan
    keep = np.ones(len(points), dtype=bool)
    keep[80:85] = False
    motion = as_motion(table, points[keep], frame=np.flatnonzero(keep))
    report = write_bvh(motion, tmp_path / "a.bvh", BvhOptions())
    assert report.frames == 120
    assert report.absent_frames == 5
    assert report.interpolated_frames == {"LeftForeArm": 4}
    assert set(report.unmeasured) == {"LeftHand", "RightHand"}
    assert report.distance_mm["LeftHand"] < 1.0


def test_report_shows_a_bad_fit(walker, as_motion, tmp_path) -> None:
    table = skeleton_by_name("halpe26")
    points = walker.array(table).copy()
    hip, knee = table.index("left_hip"), table.index("left_knee")
    points[::2, knee] += 0.2 * (points[::2, knee] - points[::2, hip])
    report = write_bvh(as_motion(table, points), tmp_path / "a.bvh", BvhOptions())
    assert report.distance_mm["LeftLeg"] > 20.0


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
