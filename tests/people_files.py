"""2D people as files of observations."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calibration.people.tracks import PeopleTracks


def write_people(path: Path, tracks: PeopleTracks) -> None:
    """2D people as a file of observations, at 30 frames per second."""
    keypoints, frame, camera = [], [], []
    for c, own in enumerate(tracks.cameras):
        xy = np.concatenate([own.keypoints_px, own.confidence[..., None]], axis=-1)
        keypoints.append(np.nan_to_num(np.where(own.confidence[..., None] > 0, xy, 0.0)))
        frame.append(own.frame[own.row_frame])
        camera.append(np.full(len(own.row_frame), c))
    content = {
        "joint_names": np.array(tracks.skeleton.keypoints),
        "camera_names": np.array(tracks.names),
        "image_size": np.array([own.image_size for own in tracks.cameras]),
        "frame_ids": tracks.cameras[0].frame,
        "frame": np.concatenate(frame),
        "camera": np.concatenate(camera),
        "keypoints": np.concatenate(keypoints),
    }
    np.savez(path, **content)
