from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise

import av
import cv2
import numpy as np
import pytest

from mocap.errors import DependencyError, InputError, OutputError, SessionError
from mocap.storage.session_reader import Session
from viewer.colours import BACKGROUND, LEFT, RIGHT
from viewer.feed import load_feed
from viewer.options import ViewOptions
from viewer.overlay import caption_of
from viewer.render import Renderer, render_snapshot, render_video
from viewer.viewpoint import choose_view

SIZE = (640, 360)
PLAIN = ViewOptions(labels=False, floor=False, cameras=False)


def _hue(colour):
    return cv2.cvtColor(np.uint8([[np.array(colour)[::-1] * 255]]), cv2.COLOR_BGR2HSV)[0, 0, 0]


@pytest.mark.usefixtures("graphics")
@pytest.mark.parametrize("azimuth", [None, 20.0, -100.0, 180.0])
def test_joints_are_drawn_where_they_project_in_the_colour_of_their_side(walkers, azimuth):
    options = ViewOptions(labels=False, azimuth_deg=azimuth)
    feed = load_feed(walkers, "raw")
    view = choose_view(feed, walkers.rig, (1280, 720), options, 0)
    with Renderer(walkers, feed, view, options) as renderer:
        picture = renderer.draw(0)
    hsv = cv2.cvtColor(picture, cv2.COLOR_BGR2HSV)
    table, points = walkers.skeleton, feed.people(0).points_m[0]
    seen = 0
    for name, colour in (("left", LEFT), ("right", RIGHT)):
        for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
            x, y = np.round(view.project(points[table.index(f"{name}_{joint}")])).astype(int)
            hue, saturation, _ = hsv[y, x].astype(int)
            seen += abs(hue - int(_hue(colour))) < 6 and saturation > 120
    # From the side, limbs hide those behind them.
    assert seen >= (10 if azimuth is None else 7)


@pytest.mark.usefixtures("graphics")
def test_nothing_is_drawn_elsewhere(walkers):
    feed = load_feed(walkers, "raw")
    view = choose_view(feed, walkers.rig, SIZE, PLAIN)
    with Renderer(walkers, feed, view, PLAIN) as renderer:
        pictures = [renderer.draw(frame) for frame in (0, 11, 0)]
    background = np.round(np.array(BACKGROUND)[::-1] * 255)
    for frame, picture in zip((0, 11, 0), pictures, strict=True):
        drawn = (np.abs(picture - background) > 8).any(axis=2)
        assert 0.004 < drawn.mean() < 0.2
        pixels = view.project(feed.people(frame).points_m).reshape(-1, 2)
        rows, columns = np.nonzero(drawn)
        low, high = pixels.min(axis=0) - 8, pixels.max(axis=0) + 8
        assert columns.min() >= low[0]
        assert columns.max() <= high[0]
        assert rows.min() >= low[1]
        assert rows.max() <= high[1]
    np.testing.assert_array_equal(pictures[0], pictures[2])


@pytest.mark.usefixtures("graphics")
def test_floor_cameras_and_text_can_be_left_out(walkers):
    feed = load_feed(walkers, "raw")
    plain = {"labels": False, "floor": False, "cameras": False, "azimuth_deg": 60.0}
    view = choose_view(feed, walkers.rig, SIZE, ViewOptions(azimuth_deg=60.0), 0)

    def drawn(**change):
        options = ViewOptions(**{**plain, **change})
        with Renderer(walkers, feed, view, options) as renderer:
            return renderer.draw(0)

    nothing = drawn()
    for name in ("labels", "floor", "cameras"):
        assert (drawn(**{name: True}) != nothing).any(axis=2).sum() > 100, name
    assert (drawn(supersample=1) != nothing).any()


@pytest.mark.usefixtures("graphics")
def test_snapshots_are_pictures_of_the_size_and_frame_asked_for(walkers, tmp_path):
    for name in ("a.png", "b.JPG"):
        render_snapshot(walkers, tmp_path / name, layer="smooth", size=SIZE)
        picture = cv2.imread(str(tmp_path / name))
        assert picture.shape == (360, 640, 3)
        assert picture.std() > 5
    render_snapshot(walkers, tmp_path / "first.png", layer="smooth", size=SIZE, frame=0)
    first, busiest = (cv2.imread(str(tmp_path / n)) for n in ("first.png", "a.png"))
    assert (first != busiest).any(axis=2).mean() > 0.01


