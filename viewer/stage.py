"""What stands still in a scene: floor grid, axes of the world and cameras, as plain arrays."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float, Int
from mocap.geometry.projection import unproject_pixels
from mocap.model import Camera
from viewer.colours import AXES, CAMERA, GRID, GRID_METRE
from viewer.shapes import TubeBlock, sphere

GRID_STEP_M = 0.5
GRID_BORDER_M = 1.0
MAX_GRID_LINES = 60
AXIS_LENGTH_M = 0.5
AXIS_RADIUS_M = 0.012
FRUSTUM_DEPTH_M = 0.28
MAX_HALF_FIELD_SLOPE = 1.5
LABEL_GAP_M = 0.06


@dataclass(frozen=True, eq=False)
class Lines:
    """Separate straight lines.

    Attributes:
        points_m: world positions.
        ends: start and end of each line as positions in `points_m`.
        colours: RGB in [0, 1] of each line.
    """

    points_m: Float[np.ndarray, "points 3"]
    ends: Int[np.ndarray, "lines 2"]
    colours: Float[np.ndarray, "lines 3"]


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles with normals and colours at their vertices.

    Attributes:
        vertices_m: world positions.
        normals: unit vectors.
        triangles: vertex indices.
        colours: RGB in [0, 1].
    """

    vertices_m: Float[np.ndarray, "vertices 3"]
    normals: Float[np.ndarray, "vertices 3"]
    triangles: Int[np.ndarray, "triangles 3"]
    colours: Float[np.ndarray, "vertices 3"]


def floor_grid(volume_m: Float[np.ndarray, "2 3"]) -> Lines:
    """A grid at z = 0 under a volume and the origin; whole metres are darker.

    The step is half a metre, doubled until there are at most `MAX_GRID_LINES` lines each way.
    """
    low = np.minimum(volume_m[0, :2], 0.0) - GRID_BORDER_M
    high = np.maximum(volume_m[1, :2], 0.0) + GRID_BORDER_M
    step = GRID_STEP_M
    while float((high - low).max()) / step > MAX_GRID_LINES:
        step *= 2
    first, last = np.floor(low / step).astype(int), np.ceil(high / step).astype(int)
    pairs: list[np.ndarray] = []
    colours: list[tuple[float, float, float]] = []
    for axis in (0, 1):
        other = 1 - axis
        for i in range(first[axis], last[axis] + 1):
            pair = np.zeros((2, 3))
            pair[:, axis] = i * step
            pair[:, other] = first[other] * step, last[other] * step
            pairs.append(pair)
            colours.append(GRID_METRE if math.isclose(i * step % 1.0, 0.0) else GRID)
    points = np.concatenate(pairs)
    return Lines(points, np.arange(len(points)).reshape(-1, 2), np.array(colours))


def world_axes() -> Mesh:
    """The axes of the world at its origin: X red, Y green, Z blue, half a metre long."""
    nodes = np.vstack([np.zeros(3), AXIS_LENGTH_M * np.eye(3)])
    ends = np.array([[0, 1], [0, 2], [0, 3]])
    tubes = TubeBlock(ends, np.full(3, AXIS_RADIUS_M), 12, np.ones(3))
    vertices, normals = (a[0] for a in tubes.place(nodes[None]))
    colours = np.repeat(np.array(AXES), 2 * tubes.sides, axis=0)
    ball, faces = sphere(2)
    return Mesh(
        np.vstack([vertices, 1.4 * AXIS_RADIUS_M * ball]),
        np.vstack([normals, ball]),
        np.vstack([tubes.triangles, faces + len(vertices)]),
        np.vstack([colours, np.full(ball.shape, CAMERA)]),
    )


def camera_frusta(cameras: Iterable[Camera]) -> Lines:
    """Each camera as the pyramid of its field of view; a small roof marks the upper side."""
    points: list[np.ndarray] = []
    ends: list[np.ndarray] = []
    for index, camera in enumerate(cameras):
        points.append(_frustum(camera))
        ends.append(_FRUSTUM_ENDS + index * len(points[0]))
    if not points:
        return Lines(np.zeros((0, 3)), np.zeros((0, 2), np.int64), np.zeros((0, 3)))
    lines = np.concatenate(ends)
    return Lines(np.concatenate(points), lines, np.tile(np.array(CAMERA), (len(lines), 1)))


_FRUSTUM_ENDS = np.array(
    [[0, 1], [0, 2], [0, 3], [0, 4], [1, 2], [2, 3], [3, 4], [4, 1], [1, 5], [5, 2]]
)


def _frustum(camera: Camera) -> np.ndarray:
    """Optical centre, the four corners from top left clockwise, and the tip of the roof."""
    lens = camera.intrinsics
    width, height = lens.size
    corners = np.array(
        [[-0.5, -0.5], [width - 0.5, -0.5], [width - 0.5, height - 0.5], [-0.5, height - 0.5]]
    )
    rays = unproject_pixels(corners, lens.matrix, lens.packed_distortions, lens.lens == "fisheye")
    plain = (corners - lens.matrix[:2, 2]) / np.diag(lens.matrix)[:2]
    with np.errstate(invalid="ignore", divide="ignore"):
        slopes = np.where(rays[:, 2:] > 0, rays[:, :2] / rays[:, 2:], np.nan)
    # Lens models may have no inverse at the corners, and wide ones see beyond a plane.
    slopes = np.where(np.isfinite(slopes).all(axis=1, keepdims=True), slopes, plain)
    reach = np.linalg.norm(slopes, axis=1, keepdims=True)
    slopes = slopes * np.minimum(1.0, MAX_HALF_FIELD_SLOPE / reach)
    local = np.column_stack([slopes, np.ones(4)])
    upper = (local[0] + local[1]) / 2
    roof = upper + 0.22 * (upper - (local[2] + local[3]) / 2)
    points = FRUSTUM_DEPTH_M * np.vstack([np.zeros(3), local, roof])
    pose = camera.T_world_cam
    return points @ pose[:3, :3].T + pose[:3, 3]


def camera_label_points(cameras: Sequence[Camera]) -> Float[np.ndarray, "cameras 3"]:
    """Where the names of the cameras are written: just above each of them."""
    centers = np.array([camera.center_world for camera in cameras]).reshape(-1, 3)
    tops = [float(_frustum(camera)[:, 2].max()) for camera in cameras]
    centers[:, 2] = np.array(tops) + LABEL_GAP_M
    return centers
