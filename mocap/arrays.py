"""Array types and the small helpers that frozen data needs."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

__all__ = ["Bool", "Float", "Int", "UInt8", "frozen_array", "frozen_equal"]

_Scalar = TypeVar("_Scalar", bound=np.generic)


def frozen_array(
    values: object, dtype: type[_Scalar], shape: tuple[int | None, ...], name: str
) -> np.ndarray[tuple[int, ...], np.dtype[_Scalar]]:
    """Returns a read-only contiguous copy of `values` after checking its shape.

    Args:
        values: anything NumPy can make an array of.
        dtype: the scalar type of the result.
        shape: the expected shape; None stands for any length.
        name: how the array is called in the error.

    Raises:
        ValueError: the array has another shape.
    """
    array = np.array(values, dtype=dtype, order="C")
    if array.ndim != len(shape) or any(
        want is not None and want != got for want, got in zip(shape, array.shape, strict=True)
    ):
        wanted = tuple("any" if n is None else n for n in shape)
        raise ValueError(f"{name} has shape {array.shape}, expected {wanted}")
    array.setflags(write=False)
    return array


def frozen_equal(a: object, b: object) -> bool:
    """True if two values are equal, arrays being compared element by element (NaN equals NaN)."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        if a is None or b is None:
            return False
        left, right = np.asarray(a), np.asarray(b)
        if left.shape != right.shape:
            return False
        floating = left.dtype.kind == "f" and right.dtype.kind == "f"
        return bool(np.array_equal(left, right, equal_nan=floating))
    return a == b
