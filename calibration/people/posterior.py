"""The rig as a probability distribution: samples, updated as new frames arrive.

The covariance of an adjustment is that of a parabola laid on the likelihood at its peak. This
module samples the robust likelihood itself. The people (points and bones) are marginalised by
Laplace's approximation, with their curvature taken at the peak and their optimum found anew for
each rig. Several chains that begin too far apart are moved by the preconditioned Crank-Nicolson
proposal (Cotter, Roberts, Stuart and White, Statistical Science 2013), which leaves a Gaussian
reference as it is and so asks the likelihood only for what is not Gaussian; it does not slow down
with the number of unknowns. Split R-hat (Gelman et al., Bayesian Data Analysis, 3rd ed., 11.4)
says whether the chains agree, the effective sample size what they are worth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from calibration.people.adjustment import SCALE, PeopleAdjustment
from calibration.people.unknowns import PeopleState
from mocap.arrays import Float
from mocap.geometry.rotations import rotvec_from_matrix

OVERDISPERSED = 2.0
"""Chains begin with this many times the spread of the reference."""
WIDER = 1.15
"""The reference is this much wider than the adjustment's covariance, for heavy tails."""
MEMORY = 0.6
"""What a proposal keeps of the present sample."""
AGREE = 1.1
_CORRECTIONS = 2

LogDensity = Callable[[np.ndarray], float]


@dataclass(frozen=True)
class RigPosterior:
    """Samples of the rig's unknowns.

    Attributes:
        adjustment: whose unknowns these are.
        steps: samples of each chain, as steps from the adjusted state in the tangent of the
            rig's unknowns.
        ess: effective number of samples, of the unknown for which it is smallest.
        r_hat: of every unknown; near 1 where the chains agree.
        acceptance: share of accepted moves.
    """

    adjustment: PeopleAdjustment
    steps: Float[np.ndarray, "chains samples rig"]
    ess: float
    r_hat: Float[np.ndarray, " rig"]
    acceptance: float

    @property
    def samples(self) -> Float[np.ndarray, "all rig"]:
        """The samples of all chains."""
        return self.steps.reshape(-1, self.steps.shape[2])

    @property
    def mean(self) -> Float[np.ndarray, " rig"]:
        """Mean step."""
        return self.samples.mean(axis=0)

    @property
    def covariance(self) -> Float[np.ndarray, "rig rig"]:
        """Covariance of the unknowns."""
        return np.atleast_2d(np.cov(self.samples.T))

    @property
    def agreed(self) -> bool:
        """Whether the chains agree; if not, draw longer ones, or suspect several answers."""
        return bool(np.max(self.r_hat) < AGREE)

    def camera_spread(
        self, probability: float = 0.9
    ) -> tuple[Float[np.ndarray, " cameras"], Float[np.ndarray, " cameras"]]:
        """How far each camera may be from the mean rig.

        Returns:
            Quantiles of the distance of the optical centre (in the unit of the adjustment, metres
            for a metric one) and of the angle (degrees); 0 for a camera that was held.
        """
        usual = moved_rig(self.adjustment, self.mean)
        centers: list[np.ndarray] = []
        angles: list[np.ndarray] = []
        for step in self.samples:
            state = moved_rig(self.adjustment, step)
            centers.append(np.linalg.norm(state.centers - usual.centers, axis=1))
            turn = rotvec_from_matrix(state.rotation @ np.swapaxes(usual.rotation, -1, -2))
            angles.append(np.degrees(np.linalg.norm(turn, axis=1)))
        return (
            np.quantile(np.array(centers), probability, axis=0),
            np.quantile(np.array(angles), probability, axis=0),
        )

    def report(self, names: tuple[str, ...]) -> str:
        """What the samples say, in words, one line per camera; lengths are metres."""
        distance, angle = self.camera_spread(0.9)
        lines = [
            f"camera {name!r}: with 90 % within {1000 * d:.1f} mm and {a:.3f} degrees"
            for name, d, a in zip(names, distance, angle, strict=True)
        ]
        verdict = (
            "the chains agree"
            if self.agreed
            else "the chains do not agree: draw more samples; if that does not help, the people "
            "allow more than one rig, so film them in more of the volume or add a camera"
        )
        worst = float(np.max(self.r_hat))
        lines.append(f"{self.ess:.0f} effective samples, R-hat up to {worst:.2f}: {verdict}")
        return "\n".join(lines)


