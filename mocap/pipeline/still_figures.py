"""People who never move: posters and mannequins, which are found in 3D like anybody else.

Whoever is alive sways, even when standing still: the head by some millimetres to centimetres within
seconds, the hands more (quiet stance; Winter, 1995). A figure whose keypoints stay within
millimetres for many seconds is no living person, most likely; it is pointed out, never left out.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mocap.model import Motion

MIN_S = 5.0
WINDOW_S = 0.5
MAX_SWAY_M = 0.004
"""Root mean square distance of the keypoints from their mean places, averaged over `WINDOW_S`."""
MOVING_QUANTILE = 0.75
"""It is taken of this quantile of the keypoints: some are never seen well, some hang still."""
MAX_FLAT_M = 0.02
MIN_KEYPOINTS = 6


@dataclass(frozen=True)
class StillFigure:
    """A person who never moves.

    Attributes:
        person_id: the id.
        seconds: for how long it was seen.
        sway_m: how far its keypoints are from their mean places, root mean square.
        flat_m: how far they are from one plane, root mean square.
    """

    person_id: int
    seconds: float
    sway_m: float
    flat_m: float

    @property
    def is_flat(self) -> bool:
        """Whether it lies in a plane, as a picture does."""
        return self.flat_m <= MAX_FLAT_M

    def sentence(self) -> str:
        """The figure in words."""
        flat = " and lies in a plane" if self.is_flat else ""
        guess = "a poster" if self.is_flat else "a poster or a mannequin"
        return (
            f"person {self.person_id} never moves ({1000 * self.sway_m:.1f} mm in "
            f"{self.seconds:.0f} s){flat}: {guess}?"
        )

    def as_json(self) -> dict[str, Any]:
        """For the summary of a session."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> StillFigure:
        """The figure from the summary of a session."""
        return cls(**stored)


def still_figures(raw: Motion) -> list[StillFigure]:
    """Finds the people who never move, ordered by id.

    Args:
        raw: the people as triangulated.
    """
    body = list(raw.skeleton.indices("body", "feet"))
    made: list[StillFigure] = []
    for person_id in raw.person_ids:
        person = raw.person(person_id)
        seconds = float(person.time_s[-1] - person.time_s[0])
        if seconds < MIN_S:
            continue
        # What two views do not measure is a guess of the motion model, which never rests.
        measured = person.n_views[:, body] >= 2
        points = np.where(measured[..., None], person.points_m[:, body], np.nan)
        sway = _sway_m(points, person.time_s)
        if not sway <= MAX_SWAY_M:
            continue
        middle = np.array(
            [
                np.nanmedian(points[:, k], axis=0)
                for k in range(points.shape[1])
                if measured[:, k].any()
            ]
        )
        centred = middle - middle.mean(axis=0)
        flat = float(np.linalg.svd(centred, compute_uv=False)[-1] / np.sqrt(len(middle)))
        made.append(StillFigure(person_id, seconds, sway, flat))
    return made


def _sway_m(points: np.ndarray, time_s: np.ndarray) -> float:
    """Sway of (T, K, 3) positions; infinite where too little is known."""
    window = ((time_s - time_s[0]) / WINDOW_S).astype(int)
    windows = np.unique(window)
    means = np.full((len(windows), *points.shape[1:]), np.nan)
    for row, number in enumerate(windows):
        part = points[window == number]
        known = np.isfinite(part[..., 0])
        total = np.where(known[..., None], part, 0.0).sum(axis=0)
        often = known.sum(axis=0) >= 0.5 * len(part)
        means[row, often] = total[often] / known.sum(axis=0)[often, None]
    spread: list[float] = []
    for k in range(points.shape[1]):
        own = means[np.isfinite(means[:, k, 0]), k]
        if len(own) >= max(3, 0.5 * len(windows)):
            # A glance of the tracker at somebody else must not make a poster alive.
            offset = ((own - np.median(own, axis=0)) ** 2).sum(axis=1)
            spread.append(float(np.sqrt(np.sort(offset)[: max(1, round(0.95 * len(own)))].mean())))
    if len(spread) < MIN_KEYPOINTS:
        return float("inf")
    return float(np.quantile(spread, MOVING_QUANTILE))
