"""Rig files: our TOML, which tools of the aniposelib family read as it is.

Each camera is a section with the keys that aniposelib, FreeMoCap and Pose2Sim know, and some
which they ignore. aniposelib sorts the sections as text, so sections are numbered with leading
zeros; the order that counts is the list of names in `[metadata]`. See docs/rig_files.md.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from mocap.errors import InputError, RigError, valid_choices
from mocap.files import check_input, check_output, write_atomically
from mocap.model import Camera, Rig, RigMetadata
from mocap.storage.rig_formats import Units, rig_from_plain_toml, rig_from_qualisys, stated_units
from mocap.storage.rig_sections import camera_from_section, camera_sections, metadata_of

FORMAT_NAME = "mocap-rig"
FORMAT_VERSION = 1

HEADER = """\
# Camera rig. World: metres; `rotation` (vector, rad) and `translation` map world to camera:
# x_cam = R x_world + t, with x right, y down, z forward. Pixel (0, 0) is the centre of the
# top-left pixel. The order of the cameras is `camera_order` in [metadata].
"""


def rig_to_toml(rig: Rig) -> str:
    """Writes a rig as text from which `rig_from_toml` makes an equal rig, to the last bit.

    Raises:
        RigError: a covariance holds NaN or infinity.
    """
    digits = max(2, len(str(len(rig) - 1)))
    blocks = [HEADER, _metadata_text(rig)]
    blocks += [
        f"[cam_{index:0{digits}d}]\n{_camera_text(camera)}" for index, camera in enumerate(rig)
    ]
    return "\n".join(blocks)


def rig_from_toml(text: str, source: str, *, units: Units | None = None) -> Rig:
    """Reads a rig from our TOML, or from a plain calibration TOML of the aniposelib family.

    Args:
        text: content of the file.
        source: how the file is called in errors and in the provenance of a foreign rig.
        units: unit of the translations in a file that does not state it; see
            `rig_from_plain_toml`.

    Raises:
        RigError: the text is no TOML, is of a newer format, or does not describe a rig.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RigError(
            f"{source} is not a valid TOML file: {error}; correct that line, or name a rig file"
        ) from error
    metadata = metadata_of(document, source)
    if metadata.get("format") != FORMAT_NAME:
        return rig_from_plain_toml(document, source, units)
    return _rig_from_document(document, metadata, source, units)


def load_rig(path: Path, *, units: Units | None = None) -> Rig:
    """Reads a rig file, whose format is recognised by its content.

    Args:
        path: our TOML, a plain TOML of aniposelib, FreeMoCap or Pose2Sim, or a Qualisys
            calibration (`.qca.txt`).
        units: unit of the translations, for a plain TOML that does not state it.

    Raises:
        RigError: the file is missing or cannot be used; one line says what and where.
    """
    try:
        check_input(path, "rig file")
    except InputError as error:
        raise RigError(str(error)) from error
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if not content.strip():
        raise RigError(f"{path} is empty, expected a rig file; name another file")
    if content.lstrip().startswith(b"<"):
        return rig_from_qualisys(content, str(path), units)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RigError(
            f"{path} is not a text file, expected TOML or Qualisys XML; name a rig file"
        ) from error
    return rig_from_toml(text, str(path), units=units)


def save_rig(rig: Rig, path: Path, *, overwrite: bool = False) -> None:
    """Writes our TOML; other processes see either the old file or the whole new one.

    Raises:
        OutputError: the file exists and `overwrite` is false, or it cannot be written.
        RigError: a covariance holds NaN or infinity.
    """
    content = rig_to_toml(rig).encode("utf-8")
    check_output(path, overwrite=overwrite)
    write_atomically(path, content)


