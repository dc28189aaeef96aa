"""Rigs in the formats of other programs, by name.

Each format says what it can carry; whatever of the rig is lost is told in a warning for each
camera, and a file that would give wrong results is not written.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mocap.errors import InputError, OutputError, RigError, valid_choices
from mocap.files import check_output, write_atomically
from mocap.model import Rig
from mocap.storage.rig_caliscope import caliscope_text
from mocap.storage.rig_easymocap import EXTRI, INTRI, easymocap_texts
from mocap.storage.rig_file import rig_to_toml
from mocap.storage.rig_fitting import (
    Carries,
    NameRule,
    fitted,
    keep_names,
    key_names,
    numbered_names,
    printable_names,
)
from mocap.storage.rig_opencv import multiview_text
from mocap.storage.rig_plain_text import (
    aniposelib_text,
    freemocap_text,
    pose2sim_order,
    pose2sim_text,
)
from mocap.storage.rig_units import Units

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RigFormat:
    """A format in which a rig can be written.

    Attributes:
        carries: what it can say of a camera.
        units: units of length which it can have; the first is the usual one.
        write: makes the text of each file; a format of one file calls it "".
        names: the camera names it can hold.
        order: the order in which its program wants the cameras.
        files: names of its files, if it is a folder of several.
    """

    carries: Carries
    units: tuple[Units, ...]
    write: Callable[[Rig, Units], dict[str, str]]
    names: NameRule = keep_names
    order: Callable[[Sequence[str]], list[str]] = keep_names
    files: tuple[str, ...] = ()


def _one(write: Callable[[Rig, Units], str]) -> Callable[[Rig, Units], dict[str, str]]:
    """The writer of a format of one file."""
    return lambda rig, units: {"": write(rig, units)}


RIG_FORMATS: dict[str, RigFormat] = {
    "mocap": RigFormat(
        Carries("mocap", (0, 4, 5, 8), time_offset=True, covariance=True, skew=True),
        ("m",),
        _one(lambda rig, _: rig_to_toml(rig)),
    ),
    "aniposelib": RigFormat(Carries("aniposelib", (4, 5, 8)), ("m", "mm"), _one(aniposelib_text)),
    "freemocap": RigFormat(Carries("FreeMoCap", (4, 5, 8)), ("mm", "m"), _one(freemocap_text)),
    "pose2sim": RigFormat(
        Carries("Pose2Sim", (4, 5, 8), fisheye=False),
        ("m",),
        _one(lambda rig, _: pose2sim_text(rig)),
        order=pose2sim_order,
    ),
    "caliscope": RigFormat(
        Carries("Caliscope", (5,)),
        ("m",),
        _one(lambda rig, _: caliscope_text(rig)),
        names=numbered_names,
    ),
    "easymocap": RigFormat(
        Carries("EasyMocap", (5,), fisheye=False),
        ("m",),
        lambda rig, _: easymocap_texts(rig),
        names=key_names,
        files=(INTRI, EXTRI),
    ),
    "opencv": RigFormat(
        Carries("OpenCV", (0, 4, 5, 8)),
        ("m", "mm"),
        _one(multiview_text),
        names=printable_names,
    ),
}
"""All formats by name."""


def rig_format_by_name(name: str) -> RigFormat:
    """The format called `name`.

    Raises:
        InputError: there is none; the message lists those there are.
    """
    try:
        return RIG_FORMATS[name]
    except KeyError:
        raise InputError(
            f"unknown rig format {name!r}; formats are {valid_choices(RIG_FORMATS)}"
        ) from None


def export_rig(
    rig: Rig,
    path: Path,
    format_name: str,
    *,
    units: Units | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Writes a rig for another program, and warns of what its format cannot carry.

    Args:
        rig: any rig.
        path: the file; for a format of several files, their folder.
        format_name: a key of `RIG_FORMATS`.
        units: unit of length; by default the one usual for the format.
        overwrite: whether existing files may be replaced.

    Returns:
        The files written.

    Raises:
        InputError: there is no such format, or it cannot have this unit.
        RigError: the format would give another rig.
        OutputError: a file exists and `overwrite` is false, or it cannot be written.
    """
    rig_format = rig_format_by_name(format_name)
    unit = rig_format.units[0] if units is None else units
    if unit not in rig_format.units:
        raise InputError(
            f"lengths in files of format {format_name} are in {rig_format.units[0]}, but units "
            f"{unit} was asked for; leave the option out"
        )
    carried, lost = fitted(rig, rig_format.carries, rig_format.names)
    order = rig_format.order(carried.names)
    if order != list(carried.names):
        carried = Rig(tuple(carried[name] for name in order), carried.metadata)
        lost.append(
            f"{rig_format.carries.program} pairs cameras with its folders by the last number in "
            f"their names, so they stand in the file as {', '.join(order)}"
        )
    texts = rig_format.write(carried, unit)
    if rig_format.files and path.exists() and not path.is_dir():
        raise OutputError(f"{path} is a file; format {format_name} is a folder: name a folder")
    paths = {path / name if name else path: text for name, text in texts.items()}
    contents = {target: _encoded(text) for target, text in paths.items()}
    for target in contents:
        check_output(target, overwrite=overwrite)
    for target, content in contents.items():
        write_atomically(target, content)
    for line in lost:
        _log.warning("%s", line)
    return list(contents)


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RigError(
            f"the name of a camera cannot be written as UTF-8 ({error.object[error.start]!a}); "
            f"rename it"
        ) from error
