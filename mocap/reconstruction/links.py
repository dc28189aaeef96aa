"""Soft constraints between keypoints of one body: lengths that hardly change.

Bones, and distances between other points of the trunk and head, which brace it. They start with
the lengths of an average adult and are learnt per person; left and right share one length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float, Int
from mocap.model import Skeleton
from mocap.model.skeleton import mirrored_name

_ADULT_M = {
    ("right_shoulder", "right_elbow"): 0.30,
    ("right_elbow", "right_wrist"): 0.25,
    ("right_hip", "right_knee"): 0.42,
    ("right_knee", "right_ankle"): 0.42,
    ("right_ankle", "right_heel"): 0.07,
    ("right_ankle", "right_big_toe"): 0.20,
    ("right_heel", "right_big_toe"): 0.23,
    ("right_big_toe", "right_small_toe"): 0.07,
    ("neck", "right_shoulder"): 0.18,
    ("mid_hip", "right_hip"): 0.11,
    ("neck", "mid_hip"): 0.52,
    ("nose", "neck"): 0.24,
    ("neck", "right_ear"): 0.20,
    ("nose", "right_ear"): 0.13,
    ("nose", "right_eye"): 0.05,
    ("left_ear", "right_ear"): 0.15,
    ("left_eye", "right_eye"): 0.065,
    ("right_eye", "right_ear"): 0.10,
    ("left_shoulder", "right_ear"): 0.26,
    ("right_shoulder", "right_ear"): 0.22,
    ("left_shoulder", "right_shoulder"): 0.36,
    ("left_hip", "right_hip"): 0.22,
    ("right_shoulder", "right_hip"): 0.52,
}
"""Distances of an adult of 1.75 m as detectors place the keypoints, metres; one side of each."""


@dataclass(frozen=True)
class Links:
    """The links of one skeleton.

    Attributes:
        ends: keypoint positions of each link.
        slot: which length each link has; mirror images share theirs.
        adult_m: average length of each slot.
        of_keypoint: positions of the links of each keypoint, -1 where there are fewer.
    """

    ends: Int[np.ndarray, "links 2"]
    slot: Int[np.ndarray, " links"]
    adult_m: Float[np.ndarray, " slots"]
    of_keypoint: Int[np.ndarray, "keypoints most"]


def links_of(skeleton: Skeleton) -> Links:
    """The links between keypoints that the skeleton has."""
    ends: list[tuple[int, int]] = []
    slots: list[int] = []
    lengths: list[float] = []
    for (a, b), length in _ADULT_M.items():
        both = {(a, b), (mirrored_name(a), mirrored_name(b))}
        unique = {tuple(sorted(pair)) for pair in both}
        there = sorted(pair for pair in unique if pair[0] in skeleton and pair[1] in skeleton)
        if there:
            ends += [(skeleton.index(p), skeleton.index(q)) for p, q in there]
            slots += [len(lengths)] * len(there)
            lengths.append(length)
    pairs = np.array(ends, np.int64).reshape(-1, 2)
    most = max((int((pairs == k).sum()) for k in range(len(skeleton))), default=0)
    of_keypoint = np.full((len(skeleton), max(most, 1)), -1)
    for k in range(len(skeleton)):
        own = np.flatnonzero((pairs == k).any(axis=1))
        of_keypoint[k, : len(own)] = own
    return Links(pairs, np.array(slots, np.int64), np.array(lengths), of_keypoint)
