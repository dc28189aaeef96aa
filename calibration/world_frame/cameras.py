"""A world frame from the cameras alone, where nothing says what the floor is."""

from __future__ import annotations

import numpy as np

from calibration.world_frame.frame import WorldFrame
from mocap.errors import CalibrationError
from mocap.model import Rig


def world_from_cameras(rig: Rig) -> WorldFrame:
    """Origin in the first camera, X to its right, Z up as the cameras' images say on average.

    This is for want of anything better: it takes cameras to be mounted without roll, and the height
    of the floor stays unknown. Words and a note say so.

    Raises:
        CalibrationError: the cameras do not agree on what is up, as when some are on their side.
    """
    ups = np.array([-camera.T_cam_world[1, :3] for camera in rig])
    mean = ups.mean(axis=0)
    if np.linalg.norm(mean) < 0.5:
        raise CalibrationError(
            "the cameras do not agree on what is up (some hang or stand on their side), so there "
            "is no world frame from the cameras alone; lay the target on the floor, or give points"
        )
    z = mean / np.linalg.norm(mean)
    first = rig.cameras[0]
    x = first.T_cam_world[0, :3] - z * (first.T_cam_world[0, :3] @ z)
    if np.linalg.norm(x) < 0.1:
        raise CalibrationError(
            f"{first.name} stands on its side, so X cannot be taken from it; lay the target on the "
            f"floor, or give points"
        )
    x = x / np.linalg.norm(x)
    rotation = np.stack([x, np.cross(z, x), z])
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = -rotation @ first.center_world
    words = (
        f"right-handed, Z up as the mean of the images' vertical, metres; origin in {first.name}, "
        f"X to its right; the floor is unknown"
    )
    note = (
        "nothing said where the floor is: Z is the mean of the images' vertical, which is right if "
        "the cameras are mounted without roll, and z = 0 is the height of the first camera"
    )
    return WorldFrame(pose, 1.0, words, (note,))
