"""What a sensor makes of light: exposure, colour balance, vignetting, noise, and 8 bits."""

from __future__ import annotations

import numpy as np

from mocap.arrays import Float, UInt8
from mocap.studio.randomness import random_stream

SHOT_NOISE = 0.012
READ_NOISE = 0.003
"""Standard deviations at full light and in the dark, of linear light, at strength 1."""
FLICKER = 0.004
"""Relative standard deviation of the brightness from frame to frame, at strength 1."""
VIGNETTING = 0.18
"""Loss of light in the corners of the image."""
_TABLE_SIZE = 8192
_NOISE_PICTURES = 4


def srgb_from_linear(linear: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Display values 0 to 1 of linear light 0 to 1 (IEC 61966-2-1)."""
    clipped = np.clip(linear, 0.0, 1.0)
    return np.where(
        clipped <= 0.0031308,
        12.92 * clipped,
        1.055 * np.maximum(clipped, 1e-9) ** (1 / 2.4) - 0.055,
    )


def linear_from_srgb(srgb: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Linear light 0 to 1 of display values 0 to 1 (IEC 61966-2-1)."""
    values = np.clip(srgb, 0.0, 1.0)
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


class Sensor:
    """The sensor of one camera.

    Args:
        size: width and height in pixels.
        noise: strength of the noise.
        exposure_spread: relative spread of brightness and colour among cameras; without it this
            one has neither a cast nor vignetting.
        seed: of the scene.
        camera: index of the camera.
    """

    def __init__(
        self, size: tuple[int, int], noise: float, exposure_spread: float, seed: int, camera: int
    ) -> None:
        width, height = size
        random = random_stream(seed, "sensor", camera)
        gain = np.exp(exposure_spread * random.standard_normal())
        balance = np.exp(0.5 * exposure_spread * random.standard_normal(3))
        x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
        corner = 0.0 if exposure_spread == 0 else VIGNETTING
        light = 1 - corner * (0.5 * (x * x + y * y)) ** 1.5
        self._gain = (light[..., None] * gain * balance).astype(np.float32)
        self._noise = noise
        self._seed, self._camera = seed, camera
        scale = np.linspace(0, 1, _TABLE_SIZE)
        self._table = (255 * srgb_from_linear(scale)).astype(np.float32)
        sigma = noise * np.sqrt(READ_NOISE**2 + SHOT_NOISE**2 * scale)
        # The slope of the display curve carries the noise of light over to display values.
        slope = np.gradient(self._table, scale)
        self._display_sigma = (sigma * np.minimum(slope, 255 * 8)).astype(np.float32)
        self._pictures = [
            random.standard_normal((height, width, 3), dtype=np.float32)
            for _ in range(_NOISE_PICTURES if noise else 0)
        ]

    def expose(
        self, light: Float[np.ndarray, "height width 3"], frame: int
    ) -> UInt8[np.ndarray, "height width 3"]:
        """The picture of a frame, RGB, of linear light from 0 to 1 (white).

        The same frame of the same camera and seed gives the same picture.

        Args:
            light: float32.
            frame: number of the frame.
        """
        random = random_stream(self._seed, "frame noise", self._camera, frame)
        flicker = np.float32(1 + FLICKER * self._noise * random.standard_normal())
        exposed = light * self._gain
        exposed *= np.float32(_TABLE_SIZE - 1) * flicker
        np.clip(exposed, 0, _TABLE_SIZE - 1, out=exposed)
        level = exposed.astype(np.int32)
        values = self._table[level]
        if self._noise:
            # Shifting and turning one of a few noise pictures is as good as a new one, and
            # several times faster.
            picture = self._pictures[random.integers(len(self._pictures))]
            shift = (int(random.integers(picture.shape[0])), int(random.integers(picture.shape[1])))
            sign = 1 if random.random() < 0.5 else -1
            values += np.roll(picture, shift, axis=(0, 1)) * (sign * self._display_sigma[level])
        values += np.float32(0.5)
        np.clip(values, 0, 255, out=values)
        return values.astype(np.uint8)
