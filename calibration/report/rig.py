"""Pictures of the rig: from above, in perspective, who sees what together, and uncertainty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from calibration.checks.evidence import Evidence
from calibration.checks.uncertainty import camera_uncertainty
from calibration.report.figure import GREY, LIGHT, colour_of, new_figure
from mocap.geometry.projection import unproject_pixels
from mocap.model import Camera

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_POINTS = 1500
_REGION = 2.146
"""Radius, in standard deviations, of the ellipse that holds 90 % in two dimensions."""


def frustum(camera: Camera, depth_m: float) -> np.ndarray:
    """Optical centre, the four corners of the image plane at some depth, and the middle of its
    upper edge raised a little, in the world (6, 3)."""
    width, height = camera.intrinsics.size
    lens = camera.intrinsics
    pixels = np.array(
        [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1], [width / 2, 0]], float
    )
    rays = unproject_pixels(pixels, lens.matrix, lens.packed_distortions, lens.lens == "fisheye")
    # A wide lens would draw a plane as large as the room; its rays are drawn at equal length.
    rays = rays * depth_m / np.maximum(np.nanmedian(rays[:, 2]), 0.7)
    rays[4, 1] *= 1.25
    corners = np.nan_to_num(rays) @ camera.T_cam_world[:3, :3] + camera.center_world
    return np.vstack([camera.center_world, corners])


def plan_picture(evidence: Evidence) -> Figure:
    """The rig from above and from the side, metres."""
    figure = new_figure(7.4, 3.7)
    places = _places(evidence)
    size = _extent(evidence, places)
    for number, (a, b, title) in enumerate(
        ((0, 1, "from above"), (0, 2, "from the side")), start=1
    ):
        axes = figure.add_subplot(1, 2, number)
        if len(places):
            axes.plot(places[:, a], places[:, b], ".", ms=1, color=GREY, alpha=0.35)
        if b == 2:
            known = evidence.floor_set
            axes.axhline(0, color=GREY, lw=1, ls="-" if known else "--")
            title += " (line: the floor)" if known else " (dashed: z = 0)"
        for c, camera in enumerate(evidence.rig):
            corners = frustum(camera, 0.16 * size)
            for k in range(4):
                axes.plot(
                    corners[[0, 1 + k], a], corners[[0, 1 + k], b], lw=0.7, color=colour_of(c)
                )
            plane = corners[[1, 2, 3, 4, 1]]
            axes.fill(plane[:, a], plane[:, b], color=colour_of(c), alpha=0.15, lw=0)
            axes.plot(plane[:, a], plane[:, b], lw=1, color=colour_of(c))
            axes.plot(*corners[0, [a, b]], "o", ms=4, color=colour_of(c))
            axes.annotate(
                camera.name,
                (corners[0, a], corners[0, b]),
                textcoords="offset points",
                xytext=(5, 5),
                fontsize=8,
                color=colour_of(c),
            )
        axes.arrow(0, 0, 0.1 * size, 0, color="#c0392b", width=0.006 * size, lw=0)
        axes.arrow(0, 0, 0, 0.1 * size, color="#27ae60" if b == 1 else "#2471a3",
                   width=0.006 * size, lw=0)  # fmt: skip
        axes.set_aspect("equal")
        axes.margins(0.12)
        axes.grid(color=LIGHT, lw=0.4)
        axes.set_xlabel("x (m)")
        axes.set_ylabel("y (m)" if b == 1 else "z (m)")
        axes.set_title(title)
    return figure


def perspective_picture(evidence: Evidence) -> Figure:
    """The rig in perspective: cameras, image planes, the target's path, the floor if known."""
    figure = new_figure(7.4, 5.4)
    # What Matplotlib says of the types of its 3D axes is not what they take.
    axes: Any = figure.add_subplot(projection="3d")
    places = _places(evidence)
    size = _extent(evidence, places)
    centers = np.array([camera.center_world for camera in evidence.rig])
    everything = np.vstack([centers, places, np.zeros((1, 3))])
    low, high = everything.min(axis=0), everything.max(axis=0)
    middle = (low + high) / 2
    ground = 0.0 if evidence.floor_set else float(np.vstack([centers, places])[:, 2].min())
    _ground(axes, low, high, ground)
    if len(places):
        axes.plot(*places.T, ".", ms=1.2, color=GREY, alpha=0.4)
    for c, camera in enumerate(evidence.rig):
        corners = frustum(camera, 0.16 * size)
        colour = colour_of(c)
        for k in range(4):
            axes.plot(*corners[[0, 1 + k]].T, lw=0.7, color=colour)
        axes.plot(*corners[[1, 2, 3, 4, 1]].T, lw=1.1, color=colour)
        axes.plot(*corners[[1, 5, 2]].T, lw=1.1, color=colour)
        axes.plot(
            *np.vstack([corners[0], [*corners[0, :2], ground]]).T, lw=0.5, ls=":", color=colour
        )
        axes.text(*corners[0], f"  {camera.name}", fontsize=8, color=colour)
    for axis, colour in enumerate(("#c0392b", "#27ae60", "#2471a3")):
        tip = np.zeros(3)
        tip[axis] = 0.12 * size
        axes.plot(*np.vstack([np.zeros(3), tip]).T, lw=2, color=colour)
        axes.text(*(1.25 * tip), "xyz"[axis], fontsize=8, color=colour)
    reach = 0.5 * float((high - low).max()) or 1.0
    axes.set_xlim(middle[0] - reach, middle[0] + reach)
    axes.set_ylim(middle[1] - reach, middle[1] + reach)
    tall = max(0.5 * float(high[2] - low[2]), 0.35 * reach)
    axes.set_zlim(middle[2] - tall, middle[2] + tall)
    axes.set_box_aspect((1, 1, tall / reach), zoom=1.0)
    axes.set_xlabel("x (m)")
    axes.set_ylabel("y (m)")
    axes.set_zlabel("z (m)")
    axes.view_init(elev=28, azim=-58)
    for pane in (axes.xaxis, axes.yaxis, axes.zaxis):
        pane.set_pane_color((1, 1, 1, 0))
        pane._axinfo["grid"].update(color=LIGHT, linewidth=0.4)
    return figure


