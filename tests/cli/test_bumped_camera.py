"""From a session in which a camera was bumped to a good rig: two commands of the user."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
from health_scene import RATE, Mishap, film
from reconstructed import save_people

from mocap.geometry.rotations import rotvec_from_matrix
from mocap.model.config import ReconstructionConfig
from mocap.model.skeletons import COCO_17
from mocap.pipeline.metrics import reconstruct_all
from mocap.storage.rig_file import load_rig, save_rig
from mocap.storage.session_reader import Session


@pytest.mark.slow
def test_the_command_that_is_named_solves_the_rig_from_the_bump_on(mocap, tmp_path: Path) -> None:
    mishap = Mishap(1, turn_deg=1.5, at_s=6.0)
    rig, sets = film(4, 2, 7, seconds=11.0, mishap=mishap)
    save_rig(rig, tmp_path / "rig.toml")
    save_people(tmp_path / "people.npz", rig, COCO_17, sets)
    session = tmp_path / "session.h5"
    line = ["run", "--rig", tmp_path / "rig.toml", "--observations", tmp_path / "people.npz"]
    answer = mocap(*line, "--fps", RATE, "--out", session)
    assert answer.code == 0, answer.err
    said = " ".join(answer.out.split())
    assert "camera cam1 was moved at 6." in said or "camera cam1 was moved at 5.9" in said
    # What it says is to be done, word by word, with a name for the rig.
    start = said.index("mocap calibrate refine")
    words = shlex.split(said[start : said.index("RIG.toml", start)])[1:]
    assert words[0:3] == ["calibrate", "refine", str(session)]
    answer = mocap(*words, tmp_path / "refined.toml")
    assert answer.code == 0, answer.err
    assert "cam1" in answer.out
    refined, true = load_rig(tmp_path / "refined.toml"), mishap.applied(rig)
    for camera in true:
        now = refined[camera.name]
        turn = now.T_cam_world[:3, :3] @ camera.T_cam_world[:3, :3].T
        assert np.degrees(np.linalg.norm(rotvec_from_matrix(turn))) < 0.4, camera.name
        assert np.linalg.norm(now.center_world - camera.center_world) < 0.04, camera.name
    # With the refined rig, what was filmed after the bump fits as well as it did before.
    with Session(session) as made:
        tail = [t for t in made.frame_sets() if t.time_ns * 1e-9 > 7.0]
    fit = {}
    for word, of in (("before", rig), ("after", refined), ("truth", true)):
        people = reconstruct_all(tail, of, COCO_17, ReconstructionConfig())
        fit[word] = float(np.nanmedian(people.reprojection_px)), float((people.n_views == 4).mean())
    assert fit["after"][0] < fit["before"][0]
    # Two in a hundred people and five in a hundred keypoints are missing in every view anyway.
    assert fit["after"][1] > 0.95 * fit["truth"][1] > fit["before"][1]
