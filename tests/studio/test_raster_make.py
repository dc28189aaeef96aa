"""Scenes that are drawn by the rasteriser."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from studio_shapes import ball, red_center

from capture.video import VideoSource
from mocap.cli.main import main as mocap
from mocap.errors import StudioError
from mocap.studio.camera_clock import capture_times
from mocap.studio.make import make_scene, render_videos
from mocap.studio.render import Renderer
from mocap.studio.rigs import RigConfig, make_rig
from mocap.studio.room import RoomConfig
from mocap.studio.scene import SceneConfig, load_scene, scene_toml

pytestmark = pytest.mark.usefixtures("graphics")

PLAIN = RoomConfig(decorated=False, floor="carpet")
SMALL = SceneConfig(
    people=(),
    rig=RigConfig(cameras=2, size=(320, 240), fps=5.0),
    room=PLAIN,
    duration_s=0.6,
    renderer="raster",
)


def test_the_choice_is_kept_in_the_scene_file(tmp_path: Path) -> None:
    path = tmp_path / "scene.toml"
    path.write_text(scene_toml(SMALL), encoding="utf-8")
    assert load_scene(path) == SMALL
    assert SceneConfig().renderer == "raycast"
    path.write_text('renderer = "painting"\n', encoding="utf-8")
    with pytest.raises(StudioError, match=r"'painting'; choose one of raycast, raster"):
        load_scene(path)
    with pytest.raises(StudioError, match=r"'painting'; choose one of raycast, raster"):
        replace(SMALL, renderer="painting")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("shutter_s", [0.0, 0.1])
def test_videos_show_the_same_as_the_ray_casters(shutter_s: float, tmp_path: Path) -> None:
    cameras = replace(SMALL.rig, shutter_s=shutter_s, time_offset_s=(0.0, 0.05))
    rig = make_rig(cameras, 0)
    captured = [capture_times(cameras, k, SMALL.duration_s, 0) for k in range(2)]

    def meshes_at(time_s: float) -> list:
        return [ball(np.array([-0.4 + time_s, 0.3, 1.0]), 0.15, (1.0, 0.0, 0.0))]

    centers: dict[str, list[np.ndarray]] = {}
    for kind in ("raycast", "raster"):
        done: list[tuple[int, int]] = []
        with Renderer(rig, PLAIN, kind) as renderer:
            render_videos(
                renderer,
                rig,
                replace(SMALL, rig=cameras),
                captured,
                meshes_at,
                tmp_path / kind,
                lambda *step: done.append(step),  # noqa: B023
            )
        assert done == [(k + 1, 6) for k in range(6)]
        centers[kind] = [
            red_center(frame.image_rgb)
            for name in rig.names
            for frame in VideoSource(tmp_path / kind / f"{name}.mp4")
        ]
    assert len(centers["raster"]) == 6
    np.testing.assert_allclose(centers["raster"], centers["raycast"], atol=0.3)


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    folders = [make_scene(SMALL, tmp_path / name) for name in "ab"]
    for name in ("scene.toml", "truth.npz", "videos/cam0.mp4", "videos/cam1.mp4"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name


@pytest.mark.slow
def test_the_command_draws_people_with_either(tmp_path: Path) -> None:
    pictures: dict[str, np.ndarray] = {}
    for kind in ("raycast", "raster"):
        arguments = ["studio", str(tmp_path / kind), "--cameras", "2", "--size", "320", "240"]
        arguments += ["--seconds", "0.2", "--fps", "10", "--renderer", kind]
        assert mocap(arguments) == 0
        assert load_scene(tmp_path / kind / "scene.toml").renderer == kind
        pictures[kind] = next(iter(VideoSource(tmp_path / kind / "videos/cam0.mp4"))).image_rgb
    truths = [(tmp_path / kind / "truth.npz").read_bytes() for kind in pictures]
    assert truths[0] == truths[1]
    difference = np.abs(pictures["raycast"].astype(float) - pictures["raster"])
    assert difference.mean() < 1.0
