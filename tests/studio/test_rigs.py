import numpy as np
import pytest

from mocap.errors import StudioError
from mocap.geometry.projection import project_points
from mocap.studio.camera_clock import capture_times
from mocap.studio.rigs import RigConfig, look_at, make_rig


@pytest.mark.parametrize("kind", ["ring", "corners"])
@pytest.mark.parametrize("cameras", [2, 5, 12])
def test_all_cameras_look_at_the_target(kind: str, cameras: int) -> None:
    config = RigConfig(kind=kind, cameras=cameras, lens_spread=0.0)
    rig = make_rig(config, 3)
    assert rig.names == tuple(f"cam{i}" for i in range(cameras))
    for camera in rig:
        pixel, depth = project_points(
            np.array(config.look_at_m),
            camera.intrinsics.matrix,
            camera.intrinsics.packed_distortions,
            False,
            camera.T_cam_world,
        )
        np.testing.assert_allclose(pixel, [319.5, 239.5], atol=1e-6)
        assert depth > 2
    centers = np.array([camera.center_world for camera in rig])
    apart = np.linalg.norm(centers[:, None] - centers[None], axis=2)[~np.eye(cameras, dtype=bool)]
    assert apart.min() > 0.8


def test_pictures_are_upright() -> None:
    camera = make_rig(RigConfig(cameras=2), 0).cameras[0]
    points = np.array([[0, 0, 0.5], [0, 0, 1.5]])
    pixels, _ = project_points(
        points,
        camera.intrinsics.matrix,
        camera.intrinsics.packed_distortions,
        False,
        camera.T_cam_world,
    )
    assert pixels[1, 1] < pixels[0, 1] - 50


def test_free_rig_stands_where_it_is_told() -> None:
    positions = ((2.0, 0.0, 1.0), (0.0, 2.0, 3.0), (0.5, 0.5, 2.5))
    targets = ((0.0, 0.0, 1.0), (0.0, 0.0, 0.0), (0.5, 0.5, 0.0))
    rig = make_rig(RigConfig(kind="free", positions_m=positions, targets_m=targets), 0)
    np.testing.assert_allclose([c.center_world for c in rig], positions, atol=1e-12)
    for camera, target in zip(rig, targets, strict=True):
        seen = camera.T_cam_world @ np.append(target, 1.0)
        np.testing.assert_allclose(seen[:2], 0, atol=1e-12)
        assert seen[2] > 0


def test_camera_cannot_look_at_itself() -> None:
    with pytest.raises(ValueError, match="stands on the point"):
        look_at(np.ones(3), np.ones(3))
    config = RigConfig(kind="free", positions_m=((1.0, 1.0, 1.0), (0.0, 2.0, 1.0)))
    with pytest.raises(StudioError, match="cam0"):
        make_rig(RigConfig(**{**vars(config), "look_at_m": (1.0, 1.0, 1.0)}), 0)


def test_seed_decides() -> None:
    assert make_rig(RigConfig(), 5) == make_rig(RigConfig(), 5)
    assert make_rig(RigConfig(), 5) != make_rig(RigConfig(), 6)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"cameras": 1}, "1 cameras"),
        ({"cameras": 13}, "13 cameras"),
        ({"kind": "heap"}, "heap"),
        ({"kind": "free"}, "0 cameras"),
        ({"positions_m": ((0.0, 0.0, 1.0),)}, "positions_m"),
        ({"fps": 0.0}, "frame rate"),
        ({"fps": float("nan")}, "frame rate"),
        ({"fps": 1000.0}, "frame rate"),
        ({"size": (641, 480)}, "641x480"),
        ({"size": (0, 480)}, "0x480"),
        ({"time_offset_s": (0.1,)}, "time_offset_s"),
        ({"drift_ppm": (0.0, 0.0, 0.0, 1e6)}, "drift_ppm"),
        ({"dropped_share": 1.0}, "dropped_share"),
        ({"shutter_s": 0.1}, "shutter_s"),
        ({"distortions": (0.1, 0.2)}, "2 distortion"),
        ({"lens": "fisheye"}, "5 distortion"),
        ({"field_of_view_deg": 150.0}, "fisheye"),
        ({"look_at_m": (0.0, float("inf"), 1.0)}, "look_at_m"),
    ],
)
def test_impossible_rigs_are_refused(change: dict[str, object], what: str) -> None:
    with pytest.raises(StudioError, match=what):
        RigConfig(**change)  # pyright: ignore[reportArgumentType]


def test_clock_of_a_plain_camera() -> None:
    times = capture_times(RigConfig(fps=25.0), 1, 2.0, 0)
    np.testing.assert_array_equal(times.number, np.arange(50))
    np.testing.assert_allclose(times.stamp_s, np.arange(50) / 25)
    np.testing.assert_array_equal(times.world_s, times.stamp_s)


def test_offset_and_drift_are_those_of_the_rig() -> None:
    config = RigConfig(cameras=2, time_offset_s=(0.0, 0.25), drift_ppm=(0.0, 5000.0))
    times = capture_times(config, 1, 10.0, 0)
    # The camera is late: it shows what happens at t as t + offset, and its clock runs fast.
    np.testing.assert_allclose(times.world_s * 1.005 + 0.25, times.stamp_s, atol=1e-12)
    assert make_rig(config, 0)["cam1"].time_offset_s == 0.25


def test_dropped_frames() -> None:
    config = RigConfig(dropped_share=0.3)
    times = capture_times(config, 0, 20.0, 0)
    assert times.number[0] == 0
    assert 0.6 < len(times) / 600 < 0.8
    np.testing.assert_allclose(times.stamp_s, times.number / 30)
    other = capture_times(config, 1, 20.0, 0)
    assert set(times.number) != set(other.number)
