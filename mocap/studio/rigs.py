"""Where the studio's cameras stand, what lenses they have, and how their clocks run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from mocap.arrays import Float
from mocap.errors import StudioError
from mocap.model import Camera, Intrinsics, LensModel, Rig, RigMetadata
from mocap.model.camera import FISHEYE_DISTORTION_LENGTH, PINHOLE_DISTORTION_LENGTHS
from mocap.studio.randomness import random_stream

Placement = Literal["ring", "corners", "free"]

MIN_CAMERAS, MAX_CAMERAS = 2, 12
MIN_FPS, MAX_FPS = 1.0, 240.0
MIN_SIDE_PX, MAX_SIDE_PX = 64, 4096
MAX_DRIFT_PPM = 10_000.0
MAX_OFFSET_S = 10.0
HEIGHT_STEP_M = 0.35
"""Neighbours of a ring stand this much higher and lower, so that no plane holds all of them."""


@dataclass(frozen=True)
class RigConfig:
    """The cameras of a scene.

    Values "per camera" are one for each camera; none stands for zeros.

    Attributes:
        kind: "ring": evenly around the centre, looking inwards, alternately higher and lower.
            "corners": in the corners of a square, further cameras between them on its sides.
            "free": where `positions_m` says.
        cameras: how many; 2 to 12. With "free", the number of positions.
        radius_m: distance of the cameras of a ring from the centre; half the side of the square.
        height_m: mean height of the cameras of a ring or square above the floor.
        first_angle_deg: where the first camera of a ring stands, from world x towards y.
        look_at_m: the point that all cameras look at.
        positions_m: of "free": the optical centres.
        targets_m: of "free": what each camera looks at; none: all at `look_at_m`.
        jitter_m: how far the cameras of a ring or square stand from their places, one standard
            deviation per axis; nobody places tripods exactly.
        size: width and height of the images in pixels.
        field_of_view_deg: horizontal, of the lens without its distortion.
        lens: the lens model, see `mocap.model.Intrinsics`.
        distortions: OpenCV's coefficients, the same for all cameras.
        lens_spread: relative standard deviation of the focal length among the cameras; their
            distortions differ three times as much.
        fps: frames per second.
        time_offset_s: per camera: how much later its clock shows an event; see
            `mocap.model.Camera`.
        drift_ppm: per camera: how much faster its clock runs than the scene's, in millionths.
        dropped_share: share of frames that never arrive; the first always does.
        noise: strength of the sensor's noise; 0 none, 1 a webcam in a room with lights on.
        exposure_spread: relative standard deviation of brightness and colour among the cameras.
        shutter_s: how long the shutter is open, which blurs what moves; 0 for no blur.
    """

    kind: Placement = "ring"
    cameras: int = 4
    radius_m: float = 3.5
    height_m: float = 1.9
    first_angle_deg: float = 30.0
    look_at_m: tuple[float, float, float] = (0.0, 0.0, 0.95)
    positions_m: tuple[tuple[float, float, float], ...] = ()
    targets_m: tuple[tuple[float, float, float], ...] = ()
    jitter_m: float = 0.08
    size: tuple[int, int] = (640, 480)
    field_of_view_deg: float = 60.0
    lens: LensModel = "pinhole"
    distortions: tuple[float, ...] = (-0.12, 0.06, 0.0004, -0.0003, 0.0)
    lens_spread: float = 0.01
    fps: float = 30.0
    time_offset_s: tuple[float, ...] = ()
    drift_ppm: tuple[float, ...] = ()
    dropped_share: float = 0.0
    noise: float = 0.5
    exposure_spread: float = 0.04
    shutter_s: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Placement):
            raise StudioError(
                f"a rig of kind {self.kind!r}; choose one of {', '.join(get_args(Placement))}"
            )
        if self.kind == "free":
            object.__setattr__(self, "cameras", len(self.positions_m))
        elif self.positions_m or self.targets_m:
            raise StudioError(
                f"positions_m and targets_m belong to a rig of kind 'free', this is "
                f"{self.kind!r}; remove them or change the kind"
            )
        if not MIN_CAMERAS <= self.cameras <= MAX_CAMERAS:
            raise StudioError(
                f"a rig of {self.cameras} cameras; choose {MIN_CAMERAS} to {MAX_CAMERAS}"
                + (" positions_m" if self.kind == "free" else "")
            )
        self._check_numbers()
        self._check_per_camera()

    def _check_numbers(self) -> None:
        if not MIN_FPS <= self.fps <= MAX_FPS:
            raise StudioError(
                f"a frame rate of {self.fps:g}/s; choose {MIN_FPS:g} to {MAX_FPS:g} frames per "
                f"second"
            )
        if any(
            not MIN_SIDE_PX <= side <= MAX_SIDE_PX or side % 2 or side != int(side)
            for side in self.size
        ):
            raise StudioError(
                f"images of {self.size[0]:g}x{self.size[1]:g} pixels; choose even numbers from "
                f"{MIN_SIDE_PX} to {MAX_SIDE_PX}, which video encoders need"
            )
        frame_s = 1.0 / self.fps
        for name, value, low, high in (
            ("radius_m", self.radius_m, 0.5, 50.0),
            ("height_m", self.height_m, 0.1, 20.0),
            ("first_angle_deg", self.first_angle_deg, -3600.0, 3600.0),
            ("jitter_m", self.jitter_m, 0.0, 1.0),
            ("field_of_view_deg", self.field_of_view_deg, 10.0, 175.0),
            ("lens_spread", self.lens_spread, 0.0, 0.1),
            ("dropped_share", self.dropped_share, 0.0, 0.9),
            ("noise", self.noise, 0.0, 20.0),
            ("exposure_spread", self.exposure_spread, 0.0, 0.5),
            ("shutter_s", self.shutter_s, 0.0, frame_s),
        ):
            if not low <= value <= high:
                raise StudioError(f"{name} of the rig is {value:g}, expected {low:g} to {high:g}")
        if self.lens == "pinhole" and self.field_of_view_deg > 140.0:
            raise StudioError(
                f"a pinhole lens with a field of view of {self.field_of_view_deg:g} degrees; "
                f'choose up to 140, or lens = "fisheye"'
            )
        expected = (
            PINHOLE_DISTORTION_LENGTHS if self.lens == "pinhole" else (FISHEYE_DISTORTION_LENGTH,)
        )
        if len(self.distortions) not in expected:
            raise StudioError(
                f"{len(self.distortions)} distortion coefficients for a {self.lens} lens, "
                f"expected {' or '.join(map(str, expected))}"
            )

    def _check_per_camera(self) -> None:
        for name, values, limit in (
            ("time_offset_s", self.time_offset_s, MAX_OFFSET_S),
            ("drift_ppm", self.drift_ppm, MAX_DRIFT_PPM),
        ):
            if len(values) not in (0, self.cameras):
                raise StudioError(
                    f"{name} has {len(values)} values for {self.cameras} cameras; give one for "
                    f"each, or none"
                )
            if not all(abs(value) <= limit for value in values):
                raise StudioError(f"{name} is {values}, expected numbers up to {limit:g}")
        if self.targets_m and len(self.targets_m) != self.cameras:
            raise StudioError(
                f"targets_m has {len(self.targets_m)} points for {self.cameras} cameras; give one "
                f"for each, or none"
            )
        points = (*self.positions_m, *self.targets_m, self.look_at_m)
        if any(len(p) != 3 or not all(map(math.isfinite, p)) for p in points):
            raise StudioError(
                "positions_m, targets_m and look_at_m hold points (x, y, z) in metres"
            )

    def offset_of(self, camera: int) -> float:
        """Time offset of a camera, in seconds."""
        return self.time_offset_s[camera] if self.time_offset_s else 0.0

    def clock_rate_of(self, camera: int) -> float:
        """Seconds of a camera's clock in one second of the scene."""
        return 1.0 + (self.drift_ppm[camera] * 1e-6 if self.drift_ppm else 0.0)


