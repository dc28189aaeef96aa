"""The commands that take a session: info, export, view, recover."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from filmed_scene import Scene
from scripted_detector import NAME as SCRIPTED

from mocap.storage.session_reader import Session

ON_SESSIONS: dict[str, Callable[[Path], list[object]]] = {
    "info": lambda _: [],
    "export": lambda folder: ["--out", folder / "made"],
    "view": lambda folder: ["--snapshot", folder / "made.png"],
    "recover": lambda folder: ["--out", folder / "made.h5"],
}


@pytest.fixture
def session(scene: Scene, mocap, tmp_path: Path) -> Path:
    path = tmp_path / "made [red] by a test.h5"
    observations = scene.folder / "observations.npz"
    line = ["run", "--rig", scene.rig_file, "--observations", observations, "--out", path]
    assert mocap(*line).code == 0
    return path


@pytest.mark.parametrize("command", ON_SESSIONS)
def test_what_is_no_session(mocap, tmp_path: Path, command: str) -> None:
    more = ON_SESSIONS[command](tmp_path)
    missing = tmp_path / "none.h5"
    answer = mocap(command, missing, *more)
    assert answer.code == 2
    assert answer.error() == f"session {missing} does not exist; check the path"
    text = tmp_path / "text [bold].h5"
    text.write_text("text")
    answer = mocap(command, text, *more)
    assert answer.code == 2
    assert answer.error().startswith(f"{text} is not a session file, or is damaged")
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["x"] = np.zeros(3)
    answer = mocap(command, other, *more)
    assert answer.code == 2
    assert answer.error() == (
        f"{other} is an HDF5 file but not a session; make one with 'mocap run'"
    )
    answer = mocap(command, tmp_path, *more)
    assert answer.code == 2
    assert answer.error().startswith(f"session {tmp_path} is not a file")
    assert not list(tmp_path.glob("made*"))


def test_a_damaged_session(mocap, session: Path, tmp_path: Path) -> None:
    whole = session.read_bytes()
    for share in (0.1, 0.5, 0.9):
        path = tmp_path / "part.h5"
        path.write_bytes(whole[: int(len(whole) * share)])
        answer = mocap("info", path)
        assert answer.code == 2
        assert "part.h5 is not a session file, or is damaged" in answer.error()


def test_info(mocap, session: Path) -> None:
    answer = mocap("info", session)
    assert answer.code == 0
    assert answer.err == ""
    assert answer.out.startswith(f"{session}, made 20")
    assert ", complete\n" in answer.out
    assert "camera cam1: 320x240, pinhole, at (" in answer.out
    assert "12 frames (0.37 s, 30 Hz), 3 cameras, skeleton coco17" in answer.out
    answer = mocap("info", session, "--config")
    assert '"observations"' in answer.out
    assert '"numpy"' in answer.out


@pytest.mark.parametrize("name", ["bvh", "csv", "npz", "trc", "c3d", "glb", "parquet"])
def test_export(mocap, session: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "new folder" / "exports"
    answer = mocap("export", session, "--format", name, "--out", folder)
    assert answer.code == 0, answer.err
    made = [line for line in answer.out.splitlines() if not line.startswith("  ")]
    assert made
    files = {path for path in folder.iterdir() if path.suffix == f".{name}"}
    assert {line.split(": ")[1] for line in made} == {str(path) for path in files}
    assert len(files) == len(list(folder.iterdir()))
    answer = mocap("export", session, "--format", name, "--out", folder)
    assert answer.code == 2
    problem = answer.err.splitlines()[-1]
    assert problem.startswith(f"error: {name}")
    assert "exists already" in problem
    assert mocap("export", session, "--format", name, "--out", folder, "--overwrite").code == 0


def test_a_format_that_fails_names_itself_and_the_others_are_written(
    mocap, session: Path, tmp_path: Path
) -> None:
    (tmp_path / "keypoints.csv").write_text("precious")
    formats = ["--format", "csv", "openpose", "npz"]
    answer = mocap("export", session, "--out", tmp_path, *formats)
    assert answer.code == 2
    problem = f"error: csv not written: {tmp_path / 'keypoints.csv'} exists already"
    assert answer.err.splitlines()[-1].startswith(problem)
    assert (tmp_path / "keypoints.csv").read_text() == "precious"
    assert (tmp_path / "keypoints.npz").exists()
    assert len(list((tmp_path / "openpose").glob("cam*_json/*.json"))) == 36
    assert [line.split(":")[0] for line in answer.out.splitlines() if line[0] != " "] == [
        *("openpose", "npz")
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--format", "fbx"), "fbx"),
        (("--people", "7"), "7"),
        (("--frames", "1000", "2000"), "holds no 3D people for this choice"),
        (("--frames", "5", "2"), "holds no 3D people for this choice"),
    ],
)
def test_exports_that_cannot_be_made(mocap, session: Path, tmp_path: Path, options, words) -> None:
    answer = mocap("export", session, "--out", tmp_path / "made", *options)
    assert answer.code == 2
    assert words in answer.error()
    assert not (tmp_path / "made").exists()


def test_an_export_folder_that_is_a_file(mocap, session: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    answer = mocap("export", session, "--out", tmp_path / "file")
    assert answer.code == 2
    assert "cannot make the folder" in answer.error()


def test_export_of_some_people_and_frames(mocap, session: Path, tmp_path: Path) -> None:
    options = ["--format", "npz", "--out", tmp_path, "--people", 0, "--frames", 3, 6]
    assert mocap("export", session, *options, "--layer", "raw").code == 0
    (path,) = tmp_path.glob("*.npz")
    with np.load(path) as data:
        assert data["frame"].tolist() == [3, 4, 5, 6]


def test_view_refuses_an_existing_picture(mocap, session: Path, tmp_path: Path) -> None:
    (tmp_path / "old.png").write_text("precious")
    answer = mocap("view", session, "--snapshot", tmp_path / "old.png")
    assert answer.code == 2
    assert "exists already" in answer.error()
    assert (tmp_path / "old.png").read_text() == "precious"


def test_recover(mocap, session: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.h5"
    answer = mocap("recover", session, "--out", copy)
    assert (answer.code, answer.out) == (0, f"{copy}\n")
    with Session(session) as one, Session(copy) as other:
        np.testing.assert_array_equal(one.motion("raw").points_m, other.motion("raw").points_m)
        assert json.dumps(one.config) == json.dumps(other.config)
    answer = mocap("recover", session, "--out", copy)
    assert answer.code == 2
    assert "exists already" in answer.error()
    assert mocap("recover", session, "--out", copy, "--overwrite").code == 0


def test_recover_does_not_write_over_what_it_reads(mocap, session: Path) -> None:
    before = session.read_bytes()
    answer = mocap("recover", session, "--out", session, "--overwrite")
    assert answer.code == 2
    assert answer.error() == f"--out is the session itself, {session}; name another file"
    assert session.read_bytes() == before


def test_videos_without_something_to_put_them_in(mocap, session: Path, tmp_path: Path) -> None:
    answer = mocap("view", session, "--videos", tmp_path)
    assert answer.code == 2
    assert answer.error() == "--videos goes with --render or --snapshot"


def test_picture_beside_the_videos(
    mocap, scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scene.script(monkeypatch)
    session, picture = tmp_path / "s.h5", tmp_path / "picture.png"
    line = ["run", "--rig", scene.rig_file, "--videos", scene.videos, "--out", session]
    assert mocap(*line, "--detector", SCRIPTED).code == 0
    size = ["--size", "320", "240"]
    assert mocap("view", session, "--snapshot", picture, "--videos", scene.videos, *size).code == 0
    import cv2

    assert cv2.imread(str(picture)).shape[1] > 320


def test_pictures_of_fitted_bodies(
    mocap, session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cv2

    size = ["--size", "320", "240"]
    pictures = []
    for name in ("", "skeleton", "anny"):
        path = tmp_path / f"view_{name}.png"
        body = ["--body", name] if name else []
        answer = mocap("view", session, "--snapshot", path, *body, *size)
        assert answer.code == 0, answer.error()
        pictures.append(cv2.imread(str(path)))
    assert (pictures[0] != pictures[1]).any() and (pictures[1] != pictures[2]).any()
    monkeypatch.delenv("MOCAP_BODY_MODELS", raising=False)
    for name, words in (("smplx", "smpl-x.is.tue.mpg.de"), ("mannequin", "no body model")):
        answer = mocap("view", session, "--snapshot", tmp_path / "no.png", "--body", name)
        assert answer.code == 2
        assert words in answer.error()
    assert not (tmp_path / "no.png").exists()


def test_a_smpl_fit_from_the_command_line(mocap, session: Path, tmp_path: Path) -> None:
    from body_stand_in import write_stand_in

    path = write_stand_in(tmp_path / "models", "smplh", "female")
    answer = mocap("fit", session, "--model", "smplh", "--model-path", tmp_path / "models")
    assert answer.code == 2
    assert "there is female: choose it by --gender" in answer.error()
    wrong = mocap("fit", session, "--model", "smplx", "--model-path", path)
    assert wrong.code == 2
    assert "holds SMPL-H (52 joints, 6890 vertices), not SMPL-X" in wrong.error()
    options = ["--model", "smplh", "--model-path", tmp_path / "models", "--gender", "female"]
    fitted = mocap("fit", session, *options)
    assert fitted.code == 0, fitted.error()
