"""What a session stores, as explanations need it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mocap.errors import InputError
from mocap.model import Detections, FrameSet, Motion, Rig, SetAside, Skeleton
from mocap.model.config import AssociationConfig, TriangulationConfig


@dataclass(frozen=True)
class Evidence:
    """What a session stores.

    Attributes:
        rig: the cameras.
        skeleton: the keypoints.
        raw: people as triangulated.
        best: people of the best layer.
        views: as `Session.views` gives them, row by row of `raw`.
        frame_sets: the 2D people.
        config: of the run.
        association: of the run.
        bystanders: as `Session.bystanders` gives them; None for none.
    """

    rig: Rig
    skeleton: Skeleton
    raw: Motion
    best: Motion
    views: dict[str, np.ndarray]
    frame_sets: Sequence[FrameSet]
    config: TriangulationConfig
    association: AssociationConfig = field(default_factory=AssociationConfig)
    bystanders: dict[str, np.ndarray] | None = None
    _sets: dict[int, FrameSet] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_sets", {s.number: s for s in self.frame_sets})

    def frame_set(self, frame: int) -> FrameSet:
        """The 2D people of a frame.

        Raises:
            InputError: there is no such frame.
        """
        if frame not in self._sets:
            numbers = sorted(self._sets)
            span = f"{numbers[0]} to {numbers[-1]}" if numbers else "none"
            raise InputError(f"no frame {frame} in this session; frames are {span}")
        return self._sets[frame]

    @property
    def bystander_ids(self) -> tuple[int, ...]:
        """Ids of all who were set aside at some time, ascending."""
        if self.bystanders is None:
            return ()
        return tuple(int(i) for i in np.unique(self.bystanders["person_id"]))

    def bystander_rows(self, frame: int) -> list[int]:
        """Rows of those who were set aside in a frame."""
        if self.bystanders is None:
            return []
        return np.flatnonzero(self.bystanders["frame"] == frame).tolist()

    def set_aside(self, frame: int, person_id: int) -> SetAside | None:
        """Why somebody was set aside in a frame; None if nobody of this id was."""
        for row in self.bystander_rows(frame):
            assert self.bystanders is not None
            if self.bystanders["person_id"][row] == person_id:
                return SetAside(int(self.bystanders["reason"][row]))
        return None


def detections_of(frame_set: FrameSet, camera: str) -> Detections | None:
    """What a camera saw in a frame; None if it delivered nothing."""
    observation = frame_set.observations.get(camera)
    return None if observation is None else observation.detections
