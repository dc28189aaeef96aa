"""`mocap calibrate` with Kalibr's own description of an AprilGrid, right and wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from board_films import FPS, BoardFilms, film_board

from mocap.model import Target
from mocap.storage.rig_file import load_rig

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Mocap

TARGET = Target("aprilgrid", (3, 2), 0.24, 0.18, "DICT_APRILTAG_36h11")
KALIBR = "target_type: 'aprilgrid'\ntagCols: 3\ntagRows: 2\ntagSize: 0.18\ntagSpacing: {}\n"


@pytest.fixture(scope="module")
def april_films(tmp_path_factory: pytest.TempPathFactory) -> BoardFilms:
    return film_board(tmp_path_factory.mktemp("april"), TARGET, cameras=2)


def calibrated(mocap: Mocap, films: BoardFilms, folder: Path, spacing: float) -> tuple[int, Any]:
    (folder / "target.yaml").write_text(KALIBR.format(spacing))
    answer = mocap(
        *("calibrate", "--target", folder / "target.yaml", "--videos", films.folder / "videos"),
        *("--intrinsics", films.folder / "rig.toml", "--out", folder / "rig.toml"),
    )
    return answer.code, json.loads((folder / "rig.report.json").read_text())


@pytest.mark.slow
def test_a_rig_from_an_aprilgrid(mocap: Mocap, april_films: BoardFilms, tmp_path: Path) -> None:
    code, figures = calibrated(mocap, april_films, tmp_path, 1 / 3)
    assert code == 0, figures
    assert not [f for f in figures["findings"] if f["severity"] == "fail"]
    assert figures["rig"]["edge_mean_mm"] == pytest.approx(180, abs=0.2)
    for camera in load_rig(tmp_path / "rig.toml"):
        true = april_films.rig[camera.name]
        assert 1000 * np.linalg.norm(camera.center_world - true.center_world) < 2.0
        np.testing.assert_allclose(camera.T_cam_world[:3, :3], true.T_cam_world[:3, :3], atol=1e-3)
        assert FPS * abs(camera.time_offset_s - true.time_offset_s) < 0.02


@pytest.mark.slow
def test_a_wrong_spacing_is_named(mocap: Mocap, april_films: BoardFilms, tmp_path: Path) -> None:
    code, figures = calibrated(mocap, april_films, tmp_path, 0.25)
    assert code == 5
    (finding,) = (f for f in figures["findings"] if f["severity"] == "fail")
    assert finding["check"] == "marker_size"
    assert "(tagSpacing 0.333, not 0.250)" in finding["seen"]
