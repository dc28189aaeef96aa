"""One camera's section of a calibration TOML, as the aniposelib family of tools writes it.

Our rig file, the plain files of aniposelib, FreeMoCap and Pose2Sim, and Caliscope's share these
keys, so they share this reader. Every fault is reported with the file, the camera and the key.
Ours is read strictly; of other tools, what is right in only one way is taken as well: keys in
capitals, rows for vectors, rounded rotation matrices, a missing `distortions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from mocap.arrays import Float
from mocap.errors import RigError
from mocap.geometry.rotations import matrix_from_rotvec, rotvec_from_matrix
from mocap.model import Camera, Intrinsics
from mocap.storage.rig_lens import lens_of
from mocap.storage.rig_units import no_pose
from mocap.storage.rig_values import (
    ROW,
    SQUARE,
    VECTOR,
    array_of,
    check_rotation,
    flag_of,
    nearest_rotation,
    rotation_of,
    size_of,
)

NON_CAMERA_SECTIONS = ("metadata", "capture_volume", "charuco", "checkerboard")
"""Sections which tools of the family keep beside the cameras."""

CAMERA_KEYS = ("matrix", "distortions", "rotation", "translation")
"""A section with any of these is meant to be a camera."""

AGREEMENT_TOLERANCE = 1e-9
"""Largest difference, per element, between `rotation` and `rotation_matrix`."""


def metadata_of(document: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The `[metadata]` section of a TOML document, empty if there is none.

    Raises:
        RigError: `metadata` is not a section.
    """
    metadata = document.get("metadata", {})
    if not isinstance(metadata, dict):
        raise RigError(f"{source}: 'metadata' is {metadata!r}, expected a section; rename that key")
    return cast(dict[str, Any], metadata)