def sample_rig(
    adjustment: PeopleAdjustment,
    rng: np.random.Generator,
    *,
    chains: int = 4,
    samples: int = 100,
    warm_up: int = 30,
) -> RigPosterior:
    """Draws from the distribution of the rig's unknowns, given the pixels of an adjustment.

    The pixels enter with the standard deviations the adjustment ended with, correlated errors
    accounted for.

    Args:
        adjustment: a finished one.
        rng: draws.
        chains: number of chains, at least 2.
        samples: kept of each chain, at least 4.
        warm_up: samples thrown away before.
    """
    likelihood = marginal_likelihood(adjustment)
    zero = np.zeros(adjustment.bundle.columns.rig)
    return _sampled(
        adjustment, likelihood, zero, adjustment.rig_covariance, rng, chains, samples, warm_up
    )


def update_rig(
    posterior: RigPosterior,
    further: PeopleAdjustment,
    rng: np.random.Generator,
    *,
    samples: int = 100,
    warm_up: int = 30,
) -> RigPosterior:
    """Takes further frames into account; the frames before need not be kept.

    What was known is carried on as the Gaussian of the samples so far; the new frames enter by
    their own likelihood.

    Args:
        posterior: before.
        further: an adjustment of the same unknowns to the new frames alone.
        rng: draws.
        samples: kept of each chain.
        warm_up: samples thrown away before.

    Returns:
        The distribution after; its steps are from the state of `further`.
    """
    old_mean = posterior.mean + rig_difference(further, posterior.adjustment.state, further.state)
    old_information = np.linalg.inv(posterior.covariance)
    new_information = np.linalg.inv(further.rig_covariance)
    covariance = np.linalg.inv(old_information + new_information)
    center = covariance @ (old_information @ old_mean)
    likelihood = marginal_likelihood(further)

    def both(step: np.ndarray) -> float:
        away = step - old_mean
        return likelihood(step) - 0.5 * float(away @ old_information @ away)

    chains = posterior.steps.shape[0]
    return _sampled(further, both, center, covariance, rng, chains, samples, warm_up)


def marginal_likelihood(adjustment: PeopleAdjustment) -> LogDensity:
    """Log likelihood of a step of the rig's unknowns from the adjusted state, people marginalised.

    For each rig the people follow as the linearisation predicts and are corrected by chord
    iterations with the curvature of the peak; the curvature's determinant is taken as constant.
    """
    bundle, state = adjustment.bundle, adjustment.state
    rig = bundle.columns.rig
    linear = bundle.linearize(state)
    information = sparse.csc_matrix(adjustment.result.information)
    people = sparse.csc_matrix(information[rig:, rig:])
    factors = splu(people, permc_spec="MMD_AT_PLUS_A")
    follow = -factors.solve(information[rig:, :rig].toarray())
    jacobian = sparse.csr_matrix(linear.jacobian)[:, rig:].T.tocsr()
    groups = int(linear.group[-1]) + 1

    def log_likelihood(step: np.ndarray) -> float:
        own = follow @ step
        residual = linear.residual
        for number in range(_CORRECTIONS + 1):
            residual = bundle.residual(bundle.moved(state, np.concatenate([step, own])))
            if not np.isfinite(residual).all():
                return -np.inf
            squared = np.bincount(linear.group, residual**2, minlength=groups) / SCALE**2
            if number == _CORRECTIONS:
                cost = np.where(linear.robust, np.log1p(squared), squared)
                return -0.5 * SCALE**2 * float(cost.sum())
            weight = np.where(linear.robust, 1 / (1 + squared), 1.0)[linear.group]
            own = own - factors.solve(jacobian @ (weight * residual))
        raise AssertionError

    return log_likelihood


