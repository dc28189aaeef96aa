"""What the commands say: results, warnings, errors, and progress bars."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

console = Console(emoji=False, highlight=False)
"""Where results go."""
errors = Console(stderr=True, emoji=False, highlight=False)
"""Where progress, warnings and errors go."""


def say(text: str, style: str = "") -> None:
    """Prints a result as it is: no mark-up is read in it, and no line is broken."""
    console.print(Text(text, style), soft_wrap=True)


def say_error(text: str, kind: str = "error", style: str = "bold red") -> None:
    """Prints an error or warning in one line, as it is."""
    line = " ".join(text.splitlines())
    errors.print(Text.assemble((f"{kind}: ", style), line), soft_wrap=True)


class ErrorConsoleHandler(logging.Handler):
    """Shows log records of the library as warnings and errors of the command."""

    def emit(self, record: logging.LogRecord) -> None:
        """Prints one record."""
        style = "bold red" if record.levelno >= logging.ERROR else "yellow"
        say_error(self.format(record), record.levelname.lower(), style)


class _RateColumn(ProgressColumn):
    """Steps per second."""

    def render(self, task: Task) -> Text:
        """The rate, or nothing before there is one."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "", style="progress.data.speed")


class Advance(Protocol):
    """Moves a bar on: steps done, all steps if known, and what is being done if that changes."""

    def __call__(self, done: int, of: int | None, what: str = "") -> None:
        """Shows the new state."""
        ...


@contextmanager
def progress_bar(what: str, total: int | None) -> Generator[Advance]:
    """Shows a bar while the block runs.

    Args:
        what: what is being done.
        total: number of steps, if known.

    Yields:
        A function to call with the steps done and, if known, of all steps.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total}"),
        _RateColumn(),
        TextColumn("elapsed"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, refresh_per_second=4) as bars:
        task = bars.add_task(what, total=total)

        def advance(done: int, of: int | None, what: str = "") -> None:
            bars.update(task, completed=done, total=of if of is not None else total)
            if what:
                bars.update(task, description=what)

        try:
            yield advance
        except BaseException:
            # What follows is an error, and a bar that stands still says nothing.
            bars.live.transient = True
            bars.live.stop()
            bars.disable = True
            raise
