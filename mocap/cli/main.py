"""The `mocap` command."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Annotated

import tyro
from rich.logging import RichHandler

import mocap
from mocap.cli.doctor import Doctor
from mocap.cli.export import Export
from mocap.cli.info import Info
from mocap.cli.progress import errors
from mocap.cli.recover import Recover
from mocap.cli.run import EXIT_INTERRUPTED, Run
from mocap.cli.view import View
from mocap.errors import MocapError

Command = (
    Annotated[Run, tyro.conf.subcommand("run")]
    | Annotated[Export, tyro.conf.subcommand("export")]
    | Annotated[View, tyro.conf.subcommand("view")]
    | Annotated[Info, tyro.conf.subcommand("info")]
    | Annotated[Recover, tyro.conf.subcommand("recover")]
    | Annotated[Doctor, tyro.conf.subcommand("doctor")]
)


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
    logging.basicConfig(
        level=logging.WARNING,
        format="%(message)s",
        handlers=[RichHandler(console=errors, show_time=False, show_path=False)],
        force=True,
    )
    command = tyro.cli(
        Command,  # type: ignore[arg-type]
        prog="mocap",
        description="Multi-view markerless 3D motion capture for ordinary cameras.",
        args=arguments,
        config=(tyro.conf.ConsolidateSubcommandArgs,),
    )
    try:
        return command.execute()
    except MocapError as error:
        errors.print(f"[bold red]error:[/bold red] {_plain(str(error))}", soft_wrap=True)
        return error.exit_code
    except KeyboardInterrupt:
        errors.print("interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return 0


def _plain(text: str) -> str:
    """Text in which rich sees no mark-up."""
    return text.replace("[", "\\[")


if __name__ == "__main__":
    sys.exit(main())
