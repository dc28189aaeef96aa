"""Everything that `mocap run` refuses: one line that says what and what to do, and exit code 2."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from filmed_scene import Scene
from sample_videos import cut, write_sound, write_video
from scripted_detector import NAME as SCRIPTED

from mocap.storage.rig_file import save_rig


@pytest.fixture
def refused(scene: Scene, mocap, tmp_path: Path) -> Callable[..., str]:
    """Calls `mocap run` with the scene's videos and other options; returns the error."""

    def call(*options: object, **replaced: object) -> str:
        arguments: dict[str, object] = {
            "rig": scene.rig_file,
            "out": tmp_path / "out.h5",
            "videos": scene.videos,
            "detector": SCRIPTED,
        }
        arguments |= replaced
        line: list[object] = ["run"]
        for name, value in arguments.items():
            if value is not None:
                line += [f"--{name}", *(value if isinstance(value, list | tuple) else [value])]
        answer = mocap(*line, *options)
        assert answer.code == 2
        assert not (tmp_path / "out.h5").exists()
        return answer.error()

    return call


def test_a_video_without_camera(scene: Scene, refused) -> None:
    scene.video("cam2").rename(scene.videos / "cam9.mp4")
    error = refused()
    assert error.startswith(
        "video cam9.mp4 belongs to no camera of the rig, whose cameras are cam0"
    )
    assert "--cameras" in error


def test_a_camera_without_video(scene: Scene, refused) -> None:
    scene.video("cam2").unlink()
    assert refused().startswith("camera 'cam2' of the rig has no video; the videos are cam0.mp4, ")


def test_an_unknown_camera_is_chosen(refused) -> None:
    assert "cam7" in refused(cameras=["cam0", "cam7"])


def test_one_camera_is_chosen(refused) -> None:
    error = refused(cameras=["cam1"])
    assert error == "3D needs at least two cameras, got 1; choose more with --cameras"


def test_a_rig_of_one_camera(scene: Scene, tmp_path: Path, refused) -> None:
    save_rig(scene.rig.subset(["cam0"]), tmp_path / "one.toml")
    assert "at least two cameras, got 1" in refused(rig=tmp_path / "one.toml")


def test_a_video_of_another_size_than_the_rig(scene: Scene, refused) -> None:
    write_video(scene.video("cam1"), scene.frames, size=(640, 480))
    error = refused()
    assert error.startswith("camera 'cam1': the video is 640x480 but the rig was calibrated for ")
    assert "320x240" in error


def test_a_turned_video(scene: Scene, refused) -> None:
    write_video(scene.video("cam1"), scene.frames, rotation=90)
    assert refused().startswith("camera 'cam1': the video is 240x320 but the rig")


def test_a_video_without_its_end_and_header(scene: Scene, refused) -> None:
    cut(scene.video("cam1"), scene.video("cam1"), 0.6)
    error = refused()
    assert "cam1.mp4 cannot be opened" in error
    assert "truncated" in error


def test_a_video_with_header_but_without_its_end(scene: Scene, refused) -> None:
    write_video(scene.video("cam1"), scene.frames, container={"movflags": "faststart"}, noise=True)
    cut(scene.video("cam1"), scene.video("cam1"), 0.7)
    assert "cam1.mp4 is truncated: its header says 12 frames, it holds " in refused()


def test_videos_of_different_length(scene: Scene, refused) -> None:
    write_video(scene.video("cam1"), scene.frames + 8)
    error = refused()
    assert error.startswith(
        "the videos differ in length: cam0.mp4 has 12 frames (0.40 s), cam1.mp4"
    )
    assert "--length shortest or --length longest" in error


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "cannot be opened"), (b"some text\n" * 100, "cannot be opened")],
    ids=["zero bytes", "text"],
)
def test_what_is_no_video(scene: Scene, refused, content: bytes, words: str) -> None:
    scene.video("cam1").write_bytes(content)
    error = refused()
    assert f"cam1.mp4 {words}" in error
    assert "not a video" in error


def test_sound_only(scene: Scene, refused) -> None:
    write_sound(scene.video("cam1"))
    assert "cam1.mp4 has no video stream; is it a sound file?" in refused()


def test_no_videos_where_they_are_looked_for(tmp_path: Path, refused) -> None:
    assert "nowhere does not exist" in refused(videos=tmp_path / "nowhere")
    (tmp_path / "empty [red]").mkdir()
    # Brackets in a name are no mark-up.
    assert "no videos in the folder" in (error := refused(videos=tmp_path / "empty [red]"))
    assert "empty [red];" in error


def test_a_missing_rig(tmp_path: Path, refused) -> None:
    assert refused(rig=tmp_path / "none.toml").endswith("none.toml does not exist; check the path")


@pytest.mark.parametrize("content", ["", "not [a toml", "x = 1"])
def test_what_is_no_rig(tmp_path: Path, refused, content: str) -> None:
    (tmp_path / "bad.toml").write_text(content)
    assert "bad.toml" in refused(rig=tmp_path / "bad.toml")


@pytest.mark.parametrize("key", ["matrix", "translation", "rotation"])
def test_a_rig_with_nan(scene: Scene, tmp_path: Path, refused, key: str) -> None:
    lines = scene.rig_file.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith(f"{key} ="))
    lines[at] = re.sub(r"-?\d[\d.e-]*", "nan", lines[at], count=1)
    (tmp_path / "nan.toml").write_text("\n".join(lines))
    error = refused(rig=tmp_path / "nan.toml")
    assert "cam0" in error
    assert key in error
    assert "NaN" in error or "nan" in error


