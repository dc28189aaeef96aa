"""Corrections of person ids that a user has made: a log beside the session, never in it.

The log is `SESSION.h5.edits.json`. It is replaced as a whole, so that a kill at any moment leaves
the old one or the new one, and the session itself is not written to at all: taking back every
correction gives the session bit for bit. The log names the session by the time at which that was
made; a log that belongs to another session is refused, not applied.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from mocap.arrays import Bool, Int
from mocap.errors import SessionError
from mocap.files import write_atomically

LOG_FORMAT = "mocap-track-edits"
LOG_VERSION = 1

EditKind = Literal["merge", "split", "rename", "swap", "delete"]


@dataclass(frozen=True)
class TrackEdit:
    """One correction.

    Attributes:
        kind: `merge`: `other` becomes `person`; where both are there, `person` stays. `split`:
            `person` becomes `other`, a new id. `rename`: `person` becomes `other`. `swap`: both
            change ids. `delete`: `person` is left out.
        person: id of a person, as it is after the corrections before this one.
        other: the second id; None for `delete`.
        first: first frame number concerned; None for the beginning.
        last: last frame number concerned; None for the end.
        made_utc: when it was made, ISO 8601.
        made_by: the program and version that made it, and why, if not by hand.
    """

    kind: EditKind
    person: int
    other: int | None
    first: int | None = None
    last: int | None = None
    made_utc: str = ""
    made_by: str = ""

    def __post_init__(self) -> None:
        if self.kind not in get_args(EditKind):
            raise ValueError(f"no correction is called {self.kind!r}")
        if (self.other is None) != (self.kind == "delete"):
            raise ValueError(f"{self.kind} of {self.person} with {self.other} is not possible")

    def describe(self) -> str:
        """The correction in words."""
        what = {
            "merge": f"{self.other} merged into {self.person}",
            "split": f"{self.person} split: {self.other} from there on",
            "rename": f"{self.person} renamed {self.other}",
            "swap": f"{self.person} and {self.other} swapped",
            "delete": f"{self.person} removed",
        }[self.kind]
        if self.first is None and self.last is None:
            return f"{what}, all frames"
        first = "the first" if self.first is None else str(self.first)
        last = "the last" if self.last is None else str(self.last)
        return f"{what}, frames {first} to {last}"


def apply_edits(
    edits: Sequence[TrackEdit], frame: Int[np.ndarray, " rows"], person_id: Int[np.ndarray, " rows"]
) -> tuple[Int[np.ndarray, " rows"], Bool[np.ndarray, " rows"]]:
    """Applies corrections, in the order in which they were made.

    Args:
        edits: the corrections.
        frame: frame number of each row.
        person_id: id of each row, as it was recorded.

    Returns:
        The corrected ids, and which rows remain. A person stands at most once in a frame if that
        was so before.
    """
    ids = np.array(person_id, np.int64)
    kept = np.ones(len(ids), bool)
    for edit in edits:
        within = kept.copy()
        if edit.first is not None:
            within &= frame >= edit.first
        if edit.last is not None:
            within &= frame <= edit.last
        mine = within & (ids == edit.person)
        if edit.kind == "delete":
            kept &= ~mine
            continue
        assert edit.other is not None
        others = within & (ids == edit.other)
        if edit.kind == "swap":
            ids[mine], ids[others] = edit.other, edit.person
            continue
        moved, target = (others, edit.person) if edit.kind == "merge" else (mine, edit.other)
        taken = np.unique(frame[kept & (ids == target)])
        kept &= ~(moved & np.isin(frame, taken))
        ids[moved] = target
    return ids, kept


def log_path(session: Path) -> Path:
    """Where the corrections of a session are kept."""
    return session.with_name(f"{session.name}.edits.json")


def load_edits(session: Path, created_utc: str) -> tuple[TrackEdit, ...]:
    """The corrections of a session.

    Args:
        session: the session file.
        created_utc: when it was made, which is how the log knows it.

    Raises:
        SessionError: the log is damaged, of a newer version, or of another session.
    """
    path = log_path(session)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise SessionError(f"{path} cannot be read ({error}); delete or repair it") from error
    try:
        log: dict[str, Any] = json.loads(text)
        known = log["format"] == LOG_FORMAT
        version, made_for = int(log["version"]), str(log["session_created_utc"])
        if known and version > LOG_VERSION:
            raise SessionError(
                f"{path} is of version {version}; this program reads up to {LOG_VERSION}, so "
                f"update it"
            )
        edits = tuple(TrackEdit(**entry) for entry in log["edits"])
        if not known or not all(_whole_numbers(edit) for edit in edits):
            raise ValueError("not a log of corrections")
    except (KeyError, TypeError, ValueError) as error:
        raise SessionError(
            f"{path} is no log of corrections, or is damaged ({error}); delete it to go on with "
            f"the ids as they were recorded"
        ) from error
    if made_for != created_utc:
        raise SessionError(
            f"{path} belongs to a session made {made_for}, not to {session}, made {created_utc}; "
            f"move it to that session, or delete it"
        )
    return edits


def _whole_numbers(edit: TrackEdit) -> bool:
    numbers = (edit.person, edit.other, edit.first, edit.last)
    return all(n is None or type(n) is int for n in numbers)


def save_edits(session: Path, created_utc: str, edits: Sequence[TrackEdit]) -> None:
    """Replaces the log of a session; without corrections there is none."""
    path = log_path(session)
    if not edits:
        path.unlink(missing_ok=True)
        return
    log = {
        "format": LOG_FORMAT,
        "version": LOG_VERSION,
        "session_created_utc": created_utc,
        "edits": [asdict(edit) for edit in edits],
    }
    write_atomically(path, json.dumps(log, indent=1).encode())
