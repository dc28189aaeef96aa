"""What is said of a joint: reasons, and the sentences they are told in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np


class ViewReason(StrEnum):
    """What one camera contributed to one joint, and why not more."""

    USED = "used"
    REJECTED = "rejected"
    LOW_SCORE = "low score"
    NOT_DETECTED = "not detected"
    UNMATCHED = "person not matched"
    NOBODY = "saw nobody"
    OUTSIDE_IMAGE = "outside the image"
    NO_FRAME = "no frame"


class JointReason(StrEnum):
    """What became of a joint."""

    MEASURED = "measured"
    POOR = "measured, but poor"
    ONE_VIEW = "one view only"
    NOT_SEEN = "no view has it"
    PARALLEL = "rays too parallel"
    CONTRADICTION = "views contradict each other"
    OUTSIDE_VOLUME = "person outside the capture volume"
    NOT_A_PERFORMER = "person is not one of the performers"
    PERSON_ABSENT = "person not found in this frame"


REMEDY = {
    JointReason.ONE_VIEW: "add or turn a camera so that a second one sees it",
    JointReason.NOT_SEEN: "add or turn a camera, improve the light, or lower --min-confidence",
    JointReason.PARALLEL: "move the cameras apart: these look from nearly the same direction",
    JointReason.CONTRADICTION: "check the calibration and the synchronisation ('mocap calibrate "
    "refine'), or add a camera that can decide",
    JointReason.OUTSIDE_VOLUME: "enlarge the capture volume (--volume)",
    JointReason.NOT_A_PERFORMER: "ask for more people (--performers), or pick them afterwards with "
    "'mocap tracks --keep'",
    JointReason.POOR: "add a camera whose line of sight crosses the others at a wide angle",
    JointReason.PERSON_ABSENT: "at least two cameras must see most of the body; 'mocap tracks' "
    "joins tracks of the same person",
}


@dataclass(frozen=True)
class ViewAccount:
    """What one camera had to say of one joint.

    Attributes:
        camera: its name.
        reason: what came of it.
        confidence: of the 2D keypoint; NaN where there is none.
        needed: least confidence.
        residual_px: distance to the 3D joint; NaN where there is none.
        sigmas: the same in standard deviations; NaN where there is none.
        people: 2D people in the image.
        exchanged: the parts of the 2D person whose left and right were exchanged, such as "whole
            body" or "arms".
        others: of each 2D person in the image, who it is or why it is nobody's; given where none
            is this person.
    """

    camera: str
    reason: ViewReason
    confidence: float = float("nan")
    needed: float = float("nan")
    residual_px: float = float("nan")
    sigmas: float = float("nan")
    people: int = 0
    exchanged: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def sentence(self) -> str:
        """The account in words."""
        distance = f"{self.residual_px:.1f} px"
        if np.isfinite(self.sigmas):
            distance += f" ({self.sigmas:.1f} sigma)"
        off = distance if np.isfinite(self.residual_px) else "an unknown distance"
        words = {
            ViewReason.USED: f"used, {off} off, score {self.confidence:.2f}",
            ViewReason.REJECTED: f"rejected at {off}: it disagrees with the other views",
            ViewReason.LOW_SCORE: f"low score {self.confidence:.2f}, needed {self.needed:.2f}",
            ViewReason.NOT_DETECTED: "the person is seen, but not this joint",
            ViewReason.UNMATCHED: f"{_people(self.people)} seen, but none matched to this person",
            ViewReason.NOBODY: "saw nobody",
            ViewReason.OUTSIDE_IMAGE: "the joint is outside the image",
            ViewReason.NO_FRAME: "delivered no frame",
        }[self.reason]
        if self.others:
            words += ": " + "; ".join(self.others)
        if self.exchanged:
            words += f" (left and right exchanged: {', '.join(self.exchanged)})"
        return words


def _people(count: int) -> str:
    return "1 person was" if count == 1 else f"{count} people were"


@dataclass(frozen=True)
class JointAccount:
    """What became of one joint of one person in one frame.

    Attributes:
        frame: frame number.
        person_id: the person.
        joint: name of the joint.
        reason: what became of it.
        predicted: whether there is a position all the same, predicted or filled in.
        sigma_m: standard deviation along the worst axis; NaN without a position.
        angle_deg: widest angle at which two usable rays meet; NaN with fewer than two.
        needed_deg: least angle.
        views: one per camera, in rig order.
    """

    frame: int
    person_id: int
    joint: str
    reason: JointReason
    predicted: bool
    sigma_m: float
    angle_deg: float
    needed_deg: float
    views: tuple[ViewAccount, ...]

    @property
    def absent(self) -> bool:
        """Whether the whole person is not among the people of the frame."""
        return self.reason in (
            JointReason.PERSON_ABSENT,
            JointReason.OUTSIDE_VOLUME,
            JointReason.NOT_A_PERFORMER,
        )

    @property
    def good(self) -> bool:
        """Whether there is nothing to explain."""
        return self.reason is JointReason.MEASURED

    def sentence(self) -> str:
        """The account in words, without the cameras."""
        words = str(self.reason)
        if self.reason is JointReason.PARALLEL:
            words += f": they meet at {self.angle_deg:.1f} degrees"
        if self.predicted:
            words += ", predicted from before and after"
        if np.isfinite(self.sigma_m):
            words += f", +- {1000 * self.sigma_m:.0f} mm"
        remedy = REMEDY.get(self.reason)
        return f"{words}; {remedy}" if remedy else words
