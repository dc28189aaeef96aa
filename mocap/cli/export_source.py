"""A session as what is exported: chosen people and frames."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Literal

import numpy as np

from mocap.export.humanoid_motion import humanoid_motion
from mocap.export.source import ExportSource, ViewRows
from mocap.model import BodyMotion, FrameSet
from mocap.storage.session_reader import Session


def session_source(
    session: Session,
    layer: Literal["raw", "smooth"] | None = None,
    people: Sequence[int] = (),
    frames: tuple[int, int] | None = None,
) -> ExportSource:
    """The chosen part of a session; the session must stay open while it is exported.

    Args:
        session: the session.
        layer: of the 3D people; by default the smooth one if there is one.
        people: ids; none stands for all.
        frames: first and last frame number, both included; None for all.

    Raises:
        InputError: there is no such person.
    """
    motion = session.motion(layer or session.best_layer)
    for person_id in people:
        motion.person(person_id)
    if people:
        motion = motion.rows(np.isin(motion.person_id, people))
    first, last = frames or (np.iinfo(np.int64).min, np.iinfo(np.int64).max)
    motion = motion.rows((motion.frame >= first) & (motion.frame <= last))
    views = session.views()
    keep = (views["frame"] >= first) & (views["frame"] <= last)

    def frame_sets() -> list[FrameSet]:
        return [each for each in session.frame_sets() if first <= each.number <= last]

    @cache
    def body(person_id: int) -> BodyMotion:
        return humanoid_motion(motion.person(person_id), fingers=False)

    return ExportSource(
        name=str(session.path),
        motion=motion,
        rate_hz=session.frames.rate_hz,
        rig=session.rig,
        views=ViewRows(
            frame=views["frame"][keep],
            person_id=views["person_id"][keep],
            view_state=views["view_state"][keep],
            detection_index=views["detection_index"][keep],
        ),
        frame_sets=frame_sets,
        body=body,
        some_people=bool(people),
    )
