"""Reading our own rig file, which is checked more strictly than those of other tools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from mocap.errors import RigError, valid_choices
from mocap.model import Intrinsics, Rig, RigMetadata
from mocap.storage.rig_sections import (
    camera_from_section,
    camera_name,
    camera_sections,
    lens_from_section,
    metadata_of,
)
from mocap.storage.rig_units import METRES_PER_UNIT, Units, stated_units

FORMAT_NAME = "mocap-rig"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class OwnToml:
    """Our rig file; cameras in the order of `camera_order`.

    Attributes:
        document: the parsed file.
        source: how the file is called in errors.
    """

    document: Mapping[str, Any]
    source: str

    def rig(self, units: Units | None = None) -> Rig:
        """The cameras with their poses; see `CameraFile`."""
        source = self.source
        metadata = self._metadata()
        stated = stated_units(metadata, source, units)
        if stated is None:
            raise RigError(f"{source}: 'units' is missing in [metadata]; add units = \"m\"")
        cameras = [
            camera_from_section(section, table, source, METRES_PER_UNIT[stated])
            for section, table in camera_sections(self.document).items()
        ]
        order = _order(metadata, [camera.name for camera in cameras], source)
        by_name = {camera.name: camera for camera in cameras}
        world_frame = metadata.get("world_frame")
        if not isinstance(world_frame, str):
            raise RigError(f"{source}: 'world_frame' in [metadata] is missing or is not a text")
        provenance = _texts(metadata, "provenance", source)
        return Rig(
            tuple(by_name[name] for name in order), RigMetadata(world_frame, tuple(provenance))
        )

    def lenses(self) -> dict[str, Intrinsics]:
        """The lenses by camera name; see `CameraFile`."""
        sections = camera_sections(self.document)
        named = {s: camera_name(s, table, self.source) for s, table in sections.items()}
        order = _order(self._metadata(), list(named.values()), self.source)
        found = {
            named[section]: lens_from_section(section, table, self.source)
            for section, table in sections.items()
        }
        return {name: found[name] for name in order}

    def _metadata(self) -> dict[str, Any]:
        """The metadata, of a version that can be read."""
        metadata = metadata_of(self.document, self.source)
        version = metadata.get("format_version")
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise RigError(
                f"{self.source}: 'format_version' in [metadata] is {version!r}, expected a whole "
                f"number from 1 to {FORMAT_VERSION}"
            )
        if version > FORMAT_VERSION:
            raise RigError(
                f"{self.source} has rig format version {version}, this program reads up to "
                f"{FORMAT_VERSION}; update it"
            )
        return metadata


def _order(metadata: Mapping[str, Any], names: list[str], source: str) -> list[str]:
    """The names in the order of the rig."""
    order = _texts(metadata, "camera_order", source)
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
    return order


def _texts(metadata: Mapping[str, Any], key: str, source: str) -> list[str]:
    values = cast(list[Any], metadata.get(key))
    if not isinstance(cast(Any, values), list) or not all(isinstance(v, str) for v in values):
        raise RigError(f"{source}: {key!r} in [metadata] is missing or is not a list of texts")
    return values
