"""The body models by name: what `mocap fit --model` and the exporters ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mocap.body.model import BodyModel
from mocap.body.skeleton import KinematicSkeleton, has_hands
from mocap.errors import BodyModelError, InputError, valid_choices
from mocap.model.skeleton import Skeleton


@dataclass(frozen=True)
class BodyRequest:
    """What is wanted of a body model.

    Attributes:
        detector: the skeleton definition of the keypoints it will be fitted to.
        gender: "neutral", "male" or "female"; models that know no difference ignore it.
        fingers: whether its hands should move, if it has any and the detector sees them.
        path: file or folder of licensed model files, for models that need them; None for the
            place the environment names.
    """

    detector: Skeleton
    gender: str = "neutral"
    fingers: bool = True
    path: Path | None = None


def _skeleton(request: BodyRequest) -> BodyModel:
    return KinematicSkeleton(request.detector, request.fingers and has_hands(request.detector))


def _anny(request: BodyRequest) -> BodyModel:
    from mocap.body.anny_body import AnnyBody
    from mocap.body.anny_data import load_body_data

    fingers = request.fingers and has_hands(request.detector)
    return AnnyBody(load_body_data(), request.detector, fingers, request.gender)


def _smpl_family(kind: str) -> Callable[[BodyRequest], BodyModel]:
    def make(request: BodyRequest) -> BodyModel:
        from mocap.body.smpl_body import SmplBody
        from mocap.body.smpl_file import load_smpl

        data = load_smpl(kind, request.gender, request.path)
        return SmplBody(data, request.detector, request.fingers and has_hands(request.detector))

    return make


BODY_MODELS: dict[str, Callable[[BodyRequest], BodyModel]] = {
    "skeleton": _skeleton,
    "anny": _anny,
    **{kind: _smpl_family(kind) for kind in ("smpl", "smplh", "smplx")},
}
"""What makes each model; it imports what it needs when it is called."""


def body_model(name: str, request: BodyRequest) -> BodyModel:
    """The body model called `name`.

    Args:
        name: a key of `BODY_MODELS`.
        request: what is wanted of it.

    Raises:
        BodyModelError: there is no such model, the message lists those there are; or its files
            cannot be found or read, the message says which and what to do.
    """
    if name not in BODY_MODELS:
        raise BodyModelError(f"no body model {name!r}; models are {valid_choices(BODY_MODELS)}")
    try:
        return BODY_MODELS[name](request)
    except InputError as error:
        raise BodyModelError(str(error)) from error
