"""How a plan is shown: as tables, as JSON, and as a map of the floor."""

from __future__ import annotations

import io
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.box import SIMPLE
from rich.table import Table

from mocap.cli.evaluation_report import without_nan
from mocap.cli.progress import console, say
from mocap.model import Camera, Rig
from mocap.pipeline.planning import BLIND_ERROR_M, MIN_VIEWS, ErrorMap, Plan, PlanConfig, Volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.contour import QuadContourSet

_GREY = "#6b6b6b"
_NEW = "#d9730d"
_LEVELS = 10
_CAMERA_M = 0.28


def map_figures(errors: ErrorMap) -> dict[str, float]:
    """Summary of a map: errors in millimetres over all places, and shares of the volume."""
    known = 1000 * errors.error_m[~errors.blind]
    median, p90, worst = (
        (float(np.quantile(known, q)) for q in (0.5, 0.9, 1.0))
        if len(known)
        else (math.nan, math.nan, math.nan)
    )
    few = errors.views < MIN_VIEWS
    return {
        "median_mm": median,
        "p90_mm": p90,
        "worst_mm": worst,
        "blind_share": float(errors.blind.mean()),
        "too_few_views_share": float(few.mean()),
        "too_parallel_share": float((errors.blind & ~few).mean()),
        "score_mm": 1000 * errors.score_m,
    }


def plan_json(rig: Rig, volume: Volume, config: PlanConfig, plan: Plan) -> bytes:
    """The whole plan as JSON: figures, the map, and the further camera; null for blind places."""
    camera = plan.more.camera
    content: dict[str, Any] = {
        "cameras": list(rig.names),
        "volume_m": [*volume.low, *volume.high],
        "sigma_px": config.sigma_px,
        "blind_counts_as_mm": 1000 * BLIND_ERROR_M,
        "figures": map_figures(plan.errors),
        "score_without_mm": {name: 1000 * score for name, score in plan.without.items()},
        "one_more": {
            "position_m": np.round(camera.center_world, 3).tolist(),
            "looks_at_m": np.round(volume.center, 3).tolist(),
            "T_cam_world": camera.T_cam_world.tolist(),
            "places_tried": plan.more.tried,
            "figures": map_figures(plan.more.errors),
        },
        "map": _map_json(plan.errors),
        "map_with_one_more": _map_json(plan.more.errors),
    }
    return json.dumps(without_nan(content)).encode()


def _map_json(errors: ErrorMap) -> dict[str, Any]:
    return {
        "x_m": np.round(errors.x_m, 4).tolist(),
        "y_m": np.round(errors.y_m, 4).tolist(),
        "z_m": np.round(errors.z_m, 4).tolist(),
        "error_mm": np.round(1000 * errors.error_m, 2).tolist(),
        "views": errors.views.tolist(),
        "widest_angle_deg": np.round(np.degrees(errors.widest_angle_rad), 1).tolist(),
    }


def print_plan(plan: Plan) -> None:
    """Prints the figures."""
    table = Table(
        title="Expected error of a body keypoint that all cameras detect (RMS)",
        title_justify="left",
        box=SIMPLE,
    )
    for i, heading in enumerate(("height", "median", "90 %", "worst", "blind", "cameras")):
        table.add_column(heading, justify="right" if i else "left", no_wrap=True)
    for k, height in enumerate(plan.errors.z_m):
        table.add_row(f"{height:.2f} m", *_row(_at_height(plan.errors, k)))
    table.add_section()
    table.add_row("all", *_row(plan.errors))
    table.add_row("with one more", *_row(plan.more.errors))
    console.print(table)
    figures, more = map_figures(plan.errors), map_figures(plan.more.errors)
    x, y, z = plan.more.camera.center_world
    say(
        f"One more camera does most at ({x:.2f}, {y:.2f}, {z:.2f}) m, looking at the middle of the "
        f"volume: mean error {figures['score_mm']:.1f} -> {more['score_mm']:.1f} mm, blind "
        f"{_percent(figures['blind_share'])} -> {_percent(more['blind_share'])} (best of "
        f"{plan.more.tried} places; a blind place counts as {1000 * BLIND_ERROR_M:.0f} mm)."
    )
    worst = max(plan.without, key=lambda name: plan.without[name])
    say(
        f"The camera that would be missed most is {worst}: without it the mean error is "
        f"{1000 * plan.without[worst]:.1f} mm."
    )


