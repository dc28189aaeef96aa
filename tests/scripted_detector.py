"""A detector that finds what a script says, and fails where the script says so.

It is plugged in as "scripted_detector:ScriptedDetector", as users plug in their own. The script is
a JSON file which the environment variable MOCAP_TEST_SCRIPT names:

    {"keypoints": "people.npz",
     "cameras": {"cam0": {"delay_s": 0.1, "faults": [{"frame": 5, "what": "raise", "times": 1}]}}}

`keypoints` holds per camera an array (frames, people, keypoints, 2); faults are "raise", "kill",
"hang", "terminate", "keypoints" (a wrong number of them) and "prepare" (raises before any frame).
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from capture.frames import Frame
from mocap.model import Detections
from mocap.model.skeletons import COCO_17

SCRIPT_VARIABLE = "MOCAP_TEST_SCRIPT"
NAME = "scripted_detector:ScriptedDetector"
HINTED = "scripted_detector:HintedDetector"


class ScriptedDetector:
    skeleton = COCO_17

    def __init__(self) -> None:
        self._path = Path(os.environ[SCRIPT_VARIABLE])
        self._script = json.loads(self._path.read_text())
        with np.load(self._path.parent / self._script["keypoints"]) as data:
            self._keypoints = {name: data[name] for name in data.files}

    def prepare(self, stream: str, size: tuple[int, int]) -> None:  # noqa: ARG002
        self._fail(stream, -1)

    def detect(self, frames: Sequence[tuple[str, Frame]]) -> list[Detections]:
        return [self._detect(stream, frame) for stream, frame in frames]

    def _detect(self, stream: str, frame: Frame) -> Detections:
        time.sleep(self._script["cameras"].get(stream, {}).get("delay_s", 0.0))
        if self._fail(stream, frame.index):
            return Detections.empty(3)
        keypoints = self._keypoints[stream][frame.index]
        return Detections(keypoints, np.ones(keypoints.shape[:2]), np.ones(len(keypoints)))

    def _fail(self, stream: str, index: int) -> bool:
        for fault in self._script["cameras"].get(stream, {}).get("faults", []):
            what = fault["what"]
            if (fault.get("frame", -1) != index) or not self._once_more(stream, fault):
                continue
            if what in ("raise", "prepare"):
                raise RuntimeError(f"told to fail at frame {index}")
            if what == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if what == "terminate":
                os.kill(os.getpid(), signal.SIGTERM)
            if what == "hang":
                time.sleep(1000)
            if what == "keypoints":
                return True
        return False

    def _once_more(self, stream: str, fault: dict) -> bool:
        """Counts, across processes, how often a fault has struck."""
        counter = self._path.parent / f"{stream}_{fault['what']}_{fault.get('frame', -1)}.count"
        times = int(counter.read_text()) if counter.exists() else 0
        counter.write_text(str(times + 1))
        return times < fault.get("times", 1000)

    def close(self) -> None:
        pass


class HintedDetector(ScriptedDetector):
    """Sees in a camera that the script calls "blind" only what it was told of in this frame.

    The score is the sum of what it was told, so that different hints give different sessions.
    """

    def __init__(self) -> None:
        super().__init__()
        self._regions: dict[str, np.ndarray] = {}

    def suggest(self, stream: str, regions: np.ndarray) -> None:
        self._regions[stream] = regions

    def _detect(self, stream: str, frame: Frame) -> Detections:
        found = super()._detect(stream, frame)
        regions = self._regions.pop(stream, np.zeros((0, 4)))
        if self._script["cameras"].get(stream, {}).get("blind") and not len(regions):
            return Detections.empty(len(self.skeleton))
        score = np.full(len(found), float(np.asarray(regions, np.float64).sum()))
        return Detections(found.keypoints_px, found.confidence, score)


class WithoutSkeleton:
    pass
