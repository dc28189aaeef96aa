"""Finds views in which a detector has exchanged the left and right of a whole body.

Detectors do this to people seen from the back. A single view cannot tell; several views can,
since only one labelling makes their rays meet.
"""

from __future__ import annotations

import numpy as np

from mocap.arrays import Bool, Float
from mocap.model import RigArrays, Skeleton
from mocap.model.config import TriangulationConfig
from mocap.reconstruction.expectation import Expectation
from mocap.reconstruction.person import (
    ViewedPerson,
    person_sigma_px,
    run_kernel,
)

_MIN_PAIRED_KEYPOINTS = 4


def find_mirrored_views(
    person: ViewedPerson,
    rig: RigArrays,
    skeleton: Skeleton,
    config: TriangulationConfig,
    expected: Expectation | None = None,
    camera_scale: Float[np.ndarray, " cameras"] | None = None,
) -> Bool[np.ndarray, " cameras"]:
    """Which views show the person with left and right exchanged.

    Views are turned one at a time, the one that explains most first, as long as the truncated
    reprojection error of the paired body keypoints falls below `config.mirror_ratio` of what it
    was. Fewer than half of the views may be turned, because all views turned look the same as
    none; with an expectation from the frame before, which tells those apart, any number may be.

    Args:
        person: 2D keypoints in each camera.
        rig: the cameras.
        skeleton: the keypoints and their pairs.
        config: noise and limits.
        expected: where the keypoints were a moment ago.
        camera_scale: as in `triangulate_person`.

    Returns:
        True for a mirrored view.
    """
    paired = np.array([i for pair in skeleton.pairs for i in pair], np.int64)
    paired = paired[[skeleton.parts[i] in ("body", "feet") for i in paired]]
    none = np.zeros(len(person.confidence), dtype=bool)
    seen = (person.confidence[:, paired] >= config.min_confidence).sum(axis=1)
    views = np.flatnonzero(seen >= _MIN_PAIRED_KEYPOINTS)
    most = len(views) if expected is not None else (len(views) - 1) // 2
    if len(views) < 2 or most < 1:
        return none
    sigma = person_sigma_px(person, rig, skeleton, config, expected, camera_scale)
    sigma = np.ascontiguousarray(sigma[:, paired])
    known = (
        None
        if expected is None
        else Expectation(expected.points_m[paired], expected.sigma_m[paired])
    )
    chosen = person.keypoints(paired)
    position = {int(k): i for i, k in enumerate(paired)}
    mirror = np.array([position[skeleton.mirror[int(k)]] for k in paired])

    def cost(mirrored: np.ndarray) -> float:
        turned = chosen.mirrored(mirrored, mirror)
        points, _, _, _, residual, _ = run_kernel(turned, sigma, rig, config, known, max_rounds=0)
        limit = config.gate_sigmas**2
        errors = (residual / sigma) ** 2
        errors = np.where(errors < limit, errors, limit)
        weight = turned.confidence**2 * (turned.confidence >= config.min_confidence)
        total = float(np.sum(weight * errors))
        norm = float(np.sum(weight))
        if known is not None:
            offset = ((points - known.points_m) ** 2).sum(axis=1) / known.sigma_m**2
            expects = np.isfinite(known.points_m[:, 0])
            total += float(np.sum(np.where(offset < limit, offset, limit)[expects]))
            norm += float(expects.sum())
        return total / max(norm, 1e-9) / limit

    best, best_cost = none, cost(none)
    # Nothing to explain: the usual case, which costs one evaluation.
    if best_cost < config.mirror_suspicion:
        return none
    while best.sum() < most:
        trials: list[tuple[float, np.ndarray]] = []
        for view in views[~best[views]]:
            trial = best.copy()
            trial[view] = True
            trials.append((cost(trial), trial))
        trial_cost, trial = min(trials, key=lambda entry: entry[0])
        if trial_cost >= config.mirror_ratio * best_cost:
            break
        best, best_cost = trial, trial_cost
    if expected is not None:
        # One at a time leads to views that agree with each other, be it the wrong way round.
        opposite = best.copy()
        opposite[views] = ~best[views]
        if cost(opposite) < config.mirror_ratio * best_cost:
            return opposite
    return best
