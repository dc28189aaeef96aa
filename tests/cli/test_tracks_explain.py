"""`mocap tracks` and `mocap explain` on a session."""

from __future__ import annotations

from pathlib import Path

import pytest
from filmed_scene import Scene

from mocap.storage.session_edits import log_path


@pytest.fixture
def session(scene: Scene, mocap, tmp_path: Path) -> Path:
    path = tmp_path / "made [red].h5"
    observations = scene.folder / "observations.npz"
    line = ["run", "--rig", scene.rig_file, "--observations", observations, "--out", path]
    assert mocap(*line).code == 0
    return path


def test_corrections_are_listed_applied_and_taken_back(
    mocap, session: Path, tmp_path: Path
) -> None:
    content = session.read_bytes()
    answer = mocap("tracks", session, "--split", 0, "--at", 6)
    assert answer.code == 0, answer.err
    assert "0 split: 1 from there on, frames 6 to the last" in answer.out
    assert log_path(session).exists()
    made = mocap("export", session, "--format", "csv", "--people", 1, "--out", tmp_path / "a")
    assert made.code == 0, made.err
    assert "1 correction of ids" in mocap("info", session).out
    assert mocap("tracks", session, "--rename", 1, 8, "--frames", 7, 9).code == 0
    listed = mocap("tracks", session, "--list").out
    assert "correction 2" in listed
    assert "taken back: 1 renamed 8" in mocap("tracks", session, "--undo").out
    assert mocap("tracks", session, "--undo").code == 0
    assert not log_path(session).exists()
    assert session.read_bytes() == content
    answer = mocap("tracks", session, "--undo")
    assert answer.code == 2
    assert "no correction to take back" in answer.error()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--merge", 0, 5), "no person 5"),
        (("--split", 0), "--split A goes with --at FRAME"),
        (("--remove", 0, "--undo"), "one correction at a time"),
        (("--remove", 4), "no person 4"),
        (("--keep", 0), "nobody else than 0"),
        (("--keep", 3), "no person 3"),
        (("--list", "--frames", 1, 2), "--frames goes with"),
        (("--join", "--pause-s", 0), "--pause-s is 0"),
    ],
)
def test_corrections_that_are_refused(mocap, session: Path, options, words: str) -> None:
    answer = mocap("tracks", session, *options)
    assert answer.code == 2
    assert words in answer.error()
    assert not log_path(session).exists()


def test_explain(mocap, session: Path) -> None:
    answer = mocap("explain", session)
    assert answer.code == 0, answer.err
    assert "left_wrist" in answer.out
    answer = mocap("explain", session, "--frame", 3, "--person", 0, "--joint", "left_wrist")
    assert answer.code == 0, answer.err
    assert "cam0: used, " in answer.out
    for options, words in (
        (("--frame", 3, "--joint", "tail"), "no keypoint 'tail'"),
        (("--frame", 999), "no frame 999 in this session"),
        (("--frame", 3, "--person", 7), "no person 7"),
    ):
        answer = mocap("explain", session, *options)
        assert answer.code == 2
        assert words in answer.error()
