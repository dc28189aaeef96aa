"""2D people: what a detector finds in one image, and what a set of views saw at one instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float, frozen_array, frozen_equal


@dataclass(frozen=True, eq=False)
class Detections:
    """The people found in one image.

    Attributes:
        keypoints_px: x and y in pixels of the original image; NaN where a keypoint is missing.
        confidence: per keypoint, in [0, 1]; 0 where it is missing.
        score: per person, as its detector states it: finite, higher is surer.
    """

    keypoints_px: Float[np.ndarray, "people keypoints 2"]
    confidence: Float[np.ndarray, "people keypoints"]
    score: Float[np.ndarray, " people"]

    def __post_init__(self) -> None:
        keypoints = frozen_array(self.keypoints_px, np.float32, (None, None, 2), "keypoints_px")
        people, count = keypoints.shape[:2]
        confidence = frozen_array(self.confidence, np.float32, (people, count), "confidence")
        score = frozen_array(self.score, np.float32, (people,), "score")
        if np.isinf(keypoints).any() or not np.isfinite(score).all():
            raise ValueError("keypoints_px hold infinity, or score holds NaN or infinity")
        if not ((confidence >= 0) & (confidence <= 1)).all():
            raise ValueError("confidence lies outside [0, 1]")
        missing = np.isnan(keypoints).any(axis=2)
        if (confidence[missing] != 0).any():
            raise ValueError("a keypoint is NaN but its confidence is not 0")
        object.__setattr__(self, "keypoints_px", keypoints)
        object.__setattr__(self, "confidence", confidence)
        object.__setattr__(self, "score", score)

    @classmethod
    def empty(cls, keypoints: int) -> Detections:
        """Nobody, for a skeleton of `keypoints` keypoints."""
        return cls(np.zeros((0, keypoints, 2)), np.zeros((0, keypoints)), np.zeros(0))

    def __len__(self) -> int:
        return self.keypoints_px.shape[0]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Detections) and all(
            frozen_equal(getattr(self, name), getattr(other, name))
            for name in ("keypoints_px", "confidence", "score")
        )


@dataclass(frozen=True)
class Observation:
    """What one camera saw in one of its frames.

    Attributes:
        camera: the camera's name.
        frame_index: the camera's own frame count.
        time_ns: capture time on the session clock, before `Camera.time_offset_s` is taken off.
        detections: the people in the image.
    """

    camera: str
    frame_index: int
    time_ns: int
    detections: Detections


@dataclass(frozen=True)
class FrameSet:
    """Observations of one instant, at most one per camera.

    Attributes:
        number: the number of the frame in the session.
        time_ns: the instant, on the session clock.
        observations: by camera name; a camera that delivered nothing is absent.
    """

    number: int
    time_ns: int
    observations: Mapping[str, Observation]

    def __post_init__(self) -> None:
        for name, observation in self.observations.items():
            if name != observation.camera:
                raise ValueError(f"observation of {observation.camera!r} stands under {name!r}")
