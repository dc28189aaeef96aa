"""Image points between frames, with the noise that interpolation leaves.

Interpolation averages noise where it falls between frames: an error that ignores that is smallest
at lags of half a frame, whatever the truth. Where frames are close enough a parabola is fitted
around each instant, with weights that vanish so smoothly that the noise is the same at all
instants, be it white or alike from frame to frame. Where they are not, a cubic goes through the
four nearest frames, and the variance and its slope are handed on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.timing.tracks import CameraTracks
from mocap.arrays import Float

LONGEST_GAP = 1.6
"""In usual frame intervals; points are not interpolated across more (a dropped frame is 2)."""
KERNEL_S = 0.16
"""Half width of the weights (1 - x^2)^4 of the local parabola: fast hands still get through."""
KERNEL_FRAMES = 3.6
"""Half the kernel must hold this many frames."""


def can_smooth(*cameras: CameraTracks) -> bool:
    """Whether the frames of all cameras are close enough for local parabolas."""
    return all(
        len(tracks.time_s) >= 5 and KERNEL_FRAMES * tracks.period_s <= KERNEL_S
        for tracks in cameras
    )


@dataclass(frozen=True)
class Interpolated:
    """Points of one camera at chosen instants.

    Attributes:
        pixels: NaN where the point was not seen in the frames around.
        velocity: in pixels per second.
        variance: of a pixel, in units of that of a measured one.
        variance_slope: its derivative by the instant, per second.
    """

    pixels: Float[np.ndarray, "instants things points 2"]
    velocity: Float[np.ndarray, "instants things points 2"]
    variance: Float[np.ndarray, " instants"]
    variance_slope: Float[np.ndarray, " instants"]


def interpolate_pixels(
    tracks: CameraTracks, at_s: Float[np.ndarray, " instants"], *, smooth: bool
) -> Interpolated:
    """Pixels at instants of the camera's clock.

    Args:
        tracks: of one camera.
        at_s: when.
        smooth: whether to fit parabolas, see `can_smooth`, or to go through the measured points.
    """
    return _parabolas(tracks, at_s) if smooth else _cubics(tracks, at_s)


def _parabolas(tracks: CameraTracks, at_s: np.ndarray) -> Interpolated:
    time_s, pixels, period_s = tracks.time_s, tracks.pixels, tracks.period_s
    around = int(np.ceil(KERNEL_S / period_s)) + 1
    raw = np.searchsorted(time_s, at_s)[:, None] + np.arange(-around, around + 1)
    index = np.clip(raw, 0, len(time_s) - 1)
    away = np.where(index == raw, (time_s[index] - at_s[:, None]) / KERNEL_S, np.inf)
    weight = (1.0 - np.minimum(away**2, 1.0)) ** 4
    away = np.where(weight > 0, away, 0.0)
    # Everything that is linear in the frames goes through one product per instant.
    shape = pixels.shape[1:3]
    points = shape[0] * shape[1]
    known = np.asarray(np.isfinite(pixels).all(axis=-1))
    value = np.where(known[..., None], pixels, 0.0)[index].reshape(*index.shape, 2 * points)
    flags = known[index].reshape(*index.shape, points).astype(np.float64)
    powers = np.stack([weight * away**power for power in range(5)], axis=1)
    moments = np.moveaxis(powers @ flags, 1, 0).reshape(5, len(at_s), *shape)
    sums = np.moveaxis(powers[:, :3] @ value, 1, 0).reshape(3, len(at_s), *shape, 2)
    close = (weight > 0) & (np.abs(away) * KERNEL_S <= LONGEST_GAP * period_s)
    before, after = (
        ((side & close)[:, None].astype(np.float64) @ flags).reshape(len(at_s), *shape) > 0
        for side in (away <= 1e-9, away >= -1e-9)
    )
    m0, m1, m2, m3, m4 = moments
    # Rows of the adjugate of the normal matrix [[m0 m1 m2] [m1 m2 m3] [m2 m3 m4]].
    level = np.stack([m2 * m4 - m3**2, m2 * m3 - m1 * m4, m1 * m3 - m2**2])
    slope = np.stack([m2 * m3 - m1 * m4, m0 * m4 - m2**2, m1 * m2 - m0 * m3])
    determinant = m0 * level[0] + m1 * level[1] + m2 * level[2]
    solid = before & after & (determinant > 1e-4 * m0**3)
    divisor = np.where(solid, determinant, 1.0)
    values = [
        np.where(solid[..., None], (row[..., None] * sums).sum(axis=0) / divisor[..., None], np.nan)
        for row in (level, slope / KERNEL_S)
    ]
    return Interpolated(values[0], values[1], np.ones(len(at_s)), np.zeros(len(at_s)))


def _cubics(tracks: CameraTracks, at_s: np.ndarray) -> Interpolated:
    time_s, pixels = tracks.time_s, tracks.pixels
    count = len(at_s)
    if len(time_s) < 4:
        empty = np.full((count, *pixels.shape[1:]), np.nan)
        return Interpolated(empty, empty.copy(), np.full(count, np.nan), np.zeros(count))
    period_s = tracks.period_s
    start = np.clip(np.searchsorted(time_s, at_s, side="right") - 2, 0, len(time_s) - 4)
    index = start[:, None] + np.arange(4)
    nodes = time_s[index]
    # At an end of the footage the instant lies in an outer interval, which serves as well.
    solid = (at_s >= nodes[:, 0] - 1e-9) & (at_s <= nodes[:, 3] + 1e-9)
    solid &= np.diff(nodes, axis=1).max(axis=1) <= LONGEST_GAP * period_s
    weight, slope = _lagrange((nodes - at_s[:, None]) / period_s)
    around = pixels[index]
    values = np.einsum("nj,nj...->n...", weight, around)
    velocity = np.einsum("nj,nj...->n...", slope / period_s, around)
    # A weight of 0 must not spread NaN: exactly at a frame only that frame counts.
    exact = np.isclose(weight, 1.0, atol=1e-9)
    for n, j in zip(*np.nonzero(exact), strict=True):
        values[n] = around[n, j]
    values[~solid], velocity[~solid] = np.nan, np.nan
    values[~np.isfinite(velocity)] = np.nan
    variance = (weight**2).sum(axis=1)
    variance_slope = 2 * (weight * slope).sum(axis=1) / period_s
    return Interpolated(values, velocity, variance, variance_slope)


def _lagrange(away: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (n, 4) of four nodes, and their derivatives, at distance 0."""
    weight, slope = np.ones_like(away), np.zeros_like(away)
    for j in range(4):
        others = [k for k in range(4) if k != j]
        scale = np.prod([away[:, j] - away[:, k] for k in others], axis=0)
        a, b, c = (-away[:, k] for k in others)
        weight[:, j] = a * b * c / scale
        slope[:, j] = (a * b + a * c + b * c) / scale
    return weight, slope
