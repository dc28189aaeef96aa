"""From lags of pairs to one offset per camera, with the pairs that contradict the others named.

Lags of the pairs of a rig must add up to zero around every cycle. Which pairs are wrong is found by
trying spanning trees of the graph of pairs: a tree gives an offset to every camera, and the pairs
outside it agree with that or not. The tree most agreed with wins, its followers are adjusted
together, and what contradicts them is dropped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from calibration.timing.results import PairLag, RigOffsets
from mocap.errors import InputError, valid_choices

TREES = 400
AGREE_SIGMAS = 3.5
TREE_SIGMAS = 2.0
"""How much larger errors of a tree are, which add up along its branches."""
FLOOR_S = 5e-4
"""Of every lag; shutters and rolling read-outs make views differ by about this."""
DRIFT_ROUNDS = 3


def solve_offsets(
    names: Sequence[str], lags: Sequence[PairLag], *, tolerance_s: float = 0.004
) -> RigOffsets:
    """One offset per camera from lags of pairs.

    Args:
        names: all cameras; the first is the reference.
        lags: of any pairs, by any methods, refused ones included (they explain what is missing).
        tolerance_s: pairs that agree to this are not called contradictory, however small their
            own standard deviations.

    Raises:
        InputError: a pair has a camera that is not among `names`, or twice the same.
    """
    names = tuple(names)
    for lag in lags:
        for name in (lag.first, lag.second):
            if name not in names:
                raise InputError(f"a lag is of camera {name!r}; cameras are {valid_choices(names)}")
        if lag.first == lag.second:
            raise InputError(f"a lag is of camera {lag.first!r} and itself; name two cameras")
    good = [lag for lag in lags if lag.accepted]
    index = {name: i for i, name in enumerate(names)}
    ends = np.array([(index[p.first], index[p.second]) for p in good], int).reshape(-1, 2)
    drift, drift_sigma = _drifts(names, good, ends)
    lag_s = np.array([p.lag_s for p in good])
    rate = np.array([1e-6 * p.drift_ppm if math.isfinite(p.drift_ppm) else 0.0 for p in good])
    sigma = np.array([math.hypot(p.sigma_s, FLOOR_S) for p in good])
    trust = np.array([p.confidence for p in good])
    # A lag holds at the zero of its first camera's clock, which is late by an offset itself.
    value = lag_s
    inlier, doubt = np.zeros(len(good), bool), 0.0
    offsets, covariance = np.zeros(len(names)), np.zeros((len(names), len(names)))
    for _ in range(DRIFT_ROUNDS if rate.any() else 1):
        inlier, doubt = _agreeing(len(names), ends, value, sigma, trust, tolerance_s)
        offsets, covariance = _adjusted(len(names), ends[inlier], value[inlier], sigma[inlier])
        value = lag_s + rate * offsets[ends[:, 0]]
    used = [p for p, keep in zip(good, inlier, strict=True) if keep]
    dropped = [p for p, keep in zip(good, inlier, strict=True) if not keep]
    reached, confidence = _reach(len(names), ends[inlier], trust[inlier], ends, doubt)
    notes: list[str] = []
    for pair in dropped:
        i, j = index[pair.first], index[pair.second]
        if not (np.isfinite(offsets[i]) and np.isfinite(offsets[j])):
            continue
        notes.append(
            f"{pair.method} says {1000 * pair.lag_s:.1f} ms for {pair.first!r} to "
            f"{pair.second!r}, the other pairs {1000 * (offsets[j] - offsets[i]):.1f} ms: dropped"
        )
    bridges = [used[k] for k in _bridges(len(names), ends[inlier])]
    if bridges:
        shown = ", ".join(f"{p.first!r} to {p.second!r}" for p in bridges)
        notes.append(f"no other pair checks {shown}")
    if doubt > 0:
        notes.append(
            "cycles of pairs do not close, and which pair is wrong is not certain: look at the "
            "dropped ones"
        )
    refused: list[str | None] = []
    for i, name in enumerate(names):
        refused.append(None if reached[i] else _why(name, names[0], lags))
    sigmas = np.where(reached, np.sqrt(np.clip(np.diag(covariance), 0, None)), np.nan)
    return RigOffsets(
        names,
        np.where(reached, offsets, np.nan),
        sigmas,
        np.where(reached, confidence, 0.0),
        np.where(reached & (drift_sigma >= 0), drift, np.nan),
        tuple(_methods(name, used) if i and reached[i] else "" for i, name in enumerate(names)),
        tuple(refused),
        tuple(used),
        tuple(dropped),
        tuple(notes),
    )


def _drifts(
    names: Sequence[str], good: Sequence[PairLag], ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Drift of each clock against the first (ppm); -1 as standard deviation where unknown."""
    known = np.array([math.isfinite(p.drift_ppm) for p in good], bool)
    if not known.any():
        return np.full(len(names), np.nan), np.full(len(names), -1.0)
    chosen = [p for p, keep in zip(good, known, strict=True) if keep]
    value = np.array([p.drift_ppm for p in chosen])
    sigma = np.array([p.drift_sigma_ppm for p in chosen])
    drift, covariance = _adjusted(len(names), ends[known], value, np.maximum(sigma, 0.05))
    reached, _ = _reach(len(names), ends[known], np.ones(len(chosen)), ends[known], 0.0)
    return drift, np.where(reached, np.sqrt(np.clip(np.diag(covariance), 0, None)), -1.0)


