"""The calibration clip: a ChArUco board waved through the volume, then laid on the floor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from mocap.arrays import Float, UInt8
from mocap.errors import StudioError
from mocap.model import Target
from mocap.studio.randomness import random_stream
from mocap.studio.render import Mesh

DICTIONARIES = ("DICT_4X4_50", "DICT_4X4_100", "DICT_5X5_100", "DICT_5X5_250", "DICT_6X6_250")
MARGIN_SQUARES = 0.3
"""White margin around the squares, in squares."""
TEXELS_PER_SQUARE = 48
FLOOR_SHARE = 0.25
"""Share of the clip during which the board lies on the floor."""
LAYING_S = 1.5
LEAN_DEG = 30.0
BACK_COLOR = (0.62, 0.60, 0.57)
_LYING = np.diag([1.0, -1.0, -1.0])
"""Rotation of a board on the floor, face up: its z axis points into the floor."""


@dataclass(frozen=True)
class BoardConfig:
    """A ChArUco board and how it is waved.

    Attributes:
        squares: number of squares in x and y.
        square_m: side of a square.
        marker_m: side of a marker.
        dictionary: OpenCV's name of the markers' dictionary.
        legacy_pattern: whether the layout is that of OpenCV before 4.6.
        duration_s: length of the clip.
        reach_m: how far from the centre of the room the board is waved.
        heights_m: between which heights.
        lying_at_m: (x, y) of the middle of the board when it lies on the floor.
        lying_deg: direction of the board's x axis then, from world x towards y.
    """

    squares: tuple[int, int] = (5, 4)
    square_m: float = 0.2
    marker_m: float = 0.15
    dictionary: str = "DICT_4X4_50"
    legacy_pattern: bool = False
    duration_s: float = 14.0
    reach_m: float = 0.8
    heights_m: tuple[float, float] = (0.7, 1.5)
    lying_at_m: tuple[float, float] = (0.0, 0.0)
    lying_deg: float = 0.0

    def __post_init__(self) -> None:
        if self.dictionary not in DICTIONARIES:
            raise StudioError(
                f"a board with markers of {self.dictionary!r}; choose one of "
                f"{', '.join(DICTIONARIES)}"
            )
        if len(self.squares) != 2 or not all(2 <= n <= 20 for n in self.squares):
            raise StudioError(f"a board of {self.squares} squares; choose 2 to 20 per side")
        markers = self.squares[0] * self.squares[1] // 2
        if markers > int(self.dictionary.rsplit("_", 1)[1]):
            raise StudioError(
                f"a board of {self.squares[0]}x{self.squares[1]} squares has {markers} markers, "
                f"more than {self.dictionary} holds; choose a larger dictionary"
            )
        if not 0 < self.marker_m < self.square_m <= 1.0:
            raise StudioError(
                f"square_m {self.square_m:g} and marker_m {self.marker_m:g} of the board; a marker "
                f"is smaller than a square, and a square not larger than 1 m"
            )
        if not 2.0 <= self.duration_s <= 600.0:
            raise StudioError(f"duration_s of the board is {self.duration_s:g}, expected 2 to 600")
        low, high = self.heights_m
        half = 0.5 * self.square_m * max(self.squares)
        if not (half <= low <= high and 0 <= self.reach_m <= 20):
            raise StudioError(
                f"heights_m of the board are {self.heights_m}; wave it at least {half:.2f} m above "
                f"the floor, which is half its size"
            )

    @property
    def size_m(self) -> Float[np.ndarray, " 2"]:
        """Width and height of all squares."""
        return self.square_m * np.array(self.squares, dtype=np.float64)

    @property
    def target(self) -> Target:
        """The board, for the calibration."""
        return Target(
            "charuco",
            self.squares,
            self.square_m,
            self.marker_m,
            self.dictionary,
            legacy_pattern=self.legacy_pattern,
        )


def board_picture(config: BoardConfig) -> UInt8[np.ndarray, "rows columns 3"]:
    """The front of the board with its margin, RGB."""
    import cv2

    dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, config.dictionary))
    board = cv2.aruco.CharucoBoard(config.squares, config.square_m, config.marker_m, dictionary)
    board.setLegacyPattern(config.legacy_pattern)
    columns, rows = (n * TEXELS_PER_SQUARE for n in config.squares)
    picture = board.generateImage((columns, rows), marginSize=0)
    margin = round(MARGIN_SQUARES * TEXELS_PER_SQUARE)
    picture = np.pad(picture, margin, constant_values=255)
    # Paper is not quite white, ink not quite black.
    shown = 18 + 0.86 * picture
    return np.repeat(shown.astype(np.uint8)[:, :, None], 3, axis=2)


class BoardMotion:
    """Poses of the board over time.

    The board's frame is OpenCV's: origin in the outer corner of the first square, x along the
    rows, y along the columns, z into the board.

    Args:
        config: the board.
        seed: of its path.
    """

    def __init__(self, config: BoardConfig, seed: int) -> None:
        self._config = config
        random = random_stream(seed, "board")
        self._phases = random.uniform(0, 2 * np.pi, 6)
        self._rates = 2 * np.pi / random.uniform(3.0, 5.0, 6)
        self._turn = random.choice([-1.0, 1.0]) * 2 * np.pi / 7.0
        self._lay_at_s = (1 - FLOOR_SHARE) * config.duration_s - LAYING_S
        self._center = np.append(0.5 * config.size_m, 0.0)

    def T_world_board(self, time_s: float) -> Float[np.ndarray, "4 4"]:
        """Pose of the board at a time of the clip."""
        share = float(np.clip((time_s - self._lay_at_s) / LAYING_S, 0.0, 1.0))
        share = share * share * (3 - 2 * share)
        rotation, center = self._waved(time_s)
        if share > 0:
            yaw = Rotation.from_euler("z", self._config.lying_deg, degrees=True)
            lying = yaw * Rotation.from_matrix(_LYING)
            both = Rotation.concatenate([rotation, lying])
            rotation = Slerp([0.0, 1.0], both)(share)
            center = (1 - share) * center + share * np.array([*self._config.lying_at_m, 0.0])
        pose = np.eye(4)
        pose[:3, :3] = rotation.as_matrix()
        pose[:3, 3] = center - pose[:3, :3] @ self._center
        return pose

    def _waved(self, time_s: float) -> tuple[Rotation, Float[np.ndarray, " 3"]]:
        config = self._config
        swing = np.sin(self._rates * time_s + self._phases)
        low, high = config.heights_m
        center = np.array(
            [
                config.reach_m * swing[0],
                config.reach_m * swing[1],
                0.5 * (low + high) + 0.5 * (high - low) * swing[2],
            ]
        )
        facing = self._turn * time_s + self._phases[5]
        # At yaw 0 the front faces world x: the board's z points to -x, its y down.
        upright = Rotation.from_matrix(np.array([[0.0, 0, -1], [1, 0, 0], [0, -1, 0]]))
        tilt = Rotation.from_euler("yz", [30 * swing[3], 25 * swing[4]], degrees=True)
        # Leaning back, as cameras mostly look down.
        tip = Rotation.from_euler("x", -LEAN_DEG + 25 * swing[5], degrees=True)
        return Rotation.from_euler("z", facing) * upright * tip * tilt, center


class BoardProp:
    """The board as a mesh.

    Args:
        config: the board.
    """

    _CELLS = 12

    def __init__(self, config: BoardConfig) -> None:
        self._texture = board_picture(config)
        margin = MARGIN_SQUARES * config.square_m
        n = self._CELLS
        width, height = config.size_m
        x = np.linspace(-margin, width + margin, n + 1)
        y = np.linspace(-margin, height + margin, n + 1)
        places = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        self._points = np.column_stack([places, np.zeros(len(places))])
        corner = (np.arange(n)[:, None] * (n + 1) + np.arange(n)).ravel()
        a, b, c, d = corner, corner + 1, corner + n + 2, corner + n + 1
        # The front is seen against the z axis.
        self._triangles = np.concatenate([np.stack([a, c, b], 1), np.stack([a, d, c], 1)])
        # Texel (0, 0) is the centre of the first one.
        first = -round(MARGIN_SQUARES * TEXELS_PER_SQUARE) / TEXELS_PER_SQUARE * config.square_m
        self._uv = (places - first) / config.square_m * TEXELS_PER_SQUARE - 0.5
        self._colors = np.tile(BACK_COLOR, (len(places), 1))

    def mesh(self, T_world_board: Float[np.ndarray, "4 4"]) -> Mesh:
        """The board in a pose."""
        points = self._points @ T_world_board[:3, :3].T + T_world_board[:3, 3]
        return Mesh(points, self._triangles, self._colors, self._uv, self._texture)
