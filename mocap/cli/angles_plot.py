"""Pictures of joint angles: over time with their uncertainty, and over the gait cycle."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mocap.body.biomechanics.contacts import FootContacts
from mocap.body.biomechanics.cycles import POINTS, GaitCycle
from mocap.body.biomechanics.tables import QuantityTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLORS = {"left": "#c8382d", "right": "#1f6fb2", "": "#444444"}
_GREY = "#6b6b6b"
_ROWS: tuple[tuple[str, ...], ...] = (
    ("pelvis_anterior_tilt", "pelvis_right_drop", "pelvis_left_rotation"),
    ("trunk_flexion", "trunk_right_bend", "trunk_left_rotation"),
    ("neck_flexion", "neck_right_bend", "neck_left_rotation"),
    ("hip_flexion", "hip_adduction", "hip_internal_rotation"),
    ("knee_flexion", "knee_adduction", "knee_internal_rotation"),
    ("ankle_dorsiflexion", "ankle_inversion", "ankle_internal_rotation"),
    ("shoulder_flexion", "shoulder_abduction", "shoulder_internal_rotation"),
    ("elbow_flexion", "forearm_pronation", "wrist_flexion"),
)
_CYCLE_ROWS = tuple(row for row in _ROWS if not row[0].startswith(("neck", "shoulder", "elbow")))
_LEGS = ("hip", "knee", "ankle")
_COLUMNS = 3
_LEAST_SPAN_DEG = 20.0
# Below this an angle is one that the model holds fixed: what is left is rounding.
_LEAST_SIGMA_DEG = 1e-3
"""Panels show at least this much, so that noise of a still joint does not fill them."""

_WIDEST_BAND_DEG = 40.0


@dataclass(frozen=True)
class _Panel:
    title: str
    columns: tuple[tuple[str, str], ...]
    """Side ("left", "right" or "") and name of each curve."""


def _panels(names: Sequence[str], rows: Sequence[Sequence[str]] | None) -> list[_Panel]:
    """Panels of the rows given, or one per angle in the order of the names."""
    wanted = [name for row in rows for name in row] if rows else list(names)
    bare = [
        name.removeprefix("left_").removeprefix("right_") if not rows else name for name in wanted
    ]
    panels: list[_Panel] = []
    for name in dict.fromkeys(bare):
        sided = [("left", f"left_{name}"), ("right", f"right_{name}"), ("", name)]
        found = tuple((side, full) for side, full in sided if full in names)
        if found or rows:
            panels.append(_Panel(name.replace("_", " ").capitalize(), found))
    if rows:
        kept = [panels[i : i + _COLUMNS] for i in range(0, len(panels), _COLUMNS)]
        panels = [panel for row in kept if any(p.columns for p in row) for panel in row]
    return panels


def angles_picture(
    table: QuantityTable,
    contacts: FootContacts | None,
    title: str,
    *,
    chosen: bool = False,
) -> bytes:
    """Angles over time as a PNG: lines, two standard deviations, and what was not measured.

    Args:
        table: the angles, in degrees.
        contacts: when the feet stand, drawn under the panels of the legs.
        title: what it is of.
        chosen: whether all columns of the table are wanted, rather than the usual overview.
    """
    panels = _panels(table.names, None if chosen else _ROWS)
    figure, axes = _figure(len(panels), title, _time_note(table, contacts))
    for axis, panel in zip(axes, panels, strict=False):
        _frame(axis, panel.title)
        axis.set_xlim(float(table.time_s[0]), float(table.time_s[-1]))
        if panel.columns and not any(_can_turn(table, name) for _, name in panel.columns):
            # A line at zero without a band would look like a sure measurement.
            _say(axis, "not a motion of this body model")
            continue
        for side, name in panel.columns:
            _draw_course(axis, table, name, _COLORS[side])
        _limits(axis, [_with_band(table, name) for _, name in panel.columns])
        if contacts is not None and panel.title.lower().startswith(_LEGS):
            _draw_contacts(axis, contacts)
    for axis in axes[max(0, len(panels) - _COLUMNS) : len(panels)]:
        axis.set_xlabel("seconds", fontsize=9, color=_GREY)
    return _png(figure)


def _can_turn(table: QuantityTable, name: str) -> bool:
    """Whether the body model can make the angle; one that it cannot is sure but for rounding."""
    sigma_deg = table.sigma[:, table.index(name)]
    return not (sigma_deg < _LEAST_SIGMA_DEG).all()


def _time_note(table: QuantityTable, contacts: FootContacts | None) -> str:
    known = np.isfinite(table.sigma).any()
    band = "band: 95 % (two standard deviations)" if known else "uncertainty not known"
    note = f"Degrees; {band}; dotted: not measured"
    return note if contacts is None else f"{note}; bars: the foot stands"


def _draw_course(axis: Axes, table: QuantityTable, name: str, color: str) -> None:
    k = table.index(name)
    values, sigma = table.values[:, k], table.sigma[:, k]
    held = table.measured[:, k]
    band = np.where(held & np.isfinite(sigma), 2 * sigma, np.nan)
    axis.fill_between(
        table.time_s, values - band, values + band, color=color, alpha=0.18, linewidth=0
    )
    # So large a step is a jump of the convention next to a gimbal lock, not a movement.
    broken = values.copy()
    broken[1:][np.abs(np.diff(values)) > 150.0] = np.nan
    axis.plot(table.time_s, np.where(held, broken, np.nan), color=color, linewidth=1.4)
    if not held.all():
        axis.plot(table.time_s, np.where(held, np.nan, broken), ":", color=color, linewidth=0.9)


def _with_band(table: QuantityTable, name: str) -> np.ndarray:
    """The values with a band of typical width, which an exceptional frame does not spread."""
    values, sigma = table.column(name), table.sigma[:, table.index(name)]
    known = sigma[np.isfinite(sigma)]
    width = min(2 * float(np.median(known)), _WIDEST_BAND_DEG) if len(known) else 0.0
    return np.concatenate([values - width, values + width])


def _draw_contacts(axis: Axes, contacts: FootContacts) -> None:
    first, last = float(contacts.time_s[0]), float(contacts.time_s[-1])
    for i, side in enumerate(("left", "right")):
        spans = [
            (max(float(begin), first), min(float(end), last))
            for begin, end in zip(contacts.begin_s[i], contacts.end_s[i], strict=True)
        ]
        axis.broken_barh(
            [(begin, end - begin) for begin, end in spans],
            (0.055 - 0.035 * i, 0.03),
            transform=axis.get_xaxis_transform(),
            color=_COLORS[side],
            alpha=0.75,
            linewidth=0,
        )


def cycle_picture(cycles: Mapping[str, GaitCycle], title: str, *, chosen: bool = False) -> bytes:
    """Angles over the gait cycle as a PNG: each stride thin, their mean and spread.

    Args:
        cycles: by name of the angle.
        title: what it is of.
        chosen: whether all of them are wanted, rather than the usual overview.
    """
    panels = _panels(list(cycles), None if chosen else _CYCLE_ROWS)
    note = "Degrees; thin: each stride; thick: mean; band: one standard deviation between strides"
    figure, axes = _figure(len(panels), title, f"{note}; dashed: toe off")
    percent = np.linspace(0.0, 100.0, POINTS)
    for axis, panel in zip(axes, panels, strict=False):
        _frame(axis, panel.title)
        axis.set_xlim(0.0, 100.0)
        for side, name in panel.columns:
            cycle, color = cycles[name], _COLORS[side]
            axis.plot(percent, cycle.curves.T, color=color, linewidth=0.5, alpha=0.45)
            low, high = cycle.mean - cycle.spread, cycle.mean + cycle.spread
            axis.fill_between(percent, low, high, color=color, alpha=0.18, linewidth=0)
            axis.plot(percent, cycle.mean, color=color, linewidth=2.0)
            axis.axvline(cycle.stance_percent, color=color, linewidth=0.8, linestyle="--")
        _limits(axis, [cycles[name].curves for _, name in panel.columns])
    for axis in axes[max(0, len(panels) - _COLUMNS) : len(panels)]:
        axis.set_xlabel("% of the gait cycle", fontsize=9, color=_GREY)
    return _png(figure)


def _figure(panels: int, title: str, note: str) -> tuple[Figure, list[Axes]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    rows = max(1, -(-panels // _COLUMNS))
    height = 1.95 * rows + 1.15
    figure = Figure(figsize=(14.0, height), dpi=100)
    FigureCanvasAgg(figure)
    figure.subplots_adjust(
        left=0.045,
        right=0.985,
        bottom=0.55 / height,
        top=1 - 1.0 / height,
        wspace=0.13,
        hspace=0.42,
    )
    figure.text(0.012, 1 - 0.26 / height, title, fontsize=14, fontweight="bold", va="center")
    figure.text(0.012, 1 - 0.54 / height, note, fontsize=10, color=_GREY, va="center")
    figure.legend(
        handles=[
            Line2D([], [], color=_COLORS[side], linewidth=2.5, label=label)
            for side, label in (("left", "left"), ("right", "right"), ("", "pelvis, trunk, neck"))
        ],
        loc="upper right",
        bbox_to_anchor=(0.99, 1 - 0.08 / height),
        ncols=3,
        frameon=False,
    )
    axes = [figure.add_subplot(rows, _COLUMNS, i + 1) for i in range(panels)]
    return figure, axes


def _frame(axis: Axes, title: str) -> None:
    axis.set_title(title, loc="left", fontsize=10, fontweight="bold", pad=3)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8)
    axis.axhline(0.0, color="#bbbbbb", linewidth=0.6, zorder=0)


def _limits(axis: Axes, curves: Sequence[np.ndarray]) -> None:
    known = np.concatenate([curve[np.isfinite(curve)].ravel() for curve in curves] or [[]])
    if not len(known):
        _say(axis, "not there")
        return
    low, high = float(known.min()), float(known.max())
    more = max(0.0, _LEAST_SPAN_DEG - (high - low)) / 2 + 0.12 * max(high - low, _LEAST_SPAN_DEG)
    axis.set_ylim(low - more, high + more)


def _say(axis: Axes, words: str) -> None:
    axis.set_yticks([])
    axis.text(0.5, 0.5, words, transform=axis.transAxes, ha="center", color=_GREY)


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()
