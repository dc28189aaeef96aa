"""A session as what is exported: chosen people and frames."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from mocap.body.registry import BODY_MODELS
from mocap.errors import InputError, valid_choices
from mocap.export.source import ExportSource, ViewRows
from mocap.model import BodyMotion, FrameSet
from mocap.pipeline.body import BodyChoice, is_current, session_body
from mocap.storage.body_file import list_bodies, load_body
from mocap.storage.session_reader import Session

_log = logging.getLogger(__name__)
DEFAULT_MODEL = "skeleton"


def session_source(
    session: Session,
    layer: Literal["raw", "smooth"] | None = None,
    people: Sequence[int] = (),
    frames: tuple[int, int] | None = None,
    model: str | None = None,
    gender: str = "neutral",
    model_path: Path | None = None,
) -> ExportSource:
    """The chosen part of a session; the session must stay open while it is exported.

    Args:
        session: the session.
        layer: of the 3D people; by default the smooth one if there is one.
        people: ids; none stands for all.
        frames: first and last frame number, both included; None for all.
        model: the body model; None for the one the session holds bodies of, or the skeleton.
        gender: of the body model, where a body must be fitted.
        model_path: the user's own model files, for models that need them.

    Raises:
        InputError: there is no such person, or the session holds bodies of several models and
            none is chosen.
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

    stored = list_bodies(session.path, session.created_utc)
    name = model or _stored_model(session, stored, motion.person_ids)
    chosen = BodyChoice(name, gender, model_path, layer=layer)
    known = dict.fromkeys((*BODY_MODELS, *(model for model, _ in stored)))
    if chosen.model not in known:
        raise InputError(f"no body model {chosen.model!r}; models are {valid_choices(known)}")

    @cache
    def body(person_id: int) -> BodyMotion:
        return session_body(session, person_id, chosen).frames(first, last)

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
        model_path=chosen.path,
        stored_bodies=tuple(
            person_id
            for person_id in motion.person_ids
            if (chosen.model, person_id) in stored and _current(session, person_id, chosen)
        ),
        some_people=bool(people),
    )


def _stored_model(
    session: Session, stored: Sequence[tuple[str, int]], people: Sequence[int]
) -> str:
    """The model of which the session holds bodies of these people; the skeleton if of none."""
    models = sorted({model for model, person_id in stored if person_id in people})
    if len(models) > 1:
        raise InputError(
            f"{session.path} holds bodies on {', '.join(models)}; choose one by --model"
        )
    return models[0] if models else DEFAULT_MODEL


def _current(session: Session, person_id: int, choice: BodyChoice) -> bool:
    """Whether the stored body is used; says so if it has been overtaken."""
    body = load_body(session.path, session.created_utc, choice.model, person_id)
    assert body is not None
    if is_current(session, body, choice):
        return True
    _log.warning(
        "the stored body of person %d is of other ids or another layer than what is exported; it "
        "is fitted anew where needed ('mocap fit' stores it)",
        person_id,
    )
    return False
