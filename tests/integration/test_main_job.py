"""The main job on the real clip: one command makes a session, others show and convert it."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mocap.pipeline.metrics import limb_deviation_m, valid_share
from mocap.storage.layout import STATUS_COMPLETE
from mocap.storage.session_reader import Session

pytestmark = pytest.mark.slow

CAMERAS = ("cam01", "cam02", "cam03", "cam04")


def mocap(*arguments: object) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("mocap")
    return subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=200
    )


@pytest.fixture(scope="module")
def made(shared_path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    clip = shared_path("pose2sim_single")
    out = tmp_path_factory.mktemp("main job") / "session.h5"
    result = mocap(
        *("run", "--rig", clip / "calibration" / "Calib.qca.txt"),
        *("--videos", clip / "videos", "--out", out),
    )
    assert result.returncode == 0, result.stderr
    # Two of the videos are eight pixels narrower than the calibration says.
    warnings = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 2
    assert all("the video is 1080x1920" in line for line in warnings)
    assert "100/100" in result.stderr
    assert f"Session written to {out}" in result.stdout
    return out


def test_all_frames_of_all_cameras_are_used(made: Path) -> None:
    with Session(made) as session:
        assert session.status == STATUS_COMPLETE
        assert session.rig.names == CAMERAS
        assert session.skeleton.name == "blazepose_wholebody"
        np.testing.assert_array_equal(
            session.frames.camera_frame, np.tile(np.arange(100)[:, None], 4)
        )
        assert session.frames.rate_hz == pytest.approx(60, rel=1e-3)
        for report in session.summary["workers"].values():
            assert (report["frames"], report["restarts"], report["lost"]) == (100, 0, None)


def test_the_one_person_is_there_in_every_frame_and_does_not_change_size(made: Path) -> None:
    with Session(made) as session:
        raw = session.motion("raw")
        # Two cameras also see somebody who stands four metres behind.
        assert raw.person_ids in ((0,), (0, 1))
        person = raw.person(0)
        assert person.frame.tolist() == list(range(100))
        body = session.skeleton.indices("body", "feet")
        assert valid_share(person, body) > 0.97
        smooth = session.motion("smooth").person(0)
        spread = np.array([v for v in limb_deviation_m(smooth).values() if np.isfinite(v)])
        assert spread.mean() < 0.03
        height = person.points_m[:, session.skeleton.index("nose"), 2] - np.nanmin(
            person.points_m[:, list(body), 2], axis=1
        )
        assert 1.3 < np.nanmedian(height) < 1.9


def test_the_session_is_shown_and_converted(made: Path, tmp_path: Path) -> None:
    info = mocap("info", made)
    assert info.returncode == 0
    assert "100 frames (1.65 s, 60 Hz), 4 cameras" in info.stdout
    exported = mocap("export", made, "--format", "bvh", "npz", "csv", "--out", tmp_path)
    assert exported.returncode == 0, exported.stderr
    told = [line.split(": ")[:2] for line in exported.stdout.splitlines() if line[:1].strip()]
    assert {name for name, _ in told} == {"bvh", "npz", "csv"}
    for name, path in told:
        assert Path(path).stat().st_size > 1000 and Path(path).suffix == f".{name}"


def test_steps_of_the_person_are_where_the_videos_show_them(made: Path, tmp_path: Path) -> None:
    # In the videos the right foot leaves the floor, the leg swings far out while the person stands
    # on the left one, the right foot lands near frame 78, and the left one leaves right after.
    result = mocap("angles", made, "--people", 0, "--out", tmp_path / "angles")
    assert result.returncode == 0, result.stderr
    with (tmp_path / "angles" / "person_0_events.csv").open() as file:
        events = list(csv.DictReader(file))
    assert [(row["side"], row["event"]) for row in events] == [
        ("right", "toe_off"),
        ("right", "foot_strike"),
        ("left", "toe_off"),
    ]
    frames = [int(row["frame"]) for row in events]
    assert np.abs(np.array(frames) - (13, 78, 81)).max() <= 6
    assert all(row["measured"] == "1" for row in events)
    swing_s = float(events[1]["time_s"]) - float(events[0]["time_s"])
    assert 0.95 < swing_s < 1.25
    # One step is no stride.
    assert not (tmp_path / "angles" / "person_0_strides.csv").exists()
