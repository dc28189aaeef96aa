"""Bodies: where they are in an image, and their landmarks (BlazePose, Bazarevsky et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture.detectors.anchor_boxes import AnchorDetector
from capture.detectors.regions import Region
from capture.detectors.wheel_models import Network, sigmoid
from mocap.arrays import Float

BODY_LANDMARKS = 33
_ALL_LANDMARKS = 39
_HIP_CENTRE, _FULL_BODY = 33, 34
_STRIDES = (8, 16, 32, 32, 32)
# Both networks were trained with this much room around the body.
_ROOM = 1.25
_WINDOW = 3
_MIN_HEAT = 0.5


@dataclass(frozen=True)
class BodyCandidate:
    """Where a body may be.

    Attributes:
        region: around the whole body, upright along its axis from hips to head.
        score: of the detection, in [0, 1].
    """

    region: Region
    score: float


@dataclass(frozen=True)
class Body:
    """The landmarks of one body.

    Attributes:
        landmarks_px: BlazePose's 33.
        visibility: of each, in [0, 1].
        presence: how sure the network is that there is a body, in [0, 1].
        region: around the body, as these landmarks show it; where to look in the next frame.
    """

    landmarks_px: Float[np.ndarray, "33 2"]
    visibility: Float[np.ndarray, " 33"]
    presence: float
    region: Region


class BodyFinder:
    """Finds bodies of any number in an image, or in a part of it.

    Args:
        min_score: what is less sure is left out.
    """

    def __init__(self, min_score: float) -> None:
        self._detector = AnchorDetector("pose_detection/pose_detection", _STRIDES, min_score)

    def find(self, image: np.ndarray, part: Region) -> list[BodyCandidate]:
        """Bodies in a part of an image, best first."""
        found = self._detector.find(image, part)
        # The first keypoint is the middle of the hips; the second lies on a circle around it which
        # encloses the body, in the direction of the head.
        bodies = [
            BodyCandidate(Region.along(*f.keypoints_px[:2]).scaled(_ROOM), f.score) for f in found
        ]
        return [body for body in bodies if body.region.is_usable()]


class BodyLandmarks:
    """Finds the landmarks of the one body in a region."""

    def __init__(self) -> None:
        self._network = Network("pose_landmark/pose_landmark_full")

    def find(self, image: np.ndarray, region: Region) -> Body:
        """The landmarks; `Body.presence` says whether to believe them."""
        size = self._network.size
        rows, presence, _, heat, _ = self._network(region.cut(image, size))
        landmarks = rows[0].reshape(_ALL_LANDMARKS, 5).astype(np.float64)
        points = sharpened(landmarks[:, :2] / size, heat[0])
        points_px = region.to_image(points)
        around = Region.along(points_px[_HIP_CENTRE], points_px[_FULL_BODY]).scaled(_ROOM)
        return Body(
            points_px[:BODY_LANDMARKS],
            sigmoid(landmarks[:BODY_LANDMARKS, 3]),
            float(presence[0, 0]),
            around,
        )


def sharpened(
    points: Float[np.ndarray, "landmarks 2"], heat: Float[np.ndarray, "height width landmarks"]
) -> Float[np.ndarray, "landmarks 2"]:
    """Moves landmarks to the centre of mass of the heat maps around them, where these are sure.

    Args:
        points: in [0, 1] over the picture; those outside of it stay as they are.
        heat: logits.
    """
    height, width, count = heat.shape
    column = np.floor(points[:, 0] * width).astype(int)
    row = np.floor(points[:, 1] * height).astype(int)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    offsets = np.arange(-_WINDOW, _WINDOW + 1)
    rows, columns = row[:, None] + offsets, column[:, None] + offsets
    rows_ok = (rows >= 0) & (rows < height)
    columns_ok = (columns >= 0) & (columns < width)
    weights = sigmoid(
        heat[
            np.clip(rows, 0, height - 1)[:, :, None],
            np.clip(columns, 0, width - 1)[:, None, :],
            np.arange(count)[:, None, None],
        ].astype(np.float64)
    )
    weights *= rows_ok[:, :, None] & columns_ok[:, None, :]
    total = weights.sum(axis=(1, 2))
    sure = inside & (weights.max(axis=(1, 2)) >= _MIN_HEAT)
    safe = np.where(sure, total, 1.0)
    x = (weights.sum(axis=1) * columns).sum(axis=1) / safe / width
    y = (weights.sum(axis=2) * rows).sum(axis=1) / safe / height
    return np.where(sure[:, None], np.stack([x, y], axis=1), points)
