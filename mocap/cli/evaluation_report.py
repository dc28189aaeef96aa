"""How an evaluation is shown: as tables, as JSON, and as a picture."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.box import SIMPLE
from rich.table import Table

from mocap.cli.progress import console, say
from mocap.pipeline.comparison import Comparison
from mocap.pipeline.evaluation import (
    PCK_LIMITS_MM,
    REGIONS_PERCENT,
    calibration_curve,
    keypoint_groups,
)
from mocap.pipeline.scores import AXES, Evaluation, PartScore

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LARGE_LAG_MS = 5.0
_COLOURS = ("#0b6e99", "#d9730d", "#6940a5", "#448361", "#ad1a72", "#9f6b53", "#64473a")
_GREY = "#6b6b6b"


def without_nan(value: Any) -> Any:
    """The value with None for every NaN, since JSON has no NaN."""
    if isinstance(value, Mapping):
        return {str(key): without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def evaluation_json(evaluation: Evaluation, origin: Mapping[str, str]) -> bytes:
    """All figures as JSON; null stands for what there is nothing to compute from.

    Args:
        evaluation: the figures.
        origin: what was compared with what.
    """
    return json.dumps(without_nan({**origin, **asdict(evaluation)}), indent=2).encode()


def print_evaluation(evaluation: Evaluation) -> None:
    """Prints the figures as tables."""
    _print_people(evaluation)
    if not evaluation.parts:
        return
    limits = [str(limit) for limit in PCK_LIMITS_MM]
    table = _table(
        "Errors (mm), and share of keypoints nearer than so many mm (%)",
        *("part", "found %", "MPJPE", "PA-MPJPE", "median", "RMS", "bias", "spread", *limits),
    )
    for name, part in evaluation.parts.items():
        errors = (part.mpjpe_mm, part.pa_mpjpe_mm, part.median_mm, part.rms_mm)
        table.add_row(
            name,
            _percent(part.found),
            *(_number(value) for value in (*errors, part.bias_mm, part.spread_mm)),
            *(_percent(part.pck[limit]) for limit in PCK_LIMITS_MM),
        )
    console.print(table)
    regions = [f"in {percent} %" for percent in REGIONS_PERCENT]
    table = _table(
        "Second differences, and what the covariance says of the errors (mm)",
        *("part", "session", "true", "of error", *regions, "predicted", "RMS", "sigma ratio"),
    )
    for name, part in evaluation.parts.items():
        table.add_row(name, *_steadiness(part))
    console.print(table)
    table = _table(
        f"Keypoints (mm); bias and spread are {', '.join(AXES)}",
        *("keypoint", "found %", "mean", "median", "90 %", "bias", "", "", "spread", "", ""),
    )
    for joint in evaluation.joints:
        if joint.part in ("body", "feet"):
            errors = (joint.mean_mm, joint.median_mm, joint.p90_mm)
            values = (*errors, *joint.bias_mm, *joint.spread_mm)
            table.add_row(joint.name, _percent(joint.found), *(_number(v) for v in values))
    console.print(table)
    if abs(evaluation.lag_ms) > _LARGE_LAG_MS:
        later = "behind" if evaluation.lag_ms > 0 else "ahead of"
        say(
            f"The session runs {abs(evaluation.lag_ms):.0f} ms {later} the truth, by its errors "
            f"along the motion; check the time stamps and time_offset_s of the rig.",
            "yellow",
        )


def _print_people(evaluation: Evaluation) -> None:
    people = evaluation.people
    say(
        f"{evaluation.frames} frames compared; people in view {people.in_view}, missing "
        f"{people.missing}, false {people.false}, id switches {people.id_switches}"
    )
    if people.out_of_view:
        say(f"{people.out_of_view} times a person was out of view of two cameras: not counted.")
    if evaluation.frames_without_truth:
        say(f"{evaluation.frames_without_truth} frames outside the time of the truth: not counted.")
    if evaluation.truth_frames_without_session:
        say(
            f"{evaluation.truth_frames_without_session} frames of the truth have no frame in the "
            f"session.",
            "yellow",
        )


def _steadiness(part: PartScore) -> list[str]:
    jitter, regions = part.jitter, part.calibration
    return [
        *(_number(v) for v in (jitter.session_mm, jitter.truth_mm, jitter.error_mm)),
        *(_percent(regions.share[percent]) for percent in REGIONS_PERCENT),
        _number(regions.predicted_rms_mm),
        _number(part.rms_mm),
        "-" if math.isnan(regions.sigma_ratio) else f"{regions.sigma_ratio:.2f}",
    ]


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=0, pad_edge=False)
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="right" if i else "left", no_wrap=True)
    return table


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1f}"


def _mm(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1f} mm"


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def evaluation_picture(comparison: Comparison, evaluation: Evaluation, title: str) -> bytes:
    """The figures as a PNG.

    Args:
        comparison: what the figures were made of.
        evaluation: the figures.
        title: what was compared.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(16, 10), dpi=100)
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, 3, width_ratios=(1.1, 1.1, 1), height_ratios=(1.15, 1))
    grid.update(left=0.045, right=0.985, top=0.885, bottom=0.065, wspace=0.26, hspace=0.4)
    figure.text(0.015, 0.972, _headline(evaluation), fontsize=14, fontweight="bold", va="center")
    figure.text(0.015, 0.942, title, fontsize=10, color=_GREY, va="center")
    _draw_joints(figure.add_subplot(grid[0, :2]), comparison, evaluation)
    _draw_bias(figure.add_subplot(grid[0, 2]), evaluation)
    _draw_time(figure.add_subplot(grid[1, 0]), comparison)
    _draw_cumulative(figure.add_subplot(grid[1, 1]), comparison)
    _draw_calibration(figure.add_subplot(grid[1, 2]), comparison)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


