"""What errors that belong together do to a rig that was adjusted as if all were independent.

The errors of a detector are of several kinds: new in every frame; lasting for tenths of a second;
constant, because a keypoint lies beside the place it is named for; and common to the whole person,
because boxes shift. Each kind blurs other unknowns: a constant error turns a camera and leaves its
time offset alone, a short one does both. So the variance of each kind is found, and carried to the
unknowns by itself, rather than one factor put on all.

The variances follow from how scores (weighted residuals, which wrong detections cannot spoil) go
together over time and keypoints (the method of moments for variance components; Rao, "Estimation of
Variance and Covariance Components in Linear Models", JASA 1972). What the adjustment has taken out
of them is accounted for by sending simulated errors of each kind through the same adjustment,
linearised (see `calibration.people.score_curvature`). Scores count by the leverage of their pixels
on the rig: where the stated standard deviations are wrong from pixel to pixel, as where a detector
is no worse on a large person or at low confidence, the variances are then those of the pixels that
decide, which have too small a stated deviation and too large a weight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import nnls
from scipy.sparse.linalg import splu

from calibration.least_squares import Linearization
from calibration.people.measurements import Measurements
from calibration.people.score_curvature import score_curvature
from calibration.people.track_table import ErrorKind, TrackTable
from mocap.arrays import Float

_DRAWS = 10
_ROUNDS = 3

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


def correlated_errors(
    linear: Linearization,
    weight: Float[np.ndarray, " measurements"],
    rig: int,
    measurements: Measurements,
) -> CorrelatedErrors:
    """Finds the kinds of errors of an adjustment with Cauchy's loss and what they do to the rig.

    Args:
        linear: at the solution; the pixels come first, two rows each.
        weight: robust weights.
        rig: number of the rig's unknowns, which come first.
        measurements: the pixels.

    Raises:
        numpy.linalg.LinAlgError: the pixels do not determine the unknowns.
    """
    n = len(measurements)
    jacobian = sparse.csr_matrix(linear.jacobian)
    curvature = score_curvature(linear, weight)
    hessian = curvature.hessian(jacobian)
    root = np.sqrt(np.maximum(hessian.diagonal(), 1e-300))
    scaling = sparse.diags(1 / root)
    try:
        factors = splu(
            sparse.csc_matrix(scaling @ hessian @ scaling),
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
    lever = jacobian @ inverse
    gain = curvature.times(lever)
    table = TrackTable(measurements)
    leverage = _leverage(lever[: 2 * n].reshape(n, 2, rig), plain)[:, None]

    def left(error: np.ndarray) -> np.ndarray:
        """The scores, by leverage, that errors of the pixels leave."""
        rows = np.zeros(len(linear.residual))
        rows[: 2 * n] = error.ravel()
        step = factors.solve(np.asarray(jacobian.T @ curvature.times(rows)) / root) / root
        return leverage * curvature.times(rows - jacobian @ step)[: 2 * n].reshape(n, 2)

    rng = np.random.default_rng(0)
    simulated = [[table.moments(left(e)) for e in table.draws(k, _DRAWS, rng)] for k in KINDS]
    score = (weight[linear.group] * linear.residual)[: 2 * n].reshape(n, 2)
    variance = _variances(table.moments(leverage * score), np.array(simulated))
    by_pixel = table.filled(gain[: 2 * n].reshape(n, 2, rig))
    covariance = gain[2 * n :].T @ gain[2 * n :]
    for kind, size in zip(KINDS, variance, strict=True):
        if size > 0:
            covariance = covariance + size * table.propagated(by_pixel, kind)
    covariance = 0.5 * (covariance + covariance.T)
    effect = float(np.trace(np.linalg.solve(plain, covariance))) / max(rig, 1)
    return CorrelatedErrors(variance, covariance, max(effect, 1.0))


def _leverage(
    lever: Float[np.ndarray, "n 2 rig"], covariance: Float[np.ndarray, "rig rig"]
) -> Float[np.ndarray, " n"]:
    """How far the score of each pixel moves the rig, in standard deviations; mean square 1."""
    whitened = np.linalg.solve(np.linalg.cholesky(covariance), lever.reshape(-1, lever.shape[2]).T)
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
