"""Making pictures for a page: one style, and pictures as text that a page can hold."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0b6e99", "#d9730d", "#6940a5", "#448361", "#ad1a72", "#9f6b53", "#64473a", "#3a7ca5")
GREY = "#6b6b6b"
LIGHT = "#d8d8d8"
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": "#333333",
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.grid": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "mocap",
}


def colour_of(camera: int) -> str:
    """The colour of a camera in all pictures."""
    return COLOURS[camera % len(COLOURS)]


def new_figure(width_in: float, height_in: float) -> Figure:
    """An empty figure, which needs no display and no global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def png_bytes(figure: Figure, dots_per_inch: int = 130) -> bytes:
    """The figure as a PNG file, the same bytes for the same figure."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dots_per_inch, metadata={"Software": None})
    return stream.getvalue()


def image_tag(png: bytes, words: str) -> str:
    """An HTML image that carries its data with it; `words` say what it shows."""
    from html import escape

    data = base64.b64encode(png).decode()
    return f'<img alt="{escape(words, quote=True)}" src="data:image/png;base64,{data}">'


def grid_shape(count: int, across: int = 3) -> tuple[int, int]:
    """Rows and columns for a picture per camera."""
    columns = min(count, across)
    return -(-count // columns), columns
