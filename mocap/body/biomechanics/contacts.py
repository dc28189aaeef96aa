"""When each foot stands on the floor, from kinematics alone.

Two methods. Over ground, a foot stands while its heel or its toe is low and slow: that needs no
walking, and serves squats and jumps too. On a treadmill the standing foot moves, so the foot
strikes are where the heel is furthest ahead of the pelvis, and the toe offs where the toe is
furthest behind it (Zeni et al., Gait & Posture 27, 2008); docs/joint_angles.md has their errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from mocap.arrays import Bool, Float
from mocap.body.biomechanics.derivatives import CUTOFF_HZ, derivative, low_pass, usable_cutoff_hz
from mocap.body.biomechanics.frames import WORLD_AXES
from mocap.body.biomechanics.joint_angles import WORLD, SegmentTurns
from mocap.body.biomechanics.segments import SIDES, BodySegments
from mocap.errors import InputError, valid_choices
from mocap.model.body_motion import BodyMotion

ContactMethod = Literal["ground", "treadmill"]
CONTACT_METHODS: tuple[str, ...] = get_args(ContactMethod)

LAND_M_S = 0.5
"""A point that is slower has landed."""
LEAVE_M_S = 0.3
"""A point that stood has left when it is faster: a foot leaves more gently than it lands."""
LOW_M = 0.06
"""How much higher than when it stands a standing point may be."""
_SHORTEST_STAND_S = 0.10
_SHORTEST_SWING_S = 0.10
_EDGE_S = 0.10
"""Of both ends of a motion, in which nothing is said about events."""
_LEAST_EXCURSION_M = 0.15
"""Of a foot against the pelvis, forth and back, from which on it is a stride."""
_HEADING_HZ = 1.0


@dataclass(frozen=True, eq=False)
class FootContacts:
    """When the feet of one person stand.

    Attributes:
        frame: frame numbers.
        time_s: seconds of the session clock.
        standing: per frame, of the left and of the right foot.
        begin_s: per side, when each contact begins; minus infinity if before the first frame.
        end_s: per side, when each ends; infinity if after the last frame.
        method: "ground" or "treadmill".
    """

    frame: np.ndarray
    time_s: Float[np.ndarray, " frames"]
    standing: Bool[np.ndarray, "frames 2"]
    begin_s: tuple[Float[np.ndarray, " contacts"], ...]
    end_s: tuple[Float[np.ndarray, " contacts"], ...]
    method: str


@dataclass(frozen=True, eq=False)
class FootPoints:
    """Heel and toe of both feet over time.

    Attributes:
        heel_m: world positions, (F, left and right, 3).
        toe_m: world positions.
        ankle: index of the ankle joint of each side.
    """

    heel_m: Float[np.ndarray, "frames 2 3"]
    toe_m: Float[np.ndarray, "frames 2 3"]
    ankle: tuple[int, int]


def foot_points(motion: BodyMotion, body: BodySegments) -> FootPoints:
    """Heels and big toes where the fit has them as keypoints; else ankles and toe joints.

    Raises:
        InputError: the body has neither.
    """
    ankles = (body.landmarks["left_ankle"], body.landmarks["right_ankle"])
    points: list[np.ndarray] = []
    for keypoint, landmark in (("heel", "ankle"), ("big_toe", "toe")):
        names = [f"{side}_{keypoint}" for side in SIDES]
        if all(name in motion.keypoint_names for name in names):
            rows = [motion.keypoint_names.index(name) for name in names]
            points.append(motion.keypoints_m[:, rows])
        elif body.has(*(f"{side}_{landmark}" for side in SIDES)):
            joints = [body.landmarks[f"{side}_{landmark}"] for side in SIDES]
            points.append(motion.joint_positions_m[:, joints])
        else:
            raise InputError(
                f"foot contacts need toes: the body has neither a joint of the toes nor the "
                f"keypoint {names[0]}"
            )
    return FootPoints(points[0], points[1], ankles)


def foot_contacts(
    motion: BodyMotion,
    method: ContactMethod = "ground",
    *,
    names: Mapping[str, str] | None = None,
    cutoff_hz: float = CUTOFF_HZ,
) -> FootContacts:
    """When each foot stands.

    The height of the floor is that at which each point of the foot is slow most of the time, so
    that the floor of the world need not be set; it must be level, without stairs.

    Args:
        motion: at least five frames.
        method: "ground", or "treadmill" for walking on a moving belt.
        names: names of joints by landmark, for models whose joints are not known by name.
        cutoff_hz: of the low-pass filter of the positions.

    Raises:
        InputError: the method is unknown, the body has no feet, or there are too few frames.
    """
    if method not in CONTACT_METHODS:
        raise InputError(f"no method {method!r}; methods are {valid_choices(CONTACT_METHODS)}")
    turns = SegmentTurns.of_motion(motion, names)
    cutoff = usable_cutoff_hz(motion.time_s, cutoff_hz)
    points = foot_points(motion, turns.body)
    if method == "ground":
        begin_end = [_stands_on_ground(points, i, motion.time_s, cutoff) for i in range(2)]
    else:
        begin_end = [_stands_on_belt(turns, points, i, cutoff) for i in range(2)]
    kept = [_there(_open_ended(pairs, motion.time_s), motion) for pairs in begin_end]
    standing = np.zeros((len(motion), 2), dtype=bool)
    for i, pairs in enumerate(kept):
        for begin, end in pairs:
            standing[:, i] |= (motion.time_s >= begin) & (motion.time_s <= end)
    standing &= motion.present[:, None]
    return FootContacts(
        motion.frame,
        motion.time_s,
        standing,
        tuple(pairs[:, 0] for pairs in kept),
        tuple(pairs[:, 1] for pairs in kept),
        method,
    )


def _stands_on_ground(
    points: FootPoints, i: int, time_s: Float[np.ndarray, " frames"], cutoff_hz: float
) -> Float[np.ndarray, "contacts 2"]:
    """Begin and end of the contacts of one foot: heel or toe low and slow."""
    stands = np.zeros((0, 2))
    for place in (points.heel_m[:, i], points.toe_m[:, i]):
        smooth = low_pass(place, time_s, cutoff_hz)
        speed = np.linalg.norm(derivative(smooth, time_s), axis=1)
        slow = speed < LEAVE_M_S
        floor = np.median(smooth[slow, 2]) if slow.any() else smooth[:, 2].min()
        # Slow and high is a foot in the air at a turning point; too high counts as fast.
        speed = np.where(smooth[:, 2] - floor < LOW_M, speed, np.maximum(speed, 2 * LAND_M_S))
        stands = np.concatenate([stands, _slow_stretches(speed, time_s)])
    return _merged(stands)


def _slow_stretches(
    speed: Float[np.ndarray, " frames"], time_s: Float[np.ndarray, " frames"]
) -> Float[np.ndarray, "stretches 2"]:
    """From below the speed of landing to above that of leaving, with times between frames."""
    pairs: list[tuple[float, float]] = []
    begin: float | None = -np.inf if speed[0] < LAND_M_S else None
    settled = speed[0] < LEAVE_M_S
    for t in range(1, len(speed)):
        if begin is None and speed[t] < LAND_M_S:
            begin, settled = _crossing(speed, time_s, t, LAND_M_S), False
        if begin is None:
            continue
        settled = settled or speed[t] < LEAVE_M_S
        limit = LEAVE_M_S if settled else LAND_M_S
        if speed[t] > limit:
            pairs.append((begin, _crossing(speed, time_s, t, limit)))
            begin = None
    if begin is not None:
        pairs.append((begin, np.inf))
    return np.array(pairs).reshape(-1, 2)


def _crossing(
    speed: Float[np.ndarray, " frames"], time_s: Float[np.ndarray, " frames"], t: int, limit: float
) -> float:
    change = speed[t] - speed[t - 1]
    share = (limit - speed[t - 1]) / change if change else 1.0
    return float(time_s[t - 1] + np.clip(share, 0.0, 1.0) * (time_s[t] - time_s[t - 1]))


def _merged(stands: Float[np.ndarray, "stands 2"]) -> Float[np.ndarray, "contacts 2"]:
    """Joins what overlaps or is hardly apart; leaves out what is too short."""
    result: list[list[float]] = []
    for begin, end in stands[np.argsort(stands[:, 0])]:
        if result and begin - result[-1][1] < _SHORTEST_SWING_S:
            result[-1][1] = max(result[-1][1], end)
        else:
            result.append([begin, end])
    pairs = np.array(result).reshape(-1, 2)
    return pairs[pairs[:, 1] - pairs[:, 0] >= _SHORTEST_STAND_S]


def _stands_on_belt(
    turns: SegmentTurns, points: FootPoints, i: int, cutoff_hz: float
) -> Float[np.ndarray, "contacts 2"]:
    """By the extreme positions of heel and toe ahead of the pelvis (Zeni et al. 2008)."""
    motion = turns.motion
    time_s = motion.time_s
    ahead = heading(turns)
    pelvis = motion.joint_positions_m[:, turns.body.landmarks["pelvis"]]

    def forward(place: np.ndarray) -> np.ndarray:
        return np.einsum("fk,fk->f", low_pass(place - pelvis, time_s, cutoff_hz)[:, :2], ahead)

    strikes = _peaks(forward(points.heel_m[:, i]), time_s)
    leaves = _peaks(-forward(points.toe_m[:, i]), time_s)
    pairs: list[tuple[float, float]] = []
    for k, strike in enumerate(strikes):
        until = strikes[k + 1] if k + 1 < len(strikes) else np.inf
        after = leaves[(leaves > strike) & (leaves < until)]
        if len(after):
            pairs.append((strike, float(after[0])))
        elif until == np.inf:
            pairs.append((strike, np.inf))
    if len(leaves) and (not len(strikes) or leaves[0] < strikes[0]):
        pairs.insert(0, (-np.inf, float(leaves[0])))
    return np.array(pairs).reshape(-1, 2)


def heading(turns: SegmentTurns) -> Float[np.ndarray, "frames 2"]:
    """Horizontal direction that the pelvis faces, without its turns in each stride."""
    found = turns.between(WORLD, "pelvis")
    assert found is not None
    # The body's right hardly tilts, whatever the trunk does: forwards is up x right.
    right = found[0][:, :, 2] @ WORLD_AXES.T
    ahead = np.stack([-right[:, 1], right[:, 0]], axis=1)
    time_s = turns.motion.time_s
    smooth = low_pass(ahead, time_s, min(_HEADING_HZ, usable_cutoff_hz(time_s)))
    length = np.linalg.norm(smooth, axis=1, keepdims=True)
    return smooth / np.maximum(length, 1e-9)


def _peaks(
    values: Float[np.ndarray, " frames"], time_s: Float[np.ndarray, " frames"]
) -> np.ndarray:
    """Times of the peaks, by a parabola through each and its neighbours."""
    from scipy.signal import find_peaks

    rows, _ = find_peaks(values, prominence=_LEAST_EXCURSION_M)
    times: list[float] = []
    for t in rows:
        before, at, after = values[t - 1 : t + 2]
        bend = before - 2 * at + after
        shift = 0.5 * (before - after) / bend if bend else 0.0
        step = time_s[t + 1] - time_s[t] if shift > 0 else time_s[t] - time_s[t - 1]
        times.append(float(time_s[t] + shift * step))
    return np.array(times)


def _open_ended(
    pairs: Float[np.ndarray, "contacts 2"], time_s: Float[np.ndarray, " frames"]
) -> Float[np.ndarray, "contacts 2"]:
    """Contacts without the events next to both ends, which only the filter may have made."""
    begin, end = pairs.T
    begin = np.where(begin < time_s[0] + _EDGE_S, -np.inf, begin)
    end = np.where(end > time_s[-1] - _EDGE_S, np.inf, end)
    unknown = (end < time_s[0] + _EDGE_S) | (begin > time_s[-1] - _EDGE_S)
    return np.stack([begin, end], axis=1)[~unknown]


def _there(
    pairs: Float[np.ndarray, "contacts 2"], motion: BodyMotion
) -> Float[np.ndarray, "contacts 2"]:
    """Contacts in which the person was there in at least one frame."""
    times = motion.time_s
    there = [motion.present[(times >= begin) & (times <= end)].any() for begin, end in pairs]
    return pairs[np.array(there, dtype=bool)]
