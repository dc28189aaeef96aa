"""`mocap fit`, and what is kept of it beside the session."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from filmed_scene import Scene
from reconstructed import save_people
from synthetic_scene import frame_set, ring_rig, standing_person

from mocap.body.fit_torch import has_cuda
from mocap.model.skeletons import COCO_17
from mocap.pipeline.body import BodyChoice, session_body
from mocap.storage.body_file import bodies_path, load_body
from mocap.storage.rig_file import save_rig
from mocap.storage.session_reader import Session


@pytest.fixture
def session(scene: Scene, mocap, tmp_path: Path) -> Path:
    path = tmp_path / "made [red].h5"
    observations = scene.folder / "observations.npz"
    line = ["run", "--rig", scene.rig_file, "--observations", observations, "--out", path]
    assert mocap(*line).code == 0
    return path


def test_fit_is_stored_found_again_and_reported(mocap, session: Path, tmp_path: Path) -> None:
    content = session.read_bytes()
    answer = mocap("fit", session)
    assert answer.code == 0, answer.err
    assert "Bodies (skeleton)" in answer.out
    assert "assumed from body proportions" in answer.out
    assert session.read_bytes() == content
    assert "body skeleton of person 0" in mocap("info", session).out
    with Session(session) as opened:
        stored = load_body(session, opened.created_utc, "skeleton", 0)
        assert stored is not None
        motion = session_body(opened, 0, BodyChoice())
        assert np.array_equal(motion.joint_positions_m, stored.motion.joint_positions_m)
        other = session_body(opened, 0, BodyChoice(layer="raw"))
        assert not np.array_equal(other.joint_positions_m, motion.joint_positions_m)
    copy = tmp_path / "copy.h5"
    assert mocap("recover", session, "--out", copy).code == 0
    assert bodies_path(copy).read_bytes() == bodies_path(session).read_bytes()


def test_bodies_of_corrected_people_are_not_used(mocap, session: Path) -> None:
    assert mocap("fit", session).code == 0
    assert mocap("tracks", session, "--rename", 0, 5).code == 0
    assert "fit again" in mocap("info", session).out
    with Session(session) as opened:
        assert session_body(opened, 5, BodyChoice()).person_id == 5


def test_fit_from_the_pictures(mocap, session: Path) -> None:
    answer = mocap("fit", session, "--from-2d")
    assert answer.code == 0, answer.err
    with Session(session) as opened:
        from_2d = load_body(session, opened.created_utc, "skeleton", 0)
        assert from_2d is not None
        assert from_2d.layer == "2d"
        from_3d = session_body(opened, 0, BodyChoice(layer="raw"))
        joint = from_3d.tree.index("LeftHand")
        gap = np.linalg.norm(
            from_2d.motion.joint_positions_m[:, joint] - from_3d.joint_positions_m[:, joint], axis=1
        )
        assert gap.mean() < 0.05


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--people", 7), "no person 7"),
        (("--model", "mesh"), "no body model 'mesh'"),
        (("--smooth", -1), "smooth of a body fit is -1"),
        (("--layer", "smooth", "--robust-sigmas", 0.1), "robust_sigmas of a body fit is 0.1"),
    ],
)
def test_what_cannot_be_fitted_is_said(mocap, session: Path, options, words: str) -> None:
    answer = mocap("fit", session, *options)
    assert answer.code == 2
    assert words in answer.error()
    assert not bodies_path(session).exists()


@pytest.mark.parametrize("device", ["cuda", "torch"])
def test_a_device_that_cannot_do_it_is_refused(mocap, session: Path, device: str) -> None:
    if device == "cuda":
        if has_cuda():
            pytest.skip("there is a graphics card")
        answer = mocap("fit", session, "--device", device)
        words = "finds no CUDA graphics card"
    else:
        answer = mocap("fit", session, "--from-2d", "--device", device)
        words = "only keypoints in 3D"
    assert answer.code == 2
    assert words in " ".join(answer.error().split())
    assert not bodies_path(session).exists()


def test_a_damaged_file_of_bodies_is_named(mocap, session: Path) -> None:
    bodies_path(session).write_bytes(b"nothing")
    answer = mocap("info", session)
    assert answer.code != 0
    assert "delete it and run 'mocap fit' again" in answer.error()


@pytest.mark.parametrize(
    "line",
    [
        ("fit",),
        ("angles", "--out", "OUT"),
        ("view", "--snapshot", "OUT/picture.png", "--body", "smplx"),
        ("export", "--format", "bvh", "--out", "OUT"),
    ],
    ids=lambda line: line[0],
)
def test_a_body_model_without_its_files_is_told_once_for_all_people(
    mocap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: tuple[str, ...]
) -> None:
    monkeypatch.delenv("MOCAP_BODY_MODELS", raising=False)
    path, rig = tmp_path / "two.h5", ring_rig(3)
    people = np.stack([standing_person(COCO_17, (x, 0.0), 0.3) for x in (-0.8, 0.8)])
    save_rig(rig, tmp_path / "rig.toml")
    save_people(
        tmp_path / "people.npz", rig, COCO_17, [frame_set(n, people, rig) for n in range(15)]
    )
    run = ["run", "--rig", tmp_path / "rig.toml", "--observations", tmp_path / "people.npz"]
    run += ["--fps", 30, "--out", path]
    assert mocap(*run).code == 0
    with Session(path) as opened:
        assert len(opened.motion("raw").person_ids) == 2
    command, *more = (word.replace("OUT", str(tmp_path / "made")) for word in line)
    model = () if command == "view" else ("--model", "smplx")
    answer = mocap(command, path, *more, *model)
    assert answer.code == 2
    assert (answer.out + answer.err).count("no SMPL-X model file") == 1
    assert "Register at" in answer.err
