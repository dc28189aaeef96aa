"""`mocap calibrate`, `mocap calibrate check`: on videos and images of a board."""

import json
import shutil

import cv2
import numpy as np
import pytest
from board_films import FPS
from picture_server import PictureServer

from capture.video import VideoSource
from mocap.storage.rig_file import load_rig, save_rig


def _errors(rig, truth):
    """Worst camera: mm of its centre, degrees, frames of its offset; the world is the board's."""
    worst = [0.0, 0.0, 0.0]
    for camera in rig:
        true = truth[camera.name]
        turn = camera.T_cam_world[:3, :3] @ true.T_cam_world[:3, :3].T
        angle = np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)))
        shift = 1000 * np.linalg.norm(camera.center_world - true.center_world)
        late = FPS * abs(camera.time_offset_s - true.time_offset_s)
        worst = [max(a, b) for a, b in zip(worst, (shift, angle, late), strict=True)]
    return worst


@pytest.fixture(scope="module")
def calibrated(films, tmp_path_factory):
    """The rig file that the command makes with known lenses."""
    from mocap.cli.main import main

    out = tmp_path_factory.mktemp("rig") / "rig.toml"
    arguments = ["calibrate", "--target", films.folder / "board.toml"]
    arguments += ["--videos", films.folder / "videos", "--out", out]
    arguments += ["--intrinsics", films.folder / "rig.toml"]
    assert main([str(a) for a in arguments]) == 0
    return out


def test_the_rig_its_offsets_and_its_floor_are_right(films, calibrated):
    rig = load_rig(calibrated)
    shift, angle, late = _errors(rig, films.rig)
    assert shift < 8.0
    assert angle < 0.3
    assert late < 0.1
    assert "floor from the target" in rig.metadata.world_frame
    assert any("board.toml" in line for line in rig.metadata.provenance)
    for camera in rig:
        assert camera.intrinsics == films.rig[camera.name].intrinsics
        # The first camera is the reference.
        known = camera.pose_covariance
        assert known is not None
        assert (np.diag(known) > 0).all() or camera.name == "cam1"


def test_report_and_figures_stand_beside_the_rig(calibrated):
    html = calibrated.with_suffix(".report.html").read_text()
    assert html.count("data:image/png;base64,") >= 5
    assert "http" not in html.replace("http-equiv", "")
    figures = json.loads(calibrated.with_suffix(".report.json").read_text())
    assert figures["verdict"] in ("pass", "warn")
    assert [camera["name"] for camera in figures["cameras"]] == ["cam1", "cam2", "cam3"]
    assert figures["rig"]["edge_mean_mm"] == pytest.approx(160, abs=0.6)
    assert figures["cameras"][1]["time_offset_ms"] == pytest.approx(0.4 / FPS * 1000, abs=7)


def test_the_summary_says_what_was_found(films, tmp_path, mocap):
    answer = mocap(
        *("calibrate", "--target", films.folder / "board.toml"),
        *("--videos", films.folder / "videos", "--cameras", "cam3", "cam1"),
        *("--intrinsics", films.folder / "rig.toml", "--out", tmp_path / "rig.toml"),
    )
    assert answer.code == 0, answer.err
    assert load_rig(tmp_path / "rig.toml").names == ("cam3", "cam1")
    for text in ("PASS", "cam3", "edges of the board", "rig.report.html", "late against cam3"):
        assert text in answer.out.replace("WARN", "PASS")


def test_two_exchanged_videos_are_named_by_the_poses_in_the_file_of_the_lenses(
    films, tmp_path, mocap
):
    folder = tmp_path / "videos"
    folder.mkdir()
    for own, other in (("cam1", "cam1"), ("cam2", "cam3"), ("cam3", "cam2")):
        shutil.copy(films.folder / f"videos/{own}.mp4", folder / f"{other}.mp4")
    answer = mocap(
        *("calibrate", "--target", films.folder / "board.toml", "--videos", folder),
        *("--intrinsics", films.folder / "rig.toml", "--out", tmp_path / "rig.toml"),
    )
    assert answer.code == 5
    assert "cam2 stands where cam3 stood in the file of --intrinsics" in " ".join(
        answer.out.split()
    )
    assert "Exchange the names of the videos of cam2 and cam3" in " ".join(answer.out.split())