def _agreeing(
    count: int,
    ends: np.ndarray,
    value: np.ndarray,
    sigma: np.ndarray,
    trust: np.ndarray,
    tolerance_s: float,
) -> tuple[np.ndarray, float]:
    """Which pairs agree with the best spanning forest, and how doubtful that choice is (0 to 1)."""
    if not len(value):
        return np.zeros(0, bool), 0.0
    rng = np.random.default_rng(0)
    best_score, best = -1.0, np.zeros(len(value), bool)
    scores: dict[bytes, float] = {}
    for trial in range(TREES):
        # The first tree takes the pairs by trust, the others in random order.
        order = np.argsort(-trust, kind="stable") if trial == 0 else rng.permutation(len(value))
        offsets = _forest(count, ends, value, order)
        misfit = np.abs(value - (offsets[ends[:, 1]] - offsets[ends[:, 0]]))
        agreed = misfit <= np.maximum(AGREE_SIGMAS * TREE_SIGMAS * sigma, tolerance_s)
        score = float(trust[agreed].sum())
        scores[agreed.tobytes()] = score
        if score > best_score + 1e-9:
            best_score, best = score, agreed
    if best.all():
        return best, 0.0
    # What the next best choice, with other pairs dropped, has going for it.
    other = max((s for key, s in scores.items() if key != best.tobytes()), default=0.0)
    agreed = best.copy()
    for _ in range(5):
        offsets, _ = _adjusted(count, ends[agreed], value[agreed], sigma[agreed])
        misfit = np.abs(value - (offsets[ends[:, 1]] - offsets[ends[:, 0]]))
        again = misfit <= np.maximum(AGREE_SIGMAS * sigma, tolerance_s)
        again |= agreed & ~_checked(count, ends, agreed)
        if (again == agreed).all() or not again.any():
            break
        agreed = again
    return agreed, float(np.clip(1 - (best_score - other), 0.0, 1.0)) if other > 0 else 0.0


def _checked(count: int, ends: np.ndarray, agreed: np.ndarray) -> np.ndarray:
    """Which of the agreeing pairs lie on a cycle of agreeing pairs."""
    chosen = np.flatnonzero(agreed)
    on_cycle = agreed.copy()
    on_cycle[chosen[_bridges(count, ends[agreed])]] = False
    return on_cycle