def graph_picture(evidence: Evidence) -> Figure:
    """Which cameras see the target together, and how often: cameras as they stand in the room."""
    figure = new_figure(7.4, 4.0)
    axes = figure.add_subplot()
    n, shared = len(evidence.rig), evidence.shared
    angle = np.pi / 2 - 2 * np.pi * np.arange(n) / n
    at = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    most = max(int((shared - np.diag(np.diag(shared))).max()), 1)
    for a in range(n):
        for b in range(a):
            count = int(shared[a, b])
            if not count:
                continue
            weak = count < 10
            axes.plot(
                at[[a, b], 0],
                at[[a, b], 1],
                lw=0.8 + 5 * count / most,
                color="#c0392b" if weak else "#9db7c4",
                ls=":" if weak else "-",
                zorder=1,
                solid_capstyle="round",
            )
            # Off the middle, so that the numbers of crossing lines stay apart.
            x, y = (0.62 * at[a] + 0.38 * at[b]).tolist()
            axes.text(x, y, str(count), fontsize=8, ha="center", va="center", zorder=2,
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8})  # fmt: skip
    for c, name in enumerate(evidence.rig.names):
        axes.plot(*at[c], "o", ms=16, color=colour_of(c), zorder=3)
        axes.annotate(
            f"{name} ({shared[c, c]})",
            at[c] * (1.45, 1.22),
            ha="center",
            va="center",
            fontsize=9,
            color=colour_of(c),
        )
    axes.set_aspect("equal")
    axes.set_xlim(-1.9, 1.9)
    axes.set_ylim(-1.4, 1.4)
    axes.axis("off")
    return figure


