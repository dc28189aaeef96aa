"""Single images as footage: which camera took which, and which belong together.

Either each camera has a folder of its own (`cam01/0001.png`), or the names tell (`cam01_01.jpg`):
where every name in a folder holds two numbers or more, it begins with the camera's name, up to and
with its first number; otherwise all images are of one camera, called like the folder. The last
number of a name is that of the instant: images of several cameras with the same number were taken
together. Where a camera's images have no number, or one number twice, their order takes its place.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibration.footage import Footage, Picture
from mocap.errors import CalibrationError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
_NUMBER = re.compile(r"\d+")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImageList:
    """The images of one camera.

    Attributes:
        name: of the camera.
        paths: of the images, by instant.
        numbers: of the instants.
    """

    name: str
    paths: tuple[Path, ...]
    numbers: tuple[int, ...]


def has_images(folder: Path) -> bool:
    """Whether a folder holds images, itself or in its folders."""
    return bool(_images(folder)) or any(_images(each) for each in _folders(folder))


def image_lists(folder: Path) -> tuple[ImageList, ...]:
    """Groups the images of a folder by camera, in natural order of the cameras' names.

    Raises:
        CalibrationError: there are none, or both in the folder and in folders of it.
    """
    own = _images(folder)
    inside = {each.name: _images(each) for each in _folders(folder)}
    inside = {name: images for name, images in inside.items() if images}
    if own and inside:
        raise CalibrationError(
            f"{folder} holds images and folders with images ({', '.join(inside)}); keep one folder "
            f"per camera, or all images in one folder"
        )
    if not own and not inside:
        raise CalibrationError(
            f"{folder} holds no images ({', '.join(SUFFIXES)}); name a folder with images, or with "
            f"a folder of images per camera"
        )
    groups = inside if inside else _by_name(folder, own)
    return tuple(_listed(name, groups[name]) for name in sorted(groups, key=_natural))


def image_footage(images: ImageList) -> Footage:
    """The images of a camera as footage. Those that cannot be read are left out with a warning.

    Raises:
        CalibrationError: none can be read.
    """
    for path in images.paths:
        image = _read(path, warn=False)
        if image is not None:
            size = (int(image.shape[1]), int(image.shape[0]))
            break
    else:
        raise CalibrationError(
            f"camera {images.name!r}: none of its {len(images.paths)} images can be read "
            f"({images.paths[0]} is the first); check that they are intact images"
        )

    def read(wanted: Sequence[int] | None) -> Iterator[Picture]:
        chosen = None if wanted is None else set(wanted)
        for frame, (path, number) in enumerate(zip(images.paths, images.numbers, strict=True)):
            if chosen is not None and frame not in chosen:
                continue
            image = _read(path, warn=True)
            if image is None:
                continue
            if (image.shape[1], image.shape[0]) != size:
                _log.warning(
                    "%s is %dx%d, the first image of camera %r is %dx%d; it is left out",
                    path,
                    image.shape[1],
                    image.shape[0],
                    images.name,
                    *size,
                )
                continue
            yield Picture(frame, float(number), image)

    return Footage(images.name, size, len(images.paths), None, read)


def _read(path: Path, *, warn: bool) -> np.ndarray | None:
    import cv2

    # Decoded from memory: OpenCV itself cannot open every name on every system.
    try:
        content = np.fromfile(path, np.uint8)
    except OSError:
        content = np.zeros(0, np.uint8)
    image = cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
    if image is None and warn:
        _log.warning("%s cannot be read as an image; it is left out", path)
    return image


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    ]


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]


def _by_name(folder: Path, images: list[Path]) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = {}
    for path in images:
        numbers = list(_NUMBER.finditer(path.stem))
        if len(numbers) < 2:
            return {folder.resolve().name: images}
        groups.setdefault(path.stem[: numbers[0].end()], []).append(path)
    return groups


def _listed(name: str, images: list[Path]) -> ImageList:
    images = sorted(images, key=lambda path: _natural(path.name))
    found = [_NUMBER.findall(path.stem) for path in images]
    numbers = [int(each[-1]) for each in found if each]
    if len(set(numbers)) < len(images):
        numbers = list(range(len(images)))
    order = sorted(range(len(images)), key=lambda i: numbers[i])
    return ImageList(name, tuple(images[i] for i in order), tuple(numbers[i] for i in order))


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts cam_2 before cam_10."""
    return [
        (int(part), "") if part.isdigit() else (-1, part.lower())
        for part in re.split(r"(\d+)", name)
        if part
    ]