def _headline(evaluation: Evaluation) -> str:
    people = evaluation.people
    parts = [f"people missing {people.missing} of {people.in_view}, false {people.false}"]
    if "body" in evaluation.parts:
        body = evaluation.parts["body"]
        parts = [
            f"body: MPJPE {_mm(body.mpjpe_mm)}, PA-MPJPE {_mm(body.pa_mpjpe_mm)}, "
            f"PCK {PCK_LIMITS_MM[1]} mm {_percent(body.pck[PCK_LIMITS_MM[1]])} %",
            *parts,
        ]
    return ", ".join([*parts, f"id switches {people.id_switches}"])


def _plain(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)


def _nothing(axes: Axes) -> None:
    axes.text(0.5, 0.5, "nothing to show", transform=axes.transAxes, ha="center", color=_GREY)


def _draw_joints(axes: Axes, comparison: Comparison, evaluation: Evaluation) -> None:
    _plain(axes, "Error of each keypoint")
    rows = [
        (j.name.replace("_", " "), j.mean_mm, j.p90_mm, float(np.linalg.norm(j.bias_mm)))
        for j in evaluation.joints
        if j.part in ("body", "feet") and math.isfinite(j.mean_mm)
    ]
    distance = 1000 * np.linalg.norm(comparison.error_m, axis=2)
    for part in ("left_hand", "right_hand", "face"):
        chosen = [k for k, p in enumerate(comparison.parts) if p == part]
        values = distance[:, chosen]
        values = values[np.isfinite(values)]
        if len(values):
            bias = [np.linalg.norm(evaluation.joints[k].bias_mm) for k in chosen]
            known = [float(b) for b in bias if math.isfinite(b)]
            mean_bias = sum(known) / len(known) if known else math.nan
            row = (part.replace("_", " "), float(values.mean()), float(np.quantile(values, 0.9)))
            rows.append((*row, mean_bias))
    if not rows:
        _nothing(axes)
        return
    names, mean, p90, bias = zip(*rows, strict=True)
    x = np.arange(len(names))
    axes.vlines(x, mean, p90, color=_GREY, linewidth=1.2)
    axes.plot(x, p90, "_", color=_GREY, markersize=9, label="9 of 10 are below")
    axes.bar(x, mean, 0.62, color="#9cc7da", label="mean error")
    axes.bar(x, np.nan_to_num(bias), 0.28, color=_COLOURS[0], label="bias: the same in all frames")
    axes.set_xticks(x, names, rotation=45, ha="right", rotation_mode="anchor", fontsize=9)
    axes.set_xlim(-0.7, len(names) - 0.3)
    axes.set_ylim(0, 1.18 * max(p90))
    axes.set_ylabel("mm")
    axes.legend(frameon=False, fontsize=9, ncols=3, loc="upper left")


