"""The layout of a session file, in one place, for its writer, its reader and its documentation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FORMAT_NAME = "mocap-session"
FORMAT_VERSION = 1

STATUS_RECORDING = 0
STATUS_COMPLETE = 1
STATUS_INTERRUPTED = 2
STATUS_TEXT = {
    STATUS_RECORDING: "not closed (still being written, or its writer was killed)",
    STATUS_COMPLETE: "complete",
    STATUS_INTERRUPTED: "interrupted, closed in order",
}


@dataclass(frozen=True)
class Column:
    """One growing dataset of a table.

    Attributes:
        name: name of the dataset within its table.
        dtype: as stored.
        shape: dimensions after the first, where "C" is the number of cameras and "K" the number
            of keypoints.
        meaning: what it holds, with its unit.
        stand_in: the column that is read where a file of an earlier version lacks this one.
    """

    name: str
    dtype: type[np.generic]
    shape: tuple[str | int, ...]
    meaning: str
    stand_in: str = ""

    def row_shape(self, cameras: int, keypoints: int) -> tuple[int, ...]:
        """`shape` with the letters replaced by numbers."""
        sizes = {"C": cameras, "K": keypoints}
        return tuple(sizes[n] if isinstance(n, str) else n for n in self.shape)


FRAMES = (
    Column("number", np.int64, (), "frame number, strictly increasing"),
    Column("time_ns", np.int64, (), "instant on the session clock, nanoseconds"),
    Column("camera_frame", np.int64, ("C",), "each camera's own frame index; -1 for no frame"),
)

OBSERVATIONS = (
    Column("frame", np.int64, (), "frame number; -1 for an observation that came too late"),
    Column("frame_index", np.int64, (), "the camera's own frame index"),
    Column("time_ns", np.int64, (), "capture time on the session clock, nanoseconds"),
    Column("keypoints_px", np.float32, ("K", 2), "x and y, pixels of the rig; NaN for missing"),
    Column("confidence", np.float32, ("K",), "0 to 1; 0 for missing"),
    Column("score", np.float32, (), "of the whole person, as the detector states it"),
)

_PEOPLE = (
    Column("frame", np.int64, (), "frame number"),
    Column("person_id", np.int64, (), "stable id of the person"),
    Column("points_m", np.float64, ("K", 3), "world position, metres; NaN for missing"),
    Column("covariance_m2", np.float32, ("K", 3, 3), "covariance of the position, square metres"),
    Column("reprojection_px", np.float32, ("K",), "weighted RMS over the views used, pixels"),
    Column("n_views", np.uint8, ("K",), "views used; 0 where the position was not measured"),
)

RAW = (
    *_PEOPLE,
    Column("view_state", np.uint8, ("C", "K"), "0 absent, 1 missing, 2 rejected, 3 used"),
    Column("residual_px", np.float32, ("C", "K"), "distance to the reprojection, used or not"),
    Column("detection_index", np.int32, ("C",), "which 2D person of the frame; -1 for none"),
    Column("mirrored", np.uint8, ("C",), "1 where its left and right were exchanged"),
    Column(
        "swapped",
        np.uint8,
        ("C",),
        "parts exchanged: sum of 1 whole body, 2 arms, 4 forearms, 8 legs, 16 lower legs, 32 hands",
        stand_in="mirrored",
    ),
)

SMOOTH = _PEOPLE

BYSTANDERS = (
    Column("frame", np.int64, (), "frame number"),
    Column("person_id", np.int64, (), "id, of the same series as people's"),
    Column("reason", np.uint8, (), "1 outside the capture volume, 2 more than the performers"),
    Column("middle_m", np.float64, (3,), "middle of the body, world, metres"),
    Column("detection_index", np.int32, ("C",), "which 2D person of the frame; -1 for none"),
)

FRAMES_TABLE = "frames"
OBSERVATIONS_TABLE = "observations"
RAW_TABLE = "people/raw"
SMOOTH_TABLE = "people/smooth"
BYSTANDERS_TABLE = "people/bystanders"
SUMMARY_DATASET = "summary_json"
STATUS_DATASET = "status"
LAYERS = ("raw", "smooth")
