"""Footage for calibration: which videos or images belong to which camera."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from calibration.footage import Footage, Picture
from calibration.image_size import fit_camera_to_image_size
from capture.rig_videos import VIDEO_SUFFIXES, list_videos
from capture.video import VideoSource
from capture.video_probe import probe_video
from mocap.cli.progress import progress_bar
from mocap.errors import InputError, RigError, valid_choices
from mocap.model import Camera, Intrinsics, Target

if TYPE_CHECKING:
    from calibration.sightings import Sightings


def footage_of(
    videos: Sequence[Path], images: Path | None, cameras: Sequence[str] = ()
) -> list[Footage]:
    """Footage as the options of a command name it: videos, or images.

    Args:
        videos: a folder with videos, or videos; also a folder with images.
        images: a folder with images.
        cameras: those to use, in this order; all if empty.

    Raises:
        InputError: neither or both were named.
        VideoError: a video cannot be used, or there is none.
        CalibrationError: there are no images, or those of a camera cannot be read.
    """
    if bool(videos) == (images is not None):
        raise InputError("pass either --videos or --images, and not both")
    if images is None and len(videos) == 1 and videos[0].is_dir():
        from calibration.image_folders import has_images

        holds_videos = any(p.suffix.lower() in VIDEO_SUFFIXES for p in videos[0].iterdir())
        if not holds_videos and has_images(videos[0]):
            images = videos[0]
    return video_footage(videos, cameras) if images is None else image_footage(images, cameras)


def video_footage(videos: Sequence[Path], cameras: Sequence[str] = ()) -> list[Footage]:
    """Videos, one per camera, named after their cameras.

    Args:
        videos: a folder, or the files.
        cameras: those to use, in this order; all, in the order of their names (cam2 before cam10),
            if empty.

    Raises:
        VideoError: a video cannot be used, or there is none.
        InputError: two videos are of the same camera, or a camera has none.
    """
    files = {}
    for path in list_videos(videos):
        if path.stem in files:
            raise InputError(
                f"two videos are of camera {path.stem!r} ({files[path.stem]} and {path}); name "
                f"each video after its camera"
            )
        files[path.stem] = path
    return [_video(name, files[name]) for name in _chosen(list(files), cameras, "video")]


def image_footage(folder: Path, cameras: Sequence[str] = ()) -> list[Footage]:
    """Images, grouped by camera as `calibration.image_folders` says.

    Args:
        folder: with the images, or with a folder of images per camera.
        cameras: those to use, in this order; all if empty.

    Raises:
        CalibrationError: there are no images, or those of a camera cannot be read.
        InputError: a camera has none.
    """
    from calibration import image_folders

    lists = {images.name: images for images in image_folders.image_lists(folder)}
    chosen = _chosen(list(lists), cameras, "folder of images")
    return [image_folders.image_footage(lists[name]) for name in chosen]


def _video(name: str, path: Path) -> Footage:
    info = probe_video(path)

    def read(wanted: Sequence[int] | None) -> Iterable[Picture]:
        source = VideoSource(path)
        try:
            for index, time_s, image in source.grey(wanted):
                yield Picture(index, time_s, image)
        finally:
            source.close()

    return Footage(name, info.size, info.frames, info.rate_hz, read)


def _chosen(names: Sequence[str], cameras: Sequence[str], what: str) -> list[str]:
    if not cameras:
        return list(names)
    known = {name.casefold(): name for name in names}
    for camera in cameras:
        if camera.casefold() not in known:
            raise InputError(
                f"camera {camera!r} has no {what}; there are some of {valid_choices(names)}"
            )
        if list(cameras).count(camera) > 1:
            raise InputError(f"camera {camera!r} is named twice; name each camera once")
    return [known[camera.casefold()] for camera in cameras]


def scan(target: Target, footage: Sequence[Footage], what: str) -> Sightings:
    """Searches footage for a target, with a progress bar; says what the user should know.

    Raises:
        CalibrationError: no camera saw it.
    """
    from calibration.scan import scan_footage

    total = {each.name: each.frame_count for each in footage}
    done = dict.fromkeys(total, 0)
    with progress_bar(what, sum(total.values())) as progress:

        def tell(name: str, frames: int, of: int) -> None:
            done[name], total[name] = frames, of
            progress(sum(done.values()), sum(total.values()))

        return scan_footage(target, footage, progress=tell)


def lenses_by_name(
    sizes: Mapping[str, tuple[int, int]], lenses: Mapping[str, Intrinsics], source: Path
) -> tuple[dict[str, Intrinsics], list[str]]:
    """Gives each camera the lens that a file holds for it.

    A lens belongs to the camera of the same name; where no name fits, to the camera of the same
    number, if that is clear for all of them (`cam_2.mp4` and `port_2`).

    Args:
        sizes: of the images of each camera, by name.
        lenses: by the names in the file.
        source: the file, for messages.

    Returns:
        The lenses by the names of `sizes`; and sentences that the user should read.

    Raises:
        RigError: a camera has no lens, or its lens is for images of another size.
    """
    pairs, by_number = names_in_file(sizes, lenses)
    notes: list[str] = []
    if by_number:
        text = ", ".join(f"{name} = {other}" for name, other in pairs.items())
        notes.append(f"cameras of {source.name} taken by their numbers: {text}")
    result: dict[str, Intrinsics] = {}
    for name, size in sizes.items():
        if name not in pairs:
            raise RigError(
                f"{source} has no lens for camera {name!r}; its cameras are "
                f"{valid_choices(lenses)}: rename the footage, choose cameras with --cameras, or "
                f"leave --intrinsics out"
            )
        camera, warning = fit_camera_to_image_size(
            Camera(name, lenses[pairs[name]], np.eye(4)), size
        )
        if warning:
            notes.append(warning)
        result[name] = camera.intrinsics
    return result, notes


def names_in_file(names: Iterable[str], known: Iterable[str]) -> tuple[dict[str, str], bool]:
    """How a file calls the cameras of some footage.

    Args:
        names: of the footage.
        known: in the file.

    Returns:
        The name in the file of each camera that it knows, and whether numbers decided.
    """
    names, known = list(names), list(known)
    folded = {name.casefold(): name for name in known}
    pairs = {name: folded[name.casefold()] for name in names if name.casefold() in folded}
    if pairs:
        return pairs, False
    numbers = {_number(name): name for name in known}
    wanted = [_number(name) for name in names]
    if None not in wanted and len(set(wanted)) == len(wanted) and set(wanted) <= set(numbers):
        return {name: numbers[_number(name)] for name in names}, True
    return {}, False


def _number(name: str) -> int | None:
    """The only number in a name."""
    digits = "".join(c if c.isdigit() else " " for c in name).split()
    return int(digits[-1]) if len(digits) == 1 else None
