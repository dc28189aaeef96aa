"""Videos whose size differs a little from the size for which their camera was calibrated.

Encoders that want a multiple of some number rescale a video by a few pixels. The lens is still
the calibrated one, seen through a uniform scale about the centre of the image; which is an exact
change of the camera matrix, and worth a warning. A larger difference means a crop, another video
mode or another camera, which nobody can undo by guessing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mocap.errors import RigError
from mocap.model import Camera


def fit_camera_to_image_size(
    camera: Camera, size: tuple[int, int], max_mismatch: float = 0.02
) -> tuple[Camera, str | None]:
    """Gives a camera the intrinsics that belong to the pixels of its video.

    The video is taken to be the calibrated image (W, H), scaled uniformly about its centre and
    cut or padded to (w, h): x_rig = s (x - (w - 1) / 2) + (W - 1) / 2, and likewise for y, where
    s is that of W / w and H / h which is further from 1.

    Args:
        camera: as calibrated.
        size: width and height of the video in pixels.
        max_mismatch: largest difference per side, as a fraction of the calibrated side.

    Returns:
        The camera with the matrix and size for the video's pixels (distortion coefficients and
        pose are unchanged), and a warning which names the camera, both sizes and the scale. The
        camera itself and None where the sizes are equal.

    Raises:
        RigError: a side differs by more than `max_mismatch`.
    """
    size = (int(size[0]), int(size[1]))
    rig_size = camera.intrinsics.size
    if size == rig_size:
        return camera, None
    rig_text, text = (f"{width}x{height}" for width, height in (rig_size, size))
    if any(
        side <= 0 or abs(side - rig_side) > max_mismatch * rig_side
        for side, rig_side in zip(size, rig_size, strict=True)
    ):
        raise RigError(
            f"camera {camera.name!r}: the video is {text} but the rig was calibrated for "
            f"{rig_text}, more than {100 * max_mismatch:g} % apart; use the original video, or "
            f"calibrate at the video's size"
        )
    ratios = [rig_side / side for side, rig_side in zip(size, rig_size, strict=True)]
    scale = max(ratios, key=lambda ratio: abs(np.log(ratio)))
    matrix = camera.intrinsics.matrix.copy()
    matrix[:2, :2] /= scale
    for axis in (0, 1):
        rig_center, center = (rig_size[axis] - 1) / 2, (size[axis] - 1) / 2
        matrix[axis, 2] = (matrix[axis, 2] - rig_center) / scale + center
    fitted = replace(camera, intrinsics=replace(camera.intrinsics, size=size, matrix=matrix))
    warning = (
        f"camera {camera.name!r}: the video is {text} but the rig was calibrated for {rig_text}; "
        f"taken as the same image scaled about its centre by {1 / scale:.5f}"
    )
    return fitted, warning
