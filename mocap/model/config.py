"""What a user may set of the processing: the interface of the command line."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

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
    cap_m: float = 0.5
    """Distances of single keypoints are cut at this value."""
    mirror_penalty_m: float = 0.04
    """Added when two people only fit with left and right exchanged in one of them."""


@dataclass(frozen=True)
class TriangulationConfig:
    """How 2D keypoints become 3D.

    The noise of a 2D keypoint is stated as a length on the body, because detectors err in
    proportion to the size of the person in the image: a person twice as far is half as large and
    half as far off in pixels. `floor_px` is added to it.
    """

    min_confidence: float = 0.2
    """2D keypoints of lower confidence (0 to 1) are not used."""
    gate_sigmas: float = 4.0
    """A view further than this many standard deviations from the 3D point is left out."""
    cauchy_sigmas: float = 2.0
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
    prior_sigma_m: float = 0.03
    """Standard deviation of where a keypoint is expected from the frame before, at rest."""
    prior_speed_m_s: float = 3.0
    """How much that grows with the time since."""
    mirror_suspicion: float = 0.1
    """Mirrored views are looked for when the truncated error exceeds this share of its maximum."""
    mirror_ratio: float = 0.85
    """A view counts as mirrored when turning it lowers the truncated error to this share."""
    prior_dof: float = 4.0
    """Weight of the stated noise against the measured residuals in the covariance."""

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
    """A person, or a keypoint, that is not seen for longer is no longer expected anywhere. A person
    gets a new id on return."""
    min_keypoints: int = 5
    """A person needs this many association keypoints in 3D to be continued."""
    min_birth_keypoints: int = 8
    """A new person needs this many (or all, where the skeleton has fewer)."""
    min_separation_m: float = 0.15
    """Two people whose keypoints are closer on average are one person, found twice."""


@dataclass(frozen=True)
class ReconstructionConfig:
    """Everything that decides how 2D people become 3D people."""

    association: AssociationConfig = field(default_factory=AssociationConfig)
    triangulation: TriangulationConfig = field(default_factory=TriangulationConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)


@dataclass(frozen=True)
class SmoothingConfig:
    """How the smooth layer is made."""

    enabled: bool = True
    """Whether it is made at all."""
    cutoff_hz: float = 6.0
    """Motion faster than this is taken for noise; 6 Hz is usual for gait, use more for sports."""
    max_gap_s: float = 0.25
    """Longest gap that is filled."""
    min_frames: int = 5
    """People seen in fewer frames are left out."""
