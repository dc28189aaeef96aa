"""Access to the nodes of an HDF5 file, with types."""

from __future__ import annotations

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
