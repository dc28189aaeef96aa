"""`mocap run` from the command to the session, with a detector that finds what it is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from filmed_scene import Scene, film
from sample_videos import damage, write_video
from scripted_detector import NAME as SCRIPTED

from mocap.storage.layout import STATUS_COMPLETE, STATUS_INTERRUPTED
from mocap.storage.session_reader import Session


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "new [folder]" / "session.h5"


def arguments(scene: Scene, out: Path, *more: object) -> list[object]:
    return [
        *("run", "--rig", scene.rig_file, "--videos", scene.videos, "--out", out),
        *("--detector", SCRIPTED, *more),
    ]


ALLOWED_M = 4e-3
"""Until the bones of a person are learnt those of an average adult have a say, most with two
cameras."""


def error_m(session: Session, truth: np.ndarray) -> float:
    raw = session.motion("raw")
    assert raw.person_ids == (0,)
    return float(np.linalg.norm(raw.points_m - truth[raw.frame], axis=2).max())


def test_a_run_from_videos(scene: Scene, out: Path, mocap) -> None:
    answer = mocap(*arguments(scene, out))
    assert answer.code == 0, answer.err
    assert "Traceback" not in answer.err
    assert f"Session written to {out}" in answer.out
    with Session(out) as session:
        assert session.status == STATUS_COMPLETE
        assert session.rig.names == ("cam0", "cam1", "cam2")
        assert session.skeleton.name == "coco17"
        np.testing.assert_array_equal(session.frames.number, np.arange(scene.frames))
        np.testing.assert_array_equal(
            session.frames.camera_frame, np.tile(np.arange(scene.frames)[:, None], 3)
        )
        assert session.layers == ("raw", "smooth")
        assert error_m(session, scene.truth) < ALLOWED_M
        assert session.config["detector"] == SCRIPTED
        assert session.config["videos"] == [str(scene.videos)]
        assert session.summary["workers"]["cam1"]["frames"] == scene.frames
        sets = session.frame_sets()
        assert [set(s.observations) for s in sets] == [{"cam0", "cam1", "cam2"}] * scene.frames


def test_a_subset_of_the_cameras_in_the_order_asked_for(scene: Scene, out: Path, mocap) -> None:
    assert mocap(*arguments(scene, out), "--cameras", "cam2", "cam0").code == 0
    with Session(out) as session:
        assert set(session.rig.names) == {"cam0", "cam2"}
        assert error_m(session, scene.truth) < ALLOWED_M


def test_videos_that_are_named_one_by_one(scene: Scene, out: Path, mocap) -> None:
    videos = [scene.video(name) for name in reversed(scene.rig.names)]
    line = [
        "run",
        "--rig",
        scene.rig_file,
        "--out",
        out,
        "--detector",
        SCRIPTED,
        "--videos",
        *videos,
    ]
    assert mocap(*line).code == 0
    with Session(out) as session:
        assert session.rig.names == ("cam0", "cam1", "cam2")
        assert error_m(session, scene.truth) < ALLOWED_M


def test_a_run_from_observations(scene: Scene, out: Path, mocap) -> None:
    path = scene.folder / "observations.npz"
    line = ["run", "--rig", scene.rig_file, "--observations", path, "--out", out]
    assert mocap(*line, "--fps", 25).code == 0
    with Session(out) as session:
        assert session.frames.rate_hz == pytest.approx(25)
        assert error_m(session, scene.truth) < ALLOWED_M
    assert mocap(*line, "--overwrite").code == 0
    with Session(out) as session:
        assert session.frames.rate_hz == pytest.approx(30)


def test_a_size_that_differs_a_little_is_mapped_and_told(scene: Scene, out: Path, mocap) -> None:
    write_video(scene.video("cam1"), scene.frames, size=(316, 238))
    answer = mocap(*arguments(scene, out))
    assert answer.code == 0
    warnings = [line for line in answer.err.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1
    assert (
        "camera 'cam1': the video is 316x238 but the rig was calibrated for 320x240" in warnings[0]
    )
    with Session(out) as session:
        assert session.rig["cam1"].intrinsics.size == (316, 238)
        assert session.rig["cam0"].intrinsics.size == (320, 240)


@pytest.mark.parametrize(("rule", "frames"), [("shortest", 12), ("longest", 20)])
def test_videos_of_different_length_on_request(
    tmp_path: Path, out: Path, mocap, monkeypatch, rule: str, frames: int
) -> None:
    scene = film(tmp_path / "scene", frames=20)
    scene.script(monkeypatch)
    write_video(scene.video("cam2"), 12)
    assert mocap(*arguments(scene, out), "--length", rule).code == 0
    with Session(out) as session:
        assert len(session.frames) == frames
        assert (session.frames.camera_frame[:12] >= 0).all()
        assert (session.frames.camera_frame[12:, 2] == -1).all()
        assert error_m(session, scene.truth) < ALLOWED_M


def test_a_worker_that_is_killed_costs_nothing(scene: Scene, out: Path, mocap, monkeypatch) -> None:
    scene.script(monkeypatch, {"cam1": {"faults": [{"frame": 5, "what": "kill", "times": 1}]}})
    answer = mocap(*arguments(scene, out))
    assert answer.code == 0
    assert (
        "warning: camera 'cam1': its worker died after 5 frames (killed by signal 9" in answer.err
    )
    assert "camera cam1: its worker was started again (killed by signal 9" in answer.out
    with Session(out) as session:
        assert (session.frames.camera_frame >= 0).all()
        assert session.summary["workers"]["cam1"]["restarts"] == 1


def test_a_camera_that_is_lost_costs_one_view(scene: Scene, out: Path, mocap, monkeypatch) -> None:
    scene.script(monkeypatch, {"cam1": {"faults": [{"frame": 5, "what": "raise"}]}})
    answer = mocap(*arguments(scene, out))
    assert answer.code == 3
    assert answer.err.splitlines()[-1] == (
        "error: camera 'cam1' was lost: RuntimeError: told to fail at frame 5; "
        "the session holds what the others saw"
    )
    with Session(out) as session:
        assert session.status == STATUS_COMPLETE
        assert len(session.frames) == scene.frames
        assert (session.frames.camera_frame[:, 1] >= 0).tolist() == [True] * 5 + [False] * 7
        assert error_m(session, scene.truth) < ALLOWED_M
    assert "camera cam1: lost after 5 frames (RuntimeError" in mocap("info", out).out


def test_a_video_with_damage_in_its_middle_is_such_a_loss(scene: Scene, out: Path, mocap) -> None:
    whole = write_video(
        scene.folder / "whole.mp4", scene.frames, container={"movflags": "faststart"}, noise=True
    )
    damage(whole, scene.video("cam2"))
    answer = mocap(*arguments(scene, out))
    assert answer.code == 3
    last = answer.err.splitlines()[-1]
    assert last.startswith("error: camera 'cam2' was lost: video ")
    assert "cam2.mp4 is damaged after frame " in last
    assert "Traceback" not in answer.err


def test_too_few_cameras_end_the_run_but_not_the_session(
    scene: Scene, out: Path, mocap, monkeypatch
) -> None:
    fault = {"faults": [{"frame": 7, "what": "raise"}]}
    scene.script(monkeypatch, {"cam1": fault, "cam2": fault})
    answer = mocap(*arguments(scene, out))
    assert answer.code == 3
    last = answer.err.splitlines()[-1]
    assert last.startswith("error: camera 'cam")
    assert "was lost after 7 frames: RuntimeError: told to fail at frame 7; 3D needs 2" in last
    with Session(out) as session:
        assert session.status == STATUS_INTERRUPTED
        assert 5 <= len(session.frames) <= 8
        assert error_m(session, scene.truth) < ALLOWED_M
    assert mocap("export", out, "--format", "npz", "--out", out.parent / "npz").code == 0


def test_a_detector_that_never_starts_leaves_no_session(
    scene: Scene, out: Path, mocap, monkeypatch
) -> None:
    fault = {"faults": [{"what": "prepare"}]}
    scene.script(monkeypatch, dict.fromkeys(scene.rig.names, fault))
    answer = mocap(*arguments(scene, out))
    assert answer.code == 3
    assert "was lost after 0 frames: RuntimeError: told to fail" in answer.err.splitlines()[-1]
    assert not out.exists()


def test_realtime(scene: Scene, out: Path, mocap) -> None:
    assert mocap(*arguments(scene, out), "--pace", "realtime").code == 0
    with Session(out) as session:
        complete = (session.frames.camera_frame >= 0).all(axis=1)
        assert complete.sum() >= 5


def test_nothing_but_results_and_one_line_of_progress_without_a_terminal(
    scene: Scene, out: Path, mocap, monkeypatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    answer = mocap(*arguments(scene, out))
    progress = [line for line in answer.err.splitlines() if line.strip()]
    assert len(progress) == 1
    assert "12/12" in progress[0]
    assert "\x1b" not in answer.err + answer.out


def test_a_narrow_terminal(scene: Scene, out: Path, mocap, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    answer = mocap(*arguments(scene, out))
    assert answer.code == 0
    # What is to be copied is not broken into lines.
    assert f"Session written to {out}" in answer.out
    scene.video("cam1").write_bytes(b"")
    answer = mocap(*arguments(scene, out, "--overwrite"))
    assert answer.error().endswith("copy or record it again")


def test_settings_are_kept_in_the_session(scene: Scene, out: Path, mocap) -> None:
    path = scene.folder / "observations.npz"
    line = ["run", "--rig", scene.rig_file, "--observations", path, "--out", out]
    more = ["--triangulation.gate-sigmas", 3.5, "--smoothing.no-enabled"]
    assert mocap(*line, *more).code == 0
    with Session(out) as session:
        config = json.loads(json.dumps(session.config))
        assert config["reconstruction"]["triangulation"]["gate_sigmas"] == 3.5
        assert session.layers == ("raw",)
