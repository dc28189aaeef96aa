"""The export formats by name, with the files each one makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mocap.body.biomechanics.gait import gait
from mocap.body.smpl_kinds import SMPL_KINDS
from mocap.body.surface import SurfaceMesh, has_surface, surface_mesh
from mocap.errors import InputError, valid_choices
from mocap.export.amass import write_amass
from mocap.export.animation import animation
from mocap.export.biomechanics_tables import derived_table
from mocap.export.body_npz import write_body_npz
from mocap.export.bvh import motion_notes, with_fingers, write_bvh
from mocap.export.c3d import write_c3d
from mocap.export.easymocap_json import write_easymocap
from mocap.export.glb import write_glb
from mocap.export.glb_meshes import body_mesh, bone_mesh
from mocap.export.keypoints_npz import write_keypoints_npz
from mocap.export.markers import person_markers
from mocap.export.mot import write_mot
from mocap.export.openpose_json import write_openpose
from mocap.export.opensim_ik import write_opensim_ik
from mocap.export.options import ExportOptions, GlbOptions, TableOptions
from mocap.export.retarget import write_retargeted
from mocap.export.source import ExportSource, Written
from mocap.export.tables import (
    Table,
    body_table,
    joined,
    keypoint_table,
    write_csv,
    write_parquet,
    write_table_npz,
)
from mocap.export.trc import marker_summary, write_trc
from mocap.files import check_output
from mocap.model import BodyMotion

_OF_BODIES = ("bodies", "angles", "center_of_mass", "events", "strides")

PersonWriter = Callable[[ExportSource, int, Path, ExportOptions], Written]
"""Writes one person's file: (source, person id, path, options)."""
FolderWriter = Callable[[ExportSource, Path, ExportOptions, bool], Sequence[Written]]
"""Writes the files of all people: (source, folder, options, overwrite)."""


@dataclass(frozen=True)
class ExportFormat:
    """One format.

    Attributes:
        summary: what it is, in a line.
        ending: of one person's file, `person_<id><ending>`; "" for formats of all people.
        person: writes one person's file, or None.
        folder: writes the files of all people, or None.
    """

    summary: str
    ending: str = ""
    person: PersonWriter | None = None
    folder: FolderWriter | None = None


def _bvh(source: ExportSource, person_id: int, path: Path, options: ExportOptions) -> Written:
    motion = source.body(person_id)
    notes = write_bvh(motion, path, options.bvh)
    return Written(path, f"person {person_id}: {len(motion)} frames", notes)


def _trc(source: ExportSource, person_id: int, path: Path, options: ExportOptions) -> Written:
    markers = person_markers(source, person_id, options.trc.parts, options.trc.names)
    written, notes = write_trc(markers, path, options.trc)
    return Written(path, marker_summary(written), notes)


def _c3d(source: ExportSource, person_id: int, path: Path, options: ExportOptions) -> Written:
    markers = person_markers(source, person_id, options.c3d.parts, options.c3d.names)
    events: dict[str, list[float]] = {}
    more: tuple[str, ...] = ()
    if person_id in source.stored_bodies:
        try:
            found = gait(source.body(person_id), options.tables.gait).events
        except InputError as error:
            more = (f"no events: {error}",)
        else:
            for kind, side, time_s in zip(found.kind, found.side, found.time_s, strict=True):
                events.setdefault(f"{side} {_C3D_EVENTS[kind]}", []).append(
                    float(time_s - markers.time_s[0])
                )
    notes = write_c3d(markers, path, options.c3d, events)
    return Written(path, marker_summary(markers), (*notes, *more))


_C3D_EVENTS = {"foot_strike": "foot strike", "toe_off": "foot off"}
"""What gait programs call them."""


def _glb(source: ExportSource, person_id: int, path: Path, options: ExportOptions) -> Written:
    motion = source.body(person_id)
    color = _COLORS[person_id % len(_COLORS)]
    surface, notes = _surface(motion, options.glb, source.model_path)
    if surface is None:
        content = animation(motion, fingers=with_fingers(motion, options.glb.fingers))
        mesh = bone_mesh(content, color)
    else:
        content = animation(motion, ends=False)
        mesh = body_mesh(content, surface, color)
    write_glb(content, mesh, f"person_{person_id}", path)
    what = f"person {person_id}: {len(motion)} frames, {len(content.names)} joints"
    return Written(path, what, (*motion_notes(motion, content), *notes))


def _surface(
    motion: BodyMotion, options: GlbOptions, model_path: Path | None
) -> tuple[SurfaceMesh | None, tuple[str, ...]]:
    """The surface that is to be shown, and what to say about it."""
    if options.mesh == "bones" or (options.mesh == "auto" and not has_surface(motion)):
        return None, ()
    if options.mesh == "auto" and motion.model in SMPL_KINDS:
        title = SMPL_KINDS[motion.model].title
        return None, (
            f"bones only: the licence of {title} does not let its surface be passed on "
            f"(--glb.mesh surface writes it for your own use)",
        )
    mesh = surface_mesh(motion, model_path)
    return mesh, (f"surface under {mesh.licence}",)


def _amass(source: ExportSource, person_id: int, path: Path, options: ExportOptions) -> Written:  # noqa: ARG001
    motion = source.body(person_id)
    notes = write_amass(motion, path)
    return Written(path, f"person {person_id}: {len(motion)} frames", notes)


