"""A walking person, filmed by small cameras: rig file, videos, and what a perfect detector finds.

The videos show nothing of the person; `scripted_detector` delivers the keypoints.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sample_videos import SIZE, write_video
from scripted_detector import SCRIPT_VARIABLE
from synthetic_scene import SIZE as FULL_SIZE
from synthetic_scene import project_rig, ring_rig, standing_person

from mocap.model import Rig
from mocap.model.skeletons import COCO_17
from mocap.storage.rig_file import save_rig

RATE_HZ = 30


def small_rig(cameras: int) -> Rig:
    """A ring of cameras with images of the size of the sample videos."""
    scale = SIZE[0] / FULL_SIZE[0]
    made = []
    for camera in ring_rig(cameras):
        matrix = camera.intrinsics.matrix.copy()
        matrix[:2, :2] *= scale
        matrix[:2, 2] = (matrix[:2, 2] + 0.5) * scale - 0.5
        made.append(
            replace(camera, intrinsics=replace(camera.intrinsics, size=SIZE, matrix=matrix))
        )
    return Rig(tuple(made))


def walk(frames: int) -> np.ndarray:
    """World positions (frames, keypoints, 3) of one person."""
    return np.stack(
        [standing_person(COCO_17, (-0.4 + 0.02 * i, 0.01 * i), 0.01 * i) for i in range(frames)]
    )


@dataclass(frozen=True)
class Scene:
    """Files of a scene.

    Attributes:
        folder: where all of it is.
        rig: the rig.
        rig_file: the same, in a file.
        videos: folder with one video per camera.
        frames: frames of each video.
        truth: world positions (frames, keypoints, 3).
    """

    folder: Path
    rig: Rig
    rig_file: Path
    videos: Path
    frames: int
    truth: np.ndarray

    def script(
        self, monkeypatch: pytest.MonkeyPatch, cameras: dict[str, Any] | None = None
    ) -> None:
        """Tells the scripted detector what to do; see there."""
        path = self.folder / "script.json"
        path.write_text(json.dumps({"keypoints": "people.npz", "cameras": cameras or {}}))
        monkeypatch.setenv(SCRIPT_VARIABLE, str(path))
        monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)

    def video(self, camera: str) -> Path:
        """The video of a camera."""
        return self.videos / f"{camera}.mp4"

    def observations(self) -> dict[str, np.ndarray]:
        """The content of an observation file."""
        pixels = project_rig(self.truth, self.rig)
        cameras, frames = pixels.shape[:2]
        keypoints = np.concatenate([pixels, np.ones((*pixels.shape[:3], 1))], axis=3)
        return {
            "joint_names": np.array(COCO_17.keypoints),
            "camera_names": np.array(self.rig.names),
            "image_size": np.tile(SIZE, (cameras, 1)),
            "frame_ids": np.arange(frames),
            "frame": np.tile(np.arange(frames), cameras),
            "camera": np.repeat(np.arange(cameras), frames),
            "keypoints": keypoints.reshape(-1, len(COCO_17), 3),
        }


def film(folder: Path, *, cameras: int = 3, frames: int = 12, people: int = 1) -> Scene:
    """Makes a scene; `people` stand in one another, so that messages get larger."""
    rig = small_rig(cameras)
    truth = walk(frames)
    pixels = project_rig(truth, rig)
    videos = folder / "my videos"
    videos.mkdir(parents=True)
    for name in rig.names:
        write_video(videos / f"{name}.mp4", frames, rate=RATE_HZ)
    arrays: dict[str, Any] = {
        name: np.repeat(pixels[c][:, None], people, axis=1).astype(np.float32)
        for c, name in enumerate(rig.names)
    }
    np.savez(folder / "people.npz", **arrays)
    save_rig(rig, folder / "rig.toml")
    return Scene(folder, rig, folder / "rig.toml", videos, frames, truth)
