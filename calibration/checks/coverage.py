"""Did the target reach all parts of the images?"""

from __future__ import annotations

import numpy as np

from calibration.checks.evidence import Evidence
from calibration.checks.finding import Finding
from calibration.sightings import CameraSightings
from mocap.arrays import Bool

CELLS = (10, 8)
"""Cells along the longer and the shorter side of the image."""
WARN, FAIL = 0.3, 0.06
FRAMES_WARN, FRAMES_FAIL = 10, 4


def covered_cells(camera: CameraSightings) -> Bool[np.ndarray, "rows columns"]:
    """Which cells of a camera's image have had a point of the target, or lie in a frame between
    its points."""
    width, height = camera.image_size
    nx, ny = CELLS if width >= height else CELLS[::-1]
    cells = np.zeros((ny, nx), bool)
    x = (np.arange(nx) + 0.5) * width / nx - 0.5
    y = (np.arange(ny) + 0.5) * height / ny - 0.5
    centres = np.stack(np.meshgrid(x, y), axis=-1)
    for pixels in camera.pixels:
        known = pixels[np.isfinite(pixels).all(axis=1)]
        if not len(known):
            continue
        column = np.clip(((known[:, 0] + 0.5) / width * nx).astype(int), 0, nx - 1)
        row = np.clip(((known[:, 1] + 0.5) / height * ny).astype(int), 0, ny - 1)
        cells[row, column] = True
        cells |= _inside_hull(centres, known)
    return cells


def coverage(camera: CameraSightings) -> float:
    """Share of the image that the target reached, 0 to 1."""
    return float(covered_cells(camera).mean())


def check_coverage(evidence: Evidence) -> list[Finding]:
    """Images of which the target saw only a part, where the lens was solved from them; and too
    few frames."""
    if evidence.sightings is None:
        return []
    found: list[Finding] = []
    for camera in evidence.sightings.cameras:
        share, frames = coverage(camera), len(camera)
        if frames == 0:
            continue
        if not evidence.lenses_given and share < WARN:
            found.append(
                Finding(
                    "fail" if share < FAIL else "warn",
                    "coverage",
                    (camera.name,),
                    f"the target covered {100 * share:.0f} % of the image of {camera.name}; its "
                    f"lens is unknown in the rest, {100 * WARN:.0f} % or more are good",
                    f"Bring the target nearer to {camera.name} and move it into all corners of its "
                    f"image, or give a lens that is known by --intrinsics",
                    {"coverage": share},
                )
            )
        if frames < FRAMES_WARN:
            found.append(
                Finding(
                    "fail" if frames < FRAMES_FAIL else "warn",
                    "few_frames",
                    (camera.name,),
                    f"{camera.name} saw the target in {frames} of {camera.frames_examined} frames, "
                    f"{FRAMES_WARN} or more are good",
                    f"Show the target to {camera.name} longer, nearer, and with more light",
                    {"frames": float(frames)},
                )
            )
    return found


def _inside_hull(places: np.ndarray, points: np.ndarray) -> np.ndarray:
    if len(points) < 3:
        return np.zeros(places.shape[:-1], bool)
    hull = _convex_hull(points)
    ahead = np.roll(hull, -1, axis=0) - hull
    offset = places[..., None, :] - hull
    side = ahead[:, 0] * offset[..., 1] - ahead[:, 1] * offset[..., 0]
    return np.asarray((side >= 0).all(axis=-1)) & (len(hull) >= 3)


def _convex_hull(points: np.ndarray) -> np.ndarray:
    """Andrew's monotone chain, so that points in a line are no error."""
    ordered = np.unique(points, axis=0)

    def chain(along: np.ndarray) -> list[np.ndarray]:
        kept: list[np.ndarray] = []
        for point in along:
            while len(kept) >= 2:
                (ax, ay), (bx, by) = kept[-1] - kept[-2], point - kept[-2]
                if ax * by - ay * bx > 0:
                    break
                kept.pop()
            kept.append(point)
        return kept[:-1]

    return np.array(chain(ordered) + chain(ordered[::-1]))
