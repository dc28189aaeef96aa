"""3D people: in one frame, over a whole session as rows, and as one person's dense sequence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from mocap.arrays import Bool, Float, Int, frozen_array
from mocap.errors import InputError, valid_choices
from mocap.model.skeleton import Skeleton


class ViewState(IntEnum):
    """What one view contributed to one 3D keypoint."""

    ABSENT = 0
    """The camera delivered no frame, or nobody in it was matched to this person."""
    MISSING = 1
    """The matched 2D person lacks this keypoint, or its confidence is too low."""
    REJECTED = 2
    """The 2D keypoint disagrees with the other views and was left out."""
    USED = 3
    """The 2D keypoint was used."""


@dataclass(frozen=True)
class Keypoints3D:
    """The K keypoints of one person at one instant, from C views and what was known before.

    Attributes:
        points_m: world position in metres, the best estimate of that instant; NaN where nothing is
            known. `n_views` says what it rests on: two views or more measure it; with one view the
            distance, and with none all of it, comes from the frames before and the bones.
        covariance_m2: covariance of the position, in square metres; NaN where the point is.
        reprojection_px: root mean square distance between the 2D keypoint and the reprojected
            point over the views used, weighted as they were used, in pixels; NaN where no view
            was used. `residual_px` has every view by itself, those left out included.
        n_views: number of views used; 0 where the point is NaN.
        view_state: `ViewState` of each view.
        residual_px: distance in pixels in every view that has the keypoint, used or not; else NaN.
        redundancy: how much of each view's two measurements the other views could predict, from
            0 to 2; 0 for views not used.
    """

    points_m: Float[np.ndarray, "keypoints 3"]
    covariance_m2: Float[np.ndarray, "keypoints 3 3"]
    reprojection_px: Float[np.ndarray, " keypoints"]
    n_views: Int[np.ndarray, " keypoints"]
    view_state: Int[np.ndarray, "cameras keypoints"]
    residual_px: Float[np.ndarray, "cameras keypoints"]
    redundancy: Float[np.ndarray, "cameras keypoints"]


@dataclass(frozen=True)
class Person3D:
    """A tracked person at one instant.

    Attributes:
        person_id: stable through a session.
        keypoints: the reconstructed keypoints.
        detection_index: per camera of the rig, which 2D person was used; -1 for none.
        mirrored: per camera, whether left and right of that whole 2D person were exchanged.
        swapped: per camera, the parts whose left and right were exchanged, as the sum of 1 (whole
            body), 2 (arms), 4 (forearms), 8 (legs), 16 (lower legs) and 32 (hands); see
            `mocap.reconstruction.swaps`. Empty where nothing is known of parts.
    """

    person_id: int
    keypoints: Keypoints3D
    detection_index: tuple[int, ...]
    mirrored: tuple[bool, ...]
    swapped: tuple[int, ...] = ()

    @property
    def exchanged(self) -> tuple[int, ...]:
        """`swapped`, or what `mirrored` says of the whole body where nothing is known of parts."""
        return self.swapped or tuple(int(turned) for turned in self.mirrored)


class SetAside(IntEnum):
    """Why somebody who was found is none of the people of a session."""

    OUTSIDE_VOLUME = 1
    """The middle of the body is outside the capture volume."""
    NOT_A_PERFORMER = 2
    """As many people as were asked for are seen better, or were there before."""


@dataclass(frozen=True)
class Bystander:
    """Somebody who was found in 3D and set aside, at one instant.

    Attributes:
        person_id: the id; no person who is not set aside has the same at this instant.
        reason: why.
        middle_m: middle of the body, world, metres.
        detection_index: per camera of the rig, which 2D person is this one; -1 for none.
    """

    person_id: int
    reason: SetAside
    middle_m: Float[np.ndarray, " 3"]
    detection_index: tuple[int, ...]


@dataclass(frozen=True)
class Motion:
    """All 3D people of a session (or of a part of it) as rows, one per person and frame.

    Rows are ordered by frame number, then by person id.

    Attributes:
        skeleton: names of the K keypoints.
        frame: frame number of each row.
        time_s: seconds of the session clock.
        person_id: stable id of the person.
        points_m: positions in metres; NaN for missing.
        covariance_m2: covariance of each position; NaN for missing.
        reprojection_px: root mean square reprojection error over the views used; NaN where the
            position was not measured.
        n_views: number of views used; 0 where the position was not measured.
    """

    skeleton: Skeleton
    frame: Int[np.ndarray, " rows"]
    time_s: Float[np.ndarray, " rows"]
    person_id: Int[np.ndarray, " rows"]
    points_m: Float[np.ndarray, "rows keypoints 3"]
    covariance_m2: Float[np.ndarray, "rows keypoints 3 3"]
    reprojection_px: Float[np.ndarray, "rows keypoints"]
    n_views: Int[np.ndarray, "rows keypoints"]

    def __post_init__(self) -> None:
        rows, k = len(self.frame), len(self.skeleton)
        for name, dtype, shape in (
            ("frame", np.int64, (rows,)),
            ("time_s", np.float64, (rows,)),
            ("person_id", np.int64, (rows,)),
            ("points_m", np.float64, (rows, k, 3)),
            ("covariance_m2", np.float64, (rows, k, 3, 3)),
            ("reprojection_px", np.float64, (rows, k)),
            ("n_views", np.int64, (rows, k)),
        ):
            object.__setattr__(self, name, frozen_array(getattr(self, name), dtype, shape, name))

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def person_ids(self) -> tuple[int, ...]:
        """All ids, ascending."""
        return tuple(int(i) for i in np.unique(self.person_id))

    def rows(self, mask: Bool[np.ndarray, " rows"]) -> Motion:
        """The rows where `mask` is true."""
        return Motion(
            self.skeleton,
            self.frame[mask],
            self.time_s[mask],
            self.person_id[mask],
            self.points_m[mask],
            self.covariance_m2[mask],
            self.reprojection_px[mask],
            self.n_views[mask],
        )

    def person(self, person_id: int) -> Motion:
        """The rows of one person, in order of time.

        Raises:
            InputError: there is no such person; the message lists those there are.
        """
        mask = self.person_id == person_id
        if not mask.any():
            raise InputError(
                f"no person {person_id} in this session; "
                f"the people are {valid_choices(map(str, self.person_ids))}"
            )
        return self.rows(mask)


@dataclass(frozen=True)
class FrameTable:
    """The frames of a session.

    Attributes:
        number: frame numbers, strictly increasing.
        time_ns: the instant of each frame on the session clock.
        camera_frame: per camera of the rig, the camera's own frame index; -1 where it delivered
            nothing.
    """

    number: Int[np.ndarray, " frames"]
    time_ns: Int[np.ndarray, " frames"]
    camera_frame: Int[np.ndarray, "frames cameras"]

    def __len__(self) -> int:
        return len(self.number)

    @property
    def rate_hz(self) -> float:
        """Median frame rate; NaN with fewer than two frames."""
        if len(self.time_ns) < 2:
            return float("nan")
        # The rate goes by the frame numbers, so that a dropped frame does not lower it.
        steps = np.diff(self.time_ns) / np.diff(self.number)
        return 1e9 / float(np.median(steps))
