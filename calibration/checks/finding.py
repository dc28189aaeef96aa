"""What a check found, in words for the user and in figures for scripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or may be.

    Attributes:
        severity: "fail": the calibration must not be used; "warn": it can, with care.
        check: short stable name of the check, such as "shared_views".
        cameras: those concerned, in rig order; none where all are.
        seen: what was seen, one sentence with numbers and units.
        remedy: what to do about it, one sentence.
        figures: the numbers behind it by stable names with units.
    """

    severity: Severity
    check: str
    cameras: tuple[str, ...]
    seen: str
    remedy: str
    figures: Mapping[str, float] = field(default_factory=dict)


def listed(names: tuple[str, ...] | list[str]) -> str:
    """Names in a sentence: a, b and c."""
    if len(names) <= 1:
        return "".join(names)
    return ", ".join(names[:-1]) + " and " + names[-1]
