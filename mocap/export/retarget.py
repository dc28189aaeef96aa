"""A body motion on the user's own skeleton, given as a BVH file whose bones stay as they are.

Every joint of the target takes the turn of the joint it is mapped to, counted from a T-pose; the
target's own rest pose (an A-pose, say) is brought into a T-pose first. The way of the hips is
scaled by the length of the legs.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mocap.arrays import Float
from mocap.errors import InputError, valid_choices
from mocap.export.animation import Animation, animation, body_axes, t_pose_turns
from mocap.export.bvh import bvh_text
from mocap.export.bvh_file import BvhClip, read_bvh
from mocap.export.joint_names import joint_roles
from mocap.files import check_input, write_atomically
from mocap.geometry.kinematics import forward_kinematics
from mocap.model import BodyMotion

_NEEDED = tuple(f"{side}{part}" for side in ("Left", "Right") for part in ("UpLeg", "Leg", "Foot"))
_USUAL_ORDER = "ZXY"
_BONES = tuple(
    (f"{side}{a}", f"{side}{b}")
    for side in ("Left", "Right")
    for a, b in (
        *(("Shoulder", "Arm"), ("Arm", "ForeArm"), ("ForeArm", "Hand")),
        *(("UpLeg", "Leg"), ("Leg", "Foot"), ("Foot", "ToeBase")),
    )
)
"""Bones whose direction is compared."""


@dataclass(frozen=True)
class RetargetOptions:
    """Onto which skeleton a motion is brought.

    Attributes:
        target: a BVH file with that skeleton; its motion is not used.
        map: a TOML file that says which joint is which, or None to go by their names.
    """

    target: Path | None = None
    map: Path | None = None


@dataclass(frozen=True)
class Retargeted:
    """A motion on another skeleton.

    Attributes:
        content: skeleton and motion, in the axes and the unit of the target.
        orders: rotation order of each joint.
        mapped: the source's joint of each joint of the target that has one.
        direction_error_deg: per bone that both have, by its upper joint, the median angle between
            the two.
        position_error_m: median distance of each mapped joint from the source's, with the target
            scaled to the source's legs and laid on its hips.
    """

    content: Animation
    orders: tuple[str, ...]
    mapped: Mapping[str, str]
    direction_error_deg: Mapping[str, float]
    position_error_m: Mapping[str, float]


def write_retargeted(motion: BodyMotion, path: Path, options: RetargetOptions) -> tuple[str, ...]:
    """Writes the motion of one person as a BVH file with the target's skeleton.

    Args:
        motion: the motion.
        path: the file; an existing one is replaced.
        options: the target, and which joint is which.

    Returns:
        In words, how well the target follows.

    Raises:
        InputError: there is no target, it or the map is not usable, or legs are not mapped.
        OutputError: the folder cannot be written to.
    """
    if options.target is None:
        raise InputError("no skeleton to bring the motion onto; name one by --retarget TARGET.bvh")
    clip = read_bvh(options.target)
    source = animation(motion)
    names = {} if options.map is None else read_map(options.map)
    result = retarget(source, clip, str(options.target), names)
    text = bvh_text(result.content, unit="m", orders=result.orders)
    write_atomically(path, text.encode())
    worst = max(result.direction_error_deg, key=result.direction_error_deg.__getitem__)
    distances = list(result.position_error_m.values())
    free = [name for name in clip.names if name not in result.mapped]
    notes = [
        f"{len(result.mapped)} of {len(clip.names)} joints mapped",
        f"bones turned as the source's to {result.direction_error_deg[worst]:.1f} degrees or "
        f"better (worst {worst}); joints, scaled to the source's legs, median "
        f"{1000 * float(np.median(distances)):.0f} mm from them",
    ]
    if free:
        notes.append(f"left as at rest: {valid_choices(free, 8)}")
    return tuple(notes)


def read_map(path: Path) -> dict[str, str]:
    """Reads which joint is which: a TOML table `[joints]` of target = "source".

    Raises:
        InputError: the file is not one.
    """
    check_input(path, "joint map")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a TOML file ({error}); correct it") from error
    joints = content.get("joints")
    if not isinstance(joints, dict) or not all(isinstance(v, str) for v in joints.values()):
        raise InputError(
            f'{path} has no table [joints] with lines such as "Bip01 L UpperArm" = "LeftArm"; '
            f"add it"
        )
    return {str(target): str(source) for target, source in joints.items()}


def retarget(
    source: Animation, clip: BvhClip, name: str, names: Mapping[str, str] | None = None
) -> Retargeted:
    """Brings a motion onto another skeleton.

    Args:
        source: the motion, with a T-pose at rest.
        clip: the target.
        name: of the target, for messages.
        names: which joint of the source (by its name, or the part it plays) moves each joint of
            the target; "" for none. What is not named goes by the names of the target's joints.

    Raises:
        InputError: a name is unknown, or the legs of the target are not known.
    """
    mapped = _mapping(source, clip, name, names or {})
    role_of = {joint: role for role, joint in source.roles.items()}
    roles = {role_of[s]: t for t, s in mapped.items() if s in role_of}
    lacking = [role for role in _NEEDED if role not in roles]
    if lacking:
        raise InputError(
            f"{name} has no joint for {valid_choices(lacking)}; its joints are "
            f"{valid_choices(clip.names, 40)}; say which is which by --map MAP.toml"
        )
    rest = clip.rest()
    B = body_axes(rest, roles)
    A = t_pose_turns(rest @ B.T, clip.parents, roles)
    frames, joints = len(source.root_positions_m), len(clip.names)
    source_place, source_turn = forward_kinematics(
        source.parents, source.rest(), source.root_positions_m, source.local_rotations
    )
    # Turns of the target's joints from its rest pose, in the source's Y-up axes.
    turn = np.tile(np.eye(3), (frames, joints, 1, 1))
    for joint, parent in enumerate(clip.parents):
        if joint in mapped:
            turn[:, joint] = source_turn[:, mapped[joint]] @ A[joint]
        elif parent >= 0:
            turn[:, joint] = turn[:, parent]
    local = turn.copy()
    for joint, parent in enumerate(clip.parents):
        if parent >= 0:
            local[:, joint] = np.swapaxes(turn[:, parent], 1, 2) @ turn[:, joint]
    local = B.T @ local @ B

    scale = _legs(rest, roles) / _legs(source.rest(), source.roles)
    hips = _middle(source_place, source.roles)
    placed, _ = forward_kinematics(clip.parents, rest, np.zeros(3), local)
    root = scale * hips @ B - _middle(placed, roles)
    content = Animation(
        names=clip.names,
        parents=clip.parents,
        roles=roles,
        rest_offsets_m=clip.offsets,
        end_offsets_m=clip.ends,
        frame_time_s=source.frame_time_s,
        root_positions_m=root,
        local_rotations=local,
        source=tuple(mapped.get(joint, -1) for joint in range(joints)),
        from_model=A @ B,
    )
    place = (placed + root[:, None]) @ B.T / scale
    return Retargeted(
        content=content,
        orders=tuple(o if len(o) == 3 else _USUAL_ORDER for o in clip.orders),
        mapped={clip.names[t]: source.names[s] for t, s in mapped.items()},
        direction_error_deg=_directions(place, roles, source_place, source.roles),
        position_error_m={
            clip.names[t]: float(
                np.median(np.linalg.norm(place[:, t] - source_place[:, s], axis=1))
            )
            for t, s in mapped.items()
        },
    )


def _mapping(
    source: Animation, clip: BvhClip, name: str, names: Mapping[str, str]
) -> dict[int, int]:
    """Index of the source's joint for each joint of the target that has one."""
    guessed = joint_roles(clip.names, clip.parents)
    found = {t: source.roles[role] for role, t in guessed.items() if role in source.roles}
    for target, wanted in names.items():
        if target not in clip.names:
            raise InputError(
                f"{name} has no joint {target!r}; its joints are {valid_choices(clip.names, 40)}"
            )
        joint = clip.names.index(target)
        if not wanted:
            found.pop(joint, None)
            continue
        known = {**{n: j for j, n in enumerate(source.names)}, **source.roles}
        if wanted not in known:
            raise InputError(
                f"the motion has no joint {wanted!r} for {target!r}; its joints are "
                f"{valid_choices(known, 60)}"
            )
        for other in [t for t, s in found.items() if s == known[wanted] and t not in names]:
            del found[other]
        found[joint] = known[wanted]
    return dict(sorted(found.items()))


