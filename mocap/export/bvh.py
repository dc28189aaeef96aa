"""BVH files for animation programs: one person each, a T-pose at rest, constant bones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Literal

import numpy as np

from mocap.arrays import Float
from mocap.errors import InputError, valid_choices
from mocap.export.animation import Animation, JointNames, animation
from mocap.export.axes import UNIT_SCALE
from mocap.export.joint_names import SIDES
from mocap.export.rotation_series import continuous_euler
from mocap.files import write_atomically
from mocap.model import BodyMotion

_UNITS = ("cm", "m")
_ORDERS = tuple("".join(order) for order in permutations("XYZ"))
Fingers = Literal["auto", "yes", "no"]


@dataclass(frozen=True)
class BvhOptions:
    """How BVH files are written.

    Raises:
        InputError: a value is not one of the choices.
    """

    unit: Literal["cm", "m"] = "cm"
    """Unit of lengths. Centimetres are what most animation programs expect."""
    rotation_order: str = "ZXY"
    """Order of the rotation channels. ZXY is what most programs expect."""
    fingers: Fingers = "auto"
    """Joints of the fingers. auto: where a finger was measured."""
    names: JointNames = "mixamo"
    """mixamo: Hips, LeftForeArm, ...; mixamorig: the same with the prefix mixamorig:; model: those
    of the body model."""

    def __post_init__(self) -> None:
        if self.unit not in _UNITS:
            raise InputError(f"no BVH unit {self.unit!r}; units are {valid_choices(_UNITS)}")
        if self.rotation_order not in _ORDERS:
            raise InputError(
                f"no rotation order {self.rotation_order!r}; orders are {valid_choices(_ORDERS)}"
            )


def write_bvh(motion: BodyMotion, path: Path, options: BvhOptions) -> tuple[str, ...]:
    """Writes the motion of one person.

    Args:
        motion: on any body model.
        path: the file; an existing one is replaced.
        options: unit, rotation order, fingers, names.

    Returns:
        In words, how well the motion fits the keypoints and what was not measured.

    Raises:
        OutputError: the folder cannot be written to.
    """
    content = animation(motion, names=options.names, fingers=with_fingers(motion, options.fingers))
    text = bvh_text(content, unit=options.unit, order=options.rotation_order)
    write_atomically(path, text.encode())
    return motion_notes(motion, content)


def with_fingers(motion: BodyMotion, wanted: Fingers) -> bool:
    """Whether the joints of fingers are written."""
    if wanted != "auto":
        return wanted == "yes"
    content = animation(motion, t_pose=False)
    fingers = [
        content.source[joint]
        for role, joint in content.roles.items()
        if any(role.startswith(f"{side}Hand") and role != f"{side}Hand" for side in SIDES)
    ]
    return bool(motion.measured[:, fingers].any())


def motion_notes(motion: BodyMotion, content: Animation) -> tuple[str, ...]:
    """How well a motion fits its keypoints, and what was not measured."""
    notes: list[str] = []
    residual = motion.residual_m[np.isfinite(motion.residual_m)]
    if len(residual):
        notes.append(
            f"distance from the keypoints: median {1000 * np.median(residual):.0f} mm, 95 % below "
            f"{1000 * np.percentile(residual, 95):.0f} mm"
        )
    absent = int(np.count_nonzero(~motion.present))
    if absent:
        notes.append(f"{absent} frames without the person, interpolated")
    measured = motion.measured[motion.present][:, list(content.source)]
    ever = np.asarray(measured.any(axis=0))
    never = [n for n, m in zip(content.names, ever, strict=True) if not m]
    if never:
        notes.append(f"never measured: {valid_choices(never, 6)}")
    return tuple(notes)


def bvh_text(
    content: Animation, *, unit: str = "cm", order: str = "ZXY", orders: Sequence[str] = ()
) -> str:
    """The content of the file: the hierarchy at rest, then a line of channels per frame.

    Args:
        content: skeleton and motion.
        unit: of lengths.
        order: of the rotation channels of all joints.
        orders: of the rotation channels of each joint, instead.
    """
    scale = UNIT_SCALE[unit]
    each = tuple(orders) or (order,) * len(content.names)
    lines = ["HIERARCHY", *_joint_lines(content, 0, 0, scale, each)]
    degrees = np.empty((*content.local_rotations.shape[:2], 3))
    for one in set(each):
        joints = [joint for joint, own in enumerate(each) if own == one]
        degrees[:, joints] = np.rad2deg(continuous_euler(content.local_rotations[:, joints], one))
    channels = np.concatenate(
        (scale * content.root_positions_m, degrees.reshape(len(degrees), -1)), axis=1
    )
    lines += ["MOTION", f"Frames: {len(channels)}", f"Frame Time: {content.frame_time_s:.9f}"]
    row_format = " ".join(["%.6f"] * channels.shape[1])
    lines += [row_format % tuple(row) for row in channels.tolist()]
    return "\n".join(lines) + "\n"


def _joint_lines(
    content: Animation, joint: int, depth: int, scale: float, orders: Sequence[str]
) -> list[str]:
    pad, inner = "\t" * depth, "\t" * (depth + 1)
    rotations = " ".join(f"{axis}rotation" for axis in orders[joint])
    channels = f"3 {rotations}" if depth else f"6 Xposition Yposition Zposition {rotations}"
    # Programs add the root's offset to its position, or ignore it: zero suits both.
    offset = scale * content.rest_offsets_m[joint] if depth else np.zeros(3)
    lines = [
        f"{pad}{'JOINT' if depth else 'ROOT'} {content.names[joint]}",
        f"{pad}{{",
        f"{inner}OFFSET {_triple(offset)}",
        f"{inner}CHANNELS {channels}",
    ]
    for child, parent in enumerate(content.parents):
        if parent == joint:
            lines += _joint_lines(content, child, depth + 1, scale, orders)
    end = content.end_offsets_m[joint]
    if np.isfinite(end).all():
        lines += [
            f"{inner}End Site",
            f"{inner}{{",
            f"{inner}\tOFFSET {_triple(scale * end)}",
            f"{inner}}}",
        ]
    return [*lines, f"{pad}}}"]


def _triple(values: Float[np.ndarray, " 3"] | Sequence[float]) -> str:
    # Adding zero turns the minus of -0.000000 into nothing.
    return " ".join(f"{round(float(value), 6) + 0.0:.6f}" for value in values)
