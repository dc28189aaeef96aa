"""What a check found, in words for the user and in figures for scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


@dataclass(frozen=True)
class Named:
    """What one camera adds to a finding that several share.

    Attributes:
        severity: of this camera.
        camera: its name.
        words: what is said of it.
        figure: the number behind it.
    """

    severity: Severity
    camera: str
    words: str
    figure: float


def gathered(
    check: str, entries: Sequence[Named], seen: str, remedy: str, figure: str
) -> list[Finding]:
    """One finding per severity for all cameras that share it, with the remedy said once.

    Args:
        check: name of the check.
        entries: by camera.
        seen: sentence with a place {} for what is said of the cameras.
        remedy: sentence with a place {} for their names.
        figure: name of the number, that of the first camera in the finding.
    """
    found: list[Finding] = []
    for severity in ("fail", "warn"):
        own = [entry for entry in entries if entry.severity == severity]
        if own:
            names = tuple(entry.camera for entry in own)
            found.append(
                Finding(
                    severity,
                    check,
                    names,
                    seen.format(listed([entry.words for entry in own])),
                    remedy.format(listed(names)),
                    {figure: own[0].figure},
                )
            )
    return found
