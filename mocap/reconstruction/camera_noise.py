"""How noisy each camera of the rig is, learnt from its residuals while a session runs.

A camera whose pose is off by one degree disagrees with the others by tens of pixels. Trusting it
like the others moves every point and hides which camera is at fault. Variance component
estimation (Helmert's, in the simplified form of Foerstner, 1979) compares each camera's squared
residuals with its redundancy, which is what they would sum up to if its noise were as stated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from mocap.arrays import Float

_LOWEST, _HIGHEST = 1.0, 4.0
ROBUST_SIGMAS2 = 16.0
MIN_VIEWS = 3
_LEAST_LEVEL = 0.1
_LEAST_SLOPE = 0.3


@dataclass(frozen=True)
class CameraNoise:
    """Sums from which the noise of each camera follows.

    Attributes:
        squares: per camera, squared residuals in units of the stated variance.
        redundancy: per camera, what `squares` would be if the stated noise were right.
        prior_redundancy: weight of the assumption that it is.
        memory_s: the sums forget with this time constant, seconds.
    """

    squares: Float[np.ndarray, " cameras"]
    redundancy: Float[np.ndarray, " cameras"]
    prior_redundancy: float = 100.0
    memory_s: float = 10.0

    @classmethod
    def for_cameras(cls, cameras: int) -> CameraNoise:
        """Nothing learnt yet."""
        return cls(np.zeros(cameras), np.zeros(cameras))

    @property
    def scale(self) -> Float[np.ndarray, " cameras"]:
        """Standard deviation of each camera's noise by the stated one, within 1 to 4."""
        ratio = (self.squares + self.prior_redundancy) / (self.redundancy + self.prior_redundancy)
        return np.minimum(np.maximum(np.sqrt(ratio), _LOWEST), _HIGHEST)

    def added(
        self,
        squares: Float[np.ndarray, " cameras"],
        redundancy: Float[np.ndarray, " cameras"],
        elapsed_s: float,
    ) -> CameraNoise:
        """Adds the sums of one frame; see `mocap.reconstruction.report_kernels.learn_noise`."""
        keep = math.exp(-max(elapsed_s, 0.0) / self.memory_s)
        return CameraNoise(
            self.squares * keep + squares,
            self.redundancy * keep + redundancy,
            self.prior_redundancy,
            self.memory_s,
        )


@dataclass(frozen=True)
class NoiseLevel:
    """How noisy 2D keypoints are by their confidence, and how much of that lasts.

    A single keypoint in two to four views says little about its own noise, so its covariance rests
    on what is known beforehand. The stated noise is a guess about a detector; that of the session
    so far is not (empirical Bayes). Unlike `CameraNoise.scale`, which compares cameras and decides
    how they are weighed, it decides nothing but the covariance that is told. Variance components
    again: each class is compared with its redundancy under the weights that were found so far.

    Attributes:
        squares: per class of confidence, squared residuals in units of the stated variance.
        redundancy: per class, what `squares` would be if the stated noise were right.
        weight: per class, robust weights.
        slope: per class, how much the pull of views grows with their residuals. Wild views pull the
            less, the wilder they are, and so hold a point less than their weights say.
        stated_slope: what slope by weight would be if the stated noise were right.
        products: of residuals with those of the frame before.
        equal: what they would be if residuals did not change.
        prior: weight of the assumptions that the stated noise is right, that all classes are
            alike, and that half of the noise lasts.
        memory_s: the sums forget with this time constant, seconds.
    """

    squares: Float[np.ndarray, " classes"]
    redundancy: Float[np.ndarray, " classes"]
    weight: Float[np.ndarray, " classes"]
    slope: Float[np.ndarray, " classes"]
    stated_slope: float
    products: float = 0.0
    equal: float = 0.0
    prior: float = 300.0
    memory_s: float = 10.0

    @classmethod
    def of_classes(cls, classes: int, stated_slope: float) -> NoiseLevel:
        """Nothing learnt yet."""
        none = np.zeros(classes)
        return cls(none, none, none, none, stated_slope)

    @property
    def variance(self) -> Float[np.ndarray, " classes"]:
        """Variance of each class by the stated one, within 0.1 to 10."""
        common = (self.squares.sum() + self.prior) / (self.redundancy.sum() + self.prior)
        ratio = (self.squares + self.prior * common) / (self.redundancy + self.prior)
        slope = (self.slope + self.prior * self.stated_slope) / (self.weight + self.prior)
        ratio = ratio * (self.stated_slope / np.maximum(slope, _LEAST_SLOPE)) ** 2
        return np.clip(ratio, _LEAST_LEVEL, 1 / _LEAST_LEVEL)

    @property
    def lasting(self) -> float:
        """Share of that variance which is not new in every frame, 0 to 1."""
        share = (self.products + 0.5 * self.prior) / (self.equal + self.prior)
        return min(max(share, 0.0), 1.0)

    def added(
        self,
        sums: Float[np.ndarray, "4 classes"],
        repeated: Float[np.ndarray, " 2"],
        elapsed_s: float,
    ) -> NoiseLevel:
        """Adds the sums of one frame; see `mocap.reconstruction.noise_kernels.judge_views`."""
        keep = float(np.exp(-max(elapsed_s, 0.0) / self.memory_s))
        return replace(
            self,
            squares=self.squares * keep + sums[0],
            redundancy=self.redundancy * keep + sums[1],
            weight=self.weight * keep + sums[2],
            slope=self.slope * keep + sums[3],
            products=self.products * keep + float(repeated[0]),
            equal=self.equal * keep + float(repeated[1]),
        )
