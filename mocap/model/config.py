"""What a user may set of the processing: the interface of the command line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
from tyro.conf import arg

from mocap.arrays import Float
from mocap.model.skeleton import Skeleton


@dataclass(frozen=True)
class AssociationConfig:
    """When two 2D people may be the same person."""

    min_keypoints: int = 4
    """A 2D person needs this many association keypoints, and a pair this many in common."""
    min_confidence: float = 0.2
    """Keypoints of lower confidence do not count."""
    max_track_distance_m: float = 0.25
    """Mean distance of a known person's keypoints to the rays of a 2D person, at most."""
    max_pair_distance_m: float = 0.12
    """Mean distance between the rays of two 2D people, at most."""
    min_fit: float = 0.6
    """A view in which a smaller share of a person's keypoints agrees with the other views and the
    prediction shows somebody else."""
    cap_m: float = 0.5
    """Distances of single keypoints are cut at this value."""
    mirror_penalty_m: float = 0.04
    """Added when two people only fit with left and right exchanged in one of them."""
    blur_m: float = 0.1
    """Where a known keypoint is as unsure as this across a ray, its distance counts 0.7 times."""


@dataclass(frozen=True)
class TriangulationConfig:
    """How 2D keypoints become 3D.

    The noise of a 2D keypoint is stated as a length on the body, because detectors err in
    proportion to the size of the person in the image: a person twice as far is half as large and
    half as far off in pixels. `floor_px` is added to it.
    """

    covariance: Literal["map", "posterior"] = "map"
    """What the covariance of a keypoint says: "map", how sure it is given the views that were taken
    for right, the frames before and the bones; "posterior", how far it may be off by this frame's
    views alone, integrated over which of them are right (slower)."""
    outlier_rate: float = 0.1
    """For "posterior": share of 2D keypoints that show something else."""
    min_confidence: float = 0.2
    """2D keypoints of body and feet of lower confidence (0 to 1) are not used."""
    hand_min_confidence: float = 0.2
    """The same for those of hands."""
    face_min_confidence: float = 0.2
    """The same for those of the face."""
    hand_reach_m: float = 0.15
    """A hand whose root is farther from the wrist of the body belongs to somebody else."""
    face_reach_m: float = 0.25
    """A face that is farther from the head on average belongs to somebody else."""
    gate_sigmas: float = 4.0
    """A view further than this many standard deviations from the 3D point is left out."""
    cauchy_sigmas: float = 3.0
    """Distance, in standard deviations, at which the weight of a view has fallen to one half."""
    min_angle_deg: float = 2.0
    """At least two of the rays used must meet at no smaller angle."""
    sigma_body_m: float = 0.018
    """Standard deviation of body and foot keypoints, metres on the body."""
    sigma_detail_m: float = 0.009
    """Standard deviation of hand and face keypoints, metres on the body."""
    floor_px: float = 1.5
    """Standard deviation in pixels below which no detector gets."""
    max_pairs: int = 120
    """At most this many pairs of views are tried per keypoint, evenly taken from all."""
    mirror_suspicion: float = 0.1
    """Mirrored views are looked for when the truncated error exceeds this share of its maximum."""
    mirror_ratio: float = 0.85
    """A view counts as mirrored when turning it lowers the truncated error to this share."""
    prior_dof: float = 4.0
    """Weight of the stated noise against the measured residuals in the covariance."""
    mirror_frames: int = 5
    """After so many frames in which most views show a person the other way round, it is the
    person's own left and right that are exchanged."""
    link_relative: float = 0.12
    """How far the length of a bone may be from the one learnt, by its length; one sigma."""
    link_min_m: float = 0.03
    """The same, at least."""
    link_adult_relative: float = 0.2
    """How far a length may be from that of an average adult before it is learnt; one sigma."""
    link_trust: float = 0.05
    """Share of the information from bone lengths that is handed on to the next frame: it is hardly
    new then."""
    link_report: float = 1.2
    """The same share in the covariance that is reported of keypoints seen by two views."""
    link_sweeps: int = 3
    """How often each keypoint is fitted again to its neighbours; 0 leaves bone lengths out."""
    learn_sigma_m: float = 0.06
    """Lengths are learnt from keypoints that two views place at least this well."""
    height_sigma_m: float = 0.04
    """How far a keypoint in a single view may be from its usual height, beside its own spread."""
    depth_relative: float = 0.01
    """A person in a single view is no better known than this in depth, by the distance."""

    def least_confidence(self, skeleton: Skeleton) -> Float[np.ndarray, " keypoints"]:
        """The confidence that each keypoint needs."""
        own = {
            "face": self.face_min_confidence,
            "left_hand": self.hand_min_confidence,
            "right_hand": self.hand_min_confidence,
        }
        return np.array([own.get(part, self.min_confidence) for part in skeleton.parts])

    def sigma_m(self, skeleton: Skeleton) -> Float[np.ndarray, " keypoints"]:
        """Standard deviation of each keypoint in metres on the body."""
        body = {"body", "feet"}
        return np.array(
            [self.sigma_body_m if p in body else self.sigma_detail_m for p in skeleton.parts]
        )


