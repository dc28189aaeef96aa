"""2D people of several cameras in one table, whichever file they come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mocap.arrays import Float, Int
from mocap.errors import ObservationError, RigError, valid_choices
from mocap.model import Detections, FrameSet, Observation, Rig, Skeleton

_HIGHEST_CONFIDENCE = 1.5


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


def checked_keypoints(
    keypoints: Float[np.ndarray, "*people keypoints 3"], path: Path
) -> Float[np.ndarray, "*people keypoints 3"]:
    """Keypoints as the program holds them: NaN, NaN, 0 for what is missing.

    Args:
        keypoints: x px, y px and confidence. Missing are those with NaN, or without confidence.
        path: where they come from, for the error.

    Raises:
        ObservationError: a number is infinite, or confidence is on another scale.
    """
    if np.isinf(keypoints).any():
        raise ObservationError(f"{path}: keypoints hold infinity; write NaN or 0 for missing")
    confidence = keypoints[..., 2]
    lost = ~np.isfinite(keypoints).all(axis=-1) | (confidence <= 0)
    # Heat map detectors overshoot 1 a little, which is no mistake; percent are one.
    if (confidence[~lost] > _HIGHEST_CONFIDENCE).any():
        raise ObservationError(
            f"{path}: confidence reaches {confidence[~lost].max():g}; scale it to 0 to 1"
        )
    cut = np.concatenate([keypoints[..., :2], np.minimum(confidence, 1.0)[..., None]], axis=-1)
    return np.where(lost[..., None], np.array([np.nan, np.nan, 0.0]), cut)


def people_table(
    path: Path,
    skeleton: Skeleton,
    camera_names: tuple[str, ...],
    frame_ids: Int[np.ndarray, " frames"],
    rows: list[tuple[int, int, Float[np.ndarray, "keypoints 3"], float]],
) -> ObservationFile:
    """The table of people that were read one by one.

    Args:
        path: where they come from.
        skeleton: the keypoints.
        camera_names: cameras.
        frame_ids: numbers of all frames, increasing.
        rows: frame number, position in `camera_names`, keypoints and score of each person;
            keypoints as `checked_keypoints` returns them.
    """
    keypoints = np.full((len(rows), len(skeleton), 3), np.nan)
    for i, row in enumerate(rows):
        keypoints[i] = row[2]
    return ObservationFile(
        path,
        skeleton,
        camera_names,
        None,
        frame_ids,
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int64),
        keypoints,
        np.array([row[3] for row in rows], np.float64),
    )
