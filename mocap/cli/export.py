"""`mocap export`: a session in the formats of other tools."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from mocap.cli.export_source import session_source
from mocap.cli.options import SessionPath, option, required
from mocap.cli.progress import progress_bar, say, say_error
from mocap.errors import InputError
from mocap.export.exporting import ExportReport, export
from mocap.export.formats import EXPORT_FORMATS, format_by_name
from mocap.export.options import ExportOptions, MotOptions
from mocap.export.retarget import RetargetOptions
from mocap.files import make_output_folder
from mocap.storage.session_reader import Session


@dataclass(frozen=True)
class ShownMotOptions(MotOptions):
    """How MOT files are made."""

    model: Annotated[Path | None, option("MODEL.osim")] = None
    """An OpenSim model whose markers are called as ours (see --trc.names): OpenSim solves its
    coordinates for the markers. Default: the angles of the fitted body."""


@dataclass(frozen=True)
class Options(ExportOptions):
    """Options of the formats, without those that the command has by shorter names."""

    mot: ShownMotOptions = field(default_factory=ShownMotOptions)
    """MOT."""
    retarget: tyro.conf.Suppress[RetargetOptions] = field(default_factory=RetargetOptions)


@dataclass(frozen=True)
class Export:
    """Write the people of a session as files for other tools.

    Formats: bvh (joint rotations on constant bones, for Blender, MotionBuilder, Maya, Unreal,
    Unity), glb (glTF: an animated skeleton with a surface), trc and c3d (markers, for OpenSim and
    other biomechanics programs), mot (joint angles as OpenSim's coordinates), csv, parquet and npz
    (tables and arrays of everything), amass and easymocap (SMPL parameters of people fitted on a
    model of the SMPL family), retarget (BVH on a skeleton of your own), openpose (2D people as
    OpenPose JSON). See docs/formats.md.

    A format that fails is named, and the others are written all the same.

    Example: mocap export session.h5 --format bvh trc c3d --out FOLDER

    Exit codes: 0 every format was written, 2 a format was not.
    """

    session: SessionPath
    """The session file."""
    out: Annotated[Path, required("FOLDER")]
    """Folder to write to."""
    format: Annotated[tuple[str, ...], option("NAME [NAME ...]")] = ("bvh",)
    """One or more of the formats above. Default: bvh."""
    layer: Annotated[Literal["raw", "smooth"] | None, option("{raw,smooth}")] = None
    """As triangulated, or smoothed with short gaps filled. Default: smooth if there is one."""
    model: Annotated[str | None, option("NAME")] = None
    """Body model of the formats with joint rotations: skeleton, anny, smpl, smplh or smplx.
    Default: the one of the bodies that 'mocap fit' has stored, else skeleton."""
    model_path: Annotated[Path | None, option("PATH")] = None
    """File or folder of your licensed model files, for smpl, smplh and smplx."""
    gender: Literal["neutral", "male", "female"] = "neutral"
    """Of the body model, where a body must be fitted."""
    people: Annotated[tuple[int, ...], option("ID [ID ...]")] = ()
    """Only these person ids. Default: all."""
    frames: Annotated[tuple[int, int] | None, option("FIRST LAST")] = None
    """Only the frames between these two numbers, both included. Default: all."""
    retarget: Annotated[Path | None, option("TARGET.bvh")] = None
    """Also write the motion on the skeleton of this BVH file, whose bones keep their lengths."""
    map: Annotated[Path | None, option("MAP.toml")] = None
    """For --retarget: which joint is which, where the names do not tell. A table [joints] with
    lines such as "Bip01 L UpperArm" = "LeftArm"."""
    overwrite: bool = False
    """Replace existing files."""
    options: Annotated[Options, tyro.conf.arg(name="")] = field(default_factory=Options)
    """Options of the formats."""

    def execute(self) -> int:
        """Runs the command and returns its exit code."""
        if not self.format:
            raise InputError(f"name at least one format of {', '.join(EXPORT_FORMATS)}")
        formats = list(dict.fromkeys(self.format))
        if self.retarget is not None and "retarget" not in formats:
            formats.append("retarget")
        for name in formats:
            format_by_name(name)
        options = replace(self.options, retarget=RetargetOptions(self.retarget, self.map))
        with Session(self.session) as session:
            source = session_source(
                session,
                self.layer,
                self.people,
                self.frames,
                self.model,
                self.gender,
                self.model_path,
            )
            if not len(source.motion):
                raise InputError(
                    f"{self.session} holds no 3D people for this choice; "
                    f"'mocap info {self.session}' says what it holds"
                )
            make_output_folder(self.out)
            with progress_bar("export", None) as progress:
                report = export(
                    source,
                    formats,
                    self.out,
                    options,
                    overwrite=self.overwrite,
                    progress=progress,
                )
        return show_report(report)


def show_report(report: ExportReport) -> int:
    """Prints what was written and what was not.

    Returns:
        The exit code: 2 if a format was not written at all.
    """
    for name, files in report.written.items():
        for file in files:
            say(f"{name}: {file.path}: {file.what}")
            for note in file.notes:
                say(f"    {note}")
    empty = [name for name, files in report.written.items() if not files]
    for failure in report.failures:
        failed = failure.format in empty
        who = (
            failure.format
            if failure.person_id is None
            else (f"{failure.format}, person {failure.person_id}")
        )
        if failed:
            say_error(f"{who} not written: {failure.message}")
        else:
            say_error(f"{who} not written: {failure.message}", "warning", "yellow")
    return InputError.exit_code if empty else 0
