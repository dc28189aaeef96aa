"""Rotated squares of an image: cut out for a network, and its answers brought back.

Landmark networks want their subject upright and filling the picture. A region says where in the
image that picture comes from. Angles turn from the image's x axis to its y axis, which looks
clockwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from mocap.arrays import Float, UInt8


@dataclass(frozen=True)
class Region:
    """A rotated square of an image.

    Attributes:
        x_px: of its centre.
        y_px: of its centre.
        side_px: length of a side.
        angle_rad: by which its own axes are turned against the image's.
    """

    x_px: float
    y_px: float
    side_px: float
    angle_rad: float = 0.0

    @classmethod
    def along(cls, centre_px: np.ndarray, end_px: np.ndarray, *, downward: bool = False) -> Region:
        """The square around `centre_px` of which `end_px` is the middle of the upper side.

        Args:
            centre_px: (2,)
            end_px: (2,)
            downward: it is the middle of the lower side.
        """
        dx, dy = (float(v) for v in end_px - centre_px)
        angle = math.atan2(-dx, dy) if downward else math.atan2(dx, -dy)
        return cls(float(centre_px[0]), float(centre_px[1]), 2.0 * math.hypot(dx, dy), angle)

    @classmethod
    def around(cls, points_px: Float[np.ndarray, "n 2"], angle_rad: float) -> Region:
        """The smallest square of a given angle that has all points inside, around their middle."""
        axes = _axes(angle_rad)
        local = points_px @ axes
        low, high = local.min(axis=0), local.max(axis=0)
        centre = axes @ ((low + high) / 2)
        return cls(float(centre[0]), float(centre[1]), float((high - low).max()), angle_rad)

    @property
    def centre_px(self) -> Float[np.ndarray, 2]:
        """Its centre."""
        return np.array([self.x_px, self.y_px])

    def scaled(self, factor: float, shift_down: float = 0.0) -> Region:
        """Enlarged about its centre, after the centre was moved.

        Args:
            factor: of the side.
            shift_down: of the centre, along the region's own y axis, in sides before scaling.
        """
        move = _axes(self.angle_rad) @ np.array([0.0, shift_down * self.side_px])
        return replace(
            self,
            x_px=self.x_px + float(move[0]),
            y_px=self.y_px + float(move[1]),
            side_px=self.side_px * factor,
        )

    def to_image(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Image pixels of points given in sides from the region's upper left corner."""
        return self.centre_px + (points - 0.5) * self.side_px @ _axes(self.angle_rad).T

    def is_usable(self) -> bool:
        """Whether it is finite and has an area."""
        values = (self.x_px, self.y_px, self.side_px, self.angle_rad)
        return all(math.isfinite(value) for value in values) and self.side_px >= 1.0

    def cut(
        self, image: UInt8[np.ndarray, "height width 3"], size: int, *, black_outside: bool = False
    ) -> UInt8[np.ndarray, "size size 3"]:
        """The region as an upright picture of `size` by `size` pixels.

        Args:
            image: to cut from.
            size: of the result.
            black_outside: what lies outside of the image is black, and otherwise continues the
                image's edge.
        """
        import cv2

        step = self.side_px / size
        matrix = np.empty((2, 3))
        matrix[:, :2] = _axes(self.angle_rad) * step
        # The centre of the first pixel of the result is half a step inside its corner.
        matrix[:, 2] = self.centre_px + matrix[:, :2] @ np.full(2, 0.5 - size / 2)
        border = cv2.BORDER_CONSTANT if black_outside else cv2.BORDER_REPLICATE
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(image, matrix, (size, size), flags=flags, borderMode=border)


def _axes(angle_rad: float) -> Float[np.ndarray, "2 2"]:
    """Columns: the x and y axis of a region in the image."""
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[c, -s], [s, c]])
