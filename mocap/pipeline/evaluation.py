"""How far a session is from the truth, and whether it knows how far.

Nothing is left out of the count that there should be: keypoints and people that the session lacks
count as wrong in the share of correct keypoints, and are reported beside the errors, which can
only be computed where something was found.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import chi2

from mocap.arrays import Float
from mocap.pipeline.comparison import MIN_CAMERAS, Comparison
from mocap.pipeline.scores import (
    Calibration,
    Evaluation,
    Jitter,
    JointScore,
    PartScore,
    PeopleScore,
)

PCK_LIMITS_MM = (50, 100, 150)
"""Distances within which a keypoint counts as correct."""
REGIONS_PERCENT = (50, 90)
"""Probabilities of the regions by which the covariance is judged."""
LIMB_JOINTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
"""The joints of arms and legs, which most published figures are about."""

_PARTS: dict[str, tuple[str, ...]] = {
    "body": ("body", "feet"),
    "feet": ("feet",),
    "hands": ("left_hand", "right_hand"),
    "face": ("face",),
}
_MIN_ALIGN = 4
_LEAST_SPEED_M_S = 0.05


def evaluate(comparison: Comparison) -> Evaluation:
    """Computes all figures."""
    joints = tuple(_joint(comparison, k) for k in range(len(comparison.names)))
    groups = keypoint_groups(comparison)
    return Evaluation(
        frames=comparison.frames,
        frames_without_truth=comparison.frames_without_truth,
        truth_frames_without_session=comparison.truth_frames_without_session,
        people=_people(comparison),
        parts={
            name: _part(comparison, chosen, [joints[k] for k in chosen])
            for name, chosen in groups.items()
            if chosen
        },
        joints=joints,
        lag_ms=_lag_ms(comparison, groups["body"]),
    )


def keypoint_groups(comparison: Comparison) -> dict[str, list[int]]:
    """Positions of the shared keypoints of each part that is scored; "body" is body and feet."""
    groups = {
        name: [k for k, part in enumerate(comparison.parts) if part in parts]
        for name, parts in _PARTS.items()
    }
    limbs = [
        k
        for k, name in enumerate(comparison.names)
        if name.removeprefix("left_").removeprefix("right_") in LIMB_JOINTS
    ]
    return {"body": groups.pop("body"), "limbs": limbs, **groups}


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if values.size else float("nan")


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if values.size else float("nan")


def _share(mask: np.ndarray, of: int) -> float:
    return float(mask.sum() / of) if of else float("nan")


def _counted(comparison: Comparison) -> np.ndarray:
    """Rows of people who should be there, or are."""
    return comparison.in_view | comparison.found


def _people(comparison: Comparison) -> PeopleScore:
    found, in_view = comparison.found, comparison.in_view
    switches = 0
    ids: dict[int, tuple[int, ...]] = {}
    for true_id in np.unique(comparison.true_id).tolist():
        mine = comparison.person_id[(comparison.true_id == true_id) & found]
        switches += int((np.diff(mine) != 0).sum())
        names, counts = np.unique(mine, return_counts=True)
        ids[true_id] = tuple(names[np.argsort(-counts, kind="stable")].tolist())
    return PeopleScore(
        in_view=int((in_view | found).sum()),
        missing=int((in_view & ~found).sum()),
        out_of_view=int((~in_view & ~found).sum()),
        false=len(comparison.false_frame),
        id_switches=switches,
        ids=ids,
    )


def _part(comparison: Comparison, chosen: list[int], joints: Sequence[JointScore]) -> PartScore:
    counted = _counted(comparison)
    true = np.isfinite(comparison.truth_m[:, chosen, 0]) & counted[:, None]
    distance = 1000 * np.linalg.norm(comparison.error_m[:, chosen], axis=2)
    got = true & np.isfinite(distance)
    visible = true & (comparison.cameras[:, chosen] >= MIN_CAMERAS)
    errors, expected = distance[got], int(true.sum())
    bias = np.array([joint.bias_mm for joint in joints])
    spread = np.array([joint.spread_mm for joint in joints])
    known = np.isfinite(bias).all(axis=1)
    return PartScore(
        expected=expected,
        found=_share(got, expected),
        found_visible=_share(got & visible, int(visible.sum())),
        mpjpe_mm=_mean(errors),
        median_mm=float(np.median(errors)) if errors.size else float("nan"),
        rms_mm=_rms(errors),
        pa_mpjpe_mm=_aligned_error_mm(comparison, chosen),
        pck={limit: _share(errors <= limit, expected) for limit in PCK_LIMITS_MM},
        bias_mm=_rms(np.linalg.norm(bias[known], axis=1)),
        spread_mm=_rms(np.linalg.norm(spread[known], axis=1)),
        jitter=_jitter(comparison, chosen),
        calibration=_calibration(
            comparison.error_m[:, chosen][got], comparison.covariance_m2[:, chosen][got]
        ),
    )


def _joint(comparison: Comparison, k: int) -> JointScore:
    true = np.isfinite(comparison.truth_m[:, k, 0]) & _counted(comparison)
    error = 1000 * comparison.error_m[:, k]
    distance = np.linalg.norm(error, axis=1)
    got = true & np.isfinite(distance)
    own = np.einsum("rij,rj->ri", comparison.axes, error)[got]
    own = own[np.isfinite(own).all(axis=1)]
    bias = own.mean(axis=0) if len(own) else np.full(3, np.nan)
    spread = own.std(axis=0) if len(own) else np.full(3, np.nan)
    errors = distance[got]
    return JointScore(
        name=comparison.names[k],
        part=comparison.parts[k],
        expected=int(true.sum()),
        found=_share(got, int(true.sum())),
        mean_mm=_mean(errors),
        median_mm=float(np.median(errors)) if errors.size else float("nan"),
        p90_mm=float(np.quantile(errors, 0.9)) if errors.size else float("nan"),
        bias_mm=(float(bias[0]), float(bias[1]), float(bias[2])),
        spread_mm=(float(spread[0]), float(spread[1]), float(spread[2])),
    )


def _aligned_error_mm(comparison: Comparison, chosen: list[int]) -> float:
    errors: list[np.ndarray] = []
    for points, truth in zip(
        comparison.points_m[:, chosen], comparison.truth_m[:, chosen], strict=True
    ):
        good = np.isfinite(points[:, 0]) & np.isfinite(truth[:, 0])
        if good.sum() >= _MIN_ALIGN:
            offsets = align_similarity(points[good], truth[good]) - truth[good]
            errors.append(1000 * np.linalg.norm(offsets, axis=1))
    return _mean(np.concatenate(errors)) if errors else float("nan")


def align_similarity(
    points: Float[np.ndarray, "n 3"], target: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "n 3"]:
    """The points after the similarity transform that brings them nearest to `target`.

    Rotation, translation and scale of least squares, never a reflection (Umeyama, TPAMI 1991).
    """
    mean, goal = points.mean(axis=0), target.mean(axis=0)
    a, b = points - mean, target - goal
    u, s, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ (sign[:, None] * vt)
    size = float((a * a).sum())
    scale = float(s @ sign) / size if size > 0 else 1.0
    return scale * a @ rotation.T + goal


def _jitter(comparison: Comparison, chosen: list[int]) -> Jitter:
    session: list[np.ndarray] = []
    truth: list[np.ndarray] = []
    error: list[np.ndarray] = []
    for true_id in np.unique(comparison.true_id).tolist():
        rows = np.flatnonzero(comparison.true_id == true_id)
        if len(rows) < 3:
            continue
        number, ids = comparison.frame[rows], comparison.person_id[rows]
        steady = (np.diff(number) == 1)[:-1] & (np.diff(number) == 1)[1:]
        steady &= (ids[:-2] == ids[1:-1]) & (ids[1:-1] == ids[2:])
        got = np.diff(comparison.points_m[rows][:, chosen], n=2, axis=0)[steady]
        real = np.diff(comparison.truth_m[rows][:, chosen], n=2, axis=0)[steady]
        good = np.isfinite(got[..., 0]) & np.isfinite(real[..., 0])
        session.append(1000 * np.linalg.norm(got[good], axis=-1))
        truth.append(1000 * np.linalg.norm(real[good], axis=-1))
        error.append(1000 * np.linalg.norm((got - real)[good], axis=-1))
    lengths = [
        np.concatenate(values) if values else np.zeros(0) for values in (session, truth, error)
    ]
    return Jitter(*(_mean(values) for values in lengths), triples=len(lengths[0]))


def mahalanobis_squared(
    error_m: Float[np.ndarray, "n 3"], covariance_m2: Float[np.ndarray, "n 3 3"]
) -> Float[np.ndarray, " n"]:
    """Squared errors in units of their covariance; of Gaussian errors chi-square with 3 dof."""
    if not len(error_m):
        return np.zeros(0)
    solved = np.linalg.solve(covariance_m2, error_m[..., None])[..., 0]
    return np.einsum("ni,ni->n", error_m, solved)


def _calibration(error_m: np.ndarray, covariance_m2: np.ndarray) -> Calibration:
    known = np.isfinite(covariance_m2).all(axis=(1, 2))
    squared = mahalanobis_squared(error_m[known], covariance_m2[known])
    traces = np.trace(covariance_m2[known], axis1=1, axis2=2)
    middle = float(np.median(squared)) if squared.size else float("nan")
    return Calibration(
        share={
            percent: _share(squared <= chi2.ppf(percent / 100, 3), len(squared))
            for percent in REGIONS_PERCENT
        },
        sigma_ratio=float(np.sqrt(middle / chi2.ppf(0.5, 3))),
        predicted_rms_mm=1000 * float(np.sqrt(_mean(traces))),
        keypoints=len(squared),
    )


def _lag_ms(comparison: Comparison, chosen: list[int]) -> float:
    """The lag that explains the errors best, in the sense of least squares.

    Means over time are taken off for each person and keypoint, so that a bias along a steady walk
    is not taken for a lag.
    """
    products, squares, count = 0.0, 0.0, 0
    for true_id in np.unique(comparison.true_id).tolist():
        rows = comparison.true_id == true_id
        error = comparison.error_m[rows][:, chosen]
        velocity = comparison.velocity_m_s[rows][:, chosen]
        for k in range(len(chosen)):
            good = np.isfinite(error[:, k, 0]) & np.isfinite(velocity[:, k, 0])
            if good.sum() < 3:
                continue
            e = error[good, k] - error[good, k].mean(axis=0)
            v = velocity[good, k] - velocity[good, k].mean(axis=0)
            products += float((e * v).sum())
            squares += float((v * v).sum())
            count += int(good.sum())
    if not count or squares / count < _LEAST_SPEED_M_S**2:
        return float("nan")
    return -1000 * products / squares


def calibration_curve(
    comparison: Comparison,
    keypoints: Sequence[int],
    probabilities: Float[np.ndarray, " n"],
) -> Float[np.ndarray, " n"]:
    """Share of errors inside the predicted region of each probability; NaN without any.

    Args:
        comparison: of a session with the truth.
        keypoints: positions among the shared keypoints.
        probabilities: from 0 to 1.
    """
    chosen = list(keypoints)
    error = comparison.error_m[:, chosen].reshape(-1, 3)
    covariance = comparison.covariance_m2[:, chosen].reshape(-1, 3, 3)
    known = np.isfinite(error).all(axis=1) & np.isfinite(covariance).all(axis=(1, 2))
    squared = np.sort(mahalanobis_squared(error[known], covariance[known]))
    if not len(squared):
        return np.full(len(probabilities), np.nan)
    return np.searchsorted(squared, chi2.ppf(probabilities, 3), "right") / len(squared)
