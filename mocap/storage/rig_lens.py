"""Lenses from the numbers of calibration files, whose tools count distortion terms differently.

OpenCV's pinhole model has 4, 5, 8, 12 or 14 coefficients; those after the eighth (thin prism,
tilted sensor) are not supported here, so they must be zero. Some formats do not state the size of
the image; it is then the usual image size whose centre is where the principal point is, if
there is only one such size.
"""

from __future__ import annotations

import logging

import numpy as np

from mocap.arrays import Float
from mocap.errors import RigError
from mocap.model import Intrinsics
from mocap.model.camera import (
    FISHEYE_DISTORTION_LENGTH,
    PACKED_DISTORTIONS,
    PINHOLE_DISTORTION_LENGTHS,
)

_log = logging.getLogger(__name__)

USUAL_SIZES = (
    *((320, 240), (512, 512), (640, 360), (640, 480), (800, 600), (848, 480), (960, 540)),
    *((1000, 1000), (1024, 768), (1024, 1024), (1280, 720), (1280, 800), (1280, 960)),
    *((1280, 1024), (1440, 1080), (1600, 1200), (1920, 1080), (1920, 1200), (2048, 1536)),
    *((2048, 2048), (2560, 1440), (2592, 1944), (2704, 1520), (2704, 2028), (3840, 2160)),
    *((4000, 3000), (4096, 2160)),
)
"""Image sizes of common cameras, which are also tried upright."""

CENTRE_TOLERANCE = 0.05
"""Largest distance of a principal point from the centre of the image, in half sides."""
CENTRE_MARGIN = 0.015
"""By so much must the second-best usual size be worse than the best."""


def lens_of(
    size: tuple[int, int],
    matrix: Float[np.ndarray, "3 3"],
    distortions: np.ndarray | None,
    *,
    fisheye: bool,
    where: str,
) -> Intrinsics:
    """Makes a lens of what a calibration file says.

    Args:
        size: width and height in pixels.
        matrix: camera matrix in pixels.
        distortions: the coefficients in any shape; None where the file has none: a pinhole lens
            is then taken to be without distortion, which a warning tells.
        fisheye: which of the two lens models.
        where: file and camera, for messages.

    Raises:
        RigError: the numbers are those of no lens.
    """
    if distortions is None:
        if fisheye:
            raise RigError(
                f"{where}: a fisheye lens without 'distortions'; add its four coefficients"
            )
        _log.warning("%s: no distortion coefficients; taken as a lens without distortion", where)
        distortions = np.zeros(0)
    coefficients = _fitting_coefficients(distortions.ravel(), fisheye, where)
    try:
        return Intrinsics(size, matrix, coefficients, "fisheye" if fisheye else "pinhole")
    except ValueError as error:
        raise RigError(f"{where}: {error}; correct the file or calibrate again") from error


def size_from_centre(matrix: Float[np.ndarray, "3 3"], where: str, remedy: str) -> tuple[int, int]:
    """The size of the image of which only the camera matrix is known.

    Args:
        matrix: camera matrix in pixels.
        where: file and camera, for messages.
        remedy: how the size can be stated in the file.

    Raises:
        RigError: the principal point is near the centre of no usual image size, or of several.
    """
    doubled = 2 * (matrix[:2, 2] + 0.5)
    sizes = np.array([s for w, h in USUAL_SIZES for s in {(w, h), (h, w)}], dtype=np.float64)
    off_centre = np.abs(doubled / sizes - 1).max(axis=1)
    best, second = np.argsort(off_centre, kind="stable")[:2]
    if off_centre[best] > CENTRE_TOLERANCE or off_centre[second] - off_centre[best] < CENTRE_MARGIN:
        raise RigError(
            f"{where}: the size of the image is not stated, and the principal point "
            f"({matrix[0, 2]:.1f}, {matrix[1, 2]:.1f}) is the centre of no usual size; {remedy}"
        )
    width, height = (int(side) for side in sizes[best])
    _log.warning(
        "%s: the size of the image is not stated; by the principal point it is %dx%d. If it is "
        "not, %s",
        where,
        width,
        height,
        remedy,
    )
    return width, height


def _fitting_coefficients(
    given: Float[np.ndarray, " n"], fisheye: bool, where: str
) -> Float[np.ndarray, " coefficients"]:
    """The coefficients in a number that our models take."""
    if fisheye:
        return given if given.any() else np.zeros(FISHEYE_DISTORTION_LENGTH)
    if len(given) > PACKED_DISTORTIONS:
        if given[PACKED_DISTORTIONS:].any():
            raise RigError(
                f"{where}: {len(given)} distortion coefficients, of which those after the "
                f"{PACKED_DISTORTIONS}th (thin prism, tilted sensor) are not zero; calibrate with "
                f"at most {PACKED_DISTORTIONS}"
            )
        return given[:PACKED_DISTORTIONS]
    if len(given) not in PINHOLE_DISTORTION_LENGTHS and not given.any():
        return np.zeros(0)
    return given
