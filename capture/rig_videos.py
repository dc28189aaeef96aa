"""Finds the video of each camera of a rig, and checks that they fit each other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from capture.video_probe import VideoInfo
from mocap.errors import RigError, VideoError, valid_choices

LengthRule = Literal["same", "shortest", "longest"]
VIDEO_SUFFIXES = (
    *(".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".mts", ".m2ts", ".ts"),
    ".wmv",
)
TOLERATED_DIFFERENCE_FRAMES = 2


def find_videos(videos: Sequence[Path], camera_names: Sequence[str]) -> dict[str, Path]:
    """Finds one video per camera; a video is named after its camera.

    Args:
        videos: a folder, or the files themselves.
        camera_names: the cameras that are to be used, in the order of the result.

    Raises:
        VideoError: there is no video, or a camera has none or two.
    """
    files = list_videos(videos)
    result: dict[str, Path] = {}
    for name in camera_names:
        matching = [path for path in files if path.stem.casefold() == name.casefold()]
        if len(matching) > 1:
            raise VideoError(
                f"camera {name!r} has {len(matching)} videos "
                f"({valid_choices(p.name for p in matching)}); name only one"
            )
        if not matching:
            raise VideoError(
                f"camera {name!r} of the rig has no video; the videos are "
                f"{valid_choices(p.name for p in files)}: name each video after its camera, or "
                f"choose cameras with --cameras"
            )
        result[name] = matching[0]
    return result


def check_videos_known(videos: Sequence[Path], camera_names: Sequence[str]) -> None:
    """Checks that every video belongs to a camera of the rig.

    Args:
        videos: a folder, or the files themselves.
        camera_names: all cameras of the rig.

    Raises:
        RigError: one does not.
    """
    known = {name.casefold() for name in camera_names}
    for file in list_videos(videos):
        if file.stem.casefold() not in known:
            raise RigError(
                f"video {file.name} belongs to no camera of the rig, whose cameras are "
                f"{valid_choices(camera_names)}; calibrate that camera, rename the video, or "
                f"choose cameras with --cameras"
            )


def list_videos(videos: Sequence[Path]) -> list[Path]:
    """The videos of folders, in natural order of their names (cam2 before cam10), and files as they
    are given.

    Raises:
        VideoError: one does not exist, or a folder holds no video or cannot be read.
    """
    files: list[Path] = []
    for path in videos:
        if not path.exists():
            raise VideoError(f"video {path} does not exist; check the path")
        if not path.is_dir():
            files.append(path)
            continue
        try:
            inside = list(path.iterdir())
        except OSError as error:
            raise VideoError(f"the folder {path} cannot be read: {error.strerror}") from error
        # Some systems put a hidden companion beside every file (._cam0.mp4).
        found = [
            f for f in inside if f.suffix.lower() in VIDEO_SUFFIXES and not f.name.startswith(".")
        ]
        if not found:
            raise VideoError(
                f"no videos in the folder {path}; files that end in {', '.join(VIDEO_SUFFIXES)} "
                f"are looked for"
            )
        files += sorted(found, key=_natural)
    return files


def _natural(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", path.stem.casefold())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def common_end_s(infos: Mapping[str, VideoInfo], rule: LengthRule) -> float | None:
    """Until when to read the videos.

    Args:
        infos: the videos by camera.
        rule: "same" refuses lengths that differ by more than two frames, and reads all;
            "shortest" stops at the end of the shortest video; "longest" goes on with the
            cameras that are left.

    Returns:
        The time, on the clock of the frames' times; None to read every video to its end.

    Raises:
        VideoError: the lengths differ and the rule is "same".
    """
    shortest = min(infos.values(), key=lambda info: info.end_s)
    longest = max(infos.values(), key=lambda info: info.end_s)
    if rule == "shortest":
        # Half a frame earlier, so that rounding lets no further frame in.
        return shortest.end_s - 0.5 / shortest.rate_hz
    tolerated_s = TOLERATED_DIFFERENCE_FRAMES / shortest.rate_hz
    if rule == "same" and longest.end_s - shortest.end_s > tolerated_s * 1.01:
        raise VideoError(
            f"the videos differ in length: {shortest.path.name} has {shortest.frames} frames "
            f"({shortest.duration_s:.2f} s), {longest.path.name} has {longest.frames} "
            f"({longest.duration_s:.2f} s); cut them to the same start and end, or pass "
            f"--length shortest or --length longest"
        )
    return None
