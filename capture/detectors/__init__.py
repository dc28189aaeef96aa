"""2D whole-body detectors behind one protocol."""

from capture.detectors.base import Detector, HintedDetector
from capture.detectors.registry import (
    DEFAULT_DETECTOR,
    DETECTORS,
    detector_skeleton,
    make_detector,
    takes_hints,
)

__all__ = [
    "DEFAULT_DETECTOR",
    "DETECTORS",
    "Detector",
    "HintedDetector",
    "detector_skeleton",
    "make_detector",
    "takes_hints",
]
