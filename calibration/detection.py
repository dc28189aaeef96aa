"""Finding a target in the images of one camera, however it is printed and whichever side is seen.

A description may be wrong about what nobody looks at: whether the print is a negative, and
whether a ChArUco layout is that of OpenCV before 4.6. Both are found out, and said. A board that
can be seen through shows its back as a mirror image to the cameras behind it, which is looked for
in every frame.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from calibration.board_layout import border_cells, marker_count, marker_detector
from calibration.board_points import BoardDetector, BoardPoints
from mocap.arrays import UInt8
from mocap.model import Target

LEAST_MARKERS = 2
"""With fewer of the board's markers in an image it is not worth trying other prints."""
KEPT_IMAGES = 4
"""So many images without a board are kept to explain why there is none."""


@dataclass(frozen=True)
class Found:
    """A target in one image.

    Attributes:
        points: where its points are.
        target: as it is printed.
    """

    points: BoardPoints
    target: Target


@dataclass
class TargetFinder:
    """Finds a target in the images of one camera; remembers how it is printed.

    The common case costs one detection per image. Not to be shared by threads.

    Args:
        target: as described.
        thorough: spend more time on an image without a chessboard; for a few images.

    Raises:
        TargetError: the dictionary of the markers is unknown or too small.
    """

    target: Target
    thorough: bool = False
    searched: int = field(default=0, init=False)
    """How many images were searched."""
    _detectors: dict[Target, BoardDetector] = field(default_factory=dict, init=False)
    _printed: Target | None = field(default=None, init=False)
    _mirrored: bool = field(default=False, init=False)
    _markers: list[tuple[Any, bool]] = field(default_factory=list, init=False)
    _kept: list[tuple[int, int, np.ndarray]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._detector(self.target)
        if self.target.dictionary is not None:
            name, cells = self.target.dictionary, border_cells(self.target)
            # The light tags of a negative AprilGrid hang together at the squares between them; as
            # dark ones they are told apart.
            both = self.target.kind == "aprilgrid"
            detector = marker_detector(name, cells, inverted=not both)
            self._markers += [
                (detector, negative) for negative in ((False, True) if both else (False,))
            ]

    @property
    def images_without(self) -> list[UInt8[np.ndarray, "rows columns"]]:
        """A few images in which nothing was found, in the order in which they came."""
        return [image for _, _, image in sorted(self._kept, key=lambda each: each[1])]

    def find(self, image: np.ndarray) -> Found | None:
        """Looks for the target in one image.

        Args:
            image: grey (rows, columns) or BGR (rows, columns, 3), 8 bits.
        """
        gray = gray_image(image)
        self.searched += 1
        printed = self._printed or self.target
        sides = (self._mirrored, not self._mirrored)
        if self.target.kind == "chessboard":
            # From behind it looks like any other.
            sides = (False,)
        if self._printed is None and self._markers:
            return self._first(gray)
        for mirrored in sides:
            points = self._detector(printed).find(gray, mirrored=mirrored)
            if points is not None:
                return self._settle(points, printed)
        self._keep(gray, 0)
        return None

    def _settle(self, points: BoardPoints, printed: Target) -> Found:
        self._printed, self._mirrored = printed, points.mirrored
        self._kept.clear()
        return Found(points, printed)

    def _first(self, gray: np.ndarray) -> Found | None:
        """Tries all ways to print and to see the board, where its markers are seen."""
        quads = 0
        for (detector, negative), mirrored in itertools.product(self._markers, (False, True)):
            image = np.ascontiguousarray(gray[:, ::-1]) if mirrored else gray
            image = 255 - image if negative else image
            _, ids, rejected = detector.detectMarkers(image)
            numbers = np.unique(ids) if ids is not None else np.zeros(0)
            quads = max(quads, len(rejected) + len(numbers))
            own = numbers - self.target.first_marker
            if np.sum((own >= 0) & (own < marker_count(self.target))) < LEAST_MARKERS:
                continue
            for printed in _prints(self.target):
                points = self._detector(printed).find(gray, mirrored=mirrored)
                if points is not None:
                    return self._settle(points, printed)
        self._keep(gray, quads)
        return None

    def _keep(self, gray: np.ndarray, quads: int) -> None:
        """Keeps the images that show most squares; for a chessboard, ever rarer ones."""
        if self._printed is not None:
            return
        if self.target.kind == "chessboard":
            quads = (self.searched & -self.searched).bit_length()
        self._kept.append((quads, self.searched, gray))
        self._kept.sort(key=lambda each: (-each[0], each[1]))
        del self._kept[KEPT_IMAGES:]

    def _detector(self, printed: Target) -> BoardDetector:
        if printed not in self._detectors:
            self._detectors[printed] = BoardDetector(printed, thorough=self.thorough)
        return self._detectors[printed]


def find_target(image: np.ndarray, target: Target) -> Found | None:
    """Finds a target in a single image, with all the time that takes.

    Args:
        image: grey (rows, columns) or BGR (rows, columns, 3), 8 bits.
        target: as described.

    Returns:
        None where it is not seen.
    """
    return TargetFinder(target, thorough=True).find(image)


def gray_image(image: np.ndarray) -> UInt8[np.ndarray, "rows columns"]:
    """The image in grey.

    Raises:
        ValueError: it is not grey or BGR of 8 bits.
    """
    import cv2

    if image.dtype != np.uint8 or image.ndim not in (2, 3):
        raise ValueError(f"an image of {image.dtype} and shape {image.shape}, expected 8 bits")
    if image.ndim == 3:
        code = cv2.COLOR_BGRA2GRAY if image.shape[2] == 4 else cv2.COLOR_BGR2GRAY
        return np.asarray(cv2.cvtColor(image, code), np.uint8)
    return np.ascontiguousarray(image)


def print_notes(described: Target, printed: Target) -> tuple[str, ...]:
    """How a print differs from its description, in words."""
    notes: list[str] = []
    if printed.inverted != described.inverted:
        kind = "a negative (light markers on dark)" if printed.inverted else "not a negative"
        notes.append(
            f"the board is {kind}, though its description says "
            f"inverted = {str(described.inverted).lower()}; it was read as it is"
        )
    if printed.legacy_pattern != described.legacy_pattern:
        age = "before" if printed.legacy_pattern else "since"
        notes.append(
            f"the board has the layout of OpenCV {age} 4.6, though its description says "
            f"legacy_pattern = {str(described.legacy_pattern).lower()}; it was read as it is"
        )
    return tuple(notes)


def _prints(target: Target) -> list[Target]:
    """All ways to print a target, the described one first."""
    layouts = [target.legacy_pattern]
    # The layouts differ only where the number of rows is even.
    if target.kind == "charuco" and target.squares[1] % 2 == 0:
        layouts.append(not target.legacy_pattern)
    return [
        replace(target, inverted=inverted, legacy_pattern=legacy)
        for legacy in layouts
        for inverted in (target.inverted, not target.inverted)
    ]
