"""Time offsets of cameras that were not started together, from the poses of a moved board.

Two cameras that stand still see the board from two poses which always differ by the same motion;
seen at the wrong time from each other, they do not. The share of instants at which they agree,
counted over all lags, has one sharp peak, unless the board hardly moved or moved periodically.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from calibration.board.view_poses import view_poses
from calibration.board.views import frame_interval, view_table
from calibration.sightings import CameraSightings, Sightings
from calibration.timing.results import PairLag, refusal
from mocap.arrays import Float
from mocap.model import Intrinsics

AGREE_RAD = np.deg2rad(4.0)
AGREE_SHARE = 0.06
"""How far two relative poses may differ: in angle, and in place as a share of the distance."""
MIN_INSTANTS = 10
MIN_MOVED = 5.0
"""Least sum of the weights of agreeing instants; a board at rest has none."""
WEIGHT_FRAMES = 4
"""An instant counts in full if the board moves beyond the limits within so many frames."""
MOST_COARSE = 100
RIVAL_SHARE = 0.75
"""A second lag at which so large a share of the support agrees makes the first one doubtful."""
NEIGHBOUR_FRAMES = 4.0
_LONGEST_STEP = 1.7
_TRIALS, _COARSE_TRIALS = 24, 8


def board_lags(sightings: Sightings, lenses: Mapping[str, Intrinsics]) -> list[PairLag]:
    """Lags of all pairs of cameras that saw the board move.

    Args:
        sightings: of the board; footage with a frame rate.
        lenses: of all cameras, roughly right.
    """
    table = view_table(sightings)
    lens = [lenses[name] for name in sightings.names]
    poses = view_poses(sightings.target.points_m, table, lens)
    paths: list[_Path | None] = []
    for c, camera in enumerate(sightings.cameras):
        mine = (table.camera == c) & poses.found
        # Two poses that fit equally well, as of a small board far away, would mislead.
        clear = mine & (poses.rms_rad[:, 0] < 0.6 * poses.rms_rad[:, 1])
        paths.append(_Path.of(table.stamp_s[clear], poses.T_cam_target[clear, 0], camera))
    interval = frame_interval(table)
    return [
        _pair(sightings.names[a], sightings.names[b], paths[a], paths[b], interval)
        for a, b in combinations(range(len(sightings.cameras)), 2)
    ]


class _Path:
    """Poses of the board in one camera over its own time, interpolated where frames follow."""

    def __init__(self, time_s: np.ndarray, T_cam_target: np.ndarray, interval_s: float) -> None:
        self.time_s = time_s
        self.rotation = Rotation.from_matrix(T_cam_target[:, :3, :3])
        self.place = T_cam_target[:, :3, 3]
        self._slerp = Slerp(time_s, self.rotation)
        self._interval_s = interval_s
        self.weight = self._moved(WEIGHT_FRAMES * interval_s)

    @classmethod
    def of(
        cls, time_s: np.ndarray, T_cam_target: np.ndarray, camera: CameraSightings
    ) -> _Path | None:
        """None where there are too few views to follow."""
        if len(time_s) < MIN_INSTANTS or camera.nominal_fps is None:
            return None
        return cls(time_s, T_cam_target, 1.0 / camera.nominal_fps)

    def _moved(self, span_s: float) -> np.ndarray:
        """How much the board moves around each instant, 1 for as much as decides."""
        inside, rotation, place = self.at(self.time_s + span_s)
        back, rotation_back, place_back = self.at(self.time_s - span_s)
        distance = np.linalg.norm(self.place, axis=1)
        moved = np.zeros(len(self.time_s))
        for known, turned, shifted in (
            (inside, rotation, place),
            (back, rotation_back, place_back),
        ):
            angle = (turned * self.rotation.inv()).magnitude() / AGREE_RAD
            apart = np.linalg.norm(shifted - self.place, axis=1) / (AGREE_SHARE * distance)
            moved = np.maximum(moved, np.where(known, angle**2 + apart**2, 0.0))
        return np.minimum(moved, 1.0)

    def thinned(self) -> np.ndarray:
        """Instants that are enough for a first look: those with the most movement."""
        if len(self.time_s) <= MOST_COARSE:
            return np.arange(len(self.time_s))
        moving = np.flatnonzero(self.weight >= 0.5 * self.weight.max())
        step = max(1, len(moving) // MOST_COARSE)
        return moving[::step]

    def at(self, time_s: np.ndarray) -> tuple[np.ndarray, Rotation, np.ndarray]:
        """Which times lie between frames that follow each other, and the poses there."""
        after = np.clip(np.searchsorted(self.time_s, time_s, "right"), 1, len(self.time_s) - 1)
        start, end = self.time_s[after - 1], self.time_s[after]
        share = (time_s - start) / (end - start)
        inside = (time_s >= self.time_s[0]) & (time_s <= self.time_s[-1])
        inside &= (end - start <= _LONGEST_STEP * self._interval_s) | (share < 1e-6)
        place = self.place[after - 1] + share[:, None] * (self.place[after] - self.place[after - 1])
        return inside, self._slerp(np.clip(time_s, self.time_s[0], self.time_s[-1])), place


def _pair(first: str, second: str, a: _Path | None, b: _Path | None, interval_s: float) -> PairLag:
    if a is None or b is None:
        return refusal(first, second, "board", "one of them hardly saw the board")
    low, high = b.time_s[0] - a.time_s[-1], b.time_s[-1] - a.time_s[0]
    coarse = np.arange(low, high, interval_s, dtype=np.float64)
    thin = a.thinned()
    support = np.array([_support(a, b, lag, thin, _COARSE_TRIALS) for lag in coarse])
    if not len(support) or support.max() * len(a.time_s) < MIN_MOVED * len(thin):
        return refusal(
            first, second, "board", "no lag at which both saw the board move in the same way"
        )
    best = coarse[int(np.argmax(support))]
    fine = best + interval_s * np.arange(-1.5, 1.51, 0.1)
    everything = np.arange(len(a.time_s))
    values = np.array([_support(a, b, lag, everything, _TRIALS) for lag in fine])
    # The middle of the plateau: near its top the support changes little.
    near = values >= 0.97 * values.max()
    lag_s = float(np.average(fine[near], weights=values[near] ** 4))
    top = float(values.max())
    elsewhere = np.abs(coarse - lag_s) > NEIGHBOUR_FRAMES * interval_s
    peak = float(support.max())
    rivals = np.flatnonzero(elsewhere & (support > RIVAL_SHARE * peak))
    if len(rivals):
        others = tuple(float(lag) for lag in coarse[rivals[np.argsort(-support[rivals])]][:6])
        return refusal(
            first,
            second,
            "board",
            "several lags explain the movement of the board about equally well",
            rivals_s=(lag_s, *others),
        )
    second_best = float(support[elsewhere].max(initial=0.0)) / peak
    sigma_s = interval_s * (0.15 if top > 3 * MIN_INSTANTS else 0.4)
    return PairLag(
        first, second, "board", lag_s, sigma_s, 1.0 - 0.5 * second_best, top * interval_s
    )


def _support(a: _Path, b: _Path, lag_s: float, chosen: np.ndarray, trials: int) -> float:
    """How many of some instants, weighted by movement, agree on one relative pose."""
    inside, rotation, place = b.at(a.time_s[chosen] + lag_s)
    if inside.sum() < MIN_INSTANTS:
        return 0.0
    chosen = chosen[inside]
    place = place[inside]
    own, other = _rows(a.rotation, chosen), _rows(rotation, np.flatnonzero(inside))
    weight = a.weight[chosen]
    # T_a_b = T_a_board T_b_board^-1
    relative = own * other.inv()
    shift = a.place[chosen] - relative.apply(place)
    distance = np.linalg.norm(a.place[chosen], axis=1) + np.linalg.norm(place, axis=1)
    matrices = relative.as_matrix()
    best, members = -1.0, np.zeros(0, np.int64)
    for trial in np.unique(np.linspace(0, len(shift) - 1, trials).astype(int)):
        close = _closeness(matrices, shift, matrices[trial], shift[trial], distance)
        if weight @ close > best:
            best, members = float(weight @ close), np.flatnonzero(close > 0.3)
    if len(members) < 3:
        return max(best, 0.0)
    mean = _rows(relative, members).mean().as_matrix()
    close = _closeness(matrices, shift, mean, shift[members].mean(axis=0), distance)
    return max(best, float(weight @ close))


def _rows(rotation: Rotation, rows: np.ndarray) -> Rotation:
    return Rotation.from_quat(rotation.as_quat()[rows])


def _closeness(
    matrices: Float[np.ndarray, "n 3 3"],
    shift: Float[np.ndarray, "n 3"],
    matrix: Float[np.ndarray, "3 3"],
    place: Float[np.ndarray, " 3"],
    distance: Float[np.ndarray, " n"],
) -> Float[np.ndarray, " n"]:
    """1 for the same relative pose, falling to 0 at the limits."""
    cosine = 0.5 * (np.einsum("nij,ij->n", matrices, matrix) - 1)
    angle = np.arccos(np.clip(cosine, -1, 1)) / AGREE_RAD
    apart = np.linalg.norm(shift - place, axis=1) / (AGREE_SHARE * distance)
    return np.maximum(0.0, 1 - angle**2) * np.maximum(0.0, 1 - apart**2)
