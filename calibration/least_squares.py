"""Robust sparse non-linear least squares: the one solver of all adjustments.

Levenberg-Marquardt (Marquardt 1963, with Nielsen's control of the damping) on the normal
equations, reweighted for a robust loss (Triggs et al., "Bundle Adjustment: A Modern Synthesis",
1999). The sparse factorisation orders the unknowns by itself, which for the arrow-shaped systems
of calibration amounts to eliminating points and target poses before cameras.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import SuperLU, splu

from calibration.block_jacobian import BlockJacobian
from mocap.arrays import Float, Int

Loss = Literal["squared", "huber", "cauchy"]
State = TypeVar("State")
LinearSolver = Callable[[sparse.csc_matrix, np.ndarray], np.ndarray | None]
"""Takes a symmetric positive matrix and a right-hand side; None where it cannot be solved."""

SMALL_DAMPING = 1e-6
MAX_DAMPING = 1e12


@dataclass(frozen=True)
class Linearization:
    """Residuals at a state and their derivative.

    Attributes:
        residual: whitened, that is divided by standard deviations.
        jacobian: of the residual by the tangent of the state; one sparse matrix, or dense blocks
            where many rows share their few columns.
        group: for each row the measurement it belongs to, numbered from 0 and ascending; the
            robust loss acts on the length of a measurement's residual (two rows for a pixel).
        robust: for each measurement whether the loss applies; priors stay quadratic.
    """

    residual: Float[np.ndarray, " rows"]
    jacobian: sparse.csr_matrix | BlockJacobian
    group: Int[np.ndarray, " rows"]
    robust: np.ndarray


class Problem(Protocol[State]):
    """Something to be adjusted."""

    def residual(self, state: State) -> Float[np.ndarray, " rows"]:
        """The whitened residual alone, in the row order of `linearize`."""
        ...

    def linearize(self, state: State) -> Linearization:
        """Residual and derivative."""
        ...

    def moved(self, state: State, step: Float[np.ndarray, " unknowns"]) -> State:
        """The state after a step in its tangent space."""
        ...


@dataclass(frozen=True)
class Adjustment(Generic[State]):
    """The outcome.

    Attributes:
        state: at the end.
        cost: half the sum of the (robust) squared residuals.
        weight: per measurement, the weight with which the robust loss leaves it; 1 is full.
        information: normal matrix at the end, robustly weighted.
        converged: whether it came to rest.
        iterations: number of accepted and refused steps.
    """

    state: State
    cost: float
    weight: Float[np.ndarray, " measurements"]
    information: sparse.csc_matrix
    converged: bool
    iterations: int

    def covariance_of(
        self, unknowns: Int[np.ndarray, " chosen"]
    ) -> Float[np.ndarray, "chosen chosen"]:
        """Covariance of some unknowns, all others being free, for whitened residuals of unit
        variance.

        Raises:
            numpy.linalg.LinAlgError: the unknowns are not determined.
        """
        return covariance_of(self.information, unknowns)


def adjust(
    problem: Problem[State],
    state: State,
    *,
    loss: Loss = "huber",
    scale: float = 1.5,
    max_iterations: int = 100,
    tolerance: float = 1e-9,
    on_step: Callable[[int, float], None] | None = None,
    linear_solver: LinearSolver | None = None,
) -> Adjustment[State]:
    """Finds the state with the least robust cost, near a given one.

    Args:
        problem: what to adjust.
        state: where to start.
        loss: "squared"; "huber" grows linearly, "cauchy" logarithmically beyond `scale`.
        scale: in standard deviations.
        max_iterations: after which it stops, not converged.
        tolerance: it has come to rest when a step lowers the cost by less than this fraction, or
            when steps of any length no longer do.
        on_step: called with the iteration and the cost.
        linear_solver: solves the normal equations; a general sparse factorisation by default.

    Raises:
        FloatingPointError: the residual at the start is not finite.
    """
    linear = problem.linearize(state)
    if not np.isfinite(linear.residual).all():
        raise FloatingPointError("the adjustment starts at residuals that are not finite")
    groups = int(linear.group[-1]) + 1 if len(linear.group) else 0
    cost, weight = _robust(linear.residual, linear.group, linear.robust, groups, loss, scale)
    information, gradient = _normal_equations(linear, weight)
    damping, growth = SMALL_DAMPING, 2.0
    converged = False
    iteration = 0
    while iteration < max_iterations and not converged:
        iteration += 1
        step = _solve(information, gradient, damping, linear_solver)
        accepted = False
        if step is not None:
            tried = problem.moved(state, step)
            residual = problem.residual(tried)
            if np.isfinite(residual).all():
                new_cost, _ = _robust(residual, linear.group, linear.robust, groups, loss, scale)
                expected = -float(gradient @ step) - 0.5 * float(step @ (information @ step))
                gain = (cost - new_cost) / expected if expected > 0 else -1.0
                accepted = new_cost < cost and gain > 0
                # At rest the last digits of the cost decide nothing.
                converged = abs(cost - new_cost) <= tolerance * max(cost, 1e-30)
                if accepted:
                    state, cost = tried, new_cost
                    damping *= max(1 / 3, 1 - (2 * gain - 1) ** 3)
                    damping, growth = max(damping, 1e-15), 2.0
                    linear = problem.linearize(state)
                    _, weight = _robust(
                        linear.residual, linear.group, linear.robust, groups, loss, scale
                    )
                    information, gradient = _normal_equations(linear, weight)
        if not accepted:
            damping *= growth
            growth *= 2.0
            converged = converged or damping > MAX_DAMPING
        if on_step is not None:
            on_step(iteration, cost)
    return Adjustment(state, cost, weight, information, converged, iteration)


def covariance_of(
    information: sparse.csc_matrix, unknowns: Int[np.ndarray, " chosen"]
) -> Float[np.ndarray, "chosen chosen"]:
    """The block of an information matrix's inverse that belongs to some unknowns.

    Raises:
        numpy.linalg.LinAlgError: the matrix is singular.
    """
    block = inverse_columns(information, unknowns)[unknowns]
    if np.any(np.diag(block) <= 0):
        raise np.linalg.LinAlgError("the normal equations are singular")
    return 0.5 * (block + block.T)


def inverse_columns(
    information: sparse.csc_matrix, unknowns: Int[np.ndarray, " chosen"]
) -> Float[np.ndarray, "all chosen"]:
    """The columns of an information matrix's inverse that belong to some unknowns.

    Other unknowns that nothing measures at all, as the pose of a target whose only view turned out
    to be wrong, are taken to be known.

    Raises:
        numpy.linalg.LinAlgError: the matrix is singular.
    """
    # Unknowns of different units: scaled to a unit diagonal the factorisation keeps its digits.
    diagonal = information.diagonal()
    columns = np.zeros((len(diagonal), len(unknowns)))
    columns[unknowns, np.arange(len(unknowns))] = 1.0
    unmeasured = diagonal <= 0
    if np.any(unmeasured[unknowns]):
        raise np.linalg.LinAlgError("some unknowns are not determined by any measurement")
    scaling = 1.0 / np.sqrt(np.where(unmeasured, 1.0, diagonal))
    scaled = sparse.diags(scaling) @ information @ sparse.diags(scaling)
    scaled = scaled + sparse.diags(unmeasured.astype(np.float64))
    try:
        factors = _factors(sparse.csc_matrix(scaled))
    except RuntimeError as error:
        raise np.linalg.LinAlgError("the normal equations are singular") from error
    solution = factors.solve(columns * scaling[:, None]) * scaling[:, None]
    if not np.isfinite(solution).all():
        raise np.linalg.LinAlgError("the normal equations are singular")
    return solution


def _robust(
    residual: Float[np.ndarray, " rows"],
    group: Int[np.ndarray, " rows"],
    robust: np.ndarray,
    groups: int,
    loss: Loss,
    scale: float,
) -> tuple[float, Float[np.ndarray, " measurements"]]:
    """Cost, and the weight of each measurement."""
    squared = np.bincount(group, residual * residual, minlength=groups)
    if loss == "squared":
        return 0.5 * float(squared.sum()), np.ones(groups)
    if loss == "huber":
        length = np.sqrt(squared)
        far = length > scale
        rho = np.where(far, 2 * scale * length - scale * scale, squared)
        weight = np.where(far, scale / np.where(far, length, 1.0), 1.0)
    else:
        ratio = squared / (scale * scale)
        rho = scale * scale * np.log1p(ratio)
        weight = 1.0 / (1.0 + ratio)
    rho = np.where(robust, rho, squared)
    weight = np.where(robust, weight, 1.0)
    return 0.5 * float(rho.sum()), weight


def _normal_equations(
    linear: Linearization, weight: Float[np.ndarray, " measurements"]
) -> tuple[sparse.csc_matrix, Float[np.ndarray, " unknowns"]]:
    rows = weight[linear.group]
    if isinstance(linear.jacobian, BlockJacobian):
        return linear.jacobian.normal_equations(rows, linear.residual)
    weighted = sparse.diags(rows) @ linear.jacobian
    information = sparse.csc_matrix(linear.jacobian.T @ weighted)
    gradient = np.asarray(linear.jacobian.T @ (rows * linear.residual)).ravel()
    return information, gradient


def _solve(
    information: sparse.csc_matrix,
    gradient: Float[np.ndarray, " unknowns"],
    damping: float,
    linear_solver: LinearSolver | None,
) -> Float[np.ndarray, " unknowns"] | None:
    diagonal = information.diagonal()
    # An unknown that nothing measures stays where it is.
    diagonal = np.where(diagonal > 0, diagonal, 1.0)
    damped = sparse.csc_matrix(information + sparse.diags(damping * diagonal))
    if linear_solver is not None:
        solution = linear_solver(damped, gradient)
        return None if solution is None or not np.isfinite(solution).all() else -solution
    try:
        step = -_factors(damped).solve(gradient)
    except RuntimeError:
        return None
    return step if np.isfinite(step).all() else None


def solve_in_given_order(
    matrix: sparse.csc_matrix, gradient: Float[np.ndarray, " unknowns"]
) -> Float[np.ndarray, " unknowns"] | None:
    """A `linear_solver` for unknowns in an order in which eliminating one after the other fills
    in little, as a path with the cameras behind it; it spares the search for such an order."""
    try:
        return _factors(matrix, ordered=True).solve(gradient)
    except RuntimeError:
        return None


def _factors(matrix: sparse.csc_matrix, ordered: bool = False) -> SuperLU:
    """Factors of a symmetric matrix, positive definite but for rounding.

    Such a matrix needs no pivoting, without which an eighth of the numbers are filled in.
    """
    return splu(
        matrix,
        permc_spec="NATURAL" if ordered else "MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
