"""Which calibration a YAML, XML or JSON file of OpenCV's `FileStorage` holds.

EasyMocap and OpenCV's stereo sample spread a calibration over two files; either may be named, or
the folder in which they are.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mocap.errors import RigError, valid_choices
from mocap.storage.rig_easymocap import EasyMocapFile, has_lenses, has_poses, is_easymocap
from mocap.storage.rig_filestorage import read_storage
from mocap.storage.rig_opencv import (
    MultiviewFile,
    SingleLens,
    StereoPair,
    is_single,
    is_stereo,
    plain_keys,
)
from mocap.storage.rig_units import CameraFile

SUFFIXES = (".yml", ".yaml", ".xml", ".json")
PAIRS = (("intri", "extri"), ("intrinsics", "extrinsics"))
"""Stems of the two files of EasyMocap and of OpenCV's stereo sample."""


def storage_file(path: Path, text: str, read: Callable[[Path], str]) -> CameraFile:
    """The calibration that a FileStorage holds, together with its second file if it has one.

    Args:
        path: of the file.
        text: its content.
        read: reads the text of a further file.

    Raises:
        RigError: it is not well-formed, or holds no camera.
    """
    document = read_storage(text, str(path))
    if "Ks" in document:
        return MultiviewFile(document, str(path))
    if is_easymocap(document):
        whole = has_lenses(document) and has_poses(document)
        second = None if whole else _second_file(path)
        both = document if second is None else _merged(document, second, read)
        if not has_lenses(both):
            raise RigError(
                f"{path} has the poses, but the lenses (K_...) are not beside it; put intri.yml "
                f"into the same folder"
            )
        return EasyMocapFile(both, str(path))
    if is_stereo(document):
        second = None if {"M1", "R", "T"} <= set(document) else _second_file(path)
        both = document if second is None else _merged(document, second, read)
        if "M1" not in both:
            raise RigError(
                f"{path} has the pose, but the lenses (M1, D1, M2, D2) are not beside it; put "
                f"intrinsics.yml into the same folder"
            )
        return StereoPair(both, str(path))
    if is_single(document):
        return SingleLens(plain_keys(document), str(path), path.stem)
    raise RigError(
        f"{path} holds no camera (camera_matrix; M1 and M2; Ks; or K_... of EasyMocap); it has "
        f"{valid_choices(document)}; name a rig file"
    )


def pair_in_folder(folder: Path) -> Path | None:
    """The file with the lenses of EasyMocap or of a stereo pair in a folder; None without one."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    for lenses, _ in PAIRS:
        for path in files:
            if path.stem.lower() == lenses:
                return path
    return None


def _second_file(path: Path) -> Path | None:
    """The other file of a pair, with the same naming: `x_intri.yml` goes with `x_extri.yml`."""
    stem = path.stem.lower()
    wanted = [
        stem.replace(one, other)
        for pair in PAIRS
        for one, other in (pair, pair[::-1])
        if one in stem
    ]
    beside = sorted(path.parent.iterdir())
    for name in wanted:
        for other in beside:
            if other.stem.lower() == name and other.suffix.lower() in SUFFIXES:
                return other
    return None


def _merged(document: dict[str, Any], second: Path, read: Callable[[Path], str]) -> dict[str, Any]:
    return read_storage(read(second), str(second)) | document