def test_an_old_rig_is_checked(films, calibrated, tmp_path, mocap):
    call = ["calibrate", "check", "--target", films.folder / "board.toml"]
    call += ["--videos", films.folder / "videos"]
    good = mocap(*call, "--rig", calibrated, "--json", tmp_path / "check.json")
    assert good.code == 0
    assert json.loads((tmp_path / "check.json").read_text())["verdict"] in ("pass", "warn")
    rig = load_rig(calibrated)
    moved = rig["cam2"]
    pose = moved.T_cam_world.copy()
    turn = cv2.Rodrigues(np.array([0, 0.03, 0]))[0]
    pose[:3] = turn @ pose[:3]
    save_rig(rig.replaced(type(moved)("cam2", moved.intrinsics, pose)), tmp_path / "moved.toml")
    bad = mocap(*call, "--rig", tmp_path / "moved.toml")
    assert bad.code == 5
    assert "cam2" in bad.out
    assert "FAIL" in bad.out


def test_images_instead_of_videos(films, tmp_path, mocap):
    for camera in ("cam1", "cam3"):
        folder = tmp_path / "images" / camera
        folder.mkdir(parents=True)
        late = {"cam1": 0, "cam3": -3}[camera]
        for index, _, image in VideoSource(films.folder / "videos" / f"{camera}.mp4").grey():
            if (index - late) % 3 == 0:
                cv2.imwrite(str(folder / f"{index - late:03d}.png"), image)
    (tmp_path / "images/cam1/000.png").write_bytes(b"no image")
    answer = mocap(
        *("calibrate", "--target", films.folder / "board.toml"),
        *("--images", tmp_path / "images", "--intrinsics", films.folder / "rig.toml"),
        *("--out", tmp_path / "rig.toml"),
    )
    assert answer.code in (0, 5), answer.err
    assert "000.png" in answer.err
    # No two images are of exactly the same instant here, as the cameras are 0.4 frames apart; and
    # nothing tells how long the board lay still.
    rig = load_rig(tmp_path / "rig.toml")
    found = rig["cam3"].T_cam_world @ rig["cam1"].T_world_cam
    true = films.rig["cam3"].T_cam_world @ films.rig["cam1"].T_world_cam
    turn = found[:3, :3] @ true[:3, :3].T
    assert np.degrees(np.arccos((np.trace(turn) - 1) / 2)) < 2.0
    assert np.linalg.norm(found[:3, 3] - true[:3, 3]) < 0.06


def _call(films, out, *more):
    return (
        *("calibrate", "--target", films.folder / "board.toml"),
        *("--videos", films.folder / "videos", "--out", out),
        *more,
    )


def test_bad_input_is_named_with_its_remedy(films, tmp_path, mocap):
    out = tmp_path / "rig.toml"
    target, videos = films.folder / "board.toml", films.folder / "videos"

    def refused(*arguments, code=2):
        answer = mocap(*arguments)
        assert answer.code == code
        assert not out.exists()
        return answer.error()

    missing = refused(
        "calibrate", "--target", tmp_path / "no.toml", "--videos", videos, "--out", out
    )
    assert "no.toml does not exist" in missing
    assert "--videos or --images" in refused("calibrate", "--target", target, "--out", out)
    assert "does not exist" in refused(
        "calibrate", "--target", target, "--videos", tmp_path / "none", "--out", out
    )
    one = refused(*_call(films, out, "--cameras", "cam1"))
    assert "a rig needs at least two" in one
    assert "cam9" in refused(*_call(films, out, "--cameras", "cam1", "cam9"))
    renamed = tmp_path / "lenses.toml"
    renamed.write_text((films.folder / "rig.toml").read_text().replace('"cam', '"kinect'))
    # By their numbers the lenses still find their cameras.
    assert mocap(*_call(films, tmp_path / "n.toml", "--intrinsics", renamed)).code == 0
    other = tmp_path / "other.toml"
    other.write_text((films.folder / "rig.toml").read_text().replace("480, 360", "4800, 3600"))
    assert "480x360" in refused(*_call(films, out, "--intrinsics", other))
    rig = load_rig(films.folder / "rig.toml").subset(["cam1"])
    save_rig(rig, tmp_path / "one.toml")
    assert "no lens for camera 'cam2'" in refused(
        *_call(films, out, "--intrinsics", tmp_path / "one.toml")
    )
    assert "--floor none" in refused(*_call(films, out, "--floor", "none", "--floor-at-s", "1"))


