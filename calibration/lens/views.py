"""The views of a board from which a lens is found, as flat arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from calibration.sightings import CameraSightings
from mocap.arrays import Bool, Float, Int
from mocap.model import Target

MIN_POINTS = 6
"""Fewer points leave the pose of a view, let alone the lens, to chance."""
MIN_SPREAD = 0.02
"""Smallest ratio of a view's points' extents across and along, below which they are a line."""


@dataclass(frozen=True)
class BoardViews:
    """Points of a flat board in several images of one camera, sorted by view.

    Attributes:
        size: width and height of the image.
        board_m: each point in the board's frame.
        pixels: where it was seen.
        sigma_px: standard deviation of each coordinate.
        view: number of its view, from 0 without gaps.
        point: number of the target's point.
        source: for each view its index in the sightings.
    """

    size: tuple[int, int]
    board_m: Float[np.ndarray, "n 3"]
    pixels: Float[np.ndarray, "n 2"]
    sigma_px: Float[np.ndarray, " n"]
    view: Int[np.ndarray, " n"]
    point: Int[np.ndarray, " n"]
    source: Int[np.ndarray, " views"]

    def __len__(self) -> int:
        return len(self.source)

    @property
    def first(self) -> Int[np.ndarray, " views"]:
        """Index of each view's first point."""
        return np.searchsorted(self.view, np.arange(len(self)))

    @property
    def count(self) -> Int[np.ndarray, " views"]:
        """Number of points of each view."""
        return np.bincount(self.view, minlength=len(self))

    @classmethod
    def of(cls, sightings: CameraSightings, target: Target) -> BoardViews:
        """The usable views: with at least `MIN_POINTS` points which are not on one line. Their
        standard deviations are relative ones, 1 for a usual point."""
        seen = sightings.seen & (sightings.sigma_px > 0)
        view, point = np.nonzero(seen)
        sigma = sightings.sigma_px[view, point]
        return cls(
            sightings.image_size,
            np.asarray(target.points_m)[point],
            sightings.pixels[view, point],
            sigma / np.median(sigma) if len(sigma) else sigma,
            view,
            point,
            np.arange(len(sightings)),
        ).kept(np.ones(len(view), bool))

    def kept(self, keep: Bool[np.ndarray, " n"]) -> BoardViews:
        """Only some of the points, and of the views those that are still usable."""
        usable = np.zeros(len(self), bool)
        for v in range(len(self)):
            usable[v] = _spread_out(self.board_m[keep & (self.view == v), :2])
        keep = keep & usable[self.view]
        number = np.cumsum(usable) - 1
        return BoardViews(
            self.size,
            self.board_m[keep],
            self.pixels[keep],
            self.sigma_px[keep],
            number[self.view[keep]],
            self.point[keep],
            self.source[usable],
        )

    def chosen(self, views: Int[np.ndarray, " chosen"]) -> BoardViews:
        """Only some of the views, by ascending number."""
        return self.kept(np.isin(self.view, views))

    def with_sigma(self, sigma_px: Float[np.ndarray, " n"]) -> BoardViews:
        """The same with other standard deviations."""
        return replace(self, sigma_px=sigma_px)


def _spread_out(points: Float[np.ndarray, "n 2"]) -> bool:
    if len(points) < MIN_POINTS:
        return False
    extents = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return bool(extents[1] > MIN_SPREAD * extents[0])
