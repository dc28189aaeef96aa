"""Session files: round trips, kills, reading while writing, recovery, and what is refused."""

from __future__ import annotations

import errno
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from synthetic_scene import frame_set, ring_rig, standing_person

from mocap.errors import InputError, OutputError, SessionError
from mocap.model import (
    Bystander,
    Detections,
    FrameSet,
    Keypoints3D,
    Motion,
    Observation,
    Person3D,
    Rig,
    SetAside,
    skeleton_by_name,
)
from mocap.storage import layout, session_writer
from mocap.storage.session_reader import Session, recover_session
from mocap.storage.session_writer import SessionWriter

SKELETON = skeleton_by_name("halpe26")
K = len(SKELETON)
CONFIG = {"cutoff_hz": 6.0, "cameras": ["cam0"], "name": "Grüße"}
SOFTWARE = {"mocap": "0.1", "numpy": "2"}
TESTS = Path(__file__).resolve().parents[1]


def person(number: int, person_id: int, cameras: int = 3) -> Person3D:
    """A person whose every number follows from its frame and id; some are missing."""
    rng = np.random.default_rng([number, person_id])
    points = rng.normal(0, 1, (K, 3))
    points[number % K] = np.nan
    covariance = rng.normal(0, 1e-2, (K, 3, 3)).astype(np.float32).astype(float)
    residual = rng.random((cameras, K)).astype(np.float32).astype(float)
    residual[0, :3] = np.nan
    return Person3D(
        person_id,
        Keypoints3D(
            points,
            covariance,
            rng.random(K).astype(np.float32).astype(float),
            rng.integers(0, cameras + 1, K),
            rng.integers(0, 4, (cameras, K)).astype(np.uint8),
            residual,
            np.zeros((cameras, K)),
        ),
        tuple(rng.integers(-1, 3, cameras).tolist()),
        tuple(rng.random(cameras) < 0.3),
    )


def frames(rig: Rig, count: int) -> list[FrameSet]:
    """Frame sets with a number left out, a camera that misses frames, and frames without people."""
    rng = np.random.default_rng(1)
    sets: list[FrameSet] = []
    for i in range(count):
        number = i if i < 4 else i + 2
        who = np.array([standing_person(SKELETON, (0.1 * i, p)) for p in range((i + 1) % 3)])
        shown = frame_set(number, who.reshape(-1, K, 3), rig, rng=rng, sigma_px=1.0)
        observations = dict(shown.observations)
        if i % 4 == 1:
            del observations[rig.names[1]]
        sets.append(FrameSet(number, shown.time_ns, observations))
    return sets


def writer(path: Path, rig: Rig, **options: Any) -> SessionWriter:
    return SessionWriter(path, rig, SKELETON, config=CONFIG, software=SOFTWARE, **options)


def smooth_of(raw: Motion) -> Motion:
    return Motion(
        raw.skeleton,
        raw.frame,
        raw.time_s,
        raw.person_id,
        raw.points_m + 0.001,
        raw.covariance_m2,
        raw.reprojection_px,
        raw.n_views,
    )


@pytest.fixture
def rig() -> Rig:
    return ring_rig(3, mixed_lenses=True)


@pytest.fixture
def session_path(tmp_path: Path, rig: Rig) -> Path:
    """A finished session of 12 frames with two people in each."""
    path = tmp_path / "session.h5"
    with writer(path, rig) as out:
        for s in frames(rig, 12):
            out.add_frame(s, [person(s.number, 0), person(s.number, 5)])
        out.finish({"frames": 12, "who": "Ä"})
    return path


