"""Pictures of each camera: what the target covered, and how residuals lie in the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from calibration.checks.coverage import cells_of, coverage
from calibration.checks.evidence import Evidence
from calibration.checks.lens_field import residual_field
from calibration.report.figure import GREY, LIGHT, colour_of, grid_shape, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_POINTS = 6000


def coverage_picture(evidence: Evidence) -> Figure:
    """Where in each image the target was: every point, and the cells that it reached."""
    assert evidence.sightings is not None
    rig = evidence.rig
    rows, across = grid_shape(len(rig))
    figure = new_figure(7.4, 0.3 + rows * _height(evidence, across))
    for c, camera in enumerate(rig):
        axes = figure.add_subplot(rows, across, c + 1)
        own = evidence.sightings[camera.name]
        width, height = own.image_size
        if len(own):
            cells = cells_of(own)
            axes.pcolormesh(
                np.linspace(0, width, cells.shape[1] + 1),
                np.linspace(0, height, cells.shape[0] + 1),
                cells,
                cmap="Greens",
                vmin=0,
                vmax=4,
            )
            points = own.pixels[own.seen]
            points = points[:: max(1, len(points) // _MOST_POINTS)]
            axes.plot(*points.T, ".", ms=1.2, color=colour_of(c), alpha=0.5, rasterized=True)
            share = f"{100 * coverage(own):.0f} % covered, {len(own)} frames"
        else:
            share = "target never seen"
            axes.text(width / 2, height / 2, "nothing seen", ha="center", color=GREY)
        _image_axes(axes, own.image_size, f"{camera.name}\n{share}")
    return figure


def residual_map_picture(evidence: Evidence) -> Figure:
    """Mean residual by place in each image, as arrows, with the noise as colour."""
    rig, residuals = evidence.rig, evidence.solution.residuals
    rows, across = grid_shape(len(rig))
    figure = new_figure(7.4, 0.5 + rows * _height(evidence, across))
    fields = [residual_field(residuals, c, camera.intrinsics.size) for c, camera in enumerate(rig)]
    lengths = [np.linalg.norm(field.mean_px, axis=-1) for field in fields]
    known = np.concatenate([length[np.isfinite(length)] for length in lengths])
    longest = _round_length(float(np.percentile(known, 95)) if len(known) else 1.0)
    for c, (camera, field) in enumerate(zip(rig, fields, strict=True)):
        axes = figure.add_subplot(rows, across, c + 1)
        width, height = camera.intrinsics.size
        ny, nx = field.mean_px.shape[:2]
        x = (np.arange(nx) + 0.5) * width / nx
        y = (np.arange(ny) + 0.5) * height / ny
        axes.pcolormesh(
            np.linspace(0, width, nx + 1),
            np.linspace(0, height, ny + 1),
            np.where(field.frames > 0, 1.0, np.nan),
            cmap="Greys",
            vmin=0,
            vmax=8,
            edgecolors="white",
            linewidth=0.6,
        )
        arrow = width / nx / longest
        quiver = axes.quiver(
            *np.meshgrid(x, y),
            field.mean_px[..., 0] * arrow,
            field.mean_px[..., 1] * arrow,
            angles="xy",
            scale_units="xy",
            scale=1,
            color=colour_of(c),
            width=0.008,
        )
        _image_axes(
            axes,
            camera.intrinsics.size,
            f"{camera.name}: pattern {field.systematic_px:.2f} px\n"
            f"noise {field.noise_px:.2f} px per axis",
        )
        if c == 0:
            axes.quiverkey(
                quiver,
                0.4,
                -0.12,
                width / nx,
                f"{longest:g} px",
                labelpos="E",
                coordinates="axes",
                fontproperties={"size": 8},
            )
    return figure


def histogram_picture(evidence: Evidence) -> Figure:
    """Residuals of each camera along both axes, with the normal curve of the same spread."""
    rig, residuals = evidence.rig, evidence.solution.residuals
    rows, across = grid_shape(len(rig), 4)
    figure = new_figure(7.4, 0.2 + rows * 1.7)
    values = residuals.residual_px[np.isfinite(residuals.residual_px).all(axis=1)]
    limit = 4.5 * 1.4826 * float(np.median(np.abs(values))) if len(values) else 1.0
    edges = np.linspace(-limit, limit, 42).tolist()
    for c, camera in enumerate(rig):
        axes = figure.add_subplot(rows, across, c + 1)
        own = residuals.residual_px[residuals.camera == c]
        for axis, line in ((0, "-"), (1, "--")) if len(own) else ():
            axes.hist(
                own[:, axis],
                edges,
                density=True,
                histtype="step",
                color=colour_of(c),
                linestyle=line,
                label="xy"[axis],
            )
        spread = 1.4826 * float(np.median(np.abs(own))) if len(own) else float("nan")
        if spread > 0:
            at = np.linspace(-limit, limit, 200)
            curve = np.exp(-0.5 * (at / spread) ** 2) / (spread * np.sqrt(2 * np.pi))
            axes.plot(at, curve, color=GREY, lw=0.8)
        beyond = float(np.mean(np.abs(own).max(axis=1) > limit)) if len(own) else 0.0
        axes.set_title(camera.name)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(f"residual (px), {100 * beyond:.1f} % beyond")
        if c == 0 and len(own):
            axes.legend(loc="upper right", fontsize=8, handlelength=1.2)
    return figure


def time_picture(evidence: Evidence) -> Figure:
    """Residuals over time, camera by camera: root mean square of each frame."""
    rig, residuals = evidence.rig, evidence.solution.residuals
    figure = new_figure(7.4, 0.5 + 0.95 * len(rig))
    squares = residuals.length_px**2
    top = 0.0
    panels: list[Axes] = []
    for c, camera in enumerate(rig):
        axes = figure.add_subplot(len(rig), 1, c + 1, sharex=panels[0] if panels else None)
        panels.append(axes)
        own = residuals.camera == c
        if own.any():
            frame, group = np.unique(residuals.frame[own], return_inverse=True)
            count = np.bincount(group)
            rms = np.sqrt(np.bincount(group, squares[own]) / count)
            time = np.bincount(group, residuals.time_s[own]) / count
            order = np.argsort(time)
            axes.plot(time[order], rms[order], ".-", ms=3, lw=0.6, color=colour_of(c))
            top = max(top, float(np.percentile(rms, 99)) if len(frame) else 0.0)
        axes.set_ylabel(f"{camera.name}\n(px)", rotation=0, ha="right", va="center")
        if c < len(rig) - 1:
            axes.tick_params(labelbottom=False)
    for axes in panels:
        axes.set_ylim(0, 1.15 * top or 1.0)
        axes.grid(axis="y", color=LIGHT, lw=0.5)
    panels[-1].set_xlabel("session time (s)")
    return figure


def _height(evidence: Evidence, across: int) -> float:
    ratio = max(h / w for w, h in (camera.intrinsics.size for camera in evidence.rig))
    return 7.0 / max(across, 2) * min(ratio, 1.5) + 0.45


def _image_axes(axes: Axes, size: tuple[int, int], title: str) -> None:
    axes.set_xlim(0, size[0])
    axes.set_ylim(size[1], 0)
    axes.set_aspect("equal")
    axes.set_title(title)
    axes.set_xticks([0, size[0]])
    axes.set_yticks([0, size[1]])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(LIGHT)


def _round_length(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    if not value > 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(power * k for k in (1, 2, 5, 10) if power * k >= value))
