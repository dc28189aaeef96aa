"""What SMPL, SMPL-H and SMPL-X are: their joints, sizes and the vertices of their keypoints.

Sources: Loper et al., "SMPL: A Skinned Multi-Person Linear Model" (SIGGRAPH Asia 2015); Romero et
al., "Embodied Hands" (SIGGRAPH Asia 2017); Pavlakos et al., "Expressive Body Capture" (CVPR 2019).
Joints are named as in the `smplx` library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from mocap.errors import InputError, valid_choices
from mocap.model.body_motion import JointTree

GENDERS = ("neutral", "male", "female")

_BODY = (
    *("pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2"),
    *("left_ankle", "right_ankle", "spine3", "left_foot", "right_foot", "neck"),
    *("left_collar", "right_collar", "head", "left_shoulder", "right_shoulder"),
    *("left_elbow", "right_elbow", "left_wrist", "right_wrist"),
)
_BODY_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
_FINGERS = ("index", "middle", "pinky", "ring", "thumb")
"""The order in which the models have them."""


@dataclass(frozen=True)
class SmplKind:
    """One of the three models.

    Attributes:
        name: "smpl", "smplh" or "smplx".
        title: how its authors write it.
        tree: its joints.
        vertices: number of vertices of its mesh.
        website: where its files are to be had.
        keypoint_vertices: the vertices which lie at keypoints that are no joints, by the names of
            `mocap.model.skeletons`.
    """

    name: str
    title: str
    tree: JointTree
    vertices: int
    website: str
    keypoint_vertices: Mapping[str, int]

    @property
    def pose_parts(self) -> dict[str, slice]:
        """Which joints each of the pose parameters of the `smplx` library turns, in its order."""
        parts = {"global_orient": slice(0, 1)}
        if self.name == "smpl":
            return {**parts, "body_pose": slice(1, 24)}
        parts["body_pose"] = slice(1, 22)
        hands = 22
        if self.name == "smplx":
            parts |= {
                "jaw_pose": slice(22, 23),
                "leye_pose": slice(23, 24),
                "reye_pose": slice(24, 25),
            }
            hands = 25
        return {
            **parts,
            "left_hand_pose": slice(hands, hands + 15),
            "right_hand_pose": slice(hands + 15, hands + 30),
        }


def _tree(middle: tuple[str, ...], middle_parents: tuple[str, ...], fingers: bool) -> JointTree:
    names = _BODY + middle
    parents = list(_BODY_PARENTS) + [_BODY.index(p) for p in middle_parents]
    if fingers:
        for side in ("left", "right"):
            for finger in _FINGERS:
                chain = (f"{side}_wrist", *(f"{side}_{finger}{k}" for k in (1, 2, 3)))
                for parent, name in pairwise(chain):
                    parents.append(names.index(parent))
                    names += (name,)
    return JointTree(names, tuple(parents))


def _keypoint_vertices(
    face: tuple[int, ...], feet: tuple[int, ...], tips: tuple[int, ...]
) -> dict[str, int]:
    names = (
        *("nose", "right_eye", "left_eye", "right_ear", "left_ear"),
        *(f"{s}_{p}" for s in ("left", "right") for p in ("big_toe", "small_toe", "heel")),
        *(
            f"{side}_hand_{finger}_tip"
            for side in ("left", "right")
            for finger in ("thumb", "index", "middle", "ring", "pinky")
        ),
    )
    return dict(zip(names, face + feet + tips, strict=True))


_SMPL_VERTICES = _keypoint_vertices(
    (332, 6260, 2800, 4071, 583),
    (3216, 3226, 3387, 6617, 6624, 6787),
    (2746, 2319, 2445, 2556, 2673, 6191, 5782, 5905, 6016, 6133),
)
_SMPLX_VERTICES = _keypoint_vertices(
    (9120, 9929, 9448, 616, 6),
    (5770, 5780, 8846, 8463, 8474, 8635),
    (5361, 4933, 5058, 5169, 5286, 8079, 7669, 7794, 7905, 8022),
)

SMPL_KINDS: dict[str, SmplKind] = {
    kind.name: kind
    for kind in (
        SmplKind(
            "smpl",
            "SMPL",
            _tree(("left_hand", "right_hand"), ("left_wrist", "right_wrist"), fingers=False),
            6890,
            "https://smpl.is.tue.mpg.de",
            _SMPL_VERTICES,
        ),
        SmplKind(
            "smplh",
            "SMPL-H",
            _tree((), (), fingers=True),
            6890,
            "https://mano.is.tue.mpg.de",
            _SMPL_VERTICES,
        ),
        SmplKind(
            "smplx",
            "SMPL-X",
            _tree(
                ("jaw", "left_eye_smplhf", "right_eye_smplhf"),
                ("head", "head", "head"),
                fingers=True,
            ),
            10475,
            "https://smpl-x.is.tue.mpg.de",
            _SMPLX_VERTICES,
        ),
    )
}


def smpl_kind(name: str) -> SmplKind:
    """The model called "smpl", "smplh" or "smplx".

    Raises:
        InputError: there is none of this name.
    """
    if name not in SMPL_KINDS:
        raise InputError(
            f"no model {name!r} of the SMPL family; models are {valid_choices(SMPL_KINDS)}"
        )
    return SMPL_KINDS[name]


def check_gender(gender: str) -> None:
    """Checks that a gender is one of `GENDERS`.

    Raises:
        InputError: it is not.
    """
    if gender not in GENDERS:
        raise InputError(f"no gender {gender!r}; genders are {valid_choices(GENDERS)}")
