"""What is gathered while a humanoid is solved: rest offsets, rotations, and what was measured.

Joints are given in the order of the tree, so that a parent's gaps are filled before its children
are expressed relative to it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mocap.arrays import Bool, Float
from mocap.export.humanoid_tree import FRACTIONS, Tree
from mocap.export.rotation_series import fill_positions, fill_rotations, measured_rows
from mocap.model import Skeleton

_SHORTEST, _LONGEST = 0.5, 1.7
"""Lengths within a rigid part, in medians, between which a frame is believed."""


class KeypointSeries:
    """Named keypoints over time, NaN where they are missing.

    Args:
        skeleton: names of the keypoints.
        points_m: positions, metres.
    """

    def __init__(self, skeleton: Skeleton, points_m: Float[np.ndarray, "frames keypoints 3"]):
        self._skeleton = skeleton
        self._points_m = points_m

    def __getitem__(self, name: str) -> Float[np.ndarray, "frames 3"]:
        """The keypoint's positions; all NaN when the skeleton lacks it."""
        if name not in self._skeleton:
            return np.full((len(self._points_m), 3), np.nan)
        return self._points_m[:, self._skeleton.index(name)]

    def __contains__(self, name: str) -> bool:
        return name in self._skeleton

    def first_of(self, *names: str) -> Float[np.ndarray, "frames 3"]:
        """Per frame, the first of the named keypoints which is there."""
        return first_finite(*(self[name] for name in names))

    def middle(self, first: str, second: str) -> Float[np.ndarray, "frames 3"]:
        """The midpoint of two keypoints; NaN where either is missing."""
        return 0.5 * (self[first] + self[second])


def first_finite(*choices: Float[np.ndarray, "frames 3"]) -> Float[np.ndarray, "frames 3"]:
    """Per frame, the first choice which is not NaN."""
    result = choices[0]
    for other in choices[1:]:
        result = np.where(np.isfinite(result).all(axis=1, keepdims=True), result, other)
    return result


def median_vector(vectors: Float[np.ndarray, "frames 3"]) -> Float[np.ndarray, " 3"] | None:
    """Median over the measured frames, per coordinate; None when there are none."""
    rows = measured_rows(vectors)
    return np.median(vectors[rows], axis=0) if rows.any() else None


def median_length(vectors: Float[np.ndarray, "frames 3"]) -> float | None:
    """Median length over the measured frames; None when there are none."""
    rows = measured_rows(vectors)
    return float(np.median(np.linalg.norm(vectors[rows], axis=1))) if rows.any() else None


def without_misfits(*vectors: Float[np.ndarray, "frames 3"]) -> list[Float[np.ndarray, "frames 3"]]:
    """Vectors within one rigid part, NaN in frames where any is far from its median length.

    A hand whose knuckles are suddenly twice as far apart was not measured: its direction is noise.
    """
    keep = np.ones(len(vectors[0]), dtype=bool)
    for series in vectors:
        usual = median_length(series)
        if usual is not None:
            length = np.linalg.norm(series, axis=1)
            keep &= (length > _SHORTEST * usual) & (length < _LONGEST * usual)
    return [np.where(keep[:, None], series, np.nan) for series in vectors]


def common_length(*vectors: Float[np.ndarray, "frames 3"]) -> float | None:
    """Mean of the median lengths of those series which were measured; None when none was."""
    medians = [m for m in map(median_length, vectors) if m is not None]
    return float(np.mean(medians)) if medians else None