def _at_height(errors: ErrorMap, k: int) -> ErrorMap:
    part = slice(k, k + 1)
    return ErrorMap(
        errors.x_m,
        errors.y_m,
        errors.z_m[part],
        errors.error_m[:, :, part],
        errors.covariance_m2[:, :, part],
        errors.views[:, :, part],
        errors.widest_angle_rad[:, :, part],
    )


def _row(errors: ErrorMap) -> list[str]:
    figures = map_figures(errors)
    low, high = int(errors.views.min()), int(errors.views.max())
    return [
        *(_mm(figures[key]) for key in ("median_mm", "p90_mm", "worst_mm")),
        _percent(figures["blind_share"]),
        str(low) if low == high else f"{low} to {high}",
    ]


def _mm(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1f} mm"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def plan_picture(rig: Rig, volume: Volume, plan: Plan, title: str) -> bytes:
    """Maps of the floor as a PNG.

    Args:
        rig: the cameras.
        volume: the box that was looked at.
        plan: the prediction.
        title: what it is of.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 13), dpi=100)
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, 3, width_ratios=(1, 1, 0.035))
    grid.update(left=0.055, right=0.94, top=0.9, bottom=0.06, wspace=0.13, hspace=0.2)
    figures = map_figures(plan.errors)
    headline = (
        f"Expected error: median {_mm(figures['median_mm'])}, at most {_mm(figures['p90_mm'])} in "
        f"90 % of what is seen; blind {_percent(figures['blind_share'])} of the volume"
    )
    figure.text(0.015, 0.972, headline, fontsize=15, fontweight="bold", va="center")
    figure.text(0.015, 0.946, title, fontsize=10, color=_GREY, va="center")
    levels = _levels(plan)
    now, later = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    _plain(now, "Error with these cameras (mm, RMS over the heights)")
    drawn = _draw_errors(now, plan.errors, levels)
    _plain(later, "Error with one more camera")
    drawn = _draw_errors(later, plan.more.errors, levels) or drawn
    if drawn is not None:
        bar = figure.colorbar(drawn, cax=figure.add_subplot(grid[0, 2]))
        bar.set_label("mm")
    views, bars = figure.add_subplot(grid[1, 0]), figure.add_subplot(grid[1, 1])
    _plain(views, "Fewest cameras that see any height of the place")
    _draw_views(views, plan.errors)
    for axes in (now, views, later):
        _draw_room(axes, volume, rig, plan.more.camera, shown=axes is later)
    _draw_scores(bars, plan)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


def _plain(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.spines[["top", "right"]].set_visible(False)


def _levels(plan: Plan) -> list[float]:
    from matplotlib.ticker import MaxNLocator

    values = np.concatenate(
        [1000 * errors.by_place_m.ravel() for errors in (plan.errors, plan.more.errors)]
    )
    values = values[np.isfinite(values)]
    if not len(values):
        return []
    # A few places at the edge of the view are far worse than all others.
    low, high = float(values.min()), float(np.quantile(values, 0.97))
    if high - low < 0.1:
        high = low + 0.1
    ticks = MaxNLocator(_LEVELS, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [float(tick) for tick in ticks]


def _draw_errors(axes: Axes, errors: ErrorMap, levels: list[float]) -> QuadContourSet | None:
    x, y = errors.x_m, errors.y_m
    some = errors.blind.any(axis=2).astype(float)
    drawn = None
    place = 1000 * errors.by_place_m
    axes.add_patch(_rectangle(x, y, facecolor="#4a4a4a"))
    if levels and np.isfinite(place).sum() > 3:
        masked = np.ma.masked_invalid(place.T)
        drawn = axes.contourf(x, y, masked, levels=levels, cmap="viridis_r", extend="max")
        lines = axes.contour(x, y, masked, levels=levels, colors="white", linewidths=0.5)
        lines.set_alpha(0.6)
        for i, j in _sparse(place.shape, 6):
            if np.isfinite(place[i, j]):
                dark = place[i, j] > (levels[0] + 2 * levels[-1]) / 3
                colour = "white" if dark else "black"
                _number(axes, (x[i], y[j]), f"{place[i, j]:.0f}", colour)
    if some.any():
        axes.contourf(x, y, some.T, levels=[0.5, 1.5], colors="none", hatches=["////"])
        note = "hatched: blind at some height; dark: at every height"
        axes.text(0.99, 0.01, note, transform=axes.transAxes, ha="right", fontsize=9, color=_GREY)
    return drawn


def _draw_views(axes: Axes, errors: ErrorMap) -> None:
    fewest = errors.views.min(axis=2)
    step_x, step_y = (errors.x_m[1] - errors.x_m[0]) / 2, (errors.y_m[1] - errors.y_m[0]) / 2
    extent = (
        *(errors.x_m[0] - step_x, errors.x_m[-1] + step_x),
        *(errors.y_m[0] - step_y, errors.y_m[-1] + step_y),
    )
    most = max(4, int(fewest.max()))
    image = axes.imshow(
        fewest.T, origin="lower", extent=extent, cmap="Blues", vmin=0, vmax=1.4 * most
    )
    image.set_clip_path(_rectangle(errors.x_m, errors.y_m, transform=axes.transData))
    for i, j in _sparse(fewest.shape, 9):
        colour = "#c02020" if fewest[i, j] < MIN_VIEWS else "#10304f"
        _number(axes, (errors.x_m[i], errors.y_m[j]), str(fewest[i, j]), colour)


def _sparse(shape: tuple[int, ...], most: int) -> list[tuple[int, int]]:
    """Places spread evenly over a grid, about `most` along each axis, not at its edge."""

    def along(n: int) -> range:
        stride = math.ceil(n / most)
        count = max(1, (n - 3) // stride + 1)
        return range((n - 1 - stride * (count - 1)) // 2, n, stride)

    return [(i, j) for i in along(shape[0]) for j in along(shape[1])]


def _number(axes: Axes, place: tuple[float, float], text: str, colour: str) -> None:
    axes.text(*place, text, color=colour, ha="center", va="center", fontsize=8.5)


def _rectangle(x: np.ndarray, y: np.ndarray, **style: Any) -> Any:
    from matplotlib.patches import Rectangle

    size = (float(x[-1] - x[0]), float(y[-1] - y[0]))
    return Rectangle((float(x[0]), float(y[0])), *size, **style)


def _draw_room(axes: Axes, volume: Volume, rig: Rig, more: Camera, *, shown: bool) -> None:
    box = np.array([volume.low, volume.high])[:, :2]
    axes.add_patch(_rectangle(box[:, 0], box[:, 1], fill=False, edgecolor="black", linewidth=1.2))
    for camera in rig:
        _draw_camera(axes, camera, volume, "black")
    if shown:
        _draw_camera(axes, more, volume, _NEW)
    points = np.vstack([box, [camera.center_world[:2] for camera in (*rig, more)]])
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    reach = 0.54 * float(np.ptp(points, axis=0).max()) + 2 * _CAMERA_M
    axes.set_xlim(middle[0] - reach, middle[0] + reach)
    axes.set_ylim(middle[1] - reach, middle[1] + reach)
    axes.set_aspect("equal")
    axes.set_xlabel("x (m)")
    axes.set_ylabel("y (m)")


def _draw_camera(axes: Axes, camera: Camera, volume: Volume, colour: str) -> None:
    x, y, z = camera.center_world
    ahead = camera.T_cam_world[2, :2]
    if np.linalg.norm(ahead) > 1e-6:  # straight down is no direction on the floor
        half = math.atan2(camera.intrinsics.size[0] / 2, camera.intrinsics.matrix[0, 0])
        heading = math.atan2(ahead[1], ahead[0])
        ends = [
            (x + 2 * _CAMERA_M * math.cos(a), y + 2 * _CAMERA_M * math.sin(a))
            for a in (heading - half, heading + half)
        ]
        axes.fill(*zip((x, y), *ends, strict=True), color=colour, alpha=0.3, linewidth=0, zorder=4)
    axes.plot(x, y, "o", color=colour, markersize=6, zorder=5)
    above = y > volume.center[1]
    axes.annotate(
        f"{camera.name} ({z:.1f} m)",
        (x, y),
        (0, 8 if above else -8),
        textcoords="offset points",
        ha="center",
        va="bottom" if above else "top",
        fontsize=9,
        color=colour,
        zorder=6,
    )


def _draw_scores(axes: Axes, plan: Plan) -> None:
    _plain(
        axes, f"Mean error of the volume (mm); a blind place counts as {1000 * BLIND_ERROR_M:.0f}"
    )
    names = ["as it is", "with one more", *(f"without {name}" for name in plan.without)]
    scores = [plan.errors.score_m, plan.more.errors.score_m, *plan.without.values()]
    values = [1000 * score for score in scores]
    colours = ["#0b6e99", _NEW, *(["#9cc7da"] * len(plan.without))]
    rows = np.arange(len(names))
    bars = axes.barh(rows, values, 0.66, color=colours)
    axes.bar_label(bars, fmt="%.1f", padding=4, fontsize=9)
    axes.set_yticks(rows, names, fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.15 * max(values))
    axes.tick_params(axis="y", length=0)
