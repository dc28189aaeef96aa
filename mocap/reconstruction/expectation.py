"""What is known of a person's keypoints before a frame is looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float


@dataclass(frozen=True)
class Expectation:
    """Where the keypoints of a person are expected.

    Attributes:
        points_m: expected positions; NaN for no expectation.
        sigma_m: their standard deviations.
    """

    points_m: Float[np.ndarray, "keypoints 3"]
    sigma_m: Float[np.ndarray, " keypoints"]

    @property
    def center_m(self) -> Float[np.ndarray, " 3"]:
        """Median of the expected positions."""
        return middle_of(self.points_m)


def middle_of(points_m: Float[np.ndarray, "keypoints 3"]) -> Float[np.ndarray, " 3"]:
    """Median of the positions that there are; NaN if there are none."""
    found = np.isfinite(points_m[:, 0])
    # np.nanmedian takes ten times as long.
    return np.median(points_m[found], axis=0) if found.any() else np.full(3, np.nan)