def test_neither_or_both_of_videos_and_observations(scene: Scene, refused) -> None:
    both = scene.folder / "observations.npz"
    for choice in ({"videos": None}, {"observations": both}):
        assert refused(**choice) == "pass either --videos or --observations, and not both"


@pytest.mark.parametrize("fps", ["0", "-25", "nan", "inf", "1e-09", "1e+12"])
def test_an_impossible_frame_rate(scene: Scene, refused, fps: str) -> None:
    error = refused(f"--fps={fps}", videos=None, observations=scene.folder / "observations.npz")
    assert error.startswith(f"--fps is {fps}; it must lie between")


def test_a_frame_rate_for_videos(refused) -> None:
    assert refused(fps=30).startswith("--fps is for --observations only; videos state")


def test_an_impossible_wait(refused) -> None:
    for wait in ("-1", "nan", "inf"):
        error = refused(f"--max-wait-s={wait}")
        assert error == f"--max-wait-s is {wait}; it must be zero or positive"


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("triangulation.gate-sigmas", "nan", "must be positive"),
        ("triangulation.sigma-body-m", "0", "must be positive"),
        ("triangulation.floor-px", "-1", "must be zero or positive"),
        ("association.min-confidence", "5", "must lie between 0 and 1"),
        ("tracking.max-lost-s", "-1", "must be zero or positive"),
        ("smoothing.cutoff-hz", "inf", "must be positive"),
        ("smoothing.max-gap-s", "-0.5", "must be zero or positive"),
    ],
)
def test_impossible_settings(refused, option: str, value: str, words: str) -> None:
    assert refused(f"--{option}={value}") == f"--{option} is {value}; it {words}"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("openpose", "unknown detector 'openpose'; valid are mediapipe, mediapipe-multi, or"),
        ("nowhere:Class", "module 'nowhere' cannot be imported"),
        ("scripted_detector:Other", "has no 'Other'"),
    ],
)
def test_an_unknown_detector(refused, name: str, words: str) -> None:
    assert words in refused(detector=name)


def test_an_existing_output_is_kept(scene: Scene, mocap, tmp_path: Path) -> None:
    out = tmp_path / "old.h5"
    out.write_text("precious")
    answer = mocap("run", "--rig", scene.rig_file, "--videos", scene.videos, "--out", out)
    assert answer.code == 2
    assert answer.error() == (
        f"{out} exists already; choose another name, or pass --overwrite to replace it"
    )
    assert out.read_text() == "precious"


def test_the_output_is_a_folder(scene: Scene, refused) -> None:
    assert refused(out=scene.folder).endswith("is a folder; name a file")


def test_the_output_is_an_input(scene: Scene, refused) -> None:
    for path in (scene.rig_file, scene.video("cam1")):
        videos = [scene.video(name) for name in scene.rig.names]
        before = path.read_bytes()
        error = refused("--overwrite", out=path, videos=videos)
        assert error == f"--out is one of the inputs, {path}; name another file"
        assert path.read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="permissions")
def test_a_write_protected_folder(tmp_path: Path, refused) -> None:
    folder = tmp_path / "protected"
    folder.mkdir()
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):
        # The superuser may write everywhere, but not into this file system.
        folder = Path("/proc")
    error = refused(out=folder / "x.h5")
    assert error.startswith(f"cannot write to the folder {folder}: ")
    assert "choose another place" in error


def change(scene: Scene, **changes: object) -> Path:
    data = scene.observations() | changes
    path = scene.folder / "changed.npz"
    np.savez(path, **{name: value for name, value in data.items() if value is not None})
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"joint_names": np.array([f"joint{i}" for i in range(17)])}, "skeleton"),
        ({"keypoints": None}, "lacks keypoints"),
        ({"camera_names": np.array(["a", "b", "c"])}, "camera 'cam0' of the rig is not in"),
        ({"image_size": np.tile((640, 480), (3, 1))}, "the rig says 320x240"),
        ({"frame_ids": np.arange(3)}, "is not among frame_ids"),
        ({"frame_ids": np.arange(12)[::-1]}, "frame_ids do not increase"),
        ({"joint_names": np.array(["nose", None], object)}, "NPZ of plain arrays"),
    ],
)
def test_observations_that_cannot_be_used(scene: Scene, refused, changes, words: str) -> None:
    error = refused(videos=None, observations=change(scene, **changes))
    assert words in error
    assert "changed.npz" in error or "cam0" in error


def test_what_is_no_observation_file(scene: Scene, tmp_path: Path, refused) -> None:
    assert "does not exist" in refused(videos=None, observations=tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("text")
    assert "text.npz is not an NPZ" in refused(videos=None, observations=tmp_path / "text.npz")
    np.save(tmp_path / "array.npy", np.zeros(3))
    assert "array.npy is not an NPZ" in refused(videos=None, observations=tmp_path / "array.npy")


def test_a_bad_video_does_not_matter_when_its_camera_is_left_out(
    scene: Scene, mocap, tmp_path: Path
) -> None:
    scene.video("cam1").write_bytes(b"")
    arguments = ("run", "--rig", scene.rig_file, "--videos", scene.videos, "--detector", SCRIPTED)
    out = tmp_path / "out.h5"
    assert mocap(*arguments, "--out", out, "--cameras", "cam0", "cam2").code == 0
