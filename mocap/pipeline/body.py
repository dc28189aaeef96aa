"""Bodies of a session: fitted, stored beside it, and found again."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import mocap
from mocap.body.fit import BodyFit, fit_body
from mocap.body.fit_config import FitConfig
from mocap.body.fit_views import PersonViews
from mocap.body.registry import BodyRequest, body_model
from mocap.errors import InputError
from mocap.model.body_motion import BodyMotion
from mocap.reconstruction.swaps import source_of
from mocap.storage.body_file import StoredBody, load_body, save_bodies
from mocap.storage.session_reader import Session

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class BodyChoice:
    """Which bodies are wanted of a session, and how they are fitted.

    Attributes:
        model: name of the body model.
        gender: of the body model.
        path: the user's own model files, for models that need them.
        fingers: whether hands move, if the detector sees fingers.
        layer: "raw", "smooth", or None for the best there is.
        from_2d: fit the 2D keypoints of all cameras rather than the 3D ones.
        config: settings of the fit.
    """

    model: str = "skeleton"
    gender: str = "neutral"
    path: Path | None = None
    fingers: bool = True
    layer: str | None = None
    from_2d: bool = False
    config: FitConfig = field(default_factory=FitConfig)


def fit_person(
    session: Session, person_id: int, choice: BodyChoice, progress: Progress | None = None
) -> BodyFit:
    """Fits a body to one person of a session.

    Raises:
        InputError: there is no such person, layer or model, or the person cannot be fitted.
    """
    person = session.motion(choice.layer or session.best_layer).person(person_id)
    request = BodyRequest(session.skeleton, choice.gender, choice.fingers, choice.path)
    model = body_model(choice.model, request)
    views = person_views(session, person_id) if choice.from_2d else None
    return fit_body(model, person, choice.config, progress, views=views)


def store_fits(session: Session, fits: Sequence[BodyFit], choice: BodyChoice) -> Path:
    """Stores fits beside their session, in place of earlier ones; returns the file."""
    layer = "2d" if choice.from_2d else (choice.layer or session.best_layer)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    bodies = [
        StoredBody(
            fit.motion,
            layer,
            len(session.edits),
            now,
            f"mocap {mocap.__version__}",
            report_json(fit),
        )
        for fit in fits
    ]
    return save_bodies(session.path, session.created_utc, bodies)


def report_json(fit: BodyFit) -> dict[str, Any]:
    """The report of a fit as JSON takes it: NaN becomes None."""

    def plain(value: Any) -> Any:
        if isinstance(value, float):
            return value if np.isfinite(value) else None
        if isinstance(value, dict):
            return {str(key): plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return value

    return plain(asdict(fit.report))


def session_body(
    session: Session, person_id: int, choice: BodyChoice, progress: Progress | None = None
) -> BodyMotion:
    """A person's body: the stored one if it still belongs to the session, else a new fit.

    A stored body is used when it was fitted with the same corrections of person ids in force, and
    to the layer that is asked for, if any is. Nothing is stored here.

    Raises:
        InputError: there is no such person, layer or model, or the person cannot be fitted.
    """
    stored = load_body(session.path, session.created_utc, choice.model, person_id)
    if stored is not None and is_current(session, stored, choice):
        return stored.motion
    return fit_person(session, person_id, choice, progress).motion


def is_current(session: Session, stored: StoredBody, choice: BodyChoice | None = None) -> bool:
    """Whether a stored body still belongs to the session as it is corrected now."""
    wanted = None
    if choice is not None:
        wanted = "2d" if choice.from_2d else choice.layer
    return stored.corrections == len(session.edits) and wanted in (None, stored.layer)


def person_views(session: Session, person_id: int) -> PersonViews:
    """The 2D keypoints of one person: those of the detections that were matched to this person.

    Raises:
        InputError: there is no such person in the raw layer, which says what was matched.
    """
    views = session.views()
    rows = np.flatnonzero(views["person_id"] == person_id)
    if not len(rows):
        raise InputError(
            f"person {person_id} is not in the raw layer of {session.path}, which says whose the "
            f"2D keypoints are; fit from 3D"
        )
    cameras, keypoints = len(session.rig), len(session.skeleton)
    pixels = np.full((len(rows), cameras, keypoints, 2), np.nan)
    confidence = np.zeros((len(rows), cameras, keypoints))
    sets = {frame_set.number: frame_set for frame_set in session.frame_sets()}
    for i, row in enumerate(rows):
        observations = sets[int(views["frame"][row])].observations
        for c, name in enumerate(session.rig.names):
            chosen = int(views["detection_index"][row, c])
            if chosen < 0 or name not in observations:
                continue
            found = observations[name].detections
            source = source_of(session.skeleton, int(views["swapped"][row, c]))
            pixels[i, c] = found.keypoints_px[chosen][source]
            confidence[i, c] = found.confidence[chosen][source]
    return PersonViews(session.rig, session.skeleton, views["frame"][rows], pixels, confidence)
