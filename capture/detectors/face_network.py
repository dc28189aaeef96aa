"""The face of a body that has been found.

BlazeFace (Bazarevsky et al. 2019) finds it, the mesh of Kartynnik et al. (2019) has its points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture.detectors.anchor_boxes import AnchorDetector
from capture.detectors.regions import Region
from capture.detectors.wheel_models import Network, sigmoid
from mocap.arrays import Float

MESH_POINTS = 468
_HEAD_LANDMARKS = 11
_LEFT_EYE_OUTER, _RIGHT_EYE_OUTER = 3, 6
_MESH_RIGHT_EYE, _MESH_LEFT_EYE = 33, 263
_STRIDES = (8, 16, 16, 16)
_MIN_SCORE = 0.5
_MIN_PRESENCE = 0.5
# Of the head with the space around it. A face of fewer pixels shows no features.
_MIN_SIDE_PX = 24.0
# Nose, outer corners of the eyes and of the mouth: of the mesh, and of the body.
_MESH_FEATURES, _BODY_FEATURES = (4, 33, 263, 61, 291), (0, 6, 3, 10, 9)
# Of the head's side. Right faces stay below 0.1; others are somebody else's, or a pattern.
_MAX_AWAY = 0.12
_ROOM_OF_HEAD, _ROOM_OF_FACE, _ROOM_OF_MESH, _TOWARDS_FOREHEAD = 3.0, 2.0, 1.5, -0.1
_MAX_MOVE, _MAX_GROWTH = 0.3, 1.5


@dataclass(frozen=True)
class Face:
    """The mesh of one face.

    Attributes:
        mesh_px: MediaPipe's 468 points.
        presence: how sure the network is, in [0, 1].
        region: where to look in the next frame.
    """

    mesh_px: Float[np.ndarray, "468 2"]
    presence: float
    region: Region


class FaceFinder:
    """Finds the face of a body."""

    def __init__(self) -> None:
        self._detector = AnchorDetector(
            "face_detection/face_detection_short_range", _STRIDES, _MIN_SCORE
        )
        self._network = Network("face_landmark/face_landmark")

    def find(
        self, image: np.ndarray, body_px: Float[np.ndarray, "33 2"], last: Face | None
    ) -> Face | None:
        """The face, or None: it may be turned away, or too small.

        Args:
            image: (height, width, 3), uint8.
            body_px: the body's landmarks.
            last: the same face in the frame before.
        """
        head = head_region(body_px)
        if not head.is_usable() or head.side_px < _MIN_SIDE_PX:
            return None
        region = last.region if last is not None and _agree(last.region, head) else None
        if region is None:
            found = self._detector.find(image, head)
            if not found:
                return None
            points = found[0].keypoints_px
            angle = _angle(points[0], points[1])
            region = Region.around(points, angle).scaled(_ROOM_OF_FACE, _TOWARDS_FOREHEAD)
        if not region.is_usable():
            return None
        size = self._network.size
        mesh, logit = self._network(region.cut(image, size))
        presence = float(sigmoid(logit.reshape(1).astype(np.float64))[0])
        if presence < _MIN_PRESENCE:
            return None
        points = mesh.reshape(MESH_POINTS, 3)[:, :2].astype(np.float64) / size
        mesh_px = region.to_image(points)
        away = mesh_px[list(_MESH_FEATURES)] - body_px[list(_BODY_FEATURES)]
        if np.median(np.linalg.norm(away, axis=1)) > _MAX_AWAY * head.side_px:
            return None
        angle = _angle(mesh_px[_MESH_RIGHT_EYE], mesh_px[_MESH_LEFT_EYE])
        return Face(mesh_px, presence, Region.around(mesh_px, angle).scaled(_ROOM_OF_MESH))


def head_region(body_px: Float[np.ndarray, "33 2"]) -> Region:
    """The region around the head of a body."""
    angle = _angle(body_px[_RIGHT_EYE_OUTER], body_px[_LEFT_EYE_OUTER])
    return Region.around(body_px[:_HEAD_LANDMARKS], angle).scaled(_ROOM_OF_HEAD)


def _angle(right_px: np.ndarray, left_px: np.ndarray) -> float:
    """Of a face, from its right to its left eye: 0 where it is upright and looks at the camera."""
    dx, dy = left_px - right_px
    return float(np.arctan2(dy, dx))


def _agree(last: Region, head: Region) -> bool:
    """Whether the region of the frame before still lies on the head."""
    move = float(np.hypot(last.x_px - head.x_px, last.y_px - head.y_px))
    growth = head.side_px / last.side_px * (_ROOM_OF_MESH / _ROOM_OF_HEAD)
    return move <= _MAX_MOVE * head.side_px and 1 / _MAX_GROWTH**2 < growth < _MAX_GROWTH**2