def _rig_from_document(
    document: dict[str, Any], metadata: dict[str, Any], source: str, units: Units | None
) -> Rig:
    version = metadata.get("format_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise RigError(
            f"{source}: 'format_version' in [metadata] is {version!r}, expected a whole number "
            f"from 1 to {FORMAT_VERSION}"
        )
    if version > FORMAT_VERSION:
        raise RigError(
            f"{source} has rig format version {version}, this program reads up to "
            f"{FORMAT_VERSION}; update it"
        )
    stated = stated_units(metadata, source, units)
    if stated is None:
        raise RigError(f"{source}: 'units' is missing in [metadata]; add units = \"m\"")
    cameras = [
        camera_from_section(section, table, source, 1.0 if stated == "m" else 1e-3)
        for section, table in camera_sections(document).items()
    ]
    order = _texts(metadata, "camera_order", source)
    names = [camera.name for camera in cameras]
    _check_order(order, names, source)
    by_name = {camera.name: camera for camera in cameras}
    world_frame = metadata.get("world_frame")
    if not isinstance(world_frame, str):
        raise RigError(f"{source}: 'world_frame' in [metadata] is missing or is not a text")
    provenance = _texts(metadata, "provenance", source)
    return Rig(tuple(by_name[name] for name in order), RigMetadata(world_frame, tuple(provenance)))


def _check_order(order: list[str], names: list[str], source: str) -> None:
    if not names:
        raise RigError(f"{source} holds no camera; name a rig file, or calibrate the cameras")
    for listed, what in ((names, "sections"), (order, "entries of 'camera_order'")):
        twice = [name for name in dict.fromkeys(listed) if listed.count(name) > 1]
        if twice:
            raise RigError(f"{source}: two {what} are called {twice[0]!r}; rename one of them")
    if set(order) != set(names):
        raise RigError(
            f"{source}: 'camera_order' in [metadata] lists {valid_choices(order)}, but the "
            f"sections are of cameras {valid_choices(names)}; make them agree"
        )


def _texts(metadata: dict[str, Any], key: str, source: str) -> list[str]:
    values = cast(list[Any], metadata.get(key))
    if not isinstance(cast(Any, values), list) or not all(isinstance(v, str) for v in values):
        raise RigError(f"{source}: {key!r} in [metadata] is missing or is not a list of texts")
    return values


def _metadata_text(rig: Rig) -> str:
    lines = [
        "[metadata]",
        f"format = {_quoted(FORMAT_NAME)}",
        f"format_version = {FORMAT_VERSION}",
        'units = "m"',
        f"world_frame = {_quoted(rig.metadata.world_frame)}",
        f"camera_order = {_quoted_list(rig.names)}",
        f"provenance = {_quoted_list(rig.metadata.provenance)}",
    ]
    return "\n".join(lines) + "\n"


def _camera_text(camera: Camera) -> str:
    intrinsics = camera.intrinsics
    lines = [
        f"name = {_quoted(camera.name)}",
        f"size = [{intrinsics.size[0]}, {intrinsics.size[1]}]",
        f"matrix = {_numbers(intrinsics.matrix)}",
        f"distortions = {_numbers(intrinsics.distortions)}",
        f"rotation = {_numbers(camera.rotation_vector)}",
        f"translation = {_numbers(camera.translation_m)}",
        f"fisheye = {'true' if intrinsics.lens == 'fisheye' else 'false'}",
        f"rotation_matrix = {_numbers(camera.T_cam_world[:3, :3])}",
        f"time_offset_s = {float(camera.time_offset_s)!r}",
    ]
    if camera.pose_covariance is not None:
        if not np.isfinite(camera.pose_covariance).all():
            raise RigError(
                f"camera {camera.name!r}: pose_covariance holds NaN or infinity; leave it out "
                f"(None) where it is not known"
            )
        lines.append(f"pose_covariance = {_numbers(camera.pose_covariance)}")
    return "\n".join(lines) + "\n"


def _numbers(values: np.ndarray) -> str:
    # Python writes each number as the shortest text from which the same double is read, and
    # lists of them as TOML does.
    return repr(values.astype(np.float64).tolist())


def _quoted(text: str) -> str:
    if any("\ud800" <= c <= "\udfff" for c in text):
        # A file name which is not UTF-8 comes as such text; no TOML can hold it.
        raise RigError(f"{text!a} cannot be written as UTF-8; rename the camera or the file")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'


def _quoted_list(texts: Sequence[str]) -> str:
    return "[" + ", ".join(_quoted(text) for text in texts) + "]"
