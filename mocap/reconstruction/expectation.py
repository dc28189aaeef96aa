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
        return np.nanmedian(self.points_m, axis=0)
