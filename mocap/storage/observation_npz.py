"""2D people from an NPZ file of our own layout.

The layout (no pickles): `joint_names` (K), `camera_names` (C), `image_size` (C, 2), `frame_ids`
(F), and one row per 2D person: `frame` (N), `camera` (N, position in `camera_names`), `keypoints`
(N, K, 3) as x px, y px, confidence, with 0, 0, 0 for missing, and optionally `score` (N).
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from mocap.errors import ObservationError, SkeletonError, valid_choices
from mocap.files import check_input
from mocap.model import skeleton_of_keypoints
from mocap.storage.observation_table import ObservationFile, checked_keypoints

_REQUIRED = ("joint_names", "camera_names", "frame_ids", "frame", "camera", "keypoints")
# TypeError and AttributeError are what np.load's results of other kinds give: a single array.
_UNREADABLE = (
    *(ValueError, OSError, EOFError, TypeError, AttributeError),
    *(zipfile.BadZipFile, zlib.error, NotImplementedError),
)


def load_npz(path: Path) -> ObservationFile:
    """Reads 2D people; the layout is in the module's text.

    Raises:
        InputError: the file does not exist.
        ObservationError: it is not such a file, or its arrays do not fit together.
        SkeletonError: its keypoints are those of no known skeleton.
    """
    check_input(path, "observation file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            data = {name: archive[name] for name in archive.files}
    except _UNREADABLE as error:
        raise ObservationError(
            f"{path} is not an NPZ of plain arrays ({error}); write it with numpy.savez"
        ) from error
    missing = [name for name in _REQUIRED if name not in data]
    if missing:
        raise ObservationError(
            f"{path} lacks {', '.join(missing)}; it needs {valid_choices(_REQUIRED)}"
        )
    for name in ("joint_names", "camera_names"):
        if data[name].ndim != 1:
            raise ObservationError(f"{path}: {name} has shape {data[name].shape}, expected a list")
    try:
        skeleton = skeleton_of_keypoints([str(n) for n in data["joint_names"]])
    except SkeletonError as error:
        raise SkeletonError(f"{path}: {error}") from error
    for name, kinds, what in (
        *((name, "iu", "whole numbers") for name in ("frame_ids", "frame", "camera")),
        *((name, "iuf", "numbers") for name in ("keypoints", "score", "image_size")),
    ):
        if name in data and data[name].dtype.kind not in kinds:
            raise ObservationError(f"{path}: {name} is {data[name].dtype}, expected {what}")
    frame, camera, frame_ids = (
        data[name].astype(np.int64) for name in ("frame", "camera", "frame_ids")
    )
    keypoints = np.array(data["keypoints"], np.float64)
    names = tuple(str(n) for n in data["camera_names"])
    if len(set(names)) != len(names):
        raise ObservationError(f"{path}: camera_names names a camera twice; rename one of them")
    n, k = frame.size, len(skeleton)
    score = np.asarray(data.get("score", np.ones(n)), np.float64)
    sizes = data.get("image_size")
    for what, got, expected in (
        ("frame_ids", frame_ids.shape, (frame_ids.size,)),
        ("frame", frame.shape, (n,)),
        ("keypoints", keypoints.shape, (n, k, 3)),
        ("camera", camera.shape, (n,)),
        ("score", score.shape, (n,)),
        *([("image_size", sizes.shape, (len(names), 2))] if sizes is not None else []),
    ):
        if got != expected:
            raise ObservationError(f"{path}: {what} has shape {got}, expected {expected}")
    if n and not ((camera >= 0) & (camera < len(names))).all():
        raise ObservationError(
            f"{path}: camera goes from {camera.min()} to {camera.max()}, but there are "
            f"{len(names)} camera names"
        )
    if not np.isin(frame, frame_ids).all():
        strange = frame[~np.isin(frame, frame_ids)][0]
        raise ObservationError(f"{path}: frame {strange} is not among frame_ids")
    if (np.diff(frame_ids) <= 0).any():
        raise ObservationError(f"{path}: frame_ids do not increase; sort them and remove doubles")
    if not np.isfinite(score).all():
        raise ObservationError(f"{path}: score holds NaN or infinity; write a number for each row")
    detections = checked_keypoints(keypoints, path)
    return ObservationFile(
        path, skeleton, names, sizes, frame_ids, frame, camera, detections, score
    )
