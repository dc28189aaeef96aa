"""Skeletons as tables: which keypoints there are, how they are called and what belongs together.

Keypoints of the same anatomical meaning carry the same name in every skeleton
(`left_shoulder`, `right_big_toe`, ...), so that a consumer asks for a name, never for an index.
The tables themselves are in `mocap.model.skeletons`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from mocap.errors import SkeletonError, valid_choices

PARTS = ("body", "feet", "left_hand", "right_hand", "face")
"""The parts a keypoint may belong to; each keypoint belongs to exactly one."""


@dataclass(frozen=True)
class Skeleton:
    """The table of one skeleton.

    Attributes:
        name: unique name of the table.
        keypoints: names of the K keypoints; their order is the order of every array.
        parts: per keypoint, one of `PARTS`.
        bones: pairs of keypoint names which are drawn as a line.
        association: keypoints by which people are matched across views: large, often seen, and
            far apart.
    """

    name: str
    keypoints: tuple[str, ...]
    parts: tuple[str, ...]
    bones: tuple[tuple[str, str], ...]
    association: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.keypoints)) != len(self.keypoints):
            raise SkeletonError(f"skeleton {self.name!r} names a keypoint twice")
        if len(self.parts) != len(self.keypoints):
            raise SkeletonError(
                f"skeleton {self.name!r} has {len(self.keypoints)} keypoints but names the part "
                f"of {len(self.parts)}"
            )
        for part in self.parts:
            if part not in PARTS:
                raise SkeletonError(
                    f"skeleton {self.name!r} has a part {part!r}; parts are {valid_choices(PARTS)}"
                )
        for name in (*self.association, *(end for bone in self.bones for end in bone)):
            self.index(name)

    def __len__(self) -> int:
        return len(self.keypoints)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.keypoints)}

    def __contains__(self, keypoint: object) -> bool:
        return keypoint in self._index

    def index(self, keypoint: str) -> int:
        """Position of a keypoint in every array of this skeleton.

        Raises:
            SkeletonError: there is no such keypoint; the message lists those there are.
        """
        try:
            return self._index[keypoint]
        except KeyError:
            raise SkeletonError(
                f"skeleton {self.name!r} has no keypoint {keypoint!r}; "
                f"it has {valid_choices(self.keypoints, 30)}"
            ) from None

    def indices(self, *parts: str) -> tuple[int, ...]:
        """Positions of all keypoints of the named parts (all parts when none is named)."""
        for part in parts:
            if part not in PARTS:
                raise SkeletonError(f"unknown part {part!r}; parts are {valid_choices(PARTS)}")
        return tuple(i for i, part in enumerate(self.parts) if not parts or part in parts)

    @cached_property
    def bone_indices(self) -> tuple[tuple[int, int], ...]:
        """`bones` as positions."""
        return tuple((self.index(a), self.index(b)) for a, b in self.bones)

    @cached_property
    def association_indices(self) -> tuple[int, ...]:
        """`association` as positions."""
        return tuple(self.index(name) for name in self.association)

    @cached_property
    def mirror(self) -> tuple[int, ...]:
        """Per keypoint, the position of its counterpart on the other side (itself if none)."""
        return tuple(
            self._index.get(mirrored_name(name), i) for i, name in enumerate(self.keypoints)
        )

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Positions of all (left, right) pairs."""
        return tuple(
            (i, j)
            for i, j in enumerate(self.mirror)
            if i != j and self.keypoints[i].startswith("left_")
        )


def mirrored_name(name: str) -> str:
    """The name with left and right exchanged; names without a side are returned as they are.

    Face points are numbered, not sided, and have no counterpart here.
    """
    if name.startswith("left_"):
        return "right_" + name.removeprefix("left_")
    if name.startswith("right_"):
        return "left_" + name.removeprefix("right_")
    return name
