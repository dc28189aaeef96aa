"""Writes a session file so that a kill at any moment loses at most the last second.

The file is HDF5 in single-writer-multiple-reader mode: every dataset is made before that mode
begins, rows are only appended, and what has come together is written several times a second. The
file can therefore also be read while it is being written.
"""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mocap.closing import Closing
from mocap.errors import OutputError
from mocap.files import check_output
from mocap.model import Bystander, FrameSet, Motion, Observation, Person3D, Rig, Skeleton
from mocap.storage import hdf5, layout
from mocap.storage.body_file import bodies_path
from mocap.storage.rig_file import rig_to_toml
from mocap.storage.session_edits import log_path

FLUSH_INTERVAL_S = 0.5
_CHUNK_BYTES = 64 * 1024


class SessionWriter(Closing):
    """Appends frames, people and a summary to a new session file.

    Args:
        path: the file to make.
        rig: cameras; its order is the order of every camera axis in the file.
        skeleton: keypoints; their order is the order of every keypoint axis in the file.
        config: the resolved configuration, JSON-serialisable.
        software: versions of what wrote the file.
        overwrite: whether an existing file may be replaced.

    Raises:
        OutputError: the file exists and `overwrite` is false, or it cannot be made.
    """

    def __init__(
        self,
        path: Path,
        rig: Rig,
        skeleton: Skeleton,
        *,
        config: Mapping[str, Any],
        software: Mapping[str, str],
        overwrite: bool = False,
    ) -> None:
        check_output(path, overwrite=overwrite)
        self.path = path
        self._rig = rig
        self._skeleton = skeleton
        self._frames = 0
        self._pending: dict[str, dict[str, list[Any]]] = {}
        self._datasets: dict[str, h5py.Dataset] = {}
        try:
            self._file = h5py.File(path, "w", libver="latest")
        except OSError as error:
            raise OutputError(
                f"cannot write the session {path}: {error}; close other programs that have it "
                f"open, or choose another --out"
            ) from error
        try:
            self._create(config, software)
            self._file.swmr_mode = True
            # Corrections and bodies of the session that stood here before.
            log_path(path).unlink(missing_ok=True)
            bodies_path(path).unlink(missing_ok=True)
        except BaseException:
            self._file.close()
            path.unlink(missing_ok=True)
            raise
        self._flushed_at = time.monotonic()

    def _create(self, config: Mapping[str, Any], software: Mapping[str, str]) -> None:
        file = self._file
        file.attrs["format"] = layout.FORMAT_NAME
        file.attrs["format_version"] = layout.FORMAT_VERSION
        file.attrs["created_utc"] = datetime.datetime.now(datetime.UTC).isoformat()
        file.attrs["config_json"] = json.dumps(config, default=str)
        file.attrs["software_json"] = json.dumps(dict(software))
        text = h5py.string_dtype()
        file.create_dataset("rig/toml", data=rig_to_toml(self._rig), dtype=text)
        file.create_dataset("rig/camera_names", data=list(self._rig.names), dtype=text)
        skeleton = self._skeleton
        group = file.create_group("skeleton")
        group.attrs["name"] = skeleton.name
        group.create_dataset("keypoints", data=list(skeleton.keypoints), dtype=text)
        group.create_dataset("parts", data=list(skeleton.parts), dtype=text)
        group.create_dataset("bones", data=np.array(skeleton.bone_indices).reshape(-1, 2))
        group.create_dataset("association", data=np.array(skeleton.association_indices, np.int64))
        self._create_table(layout.FRAMES_TABLE, layout.FRAMES)
        for name in self._rig.names:
            self._create_table(f"{layout.OBSERVATIONS_TABLE}/{name}", layout.OBSERVATIONS)
        self._create_table(layout.RAW_TABLE, layout.RAW)
        self._create_table(layout.SMOOTH_TABLE, layout.SMOOTH)
        self._create_table(layout.BYSTANDERS_TABLE, layout.BYSTANDERS)
        file.create_dataset(layout.STATUS_DATASET, data=np.uint8(layout.STATUS_RECORDING))
        file.create_dataset(
            layout.SUMMARY_DATASET, (0,), np.uint8, maxshape=(None,), chunks=(4096,)
        )

    def _create_table(self, table: str, columns: Sequence[layout.Column]) -> None:
        for column in columns:
            shape = column.row_shape(len(self._rig), len(self._skeleton))
            row_bytes = int(np.prod(shape)) * np.dtype(column.dtype).itemsize
            rows = max(1, min(1024, _CHUNK_BYTES // max(row_bytes, 1)))
            path = f"{table}/{column.name}"
            dataset = self._file.create_dataset(
                path,
                (0, *shape),
                column.dtype,
                maxshape=(None, *shape),
                chunks=(rows, *shape),
            )
            dataset.attrs["meaning"] = column.meaning
            # Looking it up by its path at every write costs more than the write.
            self._datasets[path] = dataset

    def _append(self, table: str, rows: Mapping[str, Sequence[Any] | np.ndarray]) -> None:
        """Notes rows of a table; `flush` writes them. All columns have the same length."""
        pending = self._pending.setdefault(table, {name: [] for name in rows})
        for name, values in rows.items():
            pending[name].extend(values)

    def _write(self, table: str, columns: Sequence[layout.Column]) -> None:
        pending = self._pending.pop(table, None)
        if pending is None or not pending[columns[0].name]:
            return
        for column in columns:
            values = np.asarray(pending[column.name], column.dtype)
            dataset = self._datasets[f"{table}/{column.name}"]
            start = dataset.shape[0]
            dataset.resize(start + len(values), axis=0)
            dataset[start:] = values

    def add_frame(
        self,
        frame_set: FrameSet,
        people: Sequence[Person3D],
        bystanders: Sequence[Bystander] = (),
    ) -> None:
        """Appends one frame: its 2D observations, its 3D people, and the frame itself."""
        for observation in frame_set.observations.values():
            self._append_observation(observation, frame_set.number)
        if people:
            keypoints = [person.keypoints for person in people]
            self._append(
                layout.RAW_TABLE,
                {
                    "frame": [frame_set.number] * len(people),
                    "person_id": [person.person_id for person in people],
                    "points_m": [k.points_m for k in keypoints],
                    "covariance_m2": [k.covariance_m2 for k in keypoints],
                    "reprojection_px": [k.reprojection_px for k in keypoints],
                    "n_views": [k.n_views for k in keypoints],
                    "view_state": [k.view_state for k in keypoints],
                    "residual_px": [k.residual_px for k in keypoints],
                    "detection_index": [person.detection_index for person in people],
                    "mirrored": [person.mirrored for person in people],
                    "swapped": [person.exchanged for person in people],
                },
            )
        if bystanders:
            self._append(
                layout.BYSTANDERS_TABLE,
                {
                    "frame": [frame_set.number] * len(bystanders),
                    "person_id": [one.person_id for one in bystanders],
                    "reason": [int(one.reason) for one in bystanders],
                    "middle_m": [one.middle_m for one in bystanders],
                    "detection_index": [one.detection_index for one in bystanders],
                },
            )
        indices = [
            frame_set.observations[name].frame_index if name in frame_set.observations else -1
            for name in self._rig.names
        ]
        self._append(
            layout.FRAMES_TABLE,
            {
                "number": [frame_set.number],
                "time_ns": [frame_set.time_ns],
                "camera_frame": [indices],
            },
        )
        self._frames += 1
        self.flush_if_due()

    def add_late(self, observation: Observation) -> None:
        """Keeps an observation that came too late for its frame set."""
        self._append_observation(observation, -1)

    def _append_observation(self, observation: Observation, frame: int) -> None:
        n = len(observation.detections)
        self._append(
            f"{layout.OBSERVATIONS_TABLE}/{observation.camera}",
            {
                "frame": [frame] * n,
                "frame_index": [observation.frame_index] * n,
                "time_ns": [observation.time_ns] * n,
                "keypoints_px": observation.detections.keypoints_px,
                "confidence": observation.detections.confidence,
                "score": observation.detections.score,
            },
        )

    def add_smooth(self, motion: Motion) -> None:
        """Appends the smoothed layer; the raw one stays as it is."""
        self._append(
            layout.SMOOTH_TABLE,
            {column.name: getattr(motion, column.name) for column in layout.SMOOTH},
        )
        self.flush()

    @property
    def frames(self) -> int:
        """Number of frames written so far."""
        return self._frames

    def flush_if_due(self) -> None:
        """Flushes if the last flush is older than `FLUSH_INTERVAL_S`; call it when idle, too."""
        if time.monotonic() - self._flushed_at >= FLUSH_INTERVAL_S:
            self.flush()

    def flush(self) -> None:
        """Writes all that was added, so that it survives a kill of this process."""
        try:
            for name in self._rig.names:
                self._write(f"{layout.OBSERVATIONS_TABLE}/{name}", layout.OBSERVATIONS)
            self._write(layout.RAW_TABLE, layout.RAW)
            self._write(layout.SMOOTH_TABLE, layout.SMOOTH)
            self._write(layout.BYSTANDERS_TABLE, layout.BYSTANDERS)
            # Frames come last: what stands in the frame table is complete in the others.
            self._write(layout.FRAMES_TABLE, layout.FRAMES)
            self._file.flush()
        except (OSError, RuntimeError) as error:
            raise OutputError(
                f"cannot write to the session {self.path}: {error}; is the disk full?"
            ) from error
        self._flushed_at = time.monotonic()

    def finish(self, summary: Mapping[str, Any], *, interrupted: bool = False) -> None:
        """Writes the summary and closes the file in order.

        Args:
            summary: how the run went, JSON-serialisable.
            interrupted: whether the run was ended before its time.
        """
        self.flush()
        text = np.frombuffer(json.dumps(summary, default=str).encode(), np.uint8)
        dataset = hdf5.dataset(self._file, layout.SUMMARY_DATASET)
        dataset.resize(len(text), axis=0)
        dataset[:] = text
        status = layout.STATUS_INTERRUPTED if interrupted else layout.STATUS_COMPLETE
        hdf5.dataset(self._file, layout.STATUS_DATASET)[()] = status
        self.close()

    def close(self) -> None:
        """Closes the file; without `finish` before, its status stays "not closed"."""
        if not self._file:
            return
        try:
            self.flush()
        finally:
            self._file.close()