def _mot(source: ExportSource, person_id: int, path: Path, options: ExportOptions) -> Written:
    if options.mot.model is not None:
        trc = options.trc
        markers = person_markers(source, person_id, trc.parts, trc.names)
        # OpenSim's world is Y-up, metres, and takes no gaps.
        how = replace(trc, up="y", unit="m", gaps="fill" if trc.gaps == "leave" else trc.gaps)
        notes = write_opensim_ik(markers, options.mot.model, path, how)
        return Written(path, f"person {person_id}", notes)
    motion = source.body(person_id)
    notes = write_mot(motion, path)
    return Written(path, f"person {person_id}: {len(motion)} frames", notes)


def _retarget(source: ExportSource, person_id: int, path: Path, options: ExportOptions) -> Written:
    motion = source.body(person_id)
    notes = write_retargeted(motion, path, options.retarget)
    return Written(path, f"person {person_id}: {len(motion)} frames", notes)


def _easymocap(
    source: ExportSource,
    folder: Path,
    options: ExportOptions,  # noqa: ARG001
    overwrite: bool,
) -> list[Written]:
    return [write_easymocap(source, folder, overwrite=overwrite)]


_COLORS = ((0.35, 0.55, 0.85), (0.85, 0.5, 0.3), (0.4, 0.7, 0.4), (0.7, 0.45, 0.75))


def _tables(source: ExportSource, options: TableOptions) -> tuple[list[Table], tuple[str, ...]]:
    """The tables that were asked for, and what was left out of them."""
    wanted = () if "auto" in options.contents else options.contents
    result = [keypoint_table(source.motion)] if not wanted or "keypoints" in wanted else []
    people = source.motion.person_ids if wanted else source.stored_bodies
    notes: list[str] = []
    for kind in _OF_BODIES:
        if wanted and kind not in wanted:
            continue
        parts: list[Table] = []
        for person_id in people:
            motion = source.body(person_id)
            try:
                parts.append(
                    body_table(motion)
                    if kind == "bodies"
                    else derived_table(kind, motion, options.gait)
                )
            except InputError as error:
                # A person who is there too briefly, say, has no gait; the others may have.
                notes.append(f"no {kind} of person {person_id}: {error}")
        if parts:
            result.append(joined(kind, parts))
        elif wanted and notes:
            raise InputError(notes[-1])
    return result, tuple(notes)


def _table_writer(ending: str, write: Callable[[Table, Path], None]) -> FolderWriter:
    """A writer of one file per table."""

    def folder(
        source: ExportSource, folder: Path, options: ExportOptions, overwrite: bool
    ) -> list[Written]:
        tables, notes = _tables(source, options.tables)
        paths = [folder / f"{table.name}{ending}" for table in tables]
        for path in paths:
            check_output(path, overwrite=overwrite)
        for table, path in zip(tables, paths, strict=True):
            write(table, path)
        made = [
            Written(path, f"{len(table)} rows, {len(table.columns)} columns")
            for table, path in zip(tables, paths, strict=True)
        ]
        return [*made[:-1], replace(made[-1], notes=notes)]

    return folder


def _npz(
    source: ExportSource, folder: Path, options: ExportOptions, overwrite: bool
) -> list[Written]:
    tables, notes = _tables(source, options.tables)
    result: list[Written] = []
    for table in tables:
        if table.name == "bodies":
            continue
        path = folder / f"{table.name}.npz"
        check_output(path, overwrite=overwrite)
        if table.name == "keypoints":
            write_keypoints_npz(source.motion, path)
        else:
            write_table_npz(table, path)
        result.append(Written(path, f"{len(table)} rows"))
    if any(table.name == "bodies" for table in tables):
        auto = "auto" in options.tables.contents
        people = source.stored_bodies if auto else source.motion.person_ids
        for person_id in people:
            path = folder / f"person_{person_id}_body.npz"
            check_output(path, overwrite=overwrite)
            motion = source.body(person_id)
            write_body_npz(motion, path)
            result.append(Written(path, f"person {person_id}: {len(motion)} frames"))
    return [*result[:-1], replace(result[-1], notes=notes)]


def _openpose(
    source: ExportSource, folder: Path, options: ExportOptions, overwrite: bool
) -> list[Written]:
    return [write_openpose(source, folder, options.openpose, overwrite=overwrite)]


EXPORT_FORMATS: dict[str, ExportFormat] = {
    "bvh": ExportFormat("joint rotations on constant bones", ".bvh", _bvh),
    "glb": ExportFormat("glTF: animated skeleton with a surface", ".glb", _glb),
    "trc": ExportFormat("markers for OpenSim", ".trc", _trc),
    "c3d": ExportFormat("markers with residuals", ".c3d", _c3d),
    "csv": ExportFormat("tables as text", folder=_table_writer(".csv", write_csv)),
    "parquet": ExportFormat("tables", folder=_table_writer(".parquet", write_parquet)),
    "npz": ExportFormat("NumPy arrays", folder=_npz),
    "mot": ExportFormat("joint angles for OpenSim", ".mot", _mot),
    "amass": ExportFormat("SMPL parameters as NPZ", "_amass.npz", _amass),
    "easymocap": ExportFormat("SMPL parameters as JSON", folder=_easymocap),
    "retarget": ExportFormat("BVH on your own skeleton", "_retargeted.bvh", _retarget),
    "openpose": ExportFormat("2D people as OpenPose JSON", folder=_openpose),
}
"""All formats by name."""


def format_by_name(name: str) -> ExportFormat:
    """The format called `name`.

    Raises:
        InputError: there is none; the message lists those there are.
    """
    try:
        return EXPORT_FORMATS[name]
    except KeyError:
        raise InputError(
            f"unknown export format {name!r}; formats are {valid_choices(EXPORT_FORMATS)}"
        ) from None
