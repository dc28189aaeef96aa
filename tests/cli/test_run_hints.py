"""Runs in which the detector is told where to look: repeatable, and they find more."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from filmed_scene import film
from scripted_detector import HINTED, NAME

from mocap.storage.session_reader import Session


def test_hints_find_more_and_the_same_every_time(tmp_path: Path, monkeypatch, mocap) -> None:
    scene = film(tmp_path / "scene", cameras=4, frames=40)
    made = []
    for number, slow in enumerate(("cam0", "cam3")):
        cameras = {"cam2": {"blind": True}}
        cameras.setdefault(slow, {})["delay_s"] = 0.01
        scene.script(monkeypatch, cameras)
        out = tmp_path / f"{number}.h5"
        line = ["run", "--rig", scene.rig_file, "--videos", scene.videos, "--detector", HINTED]
        answer = mocap(*line, "--out", out)
        assert answer.code == 0, answer.err
        with Session(out) as session:
            made.append((session.frame_sets(), session.motion("raw").points_m))
    (sets, points), (again, same) = made
    assert sets == again
    np.testing.assert_array_equal(points, same)
    seen = [len(s.observations["cam2"].detections) for s in sets]
    assert seen[:8] == [0] * 8
    assert sum(seen[8:]) >= 8
    told = [s.observations["cam2"].detections.score for s in sets]
    assert max(float(t[0]) for t in told if len(t)) > 100  # places in pixels


def test_without_hints_and_with_a_detector_that_takes_none(
    tmp_path: Path, monkeypatch, mocap
) -> None:
    scene = film(tmp_path / "scene", cameras=3, frames=12)
    scene.script(monkeypatch, {"cam2": {"blind": True}})
    for number, (detector, options, seen) in enumerate(
        ((HINTED, ["--no-hints"], 0), (NAME, [], 12))
    ):
        out = tmp_path / f"{number}.h5"
        line = ["run", "--rig", scene.rig_file, "--videos", scene.videos, "--detector", detector]
        answer = mocap(*line, "--out", out, *options)
        assert answer.code == 0, answer.err
        with Session(out) as session:
            sets = session.frame_sets()
        assert sum(len(s.observations["cam2"].detections) for s in sets) == seen


def test_a_worker_that_dies_is_told_again(tmp_path: Path, monkeypatch, mocap) -> None:
    scene = film(tmp_path / "scene", cameras=3, frames=40)
    faults = [{"frame": 15, "what": "kill", "times": 1}]
    scene.script(monkeypatch, {"cam2": {"blind": True, "faults": faults}})
    out = tmp_path / "session.h5"
    line = ["run", "--rig", scene.rig_file, "--videos", scene.videos, "--detector", HINTED]
    answer = mocap(*line, "--out", out)
    assert answer.code == 0, answer.err
    with Session(out) as session:
        sets = session.frame_sets()
    assert all("cam2" in s.observations for s in sets)
    assert sum(len(s.observations["cam2"].detections) for s in sets[26:]) > 0
    assert json.loads((scene.folder / "script.json").read_text())["cameras"]["cam2"]["blind"]


def test_in_real_time_the_newest_hints_are_taken(tmp_path: Path, monkeypatch, mocap) -> None:
    scene = film(tmp_path / "scene", cameras=3, frames=90)
    scene.script(monkeypatch, {"cam2": {"blind": True}})
    out = tmp_path / "session.h5"
    line = ["run", "--rig", scene.rig_file, "--videos", scene.videos, "--detector", HINTED]
    answer = mocap(*line, "--out", out, "--pace", "realtime")
    assert answer.code == 0, answer.err
    with Session(out) as session:
        sets = session.frame_sets()
    assert sum(len(s.observations["cam2"].detections) for s in sets if "cam2" in s.observations) > 0
