"""2D people from a file: frame sets without any video.

The layout (NPZ, no pickles): `joint_names` (K), `camera_names` (C), `image_size` (C, 2),
`frame_ids` (F), and one row per 2D person: `frame` (N), `camera` (N, position in
`camera_names`), `keypoints` (N, K, 3) as x px, y px, confidence, with 0, 0, 0 for missing, and
optionally `score` (N).
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mocap.errors import ObservationError, RigError, SkeletonError, valid_choices
from mocap.files import check_input
from mocap.model import Detections, FrameSet, Observation, Rig, Skeleton, skeleton_of_keypoints

_REQUIRED = ("joint_names", "camera_names", "frame_ids", "frame", "camera", "keypoints")
_HIGHEST_CONFIDENCE = 1.5
# TypeError and AttributeError are what np.load's results of other kinds give: a single array.
_UNREADABLE = (
    *(ValueError, OSError, EOFError, TypeError, AttributeError),
    *(zipfile.BadZipFile, zlib.error, NotImplementedError),
)


@dataclass(frozen=True)
class ObservationFile:
    """2D people of several cameras.

    Attributes:
        path: where they come from.
        skeleton: the keypoints.
        camera_names: cameras in the order of `camera`.
        image_size: width and height of each camera's images, or None if the file does not say.
        frame_ids: numbers of all frames, those without people included, strictly increasing.
        frame: frame number of each row.
        camera: position in `camera_names` of each row.
        detections_px: x, y and confidence of each row's keypoints; NaN, NaN, 0 for missing.
        score: of each row.
    """

    path: Path
    skeleton: Skeleton
    camera_names: tuple[str, ...]
    image_size: np.ndarray | None
    frame_ids: np.ndarray
    frame: np.ndarray
    camera: np.ndarray
    detections_px: np.ndarray
    score: np.ndarray

    def frame_sets(self, rig: Rig, rate_hz: float) -> list[FrameSet]:
        """Groups the rows of the rig's cameras by frame.

        Args:
            rig: cameras to use; others in the file are left out.
            rate_hz: frame n is at n / rate_hz seconds.

        Raises:
            RigError: a camera of the rig is not in the file, or its image size differs.
        """
        positions: dict[int, str] = {}
        for camera in rig:
            if camera.name not in self.camera_names:
                raise RigError(
                    f"camera {camera.name!r} of the rig is not in {self.path}; its cameras are "
                    f"{valid_choices(self.camera_names)}; choose with --cameras"
                )
            position = self.camera_names.index(camera.name)
            positions[position] = camera.name
            if self.image_size is not None:
                size = tuple(int(n) for n in self.image_size[position])
                if size != camera.intrinsics.size:
                    raise RigError(
                        f"camera {camera.name!r}: images in {self.path} are {size[0]}x{size[1]}, "
                        f"the rig says {camera.intrinsics.size[0]}x{camera.intrinsics.size[1]}; "
                        f"use the rig that was made for these images"
                    )
        rows_of: dict[tuple[int, int], list[int]] = {}
        for row, (frame, camera) in enumerate(zip(self.frame, self.camera, strict=True)):
            rows_of.setdefault((int(frame), int(camera)), []).append(row)
        sets: list[FrameSet] = []
        for number in self.frame_ids:
            time_ns = round(int(number) / rate_hz * 1e9)
            observations: dict[str, Observation] = {}
            for position, name in positions.items():
                rows = rows_of.get((int(number), position), [])
                detections = Detections(
                    self.detections_px[rows, :, :2],
                    self.detections_px[rows, :, 2],
                    self.score[rows],
                )
                observations[name] = Observation(name, int(number), time_ns, detections)
            sets.append(FrameSet(int(number), time_ns, observations))
        return sets


def load_observations(path: Path) -> ObservationFile:
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
    if np.isinf(keypoints).any() or not np.isfinite(score).all():
        raise ObservationError(f"{path}: keypoints hold infinity, or score holds NaN")
    confidence = keypoints[..., 2]
    lost = ~np.isfinite(keypoints).all(axis=2) | (confidence <= 0)
    # Heat map detectors overshoot 1 a little, which is no mistake; percent are one.
    if (confidence[~lost] > _HIGHEST_CONFIDENCE).any():
        raise ObservationError(
            f"{path}: confidence reaches {confidence[~lost].max():g}; scale it to 0 to 1"
        )
    keypoints[..., 2] = np.minimum(confidence, 1.0)
    detections = np.where(lost[..., None], np.array([np.nan, np.nan, 0.0]), keypoints)
    return ObservationFile(
        path, skeleton, names, sizes, frame_ids, frame, camera, detections, score
    )