class PoseBuilder:
    """Joint rotations and rest offsets, growing from the root outwards.

    Args:
        tree: the joints.
        frames: length of the series.
        stature_m: body height which lengths that were never measured are derived from.

    Attributes:
        rest_offsets_m: offset of each joint from its parent in the rest pose.
        end_offsets_m: per joint without children, the offset of its end from it.
        rotations: per joint, its rotations relative to the world, without gaps.
        local_rotations: per joint, its rotations relative to its parent, without gaps.
        measured: per joint whose rotation is measured at all, in which frames it was.
        targets_m: per joint, the keypoint it stands for; NaN where missing.
        assumed_lengths: joints whose offset comes from body proportions, not from this person.
        unmeasured: joints which could have been measured but never were; they keep their rest
            rotation.
    """

    def __init__(self, tree: Tree, frames: int, stature_m: float):
        self.tree = tree
        self.frames = frames
        self.stature_m = stature_m
        self.root_positions_m = np.zeros((frames, 3))
        self.rest_offsets_m: dict[str, np.ndarray] = {}
        self.end_offsets_m: dict[str, np.ndarray] = {}
        self.rotations: dict[str, np.ndarray] = {}
        self.local_rotations: dict[str, np.ndarray] = {}
        self.measured: dict[str, Bool[np.ndarray, " frames"]] = {}
        self.targets_m: dict[str, np.ndarray] = {}
        self.assumed_lengths: list[str] = []
        self.unmeasured: list[str] = []
        self._parent = {
            name: tree.joints[parent] if parent >= 0 else ""
            for name, parent in zip(tree.joints, tree.parents, strict=True)
        }

    def set_root(self, positions_m: Float[np.ndarray, "frames 3"]) -> None:
        """Sets where the root is; gaps are filled linearly."""
        self.root_positions_m = fill_positions(positions_m)
        self.targets_m["Hips"] = positions_m

    def rotate(self, joint: str, rotations: Float[np.ndarray, "frames 3 3"]) -> None:
        """Sets a joint's rotations relative to the world; NaN frames are filled.

        The gaps are filled in the rotation relative to the parent: a hand that is hidden keeps its
        pose on an arm that moves.
        """
        parent = self._parent[joint]
        local = np.swapaxes(self.rotations[parent], 1, 2) @ rotations if parent else rotations
        self.measured[joint] = measured_rows(local)
        if not self.measured[joint].any():
            self.unmeasured.append(joint)
        self._set_local(joint, fill_rotations(local))

    def keep_rest(self, joint: str) -> None:
        """Fixes a joint to its parent as in the rest pose."""
        self._set_local(joint, np.broadcast_to(np.eye(3), (self.frames, 3, 3)))

    def _set_local(self, joint: str, local: Float[np.ndarray, "frames 3 3"]) -> None:
        parent = self._parent[joint]
        self.local_rotations[joint] = local
        self.rotations[joint] = self.rotations[parent] @ local if parent else local

    def turned(self, joint: str, vector: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "frames 3"]:
        """A vector given in a joint's frame, in the world, over time."""
        return self.rotations[joint] @ vector

    def in_frame(
        self, joint: str, vectors: Float[np.ndarray, "frames 3"]
    ) -> Float[np.ndarray, "frames 3"]:
        """World vectors in a joint's frame; NaN, too, where the joint was not measured."""
        turned = np.swapaxes(self.rotations[joint], 1, 2) @ vectors[..., None]
        measured = self.measured[joint][:, None]
        return np.where(measured, np.squeeze(turned, axis=-1), np.nan)

    def length(
        self, joints: Sequence[str], fraction: str, *vectors: Float[np.ndarray, "frames 3"]
    ) -> float:
        """One length for several joints: the mean of the medians of what was measured.

        Args:
            joints: the joints whose offset it is, for the report.
            fraction: key of `FRACTIONS`, the length to assume when nothing was measured.
            vectors: along the segment, one series per side of the body.
        """
        measured = common_length(*vectors)
        if measured is not None:
            return measured
        self.assumed_lengths += joints
        return FRACTIONS[fraction] * self.stature_m

    def joint_positions_m(self) -> Float[np.ndarray, "frames joints 3"]:
        """Forward kinematics: where all joints are."""
        positions: dict[str, np.ndarray] = {}
        for joint in self.tree.joints:
            parent = self._parent[joint]
            positions[joint] = (
                positions[parent] + self.turned(parent, self.rest_offsets_m[joint])
                if parent
                else self.root_positions_m
            )
        return np.stack([positions[joint] for joint in self.tree.joints], axis=1)


def mirrored_mean(
    left: Float[np.ndarray, " 3"] | None, right: Float[np.ndarray, " 3"] | None
) -> Float[np.ndarray, " 3"] | None:
    """Mean of a left and a right offset, as a left one; None when both are missing."""
    flip = np.array((-1.0, 1.0, 1.0))
    sides = [v for v in (left, None if right is None else right * flip) if v is not None]
    return np.mean(sides, axis=0) if sides else None


def on_side(side: str, left_offset: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " 3"]:
    """A left offset, or its mirror image for the right side."""
    return left_offset if side == "Left" else left_offset * (-1.0, 1.0, 1.0)
