"""Keypoints of people at common instants of all cameras: the input of the checks."""

from __future__ import annotations

import numpy as np

from calibration.checks.tracks import PointTracks, tracks_of_people
from calibration.people.tracks import LabelledPeople
from mocap.arrays import Float
from mocap.model import Rig

LONGEST_STEP_FRAMES = 1.6
"""Pixels are interpolated between two frames that are no further apart."""


def point_tracks(
    rig: Rig,
    labelled: LabelledPeople,
    drift_ppm: Float[np.ndarray, " cameras"] | None = None,
) -> PointTracks:
    """The keypoints of all people at common instants, those of the camera with the most frames.

    Pixels of the others are interpolated between frames, their time offsets taken off.

    Args:
        rig: gives the time offsets.
        labelled: who is who in 2D.
        drift_ppm: of each camera's clock, see `Solution`; None or NaN for none.
    """
    rate = np.ones(len(rig)) if drift_ppm is None else 1 + 1e-6 * np.nan_to_num(drift_ppm, nan=0.0)
    cameras = labelled.tracks.cameras
    reference = int(np.argmax([len(camera.frame) for camera in cameras]))
    time_s = cameras[reference].time_s - rig.cameras[reference].time_offset_s
    time_s = time_s / rate[reference]
    pixels: list[np.ndarray] = []
    trust: list[np.ndarray] = []
    for c, camera in enumerate(cameras):
        at_s = time_s * rate[c] + rig.cameras[c].time_offset_s
        xy, confidence = _at(
            camera.time_s, at_s, camera.interval_s, labelled.pixels[c], labelled.confidence[c]
        )
        pixels.append(np.moveaxis(xy, 0, 1).reshape(len(time_s), -1, 2))
        trust.append(np.moveaxis(confidence, 0, 1).reshape(len(time_s), -1))
    return tracks_of_people(rig, time_s, np.stack(pixels), np.stack(trust))


def _at(
    time_s: Float[np.ndarray, " frames"],
    at_s: Float[np.ndarray, " instants"],
    interval_s: float,
    pixels: Float[np.ndarray, "people frames keypoints 2"],
    confidence: Float[np.ndarray, "people frames keypoints"],
) -> tuple[
    Float[np.ndarray, "people instants keypoints 2"], Float[np.ndarray, "people instants keypoints"]
]:
    """Pixels at other instants; NaN where a frame on either side is missing."""
    after = np.clip(np.searchsorted(time_s, at_s), 1, max(len(time_s) - 1, 1))
    before = after - 1
    if len(time_s) < 2:
        missing = np.full((*pixels.shape[:1], len(at_s), *pixels.shape[2:]), np.nan)
        return missing, np.zeros(missing.shape[:3])
    step = time_s[after] - time_s[before]
    share = (at_s - time_s[before]) / step
    near = (share >= -1e-6) & (share <= 1 + 1e-6) & (step <= LONGEST_STEP_FRAMES * interval_s)
    # At a frame its neighbour, which may be missing, must not count.
    share = np.where(np.abs(share) < 1e-6, 0.0, np.where(np.abs(share - 1) < 1e-6, 1.0, share))
    w = share[None, :, None]
    a, b = confidence[:, before], confidence[:, after]
    trust = np.where(w == 0, a, np.where(w == 1, b, np.minimum(a, b)))
    trust = np.where(near[None, :, None], trust, 0.0)
    left, right = pixels[:, before], pixels[:, after]
    w = w[..., None]
    mixed = np.where(w == 0, left, np.where(w == 1, right, (1 - w) * left + w * right))
    return np.where(trust[..., None] > 0, mixed, np.nan), trust
