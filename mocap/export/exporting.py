"""A session in several formats at once, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mocap.errors import BodyModelError, InputError, MocapError
from mocap.export.formats import format_by_name
from mocap.export.options import ExportOptions
from mocap.export.source import ExportSource, Written
from mocap.files import check_output


@dataclass(frozen=True)
class Failure:
    """What could not be written.

    Attributes:
        format: the format.
        person_id: whose file it was; None for a file of all people.
        message: why, and the remedy.
    """

    format: str
    person_id: int | None
    message: str


@dataclass(frozen=True)
class ExportReport:
    """What an export ended in.

    Attributes:
        written: files by format, in the order of the formats; a format may have none.
        failures: what could not be written.
    """

    written: Mapping[str, tuple[Written, ...]]
    failures: tuple[Failure, ...]


def export(
    source: ExportSource,
    names: Sequence[str],
    folder: Path,
    options: ExportOptions,
    *,
    overwrite: bool,
    progress: Callable[[int, int, str], None] | None = None,
) -> ExportReport:
    """Writes a session in several formats.

    A format or person that fails does not keep the others from being written.

    Args:
        source: the session.
        names: of the formats.
        folder: to write to.
        options: of the formats.
        overwrite: whether existing files are replaced.
        progress: called before each file with the steps done, all steps, and what comes next.

    Raises:
        InputError: a format is unknown, or there are no people.
    """
    formats = {name: format_by_name(name) for name in names}
    people = source.motion.person_ids
    if not people:
        raise InputError("there is nobody in this motion; there is nothing to export")
    total = sum(len(people) if each.person else 1 for each in formats.values())
    done = 0
    written: dict[str, tuple[Written, ...]] = dict.fromkeys(formats, ())
    failures: list[Failure] = []
    for name, each in formats.items():
        for person_id in people if each.person else (None,):
            what = name if person_id is None else f"{name}, person {person_id}"
            if progress is not None:
                progress(done, total, what)
            try:
                if person_id is not None:
                    assert each.person is not None
                    path = folder / f"person_{person_id}{each.ending}"
                    check_output(path, overwrite=overwrite)
                    made = (each.person(source, person_id, path, options),)
                else:
                    assert each.folder is not None
                    made = tuple(each.folder(source, folder, options, overwrite))
                written[name] = (*written[name], *made)
            except BodyModelError as error:
                # It is the same for everybody.
                failures.append(Failure(name, None, str(error)))
                break
            except (MocapError, OSError) as error:
                failures.append(Failure(name, person_id, str(error)))
            done += 1
    if progress is not None:
        progress(done, total, "exported")
    return ExportReport(written, tuple(failures))
