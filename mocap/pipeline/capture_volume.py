"""The part of the room in which people are captured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float
from mocap.errors import InputError


@dataclass(frozen=True)
class CaptureVolume:
    """A box with upright walls, an area of any outline, or where both overlap.

    Attributes:
        low_m: lowest x, y, z; minus infinity where there is no limit.
        high_m: highest x, y, z.
        corners_m: of the area's outline, in order; None for no outline.
    """

    low_m: Float[np.ndarray, " 3"]
    high_m: Float[np.ndarray, " 3"]
    corners_m: Float[np.ndarray, "corners 2"] | None = None

    @classmethod
    def of(
        cls, box: Sequence[float], corners: Sequence[tuple[float, float]]
    ) -> CaptureVolume | None:
        """The volume of a configuration; None if it states none.

        Args:
            box: X0 X1 Y0 Y1, or X0 X1 Y0 Y1 Z0 Z1, metres.
            corners: of the outline, metres.

        Raises:
            InputError: it is empty, or the numbers do not describe a volume.
        """
        if not box and not corners:
            return None
        if box and len(box) not in (4, 6):
            raise InputError(
                f"--volume takes 4 or 6 numbers (X0 X1 Y0 Y1 [Z0 Z1], metres), got {len(box)}"
            )
        numbers = (*box, *(value for corner in corners for value in corner))
        if not all(math.isfinite(value) for value in numbers):
            raise InputError("the capture volume has a number that is not finite; use metres")
        low, high = np.full(3, -np.inf), np.full(3, np.inf)
        for axis in range(len(box) // 2):
            low[axis], high[axis] = box[2 * axis], box[2 * axis + 1]
            if not low[axis] < high[axis]:
                name = "XYZ"[axis]
                raise InputError(
                    f"--volume is empty: {name}0 is {low[axis]:g} and {name}1 is {high[axis]:g} m; "
                    f"give the smaller one first"
                )
        outline = np.array(corners, float).reshape(-1, 2) if corners else None
        if outline is not None:
            _check_outline(outline)
        return cls(low, high, outline)

    def depth_m(self, point_m: Float[np.ndarray, " 3"]) -> float:
        """How far inside a point is, metres: the distance to the nearest wall.

        Returns:
            Negative outside: there minus the distance to the volume's furthest wall that the point
            is beyond.
        """
        depth = float(np.minimum(point_m - self.low_m, self.high_m - point_m).min())
        if self.corners_m is None:
            return depth
        return min(depth, _depth_in_outline(self.corners_m, point_m[:2]))


def _check_outline(corners: np.ndarray) -> None:
    if len(corners) < 3:
        raise InputError(
            f"--volume-corners takes three or more corners (X Y X Y X Y ..., metres), got "
            f"{len(corners)}"
        )
    following = np.roll(corners, -1, axis=0)
    area = 0.5 * float((corners[:, 0] * following[:, 1] - following[:, 0] * corners[:, 1]).sum())
    n = len(corners)
    for i in range(n):
        for j in range(i + 2, n):
            if (i, j) != (0, n - 1) and _cross(corners, following, i, j):
                raise InputError(
                    f"--volume-corners: the sides from corner {i + 1} and from corner {j + 1} "
                    f"cross; give the corners in order around the area"
                )
    if abs(area) < 1e-6:
        raise InputError(
            "--volume-corners enclose no area; give the corners in order around it, in metres"
        )


def _cross(start: np.ndarray, end: np.ndarray, i: int, j: int) -> bool:
    def side(a: np.ndarray, b: np.ndarray, p: np.ndarray) -> float:
        return float(np.sign((b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])))

    return (
        side(start[i], end[i], start[j]) * side(start[i], end[i], end[j]) < 0
        and side(start[j], end[j], start[i]) * side(start[j], end[j], end[i]) < 0
    )


def _depth_in_outline(corners: np.ndarray, point: np.ndarray) -> float:
    """Distance to the outline, negative outside of it."""
    following = np.roll(corners, -1, axis=0)
    side = following - corners
    offset = point - corners
    share = (offset * side).sum(axis=1) / np.maximum((side**2).sum(axis=1), 1e-12)
    gap = offset - np.clip(share, 0.0, 1.0)[:, None] * side
    distance = float(np.sqrt((gap**2).sum(axis=1)).min())
    # A ray along x meets the outline an odd number of times from inside.
    between = (corners[:, 1] > point[1]) != (following[:, 1] > point[1])
    height = np.where(side[:, 1] == 0, 1.0, side[:, 1])
    at_x = corners[:, 0] + (point[1] - corners[:, 1]) / height * side[:, 0]
    inside = (between & (point[0] < at_x)).sum() % 2 == 1
    return distance if inside else -distance
