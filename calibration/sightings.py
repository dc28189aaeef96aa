"""What cameras saw of a calibration target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mocap.arrays import Bool, Float, Int, frozen_array
from mocap.errors import CalibrationError, valid_choices
from mocap.model import Target


@dataclass(frozen=True)
class CameraSightings:
    """The frames of one camera in which the target was found.

    Attributes:
        name: of the camera.
        image_size: width and height in pixels.
        frame: number of each frame in the footage, from 0, ascending.
        time_s: when each frame was taken by the camera's own clock, whose zero is the start of
            the footage; for images without a time, the number of the image.
        pixels: the target's points in the image as delivered; NaN where not seen.
        sigma_px: standard deviation of each pixel as far as the picture tells (blur, contrast),
            relative to the others of the same camera: 1 is usual.
        mirrored: whether the back of a see-through board was seen. The pixels are those of the
            image as delivered, and points keep their numbers, so nothing has to be undone.
        sharpness: of the board's region, larger is sharper; comparable within a camera.
        frames_examined: how many frames were searched.
        nominal_fps: frames per second of the footage; None for images.
        notes: findings in words which the user should read.
    """

    name: str
    image_size: tuple[int, int]
    frame: Int[np.ndarray, " frames"]
    time_s: Float[np.ndarray, " frames"]
    pixels: Float[np.ndarray, "frames points 2"]
    sigma_px: Float[np.ndarray, "frames points"]
    mirrored: Bool[np.ndarray, " frames"]
    sharpness: Float[np.ndarray, " frames"]
    frames_examined: int
    nominal_fps: float | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.frame)
        for name, dtype, shape in (
            ("frame", np.int64, (n,)),
            ("time_s", np.float64, (n,)),
            ("pixels", np.float64, (n, None, 2)),
            ("mirrored", np.bool_, (n,)),
            ("sharpness", np.float64, (n,)),
        ):
            object.__setattr__(self, name, frozen_array(getattr(self, name), dtype, shape, name))
        points = self.pixels.shape[1]
        sigma = frozen_array(self.sigma_px, np.float64, (n, points), "sigma_px")
        object.__setattr__(self, "sigma_px", sigma)
        if np.any(np.diff(self.frame) <= 0):
            raise ValueError(f"camera {self.name!r}: frames are not in ascending order")

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def seen(self) -> Bool[np.ndarray, "frames points"]:
        """Which points were seen in which frame."""
        return np.asarray(np.isfinite(self.pixels).all(axis=-1))

    def chosen(self, keep: np.ndarray) -> CameraSightings:
        """Only some of the frames (a mask or ascending indices)."""
        return CameraSightings(
            self.name,
            self.image_size,
            self.frame[keep],
            self.time_s[keep],
            self.pixels[keep],
            self.sigma_px[keep],
            self.mirrored[keep],
            self.sharpness[keep],
            self.frames_examined,
            self.nominal_fps,
            self.notes,
        )


@dataclass(frozen=True)
class Sightings:
    """What all cameras of a rig saw of one target, cameras in the order of the rig.

    Attributes:
        target: the board, as it turned out to be printed.
        cameras: one entry per camera, also for cameras that never saw it.
    """

    target: Target
    cameras: tuple[CameraSightings, ...]

    def __post_init__(self) -> None:
        points = len(self.target.points_m)
        for camera in self.cameras:
            if camera.pixels.shape[1] != points:
                raise ValueError(
                    f"camera {camera.name!r} has {camera.pixels.shape[1]} points per frame, the "
                    f"target has {points}"
                )

    @property
    def names(self) -> tuple[str, ...]:
        """Camera names in rig order."""
        return tuple(camera.name for camera in self.cameras)

    def __getitem__(self, name: str) -> CameraSightings:
        """The sightings of the camera called `name`.

        Raises:
            CalibrationError: there is none.
        """
        for camera in self.cameras:
            if camera.name == name:
                return camera
        raise CalibrationError(
            f"no camera {name!r} among the sightings; cameras are {valid_choices(self.names)}"
        )
