"""The export formats by name, with the file names each one makes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mocap.errors import InputError, valid_choices
from mocap.export.bvh import BvhOptions, write_humanoid_bvh
from mocap.export.humanoid import Humanoid, solve_humanoid
from mocap.export.keypoints_csv import write_keypoints_csv
from mocap.export.keypoints_npz import write_keypoints_npz
from mocap.files import check_output
from mocap.model import Motion

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExportOptions:
    """Options of all formats."""

    bvh: BvhOptions = field(default_factory=BvhOptions)
    """How BVH files are written."""


Exporter = Callable[[Motion, Path, ExportOptions, bool], list[Path]]
"""Writes a motion into a folder: (motion, folder, options, overwrite) -> the files made."""


def export_bvh(motion: Motion, folder: Path, options: ExportOptions, overwrite: bool) -> list[Path]:
    """Writes `person_<id>.bvh` for each person.

    People who cannot be solved (never seen with hips and shoulders) are left out with a warning.

    Raises:
        InputError: there is no person at all, or none that can be solved.
        OutputError: a file exists already and `overwrite` is false, or cannot be written.
    """
    if not motion.person_ids:
        raise InputError("there is nobody in this motion; there is nothing to export as BVH")
    paths = {person_id: folder / f"person_{person_id}.bvh" for person_id in motion.person_ids}
    for path in paths.values():
        check_output(path, overwrite=overwrite)
    solved: list[Humanoid] = []
    failures: list[InputError] = []
    for person_id in paths:
        try:
            solved.append(solve_humanoid(motion.person(person_id), fingers=options.bvh.fingers))
        except InputError as error:
            failures.append(error)
    if not solved:
        raise failures[0]
    for failure in failures:
        _log.warning("not exported as BVH: %s", failure)
    return [
        write_humanoid_bvh(humanoid, paths[humanoid.person_id], options.bvh).path
        for humanoid in solved
    ]


def _table_exporter(name: str, write: Callable[[Motion, Path], None]) -> Exporter:
    """An exporter that writes all people into one file."""

    def export(
        motion: Motion,
        folder: Path,
        options: ExportOptions,  # noqa: ARG001
        overwrite: bool,
    ) -> list[Path]:
        path = folder / name
        check_output(path, overwrite=overwrite)
        write(motion, path)
        return [path]

    return export


EXPORT_FORMATS: dict[str, Exporter] = {
    "bvh": export_bvh,
    "csv": _table_exporter("keypoints.csv", write_keypoints_csv),
    "npz": _table_exporter("keypoints.npz", write_keypoints_npz),
}
"""All formats by name."""


def exporter_by_name(name: str) -> Exporter:
    """The function that writes the format called `name`.

    Raises:
        InputError: there is none; the message lists those there are.
    """
    try:
        return EXPORT_FORMATS[name]
    except KeyError:
        raise InputError(
            f"unknown export format {name!r}; formats are {valid_choices(EXPORT_FORMATS)}"
        ) from None
