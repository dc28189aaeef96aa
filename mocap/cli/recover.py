"""`mocap recover`: a plain file from a session whose writer was killed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from mocap.cli.options import SessionPath, required
from mocap.cli.progress import say
from mocap.errors import OutputError
from mocap.files import check_output
from mocap.storage.session_reader import Session, recover_session


@dataclass(frozen=True)
class Recover:
    """Copy a session that was not closed in order into a file which any HDF5 tool opens.

    The other mocap commands read such a session as it is.
    """

    session: SessionPath
    """The session file."""
    out: Annotated[Path, required("NEW.h5")]
    """The file to write."""
    overwrite: bool = False
    """Replace an existing file."""

    def execute(self) -> int:
        """Runs the command and returns its exit code."""
        # Opened first, so that a file which is no session is not copied.
        with Session(self.session):
            pass
        if self.out.exists() and self.out.samefile(self.session):
            raise OutputError(f"--out is the session itself, {self.out}; name another file")
        check_output(self.out, overwrite=self.overwrite)
        recover_session(self.session, self.out)
        say(str(self.out))
        return 0
