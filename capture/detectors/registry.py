"""Detectors by name. Nothing heavy is imported before a detector is made.

A detector is a class (see `capture.detectors.base.Detector`) that is called without arguments and
whose `skeleton` is an attribute of the class, so that it is known before models are loaded. It is
named "module:Class"; some have a short name. Users plug in their own in the same way: their module
must be installed, or in a folder of the environment variable PYTHONPATH, because every camera's
worker process imports it anew.
"""

from __future__ import annotations

import importlib
from typing import Any

from capture.detectors.base import Detector
from mocap.errors import InputError, valid_choices
from mocap.model import Skeleton

DETECTORS = {
    "mediapipe": "capture.detectors.mediapipe_holistic:MediaPipeHolistic",
    "mediapipe-multi": "capture.detectors.mediapipe_multi:MediaPipeMulti",
}
"""The detectors with a short name."""

DEFAULT_DETECTOR = "mediapipe-multi"
"""The one that is used unless another one is asked for."""


def _lookup(name: str) -> Any:
    module_name, colon, class_name = DETECTORS.get(name, name).partition(":")
    if not (colon and module_name and class_name):
        raise InputError(
            f"unknown detector {name!r}; valid are {valid_choices(DETECTORS)}, or module:Class "
            f"for one of your own"
        )
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # A user's module may fail in any way.
        raise InputError(
            f"detector {name!r}: module {module_name!r} cannot be imported "
            f"({type(error).__name__}: {error}); install it, or name its folder in PYTHONPATH"
        ) from error
    try:
        return getattr(module, class_name)
    except AttributeError:
        raise InputError(
            f"detector {name!r}: module {module_name!r} has no {class_name!r}; check the spelling"
        ) from None


def make_detector(name: str) -> Detector:
    """Makes a detector.

    Args:
        name: a short name, or module:Class.

    Raises:
        InputError: there is none of this name.
        DependencyError: a library it needs is missing.
    """
    return _lookup(name)()


def detector_skeleton(name: str) -> Skeleton:
    """The skeleton a detector will deliver, without making it.

    Args:
        name: a short name, or module:Class.

    Raises:
        InputError: there is no detector of this name, or it does not say its skeleton.
    """
    skeleton = getattr(_lookup(name), "skeleton", None)
    if not isinstance(skeleton, Skeleton):
        raise InputError(
            f"detector {name!r} does not say which keypoints it finds; its class needs an "
            f"attribute 'skeleton' that is a mocap.model.Skeleton"
        )
    return skeleton


def takes_hints(name: str) -> bool:
    """Whether a detector can be told where to look, without making it.

    Args:
        name: a short name, or module:Class.

    Raises:
        InputError: there is no detector of this name.
    """
    return callable(getattr(_lookup(name), "suggest", None))
