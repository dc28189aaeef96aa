"""Everything that the checks may look at, with what several of them need worked out once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from calibration.checks.linear import ChangeModel, change_model
from calibration.checks.resync import Resync, resynchronised
from calibration.checks.tracks import (
    PointTracks,
    Triangulation,
    tracks_of_sightings,
    triangulate,
)
from calibration.lens.misfit import LensMisfit
from calibration.sightings import Sightings
from calibration.solution import Solution
from mocap.arrays import Float, Int
from mocap.errors import CalibrationError
from mocap.model import Rig


@dataclass(frozen=True)
class KnownDistance:
    """A distance that was measured in the room.

    Attributes:
        first: name of a camera.
        second: name of another.
        metres: between their lenses.
    """

    first: str
    second: str
    metres: float


@dataclass(frozen=True)
class Statures:
    """Heights of people as they come out of the calibrated rig.

    Attributes:
        measured_m: one per person, see `calibration.world_frame.stature_m`; NaN is ignored.
        true_m: what they are, or None where nobody said.
    """

    measured_m: Float[np.ndarray, " people"]
    true_m: Float[np.ndarray, " people"] | None = None


@dataclass(frozen=True)
class Evidence:
    """What a calibration is judged by.

    Attributes:
        solution: the calibration, its rig in the final world frame.
        sightings: **everything** that was seen of the target, not only the frames that were used;
            None without a target.
        people: matched keypoints of people, where there was no target.
        lenses_given: whether the lenses were given and kept fixed.
        misfits: whether each lens fits single views of the target, by camera.
        floor_set: whether z = 0 is meant to be the floor.
        old_rig: an earlier calibration of the same cameras.
        lens_rig: the poses that cameras had when the given lenses were calibrated, where the file
            of the lenses is that of a rig. The cameras may stand elsewhere today.
        statures: heights of people.
        distances: known distances between cameras.
        upright: mean direction from feet to head of standing people, in the world; None if nobody
            was seen.
    """

    solution: Solution
    sightings: Sightings | None = None
    people: PointTracks | None = None
    lenses_given: bool = False
    misfits: Mapping[str, LensMisfit] = field(default_factory=dict[str, LensMisfit])
    floor_set: bool = True
    old_rig: Rig | None = None
    lens_rig: Rig | None = None
    statures: Statures | None = None
    distances: tuple[KnownDistance, ...] = ()
    upright: Float[np.ndarray, " 3"] | None = None

    def __post_init__(self) -> None:
        if self.sightings is None and self.people is None:
            raise CalibrationError(
                "a calibration is to be judged without sightings of a target or of people; give "
                "one of them"
            )

    @property
    def what(self) -> str:
        """What the calibration was made from, in words."""
        return "people" if self.sightings is None else "the target"

    @property
    def rig(self) -> Rig:
        """The calibrated rig."""
        return self.solution.rig

    @cached_property
    def tracks(self) -> PointTracks:
        """Everything that was seen, at common instants."""
        if self.sightings is not None:
            return tracks_of_sightings(self.rig, self.sightings, self.solution.drift_ppm)
        assert self.people is not None
        return self.people

    @cached_property
    def seen(self) -> Triangulation:
        """The tracks triangulated, nothing left out."""
        return triangulate(self.rig, self.tracks)

    @cached_property
    def model(self) -> ChangeModel:
        """What small changes of the cameras would do to the residuals."""
        return change_model(self.rig, self.tracks, self.seen)

    @cached_property
    def resync(self) -> Resync:
        """The time offsets that the rig still lacks."""
        return resynchronised(
            self.rig, self.tracks, self.seen, self.model, self.sightings, self.solution.drift_ppm
        )

    @cached_property
    def shared(self) -> Int[np.ndarray, "cameras cameras"]:
        """Number of instants at which two cameras see the same points (at least 4 of a target)."""
        least = 4 if self.sightings is not None else 1
        seen = self.tracks.seen.astype(np.float64)
        common = np.einsum("atp,btp->abt", seen, seen)
        return np.sum(common >= least, axis=-1)

    @property
    def scale_px(self) -> float:
        """Pixels of an ordinary camera's residual: 1 at a focal length of 1000 px, the noise of
        keypoints being larger than that of a target's corners."""
        focal = float(np.median([camera.intrinsics.focal_px for camera in self.rig]))
        return max(focal / 1000, 0.5) * (1.0 if self.sightings is not None else 10.0)
