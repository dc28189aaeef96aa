"""The scale of a rig from something of known length."""

from __future__ import annotations

import numpy as np

from mocap.arrays import Float
from mocap.errors import CalibrationError
from mocap.model import Rig, Skeleton

ANKLE_TO_SHOULDER = 0.746
"""Length from the ankles over knees and hips to the shoulders by stature, as detectors of COCO's
keypoints see it; see `calibration.people.proportions`. (By anthropometry 0.779.)"""
ANKLE_HEIGHT = 0.039
"""Height of the ankles above the floor by stature (Drillis and Contini, 1966, as given by Winter,
Biomechanics and Motor Control of Human Movement, 2009, figure 4.1)."""
_MIN_FRAMES = 5


def stature_m(
    points: Float[np.ndarray, "frames people keypoints 3"], skeleton: Skeleton
) -> Float[np.ndarray, " people"]:
    """Body height of each person from 3D keypoints, whatever the pose.

    The lengths of shank, thigh and trunk (middle of the hips to middle of the shoulders) add up to
    0.746 of a person's height without shoes. Keypoints of other detectors lie up to a few
    centimetres elsewhere, so this is good to about 3 per cent, and 6 for single persons of unusual
    build.

    Args:
        points: metres; NaN for missing.
        skeleton: must have hips, knees, ankles and shoulders.

    Returns:
        Median over the frames; NaN for people with fewer than 5 complete frames.
    """
    at = {
        name: points[:, :, skeleton.index(name)]
        for part in ("ankle", "knee", "hip", "shoulder")
        for name in (f"left_{part}", f"right_{part}")
    }
    legs = [
        np.linalg.norm(at[f"{side}_knee"] - at[f"{side}_ankle"], axis=-1)
        + np.linalg.norm(at[f"{side}_hip"] - at[f"{side}_knee"], axis=-1)
        for side in ("left", "right")
    ]
    hips = (at["left_hip"] + at["right_hip"]) / 2
    shoulders = (at["left_shoulder"] + at["right_shoulder"]) / 2
    height = (np.mean(legs, axis=0) + np.linalg.norm(shoulders - hips, axis=-1)) / ANKLE_TO_SHOULDER
    result = np.full(points.shape[1], np.nan)
    for person in range(points.shape[1]):
        known = height[np.isfinite(height[:, person]), person]
        if len(known) >= _MIN_FRAMES:
            result[person] = np.median(known)
    return result


def scale_from_stature(
    points: Float[np.ndarray, "frames people keypoints 3"],
    skeleton: Skeleton,
    true_m: Float[np.ndarray, " people"] | float,
) -> float:
    """By which factor lengths must grow for people to be as tall as they are.

    Args:
        points: of the people, in the rig's present units.
        skeleton: their table.
        true_m: heights, one per person in the order of `points`, NaN for unknown; or one height,
            for all.

    Raises:
        CalibrationError: an impossible height, or nobody of known height was seen well enough.
    """
    true = np.broadcast_to(np.asarray(true_m, float), (points.shape[1],))
    given = true[np.isfinite(true)]
    if np.any((given < 0.4) | (given > 2.6)):
        raise CalibrationError(
            f"a person's height is given as {given[(given < 0.4) | (given > 2.6)][0]:g} m, "
            f"expected 0.4 to 2.6; give it in metres"
        )
    ratio = true / stature_m(points, skeleton)
    ratio = ratio[np.isfinite(ratio)]
    if not len(ratio):
        raise CalibrationError(
            f"nobody of known height was seen with hips, knees, ankles and shoulders in "
            f"{_MIN_FRAMES} frames, so the scale stays unknown; film somebody walking in full view "
            f"of two cameras, or give a known length"
        )
    return float(np.median(ratio))


def scale_from_distance(rig: Rig, first: str, second: str, metres: float) -> float:
    """By which factor lengths must grow for two cameras to be as far apart as was measured.

    Raises:
        RigError: an unknown camera.
        CalibrationError: the distance is not positive, or the cameras are at one place.
    """
    apart = float(np.linalg.norm(rig[first].center_world - rig[second].center_world))
    if not 0 < metres < 1000:
        raise CalibrationError(
            f"the distance from {first} to {second} is given as {metres:g} m, expected 0 to 1000; "
            f"measure it between the lenses, in metres"
        )
    if apart < 1e-9:
        raise CalibrationError(
            f"{first} and {second} are at one place, so a distance cannot set the scale; name two "
            f"other cameras"
        )
    return metres / apart
