"""Which of the frames with a target a calibration uses.

Hundreds of frames of a board that hardly moves say no more than one, and cost as much each. Kept
are frames that differ: in where the board is in the image, how far away, and how it is tilted;
sharp ones first, and where several cameras are to be related, instants that many of them share.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from calibration.board_layout import places_in_squares
from calibration.sightings import CameraSightings, Sightings
from mocap.arrays import Float, Int
from mocap.model import Target

GRID = (8, 6)
"""Cells of the image, across and down, that are to be covered."""
CELL_GAIN = 2.0
"""What a cell that no chosen frame covers yet counts, against the difference of two views."""
PAIR_GAIN = 1.0
"""What the first shared view of two cameras counts; later ones count less and less."""
QUALITY_FLOOR = 0.1
TILT_SCALE = 1.5
SIZE_SCALE = 1.0
PLACE_SCALE = 2.0


@dataclass
class _Camera:
    """What choosing needs to know of one camera."""

    view: Float[np.ndarray, "frames features"]
    quality: Float[np.ndarray, " frames"]
    cells: np.ndarray
    nearest: Float[np.ndarray, " frames"]
    covered: np.ndarray
    chosen: list[int]

    def gains(self) -> Float[np.ndarray, " frames"]:
        """What each frame would add."""
        fresh = self.cells & ~self.covered
        new_cells = fresh.sum(axis=1) / max(1, self.cells.sum(axis=1).max(initial=1))
        return self.quality * (np.minimum(self.nearest, 2.0) + CELL_GAIN * new_cells)

    def take(self, frame: int) -> None:
        """Chooses a frame."""
        self.chosen.append(frame)
        away = np.linalg.norm(self.view - self.view[frame], axis=-1)
        self.nearest = np.minimum(self.nearest, away)
        self.covered |= self.cells[frame]


def choose_frames(
    sightings: Sightings,
    budget: int,
    *,
    shared: bool = True,
    time_offset_s: Float[np.ndarray, " cameras"] | None = None,
) -> Sightings:
    """Keeps about `budget` frames of each camera; all, where there are no more.

    The same sightings give the same choice.

    Args:
        sightings: of all cameras.
        budget: how many frames of a camera to keep. A camera may keep more of them where others
            need the instants.
        shared: choose instants, with the frames of all cameras at each; else frames of each
            camera on its own, as for intrinsics.
        time_offset_s: how much later than the session clock each camera sees an event.
    """
    if budget < 1:
        raise ValueError(f"a budget of {budget} frames, expected 1 or more")
    if max((len(camera) for camera in sightings.cameras), default=0) <= budget:
        return sightings
    cameras = [_camera(camera, sightings.target) for camera in sightings.cameras]
    if shared and len(cameras) > 1:
        offsets = np.zeros(len(cameras)) if time_offset_s is None else time_offset_s
        _choose_instants(cameras, instants(sightings, offsets), budget)
    else:
        for camera in cameras:
            _choose_alone(camera, budget)
    kept = [
        seen.chosen(np.array(sorted(camera.chosen), np.int64))
        for seen, camera in zip(sightings.cameras, cameras, strict=True)
    ]
    return replace(sightings, cameras=tuple(kept))


def instants(
    sightings: Sightings, time_offset_s: Float[np.ndarray, " cameras"]
) -> Int[np.ndarray, "instants cameras"]:
    """Which frames of the cameras were taken at the same time, to half a frame.

    Args:
        sightings: of all cameras.
        time_offset_s: how much later than the session clock each camera sees an event.

    Returns:
        For each instant, ascending, the position of each camera's frame; -1 where it has none.
    """
    rates = [camera.nominal_fps for camera in sightings.cameras if camera.nominal_fps]
    period = 1.0 / min(rates) if rates else 1.0
    numbers = [
        np.rint((camera.time_s - offset) / period).astype(np.int64)
        for camera, offset in zip(sightings.cameras, time_offset_s, strict=True)
    ]
    every = np.unique(np.concatenate(numbers))
    table = np.full((len(every), len(numbers)), -1, np.int64)
    for column, own in enumerate(numbers):
        # Of several frames in one period of a faster camera, the first one stands for all.
        first, position = np.unique(own, return_index=True)
        table[np.searchsorted(every, first), column] = position
    return table


def _choose_alone(camera: _Camera, budget: int) -> None:
    while len(camera.chosen) < min(budget, len(camera.quality)):
        gains = camera.gains()
        gains[camera.chosen] = -1.0
        camera.take(int(np.argmax(gains)))


def _choose_instants(cameras: list[_Camera], table: np.ndarray, budget: int) -> None:
    seen = table >= 0
    together = np.zeros((len(cameras), len(cameras)))
    free = np.ones(len(table), bool)
    while free.any():
        wants = np.array(
            [len(camera.chosen) < min(budget, len(camera.quality)) for camera in cameras]
        )
        if not wants.any():
            return
        score = np.zeros(len(table))
        for c, camera in enumerate(cameras):
            if wants[c] and len(camera.quality):
                score += np.where(seen[:, c], camera.gains()[np.maximum(table[:, c], 0)], 0.0)
        worth = PAIR_GAIN / (1 + together)
        np.fill_diagonal(worth, 0.0)
        worth *= wants[:, None] | wants[None]
        score += 0.5 * np.einsum("ia,ab,ib->i", seen.astype(float), worth, seen.astype(float))
        useful = free & seen[:, wants].any(axis=1)
        if not useful.any():
            return
        best = int(np.argmax(np.where(useful, score, -np.inf)))
        free[best] = False
        for c in np.flatnonzero(seen[best]):
            cameras[c].take(int(table[best, c]))
        together += np.outer(seen[best], seen[best])


def _camera(camera: CameraSightings, target: Target) -> _Camera:
    places = places_in_squares(target)
    frames = len(camera)
    view = np.zeros((frames, 5))
    cells = np.zeros((frames, GRID[0] * GRID[1]), bool)
    size = np.array(camera.image_size, np.float64)
    for frame in range(frames):
        seen = camera.seen[frame]
        pixels = camera.pixels[frame, seen]
        view[frame] = _view(places[seen], pixels, size)
        across, down = np.clip((pixels / size * GRID).astype(int), 0, np.array(GRID) - 1).T
        cells[frame, down * GRID[0] + across] = True
    points = camera.seen.sum(axis=1) / max(1, len(places))
    sharp = camera.sharpness / max(1e-9, camera.sharpness.max(initial=0.0))
    return _Camera(
        view,
        QUALITY_FLOOR + sharp * np.sqrt(points),
        cells,
        np.full(frames, 2.0),
        np.zeros(cells.shape[1], bool),
        [],
    )


def _view(places: np.ndarray, pixels: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Where the board is in the image, how large, and how it is tilted; about 1 apart for views
    that differ as much as matters."""
    mean = places.mean(axis=0)
    affine, *_ = np.linalg.lstsq(places - mean, pixels - pixels.mean(axis=0), rcond=None)
    turned, scales, _ = np.linalg.svd(affine.T)
    scales = np.maximum(scales, 1e-6)
    angle = 2 * np.arctan2(turned[1, 0], turned[0, 0])
    flat = np.log(scales[0] / scales[1])
    center = PLACE_SCALE * pixels.mean(axis=0) / size
    large = SIZE_SCALE * 0.5 * np.log(scales[0] * scales[1])
    return np.array(
        [*center, large, TILT_SCALE * flat * np.cos(angle), TILT_SCALE * flat * np.sin(angle)]
    )
