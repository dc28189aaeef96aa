"""How far keypoints of people depart from rigid bodies, before it is known of a person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mocap.arrays import Float

_FIRM = 0.6
_SOFT = {"hip": 1.8, "shoulder": 1.5}
"""Flesh at hips and shoulders moves with the limb by 1 to 2 cm, which no residual shows."""
_TRUNK = ("shoulder", "hip", "neck", "mid_hip")


def least_noise(names: Sequence[str]) -> Float[np.ndarray, " keypoints"]:
    """Least noise of each keypoint, in parts of the usual one."""
    return np.array([_SOFT.get(name.partition("_")[2], _FIRM) for name in names])


def firm_noise(names: Sequence[str]) -> Float[np.ndarray, " keypoints"]:
    """Noise of each keypoint before it is known, in parts of the usual one."""
    return np.maximum(1.0, least_noise(names))


def is_trunk(name: str) -> bool:
    """Whether a keypoint is one of the trunk, whose place hardly depends on the pose."""
    return name in _TRUNK or name.partition("_")[2] in _TRUNK
