"""`mocap import`: motions of other programs as sessions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from body_motions import humanoid_tree, moving
from body_stand_in import write_stand_in

from mocap.body.smpl_file import load_smpl
from mocap.export.amass import write_amass
from mocap.export.bvh import BvhOptions, write_bvh
from mocap.storage.session_reader import Session


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    path = tmp_path / "a walk [1].bvh"
    write_bvh(moving(*humanoid_tree(ends=True)), path, BvhOptions())
    return path


def test_a_bvh_becomes_a_session_that_exports(mocap, walk: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.h5"
    answer = mocap("import", walk, "--out", out, "--person", 4)
    assert answer.code == 0, answer.err
    assert answer.out.startswith(f"{out}: 60 frames at 50 Hz, 22 joints, 1.5")
    truth = moving(*humanoid_tree(ends=True))
    with Session(out) as session:
        motion = session.motion()
        assert motion.person_ids == (4,)
        assert session.rig.names == ("imported",)
        elbow = session.skeleton.index("left_elbow")
        np.testing.assert_allclose(
            motion.points_m[:, elbow],
            truth.joint_positions_m[:, truth.tree.index("LeftForeArm")],
            atol=1e-5,
        )
    answer = mocap("export", out, "--format", "trc", "c3d", "csv", "--out", tmp_path / "made")
    assert answer.code == 0, answer.err
    assert len(list((tmp_path / "made").iterdir())) >= 3
    assert mocap("info", out).code == 0
    answer = mocap("import", walk, "--out", out)
    assert (answer.code, "exists already" in answer.error()) == (2, True)


def test_an_amass_file_becomes_a_session(mocap, tmp_path: Path) -> None:
    write_stand_in(tmp_path, "smpl")
    data = load_smpl("smpl", "neutral", tmp_path)
    motion = moving(
        *(data.kind.tree, data.rest_joints(np.zeros(10))),
        model="smpl",
        shape_names=tuple(f"beta_{i}" for i in range(10)),
        shape=np.zeros(10),
        shape_sigma=np.ones(10),
    )
    write_amass(motion, tmp_path / "m.npz")
    out = tmp_path / "s.h5"
    answer = mocap("import", tmp_path / "m.npz", "--out", out, "--model-path", tmp_path)
    assert answer.code == 0, answer.err
    with Session(out) as session:
        hip = session.skeleton.index("left_hip")
        np.testing.assert_allclose(
            session.motion().points_m[:, hip], motion.joint_positions_m[:, 1], atol=1e-9
        )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--unit", "cm", "--scale", "0.01"), "--unit and --scale both state the unit"),
        (("--scale", "0"), "--scale is 0; it must be above 0 metres"),
    ],
)
def test_options_that_make_no_sense(mocap, walk: Path, tmp_path: Path, options, words) -> None:
    answer = mocap("import", walk, "--out", tmp_path / "s.h5", *options)
    assert answer.code == 2
    assert words in answer.error()
    assert not (tmp_path / "s.h5").exists()


def test_files_that_are_no_motions(mocap, walk: Path, tmp_path: Path) -> None:
    other = tmp_path / "a.fbx"
    other.write_text("fbx")
    answer = mocap("import", other, "--out", tmp_path / "s.h5")
    assert answer.error() == (
        f"{other} ends in '.fbx'; motions are imported from .bvh and .npz files"
    )
    walk.write_text(walk.read_text().replace("Frames: 60", "Frames: 61"))
    answer = mocap("import", walk, "--out", tmp_path / "s.h5")
    assert answer.code == 2
    assert "(60.00 frames)" in answer.error()
    assert not (tmp_path / "s.h5").exists()


def test_retargeting_from_the_command_line(mocap, walk: Path, tmp_path: Path) -> None:
    session = tmp_path / "s.h5"
    assert mocap("import", walk, "--out", session).code == 0
    folder = tmp_path / "made"
    answer = mocap("export", session, "--format", "csv", "--retarget", walk, "--out", folder)
    assert answer.code == 0, answer.err
    assert (folder / "person_0_retargeted.bvh").exists()
    assert "joints mapped" in answer.out
    answer = mocap("export", session, "--format", "retarget", "--out", tmp_path / "b")
    assert answer.code == 2
    assert "--retarget TARGET.bvh" in answer.err


def test_stored_bodies_are_exported_and_overtaken_ones_are_named(
    mocap, walk: Path, tmp_path: Path
) -> None:
    session = tmp_path / "s.h5"
    assert mocap("import", walk, "--out", session).code == 0
    answer = mocap("export", session, "--format", "csv", "bvh", "--out", tmp_path / "a")
    assert answer.code == 0, answer.err
    assert (tmp_path / "a" / "bodies.csv").exists()
    wrong = mocap("export", session, "--model", "robot", "--out", tmp_path / "b")
    assert "no body model 'robot'; models are skeleton, anny, smpl" in wrong.error()
    # Two sets of ids that the stored body knows nothing of.
    assert mocap("tracks", session, "--rename", 0, 5).code == 0
    assert mocap("tracks", session, "--rename", 5, 0).code == 0
    answer = mocap("export", session, "--format", "csv", "--out", tmp_path / "c")
    assert answer.code == 0
    assert "the stored body of person 0 is of other ids" in answer.err
    assert not (tmp_path / "c" / "bodies.csv").exists()
    assert mocap("import", walk, "--out", session, "--overwrite").code == 0
    answer = mocap("export", session, "--format", "csv", "--out", tmp_path / "d")
    assert (tmp_path / "d" / "bodies.csv").exists()
