"""Errors that a user can act on.

Every error which may be caused by a user's input derives from `MocapError`. Its message is one
line that names the thing (camera, frame, file), what was got and what was expected, and the next
thing to do. The command line prints that line and exits with the class's `exit_code`; only errors
of other types are defects of the program.
"""

from __future__ import annotations

from collections.abc import Iterable


class MocapError(Exception):
    """Base of all errors that name a remedy."""

    exit_code = 1


class InputError(MocapError):
    """An input file, option or array is not what it should be."""

    exit_code = 2


class RigError(InputError):
    """A rig file or a camera in it cannot be used."""


class TargetError(InputError):
    """A calibration target is not described as it should be."""


class CalibrationError(InputError):
    """Cameras cannot be calibrated from what is given."""


class SkeletonError(InputError):
    """A skeleton is unknown or does not fit the data."""


class VideoError(InputError):
    """A video cannot be opened or decoded, or does not fit the rig."""


class ObservationError(InputError):
    """2D observations cannot be used."""


class SessionError(InputError):
    """A session file cannot be read or written."""


class BodyModelError(InputError):
    """A body model cannot be had, whoever it is wanted for."""


class StudioError(InputError):
    """A synthetic scene cannot be made as described."""


class OutputError(MocapError):
    """An output cannot be written."""

    exit_code = 2


class MessageError(MocapError):
    """A message on the wire is malformed, foreign, or of another version."""


class WorkerError(MocapError):
    """A camera worker could not be started, or was lost for good."""

    exit_code = 3


class DependencyError(MocapError):
    """A library which this operation needs is missing."""

    exit_code = 4


def valid_choices(names: Iterable[str], limit: int = 20) -> str:
    """Lists valid names for an error message, shortened after `limit` of them."""
    listed = [str(name) for name in names]
    if not listed:
        return "none"
    shown = ", ".join(listed[:limit])
    return shown if len(listed) <= limit else f"{shown}, ... ({len(listed)} in all)"
