"""What is found out about the clocks of cameras: for a pair, and for a whole rig.

The sign is that of `mocap.model.Camera.time_offset_s` everywhere: a lag or offset is positive when
the camera is late. What the first (or reference) camera shows at its time t, the other shows at
its own time t (1 + drift) + lag.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mocap.arrays import Float, frozen_array

LagMethod = Literal["motion", "epipolar", "board", "audio", "flash"]
"""How a lag was found."""


@dataclass(frozen=True)
class PairLag:
    """How much later the second camera of a pair shows an event than the first.

    Attributes:
        first: name of the camera that the lag counts from.
        second: name of the other.
        method: how it was found.
        lag_s: positive when the second is late; NaN where refused. With a drift, the lag at the
            zero of the first camera's clock.
        sigma_s: standard deviation of the lag.
        confidence: probability that no other lag is the true one, 0 to 1.
        overlap_s: how long both cameras saw something usable.
        rivals_s: other lags that explain the data about as well, best first. Of a refused pair,
            the best one stands first among them.
        drift_ppm: how much faster the second camera's clock runs; NaN where not solved.
        drift_sigma_ppm: its standard deviation.
        refused: why there is no lag, in words; None where there is one.
        notes: what the user should read.
    """

    first: str
    second: str
    method: LagMethod
    lag_s: float
    sigma_s: float
    confidence: float
    overlap_s: float = 0.0
    rivals_s: tuple[float, ...] = ()
    drift_ppm: float = math.nan
    drift_sigma_ppm: float = math.nan
    refused: str | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.refused is None and not (math.isfinite(self.lag_s) and self.sigma_s > 0):
            raise ValueError(
                f"lag of {self.first!r} and {self.second!r} is {self.lag_s} +- {self.sigma_s}, "
                f"expected a finite lag and a positive standard deviation"
            )
        if not 0 <= self.confidence <= 1:
            raise ValueError(f"confidence is {self.confidence}, expected 0 to 1")

    @property
    def accepted(self) -> bool:
        """Whether there is a lag."""
        return self.refused is None

    def reversed(self) -> PairLag:
        """The same, counted from the second camera."""
        rate = 1.0 if math.isnan(self.drift_ppm) else 1 + 1e-6 * self.drift_ppm
        return replace(
            self,
            first=self.second,
            second=self.first,
            lag_s=-self.lag_s / rate,
            rivals_s=tuple(-lag / rate for lag in self.rivals_s),
            drift_ppm=1e6 * (1 / rate - 1) if not math.isnan(self.drift_ppm) else math.nan,
        )


def refusal(
    first: str,
    second: str,
    method: LagMethod,
    reason: str,
    *,
    confidence: float = 0.0,
    overlap_s: float = 0.0,
    rivals_s: tuple[float, ...] = (),
    notes: tuple[str, ...] = (),
) -> PairLag:
    """The result for a pair whose lag cannot be told."""
    return PairLag(
        *(first, second, method, math.nan, math.nan, confidence, overlap_s, rivals_s),
        refused=reason,
        notes=notes,
    )


@dataclass(frozen=True)
class RigOffsets:
    """One time offset per camera.

    Attributes:
        names: of the cameras; the first is the reference.
        offsets_s: as `mocap.model.Camera.time_offset_s`, relative to the first camera, which has
            0; NaN where unknown.
        sigma_s: standard deviations; 0 for the first.
        confidence: per camera, probability that its offset is the true one and not another lag;
            0 where unknown.
        drift_ppm: how much faster each clock runs than the first camera's; NaN where not solved.
        method: per camera, what its offset rests on, such as "audio" or "motion + epipolar";
            empty for the first and where unknown.
        refused: per camera, why it has no offset; None where it has one.
        used: the pairs that the offsets rest on.
        dropped: pairs that contradict the others, and are not used.
        notes: what the user should read.
    """

    names: tuple[str, ...]
    offsets_s: Float[np.ndarray, " cameras"]
    sigma_s: Float[np.ndarray, " cameras"]
    confidence: Float[np.ndarray, " cameras"]
    drift_ppm: Float[np.ndarray, " cameras"]
    method: tuple[str, ...]
    refused: tuple[str | None, ...]
    used: tuple[PairLag, ...] = ()
    dropped: tuple[PairLag, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.names)
        for name in ("offsets_s", "sigma_s", "confidence", "drift_ppm"):
            array = frozen_array(getattr(self, name), np.float64, (n,), name)
            object.__setattr__(self, name, array)

    @property
    def complete(self) -> bool:
        """Whether every camera has an offset."""
        return all(reason is None for reason in self.refused)
