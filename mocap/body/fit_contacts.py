"""When feet stand: a sole point that is low and hardly moves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import pdist

from mocap.arrays import Bool, Float

SLOW_M_S = 0.2
"""A sole point slower than this may stand."""
_SPEED_OVER_S = 0.1
"""Time over which its speed is taken: from frame to frame noise alone looks like movement."""
LOW_M = 0.05
"""How far above its height on the floor it may be."""
STEADY_M = 0.005
"""A contact begins and ends no farther than this from its middle."""
SHORTEST_S = 0.08
"""A contact is at least this long."""
_FLOOR_PERCENTILE = 5.0
_MOST_POINTS = 1000
FLOOR_TOLERANCE_M = 0.06
"""The floor is taken to be z = 0 when the feet's lowest points agree within this."""


class Contact(NamedTuple):
    """One contact of a sole point with the floor.

    Attributes:
        point: index of the sole point.
        first: index of its first frame.
        last: index of its last frame.
        slide_m: largest distance between two of its positions.
    """

    point: int
    first: int
    last: int
    slide_m: float


def find_floor(
    soles_m: Float[np.ndarray, "frames soles 3"], height_m: Float[np.ndarray, " soles"]
) -> float:
    """Height of the floor under feet that stand now and then; NaN without feet."""
    if not soles_m.size:
        return float("nan")
    return float(np.nanpercentile(soles_m[..., 2] - height_m, _FLOOR_PERCENTILE))


def find_standing(
    soles_m: Float[np.ndarray, "frames soles 3"],
    height_m: Float[np.ndarray, " soles"],
    time_s: Float[np.ndarray, " frames"],
    floor_m: float,
    known: Bool[np.ndarray, "frames soles"],
) -> Bool[np.ndarray, "intervals soles"]:
    """Between which frames a sole point stands still.

    Args:
        soles_m: positions of the sole points.
        height_m: their heights when the foot stands.
        time_s: times of the frames.
        floor_m: height of the floor.
        known: whether the point was measured in the frame.

    Returns:
        One row less than there are frames.
    """
    frames, soles = soles_m.shape[:2]
    if frames < 2:
        return np.zeros((0, soles), bool)
    step = np.diff(time_s)
    reach = max(1, round(0.5 * _SPEED_OVER_S / float(np.median(step))))
    ahead = np.minimum(np.arange(1, frames) + reach - 1, frames - 1)
    behind = np.maximum(np.arange(frames - 1) - reach + 1, 0)
    way = np.linalg.norm(soles_m[ahead] - soles_m[behind], axis=2)
    speed = way / (time_s[ahead] - time_s[behind])[:, None]
    low = soles_m[..., 2] - height_m - floor_m < LOW_M
    standing = (speed < SLOW_M_S) & low[1:] & low[:-1] & known[1:] & known[:-1]
    shortest = max(2, round(SHORTEST_S / float(np.median(step))))
    for s in range(soles):
        for start, stop in _runs(standing[:, s]):
            if stop - start < shortest:
                standing[start:stop, s] = False
            else:
                # At its ends a contact is half flight.
                trim = max(1, min(reach // 2, (stop - start) // 4))
                standing[start : start + trim, s] = False
                standing[stop - trim : stop, s] = False
                _keep_steady(standing[:, s], soles_m[:, s], start + trim, stop - trim)
    return standing


def contacts_of(
    standing: Bool[np.ndarray, "intervals soles"], soles_m: Float[np.ndarray, "frames soles 3"]
) -> tuple[Contact, ...]:
    """The contacts, with how far the point slides in each."""
    found: list[Contact] = []
    for s in range(standing.shape[1]):
        for start, stop in _runs(standing[:, s]):
            path = soles_m[start : stop + 1, s]
            found.append(Contact(s, start, stop, _spread(path)))
    return tuple(found)


def _keep_steady(standing: np.ndarray, path: np.ndarray, start: int, stop: int) -> None:
    """Takes the ends of a contact away in which the foot still rolls or settles slowly."""
    first, last = start, stop
    while last > first:
        middle = np.median(path[first : last + 1], axis=0)
        ends = np.linalg.norm(path[[first, last]] - middle, axis=1)
        if ends.max() <= STEADY_M:
            break
        if ends[0] >= ends[1]:
            first += 1
        else:
            last -= 1
    standing[start:first] = False
    standing[last:stop] = False


def anchors_of(
    standing: Bool[np.ndarray, "intervals soles"], soles_m: Float[np.ndarray, "frames soles 3"]
) -> tuple[Float[np.ndarray, "frames soles 3"], Bool[np.ndarray, "frames soles"]]:
    """Where sole points stand: the median place of each contact, and in which frames."""
    anchor = np.zeros_like(soles_m)
    held = np.zeros(soles_m.shape[:2], bool)
    for s in range(standing.shape[1]):
        for start, stop in _runs(standing[:, s]):
            anchor[start : stop + 1, s] = np.median(soles_m[start : stop + 1, s], axis=0)
            held[start : stop + 1, s] = True
    return anchor, held


def _spread(path: np.ndarray) -> float:
    """Largest distance between two points of a path; of a very long one, of a part of them."""
    some = path[:: max(1, len(path) // _MOST_POINTS)]
    return float(pdist(some).max()) if len(some) > 1 else 0.0


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
