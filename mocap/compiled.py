"""Compiled functions, and where they are kept from one run to the next.

numba keeps the machine code of a function until its own file changes. It does not notice when a
function that was compiled into it changes in another file, so after an update without a fresh
installation parts of the old program would go on running. Here the code is kept in a folder whose
name stands for the sources of all compiled functions: any change compiles them anew.

A folder that is named by the environment variable `NUMBA_CACHE_DIR` is used as it is.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, overload

import numba

_Function = TypeVar("_Function", bound=Callable[..., Any])

_PACKAGE = Path(__file__).resolve().parent
_PREFIX = "kernels-"
_KEPT = 3
"""Folders of other states of the sources that stay: somebody may go back and forth."""


@overload
def kernel(function: _Function) -> _Function: ...
@overload
def kernel(
    *, inline: Literal["never", "always"] = "never", fastmath: bool | set[str] = False
) -> Callable[[_Function], _Function]: ...
def kernel(
    function: Callable[..., Any] | None = None,
    *,
    inline: Literal["never", "always"] = "never",
    fastmath: bool | set[str] = False,
) -> Any:
    """Decorator: compiles a function at its first call, to run without the interpreter's lock.

    Args:
        function: takes and gives numbers, arrays, and tuples of them. Division by zero gives an
            infinity or NaN, as in NumPy.
        inline: "always" puts it into each caller before the compiler sees it.
        fastmath: which liberties the compiler may take with the order of sums.
    """

    def compiled(function: Callable[..., Any]) -> Any:
        config = cast(Any, numba).config
        named = config.CACHE_DIR
        config.CACHE_DIR = named or str(cache_folder())
        try:
            return cast(Any, numba).njit(
                cache=True, nogil=True, error_model="numpy", inline=inline, fastmath=fastmath
            )(function)
        finally:
            config.CACHE_DIR = named

    return compiled if function is None else compiled(function)


@cache
def cache_folder() -> Path:
    """Where the machine code of these sources is kept; it need not exist.

    In the package, or, where that is write-protected, in the user's cache folder.
    """
    place = _PACKAGE / "__pycache__"
    if not os.access(place if place.exists() else _PACKAGE, os.W_OK):
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        place = Path(base) / "mocap"
    folder = place / f"{_PREFIX}{_sources()}"
    if not folder.exists():
        _remove_old(place)
    return folder


def _sources() -> str:
    texts = (path.read_bytes() for path in sorted(_PACKAGE.rglob("*.py")))
    kernels = (text for text in texts if b"mocap.compiled import kernel" in text)
    return hashlib.sha256(b"".join(kernels)).hexdigest()[:12]


def _remove_old(place: Path) -> None:
    """Leaves the folders that were made last."""
    try:
        made = sorted(place.glob(f"{_PREFIX}*"), key=lambda path: path.stat().st_mtime)
        for old in made[: -_KEPT or None]:
            shutil.rmtree(old, ignore_errors=True)
    except OSError:
        pass
