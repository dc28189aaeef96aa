"""Where detectors' keypoints lie on the kinematic skeleton.

A detector's "hip" is not the centre of the hip joint: it is what its annotators marked. Each
keypoint is attached to the bone with which it moves, at the place of a joint plus an offset. The
offset is `mean` times the stature plus a deviation that is learnt per person, constant over the
session, the same on both sides. Where a skeleton definition is known to differ from COCO's it has
a table of its own; see docs/bodies.md.

The means for COCO's definitions, from shoulders to toes, are those of the joint regression of the
free model `anny` over a population of adults who move, and so are the spreads, as
`tests/benchmarks/keypoint_offsets.py` measures them. No spread is below 2, because no detector
follows one regression so closely. That of the knee along the bone is between that of all people (6)
and that which remains when the length of the thigh is known (2). Feet keep a spread of 8: shoes,
and the turn of the foot about the shank, which differs between people and which the skeleton does
not have. Those of MediaPipe's body points are what `tests/benchmarks/detector_offsets.py` finds on
rendered people; their spreads hold what differs between people and between movements.
"""

from __future__ import annotations

from typing import NamedTuple

from mocap.body.skeleton_tree import FINGERS, finger_joints, finger_keypoints


class Offset(NamedTuple):
    """A keypoint of the midline or of the left side, in thousandths of the stature.

    Attributes:
        bone: the joint whose bone it moves with, without the side.
        place: the joint it lies at, without the side.
        mean: usual offset from there in the rest pose: left, backwards, up.
        sigma: standard deviation of each coordinate between people.
    """

    bone: str
    place: str
    mean: tuple[float, float, float]
    sigma: tuple[float, float, float]


_MIDLINE: dict[str, Offset] = {
    "nose": Offset("Head", "Head", (0.0, -65.5, 6.5), (6.0, 6.0, 6.0)),
    "head": Offset("Head", "HeadTop_End", (0.0, 0.0, 0.0), (10.0, 10.0, 10.0)),
    "neck": Offset("Spine2", "Neck", (0.0, -5.0, -26.0), (14.0, 14.0, 14.0)),
    "mid_hip": Offset("Hips", "Hips", (0.0, -8.0, -8.0), (14.0, 14.0, 14.0)),
}
_LEFT: dict[str, Offset] = {
    "eye": Offset("Head", "Head", (17.7, -52.5, 25.0), (5.0, 5.0, 5.0)),
    "eye_inner": Offset("Head", "Head", (10.0, -54.0, 25.0), (5.0, 5.0, 5.0)),
    "eye_outer": Offset("Head", "Head", (25.0, -51.5, 23.0), (5.0, 5.0, 5.0)),
    "ear": Offset("Head", "Head", (43.7, -4.0, 13.0), (7.0, 7.0, 7.0)),
    "mouth": Offset("Head", "Head", (13.5, -58.5, -17.5), (6.0, 6.0, 6.0)),
    "shoulder": Offset("Shoulder", "Arm", (-6.2, 1.6, 11.8), (3.1, 2.5, 2.0)),
    "elbow": Offset("Arm", "ForeArm", (-8.8, -3.7, -0.5), (2.2, 2.6, 2.0)),
    "wrist": Offset("ForeArm", "Hand", (-1.9, -1.1, -2.2), (2.0, 2.0, 2.0)),
    "hip": Offset("UpLeg", "UpLeg", (-8.0, -10.7, -9.4), (5.1, 2.4, 2.4)),
    "knee": Offset("Leg", "Leg", (2.4, 0.0, -14.1), (2.0, 2.9, 5.0)),
    "ankle": Offset("Leg", "Foot", (1.0, -0.7, 11.6), (2.0, 2.0, 2.0)),
    "heel": Offset("Foot", "Foot", (1.3, 20.4, -23.7), (8.0, 8.0, 8.0)),
    "big_toe": Offset("ToeBase", "Foot", (-12.2, -117.7, -34.9), (8.0, 8.0, 8.0)),
    "small_toe": Offset("ToeBase", "Foot", (23.3, -95.5, -36.2), (8.0, 8.0, 8.0)),
    "thumb": Offset("Hand", "Hand", (40.0, -33.0, -8.0), (12.0, 12.0, 12.0)),
    "index": Offset("Hand", "Hand", (58.0, -16.5, 0.0), (10.0, 10.0, 10.0)),
    "pinky": Offset("Hand", "Hand", (50.0, 24.0, -1.0), (10.0, 10.0, 10.0)),
}
_BLAZEPOSE: dict[str, Offset] = {
    "nose": Offset("Head", "Head", (0.0, -59.2, 8.5), (6.0, 6.0, 6.0)),
    "eye": Offset("Head", "Head", (14.3, -45.7, 25.7), (5.0, 5.0, 5.0)),
    "ear": Offset("Head", "Head", (29.5, -16.8, 16.3), (7.0, 7.0, 7.0)),
    "shoulder": Offset("Shoulder", "Arm", (-8.6, 0.6, 12.4), (5.0, 4.0, 3.0)),
    "elbow": Offset("Arm", "ForeArm", (-5.7, -3.2, -2.9), (5.0, 4.0, 3.0)),
    "wrist": Offset("ForeArm", "Hand", (0.4, 0.9, -2.2), (3.5, 3.0, 2.5)),
    "hip": Offset("UpLeg", "UpLeg", (-12.9, -15.3, -15.7), (6.0, 4.0, 7.0)),
    "knee": Offset("Leg", "Leg", (-3.1, -1.2, -11.0), (3.5, 4.0, 5.5)),
    "ankle": Offset("Leg", "Foot", (0.4, -4.0, 22.0), (2.5, 2.5, 4.5)),
    "heel": Offset("Foot", "Foot", (0.3, 18.1, -18.3), (8.0, 8.0, 8.0)),
    "big_toe": Offset("ToeBase", "Foot", (-3.1, -108.7, -28.4), (10.0, 10.0, 10.0)),
}
OFFSETS_OF_SKELETON: dict[str, dict[str, Offset]] = {"blazepose_wholebody": _BLAZEPOSE}
"""Tables which replace entries of the usual one, by skeleton."""

