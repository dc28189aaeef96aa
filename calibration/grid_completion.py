"""Markers of a grid where the others say they are.

OpenCV looks for closed outlines. The squares of an AprilGrid touch the corners of its markers, and
in a small or blurred picture the outlines run into each other; a marker of any grid is lost by a
shadow across its border. Where some markers are found, the places of their neighbours follow, and
to tell that a marker is really there takes no outline: its code must be legible.
"""

from __future__ import annotations

import numpy as np

from calibration.board_layout import (
    border_cells,
    corners_of_markers,
    marker_cells,
    places_in_squares,
)
from calibration.plane_map import plain_homography
from mocap.arrays import Bool, Float, UInt8
from mocap.model import Target

NEAREST = 16
"""So many of the nearest corners tell where a marker is: a lens bends the board as a whole."""
ALIKE = 0.6
"""Least correlation between the cells of a code and what is seen there; codes of other markers
come to 0 +- 0.17."""
LEAST_SPREAD = 5.0
"""Least standard deviation of the cells' brightness, grey levels."""
_SAMPLES = np.array([-0.25, 0.0, 0.25])
"""Where a cell is looked at, in cells from its centre."""


class GridCompletion:
    """Finds further markers of a grid whose points are partly known.

    Args:
        target: a grid of markers.
    """

    def __init__(self, target: Target) -> None:
        self._corners = corners_of_markers(target)
        self._places = places_in_squares(target)
        self._codes = marker_cells(target)
        if target.inverted:
            self._codes = -self._codes
        self._row, self._column = np.divmod(np.arange(len(self._corners)), target.squares[0])
        cells, border = self._codes.shape[-1], border_cells(target)
        cell = (target.marker_m or 0.0) / target.square_m / (cells + 2 * border)
        along = (border + 0.5 + np.arange(cells)[:, None] + _SAMPLES).ravel() * cell
        self._looked_at = np.stack(np.meshgrid(along, along), axis=-1)
        """Places from the top left corner of a marker, in squares."""

    def neighbours(
        self,
        gray: UInt8[np.ndarray, "rows columns"],
        pixels: Float[np.ndarray, "points 2"],
        tried: Bool[np.ndarray, " markers"],
    ) -> Float[np.ndarray, "points 2"] | None:
        """Adds the markers beside the known ones.

        Args:
            gray: the image.
            pixels: places of the known points; NaN where not known.
            tried: markers not to be looked for again; those that are looked for are added to it.

        Returns:
            The places, the corners of the added markers right to a pixel or two; None where there
            is nothing to add.
        """
        known = np.asarray(np.isfinite(pixels).all(axis=-1))
        at = np.flatnonzero(known[self._corners].any(axis=-1))
        if known.sum() < 4:
            return None
        across = np.abs(self._column[:, None] - self._column[at])
        steps = np.maximum(np.abs(self._row[:, None] - self._row[at]), across).min(axis=1)
        added = None
        for marker in np.flatnonzero((steps == 1) & ~tried):
            tried[marker] = True
            corners = self._corners[marker]
            middle = self._places[corners].mean(axis=0)
            numbers = np.flatnonzero(known)
            away = np.linalg.norm(self._places[numbers] - middle, axis=-1)
            near = numbers[np.argsort(away, kind="stable")[:NEAREST]]
            H = plain_homography(self._places[near], pixels[near])
            if H is None or not self._legible(gray, H, int(marker)):
                continue
            if added is None:
                added = pixels.copy()
            place = np.column_stack([self._places[corners], np.ones(4)]) @ H.T
            added[corners] = place[:, :2] / place[:, 2:]
        return added

    def _legible(self, gray: np.ndarray, H: np.ndarray, marker: int) -> bool:
        """Whether the code of a marker is seen where the map from board to image has it."""
        import cv2

        first = self._places[self._corners[marker]].min(axis=0)
        looked_at = (self._looked_at + first).reshape(-1, 2)
        u, v, w = H @ np.column_stack([looked_at, np.ones(len(looked_at))]).T
        if w.min() <= 0:
            return False
        x, y = u / w, v / w
        height, width = gray.shape
        if min(x.min(), y.min()) < 0 or x.max() > width - 1 or y.max() > height - 1:
            return False
        seen = cv2.remap(
            gray, x.astype(np.float32)[None], y.astype(np.float32)[None], cv2.INTER_LINEAR
        )
        side = self._codes.shape[-1]
        cells = np.asarray(seen, np.float64).reshape(side, 3, side, 3).mean(axis=(1, 3))
        if cells.std() < LEAST_SPREAD:
            return False
        return bool(np.corrcoef(cells.ravel(), self._codes[marker].ravel())[0, 1] >= ALIKE)
