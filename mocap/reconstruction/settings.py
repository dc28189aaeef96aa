"""What is known about the noise of 2D keypoints, and how robust triangulation is set up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float
from mocap.model import Skeleton


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


@dataclass(frozen=True)
class TriangulationConfig:
    """How 2D keypoints become 3D.

    The noise of a 2D keypoint is stated as a length on the body, because detectors err in
    proportion to the size of the person in the image: a person twice as far is half as large and
    half as far off in pixels. `floor_px` is added to it.
    """

    min_confidence: float = 0.2
    """2D keypoints of lower confidence (0 to 1) are not used."""
    gate_sigmas: float = 4.0
    """A view further than this many standard deviations from the 3D point is left out."""
    cauchy_sigmas: float = 2.0
    """Distance, in standard deviations, at which the weight of a view has fallen to one half."""
    min_angle_deg: float = 2.0
    """At least two of the rays used must meet at no smaller angle."""
    sigma_body_m: float = 0.018
    """Standard deviation of body and foot keypoints, metres on the body."""
    sigma_detail_m: float = 0.009
    """Standard deviation of hand and face keypoints, metres on the body."""
    floor_px: float = 1.5
    """Standard deviation in pixels below which no detector gets."""
    max_pairs: int = 120
    """At most this many pairs of views are tried per keypoint, evenly taken from all."""
    prior_sigma_m: float = 0.03
    """Standard deviation of where a keypoint is expected from the frame before, at rest."""
    prior_speed_m_s: float = 3.0
    """How much that grows with the time since."""
    mirror_suspicion: float = 0.1
    """Mirrored views are looked for when the truncated error exceeds this share of its maximum."""
    mirror_ratio: float = 0.85
    """A view counts as mirrored when turning it lowers the truncated error to this share."""
    prior_dof: float = 4.0
    """Weight of the stated noise against the measured residuals in the covariance."""

    def sigma_m(self, skeleton: Skeleton) -> Float[np.ndarray, " keypoints"]:
        """Standard deviation of each keypoint in metres on the body."""
        body = {"body", "feet"}
        return np.array(
            [self.sigma_body_m if p in body else self.sigma_detail_m for p in skeleton.parts]
        )
