"""Corrections of ids, checked against the people of a session, and which tracks are one person's.

A track that broke off is joined to a later one when the later one is the only one it can be: the
same lengths of the bones, and near enough for somebody who walked on. The joins are corrections
like those made by hand, and are taken back like them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mocap.errors import InputError, valid_choices
from mocap.geometry.bone_lengths import measure_lengths
from mocap.model import Motion
from mocap.pipeline.smooth import rigid_bones
from mocap.storage.session_edits import TrackEdit

WALKING_M_S = 2.5
"""Nobody who left one track is believed to have come to the next one faster."""
NEAR_M = 0.5
MIN_COMMON_BONES = 4
MAX_CHI2_PER_BONE = 2.0
DETECTOR_SIGMA_M = 0.008
"""How much the length of a bone differs between two views of the same person."""


@dataclass(frozen=True)
class TrackSummary:
    """One person's track.

    Attributes:
        person_id: the id.
        first: first frame number.
        last: last frame number.
        frames: number of frames with the person.
        start_m: mean position in the first frame, world, metres.
        end_m: mean position in the last frame.
        measured: share of body keypoints that were measured.
    """

    person_id: int
    first: int
    last: int
    frames: int
    start_m: tuple[float, float, float]
    end_m: tuple[float, float, float]
    measured: float


def track_summaries(motion: Motion) -> list[TrackSummary]:
    """All tracks of a session, ordered by id."""
    body = list(motion.skeleton.indices("body", "feet"))
    made: list[TrackSummary] = []
    for person_id in motion.person_ids:
        person = motion.person(person_id)
        made.append(
            TrackSummary(
                person_id,
                int(person.frame[0]),
                int(person.frame[-1]),
                len(person),
                _place(person, 0),
                _place(person, -1),
                float(np.isfinite(person.points_m[:, body, 0]).mean()) if body else 0.0,
            )
        )
    return made


def _place(person: Motion, row: int) -> tuple[float, float, float]:
    points = person.points_m[row]
    known = points[np.isfinite(points[:, 0])]
    x, y, z = known.mean(axis=0) if len(known) else (np.nan,) * 3
    return float(x), float(y), float(z)


def check_edit(edit: TrackEdit, motion: Motion) -> None:
    """Checks a correction against the people as they are before it.

    Args:
        edit: the correction.
        motion: raw layer with all corrections before.

    Raises:
        InputError: a person is not there, the range is empty, or ids would meet in a frame.
    """
    first = -np.inf if edit.first is None else edit.first
    last = np.inf if edit.last is None else edit.last
    if first > last:
        raise InputError(f"--frames {edit.first} {edit.last}: the first comes after the last")
    within = (motion.frame >= first) & (motion.frame <= last)

    def frames_of(person_id: int) -> np.ndarray:
        mine = within & (motion.person_id == person_id)
        if person_id not in motion.person_ids:
            people = valid_choices(map(str, motion.person_ids))
            raise InputError(f"no person {person_id} in this session; the people are {people}")
        if not mine.any():
            at = motion.frame[motion.person_id == person_id]
            raise InputError(
                f"person {person_id} is not in these frames, but in {at[0]} to {at[-1]}; change "
                f"the frames"
            )
        return motion.frame[mine]

    mine = frames_of(edit.person) if edit.kind != "merge" else np.zeros(0)
    if edit.kind == "delete":
        return
    assert edit.other is not None
    if edit.other == edit.person:
        raise InputError(f"{edit.kind} takes two different people, got {edit.person} twice")
    if edit.other < 0:
        raise InputError(f"person {edit.other} is no id; ids are 0 and above")
    if edit.kind in ("merge", "swap"):
        if edit.person not in motion.person_ids:
            frames_of(edit.person)
        frames_of(edit.other)
    if edit.kind == "split" and not (motion.frame[motion.person_id == edit.person] < first).any():
        raise InputError(
            f"person {edit.person} is not there before frame {edit.first}; split at a later frame, "
            f"or use --rename"
        )
    if edit.kind == "rename":
        taken = np.intersect1d(mine, motion.frame[within & (motion.person_id == edit.other)])
        if len(taken):
            raise InputError(
                f"person {edit.other} is there as well, in {len(taken)} frames from {taken[0]} on; "
                f"use --merge {edit.other} {edit.person}, or --swap, or other --frames"
            )


def unused_id(motion: Motion, edits: tuple[TrackEdit, ...]) -> int:
    """An id which neither the session nor a correction has ever used."""
    used = [*motion.person_ids, *(e.person for e in edits)]
    used += [e.other for e in edits if e.other is not None]
    return max(used, default=-1) + 1


def joins_by_signature(motion: Motion, max_pause_s: float) -> list[TrackEdit]:
    """Which tracks are the same person, who was lost in between.

    Args:
        motion: raw layer.
        max_pause_s: longest time between the end of a track and the start of the next.

    Returns:
        Merges, each into the earlier id, in an order in which they can be applied. A track is left
        alone when two others could continue it, or when too few bones are known.
    """
    skeleton = motion.skeleton
    bones, twin = rigid_bones(skeleton)
    people = [motion.person(i) for i in motion.person_ids]
    measured = [measure_lengths(p.points_m, p.covariance_m2, bones, twin) for p in people]
    n = len(people)
    cost = np.full((n, n), np.inf)
    for i in range(n):
        for j in range(n):
            pause = people[j].time_s[0] - people[i].time_s[-1]
            if i == j or not 0 < pause <= max_pause_s:
                continue
            way = np.subtract(_place(people[j], 0), _place(people[i], -1))
            if not np.linalg.norm(way) <= NEAR_M + WALKING_M_S * pause:
                continue
            cost[i, j] = _difference(measured[i], measured[j])
    likely = cost <= MAX_CHI2_PER_BONE

    def together(a: int, b: int) -> bool:
        return (
            people[a].time_s[0] <= people[b].time_s[-1]
            and people[b].time_s[0] <= people[a].time_s[-1]
        )

    joins: list[TrackEdit] = []
    for j in range(n):
        # The latest of those that it can continue: the others were continued by that one.
        before = sorted(np.flatnonzero(likely[:, j]).tolist(), key=lambda i: -people[i].time_s[-1])
        if not before:
            continue
        i = before[0]
        rivals = [a for a in before[1:] if together(a, i)]
        rivals += [b for b in np.flatnonzero(likely[i]).tolist() if b != j and together(b, j)]
        if not rivals:
            earlier, later = motion.person_ids[i], motion.person_ids[j]
            joins.append(TrackEdit("merge", earlier, later, made_by="signature"))
    return _in_order(joins, motion)


def _difference(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> float:
    """Mean over common bones of the squared difference by its variance; infinite for too few."""
    squared = (a[0] - b[0]) ** 2 / (a[1] ** 2 + b[1] ** 2 + DETECTOR_SIGMA_M**2)
    known = np.isfinite(squared)
    return float(squared[known].mean()) if known.sum() >= MIN_COMMON_BONES else float("inf")


def _in_order(joins: list[TrackEdit], motion: Motion) -> list[TrackEdit]:
    """Chains (2 into 1, 3 into 2) rewritten so that each goes into the id that is left."""
    start = {i: int(motion.person(i).frame[0]) for i in motion.person_ids}
    left: dict[int, int] = {}
    made: list[TrackEdit] = []
    for edit in sorted(joins, key=lambda e: start[e.other if e.other is not None else e.person]):
        assert edit.other is not None
        root = edit.person
        while root in left:
            root = left[root]
        left[edit.other] = root
        made.append(TrackEdit("merge", root, edit.other, made_by=edit.made_by))
    return made
