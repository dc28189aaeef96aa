"""Hands of a body that has been found (MediaPipe Hands, Zhang et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture.detectors.regions import Region
from capture.detectors.wheel_models import Network
from mocap.arrays import Float

HAND_LANDMARKS = 21
_MIN_PRESENCE = 0.5
# A hand of fewer pixels shows no fingers: the network then only tells what hands usually do.
_MIN_SIDE_PX = 16.0
# The first guess is wide, since the body's own hand points are rough.
_ROOM_OF_GUESS, _ROOM_OF_PALM, _TOWARDS_FINGERS = 2.7, 2.0, -0.1
_PALM = (0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18)
_WRIST, _INDEX, _MIDDLE, _RING = 0, 6, 10, 14
# Of the hand's side: its root from the body's wrist. Further away it is another hand, or none.
_MAX_AWAY = 0.3
_MAX_MOVE, _MAX_GROWTH, _MAX_TURN_RAD = 0.2, 1.4, np.radians(40.0)


@dataclass(frozen=True)
class Hand:
    """The landmarks of one hand.

    Attributes:
        landmarks_px: the wrist, then thumb to little finger, four each.
        presence: how sure the network is, in [0, 1].
        region: where to look in the next frame.
    """

    landmarks_px: Float[np.ndarray, "21 2"]
    presence: float
    region: Region


class HandFinder:
    """Finds the hand at the end of a forearm."""

    def __init__(self) -> None:
        self._narrowing = Network("holistic_landmark/hand_recrop")
        self._network = Network("hand_landmark/hand_landmark_full")

    def find(
        self,
        image: np.ndarray,
        wrist_px: np.ndarray,
        index_px: np.ndarray,
        pinky_px: np.ndarray,
        last: Hand | None,
    ) -> Hand | None:
        """The hand whose wrist and knuckles lie about here, or None.

        Args:
            image: (height, width, 3), uint8.
            wrist_px: (2,), as the body's landmarks have it.
            index_px: knuckle of the index finger, (2,).
            pinky_px: knuckle of the little finger, (2,).
            last: the same hand in the frame before.
        """
        knuckle = (2.0 * index_px + pinky_px) / 3.0
        reach = knuckle - wrist_px
        guess = Region.along(knuckle, knuckle + reach).scaled(_ROOM_OF_GUESS)
        if not guess.is_usable() or guess.side_px < _MIN_SIDE_PX:
            return None
        answer = self._narrowing(guess.cut(image, self._narrowing.size))[0]
        points = answer.reshape(2, 2).astype(np.float64) / self._narrowing.size
        centre, end = guess.to_image(points)
        region = Region.along(centre, end, downward=True).scaled(1.0, _TOWARDS_FINGERS)
        if last is not None and _agree(last.region, region):
            region = last.region
        if not region.is_usable():
            return None
        size = self._network.size
        rows, presence, *_ = self._network(region.cut(image, size))
        sure = float(presence[0, 0])
        if sure < _MIN_PRESENCE:
            return None
        landmarks = rows[0].reshape(HAND_LANDMARKS, 3)[:, :2].astype(np.float64) / size
        found = region.to_image(landmarks)
        around = hand_region(found)
        if np.linalg.norm(found[_WRIST] - wrist_px) > _MAX_AWAY * around.side_px:
            return None
        return Hand(found, sure, around)


def hand_region(landmarks_px: Float[np.ndarray, "21 2"]) -> Region:
    """The region around a hand whose landmarks are known."""
    middle = (landmarks_px[_INDEX] + landmarks_px[_RING]) / 2
    towards = (middle + landmarks_px[_MIDDLE]) / 2 - landmarks_px[_WRIST]
    angle = float(np.arctan2(towards[0], -towards[1]))
    palm = Region.around(landmarks_px[list(_PALM)], angle)
    return palm.scaled(_ROOM_OF_PALM, _TOWARDS_FINGERS)


def _agree(last: Region, now: Region) -> bool:
    """Whether the region of the frame before is still where the hand is."""
    if not (last.is_usable() and now.is_usable()):
        return False
    move = float(np.hypot(last.x_px - now.x_px, last.y_px - now.y_px)) / now.side_px
    growth = max(last.side_px / now.side_px, now.side_px / last.side_px)
    turn = abs((last.angle_rad - now.angle_rad + np.pi) % (2 * np.pi) - np.pi)
    return move <= _MAX_MOVE and growth <= _MAX_GROWTH and bool(turn <= _MAX_TURN_RAD)
