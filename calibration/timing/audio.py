"""The lag of two cameras from their sound tracks.

First the onsets of sound: rises of energy in bands of pitch, which different microphones, gains
and room echoes leave where they are. They tell the lag to some milliseconds, and whether it is the
only one. Then the waveforms near that lag, by cross-correlation with whitened spectra (GCC-PHAT,
Knapp and Carter, IEEE TASSP 1976), piece by piece: the pieces agree on the lag to a part of a
millisecond, and their disagreement is its standard deviation.

Sound needs 2.9 ms per metre: how much nearer one camera is to what is heard is part of the lag.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import signal

from calibration.timing.correlation import correlation_time, fast_length, masked_correlation
from calibration.timing.curve import LagCurve, choose_lag, refine_peak
from calibration.timing.drift import WindowLag, fit_drift
from calibration.timing.results import PairLag, refusal
from mocap.arrays import Float, frozen_array

SPEED_OF_SOUND_M_S = 343.0
BAND_EDGES_HZ = (120.0, 400.0, 1000.0, 2500.0, 6000.0)
ENVELOPE_HZ = 200.0
SILENT = 1e-5
"""Of full scale; a microphone's own noise is above it."""
FINE_REACH_S = 0.03
PIECE_S = 2.0
PHAT_POWER = 0.8
"""1 whitens fully, which also raises bands that hold nothing but noise."""
LEAST_PIECES = 4
LEAST_AGREEING = 0.4
AGREE_S = 0.002
ONSETS_ALONE = 0.9999
"""How sure onsets must be of a lag which the waveforms do not confirm."""
PEAK_RATIO = 6.0
"""How many times higher than usual values the peak of a piece that counts is."""


@dataclass(frozen=True)
class SoundTrack:
    """The sound of one camera.

    Attributes:
        name: of the camera.
        samples: one channel, full scale 1; empty where the video has no sound.
        rate_hz: samples per second.
        start_s: time of the first sample on the camera's clock, whose zero is its first picture.
    """

    name: str
    samples: Float[np.ndarray, " samples"]
    rate_hz: float
    start_s: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "samples", frozen_array(self.samples, np.float32, (None,), "samples")
        )

    @property
    def duration_s(self) -> float:
        """Length of the sound."""
        return len(self.samples) / self.rate_hz


@dataclass(frozen=True)
class AudioSettings:
    """How lags are looked for in sound.

    Attributes:
        max_lag_s: largest lag to consider; None for all that the recordings allow.
        min_overlap_s: lags at which both recorded less are not considered. In any case at least
            20 % of the shorter sound.
        path_difference_m: standard deviation of how much nearer one of two cameras is to what is
            heard; its travel time is part of the standard deviation of the lag.
        drift_from_s: recordings of this length show a drift of clocks.
    """

    max_lag_s: float | None = None
    min_overlap_s: float = 2.0
    path_difference_m: float = 1.0
    drift_from_s: float = 60.0


