"""Moving people and boards, light and sound as several unsynchronised cameras record them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import signal
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.ndimage import gaussian_filter1d
from synthetic_scene import project_rig, standing_person

from calibration.timing import BrightnessSeries, CameraTracks, SoundTrack
from mocap.model import Rig
from mocap.model.skeletons import COCO_17

Scene = Callable[[np.ndarray], np.ndarray]
"""World points (instants, things, points, 3) at times in seconds."""
STUDIO_RATE_HZ = 50.0


def wandering_people(seed: int, people: int = 1, seconds: float = 12.0) -> Scene:
    """People who walk about irregularly, with pauses, and move their limbs each in an own way."""
    rng = np.random.default_rng(seed)
    # Evenly spaced knots would make a speed that rises and falls with them.
    knots = -3.0 + np.cumsum(rng.uniform(0.25, 0.75, int(2 * seconds) + 16))
    body = np.stack([standing_person(COCO_17)] * people)
    vigour = np.minimum(rng.gamma(0.5, 2.0, (len(knots), people, 1, 1)), 3.0)
    limbs = np.zeros((len(knots), *body.shape))
    root = np.zeros((len(knots), people, 1, 3))
    root[0] = rng.normal(0, 0.5, root[0].shape)
    for k in range(1, len(knots)):
        limbs[k] = limbs[k - 1] + vigour[k] * rng.normal(0, 0.06, body.shape)
        limbs[k] -= 0.3 * np.minimum(vigour[k], 1) * limbs[k - 1]
        root[k] = root[k - 1] + vigour[k] * rng.normal(0, 0.15, (people, 1, 3))
        root[k] -= 0.2 * np.minimum(vigour[k], 1) * root[k - 1]
    root[..., 2] *= 0.1
    fine = np.arange(knots[0], knots[-1], 0.01)
    path = PchipInterpolator(knots, body + limbs + root, axis=0)(fine)
    spline = CubicSpline(fine, gaussian_filter1d(path, 6.0, axis=0), axis=0)
    return lambda time_s: spline(time_s)


def treadmill(period_s: float = 0.8) -> Scene:
    """A person whose every step is like the last."""
    body = standing_person(COCO_17)[None, None]
    rng = np.random.default_rng(3)
    swing, phase = rng.normal(0, 0.12, body.shape), rng.uniform(0, 2 * np.pi, body.shape)

    def points(time_s: np.ndarray) -> np.ndarray:
        angle = 2 * np.pi * np.asarray(time_s)[:, None, None, None] / period_s
        return body + swing * np.sin(angle + phase) + 0.3 * swing * np.sin(2 * angle + phase)

    return points


def still_person() -> Scene:
    body = standing_person(COCO_17)[None, None]
    return lambda time_s: np.repeat(body, len(time_s), axis=0)


def studio_people(motions: Sequence[object], seconds: float) -> Scene:
    """The studio's bodies, without any rendering."""
    from mocap.studio.cast import Cast
    from mocap.studio.scene import SceneConfig

    config = SceneConfig(people=tuple(motions), duration_s=seconds)
    time_s = np.arange(-0.5, seconds + 0.5, 1 / STUDIO_RATE_HZ)
    cast = Cast(config, float(time_s[0]), float(time_s[-1]))
    points = [
        [b.keypoints(f)[:17] for b, f in zip(cast.bodies, cast.frames(float(t)), strict=True)]
        for t in time_s
    ]
    spline = CubicSpline(time_s, np.array(points), axis=0)
    return lambda at_s: spline(at_s)


