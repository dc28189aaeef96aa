"""First poses of all cameras: a graph of the views that cameras share.

Each pair of cameras votes on its relative pose with every view that both have at the same time,
and with both solutions of each view, so that a flipped board, a bad view or a shift in time costs
votes and not the result. The tree of the best supported pairs joins the cameras; all cameras and
target poses are then settled together by turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calibration.board.planar_pose import PlanarPoses
from calibration.board.views import ViewTable
from mocap.arrays import Bool, Float, Int
from mocap.errors import CalibrationError
from mocap.geometry.rotations import matrix_from_rotvec, rotvec_from_matrix

MIN_EVIDENCE = 2.0
"""Fewest shared views, counted by how well they agree, that join two cameras."""
MAX_VOTES = 120
TURN_RAD, SHIFT_SHARE = 0.04, 0.03
"""Disagreement at which a vote counts half: rotation, and shift as a share of the distance."""
ROUNDS = 4


@dataclass(frozen=True)
class Edge:
    """What two cameras know of each other.

    Attributes:
        first: index of a camera.
        second: index of the other.
        shared: number of views that both have at the same time.
        evidence: how many of them agree with the pose.
        T_first_second: from the second camera's frame to the first's.
    """

    first: int
    second: int
    shared: int
    evidence: float
    T_first_second: Float[np.ndarray, "4 4"]


@dataclass(frozen=True)
class FirstPoses:
    """Where everything is, roughly.

    Attributes:
        T_cam_world: of each camera; the world is the frame of the first.
        T_world_target: of each view, by its better solution.
        trusted: views whose pose agrees with those at the same time.
        edges: of the graph, all of them.
    """

    T_cam_world: Float[np.ndarray, "cameras 4 4"]
    T_world_target: Float[np.ndarray, "views 4 4"]
    trusted: Bool[np.ndarray, " views"]
    edges: tuple[Edge, ...]


def shared_edges(
    table: ViewTable,
    time_s: Float[np.ndarray, " views"],
    poses: PlanarPoses,
    cameras: int,
    interval_s: float,
) -> tuple[Edge, ...]:
    """The pairs of cameras that share views, each with its best supported relative pose."""
    edges: list[Edge] = []
    for first in range(cameras):
        for second in range(first + 1, cameras):
            edge = _edge(table, time_s, poses, first, second, interval_s)
            if edge is not None:
                edges.append(edge)
    return tuple(edges)


def components(cameras: int, edges: Sequence[Edge]) -> list[list[int]]:
    """Groups of cameras that are connected, the largest first, else in rig order."""
    group = list(range(cameras))
    for edge in edges:
        if edge.evidence >= MIN_EVIDENCE:
            old, new = group[edge.second], group[edge.first]
            group = [new if g == old else g for g in group]
    found = [[c for c in range(cameras) if group[c] == g] for g in dict.fromkeys(group)]
    return sorted(found, key=len, reverse=True)


def explain_components(names: Sequence[str], edges: Sequence[Edge]) -> str | None:
    """Which cameras are connected with which, in words; None where all are."""
    groups = components(len(names), edges)
    if len(groups) == 1:
        return None
    texts = [", ".join(names[c] for c in group) for group in groups]
    weak = [
        f"{names[e.first]} and {names[e.second]} share {e.shared} views that do not agree"
        for e in edges
        if e.evidence < MIN_EVIDENCE and e.shared >= 3
    ]
    text = "not connected by shared views of the board: " + " | ".join(texts)
    if weak:
        text += "; " + ", ".join(weak[:4]) + " (is the time right, is the lens?)"
    return text


def first_poses(
    table: ViewTable,
    time_s: Float[np.ndarray, " views"],
    poses: PlanarPoses,
    names: Sequence[str],
    interval_s: float,
    points_m: Float[np.ndarray, "points 3"],
    edges: Sequence[Edge],
) -> FirstPoses:
    """Poses of all cameras and of the target in all views.

    Raises:
        CalibrationError: the cameras are not connected.
    """
    cameras = len(names)
    trouble = explain_components(names, edges)
    if trouble is not None:
        raise CalibrationError(
            f"cameras are {trouble}; film the board where cameras of both groups see it at the "
            f"same time, or leave out the smaller group"
        )
    T_world_cam = _along_tree(cameras, edges)
    near = _neighbours(time_s, interval_s)
    frame = _frame_points(points_m)
    chosen = np.zeros(len(table), np.int64)
    trusted = np.ones(len(table), bool)
    for _ in range(ROUNDS):
        chosen, trusted, target = _choose(table, T_world_cam, poses, near, frame)
        T_world_cam = _resect(table, T_world_cam, poses, chosen, near, target, trusted)
    base = np.linalg.inv(T_world_cam[0])
    T_world_cam = base @ T_world_cam
    rows = np.arange(len(table))
    T_world_target = T_world_cam[table.camera] @ poses.T_cam_target[rows, chosen]
    return FirstPoses(np.linalg.inv(T_world_cam), T_world_target, trusted, tuple(edges))


def target_poses(
    table: ViewTable,
    time_s: Float[np.ndarray, " views"],
    poses: PlanarPoses,
    T_world_cam: Float[np.ndarray, "cameras 4 4"],
    interval_s: float,
    points_m: Float[np.ndarray, "points 3"],
) -> tuple[Float[np.ndarray, "views 4 4"], Bool[np.ndarray, " views"]]:
    """Pose of the target in the world in each view, for cameras that are known, by the solution
    that agrees better with the views at its time; and whether it does agree."""
    near = _neighbours(time_s, interval_s)
    _, trusted, target = _choose(table, T_world_cam, poses, near, _frame_points(points_m))
    return target, trusted


def _frame_points(points_m: np.ndarray) -> np.ndarray:
    """Four points at the size of the board, homogeneous, which stand for its pose in metres."""
    span = float(np.ptp(points_m[:, :2], axis=0).max())
    corners = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1.0], [0, 0, 0]])
    return np.append(points_m.mean(axis=0) + span * corners, np.ones((4, 1)), axis=1)


def _edge(
    table: ViewTable,
    time_s: np.ndarray,
    poses: PlanarPoses,
    first: int,
    second: int,
    interval_s: float,
) -> Edge | None:
    mine, theirs = (np.flatnonzero(table.camera == c) for c in (first, second))
    if not len(mine) or not len(theirs):
        return None
    partner, found = _at_times(time_s[theirs], poses.T_cam_target[theirs], time_s[mine], interval_s)
    mine, partner = mine[found], partner[found]
    their_rms = poses.rms_rad[theirs][_nearest(time_s[theirs], time_s[mine])]
    shared = len(mine)
    if shared == 0:
        return None
    if shared > MAX_VOTES:
        picked = np.linspace(0, shared - 1, MAX_VOTES).astype(int)
        mine, partner, their_rms = mine[picked], partner[picked], their_rms[picked]
    own = poses.T_cam_target[mine]
    own_valid = np.asarray(np.isfinite(own).all(axis=(2, 3)))
    partner_valid = np.asarray(np.isfinite(partner).all(axis=(2, 3)))
    valid = own_valid[:, :, None] & partner_valid[:, None]
    partner = np.where(partner_valid[..., None, None], partner, np.eye(4))
    votes = own[:, :, None] @ np.linalg.inv(partner)[:, None]
    trust = _plausible(poses.rms_rad[mine])[:, :, None] * _plausible(their_rms)[:, None, :]
    trust = np.where(valid, trust, 0.0).reshape(len(mine), 4)
    votes = np.where(valid[..., None, None], votes, np.eye(4)).reshape(len(mine), 4, 4, 4)
    distance = float(np.nanmedian(np.linalg.norm(own[:, 0, :3, 3], axis=1)))
    flat, keep = votes.reshape(-1, 4, 4), trust.reshape(-1) > 0.05
    candidates = flat[keep]
    scores = np.zeros(len(candidates))
    for start in range(0, len(candidates), 64):
        part = candidates[start : start + 64]
        agreement = _agreement(part[:, None, None], votes[None], distance) * trust
        scores[start : start + 64] = agreement.max(axis=2).sum(axis=1)
    if not len(candidates):
        return None
    best = candidates[int(np.argmax(scores))]
    agreement = np.zeros((len(mine), 4))
    for _ in range(8):
        agreement = _agreement(best, votes, distance) * trust
        column = np.argmax(agreement, axis=1)
        rows = np.arange(len(mine))
        best = _mean_pose(votes[rows, column], agreement[rows, column] ** 2, best)
    evidence = float(agreement.max(axis=1).sum()) * shared / len(mine)
    return Edge(first, second, shared, evidence, best)


def _plausible(rms: np.ndarray) -> np.ndarray:
    """How much the better and the worse solution of a view are to be believed."""
    best = rms[:, :1]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(np.isfinite(rms), (best / rms) ** 2, 0.0)


def _agreement(pose: np.ndarray, votes: np.ndarray, distance: float) -> np.ndarray:
    cosine = (np.sum(pose[..., :3, :3] * votes[..., :3, :3], axis=(-2, -1)) - 1) / 2
    turn2 = 2 * (1 - np.clip(cosine, -1, 1))
    shift2 = np.sum((pose[..., :3, 3] - votes[..., :3, 3]) ** 2, axis=-1)
    away = turn2 / TURN_RAD**2 + shift2 / (SHIFT_SHARE * distance) ** 2
    return 1 / (1 + away * away)


def _mean_pose(poses: np.ndarray, weight: np.ndarray, near: np.ndarray) -> np.ndarray:
    total = float(weight.sum())
    if total < 1e-9:
        return near
    share = weight / total
    turns = rotvec_from_matrix(poses[:, :3, :3] @ near[:3, :3].T)
    mean = np.eye(4)
    mean[:3, :3] = matrix_from_rotvec(share @ turns) @ near[:3, :3]
    mean[:3, 3] = share @ poses[:, :3, 3]
    return mean


def _nearest(times: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    right = np.clip(np.searchsorted(times, wanted), 0, len(times) - 1)
    left = np.maximum(right - 1, 0)
    return np.where(np.abs(times[left] - wanted) <= np.abs(times[right] - wanted), left, right)


def _at_times(
    times: np.ndarray, poses: np.ndarray, wanted: np.ndarray, interval_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Poses (both solutions) at other times, and where there are any.

    Between two frames they are interpolated, each solution with the nearer one of the other frame;
    beside a single frame it must be within a tenth of the interval.
    """
    nearest = _nearest(times, wanted)
    found = np.abs(times[nearest] - wanted) < 0.1 * interval_s
    result = poses[nearest].copy()
    right = np.clip(np.searchsorted(times, wanted), 1, max(len(times) - 1, 1))
    if len(times) < 2:
        return result, found
    left = right - 1
    gap = times[right] - times[left]
    share = (wanted - times[left]) / np.where(gap > 0, gap, 1.0)
    between = ~found & (gap < 1.6 * interval_s) & (share >= 0) & (share <= 1)
    for row in np.flatnonzero(between):
        a, b = poses[left[row]], poses[right[row]]
        for k in range(2):
            if not np.isfinite(a[k]).all():
                continue
            cosine = np.nansum(a[k, :3, :3] * b[:, :3, :3], axis=(1, 2))
            cosine = np.where(np.isfinite(b).all(axis=(1, 2)), cosine, -np.inf)
            other = b[int(np.argmax(cosine))]
            turn = rotvec_from_matrix(other[:3, :3] @ a[k, :3, :3].T)
            result[row, k] = a[k]
            result[row, k, :3, :3] = matrix_from_rotvec(share[row] * turn) @ a[k, :3, :3]
            result[row, k, :3, 3] += share[row] * (other[:3, 3] - a[k, :3, 3])
    return result, found | between


