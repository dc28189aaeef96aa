"""How noisy each camera of the rig is, learnt from its residuals while a session runs.

A camera whose pose is off by one degree disagrees with the others by tens of pixels. Trusting it
like the others moves every point and hides which camera is at fault. Variance component
estimation (Helmert's, in the simplified form of Foerstner, 1979) compares each camera's squared
residuals with its redundancy, which is what they would sum up to if its noise were as stated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mocap.arrays import Float, Int
from mocap.model import Keypoints3D, ViewState

_LOWEST, _HIGHEST = 1.0, 4.0
ROBUST_SIGMAS2 = 16.0
MIN_VIEWS = 3
_LEAST_LEVEL = 0.1


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

    def updated(
        self,
        people: Sequence[tuple[Keypoints3D, Float[np.ndarray, "cameras keypoints"]]],
        confidence: Sequence[Float[np.ndarray, "cameras keypoints"]],
        keypoints: Int[np.ndarray, " chosen"],
        elapsed_s: float,
    ) -> CameraNoise:
        """Adds one frame.

        Args:
            people: 3D keypoints and the **stated** standard deviations in pixels (without
                `scale`).
            confidence: of the 2D keypoints of each person.
            keypoints: positions of the keypoints to learn from.
            elapsed_s: time since the frame before.
        """
        keep = float(np.exp(-max(elapsed_s, 0.0) / self.memory_s))
        squares, redundancy = self.squares * keep, self.redundancy * keep
        for (person, sigma_px), trust in zip(people, confidence, strict=True):
            chosen = keypoints[person.n_views[keypoints] >= MIN_VIEWS]
            if len(chosen) == 0:
                continue
            used = person.view_state[:, chosen] == ViewState.USED
            errors = np.where(used, person.residual_px[:, chosen] / sigma_px[:, chosen], 0.0) ** 2
            # Single wild keypoints are the detector's fault, not the camera's.
            robust = 1 / (1 + errors / self.scale[:, None] ** 2 / ROBUST_SIGMAS2)
            squares = squares + (robust * errors * trust[:, chosen] ** 2).sum(axis=1)
            redundancy = redundancy + person.redundancy[:, chosen].sum(axis=1)
        return replace(self, squares=squares, redundancy=redundancy)


@dataclass(frozen=True)
class NoiseLevel:
    """How noisy all views are together, and how much of it lasts.

    A single keypoint in two to four views says little about its own noise, so its covariance rests
    on what is known beforehand. The stated noise is a guess about a detector; that of the session
    so far is not (empirical Bayes). Unlike `CameraNoise.scale`, which compares cameras and decides
    how they are weighed, it decides nothing but the covariance that is told.

    Attributes:
        squares: squared residuals in units of the stated variance.
        expected: what they would be if the stated noise were right.
        products: of residuals with those of the frame before.
        equal: what they would be if residuals did not change.
        prior: weight of the assumptions that the stated noise is right and that half of it lasts.
        memory_s: the sums forget with this time constant, seconds.
    """

    squares: float = 0.0
    expected: float = 0.0
    products: float = 0.0
    equal: float = 0.0
    prior: float = 300.0
    memory_s: float = 10.0

    @property
    def value(self) -> float:
        """Variance of the noise by the stated one, within 0.1 to 10."""
        ratio = (self.squares + self.prior) / (self.expected + self.prior)
        return min(max(ratio, _LEAST_LEVEL), 1 / _LEAST_LEVEL)

    @property
    def lasting(self) -> float:
        """Share of that variance which is not new in every frame, 0 to 1."""
        share = (self.products + 0.5 * self.prior) / (self.equal + self.prior)
        return min(max(share, 0.0), 1.0)

    def added(self, sums: Float[np.ndarray, " 4"], elapsed_s: float) -> NoiseLevel:
        """Adds the sums of one frame; see `mocap.reconstruction.noise_kernels.judge_views`."""
        keep = float(np.exp(-max(elapsed_s, 0.0) / self.memory_s))
        old = (self.squares, self.expected, self.products, self.equal)
        squares, expected, products, equal = (
            keep * a + b for a, b in zip(old, sums.tolist(), strict=True)
        )
        return replace(self, squares=squares, expected=expected, products=products, equal=equal)
