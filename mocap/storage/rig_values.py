"""Numbers of a calibration file: arrays, sizes, rotations, each fault with its own message.

What is right in only one way but written in several (a 1xN row for a vector, a rotation matrix
rounded to a few digits) is taken; what could mean two things is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from mocap.arrays import Float
from mocap.errors import RigError
from mocap.geometry.rotations import matrix_from_rotvec

ROTATION_TOLERANCE = 1e-6
"""Largest deviation of R R^T from the identity at which a matrix passes for a rotation."""

ROUNDED_ROTATION_TOLERANCE = 1e-3
"""The same for matrices of other tools, which round them to as few as four digits."""

Shapes = tuple[tuple[int | None, ...], ...]
"""Shapes that are accepted; None stands for any length."""

VECTOR: Shapes = ((3,), (3, 1), (1, 3))
SQUARE: Shapes = ((3, 3), (9,), (1, 9), (9, 1))
ROW: Shapes = ((None,), (1, None), (None, 1))


def array_of(
    table: Mapping[str, Any], key: str, shapes: Shapes, where: str
) -> Float[np.ndarray, "*shape"]:
    """The array `table[key]`.

    Raises:
        RigError: it is missing, no array of numbers, of another shape, or not finite.
    """
    if key not in table:
        raise RigError(f"{where}: key {key!r} is missing; add it or calibrate again")
    return checked_array(table[key], key, shapes, where)


def checked_array(
    value: object, key: str, shapes: Shapes, where: str
) -> Float[np.ndarray, "*shape"]:
    """`value` as an array of finite numbers of one of `shapes`.

    Raises:
        RigError: it is not; the message calls it `key`.
    """
    try:
        array = np.asarray(value)
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


def check_rotation(matrix: Float[np.ndarray, "3 3"], key: str, where: str) -> None:
    """Checks that a matrix is a rotation.

    Raises:
        RigError: it is singular, mirrored, scaled or sheared; the message calls it `key`.
    """
    _check_rotation(matrix, key, where, ROTATION_TOLERANCE)


def nearest_rotation(
    matrix: Float[np.ndarray, "3 3"], key: str, where: str
) -> Float[np.ndarray, "3 3"]:
    """The rotation nearest to a matrix that was rounded when it was written.

    A matrix that is a rotation already is returned as it is, to the last bit.

    Raises:
        RigError: it differs by more than rounding; the message calls it `key`.
    """
    if np.abs(matrix @ matrix.T - np.eye(3)).max() <= ROTATION_TOLERANCE:
        check_rotation(matrix, key, where)
        return matrix
    _check_rotation(matrix, key, where, ROUNDED_ROTATION_TOLERANCE)
    u, _, vt = np.linalg.svd(matrix)
    return u @ vt


def rotation_of(value: object, key: str, where: str) -> Float[np.ndarray, "3 3"]:
    """A rotation given as rotation vector (rad), or as matrix by rows, perhaps rounded.

    Raises:
        RigError: it is neither; the message calls it `key`.
    """
    given = checked_array(value, key, VECTOR + SQUARE, where)
    if given.size == 3:
        return matrix_from_rotvec(given.ravel())
    return nearest_rotation(given.reshape(3, 3), repr(key), where)


def size_of(value: object, key: str, where: str) -> tuple[int, int]:
    """Width and height in pixels, also given as texts (`["1280", "720"]`, `"1280x720"`).

    Raises:
        RigError: they are not two positive whole numbers; the message calls them `key`.
    """
    if isinstance(value, str):
        value = re.split(r"[\s,;x*]+", value.strip(" []()"))
    if isinstance(value, list | tuple) and any(isinstance(side, str) for side in value):
        try:
            value = [float(side) for side in value]
        except (TypeError, ValueError):
            value = "no numbers"
    size = checked_array(value, key, ((2,), (1, 2), (2, 1)), where).ravel()
    # Pose2Sim writes whole numbers as floats.
    if (size != np.round(size)).any() or (size <= 0).any():
        raise RigError(
            f"{where}: {key!r} is {size.tolist()}, expected width and height in whole pixels"
        )
    return int(size[0]), int(size[1])


def flag_of(value: object, key: str, where: str) -> bool:
    """True or false, also given as 0 or 1, or as text.

    Raises:
        RigError: it is neither; the message calls it `key`.
    """
    if isinstance(value, bool):
        return value
    known = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
    text = str(value).strip().lower()
    if text not in known:
        raise RigError(f"{where}: {key!r} is {value!r}; write true or false")
    return known[text]


def _check_rotation(
    matrix: Float[np.ndarray, "3 3"], key: str, where: str, tolerance: float
) -> None:
    deviation = float(np.abs(matrix @ matrix.T - np.eye(3)).max())
    determinant = float(np.linalg.det(matrix))
    if deviation > tolerance or determinant < 0:
        raise RigError(
            f"{where}: {key} is not a rotation (determinant {determinant:.6g}, expected 1; "
            f"R R^T differs from the identity by {deviation:.2g}); correct the file or "
            f"calibrate again"
        )


def _fits(got: tuple[int, ...], want: tuple[int | None, ...]) -> bool:
    return len(got) == len(want) and all(
        w is None or w == g for g, w in zip(got, want, strict=True)
    )


def _shape_text(shape: tuple[int | None, ...]) -> str:
    if not shape:
        return "one number"
    return "x".join("n" if n is None else str(n) for n in shape)
