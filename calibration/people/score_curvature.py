"""How the scores of a robust adjustment change with its residuals.

An adjustment with Cauchy's loss rests where J^T W r = 0, with weights w = 1 / (1 + |r|^2 / c^2)
that depend on the residuals themselves. A small error does not move it as it would with fixed
weights: the score w r of a measurement grows along r by w (2 w - 1) only, and across r by w. The
Hessian J^T D J of these derivatives D, not J^T W J, says how firmly the unknowns are held (Huber,
Robust Statistics, 1981, section 7.6). The difference is the larger the fewer cameras see a point:
two leave residuals in one direction, along which all of it counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from calibration.least_squares import Linearization
from mocap.arrays import Float

_LEAST = 0.05
"""Of the weight. Beyond c the score falls again; a wrong detection there is let go of, as if it
held nothing, for a negative hold on its point could leave that without a definite place."""


@dataclass(frozen=True)
class ScoreCurvature:
    """The derivative of scores by residuals: D = diag(weight) - U diag(slack) U^T.

    Attributes:
        weight: of each row.
        along: U; for each measurement the direction of its residual.
        slack: of each measurement.
    """

    weight: Float[np.ndarray, " rows"]
    along: sparse.csr_matrix
    slack: Float[np.ndarray, " measurements"]

    def times(self, rows: Float[np.ndarray, "rows more"]) -> np.ndarray:
        """D applied to something that has a row for each residual."""
        flat = rows.reshape(len(self.weight), -1)
        soft = self.along @ (self.slack[:, None] * (self.along.T @ flat))
        return (self.weight[:, None] * flat - soft).reshape(rows.shape)

    def hessian(self, jacobian: sparse.csr_matrix) -> sparse.csc_matrix:
        """J^T D J."""
        firm = jacobian.T @ sparse.diags(self.weight) @ jacobian
        soft = sparse.csr_matrix(self.along.T @ jacobian)
        return sparse.csc_matrix(firm - soft.T @ sparse.diags(self.slack) @ soft)


def score_curvature(
    linear: Linearization, weight: Float[np.ndarray, " measurements"]
) -> ScoreCurvature:
    """Derivative of the scores of an adjustment with Cauchy's loss.

    Args:
        linear: at the solution.
        weight: of each measurement by the loss; 1 for those it does not apply to.
    """
    count, rows = len(weight), len(linear.residual)
    length = np.sqrt(np.bincount(linear.group, linear.residual**2, minlength=count))
    direction = linear.residual / np.maximum(length, 1e-300)[linear.group]
    along = sparse.csr_matrix((direction, (np.arange(rows), linear.group)), shape=(rows, count))
    slack = weight * np.minimum(2 * (1 - weight), 1 - _LEAST)
    return ScoreCurvature(weight[linear.group], along, np.where(linear.robust, slack, 0.0))
