"""Brings a session and the truth together: which person, at which instant, is who.

The truth and the session have clocks and frames of their own, and ids of their own. Here every
frame of the session gets the truth of its instant, and every true person the person of the session
that is nearest. `mocap.pipeline.evaluation` makes figures of the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from mocap.arrays import Bool, Float, Int
from mocap.errors import InputError, valid_choices
from mocap.model import FrameTable, Motion
from mocap.model.truth import Truth

NOBODY = -1
"""Stands for the id of a true person whom the session lacks."""
MIN_CAMERAS = 2
"""A keypoint that fewer cameras see cannot be triangulated."""


@dataclass(frozen=True)
class EvaluationConfig:
    """How a session is compared with the truth."""

    gate_m: float = 0.5
    """A person further from a true one than this, on average over keypoints, is not that one."""
    min_seen_keypoints: int = 4
    """A true person with fewer keypoints that two cameras see is out of view, not missing."""


@dataclass(frozen=True)
class Comparison:
    """The true people of every frame of a session, each beside what the session says.

    There is one row per true person and frame of the session, ordered by frame, then by id.

    Attributes:
        names: keypoints which truth and session share.
        parts: the part each of them belongs to.
        frame: frame number of the session.
        time_s: session clock.
        true_id: the id in the truth.
        person_id: the id in the session; `NOBODY` if the session lacks this person.
        truth_m: true positions at the instant of the frame, metres; NaN where there is none.
        velocity_m_s: of the true positions; NaN where it is unknown.
        points_m: positions of the session; NaN for missing.
        covariance_m2: their covariance.
        cameras: number of cameras that see each keypoint.
        in_view: whether enough keypoints of the person are seen to find it.
        axes: the person's own axes as rows (forward, left, up) in the world; up is the world's.
            NaN where the truth lacks shoulders and hips, or the person lies on the side.
        false_frame: frame number of every person of the session who is no true one.
        false_id: the id of that person.
        frames: number of frames compared.
        frames_without_truth: frames of the session before the first or after the last true one.
        truth_frames_without_session: true frames at whose instant the session has no frame.
    """

    names: tuple[str, ...]
    parts: tuple[str, ...]
    frame: Int[np.ndarray, " rows"]
    time_s: Float[np.ndarray, " rows"]
    true_id: Int[np.ndarray, " rows"]
    person_id: Int[np.ndarray, " rows"]
    truth_m: Float[np.ndarray, "rows keypoints 3"]
    velocity_m_s: Float[np.ndarray, "rows keypoints 3"]
    points_m: Float[np.ndarray, "rows keypoints 3"]
    covariance_m2: Float[np.ndarray, "rows keypoints 3 3"]
    cameras: Int[np.ndarray, "rows keypoints"]
    in_view: Bool[np.ndarray, " rows"]
    axes: Float[np.ndarray, "rows 3 3"]
    false_frame: Int[np.ndarray, " false_people"]
    false_id: Int[np.ndarray, " false_people"]
    frames: int
    frames_without_truth: int
    truth_frames_without_session: int

    @property
    def found(self) -> Bool[np.ndarray, " rows"]:
        """Which true people the session has."""
        return self.person_id != NOBODY

    @property
    def error_m(self) -> Float[np.ndarray, "rows keypoints 3"]:
        """Position of the session less the true one, in the world frame."""
        return self.points_m - self.truth_m


def compare(
    motion: Motion,
    frames: FrameTable,
    truth: Truth,
    cameras: Sequence[str],
    config: EvaluationConfig | None = None,
) -> Comparison:
    """Compares a layer of a session with the truth.

    The truth is taken at the instant of each frame of the session: of the true frame next to it,
    at most half a frame away, and interpolated linearly towards its neighbour. People are matched
    frame by frame by the smallest sum of mean keypoint distances (Kuhn, 1955), each at most
    `gate_m`, so that identities which were exchanged show as switches and not as large errors.

    Args:
        motion: the layer.
        frames: all frames of the session, those without people included.
        truth: the true people.
        cameras: names of the session's cameras; the truth's other cameras are not counted.
        config: limits.

    Raises:
        InputError: they have no keypoint, no camera or no time in common.
    """
    config = config or EvaluationConfig()
    names = tuple(name for name in motion.skeleton.keypoints if name in truth.joint_names)
    if not names:
        raise InputError(
            f"the truth and the session have no keypoint in common; the truth has "
            f"{valid_choices(truth.joint_names, 6)}, the session "
            f"{valid_choices(motion.skeleton.keypoints, 6)}; name keypoints as the skeletons do"
        )
    own = [motion.skeleton.index(name) for name in names]
    theirs = [truth.joint_names.index(name) for name in names]
    half_s = _half_frame_s(truth, frames)
    times = frames.time_ns * 1e-9
    inside = _inside(times, truth, half_s)
    seen = _cameras_seeing(truth, cameras)
    rows: list[_Row] = []
    false: list[tuple[int, int]] = []
    by_id = {i: np.flatnonzero(truth.id == i) for i in truth.ids}
    by_id = {i: r[np.argsort(truth.time_s[r])] for i, r in by_id.items()}
    for number, time_s in zip(frames.number[inside].tolist(), times[inside].tolist(), strict=True):
        here = [
            _Row(number, time_s, i, *state)
            for i, mine in by_id.items()
            if (state := _true_state(truth, mine, time_s, half_s)) is not None
        ]
        people = np.flatnonzero(motion.frame == number)
        matches = _match(
            np.array([row.points for row in here]).reshape(len(here), len(truth.joint_names), 3)[
                :, theirs
            ],
            motion.points_m[people][:, own],
            config.gate_m,
        )
        for k, row in enumerate(here):
            row.session_row = int(people[matches[k]]) if k in matches else NOBODY
        taken = set(matches.values())
        false += [
            (number, int(motion.person_id[p])) for k, p in enumerate(people) if k not in taken
        ]
        rows += here
    k = len(names)
    source = np.array([row.session_row for row in rows], np.int64)
    nearest = np.array([row.truth_row for row in rows], np.int64)
    got = source != NOBODY
    points, covariance = np.full((len(rows), k, 3), np.nan), np.full((len(rows), k, 3, 3), np.nan)
    points[got] = motion.points_m[source[got]][:, own]
    covariance[got] = motion.covariance_m2[source[got]][:, own]
    ids = np.full(len(rows), NOBODY)
    ids[got] = motion.person_id[source[got]]
    shape = (len(rows), len(truth.joint_names), 3)
    true_points = np.array([row.points for row in rows]).reshape(shape)
    velocity = np.array([row.velocity for row in rows]).reshape(shape)
    enough = ((seen >= MIN_CAMERAS) & np.isfinite(truth.points[..., 0])).sum(axis=1)
    return Comparison(
        names=names,
        parts=tuple(motion.skeleton.parts[i] for i in own),
        frame=np.array([row.frame for row in rows], np.int64),
        time_s=np.array([row.time_s for row in rows], np.float64),
        true_id=np.array([row.true_id for row in rows], np.int64),
        person_id=ids,
        truth_m=true_points[:, theirs],
        velocity_m_s=velocity[:, theirs],
        points_m=points,
        covariance_m2=covariance,
        cameras=seen[nearest][:, theirs],
        in_view=enough[nearest] >= config.min_seen_keypoints,
        axes=person_axes(true_points, truth.joint_names),
        false_frame=np.array([f for f, _ in false], np.int64),
        false_id=np.array([p for _, p in false], np.int64),
        frames=int(inside.sum()),
        frames_without_truth=int((~inside).sum()),
        truth_frames_without_session=_uncovered(truth, times, half_s),
    )


@dataclass
class _Row:
    """A true person in a frame of the session."""

    frame: int
    time_s: float
    true_id: int
    truth_row: int
    points: np.ndarray
    velocity: np.ndarray
    session_row: int = NOBODY


def person_axes(
    points_m: Float[np.ndarray, "rows keypoints 3"], names: Sequence[str]
) -> Float[np.ndarray, "rows 3 3"]:
    """Axes of people as rows: forward and left horizontal, up the world's.

    Left is from the right to the left shoulder and hip, on average.

    Args:
        points_m: positions.
        names: of the keypoints.

    Returns:
        The axes; NaN where shoulders or hips are missing, or one above the other.
    """
    axes = np.full((len(points_m), 3, 3), np.nan)
    sides = [f"{side}_{part}" for side in ("left", "right") for part in ("shoulder", "hip")]
    if any(name not in names for name in sides):
        return axes
    ls, lh, rs, rh = (points_m[:, list(names).index(name)] for name in sides)
    left = (ls - rs) + (lh - rh)
    left[:, 2] = 0.0
    length = np.linalg.norm(left, axis=1)
    good = length > _LEAST_WIDTH_M
    left = left[good] / length[good, None]
    up = np.broadcast_to([0.0, 0.0, 1.0], left.shape)
    axes[good] = np.stack([np.cross(left, up), left, up], axis=1)
    return axes


_LEAST_WIDTH_M = 0.05


def _half_frame_s(truth: Truth, frames: FrameTable) -> float:
    interval = truth.frame_interval_s
    if not np.isfinite(interval):
        interval = 1.0 / frames.rate_hz if len(frames) > 1 else 0.0
    # Times are whole nanoseconds in one and floating-point numbers in the other.
    return 0.5 * interval + 1e-6


def _inside(times: np.ndarray, truth: Truth, half_s: float) -> np.ndarray:
    """Which frames of the session the truth covers. A truth of nobody covers all of them."""
    if not len(truth):
        return np.ones(len(times), bool)
    first, last = truth.time_s.min(), truth.time_s.max()
    inside = (times >= first - half_s) & (times <= last + half_s)
    if len(times) and not inside.any():
        raise InputError(
            f"the session (from {times[0]:.3f} to {times[-1]:.3f} s) and the truth (from "
            f"{first:.3f} to {last:.3f} s) have no time in common; give the truth of this session"
        )
    return inside


def _uncovered(truth: Truth, times: np.ndarray, half_s: float) -> int:
    true_times = np.unique(truth.time_s)
    if not len(times):
        return len(true_times)
    after = np.clip(np.searchsorted(times, true_times), 1, max(len(times) - 1, 1))
    near = np.minimum(
        np.abs(times[after - 1] - true_times),
        np.abs(times[np.minimum(after, len(times) - 1)] - true_times),
    )
    return int((near > half_s).sum())


def _cameras_seeing(truth: Truth, cameras: Sequence[str]) -> np.ndarray:
    shared = [c for c, name in enumerate(truth.camera_names) if name in cameras]
    if not shared:
        raise InputError(
            f"the truth and the session have no camera in common; the truth has "
            f"{valid_choices(truth.camera_names)}, the session {valid_choices(cameras)}; give the "
            f"truth of this session"
        )
    return truth.visible[:, shared].sum(axis=1)


def _true_state(
    truth: Truth, rows: np.ndarray, time_s: float, half_s: float
) -> tuple[int, np.ndarray, np.ndarray] | None:
    """Nearest row of a person, and its interpolated points with their velocity."""
    times = truth.time_s[rows]
    i = int(np.argmin(np.abs(times - time_s)))
    offset = time_s - times[i]
    if abs(offset) > half_s:
        return None
    points = truth.points[rows[i]]
    other = i + 1 if offset > 0 or i == 0 else i - 1
    if not 0 <= other < len(rows):
        other = i - 1 if other > i else i + 1
    if not 0 <= other < len(rows) or abs(times[other] - times[i]) > 3 * half_s:
        return int(rows[i]), points, np.full_like(points, np.nan)
    velocity = (truth.points[rows[other]] - points) / (times[other] - times[i])
    # Past the end of the truth it is not continued: only between its frames is it known.
    between = (other - i) * offset > 0
    moved = points + velocity * offset if between else points
    return int(rows[i]), np.where(np.isfinite(moved), moved, points), velocity


def _match(truth: np.ndarray, people: np.ndarray, gate_m: float) -> dict[int, int]:
    """By position of the true person, the position of the person of the session."""
    if not len(truth) or not len(people):
        return {}
    distance = np.linalg.norm(truth[:, None] - people[None], axis=3)
    known = np.isfinite(distance)
    mean = np.where(known, distance, 0.0).sum(axis=2) / np.maximum(known.sum(axis=2), 1)
    mean[~known.any(axis=2)] = np.inf
    # Whoever is beyond the gate costs more than everyone else together, so that as many people as
    # possible are matched, and then the nearest.
    outside = gate_m * (1 + min(mean.shape))
    cost = np.where(mean <= gate_m, mean, outside)
    return {
        int(i): int(j)
        for i, j in zip(*linear_sum_assignment(cost), strict=True)
        if mean[i, j] <= gate_m
    }