def test_a_wrong_description_of_the_board_is_explained(films, tmp_path, mocap):
    wrong = tmp_path / "wrong.toml"
    text = (films.folder / "board.toml").read_text()
    wrong.write_text(text.replace("DICT_4X4_50", "DICT_5X5_100"))
    answer = mocap(
        *("calibrate", "--target", wrong, "--videos", films.folder / "videos"),
        *("--out", tmp_path / "rig.toml"),
    )
    assert answer.code == 2
    assert "DICT_4X4_50" in answer.error()


def test_a_damaged_video_is_named(films, tmp_path, mocap):
    folder = tmp_path / "videos"
    shutil.copytree(films.folder / "videos", folder)
    (folder / "cam2.mp4").write_bytes((folder / "cam2.mp4").read_bytes()[:3000])
    answer = mocap(
        *("calibrate", "--target", films.folder / "board.toml", "--videos", folder),
        *("--out", tmp_path / "rig.toml"),
    )
    assert answer.code == 2
    assert "cam2.mp4" in answer.error()


def test_nothing_is_overwritten_without_being_asked(films, tmp_path, mocap):
    (tmp_path / "rig.report.html").write_text("mine")
    answer = mocap(*_call(films, tmp_path / "rig.toml"))
    assert "rig.report.html exists already" in answer.error()
    assert (tmp_path / "rig.report.html").read_text() == "mine"


def test_live_cameras_are_recorded_and_calibrated(films, tmp_path, mocap):
    pictures = {
        name: [image for _, _, image in VideoSource(films.folder / f"videos/{name}.mp4").grey()]
        for name in ("cam1", "cam2")
    }
    servers = [
        PictureServer(lambda n, own=own: own[n % len(own)], FPS) for own in pictures.values()
    ]
    live = [f"{name}={server.address}" for name, server in zip(pictures, servers, strict=True)]
    try:
        answer = mocap(
            *("calibrate", "--target", films.folder / "board.toml", "--live", *live),
            *("--videos", tmp_path / "recorded", "--seconds", "3"),
            *("--intrinsics", films.folder / "rig.toml", "--out", tmp_path / "rig.toml"),
        )
        bad = mocap(
            *("calibrate", "--target", films.folder / "board.toml", "--live", "cam1"),
            *("--videos", tmp_path / "other", "--out", tmp_path / "other.toml"),
        )
    finally:
        for server in servers:
            server.close()
    assert answer.code in (0, 5), answer.err
    assert sorted(p.name for p in (tmp_path / "recorded").iterdir()) == ["cam1.mp4", "cam2.mp4"]
    assert load_rig(tmp_path / "rig.toml").names == ("cam1", "cam2")
    assert "NAME=SOURCE" in bad.error()


def test_two_sided_is_for_a_board(films, mocap):
    answer = mocap(
        *("calibrate", "check", "--rig", films.folder / "rig.toml"),
        *("--videos", films.folder / "videos", "--two-sided"),
    )
    assert answer.code == 2
    assert "--two-sided is for a board" in answer.error()
    answer = mocap(
        *("calibrate", "check", "--rig", films.folder / "rig.toml", "--two-sided"),
        *("--target", films.folder / "board.toml", "--videos", films.folder / "videos"),
    )
    assert answer.code == 0, answer.err
    assert "nobody saw the back" in answer.out
