"""Did the target reach all parts of the images?"""

from __future__ import annotations

import numpy as np

from calibration.checks.evidence import Evidence
from calibration.checks.finding import Finding, Named, gathered
from calibration.lens.coverage import covered_cells
from calibration.sightings import CameraSightings
from mocap.arrays import Bool

WARN, FAIL = 0.15, 0.03
FRAMES_WARN, FRAMES_FAIL = 10, 4


def coverage(camera: CameraSightings) -> float:
    """Share of the image over which the target was, 0 to 1."""
    return float(cells_of(camera).mean())


def cells_of(camera: CameraSightings) -> Bool[np.ndarray, "rows columns"]:
    """The cells of a camera's image over which the target was."""
    return covered_cells(
        (pixels[seen] for pixels, seen in zip(camera.pixels, camera.seen, strict=True)),
        camera.image_size,
    )


def check_coverage(evidence: Evidence) -> list[Finding]:
    """Images of which the target saw only a part, where the lens was solved from them; and too
    few frames."""
    if evidence.sightings is None:
        return []
    little: list[Named] = []
    few: list[Named] = []
    for camera in evidence.sightings.cameras:
        share, frames = coverage(camera), len(camera)
        if frames == 0:
            continue
        if not evidence.lenses_given and share < WARN:
            words = f"{100 * share:.0f} % of the image of {camera.name}"
            little.append(Named("fail" if share < FAIL else "warn", camera.name, words, share))
        if frames < FRAMES_WARN:
            words = f"{camera.name} saw it in {frames} of {camera.frames_examined} frames"
            few.append(
                Named("fail" if frames < FRAMES_FAIL else "warn", camera.name, words, frames)
            )
    return [
        *gathered(
            "coverage",
            little,
            "the target covered {}; beyond that the lens is unknown, "
            f"{100 * WARN:.0f} % or more are good",
            "Bring the target nearer to {} and move it into all corners of the image, or give a "
            "lens that is known by --intrinsics",
            "coverage",
        ),
        *gathered(
            "few_frames",
            few,
            f"the target was seen too rarely: {{}}; {FRAMES_WARN} or more are good",
            "Show the target to {} longer, nearer, and with more light",
            "frames",
        ),
    ]
