"""Checks before a file is written or read, and atomic replacement."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from mocap.errors import InputError, OutputError


def check_output(path: Path, *, overwrite: bool) -> None:
    """Checks that `path` can be written, and makes its folder.

    Raises:
        OutputError: it exists and must not be replaced, or its folder cannot be written to.
    """
    if path.is_dir():
        raise OutputError(f"{path} is a folder; name a file")
    if path.exists() and not overwrite:
        raise OutputError(
            f"{path} exists already; choose another name, or pass --overwrite to replace it"
        )
    make_output_folder(path.parent)
    if path.exists() and not os.access(path, os.W_OK):
        raise OutputError(f"{path} is write-protected; change its permissions or the name")


def make_output_folder(folder: Path) -> None:
    """Makes `folder` if need be and checks that files can be made in it.

    Raises:
        OutputError: they cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot make the folder {folder}: {error.strerror}; choose another place"
        ) from error
    # Asking by permission bits is not enough: root passes them even on a read-only file system.
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(
            f"cannot write to the folder {folder}: {error.strerror}; change its permissions or "
            f"choose another place"
        ) from error


def check_input(path: Path, what: str) -> None:
    """Checks that `path` is a file that can be read.

    Raises:
        InputError: it is not; the message calls it `what`.
    """
    if not path.exists():
        raise InputError(f"{what} {path} does not exist; check the path")
    if not path.is_file():
        raise InputError(f"{what} {path} is not a file")
    if not os.access(path, os.R_OK):
        raise InputError(f"{what} {path} cannot be read; check its permissions")


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file so that other processes see either the old one or the whole new one."""
    make_output_folder(path.parent)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
