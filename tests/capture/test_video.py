from __future__ import annotations

import time
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sample_videos import SIZE, cut, damage, index_of, write_sound, write_video

from capture.frames import FrameSource
from capture.video import FrameMark, VideoSource
from capture.video_probe import probe_video
from mocap.errors import VideoError

MILLISECONDS = Fraction(1, 1000)


def times_ms(source: VideoSource) -> list[float]:
    return [frame.time_ns / 1e6 for frame in source]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "plain.mp4")


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mov", "libx264"),
        ("a.m4v", "libx264"),
        ("a.mkv", "libx264"),
        ("a.avi", "mpeg4"),
        # AVI states no presentation times, and H.264 stores its frames in another order.
        ("a.avi", "libx264"),
        ("a.webm", "libvpx-vp9"),
        ("a.mts", "libx264"),
        ("a.mpg", "mpeg2video"),
    ],
)
def test_all_frames_come_in_order_with_their_times(tmp_path: Path, name: str, codec: str) -> None:
    path = write_video(tmp_path / name, 20, codec=codec)
    info = probe_video(path)
    assert info.frames == 20
    assert info.size == SIZE
    assert info.rate_hz == pytest.approx(30, rel=2e-3)
    assert info.duration_s == pytest.approx(20 / 30, rel=2e-3)
    source = VideoSource(path)
    frames = list(source)
    assert [frame.index for frame in frames] == list(range(20))
    assert [index_of(frame.image_rgb) for frame in frames] == list(range(20))
    # Matroska rounds to milliseconds.
    np.testing.assert_allclose([f.time_ns for f in frames], np.arange(20) / 30 * 1e9, atol=0.6e6)
    assert source.frame_count == 20


def test_it_is_a_frame_source(plain: Path) -> None:
    source: FrameSource = VideoSource(plain)
    assert source.size == SIZE
    assert next(iter(source)).image_rgb.dtype == np.uint8


def test_times_count_from_the_first_frame_of_the_file(tmp_path: Path) -> None:
    pts = [1003 + 40 * i for i in range(6)]
    for name in ("late.mp4", "late.mkv"):
        path = write_video(tmp_path / name, 6, pts=pts, time_base=MILLISECONDS)
        assert times_ms(VideoSource(path)) == pytest.approx([0, 40, 80, 120, 160, 200], abs=0.07)
        assert probe_video(path).duration_s == pytest.approx(0.24, abs=1e-3)


def test_a_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    pts = [0, 33, 67, 100, 500, 533, 567, 580]
    path = write_video(tmp_path / "v.mp4", 8, pts=pts, time_base=MILLISECONDS)
    assert times_ms(VideoSource(path)) == pytest.approx(pts, abs=0.07)
    # A gap says nothing of the usual rate.
    assert probe_video(path).rate_hz == pytest.approx(30, rel=0.02)


def test_what_an_edit_list_cuts_away_is_neither_shown_nor_missed(tmp_path: Path) -> None:
    pts = list(range(-6, 14))
    options = {"avoid_negative_ts": "disabled", "use_editlist": "1"}
    path = write_video(tmp_path / "trimmed.mp4", 20, pts=pts, container=options)
    frames = list(VideoSource(path))
    assert probe_video(path).frames == 14
    assert [index_of(frame.image_rgb) for frame in frames] == list(range(6, 20))
    assert frames[0].time_ns == 0


