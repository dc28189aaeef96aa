"""`mocap recover`: a plain file from a session whose writer was killed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from mocap.cli.progress import console
from mocap.files import check_input, check_output
from mocap.storage.session_reader import recover_session


@dataclass(frozen=True)
class Recover:
    """Copy a session that was not closed in order into a file which any HDF5 tool opens.

    The other mocap commands read such a session as it is.
    """

    session: tyro.conf.Positional[Path]
    """The session file."""
    out: Path
    """The file to write (.h5)."""
    overwrite: bool = False
    """Replace an existing file."""

    def execute(self) -> int:
        """Runs the command and returns its exit code."""
        check_input(self.session, "session")
        check_output(self.out, overwrite=self.overwrite)
        recover_session(self.session, self.out)
        console.print(f"{self.out}", soft_wrap=True)
        return 0
