"""Caliscope's `camera_array.toml`: sections `[cameras.N]`, metres, rotation as vector or matrix.

Caliscope knows cameras by number and calls their videos `cam_N.mp4` (older versions:
`port_N.mp4`); here they are called `cam_N`. `rotation_count` is how it turns images to show them,
and does not touch the calibration. A camera may be without pose, or without lens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from mocap.errors import RigError, valid_choices
from mocap.model import Intrinsics, Rig
from mocap.storage.rig_sections import foreign_camera, foreign_lens, has_pose, lower_keys
from mocap.storage.rig_toml_text import flag, numbers, rotation_lines
from mocap.storage.rig_units import Units, by_name, no_pose, rig_in_metres
from mocap.storage.rig_values import flag_of

NUMBER_KEYS = ("cam_id", "port")
"""Keys in which different versions repeat the number of a camera."""

HEADER = "# Cameras for Caliscope: pixels, metres; x_cam = R x_world + t.\n"


@dataclass(frozen=True)
class CaliscopeFile:
    """The cameras of a `camera_array.toml`, in the order of the file.

    Attributes:
        document: the parsed file.
        source: how the file is called in errors and in the provenance.
    """

    document: Mapping[str, Any]
    source: str

    def rig(self, units: Units | None = None) -> Rig:
        """The cameras with their poses; see `CameraFile`. Those marked `ignore` are left out."""
        tables = self._tables()
        ignored = [
            name
            for name, table in tables.items()
            if flag_of(table.get("ignore", False), "ignore", f"{self.source}: camera {name!r}")
        ]
        taken = {name: table for name, table in tables.items() if name not in ignored}
        if not taken:
            raise RigError(
                f"{self.source}: all cameras ({valid_choices(ignored)}) are marked 'ignore'; "
                f"remove the mark from those to use"
            )
        unposed = [name for name, table in taken.items() if not has_pose(table)]
        if unposed:
            raise no_pose(unposed, self.source)
        note = f"; left out {', '.join(ignored)}, marked 'ignore'" if ignored else ""
        cameras = [foreign_camera(name, table, self.source) for name, table in taken.items()]
        return rig_in_metres(cameras, self.source, "Caliscope cameras", unit=units, note=note)

    def lenses(self) -> dict[str, Intrinsics]:
        """The lenses by camera name; see `CameraFile`. Cameras without lens are left out."""
        return by_name(
            [
                (name, foreign_lens(name, table, self.source))
                for name, table in self._tables().items()
                if "matrix" in table
            ],
            self.source,
        )

    def _tables(self) -> dict[str, dict[str, Any]]:
        """The sections by the name of their camera."""
        named: dict[str, dict[str, Any]] = {}
        for key, value in self.document["cameras"].items():
            table = lower_keys(cast(dict[str, Any], value))
            for repeated in NUMBER_KEYS:
                if str(table.get(repeated, key)) != key:
                    raise RigError(
                        f"{self.source}: section [cameras.{key}] says {repeated} = "
                        f"{table[repeated]!r}; make them agree"
                    )
            # The name comes from the number, as that of the video does.
            table["name"] = f"cam_{key}" if key.isdigit() else key
            named[table["name"]] = table
        return named


def is_caliscope(document: Mapping[str, Any]) -> bool:
    """True if a TOML document has Caliscope's sections."""
    cameras = document.get("cameras")
    return (
        isinstance(cameras, dict)
        and bool(cameras)
        and all(
            isinstance(table, dict) and {"size", "matrix"} & set(lower_keys(table))
            for table in cast(dict[str, Any], cameras).values()
        )
    )


def caliscope_text(rig: Rig) -> str:
    """The file of a rig whose cameras are called `cam_N`; pinhole lenses with five terms."""
    blocks = [HEADER]
    for camera in rig:
        number = camera.name.removeprefix("cam_")
        lens = camera.intrinsics
        lines = [
            f"[cameras.{number}]",
            f"cam_id = {number}",
            f"size = [{lens.size[0]}, {lens.size[1]}]",
            "rotation_count = 0",
            f"matrix = {numbers(lens.matrix)}",
            f"distortions = {numbers(lens.distortions)}",
            *rotation_lines(camera, 1.0),
            f"fisheye = {flag(lens.lens == 'fisheye')}",
        ]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)