def moved_rig(adjustment: PeopleAdjustment, step: Float[np.ndarray, " rig"]) -> PeopleState:
    """The adjusted state after a step of the rig's unknowns; people stay where they are."""
    bundle = adjustment.bundle
    rest = np.zeros(bundle.columns.count - bundle.columns.rig)
    return bundle.moved(adjustment.state, np.concatenate([step, rest]))


def rig_difference(
    adjustment: PeopleAdjustment, to: PeopleState, start: PeopleState
) -> Float[np.ndarray, " rig"]:
    """The step of the rig's unknowns that leads from one state to another."""
    columns = adjustment.bundle.columns
    step = np.zeros(columns.rig + 1)
    turn = rotvec_from_matrix(to.rotation @ np.swapaxes(start.rotation, -1, -2))
    step[columns.pose] = np.concatenate([turn, to.translation - start.translation], axis=1)
    step[columns.focal] = to.log_focal - start.log_focal
    step[columns.offset] = to.offset_s - start.offset_s
    step[columns.drift] = to.drift - start.drift
    return step[:-1]


def _sampled(
    adjustment: PeopleAdjustment,
    density: LogDensity,
    center: np.ndarray,
    covariance: np.ndarray,
    rng: np.random.Generator,
    chains: int,
    samples: int,
    warm_up: int,
) -> RigPosterior:
    if chains < 2 or samples < 4:
        raise ValueError(f"{chains} chains of {samples} samples; give at least 2 of 4")
    rig = len(center)
    factor = WIDER * _root(covariance)
    fresh = np.sqrt(1 - MEMORY**2)
    kept = np.empty((chains, samples, rig))
    accepted = 0
    for chain in range(chains):
        # Coordinates in which the reference is the standard normal distribution.
        place = OVERDISPERSED * rng.standard_normal(rig)
        here = density(center + factor @ place) + 0.5 * float(place @ place)
        for number in range(-warm_up, samples):
            tried = MEMORY * place + fresh * rng.standard_normal(rig)
            there = density(center + factor @ tried) + 0.5 * float(tried @ tried)
            if np.log(rng.random()) < there - here:
                place, here = tried, there
                accepted += number >= 0
            if number >= 0:
                kept[chain, number] = center + factor @ place
    r_hat, ess = _diagnosed(kept)
    return RigPosterior(adjustment, kept, ess, r_hat, accepted / (chains * samples))


def _root(covariance: np.ndarray) -> np.ndarray:
    scale = np.sqrt(np.diag(covariance))
    values, vectors = np.linalg.eigh(covariance / scale[:, None] / scale)
    return scale[:, None] * (vectors * np.sqrt(np.maximum(values, 1e-12)))


def _diagnosed(steps: Float[np.ndarray, "chains samples rig"]) -> tuple[np.ndarray, float]:
    """Split R-hat of every unknown and the smallest effective sample size."""
    half = steps.shape[1] // 2
    split = np.concatenate([steps[:, :half], steps[:, half : 2 * half]])
    within = split.var(axis=1, ddof=1).mean(axis=0)
    between = half * split.mean(axis=1).var(axis=0, ddof=1)
    total = (half - 1) / half * within + between / half
    r_hat = np.sqrt(total / np.maximum(within, 1e-300))
    away = split - split.mean(axis=1, keepdims=True)
    correlation_time = np.ones(steps.shape[2])
    open_sums = np.ones(steps.shape[2], bool)
    for lag in range(1, half // 2):
        product = (away[:, lag:] * away[:, :-lag]).mean(axis=1).mean(axis=0)
        rho = 1 - (within - product) / np.maximum(total, 1e-300)
        open_sums &= rho > 0.05
        correlation_time += 2 * np.where(open_sums, rho, 0.0)
    count = split.shape[0] * half
    return r_hat, float(np.min(count / correlation_time))
