"""Corrections of ids: what they do, that undoing restores every bit, and kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_scene import frame_set, ring_rig, standing_person

from mocap.errors import SessionError
from mocap.model import skeleton_by_name
from mocap.model.config import ReconstructionConfig
from mocap.pipeline.reconstructor import Reconstructor
from mocap.storage.session_edits import (
    TrackEdit,
    apply_edits,
    load_edits,
    log_path,
    save_edits,
)
from mocap.storage.session_reader import Session, recover_session
from mocap.storage.session_writer import SessionWriter

COCO = skeleton_by_name("coco17")
FRAME = np.repeat(np.arange(6), 2)
IDS = np.tile([0, 1], 6)


def rows(*edits: TrackEdit) -> set[tuple[int, int]]:
    ids, kept = apply_edits(edits, FRAME, IDS)
    return set(zip(FRAME[kept].tolist(), ids[kept].tolist(), strict=True))


def test_what_each_correction_does():
    everybody = set(zip(FRAME.tolist(), IDS.tolist(), strict=True))
    assert rows() == everybody
    assert rows(TrackEdit("delete", 1, None, 2, 3)) == everybody - {(2, 1), (3, 1)}
    assert rows(TrackEdit("merge", 0, 1)) == {(f, 0) for f in range(6)}
    assert rows(TrackEdit("split", 0, 7, 4)) == (everybody - {(4, 0), (5, 0)}) | {(4, 7), (5, 7)}
    assert rows(TrackEdit("rename", 1, 3, None, 0)) == (everybody - {(0, 1)}) | {(0, 3)}
    late = [TrackEdit("delete", 0, None, 3), TrackEdit("merge", 0, 1, 3)]
    assert rows(*late) == {(f, i) for f in range(3) for i in (0, 1)} | {(f, 0) for f in (3, 4, 5)}


def test_swapping_changes_ids_and_nothing_else():
    ids, kept = apply_edits([TrackEdit("swap", 0, 1, 2, 3)], FRAME, IDS)
    assert kept.all()
    inside = (FRAME >= 2) & (FRAME <= 3)
    np.testing.assert_array_equal(ids[inside], 1 - IDS[inside])
    np.testing.assert_array_equal(ids[~inside], IDS[~inside])


KINDS = st.sampled_from(["merge", "split", "rename", "swap", "delete"])


@given(
    st.lists(st.tuples(KINDS, st.integers(0, 3), st.integers(0, 3), st.integers(0, 6)), max_size=6)
)
def test_nobody_stands_twice_in_a_frame_whatever_is_asked_for(wishes):
    edits = [
        TrackEdit(kind, a, None if kind == "delete" else b, first) for kind, a, b, first in wishes
    ]
    ids, kept = apply_edits(edits, FRAME, IDS)
    pairs = list(zip(FRAME[kept].tolist(), ids[kept].tolist(), strict=True))
    assert len(pairs) == len(set(pairs))
    np.testing.assert_array_equal(IDS, np.tile([0, 1], 6))  # the input stays


@pytest.mark.parametrize(("kind", "other"), [("merge", None), ("delete", 1)])
def test_corrections_that_are_none(kind, other):
    with pytest.raises(ValueError, match="not possible"):
        TrackEdit(kind, 0, other)


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """Two people, one of whom is lost for a second."""
    path, rig = tmp_path / "two people.h5", ring_rig(4)
    reconstructor = Reconstructor(rig, COCO, ReconstructionConfig())
    rng = np.random.default_rng(0)
    with SessionWriter(path, rig, COCO, config={}, software={}) as writer:
        for n in range(8):
            people = np.stack([standing_person(COCO, (x, 0.0)) for x in (-1.0, 1.0)])
            made = frame_set(n, people, rig, rng=rng, sigma_px=1.0)
            writer.add_frame(made, reconstructor.process(made))
        writer.finish({})
    return path


def everything(path: Path) -> list[bytes]:
    with Session(path) as opened:
        motion, views = opened.motion("raw"), opened.views()
        columns = [motion.frame, motion.person_id, motion.points_m, motion.covariance_m2]
        return [c.tobytes() for c in (*columns, *views.values())]


def test_motion_and_views_are_corrected_alike_and_undo_restores_every_bit(session: Path):
    file, before = session.read_bytes(), everything(session)
    with Session(session) as opened:
        created, first = opened.created_utc, opened.motion("raw").person_ids
    a, b = first
    edits = (TrackEdit("rename", a, 9, 3, 5), TrackEdit("delete", b, None, 4, 4))
    save_edits(session, created, edits)
    with Session(session) as opened:
        assert opened.edits == edits
        motion, views = opened.motion("raw"), opened.views()
        assert motion.person_ids == (a, b, 9)
        np.testing.assert_array_equal(views["person_id"], motion.person_id)
        np.testing.assert_array_equal(views["frame"], motion.frame)
        used = (views["view_state"] == 3).sum(axis=1)
        np.testing.assert_array_equal(used, motion.n_views)  # rows still belong together
        assert opened.motion("raw", edited=False).person_ids == first
        assert len(opened.views(edited=False)["frame"]) == 16
    assert everything(session) != before
    save_edits(session, created, edits[:1])
    save_edits(session, created, ())
    assert not log_path(session).exists()
    assert session.read_bytes() == file
    assert everything(session) == before


def test_a_log_of_another_session_is_refused(session: Path):
    save_edits(session, "2001-01-01", (TrackEdit("delete", 0, None),))
    with Session(session) as opened, pytest.raises(SessionError, match="belongs to a session made"):
        opened.motion("raw")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda log: log | {"version": 2}, "reads up to 1"),
        (lambda log: log | {"format": "x"}, "damaged"),
        (lambda _: {}, "damaged"),
        (lambda log: log | {"edits": [{"kind": "explode", "person": 0, "other": 1}]}, "explode"),
        (lambda log: log | {"edits": [{"kind": "merge", "person": "0", "other": 1}]}, "damaged"),
    ],
)
def test_a_damaged_log_is_refused(tmp_path: Path, change, words):
    session = tmp_path / "s.h5"
    save_edits(session, "t", (TrackEdit("delete", 0, None),))
    log = json.loads(log_path(session).read_text())
    log_path(session).write_text(json.dumps(change(log)))
    with pytest.raises(SessionError, match=words):
        load_edits(session, "t")
    log_path(session).write_bytes(b"\xff\xfe{")
    with pytest.raises(SessionError, match="delete"):
        load_edits(session, "t")


def test_corrections_go_with_a_recovered_session_and_end_with_an_overwritten_one(session: Path):
    with Session(session) as opened:
        created = opened.created_utc
    save_edits(session, created, (TrackEdit("delete", 0, None),))
    copy = session.with_name("copy.h5")
    recover_session(session, copy)
    assert everything(copy) == everything(session)
    with Session(copy) as opened:
        assert len(opened.edits) == 1
    rig = ring_rig(4)
    SessionWriter(session, rig, COCO, config={}, software={}, overwrite=True).close()
    assert not log_path(session).exists()


def test_a_kill_leaves_the_old_log_or_the_new_one(tmp_path: Path):
    """A process that corrects without end is killed again and again."""
    session = tmp_path / "s.h5"
    program = (
        "import sys; from pathlib import Path;"
        "from mocap.storage.session_edits import TrackEdit, save_edits;"
        "edits = [TrackEdit('rename', i, i + 1) for i in range(400)];"
        "path = Path(sys.argv[1]); print('ready', flush=True);"
        "[save_edits(path, 't', edits[: 1 + i % 400]) for i in range(10**9)]"
    )
    for pause_s in (0.01, 0.037, 0.083):
        worker = subprocess.Popen(
            [sys.executable, "-c", program, str(session)], stdout=subprocess.PIPE
        )
        assert worker.stdout is not None
        worker.stdout.readline()
        time.sleep(0.05 + pause_s)
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        worker.stdout.close()
        edits = load_edits(session, "t")
        assert edits
        assert [e.person for e in edits] == list(range(len(edits)))
