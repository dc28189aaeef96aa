"""From the cameras of a file to a rig in metres.

Most formats do not state the unit of their translations. The unit is therefore taken from what
the file states, from the caller, or from the habit of the tool; a rig that is implausible in
metres is refused instead of being rescaled by a guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from mocap.arrays import Float
from mocap.errors import RigError, valid_choices
from mocap.model import Camera, Intrinsics, Rig, RigMetadata

Units = Literal["m", "mm"]

METRES_PER_UNIT: dict[Units, float] = {"m": 1.0, "mm": 1e-3}

PLAUSIBLE_SPREAD_M = 50.0
"""Largest distance between cameras at which an unstated unit is taken to be the metre."""


class NoPoseError(RigError):
    """A file has lenses, but not the poses which a rig needs."""


@runtime_checkable
class CameraFile(Protocol):
    """A calibration file whose format was recognised."""

    def rig(self, units: Units | None = None) -> Rig:
        """The cameras with their poses.

        Args:
            units: unit of the translations, if the caller knows it.

        Raises:
            RigError: a camera cannot be used, or the unit is not certain.
            NoPoseError: cameras have no pose.
        """
        ...

    def lenses(self) -> dict[str, Intrinsics]:
        """The lenses by camera name, in the order of the file, also where there is no pose.

        Raises:
            RigError: a lens cannot be used, or there is none.
        """
        ...


def stated_units(metadata: Mapping[str, Any], source: str, units: Units | None) -> Units | None:
    """The unit of the translations as a file and the caller state it; None if neither does.

    Raises:
        RigError: they contradict each other, or the file states another unit.
    """
    stated = metadata.get("units")
    if stated is None:
        return units
    if not isinstance(stated, str) or stated not in METRES_PER_UNIT:
        raise RigError(
            f"{source}: 'units' in [metadata] is {stated!r}, expected one of "
            f"{valid_choices(METRES_PER_UNIT)}"
        )
    if units is not None and units != stated:
        raise RigError(
            f"{source} states that its units are {stated}, but units {units} was asked for; "
            f"leave the option out, or correct 'units' in [metadata]"
        )
    return stated


def rig_in_metres(
    cameras: Iterable[Camera],
    source: str,
    what: str,
    *,
    unit: Units | None,
    how: str = "stated",
    world_frame: str = "which axis points up is not stated",
    note: str = "",
) -> Rig:
    """Makes the rig of a foreign file.

    Args:
        cameras: with translations in the unit of the file.
        source: how the file is called in errors and in the provenance.
        what: name of the format.
        unit: of the translations; None if it is the metre by habit only, which is then checked.
        how: from where the unit is known.
        world_frame: what is known of it.
        note: what else the provenance is to tell.

    Raises:
        RigError: two cameras have one name, or the cameras are too far apart for metres.
    """
    listed = tuple(cameras)
    if unit is None:
        _check_spread(listed, source)
        unit, how = "m", "not stated"
    name = PurePath(source).name
    scale = METRES_PER_UNIT[unit]
    return named_rig(
        tuple(scaled(camera, scale) for camera in listed),
        RigMetadata(
            f"as in {name}, metres; {world_frame}",
            (f"read {name}: {what}, translations in {unit}, {how}{note}",),
        ),
        source,
    )


def named_rig(cameras: tuple[Camera, ...], metadata: RigMetadata, source: str) -> Rig:
    """A rig whose errors name the file.

    Raises:
        RigError: there is no camera, or two have one name.
    """
    try:
        return Rig(cameras, metadata)
    except RigError as error:
        raise RigError(f"{source}: {error}") from error


def posed_camera(
    name: str, lens: Intrinsics, T_cam_world: Float[np.ndarray, "4 4"], where: str
) -> Camera:
    """A camera whose errors name the file.

    Raises:
        RigError: the name or the pose is that of no camera.
    """
    try:
        return Camera(name, lens, T_cam_world)
    except ValueError as error:
        raise RigError(f"{where}: {error}; correct the file or calibrate again") from error


def scaled(camera: Camera, factor: float) -> Camera:
    """The camera with its lengths multiplied by `factor`; its optical axis stays as it is."""
    pose = camera.T_cam_world.copy()
    pose[:3, 3] *= factor
    covariance = camera.pose_covariance
    if covariance is not None:
        lengths = np.array([1.0, 1.0, 1.0, factor, factor, factor])
        covariance = covariance * np.outer(lengths, lengths)
    return replace(camera, T_cam_world=pose, pose_covariance=covariance)


def by_name(lenses: Sequence[tuple[str, Intrinsics]], source: str) -> dict[str, Intrinsics]:
    """Lenses by camera name, in the order given.

    Raises:
        RigError: there is none, or two cameras have one name.
    """
    if not lenses:
        raise RigError(f"{source} holds no calibrated lens; calibrate the cameras first")
    named: dict[str, Intrinsics] = {}
    for name, lens in lenses:
        if name in named:
            raise RigError(f"{source}: two cameras are called {name!r}; rename one of them")
        named[name] = lens
    return named


def no_pose(names: Sequence[str], source: str) -> NoPoseError:
    """The error that tells which cameras have a lens but no pose."""
    return NoPoseError(
        f"{source}: no pose (rotation and translation) of {valid_choices(names)}; calibrate the "
        f"poses of the rig, for which this file can give the lenses (--intrinsics)"
    )


def _check_spread(cameras: tuple[Camera, ...], source: str) -> None:
    if not cameras:
        return
    centers = np.stack([camera.center_world for camera in cameras])
    # One camera has no distance to others: its distance to the origin stands in for it.
    others = centers if len(cameras) > 1 else np.zeros((1, 3))
    spread = float(np.linalg.norm(centers[:, None] - others[None], axis=-1).max())
    if spread > PLAUSIBLE_SPREAD_M:
        raise RigError(
            f"{source}: cameras would be {spread:.0f} m apart, and the file does not state its "
            f"unit; pass units mm if its translations are in millimetres (FreeMoCap), or units m "
            f"if that is right"
        )
