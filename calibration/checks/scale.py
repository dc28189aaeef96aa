"""Is a metre a metre?

A board cannot say that its squares are larger or smaller than described: the whole world grows
with them and every residual stays as it is. Only something else of known size can tell.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from calibration.checks.evidence import Evidence
from calibration.checks.finding import Finding
from calibration.checks.tracks import Triangulation
from mocap.arrays import Float
from mocap.model import Rig, Target

EDGE_WARN, EDGE_FAIL = 0.005, 0.02
PLAUSIBLE_STATURE_M = (1.30, 2.10)
"""Outside, hardly an adult; children are warned about, not refused."""
IMPOSSIBLE_STATURE_M = (1.0, 2.3)
"""Half as tall as an adult, or twice: one square taken for two, or two for one."""
STATED_WARN, STATED_FAIL = 0.06, 0.15
"""Keypoints give a person's height to about 3 %."""
DISTANCE_WARN, DISTANCE_FAIL = 0.02, 0.08
OLD_RIG_WARN, OLD_RIG_FAIL = 0.015, 0.08


@dataclass(frozen=True)
class EdgeLengths:
    """Distances between adjacent points of the target, triangulated one by one.

    Attributes:
        length_m: of every edge at every instant where both ends were seen by two cameras.
        edge: which edge, by `Target.edges`.
        true_m: what it should be.
    """

    length_m: Float[np.ndarray, " n"]
    edge: np.ndarray
    true_m: float

    @property
    def error_mm(self) -> Float[np.ndarray, " n"]:
        """Measured less true."""
        return 1000 * (self.length_m - self.true_m)


def edge_lengths(target: Target, seen: Triangulation) -> EdgeLengths:
    """Lengths of all edges of the target at all instants."""
    ends = seen.points[:, target.edges]
    length = np.linalg.norm(ends[:, :, 1] - ends[:, :, 0], axis=-1)
    known = np.isfinite(length)
    edge = np.broadcast_to(np.arange(len(target.edges)), length.shape)
    return EdgeLengths(length[known], edge[known], target.edge_m)


def check_scale(evidence: Evidence) -> list[Finding]:
    """The target's edges, people's heights, known distances, and an older rig."""
    return [
        *_edges(evidence),
        *_statures(evidence),
        *_distances(evidence),
        *_old_rig(evidence),
    ]


def _edges(evidence: Evidence) -> list[Finding]:
    if evidence.sightings is None:
        return []
    edges = edge_lengths(evidence.sightings.target, evidence.seen)
    if len(edges.length_m) < 10:
        return []
    # Noise makes every length a little longer; the median is hardly moved by it.
    error = float(np.median(edges.length_m)) / edges.true_m - 1
    if abs(error) <= EDGE_WARN:
        return []
    return [
        Finding(
            "fail" if abs(error) > EDGE_FAIL else "warn",
            "edge_length",
            (),
            f"the target's edges come out {1000 * edges.true_m * (1 + error):.2f} mm long, they "
            f"are {1000 * edges.true_m:.2f} mm",
            "Check that all cameras see the same, rigid, flat target as described; if only some "
            "rows are wrong, the print is stretched: measure both sides",
            {"error_share": error},
        )
    ]


def _square_words(evidence: Evidence, ratio: float) -> str:
    """What the square would have to be; `ratio` is true by measured."""
    if evidence.sightings is None:
        return f"Give the right height of the person; lengths must be multiplied by {ratio:.3f}"
    square = 1000 * evidence.sightings.target.square_m
    return (
        f"Measure a square of the print: {square:g} mm is described, {square * ratio:.1f} mm would "
        f"fit; correct the target's file and calibrate again"
    )


def _statures(evidence: Evidence) -> list[Finding]:
    if evidence.statures is None:
        return []
    measured = np.asarray(evidence.statures.measured_m, float)
    known = np.isfinite(measured)
    if not known.any():
        return []
    if evidence.statures.true_m is not None:
        true = np.asarray(evidence.statures.true_m, float)
        known &= np.isfinite(true)
        if not known.any():
            return []
        ratio = float(np.median(true[known] / measured[known]))
        off = abs(1 / ratio - 1)
        if off <= STATED_WARN:
            return []
        words = (
            f"people come out {float(np.median(measured[known])):.2f} m tall and are said to be "
            f"{float(np.median(true[known])):.2f} m"
        )
        bad = off > STATED_FAIL
    else:
        height = float(np.median(measured[known]))
        low, high = PLAUSIBLE_STATURE_M
        if low <= height <= high:
            return []
        ratio = 1.7 / height
        words = f"people come out {height:.2f} m tall, adults are {low:.2f} to {high:.2f} m"
        bad = not IMPOSSIBLE_STATURE_M[0] <= height <= IMPOSSIBLE_STATURE_M[1]
    return [
        Finding(
            "fail" if bad else "warn",
            "square_size",
            (),
            words,
            _square_words(evidence, ratio),
            {"true_by_measured": ratio},
        )
    ]


def _distances(evidence: Evidence) -> list[Finding]:
    found: list[Finding] = []
    for known in evidence.distances:
        first, second = evidence.rig[known.first], evidence.rig[known.second]
        measured = float(np.linalg.norm(first.center_world - second.center_world))
        off = abs(measured / known.metres - 1)
        if off <= DISTANCE_WARN:
            continue
        found.append(
            Finding(
                "fail" if off > DISTANCE_FAIL else "warn",
                "square_size",
                (known.first, known.second),
                f"{known.first} and {known.second} come out {measured:.3f} m apart, measured in "
                f"the room were {known.metres:.3f} m",
                _square_words(evidence, known.metres / max(measured, 1e-9)),
                {"true_by_measured": known.metres / max(measured, 1e-9)},
            )
        )
    return found


def scale_against(rig: Rig, old: Rig) -> tuple[float, float]:
    """Median ratio of the distances between cameras, new by old, and its spread (median absolute
    deviation); NaN with fewer than two common cameras."""
    names = [name for name in rig.names if name in old.names]
    ratios: list[float] = []
    for a, b in itertools.combinations(names, 2):
        before = float(np.linalg.norm(old[a].center_world - old[b].center_world))
        if before > 0.02:
            now = float(np.linalg.norm(rig[a].center_world - rig[b].center_world))
            ratios.append(now / before)
    if not ratios:
        return float("nan"), float("nan")
    middle = float(np.median(ratios))
    return middle, float(np.median(np.abs(np.array(ratios) - middle)))


def _old_rig(evidence: Evidence) -> list[Finding]:
    if evidence.old_rig is None:
        return []
    common = [name for name in evidence.rig.names if name in evidence.old_rig.names]
    ratio, spread = scale_against(evidence.rig, evidence.old_rig)
    # Cameras that were moved change their distances by different ratios.
    if len(common) < 3 or abs(ratio - 1) <= OLD_RIG_WARN or spread > 0.25 * abs(ratio - 1):
        return []
    return [
        Finding(
            "fail" if abs(ratio - 1) > OLD_RIG_FAIL else "warn",
            "square_size",
            (),
            f"all distances between cameras are {100 * (ratio - 1):+.1f} % against the earlier "
            f"rig, by the same factor",
            _square_words(evidence, 1 / ratio),
            {"true_by_measured": 1 / ratio},
        )
    ]
