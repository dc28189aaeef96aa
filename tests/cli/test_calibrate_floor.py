"""`mocap calibrate floor`: another world frame for a rig."""

import numpy as np
import pytest
from synthetic_scene import ring_rig

from calibration.world_frame import WorldFrame, move_rig
from mocap.geometry.projection import project_points
from mocap.storage.rig_file import load_rig, save_rig

PLACES = {"door": (0.0, 0.0, 0.0), "window": (1.5, 0.0, 0.0), "desk": (0.0, 1.2, 0.7)}


@pytest.fixture
def room(tmp_path):
    """A rig in a wrong frame, and a file of points as they are clicked."""
    rig = ring_rig(4)
    lines = []
    for name, place in PLACES.items():
        lines += [f"[{name}]", f"world_m = {list(place)}", f"[{name}.pixels]"]
        for camera in list(rig)[:3]:
            lens = camera.intrinsics
            pixel, _ = project_points(
                np.array(place),
                lens.matrix,
                lens.packed_distortions,
                lens.lens == "fisheye",
                camera.T_cam_world,
            )
            lines.append(f"{camera.name} = [{pixel[0]:.4f}, {pixel[1]:.4f}]")
    (tmp_path / "points.toml").write_text("\n".join(lines))
    turned = np.eye(4)
    turned[:3, :3] = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    turned[:3, 3] = [3, -2, 1]
    save_rig(move_rig(WorldFrame(turned), rig), tmp_path / "wrong.toml")
    return tmp_path, rig


def test_clicked_points_put_the_rig_right(room, mocap):
    folder, rig = room
    answer = mocap(
        *("calibrate", "floor", "--rig", folder / "wrong.toml"),
        *("--points", folder / "points.toml", "--out", folder / "right.toml"),
    )
    assert answer.code == 0, answer.err
    found = load_rig(folder / "right.toml")
    for camera in rig:
        np.testing.assert_allclose(found[camera.name].center_world, camera.center_world, atol=2e-3)
    assert "3 given points" in found.metadata.world_frame
    assert "points.toml" in found.metadata.provenance[-1]


def test_bad_points_are_named(room, mocap):
    folder, _ = room
    points, text = folder / "points.toml", (folder / "points.toml").read_text()

    def refused(content):
        points.write_text(content)
        answer = mocap(
            *("calibrate", "floor", "--rig", folder / "wrong.toml", "--points", points),
            *("--out", folder / "right.toml"),
        )
        assert answer.code == 2
        assert not (folder / "right.toml").exists()
        return answer.error()

    assert "expected at least 3" in refused(text.split("[desk]")[0])
    assert "'door'" in refused(text.replace("world_m = [0.0, 0.0, 0.0]", "world_m = [0.0, 0.0]"))
    assert "not a valid TOML" in refused("[door")
    assert "pixels" in refused("[door]\nworld_m = [0, 0, 0]\n")
    assert "unknown key 'wrld'" in refused("[door]\nwrld = [0, 0, 0]\n")
    assert "kitchen" in refused(text.replace("cam0 =", "kitchen =").replace("cam1 =", "kitchen2 ="))


def test_one_source_is_asked_for(room, mocap):
    folder, _ = room
    call = ("calibrate", "floor", "--rig", folder / "wrong.toml", "--out", folder / "o.toml")
    assert "either --points or --session" in mocap(*call).error()
    both = mocap(*call, "--points", folder / "points.toml", "--height-m", "1.8")
    assert "--scale" in both.error()
