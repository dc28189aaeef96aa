"""What is drawn and from where: the choices which the window and the pictures share."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mocap.errors import InputError

MIN_PICTURE_PX = 64
MAX_PICTURE_PX = 7680
MAX_SUPERSAMPLE = 4


@dataclass(frozen=True)
class ViewOptions:
    """How a session is drawn.

    Attributes:
        cameras: whether to draw the cameras with their names.
        floor: whether to draw the floor grid, the axes of the world and the shadows.
        labels: whether to write the session, the time and the ids into pictures.
        azimuth_deg: direction from the people to the viewer, in degrees from +X towards +Y; by
            default in front of the people and a little to their side.
        elevation_deg: height of the viewer above the horizon of the people, in degrees.
        uncertain_above_m: keypoints whose standard deviation (root mean square of the three
            axes) is greater, in metres, and those that were filled in rather than measured, are
            drawn pale; 0 draws none pale.
        supersample: pictures are drawn this many times larger and reduced, which smooths edges.
    """

    cameras: bool = True
    floor: bool = True
    labels: bool = True
    azimuth_deg: float | None = None
    elevation_deg: float = 14.0
    uncertain_above_m: float = 0.05
    supersample: int = 2

    def __post_init__(self) -> None:
        if self.azimuth_deg is not None and not math.isfinite(self.azimuth_deg):
            raise InputError(f"azimuth_deg is {self.azimuth_deg}; give an angle in degrees")
        if not -89.0 <= self.elevation_deg <= 89.0:
            raise InputError(
                f"elevation_deg is {self.elevation_deg}; give an angle from -89 to 89 degrees"
            )
        if not (math.isfinite(self.uncertain_above_m) and self.uncertain_above_m >= 0):
            raise InputError(
                f"uncertain_above_m is {self.uncertain_above_m}; give metres, or 0 to switch it off"
            )
        if not 1 <= self.supersample <= MAX_SUPERSAMPLE:
            raise InputError(
                f"supersample is {self.supersample}; give a whole number from 1 to "
                f"{MAX_SUPERSAMPLE}"
            )


def check_size(size: tuple[int, int], *, even: bool = False) -> None:
    """Checks the width and height of a picture, in pixels.

    Raises:
        InputError: one of them is out of range, or odd where `even` is asked for.
    """
    if any(not MIN_PICTURE_PX <= n <= MAX_PICTURE_PX for n in size):
        raise InputError(
            f"picture size {size[0]}x{size[1]} is out of range; give width and height from "
            f"{MIN_PICTURE_PX} to {MAX_PICTURE_PX} pixels"
        )
    if even and any(n % 2 for n in size):
        raise InputError(
            f"video size {size[0]}x{size[1]} has an odd side, which H.264 cannot hold; "
            f"give {size[0] + size[0] % 2}x{size[1] + size[1] % 2}"
        )
