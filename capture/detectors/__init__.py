"""2D whole-body detectors behind one protocol."""

from capture.detectors.base import Detector
from capture.detectors.registry import DEFAULT_DETECTOR, DETECTORS, detector_skeleton, make_detector

__all__ = ["DEFAULT_DETECTOR", "DETECTORS", "Detector", "detector_skeleton", "make_detector"]
