"""Access to the nodes of an HDF5 file, with types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np


def dataset(file: h5py.File, name: str) -> h5py.Dataset:
    """The dataset at a path.

    Raises:
        KeyError: there is none.
    """
    node = file[name]
    if not isinstance(node, h5py.Dataset):
        raise KeyError(f"{name!r} is not a dataset")
    return node


def group(file: h5py.File, name: str) -> h5py.Group:
    """The group at a path.

    Raises:
        KeyError: there is none.
    """
    node = file[name]
    if not isinstance(node, h5py.Group):
        raise KeyError(f"{name!r} is not a group")
    return node


def read_array(file: h5py.File, name: str) -> np.ndarray:
    """All of a numeric dataset.

    Raises:
        KeyError: there is none.
    """
    values: Any = dataset(file, name)[...]
    return np.asarray(values)


def read_text(file: h5py.File, name: str) -> str:
    """A dataset of one text.

    Raises:
        KeyError: there is none.
    """
    value: Any = dataset(file, name)[()]
    return value.decode() if isinstance(value, bytes) else str(value)


def read_texts(file: h5py.File, name: str) -> tuple[str, ...]:
    """A dataset of several texts.

    Raises:
        KeyError: there is none.
    """
    values: Any = dataset(file, name).asstr()[...]
    return tuple(str(value) for value in values)


def is_open_for_writing(path: Path) -> bool:
    """Whether a file's writer is at work, or was killed, and all that it flushed is there.

    Only such a file may be opened as a SWMR reader: on one that was cut off, HDF5 tries again
    for hours. The fields are those of the superblock, version 3 (HDF5 File Format Specification,
    II.A).
    """
    with path.open("rb") as stream:
        block = stream.read(48)
    if len(block) < 48 or block[:8] != b"\x89HDF\r\n\x1a\n" or block[8] != 3:
        return False
    writing_and_swmr = 0b101
    end_of_file = int.from_bytes(block[28:36], "little")
    return block[11] & writing_and_swmr == writing_and_swmr and end_of_file <= path.stat().st_size
