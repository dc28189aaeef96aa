"""Lags from sound."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from sample_videos import image, write_video
from timing_scene import bursts, heard

from calibration.timing import AudioSettings, SoundTrack, audio_lag
from calibration.timing.audio import gcc_phat, onset_signal
from calibration.timing.audio_file import read_sound
from mocap.errors import VideoError

ALONE = AudioSettings(path_difference_m=0.0)


@pytest.mark.parametrize("late_s", [0.0, 0.24333, -1.7])
def test_lag_to_a_part_of_a_millisecond(late_s: float) -> None:
    sound = bursts(1, 14.0)
    first = heard(sound, "a", noise=0.3)
    second = heard(sound, "b", late_s=late_s, gain=0.03, noise=1.0, rate_hz=22_050, seed=1)
    found = audio_lag(first, second, ALONE)
    assert found.accepted, found.refused
    assert abs(found.lag_s - late_s) < 2e-4
    assert found.sigma_s < 5e-4
    assert found.confidence > 0.99


def test_travel_of_sound_is_part_of_the_uncertainty() -> None:
    sound = bursts(1, 12.0)
    found = audio_lag(heard(sound, "a"), heard(sound, "b", seed=1))
    assert found.sigma_s == pytest.approx(1 / 343, rel=0.05)
    assert any("sound alone" in note for note in found.notes)


def test_sound_that_begins_later_than_the_pictures() -> None:
    sound = bursts(2, 14.0)
    first = heard(sound, "a", start_s=0.5, seconds=9.0)
    second = heard(sound, "b", late_s=0.1, start_s=-0.2, seed=1)
    assert audio_lag(first, second, ALONE).lag_s == pytest.approx(0.1, abs=2e-4)


def test_drift_of_the_clocks() -> None:
    sound = bursts(3, 84.0)
    first = heard(sound, "a", seconds=80.0)
    second = heard(sound, "b", seconds=80.0, late_s=0.5, drift_ppm=80.0, seed=1)
    found = audio_lag(first, second, ALONE)
    assert found.drift_ppm == pytest.approx(80.0, abs=max(2.0, 4 * found.drift_sigma_ppm))
    assert found.lag_s == pytest.approx(0.5, abs=3e-4)


def test_other_sounds_are_refused() -> None:
    accepted = 0
    for seed in range(6):
        first = heard(bursts(10 + seed, 12.0), "a")
        accepted += audio_lag(first, heard(bursts(50 + seed, 12.0), "b", seed=1)).accepted
    assert accepted == 0


def test_a_metronome_is_refused_with_the_possible_lags() -> None:
    rng = np.random.default_rng(0)
    clicks = np.zeros(160_000)
    clicks[3000::8000] = 1.0
    click = rng.normal(size=400) * np.exp(-np.arange(400) / 80)
    beat = np.convolve(clicks, click)[:160_000]
    tracks = [SoundTrack(n, 0.1 * beat + rng.normal(0, 1e-3, 160_000), 16_000) for n in "ab"]
    found = audio_lag(*tracks)
    assert not found.accepted
    assert "repeats" in (found.refused or "")
    assert min(abs(lag) for lag in found.rivals_s) < 0.01
    assert min(abs(lag - 0.5) for lag in found.rivals_s) < 0.01


def test_missing_and_silent_sound_are_said() -> None:
    sound = heard(bursts(1, 12.0), "a")
    nothing = SoundTrack("b", np.zeros(0), 16_000)
    assert audio_lag(sound, nothing).refused == "the video of camera 'b' has no sound"
    silent = SoundTrack("b", np.zeros(160_000), 16_000)
    assert audio_lag(sound, silent).refused == "the sound of camera 'b' is silent"
    hiss = SoundTrack("b", np.random.default_rng(0).normal(0, 0.01, 160_000), 16_000)
    assert not audio_lag(sound, hiss).accepted


def test_onsets_do_not_depend_on_gain() -> None:
    samples = bursts(1, 3.0)[::3]
    samples += np.random.default_rng(0).normal(0, 1e-3, len(samples))
    assert onset_signal(samples, 16_000) == pytest.approx(
        onset_signal(0.2 * samples, 16_000), abs=1e-3
    )


def test_whitened_correlation_finds_parts_of_a_sample() -> None:
    rng = np.random.default_rng(0)
    fine = np.convolve(rng.normal(size=80_000), np.hanning(25), "same")
    lag, height = gcc_phat(fine[100:-100:10], fine[67:-133:10], 16_000, 40)
    assert lag == pytest.approx(3.3, abs=0.15)
    assert height > 6


def _film_with_sound(path: Path, track: SoundTrack, sound_start_s: float) -> Path:
    import av

    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=30)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = output.add_stream("aac", rate=int(track.rate_hz), layout="mono")
        for i in range(30):
            picture = av.VideoFrame.from_ndarray(image(i, (64, 48)), "rgb24")
            picture.pts, picture.time_base = i, Fraction(1, 30)
            output.mux(video.encode(picture))
        output.mux(video.encode(None))
        samples = np.asarray(track.samples)
        for begin in range(0, len(samples), 1024):
            block = av.AudioFrame.from_ndarray(samples[None, begin : begin + 1024], "fltp", "mono")
            block.rate = int(track.rate_hz)
            block.time_base = Fraction(1, block.rate)
            block.pts = begin + round(sound_start_s * block.rate)
            output.mux(audio.encode(block))
        output.mux(audio.encode(None))
    return path


def test_sound_of_a_file_stands_at_its_time(tmp_path: Path) -> None:
    sound = heard(bursts(4, 10.0), "a", seconds=8.0, noise=0.1, rate_hz=44_100)
    at_once = read_sound(_film_with_sound(tmp_path / "a.mkv", sound, 0.0), "a")
    later = read_sound(_film_with_sound(tmp_path / "b.mkv", sound, 0.75), "b")
    assert at_once.rate_hz == 16_000
    assert at_once.duration_s == pytest.approx(8.0, abs=0.1)
    assert audio_lag(at_once, later, ALONE).lag_s == pytest.approx(0.75, abs=1e-3)
    # The same sound, cut anew by the codec, is where the original is.
    assert audio_lag(sound, at_once, ALONE).lag_s == pytest.approx(0.0, abs=1.5e-3)


def test_a_video_without_sound_is_a_result(tmp_path: Path) -> None:
    track = read_sound(write_video(tmp_path / "mute.mp4", 5), "mute")
    assert len(track.samples) == 0


def test_files_that_cannot_be_read_are_errors(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="does not exist"):
        read_sound(tmp_path / "none.mp4", "a")
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video at all" * 100)
    with pytest.raises(VideoError, match="cannot be read"):
        read_sound(bad, "a")