def uncertainty_picture(evidence: Evidence) -> Figure:
    """Uncertainty of each camera's place as 90 % ellipses from above, drawn to one scale in mm,
    and of its rotation."""
    figure = new_figure(7.4, 3.6)
    known = camera_uncertainty(evidence.solution)
    names = evidence.rig.names
    grid = figure.add_gridspec(2, 2, width_ratios=(1.1, 1))
    axes = figure.add_subplot(grid[:, 0])
    centers = np.array([camera.center_world[:2] for camera in evidence.rig])
    room = float(np.ptp(centers, axis=0).max()) or 1.0
    largest = max(
        (
            np.sqrt(max(np.linalg.eigvalsh(u.position_covariance_m2[:2, :2]).max(), 0))
            for u in known
        ),
        default=0.0,
    )
    factor = 0.12 * room / max(_REGION * largest, 1e-9)
    turn = np.linspace(0, 2 * np.pi, 100)
    for c, (u, name) in enumerate(zip(known, names, strict=True)):
        values, vectors = np.linalg.eigh(u.position_covariance_m2[:2, :2])
        radius = factor * _REGION * np.sqrt(np.maximum(values, 0.0))
        ring = centers[c] + (vectors @ (radius[:, None] * np.stack([np.cos(turn), np.sin(turn)]))).T
        axes.fill(*ring.T, color=colour_of(c), alpha=0.25, lw=0)
        axes.plot(*ring.T, color=colour_of(c), lw=1)
        axes.plot(*centers[c], "o", ms=3, color=colour_of(c))
        axes.annotate(name, centers[c], textcoords="offset points", xytext=(6, 6), fontsize=8,
                      color=colour_of(c))  # fmt: skip
    axes.set_aspect("equal")
    axes.margins(0.2)
    axes.grid(color=LIGHT, lw=0.4)
    axes.set_xlabel("x (m)")
    axes.set_ylabel("y (m)")
    axes.set_title(f"90 % of the place, enlarged {factor:.0f} times")
    bars = figure.add_subplot(grid[0, 1])
    turns = figure.add_subplot(grid[1, 1])
    rows = np.arange(len(names))
    colours = [colour_of(c) for c in range(len(names))]
    for panel, values, title in (
        (bars, [1000 * u.position_m for u in known], "place, 1 sigma (mm)"),
        (turns, [float(np.degrees(u.rotation_rad)) for u in known], "rotation, 1 sigma (degrees)"),
    ):
        panel.barh(rows, values, color=colours, height=0.6)
        panel.set_yticks(rows, names)
        panel.invert_yaxis()
        panel.set_title(title)
        for row, value in enumerate(values):
            words = "reference" if names[row] == evidence.solution.gauge else f"{value:.2g}"
            panel.text(value, row, f" {words}", va="center", fontsize=8, color=GREY)
        panel.margins(x=0.25)
    return figure


def _places(evidence: Evidence) -> np.ndarray:
    """Where the target, or people, were."""
    path = evidence.solution.path
    if path is not None and len(path.time_s) and evidence.sightings is not None:
        middle = evidence.sightings.target.points_m.mean(axis=0)
        places = path.T_world_target[:, :3, :3] @ middle + path.T_world_target[:, :3, 3]
    else:
        points = evidence.seen.points
        places = points[np.isfinite(points).all(axis=-1)]
    return places[:: max(1, len(places) // _MOST_POINTS)]


def _extent(evidence: Evidence, places: np.ndarray) -> float:
    centers = np.array([camera.center_world for camera in evidence.rig])
    return max(float(np.ptp(np.vstack([centers, places, np.zeros((1, 3))]), axis=0).max()), 0.1)


def _ground(axes: Any, low: np.ndarray, high: np.ndarray, z: float) -> None:
    step = 1.0 if float((high - low)[:2].max()) > 2 else 0.5
    x = np.arange(np.floor(low[0] / step), np.ceil(high[0] / step) + 1) * step
    y = np.arange(np.floor(low[1] / step), np.ceil(high[1] / step) + 1) * step
    for value in x:
        axes.plot([value, value], [y[0], y[-1]], [z, z], lw=0.5, color="#93a3aa")
    for value in y:
        axes.plot([x[0], x[-1]], [value, value], [z, z], lw=0.5, color="#93a3aa")