def test_round_trip_keeps_every_bit(session_path, rig):
    sets = frames(rig, 12)
    with Session(session_path) as session:
        assert session.rig == rig
        assert session.skeleton == SKELETON
        assert session.config == CONFIG
        assert session.software == SOFTWARE
        assert session.summary == {"frames": 12, "who": "Ä"}
        assert session.status == layout.STATUS_COMPLETE
        assert session.layers == ("raw",)
        assert session.best_layer == "raw"
        assert session.frame_sets() == sets
        np.testing.assert_array_equal(session.frames.number, [s.number for s in sets])
        np.testing.assert_array_equal(session.frames.time_ns, [s.time_ns for s in sets])
        indices = [
            [s.observations[n].frame_index if n in s.observations else -1 for n in rig.names]
            for s in sets
        ]
        np.testing.assert_array_equal(session.frames.camera_frame, indices)
        motion, views = session.motion("raw"), session.views()
    assert len(motion) == 24
    for row in range(24):
        number, who = int(motion.frame[row]), int(motion.person_id[row])
        assert (number, who) == (sets[row // 2].number, 5 * (row % 2))
        expected = person(number, who)
        keypoints = expected.keypoints
        assert motion.time_s[row] == sets[row // 2].time_ns * 1e-9
        np.testing.assert_array_equal(motion.points_m[row], keypoints.points_m)
        np.testing.assert_array_equal(motion.covariance_m2[row], keypoints.covariance_m2)
        np.testing.assert_array_equal(motion.reprojection_px[row], keypoints.reprojection_px)
        np.testing.assert_array_equal(motion.n_views[row], keypoints.n_views)
        assert (views["frame"][row], views["person_id"][row]) == (number, who)
        np.testing.assert_array_equal(views["view_state"][row], keypoints.view_state)
        np.testing.assert_array_equal(views["residual_px"][row], keypoints.residual_px)
        np.testing.assert_array_equal(views["detection_index"][row], expected.detection_index)
        np.testing.assert_array_equal(views["mirrored"][row], expected.mirrored)


def test_smooth_layer_beside_the_raw_one(tmp_path, rig):
    path = tmp_path / "session.h5"
    with writer(path, rig) as out:
        for s in frames(rig, 6):
            out.add_frame(s, [person(s.number, 3), person(s.number, 1)])
        out.flush()
        with Session(path) as session:  # while the writer is at work, in one process
            raw = session.motion("raw")
            with pytest.raises(SessionError, match=r"no smooth layer.*--layer raw"):
                session.motion("smooth")
        out.add_smooth(smooth_of(raw))
        out.finish({}, interrupted=True)
    with Session(path) as session:
        assert session.layers == ("raw", "smooth")
        assert session.best_layer == "smooth"
        assert session.status == layout.STATUS_INTERRUPTED
        again, smooth = session.motion("raw"), session.motion("smooth")
        np.testing.assert_array_equal(again.points_m, raw.points_m)
        np.testing.assert_array_equal(smooth.points_m, raw.points_m + 0.001)
        assert list(again.person_id[:2]) == [1, 3]  # ordered by person within a frame
        with pytest.raises(SessionError, match=r"'best'.*raw, smooth"):
            session.motion("best")


def test_an_empty_session(tmp_path, rig):
    path = tmp_path / "empty.h5"
    with writer(path, rig) as out:
        assert out.frames == 0
        out.finish({})
    with Session(path) as session:
        assert len(session.frames) == 0
        assert session.frame_sets() == []
        assert len(session.motion()) == 0
        assert session.layers == ()


def test_late_observations_are_kept_but_belong_to_no_frame(tmp_path, rig):
    path = tmp_path / "late.h5"
    sets = frames(rig, 3)
    late = Observation(
        rig.names[1], 77, 123, Detections(np.full((1, K, 2), 5.0), np.ones((1, K)), np.ones(1))
    )
    with writer(path, rig) as out:
        out.add_frame(sets[0], [])
        out.add_late(late)
        out.add_frame(sets[2], [])
        out.finish({})
    with Session(path) as session:
        assert session.frame_sets() == [sets[0], sets[2]]
    with h5py.File(path) as file:
        table = file[f"observations/{rig.names[1]}"]
        row = np.flatnonzero(table["frame"][:] == -1)
        assert len(row) == 1
        assert table["frame_index"][row[0]] == 77
        assert (table["keypoints_px"][row[0]] == 5.0).all()


CHILD = """
import sys, time
from pathlib import Path
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("test_session", sys.argv[2])
case = module_from_spec(spec)
spec.loader.exec_module(case)
rig = case.ring_rig(3, mixed_lenses=True)
out = case.writer(Path(sys.argv[1]), rig)
sets = case.frames(rig, 3)
number = 0
while True:
    shown = case.FrameSet(number, number * 10_000_000, sets[2].observations)
    out.add_frame(shown, [case.person(number, 0), case.person(number, 5)])
    print(number, time.time(), flush=True)
    number += 1
    time.sleep(0.004)
"""


def start_recording(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), __file__],
        env={"PYTHONPATH": f"{TESTS.parent}:{TESTS}", "PATH": ""},
        stdout=subprocess.PIPE,
        text=True,
    )


def check_content(session: Session, at_least: int) -> int:
    """Checks that every frame is whole, and returns how many there are."""
    numbers = session.frames.number
    np.testing.assert_array_equal(numbers, np.arange(len(numbers)))
    assert len(numbers) >= at_least
    motion = session.motion("raw")
    np.testing.assert_array_equal(motion.frame, np.repeat(numbers, 2))
    for row in range(0, len(motion), 7):
        expected = person(int(motion.frame[row]), int(motion.person_id[row])).keypoints
        np.testing.assert_array_equal(motion.points_m[row], expected.points_m)
    sets = session.frame_sets()
    people = {name: len(o.detections) for name, o in sets[0].observations.items()}
    assert all({n: len(o.detections) for n, o in s.observations.items()} == people for s in sets)
    return len(numbers)


def test_a_kill_loses_at_most_the_last_second(tmp_path):
    path = tmp_path / "killed.h5"
    child = start_recording(path)
    try:
        assert child.stdout is not None
        lines = [child.stdout.readline()]
        begun = time.time()
        while time.time() - begun < 0.9:
            lines.append(child.stdout.readline())
        with Session(path) as session:  # another process, which is writing at this moment
            assert session.status == layout.STATUS_RECORDING
            during = check_content(session, 1)
        begun = time.time()
        while time.time() - begun < 1.2:
            lines.append(child.stdout.readline())
    finally:
        child.send_signal(signal.SIGKILL)
        killed = time.time()
        rest, _ = child.communicate()
    assert child.returncode == -signal.SIGKILL
    written = [line.split() for line in [*lines, *rest.splitlines()] if line.count(" ") == 1]
    old = [int(number) for number, when in written if float(when) < killed - 1.0]
    assert len(old) > 40
    with Session(path) as session:
        count = check_content(session, max(old) + 1)
        assert count > during
        assert session.status == layout.STATUS_RECORDING
        assert session.summary == {}
    with pytest.raises(OSError, match="already open for write"):
        h5py.File(path, "r")
    copy = tmp_path / "recovered.h5"
    recover_session(path, copy)
    with h5py.File(copy, "r") as file:
        assert file["frames/number"].shape[0] == count
        assert file["frames/number"].attrs["meaning"]
    with Session(copy) as session:
        assert check_content(session, count) == count


def test_rows_that_a_kill_left_incomplete_are_not_given_out(session_path, tmp_path):
    """Columns are written one after another, and the table of frames last."""
    with h5py.File(session_path, "r+") as file:
        file["frames/time_ns"].resize(10, axis=0)
        file["people/raw/points_m"].resize(21, axis=0)
    with Session(session_path) as session:
        assert len(session.frames) == 10
        assert len(session.frame_sets()) == 10
        assert len(session.motion()) == 20
        assert len(session.views()["frame"]) == 20


def test_pending_rows_are_flushed_by_time_also_when_idle(tmp_path, rig, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(session_writer.time, "monotonic", lambda: now[0])
    path = tmp_path / "idle.h5"
    with writer(path, rig) as out:
        out.add_frame(frames(rig, 1)[0], [])
        out.flush_if_due()
        with Session(path) as session:
            assert len(session.frames) == 0
        now[0] += session_writer.FLUSH_INTERVAL_S
        out.flush_if_due()
        with Session(path) as session:
            assert len(session.frames) == 1


def test_leaving_the_block_by_an_error_keeps_what_was_added(tmp_path, rig):
    path = tmp_path / "error.h5"
    with pytest.raises(RuntimeError), writer(path, rig) as out:
        out.add_frame(frames(rig, 1)[0], [])
        raise RuntimeError
    with Session(path) as session:
        assert len(session.frames) == 1
        assert session.status == layout.STATUS_RECORDING


def test_existing_files_are_only_replaced_when_asked(session_path, rig):
    before = session_path.read_bytes()
    with pytest.raises(OutputError, match=r"exists already.*--overwrite"):
        writer(session_path, rig)
    assert session_path.read_bytes() == before
    with writer(session_path, rig, overwrite=True) as out:
        out.finish({})
    with Session(session_path) as session:
        assert len(session.frames) == 0


def test_places_that_cannot_be_written_are_refused(tmp_path, rig, monkeypatch):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot make the folder"):
        writer(tmp_path / "file" / "below" / "s.h5", rig)
    with pytest.raises(OutputError, match="is a folder"):
        writer(tmp_path, rig)

    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("mocap.files.tempfile.TemporaryFile", read_only)
    with pytest.raises(OutputError, match=r"cannot write to the folder.*Read-only"):
        writer(tmp_path / "s.h5", rig)
    assert not (tmp_path / "s.h5").exists()


def test_a_session_that_another_writer_has_open_is_not_replaced(tmp_path, rig):
    path = tmp_path / "open.h5"
    with writer(path, rig) as out:
        out.add_frame(frames(rig, 1)[0], [])
        with pytest.raises(OutputError, match="cannot write the session"):
            writer(path, rig, overwrite=True)
        out.finish({})
    with Session(path) as session:
        assert len(session.frames) == 1


def test_a_failed_start_leaves_no_file(tmp_path, rig, monkeypatch):
    monkeypatch.setattr(session_writer, "rig_to_toml", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        writer(tmp_path / "s.h5", rig)
    assert not (tmp_path / "s.h5").exists()


def test_a_full_disk_is_an_output_error(tmp_path, rig, monkeypatch):
    out = writer(tmp_path / "s.h5", rig)
    out.add_frame(frames(rig, 1)[0], [])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(h5py.File, "flush", full)
    with pytest.raises(OutputError, match=r"cannot write to the session.*No space"):
        out.flush()
    monkeypatch.undo()
    out.close()
    out.close()  # twice does no harm


def edited(path: Path, change: Any) -> Path:
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def test_what_is_no_session_is_refused(tmp_path, session_path):
    with pytest.raises(InputError, match="does not exist"):
        Session(tmp_path / "none.h5")
    with pytest.raises(InputError, match="not a file"):
        Session(tmp_path)
    text = tmp_path / "text.h5"
    text.write_text("not HDF5")
    with pytest.raises(SessionError, match="not a session file"):
        Session(text)
    (tmp_path / "zero.h5").touch()
    with pytest.raises(SessionError, match="not a session file"):
        Session(tmp_path / "zero.h5")
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["x"] = 1
    with pytest.raises(SessionError, match="HDF5 file but not a session"):
        Session(other)
    bodies = other.rename(tmp_path / "take.h5.bodies.h5")
    with pytest.raises(SessionError, match=r"name the session itself, .*take\.h5$"):
        Session(bodies)
    newer = layout.FORMAT_VERSION + 1
    edited(session_path, lambda file: file.attrs.modify("format_version", newer))
    with pytest.raises(SessionError, match=f"format version {newer}.*update"):
        Session(session_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.pop("rig/toml"),
        lambda file: file.pop("skeleton"),
        lambda file: file["skeleton"].attrs.pop("name"),
        lambda file: file.attrs.pop("format_version"),
        lambda file: file.attrs.create("format_version", "one"),
        lambda file: file["rig/toml"].write_direct(np.array(b"no rig", object)),
        lambda file: file["skeleton/bones"].__setitem__(..., 999),
    ],
    ids=["rig", "skeleton", "skeleton name", "version", "version text", "rig text", "bones"],
)
def test_damaged_sessions_are_refused_in_one_line(session_path, change):
    edited(session_path, change)
    with pytest.raises(InputError) as error:
        Session(session_path)
    assert str(session_path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("state", ["finished", "killed"])
@pytest.mark.parametrize("share", [0.001, 0.05, 0.3, 0.6, 0.9, 0.999])
def test_cut_files_are_refused_at_once(session_path, rig, tmp_path, state, share):
    """HDF5 by itself tries for hours to read a file of which it thinks that it is being written."""
    source = session_path
    if state == "killed":
        source = tmp_path / "killed.h5"
        with writer(tmp_path / "live.h5", rig) as out:
            for s in frames(rig, 12):
                out.add_frame(s, [person(s.number, 0)])
            out.flush()
            shutil.copy(tmp_path / "live.h5", source)
        with Session(source) as session:
            assert len(session.frames) == 12
    content = source.read_bytes()
    cut = tmp_path / "cut.h5"
    cut.write_bytes(content[: int(share * len(content))])
    with pytest.raises(SessionError, match="not a session file, or is damaged"):
        Session(cut)


def test_recovery_refuses_what_is_no_session_and_what_exists(session_path, tmp_path):
    text = tmp_path / "text.h5"
    text.write_text("not HDF5")
    with pytest.raises(SessionError):
        recover_session(text, tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()
    before = session_path.read_bytes()
    with pytest.raises(OutputError, match="the session itself"):
        recover_session(session_path, session_path)
    assert session_path.read_bytes() == before


def test_bystanders_keep_every_bit_and_old_sessions_have_none(tmp_path, rig):
    path, sets = tmp_path / "session.h5", frames(rig, 3)
    aside = [
        Bystander(4, SetAside.OUTSIDE_VOLUME, np.array([1.0, -2.0, 0.9]), (0, -1, 2)),
        Bystander(2, SetAside.NOT_A_PERFORMER, np.array([0.1, 0.2, 0.3]), (-1, 1, 0)),
    ]
    with writer(path, rig) as out:
        out.add_frame(sets[0], [], aside)
        out.add_frame(sets[1], [])
        out.add_frame(sets[2], [], aside[:1])
        out.finish({})
    with Session(path) as session:
        rows = session.bystanders()
    np.testing.assert_array_equal(rows["frame"], [0, 0, sets[2].number])
    np.testing.assert_array_equal(rows["person_id"], [2, 4, 4])
    np.testing.assert_array_equal(rows["reason"], [2, 1, 1])
    np.testing.assert_array_equal(rows["middle_m"][1], aside[0].middle_m)
    np.testing.assert_array_equal(rows["detection_index"][:2], [(-1, 1, 0), (0, -1, 2)])
    with h5py.File(path, "r+") as file:
        del file["people/bystanders"]
    with Session(path) as session:
        assert {name: len(v) for name, v in session.bystanders().items()} == dict.fromkeys(rows, 0)
