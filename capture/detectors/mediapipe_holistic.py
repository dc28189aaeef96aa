"""MediaPipe's holistic solution: the embedded default. Its models come in its wheel.

One person per image: 33 body landmarks (BlazePose; Bazarevsky et al. 2020), 21 per hand, and a
face mesh of 468 points, of which the 68 that correspond to iBUG 300-W are kept. MediaPipe gives a
visibility for body landmarks only; the points of a hand take that of the hand's wrist, the points
of the face that of the nose.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from capture.detectors.face_mesh import FACE_MESH_OF_IBUG
from capture.detectors.native_logs import native_logs_hidden
from capture.frames import Frame
from mocap.errors import DependencyError
from mocap.model import Detections, Skeleton
from mocap.model.skeletons import BLAZEPOSE_WHOLEBODY, FACE_POINTS, hand_keypoints

_BODY_LANDMARKS = 33


class MediaPipeHolistic:
    """The holistic solution, with its own tracker for every stream.

    Attributes:
        skeleton: BlazePose-33 with hands and face.

    Args:
        model_complexity: 0, 1 or 2, of the body model; only 0 and 1 are in the wheel.

    Raises:
        DependencyError: mediapipe is missing or carries no models.
    """

    skeleton: Skeleton = BLAZEPOSE_WHOLEBODY

    def __init__(self, model_complexity: int = 1) -> None:
        try:
            with native_logs_hidden():
                from mediapipe.python.solutions import holistic
        except ImportError as error:
            raise DependencyError(
                f"the detector needs mediapipe 0.10.14 ({error}); run "
                f"'pip install mediapipe==0.10.14'"
            ) from error
        self._holistic = holistic
        self._complexity = model_complexity
        self._streams: dict[str, Any] = {}
        skeleton = self.skeleton
        self._hands = {
            side: (
                [skeleton.index(name) for name in hand_keypoints(side)],
                skeleton.index(f"{side}_wrist"),
            )
            for side in ("left", "right")
        }
        self._face = [skeleton.index(name) for name in FACE_POINTS]
        self._nose = skeleton.index("nose")

    def prepare(self, stream: str, size: tuple[int, int]) -> None:
        """Loads the models and runs them once, on a black image, in which they see nobody."""
        width, height = size
        with native_logs_hidden():
            self._streams[stream] = self._holistic.Holistic(
                static_image_mode=False,
                model_complexity=self._complexity,
                # Its filter lags behind the motion, in each camera by itself. We smooth in 3D,
                # later, and keep the raw layer raw.
                smooth_landmarks=False,
                refine_face_landmarks=False,
            )
            self._streams[stream].process(np.zeros((height, width, 3), np.uint8))

    def detect(self, frames: Sequence[tuple[str, Frame]]) -> list[Detections]:
        """Finds at most one person in each frame; see `Detector.detect`."""
        return [self._detect(stream, frame) for stream, frame in frames]

    def _detect(self, stream: str, frame: Frame) -> Detections:
        height, width = frame.image_rgb.shape[:2]
        if stream not in self._streams:
            self.prepare(stream, (width, height))
        result = self._streams[stream].process(frame.image_rgb)
        skeleton = self.skeleton
        if result.pose_landmarks is None:
            return Detections.empty(len(skeleton))
        # MediaPipe counts from the left edge of the image, we from the centre of its first pixel.
        scale, shift = np.array([width, height], np.float64), 0.5
        keypoints = np.full((len(skeleton), 2), np.nan)
        confidence = np.zeros(len(skeleton))
        body = result.pose_landmarks.landmark
        keypoints[:_BODY_LANDMARKS] = np.array([(p.x, p.y) for p in body]) * scale - shift
        confidence[:_BODY_LANDMARKS] = [p.visibility for p in body]
        for side, landmarks in (
            ("left", result.left_hand_landmarks),
            ("right", result.right_hand_landmarks),
        ):
            if landmarks is not None:
                rows, wrist = self._hands[side]
                points = np.array([(p.x, p.y) for p in landmarks.landmark])
                keypoints[rows] = points * scale - shift
                confidence[rows] = confidence[wrist]
        if result.face_landmarks is not None:
            mesh = result.face_landmarks.landmark
            points = np.array([(mesh[i].x, mesh[i].y) for i in FACE_MESH_OF_IBUG])
            keypoints[self._face] = points * scale - shift
            confidence[self._face] = confidence[self._nose]
        confidence = np.clip(np.nan_to_num(confidence), 0.0, 1.0)
        confidence[~np.isfinite(keypoints).all(axis=1)] = 0.0
        score = float(confidence[:_BODY_LANDMARKS].mean())
        return Detections(keypoints[None], confidence[None], np.array([score]))

    def close(self) -> None:
        """Ends all streams."""
        for solution in self._streams.values():
            solution.close()
        self._streams.clear()
