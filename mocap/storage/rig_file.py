"""Rig files: our TOML, which tools of the aniposelib family read as it is, and all that is read.

Each camera is a section with the keys that aniposelib, FreeMoCap and Pose2Sim know, and some
which they ignore. aniposelib sorts the sections as text, so sections are numbered with leading
zeros; the order that counts is the list of names in `[metadata]`. See docs/rig_files.md.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np

from mocap.errors import InputError, RigError
from mocap.files import check_input, check_output, write_atomically
from mocap.model import Camera, Intrinsics, Rig
from mocap.storage.rig_caliscope import CaliscopeFile, is_caliscope
from mocap.storage.rig_filestorage import is_storage
from mocap.storage.rig_own import FORMAT_NAME, FORMAT_VERSION, OwnToml
from mocap.storage.rig_plain import PlainToml
from mocap.storage.rig_qualisys import QualisysFile
from mocap.storage.rig_sections import metadata_of
from mocap.storage.rig_storages import pair_in_folder, storage_file
from mocap.storage.rig_toml_text import flag, numbers, quoted, quoted_list, rotation_lines
from mocap.storage.rig_units import CameraFile, Units

HEADER = """\
# Camera rig. World: metres; `rotation` (vector, rad) and `translation` map world to camera:
# x_cam = R x_world + t, with x right, y down, z forward. Pixel (0, 0) is the centre of the
# top-left pixel. The order of the cameras is `camera_order` in [metadata].
"""


def load_rig(path: Path, *, units: Units | None = None) -> Rig:
    """Reads a rig file, whose format is recognised by its content.

    Args:
        path: our TOML; a plain TOML of aniposelib, FreeMoCap or Pose2Sim; Caliscope's
            `camera_array.toml`; a Qualisys calibration (`.qca.txt`); EasyMocap's `intri.yml` or
            `extri.yml`, or their folder; what OpenCV's sample programs write about several
            cameras (YAML, XML, JSON).
        units: unit of the translations, for a file that does not state it.

    Raises:
        RigError: the file is missing or cannot be used; one line says what and where.
        NoPoseError: there are lenses, but cameras have no pose.
    """
    return _recognised(path).rig(units)


def load_intrinsics(path: Path) -> dict[str, Intrinsics]:
    """Reads the lenses of a calibration of any format, also where there are no poses.

    Args:
        path: as in `load_rig`; also OpenCV's calibration of a single camera, which is called
            after its file where it has no name.

    Returns:
        The lenses by camera name, in the order of the file.

    Raises:
        RigError: the file is missing or cannot be used; one line says what and where.
    """
    return _recognised(path).lenses()


def rig_from_toml(text: str, source: str, *, units: Units | None = None) -> Rig:
    """Reads a rig from our TOML, or from that of another tool.

    Args:
        text: content of the file.
        source: how the file is called in errors and in the provenance of a foreign rig.
        units: unit of the translations in a file that does not state it.

    Raises:
        RigError: the text is no TOML, is of a newer format, or does not describe a rig.
    """
    return _recognised_toml(text, source).rig(units)


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


def save_rig(rig: Rig, path: Path, *, overwrite: bool = False) -> None:
    """Writes our TOML; other processes see either the old file or the whole new one.

    Raises:
        OutputError: the file exists and `overwrite` is false, or it cannot be written.
        RigError: a covariance holds NaN or infinity.
    """
    content = rig_to_toml(rig).encode("utf-8")
    check_output(path, overwrite=overwrite)
    write_atomically(path, content)


def _recognised(path: Path) -> CameraFile:
    if path.is_dir():
        inside = pair_in_folder(path)
        if inside is None:
            raise RigError(
                f"{path} is not a file, and a folder must hold intri.yml and extri.yml (EasyMocap) "
                f"or intrinsics.yml and extrinsics.yml (OpenCV); name a rig file"
            )
        path = inside
    content = _content(path)
    start = content.lstrip()
    if start.startswith(b"<") and b"<opencv_storage" not in start:
        return QualisysFile(content, str(path))
    text = _text(path)
    if is_storage(text):
        return storage_file(path, text, _text)
    return _recognised_toml(text, str(path))


def _content(path: Path) -> bytes:
    try:
        check_input(path, "rig file")
    except InputError as error:
        raise RigError(str(error)) from error
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if not content.strip():
        raise RigError(f"{path} is empty, expected a rig file; name another file")
    return content


def _text(path: Path) -> str:
    try:
        return _content(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise RigError(
            f"{path} is not a text file, expected TOML, Qualisys XML, or YAML; name a rig file"
        ) from error


def _recognised_toml(text: str, source: str) -> CameraFile:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RigError(
            f"{source} is not a valid TOML file: {error}; correct that line, or name a rig file"
        ) from error
    if metadata_of(document, source).get("format") == FORMAT_NAME:
        return OwnToml(document, source)
    if is_caliscope(document):
        return CaliscopeFile(document, source)
    return PlainToml(document, source)


def _metadata_text(rig: Rig) -> str:
    lines = [
        "[metadata]",
        f"format = {quoted(FORMAT_NAME)}",
        f"format_version = {FORMAT_VERSION}",
        'units = "m"',
        f"world_frame = {quoted(rig.metadata.world_frame)}",
        f"camera_order = {quoted_list(rig.names)}",
        f"provenance = {quoted_list(rig.metadata.provenance)}",
    ]
    return "\n".join(lines) + "\n"


def _camera_text(camera: Camera) -> str:
    intrinsics = camera.intrinsics
    lines = [
        f"name = {quoted(camera.name)}",
        f"size = [{intrinsics.size[0]}, {intrinsics.size[1]}]",
        f"matrix = {numbers(intrinsics.matrix)}",
        f"distortions = {numbers(intrinsics.distortions)}",
        *rotation_lines(camera, 1.0),
        f"fisheye = {flag(intrinsics.lens == 'fisheye')}",
        f"rotation_matrix = {numbers(camera.T_cam_world[:3, :3])}",
        f"time_offset_s = {float(camera.time_offset_s)!r}",
    ]
    if camera.pose_covariance is not None:
        if not np.isfinite(camera.pose_covariance).all():
            raise RigError(
                f"camera {camera.name!r}: pose_covariance holds NaN or infinity; leave it out "
                f"(None) where it is not known"
            )
        lines.append(f"pose_covariance = {numbers(camera.pose_covariance)}")
    return "\n".join(lines) + "\n"
