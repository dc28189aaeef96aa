"""What is exported, and what an export reports: the same for all formats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mocap.arrays import Int
from mocap.errors import InputError
from mocap.model import BodyMotion, FrameSet, Motion, Rig


@dataclass(frozen=True)
class ViewRows:
    """What each view contributed to 3D people, one row per person and frame.

    Attributes:
        frame: frame number of each row.
        person_id: whose it is.
        view_state: `mocap.model.ViewState` of each camera and keypoint.
        detection_index: per camera, which 2D person of the frame it was; -1 for none.
    """

    frame: Int[np.ndarray, " rows"]
    person_id: Int[np.ndarray, " rows"]
    view_state: np.ndarray
    detection_index: Int[np.ndarray, "rows cameras"]


@dataclass(frozen=True)
class ExportSource:
    """The people and frames that were chosen of a session.

    What costs time or may be missing is asked for by functions, so that a format pays only for
    what it writes.

    Attributes:
        name: of the session, for the files' own notes.
        motion: keypoints of the chosen people in the chosen frames.
        rate_hz: frames per second of the session.
        rig: the session's cameras.
        views: what each view contributed; None where the session does not tell.
        frame_sets: the 2D observations of the chosen frames.
        body: the motion of a person as joint rotations, of the chosen frames.
        stored_bodies: people whose body motion the session already holds.
        model_path: file or folder of the user's own body models; None for the usual place.
        some_people: whether people were chosen, rather than all of them.
    """

    name: str
    motion: Motion
    rate_hz: float
    rig: Rig
    views: ViewRows | None
    frame_sets: Callable[[], Sequence[FrameSet]]
    body: Callable[[int], BodyMotion]
    stored_bodies: tuple[int, ...] = ()
    model_path: Path | None = None
    some_people: bool = False


@dataclass(frozen=True)
class Written:
    """One file (or folder of files) that was written.

    Attributes:
        path: where it is.
        what: what it holds, in a few words ("120 frames of person 3").
        notes: what its reader should know: gaps filled, residuals, things left out.
    """

    path: Path
    what: str
    notes: tuple[str, ...] = field(default_factory=tuple)


MOST_FRAMES = 2_000_000
"""More frames than this (over nine hours at 60 Hz) are taken for wrong frame numbers."""


def check_span(person_id: int, frame: Int[np.ndarray, " rows"]) -> None:
    """Checks that the frames of a person may be laid out without gaps.

    Raises:
        InputError: there are none, or they spread over more than `MOST_FRAMES`.
    """
    if not len(frame):
        raise InputError(f"person {person_id} is in none of the chosen frames; choose others")
    span = int(frame[-1]) - int(frame[0])
    if span >= MOST_FRAMES:
        raise InputError(
            f"person {person_id} is spread over {span + 1} frames, at most {MOST_FRAMES} can be "
            f"exported; check the frame numbers or export a part of the session"
        )
