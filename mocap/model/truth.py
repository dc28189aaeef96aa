"""The truth about a scene: what a session of it is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mocap.arrays import Bool, Float, Int, frozen_array


@dataclass(frozen=True)
class Truth:
    """True people of a scene as rows, one per person and frame.

    Attributes:
        joint_names: names of the K keypoints, as the skeleton tables spell them.
        camera_names: names of the C cameras of the axis of `visible`.
        frame: number of the scene's frame of each row.
        time_s: the instant of each row, in seconds of the session clock.
        id: who it is; the same person has the same id in all frames.
        points: true positions in the world frame, metres; NaN for a keypoint that has none.
        visible: whether a camera sees the keypoint: inside the image and not hidden.
        bone_names: names of the J bones of the body model; none where there is no such model.
        bone_rotations: rotation of each bone relative to its parent bone.
        bone_positions: position of each bone's head in the world frame, metres.
        shape: parameters of the body model, by name and person id.
    """

    joint_names: tuple[str, ...]
    camera_names: tuple[str, ...]
    frame: Int[np.ndarray, " rows"]
    time_s: Float[np.ndarray, " rows"]
    id: Int[np.ndarray, " rows"]
    points: Float[np.ndarray, "rows keypoints 3"]
    visible: Bool[np.ndarray, "rows cameras keypoints"]
    bone_names: tuple[str, ...]
    bone_rotations: Float[np.ndarray, "rows bones 3 3"]
    bone_positions: Float[np.ndarray, "rows bones 3"]
    shape: Mapping[str, Mapping[int, float]] = field(
        default_factory=lambda: dict[str, dict[int, float]]()
    )

    def __post_init__(self) -> None:
        for name in ("joint_names", "camera_names", "bone_names"):
            names = tuple(str(value) for value in getattr(self, name))
            if len(set(names)) != len(names):
                raise ValueError(f"{name} has a name twice")
            object.__setattr__(self, name, names)
        rows, k, c = len(self.frame), len(self.joint_names), len(self.camera_names)
        j = len(self.bone_names)
        for name, dtype, shape in (
            ("frame", np.int64, (rows,)),
            ("time_s", np.float64, (rows,)),
            ("id", np.int64, (rows,)),
            ("points", np.float64, (rows, k, 3)),
            ("visible", np.bool_, (rows, c, k)),
            ("bone_rotations", np.float64, (rows, j, 3, 3)),
            ("bone_positions", np.float64, (rows, j, 3)),
        ):
            object.__setattr__(self, name, frozen_array(getattr(self, name), dtype, shape, name))
        if not np.isfinite(self.time_s).all():
            raise ValueError("time_s holds NaN or infinity")
        if np.isinf(self.points).any():
            raise ValueError("points hold infinity")
        keys = np.stack([self.frame, self.id], axis=1)
        if len(np.unique(keys, axis=0)) != rows:
            raise ValueError("a person stands twice in one frame")

    @classmethod
    def of_points(
        cls,
        joint_names: tuple[str, ...],
        camera_names: tuple[str, ...],
        frame: Int[np.ndarray, " rows"],
        time_s: Float[np.ndarray, " rows"],
        id: Int[np.ndarray, " rows"],  # noqa: A002
        points: Float[np.ndarray, "rows keypoints 3"],
        visible: Bool[np.ndarray, "rows cameras keypoints"],
    ) -> Truth:
        """The truth about keypoints only, without a body model; see the class."""
        rows = len(frame)
        return cls(
            joint_names,
            camera_names,
            frame,
            time_s,
            id,
            points,
            visible,
            (),
            np.zeros((rows, 0, 3, 3)),
            np.zeros((rows, 0, 3)),
        )

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def ids(self) -> tuple[int, ...]:
        """All person ids, ascending."""
        return tuple(int(i) for i in np.unique(self.id))

    @property
    def frame_interval_s(self) -> float:
        """Median time from frame to frame; NaN with fewer than two frames."""
        times = np.unique(self.time_s)
        return float(np.median(np.diff(times))) if len(times) > 1 else float("nan")
