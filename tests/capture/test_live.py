"""Recording of live cameras, from streams that the tests serve."""

import time

import numpy as np
import pytest
from picture_server import PictureServer
from sample_videos import image, index_of

from capture import live
from capture.live import record_live
from capture.video import VideoSource
from capture.video_probe import probe_video
from mocap.errors import InputError, OutputError, VideoError

RATE_HZ = 20


@pytest.fixture
def serve():
    """Starts a camera whose pictures' brightness tells their number; gives its address."""
    servers = []

    def start(dies_after=None):
        def picture(number):
            dead = dies_after is not None and number >= dies_after
            return None if dead else image(number)[:, :, ::-1]

        servers.append(PictureServer(picture, RATE_HZ))
        return servers[-1].address

    yield start
    for server in servers:
        server.close()


def test_cameras_are_recorded_on_one_clock(serve, tmp_path):
    told = []
    reports = record_live(
        {"left": serve(), "right": serve()}, tmp_path, 1.5, progress=lambda *s: told.append(s)
    )
    starts = {}
    for name, report in reports.items():
        assert report.lost is None
        assert report.size == (320, 240)
        info = probe_video(tmp_path / f"{name}.mp4")
        assert info.frames == report.frames
        assert 1.0 < info.duration_s < 2.2
        assert report.frames >= 1.0 * RATE_HZ
        frames = list(VideoSource(report.path))
        starts[name] = frames[0].time_ns
        assert starts[name] == pytest.approx(info.start_s * 1e9, abs=1)
        assert starts[name] > 0
        numbers = [index_of(frame.image_rgb) for frame in frames]
        # Brightness grows with the picture's number and starts anew after 21 of them.
        assert np.all(np.isin(np.diff(numbers) % 21, (1, 2)))
        seconds = np.diff([frame.time_ns for frame in frames]) * 1e-9
        assert np.median(seconds) == pytest.approx(1 / RATE_HZ, rel=0.3)
    # They start with the next frame of each, not with their connections.
    assert abs(starts["left"] - starts["right"]) < 0.25e9
    assert told[-1] == (1.5, 1.5)


def test_a_camera_that_dies_is_told_and_its_video_can_be_read(serve, tmp_path, monkeypatch):
    monkeypatch.setattr(live, "SILENCE_S", 0.3)
    reports = record_live({"a": serve(), "b": serve(dies_after=15)}, tmp_path, 2.0)
    assert reports["a"].lost is None
    assert "no more frames" in reports["b"].lost
    assert len(list(VideoSource(tmp_path / "b.mp4"))) == reports["b"].frames > 0


@pytest.mark.parametrize("source", ["http://127.0.0.1:9/none.mjpg", "97"])
def test_a_camera_that_is_not_there_is_named_at_once(source, tmp_path):
    with pytest.raises(VideoError, match=r"camera 'left' .*cannot be opened; check the device"):
        record_live({"left": source}, tmp_path, 1.0)
    assert not list(tmp_path.iterdir())


def test_existing_videos_are_not_replaced(serve, tmp_path):
    (tmp_path / "left.mp4").write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists already"):
        record_live({"left": serve()}, tmp_path, 1.0)
    assert (tmp_path / "left.mp4").read_bytes() == b"mine"


def test_a_recording_without_length_is_refused(tmp_path):
    with pytest.raises(InputError, match="record for some seconds"):
        record_live({"left": "0"}, tmp_path, 0.0)


def test_stopping_ends_early_and_keeps_what_was_recorded(serve, tmp_path):
    begun = time.monotonic()
    reports = record_live(
        {"left": serve()}, tmp_path, 60.0, stopped=lambda: time.monotonic() - begun > 2.0
    )
    assert time.monotonic() - begun < 20
    assert reports["left"].frames > 5
