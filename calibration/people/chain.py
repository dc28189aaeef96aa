"""From relative poses of pairs to one rig: who is who in all views, and a first pose of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.people.measurements import MIN_CONFIDENCE, Measurements, choose_instants, measure
from calibration.people.pairs import PairPose
from calibration.people.points import triangulate_points, world_rays
from calibration.people.tracklets import Tracklet
from calibration.people.tracks import LabelledPeople, PeopleTracks
from mocap.arrays import Float
from mocap.errors import CalibrationError
from mocap.model import Intrinsics

_INSTANTS = 60


@dataclass(frozen=True)
class FirstPoses:
    """A rig up to similarity, in the frame of one camera.

    Attributes:
        people: who is who, as far as pairs of cameras told.
        rotation: of `T_cam_world`.
        translation: of `T_cam_world`; the first baseline is 1.
        order: cameras in the order in which they were added.
        rival: of two cameras, how well a different pose fits (see `RelativePose`); more cameras
            settle it.
    """

    people: LabelledPeople
    rotation: Float[np.ndarray, "cameras 3 3"]
    translation: Float[np.ndarray, "cameras 3"]
    order: tuple[int, ...]
    rival: float


def chain_poses(
    tracks: PeopleTracks,
    lenses: tuple[Intrinsics, ...],
    tracklets: list[list[Tracklet]],
    pairs: list[PairPose],
    offset_s: Float[np.ndarray, " cameras"],
) -> FirstPoses:
    """Adds the cameras one by one, each by the pair that ties it best to those there are.

    Raises:
        CalibrationError: a camera shares nobody with the others.
    """
    cameras = len(lenses)
    people = _joined(tracks, tracklets, pairs)
    instants = choose_instants(people, offset_s, _INSTANTS, 4)
    m = measure(people, instants, offset_s, MIN_CONFIDENCE)
    rotation = np.tile(np.eye(3), (cameras, 1, 1))
    translation = np.zeros((cameras, 3))
    first = max(pairs, key=lambda pair: pair.weight)
    rotation[first.b], translation[first.b] = first.pose.R_b_a, first.pose.t_b_a
    order = [first.a, first.b]
    while len(order) < cameras:
        inside = np.isin(np.arange(cameras), order)
        ties = [p for p in pairs if inside[p.a] != inside[p.b]]
        added = False
        for pair in sorted(ties, key=lambda pair: -pair.weight):
            known, new = (pair.a, pair.b) if inside[pair.a] else (pair.b, pair.a)
            turn, along = pair.pose.R_b_a, pair.pose.t_b_a
            if new == pair.a:
                turn, along = turn.T, -turn.T @ along
            length = _baseline(
                m, lenses, rotation, translation, offset_s, inside, known, new, turn, along
            )
            if length is None:
                continue
            rotation[new] = turn @ rotation[known]
            translation[new] = turn @ translation[known] + length * along
            order.append(new)
            added = True
            break
        if not added:
            lost = [tracks.names[c] for c in range(cameras) if c not in order]
            raise CalibrationError(
                f"camera {lost[0]!r} sees nobody at the same time as the other cameras, or too "
                f"little of them; film people where its view overlaps with another camera's, or "
                f"leave it out"
            )
    rival = first.pose.rival if cameras == 2 else 0.0
    return FirstPoses(people, rotation, translation, tuple(order), rival)


def _baseline(
    m: Measurements,
    lenses: tuple[Intrinsics, ...],
    rotation: np.ndarray,
    translation: np.ndarray,
    offset_s: np.ndarray,
    inside: np.ndarray,
    known: int,
    new: int,
    R_new_known: np.ndarray,
    t_new_known: np.ndarray,
) -> float | None:
    """Length of a baseline, from points that the cameras inside have triangulated.

    A point at x in the known camera is seen along R x + s t in the new one: one equation for s.
    """
    points = triangulate_points(m, lenses, rotation, translation, offset_s, inside)
    rows = np.flatnonzero((m.camera == new) & np.isfinite(points[m.point]).all(axis=1))
    if len(rows) < 20:
        return None
    rays, _ = world_rays(m, lenses, np.tile(np.eye(3), (len(lenses), 1, 1)), offset_s)
    x = points[m.point[rows]] @ rotation[known].T + translation[known]
    along, across = np.cross(rays[rows], x @ R_new_known.T), np.cross(rays[rows], t_new_known)
    weight = np.sum(across**2, axis=1)
    good = np.isfinite(weight) & (weight > 1e-8)
    lengths = -np.sum(along * across, axis=1)[good] / weight[good]
    if not len(lengths):
        return None
    return _weighted_median(lengths, np.sqrt(weight[good]))


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float | None:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    middle = float(values[order][np.searchsorted(total, total[-1] / 2)])
    return middle if middle > 0 else None


def _joined(
    tracks: PeopleTracks, tracklets: list[list[Tracklet]], pairs: list[PairPose]
) -> LabelledPeople:
    """Tracklets of all cameras that are one person, the most certain pairs first."""
    label: dict[tuple[int, int], int] = {}
    turned: dict[tuple[int, int], bool] = {}
    members: dict[int, list[tuple[int, int]]] = {}
    for c, own in enumerate(tracklets):
        for t in range(len(own)):
            label[c, t] = len(members)
            turned[c, t] = False
            members[len(members)] = [(c, t)]
    for pair in sorted(pairs, key=lambda pair: -pair.weight):
        for i, j, turn in pair.same:
            one, other = (pair.a, i), (pair.b, j)
            keep, drop = label[one], label[other]
            if keep == drop or _overlap(tracklets, members[keep], members[drop]):
                continue
            flip = turned[one] ^ turned[other] ^ turn
            for node in members.pop(drop):
                label[node] = keep
                turned[node] ^= flip
                members[keep].append(node)
    groups = [g for g in members.values() if len({c for c, _ in g}) >= 2]
    groups.sort(key=lambda g: -sum(len(tracklets[c][t]) for c, t in g))
    rows = [np.full((len(groups), len(c.frame)), -1) for c in tracks.cameras]
    mirrored = [np.zeros((len(groups), len(c.frame)), bool) for c in tracks.cameras]
    for g, group in enumerate(groups):
        for c, t in group:
            seen = tracklets[c][t].rows >= 0
            rows[c][g, seen] = tracklets[c][t].rows[seen]
            mirrored[c][g, seen] = turned[c, t]
    return LabelledPeople.from_rows(tracks, rows, mirrored)


def _overlap(
    tracklets: list[list[Tracklet]], first: list[tuple[int, int]], second: list[tuple[int, int]]
) -> bool:
    """Whether two groups have tracklets of one camera at the same time: then they are two."""
    return any(
        c == d and bool(((tracklets[c][t].rows >= 0) & (tracklets[d][u].rows >= 0)).any())
        for c, t in first
        for d, u in second
    )
