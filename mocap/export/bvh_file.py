"""Reads BVH files: a hierarchy of joints and their rotations over time."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mocap.arrays import Float
from mocap.errors import InputError
from mocap.files import check_input
from mocap.geometry.rotations import matrix_from_euler

_ROTATIONS = {"xrotation": "X", "yrotation": "Y", "zrotation": "Z"}
_POSITIONS = ("xposition", "yposition", "zposition")
_JOINT = re.compile(r"^(ROOT|JOINT)\s+(.*?)\s*(\{?)\s*$", re.IGNORECASE)
_MOVING = 0.01
"""Share of the longest bone by which a joint other than the root may shift against its parent."""


@dataclass(frozen=True)
class BvhClip:
    """A BVH file in its own axes and unit.

    Attributes:
        names: of the joints, parents first; end sites are left out. A name that stands twice in
            the file has a number behind it.
        parents: index of the parent of each; -1 for the root.
        offsets: of each joint from its parent at rest.
        ends: of each joint, the offset of its end site; NaN where it has none.
        root_positions: position of the root in every frame.
        rotations: rotation of every joint against its parent in every frame.
        orders: order of the rotation channels of each joint, such as "ZXY"; "" where it has none.
        frame_time_s: time from one frame to the next.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Float[np.ndarray, "joints 3"]
    ends: Float[np.ndarray, "joints 3"]
    root_positions: Float[np.ndarray, "frames 3"]
    rotations: Float[np.ndarray, "frames joints 3 3"]
    orders: tuple[str, ...]
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

    Every joint may have a rotation order of its own, and fewer than three rotation channels.

    Raises:
        InputError: it cannot be read, is not a BVH file, is damaged, has more than one root, or
            has bones that change their length.
    """
    check_input(path, "motion file")
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    try:
        hierarchy = _Hierarchy()
        lines = iter(text.splitlines())
        _read_hierarchy(hierarchy, lines)
        return _clip(hierarchy, [word for line in lines for word in line.split()])
    except (ValueError, IndexError) as error:
        raise InputError(
            f"{path} is not a readable BVH file ({error}); export it again as BVH"
        ) from error


@dataclass
class _Hierarchy:
    names: list[str] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    offsets: list[list[float]] = field(default_factory=list)
    ends: list[list[float]] = field(default_factory=list)
    channels: list[tuple[int, str]] = field(default_factory=list)


def _read_hierarchy(result: _Hierarchy, lines: object) -> None:
    """Reads up to the line MOTION."""
    stack: list[int] = []
    in_end = begun = False
    for line in lines:  # type: ignore[attr-defined]
        words = line.replace("{", " { ").replace("}", " } ").split()
        if not words:
            continue
        if not begun:
            if words[0].upper() != "HIERARCHY":
                break
            begun = True
            continue
        if words[0].upper() == "MOTION":
            if stack:
                raise ValueError(f"the braces of joint {result.names[stack[-1]]!r} are not closed")
            _check_roots(result)
            return
        joint = _JOINT.match(line.strip())
        if joint:
            name = joint[2] or "joint"
            again = result.names.count(name)
            result.names.append(f"{name}_{again + 1}" if again else name)
            result.parents.append(stack[-1] if stack else -1)
            result.offsets.append([0.0] * 3)
            result.ends.append([np.nan] * 3)
            words = ["{"] if joint[3] else []
        while words:
            word = words[0].upper()
            if word == "END":
                in_end = True
                words = words[2:]
            elif word == "{":
                if not in_end:
                    stack.append(len(result.names) - 1)
                words = words[1:]
            elif word == "}":
                if in_end:
                    in_end = False
                elif stack:
                    stack.pop()
                else:
                    raise ValueError("there is a '}' too many")
                words = words[1:]
            elif word == "OFFSET":
                values = [float(value) for value in words[1:4]]
                if len(values) != 3 or not np.isfinite(values).all():
                    raise ValueError(f"an OFFSET is not three numbers: {line.strip()!r}")
                (result.ends if in_end else result.offsets)[stack[-1]] = values
                words = words[4:]
            elif word == "CHANNELS":
                count = int(words[1])
                named = words[2 : 2 + count]
                for name in named:
                    if name.lower() not in _ROTATIONS and name.lower() not in _POSITIONS:
                        raise ValueError(f"unknown channel {name!r}")
                if len(named) != count:
                    raise ValueError(f"{count} channels announced, {len(named)} named")
                result.channels += [(stack[-1], name.lower()) for name in named]
                words = words[2 + count :]
            else:
                raise ValueError(f"unexpected word {words[0]!r}")
    raise ValueError("there is no MOTION" if begun else "it does not begin with HIERARCHY")


def _check_roots(hierarchy: _Hierarchy) -> None:
    roots = [n for n, p in zip(hierarchy.names, hierarchy.parents, strict=True) if p < 0]
    if len(roots) != 1:
        raise ValueError(
            f"it has {len(roots)} roots ({', '.join(roots) or 'none'}), expected one: one person "
            f"per file"
        )


def _clip(hierarchy: _Hierarchy, words: list[str]) -> BvhClip:
    if len(words) < 5 or [w.lower() for w in (words[0], *words[2:4])] != [
        *("frames:", "frame", "time:")
    ]:
        raise ValueError("Frames: or Frame Time: is missing")
    count, frame_time_s = int(words[1]), float(words[4])
    if count < 1 or not (np.isfinite(frame_time_s) and frame_time_s > 0):
        raise ValueError(f"{count} frames of {frame_time_s} s")
    channels, found = len(hierarchy.channels), len(words) - 5
    if found != count * channels:
        per_frame = f"{channels} channels in each of {count} frames"
        raise ValueError(
            f"it announces {per_frame}, {count * channels} numbers in all, but holds {found} "
            f"({found / max(channels, 1):.2f} frames)"
        )
    values = np.array(words[5:], dtype=np.float64).reshape(count, channels)
    if not np.isfinite(values).all():
        raise ValueError("a value is not a finite number")
    names, offsets = hierarchy.names, np.array(hierarchy.offsets)
    roots = np.tile(offsets[0], (count, 1))
    rotations = np.tile(np.eye(3), (count, len(names), 1, 1))
    orders: list[str] = []
    longest = float(np.linalg.norm(offsets[1:], axis=1).max(initial=0.0))
    for joint in range(len(names)):
        own = [(k, name) for k, (i, name) in enumerate(hierarchy.channels) if i == joint]
        order = ""
        for k, name in own:
            if name in _ROTATIONS:
                axis = _ROTATIONS[name]
                if axis in order:
                    raise ValueError(f"joint {names[joint]!r} turns twice about {axis}")
                order += axis
                turn = matrix_from_euler(
                    np.deg2rad(values[:, k])[:, None] * np.eye(3)["XYZ".index(axis)], "XYZ"
                )
                rotations[:, joint] = rotations[:, joint] @ turn
        orders.append(order)
        places = [(_POSITIONS.index(name), values[:, k]) for k, name in own if name in _POSITIONS]
        for axis, place in places:
            if joint == 0:
                roots[:, axis] = place
            elif np.ptp(place) > _MOVING * longest:
                raise ValueError(
                    f"joint {names[joint]!r} moves against its parent by {np.ptp(place):g}: bones "
                    f"must keep their length"
                )
            else:
                offsets[joint, axis] = np.median(place)
    return BvhClip(
        names=tuple(names),
        parents=tuple(hierarchy.parents),
        offsets=offsets,
        ends=np.array(hierarchy.ends),
        root_positions=roots,
        rotations=rotations,
        orders=tuple(orders),
        frame_time_s=frame_time_s,
    )