def _forest(count: int, ends: np.ndarray, value: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Offsets from the pairs that first connect something, taken in the given order."""
    group, offset = np.arange(count), np.zeros(count)
    for k in order:
        i, j = ends[k]
        if group[i] == group[j]:
            continue
        moved = group == group[j]
        offset[moved] += offset[i] + value[k] - offset[j]
        group[moved] = group[i]
    return offset


def _adjusted(
    count: int, ends: np.ndarray, value: np.ndarray, sigma: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted least squares with camera 0 at zero; covariance inflated where pairs disagree.

    Cameras in other components than camera 0 are put relative to one of their own.
    """
    if not len(value):
        return np.zeros(count), np.zeros((count, count))
    design = np.zeros((len(value), count))
    design[np.arange(len(value)), ends[:, 0]] = -1
    design[np.arange(len(value)), ends[:, 1]] = 1
    rows = design / sigma[:, None]
    normal = rows.T @ rows
    # One camera of each component is held; the first of its cameras.
    group = np.arange(count)
    for i, j in ends:
        group[group == group[j]] = group[i]
    held = [int(np.flatnonzero(group == g)[0]) for g in np.unique(group)]
    free = np.setdiff1d(np.arange(count), held)
    offsets, covariance = np.zeros(count), np.zeros((count, count))
    if len(free):
        inverse = np.linalg.inv(normal[np.ix_(free, free)])
        offsets[free] = inverse @ (rows.T @ (value / sigma))[free]
        residual = (value - design @ offsets) / sigma
        spare = len(value) - len(free)
        excess = float(residual @ residual) / spare if spare else 1.0
        covariance[np.ix_(free, free)] = inverse * max(1.0, excess)
    return offsets, covariance


def _reach(
    count: int, ends: np.ndarray, trust: np.ndarray, all_ends: np.ndarray, doubt: float
) -> tuple[np.ndarray, np.ndarray]:
    """Which cameras are connected to camera 0, and the confidence of the best way to each.

    The confidence of a way is that of its weakest pair; one that independent ways confirm is at
    least as sure as any of them alone.
    """
    confidence = np.zeros(count)
    confidence[0] = 1.0
    for _ in range(count):
        for (i, j), c in zip(ends, trust, strict=True):
            confidence[i] = max(confidence[i], min(confidence[j], c))
            confidence[j] = max(confidence[j], min(confidence[i], c))
    reached = confidence > 0
    reached[0] = True
    if doubt > 0 and len(all_ends) > len(ends):
        touched = np.zeros(count, bool)
        kept = {tuple(e) for e in ends.tolist()}
        for e in all_ends.tolist():
            if tuple(e) not in kept:
                touched[e] = True
        touched[0] = False
        confidence[touched] *= 1 - 0.5 * doubt
    return reached, confidence


def _bridges(count: int, ends: np.ndarray) -> list[int]:
    """Pairs without which a camera would be cut off, so that no cycle checks them."""
    found: list[int] = []
    for k in range(len(ends)):
        group = np.arange(count)
        for m, (i, j) in enumerate(ends):
            if m != k:
                group[group == group[j]] = group[i]
        if group[ends[k, 0]] != group[ends[k, 1]]:
            found.append(k)
    return found


def _methods(name: str, used: Sequence[PairLag]) -> str:
    own = [p.method for p in used if name in (p.first, p.second)]
    return " + ".join(dict.fromkeys(own))


def _why(name: str, reference: str, lags: Sequence[PairLag]) -> str:
    """Why a camera has no offset, from what was refused about it."""
    own = [p for p in lags if name in (p.first, p.second)]
    accepted = [p for p in own if p.accepted]
    if accepted:
        partner = accepted[0].second if accepted[0].first == name else accepted[0].first
        return f"it fits {partner!r}, but neither is connected to {reference!r}"
    reasons = list(dict.fromkeys(p.refused for p in own if p.refused))
    return "; ".join(reasons[:2]) if reasons else "no pair with this camera was compared"
