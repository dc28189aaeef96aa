"""The room of the studio: a box with a floor, painted walls, a door, a window and pictures.

Everything is a formula of the position, so that any camera sees it sharp at any distance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from mocap.arrays import Float, Int
from mocap.errors import StudioError
from mocap.studio.camera_effects import linear_from_srgb

FloorStyle = Literal["wood", "checker", "carpet"]

WALL_NORMALS = np.array(
    [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=np.float64
)
"""Inward normals of the faces: walls at -x, +x, -y, +y, the floor, the ceiling."""
FLOOR, CEILING = 4, 5

_PLANK_M, _PLANK_LENGTH_M = 0.16, 1.5
_TILE_M = 0.5
_SKIRTING_M = 0.11


@dataclass(frozen=True)
class RoomConfig:
    """The room around the origin; the floor is z = 0.

    Attributes:
        size_m: length along x, along y, and height.
        floor: "wood", "checker" or "carpet".
        decorated: whether there are a door, a window and pictures on the walls.
    """

    size_m: tuple[float, float, float] = (8.0, 8.0, 3.0)
    floor: FloorStyle = "wood"
    decorated: bool = True

    def __post_init__(self) -> None:
        if len(self.size_m) != 3 or not all(2.0 <= side <= 100.0 for side in self.size_m):
            raise StudioError(f"size_m of the room is {self.size_m}, expected 2 to 100 m each")
        if self.floor not in get_args(FloorStyle):
            raise StudioError(
                f"a floor of {self.floor!r}; choose one of {', '.join(get_args(FloorStyle))}"
            )

    def contains(self, point: Float[np.ndarray, " 3"], margin_m: float = 0.0) -> bool:
        """Whether a point lies in the room."""
        x, y, height = self.size_m
        return bool(
            abs(point[0]) <= x / 2 - margin_m
            and abs(point[1]) <= y / 2 - margin_m
            and margin_m <= point[2] <= height - margin_m
        )


def hit_walls(
    config: RoomConfig, origin: Float[np.ndarray, " 3"], rays: Float[np.ndarray, "rays 3"]
) -> tuple[Float[np.ndarray, "rays 3"], Int[np.ndarray, " rays"]]:
    """Where rays from inside the room end, and on which face (see `WALL_NORMALS`)."""
    x, y, height = config.size_m
    low, high = np.array([-x / 2, -y / 2, 0.0]), np.array([x / 2, y / 2, height])
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.where(rays > 0, (high - origin) / rays, (low - origin) / rays)
    distance = np.where(rays == 0, np.inf, distance)
    axis = np.argmin(distance, axis=1)
    rows = np.arange(len(rays))
    points = origin + rays * distance[rows, axis, None]
    face = 2 * axis + (rays[rows, axis] > 0)
    return points, face


def albedo(
    config: RoomConfig, points: Float[np.ndarray, "points 3"], face: Int[np.ndarray, " points"]
) -> Float[np.ndarray, "points 3"]:
    """Colour of the room's surface, as the share of light that it gives back.

    The ceiling gives more than it gets, as it would with the light that the floor throws at it.
    """
    result = np.empty((len(points), 3))
    result[face == CEILING] = 1.7 * linear_from_srgb(np.array([0.94, 0.94, 0.92]))
    on_floor = face == FLOOR
    result[on_floor] = _FLOORS[config.floor](points[on_floor, 0], points[on_floor, 1])
    for wall in range(4):
        on_wall = face == wall
        if not on_wall.any():
            continue
        # Along the wall, to the right for who looks at it from inside.
        along, side = ((1, 1.0), (1, -1.0), (0, -1.0), (0, 1.0))[wall]
        u = points[on_wall, along] * side
        length = config.size_m[along]
        result[on_wall] = _wall(config, wall, u, points[on_wall, 2], length)
    return result


def corner_darkening(
    config: RoomConfig, points: Float[np.ndarray, "points 3"], face: Int[np.ndarray, " points"]
) -> Float[np.ndarray, " points"]:
    """Share of the ambient light that reaches the surface; less in the corners."""
    x, y, height = config.size_m
    distances = np.stack(
        [
            points[:, 0] + x / 2,
            x / 2 - points[:, 0],
            points[:, 1] + y / 2,
            y / 2 - points[:, 1],
            points[:, 2],
            height - points[:, 2],
        ],
        axis=1,
    )
    distances[np.arange(len(points)), face] = np.inf
    return np.prod(1 - 0.4 * np.exp(-np.maximum(distances, 0) / 0.35), axis=1)


def _noise(x: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """Smooth noise from 0 to 1 with features of size 1."""
    x0, y0 = np.floor(x), np.floor(y)
    fx, fy = x - x0, y - y0
    fx, fy = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy)
    top = _hash(x0, y0, seed) * (1 - fx) + _hash(x0 + 1, y0, seed) * fx
    bottom = _hash(x0, y0 + 1, seed) * (1 - fx) + _hash(x0 + 1, y0 + 1, seed) * fx
    return top * (1 - fy) + bottom * fy


def _hash(x: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """Random numbers from 0 to 1, the same for the same whole numbers (PCG's mixing)."""
    with np.errstate(over="ignore"):
        v = x.astype(np.int64).astype(np.uint32) * np.uint32(747796405)
        v = v + y.astype(np.int64).astype(np.uint32) * np.uint32(2891336453)
        v = (v + np.uint32(seed * 974711 % 2**32)) * np.uint32(277803737)
        v = ((v >> np.uint32(15)) ^ v) * np.uint32(2246822519)
        v = ((v >> np.uint32(13)) ^ v) * np.uint32(3266489917)
        v = (v >> np.uint32(16)) ^ v
    return v / 2.0**32


def _wood(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    row = np.floor(y / _PLANK_M)
    shifted = x / _PLANK_LENGTH_M + _hash(row, row * 0, 1)
    plank = np.floor(shifted)
    tone = _hash(plank, row, 2)
    grain = _noise(x * 3.0 + 37 * tone, y * 55.0, 3) + 0.5 * _noise(x * 9.0, y * 160.0, 4)
    across = np.abs(y / _PLANK_M - row - 0.5) * 2
    end = np.abs(shifted - plank - 0.5) * 2
    gap = np.maximum(_step((across - 0.965) / 0.035), _step((end - (1 - 0.006)) / 0.006))
    value = 0.80 + 0.26 * tone + 0.16 * (grain / 1.5 - 0.5)
    warm = np.stack([0.70 - 0.02 * tone, 0.535 - 0.02 * tone, 0.385 - 0.03 * tone], axis=-1)
    return linear_from_srgb(warm * (value * (1 - 0.45 * gap))[:, None])


def _checker(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    u, v = x / _TILE_M, y / _TILE_M
    odd = (np.floor(u) + np.floor(v)) % 2
    joint = np.maximum(np.abs(u - np.round(u)), 0)
    joint = np.minimum(joint, np.abs(v - np.round(v))) < 0.006
    marble = 0.06 * (_noise(x * 4 + y, y * 4 - x, 5) + 0.5 * _noise(x * 14, y * 14, 6) - 0.75)
    value = np.where(odd, 0.74, 0.44) + marble - 0.12 * joint
    return linear_from_srgb(value[:, None] * np.array([1.0, 0.98, 0.95]))


def _carpet(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    value = 0.47 + 0.10 * (_noise(x * 60, y * 60, 7) - 0.5) + 0.06 * (_noise(x * 2, y * 2, 8) - 0.5)
    return linear_from_srgb(value[:, None] * np.array([0.86, 0.93, 1.0]))


_FLOORS = {"wood": _wood, "checker": _checker, "carpet": _carpet}
_PAINT = np.array([[0.80, 0.80, 0.76], [0.74, 0.79, 0.80], [0.83, 0.79, 0.72], [0.80, 0.80, 0.78]])
"""Colour of each wall, as shown."""


def _step(value: np.ndarray) -> np.ndarray:
    return np.clip(value, 0.0, 1.0)


def _wall(config: RoomConfig, wall: int, u: np.ndarray, z: np.ndarray, length: float) -> np.ndarray:
    plaster = 0.025 * (_noise(u * 18 + 100 * wall, z * 18, 9) - 0.5)
    plaster += 0.03 * (_noise(u * 0.7 + 31 * wall, z * 0.7, 10) - 0.5)
    shown = _PAINT[wall] + plaster[:, None]
    board = z < _SKIRTING_M
    shown[board] = 0.90
    shown[(z > _SKIRTING_M) & (z < _SKIRTING_M + 0.012)] = 0.55
    scale = config.size_m[2] / 3.0
    if config.decorated:
        if wall == 0:
            _window(shown, u - 0.9, z / scale - 1.65)
            _picture(shown, u + 1.9, z / scale - 1.7, 0.5, 0.38, 11)
        elif wall == 1:
            _door(shown, u - 0.22 * length, z)
            _picture(shown, u + 1.1, z / scale - 1.65, 0.62, 0.45, 12)
        elif wall == 2:
            _picture(shown, u - 1.5, z / scale - 1.7, 0.42, 0.55, 13)
            _picture(shown, u + 0.4, z / scale - 1.7, 0.42, 0.55, 14)
            _picture(shown, u + 2.3, z / scale - 1.7, 0.42, 0.55, 15)
        else:
            _shelf(shown, u + 1.4, z / scale)
            _picture(shown, u - 1.6, z / scale - 1.6, 0.8, 0.5, 16)
    return linear_from_srgb(shown)


def _picture(
    shown: np.ndarray, u: np.ndarray, v: np.ndarray, width: float, height: float, seed: int
) -> None:
    """Paints a framed abstract picture of this half width and height, centred at (0, 0)."""
    frame = (np.abs(u) < width + 0.05) & (np.abs(v) < height + 0.05)
    shown[frame] = (0.24, 0.19, 0.15) if seed % 2 else (0.92, 0.91, 0.88)
    inside = (np.abs(u) < width) & (np.abs(v) < height)
    a, b = u[inside] / width, v[inside] / height
    random = np.random.default_rng(seed)
    picture = random.uniform(0.35, 0.8, 3) + 0.12 * b[:, None] * random.uniform(-1, 1, 3)
    # Bands like hills, so that nothing in it looks like a person.
    for band in range(4):
        level = 0.55 - 0.38 * band + 0.18 * (_noise(a * 1.7 + 9 * band, a * 0, seed) - 0.5)
        picture = np.where((b < level)[:, None], random.uniform(0.15, 0.85, 3), picture)
    shown[inside] = picture


def _window(shown: np.ndarray, u: np.ndarray, v: np.ndarray) -> None:
    shown[(np.abs(u) < 1.0) & (np.abs(v) < 0.72)] = 0.95
    pane = (np.abs(u) < 0.93) & (np.abs(v) < 0.65) & (np.abs(u) > 0.03)
    sky = np.clip((v[pane] + 0.65) / 1.3, 0, 1)[:, None]
    view = (1 - sky) * np.array([0.86, 0.92, 0.97]) + sky * np.array([0.62, 0.79, 0.96])
    hills = v[pane] < -0.38 + 0.12 * _noise(u[pane] * 2.5, u[pane] * 0, 21)
    shown[pane] = np.where(hills[:, None], np.array([0.45, 0.60, 0.42]), view)
    sill = (np.abs(u) < 1.08) & (v > -0.79) & (v < -0.72)
    shown[sill] = 0.85


def _door(shown: np.ndarray, u: np.ndarray, z: np.ndarray) -> None:
    shown[(np.abs(u) < 0.53) & (z < 2.12)] = 0.88
    leaf = (np.abs(u) < 0.45) & (z < 2.04)
    shown[leaf] = (0.60, 0.47, 0.36)
    for low, high in ((0.2, 0.95), (1.1, 1.9)):
        panel = (np.abs(u) < 0.33) & (z > low) & (z < high)
        shown[panel] = (0.55, 0.42, 0.32)
    shown[((u - 0.38) ** 2 + (z - 1.02) ** 2) < 0.025**2] = (0.80, 0.77, 0.68)


def _shelf(shown: np.ndarray, u: np.ndarray, z: np.ndarray) -> None:
    """Paints a bookshelf."""
    case = (np.abs(u) < 0.85) & (z < 1.95)
    shown[case] = (0.50, 0.40, 0.31)
    floor_of = np.floor((z - 0.08) / 0.37)
    in_shelf = (z - 0.08) / 0.37 - floor_of
    place = u / 0.045
    book = np.floor(place)
    height = 0.60 + 0.30 * _hash(book, floor_of, 31)
    wanted = (np.abs(u) < 0.81) & (z > 0.08) & (z < 1.90) & (in_shelf > 0.06)
    books = wanted & (in_shelf < height) & (_hash(np.floor(book / 7), floor_of, 35) > 0.2)
    shown[wanted] = (0.27, 0.22, 0.18)
    colour = np.stack([_hash(book, floor_of, 32 + c) for c in range(3)], axis=-1)
    edge = np.abs(place - book - 0.5) > 0.44
    tinted = (0.22 + 0.5 * colour) * np.where(edge, 0.7, 1.0)[:, None]
    shown[books] = tinted[books]
