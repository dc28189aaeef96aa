"""One person's keypoints as a humanoid skeleton: constant bones, joint rotations, no gaps.

The solve is analytic, frame by frame; only the twist of the limbs and the filling of gaps look at
neighbouring frames. The result is in a Y-up frame, as animation programs use it: the world's
(x, y, z), Z-up, becomes (x, z, -y).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mocap.arrays import Bool, Float, Int
from mocap.errors import InputError
from mocap.export.axes import y_up
from mocap.export.humanoid_parts import (
    solve_arms,
    solve_fingers,
    solve_head,
    solve_legs,
    solve_torso,
)
from mocap.export.humanoid_pose import KeypointSeries, PoseBuilder
from mocap.export.humanoid_tree import STATURE_OF_TRUNK, humanoid_tree
from mocap.export.rotation_series import measured_rows
from mocap.model import Motion

_REQUIRED = ("left_hip", "right_hip", "left_shoulder", "right_shoulder")
_MOST_FRAMES = 2_000_000
"""More frames than this (over nine hours at 60 Hz) are taken for wrong frame numbers."""


@dataclass(frozen=True)
class Humanoid:
    """A humanoid skeleton and its motion, Y-up, metres; left is +X in the rest pose, facing +Z.

    The rest pose is a T-pose in which all rotations are the identity.

    Attributes:
        person_id: whose motion it is.
        joints: joint names, depth first; the first one is the root.
        parents: index of each joint's parent; -1 for the root.
        rest_offsets_m: offset of each joint from its parent in the rest pose; zero for the root.
        end_offsets_m: offset of the end of the body from its last joint; NaN for joints that have
            children.
        frame: frame numbers, without gaps.
        frame_time_s: seconds from one frame to the next.
        root_positions_m: positions of the root.
        local_rotations: rotation of each joint relative to its parent (of the root relative to
            the world).
        joint_positions_m: forward kinematics of the above.
        present: whether the person was there in the frame.
        measured: whether the joint's rotation was measured in the frame, rather than interpolated;
            true for joints that are rigid with their parent.
        unmeasured: joints which were never measured and keep their rest rotation.
        assumed_lengths: joints (and ends, `HeadEnd`) whose offset comes from body proportions
            because it was never measured.
        distance_mm: median distance of a joint from the keypoint it stands for.
    """

    person_id: int
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    rest_offsets_m: Float[np.ndarray, "joints 3"]
    end_offsets_m: Float[np.ndarray, "joints 3"]
    frame: Int[np.ndarray, " frames"]
    frame_time_s: float
    root_positions_m: Float[np.ndarray, "frames 3"]
    local_rotations: Float[np.ndarray, "frames joints 3 3"]
    joint_positions_m: Float[np.ndarray, "frames joints 3"]
    present: Bool[np.ndarray, " frames"]
    measured: Bool[np.ndarray, "frames joints"]
    unmeasured: tuple[str, ...]
    assumed_lengths: tuple[str, ...]
    distance_mm: dict[str, float]

    @property
    def bone_lengths_m(self) -> dict[str, float]:
        """Length of each bone, by the joint at its far end (`HeadEnd` and so on for the ends)."""
        lengths: dict[str, float] = {}
        for joint, offset, end in zip(
            self.joints, self.rest_offsets_m, self.end_offsets_m, strict=True
        ):
            if joint != self.joints[0]:
                lengths[joint] = float(np.linalg.norm(offset))
            if np.isfinite(end).all():
                lengths[f"{joint}End"] = float(np.linalg.norm(end))
        return lengths


def solve_humanoid(person: Motion, *, fingers: bool = False) -> Humanoid:
    """Solves the skeleton of one person.

    Frames run from the person's first to the last without gaps. What is missing in between is
    interpolated: joint rotations on the shortest arc, the root linearly; at both ends the nearest
    measured pose is held.

    Args:
        person: the rows of one person, in any skeleton whose keypoints have the usual names.
        fingers: whether to add three joints per finger.

    Raises:
        InputError: the rows are not those of one person, there are too few, or hips or shoulders
            were never measured; the message says what is missing.
    """
    person_id = _checked_person_id(person)
    rows = person.frame - person.frame[0]
    frames = int(rows[-1]) + 1
    points_m = np.full((frames, len(person.skeleton), 3), np.nan)
    points_m[rows] = y_up(person.points_m)
    points = KeypointSeries(person.skeleton, points_m)
    _check_trunk(points, person_id)

    trunk = points.middle("left_shoulder", "right_shoulder") - points.middle(
        "left_hip", "right_hip"
    )
    stature_m = STATURE_OF_TRUNK * float(np.nanmedian(np.linalg.norm(trunk, axis=1)))
    pose = PoseBuilder(humanoid_tree(fingers=fingers), frames, stature_m)
    solve_torso(pose, points)
    solve_head(pose, points)
    solve_arms(pose, points)
    if fingers:
        solve_fingers(pose, points)
    solve_legs(pose, points)
    return _humanoid(pose, person, person_id, rows)


def _humanoid(pose: PoseBuilder, person: Motion, person_id: int, rows: np.ndarray) -> Humanoid:
    joints = pose.tree.joints
    positions_m = pose.joint_positions_m()
    measured = np.ones((pose.frames, len(joints)), dtype=bool)
    for joint, frames in pose.measured.items():
        measured[:, joints.index(joint)] = frames
    measured[:, 0] &= measured_rows(pose.targets_m["Hips"])
    present = np.zeros(pose.frames, dtype=bool)
    present[rows] = True
    distance_mm: dict[str, float] = {}
    for joint in joints:
        if joint not in pose.targets_m:
            continue
        gap = np.linalg.norm(positions_m[:, joints.index(joint)] - pose.targets_m[joint], axis=1)
        if np.isfinite(gap).any():
            distance_mm[joint] = 1000.0 * float(np.nanmedian(gap))
    none = np.full(3, np.nan)
    return Humanoid(
        person_id=person_id,
        joints=joints,
        parents=pose.tree.parents,
        rest_offsets_m=np.stack([pose.rest_offsets_m[joint] for joint in joints]),
        end_offsets_m=np.stack([pose.end_offsets_m.get(joint, none) for joint in joints]),
        frame=person.frame[0] + np.arange(pose.frames),
        frame_time_s=float(np.median(np.diff(person.time_s) / np.diff(person.frame))),
        root_positions_m=pose.root_positions_m,
        local_rotations=np.stack([pose.local_rotations[joint] for joint in joints], axis=1),
        joint_positions_m=positions_m,
        present=present,
        measured=measured,
        unmeasured=tuple(pose.unmeasured),
        assumed_lengths=tuple(pose.assumed_lengths),
        distance_mm=distance_mm,
    )


def _checked_person_id(person: Motion) -> int:
    ids = person.person_ids
    if len(ids) != 1:
        raise InputError(
            f"a skeleton is solved for one person, got the rows of {len(ids)}; "
            f"choose one with Motion.person(id)"
        )
    if len(person) < 2:
        raise InputError(
            f"person {ids[0]} is in one frame only, and a motion needs at least two; "
            f"leave this person out"
        )
    if (np.diff(person.frame) <= 0).any() or (np.diff(person.time_s) <= 0).any():
        raise InputError(
            f"the frames of person {ids[0]} are not in order of time; the session's frame numbers "
            f"or times are damaged"
        )
    span = int(person.frame[-1] - person.frame[0])
    if span >= _MOST_FRAMES:
        raise InputError(
            f"person {ids[0]} is spread over {span + 1} frames, at most {_MOST_FRAMES} can be "
            f"exported; check the frame numbers or export a part of the session"
        )
    return ids[0]


def _check_trunk(points: KeypointSeries, person_id: int) -> None:
    lacking = [name for name in _REQUIRED if name not in points]
    if lacking:
        raise InputError(
            f"the skeleton has no {', '.join(lacking)}, which a humanoid needs; detect with a "
            f"whole-body skeleton such as halpe26"
        )
    seen = {name: measured_rows(points[name]) for name in _REQUIRED}
    never = [name for name, rows in seen.items() if not rows.any()]
    if never:
        raise InputError(
            f"person {person_id}: {', '.join(never)} never measured, and a humanoid needs both "
            f"hips and both shoulders; leave this person out or check the calibration"
        )
    if not np.logical_and.reduce(list(seen.values())).any():
        raise InputError(
            f"person {person_id}: both hips and both shoulders are never measured in the same "
            f"frame, and a humanoid needs one such frame; leave this person out"
        )
