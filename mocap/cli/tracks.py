"""`mocap tracks`: who is who in a session, and corrections of it."""

from __future__ import annotations

import builtins
import datetime
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from rich.table import Table

import mocap
from mocap.cli.options import SessionPath, option
from mocap.cli.progress import console, say
from mocap.errors import InputError
from mocap.model import Motion
from mocap.pipeline.track_edits import check_edit, joins_by_signature, track_summaries, unused_id
from mocap.storage.session_edits import TrackEdit, log_path, save_edits
from mocap.storage.session_reader import Session

Pair = tuple[int, int]


@dataclass(frozen=True)
class Tracks:
    """List the people of a session, and merge, split, rename, swap, pick or remove them.

    The session file is not changed: corrections are kept beside it, in SESSION.h5.edits.json, and
    every command applies them. --undo takes back what the last command did.

    Example: mocap tracks session.h5 --merge 0 3 --frames 120 400
    """

    session: SessionPath
    """The session file."""
    list: bool = False
    """List people and corrections. It is what the command does without any other option."""
    merge: Annotated[Pair | None, option("A B")] = None
    """B is A. Where both are there, A stays."""
    split: Annotated[int | None, option("A")] = None
    """Two people were taken for one, A: from the frame --at on it is a new person."""
    at: Annotated[int | None, option("FRAME")] = None
    """First frame of the new person of --split."""
    rename: Annotated[Pair | None, option("A B")] = None
    """A is to be called B; B must not be there in these frames."""
    swap: Annotated[Pair | None, option("A B")] = None
    """A and B were exchanged."""
    remove: Annotated[tuple[int, ...], option("A [B ...]")] = ()
    """These people are left out: they are nobody, or none of the performers."""
    keep: Annotated[tuple[int, ...], option("A [B ...]")] = ()
    """Only these people are kept; all others are left out."""
    join: bool = False
    """Find tracks which are one person who was lost in between, by bone lengths, and merge them."""
    pause_s: Annotated[float, option("SECONDS")] = 10.0
    """For --join: how long somebody may have been lost. Default: 10."""
    frames: Annotated[tuple[int, int] | None, option("LO HI")] = None
    """Correct only the frames between these two numbers, both included. Default: all."""
    undo: bool = False
    """Take back what the last command did."""

    def execute(self) -> int:
        """Runs the command and returns its exit code."""
        self._check()
        with Session(self.session) as session:
            edits, made = session.edits, self._made(session)
            if self.undo and not edits:
                raise InputError(f"{self.session} has no correction to take back")
            if self.join and not made:
                say("No two tracks are surely the same person.")
            created = session.created_utc
        if self.undo:
            # Corrections of one command carry the same time.
            step = [edit for edit in edits if edit.made_utc == edits[-1].made_utc]
            save_edits(self.session, created, edits[: -len(step)])
            for edit in step:
                say(f"taken back: {edit.describe()}")
        elif made:
            save_edits(self.session, created, (*edits, *made))
            for edit in made:
                say(edit.describe())
        self._print()
        return 0

    def _check(self) -> None:
        wishes = {
            "--merge": self.merge is not None,
            "--split": self.split is not None,
            "--rename": self.rename is not None,
            "--swap": self.swap is not None,
            "--remove": bool(self.remove),
            "--keep": bool(self.keep),
            "--join": self.join,
            "--undo": self.undo,
        }
        given = [name for name, wish in wishes.items() if wish]
        if len(given) > 1:
            raise InputError(f"one correction at a time, got {' and '.join(given)}")
        if (self.split is None) != (self.at is None):
            raise InputError("--split A goes with --at FRAME, the first frame of the new person")
        if self.frames is not None and (not given or given[0] in ("--split", "--join", "--undo")):
            raise InputError("--frames goes with --merge, --rename, --swap, --remove or --keep")
        if not 0 < self.pause_s < float("inf"):
            raise InputError(f"--pause-s is {self.pause_s:g}; it must be positive")

    def _made(self, session: Session) -> tuple[TrackEdit, ...]:
        """The corrections that are asked for, checked."""
        first, last = self.frames or (None, None)
        raw = session.motion("raw")
        if self.join:
            return _signed(joins_by_signature(raw, self.pause_s))
        if self.remove or self.keep:
            return _signed(self._removals(raw))
        if self.merge is not None:
            edit = TrackEdit("merge", *self.merge, first, last)
        elif self.rename is not None:
            edit = TrackEdit("rename", *self.rename, first, last)
        elif self.swap is not None:
            edit = TrackEdit("swap", *self.swap, first, last)
        elif self.split is not None:
            new = unused_id(session.motion("raw", edited=False), session.edits)
            edit = TrackEdit("split", self.split, new, self.at)
        else:
            return ()
        check_edit(edit, raw)
        return _signed([edit])

    def _removals(self, raw: Motion) -> builtins.list[TrackEdit]:
        """Who is left out by --remove or --keep."""
        first, last = self.frames or (None, None)
        named = [
            TrackEdit("delete", i, None, first, last)
            for i in dict.fromkeys(self.remove or self.keep)
        ]
        for edit in named:
            check_edit(edit, raw)
        if self.remove:
            return named
        within = np.ones(len(raw), bool)
        if self.frames is not None:
            within = (raw.frame >= self.frames[0]) & (raw.frame <= self.frames[1])
        others = sorted({int(i) for i in raw.person_id[within]} - set(self.keep))
        if not others:
            raise InputError(
                f"there is nobody else than {', '.join(map(str, sorted(set(self.keep))))} in these "
                f"frames; nothing is left out"
            )
        return [TrackEdit("delete", i, None, first, last) for i in others]

    def _print(self) -> None:
        with Session(self.session) as session:
            tracks = track_summaries(session.motion("raw"))
            table = Table(title="People (raw layer)", title_justify="left")
            for heading in ("id", "first", "last", "frames", "measured", "from", "to"):
                table.add_column(heading, justify="right")
            for track in tracks:
                table.add_row(
                    str(track.person_id),
                    str(track.first),
                    str(track.last),
                    str(track.frames),
                    f"{100 * track.measured:.0f} %",
                    *(f"({x:.1f}, {y:.1f}) m" for x, y, _ in (track.start_m, track.end_m)),
                )
            console.print(table)
            for number, edit in enumerate(session.edits, 1):
                say(f"correction {number}, {edit.made_utc[:19]}: {edit.describe()}")
            if session.edits:
                say(f"They are in {log_path(self.session)}; --undo takes back the latest.")


def _signed(edits: Iterable[TrackEdit]) -> tuple[TrackEdit, ...]:
    """Notes when and by what they were made: together, so they are taken back together."""
    by, now = f"mocap {mocap.__version__}", datetime.datetime.now(datetime.UTC).isoformat()
    return tuple(
        replace(edit, made_utc=now, made_by=f"{by}, {edit.made_by}" if edit.made_by else by)
        for edit in edits
    )
