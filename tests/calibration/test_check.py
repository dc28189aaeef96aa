"""An old rig on today's footage: what moved, what changed, and that a good one passes."""

import csv
import tomllib
from dataclasses import replace

import numpy as np
import pytest
from board_scene import board_scene
from synthetic_scene import project_rig, ring_rig, standing_person
from verdict_scene import sightings_of, turned

from calibration.check import RigCheck, check_rig
from calibration.checks.tracks import tracks_of_people
from calibration.sightings import CameraSightings, Sightings
from mocap.errors import CalibrationError
from mocap.model import Camera, Intrinsics, Rig, Target
from mocap.model.skeletons import HALPE_26


def _only(check: RigCheck, name: str):
    found = [f for f in check.verdict.findings if f.check == name]
    assert len(found) == 1, check.verdict.text()
    return found[0]


@pytest.mark.parametrize("seed", range(3))
def test_good_rig_passes(seed):
    rig = ring_rig(2 + seed, mixed_lenses=bool(seed % 2), start_rad=seed)
    check = check_rig(rig, sightings_of(rig, seed))
    assert check.verdict.grade == "pass", check.verdict.text()
    for camera in check.cameras:
        assert camera.moved_m < 4 * camera.moved_sigma_m + 1e-3
        assert camera.turned_rad < 4 * camera.turned_sigma_rad + 2e-4


@pytest.mark.parametrize("cameras", [3, pytest.param(5, marks=pytest.mark.slow)])
def test_moved_camera_is_named_with_how_much(cameras):
    rig = ring_rig(cameras)
    today = rig.replaced(turned(rig.cameras[1], 1.2, 0.034))
    check = check_rig(rig, sightings_of(today, 3))
    finding = _only(check, "moved")
    assert finding.cameras == ("cam1",)
    assert "34 mm" in finding.seen and "refine" in finding.remedy
    assert finding.figures["turned_deg"] == pytest.approx(1.2, abs=0.05)
    others = [c for c in check.cameras if c.name != "cam1"]
    assert all(c.moved_m < 0.005 for c in others)


@pytest.mark.slow
def test_two_moved_cameras_of_six():
    rig = ring_rig(6)
    today = rig.replaced(turned(rig.cameras[1], 0.5)).replaced(turned(rig.cameras[4], -0.8, 0.05))
    check = check_rig(rig, sightings_of(today, 2))
    moved = {f.cameras[0]: f for f in check.verdict.findings if f.check == "moved"}
    assert set(moved) == {"cam1", "cam4"}
    assert moved["cam4"].figures["moved_mm"] == pytest.approx(50, abs=4)


def test_of_two_cameras_either_may_have_moved():
    rig = ring_rig(2)
    check = check_rig(rig, sightings_of(rig.replaced(turned(rig.cameras[1], 0.5)), 1))
    assert _only(check, "moved").cameras == rig.names
    assert np.isnan(check.cameras[0].left_out_px)


def test_zoomed_lens_late_camera_and_wrong_scale():
    rig = ring_rig(3)
    lens = rig.cameras[1].intrinsics
    zoomed = replace(lens, matrix=lens.matrix @ np.diag([1.05, 1.05, 1.0]))
    today = rig.replaced(replace(rig.cameras[1], intrinsics=zoomed))
    finding = _only(check_rig(rig, sightings_of(today, 3)), "lens_changed")
    assert finding.cameras == ("cam1",)
    assert finding.figures["focal_change"] == pytest.approx(0.05, abs=0.01)
    late = rig.replaced(replace(rig.cameras[2], time_offset_s=0.05))
    finding = _only(check_rig(rig, sightings_of(late, 3)), "sync")
    assert finding.cameras == ("cam2",)
    assert finding.figures["offset_ms"] == pytest.approx(50, abs=1)
    finding = _only(check_rig(rig, sightings_of(rig, 3, size_factor=1.04)), "scale")
    assert finding.figures["scale_error"] == pytest.approx(0.04, abs=0.003)


def _people(rig: Rig, seed: int = 0, frames: int = 60, noise_px: float = 3.0):
    rng = np.random.default_rng(seed)
    points = np.array(
        [
            standing_person(HALPE_26, (np.cos(0.13 * i), 0.8 * np.sin(0.17 * i)), 0.1 * i)
            for i in range(frames)
        ]
    )
    pixels = project_rig(points, rig)
    pixels = pixels + rng.normal(0, noise_px, pixels.shape)
    pixels[rng.random(pixels.shape[:3]) < 0.02] += 60
    return tracks_of_people(rig, np.arange(frames) / 15, pixels, np.full(pixels.shape[:3], 0.9))


BACK_M = (0.004, -0.003, 0.006)


@pytest.fixture(scope="module")
def shifted():
    return board_scene(4, seed=11, duration_s=6.0, back_m=BACK_M)


