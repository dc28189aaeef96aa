"""Reads BVH files: a hierarchy of joints and their rotations over time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mocap.arrays import Float
from mocap.errors import StudioError
from mocap.files import check_input
from mocap.geometry.rotations import matrix_from_euler

_ROTATIONS = {"Xrotation": "X", "Yrotation": "Y", "Zrotation": "Z"}
_POSITIONS = ("Xposition", "Yposition", "Zposition")


@dataclass(frozen=True)
class BvhClip:
    """A BVH file in its own axes and unit.

    Attributes:
        names: of the joints, parents first; end sites are left out.
        parents: index of the parent of each; -1 for the root.
        offsets: of each joint from its parent at rest.
        root_positions: position of the root in every frame.
        rotations: rotation of every joint against its parent in every frame.
        frame_time_s: time from one frame to the next.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Float[np.ndarray, "joints 3"]
    root_positions: Float[np.ndarray, "frames 3"]
    rotations: Float[np.ndarray, "frames joints 3 3"]
    frame_time_s: float

    def rest(self) -> Float[np.ndarray, "joints 3"]:
        """Positions of the joints at rest, the root at its offset."""
        result = self.offsets.copy()
        for i, parent in enumerate(self.parents):
            if parent >= 0:
                result[i] += result[parent]
        return result


def read_bvh(path: Path) -> BvhClip:
    """Reads a BVH file.

    Raises:
        InputError: it cannot be read.
        StudioError: it is not a BVH file, or is damaged.
    """
    check_input(path, "motion file")
    words = path.read_text(encoding="utf-8", errors="replace").split()
    try:
        return _parse(words)
    except (ValueError, IndexError, KeyError) as error:
        raise StudioError(
            f"{path} is not a readable BVH file ({error}); export it again as BVH"
        ) from error


def _parse(words: list[str]) -> BvhClip:
    if not words or words[0].upper() != "HIERARCHY":
        raise ValueError("it does not begin with HIERARCHY")
    names: list[str] = []
    parents: list[int] = []
    offsets: list[list[float]] = []
    channels: list[tuple[int, str]] = []
    stack: list[int] = []
    position = 1
    in_end = False
    while words[position].upper() != "MOTION":
        word = words[position].upper()
        if word in ("ROOT", "JOINT"):
            names.append(words[position + 1])
            parents.append(stack[-1] if stack else -1)
            offsets.append([0.0, 0.0, 0.0])
            position += 2
        elif word == "END":
            in_end = True
            position += 2
        elif word == "{":
            if not in_end:
                stack.append(len(names) - 1)
            position += 1
        elif word == "}":
            if in_end:
                in_end = False
            else:
                stack.pop()
            position += 1
        elif word == "OFFSET":
            values = [float(value) for value in words[position + 1 : position + 4]]
            if not in_end:
                offsets[stack[-1]] = values
            position += 4
        elif word == "CHANNELS":
            count = int(words[position + 1])
            channels += [(stack[-1], name) for name in words[position + 2 : position + 2 + count]]
            position += 2 + count
        else:
            raise ValueError(f"unexpected word {words[position]!r}")
    if parents.count(-1) != 1:
        raise ValueError(f"it has {parents.count(-1)} roots, expected one")
    return _frames(words[position + 1 :], names, parents, np.array(offsets), channels)


def _frames(
    words: list[str],
    names: list[str],
    parents: list[int],
    offsets: np.ndarray,
    channels: list[tuple[int, str]],
) -> BvhClip:
    if [words[0].lower(), *(w.lower() for w in words[2:4])] != ["frames:", "frame", "time:"]:
        raise ValueError("Frames: or Frame Time: is missing")
    count, frame_time_s = int(words[1]), float(words[4])
    if count < 1 or not (np.isfinite(frame_time_s) and frame_time_s > 0):
        raise ValueError(f"{count} frames of {frame_time_s} s")
    values = np.array(words[5 : 5 + count * len(channels)], dtype=np.float64)
    values = values.reshape(count, len(channels))
    if not np.isfinite(values).all():
        raise ValueError("a value is not a finite number")
    roots = np.tile(offsets[0], (count, 1))
    rotations = np.tile(np.eye(3), (count, len(names), 1, 1))
    for joint in range(len(names)):
        own = [(k, name) for k, (i, name) in enumerate(channels) if i == joint]
        turns = [(k, _ROTATIONS[name]) for k, name in own if name in _ROTATIONS]
        if len(turns) == 3:
            angles = np.deg2rad(values[:, [k for k, _ in turns]])
            rotations[:, joint] = matrix_from_euler(angles, "".join(axis for _, axis in turns))
        elif turns:
            raise ValueError(f"joint {names[joint]!r} has {len(turns)} rotation channels, not 3")
        if joint == 0:
            for k, name in own:
                if name in _POSITIONS:
                    roots[:, _POSITIONS.index(name)] = values[:, k]
    return BvhClip(tuple(names), tuple(parents), offsets, roots, rotations, frame_time_s)
