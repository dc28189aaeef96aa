"""What of a rig another program's file can carry, and what is lost.

A lens with more distortion terms than a format has is replaced by the best lens with fewer, if it
is practically the same in the whole image; else the file would be wrong, and none is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mocap.errors import RigError
from mocap.geometry.projection import unproject_pixels
from mocap.model import Camera, Intrinsics, Rig

LARGEST_REFIT_PX = 0.5
"""Largest difference in the image between a lens and that with fewer terms in its place."""
REFIT_GRID = 41
"""Number of pixels per side at which the two lenses are compared."""


@dataclass(frozen=True)
class Carries:
    """What a format can say of a camera.

    Attributes:
        program: whose format it is, for messages.
        terms: numbers of pinhole distortion coefficients it can hold, rising.
        fisheye: whether it can say that a lens is a fisheye.
        time_offset: whether it knows time offsets.
        covariance: whether it knows the covariance of a pose.
        skew: whether its programs use the skew of the camera matrix.
    """

    program: str
    terms: tuple[int, ...]
    fisheye: bool = True
    time_offset: bool = False
    covariance: bool = False
    skew: bool = False


NameRule = Callable[[Sequence[str]], list[str]]
"""Gives cameras the names which a format can hold, in the same order."""


def keep_names(names: Sequence[str]) -> list[str]:
    """The rule of formats that hold any name."""
    return list(names)


def printable_names(names: Sequence[str]) -> list[str]:
    """Names without line breaks and other control characters, which OpenCV's files cannot hold."""
    return ["".join(c if c.isprintable() else "_" for c in name) for name in names]


def numbered_names(names: Sequence[str]) -> list[str]:
    """Names `cam_N`: with the numbers that the names have, or else counted from 0."""
    found = [re.fullmatch(r"(?:cam|port)?_?(\d+)", name, re.IGNORECASE) for name in names]
    own = [int(match.group(1)) for match in found if match is not None]
    whole = len(own) == len(names) and len(set(own)) == len(own)
    return [f"cam_{number}" for number in (own if whole else range(len(names)))]


def key_names(names: Sequence[str]) -> list[str]:
    """Names that can be part of a key: letters, digits, space, `_` and `-`.

    A dot is left out because EasyMocap cuts names there.
    """
    return [re.sub(r"[^A-Za-z0-9_ -]", "_", name.strip()) for name in names]


def fitted(rig: Rig, carries: Carries, rule: NameRule = keep_names) -> tuple[Rig, list[str]]:
    """The rig as a format can carry it, and a line for each thing that is lost.

    Args:
        rig: any rig.
        carries: what the format can say.
        rule: the names it can hold.

    Raises:
        RigError: the result would be wrong: a fisheye lens in a format without, a lens which
            fewer terms do not describe, or two cameras with one name.
    """
    lost: list[str] = []
    names = rule(rig.names)
    for old, new in zip(rig.names, names, strict=True):
        if names.count(new) > 1:
            raise RigError(
                f"camera {old!r} would be called {new!r} in a file for {carries.program}, and so "
                f"would another one; rename one of them"
            )
        if old != new:
            lost.append(f"camera {old!r} is called {new!r} in the file for {carries.program}")
    cameras = [
        _fitted_camera(camera, name, carries, lost) for camera, name in zip(rig, names, strict=True)
    ]
    return Rig(tuple(cameras), rig.metadata), lost


