from __future__ import annotations

import json
import logging
import time
from pathlib import Path

import numpy as np
import pytest
import zmq

from capture.transport import QUEUE_MESSAGES, Receiver, Sender
from mocap.errors import WorkerError
from mocap.model import Detections, Observation
from mocap.model.messages import WorkerReady, encode

KEYPOINTS = 3


def observation(camera: str, index: int, keypoints: int = KEYPOINTS) -> Observation:
    people = Detections(np.zeros((1, keypoints, 2)), np.ones((1, keypoints)), np.ones(1))
    return Observation(camera, index, 33 * index, people)


def test_messages_arrive_as_they_were_sent_and_in_order() -> None:
    with Receiver(["a", "b"], KEYPOINTS) as receiver:
        sender = Sender(receiver.addresses["a"], receiver.token)
        messages = [WorkerReady("a", 0.5), *(observation("a", i) for i in range(5))]
        for message in messages:
            assert sender.send(message, 1.0)
        got = []
        while len(got) < len(messages):
            got += receiver.receive(["a", "b"], 1.0)
        assert got == [("a", message) for message in messages]
        sender.close()


def test_only_the_cameras_asked_for_are_heard() -> None:
    with Receiver(["a", "b"], KEYPOINTS) as receiver:
        sender = Sender(receiver.addresses["b"], receiver.token)
        sender.send(WorkerReady("b", 0.0), 1.0)
        assert receiver.receive(["a"], 0.2) == []
        assert receiver.receive([], 0.05) == []
        assert receiver.receive(["b"], 1.0) == [("b", WorkerReady("b", 0.0))]
        sender.close()


def test_a_receiver_that_does_not_listen_holds_the_sender_back() -> None:
    with Receiver(["a"], KEYPOINTS) as receiver:
        sender = Sender(receiver.addresses["a"], receiver.token)
        sent = 0
        big = 2000
        while sent < 10_000 and sender.send(observation("a", sent, big), 0.2):
            sent += 1
        # Both queues and what the system buffers between them.
        assert 2 * QUEUE_MESSAGES <= sent < 1000
        receiver._keypoints = big
        got = []
        while messages := receiver.receive(["a"], 0.2):
            got += messages
        assert [message.frame_index for _, message in got] == list(range(sent))
        assert sender.send(observation("a", sent, big), 1.0)
        sender.close()


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([b""], "header is not JSON"),
        ([b"\xff\x00garbage"], "header is not JSON"),
        ([b"{}" * 100_000], "too long"),
        ([b"[]"], "another program"),
        (encode(WorkerReady("a", 0.0), "0" * 32), "another session"),
        ("version", "version 99, expected 1"),
        ("speaks for b", "speaks for camera 'b'"),
        ("keypoints", "an observation of 7 keypoints, expected 3"),
        ("cut", "array 'score' has 3 bytes"),
    ],
)
def test_foreign_and_malformed_messages_are_counted_and_dropped(
    frames: list[bytes] | str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with Receiver(["a"], KEYPOINTS) as receiver, zmq.Context() as context:
        token = receiver.token
        if frames == "version":
            header = json.loads(encode(WorkerReady("a", 0.0), token)[0])
            frames = [json.dumps(header | {"version": 99}).encode()]
        elif frames == "speaks for b":
            frames = encode(WorkerReady("b", 0.0), token)
        elif frames == "keypoints":
            frames = encode(observation("a", 0, 7), token)
        elif frames == "cut":
            frames = encode(observation("a", 0), token)
            frames[-1] = frames[-1][:-1]
        stranger = context.socket(zmq.PUSH)
        stranger.connect(receiver.addresses["a"])
        for _ in range(3):
            stranger.send_multipart(frames)
        while receiver.dropped["a"] < 3:
            assert receiver.receive(["a"], 1.0) == []
        stranger.close(0)
        # Told once, however many there are.
        assert len(caplog.messages) == 1
        assert words in caplog.text
        assert "camera 'a'" in caplog.text
        friend = Sender(receiver.addresses["a"], token)
        friend.send(observation("a", 0), 1.0)
        assert receiver.receive(["a"], 1.0) == [("a", observation("a", 0))]
        friend.close()


def test_the_sockets_are_gone_after_closing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Receiver(["a", "b"], KEYPOINTS) as receiver:
        (folder,) = tmp_path.glob("mocap-*")
        assert folder.stat().st_mode & 0o077 == 0
        assert receiver.addresses["a"].startswith("ipc://")
    assert list(tmp_path.iterdir()) == []


def test_loopback_is_used_where_the_socket_would_have_too_long_a_name(
    tmp_path: Path, monkeypatch
) -> None:
    folder = tmp_path / ("long" * 25)
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    with Receiver(["a"], KEYPOINTS) as receiver:
        assert receiver.addresses["a"].startswith("tcp://127.0.0.1:")
        sender = Sender(receiver.addresses["a"], receiver.token)
        sender.send(WorkerReady("a", 1.0), 1.0)
        assert receiver.receive(["a"], 2.0) == [("a", WorkerReady("a", 1.0))]
        sender.close()


def test_no_place_for_sockets(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(WorkerError, match=r"cannot open a local socket .*set TMPDIR"):
        Receiver(["a"], KEYPOINTS)


def test_a_message_that_is_never_read_does_not_keep_the_sender_for_long() -> None:
    receiver = Receiver(["a"], KEYPOINTS)
    sender = Sender(receiver.addresses["a"], receiver.token)
    receiver.close()
    sender.send(WorkerReady("a", 0.0), 0.1)
    begun = time.monotonic()
    sender.close()
    assert time.monotonic() - begun < 4.0
