"""Pixels by what they are of and when: how errors go together over time and keypoints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from calibration.people.measurements import Measurements
from mocap.arrays import Float, Int

OWN_LAGS_S = (0.0, 0.05, 0.15, 0.35, 0.7, 1.4, np.inf)
"""Upper ends of the classes of time between two pixels of the same keypoint."""
SHARED_LAGS_S = (0.0, 0.15, 0.5, 1.4, np.inf)
"""The same for different keypoints of a person."""


@dataclass(frozen=True)
class ErrorKind:
    """Errors of one kind.

    Attributes:
        memory_s: correlations fall to 1/e in this time; 0 for errors that are new at each instant,
            infinite for constant ones.
        of: whose they are: of each keypoint of each camera, or of whole persons in each camera.
    """

    memory_s: float
    of: Literal["keypoint", "person"]


class TrackTable:
    """Pixels by camera, person and keypoint (one track), and instant."""

    def __init__(self, m: Measurements) -> None:
        person, keypoint = m.point_person[m.point], m.point_keypoint[m.point]
        owner, track = m.camera * (int(person.max()) + 1) + person, keypoint
        name = owner * (int(keypoint.max()) + 1) + track
        names, self.track = np.unique(name, return_inverse=True)
        owners, number = np.unique(names // (int(keypoint.max()) + 1), return_inverse=True)
        self.owner: Int[np.ndarray, " tracks"] = number
        self.owners = len(owners)
        self.instant = m.point_instant[m.point]
        self.tracks, self.instants = len(names), len(m.instants_s)
        lag = np.abs(m.instants_s[:, None] - m.instants_s[None, :])
        self.lag = lag
        self._own_class = np.searchsorted(np.array(OWN_LAGS_S) + 1e-6, lag)
        self._shared_class = np.searchsorted(np.array(SHARED_LAGS_S) + 1e-6, lag)

    def filled(self, rows: Float[np.ndarray, "n 2 *more"]) -> np.ndarray:
        """Rows as (tracks, instants, 2, ...); 0 where there is no pixel."""
        table = np.zeros((self.tracks, self.instants, *rows.shape[1:]))
        table[self.track, self.instant] = rows
        return table

    def moments(self, residual: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " moments"]:
        """Sums of products of residuals, by how far apart in time they are: of the same keypoint,
        and of different ones of the same person in the same camera."""
        table = self.filled(residual)
        own = np.moveaxis(table, 1, 0).reshape(self.instants, -1)
        whole = np.moveaxis(self._by_owner(table), 1, 0).reshape(self.instants, -1)
        own = own @ own.T
        other = whole @ whole.T - own
        return np.concatenate(
            [
                np.bincount(self._own_class.ravel(), own.ravel(), len(OWN_LAGS_S)),
                np.bincount(self._shared_class.ravel(), other.ravel(), len(SHARED_LAGS_S)),
            ]
        )

    def persistence(
        self, residual: Float[np.ndarray, "n 2"]
    ) -> Float[np.ndarray, "instants instants"]:
        """Correlation of the residuals of the same keypoint between instants, 0 to 1."""
        ones = np.zeros((len(self.track), 2))
        ones[:, 0] = 1.0
        classes = len(OWN_LAGS_S)
        mean = self.moments(residual)[:classes] / np.maximum(self.moments(ones)[:classes], 1.0)
        return np.clip(mean / max(float(mean[0]), 1e-300), 0.0, 1.0)[self._own_class]

    def draws(
        self, kind: ErrorKind, count: int, rng: np.random.Generator
    ) -> Iterator[Float[np.ndarray, "n 2"]]:
        """Errors of unit variance, so many times."""
        values, vectors = np.linalg.eigh(self._correlation(kind))
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        whose = self.tracks if kind.of == "keypoint" else self.owners
        for _ in range(count):
            table = root @ rng.standard_normal((whose, self.instants, 2))
            if kind.of == "person":
                table = table[self.owner]
            yield table[self.track, self.instant]

    def propagated(self, gain: np.ndarray, kind: ErrorKind) -> Float[np.ndarray, "rig rig"]:
        """Covariance of the unknowns from errors of unit variance, by a table of gains."""
        table = gain if kind.of == "keypoint" else self._by_owner(gain)
        table = np.moveaxis(table, 2, 1).reshape(-1, self.instants, gain.shape[-1])
        if np.isinf(kind.memory_s):
            total = table.sum(axis=1)
            return total.T @ total
        other = table if kind.memory_s == 0 else self._correlation(kind) @ table
        rig = gain.shape[-1]
        return table.reshape(-1, rig).T @ other.reshape(-1, rig)

    def _correlation(self, kind: ErrorKind) -> Float[np.ndarray, "instants instants"]:
        """Of an error between instants."""
        if kind.memory_s == 0:
            return np.eye(self.instants)
        if np.isinf(kind.memory_s):
            return np.ones_like(self.lag)
        return np.exp(-self.lag / kind.memory_s)

    def _by_owner(self, table: np.ndarray) -> np.ndarray:
        """Sums over the keypoints of each person in each camera."""
        total = np.zeros((self.owners, *table.shape[1:]))
        np.add.at(total, self.owner, table)
        return total
