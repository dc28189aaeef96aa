"""Calibrated cameras and the rig they form.

`Camera` always has intrinsics and a pose: a camera that is not calibrated yet is of another type.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, get_args

import numpy as np

from mocap.arrays import Float, frozen_array, frozen_equal
from mocap.errors import RigError, valid_choices
from mocap.geometry.rotations import matrix_from_rotvec, rotvec_from_matrix

LensModel = Literal["pinhole", "fisheye"]

PINHOLE_DISTORTION_LENGTHS = (0, 4, 5, 8)
FISHEYE_DISTORTION_LENGTH = 4
PACKED_DISTORTIONS = 8
"""Length to which distortion coefficients are padded with zeros for the numeric core."""


@dataclass(frozen=True, eq=False)
class Intrinsics:
    """Maps points in the camera frame to pixels.

    Attributes:
        size: width and height in pixels.
        matrix: 3x3 camera matrix, in pixels; pixel (0, 0) is the centre of the top-left pixel.
        distortions: OpenCV's coefficients. Pinhole: (k1, k2, p1, p2[, k3[, k4, k5, k6]]).
            Fisheye: (k1, k2, k3, k4) of `cv2.fisheye`.
        lens: which of the two models the coefficients belong to.
    """

    size: tuple[int, int]
    matrix: Float[np.ndarray, "3 3"]
    distortions: Float[np.ndarray, " coefficients"]
    lens: LensModel = "pinhole"

    def __post_init__(self) -> None:
        matrix = frozen_array(self.matrix, np.float64, (3, 3), "matrix")
        distortions = frozen_array(self.distortions, np.float64, (None,), "distortions")
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "distortions", distortions)
        object.__setattr__(self, "size", (int(self.size[0]), int(self.size[1])))
        if min(self.size) <= 0:
            raise ValueError(f"size is {self.size}, expected two positive numbers of pixels")
        if not np.isfinite(matrix).all():
            raise ValueError("matrix holds NaN or infinity")
        if not np.isfinite(distortions).all():
            raise ValueError("distortions hold NaN or infinity")
        if matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
            raise ValueError(f"focal lengths are {matrix[0, 0]:g}, {matrix[1, 1]:g}, not positive")
        if not np.allclose(matrix[2], (0, 0, 1)) or matrix[1, 0] != 0:
            raise ValueError("matrix is not of the form [[fx, s, cx], [0, fy, cy], [0, 0, 1]]")
        if self.lens not in get_args(LensModel):
            raise ValueError(f"lens is {self.lens!r}, expected one of {get_args(LensModel)}")
        n = len(distortions)
        if self.lens == "pinhole" and n not in PINHOLE_DISTORTION_LENGTHS:
            raise ValueError(
                f"{n} pinhole distortion coefficients, expected one of {PINHOLE_DISTORTION_LENGTHS}"
            )
        if self.lens == "fisheye" and n != FISHEYE_DISTORTION_LENGTH:
            raise ValueError(f"{n} fisheye distortion coefficients, expected 4")

    @property
    def packed_distortions(self) -> Float[np.ndarray, " 8"]:
        """The coefficients padded with zeros, which leaves either model unchanged."""
        packed = np.zeros(PACKED_DISTORTIONS)
        packed[: len(self.distortions)] = self.distortions
        return packed

    @property
    def focal_px(self) -> float:
        """Geometric mean of the two focal lengths, in pixels."""
        return math.sqrt(float(self.matrix[0, 0] * self.matrix[1, 1]))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Intrinsics) and _same_fields(self, other)


@dataclass(frozen=True, eq=False)
class Camera:
    """A calibrated camera.

    Attributes:
        name: how the user calls it; videos are found by it.
        intrinsics: lens and sensor.
        T_cam_world: 4x4 rigid transform from world (metres, Z up) to camera (x right, y down,
            z forward).
        time_offset_s: how much later than the session clock this camera sees an event;
            positive when the camera is late.
        pose_covariance: 6x6 covariance of (rotation vector in rad, translation in m) of
            `T_cam_world`, or None when unknown.
    """

    name: str
    intrinsics: Intrinsics
    T_cam_world: Float[np.ndarray, "4 4"]
    time_offset_s: float = 0.0
    pose_covariance: Float[np.ndarray, "6 6"] | None = None

    def __post_init__(self) -> None:
        pose = frozen_array(self.T_cam_world, np.float64, (4, 4), "T_cam_world")
        object.__setattr__(self, "T_cam_world", pose)
        if not self.name.strip() or "/" in self.name or self.name in (".", ".."):
            raise ValueError("a camera needs a name, without '/'")
        if not np.isfinite(pose).all():
            raise ValueError("pose holds NaN or infinity")
        rotation = pose[:3, :3]
        if (
            not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)
            or np.linalg.det(rotation) < 0
            or not np.allclose(pose[3], (0, 0, 0, 1), atol=1e-6)
        ):
            raise ValueError("pose is not a rotation and a translation")
        if not math.isfinite(self.time_offset_s):
            raise ValueError("time_offset_s is not finite")
        if self.pose_covariance is not None:
            covariance = frozen_array(self.pose_covariance, np.float64, (6, 6), "pose_covariance")
            object.__setattr__(self, "pose_covariance", covariance)

    @classmethod
    def from_rotvec(
        cls,
        name: str,
        intrinsics: Intrinsics,
        rotation: Float[np.ndarray, " 3"],
        translation: Float[np.ndarray, " 3"],
        *,
        time_offset_s: float = 0.0,
        pose_covariance: Float[np.ndarray, "6 6"] | None = None,
    ) -> Camera:
        """Makes a camera from OpenCV's extrinsics (rotation vector and translation, world to
        camera, translation in metres)."""
        pose = np.eye(4)
        pose[:3, :3] = matrix_from_rotvec(np.asarray(rotation, dtype=np.float64))
        pose[:3, 3] = translation
        return cls(name, intrinsics, pose, time_offset_s, pose_covariance)

    @property
    def rotation_vector(self) -> Float[np.ndarray, " 3"]:
        """Rotation vector of `T_cam_world`, in radians."""
        return rotvec_from_matrix(self.T_cam_world[:3, :3])

    @property
    def translation_m(self) -> Float[np.ndarray, " 3"]:
        """Translation of `T_cam_world`, in metres."""
        return self.T_cam_world[:3, 3]

    @property
    def T_world_cam(self) -> Float[np.ndarray, "4 4"]:
        """Rigid transform from camera to world."""
        pose = np.eye(4)
        pose[:3, :3] = self.T_cam_world[:3, :3].T
        pose[:3, 3] = self.center_world
        return pose

    @property
    def center_world(self) -> Float[np.ndarray, " 3"]:
        """Optical centre in the world frame, in metres."""
        return -self.T_cam_world[:3, :3].T @ self.T_cam_world[:3, 3]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Camera) and _same_fields(self, other)


@dataclass(frozen=True)
class RigArrays:
    """A rig as plain arrays, in the rig's camera order, for the numeric core.

    Attributes:
        matrix: camera matrices in pixels.
        distortions: coefficients, padded to `PACKED_DISTORTIONS`.
        fisheye: 1 where the lens is fisheye, else 0.
        T_cam_world: poses.
    """

    matrix: Float[np.ndarray, "cameras 3 3"]
    distortions: Float[np.ndarray, "cameras 8"]
    fisheye: np.ndarray
    T_cam_world: Float[np.ndarray, "cameras 4 4"]


@dataclass(frozen=True)
class RigMetadata:
    """Where a rig comes from.

    Attributes:
        world_frame: what the axes and the origin are, in words.
        provenance: the files and commands the rig was made from, oldest first.
    """

    world_frame: str = "right-handed, Z up, metres"
    provenance: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rig:
    """Calibrated cameras in an explicit order, which nothing ever sorts.

    Attributes:
        cameras: at least one camera; names are unique.
        metadata: world frame and provenance.
    """

    cameras: tuple[Camera, ...]
    metadata: RigMetadata = field(default_factory=RigMetadata)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cameras", tuple(self.cameras))
        if not self.cameras:
            raise RigError("a rig needs at least one camera")
        seen: set[str] = set()
        for name in self.names:
            if name in seen:
                raise RigError(f"two cameras of the rig are called {name!r}; rename one of them")
            seen.add(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Camera names in rig order."""
        return tuple(camera.name for camera in self.cameras)

    def __len__(self) -> int:
        return len(self.cameras)

    def __iter__(self) -> Iterator[Camera]:
        return iter(self.cameras)

    def __getitem__(self, name: str) -> Camera:
        """The camera called `name`.

        Raises:
            RigError: there is none; the message lists the names there are.
        """
        for camera in self.cameras:
            if camera.name == name:
                return camera
        raise RigError(
            f"no camera {name!r} in the rig; its cameras are {valid_choices(self.names)}"
        )

    def subset(self, names: Iterable[str]) -> Rig:
        """The rig with only the named cameras, in the order of this rig.

        Raises:
            RigError: a name is unknown or given twice.
        """
        wanted = list(names)
        for name in wanted:
            _ = self[name]
            if wanted.count(name) > 1:
                raise RigError(f"camera {name!r} is named twice; name each camera once")
        return replace(self, cameras=tuple(c for c in self.cameras if c.name in wanted))

    def replaced(self, camera: Camera) -> Rig:
        """The rig with one camera exchanged for another of the same name."""
        _ = self[camera.name]
        cameras = tuple(camera if c.name == camera.name else c for c in self.cameras)
        return replace(self, cameras=cameras)

    @cached_property
    def arrays(self) -> RigArrays:
        """The rig as stacked arrays."""
        return RigArrays(
            matrix=np.stack([c.intrinsics.matrix for c in self.cameras]),
            distortions=np.stack([c.intrinsics.packed_distortions for c in self.cameras]),
            fisheye=np.array([c.intrinsics.lens == "fisheye" for c in self.cameras], np.int64),
            T_cam_world=np.stack([c.T_cam_world for c in self.cameras]),
        )


def _same_fields(a: object, b: object) -> bool:
    fields = getattr(a, "__dataclass_fields__", {})
    return all(frozen_equal(getattr(a, name), getattr(b, name)) for name in fields)
