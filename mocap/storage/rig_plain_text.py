"""Plain TOML calibrations as aniposelib, FreeMoCap and Pose2Sim write them.

`units` in `[metadata]` is our addition, which they keep or ignore, so that the files are read
back right.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence

from mocap.model import Camera, Rig
from mocap.storage.rig_sections import NON_CAMERA_SECTIONS
from mocap.storage.rig_toml_text import flag, numbers, quoted, rotation_lines
from mocap.storage.rig_units import METRES_PER_UNIT, Units


def aniposelib_text(rig: Rig, units: Units) -> str:
    """A `calibration.toml` of aniposelib, in metres or millimetres.

    Sections have as many digits as the last one needs, as aniposelib sorts them as text.
    """
    scale = 1.0 / METRES_PER_UNIT[units]
    blocks = [_section(key, camera, scale) for key, camera in _numbered(rig)]
    return _joined(blocks, ["adjusted = false", "error = 0.0", f"units = {quoted(units)}"])


def freemocap_text(rig: Rig, units: Units) -> str:
    """A `*_camera_calibration.toml` of FreeMoCap, which expects millimetres.

    `world_position` and `world_orientation` (axes of the camera in the world, by columns) are
    what its Blender add-on places cameras by, if the world is known to stand on the floor.
    """
    scale = 1.0 / METRES_PER_UNIT[units]
    blocks = [
        _section(
            key,
            camera,
            scale,
            f"world_position = {numbers(camera.center_world * scale)}",
            f"world_orientation = {numbers(camera.T_cam_world[:3, :3].T)}",
        )
        for key, camera in _numbered(rig)
    ]
    on_floor = "z up" in rig.metadata.world_frame.lower()
    metadata = [
        "adjusted = false",
        "error = 0.0",
        f"groundplane_calibration = {flag(on_floor)}",
        f"units = {quoted(units)}",
    ]
    return _joined(blocks, metadata)


def pose2sim_text(rig: Rig) -> str:
    """A `Calib.toml` of Pose2Sim, in metres; its sections are called after the cameras."""
    keys = _section_names(rig.names)
    blocks = [
        _section(key, camera, 1.0, size_as=float) for key, camera in zip(keys, rig, strict=True)
    ]
    return _joined(blocks, ["adjusted = false", "error = 0.0"])


def pose2sim_order(names: Sequence[str]) -> list[str]:
    """Names by the last number in them, and those without number after them as text.

    So Pose2Sim orders its folders of 2D poses, which it pairs with the cameras of the file.
    """
    return sorted(names, key=_last_number)


def _numbered(rig: Rig) -> Iterable[tuple[str, Camera]]:
    digits = len(str(len(rig) - 1))
    return ((f"cam_{index:0{digits}d}", camera) for index, camera in enumerate(rig))


def _section(
    key: str, camera: Camera, scale: float, *more: str, size_as: type[int] | type[float] = int
) -> str:
    lens = camera.intrinsics
    lines = [
        f"[{key}]",
        f"name = {quoted(camera.name)}",
        f"size = {[size_as(side) for side in lens.size]}",
        f"matrix = {numbers(lens.matrix)}",
        f"distortions = {numbers(lens.distortions)}",
        *rotation_lines(camera, scale),
        f"fisheye = {flag(lens.lens == 'fisheye')}",
        *more,
    ]
    return "\n".join(lines) + "\n"


def _joined(blocks: list[str], metadata: list[str]) -> str:
    return "\n".join([*blocks, "[metadata]\n" + "\n".join(metadata) + "\n"])


def _section_names(names: Sequence[str]) -> list[str]:
    """The names as sections that need no quotes and are no others; else numbers."""
    bare = [
        re.fullmatch(r"[A-Za-z0-9_-]+", name) and name.lower() not in NON_CAMERA_SECTIONS
        for name in names
    ]
    free = (key for i in itertools.count() if (key := f"cam_{i:02d}") not in names)
    return [name if ok else next(free) for name, ok in zip(names, bare, strict=True)]


def _last_number(name: str) -> tuple[bool, int, str]:
    found = re.findall(r"[0-9]+", name)
    return (False, int(found[-1]), "") if found else (True, 0, name)
