"""`mocap calibrate lenses`: each camera by itself."""

import numpy as np
import pytest

from mocap.storage.lens_file import save_lenses
from mocap.storage.rig_file import load_intrinsics, load_rig


def test_lenses_of_all_cameras_are_written_as_the_rig_commands_read_them(films, tmp_path, mocap):
    out = tmp_path / "lenses.toml"
    answer = mocap(
        *("calibrate", "lenses", "--target", films.folder / "board.toml"),
        *("--videos", films.folder / "videos", "--out", out),
        *("--lens-models", "pinhole k1 fx=fy fixed-centre"),
    )
    assert answer.code == 0, answer.err
    assert "board found in" in answer.out
    lenses = load_intrinsics(out)
    assert list(lenses) == ["cam1", "cam2", "cam3"]
    for camera in films.rig:
        assert lenses[camera.name].focal_px == pytest.approx(camera.intrinsics.focal_px, rel=0.02)
    rig = mocap(
        *("calibrate", "--target", films.folder / "board.toml", "--intrinsics", out),
        *("--videos", films.folder / "videos", "--out", tmp_path / "rig.toml"),
    )
    assert rig.code == 0, rig.err
    assert load_rig(tmp_path / "rig.toml")["cam2"].intrinsics == lenses["cam2"]


def test_real_images_of_a_chessboard(shared_path, tmp_path, mocap):
    target = tmp_path / "target.toml"
    target.write_text('kind = "chessboard"\ninner_corners = [4, 7]\nsquare_m = 0.06\n')
    answer = mocap(
        *("calibrate", "lenses", "--target", target),
        *("--videos", shared_path("checker_intrinsics"), "--out", tmp_path / "lenses.toml"),
    )
    assert answer.code == 0, answer.err
    assert "7 of 7" in answer.out
    (lens,) = load_intrinsics(tmp_path / "lenses.toml").values()
    assert lens.focal_px == pytest.approx(1672.5, abs=12)
    assert lens.matrix[0, 2] == pytest.approx(560, abs=8)
    assert lens.matrix[1, 2] == pytest.approx(936, abs=6)
    assert lens.distortions[0] == pytest.approx(-0.045, abs=0.02)


def test_a_camera_with_too_few_views_is_left_out_and_named(shared_path, tmp_path, mocap):
    target = tmp_path / "target.toml"
    target.write_text('kind = "chessboard"\ninner_corners = [9, 6]\nsquare_m = 0.03\n')
    answer = mocap(
        *("calibrate", "lenses", "--target", target),
        *("--images", shared_path("chessboard"), "--out", tmp_path / "lenses.toml"),
    )
    assert answer.code == 0, answer.err
    assert "cam_0: board found in 4 of 5 frames" in answer.out
    assert "camera 'cam_1'" in answer.err
    assert "left out" in answer.err
    assert list(load_intrinsics(tmp_path / "lenses.toml")) == ["cam_0"]


def test_lens_files_keep_every_digit(films, tmp_path):
    lenses = {f"left {n}": camera.intrinsics for n, camera in enumerate(films.rig)}
    save_lenses(lenses, tmp_path / "lenses.toml", comments={"left 0": ("good",)})
    read = load_intrinsics(tmp_path / "lenses.toml")
    assert list(read) == list(lenses)
    for name, lens in lenses.items():
        assert read[name].size == lens.size
        np.testing.assert_array_equal(read[name].matrix, lens.matrix)
