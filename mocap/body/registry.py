"""The body models by name: what `mocap fit --model` and the exporters ask for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mocap.body.model import BodyModel
from mocap.errors import InputError, valid_choices

BodyLoader = Callable[[str, Path | None], BodyModel]
"""Makes a model from a gender and the file or folder of the user's own model files, if any."""

BODY_MODELS: dict[str, BodyLoader] = {}
"""The loaders by model name; each imports what it needs when it is called."""


def body_model(name: str, gender: str = "neutral", path: Path | None = None) -> BodyModel:
    """The body model called `name`.

    Args:
        name: a key of `BODY_MODELS`.
        gender: "neutral", "male" or "female"; models that know no difference ignore it.
        path: file or folder of licensed model files, for models that need them; None for the
            place the environment names.

    Raises:
        InputError: there is no such model; the message lists those there are.
    """
    if name not in BODY_MODELS:
        raise InputError(f"no body model {name!r}; models are {valid_choices(BODY_MODELS)}")
    return BODY_MODELS[name](gender, path)
