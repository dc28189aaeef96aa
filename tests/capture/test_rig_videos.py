from __future__ import annotations

from pathlib import Path

import pytest

from capture.rig_videos import check_videos_known, common_end_s, find_videos
from capture.video_probe import VideoInfo
from mocap.errors import RigError, VideoError


def touch(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).touch()
    return [folder / name for name in names]


def info(frames: int, rate_hz: float = 30.0, name: str = "a.mp4") -> VideoInfo:
    return VideoInfo(Path(name), (320, 240), frames, frames / rate_hz, rate_hz)


def test_videos_are_found_by_the_names_of_the_cameras(tmp_path: Path) -> None:
    touch(tmp_path, "cam10.mp4", "Cam2.MOV", "notes.txt", "._cam10.mp4", ".cam2.mov")
    found = find_videos([tmp_path], ("cam2", "cam10"))
    assert list(found) == ["cam2", "cam10"]
    assert [path.name for path in found.values()] == ["Cam2.MOV", "cam10.mp4"]
    check_videos_known([tmp_path], ("cam2", "cam10"))


def test_files_and_folders_may_be_mixed(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()
    touch(folder, "cam0.mp4")
    # A file that is named is taken whatever its suffix.
    (other,) = touch(tmp_path, "cam1.dat")
    assert find_videos([folder, other], ("cam0", "cam1"))["cam1"] == other


def test_only_the_chosen_cameras_need_a_video(tmp_path: Path) -> None:
    touch(tmp_path, "cam0.mp4", "cam1.mp4", "cam2.mp4")
    assert list(find_videos([tmp_path], ("cam2", "cam0"))) == ["cam2", "cam0"]


def test_a_camera_without_video(tmp_path: Path) -> None:
    touch(tmp_path, "cam0.mp4")
    with pytest.raises(VideoError, match=r"camera 'cam1' of the rig has no video; the videos are "):
        find_videos([tmp_path], ("cam0", "cam1"))


def test_a_camera_with_two_videos(tmp_path: Path) -> None:
    touch(tmp_path, "cam0.mp4", "cam0.avi")
    with pytest.raises(VideoError, match=r"camera 'cam0' has 2 videos \(cam0.avi, cam0.mp4\)"):
        find_videos([tmp_path], ("cam0",))


@pytest.mark.parametrize("name", ["cam7.mp4", "cam7.dat"])
def test_a_video_without_camera(tmp_path: Path, name: str) -> None:
    files = touch(tmp_path, "cam0.mp4", name)
    with pytest.raises(RigError, match=rf"video {name} belongs to no camera of the rig, whose"):
        check_videos_known(files, ("cam0",))


def test_a_folder_without_videos_and_a_missing_one(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no videos in the folder"):
        find_videos([tmp_path], ("cam0",))
    for check in (find_videos, check_videos_known):
        with pytest.raises(VideoError, match=r"none does not exist; check the path"):
            check([tmp_path / "none"], ("cam0",))


def test_videos_of_the_same_length_are_read_to_their_ends() -> None:
    same = {"a": info(100), "b": info(102)}
    assert common_end_s(same, "same") is None
    assert common_end_s({"a": info(100, 30), "b": info(200, 60)}, "same") is None
    assert common_end_s({"a": info(100), "b": info(500)}, "longest") is None


def test_videos_of_different_length_are_refused() -> None:
    differing = {"a": info(100, name="a.mp4"), "b": info(103, name="b.mp4")}
    with pytest.raises(VideoError, match=r"differ in length: a.mp4 has 100 frames .* --length"):
        common_end_s(differing, "same")


def test_the_shortest_video_ends_all_of_them_whatever_their_rates() -> None:
    end_s = common_end_s({"a": info(20, 30), "b": info(100, 60), "c": info(50, 25)}, "shortest")
    assert end_s is not None
    for rate_hz, frames in ((30, 20), (60, 40)):
        assert sum(i / rate_hz < end_s for i in range(100)) in (frames - 1, frames)
    assert sum(i / 30 < end_s for i in range(100)) == 20
