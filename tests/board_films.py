"""Videos of a board, waved and then laid on the floor, seen by three cameras without distortion."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from board_pictures import picture
from scipy.spatial.transform import Rotation

from calibration.board_layout import origin_in_squares, outline_in_squares
from mocap.model import Camera, Intrinsics, Rig, Target
from mocap.storage.rig_file import save_rig
from mocap.storage.target_file import target_to_toml

SIZE, FPS, FRAMES, LYING = (480, 360), 15, 42, 14
TARGET = Target("charuco", (5, 4), 0.16, 0.12, "DICT_4X4_50")
OFFSETS_FRAMES = (0.0, 0.4, -2.6)


@dataclass(frozen=True)
class BoardFilms:
    """What was filmed, and what is true.

    Attributes:
        folder: holds `videos/`, `board.toml` and `rig.toml`.
        rig: the true rig with its time offsets.
    """

    folder: Path
    rig: Rig


def film_board(folder: Path, target: Target = TARGET, cameras: int = 3) -> BoardFilms:
    """Films a board by the first cameras."""
    rig = Rig(_rig().cameras[:cameras])
    videos = folder / "videos"
    videos.mkdir(parents=True)
    (folder / "board.toml").write_text(target_to_toml(target))
    save_rig(rig, folder / "rig.toml")
    for camera in rig:
        images = []
        for frame in range(FRAMES):
            pose = board_pose(frame / FPS - camera.time_offset_s, target)
            seen = camera.intrinsics.matrix @ (camera.T_cam_world @ pose)[:3, [0, 1, 3]]
            to_metres = np.diag([target.square_m, target.square_m, 1.0])
            images.append(picture(target, seen @ to_metres, size=SIZE, seed=frame))
        write_grey_video(videos / f"{camera.name}.mp4", images)
    return BoardFilms(folder, rig)


def board_pose(time_s: float, target: Target = TARGET) -> np.ndarray:
    """Where the board is: waved for the first part, then on the floor."""
    lying_from = (FRAMES - LYING) / FPS
    t = min(time_s, lying_from)
    share = np.clip((t - lying_from + 0.8) / 0.8, 0.0, 1.0)
    share = share * share * (3 - 2 * share)
    swing = np.array([0.4 * np.sin(3.1 * t), 0.35 * np.sin(2.3 * t + 1), 0.6 + 0.2 * np.sin(4 * t)])
    # The front, which is seen against the z axis, faces the cameras.
    away = np.array([-np.cos(-1.2), -np.sin(-1.2), -0.7])
    away /= np.linalg.norm(away)
    right = np.cross([0, 0, -1.0], away)
    right /= np.linalg.norm(right)
    facing = Rotation.from_matrix(np.stack([right, np.cross(away, right), away], axis=1))
    waved = facing * Rotation.from_euler(
        "xyz", [0.5 * np.sin(2.7 * t), 0.5 * np.sin(3.3 * t + 0.5), 0.8 * np.sin(1.9 * t)]
    )
    lying = Rotation.from_matrix(np.diag([1.0, -1.0, -1.0]))
    rotation = waved * Rotation.from_rotvec(share * (waved.inv() * lying).as_rotvec())
    center = (1 - share) * swing
    pose = np.eye(4)
    pose[:3, :3] = rotation.as_matrix()
    middle = np.zeros(3)
    middle[:2] = 0.5 * np.array(outline_in_squares(target)) - origin_in_squares(target)
    middle *= target.square_m
    pose[:3, 3] = center - pose[:3, :3] @ middle
    return pose


def write_grey_video(path: Path, images: list[np.ndarray]) -> None:
    """Writes grey images as a video of `FPS`."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "12"})
        stream.height, stream.width = images[0].shape
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, FPS)
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _rig() -> Rig:
    cameras = []
    for index, angle in enumerate((-1.9, -1.2, -0.5)):
        center = np.array([2.1 * np.cos(angle), 2.1 * np.sin(angle), 1.7 + 0.2 * index])
        forward = np.array([0, 0, 0.25]) - center
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0, 0, 1.0])
        right /= np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3, :3] = np.stack([right, np.cross(forward, right), forward])
        pose[:3, 3] = -pose[:3, :3] @ center
        focal = 430.0 + 10 * index
        matrix = np.array([[focal, 0, 239.5], [0, focal, 179.5], [0, 0, 1]])
        offset_s = OFFSETS_FRAMES[index] / FPS
        intrinsics = Intrinsics(SIZE, matrix, np.zeros(0))
        cameras.append(Camera(f"cam{index + 1}", intrinsics, pose, offset_s))
    return Rig(tuple(cameras))
