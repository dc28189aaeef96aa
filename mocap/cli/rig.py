"""`mocap rig`: what a rig file says, and the same rig for other programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from mocap.cli.options import option
from mocap.cli.progress import say
from mocap.cli.rig_table import print_lenses, print_rig
from mocap.errors import InputError, RigError
from mocap.model import Rig
from mocap.storage.rig_export import RIG_FORMATS, export_rig
from mocap.storage.rig_file import load_intrinsics, load_rig
from mocap.storage.rig_units import NoPoseError


@dataclass(frozen=True)
class ConvertRig:
    """Show what a rig file says, or write it for another program.

    Without --to it prints cameras, lenses, positions, time offsets and distances. Read are our
    rig files and those of aniposelib, FreeMoCap, Pose2Sim, Caliscope, EasyMocap, OpenCV and
    Qualisys. What a format cannot carry is told. See docs/rig_files.md.

    Example: mocap rig rig.toml --to easymocap --out FOLDER
    """

    rig: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RIG")]
    """The rig file, or the folder of intri.yml and extri.yml."""
    to: Annotated[str | None, option("FORMAT")] = None
    """One of mocap, aniposelib, freemocap, pose2sim, caliscope, easymocap, opencv."""
    out: Annotated[Path | None, option("PATH")] = None
    """The file to write; for easymocap the folder."""
    units: Annotated[Literal["m", "mm"] | None, option("{m,mm}")] = None
    """Unit of length to write. Default: mm for freemocap, else m."""
    read_units: Annotated[Literal["m", "mm"] | None, option("{m,mm}")] = None
    """Unit of length of a RIG that does not state one."""
    overwrite: bool = False
    """Replace existing files."""

    def execute(self) -> int:
        """Runs the command and returns its exit code."""
        if self.to is None:
            return self._show()
        if self.out is None:
            raise InputError(f"--to {self.to} needs --out, the file or folder to write")
        rig = self._load()
        for path in export_rig(rig, self.out, self.to, units=self.units, overwrite=self.overwrite):
            say(str(path))
        return 0

    def _show(self) -> int:
        if self.out is not None:
            raise InputError(f"--out needs --to, one of {', '.join(RIG_FORMATS)}")
        if self.units is not None:
            raise InputError(
                "--units is the unit to write with --to; if RIG does not state its own, pass "
                "--read-units"
            )
        try:
            print_rig(self._load(), str(self.rig))
        except NoPoseError:
            print_lenses(load_intrinsics(self.rig), str(self.rig))
        return 0

    def _load(self) -> Rig:
        try:
            return load_rig(self.rig, units=self.read_units)
        except NoPoseError:
            raise
        except RigError as error:
            # Here --units is that of the output.
            raise RigError(str(error).replace("pass units", "pass --read-units")) from error