def audio_lag(
    first: SoundTrack, second: SoundTrack, settings: AudioSettings | None = None
) -> PairLag:
    """The lag of two cameras that recorded the same sound.

    Args:
        first: of the camera from which the lag counts.
        second: of the other; the sampling rates may differ.
        settings: how to look for it.
    """
    settings = settings or AudioSettings()
    names = (first.name, second.name)
    for track in (first, second):
        if not len(track.samples):
            return refusal(*names, "audio", f"the video of camera {track.name!r} has no sound")
        if float(np.sqrt(np.mean(np.square(track.samples, dtype=np.float64)))) < SILENT:
            return refusal(*names, "audio", f"the sound of camera {track.name!r} is silent")
    rate_hz = min(first.rate_hz, second.rate_hz)
    a, b = (resampled(t, rate_hz) for t in (first, second))
    shift_s = second.start_s - first.start_s
    onsets = [onset_signal(x, rate_hz) for x in (a, b)]
    step_s = 1 / ENVELOPE_HZ
    shorter = min(len(o) for o in onsets)
    least = max(settings.min_overlap_s / step_s, 0.2 * shorter)
    lags, correlation, counts = masked_correlation(onsets[0], onsets[1], least)
    lag_s = lags * step_s + shift_s
    kept = np.full(len(lags), True)
    if settings.max_lag_s is not None:
        kept = np.abs(lag_s) <= settings.max_lag_s + 1e-9
    samples = counts / max(correlation_time(*onsets), 0.02 / step_s)
    curve = LagCurve(
        lag_s[kept], (1 - np.clip(correlation, 0, 1) ** 2)[kept], samples[kept], width_s=0.06
    )
    choice = choose_lag(curve)
    overlap_s = float(counts[kept][choice.index] * step_s) if choice.index >= 0 else 0.0
    rivals = tuple(float(curve.lag_s[i]) for i in choice.rivals)
    if choice.refused is not None:
        best = (float(curve.lag_s[choice.index]),) if choice.index >= 0 else ()
        reason = choice.refused.replace(
            "hardly anything that both see changes together (a still scene, or no common view)",
            "hardly anything that both hear is alike",
        ).replace("periodic motion", "a sound that repeats")
        return refusal(
            *names,
            "audio",
            reason,
            confidence=choice.confidence,
            overlap_s=overlap_s,
            rivals_s=best + rivals,
        )
    pieces = _pieces(a, b, rate_hz, float(curve.lag_s[choice.index]) - shift_s)
    travel_s = settings.path_difference_m / SPEED_OF_SOUND_M_S
    whole = _agreed(names, pieces, shift_s, choice.confidence, overlap_s, rivals)
    if whole is None:
        # The waveforms do not agree (heavy echoes, very different places): onsets must do.
        lag, sigma_s = float(curve.lag_s[choice.index]), 0.01
        if choice.confidence < ONSETS_ALONE:
            return refusal(
                *names,
                "audio",
                "the onsets of sound fit at one lag, the waveforms at none",
                confidence=choice.confidence,
                overlap_s=overlap_s,
                rivals_s=(lag, *rivals),
            )
        note = "lag from onsets of sound only: the waveforms are too different"
        return PairLag(
            *(*names, "audio", lag, math.hypot(sigma_s, travel_s), choice.confidence, overlap_s),
            rivals,
            notes=(note,),
        )
    if overlap_s >= settings.drift_from_s:
        at_zero = [
            WindowLag(p.time_s + first.start_s, p.lag_s + shift_s, p.sigma_s) for p in pieces
        ]
        whole = fit_drift(whole, at_zero)
    sigma_s = math.hypot(whole.sigma_s, travel_s)
    notes = (*whole.notes, f"sound alone +- {1000 * whole.sigma_s:.2f} ms") if travel_s else ()
    return PairLag(
        *(*names, "audio", whole.lag_s, sigma_s, choice.confidence, overlap_s, rivals),
        whole.drift_ppm,
        whole.drift_sigma_ppm,
        notes=notes,
    )


