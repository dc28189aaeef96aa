"""The size of a rig from people: what is known of it, and how surely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.people.adjustment import PeopleAdjustment
from calibration.people.proportions import (
    STATURE_SIGMA,
    UNKNOWN_STATURE_SIGMA,
    USUAL_STATURE_M,
)
from calibration.people.tracks import PeopleTracks
from mocap.errors import CalibrationError

KNOWN_LENGTH_SIGMA = 0.02
"""Relative error of a known length between two keypoints: of where the keypoints really are."""


@dataclass(frozen=True)
class KnownSize:
    """What the user knows of the size; at most one of it.

    Attributes:
        height_m: stature of the person who is seen most, without shoes.
        length: two keypoints and their distance in metres, on the same person.
        camera_distance: names of two cameras and the distance of their lenses in metres.
    """

    height_m: float | None = None
    length: tuple[str, str, float] | None = None
    camera_distance: tuple[str, str, float] | None = None

    @property
    def stature_m(self) -> float:
        """Stature the adjustment is made with."""
        return USUAL_STATURE_M if self.height_m is None else self.height_m

    def check(self, tracks: PeopleTracks) -> None:
        """Refuses what makes no sense.

        Raises:
            CalibrationError: more than one is given, or a size that cannot be.
        """
        given = (self.height_m, self.length, self.camera_distance)
        if sum(x is not None for x in given) > 1:
            raise CalibrationError(
                "the scale is given twice; give only one of a person's height, a known length and "
                "the distance of two cameras"
            )
        lengths = (
            self.height_m,
            self.length and self.length[2],
            self.camera_distance and self.camera_distance[2],
        )
        for value in lengths:
            if value is not None and not (np.isfinite(value) and value > 0):
                raise CalibrationError(
                    f"a known length is {value}; give a positive number of metres"
                )
        if self.height_m is not None and not 0.5 <= self.height_m <= 2.5:
            raise CalibrationError(
                f"the person's height is {self.height_m:g} m; give metres, from 0.5 to 2.5"
            )
        if self.camera_distance is not None:
            for name in self.camera_distance[:2]:
                _ = tracks[name]


@dataclass(frozen=True)
class Scale:
    """By what an adjusted rig is to be multiplied.

    Attributes:
        factor: true length of an adjusted one.
        sigma: its relative standard deviation.
        notes: what the user should read.
    """

    factor: float
    sigma: float
    notes: tuple[str, ...] = ()


def scale_of(tracks: PeopleTracks, adjustment: PeopleAdjustment, size: KnownSize) -> Scale:
    """The scale of a rig that was adjusted with `KnownSize.stature_m`."""
    state = adjustment.state
    if size.length is not None:
        skeleton, bones = tracks.skeleton, adjustment.bundle.bones
        bone = bones.index(skeleton.index(size.length[0]), skeleton.index(size.length[1]))
        assert bone is not None
        return Scale(size.length[2] / float(np.exp(state.bone_log[0, bone])), KNOWN_LENGTH_SIGMA)
    if size.camera_distance is not None:
        a, b = (tracks.names.index(name) for name in size.camera_distance[:2])
        found = float(np.linalg.norm(state.centers[a] - state.centers[b]))
        return Scale(size.camera_distance[2] / found, 0.0)
    if size.height_m is not None:
        return Scale(1.0, STATURE_SIGMA)
    note = (
        f"no height was given, so the person seen most is taken to be {USUAL_STATURE_M:.2f} m "
        f"tall and all lengths are unsure by {100 * UNKNOWN_STATURE_SIGMA:.0f} %; give the "
        f"person's height, a known length or the distance of two cameras"
    )
    return Scale(1.0, UNKNOWN_STATURE_SIGMA, (note,))
