"""Clocks of different rates, solved on people."""

import json

import numpy as np
import pytest
from people_files import write_people
from people_scene import HEIGHT_M, people_tracks, studio_rig

from calibration.clock_drift import drift_is_proven, drift_notes
from calibration.people.calibrate import calibrate_rig_from_people
from mocap.cli.main import main
from mocap.storage.rig_file import load_rig, save_rig

SECONDS, FPS = 16.0, 30.0
DRIFT_PPM = (0.0, 1000.0, -700.0)
"""As of a camera that is said to film 30 frames per second and films 29.97."""


@pytest.fixture(scope="module")
def rig():
    return studio_rig(3, 0, distorted=True, offset_frames=(0.0, 0.4, -0.3))


def _calibrated(rig, tracks, solve_drift):
    return calibrate_rig_from_people(
        tracks,
        [camera.intrinsics for camera in rig],
        height_m=HEIGHT_M,
        initial_offsets_s=[0.0] * len(rig),
        solve_drift=solve_drift,
    ).solution


def _late_frames(found, rig):
    return FPS * np.array([c.time_offset_s - rig[c.name].time_offset_s for c in found.rig])


def test_drift_is_found_and_the_offsets_are_right_again(rig):
    tracks = people_tracks(rig, 0, seconds=SECONDS, drift_ppm=DRIFT_PPM)
    blind, found = (_calibrated(rig, tracks, solve) for solve in (False, True))
    assert np.isnan(blind.drift_ppm).all()
    assert np.abs(_late_frames(blind, rig)).max() > 0.15
    assert np.abs(_late_frames(found, rig)).max() < 0.1
    assert np.isnan(found.drift_ppm[0]) and np.isnan(found.drift_sigma_ppm[0])
    error = (found.drift_ppm - DRIFT_PPM)[1:] / found.drift_sigma_ppm[1:]
    assert np.abs(error).max() < 3.0
    assert (found.drift_sigma_ppm[1:] < 300).all()
    assert any("the clock of cam1 runs" in note and "ppm fast" in note for note in found.notes)


def test_a_rig_without_drift_comes_out_as_if_it_had_not_been_asked_for(rig):
    tracks = people_tracks(rig, 1, seconds=SECONDS)
    plain, asked = (_calibrated(rig, tracks, solve) for solve in (False, True))
    assert np.isnan(asked.drift_ppm).all()
    assert any("no drift of the clocks" in note and "ppm" in note for note in asked.notes)
    for a, b in zip(plain.rig, asked.rig, strict=True):
        np.testing.assert_allclose(a.center_world, b.center_world, atol=5e-4)
        assert a.time_offset_s == pytest.approx(b.time_offset_s, abs=1e-4)


def test_the_command_tells_the_drift(rig, tmp_path, capsys):
    write_people(
        tmp_path / "people.npz", people_tracks(rig, 0, seconds=SECONDS, drift_ppm=DRIFT_PPM)
    )
    save_rig(rig, tmp_path / "lenses.toml")
    call = ["calibrate", "people", "--observations", tmp_path / "people.npz", "--drift"]
    call += ["--intrinsics", tmp_path / "lenses.toml", "--height-m", HEIGHT_M]
    assert main([str(a) for a in [*call, "--out", tmp_path / "rig.toml"]]) == 0
    words = " ".join(capsys.readouterr().out.split())
    assert "drift ppm" in words and "ms per minute" in words
    figures = json.loads((tmp_path / "rig.report.json").read_text())
    fast = figures["cameras"][1]
    assert fast["drift_ppm"] == pytest.approx(1000, abs=3 * fast["drift_sigma_ppm"])
    assert not [f for f in figures["findings"] if f["check"] == "sync"]
    found = load_rig(tmp_path / "rig.toml")
    assert np.abs(_late_frames(type("S", (), {"rig": found}), rig)).max() < 0.1


def test_drifts_are_proven_together_by_their_covariance():
    covariance = np.diag([1e-8, 1e-8])
    assert not drift_is_proven(np.zeros(0), np.zeros((0, 0)))
    assert not drift_is_proven(np.array([1e-4, 1e-4]), covariance)
    assert drift_is_proven(np.array([3e-4, 2e-4]), covariance)
    notes = drift_notes("ab", np.array([np.nan, -500.0]), np.array([np.nan, 20.0]))
    assert notes == (
        "the clock of b runs 500 +- 20 ppm slow against that of a: 30.0 ms per minute",
    )