def resampled(track: SoundTrack, rate_hz: float) -> Float[np.ndarray, " samples"]:
    """The sound at another rate, which is not higher."""
    samples = np.asarray(track.samples, np.float64)
    if abs(track.rate_hz - rate_hz) < 1e-6:
        return samples
    up, down = round(rate_hz), round(track.rate_hz)
    divisor = math.gcd(up, down)
    return signal.resample_poly(samples, up // divisor, down // divisor)


def onset_signal(
    samples: Float[np.ndarray, " samples"], rate_hz: float
) -> Float[np.ndarray, "steps bands"]:
    """Rises of the logarithm of the energy in bands of pitch, 200 per second.

    NaN where nothing was recorded. Gains and microphones change the logarithm by a constant,
    which the rise does not have.
    """
    hop = rate_hz / ENVELOPE_HZ
    steps = int(len(samples) / hop)
    edges = np.round(np.arange(steps + 1) * hop).astype(int)
    bands: list[np.ndarray] = []
    for low, high in pairwise(BAND_EDGES_HZ):
        if high > 0.45 * rate_hz:
            break
        filtered = signal.sosfiltfilt(
            signal.butter(3, (low, high), "bandpass", fs=rate_hz, output="sos"), samples
        )
        energy = np.add.reduceat(filtered**2, edges[:-1]) / np.diff(edges)
        energy = np.convolve(energy, np.hanning(5) / np.hanning(5).sum(), "same")
        # What is quieter than the quietest tenth is noise of the microphone.
        level = np.log(energy + np.quantile(energy, 0.1) + 1e-12)
        rise = np.zeros(steps)
        rise[2:] = np.maximum(level[2:] - level[:-2], 0.0)
        bands.append(rise)
    return np.stack(bands, axis=1)


def gcc_phat(
    first: Float[np.ndarray, " samples"],
    second: Float[np.ndarray, " samples"],
    rate_hz: float,
    reach: int,
) -> tuple[float, float]:
    """Lag of the second of two pieces of sound, in samples, within a reach.

    Returns:
        The lag, to a part of a sample, and how many times higher its peak is than the root mean
        square of the others.
    """
    size = fast_length(len(first) + len(second))
    cross = np.fft.rfft(second, size) * np.fft.rfft(first, size).conj()
    frequency = np.fft.rfftfreq(size, 1 / rate_hz)
    inside = (frequency >= BAND_EDGES_HZ[0]) & (frequency <= min(8000.0, 0.45 * rate_hz))
    magnitude = np.abs(cross)
    floor = 1e-3 * float(np.mean(magnitude[inside])) + 1e-30
    cross = np.where(inside, cross / np.maximum(magnitude, floor) ** PHAT_POWER, 0.0)
    curve = np.fft.irfft(cross, size)
    near = np.concatenate([curve[-reach:], curve[: reach + 1]])
    top = int(np.argmax(near))
    height = near[top] / max(float(np.sqrt(np.mean(near**2))), 1e-30)
    if not 1 <= top < len(near) - 1:
        return float(top - reach), 0.0
    return top - reach + refine_peak(near[top - 1 : top + 2]), float(height)


def _pieces(a: np.ndarray, b: np.ndarray, rate_hz: float, lag_s: float) -> list[WindowLag]:
    """Lags of pieces of the sound near a lag, all in seconds after the first samples."""
    reach = round(FINE_REACH_S * rate_hz)
    size = round(PIECE_S * rate_hz)
    size = max(min(size, (len(a) - 1) // LEAST_PIECES), 4 * reach)
    whole = round(lag_s * rate_hz)
    loud = float(np.sqrt(np.mean(a**2)))
    found: list[WindowLag] = []
    start, stop = max(0, -whole), min(len(a), len(b) - whole)
    for begin in range(start, stop - size + 1, size // 2):
        piece, other = a[begin : begin + size], b[begin + whole : begin + whole + size]
        if np.sqrt(np.mean(piece**2)) < 0.02 * loud:
            continue
        lag, height = gcc_phat(piece, other, rate_hz, reach)
        if height >= PEAK_RATIO:
            found.append(
                WindowLag((begin + size / 2) / rate_hz, (lag + whole) / rate_hz, 0.5 / rate_hz)
            )
    return found


def _agreed(
    names: tuple[str, str],
    pieces: list[WindowLag],
    shift_s: float,
    confidence: float,
    overlap_s: float,
    rivals: tuple[float, ...],
) -> PairLag | None:
    """What most pieces agree on; None where they do not."""
    if len(pieces) < LEAST_PIECES:
        return None
    lags = np.array([p.lag_s for p in pieces])
    times = np.array([p.time_s for p in pieces])
    # Clocks that drift spread the lags along a line.
    slope = 0.0
    if np.ptp(times) > 20:
        i, j = np.triu_indices(len(lags), 1)
        slope = float(np.median((lags[j] - lags[i]) / (times[j] - times[i] + 1e-12)))
    level = lags - slope * (times - times.mean())
    middle = float(np.median(level))
    near = np.abs(level - middle) < AGREE_S
    if near.sum() < max(LEAST_PIECES, LEAST_AGREEING * len(lags)):
        return None
    chosen = level[near]
    scale = 1.4826 * float(np.median(np.abs(chosen - np.median(chosen))))
    # Pieces overlap by half, so only every other one is independent.
    sigma_s = math.hypot(1.25 * scale / math.sqrt(max(1.0, near.sum() / 2)), 5e-6)
    return PairLag(
        *(*names, "audio", float(np.median(chosen)) + shift_s, sigma_s, confidence, overlap_s),
        rivals,
    )
