"""Plain TOML calibrations of aniposelib, FreeMoCap and Pose2Sim.

They share their keys and do not state the unit of their translations: FreeMoCap writes
millimetres, Pose2Sim metres, aniposelib whatever unit the board was measured in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mocap.errors import RigError, valid_choices
from mocap.model import Intrinsics, Rig
from mocap.storage.rig_sections import (
    camera_name,
    camera_sections,
    foreign_camera,
    foreign_lens,
    has_pose,
    lower_keys,
    metadata_of,
)
from mocap.storage.rig_units import Units, by_name, no_pose, rig_in_metres, stated_units

FREEMOCAP_SQUARE_KEY = "charuco_square_size"
FREEMOCAP_UNSET_SQUARE = 1.0
"""The square size which FreeMoCap stores when the user gave none: the unit is then the square."""
SQUARE_RANGES: dict[Units, tuple[float, float]] = {"m": (0.005, 0.5), "mm": (5.0, 500.0)}
"""Square sizes of real boards, 5 mm to 0.5 m, in either unit; the ranges do not overlap."""


@dataclass(frozen=True)
class PlainToml:
    """A calibration TOML of aniposelib, FreeMoCap or Pose2Sim; cameras in file order.

    The unit of the translations is `units` of `[metadata]` if it is there; else the caller's;
    else, for FreeMoCap, the unit in which the stored square size is that of a real board; else
    metres, if the cameras are then plausibly near to each other.

    Attributes:
        document: the parsed file.
        source: how the file is called in errors and in the provenance.
    """

    document: Mapping[str, Any]
    source: str

    def rig(self, units: Units | None = None) -> Rig:
        """The cameras with their poses; see `CameraFile`."""
        sections = self._sections()
        metadata = lower_keys(metadata_of(self.document, self.source))
        unit = stated_units(metadata, self.source, units)
        how = "stated"
        if unit is None and FREEMOCAP_SQUARE_KEY in metadata:
            square = metadata[FREEMOCAP_SQUARE_KEY]
            unit = _units_of_square(square, self.source)
            how = f"as {FREEMOCAP_SQUARE_KEY} is {square}"
        unposed = [
            camera_name(section, lower_keys(table), self.source)
            for section, table in sections.items()
            if not has_pose(lower_keys(table))
        ]
        if len(unposed) == len(sections):
            raise no_pose(unposed, self.source)
        cameras = [foreign_camera(s, table, self.source) for s, table in sections.items()]
        ground = "a board on the floor; " if metadata.get("groundplane_calibration") is True else ""
        return rig_in_metres(
            cameras,
            self.source,
            "plain TOML",
            unit=unit,
            how=how,
            world_frame=f"{ground}which axis points up is not stated",
        )

    def lenses(self) -> dict[str, Intrinsics]:
        """The lenses by camera name; see `CameraFile`."""
        return by_name(
            [
                (
                    camera_name(section, lower_keys(table), self.source),
                    foreign_lens(section, table, self.source),
                )
                for section, table in self._sections().items()
            ],
            self.source,
        )

    def _sections(self) -> dict[str, dict[str, Any]]:
        sections = camera_sections(self.document)
        if not sections:
            found = valid_choices(str(key) for key in self.document)
            raise RigError(
                f"{self.source} holds no camera (a section with matrix, rotation and "
                f"translation); it has {found}; name a rig file"
            )
        return sections


def _units_of_square(square: object, source: str) -> Units:
    if isinstance(square, int | float):
        for unit, (low, high) in SQUARE_RANGES.items():
            if low <= square <= high:
                return unit
    unset = "the default, so lengths are in squares" if square == FREEMOCAP_UNSET_SQUARE else ""
    raise RigError(
        f"{source}: {FREEMOCAP_SQUARE_KEY} is {square!r}{unset and f' ({unset})'}, which is no "
        f"usual square in m or mm; pass units mm or m, or calibrate with the real square size"
    )