def filmed(
    scene: Scene,
    rig: Rig,
    camera: int,
    *,
    late_s: float = 0.0,
    drift_ppm: float = 0.0,
    rate_hz: float = 30.0,
    seconds: float = 10.0,
    sigma_px: float = 2.0,
    dropped: float = 0.0,
    missing: float = 0.0,
    seed: int = 0,
) -> CameraTracks:
    """What a camera sees of a scene, on its own clock; people in an order of its own."""
    rng = np.random.default_rng([seed, camera])
    stamp_s = np.arange(0, seconds, 1 / rate_hz)
    stamp_s = stamp_s[rng.random(len(stamp_s)) >= dropped]
    world_s = (stamp_s - late_s) / (1 + 1e-6 * drift_ppm)
    name = rig.names[camera]
    pixels = project_rig(scene(world_s), rig.subset([name]))[0]
    pixels = pixels + rng.normal(0, sigma_px, pixels.shape)
    pixels[rng.random(pixels.shape[:3]) < missing] = np.nan
    return CameraTracks(name, stamp_s, np.roll(pixels, camera, axis=1))


def bursts(seed: int, seconds: float, rate_hz: int = 48_000) -> np.ndarray:
    """Irregular sounds of different pitch and length."""
    rng = np.random.default_rng(seed)
    sound = np.zeros(int(seconds * rate_hz))
    for begin_s in rng.uniform(0, seconds - 0.5, int(2 * seconds)):
        n = int(rng.uniform(0.05, 0.4) * rate_hz)
        edges = (rng.uniform(150, 600), rng.uniform(1000, 7000))
        burst = rng.normal(size=n) * np.exp(-np.arange(n) / (0.3 * n))
        filtered = signal.sosfilt(
            signal.butter(2, edges, "bandpass", fs=rate_hz, output="sos"), burst
        )
        start = int(begin_s * rate_hz)
        sound[start : start + n] += filtered * rng.uniform(0.2, 1)
    return sound


def heard(
    sound: np.ndarray,
    name: str,
    *,
    late_s: float = 0.0,
    drift_ppm: float = 0.0,
    seconds: float = 10.0,
    rate_hz: int = 16_000,
    source_hz: int = 48_000,
    gain: float = 0.5,
    noise: float = 0.5,
    start_s: float = 0.0,
    seed: int = 0,
) -> SoundTrack:
    """A sound as a microphone in an echoing room records it, with noise and a gain of its own."""
    rng = np.random.default_rng(seed)
    low = signal.sosfilt(signal.butter(4, 0.45 * rate_hz, "low", fs=source_hz, output="sos"), sound)
    clock_s = start_s + np.arange(int(seconds * rate_hz)) / rate_hz
    world_s = (clock_s - late_s) / (1 + 1e-6 * drift_ppm)
    samples = np.interp(world_s, np.arange(len(sound)) / source_hz, low, left=0, right=0)
    echo = np.zeros(int(0.12 * rate_hz))
    echo[0] = 1.0
    places = rng.integers(50, len(echo), 30)
    echo[places] += rng.normal(0, 0.25, 30) * np.exp(-places / (0.04 * rate_hz))
    samples = signal.fftconvolve(samples, echo)[: len(samples)]
    samples += rng.normal(0, noise * np.std(samples), len(samples))
    return SoundTrack(name, gain * samples / np.abs(samples).max(), rate_hz, start_s)


def lit(
    name: str,
    switches_s: Sequence[float],
    *,
    late_s: float = 0.0,
    rate_hz: float = 30.0,
    exposure_s: float = 0.02,
    seconds: float = 8.0,
    dark: float = 60.0,
    bright: float = 130.0,
    noise: float = 0.3,
    seed: int = 0,
) -> BrightnessSeries:
    """Brightness of the frames of a camera in a room whose light is switched at some times."""
    rng = np.random.default_rng([seed, len(name)])
    time_s = np.arange(0, seconds, 1 / rate_hz)
    inside = np.linspace(-0.5, 0.5, 81)[None] * exposure_s
    world_s = time_s[:, None] + inside - late_s
    on = np.searchsorted(np.asarray(switches_s, float), world_s) % 2
    level = dark + (bright - dark) * on.mean(axis=1)
    return BrightnessSeries(name, time_s, level + rng.normal(0, noise, len(level)))
