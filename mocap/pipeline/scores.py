"""The figures of an evaluation and what each of them means."""

from __future__ import annotations

from dataclasses import dataclass

AXES = ("forward", "left", "up")
"""A person's own axes, in which bias and spread are given."""


@dataclass(frozen=True)
class Jitter:
    """Mean length of the second differences of positions from frame to frame.

    Attributes:
        session_mm: of the session.
        truth_mm: of the true positions: what the motion itself contributes.
        error_mm: of their difference (the acceleration error of Kanazawa et al., CVPR 2019).
        triples: number of three frames in a row they were computed from.
    """

    session_mm: float
    truth_mm: float
    error_mm: float
    triples: int


@dataclass(frozen=True)
class Calibration:
    """Whether the covariance says how large the errors are.

    Attributes:
        share: by probability in percent, the share of errors in the predicted region; a
            calibrated covariance gives the probability itself. The region is that of a Gaussian:
            squared Mahalanobis distance below the quantile of chi-square with 3 degrees of freedom.
        sigma_ratio: by this the standard deviations would have to be multiplied for half of the
            errors to lie in the 50 % region.
        predicted_rms_mm: root mean square of the errors which the covariance predicts.
        keypoints: number of keypoints that have a covariance.
    """

    share: dict[int, float]
    sigma_ratio: float
    predicted_rms_mm: float
    keypoints: int


@dataclass(frozen=True)
class PartScore:
    """Errors of the keypoints of one part. All figures are NaN where there is nothing.

    Attributes:
        expected: number of true keypoints, of all people that are in view.
        found: share of them that the session has.
        found_visible: the same of those that at least two cameras see.
        mpjpe_mm: mean per-joint position error.
        median_mm: median of the errors.
        rms_mm: root mean square of the errors.
        pa_mpjpe_mm: mean error after the best similarity transform of each person and frame
            (Procrustes): what is left when place, direction and size are forgiven.
        pck: by distance in millimetres, share of `expected` that are nearer to the truth; those
            the session lacks count as wrong.
        bias_mm: root mean square over keypoints of the length of their bias: the part of the error
            that is the same in all frames, as seen from the person.
        spread_mm: root mean square of what is left of the errors without the bias.
        jitter: from frame to frame.
        calibration: of the covariance.
    """

    expected: int
    found: float
    found_visible: float
    mpjpe_mm: float
    median_mm: float
    rms_mm: float
    pa_mpjpe_mm: float
    pck: dict[int, float]
    bias_mm: float
    spread_mm: float
    jitter: Jitter
    calibration: Calibration


@dataclass(frozen=True)
class JointScore:
    """Errors of one keypoint over all people and frames.

    Attributes:
        name: of the keypoint.
        part: it belongs to.
        expected: number of true ones, of all people that are in view.
        found: share of them that the session has.
        mean_mm: mean error.
        median_mm: median error.
        p90_mm: nine of ten errors are smaller.
        bias_mm: mean error along `AXES`.
        spread_mm: standard deviation along `AXES`.
    """

    name: str
    part: str
    expected: int
    found: float
    mean_mm: float
    median_mm: float
    p90_mm: float
    bias_mm: tuple[float, float, float]
    spread_mm: tuple[float, float, float]


@dataclass(frozen=True)
class PeopleScore:
    """People found, missed and invented, counted in people times frames.

    Attributes:
        in_view: true people that the cameras see well enough.
        missing: those of them that the session lacks.
        out_of_view: true people that the cameras do not see well enough and the session lacks.
        false: people of the session that are no true ones.
        id_switches: how often a true person got another id than when last found.
        ids: by true id, the ids of the session for that person, the most frequent first.
    """

    in_view: int
    missing: int
    out_of_view: int
    false: int
    id_switches: int
    ids: dict[int, tuple[int, ...]]


@dataclass(frozen=True)
class Evaluation:
    """All figures of a session.

    Attributes:
        frames: frames compared.
        frames_without_truth: frames outside the time of the truth, which were not.
        truth_frames_without_session: true frames at whose instant the session has no frame.
        people: found and missing.
        parts: by part; "body" is body and feet.
        joints: every shared keypoint.
        lag_ms: by how much the session runs behind the truth, from errors along the motion; NaN
            without motion. A true lag moves every joint; a large one hints at wrong time stamps.
    """

    frames: int
    frames_without_truth: int
    truth_frames_without_session: int
    people: PeopleScore
    parts: dict[str, PartScore]
    joints: tuple[JointScore, ...]
    lag_ms: float
