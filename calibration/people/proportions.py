"""Bones of the human body: which keypoints keep their distance, and what stature follows.

Lengths of bones do not depend on the posture, so the person need not stand upright; nor on shoes,
so the stature is that of bare feet. What detectors call hip, knee and ankle lies a few centimetres
from the ends of the segments that anthropometry measures: the sum of shank, thigh and hip to
shoulder is 0.779 of the stature by Drillis and Contini (Body Segment Parameters, 1966; Winter,
Biomechanics and Motor Control of Human Movement, 4th ed., figure 4.1), but 0.745 by the embedded
detector on rendered people, 0.755 on a real person of 1.72 m filmed by a calibrated rig, and 0.743
to 0.758 by the definition of COCO's keypoints on four bodies of different sex and height. Their
middle is used here. Differences between people, and between detectors, make a stature of about 3 %.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float, Int
from mocap.errors import CalibrationError
from mocap.model import Skeleton

USUAL_STATURE_M = 1.70
STATURE_SIGMA = 0.03
"""Relative error of a stature from bones, one standard deviation."""
UNKNOWN_STATURE_SIGMA = 0.06
"""Relative spread of grown-ups' statures."""

_PARTS = ((("knee", "ankle"), 0.230), (("hip", "knee"), 0.224), (("shoulder", "hip"), 0.296))
"""Lengths of detected bones by stature."""
_SIGMA = {"head": 0.12, "foot": 0.10, "torso": 0.07, "limb": 0.045}


@dataclass(frozen=True)
class Bones:
    """Pairs of keypoints whose distance hardly changes.

    Attributes:
        ends: positions of the two keypoints.
        sigma: by how much the logarithm of the measured length varies over time beyond the
            noise of the pixels: soft tissue, and a detector's idea of a joint.
        stature: weights of the lengths whose sum is the stature; all 0 where the skeleton has no
            legs and no trunk.
    """

    ends: Int[np.ndarray, "bones 2"]
    sigma: Float[np.ndarray, " bones"]
    stature: Float[np.ndarray, " bones"]

    def index(self, a: int, b: int) -> int | None:
        """Which bone joins two keypoints; None for none."""
        found = np.flatnonzero((np.sort(self.ends, axis=1) == sorted((a, b))).all(axis=1))
        return int(found[0]) if len(found) else None


def bones_of(skeleton: Skeleton, extra: tuple[str, str] | None = None) -> Bones:
    """The bones of a skeleton's body and feet.

    Args:
        skeleton: its keypoints and bones.
        extra: one more pair of keypoints, whose length is known.

    Raises:
        CalibrationError: there are none.
        SkeletonError: a keypoint of `extra` is not in the skeleton.
    """
    pairs = list(skeleton.bones)
    for side in ("left", "right"):
        for (a, b), _ in _PARTS:
            pairs.append((f"{side}_{a}", f"{side}_{b}"))
        pairs.append((f"{side}_ankle", f"{side}_heel"))
    pairs += [("left_ear", "right_ear"), ("left_hip", "right_hip")]
    pairs.append(("left_shoulder", "right_shoulder"))
    if extra is not None:
        for name in extra:
            skeleton.index(name)
        pairs.append(extra)
    seen: dict[frozenset[str], tuple[str, str]] = {}
    for a, b in pairs:
        if a in skeleton and b in skeleton:
            seen.setdefault(frozenset((a, b)), (a, b))
    bones = [
        (a, b)
        for a, b in seen.values()
        if {skeleton.parts[skeleton.index(n)] for n in (a, b)} <= {"body", "feet"}
    ]
    if not bones:
        raise CalibrationError(
            f"skeleton {skeleton.name!r} has no bones of the body; use a detector of whole bodies"
        )
    sigma = np.array([_SIGMA[_kind(a, b)] for a, b in bones])
    stature = np.zeros(len(bones))
    total = 0.0
    for (first, second), share in _PARTS:
        members = [
            i
            for i, (a, b) in enumerate(bones)
            if {_unsided(a), _unsided(b)} == {first, second} and _side(a) == _side(b)
        ]
        if members:
            stature[members] = 1.0 / len(members)
            total += share
    if total:
        stature /= total
    ends = np.array([[skeleton.index(a), skeleton.index(b)] for a, b in bones])
    return Bones(ends, sigma, stature)


def _unsided(name: str) -> str:
    return name.removeprefix("left_").removeprefix("right_")


def _side(name: str) -> str:
    return name.split("_")[0] if name.startswith(("left_", "right_")) else ""


def _kind(a: str, b: str) -> str:
    names = {_unsided(a), _unsided(b)}
    if names & {"ear", "eye", "nose", "head"}:
        return "head"
    if any("toe" in name or "heel" in name for name in names):
        return "foot"
    if names & {"shoulder", "hip", "neck", "mid_hip"} == names:
        return "torso"
    return "limb"
