"""Reads session files: finished ones, those still being written, and those whose writer died."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mocap.closing import Closing
from mocap.errors import InputError, OutputError, SessionError, valid_choices
from mocap.files import check_input, write_atomically
from mocap.model import (
    Detections,
    FrameSet,
    FrameTable,
    Motion,
    Observation,
    Rig,
    Skeleton,
)
from mocap.storage import layout
from mocap.storage.body_file import BODIES_SUFFIX, bodies_path
from mocap.storage.hdf5 import (
    dataset,
    group,
    is_open_for_writing,
    read_array,
    read_text,
    read_texts,
)
from mocap.storage.rig_file import rig_from_toml
from mocap.storage.session_edits import TrackEdit, apply_edits, load_edits, log_path


def _no_session(path: Path) -> str:
    session = str(path).removesuffix(BODIES_SUFFIX)
    if session != str(path):
        return f"{path} holds the bodies of a session; name the session itself, {session}"
    return f"{path} is an HDF5 file but not a session; make one with 'mocap run'"


class Session(Closing):
    """A session file opened for reading.

    Args:
        path: the file.

    Raises:
        InputError: the file does not exist.
        SessionError: it is not a session file, or of a version this program does not read.
    """

    def __init__(self, path: Path) -> None:
        check_input(path, "session")
        self.path = path
        self._file = _open(path)
        try:
            if self._file.attrs.get("format") != layout.FORMAT_NAME:
                raise SessionError(_no_session(path))
            version = int(str(self._file.attrs["format_version"]))
            if version > layout.FORMAT_VERSION:
                raise SessionError(
                    f"{path} is a session of format version {version}; this program reads up to "
                    f"{layout.FORMAT_VERSION}, so update it"
                )
            self.rig: Rig = rig_from_toml(read_text(self._file, "rig/toml"), f"{path}: rig")
            self.skeleton: Skeleton = self._read_skeleton()
        except (KeyError, IndexError, ValueError, TypeError, OSError, RuntimeError) as error:
            self.close()
            reason = str(error.args[0] if error.args else error).splitlines()[0]
            raise SessionError(f"{path} is damaged: {reason}; it cannot be used") from error
        except InputError:
            self.close()
            raise

    def _read_skeleton(self) -> Skeleton:
        keypoints = read_texts(self._file, "skeleton/keypoints")
        bones = read_array(self._file, "skeleton/bones")
        association = read_array(self._file, "skeleton/association")
        return Skeleton(
            name=str(group(self._file, "skeleton").attrs["name"]),
            keypoints=keypoints,
            parts=read_texts(self._file, "skeleton/parts"),
            bones=tuple((keypoints[a], keypoints[b]) for a, b in bones),
            association=tuple(keypoints[i] for i in association),
        )

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration of the run."""
        return json.loads(str(self._file.attrs["config_json"]))

    @property
    def software(self) -> dict[str, str]:
        """Versions of what wrote the file."""
        return json.loads(str(self._file.attrs["software_json"]))

    @property
    def created_utc(self) -> str:
        """When the file was made, ISO 8601."""
        return str(self._file.attrs["created_utc"])

    @property
    def summary(self) -> dict[str, Any]:
        """How the run went; empty when it did not end in order."""
        data = read_array(self._file, layout.SUMMARY_DATASET).tobytes()
        return json.loads(data) if data else {}

    @property
    def status(self) -> int:
        """One of the `STATUS_` values of `mocap.storage.layout`."""
        return int(read_array(self._file, layout.STATUS_DATASET))

    def _table(self, table: str, columns: Sequence[layout.Column]) -> dict[str, np.ndarray]:
        data: dict[str, np.ndarray] = {}
        for column in columns:
            lacks = column.stand_in and f"{table}/{column.name}" not in self._file
            source = column.stand_in if lacks else column.name
            data[column.name] = read_array(self._file, f"{table}/{source}")
        # A writer that was killed may have written some columns of the last rows only.
        rows = min(len(values) for values in data.values())
        return {name: values[:rows] for name, values in data.items()}

    @cached_property
    def frames(self) -> FrameTable:
        """The frames of the session."""
        data = self._table(layout.FRAMES_TABLE, layout.FRAMES)
        return FrameTable(data["number"], data["time_ns"], data["camera_frame"])

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers which hold anything."""
        tables = {"raw": layout.RAW_TABLE, "smooth": layout.SMOOTH_TABLE}
        return tuple(
            n for n in layout.LAYERS if dataset(self._file, f"{tables[n]}/frame").shape[0] > 0
        )

    @property
    def best_layer(self) -> str:
        """The smooth layer if there is one, else the raw one."""
        return "smooth" if "smooth" in self.layers else "raw"

    @cached_property
    def edits(self) -> tuple[TrackEdit, ...]:
        """The user's corrections of person ids, in the order in which they were made.

        Raises:
            SessionError: the file that holds them cannot be used.
        """
        return load_edits(self.path, self.created_utc)

    def motion(self, layer: str = "raw", *, edited: bool = True) -> Motion:
        """The 3D people.

        Args:
            layer: "raw", as triangulated, or "smooth", smoothed and with short gaps filled.
            edited: with the user's corrections of person ids; else as they were recorded.

        Raises:
            SessionError: there is no such layer.
        """
        if layer not in layout.LAYERS:
            raise SessionError(
                f"no layer {layer!r} in a session; layers are {valid_choices(layout.LAYERS)}"
            )
        if layer == "smooth" and layer not in self.layers and "raw" in self.layers:
            raise SessionError(
                f"{self.path} has no smooth layer (its run did not end in order, or was asked not "
                f"to smooth); use --layer raw"
            )
        table, columns = (
            (layout.SMOOTH_TABLE, layout.SMOOTH)
            if layer == "smooth"
            else (layout.RAW_TABLE, layout.RAW)
        )
        data = self._people(table, columns, edited=edited)
        index = np.searchsorted(self.frames.number, data["frame"])
        return Motion(
            self.skeleton,
            data["frame"],
            self.frames.time_ns[index] * 1e-9,
            data["person_id"],
            data["points_m"],
            data["covariance_m2"],
            data["reprojection_px"],
            data["n_views"].astype(np.int64),
        )

    def _people(
        self, table: str, columns: Sequence[layout.Column], *, edited: bool
    ) -> dict[str, np.ndarray]:
        """Rows of a table of people, ordered by frame and id, with or without corrections."""
        data = self._table(table, columns)
        known = np.isin(data["frame"], self.frames.number)
        if edited and self.edits:
            ids, kept = apply_edits(self.edits, data["frame"], data["person_id"])
            data["person_id"] = ids
            known &= kept
        order = np.lexsort((data["person_id"][known], data["frame"][known]))
        return {name: values[known][order] for name, values in data.items()}

    def views(self, *, edited: bool = True) -> dict[str, np.ndarray]:
        """What each view contributed, row by row of the raw layer.

        Args:
            edited: as for `motion`.

        Returns:
            `frame` (P), `person_id` (P), `view_state` (P, C, K; see `ViewState`),
            `residual_px` (P, C, K), `detection_index` (P, C), `mirrored` (P, C) and `swapped`
            (P, C; parts exchanged, see `mocap.model.Person3D`), ordered as `motion("raw")`.
        """
        data = self._people(layout.RAW_TABLE, layout.RAW, edited=edited)
        names = ("frame", "person_id", "view_state", "residual_px", "detection_index", "mirrored")
        names += ("swapped",)
        return {name: data[name] for name in names}

    def bystanders(self) -> dict[str, np.ndarray]:
        """Who was found in 3D and set aside, with the user's corrections of person ids.

        Returns:
            `frame` (B), `person_id` (B), `reason` (B; see `SetAside`), `middle_m` (B, 3) and
            `detection_index` (B, C), ordered by frame and id.
        """
        if layout.BYSTANDERS_TABLE not in self._file:
            # A session of an earlier release.
            return {
                c.name: np.zeros((0, *c.row_shape(len(self.rig), len(self.skeleton))), c.dtype)
                for c in layout.BYSTANDERS
            }
        return self._people(layout.BYSTANDERS_TABLE, layout.BYSTANDERS, edited=True)

    def frame_sets(self) -> list[FrameSet]:
        """The 2D observations, grouped as they were when the session was made."""
        tables = {
            name: self._table(f"{layout.OBSERVATIONS_TABLE}/{name}", layout.OBSERVATIONS)
            for name in self.rig.names
        }
        sets: list[FrameSet] = []
        frames = self.frames
        for row, number in enumerate(frames.number):
            observations: dict[str, Observation] = {}
            for column, name in enumerate(self.rig.names):
                frame_index = int(frames.camera_frame[row, column])
                if frame_index < 0:
                    continue
                data = tables[name]
                mine = np.flatnonzero(data["frame"] == number)
                time_ns = int(data["time_ns"][mine[0]]) if len(mine) else int(frames.time_ns[row])
                observations[name] = Observation(
                    name,
                    frame_index,
                    time_ns,
                    Detections(
                        data["keypoints_px"][mine], data["confidence"][mine], data["score"][mine]
                    ),
                )
            sets.append(FrameSet(int(number), int(frames.time_ns[row]), observations))
        return sets

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _open(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except OSError as plain_error:
        # A file whose writer was killed, or is still at work, opens only as a SWMR reader.
        try:
            if is_open_for_writing(path):
                return h5py.File(path, "r", libver="latest", swmr=True)
        except OSError:
            pass  # the first error says more
        raise SessionError(
            f"{path} is not a session file, or is damaged ({plain_error}); "
            f"make one with 'mocap run'"
        ) from plain_error


def recover_session(source: Path, target: Path) -> None:
    """Copies a session whose writer was killed into a file which any HDF5 tool opens.

    Args:
        source: the session.
        target: the file to make, or to replace.

    Raises:
        SessionError: the source is not a session file, or is damaged.
        OutputError: the target cannot be written, or is the source.
    """
    with _open(source) as read:
        if target.exists() and target.samefile(source):
            raise OutputError(f"{target} is the session itself; name another file to write")
        try:
            write = h5py.File(target, "w", libver="latest")
        except OSError as error:
            raise OutputError(f"cannot write {target}: {error}; choose another name") from error
        with write:
            for name, value in read.attrs.items():
                write.attrs[name] = value
            for name in read:
                read.copy(name, write)
    for beside in (log_path, bodies_path):
        if beside(source).exists():
            write_atomically(beside(target), beside(source).read_bytes())
        else:
            beside(target).unlink(missing_ok=True)