def with_terms(lens: Intrinsics, terms: int) -> tuple[Intrinsics, float]:
    """The pinhole lens with `terms` distortion coefficients that is most like `lens`.

    The coefficients are found by linear least squares over the pixels of the image, since the
    model without denominator is linear in them.

    Args:
        lens: a pinhole lens.
        terms: 4 or 5.

    Returns:
        The lens, and the largest difference between the two in the image, pixels.
    """
    width, height = lens.size
    across, down = np.linspace(0, width - 1, REFIT_GRID), np.linspace(0, height - 1, REFIT_GRID)
    pixels = np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)
    rays = unproject_pixels(pixels, lens.matrix, lens.packed_distortions, False)
    seen = np.isfinite(rays).all(axis=1)
    x, y = (rays[seen, :2] / rays[seen, 2:]).T
    fx, fy = lens.matrix[0, 0], lens.matrix[1, 1]
    by = (pixels[seen, 1] - lens.matrix[1, 2]) / fy
    bx = (pixels[seen, 0] - lens.matrix[0, 2] - lens.matrix[0, 1] * by) / fx
    r2 = x * x + y * y
    # OpenCV's order: k1, k2, p1, p2, k3.
    columns_x = (x * r2, x * r2**2, 2 * x * y, r2 + 2 * x * x, x * r2**3)
    columns_y = (y * r2, y * r2**2, r2 + 2 * y * y, 2 * x * y, y * r2**3)
    design = np.concatenate(
        [fx * np.stack(columns_x, axis=1), fy * np.stack(columns_y, axis=1)], axis=0
    )[:, :terms]
    wanted = np.concatenate([fx * (bx - x), fy * (by - y)])
    coefficients = np.linalg.lstsq(design, wanted, rcond=None)[0]
    off = (design @ coefficients - wanted).reshape(2, -1)
    largest_px = float(np.hypot(*off).max()) if seen.all() else float("inf")
    return replace(lens, distortions=coefficients), largest_px


def _fitted_camera(camera: Camera, name: str, carries: Carries, lost: list[str]) -> Camera:
    program = carries.program
    lens = camera.intrinsics
    if lens.lens == "fisheye":
        if not carries.fisheye:
            raise RigError(
                f"camera {camera.name!r} has a fisheye lens, which {program} does not know, so "
                f"its results would be wrong; choose another format"
            )
    else:
        lens, note = _fitted_lens(lens, carries)
        if note:
            lost.append(f"camera {camera.name!r}: {note}")
    if lens.matrix[0, 1] != 0 and not carries.skew:
        lost.append(
            f"camera {camera.name!r}: {program} does not use the skew of the camera matrix "
            f"({lens.matrix[0, 1]:.3g} px)"
        )
    offset_s = camera.time_offset_s
    if offset_s != 0 and not carries.time_offset:
        lost.append(
            f"camera {camera.name!r}: {program} knows no time offsets; that of "
            f"{1000 * offset_s:.1f} ms is lost"
        )
        offset_s = 0.0
    covariance = camera.pose_covariance
    if covariance is not None and not carries.covariance:
        lost.append(f"camera {camera.name!r}: {program} knows no covariance of a pose; it is lost")
        covariance = None
    return Camera(name, lens, camera.T_cam_world, offset_s, covariance)


def _fitted_lens(lens: Intrinsics, carries: Carries) -> tuple[Intrinsics, str]:
    """The pinhole lens with a number of terms that the format can hold, and what that costs."""
    packed = lens.packed_distortions
    needed = int(np.max(np.nonzero(packed)[0], initial=-1)) + 1
    given = len(lens.distortions)
    if given in carries.terms:
        return lens, ""
    # Zeros at the end change nothing, so the shortest form that holds all others is taken.
    longer = [n for n in carries.terms if n >= max(needed, min(given, carries.terms[-1]))]
    if longer:
        return replace(lens, distortions=packed[: longer[0]]), ""
    most = carries.terms[-1]
    fewer, off_px = with_terms(lens, most)
    if not off_px <= LARGEST_REFIT_PX:
        raise RigError(
            f"{carries.program} holds {most} of the {given} distortion coefficients of a lens, "
            f"and no lens with {most} is nearer than {off_px:.2g} px to this one; choose another "
            f"format, or calibrate with {most} coefficients"
        )
    note = (
        f"{carries.program} holds {most} of the {given} distortion coefficients; the best {most} "
        f"are written instead, which differ by at most {off_px:.2g} px"
    )
    return fewer, note
