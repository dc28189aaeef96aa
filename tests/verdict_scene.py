"""Simulated calibrations whose truth and whose defects are known, for verdict, report and check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
from scipy.spatial.transform import Rotation
from synthetic_scene import SIZE, ring_rig

from calibration.checks.evidence import Evidence
from calibration.checks.linear import (
    PER_CAMERA,
    change_model,
    estimate,
    moved_rig,
    pose_columns,
)
from calibration.checks.tracks import PointTracks, tracks_of_sightings, triangulate
from calibration.sightings import CameraSightings, Sightings
from calibration.solution import Residuals, Solution, TargetPath
from calibration.world_frame import path_of_tracks
from mocap.geometry.projection import project_points, transform_points
from mocap.geometry.rotations import matrix_from_rotvec, skew_matrix
from mocap.model import Camera, Rig, Target

BOARD = Target("charuco", (7, 5), 0.1, 0.075, "DICT_5X5_100")
FPS = 30.0
SECONDS = 8.0


def board_pose_at(seed: int, seconds: float = SECONDS) -> Callable[[np.ndarray], np.ndarray]:
    """Poses (n, 4, 4) of a board that is waved through the volume and at last lies on the floor."""
    rng = np.random.default_rng([seed, 1])
    phase, rate = rng.uniform(0, 2 * np.pi, (6, 3)), rng.uniform(0.7, 2.4, (6, 3))
    middle = np.array([BOARD.squares[0], BOARD.squares[1], 0]) * BOARD.square_m / 2
    lying = Rotation.from_euler("ZX", [0.4, np.pi])
    spin = rng.uniform(0.25, 0.5)

    def at(time_s: np.ndarray) -> np.ndarray:
        t = np.asarray(time_s, float)
        waves = np.sin(phase[:, :, None] + rate[:, :, None] * t).sum(axis=1)
        place = np.stack([0.28 * waves[0], 0.28 * waves[1], 1.1 + 0.16 * waves[2]], -1)
        turn = Rotation.from_euler(
            "ZXY", np.stack([2 * np.pi * spin * t, np.pi / 2 + 0.3 * waves[3], 0.3 * waves[4]], -1)
        )
        # Laid down smoothly in a second, as hands do it.
        s = np.clip(t - (seconds * 0.8 - 1.0), 0.0, 1.0)
        s = s**3 * (10 - 15 * s + 6 * s**2)
        way = (lying * turn.inv()).as_rotvec()
        poses = np.tile(np.eye(4), (len(t), 1, 1))
        poses[:, :3, :3] = (Rotation.from_rotvec(s[:, None] * way) * turn).as_matrix()
        place += s[:, None] * (np.array([0.2, -0.1, 0.0]) - place)
        poses[:, :3, 3] = place - poses[:, :3, :3] @ middle
        return poses

    return at


def sightings_of(
    rig: Rig,
    seed: int = 0,
    *,
    noise_px: float = 0.25,
    seconds: float = SECONDS,
    poses: Callable[[np.ndarray], np.ndarray] | None = None,
    rig_at: Callable[[float], Rig] | None = None,
    size_factor: float = 1.0,
    step: int = 2,
    target: Target = BOARD,
    printed: Target | None = None,
) -> Sightings:
    """What a rig, its time offsets included, sees of the board.

    Args:
        rig: true cameras.
        seed: of everything random.
        noise_px: of each coordinate.
        seconds: length of the footage.
        poses: of the board by time; None: waved.
        rig_at: the rig as it is at a time, for cameras that move.
        size_factor: how much larger the print is than described.
        step: every how many frames are searched.
        target: the board as described.
        printed: the board as it is; None: as described.
    """
    at = poses or board_pose_at(seed, seconds)
    rng = np.random.default_rng([seed, 2])
    cameras: list[CameraSightings] = []
    frame = np.arange(0, int(seconds * FPS), step)
    points = (printed or target).points_m * size_factor
    for c, camera in enumerate(rig):
        clock = frame / FPS
        board = at(clock - camera.time_offset_s)
        pixels = np.full((len(frame), len(points), 2), np.nan)
        mirrored = np.zeros(len(frame), bool)
        for i, pose in enumerate(board):
            own = rig_at(clock[i]).cameras[c] if rig_at else camera
            world = transform_points(pose, points)
            lens = own.intrinsics
            image, depth = project_points(
                world,
                lens.matrix,
                lens.packed_distortions,
                lens.lens == "fisheye",
                own.T_cam_world,
            )
            ray = world.mean(axis=0) - own.center_world
            facing = float(pose[:3, 2] @ ray / np.linalg.norm(ray))
            inside = (depth > 0.3) & np.all((image > 4) & (image < np.array(lens.size) - 5), axis=1)
            if abs(facing) > 0.25 and inside.sum() >= 6:
                pixels[i, inside] = image[inside]
                mirrored[i] = facing < 0
        pixels += rng.normal(0, noise_px, pixels.shape)
        seen = np.isfinite(pixels).all(axis=-1).any(axis=1)
        sharp = np.exp(rng.normal(5.0, 0.15, len(frame)))
        cameras.append(
            CameraSightings(
                camera.name,
                camera.intrinsics.size,
                frame[seen],
                clock[seen],
                pixels[seen],
                np.ones(pixels[seen].shape[:2]),
                mirrored[seen],
                sharp[seen],
                len(frame),
                FPS,
            )
        )
    return Sightings(target, tuple(cameras))


def with_camera(sightings: Sightings, camera: int, **changes: object) -> Sightings:
    """Sightings of which one camera is changed."""
    cameras = list(sightings.cameras)
    cameras[camera] = replace(cameras[camera], **changes)
    return replace(sightings, cameras=tuple(cameras))


def guessed(rig: Rig, offsets: bool = True) -> Rig:
    """The rig as calibration may start from; without the time offsets when it does not solve
    them."""
    if offsets:
        return rig
    return replace(rig, cameras=tuple(replace(c, time_offset_s=0.0) for c in rig))


def adjusted_poses(rig: Rig, tracks: PointTracks, rounds: int = 6) -> Rig:
    """The rig whose poses fit the tracks best, near a given one: a few Gauss-Newton steps.

    Position, direction and scale of the whole stay about as they are. This is for judging a rig;
    calibration has better ways.
    """
    free = pose_columns(len(rig))
    best, least = rig, triangulate(rig, tracks)
    for _ in range(rounds):
        model = change_model(best, tracks, least)
        change = np.zeros(len(rig) * PER_CAMERA)
        change[free] = estimate(model, free, np.zeros(0, np.int64)).value
        tried = moved_rig(best, change)
        seen = triangulate(tried, tracks)
        if not seen.rmse_px() < least.rmse_px():
            break
        settled = seen.rmse_px() > (1 - 1e-4) * least.rmse_px()
        best, least = tried, seen
        if settled:
            break
    return best


def solution_of(rig: Rig, sightings: Sightings, *, adjust: bool = True) -> Solution:
    """A calibration by fitting the poses to what was seen, near a given rig."""
    tracks = tracks_of_sightings(rig, sightings)
    if adjust:
        rig = adjusted_poses(rig, tracks)
    seen = triangulate(rig, tracks)
    path = path_of_tracks(sightings.target, tracks.time_s, seen)
    entries = _residuals(rig, sightings, path)
    model = change_model(rig, tracks, seen)
    covariance = _covariance(rig, model)
    cameras = tuple(
        replace(camera, pose_covariance=covariance[6 * c : 6 * c + 6, 6 * c : 6 * c + 6])
        for c, camera in enumerate(rig)
    )
    return Solution(
        replace(rig, cameras=cameras),
        entries,
        covariance,
        rig.names[0],
        tuple({"fx": 2.0, "fy": 2.0, "cx": 3.0, "cy": 3.0} for _ in rig),
        np.full(len(rig), 2e-4),
        np.full(len(rig), np.nan),
        np.full(len(rig), np.nan),
        model.sigma_px,
        path,
        True,
        12,
    )


def evidence_of(rig: Rig, sightings: Sightings, **options: object) -> Evidence:
    """Evidence with a solution fitted near a rig."""
    return Evidence(solution_of(rig, sightings), sightings, **options)


@lru_cache(maxsize=16)
def good_evidence(seed: int, cameras: int = 4, **options: object) -> Evidence:
    """A calibration with nothing wrong."""
    rig = ring_rig(cameras, mixed_lenses=bool(seed % 2), start_rad=0.3 + 0.7 * seed)
    return evidence_of(rig, sightings_of(rig, seed), **{"lenses_given": True, **options})


def turned(camera: Camera, degrees: float, shift_m: float = 0.0) -> Camera:
    """A camera turned about its own vertical, and shifted sideways."""
    turn = matrix_from_rotvec(np.radians([0.0, degrees, 0.0]))
    pose = np.eye(4)
    pose[:3, :3] = turn @ camera.T_cam_world[:3, :3]
    center = camera.center_world + shift_m * camera.T_cam_world[0, :3]
    pose[:3, 3] = -pose[:3, :3] @ center
    return replace(camera, T_cam_world=pose)


def with_pixels(sightings: Sightings, camera: int, change: Callable[[np.ndarray], np.ndarray]):
    """Sightings whose pixels of one camera are changed."""
    return with_camera(sightings, camera, pixels=change(sightings.cameras[camera].pixels))


def image_mirrored(pixels: np.ndarray) -> np.ndarray:
    result = pixels.copy()
    result[..., 0] = SIZE[0] - 1 - result[..., 0]
    return result


def _residuals(rig: Rig, sightings: Sightings, path: TargetPath) -> Residuals:
    columns: list[list[np.ndarray]] = [[] for _ in range(6)]
    for c, camera in enumerate(rig):
        own = sightings[camera.name]
        clock = own.time_s - camera.time_offset_s
        lens = camera.intrinsics
        for i in range(len(own)):
            k = int(np.argmin(np.abs(path.time_s - clock[i])))
            if abs(path.time_s[k] - clock[i]) > 0.2 / FPS:
                continue
            world = transform_points(path.T_world_target[k], sightings.target.points_m)
            at = project_points(
                world,
                lens.matrix,
                lens.packed_distortions,
                lens.lens == "fisheye",
                camera.T_cam_world,
            )[0]
            on = np.flatnonzero(own.seen[i] & np.isfinite(at).all(axis=1))
            for column, values in zip(
                columns,
                (
                    np.full(len(on), c),
                    np.full(len(on), own.frame[i]),
                    np.full(len(on), clock[i]),
                    on,
                    own.pixels[i, on],
                    own.pixels[i, on] - at[on],
                ),
                strict=True,
            ):
                column.append(values)
    camera, frame, time_s, point, pixels, residual = (np.concatenate(c) for c in columns)
    length = np.linalg.norm(residual, axis=1)
    usual = 1.4826 * np.median(np.abs(residual))
    return Residuals(
        camera, frame, time_s, point, pixels, residual, np.ones(len(camera)), length < 10 * usual
    )


def _covariance(rig: Rig, model) -> np.ndarray:
    """Of all poses relative to the first camera, in the parameters of `Solution`."""
    n = len(rig)
    free = pose_columns(n)[6:]
    found = estimate(model, free, np.zeros(0, np.int64))
    covariance = np.zeros((6 * n, 6 * n))
    covariance[6:, 6:] = found.covariance
    convert = np.zeros((6 * n, 6 * n))
    for c, camera in enumerate(rig):
        rotation = camera.T_cam_world[:3, :3]
        convert[6 * c : 6 * c + 3, 6 * c : 6 * c + 3] = np.eye(3)
        # t = -R C: a turn moves it as well, and so does the centre.
        convert[6 * c + 3 : 6 * c + 6, 6 * c : 6 * c + 3] = -skew_matrix(camera.translation_m)
        convert[6 * c + 3 : 6 * c + 6, 6 * c + 3 : 6 * c + 6] = -rotation
    return convert @ covariance @ convert.T