def camera_sections(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The sections of a TOML document that describe cameras, in file order."""
    return {
        section: cast(dict[str, Any], table)
        for section, table in document.items()
        if section.lower() not in NON_CAMERA_SECTIONS
        and isinstance(table, dict)
        and any(str(key).lower() in CAMERA_KEYS for key in table)
    }


def camera_name(section: str, table: Mapping[str, Any], source: str) -> str:
    """The camera's `name`, or the section's name where there is none (Pose2Sim).

    Raises:
        RigError: `name` is not a text.
    """
    name = table.get("name", section)
    if not isinstance(name, str):
        raise RigError(
            f"{source}: 'name' of section [{section}] is {name!r}; write the name in quotes"
        )
    return name


def camera_from_section(
    section: str, table: Mapping[str, Any], source: str, metres_per_unit: float = 1.0
) -> Camera:
    """Reads one camera of our own file.

    Args:
        section: name of the section.
        table: its keys. `size` (2), `matrix` (3, 3) in pixels, `distortions` (0, 4, 5 or 8; with
            `fisheye` 4), `rotation` (3; rotation vector, world to camera; a 3x3 matrix is taken
            too), `translation` (3; world to camera). Optional: `name`, `fisheye`,
            `rotation_matrix` (3, 3), `time_offset_s`, `pose_covariance` (6, 6).
        source: how the file is called in errors.
        metres_per_unit: unit of `translation`.

    Raises:
        RigError: a key is missing, is of another type or shape, or holds NaN or infinity; a
            rotation is none; or the lens does not fit its coefficients.
    """
    name = camera_name(section, table, source)
    where = f"{source}: camera {name!r}"
    pose = np.eye(4)
    pose[:3, :3] = _rotation(table, where)
    pose[:3, 3] = array_of(table, "translation", ((3,),), where) * metres_per_unit
    lens = lens_from_section(section, table, source)
    return _camera(name, lens, pose, table, where, metres_per_unit)


def lens_from_section(section: str, table: Mapping[str, Any], source: str) -> Intrinsics:
    """Reads the lens of one camera of our own file; arguments as in `camera_from_section`.

    Raises:
        RigError: a key is missing or wrong, or the lens does not fit its coefficients.
    """
    where = f"{source}: camera {camera_name(section, table, source)!r}"
    fisheye = table.get("fisheye", False)
    if not isinstance(fisheye, bool):
        raise RigError(f"{where}: 'fisheye' is {fisheye!r}; write true or false")
    matrix = array_of(table, "matrix", ((3, 3),), where)
    distortions = array_of(table, "distortions", ((None,),), where)
    size = _size(table, where)
    return lens_of(size, matrix, distortions, fisheye=fisheye, where=where)


def foreign_camera(section: str, table: Mapping[str, Any], source: str) -> Camera:
    """Reads one camera of another tool; lengths stay in the unit of the file.

    Args:
        section: name of the section.
        table: its keys, of which `size`, `matrix`, `rotation` and `translation` must be there;
            FreeMoCap's `world_orientation` and `world_position` may stand for the latter two.
        source: how the file is called in errors.

    Raises:
        RigError: a key is missing or wrong, or the lens does not fit its coefficients.
        NoPoseError: there is a lens, but nothing of a pose.
    """
    table = lower_keys(table)
    name = camera_name(section, table, source)
    where = f"{source}: camera {name!r}"
    lens = foreign_lens(section, table, source)
    if not has_pose(table):
        raise no_pose([name], source)
    pose = np.eye(4)
    if "rotation" in table or "translation" in table:
        pose[:3, :3] = rotation_of(_given(table, "rotation", where), "rotation", where)
        pose[:3, 3] = array_of(table, "translation", VECTOR, where).ravel()
    else:
        axes = array_of(table, "world_orientation", SQUARE, where).reshape(3, 3)
        center = array_of(table, "world_position", VECTOR, where).ravel()
        pose[:3, :3] = nearest_rotation(axes, "'world_orientation'", where).T
        pose[:3, 3] = -pose[:3, :3] @ center
    return _camera(name, lens, pose, table, where, 1.0)


def foreign_lens(section: str, table: Mapping[str, Any], source: str) -> Intrinsics:
    """Reads the lens of one camera of another tool; arguments as in `foreign_camera`.

    Raises:
        RigError: a key is missing or wrong, or the lens does not fit its coefficients.
    """
    table = lower_keys(table)
    where = f"{source}: camera {camera_name(section, table, source)!r}"
    distortions = None
    if "distortions" in table:
        distortions = array_of(table, "distortions", ROW, where)
    matrix = array_of(table, "matrix", SQUARE, where).reshape(3, 3)
    size = size_of(_given(table, "size", where), "size", where)
    fisheye = flag_of(table.get("fisheye", False), "fisheye", where)
    return lens_of(size, matrix, distortions, fisheye=fisheye, where=where)


def has_pose(table: Mapping[str, Any]) -> bool:
    """True if a section with keys in small letters has anything of a pose."""
    return bool({"rotation", "translation", "world_orientation", "world_position"} & set(table))


def lower_keys(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table with its keys in small letters, without those whose value is the text `null`.

    Caliscope's writer has no other way to say that there is no value.
    """
    return {
        str(key).lower(): value
        for key, value in table.items()
        if not (isinstance(value, str) and value.lower() in ("null", "none"))
    }


def _camera(
    name: str,
    lens: Intrinsics,
    pose: Float[np.ndarray, "4 4"],
    table: Mapping[str, Any],
    where: str,
    metres_per_unit: float,
) -> Camera:
    covariance = None
    if "pose_covariance" in table:
        scale = np.array([1.0, 1.0, 1.0, *[metres_per_unit] * 3])
        covariance = array_of(table, "pose_covariance", ((6, 6),), where) * np.outer(scale, scale)
    time_offset_s = 0.0
    if "time_offset_s" in table:
        time_offset_s = float(array_of(table, "time_offset_s", ((),), where))
    try:
        return Camera(name, lens, pose, time_offset_s, covariance)
    except ValueError as error:
        raise RigError(f"{where}: {error}; correct the file or calibrate again") from error


def _given(table: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in table:
        raise RigError(f"{where}: key {key!r} is missing; add it or calibrate again")
    return table[key]


def _rotation(table: Mapping[str, Any], where: str) -> Float[np.ndarray, "3 3"]:
    given = array_of(table, "rotation", ((3,), (3, 3)), where)
    if given.ndim == 2:
        check_rotation(given, "'rotation'", where)
        return given
    rotation = matrix_from_rotvec(given)
    if "rotation_matrix" not in table:
        return rotation
    # The matrix is there because a rotation vector does not give its matrix back to the last
    # bit; the vector is what other tools read, and what a person edits.
    exact = array_of(table, "rotation_matrix", ((3, 3),), where)
    check_rotation(exact, "'rotation_matrix'", where)
    nearest = matrix_from_rotvec(rotvec_from_matrix(exact))
    if not np.allclose(nearest, rotation, rtol=0, atol=AGREEMENT_TOLERANCE):
        raise RigError(
            f"{where}: 'rotation' and 'rotation_matrix' are different rotations; delete "
            f"'rotation_matrix' if 'rotation' was changed on purpose"
        )
    return exact


def _size(table: Mapping[str, Any], where: str) -> tuple[int, int]:
    array_of(table, "size", ((2,),), where)
    return size_of(table["size"], "size", where)
