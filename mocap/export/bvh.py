"""BVH files for animation programs: one person each, a T-pose at rest, constant bones."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Literal

import numpy as np

from mocap.arrays import Float
from mocap.errors import InputError, valid_choices
from mocap.export.humanoid import Humanoid, solve_humanoid
from mocap.export.rotation_series import continuous_euler
from mocap.files import write_atomically
from mocap.model import Motion

_log = logging.getLogger(__name__)

_SCALE = {"cm": 100.0, "m": 1.0}
_ORDERS = tuple("".join(order) for order in permutations("XYZ"))


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
    fingers: bool = False
    """Whether to write three joints per finger; needs hand keypoints."""

    def __post_init__(self) -> None:
        if self.unit not in _SCALE:
            raise InputError(f"no BVH unit {self.unit!r}; units are {valid_choices(_SCALE)}")
        if self.rotation_order not in _ORDERS:
            raise InputError(
                f"no rotation order {self.rotation_order!r}; orders are {valid_choices(_ORDERS)}"
            )


@dataclass(frozen=True)
class BvhReport:
    """What a BVH file holds and how well it fits the keypoints.

    Attributes:
        path: the file.
        person_id: whose motion it is.
        frames: number of frames written.
        frame_time_s: seconds from one frame to the next.
        absent_frames: frames written in which the person was not there; interpolated.
        interpolated_frames: per joint, frames in which the person was there but the joint's
            rotation was interpolated; joints without such frames are left out.
        unmeasured: joints which were never measured and keep their rest rotation.
        assumed_lengths: joints and ends whose distance from their parent comes from body
            proportions.
        bone_lengths_m: length of each bone, by the joint at its far end.
        distance_mm: median distance of a joint from the keypoint it stands for.
    """

    path: Path
    person_id: int
    frames: int
    frame_time_s: float
    absent_frames: int
    interpolated_frames: dict[str, int]
    unmeasured: tuple[str, ...]
    assumed_lengths: tuple[str, ...]
    bone_lengths_m: dict[str, float]
    distance_mm: dict[str, float]


def write_bvh(person: Motion, path: Path, options: BvhOptions) -> BvhReport:
    """Solves the skeleton of one person and writes it.

    Args:
        person: the rows of one person.
        path: the file; an existing one is replaced.
        options: unit, rotation order, fingers.

    Raises:
        InputError: the person cannot be solved; the message says what is missing.
        OutputError: the folder cannot be written to.
    """
    return write_humanoid_bvh(solve_humanoid(person, fingers=options.fingers), path, options)


def write_humanoid_bvh(humanoid: Humanoid, path: Path, options: BvhOptions) -> BvhReport:
    """Writes a solved skeleton; see `write_bvh`."""
    write_atomically(path, bvh_text(humanoid, options).encode("ascii"))
    missing = ~humanoid.measured & humanoid.present[:, None]
    counts = {
        joint: int(count)
        for joint, count in zip(humanoid.joints, missing.sum(axis=0), strict=True)
        if count and joint not in humanoid.unmeasured
    }
    report = BvhReport(
        path=path,
        person_id=humanoid.person_id,
        frames=len(humanoid.frame),
        frame_time_s=humanoid.frame_time_s,
        absent_frames=int(np.count_nonzero(~humanoid.present)),
        interpolated_frames=counts,
        unmeasured=humanoid.unmeasured,
        assumed_lengths=humanoid.assumed_lengths,
        bone_lengths_m=humanoid.bone_lengths_m,
        distance_mm=humanoid.distance_mm,
    )
    _log_report(report)
    return report


def _log_report(report: BvhReport) -> None:
    _log.info(
        "%s: person %d, %d frames (%d without the person, interpolated), median distance from "
        "the keypoints at most %.0f mm",
        report.path,
        report.person_id,
        report.frames,
        report.absent_frames,
        max(report.distance_mm.values(), default=float("nan")),
    )
    if report.unmeasured:
        _log.info("%s: kept as at rest: %s", report.path, ", ".join(report.unmeasured))
    if report.assumed_lengths:
        _log.info("%s: length assumed: %s", report.path, ", ".join(report.assumed_lengths))


def bvh_text(humanoid: Humanoid, options: BvhOptions) -> str:
    """The content of the file: the hierarchy at rest, then a line of channels per frame."""
    scale = _SCALE[options.unit]
    lines = ["HIERARCHY", *_joint_lines(humanoid, 0, 0, scale, options.rotation_order)]
    degrees = np.rad2deg(continuous_euler(humanoid.local_rotations, options.rotation_order))
    channels = np.concatenate(
        (scale * humanoid.root_positions_m, degrees.reshape(len(degrees), -1)), axis=1
    )
    lines += ["MOTION", f"Frames: {len(channels)}", f"Frame Time: {humanoid.frame_time_s:.9f}"]
    row_format = " ".join(["%.6f"] * channels.shape[1])
    lines += [row_format % tuple(row) for row in channels.tolist()]
    return "\n".join(lines) + "\n"


def _joint_lines(humanoid: Humanoid, joint: int, depth: int, scale: float, order: str) -> list[str]:
    pad, inner = "\t" * depth, "\t" * (depth + 1)
    rotations = " ".join(f"{axis}rotation" for axis in order)
    channels = f"3 {rotations}" if depth else f"6 Xposition Yposition Zposition {rotations}"
    lines = [
        f"{pad}{'JOINT' if depth else 'ROOT'} {humanoid.joints[joint]}",
        f"{pad}{{",
        f"{inner}OFFSET {_triple(scale * humanoid.rest_offsets_m[joint])}",
        f"{inner}CHANNELS {channels}",
    ]
    for child, parent in enumerate(humanoid.parents):
        if parent == joint:
            lines += _joint_lines(humanoid, child, depth + 1, scale, order)
    end = humanoid.end_offsets_m[joint]
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
