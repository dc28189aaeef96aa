"""Do the cameras stand where cameras can stand?"""

from __future__ import annotations

import itertools

import numpy as np

from calibration.checks.evidence import Evidence
from calibration.checks.finding import Finding

SAME_PLACE_M = 0.01
NEAR_M = 0.03


def check_placement(evidence: Evidence) -> list[Finding]:
    """Cameras that have fallen onto each other."""
    rig = evidence.rig
    if len(rig) < 2:
        return []
    centers = np.array([camera.center_world for camera in rig])
    extent = float(np.linalg.norm(centers - centers.mean(axis=0), axis=1).max())
    remedy = (
        "Let people walk through the whole volume, so that the cameras see them from clearly "
        "different sides; check that no video is there twice"
        if evidence.sightings is None
        else "Move the target through the whole volume and tilt it in all directions, so that the "
        "cameras see it from clearly different sides; check that no video is there twice"
    )
    if extent < SAME_PLACE_M:
        return [
            Finding(
                "fail",
                "collapsed",
                rig.names,
                f"all cameras came out within {1000 * extent:.1f} mm of one place",
                remedy,
                {"extent_mm": 1000 * extent},
            )
        ]
    found: list[Finding] = []
    for a, b in itertools.combinations(range(len(rig)), 2):
        apart = float(np.linalg.norm(centers[a] - centers[b]))
        if apart < NEAR_M:
            found.append(
                Finding(
                    "fail" if apart < SAME_PLACE_M else "warn",
                    "collapsed",
                    (rig.names[a], rig.names[b]),
                    f"{rig.names[a]} and {rig.names[b]} came out {1000 * apart:.1f} mm apart, "
                    f"nearer than two cameras can stand",
                    remedy,
                    {"distance_mm": 1000 * apart},
                )
            )
    return found
