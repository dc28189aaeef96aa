"""A body motion as animation programs want it: Y-up, metres, a T-pose at rest, constant bones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mocap.arrays import Float
from mocap.export.axes import Y_UP
from mocap.export.joint_names import FINGERS, SIDES, joint_roles, plain_name
from mocap.geometry.rotations import matrix_from_quaternion, rotation_between
from mocap.model import BodyMotion

JointNames = Literal["mixamo", "mixamorig", "model"]

_ENDS = ("end", "nub", "tip", "top")
_DOWN, _LEFT = np.array([0.0, -1.0, 0.0]), np.array([1.0, 0.0, 0.0])
_SNAP = 0.9
"""Cosine beyond which a direction of the resting body counts as the axis next to it."""
_SHARE_OF_BONE = 0.5
"""Length of the end of a limb, where the model has none, in lengths of the bone before it."""
_LIMBS = (("Arm", "ForeArm"), ("ForeArm", "Hand"), ("UpLeg", "Leg"), ("Leg", "Foot"))


@dataclass(frozen=True)
class Animation:
    """A skeleton and its motion, Y-up, metres; a person at rest has the left at +X and faces +Z.

    Joints stand depth first, as hierarchical files list them.

    Attributes:
        names: of the joints.
        parents: index of each joint's parent; -1 for the root.
        roles: which joint plays which part of a humanoid; see `joint_roles`.
        rest_offsets_m: offset of each joint from its parent at rest; of the root its rest height.
        end_offsets_m: offset of the end of a limb from its last joint; NaN for joints that have
            children.
        frame_time_s: seconds from one frame to the next.
        root_positions_m: positions of the root.
        local_rotations: of each joint relative to its parent, of the root to the world; the
            identity at rest.
        source: index in the body motion of each joint.
        from_model: turns of each joint from the rest pose of the body model, in the model's frame,
            to the rest pose here.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    roles: Mapping[str, int]
    rest_offsets_m: Float[np.ndarray, "joints 3"]
    end_offsets_m: Float[np.ndarray, "joints 3"]
    frame_time_s: float
    root_positions_m: Float[np.ndarray, "frames 3"]
    local_rotations: Float[np.ndarray, "frames joints 3 3"]
    source: tuple[int, ...]
    from_model: Float[np.ndarray, "joints 3 3"]

    def rest(self) -> Float[np.ndarray, "joints 3"]:
        """Positions of the joints at rest."""
        result = self.rest_offsets_m.copy()
        for joint, parent in enumerate(self.parents):
            if parent >= 0:
                result[joint] += result[parent]
        return result


def animation(
    motion: BodyMotion,
    *,
    names: JointNames = "mixamo",
    fingers: bool = True,
    t_pose: bool = True,
    ends: bool = True,
    rate_hz: float = 30.0,
) -> Animation:
    """A body motion as an animation.

    Args:
        motion: the motion, on any body model.
        names: Mixamo's for the joints that have one there, the same with their prefix
            `mixamorig:`, or the model's own.
        fingers: whether to keep the joints of the fingers.
        t_pose: whether to turn arms and legs of the rest pose into a T-pose.
        ends: whether joints that only give the end of a limb its length ("HeadTop_End") become
            ends; else they stay joints.
        rate_hz: the frame rate, where the motion has a single frame.
    """
    tree = motion.tree
    roles = joint_roles(tree.names, tree.parents)
    B = body_axes(motion.rest_joints_m, roles)
    rest = motion.rest_joints_m @ B.T
    A = t_pose_turns(rest, tree.parents, roles if t_pose else {})
    local = B @ matrix_from_quaternion(motion.rotations) @ B.T
    offsets = np.zeros((len(tree), 3))
    for j in range(1, len(tree)):
        a = tree.parents[j]
        offsets[j] = A[a] @ (rest[j] - rest[a])
    offsets[0] = _on_the_floor(rest[0], offsets, tree.parents)
    local[:, 1:] = A[list(tree.parents[1:])] @ local[:, 1:] @ np.swapaxes(A[1:], 1, 2)
    local[:, 0] = Y_UP @ matrix_from_quaternion(motion.rotations[:, 0]) @ B.T

    tips = {j: a for j, a in enumerate(tree.parents) if ends and a >= 0 and _is_end(motion, j)}
    order = _depth_first(tree.parents, _left_out(motion, roles, fingers=fingers) | set(tips))
    position = {joint: i for i, joint in enumerate(order)}
    kept_roles = {role: position[j] for role, j in roles.items() if j in position}
    parents = tuple(position.get(tree.parents[j], -1) for j in order)
    end_offsets = np.full((len(order), 3), np.nan)
    for i, joint in enumerate(order):
        if i in parents:
            continue
        own = [offsets[end] for end, parent in tips.items() if parent == joint]
        end_offsets[i] = own[0] if own else _guessed_end(joint, offsets, roles, tree.parents)
    frame_time = motion.frame_time_s
    return Animation(
        names=_spelled([tree.names[j] for j in order], kept_roles, names),
        parents=parents,
        roles=kept_roles,
        rest_offsets_m=offsets[order],
        end_offsets_m=end_offsets,
        frame_time_s=frame_time if np.isfinite(frame_time) and frame_time > 0 else 1.0 / rate_hz,
        root_positions_m=motion.root_position_m @ Y_UP.T,
        local_rotations=local[:, order],
        source=tuple(order),
        from_model=A[order] @ B,
    )


