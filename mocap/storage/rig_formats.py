"""Rigs from the calibration files of other tools.

Plain TOML files of the aniposelib family do not state the unit of their translations: FreeMoCap
writes millimetres, Pose2Sim metres, aniposelib whatever unit the board was measured in. The unit
is therefore taken from what the file states, or from the caller; a rig that is implausible in
metres is refused instead of being rescaled by a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Literal
from xml.etree import ElementTree

import numpy as np

from mocap.arrays import Float
from mocap.errors import RigError, valid_choices
from mocap.model import Camera, Intrinsics, Rig, RigMetadata
from mocap.storage.rig_sections import (
    camera_from_section,
    camera_sections,
    check_rotation,
    metadata_of,
)

Units = Literal["m", "mm"]

METRES_PER_UNIT: dict[Units, float] = {"m": 1.0, "mm": 1e-3}

PLAUSIBLE_SPREAD_M = 50.0
"""Largest distance between cameras at which an unstated unit is taken to be the metre."""

FREEMOCAP_SQUARE_KEY = "charuco_square_size"
FREEMOCAP_UNSET_SQUARE = 1.0
"""The square size which FreeMoCap stores when the user gave none: the unit is then the square."""
SQUARE_RANGES: dict[Units, tuple[float, float]] = {"m": (0.005, 0.5), "mm": (5.0, 500.0)}
"""Square sizes of real boards, 5 mm to 0.5 m, in either unit; the ranges do not overlap."""

QUALISYS_SUBPIXELS = 64.0
"""Qualisys gives focal lengths and centres in 1/64 pixel."""
QUALISYS_VIDEO_RESOLUTION = "1080p"
"""The resolution for which Qualisys stores the intrinsics of its video cameras."""


def rig_from_plain_toml(document: Mapping[str, Any], source: str, units: Units | None) -> Rig:
    """Reads a calibration TOML of aniposelib, FreeMoCap or Pose2Sim; cameras in file order.

    The unit of the translations is `units` of `[metadata]` if it is there; else the caller's
    `units`; else, for FreeMoCap, the unit in which the stored square size is that of a real
    board; else metres, if the cameras are then at most `PLAUSIBLE_SPREAD_M` apart.

    Args:
        document: the parsed file.
        source: how the file is called in errors and in the provenance.
        units: unit of the translations, if the caller knows it.

    Raises:
        RigError: there is no camera, a camera cannot be used, or the unit is not certain.
    """
    sections = camera_sections(document)
    if not sections:
        found = valid_choices(str(key) for key in document)
        raise RigError(
            f"{source} holds no camera (a section with matrix, rotation and translation); it has "
            f"{found}; name a rig file"
        )
    metadata = metadata_of(document, source)
    unit = stated_units(metadata, source, units)
    how = "stated"
    if unit is None and FREEMOCAP_SQUARE_KEY in metadata:
        square = metadata[FREEMOCAP_SQUARE_KEY]
        unit, how = _units_of_square(square, source), f"as {FREEMOCAP_SQUARE_KEY} is {square}"
    scale = 1.0 if unit is None else METRES_PER_UNIT[unit]
    cameras = tuple(
        camera_from_section(section, table, source, scale) for section, table in sections.items()
    )
    if unit is None:
        _check_spread(cameras, source)
        unit, how = "m", "not stated"
    name = PurePath(source).name
    ground = " (a board on the floor)" if metadata.get("groundplane_calibration") is True else ""
    world_frame = f"as in {name}{ground}, metres; which axis points up is not stated"
    return _rig(
        cameras, world_frame, f"read {name}: plain TOML, translations in {unit}, {how}", source
    )


def stated_units(metadata: Mapping[str, Any], source: str, units: Units | None) -> Units | None:
    """The unit of the translations as `[metadata]` and the caller state it; None if neither does.

    Raises:
        RigError: they contradict each other, or the file states another unit.
    """
    stated = metadata.get("units")
    if stated is None:
        return units
    if stated not in METRES_PER_UNIT:
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


def rig_from_qualisys(content: bytes, source: str, units: Units | None = None) -> Rig:
    """Reads a Qualisys calibration (`.qca.txt`, XML); cameras in file order, named by serial.

    Focal lengths and centres are in 1/64 pixel of the whole sensor, of which `fov_video` is the
    part that the video shows; sensorMax = 64 (pixels - 1), so pixel (0, 0) is the centre of the
    top-left pixel, as everywhere here. Distortion coefficients are OpenCV's and not scaled. The
    rows of the rotation are the camera's axes in the world (x right, y up, z backwards).
    Positions are in mm, the world is Z-up. Where some cameras are video cameras by their model,
    the marker cameras beside them are left out, and the provenance lists them.

    Args:
        content: the file.
        source: how the file is called in errors and in the provenance.
        units: unit of the positions, if the caller insists; only "mm" is right.

    Raises:
        RigError: the file is no such XML, or a camera in it cannot be used.
    """
    if units not in (None, "mm"):
        raise RigError(f"{source}: Qualisys files are in mm, but units {units} was asked for")
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise RigError(f"{source} is not valid XML: {error}; export it again") from error
    elements = root.findall("cameras/camera")
    if root.tag != "calibration" or not elements:
        raise RigError(
            f"{source} is XML without calibration/cameras/camera, expected a Qualisys "
            f"calibration; name a rig file"
        )
    models = {id(element): element.get("model", "none").lower() for element in elements}
    is_video = {key: "video" in model for key, model in models.items()}
    taken = [e for e in elements if is_video[id(e)] or models[id(e)] == "none"]
    if not any(is_video.values()):
        taken = elements
    left_out = [element.get("serial", "?") for element in elements if element not in taken]
    cameras = tuple(_qualisys_camera(element, source) for element in taken)
    note = f"; left out the marker cameras {', '.join(left_out)}" if left_out else ""
    name = PurePath(source).name
    world_frame = f"right-handed, Z up, metres, as in {name}"
    return _rig(cameras, world_frame, f"read {name}: Qualisys calibration{note}", source)


def _rig(cameras: tuple[Camera, ...], world_frame: str, provenance: str, source: str) -> Rig:
    try:
        return Rig(cameras, RigMetadata(world_frame, (provenance,)))
    except RigError as error:
        raise RigError(f"{source}: {error}") from error


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


def _check_spread(cameras: tuple[Camera, ...], source: str) -> None:
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


def _qualisys_camera(element: ElementTree.Element, source: str) -> Camera:
    name = element.get("serial", "")
    if not name.strip():
        raise RigError(f"{source}: a camera has no serial, by which it is named; add it")
    where = f"{source}: camera {name!r}"
    _check_qualisys_video(element, where)
    fov = _numbers(element, "fov_video", ("left", "top", "right", "bottom"), where)
    left, top, right, bottom = fov
    f_u, f_v, c_u, c_v = (
        _numbers(
            element,
            "intrinsic",
            ("focalLengthU", "focalLengthV", "centerPointU", "centerPointV"),
            where,
        )
        / QUALISYS_SUBPIXELS
    )
    matrix = np.array([[f_u, 0.0, c_u - left], [0.0, f_v, c_v - top], [0.0, 0.0, 1.0]])
    distortions = _numbers(
        element,
        "intrinsic",
        (
            "radialDistortion1",
            "radialDistortion2",
            # The spelling is theirs.
            "tangentalDistortion1",
            "tangentalDistortion2",
            "radialDistortion3",
        ),
        where,
    )
    rows = tuple(f"r{row}{column}" for row in (1, 2, 3) for column in (1, 2, 3))
    axes = _numbers(element, "transform", rows, where).reshape(3, 3)
    check_rotation(axes, "'transform'", where)
    center = _numbers(element, "transform", ("x", "y", "z"), where) * METRES_PER_UNIT["mm"]
    pose = np.eye(4)
    # From (right, up, backwards) to (right, down, forward).
    pose[:3, :3] = np.diag([1.0, -1.0, -1.0]) @ axes
    pose[:3, 3] = -pose[:3, :3] @ center
    size = (right - left + 1, bottom - top + 1)
    if any(side != round(side) for side in size):
        raise RigError(f"{where}: 'fov_video' is {fov.tolist()}, expected whole pixels")
    try:
        intrinsics = Intrinsics((int(size[0]), int(size[1])), matrix, distortions)
        return Camera(name, intrinsics, pose)
    except ValueError as error:
        raise RigError(f"{where}: {error}; correct the file or calibrate again") from error


def _check_qualisys_video(element: ElementTree.Element, where: str) -> None:
    """Refuses what would silently give a wrong camera."""
    resolution = element.get("video_resolution", QUALISYS_VIDEO_RESOLUTION)
    if resolution != QUALISYS_VIDEO_RESOLUTION:
        raise RigError(
            f"{where}: video_resolution is {resolution}, but the intrinsics are those of "
            f"{QUALISYS_VIDEO_RESOLUTION}; record and calibrate at {QUALISYS_VIDEO_RESOLUTION}"
        )
    rotation = element.get("viewrotation", "0")
    if rotation != "0":
        raise RigError(
            f"{where}: viewrotation is {rotation}, expected 0: the calibration is of the image "
            f"before it is turned; set it to 0 and use videos that are not turned"
        )


def _numbers(
    element: ElementTree.Element, tag: str, keys: tuple[str, ...], where: str
) -> Float[np.ndarray, " keys"]:
    child = element.find(tag)
    if child is None:
        raise RigError(f"{where}: element {tag!r} is missing; export the calibration again")
    values: list[float] = []
    for key in keys:
        text = child.get(key)
        if text is None:
            raise RigError(f"{where}: {key!r} of {tag!r} is missing; export the calibration again")
        try:
            value = float(text)
        except ValueError as error:
            raise RigError(f"{where}: {key!r} of {tag!r} is {text!r}, not a number") from error
        if not np.isfinite(value):
            raise RigError(f"{where}: {key!r} of {tag!r} is NaN or infinity; calibrate again")
        values.append(value)
    return np.array(values)
