"""Simulated sightings of a moving board, corner by corner, with the truth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from calibration.sightings import CameraSightings, Sightings
from mocap.geometry.projection import project_points
from mocap.model import Camera, Intrinsics, Rig, Target
from mocap.studio.board_clip import BoardConfig, BoardMotion
from mocap.studio.camera_clock import capture_times
from mocap.studio.rigs import RigConfig, make_rig


@dataclass(frozen=True)
class BoardScene:
    """What the cameras saw, and what was true.

    Attributes:
        sightings: with noise.
        rig: true cameras; `time_offset_s` is true too.
        drift_ppm: true drift of each camera's clock.
        motion: true path of the board.
    """

    sightings: Sightings
    rig: Rig
    drift_ppm: np.ndarray
    motion: BoardMotion


def board_scene(
    cameras: int = 4,
    *,
    seed: int = 0,
    noise_px: float = 0.3,
    distorted: bool = True,
    fps: Sequence[float] | float = 15.0,
    duration_s: float = 10.0,
    offset_frames: Sequence[float] = (),
    drift_ppm: Sequence[float] = (),
    dropped_share: float = 0.0,
    still: bool = False,
    two_sided: bool = True,
    back_m: Sequence[float] = (0.0, 0.0, 0.0),
    missing_share: float = 0.05,
    wrong_share: float = 0.0,
    view_noise_px: float = 0.0,
    squares: tuple[int, int] = (5, 4),
    square_m: float = 0.12,
    rig: Rig | None = None,
) -> BoardScene:
    """A ring of cameras about a waved board.

    Args:
        cameras: how many; 2 stand 60 degrees apart, more all around.
        seed: of everything random.
        noise_px: standard deviation per coordinate.
        distorted: whether the lenses are.
        fps: of each camera, or of all.
        duration_s: of the footage.
        offset_frames: of each camera, in frames of the first: how much later it shows an event.
        drift_ppm: of each camera.
        dropped_share: of the frames.
        still: the board rests, in one pose for each second.
        two_sided: whether the back shows the corners too.
        back_m: how far the print on the back is shifted, in the board's frame.
        missing_share: of the corners.
        wrong_share: of the corners, off by 5 to 30 px.
        view_noise_px: further error which all corners of a view share.
        squares: of the board.
        square_m: side of a square.
        rig: instead of the ring.
    """
    rng = np.random.default_rng([seed, 77])
    rates = [float(fps)] * cameras if isinstance(fps, (int, float)) else [float(f) for f in fps]
    offsets = tuple(f / rates[0] for f in offset_frames) or (0.0,) * cameras
    drifts = tuple(drift_ppm) or (0.0,) * cameras
    config = RigConfig(
        cameras=cameras,
        size=(1280, 720),
        distortions=(-0.12, 0.06, 0.0004, -0.0003, 0.0) if distorted else (0.0,) * 5,
        radius_m=2.6,
        height_m=1.6,
        fps=rates[0],
        time_offset_s=offsets,
        drift_ppm=drifts,
        dropped_share=dropped_share,
    )
    if rig is None and cameras == 2:
        positions = ((2.6, 0.0, 1.6), (1.3, 2.25, 1.9))
        config = RigConfig(
            kind="free",
            positions_m=positions,
            size=config.size,
            distortions=config.distortions,
            fps=rates[0],
            time_offset_s=offsets,
            drift_ppm=drifts,
            dropped_share=dropped_share,
        )
    truth = rig or make_rig(config, seed)
    board = BoardConfig(
        squares=squares, square_m=square_m, marker_m=0.75 * square_m, duration_s=duration_s + 10
    )
    motion = BoardMotion(board, seed)
    target = Target("charuco", squares, square_m, 0.75 * square_m, board.dictionary)
    views: list[CameraSightings] = []
    for c, camera in enumerate(truth):
        per_camera = RigConfig(
            cameras=cameras,
            fps=rates[c],
            time_offset_s=offsets,
            drift_ppm=drifts,
            dropped_share=dropped_share,
        )
        times = capture_times(per_camera, c, duration_s, seed)
        pixels = np.full((len(times), len(target.points_m), 2), np.nan)
        behind = np.zeros(len(times), bool)
        for i, world_s in enumerate(times.world_s):
            moment = float(np.floor(world_s)) if still else float(world_s)
            pose = motion.T_world_board(moment + 2.0)
            pixels[i], behind[i] = _seen(camera, pose, target, two_sided, np.array(back_m))
        pixels += rng.normal(0, noise_px, pixels.shape)
        pixels += view_noise_px * rng.standard_normal((len(pixels), 1, 2))
        pixels[rng.random(pixels.shape[:2]) < missing_share] = np.nan
        wrong = rng.random(pixels.shape[:2]) < wrong_share
        away = rng.uniform(0, 2 * np.pi, int(wrong.sum()))
        length = rng.uniform(5, 30, len(away))
        pixels[wrong] += length[:, None] * np.stack([np.cos(away), np.sin(away)], axis=1)
        keep = np.isfinite(pixels).all(axis=-1).sum(axis=1) >= 6
        views.append(
            CameraSightings(
                camera.name,
                camera.intrinsics.size,
                times.number[keep],
                times.stamp_s[keep],
                pixels[keep],
                np.ones(pixels[keep].shape[:2]),
                behind[keep],
                np.ones(int(keep.sum())),
                len(times),
                rates[c],
            )
        )
    return BoardScene(Sightings(target, tuple(views)), truth, np.array(drifts), motion)


def _seen(
    camera: Camera, T_world_target: np.ndarray, target: Target, two_sided: bool, back_m: np.ndarray
) -> tuple[np.ndarray, bool]:
    points = target.points_m @ T_world_target[:3, :3].T + T_world_target[:3, 3]
    # The board's z axis points away from whoever sees its front.
    ray = points.mean(axis=0) - camera.center_world
    facing = float(ray @ T_world_target[:3, 2]) / float(np.linalg.norm(ray))
    if facing < 0:
        points = points + T_world_target[:3, :3] @ back_m
    pixels, depth = project_points(
        points,
        camera.intrinsics.matrix,
        camera.intrinsics.packed_distortions,
        camera.intrinsics.lens == "fisheye",
        camera.T_cam_world,
    )
    width, height = camera.intrinsics.size
    inside = (pixels >= 0).all(axis=1) & (pixels[:, 0] < width) & (pixels[:, 1] < height)
    ok = inside & (depth > 0) & ((abs(facing) if two_sided else facing) > 0.3)
    return np.where(ok[:, None], pixels, np.nan), facing < 0


def relative_errors(rig: Rig, truth: Rig) -> tuple[np.ndarray, np.ndarray]:
    """Error of every camera's pose relative to the first: rotation in degrees, centre in mm."""
    turn, shift = [], []
    for camera in list(rig)[1:]:
        ours = camera.T_cam_world @ rig.cameras[0].T_world_cam
        true = truth[camera.name].T_cam_world @ truth[rig.cameras[0].name].T_world_cam
        between = ours[:3, :3] @ true[:3, :3].T
        turn.append(np.degrees(np.arccos(np.clip((np.trace(between) - 1) / 2, -1, 1))))
        center = -ours[:3, :3].T @ ours[:3, 3] + true[:3, :3].T @ true[:3, 3]
        shift.append(1000 * np.linalg.norm(center))
    return np.array(turn), np.array(shift)