@dataclass(frozen=True)
class TrackingConfig:
    """How long a person is remembered, and what counts as a person."""

    max_lost_s: float = 1.0
    """A person who is not seen for longer is no longer expected anywhere, but remembered."""
    max_sleep_s: float = 10.0
    """Whoever comes back within this time, where he may have got to and with the same bones, gets
    the same id again."""
    sleep_speed_m_s: float = 1.5
    """How far from where he was last seen somebody may come back, per second of absence."""
    sleep_ratio: float = 0.12
    """By how much, relatively and on average, the bone lengths may differ."""
    max_keypoint_lost_s: float = 2.0
    """A keypoint that no view shows is predicted for so long."""
    max_single_view_s: float = 3.0
    """A person seen by one view only is followed for so long."""
    confirm_s: float = 0.2
    """A new person is told of after two views have shown him for so long; at once, if three views
    and two thirds of the cameras that see anybody show him, or if he is there from the start and no
    more than two cameras see anybody. Sessions hold him from his first frame on."""
    acceleration_density: float = 30.0
    """Power of the accelerations that are expected, m^2/s^3; about the square of a typical
    acceleration by the time it lasts."""
    stale_s: float = 0.12
    """A keypoint that no two views show for longer moves with the body."""
    damping_s: float = 0.2
    """Time constant with which a stale keypoint loses its own speed."""
    shift_m: float = 0.3
    """A person seen by one view only may turn out to be this far from where he was thought."""
    shift_m_s: float = 1.0
    """How much that grows with the time since two views have seen him."""
    min_keypoints: int = 5
    """A person needs this many association keypoints in 3D to be continued."""
    min_birth_keypoints: int = 8
    """A new person needs this many (or all, where the skeleton has fewer)."""
    min_view_share: float = 0.15
    """A new person must be seen by this share of the cameras that see anybody, and by two."""
    min_separation_m: float = 0.15
    """Two people whose keypoints are closer on average are one person, found twice."""


@dataclass(frozen=True)
class ReconstructionConfig:
    """Everything that decides how 2D people become 3D people."""

    association: AssociationConfig = field(default_factory=AssociationConfig)
    triangulation: TriangulationConfig = field(default_factory=TriangulationConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    volume: Annotated[
        tuple[float, ...], arg(metavar="X0 X1 Y0 Y1 [Z0 Z1]", help_behavior_hint="")
    ] = ()
    """Capture volume, metres of the world. People whose middle is outside are set aside as
    bystanders. Default: everywhere."""
    volume_corners: Annotated[
        tuple[tuple[float, float], ...], arg(metavar="X Y X Y X Y ...", help_behavior_hint="")
    ] = ()
    """The same by the corners of an area, in order around it. With --volume both hold."""
    performers: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """At most so many people at a time; those seen best and longest keep their places, and the
    others are set aside as bystanders. Default: everybody."""


@dataclass(frozen=True)
class SmoothingConfig:
    """How the smooth layer is made."""

    enabled: bool = True
    """Whether it is made at all."""
    cutoff_hz: float = 6.0
    """Motion faster than this is taken for noise; 6 Hz is usual for gait, use more for sports."""
    max_gap_s: float = 1.0
    """Longest gap that is filled; how unsure a filled position is, its covariance says."""
    bone_sigma_m: float = 0.003
    """Standard deviation over time, metres, of the lengths of arm and leg bones, which are
    otherwise constant; 0 leaves them free."""
    max_acceleration_m_s2: float = 150.0
    """No keypoint accelerates more; raise it for throws and kicks at full strength."""
    min_frames: int = 5
    """People seen in fewer frames are left out."""
