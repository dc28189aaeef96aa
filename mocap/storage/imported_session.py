"""A session of a motion that was not captured here, but read from a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mocap.arrays import Float
from mocap.model import (
    BodyMotion,
    Camera,
    FrameSet,
    Intrinsics,
    Keypoints3D,
    Motion,
    Person3D,
    Rig,
    RigMetadata,
    Skeleton,
    ViewState,
)
from mocap.storage.body_file import StoredBody, save_bodies
from mocap.storage.session_reader import Session
from mocap.storage.session_writer import SessionWriter

_SIZE, _FOCAL_PX = (1280, 720), 1000.0
_FROM_DIRECTION = np.array([0.35, -1.0, 0.35])
_NEAREST_M = 4.0


def write_imported(
    path: Path,
    motion: BodyMotion,
    skeleton: Skeleton,
    keypoints: Motion,
    *,
    source: Path,
    software: Mapping[str, str],
    overwrite: bool,
) -> None:
    """Writes a session with the 3D keypoints of a motion, and the motion as its fitted body.

    A session needs a camera: this one is called "imported", looks at the whole motion, and has
    delivered nothing.

    Args:
        path: the file to make.
        motion: the motion.
        skeleton: the keypoints.
        keypoints: rows of one person.
        source: the file the motion comes from, for the session's notes.
        software: versions of what wrote the session.
        overwrite: whether an existing file may be replaced.

    Raises:
        OutputError: the file exists and `overwrite` is false, or cannot be made.
    """
    rig = Rig((_camera(keypoints.points_m),), RigMetadata(provenance=(f"imported {source}",)))
    config = {"imported": str(source)}
    nothing = np.zeros((1, len(skeleton)))
    with SessionWriter(
        path, rig, skeleton, config=config, software=software, overwrite=overwrite
    ) as writer:
        for row in range(len(keypoints)):
            number, time_s = int(keypoints.frame[row]), float(keypoints.time_s[row])
            person = Person3D(
                int(keypoints.person_id[row]),
                Keypoints3D(
                    keypoints.points_m[row],
                    keypoints.covariance_m2[row],
                    keypoints.reprojection_px[row],
                    keypoints.n_views[row],
                    np.full((1, len(skeleton)), int(ViewState.ABSENT)),
                    np.full((1, len(skeleton)), np.nan),
                    nothing,
                ),
                (-1,),
                (False,),
            )
            writer.add_frame(FrameSet(number, round(time_s * 1e9), {}), [person])
        writer.finish({"imported": str(source)})
    made_by = f"imported {source.name} by mocap {software.get('mocap', '')}".rstrip()
    with Session(path) as session:
        created = session.created_utc
    save_bodies(path, created, [StoredBody(motion, "raw", 0, created, made_by)])


def _camera(points_m: Float[np.ndarray, "frames keypoints 3"]) -> Camera:
    """A camera from which the whole motion is seen."""
    low, high = np.nanmin(points_m, axis=(0, 1)), np.nanmax(points_m, axis=(0, 1))
    centre = 0.5 * (low + high)
    forward = -_FROM_DIRECTION / np.linalg.norm(_FROM_DIRECTION)
    distance = max(_NEAREST_M, 1.6 * float(np.linalg.norm(high - low)))
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack((right, np.cross(forward, right), forward))
    pose[:3, 3] = -pose[:3, :3] @ (centre - distance * forward)
    width, height = _SIZE
    matrix = np.array(
        [
            [_FOCAL_PX, 0.0, (width - 1) / 2],
            [0.0, _FOCAL_PX, (height - 1) / 2],
            [0.0, 0.0, 1.0],
        ]
    )
    return Camera("imported", Intrinsics(_SIZE, matrix, np.zeros(5)), pose)
