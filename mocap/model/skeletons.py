"""The skeleton tables, and the ways to find one by name or by its keypoint names.

Sources: COCO-17 and COCO-WholeBody (Jin et al., ECCV 2020), Halpe-26 (Fang et al., TPAMI 2022),
BODY-25 (OpenPose), BlazePose-33 and the 21 hand landmarks (MediaPipe). Note that the feet are
ordered differently in Halpe-26 and COCO-WholeBody.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from mocap.errors import SkeletonError, valid_choices
from mocap.model.skeleton import Skeleton

_COCO = (
    "nose",
    *("left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder"),
    *("left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip"),
    *("left_knee", "right_knee", "left_ankle", "right_ankle"),
)
_LIMBS = tuple(
    f"{side}_{joint}"
    for side in ("left", "right")
    for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
)
_FINGERS = ("thumb", "index", "middle", "ring", "pinky")
_HAND_POINTS = (
    "wrist",
    *("thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip"),
    *(f"{f}_{j}" for f in _FINGERS[1:] for j in ("mcp", "pip", "dip", "tip")),
)
FACE_POINTS = tuple(f"face_{i:02d}" for i in range(68))
"""The 68 points of iBUG 300-W, in its order, as COCO-WholeBody uses them."""


def hand_keypoints(side: str) -> tuple[str, ...]:
    """Names of the 21 keypoints of one hand: root (at the wrist), then thumb to pinky."""
    return tuple(f"{side}_hand_{point}" for point in _HAND_POINTS)


def _hand_bones(side: str) -> tuple[tuple[str, str], ...]:
    names = hand_keypoints(side)
    bones: list[tuple[str, str]] = []
    for finger in range(5):
        chain = (names[0], *names[1 + 4 * finger : 5 + 4 * finger])
        bones += list(pairwise(chain))
    return tuple(bones)


_FACE_LINES = (
    range(17),
    range(17, 22),
    range(22, 27),
    range(27, 31),
    range(31, 36),
    (*range(36, 42), 36),
    (*range(42, 48), 42),
    (*range(48, 60), 48),
    (*range(60, 68), 60),
)
_FACE_BONES = tuple(
    (FACE_POINTS[a], FACE_POINTS[b])
    for line in _FACE_LINES
    for a, b in zip(tuple(line)[:-1], tuple(line)[1:], strict=True)
)
_HEAD_BONES = (
    ("nose", "left_eye"),
    ("nose", "right_eye"),
    ("left_eye", "left_ear"),
    ("right_eye", "right_ear"),
)
_LIMB_BONES = tuple(
    (f"{side}_{a}", f"{side}_{b}")
    for side in ("left", "right")
    for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
)
_TORSO_BONES = (
    ("left_shoulder", "right_shoulder"),
    ("left_hip", "right_hip"),
    ("left_shoulder", "left_hip"),
    ("right_shoulder", "right_hip"),
)
_FOOT_BONES = tuple(
    (f"{side}_ankle", f"{side}_{point}")
    for side in ("left", "right")
    for point in ("big_toe", "small_toe", "heel")
)
_ASSOCIATION = ("nose", *_LIMBS)
_HAND_LINKS = tuple((f"{side}_wrist", f"{side}_hand_wrist") for side in ("left", "right"))


def _parts(keypoints: Sequence[str]) -> tuple[str, ...]:
    def part(name: str) -> str:
        if name.startswith(("left_hand_", "right_hand_")):
            return name.split("_")[0] + "_hand"
        if name in FACE_POINTS:
            return "face"
        return "feet" if name.endswith(("_toe", "_heel", "_foot_index")) else "body"

    return tuple(part(name) for name in keypoints)


def _skeleton(
    name: str,
    keypoints: tuple[str, ...],
    bones: tuple[tuple[str, str], ...],
    association: tuple[str, ...] = _ASSOCIATION,
) -> Skeleton:
    return Skeleton(name, keypoints, _parts(keypoints), bones, association)


COCO_17 = _skeleton("coco17", _COCO, _HEAD_BONES + _TORSO_BONES + _LIMB_BONES)

HALPE_26 = _skeleton(
    "halpe26",
    (
        *_COCO,
        *("head", "neck", "mid_hip"),
        *("left_big_toe", "right_big_toe", "left_small_toe", "right_small_toe"),
        *("left_heel", "right_heel"),
    ),
    _HEAD_BONES
    + _TORSO_BONES
    + _LIMB_BONES
    + _FOOT_BONES
    + (("head", "neck"), ("neck", "mid_hip")),
)

BODY_25 = _skeleton(
    "body25",
    (
        *("nose", "neck", "right_shoulder", "right_elbow", "right_wrist"),
        *("left_shoulder", "left_elbow", "left_wrist", "mid_hip"),
        *("right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
        *("right_eye", "left_eye", "right_ear", "left_ear"),
        *("left_big_toe", "left_small_toe", "left_heel"),
        *("right_big_toe", "right_small_toe", "right_heel"),
    ),
    (
        *(("nose", "neck"), ("neck", "mid_hip"), ("neck", "left_shoulder")),
        *(("neck", "right_shoulder"), ("mid_hip", "left_hip"), ("mid_hip", "right_hip")),
        *_HEAD_BONES,
        *_LIMB_BONES,
        *_FOOT_BONES,
    ),
    ("neck", "mid_hip", *_ASSOCIATION),
)

COCO_WHOLEBODY_133 = _skeleton(
    "coco_wholebody133",
    (
        *_COCO,
        *("left_big_toe", "left_small_toe", "left_heel"),
        *("right_big_toe", "right_small_toe", "right_heel"),
        *FACE_POINTS,
        *hand_keypoints("left"),
        *hand_keypoints("right"),
    ),
    _HEAD_BONES
    + _TORSO_BONES
    + _LIMB_BONES
    + _FOOT_BONES
    + _FACE_BONES
    + _HAND_LINKS
    + _hand_bones("left")
    + _hand_bones("right"),
)

_BLAZEPOSE = (
    *("nose", "left_eye_inner", "left_eye", "left_eye_outer"),
    *("right_eye_inner", "right_eye", "right_eye_outer", "left_ear", "right_ear"),
    *("left_mouth", "right_mouth", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow"),
    *("left_wrist", "right_wrist", "left_pinky", "right_pinky", "left_index", "right_index"),
    *("left_thumb", "right_thumb", "left_hip", "right_hip", "left_knee", "right_knee"),
    *("left_ankle", "right_ankle", "left_heel", "right_heel", "left_big_toe", "right_big_toe"),
)
_BLAZEPOSE_FEET = tuple(
    (f"{side}_ankle", f"{side}_{point}")
    for side in ("left", "right")
    for point in ("big_toe", "heel")
)

BLAZEPOSE_WHOLEBODY = _skeleton(
    "blazepose_wholebody",
    (*_BLAZEPOSE, *hand_keypoints("left"), *hand_keypoints("right"), *FACE_POINTS),
    (
        *(*_HEAD_BONES, ("left_mouth", "right_mouth"), *_TORSO_BONES, *_LIMB_BONES),
        *(*_BLAZEPOSE_FEET, *_HAND_LINKS, *_hand_bones("left"), *_hand_bones("right")),
        *_FACE_BONES,
    ),
)

SKELETONS: dict[str, Skeleton] = {
    s.name: s for s in (COCO_17, HALPE_26, BODY_25, COCO_WHOLEBODY_133, BLAZEPOSE_WHOLEBODY)
}
"""All tables by name."""


def skeleton_by_name(name: str) -> Skeleton:
    """The table called `name`.

    Raises:
        SkeletonError: there is none; the message lists the names there are.
    """
    try:
        return SKELETONS[name]
    except KeyError:
        raise SkeletonError(
            f"unknown skeleton {name!r}; known skeletons are {valid_choices(SKELETONS)}"
        ) from None


def skeleton_of_keypoints(names: Sequence[str]) -> Skeleton:
    """The table whose keypoints are exactly `names`, in this order, however they are spelled.

    `LShoulder`, `left_shoulder` and `Left Shoulder` are the same name.

    Raises:
        SkeletonError: no table has these keypoints.
    """
    wanted = tuple(canonical_keypoint(name) for name in names)
    for skeleton in SKELETONS.values():
        if wanted == tuple(canonical_keypoint(name) for name in skeleton.keypoints):
            return skeleton
    known = ", ".join(f"{s.name} ({len(s)} keypoints)" for s in SKELETONS.values())
    raise SkeletonError(
        f"unknown skeleton: no table has these {len(names)} keypoints in this order "
        f"({valid_choices(names, 6)}); known skeletons are {known}"
    )


def canonical_keypoint(name: str) -> str:
    """A spelling-independent form of a keypoint name, for comparison only."""
    plain = "".join(c for c in str(name).lower() if c.isalnum())
    for side in ("left", "right"):
        if plain.startswith(side):
            return side[0] + plain.removeprefix(side)
    return plain
