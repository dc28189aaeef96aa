"""What `mocap angles` prints: ranges of the angles, lengths, and the figures of gait."""

from __future__ import annotations

import math

import numpy as np
from rich.box import SIMPLE
from rich.table import Table

from mocap.body.biomechanics.gait import Gait
from mocap.body.biomechanics.lengths import SegmentLengths
from mocap.body.biomechanics.tables import QuantityTable
from mocap.cli.progress import console, say

_WELL_MEASURED = 0.9
_GAIT_FIGURES = (
    *("speed", "cadence", "stride_length", "step_length", "step_width"),
    *("stance", "double_support", "toe_out"),
)


def print_angles(table: QuantityTable) -> None:
    """Prints range and standard deviation of the angles, left and right side by side.

    Values that were not measured or are next to a singularity do not count, unless there are no
    others.
    """
    central = [n for n in table.names if not n.startswith(("left_", "right_"))]
    limbs = [
        n.removeprefix("left_").removeprefix("right_") for n in table.names if n not in central
    ]
    if central:
        shown = _grid("Joint angles, degrees", "angle", "least", "most", "mean", "sd")
        for name in central:
            shown.add_row(name, *_figures(table, name))
        console.print(shown)
    if limbs:
        sides = ("left from", "to", "sd", "right from", "to", "sd")
        shown = _grid("Limbs, degrees", "angle", *sides)
        for name in dict.fromkeys(limbs):
            cells: list[str] = []
            for side in ("left", "right"):
                least, most, _, sigma = _figures(table, f"{side}_{name}")
                cells += [least, most, sigma]
            shown.add_row(name, *cells)
        console.print(shown)
    share = table.measured.mean(axis=0)
    few = [
        f"{name} {100 * share[k]:.0f} %"
        for k, name in enumerate(table.names)
        if share[k] < _WELL_MEASURED
    ]
    if few:
        say(f"Measured in few of the frames: {', '.join(few)}", "yellow")


def _grid(title: str, first: str, *others: str) -> Table:
    shown = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    shown.add_column(first, no_wrap=True)
    for heading in others:
        shown.add_column(heading, justify="right")
    return shown


def _figures(table: QuantityTable, name: str) -> tuple[str, str, str, str]:
    """Least, most, mean and standard deviation; empty if there is no such angle."""
    if name not in table.names:
        return "", "", "", ""
    k = table.index(name)
    there = np.isfinite(table.values[:, k])
    good = there & table.measured[:, k] & ~table.singular[:, k]
    rows = good if good.any() else there
    values, sigma = table.values[rows, k], table.sigma[rows, k]
    known = sigma[np.isfinite(sigma)]
    figures = [values.min(), values.max(), values.mean()] if len(values) else [math.nan] * 3
    figures.append(np.median(known) if len(known) else math.nan)
    least, most, mean, spread = (_number(float(value)) for value in figures)
    return least, most, mean, spread


def print_lengths(lengths: SegmentLengths) -> None:
    """Prints segment lengths, left and right side by side."""
    shown = _grid("Lengths, cm", "segment", "left", "right", "both")
    bare = [name.removeprefix("left_").removeprefix("right_") for name in lengths.names]
    for name in dict.fromkeys(bare):
        cells = [_length(lengths, prefix + name) for prefix in ("left_", "right_", "")]
        shown.add_row(name, *cells)
    console.print(shown)


def _length(lengths: SegmentLengths, name: str) -> str:
    if name not in lengths.names:
        return ""
    k = lengths.names.index(name)
    sigma = 100 * float(lengths.sigma_m[k])
    text = f"{100 * lengths.length_m[k]:.1f}"
    return text if math.isnan(sigma) else f"{text} ± {sigma:.1f}"


def print_gait(gait: Gait) -> None:
    """Prints mean and spread of the figures of strides, or what there was instead."""
    strikes = sum(kind == "foot_strike" for kind in gait.events.kind)
    offs = len(gait.events) - strikes
    counts = ((strikes, "foot strike"), (offs, "toe off"), (len(gait.strides), "stride"))
    say(", ".join(f"{n} {word}{'' if n == 1 else 's'}" for n, word in counts))
    if not len(gait.strides):
        return
    shown = _grid("Gait, mean and spread over the strides", "figure", "left", "right", "unit")
    sides = np.array(gait.strides.side)
    for name in _GAIT_FIGURES:
        values = gait.strides.figure(name)
        unit = gait.strides.units[gait.strides.names.index(name)]
        cells = [_mean(values[sides == side], unit) for side in ("left", "right")]
        shown.add_row(name, *cells, unit)
    console.print(shown)


def _mean(values: np.ndarray, unit: str) -> str:
    values = values[np.isfinite(values)]
    if not len(values):
        return "-"
    digits = 2 if unit in ("m", "m/s") else 1
    text = f"{values.mean():.{digits}f}"
    return f"{text} ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else text


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{round(value, 1) + 0.0:.1f}"