def body_axes(
    rest: Float[np.ndarray, "joints 3"], roles: Mapping[str, int]
) -> Float[np.ndarray, "3 3"]:
    """From the frame of a model to left, up, forward of the resting body.

    Where the model is not a humanoid, its frame is taken to be Z-up, facing -Y.

    Args:
        rest: joints at rest, in the frame of the model.
        roles: which of them plays which part; see `joint_roles`.
    """
    needed = ("LeftUpLeg", "RightUpLeg", "LeftFoot", "RightFoot")
    if not all(role in roles for role in needed):
        return Y_UP
    left_hip, right_hip, left_foot, right_foot = (rest[roles[role]] for role in needed)
    up = _nearest_axis(0.5 * (left_hip + right_hip - left_foot - right_foot), always=True)
    left = left_hip - right_hip
    left = left - up * (left @ up)
    if not np.linalg.norm(left) > 0:
        return Y_UP
    left = _nearest_axis(left / np.linalg.norm(left))
    return np.stack([left, up, np.cross(left, up)])


def _nearest_axis(
    direction: Float[np.ndarray, " 3"], *, always: bool = False
) -> Float[np.ndarray, " 3"]:
    axis = int(np.argmax(np.abs(direction)))
    if not always and np.abs(direction[axis]) < _SNAP:
        return direction
    return np.sign(direction[axis]) * np.eye(3)[axis]


def t_pose_turns(
    rest: Float[np.ndarray, "joints 3"], parents: Sequence[int], roles: Mapping[str, int]
) -> Float[np.ndarray, "joints 3 3"]:
    """Turns of the joints, in the body's axes, that bring the rest pose into a T-pose.

    Arms to the sides, hands with the arms, legs straight down, feet as they were.

    Args:
        rest: joints at rest: left, up, forward.
        parents: index of each joint's parent.
        roles: which joint plays which part.
    """
    wanted: dict[int, tuple[int, np.ndarray]] = {}
    upright: set[int] = set()
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        for part, child in _LIMBS:
            joint, end = roles.get(side + part), roles.get(side + child)
            if joint is not None and end is not None:
                wanted[joint] = (end, sign * _LEFT if "Arm" in part else _DOWN)
        if f"{side}Foot" in roles:
            upright.add(roles[f"{side}Foot"])
    A = np.tile(np.eye(3), (len(parents), 1, 1))
    for j, parent in enumerate(parents):
        if parent >= 0 and j not in upright:
            A[j] = A[parent]
        if j in wanted:
            end, direction = wanted[j]
            bone = A[j] @ (rest[end] - rest[j])
            if np.linalg.norm(bone) > 0:
                A[j] = rotation_between(bone, direction) @ A[j]
    return A


def _on_the_floor(
    root: Float[np.ndarray, " 3"], offsets: Float[np.ndarray, "joints 3"], parents: Sequence[int]
) -> Float[np.ndarray, " 3"]:
    """Where the root is at rest: above the origin, so high that no joint is below the floor."""
    height = np.zeros(len(parents))
    for j in range(1, len(parents)):
        height[j] = height[parents[j]] + offsets[j, 1]
    return np.array([0.0, max(float(root[1]), -float(height.min())), 0.0])


def _is_end(motion: BodyMotion, joint: int) -> bool:
    """Whether a joint only marks the end of the one above it."""
    if joint in motion.tree.parents:
        return False
    name = plain_name(motion.tree.names[joint])
    siblings = motion.tree.parents.count(motion.tree.parents[joint])
    tip = any(name.endswith(f"{finger.lower()}4") for finger in FINGERS)
    return siblings == 1 and (tip or name.endswith(_ENDS))


def _left_out(motion: BodyMotion, roles: Mapping[str, int], *, fingers: bool) -> set[int]:
    """Fingers, with all that hangs on them, if they are not wanted."""
    if fingers:
        return set()
    gone = {roles[r] for side in SIDES for f in FINGERS if (r := f"{side}Hand{f}1") in roles}
    for joint, parent in enumerate(motion.tree.parents):
        if parent in gone:
            gone.add(joint)
    return gone


def _depth_first(parents: Sequence[int], without: set[int]) -> list[int]:
    order: list[int] = []
    waiting = [0]
    while waiting:
        joint = waiting.pop()
        order.append(joint)
        children = [c for c, p in enumerate(parents) if p == joint and c not in without]
        waiting += reversed(children)
    return order


def _guessed_end(
    joint: int,
    offsets: Float[np.ndarray, "joints 3"],
    roles: Mapping[str, int],
    parents: Sequence[int],
) -> Float[np.ndarray, " 3"]:
    """Where the end of a limb is that the model does not have."""
    own = offsets[joint]
    length = float(np.linalg.norm(own))
    if joint == roles.get("Head"):
        return np.array([0.0, max(length, 0.1), 0.0])
    if joint in (roles.get("LeftToeBase"), roles.get("RightToeBase")):
        return np.array([0.0, 0.0, _SHARE_OF_BONE * length])
    if parents[joint] < 0 or length == 0:
        return np.array([0.0, 0.05, 0.0])
    return _SHARE_OF_BONE * own


def _spelled(own: Sequence[str], roles: Mapping[str, int], names: JointNames) -> tuple[str, ...]:
    """The joints' names, none of them twice and none with blanks."""
    plain = ["".join("_" if c.isspace() else c for c in name) for name in own]
    if names == "model":
        return tuple(plain)
    if not ("Hips" in plain and "LeftForeArm" in plain):
        # Names that are Mixamo's already stay as they are.
        role_of = {joint: role for role, joint in roles.items()}
        plain = [role_of.get(i, name) for i, name in enumerate(plain)]
        for i, name in enumerate(plain):
            if i not in role_of and plain.count(name) > 1:
                plain[i] = f"{own[i]}_{i}"
    prefix = "mixamorig:" if names == "mixamorig" else ""
    return tuple(prefix + name for name in plain)
