"""What a fit says about itself: residuals, limits, contacts, what was assumed, where to look."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mocap.arrays import Bool, Float
from mocap.body.fit_contacts import Contact
from mocap.body.fit_data import Measurements
from mocap.body.model import BodyModel
from mocap.model.body_motion import BodyMotion

ASSUMED_SHARE = 0.8
"""A shape number whose uncertainty is still this share of that among people was not measured."""
_LOOK_RESIDUALS = 3.0
"""A frame whose residual is this many times the usual one should be looked at."""
_LOOK_LEAST_M = 0.03


@dataclass(frozen=True)
class KeypointResidual:
    """How far a keypoint is from where the fitted body has it.

    Attributes:
        name: the keypoint.
        frames: in how many frames it was measured.
        median_mm: median distance.
        p95_mm: 95th percentile.
    """

    name: str
    frames: int
    median_mm: float
    p95_mm: float


@dataclass(frozen=True)
class FitReport:
    """The report of one person's fit.

    Attributes:
        person_id: whose fit it is.
        model: the body model.
        frames: number of frames from the person's first to the last.
        measured_frames: in how many of them the pose was held by measurements of the frame.
        residuals: per keypoint.
        median_mm: median distance over all keypoints and frames.
        limits_hit: degrees of freedom at a limit, and in which share of the frames.
        frames_to_look_at: numbers of frames which fit badly, worst first.
        assumed: shape numbers which rest on proportions of people in general, since this person's
            keypoints hardly tell them.
        stature_m: height of the body; NaN for models that have none.
        contacts: number of contacts of sole points with the floor.
        largest_slide_mm: farthest that a sole point slides in a contact; NaN without contacts.
        floor_m: height of the floor by the feet; NaN without feet.
        remarks: what else a user should know.
    """

    person_id: int
    model: str
    frames: int
    measured_frames: int
    residuals: tuple[KeypointResidual, ...]
    median_mm: float
    limits_hit: dict[str, float]
    frames_to_look_at: tuple[int, ...]
    assumed: tuple[str, ...]
    stature_m: float
    contacts: int
    largest_slide_mm: float
    floor_m: float
    remarks: tuple[str, ...]


def make_report(
    model: BodyModel,
    motion: BodyMotion,
    measured: Measurements,
    held: Bool[np.ndarray, "frames dofs"],
    contacts: tuple[Contact, ...],
    floor_m: float,
    remarks: tuple[str, ...],
) -> FitReport:
    """The report of a fit.

    Args:
        model: the body model.
        motion: the fit.
        measured: what was fitted.
        held: which degrees of freedom were held at a limit.
        contacts: of the sole points.
        floor_m: height of the floor by the feet.
        remarks: sentences to pass on.
    """
    residual = motion.residual_m
    by_keypoint = [_residual(name, residual[:, k]) for k, name in enumerate(motion.keypoint_names)]
    known = residual[np.isfinite(residual)]
    share = held[motion.present].mean(axis=0) if motion.present.any() else held.mean(axis=0)
    limits = {model.dofs.names[i]: float(share[i]) for i in np.argsort(-share) if share[i] >= 0.005}
    sigma = model.shape_sigma
    assumed = tuple(
        name
        for name, now, before in zip(model.shape_names, motion.shape_sigma, sigma, strict=True)
        if now > ASSUMED_SHARE * before and "offset" not in name
    )
    return FitReport(
        person_id=motion.person_id,
        model=motion.model,
        frames=len(motion),
        measured_frames=int((measured.measured.sum(axis=1) >= 3).sum()),
        residuals=tuple(r for r in by_keypoint if r.frames),
        median_mm=1000.0 * float(np.median(known)) if known.size else float("nan"),
        limits_hit=limits,
        frames_to_look_at=_frames_to_look_at(motion.frame, residual),
        assumed=assumed,
        stature_m=stature_of(motion),
        contacts=len(contacts),
        largest_slide_mm=max((1000.0 * c.slide_m for c in contacts), default=float("nan")),
        floor_m=floor_m,
        remarks=remarks,
    )


def stature_of(motion: BodyMotion) -> float:
    """Height of the skeleton from the floor to the top of the head; NaN for other models."""
    if "HeadTop_End" not in motion.tree.names:
        return float("nan")
    return float(motion.rest_joints_m[motion.tree.index("HeadTop_End"), 2])


def _residual(name: str, residual_m: Float[np.ndarray, " frames"]) -> KeypointResidual:
    known = 1000.0 * residual_m[np.isfinite(residual_m)]
    if not known.size:
        return KeypointResidual(name, 0, float("nan"), float("nan"))
    return KeypointResidual(
        name, len(known), float(np.median(known)), float(np.percentile(known, 95))
    )


def _frames_to_look_at(
    frame: np.ndarray, residual_m: Float[np.ndarray, "frames keypoints"]
) -> tuple[int, ...]:
    there = np.isfinite(residual_m)
    count = there.sum(axis=1)
    square = np.where(there, residual_m, 0.0) ** 2
    rms = np.sqrt(square.sum(axis=1) / np.maximum(count, 1))
    rms[count == 0] = 0.0
    if not (count > 0).any():
        return ()
    limit = max(_LOOK_RESIDUALS * float(np.median(rms[count > 0])), _LOOK_LEAST_M)
    worst = np.argsort(-rms)
    return tuple(int(frame[t]) for t in worst[:20] if rms[t] > limit)
