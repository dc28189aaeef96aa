from pathlib import Path

import numpy as np
import pytest

from mocap.errors import InputError
from mocap.export.bvh_file import read_bvh
from mocap.model.skeletons import COCO_WHOLEBODY_133
from mocap.studio.bodies import Body
from mocap.studio.motions import MotionConfig, make_motion

CHANNELS = "CHANNELS 3 Zrotation Xrotation Yrotation"


def joint(name: str, offset: tuple[float, float, float], *children: str) -> str:
    inside = "\n".join(children) or "End Site\n{\nOFFSET 0 1 0\n}"
    x, y, z = offset
    return f"JOINT {name}\n{{\nOFFSET {x} {y} {z}\n{CHANNELS}\n{inside}\n}}"


def side(name: str, sign: int) -> tuple[str, str]:
    arm = joint(
        f"{name}Arm",
        (15 * sign, 40, 0),
        joint(f"{name}ForeArm", (28 * sign, 0, 0), joint(f"{name}Hand", (25 * sign, 0, 0))),
    )
    leg = joint(
        f"{name}UpLeg",
        (10 * sign, 0, 0),
        joint(f"{name}Leg", (0, -42, 0), joint(f"{name}Foot", (0, -40, 0))),
    )
    return arm, leg


def bvh(frames: list[dict[str, tuple[float, float, float]]], ways: list[float]) -> str:
    """A Y-up file in centimetres in T-pose, which looks along +Z and moves by `ways`."""
    (left_arm, left_leg), (right_arm, right_leg) = side("Left", 1), side("Right", -1)
    spine = joint("Spine", (0, 10, 0), joint("Head", (0, 55, 0)), left_arm, right_arm)
    root = (
        f"ROOT Hips\n{{\nOFFSET 0 0 0\nCHANNELS 6 Xposition Yposition Zposition "
        f"{CHANNELS[11:]}\n{spine}\n{left_leg}\n{right_leg}\n}}"
    )
    order = [line.split()[1] for line in root.splitlines() if line.startswith(("ROOT", "JOINT"))]
    rows = []
    for turns, way in zip(frames, ways, strict=True):
        values = [0.0, 90.0, way]
        for name in order:
            values += turns.get(name, (0.0, 0.0, 0.0))
        rows.append(" ".join(map(str, values)))
    text = f"HIERARCHY\n{root}\nMOTION\nFrames: {len(rows)}\nFrame Time: 0.1\n"
    return text + "\n".join(rows) + "\n"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.bvh"
    # The left arm goes from the side (T-pose) down; the person moves 80 cm ahead.
    frames = [{"LeftArm": (angle, 0.0, 0.0)} for angle in np.linspace(0, -80, 11)]
    path.write_text(bvh(frames, list(np.linspace(0, 80, 11))))
    return path


def test_reading_gives_joints_and_rotations(clip: Path) -> None:
    read = read_bvh(clip)
    assert read.names[:2] == ("Hips", "Spine")
    assert read.frame_time_s == 0.1
    assert read.root_positions[-1].tolist() == [0.0, 90.0, 80.0]
    arm = read.names.index("LeftArm")
    assert read.parents[arm] == read.names.index("Spine")
    np.testing.assert_allclose(read.rest()[read.names.index("LeftHand")], (68, 50, 0))
    np.testing.assert_allclose(
        read.rotations[-1, arm] @ [1, 0, 0],
        (np.cos(np.deg2rad(80)), -np.sin(np.deg2rad(80)), 0),
        atol=1e-12,
    )


def test_body_does_what_the_file_says(clip: Path, man: Body) -> None:
    config = MotionConfig(kind="bvh", bvh=clip, place_m=(1.0, -0.5), heading_deg=90.0)
    motion = make_motion(config, man, 1.0)
    start, end = man.pose_keypoints([motion(0.0), motion(1.0)])

    def way(points: np.ndarray, a: str, b: str) -> np.ndarray:
        names = COCO_WHOLEBODY_133
        vector = points[names.index(b)] - points[names.index(a)]
        return vector / np.linalg.norm(vector)

    # It faces +y, so its left is -x.
    assert way(start, "left_shoulder", "left_wrist") @ [-1, 0, 0] > 0.97
    assert way(start, "right_shoulder", "right_wrist") @ [1, 0, 0] > 0.97
    assert way(end, "left_elbow", "left_wrist") @ [0, 0, -1] > 0.97
    hips = [p[11:13].mean(axis=0) for p in (start, end)]
    np.testing.assert_allclose(hips[0][:2], (1.0, -0.5), atol=0.03)
    # The way is scaled by the length of the legs, which is 82 cm in the file.
    leg = np.linalg.norm(
        man.rest_heads_m[man.bone("upperleg01.L")] - man.rest_heads_m[man.bone("foot.L")]
    )
    assert (hips[1] - hips[0])[1] == pytest.approx(0.8 * leg / 0.82, rel=0.02)
    frames = man.frames([motion(0.0), motion(1.0)])
    for frame in frames:
        assert abs(frame.vertices_m[:, 2].min()) < 0.01


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (("HIERARCHY", "NONSENSE"), "HIERARCHY"),
        (("Frames: 11", "Frames: 999"), "readable BVH"),
        (("LeftForeArm", "Tail"), "left_forearm"),
        (("OFFSET 0 -42 0", "OFFSET 0 42 0"), "upright"),
        (("Frame Time: 0.1", "Frame Time: 0"), "0.0 s"),
    ],
)
def test_bad_files_are_named(clip: Path, man: Body, damage: tuple[str, str], named: str) -> None:
    text = clip.read_text()
    assert damage[0] in text
    clip.write_text(text.replace(*damage))
    with pytest.raises(InputError, match=named):
        make_motion(MotionConfig(kind="bvh", bvh=clip), man, 1.0)
