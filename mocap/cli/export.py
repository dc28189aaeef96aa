"""`mocap export`: a session in the formats of other tools."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro

from mocap.cli.options import SessionPath, option, required
from mocap.cli.progress import progress_bar, say
from mocap.errors import InputError
from mocap.export.formats import EXPORT_FORMATS, ExportOptions, exporter_by_name
from mocap.files import make_output_folder
from mocap.storage.session_reader import Session


@dataclass(frozen=True)
class Export:
    """Write the people of a session as files for other tools.

    Formats: bvh (one file per person: joint rotations on a skeleton of constant bone lengths, for
    Blender, MotionBuilder, Maya, Unreal, Unity), npz and csv (keypoints with covariance,
    reprojection error and number of views). See docs/formats.md.

    Example: mocap export session.h5 --format bvh npz --out FOLDER
    """

    session: SessionPath
    """The session file."""
    out: Annotated[Path, required("FOLDER")]
    """Folder to write to."""
    format: Annotated[tuple[str, ...], option("NAME [NAME ...]")] = ("bvh",)
    """One or more of bvh, csv, npz. Default: bvh."""
    layer: Annotated[Literal["raw", "smooth"] | None, option("{raw,smooth}")] = None
    """As triangulated, or smoothed with short gaps filled. Default: smooth if there is one."""
    people: Annotated[tuple[int, ...], option("ID [ID ...]")] = ()
    """Only these person ids. Default: all."""
    frames: Annotated[tuple[int, int] | None, option("FIRST LAST")] = None
    """Only the frames between these two numbers, both included. Default: all."""
    overwrite: bool = False
    """Replace existing files."""
    options: Annotated[ExportOptions, tyro.conf.arg(name="")] = field(default_factory=ExportOptions)
    """Options of the formats."""

    def execute(self) -> int:
        """Runs the command and returns its exit code."""
        if not self.format:
            raise InputError(f"name at least one format of {', '.join(EXPORT_FORMATS)}")
        exporters = {name: exporter_by_name(name) for name in self.format}
        with Session(self.session) as session:
            motion = session.motion(self.layer or session.best_layer)
        for person_id in self.people:
            motion.person(person_id)
        if self.people:
            motion = motion.rows(np.isin(motion.person_id, self.people))
        if self.frames is not None:
            first, last = self.frames
            motion = motion.rows((motion.frame >= first) & (motion.frame <= last))
        if not len(motion):
            raise InputError(
                f"{self.session} holds no 3D people for this choice; 'mocap info {self.session}' "
                f"says what it holds"
            )
        make_output_folder(self.out)
        with progress_bar("formats", len(exporters)) as progress:
            made: list[Path] = []
            for done, exporter in enumerate(exporters.values()):
                made += exporter(motion, self.out, self.options, self.overwrite)
                progress(done + 1, len(exporters))
        for path in made:
            say(str(path))
        return 0