def camera_names(count: int) -> tuple[str, ...]:
    """How the studio calls its cameras."""
    return tuple(f"cam{index}" for index in range(count))


def make_rig(config: RigConfig, seed: int) -> Rig:
    """The true rig of a scene.

    Args:
        config: the cameras.
        seed: of everything that is random about them.

    Raises:
        StudioError: a camera stands on what it looks at, or its lens cannot be made.
    """
    random = random_stream(seed, "rig")
    positions = _positions(config, random)
    targets = np.array(config.targets_m or [config.look_at_m] * config.cameras, dtype=np.float64)
    cameras: list[Camera] = []
    for index, name in enumerate(camera_names(config.cameras)):
        try:
            cameras.append(
                Camera(
                    name,
                    _intrinsics(config, random),
                    look_at(positions[index], targets[index]),
                    config.offset_of(index),
                )
            )
        except ValueError as error:
            raise StudioError(f"camera {name!r} of the rig: {error}; change the rig") from error
    frame = "right-handed, Z up, metres; the floor of the studio is z = 0"
    note = f"true rig of a synthetic scene, seed {seed}"
    return Rig(tuple(cameras), RigMetadata(frame, (note,)))


def look_at(
    center_world: Float[np.ndarray, " 3"], target_world: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, "4 4"]:
    """`T_cam_world` of a camera that looks at a point, upright.

    Raises:
        ValueError: the camera stands on the point.
    """
    forward = np.asarray(target_world, np.float64) - center_world
    distance = float(np.linalg.norm(forward))
    if distance < 1e-6:
        raise ValueError("it stands on the point that it looks at")
    forward = forward / distance
    # Straight up or down, the picture's upper side points to world y.
    up = np.array([0.0, 0.0, 1.0]) if math.hypot(*forward[:2]) > 1e-6 else np.array([0.0, 1.0, 0.0])
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward])
    pose[:3, 3] = -pose[:3, :3] @ center_world
    return pose