def real_session(
    folder: Path, names: Sequence[str] | None = None
) -> tuple[Sightings, dict[str, Intrinsics]]:
    """Corners of a real session of `shared/data` and the intrinsics that came with it."""
    reference = json.loads((folder / "reference.json").read_text())
    board = reference["board"]
    target = Target(
        "charuco",
        (board["squares_x"], board["squares_y"]),
        board["square_mm"] / 1000,
        board["marker_mm"] / 1000,
        board["dictionary"],
        inverted=board["inverted"],
    )
    rows = np.loadtxt(folder / "corners_opencv5.csv", delimiter=",", skiprows=1)
    lenses, cameras = {}, []
    for c, (name, entry) in enumerate(reference["cameras"].items()):
        lenses[name] = Intrinsics(
            tuple(reference["image_size"]),
            np.array(entry["matrix"]),
            np.array(entry["distortions"]),
        )
        if names is not None and name not in names:
            continue
        mine = rows[rows[:, 1] == c]
        frames = np.unique(mine[:, 0]).astype(int)
        pixels = np.full((len(frames), len(target.points_m), 2), np.nan)
        place = np.searchsorted(frames, mine[:, 0])
        pixels[place, mine[:, 2].astype(int)] = mine[:, 3:5]
        mirrored = np.zeros(len(frames), bool)
        mirrored[place] = mine[:, 5] > 0
        cameras.append(
            CameraSightings(
                name,
                tuple(reference["image_size"]),
                frames,
                frames / reference["fps"],
                pixels,
                np.ones(pixels.shape[:2]),
                mirrored,
                np.ones(len(frames)),
                int(frames.max()) + 1,
                reference["fps"],
            )
        )
    return Sightings(target, tuple(cameras)), lenses


def reference_rig(folder: Path, lenses: Mapping[str, Intrinsics]) -> Rig:
    """The reference poses that come with a session."""
    cameras = json.loads((folder / "reference.json").read_text())["cameras"]
    return Rig(
        tuple(
            Camera.from_rotvec(
                name,
                lenses[name],
                np.array(entry["rotation_rodrigues_cam0_to_cam"]),
                np.array(entry["translation_mm_cam0_to_cam"]) / 1000,
                time_offset_s=entry["time_offset_ms_vs_cam0"] / 1000,
            )
            for name, entry in cameras.items()
        )
    )


def pair_errors(rig: Rig, truth: Rig) -> tuple[float, float]:
    """Worst error of a pair's relative pose: degrees, and millimetres of the centre."""
    turns, shifts = [], []
    for k in range(len(rig)):
        order = rig.cameras[k:] + rig.cameras[:k]
        turn, shift = relative_errors(replace(rig, cameras=order), truth)
        turns.append(turn.max())
        shifts.append(shift.max())
    return max(turns), max(shifts)
