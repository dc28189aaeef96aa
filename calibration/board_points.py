"""The points of a target in one image, for one way in which it may be printed and seen.

OpenCV finds the points; whether they are those of the board, and where exactly they are, is
decided here: they must lie like a flat board which is seen from the side that was assumed, the
squares between them must have the right colours, and each corner must look like one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from calibration.board_layout import (
    border_cells,
    check_markers,
    corner_windows,
    corners_of_markers,
    inward_axes,
    light_ahead,
    marker_detector,
    opencv_board,
    places_in_squares,
)
from calibration.corner_fit import fit_corners
from calibration.grid_completion import GridCompletion
from calibration.plane_map import homography, local_axes, smooth_part
from mocap.arrays import Bool, Float, UInt8
from mocap.model import Target

LEAST_POINTS = 4
OUTLIER_SQUARES = 0.35
"""A point is absurd which lies this far from where the plane of the others has it."""
OUTLIER_PX = 3.0
IN_PLACE = 0.6
"""Share of points that must not be absurd; otherwise this is another board."""
LEAST_TO_JUDGE = 7
"""So many points are needed to tell which of them drifted."""
DRIFT_PX = 1.5
DRIFT_MEDIANS = 6.0
RIGHT_COLORS = 0.8
"""Share of points that must have the colours of the board."""
LEAST_BLUR_PX = 0.7
"""Sharper edges cannot be told apart."""
SIGMA_FLOOR_PX = 0.03
"""Noise of the sharpest corners: flatness of the board, compression."""


@dataclass(frozen=True)
class BoardPoints:
    """The points of a target that one image shows.

    Attributes:
        pixels: places in the image as it was given; NaN where not seen.
        sigma_px: standard deviation of each per axis as far as the picture tells; NaN as above.
        mirrored: whether the back of a see-through board is seen.
        sharpness: 1 over the width of the edges in pixels, median of the points.
    """

    pixels: Float[np.ndarray, "points 2"]
    sigma_px: Float[np.ndarray, " points"]
    mirrored: bool
    sharpness: float

    @property
    def seen(self) -> Bool[np.ndarray, " points"]:
        """Which points are seen."""
        return np.asarray(np.isfinite(self.pixels[:, 0]))


class BoardDetector:
    """Finds the points of a target that is printed as described.

    Keeps OpenCV's detectors, which cost more to make than to use. Not to be shared by threads.

    Args:
        target: the board; its description is taken at its word.
        thorough: whether to spend more time on images without a chessboard.

    Raises:
        TargetError: the dictionary of the markers is unknown or too small.
    """

    def __init__(self, target: Target, *, thorough: bool = False) -> None:
        self.target = target
        self._thorough = thorough
        self._places = places_in_squares(target)
        self._light = light_ahead(target)
        self._window = corner_windows(target)
        self._detector: Any = None
        self._completion: GridCompletion | None = None
        if target.kind != "chessboard":
            from cv2 import aruco

            check_markers(target)
            if target.kind == "charuco":
                self._detector = aruco.CharucoDetector(opencv_board(target))
            else:
                self._detector = marker_detector(str(target.dictionary), border_cells(target))
                self._corners = corners_of_markers(target)
                self._completion = GridCompletion(target)

    def find(
        self, gray: UInt8[np.ndarray, "rows columns"], *, mirrored: bool = False
    ) -> BoardPoints | None:
        """Looks for the board.

        Args:
            gray: the image.
            mirrored: look for the back of a see-through board.

        Returns:
            None where the board is not seen, or too little of it.
        """
        found = self.roughly(gray, mirrored=mirrored)
        if found is None:
            return None
        points = self._refined(gray, found, mirrored=mirrored)
        if self._completion is None:
            return points
        tried = np.zeros(len(self._corners), bool)
        while points is not None:
            more = self._completion.neighbours(gray, points.pixels, tried)
            if more is None:
                break
            again = self._refined(gray, more, mirrored=mirrored)
            if again is None or again.seen.sum() <= points.seen.sum():
                break
            points = again
        return points

    def roughly(
        self, gray: UInt8[np.ndarray, "rows columns"], *, mirrored: bool = False
    ) -> Float[np.ndarray, "points 2"] | None:
        """What OpenCV alone finds, NaN where it finds nothing; None without any point."""
        image = np.ascontiguousarray(gray[:, ::-1]) if mirrored else np.ascontiguousarray(gray)
        if self.target.inverted and self.target.kind != "chessboard":
            image = 255 - image
        if self.target.kind == "charuco":
            found = self._charuco(image)
        elif self.target.is_marker_grid:
            found = self._marker_grid(image)
        else:
            found = self._chessboard(image)
        if found is not None and mirrored:
            found[:, 0] = (gray.shape[1] - 1) - found[:, 0]
        return found

    def _charuco(self, image: np.ndarray) -> np.ndarray | None:
        corners, ids, _, _ = self._detector.detectBoard(image)
        if ids is None or len(ids) < LEAST_POINTS:
            return None
        found = np.full((len(self._places), 2), np.nan)
        found[np.ravel(ids)] = np.reshape(corners, (-1, 2))
        return found

    def _marker_grid(self, image: np.ndarray) -> np.ndarray | None:
        corners, ids, _ = self._detector.detectMarkers(image)
        if ids is None:
            return None
        found = np.full((len(self._places) // 4, 4, 2), np.nan)
        for number, four in zip(np.ravel(ids) - self.target.first_marker, corners, strict=True):
            if 0 <= number < len(found):
                # A number that is seen twice is not to be trusted.
                twice = np.isfinite(found[number]).any()
                found[number] = np.inf if twice else np.reshape(four, (4, 2))
        found[~np.isfinite(found)] = np.nan
        points = np.empty((len(self._places), 2))
        points[self._corners] = found
        return points

    def _chessboard(self, image: np.ndarray) -> np.ndarray | None:
        import cv2

        shape = self.target.shape
        flags = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_ADAPTIVE_THRESH
        if not self._thorough:
            flags |= cv2.CALIB_CB_FAST_CHECK
        ok, corners = cv2.findChessboardCorners(image, shape, flags=flags)
        if not ok and self._thorough:
            # Finds less on small boards, but more where a square is cut off by the image.
            ok, corners = cv2.findChessboardCornersSB(
                image, shape, flags=cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_EXHAUSTIVE
            )
        if not ok:
            return None
        return self._in_order(image, np.reshape(corners, (-1, 2)).astype(np.float64))

    def _in_order(self, image: np.ndarray, corners: np.ndarray) -> np.ndarray:
        """Corners numbered so that the board is seen from its front and, where its colours tell,
        the outer square beside the first one is dark."""
        nx, ny = self.target.shape
        grid = corners.reshape(ny, nx, 2)
        if _turn(grid[0, -1] - grid[0, 0], grid[-1, 0] - grid[0, 0]) < 0:
            grid = grid[:, ::-1]
        turned = [np.rot90(grid, k) for k in range(4) if np.rot90(grid, k).shape == grid.shape]
        errors = [self._wrong_colors(image, each.reshape(-1, 2)) for each in turned]
        return turned[int(np.argmin(errors))].reshape(-1, 2).copy()

    def _wrong_colors(self, image: np.ndarray, corners: np.ndarray) -> float:
        nx, ny = self.target.shape
        grid = corners.reshape(ny, nx, 2)
        middle = 0.25 * (grid[:-1, :-1] + grid[1:, :-1] + grid[:-1, 1:] + grid[1:, 1:])
        x, y = np.rint(middle).astype(int).reshape(-1, 2).T
        height, width = image.shape
        light = image[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)].astype(float)
        sign = self._light.reshape(ny, nx)[:-1, :-1].ravel()
        return -float(np.sum(sign * (light - light.mean())))

    def _refined(
        self, gray: np.ndarray, found: np.ndarray, *, mirrored: bool
    ) -> BoardPoints | None:
        keep = self._plausible(found, mirrored=mirrored)
        if keep is None:
            return None
        places, pixels = self._places[keep], found[keep]
        axes = np.full((len(found), 2, 2), np.nan)
        axes[keep] = local_axes(places, pixels)
        fit = fit_corners(gray, found, inward_axes(self.target, axes), self._window)
        right = np.sign(fit.contrast) == self._light
        judged = keep & np.isfinite(fit.contrast)
        if judged.sum() < LEAST_POINTS or right[judged].mean() < RIGHT_COLORS:
            return None
        ok = fit.ok & right
        refined = np.where(ok[:, None], fit.pixels, np.nan)
        last = self._plausible(refined, mirrored=mirrored)
        if last is None:
            return None
        last &= ~self._drifted(refined, last)
        return BoardPoints(
            np.where(last[:, None], refined, np.nan),
            np.where(last, np.hypot(fit.sigma_px, SIGMA_FLOOR_PX), np.nan),
            mirrored,
            float(1.0 / np.hypot(LEAST_BLUR_PX, np.median(fit.blur_px[last]))),
        )

    def _plausible(self, found: np.ndarray, *, mirrored: bool) -> np.ndarray | None:
        """Which points lie as on a flat board seen from the assumed side; None if too few."""
        import cv2

        seen = np.flatnonzero(np.isfinite(found).all(axis=-1))
        if len(seen) < LEAST_POINTS or _collinear(self._places[seen]):
            return None
        places, pixels = self._places[seen], found[seen]
        axes = local_axes(places, pixels)
        square = float(np.median(np.sqrt(np.abs(_turn(axes[:, 0], axes[:, 1])))))
        limit = max(OUTLIER_PX, OUTLIER_SQUARES * square)
        _, inside = homography(places, pixels, limit)
        if inside is None or inside.mean() < 0.5:
            # One row and a point beside it leave a homography undetermined.
            affine: Any = cv2.estimateAffine2D(places, pixels, None, cv2.RANSAC, 2 * limit)
            inside = np.ravel(affine[1]) > 0
        if np.mean(inside) < IN_PLACE:
            return None
        seen = seen[inside]
        if len(seen) < LEAST_POINTS or _collinear(self._places[seen]):
            return None
        axes = local_axes(self._places[seen], found[seen])
        turn = _turn(axes[:, 0], axes[:, 1])
        if np.mean((turn < 0) == mirrored) < 0.9:
            return None
        keep = np.zeros(len(found), bool)
        keep[seen] = True
        return keep

    def _drifted(self, pixels: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """Corners that the fit carried onto something else, as the refined others tell."""
        import cv2

        numbers = np.flatnonzero(seen)
        drifted = np.zeros(len(pixels), bool)
        if len(numbers) < LEAST_TO_JUDGE:
            return drifted
        places, found = self._places[numbers], pixels[numbers]
        H, _ = homography(places, found)
        if H is None:
            return drifted
        away = found - cv2.perspectiveTransform(places[:, None], H)[:, 0]
        # A lens bends the board: what neighbours share is no drift.
        away = np.linalg.norm(away - smooth_part(places, away), axis=-1)
        drifted[numbers] = away > max(DRIFT_PX, DRIFT_MEDIANS * float(np.median(away)))
        return drifted


def _turn(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _collinear(places: np.ndarray) -> bool:
    spread = np.linalg.svd(places - places.mean(axis=0), compute_uv=False)
    return bool(spread[1] < 0.1)
