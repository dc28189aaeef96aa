"""The sound track of a video file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from calibration.timing.audio import SoundTrack
from mocap.errors import VideoError

if TYPE_CHECKING:
    from av.frame import Frame

RATE_HZ = 16_000


def read_sound(path: Path, name: str) -> SoundTrack:
    """Reads the first sound track of a video, one channel, with its place in time.

    Pictures and sound of a file need not begin together; gaps in the sound are filled with
    silence, so that all samples stand at their time.

    Args:
        path: the video.
        name: of the camera.

    Returns:
        The sound; empty where the video has none.

    Raises:
        VideoError: the file cannot be read.
    """
    import av
    from av.error import FFmpegError

    if not path.is_file():
        raise VideoError(f"video {path} does not exist; check the path")
    empty = SoundTrack(name, np.zeros(0, np.float32), RATE_HZ)
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                return empty
            sound = container.streams.audio[0]
            first_picture_s = _first_picture_s(path)
            resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE_HZ)
            blocks: list[tuple[float, np.ndarray]] = []
            for frame in container.decode(sound):
                for part in resampler.resample(frame):
                    blocks.append((_time_s(part), part.to_ndarray().reshape(-1)))
            for part in resampler.resample(None):
                blocks.append((_time_s(part), part.to_ndarray().reshape(-1)))
    except (FFmpegError, OSError) as error:
        why = getattr(error, "strerror", None) or error
        raise VideoError(
            f"the sound of video {path} cannot be read ({why}); copy or record it again"
        ) from error
    blocks = [(at_s, samples) for at_s, samples in blocks if len(samples)]
    if not blocks:
        return empty
    start_s = blocks[0][0]
    ends = [round((at_s - start_s) * RATE_HZ) + len(samples) for at_s, samples in blocks]
    joined = np.zeros(max(ends), np.float32)
    last = 0
    for at_s, samples in blocks:
        begin = round((at_s - start_s) * RATE_HZ)
        # Times are rounded: a step of a few samples is none.
        begin = last if abs(begin - last) <= RATE_HZ // 100 else begin
        part = samples[: len(joined) - begin]
        joined[begin : begin + len(part)] = part
        last = begin + len(part)
    return SoundTrack(name, joined, RATE_HZ, start_s - first_picture_s)


def _first_picture_s(path: Path) -> float:
    """Presentation time of the first picture; 0 where there is none."""
    import av

    with av.open(str(path)) as container:
        if not container.streams.video:
            return 0.0
        for frame in container.decode(container.streams.video[0]):
            return _time_s(frame)
    return 0.0


def _time_s(frame: Frame) -> float:
    """Presentation time; 0 where the file does not say."""
    if frame.pts is None or frame.time_base is None:
        return 0.0
    return float(frame.pts * frame.time_base)
