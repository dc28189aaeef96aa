"""Finds the video of each camera of a rig, and checks that they fit each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from capture.video import VIDEO_SUFFIXES, VideoInfo
from mocap.errors import RigError, VideoError, valid_choices

LengthRule = Literal["same", "shortest", "longest"]
TOLERATED_DIFFERENCE_FRAMES = 2


def find_videos(videos: Sequence[Path], camera_names: Sequence[str]) -> dict[str, Path]:
    """Finds one video per camera; a video is named after its camera.

    Args:
        videos: a folder, or the files themselves.
        camera_names: the cameras that are to be used, in the order of the result.

    Raises:
        VideoError: there is no video, or a camera has none or two.
        RigError: a video belongs to no camera.
    """
    files: list[Path] = []
    for path in videos:
        if path.is_dir():
            found = [p for p in sorted(path.iterdir()) if p.suffix.lower() in VIDEO_SUFFIXES]
            if not found:
                raise VideoError(
                    f"no videos in the folder {path}; files that end in "
                    f"{', '.join(VIDEO_SUFFIXES)} are looked for"
                )
            files += found
        elif path.exists():
            files.append(path)
        else:
            raise VideoError(f"video {path} does not exist; check the path")
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
    for path in videos:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        for file in files:
            if file.suffix.lower() in VIDEO_SUFFIXES and file.stem.casefold() not in known:
                raise RigError(
                    f"video {file.name} belongs to no camera of the rig, whose cameras are "
                    f"{valid_choices(camera_names)}; calibrate that camera, rename the video, or "
                    f"choose cameras with --cameras"
                )


def common_length(infos: dict[str, VideoInfo], rule: LengthRule) -> int | None:
    """How many frames of each video to read.

    Args:
        infos: the videos by camera.
        rule: "same" refuses lengths that differ by more than two frames, and reads all;
            "shortest" stops at the end of the shortest video; "longest" goes on with the
            cameras that are left.

    Returns:
        The number of frames, or None to read every video to its end.

    Raises:
        VideoError: the lengths differ and the rule is "same".
    """
    shortest = min(infos, key=lambda name: infos[name].duration_s)
    longest = max(infos, key=lambda name: infos[name].duration_s)
    difference_s = infos[longest].duration_s - infos[shortest].duration_s
    if rule == "shortest":
        return round(infos[shortest].duration_s * infos[shortest].rate_hz)
    tolerated_s = TOLERATED_DIFFERENCE_FRAMES / infos[shortest].rate_hz
    if rule == "same" and difference_s > tolerated_s * 1.01:
        raise VideoError(
            f"the videos differ in length: {shortest} has {infos[shortest].frames} frames "
            f"({infos[shortest].duration_s:.2f} s), {longest} has {infos[longest].frames} "
            f"({infos[longest].duration_s:.2f} s); cut them to the same start and end, or pass "
            f"--length shortest or --length longest"
        )
    return None
