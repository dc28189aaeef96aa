"""Detectors by name. Nothing heavy is imported before a detector is made."""

from __future__ import annotations

from collections.abc import Callable

from capture.detectors.base import Detector
from mocap.errors import InputError, valid_choices
from mocap.model import Skeleton
from mocap.model.skeletons import BLAZEPOSE_WHOLEBODY


def _mediapipe() -> Detector:
    from capture.detectors.mediapipe_holistic import MediaPipeHolistic

    return MediaPipeHolistic()


DETECTORS: dict[str, tuple[Callable[[], Detector], Skeleton]] = {
    "mediapipe": (_mediapipe, BLAZEPOSE_WHOLEBODY),
}
"""Constructor and skeleton by name."""


def _lookup(name: str) -> tuple[Callable[[], Detector], Skeleton]:
    try:
        return DETECTORS[name]
    except KeyError:
        raise InputError(
            f"unknown detector {name!r}; valid are {valid_choices(DETECTORS)}"
        ) from None


def make_detector(name: str) -> Detector:
    """Makes a detector.

    Raises:
        InputError: there is none of this name.
        DependencyError: a library it needs is missing.
    """
    return _lookup(name)[0]()


def detector_skeleton(name: str) -> Skeleton:
    """The skeleton a detector will deliver, without loading it.

    Raises:
        InputError: there is no detector of this name.
    """
    return _lookup(name)[1]
