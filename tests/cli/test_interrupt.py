"""Signals to a whole `mocap run`, in processes of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from filmed_scene import Scene, film
from scripted_detector import NAME as SCRIPTED

from mocap.cli.interrupt import EndAtOnce, Interruption
from mocap.storage.layout import STATUS_INTERRUPTED, STATUS_RECORDING
from mocap.storage.session_reader import Session

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")


@dataclass
class Job:
    """A run that goes on for some seconds."""

    process: subprocess.Popen[str]
    out: Path
    temporary: Path

    def wait_for_frames(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.process.communicate()
            if self.out.exists():
                try:
                    with Session(self.out) as session:
                        if len(session.frames) >= 3:
                            return
                except Exception:
                    # It is being made at this moment.
                    pass
            time.sleep(0.1)
        raise AssertionError("no frame was written")

    def workers(self) -> list[int]:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                arguments = (folder / "cmdline").read_text().split("\0")
                stat = (folder / "stat").read_text()
                variables = (folder / "environ").read_bytes()
            except OSError:
                continue
            mine = f"TMPDIR={self.temporary}".encode() in variables
            if "capture.worker" in arguments and mine and ") Z " not in stat:
                found.append(int(folder.name))
        return found

    def no_worker_left(self, limit_s: float) -> bool:
        deadline = time.monotonic() + limit_s
        while (left := self.workers()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return not left


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    scene: Scene = film(tmp_path / "scene", frames=100)
    scene.script(monkeypatch, {name: {"delay_s": 0.1} for name in scene.rig.names})
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    out = tmp_path / "session.h5"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "mocap.cli.main", "run", "--rig", scene.rig_file),
            *("--videos", scene.videos, "--out", out, "--detector", SCRIPTED),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(temporary)},
        start_new_session=True,
    )
    yield Job(process, out, temporary)
    if process.poll() is None:
        process.kill()
    process.communicate()


@pytest.mark.parametrize("how", ["SIGINT to the group", "SIGTERM", "SIGHUP"])
def test_a_run_that_is_interrupted_ends_in_order(job: Job, how: str) -> None:
    job.wait_for_frames()
    assert len(job.workers()) == 3
    begun = time.monotonic()
    if how == "SIGINT to the group":
        os.killpg(job.process.pid, signal.SIGINT)
    else:
        job.process.send_signal(signal.Signals[how])
    out, err = job.process.communicate(timeout=20)
    assert time.monotonic() - begun < 8.0
    assert job.process.returncode == 130
    assert "Traceback" not in err
    assert "Ending in order; what was done so far is kept" in err
    assert "Session written to" in out
    with Session(job.out) as session:
        assert session.status == STATUS_INTERRUPTED
        assert 3 <= len(session.frames) < 100
        assert len(session.motion("raw")) == len(session.frames)
    assert job.no_worker_left(1.0)
    assert list(job.temporary.iterdir()) == []


def test_a_second_signal_ends_at_once_and_closes_everything(job: Job) -> None:
    job.wait_for_frames()
    job.process.send_signal(signal.SIGINT)
    job.process.send_signal(signal.SIGTERM)
    _, err = job.process.communicate(timeout=20)
    assert job.process.returncode == 130
    assert "Traceback" not in err
    with Session(job.out) as session:
        assert len(session.frames) >= 3
    assert job.no_worker_left(5.0)
    assert list(job.temporary.iterdir()) == []


def test_a_run_that_is_killed_leaves_a_readable_session_and_no_process(job: Job, mocap) -> None:
    job.wait_for_frames()
    job.process.kill()
    job.process.wait()
    assert job.no_worker_left(8.0)
    with Session(job.out) as session:
        assert session.status == STATUS_RECORDING
        assert len(session.frames) >= 3
        assert len(session.motion("raw")) >= len(session.frames) - 1
    answer = mocap("info", job.out)
    assert answer.code == 0
    assert "not closed (still being written, or its writer was killed)" in answer.out
    assert f"'mocap recover {job.out} --out NEW.h5'" in answer.out
    whole = job.out.with_name("whole.h5")
    assert mocap("recover", job.out, "--out", whole).code == 0
    assert mocap("export", whole, "--format", "csv", "--out", job.out.parent).code == 0


def test_a_signal_before_the_first_frame_leaves_nothing(job: Job) -> None:
    while not job.workers():
        time.sleep(0.01)
    os.killpg(job.process.pid, signal.SIGTERM)
    _, err = job.process.communicate(timeout=20)
    assert job.process.returncode == 130
    assert "Traceback" not in err
    assert job.no_worker_left(5.0)
    assert list(job.temporary.iterdir()) == []


def test_the_first_signal_is_noted_and_the_second_raises(capsys) -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interruption() as interruption:
        assert not interruption.requested()
        signal.raise_signal(signal.SIGTERM)
        assert interruption.requested()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    assert "Ending in order" in capsys.readouterr().err


def test_outside_of_a_run_every_signal_raises() -> None:
    with EndAtOnce(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            signal.raise_signal(signal.SIGHUP)
            assert not interruption.requested()
    finally:
        signal.signal(signal.SIGHUP, before)
