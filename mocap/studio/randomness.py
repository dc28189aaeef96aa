"""Random numbers of a scene: one independent stream per purpose, all from one seed."""

from __future__ import annotations

import zlib

import numpy as np


def random_stream(seed: int, purpose: str, *numbers: int) -> np.random.Generator:
    """A generator for one purpose, so that using more of one changes nothing in another.

    Args:
        seed: of the scene; not negative.
        purpose: what the numbers are for.
        numbers: such as the index of a camera; not negative.
    """
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), *numbers])
