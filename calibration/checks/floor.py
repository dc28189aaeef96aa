"""Is the floor below the cameras and the people the right way up?"""

from __future__ import annotations

import numpy as np

from calibration.checks.evidence import Evidence
from calibration.checks.finding import Finding, listed

BELOW_M = 0.05
"""What is measured this far below the floor is no error of measurement any more."""
TILT_WARN_DEG, TILT_FAIL_DEG = 5.0, 45.0


def check_floor(evidence: Evidence) -> list[Finding]:
    """A floor that is flipped or tilted, by cameras, by where the target was, and by people."""
    if not evidence.floor_set:
        return []
    rig = evidence.rig
    heights = np.array([camera.center_world[2] for camera in rig])
    below = [name for name, z in zip(rig.names, heights, strict=True) if z < -BELOW_M]
    found: list[Finding] = []
    remedy = (
        "Film people who walk upright on a level floor, with their feet, and calibrate again"
        if evidence.sightings is None
        else "Lay the target flat on the floor, print up, and calibrate again; or say with --floor "
        "what the floor is"
    )
    if below:
        every = len(below) == len(rig)
        found.append(
            Finding(
                "fail",
                "floor_flipped" if every else "floor",
                tuple(below),
                (
                    f"all cameras came out below the floor (at {heights.max():.2f} m and lower): "
                    f"the floor is upside down"
                    if every
                    else f"{listed(below)} came out up to {-heights.min():.2f} m below the floor"
                ),
                remedy,
                {"lowest_camera_m": float(heights.min())},
            )
        )
    points = evidence.seen.points[np.isfinite(evidence.seen.points).all(axis=-1)]
    if len(points) >= 20:
        share = float(np.mean(points[:, 2] < -BELOW_M))
        if share > 0.02:
            low = float(np.percentile(points[:, 2], 2))
            found.append(
                Finding(
                    "fail" if share > 0.3 else "warn",
                    "floor_flipped" if share > 0.5 else "floor",
                    (),
                    f"{100 * share:.0f} % of all points were below the floor, down to {low:.2f} m",
                    remedy,
                    {"share_below": share, "lowest_m": low},
                )
            )
    if evidence.upright is not None:
        up = np.asarray(evidence.upright, float)
        tilt = float(np.degrees(np.arccos(np.clip(up[2] / np.linalg.norm(up), -1, 1))))
        if tilt > TILT_WARN_DEG:
            found.append(
                Finding(
                    "fail" if tilt > TILT_FAIL_DEG else "warn",
                    "floor_flipped" if tilt > 135 else "floor",
                    (),
                    f"people stand {tilt:.0f} degrees off the vertical of the world",
                    remedy,
                    {"tilt_deg": tilt},
                )
            )
    return found
