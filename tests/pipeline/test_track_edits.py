"""Which corrections are refused, and which tracks are joined by the signature of their bones."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_scene import standing_person

from mocap.errors import InputError
from mocap.model import Motion
from mocap.model.skeletons import COCO_17
from mocap.pipeline.track_edits import (
    check_edit,
    joins_by_signature,
    track_summaries,
    unused_id,
)
from mocap.storage.session_edits import TrackEdit

Part = tuple[int, range, float, float]
"""Id, frames, size, and x."""


def people(*parts: Part) -> Motion:
    rng = np.random.default_rng(0)
    rows = [
        (frame, person_id, size * standing_person(COCO_17) + (x, 0.0, 0.0))
        for person_id, frames, size, x in parts
        for frame in frames
    ]
    rows.sort(key=lambda row: row[:2])
    n, k = len(rows), len(COCO_17)
    points = np.array([row[2] for row in rows]) + rng.normal(0, 0.004, (n, k, 3))
    frame = np.array([row[0] for row in rows])
    return Motion(
        COCO_17,
        frame,
        frame / 30,
        np.array([row[1] for row in rows]),
        points,
        np.tile(1.6e-5 * np.eye(3), (n, k, 1, 1)),
        np.ones((n, k)),
        np.full((n, k), 3),
    )


TWO = people((0, range(60), 1.0, 0.0), (1, range(20, 40), 0.9, 2.0))


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (TrackEdit("delete", 5, None), "no person 5 in this session; the people are 0, 1"),
        (TrackEdit("merge", 5, 1), "no person 5"),
        (TrackEdit("merge", 0, 5), "no person 5"),
        (TrackEdit("merge", 1, 1), "two different people"),
        (TrackEdit("delete", 1, None, 0, 10), "not in these frames, but in 20 to 39"),
        (TrackEdit("delete", 1, None, 9, 3), "the first comes after the last"),
        (TrackEdit("split", 1, 2, 20), "not there before frame 20"),
        (TrackEdit("rename", 0, 1), "20 frames from 20 on; use --merge 1 0"),
        (TrackEdit("rename", 0, -4), "-4 is no id"),
        (TrackEdit("swap", 0, 1, 45), "not in these frames"),
    ],
)
def test_corrections_that_cannot_be_meant(edit, words):
    with pytest.raises(InputError, match=words):
        check_edit(edit, TWO)


@pytest.mark.parametrize(
    "edit",
    [
        TrackEdit("rename", 0, 1, 40),
        TrackEdit("rename", 0, 8),
        TrackEdit("split", 1, 2, 21),
        TrackEdit("merge", 0, 1),
        TrackEdit("swap", 0, 1, 25, 30),
        TrackEdit("delete", 0, None, 59, 59),
    ],
)
def test_corrections_that_can(edit):
    check_edit(edit, TWO)


def test_unused_ids_are_those_of_no_one_ever():
    assert unused_id(TWO, ()) == 2
    assert unused_id(TWO, (TrackEdit("rename", 0, 9), TrackEdit("delete", 9, None))) == 10


def test_summaries():
    first, second = track_summaries(TWO)
    assert (first.person_id, first.first, first.last, first.frames) == (0, 0, 59, 60)
    assert second.start_m[0] == pytest.approx(2.0, abs=0.05)
    assert second.measured == 1.0


def joined(*parts: Part, pause_s: float = 10.0) -> list[tuple[int, int | None]]:
    return [(e.person, e.other) for e in joins_by_signature(people(*parts), pause_s)]


BROKEN = ((0, range(60), 1.0, 0.0), (3, range(90, 150), 1.0, 0.8))


def test_a_track_that_broke_off_is_joined():
    assert joined(*BROKEN) == [(0, 3)]
    chain = (*BROKEN, (7, range(160, 220), 1.0, 0.8))
    assert joined(*chain) == [(0, 3), (0, 7)]


@pytest.mark.parametrize(
    "later",
    [
        (3, range(90, 150), 0.88, 0.8),  # a smaller person
        (3, range(90, 150), 1.0, 8.0),  # too far for one second
        (3, range(50, 150), 1.0, 0.8),  # both at once
        (3, range(400, 460), 1.0, 0.8),  # after more than ten seconds
        (3, range(90, 95), 1.0, 0.8),  # too short to be known
    ],
)
def test_tracks_that_are_not_joined(later):
    assert joined(BROKEN[0], later) == []


def test_what_is_ambiguous_is_left_alone():
    twins = ((3, range(90, 150), 1.0, 0.8), (4, range(90, 150), 1.0, -0.8))
    assert joined(BROKEN[0], *twins) == []