def _along_tree(cameras: int, edges: Sequence[Edge]) -> np.ndarray:
    """Poses along the spanning tree with the most evidence."""
    T_world_cam = np.tile(np.eye(4), (cameras, 1, 1))
    placed = {0}
    while len(placed) < cameras:
        open_edges = [
            e
            for e in edges
            if (e.first in placed) != (e.second in placed) and e.evidence >= MIN_EVIDENCE
        ]
        best = max(open_edges, key=lambda e: e.evidence)
        if best.first in placed:
            T_world_cam[best.second] = T_world_cam[best.first] @ best.T_first_second
            placed.add(best.second)
        else:
            back = np.linalg.inv(best.T_first_second)
            T_world_cam[best.first] = T_world_cam[best.second] @ back
            placed.add(best.first)
    return T_world_cam


def _neighbours(
    time_s: np.ndarray, interval_s: float, most: int = 24
) -> tuple[Int[np.ndarray, "views most"], Float[np.ndarray, "views most"]]:
    """For each view those at about the same time, and how much they count."""
    order = np.argsort(time_s, kind="stable")
    place = np.arange(len(time_s))
    sorted_times = time_s[order]
    index = np.zeros((len(time_s), most), np.int64)
    weight = np.zeros((len(time_s), most))
    for k in range(most):
        step = (k // 2 + 1) * (1 if k % 2 else -1)
        other = np.clip(place + step, 0, len(time_s) - 1)
        away = np.abs(sorted_times[other] - sorted_times) / interval_s
        inside = (place + step == other) & (away < 1.3)
        index[order, k] = order[other]
        weight[order, k] = np.where(inside, np.exp(-4 * away), 0.0)
    return index, weight


def _choose(
    table: ViewTable,
    T_world_cam: np.ndarray,
    poses: PlanarPoses,
    near: tuple[np.ndarray, np.ndarray],
    frame: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The solution of each view that agrees best with the views at its time.

    Returns it, whether it agrees, and the pose of the target in the world.
    """
    world = T_world_cam[table.camera][:, None] @ poses.T_cam_target
    places = (world @ frame.T)[..., :3, :]
    index, weight = near
    own = places[:, :, None, None]
    others = places[index][:, None]
    away2 = np.mean(np.sum((own - others) ** 2, axis=-2), axis=-1)
    distance = np.linalg.norm(poses.T_cam_target[:, 0, :3, 3], axis=1)
    scale2 = (0.04 * distance[:, None, None, None]) ** 2
    agree = np.nan_to_num(1 / (1 + away2 / scale2))
    agree = (agree * _plausible(poses.rms_rad)[index][:, None]).max(axis=-1)
    # Other cameras judge better than the frames before and after of the same one.
    weight = weight * np.where(table.camera[index] == table.camera[:, None], 0.2, 1.0)
    support = (agree * weight[:, None]).sum(axis=-1)
    score = _plausible(poses.rms_rad) * (0.1 + support)
    chosen = np.argmax(np.nan_to_num(score), axis=1)
    rows = np.arange(len(table))
    total = weight.sum(axis=1)
    trusted = support[rows, chosen] > 0.25 * total
    return chosen, trusted, world[rows, chosen]


def _resect(
    table: ViewTable,
    T_world_cam: np.ndarray,
    poses: PlanarPoses,
    chosen: np.ndarray,
    near: tuple[np.ndarray, np.ndarray],
    target: np.ndarray,
    trusted: np.ndarray,
) -> np.ndarray:
    """Every camera anew from where the other cameras see the target at the same time."""
    index, weight = near
    rows = np.arange(len(table))
    distance = float(np.nanmedian(np.linalg.norm(poses.T_cam_target[:, 0, :3, 3], axis=1)))
    result = T_world_cam.copy()
    from_target = np.linalg.inv(poses.T_cam_target[rows, chosen])
    for c in range(1, len(T_world_cam)):
        mine = np.flatnonzero((table.camera == c) & trusted)
        other = index[mine]
        strength = np.where((table.camera[other] != c) & trusted[other], weight[mine], 0.0)
        view, slot = np.nonzero(strength > 0.05)
        if len(view) == 0:
            continue
        votes = target[other[view, slot]] @ from_target[mine[view]]
        estimate = T_world_cam[c]
        for _ in range(5):
            agreement = _agreement(estimate, votes, distance) * strength[view, slot]
            estimate = _mean_pose(votes, agreement, estimate)
        result[c] = estimate
    return result
