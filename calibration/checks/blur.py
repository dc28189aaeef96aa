"""Was the target moved too fast for the shutter?"""

from __future__ import annotations

import numpy as np

from calibration.checks.evidence import Evidence
from calibration.checks.finding import Finding
from calibration.sightings import CameraSightings
from mocap.arrays import Float

BLURRED = 0.4
"""A frame of less than this share of the camera's own best sharpness (its 95th percentile)."""
SHARE_WARN, SHARE_FAIL = 0.4, 0.8
NOISE_RATIO = 2.0
MIN_FRAMES = 20


def blurred_share(camera: CameraSightings) -> float:
    """Share of the frames which are much less sharp than the camera's best; NaN with too few."""
    sharp = camera.sharpness[np.isfinite(camera.sharpness)]
    if len(sharp) < 8:
        return float("nan")
    return float(np.mean(sharp < BLURRED * np.percentile(sharp, 95)))


def noise_by_speed(evidence: Evidence, camera: int) -> Float[np.ndarray, " 3"]:
    """Median residual (px) in the slower and in the faster half of the frames of a camera, and the
    median speed (px/s) of the faster; NaN with too few frames."""
    speed = np.linalg.norm(evidence.tracks.velocity_px_s[camera], axis=-1)
    residual = np.linalg.norm(evidence.seen.residual_px[camera], axis=-1)
    known = np.isfinite(speed) & np.isfinite(residual)
    rows = known.sum(axis=1) >= 4
    if rows.sum() < MIN_FRAMES:
        return np.full(3, np.nan)
    pace = np.nanmedian(np.where(known, speed, np.nan)[rows], axis=1)
    miss = np.nanmedian(np.where(known, residual, np.nan)[rows], axis=1)
    fast = pace > np.median(pace)
    if not fast.any():
        return np.full(3, np.nan)
    return np.array(
        [np.median(miss[~fast]), np.median(miss[fast]), np.median(pace[fast])], dtype=np.float64
    )


def check_blur(evidence: Evidence) -> list[Finding]:
    """Cameras most of whose pictures of the target are blurred."""
    if evidence.sightings is None:
        return []
    found: list[Finding] = []
    for c, name in enumerate(evidence.rig.names):
        share = blurred_share(evidence.sightings[name])
        if not share > SHARE_WARN:
            continue
        slow, fast, pace = noise_by_speed(evidence, c)
        hurts = fast > NOISE_RATIO * slow and fast > 0.5 * evidence.scale_px
        more = (
            f"; points miss by {fast:.2f} px where it moves at {pace:.0f} px/s and by {slow:.2f} "
            f"px where it is slow"
            if hurts
            else ""
        )
        found.append(
            Finding(
                "fail" if share > SHARE_FAIL else "warn",
                "motion_blur",
                (name,),
                f"{100 * share:.0f} % of the pictures of the target by {name} are blurred (less "
                f"than {100 * BLURRED:.0f} % as sharp as its best){more}",
                "Move the target slowly and stop often, use more light and a shorter exposure",
                {"blurred_share": share},
            )
        )
    return found
