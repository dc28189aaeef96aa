"""People who were lost: remembered for a while, and known again when they come back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float
from mocap.model.config import TrackingConfig

_NEAR_M = 0.5
_SURE_COUNT = 8.0
_FIRST_LOOK = 0.08


@dataclass(frozen=True)
class Sleeper:
    """Somebody who was lost.

    Attributes:
        person_id: the id.
        time_s: when last seen.
        center_m: where last seen.
        length_m: the lengths learnt of the links of the body.
        count: how often each length was measured.
    """

    person_id: int
    time_s: float
    center_m: Float[np.ndarray, " 3"]
    length_m: Float[np.ndarray, " links"]
    count: Float[np.ndarray, " links"]


def returning(
    sleepers: Sequence[Sleeper],
    center_m: Float[np.ndarray, " 3"],
    length_m: Float[np.ndarray, " links"],
    count: Float[np.ndarray, " links"],
    time_s: float,
    config: TrackingConfig,
) -> Sleeper | None:
    """Which of the sleepers somebody who has just appeared is; None for a new person.

    Whoever could not have got here is out, then whoever has other bones; the nearest is taken.

    Args:
        sleepers: the candidates.
        center_m: where somebody appeared.
        length_m: lengths of the links, from one look.
        count: which lengths were measured at all (above 0).
        time_s: now.
        config: limits.
    """
    best, best_distance = None, np.inf
    for sleeper in sleepers:
        distance = float(np.linalg.norm(center_m - sleeper.center_m))
        reach = _NEAR_M + config.sleep_speed_m_s * (time_s - sleeper.time_s)
        common = (count > 0) & (sleeper.count >= _SURE_COUNT)
        if not distance <= min(reach, best_distance):
            continue
        if common.any():
            other = np.abs(length_m[common] / sleeper.length_m[common] - 1)
            # One look at a person measures lengths no better than this.
            if float(np.median(other)) > max(config.sleep_ratio, _FIRST_LOOK):
                continue
        best, best_distance = sleeper, distance
    return best