FACE_PLACES: dict[str, tuple[float, float, float]] = {
    "face_00": (-39.6, -19.7, 31.5),
    "face_08": (0.0, -55.6, -40.8),
    "face_16": (39.6, -19.7, 31.5),
    "face_27": (0.0, -60.0, 23.7),
    "face_30": (0.0, -71.0, 2.6),
    "face_33": (0.0, -65.3, -4.7),
    "face_36": (-25.0, -51.4, 22.8),
    "face_45": (25.0, -51.4, 22.8),
    "face_48": (-13.5, -58.5, -17.5),
    "face_54": (13.5, -58.5, -17.5),
}
"""Points of the face which lie on bone or nearly so, from the joint of the head."""
FACE_SIGMA = 6.0
"""Standard deviation of the shift, backwards and up, that all points of a face share."""


def keypoint_offset(skeleton: str, name: str) -> tuple[str, Offset] | None:
    """Side ("", "left", "right") and offset of a body keypoint; None if it is not fitted."""
    own = OFFSETS_OF_SKELETON.get(skeleton, {})
    if name in _MIDLINE:
        return "", own.get(name, _MIDLINE[name])
    side, _, part = name.partition("_")
    offset = own.get(part, _LEFT.get(part))
    if side not in ("left", "right") or offset is None:
        return None
    return side, offset


def finger_places() -> dict[str, tuple[str, str]]:
    """Per keypoint of the hands: the joint whose bone it moves with, and the joint it lies at."""
    places: dict[str, tuple[str, str]] = {}
    for side in ("Left", "Right"):
        places[f"{side.lower()}_hand_wrist"] = (f"{side}ForeArm", f"{side}Hand")
        for finger in FINGERS:
            joints = finger_joints(side, finger)
            bones = (f"{side}Hand", *joints[:3])
            for name, bone, joint in zip(
                finger_keypoints(side, finger), bones, joints, strict=True
            ):
                places[name] = (bone, joint)
    return places