def _positions(config: RigConfig, random: np.random.Generator) -> Float[np.ndarray, "cameras 3"]:
    count = config.cameras
    jitter = random.standard_normal((count, 3)) * config.jitter_m
    if config.kind == "free":
        return np.array(config.positions_m, dtype=np.float64)
    heights = config.height_m + HEIGHT_STEP_M * np.where(np.arange(count) % 2, 0.5, -0.5)
    if config.kind == "ring":
        angles = math.radians(config.first_angle_deg) + 2 * np.pi * np.arange(count) / count
        places = config.radius_m * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    else:
        places = config.radius_m * _square_places(count)
    jitter[:, 2] = np.clip(jitter[:, 2], -0.5 * config.height_m, None)
    positions = np.column_stack([places, np.maximum(heights, 0.1)]) + jitter
    positions[:, 2] = np.maximum(positions[:, 2], 0.1)
    return positions


def _square_places(count: int) -> Float[np.ndarray, "places 2"]:
    """Corners of the square from -1 to 1 first (opposite ones next to each other in the list),
    then places on its sides, as far from the others as possible.
    """
    places = [(-1.0, -1.0), (1.0, 1.0), (1.0, -1.0), (-1.0, 1.0)]
    places += [(0.0, -1.0), (0.0, 1.0), (1.0, 0.0), (-1.0, 0.0)]
    places += [(-0.5, -1.0), (0.5, 1.0), (1.0, -0.5), (-1.0, 0.5)]
    return np.array(places[:count])


def _intrinsics(config: RigConfig, random: np.random.Generator) -> Intrinsics:
    width, height = config.size
    half = math.radians(config.field_of_view_deg) / 2
    focal = width / 2 / (math.tan(half) if config.lens == "pinhole" else half)
    focal *= 1 + config.lens_spread * random.standard_normal()
    # The centre of a real lens is off by about a hundredth of the image.
    center = np.array([width - 1, height - 1]) / 2
    center += config.lens_spread * width * 0.5 * random.standard_normal(2)
    scale = 1 + 3 * config.lens_spread * random.standard_normal()
    matrix = np.array([[focal, 0, center[0]], [0, focal, center[1]], [0, 0, 1]])
    return Intrinsics(
        (int(width), int(height)), matrix, np.array(config.distortions) * scale, config.lens
    )