def test_a_shifted_back_print_is_named_or_solved_for_and_no_camera_is_blamed(shifted):
    check = check_rig(shifted.rig, shifted.sightings)
    finding = _only(check, "back_print")
    assert "--two-sided" in finding.remedy
    assert finding.figures["apart_mm"] == pytest.approx(1000 * np.linalg.norm(BACK_M), rel=0.1)
    assert not [f for f in check.verdict.findings if f.check in ("moved", "lens_changed")]
    solved = check_rig(shifted.rig, shifted.sightings, two_sided=True)
    assert solved.verdict.grade == "pass", solved.verdict.text()
    assert solved.rmse_px < 0.4 * check.rmse_px
    assert "shifted against that on the front by 7." in solved.notes[0]
    assert all(c.moved_m < 0.002 for c in solved.cameras)


def test_a_moved_camera_is_named_beside_a_shifted_back_print(shifted):
    camera = shifted.rig.cameras[2]
    old = shifted.rig.replaced(turned(camera, 1.0, 0.03))
    for two_sided in (False, True):
        check = check_rig(old, shifted.sightings, two_sided=two_sided)
        finding = _only(check, "moved")
        assert finding.cameras == (camera.name,)
        assert finding.figures["moved_mm"] == pytest.approx(30, abs=4)


def test_two_sided_means_nothing_where_nobody_is_behind():
    scene = board_scene(2, seed=11, duration_s=8.0, two_sided=False)
    check = check_rig(scene.rig, scene.sightings, two_sided=True)
    assert check.verdict.grade == "pass"
    assert "nobody saw the back" in check.notes[0]


def test_people_serve_as_well():
    rig = ring_rig(4)
    good = check_rig(rig, _people(rig))
    assert good.verdict.grade == "pass", good.verdict.text()
    today = rig.replaced(turned(rig.cameras[2], 1.5, 0.05))
    finding = _only(check_rig(rig, _people(today)), "moved")
    assert finding.cameras == ("cam2",)
    assert finding.figures["turned_deg"] == pytest.approx(1.5, abs=0.2)


def test_nothing_in_common_is_an_error():
    rig = ring_rig(3)
    seen = sightings_of(rig, 0, seconds=2.0)
    none = [camera.chosen(np.zeros(len(camera), bool)) for camera in seen.cameras[1:]]
    with pytest.raises(CalibrationError, match="together at 0 instants"):
        check_rig(rig, replace(seen, cameras=(seen.cameras[0], *none)))


def _real(shared_path, session: str) -> tuple[Rig, Sightings]:
    """Shipped rig and corners found in a real session."""
    stored = tomllib.loads(shared_path(f"{session}/camera_array.toml").read_text())
    target = Target("charuco", (4, 5), 0.054, 0.0405, "DICT_4X4_1000", inverted=True)
    cameras, seen = [], []
    with shared_path(f"{session}/corners_opencv5.csv").open() as file:
        rows = list(csv.DictReader(file))
    for c in sorted(int(k) for k in stored["cameras"]):
        entry = stored["cameras"][str(c)]
        size = (int(entry["size"][0]), int(entry["size"][1]))
        lens = Intrinsics(size, np.array(entry["matrix"]), np.array(entry["distortions"]))
        pose = np.eye(4)
        u, _, vt = np.linalg.svd(np.array(entry["rotation"]))
        pose[:3, :3], pose[:3, 3] = u @ vt, entry["translation"]
        cameras.append(Camera(f"cam_{c}", lens, pose))
        own = [r for r in rows if int(r["cam"]) == c]
        frames = sorted({int(r["frame"]) for r in own})
        place = {f: i for i, f in enumerate(frames)}
        pixels = np.full((len(frames), 12, 2), np.nan)
        mirrored = np.zeros(len(frames), bool)
        for r in own:
            i = place[int(r["frame"])]
            pixels[i, int(r["corner_id"])] = float(r["x_px"]), float(r["y_px"])
            mirrored[i] = r["mirrored"] == "1"
        n = len(frames)
        seen.append(
            CameraSightings(
                f"cam_{c}",
                size,
                np.array(frames),
                np.array(frames) / 6.0,
                pixels,
                np.ones((n, 12)),
                mirrored,
                np.ones(n),
                n,
                6.0,
            )
        )
    return Rig(tuple(cameras)), Sightings(target, tuple(seen))


def test_real_session_with_a_late_camera(shared_path):
    rig, seen = _real(shared_path, "charuco_offset")
    check = check_rig(rig, seen)
    sync = {f.cameras[0]: f for f in check.verdict.findings if f.check == "sync"}
    assert "cam_1" in sync, check.verdict.text()
    # 0.66 frames against cam_0, which itself is late against cam_2 and cam_3.
    assert sync["cam_1"].figures["offset_ms"] == pytest.approx(110, abs=30)


def test_real_good_session(shared_path):
    rig, seen = _real(shared_path, "charuco_4cam")
    check = check_rig(rig, seen)
    assert check.verdict.grade != "fail", check.verdict.text()
    assert check.rmse_px < 0.8
