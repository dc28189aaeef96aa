"""Values of a target's description, each checked with its key named."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mocap.errors import TargetError, valid_choices

LARGEST_SQUARE_M = 1.0
"""No board has larger squares; larger numbers are another unit."""


def value_of(table: Mapping[str, Any], key: str) -> Any:
    """The value of a key that must be there.

    Raises:
        TargetError: it is not.
    """
    if key not in table:
        raise TargetError(f"{key!r} is missing (found {valid_choices(table)}); add it")
    return table[key]


def number_of(table: Mapping[str, Any], key: str) -> float:
    """A positive number.

    Raises:
        TargetError: it is missing or something else.
    """
    value = value_of(table, key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TargetError(f"{key} is {value!r}, expected a number; correct it")
    if not (math.isfinite(value) and value > 0):
        raise TargetError(f"{key} is {value!r}, expected a positive number; correct it")
    return float(value)


def length_of(table: Mapping[str, Any], key: str) -> float:
    """A length in metres.

    Raises:
        TargetError: it is missing, no length, or can only be meant in another unit.
    """
    value = number_of(table, key)
    if value > LARGEST_SQUARE_M:
        raise TargetError(
            f"{key} is {value:g}, which would be {value:g} m; it looks like millimetres, write "
            f"{value / 1000:g} (or {value / 100:g} if it is centimetres)"
        )
    return value


def pair_of(table: Mapping[str, Any], key: str) -> tuple[int, int]:
    """Two whole numbers.

    Raises:
        TargetError: it is missing or something else.
    """
    value = value_of(table, key)
    if (
        not isinstance(value, list)
        or len(value) != 2
        or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in value)
    ):
        raise TargetError(f"{key} is {value!r}, expected two whole numbers such as [5, 4]")
    return value[0], value[1]


def integer_of(table: Mapping[str, Any], key: str) -> int:
    """A whole number from 0.

    Raises:
        TargetError: it is missing or something else.
    """
    value = value_of(table, key)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TargetError(f"{key} is {value!r}, expected a whole number from 0; correct it")
    return value


def text_of(table: Mapping[str, Any], key: str) -> str:
    """A text.

    Raises:
        TargetError: it is missing or something else.
    """
    value = value_of(table, key)
    if not isinstance(value, str):
        raise TargetError(f"{key} is {value!r}, expected a text in quotes; correct it")
    return value


def flag_of(table: Mapping[str, Any], key: str) -> bool:
    """True or false; false where it is missing.

    Raises:
        TargetError: it is something else.
    """
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise TargetError(f"{key} is {value!r}, expected true or false; correct it")
    return value
