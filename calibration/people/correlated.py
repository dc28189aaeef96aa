"""What errors that belong together do to a rig that was adjusted as if all were independent.

The errors of a detector are of several kinds: new in every frame; lasting for tenths of a second;
constant, because a keypoint lies beside the place it is named for; and common to the whole person,
because boxes shift. Each kind blurs other unknowns: a constant error turns a camera and leaves its
time offset alone, a short one does both. So the variance of each kind is found, and carried to the
unknowns by itself, rather than one factor put on all.

The variances follow from how residuals go together over time and keypoints (the method of
moments for variance components; Rao, "Estimation of Variance and Covariance Components in Linear
Models", JASA 1972). What the adjustment has taken out of the residuals is accounted for by sending
simulated errors of each kind through the same projection. Residuals count by the influence of
their pixels on the rig: where the stated standard deviations are wrong from pixel to pixel, as
where a detector is no worse on a large person or at low confidence, the variances are then those
of the pixels that decide, which have too small a stated deviation and too large a weight.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import sparse
from scipy.optimize import nnls
from scipy.sparse.linalg import splu

from calibration.least_squares import Linearization
from calibration.people.measurements import Measurements
from mocap.arrays import Float, Int

_DRAWS = 6
_ROUNDS = 3
_CLIP = 4.0
"""In standard deviations: residuals beyond are wrong detections, which the robust loss handles. At
3 the tails of right ones, whose deviations differ from the stated, would be cut by a tenth."""
_OWN_LAGS_S = (0.0, 0.05, 0.15, 0.35, 0.7, 1.4, np.inf)
_SHARED_LAGS_S = (0.0, 0.15, 0.5, 1.4, np.inf)


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


KINDS = (
    ErrorKind(0.0, "keypoint"),
    ErrorKind(0.15, "keypoint"),
    ErrorKind(0.5, "keypoint"),
    ErrorKind(1.5, "keypoint"),
    ErrorKind(np.inf, "keypoint"),
    ErrorKind(0.0, "person"),
    ErrorKind(0.5, "person"),
)
"""A constant error of a whole person is no different from a turned camera and cannot be told."""


@dataclass(frozen=True)
class CorrelatedErrors:
    """What kinds of errors there are, and what they do.

    Attributes:
        variance: of each of `KINDS`, of whitened pixels.
        covariance: of the rig's unknowns.
        effect: by how much it is larger in the mean than if pixels were independent; at least 1.
    """

    variance: Float[np.ndarray, " kinds"]
    covariance: Float[np.ndarray, "rig rig"]
    effect: float


class _Table:
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
        self.own_bin = np.searchsorted(np.array(_OWN_LAGS_S) + 1e-6, lag)
        self.shared_bin = np.searchsorted(np.array(_SHARED_LAGS_S) + 1e-6, lag)

    def filled(self, rows: Float[np.ndarray, "n 2 *more"]) -> np.ndarray:
        """Rows as (tracks, instants, 2, ...); 0 where there is no pixel."""
        table = np.zeros((self.tracks, self.instants, *rows.shape[1:]))
        table[self.track, self.instant] = rows
        return table

    def by_owner(self, table: np.ndarray) -> np.ndarray:
        """Sums over the keypoints of each person in each camera."""
        total = np.zeros((self.owners, *table.shape[1:]))
        np.add.at(total, self.owner, table)
        return total

    def moments(self, residual: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " moments"]:
        """Sums of products of residuals, by how far apart in time they are: of the same keypoint,
        and of different ones of the same person in the same camera."""
        table = self.filled(residual)
        own = np.moveaxis(table, 1, 0).reshape(self.instants, -1)
        whole = np.moveaxis(self.by_owner(table), 1, 0).reshape(self.instants, -1)
        own = own @ own.T
        other = whole @ whole.T - own
        return np.concatenate(
            [
                np.bincount(self.own_bin.ravel(), own.ravel(), len(_OWN_LAGS_S)),
                np.bincount(self.shared_bin.ravel(), other.ravel(), len(_SHARED_LAGS_S)),
            ]
        )

    def correlation(self, kind: ErrorKind) -> Float[np.ndarray, "instants instants"]:
        """Of an error between instants."""
        if kind.memory_s == 0:
            return np.eye(self.instants)
        if np.isinf(kind.memory_s):
            return np.ones_like(self.lag)
        return np.exp(-self.lag / kind.memory_s)

    def draws(
        self, kind: ErrorKind, count: int, rng: np.random.Generator
    ) -> Iterator[Float[np.ndarray, "n 2"]]:
        """Errors of unit variance, so many times."""
        values, vectors = np.linalg.eigh(self.correlation(kind))
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        whose = self.tracks if kind.of == "keypoint" else self.owners
        for _ in range(count):
            table = root @ rng.standard_normal((whose, self.instants, 2))
            if kind.of == "person":
                table = table[self.owner]
            yield table[self.track, self.instant]

    def propagated(self, gain: np.ndarray, kind: ErrorKind) -> Float[np.ndarray, "rig rig"]:
        """Covariance of the unknowns from errors of unit variance, by a table of gains."""
        table = gain if kind.of == "keypoint" else self.by_owner(gain)
        table = np.moveaxis(table, 2, 1).reshape(-1, self.instants, gain.shape[-1])
        if np.isinf(kind.memory_s):
            total = table.sum(axis=1)
            return total.T @ total
        other = table if kind.memory_s == 0 else self.correlation(kind) @ table
        rig = gain.shape[-1]
        return table.reshape(-1, rig).T @ other.reshape(-1, rig)


def correlated_errors(
    linear: Linearization,
    weight: Float[np.ndarray, " measurements"],
    information: sparse.csc_matrix,
    rig: int,
    measurements: Measurements,
) -> CorrelatedErrors:
    """Finds the kinds of errors of an adjustment and what they do to the rig.

    Args:
        linear: at the solution; the pixels come first, two rows each.
        weight: robust weights.
        information: normal matrix of the same weights.
        rig: number of the rig's unknowns, which come first.
        measurements: the pixels.

    Raises:
        numpy.linalg.LinAlgError: the pixels do not determine the unknowns.
    """
    n = len(measurements)
    jacobian = sparse.csr_matrix(linear.jacobian)
    root = np.sqrt(np.maximum(information.diagonal(), 1e-300))
    scaling = sparse.diags(1 / root)
    try:
        factors = splu(
            sparse.csc_matrix(scaling @ information @ scaling),
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
    except RuntimeError as error:
        raise np.linalg.LinAlgError("the normal equations are singular") from error
    columns = np.zeros((len(root), rig))
    columns[np.arange(rig), np.arange(rig)] = 1 / root[:rig]
    inverse = factors.solve(columns) / root[:, None]
    plain = inverse[:rig]
    if not np.isfinite(inverse).all() or np.any(np.diag(plain) <= 0):
        raise np.linalg.LinAlgError("some unknowns are not determined by any measurement")
    rows = weight[linear.group]
    gain = rows[:, None] * (jacobian @ inverse)
    table = _Table(measurements)
    pixels = jacobian[: 2 * n]
    heavy = rows[: 2 * n]

    def left(error: np.ndarray) -> np.ndarray:
        right = pixels.T @ (heavy * error.ravel())
        step = factors.solve(np.asarray(right) / root) / root
        return error - (pixels @ step).reshape(n, 2)

    by_row = gain[: 2 * n].reshape(n, 2, rig)
    influence = _influence(by_row, plain)[:, None]
    rng = np.random.default_rng(0)
    residual = linear.residual[: 2 * n].reshape(n, 2)
    length = np.linalg.norm(residual, axis=1)
    # The size of a usual residual, so that the clip does not depend on the stated deviations.
    usual = max(float(np.median(length)) / 1.1774, 1e-9)
    residual = residual * (np.minimum(1.0, _CLIP * usual / np.maximum(length, 1e-12)))[:, None]
    variance = _variances(
        table.moments(influence * residual),
        np.array(
            [
                [table.moments(influence * left(error)) for error in table.draws(kind, _DRAWS, rng)]
                for kind in KINDS
            ]
        ),
    )
    by_pixel = table.filled(by_row)
    covariance = gain[2 * n :].T @ gain[2 * n :]
    for kind, size in zip(KINDS, variance, strict=True):
        if size > 0:
            covariance = covariance + size * table.propagated(by_pixel, kind)
    covariance = 0.5 * (covariance + covariance.T)
    effect = float(np.trace(np.linalg.solve(plain, covariance))) / max(rig, 1)
    return CorrelatedErrors(variance, covariance, max(effect, 1.0))


def _influence(
    gain: Float[np.ndarray, "n 2 rig"], covariance: Float[np.ndarray, "rig rig"]
) -> Float[np.ndarray, " n"]:
    """How far an error of each pixel moves the rig, in standard deviations; mean square 1."""
    whitened = np.linalg.solve(np.linalg.cholesky(covariance), gain.reshape(-1, gain.shape[2]).T)
    squared = np.square(whitened).sum(axis=0).reshape(-1, 2).sum(axis=1)
    return np.sqrt(squared / max(float(squared.mean()), 1e-300))


def _variances(
    moments: Float[np.ndarray, " moments"], simulated: Float[np.ndarray, "kinds draws moments"]
) -> Float[np.ndarray, " kinds"]:
    """Variances, none negative, whose simulated moments come nearest to those that were found."""
    expected, scatter = simulated.mean(axis=1), simulated.std(axis=1, ddof=1)
    variance = np.full(len(expected), max(float(moments[0] / expected[0, 0]), 0.0) / len(expected))
    for _ in range(_ROUNDS):
        sigma = np.sqrt(np.sum((variance[:, None] * scatter) ** 2, axis=0))
        sigma = np.maximum(sigma, 1e-3 * float(np.abs(moments[0])) + 1e-12)
        variance, _ = nnls((expected / sigma).T, moments / sigma)
    return variance
