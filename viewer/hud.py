"""Text and bars that lie flat in front of the scene in the window.

The window can only draw triangles in space. So letters and bars are laid out in pixels and placed
on a plane just before the viewer's eye, anew whenever the view or the text changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mocap.arrays import Float, Int
from mocap.model import Rig
from viewer.colours import BACKGROUND, CAMERA, GRID_METRE, LEFT, RIGHT, TEXT, person_colours
from viewer.controls import WindowState, help_lines
from viewer.feed import Feed, People
from viewer.overlay import caption_of
from viewer.stage import Mesh, camera_label_points
from viewer.viewpoint import ViewPoint

Glyphs = tuple[Float[np.ndarray, "vertices 2"], Int[np.ndarray, "triangles 3"]]
"""A line of text as triangles in its plane, x to the right, y up, from (0, 0), of height 1."""

PLANE_M = 0.10
"""Distance of the plane from the eye."""
LAYERS_M = 0.03
"""How much nearer the last item lies than the first, so that items cover those before them."""
LABEL_PX = 13.0


@dataclass(frozen=True)
class Text:
    """A line of text.

    Attributes:
        text: what it says.
        at_px: where it begins (or its middle is), on the base line.
        height_px: height of a capital.
        colour: RGB in [0, 1].
        align: whether `at_px` is its beginning or its middle.
    """

    text: str
    at_px: tuple[float, float]
    height_px: float
    colour: Sequence[float] = TEXT
    align: Literal["left", "middle"] = "left"


@dataclass(frozen=True)
class Bar:
    """A filled rectangle.

    Attributes:
        top_left_px: upper left corner.
        size_px: width and height.
        colour: RGB in [0, 1].
    """

    top_left_px: tuple[float, float]
    size_px: tuple[float, float]
    colour: Sequence[float]


def items_of(
    state: WindowState, feed: Feed, people: People, rig: Rig, view: ViewPoint, title: str
) -> list[Text | Bar]:
    """What is written in the window: names, caption, legend, time line and list of keys."""
    width, height = view.size
    items: list[Text | Bar] = []
    if state.labels:
        if state.cameras:
            items += _labels(
                rig.names, view.project(camera_label_points(rig.cameras)), [CAMERA] * len(rig)
            )
        names = [f"person {i}" for i in people.person_ids]
        colours = [tuple(c) for c in person_colours(people.ranks)]
        items += _labels(names, view.project(people.label_points_m), colours)
        playback = state.playback
        caption = caption_of(title, feed, playback.frame)
        mode = f"{'playing' if playback.playing else 'paused'} x{playback.speed:g}"
        mode += "" if playback.loop else ", once"
        items.append(Text(caption.title, (22, height - 84), 13))
        items.append(Text(f"{caption.state}    {mode}    H: keys", (22, height - 60), 11))
        x = 22.0
        for colour, name in ((LEFT, "left"), (RIGHT, "right")):
            items.append(Bar((x, height - 46), (11, 11), colour))
            items.append(Text(name, (x + 18, height - 36), 10))
            x += 66
        room = width - 44.0
        items.append(Bar((22, height - 18), (room, 4), GRID_METRE))
        items.append(Bar((22, height - 18), (max(room * playback.fraction, 1), 4), TEXT))
        items.append(Bar((19 + room * playback.fraction, height - 23), (6, 14), TEXT))
    if state.help:
        lines = help_lines()
        items.append(Bar((14, 14), (390, 20 * len(lines) + 16), BACKGROUND))
        for row, (keys, meaning) in enumerate(lines):
            y = 38.0 + 20 * row
            items += [Text(keys, (26, y), 11, RIGHT), Text(meaning, (152, y), 11)]
    return items


def _labels(
    names: Sequence[str], pixels: Float[np.ndarray, "labels 2"], colours: Sequence[Sequence[float]]
) -> list[Text | Bar]:
    return [
        Text(name, (float(x), float(y)), LABEL_PX, colour, "middle")
        for name, (x, y), colour in zip(names, pixels, colours, strict=True)
        if np.isfinite((x, y)).all()
    ]


def flat_mesh(
    items: Sequence[Text | Bar], glyphs: Callable[[str], Glyphs], view: ViewPoint
) -> Mesh:
    """Lays out items before the viewer's eye.

    Args:
        items: later ones cover earlier ones.
        glyphs: gives a line of text as triangles.
        view: where the viewer is.
    """
    vertices: list[np.ndarray] = [np.zeros((0, 3))]
    triangles: list[np.ndarray] = [np.zeros((0, 3), np.int64)]
    colours: list[np.ndarray] = [np.zeros((0, 3))]
    first = 0
    middle = (np.array(view.size) - 1) / 2
    for place, item in enumerate(items):
        if isinstance(item, Text):
            shape, faces = glyphs(item.text)
            pixels = shape * (item.height_px, -item.height_px) + item.at_px
            if item.align == "middle" and len(shape):
                pixels[:, 0] -= item.height_px * float(shape[:, 0].max()) / 2
        else:
            corners = np.array([[0, 0], [0, 1], [1, 1], [1, 0]], float)
            pixels = corners * item.size_px + item.top_left_px
            faces = np.array([[0, 1, 2], [0, 2, 3]])
        depth = PLANE_M - LAYERS_M * place / len(items)
        local = np.column_stack([(pixels - middle) / view.focal_px, np.ones(len(pixels))]) * depth
        vertices.append(local)
        triangles.append(faces + first)
        colours.append(np.tile(np.asarray(item.colour, float), (len(pixels), 1)))
        first += len(pixels)
    rotation, translation = view.T_cam_world[:3, :3], view.T_cam_world[:3, 3]
    placed = (np.concatenate(vertices) - translation) @ rotation
    normals = np.tile(-rotation[2], (len(placed), 1))
    return Mesh(placed, normals, np.concatenate(triangles), np.concatenate(colours))
