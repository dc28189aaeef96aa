"""`mocap sync` on small files whose offsets are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sample_videos import write_video
from synthetic_scene import ring_rig
from timing_scene import (
    bursts,
    filmed,
    heard,
    lit,
    still_person,
    treadmill,
    wandering_people,
)

from calibration.timing import CameraTracks, SoundTrack
from mocap.model import Rig
from mocap.model.skeletons import COCO_17
from mocap.storage.rig_file import load_rig, save_rig

Mocap = Callable[..., Any]
RATE_HZ = 30
SMALL = (64, 48)
SWITCHES = (0.713, 1.337, 2.129, 3.02)
LATE_S = {"cam1": 0.0, "cam2": 0.1213, "cam10": -0.208}


def write_film(
    path: Path, levels: np.ndarray | None = None, sound: SoundTrack | None = None
) -> Path:
    """A video of grey images, with sound if there is any."""
    import av

    levels = np.full(30, 90.0) if levels is None else levels
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=RATE_HZ, options={"threads": "1", "crf": "10"})
        video.width, video.height, video.pix_fmt = *SMALL, "yuv420p"
        audio = None
        if sound is not None:
            audio = output.add_stream("aac", rate=int(sound.rate_hz), layout="mono")
        for i, level in enumerate(levels):
            grey = np.full((SMALL[1], SMALL[0], 3), round(float(level)), np.uint8)
            picture = av.VideoFrame.from_ndarray(grey, "rgb24")
            picture.pts, picture.time_base = i, Fraction(1, RATE_HZ)
            output.mux(video.encode(picture))
        output.mux(video.encode(None))
        if sound is not None and audio is not None:
            samples = np.asarray(sound.samples)
            for begin in range(0, len(samples), 1024):
                block = av.AudioFrame.from_ndarray(
                    samples[None, begin : begin + 1024], "fltp", "mono"
                )
                block.rate, block.pts = int(sound.rate_hz), begin
                block.time_base = Fraction(1, block.rate)
                output.mux(audio.encode(block))
            output.mux(audio.encode(None))
    return path


def write_observations(path: Path, tracks: list[CameraTracks], rig: Rig) -> Path:
    """2D people of cameras whose frames have the same numbers."""
    frames = len(tracks[0].time_s)
    keypoints, frame, camera = [], [], []
    for c, track in enumerate(tracks):
        for n in range(frames):
            for person in track.pixels[n]:
                keypoints.append(np.column_stack([person, np.ones(len(person))]))
                frame.append(n)
                camera.append(c)
    np.savez(
        path,
        joint_names=np.array(COCO_17.keypoints),
        camera_names=np.array([t.name for t in tracks]),
        image_size=np.array([rig[t.name].intrinsics.size for t in tracks]),
        frame_ids=np.arange(frames),
        frame=np.array(frame),
        camera=np.array(camera),
        keypoints=np.nan_to_num(np.array(keypoints)),
    )
    return path


def offsets_ms(out: str) -> dict[str, float]:
    """The table that was printed."""
    found = {}
    for line in out.splitlines():
        words = line.split()
        if len(words) > 2 and words[0].startswith("cam"):
            try:
                found[words[0]] = float(words[1])
            except ValueError:
                continue
    return found


@pytest.fixture
def light(tmp_path: Path) -> Path:
    folder = tmp_path / "light"
    folder.mkdir()
    for name, late_s in LATE_S.items():
        series = lit(name, SWITCHES, late_s=late_s, seconds=4.0, exposure_s=0.025)
        write_film(folder / f"{name}.mp4", series.brightness)
    return folder


def test_light_is_found_and_cameras_are_in_natural_order(light: Path, mocap: Mocap) -> None:
    answer = mocap("sync", "--videos", light, "--method", "flash")
    assert answer.code == 0, answer.err
    found = offsets_ms(answer.out)
    assert list(found) == ["cam1", "cam2", "cam10"]
    for name, late_s in LATE_S.items():
        assert found[name] == pytest.approx(1000 * late_s, abs=12.0)
    assert "flash" in answer.out
    assert "positive offset means that the camera is late" in answer.out


def test_sound_goes_first_and_suffices(tmp_path: Path, mocap: Mocap) -> None:
    sound = bursts(3, 12.0)
    for k, (name, late_s) in enumerate(LATE_S.items()):
        track = heard(sound, name, late_s=late_s, seconds=8.0, gain=0.5 / (1 + k), seed=k)
        write_film(tmp_path / f"{name}.mkv", sound=track)
    answer = mocap("sync", "--videos", tmp_path, "--max-lag", 2)
    assert answer.code == 0, answer.err
    found = offsets_ms(answer.out)
    for name, late_s in LATE_S.items():
        assert found[name] == pytest.approx(1000 * late_s, abs=1.5)
    assert "audio" in answer.out


def test_offsets_are_written_into_a_copy_of_the_rig(light: Path, mocap: Mocap) -> None:
    from dataclasses import replace

    rig = Rig(
        tuple(
            replace(camera, name=name, time_offset_s=9.0)
            for camera, name in zip(ring_rig(3), LATE_S, strict=True)
        )
    )
    before, after = light.parent / "rig.toml", light.parent / "late.toml"
    save_rig(rig, before)
    answer = mocap("sync", "--videos", light, "--method", "flash", "--rig", before, "--out", after)
    assert answer.code == 0, answer.err
    written = load_rig(after)
    assert written.names == rig.names
    for camera in written:
        assert camera.time_offset_s == pytest.approx(LATE_S[camera.name], abs=0.012)
        assert camera.T_cam_world == pytest.approx(rig[camera.name].T_cam_world)
    assert "mocap sync" in written.metadata.provenance[-1]
    assert load_rig(before)["cam1"].time_offset_s == 9.0
    again = mocap("sync", "--videos", light, "--method", "flash", "--rig", before, "--out", after)
    assert again.code == 2
    assert "--overwrite" in again.error()


def _observed(
    tmp_path: Path, scene: Callable[[np.ndarray], np.ndarray], late: Mapping[int, float]
) -> tuple[Path, Path]:
    rig = ring_rig(len(late))
    save_rig(rig, tmp_path / "rig.toml")
    tracks = [filmed(scene, rig, c, late_s=s, seconds=6.0) for c, s in late.items()]
    return tmp_path / "rig.toml", write_observations(tmp_path / "obs.npz", tracks, rig)


def test_movement_from_2d_people(tmp_path: Path, mocap: Mocap) -> None:
    late = {0: 0.0, 1: 7.3 / 30, 2: 0.4 / 30}
    rig, file = _observed(tmp_path, wandering_people(9, seconds=8.0), late)
    answer = mocap("sync", "--observations", file, "--rig", rig, "--max-lag", 0.5)
    assert answer.code == 0, answer.err
    found = offsets_ms(answer.out)
    for c, late_s in late.items():
        assert found[f"cam{c}"] == pytest.approx(1000 * late_s, abs=0.1 * 1000 / 30)
    assert "epipolar" in answer.out


@pytest.mark.parametrize(
    ("scene", "reason"),
    [(still_person(), "hardly anything"), (treadmill(0.8), "periodic motion")],
    ids=["still", "treadmill"],
)
def test_weak_evidence_is_refused(
    scene: Callable[[np.ndarray], np.ndarray], reason: str, tmp_path: Path, mocap: Mocap
) -> None:
    rig, file = _observed(tmp_path, scene, {0: 0.0, 1: 0.1})
    out = tmp_path / "out.toml"
    answer = mocap("sync", "--observations", file, "--rig", rig, "--out", out, "--max-lag", 0.9)
    assert answer.code == 2
    # The bars of what was done before stay.
    assert "error: no offset for 'cam1'; no rig was written; film a flash" in answer.err
    assert "Traceback" not in answer.err
    assert "unknown" in answer.out
    assert reason in " ".join(answer.out.split())
    assert not out.exists()


def test_flash_in_one_camera_only(tmp_path: Path, mocap: Mocap) -> None:
    write_film(tmp_path / "a.mp4", lit("a", (1.0,), seconds=3.0).brightness)
    write_film(tmp_path / "b.mp4", lit("b", (), seconds=3.0).brightness)
    answer = mocap("sync", "--videos", tmp_path, "--method", "flash")
    assert answer.code == 2
    assert "error: no offset for 'b'; film a flash" in answer.err
    assert "camera 'b' shows no flash" in " ".join(answer.out.split())


def test_videos_without_sound(tmp_path: Path, mocap: Mocap) -> None:
    for name in "ab":
        write_video(tmp_path / f"{name}.mp4", 5)
    answer = mocap("sync", "--videos", tmp_path, "--method", "audio")
    assert answer.code == 2
    assert "has no sound" in " ".join(answer.out.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "nothing to synchronise"),
        (("--observations", "x.npz", "--method", "audio"), "needs videos"),
        (("--videos", "x", "--observations", "y.npz", "--method", "flash"), "is for the method"),
        (("--observations", "x.npz", "--target", "t.toml"), "--target is searched for in videos"),
        (
            ("--videos", "x", "--target", "t.toml", "--method", "flash"),
            "--target is for the method",
        ),
        (("--videos", "x", "--fps", "30"), "--fps is for --observations"),
        (("--videos", "x", "--max-lag", "-1"), "--max-lag is -1; it must be positive"),
        (("--videos", "x", "--out", "new.toml"), "name it with --rig"),
        (("--videos", "nowhere"), "nowhere does not exist"),
    ],
)
def test_mistakes_are_one_line(arguments: tuple[str, ...], message: str, mocap: Mocap) -> None:
    answer = mocap("sync", *arguments)
    assert answer.code == 2
    assert message in answer.error()


def test_one_video_is_not_enough(tmp_path: Path, mocap: Mocap) -> None:
    write_video(tmp_path / "a.mp4", 5)
    assert "give at least two" in mocap("sync", "--videos", tmp_path).error()
    assert "no videos in the folder" in mocap("sync", "--videos", tmp_path.parent).error()


def test_the_rig_is_not_overwritten_by_itself(tmp_path: Path, mocap: Mocap) -> None:
    save_rig(ring_rig(2), tmp_path / "rig.toml")
    path = tmp_path / "rig.toml"
    answer = mocap("sync", "--videos", tmp_path, "--rig", path, "--out", path, "--overwrite")
    assert "is the rig itself" in answer.error()