@pytest.mark.usefixtures("graphics")
def test_videos_have_all_frames_in_real_time(walkers, tmp_path):
    calls: list[tuple[int, int]] = []
    path = tmp_path / "new" / "walk.mp4"
    render_video(walkers, path, layer="raw", size=SIZE, progress=lambda *n: calls.append(n))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert (stream.width, stream.height) == SIZE
        assert float(stream.average_rate) == pytest.approx(25.0)
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert len(frames) == 12
    assert calls == [(n, 12) for n in range(1, 13)]
    assert all((a != b).any() for a, b in pairwise(frames))
    assert [p.name for p in path.parent.iterdir()] == ["walk.mp4"]

    render_video(walkers, path, layer="raw", size=SIZE, fps=50.0)
    with av.open(str(path)) as container:
        assert float(container.streams.video[0].average_rate) == pytest.approx(50.0)
        assert sum(1 for _ in container.decode(video=0)) == 23


@pytest.mark.usefixtures("graphics")
def test_a_session_without_people_shows_floor_and_cameras_and_says_so(make_session, tmp_path):
    with Session(make_session([[], [], []], "nobody")) as session:
        feed = load_feed(session, "raw")
        assert "no people" in caption_of("nobody", feed, 1).state
        render_snapshot(session, tmp_path / "empty.png", layer="raw", size=SIZE)
        render_video(session, tmp_path / "empty.mp4", layer="raw", size=SIZE)
        picture = cv2.imread(str(tmp_path / "empty.png"))
        assert (np.abs(picture - np.array(BACKGROUND)[::-1] * 255) > 8).any(axis=2).sum() > 1000


def test_captions():
    class FakeFeed:
        counts = np.array([0, 1, 2])
        times_s = np.array([0.0, 0.5, 1.0])
        layer = "raw"

        class frames:
            number = np.array([4, 5, 6])

    assert caption_of("walk", FakeFeed, 1).state.split("    ") == [
        "frame 5 / 6",
        "0.50 s",
        "1 person",
        "raw",
    ]
    assert "2 people" in caption_of("walk", FakeFeed, 2).state


def test_outputs_that_cannot_be_written_are_refused(walkers, tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("x")
    existing = tmp_path / "there.mp4"
    existing.write_text("precious")
    for render, suffix in ((render_snapshot, "png"), (render_video, "mp4")):
        with pytest.raises(OutputError, match="cannot make the folder"):
            render(walkers, blocker / f"a.{suffix}", layer="raw")
        with pytest.raises(InputError, match="let it end in"):
            render(walkers, tmp_path / "a.gif", layer="raw")
        with pytest.raises(SessionError, match="no layer"):
            render(walkers, tmp_path / f"a.{suffix}", layer="other")
    with pytest.raises(OutputError, match="--overwrite"):
        render_video(walkers, existing, layer="raw", overwrite=False)
    assert existing.read_text() == "precious"


def test_impossible_requests_are_refused(walkers, tmp_path):
    with pytest.raises(InputError, match="no frame 99; it has 12 frames, from 0 to 11"):
        render_snapshot(walkers, tmp_path / "a.png", layer="raw", frame=99)
    with pytest.raises(InputError, match="odd side"):
        render_video(walkers, tmp_path / "a.mp4", layer="raw", size=(641, 360))
    for fps in (0.0, -5.0, float("nan"), 1e6):
        with pytest.raises(InputError, match="fps"):
            render_video(walkers, tmp_path / "a.mp4", layer="raw", fps=fps)
    assert not list(tmp_path.glob("a.*"))


@pytest.mark.usefixtures("graphics")
def test_a_video_that_fails_leaves_nothing(walkers, tmp_path):
    def fail(done, total):
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        render_video(walkers, tmp_path / "a.mp4", layer="raw", size=SIZE, progress=fail)
    assert not list(tmp_path.glob("*.mp4*"))
    assert not list(tmp_path.glob(".*"))


@pytest.mark.usefixtures("graphics")
def test_a_missing_driver_is_named_with_its_packages(walkers, tmp_path):
    code = (
        "import sys; from pathlib import Path; from mocap.storage.session_reader import Session\n"
        "import viewer; from mocap.errors import DependencyError\n"
        "with Session(Path(sys.argv[1])) as s:\n"
        "    try: viewer.render_snapshot(s, Path(sys.argv[2]), layer='raw')\n"
        "    except DependencyError as e: sys.exit(str(e))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(walkers.path), str(tmp_path / "a.png")],
        env={**os.environ, "__EGL_VENDOR_LIBRARY_DIRS": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "apt-get install libgl1-mesa-dri libegl-mesa0" in done.stderr
    assert "Traceback" not in done.stderr


def test_open3d_that_cannot_be_loaded_is_named_with_its_packages(walkers, tmp_path, monkeypatch):
    # None in sys.modules makes an import fail, as a missing system library does.
    monkeypatch.setitem(sys.modules, "open3d", None)
    with pytest.raises(DependencyError, match="apt-get install libusb-1"):
        render_snapshot(walkers, tmp_path / "a.png", layer="raw")
