"""How options look in help texts, the same in all commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import tyro

SessionPath = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SESSION")]
"""The session file which a command works on."""


def option(metavar: str) -> Any:
    """An option whose help text says by itself what holds without it.

    Args:
        metavar: what stands for the value.
    """
    return tyro.conf.arg(metavar=metavar, help_behavior_hint="")


def required(metavar: str) -> Any:
    """An option that must be given.

    Args:
        metavar: what stands for the value.
    """
    return tyro.conf.arg(metavar=metavar)
