"""Tables of a rig's cameras."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from rich.markup import escape
from rich.table import Table

from mocap.cli.progress import console, say
from mocap.geometry.projection import unproject_pixels
from mocap.model import Intrinsics, Rig

LARGEST_DISTANCE_TABLE = 8
"""With more cameras, each one's nearest and farthest neighbour is listed instead of all."""
NUMBER_WIDTH = 6
"""Characters of a distance; with names much longer than that the table would be too wide."""

FOLDING = ("coefficients", "nearest", "farthest")
"""Columns that may take several lines."""


def print_rig(rig: Rig, source: str) -> None:
    """Prints lenses, poses, distances and provenance of a rig."""
    say(f"{source}: {len(rig)} cameras", "bold")
    _print_lens_table({camera.name: camera.intrinsics for camera in rig})
    _print_poses(rig)
    _print_offsets(rig)
    if len(rig) > 1:
        _print_distances(rig)
    say(f"world: {rig.metadata.world_frame}")
    for line in rig.metadata.provenance:
        say(f"from: {line}")


def print_lenses(lenses: Mapping[str, Intrinsics], source: str) -> None:
    """Prints the lenses of a file without poses."""
    say(f"{source}: lenses of {len(lenses)} cameras, without poses", "bold")
    _print_lens_table(lenses)


def field_of_view_deg(lens: Intrinsics) -> tuple[float, float]:
    """Angles between the outer edges of the image, along its middle row and column, degrees.

    NaN where the lens model has no inverse at an edge.
    """
    width, height = lens.size
    x, y = (width - 1) / 2, (height - 1) / 2
    edges = np.array([[-0.5, y], [width - 0.5, y], [x, -0.5], [x, height - 0.5]])
    left, right, top, bottom = unproject_pixels(
        edges, lens.matrix, lens.packed_distortions, lens.lens == "fisheye"
    )
    middle = unproject_pixels(
        np.array([[x, y]]), lens.matrix, lens.packed_distortions, lens.lens == "fisheye"
    )[0]
    # By way of the middle, as a fisheye may see more than half a turn.
    across = _angle_deg(left, middle) + _angle_deg(middle, right)
    return across, _angle_deg(top, middle) + _angle_deg(middle, bottom)


def _print_lens_table(lenses: Mapping[str, Intrinsics]) -> None:
    headings = ("size", "fx px", "fy px", "cx px", "cy px", "field of view")
    table = _table("Lenses", *headings)
    terms = _table("Distortion", "model", "coefficients")
    for name, lens in lenses.items():
        across, down = field_of_view_deg(lens)
        k = lens.matrix
        table.add_row(
            escape(name),
            f"{lens.size[0]}x{lens.size[1]}",
            *(_fixed(value, 1) for value in (k[0, 0], k[1, 1], k[0, 2], k[1, 2])),
            f"{across:.1f}° x {down:.1f}°",
        )
        values = " ".join(f"{value:.4g}" for value in lens.distortions)
        terms.add_row(escape(name), lens.lens, values or "none")
    console.print(table)
    console.print(terms)


def _print_poses(rig: Rig) -> None:
    headings = ("x m", "y m", "z m", "heading", "tilt", "roll")
    table = _table("Poses (heading and tilt of the view, roll: degrees)", *headings)
    for camera in rig:
        right, _, forward = camera.T_cam_world[:3, :3]
        table.add_row(
            escape(camera.name),
            *(_fixed(value, 3) for value in camera.center_world),
            _fixed(math.degrees(math.atan2(float(forward[1]), float(forward[0]))), 0),
            _fixed(_elevation_deg(forward), 0),
            _fixed(_elevation_deg(right), 0),
        )
    console.print(table)


def _print_offsets(rig: Rig) -> None:
    """Prints time offsets and uncertainties, where there are any."""
    if not any(camera.time_offset_s or camera.pose_covariance is not None for camera in rig):
        say("Time offsets are all 0, uncertainties of the poses are not stated.")
        return
    headings = ("late by", "sd of rotation", "sd of translation")
    table = _table("Time offsets, standard deviations of the poses", *headings)
    for camera in rig:
        table.add_row(
            escape(camera.name),
            f"{_fixed(1000 * camera.time_offset_s, 1)} ms",
            *_deviations(camera.pose_covariance),
        )
    console.print(table)


def _print_distances(rig: Rig) -> None:
    centers = np.stack([camera.center_world for camera in rig])
    distances_m = np.linalg.norm(centers[:, None] - centers[None], axis=-1)
    width = sum(max(len(name), NUMBER_WIDTH) for name in rig.names)
    if len(rig) <= LARGEST_DISTANCE_TABLE and width <= LARGEST_DISTANCE_TABLE * NUMBER_WIDTH:
        table = _table("Distances between cameras, m", *(escape(name) for name in rig.names))
        for name, row in zip(rig.names, distances_m, strict=True):
            table.add_row(escape(name), *(f"{d:.3f}" if d else "" for d in row))
    else:
        table = _table("Distances between cameras", "nearest", "farthest")
        for i, name in enumerate(rig.names):
            others = np.where(np.arange(len(rig)) == i, np.nan, distances_m[i])
            near, far = int(np.nanargmin(others)), int(np.nanargmax(others))
            table.add_row(
                escape(name),
                f"{others[near]:.3f} m to {escape(rig.names[near])}",
                f"{others[far]:.3f} m to {escape(rig.names[far])}",
            )
    console.print(table)


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left")
    # Numbers are never cut or broken, whatever the width of the terminal.
    table.add_column("camera", overflow="fold")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=heading not in FOLDING)
    return table


def _fixed(value: float, decimals: int) -> str:
    """A number with fixed decimals, never as -0."""
    return f"{round(float(value), decimals) + 0.0:.{decimals}f}"


def _elevation_deg(axis: np.ndarray) -> float:
    """Angle of an axis above the floor plane."""
    return math.degrees(math.asin(float(np.clip(axis[2], -1, 1))))


def _deviations(covariance: np.ndarray | None) -> tuple[str, str]:
    """Largest standard deviations of a pose's rotation (degrees) and translation (mm)."""
    if covariance is None or not np.isfinite(covariance).all():
        return "-", "-"
    rotation, translation = (
        math.sqrt(max(0.0, float(np.linalg.eigvalsh(block)[-1])))
        for block in (covariance[:3, :3], covariance[3:, 3:])
    )
    return f"{_fixed(math.degrees(rotation), 2)}°", f"{_fixed(1000 * translation, 1)} mm"


def _angle_deg(a: np.ndarray, b: np.ndarray) -> float:
    return math.degrees(math.atan2(float(np.linalg.norm(np.cross(a, b))), float(a @ b)))
