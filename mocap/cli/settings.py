"""Numbers that cannot be meant, refused before a run in which they would only make nonsense."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from mocap.errors import InputError
from mocap.model.config import ReconstructionConfig
from mocap.pipeline.capture_volume import CaptureVolume

_POSITIVE = frozenset(
    (
        *("gate_sigmas", "cauchy_sigmas", "sigma_body_m", "sigma_detail_m"),
        *(
            "max_pairs",
            "cutoff_hz",
            "max_acceleration_m_s2",
            "min_frames",
            "min_keypoints",
            "min_birth_keypoints",
            "performers",
        ),
    )
)
_SHARES = frozenset(("min_confidence", "mirror_suspicion", "mirror_ratio"))


def check_settings(settings: Any, prefix: str = "") -> None:
    """Checks all numbers of nested settings.

    Args:
        settings: a dataclass of settings, or of such dataclasses.
        prefix: how its options begin, without the two dashes.

    Raises:
        InputError: a number is not finite, negative, or zero where that cannot be meant.
    """
    for setting in dataclasses.fields(settings):
        value = getattr(settings, setting.name)
        option = f"{prefix}{setting.name.replace('_', '-')}"
        if dataclasses.is_dataclass(value):
            check_settings(value, f"{option}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            positive = setting.name in _POSITIVE
            if not math.isfinite(value) or value < 0 or (positive and value == 0):
                needed = "positive" if positive else "zero or positive"
                raise InputError(f"--{option} is {value:g}; it must be {needed}")
            if setting.name in _SHARES and value > 1:
                raise InputError(f"--{option} is {value:g}; it must lie between 0 and 1")


def check_cast(config: ReconstructionConfig) -> None:
    """Checks who is to be captured, before anything is opened.

    Raises:
        InputError: the capture volume is empty, or its numbers describe none.
    """
    CaptureVolume.of(config.volume, config.volume_corners)
