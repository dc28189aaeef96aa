"""2D whole-body detectors behind one protocol."""

from capture.detectors.base import Detector
from capture.detectors.registry import DETECTORS, detector_skeleton, make_detector

__all__ = ["DETECTORS", "Detector", "detector_skeleton", "make_detector"]
