"""Telling workers where to look: the same for every pace of the processes, and never a hang."""

from __future__ import annotations

import logging
import threading
import time

import numpy as np
import pytest
import zmq

from capture import hints as module
from capture.hints import BEGIN_NS, HintReceiver, HintSender
from mocap.model.messages import RegionHints, WorkerReady, encode

TOKEN = "token"
PERIOD = 100
LAG = 8 * PERIOD


def said(time_ns: int, camera: str = "a") -> RegionHints:
    """Hints whose first number says of which frame they are."""
    return RegionHints(camera, time_ns, np.array([[time_ns, 0, 1, 0]], np.float32))


@pytest.fixture
def ends():
    with HintSender(["a", "b"], TOKEN) as sender:
        stop = threading.Event()
        receiver = HintReceiver("a", sender.addresses["a"], TOKEN, LAG, stop)
        deadline = time.monotonic() + 10
        while not sender.open("a"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield sender, receiver, stop
        receiver.close()


def test_each_frame_gets_the_newest_that_is_old_enough(ends) -> None:
    sender, receiver, _ = ends
    got: list[float] = []
    for n in range(30):
        regions = receiver.for_frame(n * PERIOD)
        got.append(float(regions[0, 0]) if len(regions) else -1.0)
        # The centre is quick here; what it says of later frames must not be used.
        sender.send(said(n * PERIOD))
    assert got == [-1.0] * 8 + [float(n * PERIOD) for n in range(22)]


def test_a_slow_centre_is_waited_for_and_gives_the_same(ends) -> None:
    sender, receiver, _ = ends

    def speak() -> None:
        for n in range(30):
            time.sleep(0.01)
            sender.send(said(n * PERIOD))

    thread = threading.Thread(target=speak)
    thread.start()
    got = [receiver.for_frame(n * PERIOD) for n in range(30)]
    thread.join()
    shown = [float(g[0, 0]) if len(g) else -1.0 for g in got]
    assert shown == [-1.0] * 8 + [float(n * PERIOD) for n in range(22)]


def test_a_camera_with_a_gap_asks_only_for_what_can_be_known(ends) -> None:
    """Between its frames of time 2000 and 9000 the centre cannot give out sets beyond 2000."""
    sender, receiver, _ = ends
    for n in range(21):
        receiver.for_frame(n * PERIOD)
        sender.send(said(n * PERIOD))
    begun = time.monotonic()
    regions = receiver.for_frame(9000)
    assert time.monotonic() - begun < 5
    assert float(regions[0, 0]) == 2000 - LAG // 2


def test_waiting_ends_with_a_warning_and_when_the_worker_is_stopped(
    ends, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sender, receiver, stop = ends
    monkeypatch.setattr(module, "LONGEST_WAIT_S", 0.3)
    receiver.for_frame(0)
    sender.send(said(0))
    with caplog.at_level(logging.WARNING):
        for n in range(1, 12):
            receiver.for_frame(n * PERIOD)
    assert [r for r in caplog.records if "no word from the centre" in r.message]
    # It is not waited for again until something is heard.
    begun = time.monotonic()
    receiver.for_frame(12 * PERIOD)
    assert time.monotonic() - begun < 0.2
    monkeypatch.setattr(module, "LONGEST_WAIT_S", 100.0)
    sender.send(said(PERIOD))
    threading.Timer(0.3, stop.set).start()
    begun = time.monotonic()
    receiver.for_frame(30 * PERIOD)
    assert time.monotonic() - begun < 5


def test_live_the_newest_is_taken_at_once() -> None:
    with HintSender(["a"], TOKEN) as sender:
        receiver = HintReceiver("a", sender.addresses["a"], TOKEN, None, threading.Event())
        assert len(receiver.for_frame(0)) == 0
        while not sender.open("a"):
            time.sleep(0.01)
        for n in range(5):
            sender.send(said(n * PERIOD))
        deadline = time.monotonic() + 10
        while len(got := receiver.for_frame(10 * PERIOD)) == 0 or got[0, 0] < 4 * PERIOD:
            assert time.monotonic() < deadline
        receiver.close()


def test_foreign_messages_are_dropped(ends, caplog: pytest.LogCaptureFixture) -> None:
    sender, receiver, _ = ends
    foreign = [
        encode(said(0), "other session"),
        encode(said(0, "b"), TOKEN),
        encode(WorkerReady("a", 1.0), TOKEN),
        [b"nonsense"],
    ]
    socket = sender._sockets["a"]
    with caplog.at_level(logging.WARNING):
        for frames in foreign:
            socket.send_multipart(frames, zmq.NOBLOCK)
        for n in range(10):
            receiver.for_frame(n * PERIOD)
            sender.send(said(n * PERIOD))
    assert float(receiver.for_frame(10 * PERIOD)[0, 0]) == 2 * PERIOD
    assert sum("dropped" in record.message for record in caplog.records) == 1


def test_hints_for_nobody_are_counted() -> None:
    with HintSender(["a"], TOKEN) as sender:
        assert not sender.open("a")
        sender.send(said(0))
        assert sender.lost == {"a": 1}
    assert BEGIN_NS < -(10**18)
