"""Truth files: an `.npz` of plain arrays, readable by NumPy alone and without pickles."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np

from mocap.errors import InputError
from mocap.files import check_input, check_output, write_atomically
from mocap.model.truth import Truth

FORMAT_NAME = "mocap truth"
FORMAT_VERSION = 1

_NAMES = ("joint_names", "camera_names", "bone_names")
_ARRAYS = ("frame", "time_s", "id", "points", "visible", "bone_rotations", "bone_positions")
_SHAPE = ("shape_names", "shape_ids", "shape_values")


def save_truth(path: Path, truth: Truth, *, overwrite: bool = False) -> None:
    """Writes a truth file.

    The arrays are those of `Truth`; the body model's parameters stand in `shape_names` (S),
    `shape_ids` (N) and `shape_values` (N, S; NaN where a person lacks a parameter).

    Args:
        path: the file to make.
        truth: what to write.
        overwrite: whether an existing file may be replaced.

    Raises:
        OutputError: the file exists and `overwrite` is false, or it cannot be made.
    """
    check_output(path, overwrite=overwrite)
    names = list(truth.shape)
    ids = sorted({person for values in truth.shape.values() for person in values})
    values = [[truth.shape[name].get(person, np.nan) for name in names] for person in ids]
    content = io.BytesIO()
    np.savez_compressed(
        content,
        format=np.array(FORMAT_NAME),
        format_version=np.array(FORMAT_VERSION),
        **{name: np.array(getattr(truth, name), np.str_) for name in _NAMES},
        **{name: getattr(truth, name) for name in _ARRAYS},
        shape_names=np.array(names, np.str_),
        shape_ids=np.array(ids, np.int64),
        shape_values=np.array(values, np.float64).reshape(len(ids), len(names)),
    )
    write_atomically(path, content.getvalue())


def load_truth(path: Path) -> Truth:
    """Reads a truth file.

    Raises:
        InputError: it does not exist, is not a truth file, or is of a version this program does
            not read.
    """
    check_input(path, "truth file")
    no_truth = f"{path} is not a truth file; expected the truth.npz of 'mocap studio'"
    if not zipfile.is_zipfile(path):
        raise InputError(no_truth)
    try:
        with np.load(path, allow_pickle=False) as file:
            data = {name: file[name] for name in file.files}
    # NumPy takes what is no array for a pickle, and says so by a ValueError.
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{no_truth} ({error})") from error
    if str(data.get("format", "")) != FORMAT_NAME:
        raise InputError(no_truth)
    version = int(data.get("format_version", FORMAT_VERSION))
    if version > FORMAT_VERSION:
        raise InputError(
            f"{path} is a truth file of format version {version}; this program reads up to "
            f"{FORMAT_VERSION}, so update it"
        )
    missing = [name for name in (*_NAMES, *_ARRAYS, *_SHAPE) if name not in data]
    if missing:
        raise InputError(f"the truth file {path} lacks {', '.join(missing)}; make it again")
    try:
        shape: dict[str, dict[int, float]] = {
            str(name): {
                int(person): float(value)
                for person, value in zip(data["shape_ids"], column, strict=True)
                if np.isfinite(value)
            }
            for name, column in zip(data["shape_names"], data["shape_values"].T, strict=True)
        }
        return Truth(
            **{name: tuple(str(value) for value in data[name]) for name in _NAMES},
            **{name: data[name] for name in _ARRAYS},
            shape=shape,
        )
    except ValueError as error:
        raise InputError(f"the truth file {path} is damaged: {error}; make it again") from error