def _legs(rest: Float[np.ndarray, "joints 3"], roles: Mapping[str, int]) -> float:
    """Length of both legs together."""
    total = 0.0
    for side in ("Left", "Right"):
        hip, knee, ankle = (rest[roles[f"{side}{part}"]] for part in ("UpLeg", "Leg", "Foot"))
        total += float(np.linalg.norm(knee - hip) + np.linalg.norm(ankle - knee))
    return total


def _middle(
    place: Float[np.ndarray, "frames joints 3"], roles: Mapping[str, int]
) -> Float[np.ndarray, "frames 3"]:
    """Between the hips."""
    return 0.5 * (place[:, roles["LeftUpLeg"]] + place[:, roles["RightUpLeg"]])


def _directions(
    place: Float[np.ndarray, "frames joints 3"],
    roles: Mapping[str, int],
    source_place: Float[np.ndarray, "frames source_joints 3"],
    source_roles: Mapping[str, int],
) -> dict[str, float]:
    """Median angle between the bones of both, degrees, by the bone's upper joint."""
    result: dict[str, float] = {}
    for a, b in _BONES:
        if not all(end in own for end in (a, b) for own in (roles, source_roles)):
            continue
        u = place[:, roles[b]] - place[:, roles[a]]
        v = source_place[:, source_roles[b]] - source_place[:, source_roles[a]]
        sine = np.linalg.norm(np.cross(u, v), axis=1)
        angle = np.rad2deg(np.arctan2(sine, np.sum(u * v, axis=1)))
        result[a] = float(np.median(angle))
    return result
