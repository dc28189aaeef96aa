"""One camera's section of a calibration TOML, as the aniposelib family of tools writes it.

Our rig file and the plain files of aniposelib, FreeMoCap and Pose2Sim share these keys, so they
share this reader. Every fault is reported with the file, the camera and the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from mocap.arrays import Float
from mocap.errors import RigError
from mocap.geometry.rotations import matrix_from_rotvec, rotvec_from_matrix
from mocap.model import Camera, Intrinsics

NON_CAMERA_SECTIONS = ("metadata", "capture_volume", "charuco", "checkerboard")
"""Sections which tools of the family keep beside the cameras."""

CAMERA_KEYS = ("matrix", "distortions", "rotation", "translation")
"""A section with any of these is meant to be a camera."""

ROTATION_TOLERANCE = 1e-6
"""Largest deviation of R R^T from the identity at which a matrix passes for a rotation."""

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
        section: table
        for section, table in document.items()
        if section not in NON_CAMERA_SECTIONS
        and isinstance(table, dict)
        and any(key in table for key in CAMERA_KEYS)
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
    """Reads one camera.

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
    fisheye = table.get("fisheye", False)
    if not isinstance(fisheye, bool):
        raise RigError(f"{where}: 'fisheye' is {fisheye!r}; write true or false")
    pose = np.eye(4)
    pose[:3, :3] = _rotation(table, where)
    pose[:3, 3] = _array(table, "translation", ((3,),), where) * metres_per_unit
    covariance = None
    if "pose_covariance" in table:
        scale = np.array([1.0, 1.0, 1.0, *[metres_per_unit] * 3])
        covariance = _array(table, "pose_covariance", ((6, 6),), where) * np.outer(scale, scale)
    time_offset_s = 0.0
    if "time_offset_s" in table:
        time_offset_s = float(_array(table, "time_offset_s", ((),), where))
    size = _size(table, where)
    matrix = _array(table, "matrix", ((3, 3),), where)
    distortions = _array(table, "distortions", ((None,),), where)
    try:
        intrinsics = Intrinsics(size, matrix, distortions, "fisheye" if fisheye else "pinhole")
        return Camera(name, intrinsics, pose, time_offset_s, covariance)
    except ValueError as error:
        raise RigError(f"{where}: {error}; correct the file or calibrate again") from error


def check_rotation(matrix: Float[np.ndarray, "3 3"], key: str, where: str) -> None:
    """Checks that a matrix is a rotation.

    Raises:
        RigError: it is singular, mirrored, scaled or sheared; the message calls it `key`.
    """
    deviation = float(np.abs(matrix @ matrix.T - np.eye(3)).max())
    determinant = float(np.linalg.det(matrix))
    if deviation > ROTATION_TOLERANCE or determinant < 0:
        raise RigError(
            f"{where}: {key} is not a rotation (determinant {determinant:.6g}, expected 1; "
            f"R R^T differs from the identity by {deviation:.2g}); correct the file or "
            f"calibrate again"
        )


def _rotation(table: Mapping[str, Any], where: str) -> Float[np.ndarray, "3 3"]:
    given = _array(table, "rotation", ((3,), (3, 3)), where)
    if given.ndim == 2:
        check_rotation(given, "'rotation'", where)
        return given
    rotation = matrix_from_rotvec(given)
    if "rotation_matrix" not in table:
        return rotation
    # The matrix is there because a rotation vector does not give its matrix back to the last
    # bit; the vector is what other tools read, and what a person edits.
    exact = _array(table, "rotation_matrix", ((3, 3),), where)
    check_rotation(exact, "'rotation_matrix'", where)
    nearest = matrix_from_rotvec(rotvec_from_matrix(exact))
    if not np.allclose(nearest, rotation, rtol=0, atol=AGREEMENT_TOLERANCE):
        raise RigError(
            f"{where}: 'rotation' and 'rotation_matrix' are different rotations; delete "
            f"'rotation_matrix' if 'rotation' was changed on purpose"
        )
    return exact


def _size(table: Mapping[str, Any], where: str) -> tuple[int, int]:
    size = _array(table, "size", ((2,),), where)
    # Pose2Sim writes whole numbers as floats.
    if (size != np.round(size)).any() or (size <= 0).any():
        raise RigError(
            f"{where}: 'size' is {size.tolist()}, expected width and height in whole pixels"
        )
    return int(size[0]), int(size[1])


def _array(
    table: Mapping[str, Any], key: str, shapes: tuple[tuple[int | None, ...], ...], where: str
) -> Float[np.ndarray, "*shape"]:
    if key not in table:
        raise RigError(f"{where}: key {key!r} is missing; add it or calibrate again")
    try:
        array = np.asarray(table[key])
    except ValueError:
        array = np.asarray("ragged")
    if array.dtype.kind not in "iuf":
        raise RigError(f"{where}: {key!r} is not an array of numbers of one shape; correct it")
    if not any(_fits(array.shape, shape) for shape in shapes):
        wanted = " or ".join(_shape_text(shape) for shape in shapes)
        raise RigError(f"{where}: {key!r} has shape {_shape_text(array.shape)}, expected {wanted}")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise RigError(f"{where}: {key!r} holds NaN or infinity; correct it or calibrate again")
    return array


def _fits(got: tuple[int, ...], want: tuple[int | None, ...]) -> bool:
    return len(got) == len(want) and all(
        w is None or w == g for g, w in zip(got, want, strict=True)
    )


def _shape_text(shape: tuple[int | None, ...]) -> str:
    if not shape:
        return "one number"
    return "x".join("n" if n is None else str(n) for n in shape)