def test_a_recording_that_begins_between_key_frames_loses_only_what_has_no_reference(
    tmp_path: Path,
) -> None:
    import av

    gop = "open-gop=1:keyint=10:min-keyint=10:bframes=3:scenecut=0"
    whole = write_video(tmp_path / "whole.ts", 40, options={"x264-params": gop})
    with av.open(str(whole)) as video:
        keys = [p.pos for p in video.demux(video.streams.video[0]) if p.size and p.is_keyframe]
    data, packet = whole.read_bytes(), 188
    part = tmp_path / "part.ts"
    part.write_bytes(data[: 3 * packet] + data[keys[1] // packet * packet :])
    frames = list(VideoSource(part))
    assert [index_of(f.image_rgb) % 21 for f in frames] == [i % 21 for i in range(10, 40)]
    assert probe_video(part).frames == 30


@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
def test_pictures_are_turned_upright(tmp_path: Path, rotation: int) -> None:
    path = write_video(tmp_path / "turned.mp4", 3, rotation=rotation)
    width, height = SIZE if rotation in (0, 180) else SIZE[::-1]
    source = VideoSource(path)
    assert source.size == probe_video(path).size == (width, height)
    picture = next(iter(source)).image_rgb
    assert picture.shape == (height, width, 3)
    corners = {
        "top left": picture[:20, :20],
        "bottom left": picture[-20:, :20],
        "bottom right": picture[-20:, -20:],
        "top right": picture[:20, -20:],
    }
    red = [name for name, patch in corners.items() if patch[..., 0].mean() > 150]
    # Counter-clockwise, the square goes from the top left to the bottom left, and on.
    assert red == [list(corners)[rotation // 90 % 4]]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi"])
@pytest.mark.parametrize("last", [0, 6, 18])
def test_a_second_source_goes_on_after_a_mark(tmp_path: Path, name: str, last: int) -> None:
    path = write_video(tmp_path / name)
    frames = list(VideoSource(path))
    mark = FrameMark(frames[last].index, frames[last].time_ns)
    rest = VideoSource(path, after=mark)
    assert rest.frame_count == 19 - last
    again = list(rest)
    assert [(f.index, f.time_ns) for f in again] == [(f.index, f.time_ns) for f in frames][
        last + 1 :
    ]
    for one, other in zip(again, frames[last + 1 :], strict=True):
        np.testing.assert_array_equal(one.image_rgb, other.image_rgb)


def test_going_on_does_not_decode_all_again(tmp_path: Path) -> None:
    path = write_video(tmp_path / "long.mp4", 200)
    frames = [(f.index, f.time_ns) for f in VideoSource(path)]
    source = VideoSource(path, after=FrameMark(*frames[180]))
    decoded = []
    position = source._position
    source._position = lambda picture, last: decoded.append(1) or position(picture, last)  # type: ignore[method-assign]
    assert [(f.index, f.time_ns) for f in source] == frames[181:]
    assert len(decoded) <= 19 + 10


def test_reading_stops_before_the_end_time(plain: Path) -> None:
    source = VideoSource(plain, end_ns=200_000_000)
    assert source.frame_count == 6
    assert len(list(source)) == 6


def test_closing_ends_the_iteration_and_may_be_repeated(plain: Path) -> None:
    source = VideoSource(plain)
    frames = iter(source)
    next(frames)
    source.close()
    source.close()
    assert list(frames) == []


def test_realtime_yields_frames_when_they_are_due(plain: Path) -> None:
    source = VideoSource(plain, "realtime")
    start_ns = time.monotonic_ns() + 100_000_000
    source.start_at(start_ns)
    early, seen = [], []
    for frame in source:
        early.append(start_ns + frame.time_ns - time.monotonic_ns())
        seen.append(frame.index)
    assert max(early) <= 0
    assert seen[0] == 0
    assert len(seen) > 10


def test_realtime_leaves_out_what_there_is_no_time_for(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", 60)
    begun = time.monotonic()
    seen = []
    for frame in VideoSource(path, "realtime"):
        seen.append(frame.index)
        time.sleep(0.1)
    assert time.monotonic() - begun < 3.0
    assert seen == sorted(set(seen))
    # A tenth of a second is three frames: every fourth is kept, and all cameras keep the same.
    steady = [i for i in seen if i >= 8]
    assert len(steady) > 5
    assert all(i % 4 == 0 for i in steady)


def test_fast_yields_every_frame_to_a_slow_consumer(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", 6, rate=100)
    seen = []
    for frame in VideoSource(path):
        time.sleep(0.05)
        seen.append(frame.index)
    assert seen == list(range(6))


def test_unknown_pace(plain: Path) -> None:
    with pytest.raises(VideoError, match="unknown pace 'slow'; valid are fast, realtime"):
        VideoSource(plain, "slow")  # type: ignore[arg-type]


def test_header_at_the_end_is_cut_off(plain: Path, tmp_path: Path) -> None:
    # Wherever the cut goes: in the data, or in the header, which begins at two thirds.
    for share in (0.2, 0.5, 0.68, 0.72, 0.76, 0.8, 0.84, 0.88, 0.92, 0.96):
        path = cut(plain, tmp_path / "cut.mp4", share)
        with pytest.raises(VideoError, match=r"cut.mp4 (cannot be|has no|is trunc).*truncated"):
            probe_video(path)


@pytest.mark.parametrize(
    ("name", "codec", "container"),
    [
        ("a.mp4", "libx264", {"movflags": "faststart"}),
        ("a.mkv", "libx264", {}),
        ("a.avi", "mpeg4", {}),
    ],
)
def test_data_is_cut_off(tmp_path: Path, name: str, codec: str, container: dict[str, str]) -> None:
    whole = write_video(tmp_path / name, codec=codec, container=container, noise=True)
    assert probe_video(whole).frames == 20
    path = cut(whole, tmp_path / f"cut_{name}", 0.7)
    with pytest.raises(VideoError, match=rf"cut_{name} is truncated: .*copy it again"):
        probe_video(path)


@pytest.mark.parametrize("name", ["a.mp4", "a.ts"])
def test_damage_in_the_middle_is_told_with_the_frame(tmp_path: Path, name: str) -> None:
    container = {"movflags": "faststart"} if name == "a.mp4" else {}
    whole = write_video(tmp_path / name, container=container, noise=True)
    path = damage(whole, tmp_path / f"bad_{name}")
    seen: list[int] = []
    with pytest.raises(
        VideoError, match=rf"bad_{name} is damaged after frame \d+ \(.*--cameras"
    ) as caught:
        for frame in VideoSource(path):
            assert index_of(frame.image_rgb) == frame.index
            seen.append(frame.index)
    assert f"after frame {seen[-1]} " in str(caught.value)
    assert seen == list(range(len(seen)))
    assert 2 < len(seen) < 15


def test_a_container_that_finds_its_way_after_damage_loses_frames_but_no_times(
    tmp_path: Path,
) -> None:
    whole = write_video(tmp_path / "a.mkv", noise=True)
    path = damage(whole, tmp_path / "bad.mkv")
    frames = list(VideoSource(path))
    assert 10 < len(frames) < 20
    for frame in frames:
        assert index_of(frame.image_rgb) == round(frame.time_ns * 30e-9)


def test_a_frame_that_the_decoder_loses_is_noticed(plain: Path) -> None:
    source = VideoSource(plain)
    decode = source._container.decode

    class Losing:
        def decode(self, stream: object) -> object:
            return (f for i, f in enumerate(decode(stream)) if i not in (7, 8))

        def close(self) -> None:
            pass

    source._container = Losing()  # type: ignore[assignment]
    with pytest.raises(VideoError, match=r"damaged after frame 6 \(frames are missing"):
        list(source)


def test_an_early_end_is_noticed(plain: Path) -> None:
    source = VideoSource(plain)
    decode = source._container.decode

    class Ending:
        def decode(self, stream: object) -> object:
            return (f for i, f in enumerate(decode(stream)) if i < 15)

        def close(self) -> None:
            pass

    source._container = Ending()  # type: ignore[assignment]
    with pytest.raises(VideoError, match=r"after frame 14 \(the last 5 of 20 are missing\)"):
        list(source)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.mp4", b"", "cannot be opened"),
        ("text.mp4", b"this is not a video\n" * 50, "cannot be opened"),
    ],
)
def test_what_is_no_video(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(VideoError, match=rf"{name} {words}"):
        VideoSource(path)


def test_sound_only(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"sound.mp4 has no video stream; is it a sound file\?"):
        probe_video(write_sound(tmp_path / "sound.mp4"))


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="does not exist"):
        probe_video(tmp_path / "none.mp4")
    with pytest.raises(VideoError, match="is a folder"):
        probe_video(tmp_path)


def test_a_stream_without_times(tmp_path: Path) -> None:
    path = write_video(tmp_path / "raw.h264")
    with pytest.raises(VideoError, match=r"raw.h264 holds no presentation times; put it into"):
        probe_video(path)


def test_frame_times_of_the_real_clip(shared_path) -> None:
    source = VideoSource(shared_path("pose2sim_single/videos/cam01.mp4"))
    times = [frame.time_ns for frame, _ in zip(source, range(5), strict=False)]
    assert source.frame_count == 100
    assert all(abs(b - a - 1e9 / 60) < 1e5 for a, b in pairwise(times))


def test_grey_frames_are_those_of_the_colour_frames(tmp_path):
    path = write_video(tmp_path / "a.mp4", 12)
    source = VideoSource(path)
    colour = list(source)
    source = VideoSource(path)
    grey = list(source.grey())
    assert [index for index, _, _ in grey] == [frame.index for frame in colour]
    for (_, time_s, image), frame in zip(grey, colour, strict=True):
        assert time_s == pytest.approx(frame.time_ns * 1e-9)
        assert image.shape == frame.image_rgb.shape[:2]
        assert index_of(np.repeat(image[:, :, None], 3, 2)) == index_of(frame.image_rgb)
    chosen = list(VideoSource(path).grey([2, 7]))
    assert [index for index, _, _ in chosen] == [2, 7]
    assert list(VideoSource(path).grey([])) == []
