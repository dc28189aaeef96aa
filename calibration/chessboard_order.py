"""Chessboards that look the same after half a turn.

The colours of a chessboard tell which corner is the first one if one side has an odd and the other
an even number of squares. Otherwise the board looks the same after half a turn (a square one with
odd sides after a quarter turn), and no single image tells its points apart. Within a camera they
are kept by continuity: from one frame to the next, a board moves less than it turns. Between
cameras nothing in the images tells; whoever relates them must try `look_alikes` of each camera.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calibration.sightings import CameraSightings, Sightings
from mocap.arrays import Int
from mocap.model import Target

LONGEST_GAP_S = 0.5
"""After a longer pause the board may have been turned."""
LONGEST_GAP_FRAMES = 3


def look_alikes(target: Target) -> list[Int[np.ndarray, " points"]]:
    """Orders of the points in which the target looks the same, its own order first.

    Only a chessboard has more than one: markers have identities.
    """
    number = np.arange(len(target.points_m))
    if target.kind != "chessboard":
        return [number]
    nx, ny = target.squares
    grid = number.reshape(ny - 1, nx - 1)
    orders = [grid]
    if (nx + ny) % 2 == 0:
        orders.append(np.rot90(grid, 2))
    if nx == ny and nx % 2 == 1:
        orders += [np.rot90(grid, 1), np.rot90(grid, 3)]
    return [order.ravel().copy() for order in orders]


def consistent_chessboard(sightings: Sightings) -> Sightings:
    """Gives the points of an ambiguous chessboard the same numbers from frame to frame.

    Other targets are returned as they are. Each camera gets a note that says how often its order
    had to be guessed anew, after a pause.
    """
    orders = look_alikes(sightings.target)
    if len(orders) == 1:
        return sightings
    return replace(
        sightings, cameras=tuple(_continuous(camera, orders) for camera in sightings.cameras)
    )


def _continuous(camera: CameraSightings, orders: list[np.ndarray]) -> CameraSightings:
    pixels, sigma = camera.pixels.copy(), camera.sigma_px.copy()
    period = 1.0 / camera.nominal_fps if camera.nominal_fps else 0.0
    breaks = 0
    for frame in range(1, len(camera)):
        gap = float(camera.time_s[frame] - camera.time_s[frame - 1])
        if camera.nominal_fps is None or gap > max(LONGEST_GAP_S, LONGEST_GAP_FRAMES * period):
            breaks += 1
        moves = [
            np.nansum(np.linalg.norm(pixels[frame, order] - pixels[frame - 1], axis=-1))
            for order in orders
        ]
        best = orders[int(np.argmin(moves))]
        pixels[frame], sigma[frame] = pixels[frame, best], sigma[frame, best]
    if len(camera) == 0:
        return camera
    note = (
        f"camera {camera.name!r}: this chessboard looks the same after it is turned; the order of "
        f"its corners was kept from frame to frame, and guessed {breaks} times after a pause; use "
        f"a board with an odd and an even number of squares, or ChArUco, to relate cameras"
    )
    return replace(camera, pixels=pixels, sigma_px=sigma, notes=(*camera.notes, note))
