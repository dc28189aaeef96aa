"""Reads the pickles in which SMPL, SMPL-H and SMPL-X are distributed, without running their code.

A pickle is a program: it may name any function of Python and call it. This reader knows only the
names by which NumPy's arrays, SciPy's sparse matrices and the classes of `chumpy` are pickled (a
library of the old files which does not install any more). Each stands for a holder of plain data
here, out of which the arrays are made afterwards; any other name is refused. So no code of a
library runs while a file is read, let alone code of the file.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from scipy import sparse

from mocap.errors import InputError

_PLAIN_TYPE = re.compile(r"[fiub]\d{1,2}|\?")
_SPARSE = re.compile(r"(csc|csr|coo)_(matrix|array)")


class _Held:
    """What a pickle says of one object."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _HeldArray(_Held):
    def array(self) -> np.ndarray:
        _, shape, dtype, by_column, raw = self.state
        return _from_bytes(raw, dtype, shape, "F" if by_column else "C")


class _HeldBuffer(_Held):
    """An array as protocol 5 has it."""

    def array(self) -> np.ndarray:
        raw, dtype, shape, order = self.arguments
        return _from_bytes(raw, dtype, shape, order)


class _HeldScalar(_Held):
    def array(self) -> np.ndarray:
        dtype, raw = self.arguments
        return _from_bytes(raw, dtype, (), "C")


class _HeldType(_Held):
    def dtype(self) -> np.dtype:
        code = _text(self.arguments[0])
        if not _PLAIN_TYPE.fullmatch(code):
            raise ValueError(f"an array holds {code!r}, not numbers")
        order = "=" if self.state is None else _text(self.state[1])
        if order not in ("<", ">", "=", "|"):
            raise ValueError("numbers in an unknown byte order")
        return np.dtype(f"{order}{code}")


class _HeldSparse(_Held):
    def array(self) -> np.ndarray:
        state = self.state
        shape = state["_shape"] if "_shape" in state else state["shape"]
        rows, columns = (int(n) for n in shape)
        data = _array(state["data"])
        if "indptr" in state:
            parts = (data, _array(state["indices"]), _array(state["indptr"]))
            # Both are tried, because the class's name is not at hand: one fits the pointers.
            by_column = len(parts[2]) == columns + 1
            kind = sparse.csc_matrix if by_column else sparse.csr_matrix
            matrix = kind(parts, shape=(rows, columns))
            matrix.check_format(full_check=True)
            return matrix.toarray()
        places = state["coords"] if "coords" in state else (state["row"], state["col"])
        places = tuple(_array(place) for place in places)
        return sparse.coo_matrix((data, places), shape=(rows, columns)).toarray()


class _HeldChumpy(_Held):
    def array(self) -> np.ndarray:
        state = self.state
        if "x" in state:
            return _array(state["x"])
        if "a" in state and "idxs" in state:
            chosen = _array(state["a"]).ravel()[_array(state["idxs"])]
            shape = state.get("preferred_shape")
            return chosen if shape is None else chosen.reshape(tuple(int(n) for n in shape))
        raise ValueError("a chumpy object of it is a formula, not an array")


def _reconstruct(*_: Any) -> _HeldArray:
    return _HeldArray()


def _object(kind: Any, *_: Any) -> _Held:
    if not (isinstance(kind, type) and issubclass(kind, _Held)):
        raise pickle.UnpicklingError("an object of a kind which arrays do not need")
    return kind()


def _encoded(text: str, encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"text encoded as {encoding!r}")
    return text.encode("latin1")


_KNOWN: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _HeldArray,
    ("numpy", "dtype"): _HeldType,
    ("_codecs", "encode"): _encoded,
    ("copy_reg", "_reconstructor"): _object,
    ("copyreg", "_reconstructor"): _object,
    ("__builtin__", "object"): _Held,
    ("builtins", "object"): _Held,
    ("__builtin__", "set"): set,
    ("builtins", "set"): set,
} | {
    (f"numpy.{core}.{module}", name): held
    for core in ("core", "_core")
    for module, name, held in (
        ("multiarray", "_reconstruct", _reconstruct),
        ("multiarray", "scalar", _HeldScalar),
        ("numeric", "_frombuffer", _HeldBuffer),
    )
}


class _Reader(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        known = _KNOWN.get((module_name, global_name))
        if known is not None:
            return known
        library = module_name.split(".")
        if library[0] == "chumpy":
            return _HeldChumpy
        if library[:2] == ["scipy", "sparse"] and _SPARSE.fullmatch(global_name):
            return _HeldSparse
        raise _ForeignNameError(f"{module_name}.{global_name}")

    def persistent_load(self, pid: Any, /) -> Any:
        raise pickle.UnpicklingError(f"it refers to {pid!r} outside itself")


class _ForeignNameError(Exception):
    """A pickle names something that arrays do not need."""


def read_smpl_pickle(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The arrays of a pickled model file.

    Args:
        path: the file.
        names: which arrays are wanted; those that the file lacks are left out.

    Raises:
        InputError: the file cannot be read, is damaged, or names anything but arrays, which is
            refused without running it.
    """
    try:
        with path.open("rb") as file:
            content = _read(file)
    except OSError as error:
        raise InputError(f"cannot read the body model {path}: {error.strerror}") from error
    except _ForeignNameError as error:
        raise InputError(
            f"the body model {path} is refused: its pickle asks for {error}, which a model file "
            "does not need and which could run foreign code (nothing of it was run); "
            "get the file from its provider anew"
        ) from error
    except Exception as error:  # a damaged pickle may fail in any way
        raise InputError(
            f"the body model {path} is no readable pickle ({error}); "
            "get the file from its provider anew"
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"the body model {path} holds no table of arrays; is it another file?")
    arrays: dict[str, np.ndarray] = {}
    for name in names:
        value = content.get(name, content.get(name.encode()))
        if value is None:
            continue
        try:
            arrays[name] = _array(value)
        except Exception as error:  # as above
            raise InputError(
                f"{name} of the body model {path} is no array ({error}); "
                "get the file from its provider anew"
            ) from error
    return arrays


def _read(file: BinaryIO) -> Any:
    # The old files were written by Python 2, whose bytes are read as Latin-1.
    return _Reader(file, encoding="latin1").load()


def _array(value: Any) -> np.ndarray:
    if isinstance(value, _HeldArray | _HeldBuffer | _HeldScalar | _HeldSparse | _HeldChumpy):
        return value.array()
    return np.asarray(value, dtype=np.float64)


def _from_bytes(raw: Any, dtype: _HeldType, shape: Any, order: str) -> np.ndarray:
    data = raw.encode("latin1") if isinstance(raw, str) else bytes(raw)
    sizes = tuple(int(n) for n in shape)
    if order not in ("C", "F"):
        raise ValueError("an array in an unknown order")
    return np.frombuffer(data, dtype.dtype()).reshape(sizes, order=order)  # type: ignore[call-overload]


def _text(value: Any) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)
