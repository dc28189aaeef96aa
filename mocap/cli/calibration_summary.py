"""What a calibration says at its end: a table of the cameras, the verdict, and what to do."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mocap.cli.progress import say

if TYPE_CHECKING:
    from calibration.checks.evidence import Evidence
    from calibration.solution import Solution
    from calibration.verdict import Verdict

EXIT_NOT_GOOD = 5
"""The verdict is that the calibration must not be used."""
TABLE_WIDTH = 120
STYLES = {"pass": "bold green", "warn": "bold yellow", "fail": "bold red"}


def report_paths(out: Path, report: Path | None) -> tuple[Path, Path]:
    """Where the report and its figures go.

    Args:
        out: the rig file.
        report: the report that the user named, if any.
    """
    html = out.with_suffix(".report.html") if report is None else report
    return html, html.with_suffix(".json")


def called() -> str:
    """The command as it was called."""
    return " ".join(["mocap", *map(shlex.quote, sys.argv[1:])])


def print_calibration(
    evidence: Evidence, verdict: Verdict, notes: Sequence[str], written: Sequence[Path]
) -> None:
    """Prints the cameras, the verdict with its remedies, and the files written.

    Args:
        evidence: what the verdict rests on.
        verdict: of the calibration.
        notes: further findings.
        written: files.
    """
    # Wide enough for all columns, also where the terminal does not say how wide it is.
    wide = Console(file=StringIO(), width=TABLE_WIDTH)
    with wide.capture() as table:
        wide.print(_cameras(evidence))
    for line in table.get().splitlines():
        say(line.rstrip())
    seen = evidence.seen
    line = f"triangulated points miss their pixels by {seen.rmse_px():.2f} px (all points, RMS)"
    if evidence.sightings is not None:
        from calibration.checks.scale import edge_lengths

        edges = edge_lengths(evidence.sightings.target, seen)
        if len(edges.length_m):
            mean, spread = 1000 * edges.length_m.mean(), 1000 * edges.length_m.std()
            line += (
                f"; edges of the board are {mean:.2f} +- {spread:.2f} mm, true "
                f"{1000 * edges.true_m:g} mm"
            )
    say(line)
    say(f"world: {evidence.rig.metadata.world_frame}")
    for note in notes:
        say(f"- {note}")
    print_verdict(verdict)
    for path in written:
        say(str(path))


def print_verdict(verdict: Verdict) -> None:
    """Prints the verdict: each finding with its remedy."""
    say("")
    say(f"{verdict.grade.upper()}: {verdict.headline}", STYLES[verdict.grade])
    for finding in verdict.findings:
        say(f"[{finding.severity}] {finding.seen}.", STYLES[finding.severity])
        say(f"       {finding.remedy}.")


def _cameras(evidence: Evidence) -> Table:
    from calibration.checks.uncertainty import camera_uncertainty

    solution = evidence.solution
    uncertainty = camera_uncertainty(solution)
    table = Table(box=None, pad_edge=False)
    table.add_column("camera", no_wrap=True)
    drifting = bool(np.isfinite(solution.drift_ppm).any())
    clock = ("late ms", "drift ppm") if drifting else ("late ms",)
    for column in ("views", "px", "focal px", *clock, "x y z m", "+- mm", "+- deg"):
        table.add_column(column, justify="right", no_wrap=True)
    for c, camera in enumerate(evidence.rig):
        sigma = solution.lens_sigma[c].get("fx")
        offset_sigma = float(solution.time_offset_sigma_s[c])
        table.add_row(
            Text(camera.name),
            str(int(evidence.shared[c, c])),
            f"{evidence.seen.rmse_px(c):.2f}",
            _value(camera.intrinsics.focal_px, sigma, 1),
            _value(
                1000 * camera.time_offset_s,
                1000 * offset_sigma if math.isfinite(offset_sigma) else None,
                1,
            ),
            *([_drift(solution, c)] if drifting else []),
            " ".join(f"{value:5.2f}" for value in camera.center_world),
            f"{1000 * uncertainty[c].position_m:.1f}",
            f"{math.degrees(uncertainty[c].rotation_rad):.2f}",
        )
    return table


def _drift(solution: Solution, camera: int) -> str:
    ppm, sigma = float(solution.drift_ppm[camera]), float(solution.drift_sigma_ppm[camera])
    return _value(ppm, sigma, 0) if math.isfinite(ppm) else ""


def _value(value: float, sigma: float | None, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text if not sigma else f"{text} +- {sigma:.{digits}f}"
