"""Files of OpenCV's `FileStorage` (YAML, XML or JSON) as plain Python values.

OpenCV's own reader does the parsing, since its YAML is a dialect. Beside its matrices, those are
taken which other programs write without the `!!opencv-matrix` tag.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from mocap.errors import RigError

YAML_HEADER = "%YAML:1.0\n---\n"

_YAML_LINE = re.compile(r"\s*(?:#[^\n]*\n\s*|---\s*\n\s*)*[A-Za-z_][\w .-]*:(?:\s|$)")


LONGEST_LIST = 5000
"""Longer lists than this are left out: OpenCV steps to each element from the first one."""


def is_storage(text: str) -> bool:
    """True if a text looks like a FileStorage; TOML never does."""
    start = text.lstrip()
    if start.startswith(("%YAML", "{")):
        return True
    if start.startswith("<"):
        return "<opencv_storage" in start
    return bool(_YAML_LINE.match(text))


def read_storage(text: str, source: str) -> dict[str, Any]:
    """Reads a FileStorage.

    Args:
        text: its content.
        source: how the file is called in errors.

    Returns:
        Values by key, in file order: numbers, texts, lists, dictionaries, and arrays for matrices.

    Raises:
        RigError: it is not well-formed.
    """
    import cv2

    text = text.lstrip()
    if text.startswith("---"):
        text = text[3:].lstrip()
    if not text.startswith(("%YAML", "{", "<")):
        text = YAML_HEADER + text
    mode = cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY
    try:
        storage = cv2.FileStorage(text, mode)
        root = storage.root()
        read = {str(key): _value(root.getNode(key), key, source) for key in root.keys()}  # noqa: SIM118
        storage.release()
    # A fault in the text comes as SystemError, whose cause is OpenCV's.
    except (cv2.error, SystemError) as error:
        raise RigError(
            f"{source} is not a valid YAML, XML or JSON file of OpenCV{_reason(error)}; correct "
            f"it, or name a rig file"
        ) from error
    return read


def matrix_text(key: str, values: np.ndarray) -> str:
    """A two-dimensional array as YAML, from which OpenCV reads the same doubles."""
    rows, columns = values.shape
    # Python writes each number as the shortest text from which the same double is read.
    numbers = ", ".join(repr(float(value)) for value in values.ravel())
    return (
        f"{key}: !!opencv-matrix\n   rows: {rows}\n   cols: {columns}\n   dt: d\n"
        f"   data: [ {numbers} ]\n"
    )


def texts_text(key: str, texts: Sequence[str]) -> str:
    """A list of texts as YAML."""
    return f"{key}:\n" + "".join(f"   - {quoted_text(text)}\n" for text in texts)


def quoted_text(text: str) -> str:
    """A printable text in quotes, so that a name of digits only stays a text."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _value(node: Any, key: str, source: str) -> Any:
    if node.isMap():
        keys = [str(k) for k in node.keys()]  # noqa: SIM118
        if "data" in keys and ("rows" in keys or "sizes" in keys):
            return _matrix(node, key, source)
        return {k: _value(node.getNode(k), k, source) for k in keys}
    if node.isSeq():
        if node.size() > LONGEST_LIST:
            return None
        return [_value(node.at(i), key, source) for i in range(node.size())]
    if node.isInt():
        return int(node.real())
    if node.isReal():
        return float(node.real())
    if node.isString():
        return str(node.string())
    return None


def _matrix(node: Any, key: str, source: str) -> np.ndarray:
    """A matrix, also one that ROS wrote without tag and type."""
    import cv2

    sides = _value(node.getNode("sizes"), key, source)
    if sides is None:
        sides = [_value(node.getNode(side), key, source) for side in ("rows", "cols")]
    channels = re.fullmatch(r"(\d*)[a-z]", str(_value(node.getNode("dt"), key, source) or "d"))
    data = node.getNode("data")
    try:
        shape = [int(side) for side in (sides if isinstance(sides, list) else [sides])]
        if channels is not None and channels.group(1):
            shape.append(int(channels.group(1)))
        # OpenCV writes beyond its memory if there are more elements than the size says.
        if channels is None or min(shape) < 0 or math.prod(shape) != data.size():
            raise ValueError
        if data.size() == 0:
            return np.zeros(shape)
        try:
            return node.mat()
        except cv2.error:
            return np.asarray(_value(data, key, source), dtype=np.float64).reshape(shape)
    except (ValueError, TypeError, OverflowError) as error:
        text = " x ".join(map(str, sides)) if isinstance(sides, list) else str(sides)
        raise RigError(
            f"{source}: matrix {key!r} does not have the elements which its size ({text}) needs; "
            f"correct it or calibrate again"
        ) from error


def _reason(error: BaseException) -> str:
    """What OpenCV says is wrong and in which line, if it says so."""
    text = " ".join(str(error.__cause__ or error).split())
    found = re.search(r"'\((\d+)\): ([^']*)", text)
    return f" (line {found.group(1)}: {found.group(2).strip()})" if found else ""
