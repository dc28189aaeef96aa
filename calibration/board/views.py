"""All views of the target in one table, whatever camera they are from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.sightings import Sightings
from mocap.arrays import Bool, Float, Int

MIN_POINTS = 4


@dataclass(frozen=True)
class ViewTable:
    """Views of the target, camera by camera, each camera's in order of time.

    Attributes:
        camera: index of the camera.
        frame: number of the frame in the camera's footage.
        stamp_s: when the frame was taken by the camera's clock.
        pixels: of the target's points; zero where not seen.
        seen: which points were seen.
        sigma: standard deviation of the points relative to usual ones.
        back: which views show the back of the target.
    """

    camera: Int[np.ndarray, " views"]
    frame: Int[np.ndarray, " views"]
    stamp_s: Float[np.ndarray, " views"]
    pixels: Float[np.ndarray, "views points 2"]
    seen: Bool[np.ndarray, "views points"]
    sigma: Float[np.ndarray, "views points"]
    back: Bool[np.ndarray, " views"]

    def __len__(self) -> int:
        return len(self.camera)

    def chosen(self, keep: np.ndarray) -> ViewTable:
        """Only some of the views (a mask)."""
        return ViewTable(
            self.camera[keep],
            self.frame[keep],
            self.stamp_s[keep],
            self.pixels[keep],
            self.seen[keep],
            self.sigma[keep],
            self.back[keep],
        )


def view_table(sightings: Sightings, min_points: int = MIN_POINTS) -> ViewTable:
    """All frames of all cameras that show at least `min_points` points."""
    parts = sightings.cameras
    index = np.concatenate([np.full(len(part), c) for c, part in enumerate(parts)])
    pixels = np.concatenate([part.pixels for part in parts])
    sigma = np.concatenate([part.sigma_px for part in parts])
    seen = np.asarray(np.isfinite(pixels).all(axis=-1))
    table = ViewTable(
        index,
        np.concatenate([part.frame for part in parts]),
        np.concatenate([part.time_s for part in parts]),
        np.where(seen[..., None], pixels, 0.0),
        seen,
        np.where(seen & np.isfinite(sigma) & (sigma > 0), sigma, 1.0),
        np.concatenate([part.mirrored for part in parts]),
    )
    return table.chosen(seen.sum(axis=1) >= min_points)


def frame_interval(table: ViewTable, camera: int | None = None) -> float:
    """Time between consecutive frames: of one camera, or of the fastest of all; NaN where no
    camera has two frames.

    Only some frames show the target, so that the usual distance between neighbours is taken per
    step of the frame number, and the usual step is the smallest frequent one.
    """
    cameras = np.unique(table.camera) if camera is None else [camera]
    found: list[float] = []
    for c in cameras:
        mine = table.camera == c
        steps, gaps = np.diff(table.frame[mine]), np.diff(table.stamp_s[mine])
        if len(steps) == 0:
            continue
        per_frame = float(np.median(gaps / steps))
        found.append(per_frame * float(np.quantile(steps, 0.25, method="lower")))
    return min(found) if found else float("nan")
