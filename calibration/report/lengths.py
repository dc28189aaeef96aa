"""Pictures of how true to scale the result is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from calibration.checks.evidence import Evidence
from calibration.checks.scale import edge_lengths
from calibration.report.figure import GREY, LIGHT, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def length_picture(evidence: Evidence) -> Figure:
    """Errors of the target's edges in mm: all of them, and the mean of each edge on the board."""
    assert evidence.sightings is not None
    target = evidence.sightings.target
    edges = edge_lengths(target, evidence.seen)
    error = edges.error_mm
    figure = new_figure(7.4, 2.9)
    axes = figure.add_subplot(1, 2, 1)
    if not len(error):
        axes.text(0.5, 0.5, "no edge was seen by two cameras", ha="center", color=GREY)
        axes.axis("off")
        return figure
    limit = max(float(np.percentile(np.abs(error), 99)), 1e-3)
    axes.hist(error, np.linspace(-limit, limit, 50).tolist(), color="#0b6e99", alpha=0.75)
    axes.axvline(0, color="#333333", lw=0.8)
    axes.axvline(float(error.mean()), color="#d9730d", lw=1.2)
    axes.set_title(
        f"all edges: {error.mean():+.2f} +- {error.std():.2f} mm of {target.edge_m * 1000:g}"
    )
    axes.set_xlabel("measured less true (mm)")
    axes.set_ylabel("edges")
    axes.grid(axis="y", color=LIGHT, lw=0.4)
    board = figure.add_subplot(1, 2, 2)
    count = np.bincount(edges.edge, minlength=len(target.edges))
    with np.errstate(invalid="ignore"):
        mean = np.bincount(edges.edge, error, len(target.edges)) / count
    ends = 1000 * target.points_m[target.edges][:, :, :2]
    top = max(float(np.nanpercentile(np.abs(mean), 98)), 1e-3)
    from matplotlib.collections import LineCollection

    lines = LineCollection(list(ends[count > 0]), cmap="coolwarm", linewidths=3)
    lines.set_array(mean[count > 0])
    lines.set_clim(-top, top)
    board.add_collection(lines)
    board.autoscale()
    board.margins(0.08)
    board.invert_yaxis()
    board.set_aspect("equal")
    board.set_title("mean error of each edge")
    board.set_xlabel("x on the target (mm)")
    board.set_ylabel("y (mm)")
    figure.colorbar(lines, ax=board, label="mm", shrink=0.85)
    return figure
