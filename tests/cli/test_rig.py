"""`mocap rig`: the table, the conversion, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from synthetic_scene import FISHEYE, make_camera, ring_rig

from mocap.cli.rig_table import field_of_view_deg
from mocap.model import Intrinsics, Rig
from mocap.storage.rig_export import RIG_FORMATS, export_rig
from mocap.storage.rig_file import load_rig, save_rig

if TYPE_CHECKING:
    from conftest import Mocap


def saved(rig: Rig, folder: Path) -> Path:
    path = folder / "a [bold]rig.toml"
    save_rig(rig, path)
    return path


def test_table_tells_lenses_poses_offsets_and_distances(mocap: Mocap, tmp_path: Path) -> None:
    rig = ring_rig(4, mixed_lenses=True)
    late = replace(rig.cameras[1], time_offset_s=0.0123, pose_covariance=np.eye(6) * 1e-6)
    rig = rig.replaced(late)
    rig = replace(rig, metadata=replace(rig.metadata, provenance=("calibrate [board] x.mp4",)))
    answer = mocap("rig", saved(rig, tmp_path))
    assert answer.code == 0, answer.err
    assert "a [bold]rig.toml: 4 cameras" in answer.out
    for camera in rig:
        lens = camera.intrinsics
        across, down = field_of_view_deg(lens)
        row = next(line for line in answer.out.splitlines() if f" {camera.name} " in line)
        assert "1280x960" in row
        assert f"{lens.matrix[0, 0]:.1f}" in row
        assert f"{across:.1f}° x {down:.1f}°" in row
        assert f"{camera.center_world[2]:.3f}" in answer.out
    assert "fisheye" in answer.out
    row = next(line for line in answer.out.splitlines() if "12.3 ms" in line)
    assert [cell.strip() for cell in row.split("│")][-4:-1] == ["12.3 ms", "0.06°", "1.0 mm"]
    apart = np.linalg.norm(rig.cameras[0].center_world - rig.cameras[2].center_world)
    assert f"{apart:.3f}" in answer.out
    assert "world: right-handed, Z up, metres" in answer.out
    assert "from: calibrate [board] x.mp4" in answer.out


def test_many_cameras_list_their_neighbours(mocap: Mocap, tmp_path: Path) -> None:
    answer = mocap("rig", saved(ring_rig(12), tmp_path))
    assert answer.code == 0
    assert "nearest" in answer.out
    assert mocap("rig", saved(ring_rig(12).subset(["cam3"]), tmp_path / "x")).code == 0


def test_numbers_are_never_cut(mocap: Mocap, tmp_path: Path) -> None:
    long = "recording of the 3rd of May in the large hall, camera on the left "
    cameras = [replace(c, name=f"{long}{i}") for i, c in enumerate(ring_rig(4))]
    rig = Rig(tuple(replace(c, time_offset_s=-0.1234) for c in cameras))
    answer = mocap("rig", saved(rig, tmp_path))
    assert answer.code == 0
    assert "…" not in answer.out
    for camera in rig:
        assert all(f" {value:.3f} " in answer.out for value in camera.center_world)
    assert "-123.4 ms" in answer.out


def test_field_of_view() -> None:
    matrix = np.array([[640.0, 0, 639.5], [0, 640.0, 359.5], [0, 0, 1]])
    across, down = field_of_view_deg(Intrinsics((1280, 720), matrix, np.zeros(0)))
    assert across == pytest.approx(90.0)
    assert down == pytest.approx(2 * np.degrees(np.arctan(360 / 640)))
    # An equidistant lens: the angle is the distance from the centre over the focal length.
    wide = matrix.copy()
    wide[0, 0] = wide[1, 1] = 640 / np.radians(95)
    across, _ = field_of_view_deg(Intrinsics((1280, 720), wide, np.zeros(4), "fisheye"))
    assert across == pytest.approx(190.0)


@pytest.mark.parametrize("name", RIG_FORMATS)
def test_conversion(mocap: Mocap, tmp_path: Path, name: str) -> None:
    cameras = [make_camera(f"cam_{i}", (np.cos(i) * 4, np.sin(i) * 4, 1.5)) for i in range(3)]
    rig = Rig(tuple(cameras))
    out = tmp_path / "made"
    answer = mocap("rig", saved(rig, tmp_path), "--to", name, "--out", out)
    assert answer.code == 0, answer.err
    assert answer.err == ""
    assert str(out) in answer.out
    again = load_rig(out)
    assert again.names == rig.names
    np.testing.assert_allclose(again.arrays.T_cam_world, rig.arrays.T_cam_world, atol=1e-12)
    shown = mocap("rig", out)
    assert shown.code == 0, shown.err
    assert "3 cameras" in shown.out
    assert mocap("rig", out, "--to", name, "--out", out).code == 2
    assert mocap("rig", out, "--to", name, "--out", out, "--overwrite").code == 0


def test_what_is_lost_is_a_warning(mocap: Mocap, tmp_path: Path) -> None:
    rig = ring_rig(2)
    rig = rig.replaced(replace(rig.cameras[1], time_offset_s=-0.007))
    answer = mocap("rig", saved(rig, tmp_path), "--to", "aniposelib", "--out", tmp_path / "x.toml")
    assert answer.code == 0
    assert answer.err == (
        "warning: camera 'cam1': aniposelib knows no time offsets; that of -7.0 ms is lost\n"
    )


def test_units_to_write_and_to_read(mocap: Mocap, tmp_path: Path) -> None:
    rig = ring_rig(3)
    out = tmp_path / "mm.toml"
    arguments = ("--to", "aniposelib", "--out", out, "--units", "mm")
    assert mocap("rig", saved(rig, tmp_path), *arguments).code == 0
    np.testing.assert_allclose(load_rig(out).arrays.T_cam_world, rig.arrays.T_cam_world, atol=1e-12)
    unstated = tmp_path / "unstated.toml"
    unstated.write_text(out.read_text().replace('units = "mm"', ""))
    answer = mocap("rig", unstated)
    assert answer.code == 2
    assert "pass --read-units mm" in answer.error()
    answer = mocap("rig", unstated, "--read-units", "mm")
    assert answer.code == 0
    assert f"{rig.cameras[0].center_world[0]:.3f}" in answer.out


def test_file_with_lenses_only(mocap: Mocap, tmp_path: Path) -> None:
    export_rig(ring_rig(3), tmp_path / "cams", "easymocap")
    (tmp_path / "cams" / "extri.yml").unlink()
    answer = mocap("rig", tmp_path / "cams")
    assert answer.code == 0, answer.err
    assert "lenses of 3 cameras, without poses" in answer.out
    answer = mocap("rig", tmp_path / "cams", "--to", "opencv", "--out", tmp_path / "x.yml")
    assert answer.code == 2
    assert "no pose (rotation and translation) of cam0, cam1, cam2" in answer.error()
    assert not (tmp_path / "x.yml").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--to", "colmap", "--out", "x"), "unknown rig format 'colmap'; formats are mocap"),
        (("--to", "opencv"), "--to opencv needs --out"),
        (("--out", "x"), "--out needs --to, one of mocap, aniposelib"),
        (("--units", "mm"), "pass --read-units"),
        (("--to", "caliscope", "--out", "x", "--units", "mm"), "are in m, but units mm"),
        (("--to", "pose2sim", "--out", "x"), "camera 'fish' has a fisheye lens"),
    ],
)
def test_impossible_options_are_one_line(
    mocap: Mocap,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    rig = Rig((make_camera("fish", (3, 0, 1), distortions=FISHEYE, lens="fisheye"),))
    answer = mocap("rig", saved(rig, tmp_path), *options)
    assert answer.code == 2
    assert message in answer.error()
    assert not Path("x").exists()


def test_missing_file(mocap: Mocap, tmp_path: Path) -> None:
    answer = mocap("rig", tmp_path / "none.toml")
    assert answer.code == 2
    assert "does not exist" in answer.error()
