"""The time offsets that a rig still lacks, by Gauss-Newton on offsets and poses together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.checks.linear import (
    FOCAL,
    OFFSET,
    PER_CAMERA,
    ChangeModel,
    change_model,
    columns,
    estimate,
    moved_rig,
    pose_columns,
)
from calibration.checks.tracks import PointTracks, Triangulation, tracks_of_sightings, triangulate
from calibration.sightings import Sightings
from mocap.arrays import Float
from mocap.model import Rig

ROUNDS = 6
MIN_INSTANTS = 8
_WORTH = 0.995


@dataclass(frozen=True)
class Resync:
    """A rig with the time offsets it lacked.

    Attributes:
        rig: with the offsets in it, and the poses that go with them.
        reference: the camera against which the offsets are; its own is 0.
        offset_s: by how much each camera is later than its `time_offset_s` said; NaN where the
            footage does not tell.
        sigma_s: standard deviation of each.
        speed_px_s: root mean square speed of the points in each camera's image.
        model: of small changes of `rig`.
        rmse_px: of the triangulation, before and after.
    """

    rig: Rig
    reference: int
    offset_s: Float[np.ndarray, " cameras"]
    sigma_s: Float[np.ndarray, " cameras"]
    speed_px_s: Float[np.ndarray, " cameras"]
    model: ChangeModel
    rmse_px: tuple[float, float]


def resynchronised(
    rig: Rig,
    tracks: PointTracks,
    seen: Triangulation,
    model: ChangeModel,
    sightings: Sightings | None,
    drift_ppm: Float[np.ndarray, " cameras"] | None = None,
    *,
    focal_lengths: bool = False,
) -> Resync:
    """Estimates the offsets; without sightings (which can be brought to other instants) to first
    order only.

    Args:
        rig: as calibrated.
        tracks: what it saw.
        seen: its triangulation.
        model: `change_model` of the three.
        sightings: that the tracks come from.
        drift_ppm: of each camera's clock.
        focal_lengths: whether they change as well; the rig has other lenses then.
    """
    n = len(rig)
    speed = np.full(n, np.nan)
    for c in range(n):
        squares = np.sum(tracks.velocity_px_s[c] ** 2, axis=-1)
        squares = squares[np.isfinite(squares) & tracks.seen[c]]
        speed[c] = np.sqrt(squares.mean()) if len(squares) else np.nan
    timed = model.direct[:, :, OFFSET, OFFSET].sum(axis=0) > 0
    none = np.full(n, np.nan)
    before = seen.rmse_px()
    if timed.sum() < 2 or len(model.time_s) < MIN_INSTANTS:
        return Resync(rig, 0, none, none, speed, model, (before, before))
    reference = int(np.argmax(np.where(timed, model.pixels.sum(axis=0), -1)))
    free = [c for c in range(n) if timed[c] and c != reference]
    chosen = np.concatenate([columns(c, OFFSET) for c in free])
    unknowns = np.concatenate([chosen, pose_columns(n)])
    if focal_lengths:
        unknowns = np.concatenate([unknowns, *(columns(c, FOCAL) for c in range(n))])
    offset, sigma = none.copy(), none.copy()
    offset[free], offset[reference], sigma[reference] = 0.0, 0.0, 0.0
    sigma_px = model.sigma_px
    now, first = seen.cost(sigma_px), seen.cost(sigma_px)
    after = before
    for _ in range(ROUNDS):
        found = estimate(model, unknowns, np.zeros(0, np.int64))
        step, sigma[free] = found.value[: len(free)], found.sigma[: len(free)]
        if sightings is None:
            offset[free] += step
            break
        change = np.zeros(n * PER_CAMERA)
        change[unknowns] = found.value
        tried = moved_rig(rig, change)
        new_tracks = tracks_of_sightings(tried, sightings, drift_ppm)
        new_seen = triangulate(tried, new_tracks)
        if not new_seen.cost(sigma_px) < _WORTH * now:
            if now == first:
                offset[free] = step
            break
        offset[free] += step
        rig, now, after = tried, new_seen.cost(sigma_px), new_seen.rmse_px()
        model = change_model(rig, new_tracks, new_seen)
    return Resync(rig, reference, offset, sigma, speed, model, (before, after))
