"""Small videos for tests. The brightness of every image tells its number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

SIZE = (320, 240)
_DARKEST, _STEP, _LEVELS = 20, 10, 21


def image(index: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Grey of a brightness that tells the index, with a red square in the top-left corner."""
    width, height = size
    picture = np.full((height, width, 3), _DARKEST + _STEP * (index % _LEVELS), np.uint8)
    picture[: height // 4, : width // 4] = (200, 0, 0)
    return picture


def index_of(picture: np.ndarray) -> int:
    """The number of an image, modulo 21, from its centre."""
    height, width = picture.shape[:2]
    patch = picture[height // 2 - 8 : height // 2 + 8, width // 2 - 8 : width // 2 + 8]
    return round((float(patch.mean()) - _DARKEST) / _STEP)


def write_video(
    path: Path,
    frames: int = 20,
    *,
    size: tuple[int, int] = SIZE,
    codec: str = "libx264",
    rate: int = 30,
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    rotation: int | None = None,
    container: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
    noise: bool = False,
) -> Path:
    """Writes a video with a key frame in every five frames, and B-frames where the codec has them.

    Args:
        path: the file; its suffix says the container.
        frames: how many.
        size: width and height.
        codec: name of the encoder.
        rate: frames per second.
        pts: presentation times in units of `time_base`; 0, 1, ... by default.
        time_base: 1 / `rate` by default.
        rotation: of the display matrix, in degrees counter-clockwise.
        container: options of the container.
        options: options of the encoder.
        noise: adds noise, for files that are large enough to be damaged.
    """
    import av

    rng = np.random.default_rng(0)
    base = time_base or Fraction(1, rate)
    with av.open(str(path), "w", options=dict(container or {})) as output:
        stream = output.add_stream(codec, rate=rate, options={"threads": "1", **(options or {})})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.gop_size = 5
        stream.codec_context.time_base = base
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for i in range(frames):
            picture = image(i, size)
            if noise:
                picture[-48:] = rng.integers(0, 255, (48, size[0], 3))
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts = i if pts is None else pts[i]
            frame.time_base = base
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def write_sound(path: Path) -> Path:
    """Writes a file with sound and no pictures."""
    import av

    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=16_000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), "fltp", "mono")
        silence.rate = 16_000
        output.mux(stream.encode(silence))
        output.mux(stream.encode(None))
    return path


def cut(source: Path, target: Path, share: float) -> Path:
    """Copies the first part of a file."""
    data = source.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target


def damage(source: Path, target: Path, begin: float = 0.5, end: float = 0.6) -> Path:
    """Copies a file and overwrites the part between two shares of its length with noise."""
    data = bytearray(source.read_bytes())
    first, last = int(len(data) * begin), int(len(data) * end)
    data[first:last] = np.random.default_rng(1).bytes(last - first)
    target.write_bytes(data)
    return target
