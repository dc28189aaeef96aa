"""The `mocap` command."""

from __future__ import annotations

import difflib
import errno
import importlib
import inspect
import logging
import sys
from collections.abc import Sequence
from typing import Any

import tyro
from rich.table import Table
from rich.text import Text

import mocap
from mocap.cli.exit_codes import EXIT_INTERRUPTED
from mocap.cli.interrupt import EndAtOnce
from mocap.cli.progress import ErrorConsoleHandler, console, errors, say, say_error
from mocap.errors import InputError, MocapError, OutputError

COMMANDS: dict[str, str] = {
    "calibrate": "mocap.cli.calibrate:Calibrate",
    "calibrate lenses": "mocap.cli.calibrate_lenses:CalibrateLenses",
    "calibrate people": "mocap.cli.calibrate_people:CalibratePeople",
    "calibrate refine": "mocap.cli.calibrate_people:CalibrateRefine",
    "calibrate check": "mocap.cli.calibrate_check:CalibrateCheck",
    "calibrate floor": "mocap.cli.calibrate_floor:CalibrateFloor",
    "run": "mocap.cli.run:Run",
    "fit": "mocap.cli.fit:Fit",
    "export": "mocap.cli.export:Export",
    "import": "mocap.cli.import_motion:Import",
    "view": "mocap.cli.view:View",
    "info": "mocap.cli.info:Info",
    "explain": "mocap.cli.explain:Explain",
    "angles": "mocap.cli.angles:Angles",
    "tracks": "mocap.cli.tracks:Tracks",
    "studio": "mocap.cli.studio:Studio",
    "evaluate": "mocap.cli.evaluate:Evaluate",
    "rig": "mocap.cli.rig:ConvertRig",
    "plan": "mocap.cli.plan:Plan",
    "board": "mocap.cli.board:Board",
    "sync": "mocap.cli.sync:Sync",
    "recover": "mocap.cli.recover:Recover",
    "doctor": "mocap.cli.doctor:Doctor",
}
"""The commands by name, of one word or two. Only the one that is called is imported: it starts
sooner."""

_FULL_OR_BROKEN = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
_CONFIG = (tyro.conf.FlagCreatePairsOff, tyro.conf.DisallowNone)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: of the command line; those of this process by default.

    Returns:
        The exit code.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments == ["--version"]:
        sys.stdout.write(f"mocap {mocap.__version__}\n")
        return 0
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        _print_overview()
        return 0
    handler = ErrorConsoleHandler()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler], force=True)
    try:
        with EndAtOnce():
            return _parse(arguments).execute()
    except MocapError as error:
        say_error(str(error))
        return error.exit_code
    except OSError as error:
        # What no check foresees: a disk that fills up, a folder without permission.
        if error.filename is None and error.errno not in _FULL_OR_BROKEN:
            raise
        where = error.filename or "output"
        say_error(f"{where}: {error.strerror}; check the path, permissions and free space")
        return OutputError.exit_code
    except KeyboardInterrupt:
        errors.print("interrupted")
        return EXIT_INTERRUPTED


def load_command(name: str) -> type[Any]:
    """The class of a command, which is its interface."""
    module, attribute = COMMANDS[name].split(":")
    return getattr(importlib.import_module(module), attribute)


def _print_overview() -> None:
    say("usage: mocap COMMAND [options]\n")
    say("Multi-view markerless 3D motion capture for ordinary cameras.\n")
    console.print(
        Text(
            "'mocap calibrate' makes a rig from videos of a board, 'mocap run' a session from "
            "videos of people, 'mocap view' shows it, and 'mocap export' writes it for other "
            "programs.\n"
        )
    )
    table = Table.grid(padding=(0, 3))
    for name in COMMANDS:
        summary = " ".join(
            inspect.cleandoc(load_command(name).__doc__ or "").split("\n\n")[0].split()
        )
        table.add_row(f"  {name}", summary)
    console.print(table)
    say("\n'mocap COMMAND --help' explains a command, 'mocap --version' tells the version.")


def _parse(arguments: list[str]) -> Any:
    """The command with its options.

    Raises:
        InputError: there is no such command.
        SystemExit: help was asked for, or the options are wrong; what is to be said was said.
    """
    name, words = " ".join(arguments[:2]), 2
    if name not in COMMANDS:
        name, words = arguments[0], 1
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"there is no command {name!r}; commands are {', '.join(COMMANDS)}{hint}")
    return tyro.cli(
        load_command(name), prog=f"mocap {name}", args=arguments[words:], config=_CONFIG
    )


if __name__ == "__main__":
    sys.exit(main())
