"""2D people of several cameras, each on its own clock: what a rig is calibrated from.

Detectors deliver people per image, in any order and not matched across views. `PeopleTracks` holds
them as they are; `LabelledPeople` holds the same pixels once it is known who is who.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mocap.arrays import Float, Int, frozen_array
from mocap.errors import CalibrationError, valid_choices
from mocap.model import Detections, FrameSet, Skeleton
from mocap.storage.observation_file import ObservationFile

USED_KEYPOINTS = (
    *("nose", "left_ear", "right_ear", "neck", "mid_hip", "head"),
    *(
        f"{side}_{part}"
        for side in ("left", "right")
        for part in (
            *("shoulder", "elbow", "wrist", "hip", "knee", "ankle"),
            *("heel", "big_toe", "small_toe"),
        )
    ),
)
"""Keypoints that are used where the skeleton has them: the whole body without the many points of
face and hands, whose errors are those of one point."""


@dataclass(frozen=True)
class CameraPeople:
    """The people one camera saw.

    Attributes:
        name: of the camera.
        image_size: width and height in pixels.
        frame: numbers of all frames that were looked at, ascending.
        time_s: when each was taken by the clock all cameras are believed to share; a camera's
            time offset is not taken off.
        row_frame: position in `frame` of each 2D person, ascending.
        keypoints_px: of each 2D person; NaN where missing.
        confidence: in [0, 1]; 0 where missing.
    """

    name: str
    image_size: tuple[int, int]
    frame: Int[np.ndarray, " frames"]
    time_s: Float[np.ndarray, " frames"]
    row_frame: Int[np.ndarray, " rows"]
    keypoints_px: Float[np.ndarray, "rows keypoints 2"]
    confidence: Float[np.ndarray, "rows keypoints"]

    def __post_init__(self) -> None:
        frames, rows = len(self.frame), len(self.row_frame)
        for name, dtype, shape in (
            ("frame", np.int64, (frames,)),
            ("time_s", np.float64, (frames,)),
            ("row_frame", np.int64, (rows,)),
            ("keypoints_px", np.float64, (rows, None, 2)),
            ("confidence", np.float64, (rows, None)),
        ):
            object.__setattr__(self, name, frozen_array(getattr(self, name), dtype, shape, name))
        if np.any(np.diff(self.time_s) <= 0) or np.any(np.diff(self.frame) <= 0):
            raise ValueError(f"camera {self.name!r}: frames or their times do not increase")
        if np.any(np.diff(self.row_frame) < 0):
            raise ValueError(f"camera {self.name!r}: people are not in the order of their frames")
        if rows and not (self.row_frame[0] >= 0 and self.row_frame[-1] < frames):
            raise ValueError(f"camera {self.name!r}: a person stands in a frame that is not there")

    @property
    def interval_s(self) -> float:
        """Usual time between two frames; infinite for a single one."""
        return float(np.median(np.diff(self.time_s))) if len(self.time_s) > 1 else float("inf")

    def rows_of(self, frame: int) -> Int[np.ndarray, " people"]:
        """The 2D people of a frame, given by its position."""
        lo, hi = np.searchsorted(self.row_frame, [frame, frame + 1])
        return np.arange(lo, hi)

    def kept(self, keep: np.ndarray) -> CameraPeople:
        """Only some frames (a mask over `frame`)."""
        new = np.cumsum(keep) - 1
        rows = keep[self.row_frame]
        return CameraPeople(
            self.name,
            self.image_size,
            self.frame[keep],
            self.time_s[keep],
            new[self.row_frame[rows]],
            self.keypoints_px[rows],
            self.confidence[rows],
        )


@dataclass(frozen=True)
class PeopleTracks:
    """The people all cameras saw, cameras in the order of the rig.

    Attributes:
        skeleton: what the keypoints are.
        cameras: one entry per camera, also for cameras that saw nobody.
    """

    skeleton: Skeleton
    cameras: tuple[CameraPeople, ...]

    def __post_init__(self) -> None:
        for camera in self.cameras:
            if camera.keypoints_px.shape[1] != len(self.skeleton):
                raise ValueError(
                    f"camera {camera.name!r} has {camera.keypoints_px.shape[1]} keypoints per "
                    f"person, skeleton {self.skeleton.name!r} has {len(self.skeleton)}"
                )

    @classmethod
    def from_frame_sets(
        cls,
        frame_sets: Iterable[FrameSet],
        image_sizes: Mapping[str, tuple[int, int]],
        skeleton: Skeleton,
    ) -> PeopleTracks:
        """Takes the people out of frame sets, as a session or a live rig has them.

        Args:
            frame_sets: in the order of time; a camera's frame that stands in several is taken
                once.
            image_sizes: width and height by camera name, in the order of the rig.
            skeleton: of the detections.
        """
        found: dict[str, dict[int, tuple[float, Detections]]] = {name: {} for name in image_sizes}
        for frame_set in frame_sets:
            for name, observation in frame_set.observations.items():
                if name in found:
                    entry = observation.time_ns * 1e-9, observation.detections
                    found[name].setdefault(observation.frame_index, entry)
        k = len(skeleton)
        cameras: list[CameraPeople] = []
        for name, size in image_sizes.items():
            frames = sorted(found[name])
            entries = [found[name][frame] for frame in frames]
            counts = [len(people) for _, people in entries]
            nobody = Detections.empty(k)
            people = [people for _, people in entries] or [nobody]
            cameras.append(
                CameraPeople(
                    name,
                    size,
                    np.array(frames, np.int64),
                    np.array([time_s for time_s, _ in entries]),
                    np.repeat(np.arange(len(frames)), counts),
                    np.concatenate([p.keypoints_px for p in people]).astype(np.float64),
                    np.concatenate([p.confidence for p in people]).astype(np.float64),
                )
            )
        return cls(skeleton, tuple(cameras))

    @classmethod
    def from_observation_file(
        cls,
        file: ObservationFile,
        rate_hz: float,
        image_sizes: Mapping[str, tuple[int, int]] | None = None,
    ) -> PeopleTracks:
        """Takes the people out of an observation file; frame n is at n / rate_hz seconds.

        Args:
            file: as `mocap.storage.observation_file.load_observations` reads it.
            rate_hz: frames per second of all cameras.
            image_sizes: by camera name, for a file that does not hold them.

        Raises:
            CalibrationError: the size of a camera's images is not known.
        """
        cameras: list[CameraPeople] = []
        for position, name in enumerate(file.camera_names):
            if file.image_size is not None:
                width, height = (int(n) for n in file.image_size[position])
            elif image_sizes is not None and name in image_sizes:
                width, height = image_sizes[name]
            else:
                raise CalibrationError(
                    f"{file.path} does not say how large the images of camera {name!r} are; add "
                    f"image_size to it"
                )
            rows = np.flatnonzero(file.camera == position)
            rows = rows[np.argsort(file.frame[rows], kind="stable")]
            cameras.append(
                CameraPeople(
                    name,
                    (width, height),
                    file.frame_ids,
                    file.frame_ids / rate_hz,
                    np.searchsorted(file.frame_ids, file.frame[rows]),
                    file.detections_px[rows, :, :2],
                    file.detections_px[rows, :, 2],
                )
            )
        return cls(file.skeleton, tuple(cameras))

    @property
    def names(self) -> tuple[str, ...]:
        """Camera names in rig order."""
        return tuple(camera.name for camera in self.cameras)

    def __getitem__(self, name: str) -> CameraPeople:
        """The people of the camera called `name`.

        Raises:
            CalibrationError: there is none.
        """
        for camera in self.cameras:
            if camera.name == name:
                return camera
        raise CalibrationError(
            f"no camera {name!r} among those that saw people; cameras are "
            f"{valid_choices(self.names)}"
        )

    def subset(self, names: Sequence[str]) -> PeopleTracks:
        """Only the named cameras, in the order of the names."""
        return replace(self, cameras=tuple(self[name] for name in names))

    def between(self, start_s: float, end_s: float) -> PeopleTracks:
        """Only the frames of a span of time, the end not included."""
        return replace(
            self,
            cameras=tuple(
                camera.kept((camera.time_s >= start_s) & (camera.time_s < end_s))
                for camera in self.cameras
            ),
        )

    def every(self, step: int, first: int = 0) -> PeopleTracks:
        """Only the frames whose number leaves the remainder `first` when divided by `step`."""
        return replace(
            self, cameras=tuple(c.kept(c.frame % step == first % step) for c in self.cameras)
        )

    def only_used_keypoints(self) -> PeopleTracks:
        """The same people with the keypoints of `USED_KEYPOINTS` alone."""
        skeleton = self.skeleton
        chosen = [i for i, name in enumerate(skeleton.keypoints) if name in USED_KEYPOINTS]
        names = tuple(skeleton.keypoints[i] for i in chosen)
        small = Skeleton(
            f"{skeleton.name}_calibration",
            names,
            tuple(skeleton.parts[i] for i in chosen),
            tuple(bone for bone in skeleton.bones if bone[0] in names and bone[1] in names),
            tuple(name for name in skeleton.association if name in names),
        )
        return PeopleTracks(
            small,
            tuple(
                replace(
                    camera,
                    keypoints_px=camera.keypoints_px[:, chosen],
                    confidence=camera.confidence[:, chosen],
                )
                for camera in self.cameras
            ),
        )


@dataclass(frozen=True)
class LabelledPeople:
    """2D people of whom it is known who is who in all views, left and right put right.

    Attributes:
        tracks: where the pixels come from; gives cameras, frames and times.
        pixels: per camera, keypoints of every person in every frame; NaN where not seen.
        confidence: per camera; 0 where not seen.
    """

    tracks: PeopleTracks
    pixels: tuple[Float[np.ndarray, "people frames keypoints 2"], ...]
    confidence: tuple[Float[np.ndarray, "people frames keypoints"], ...]

    @property
    def people(self) -> int:
        """Number of people."""
        return self.pixels[0].shape[0]

    @classmethod
    def from_rows(
        cls,
        tracks: PeopleTracks,
        rows: Sequence[Int[np.ndarray, "people frames"]],
        mirrored: Sequence[np.ndarray] | None = None,
    ) -> LabelledPeople:
        """Puts the rows of each camera under the people they show.

        Args:
            tracks: the 2D people.
            rows: per camera, the row of each person in each frame; -1 for none.
            mirrored: per camera, True where left and right are exchanged in the row.
        """
        mirror = np.array(tracks.skeleton.mirror)
        pixels: list[np.ndarray] = []
        confidence: list[np.ndarray] = []
        for c, (camera, row) in enumerate(zip(tracks.cameras, rows, strict=True)):
            k = len(tracks.skeleton)
            xy = np.full((*row.shape, k, 2), np.nan)
            trust = np.zeros((*row.shape, k))
            seen = row >= 0
            xy[seen] = camera.keypoints_px[row[seen]]
            trust[seen] = camera.confidence[row[seen]]
            if mirrored is not None:
                turned = mirrored[c] & seen
                xy[turned] = xy[turned][:, mirror]
                trust[turned] = trust[turned][:, mirror]
            trust[~np.isfinite(xy).all(axis=-1)] = 0.0
            pixels.append(xy)
            confidence.append(trust)
        return cls(tracks, tuple(pixels), tuple(confidence))