def _draw_bias(axes: Axes, evaluation: Evaluation) -> None:
    joints = [
        j
        for j in evaluation.joints
        if j.part in ("body", "feet") and all(math.isfinite(v) for v in j.bias_mm)
    ]
    axes.set_title("Bias as seen from the person (mm)", loc="left", fontsize=11, fontweight="bold")
    if not joints:
        axes.set_axis_off()
        _nothing(axes)
        return
    values = np.array([j.bias_mm for j in joints])
    limit = max(10.0, float(np.abs(values).max()))
    axes.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    for row, column in np.ndindex(values.shape):
        value = values[row, column]
        colour = "white" if abs(value) > 0.6 * limit else "black"
        text = f"{value:+.0f}" if abs(value) >= 0.5 else "0"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(3), AXES)
    axes.set_yticks(range(len(joints)), [j.name.replace("_", " ") for j in joints], fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _draw_time(axes: Axes, comparison: Comparison) -> None:
    _plain(axes, "Mean error of the body over time")
    body = keypoint_groups(comparison)["body"]
    distance = 1000 * np.linalg.norm(comparison.error_m[:, body], axis=2)
    known = np.isfinite(distance)
    mean = np.where(known, distance, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    mean[~known.any(axis=1)] = np.nan
    for i, person in enumerate(np.unique(comparison.true_id).tolist()):
        rows = comparison.true_id == person
        colour = _COLOURS[i % len(_COLOURS)]
        axes.plot(
            comparison.time_s[rows], mean[rows], color=colour, label=f"person {person}", lw=1.4
        )
        gone = rows & comparison.in_view & ~comparison.found
        axes.plot(
            comparison.time_s[gone], np.zeros(gone.sum()), "x", color=colour, ms=5, clip_on=False
        )
    if not np.isfinite(mean).any():
        _nothing(axes)
        return
    axes.set_ylim(0, 1.2 * float(np.nanmax(mean)))
    axes.set_xlabel("s (crosses at 0: person missing)")
    axes.set_ylabel("mm")
    axes.legend(frameon=False, fontsize=9, ncols=4, loc="upper left")


def _draw_cumulative(axes: Axes, comparison: Comparison) -> None:
    _plain(axes, "Share of all true keypoints that are nearer than ...")
    counted = comparison.in_view | comparison.found
    axes.set(xlim=(0, 200), ylim=(0, 100))
    x = np.linspace(0, 200, 401)
    for (name, chosen), colour in zip(keypoint_groups(comparison).items(), _COLOURS, strict=False):
        true = np.isfinite(comparison.truth_m[:, chosen, 0]) & counted[:, None]
        if not true.any():
            continue
        distance = 1000 * np.linalg.norm(comparison.error_m[:, chosen], axis=2)
        errors = np.sort(distance[true & np.isfinite(distance)])
        axes.plot(
            x,
            100 * np.searchsorted(errors, x, "right") / true.sum(),
            color=colour,
            label=name,
            lw=1.4,
        )
    for limit in PCK_LIMITS_MM:
        axes.axvline(limit, color=_GREY, linewidth=0.8, linestyle=":")
    axes.set_xlabel("mm (those the session lacks are never reached)")
    axes.set_ylabel("%")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=9, loc="lower right")


def _draw_calibration(axes: Axes, comparison: Comparison) -> None:
    _plain(axes, "Does the covariance tell the error?")
    x = np.linspace(0.01, 0.99, 99)
    axes.plot([0, 100], [0, 100], color=_GREY, linewidth=0.8, linestyle=":")
    for (name, chosen), colour in zip(keypoint_groups(comparison).items(), _COLOURS, strict=False):
        share = calibration_curve(comparison, chosen, x)
        if np.isfinite(share).any():
            axes.plot(100 * x, 100 * share, color=colour, label=name, lw=1.4)
    axes.set(xlim=(0, 100), ylim=(0, 100))
    axes.set_xlabel("probability of the predicted region (%)")
    axes.set_ylabel("errors inside it (%)")
    axes.text(4, 92, "above the line: too careful", fontsize=9, color=_GREY)
    axes.text(96, 4, "below: too sure", fontsize=9, color=_GREY, ha="right")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=9, loc="lower right", bbox_to_anchor=(1, 0.08))
