"""Texts, numbers and flags as TOML writes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mocap.errors import RigError
from mocap.model import Camera


def numbers(values: np.ndarray) -> str:
    """An array as nested lists, from which the same doubles are read."""
    # Python writes each number as the shortest text from which the same double is read, and
    # lists of them as TOML does.
    return repr(values.astype(np.float64).tolist())


def flag(value: bool) -> str:
    """True or false."""
    return "true" if value else "false"


def quoted(text: str) -> str:
    """A text in quotes.

    Raises:
        RigError: it is not Unicode.
    """
    if any("\ud800" <= c <= "\udfff" for c in text):
        # A file name which is not UTF-8 comes as such text; no TOML can hold it.
        raise RigError(f"{text!a} cannot be written as UTF-8; rename the camera or the file")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'


def quoted_list(texts: Sequence[str]) -> str:
    """A list of texts."""
    return "[" + ", ".join(quoted(text) for text in texts) + "]"


def rotation_lines(camera: Camera, units_per_metre: float) -> list[str]:
    """The keys of the pose: rotation vector in rad and translation, both world to camera."""
    return [
        f"rotation = {numbers(camera.rotation_vector)}",
        f"translation = {numbers(camera.translation_m * units_per_metre)}",
    ]
