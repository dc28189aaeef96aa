"""Do the cameras show the same instant?

A camera that is late sees a moving point where it was a moment ago: its residual is proportional
to the velocity of the point in its image. Triangulation and the target's pose spread this over all
cameras, so all offsets are estimated together, with the poses free to have been bent by it.
"""

from __future__ import annotations

import numpy as np

from calibration.checks.bump import find_bump, is_bump
from calibration.checks.evidence import Evidence
from calibration.checks.finding import Finding
from calibration.checks.linear import (
    OFFSET,
    columns,
    estimate,
    move_columns,
    pose_columns,
    with_move,
)

EFFECT_WARN, EFFECT_FAIL = 0.3, 1.5
"""Pixels by which the remaining offset moves a camera's points, at 1000 px of focal length."""
SIGNIFICANT = 6.0
UNEXPLAINED = 0.5
"""Offsets are believed beside a bump only if they keep this share when the bump is allowed for."""


def check_sync(evidence: Evidence) -> list[Finding]:
    """Cameras which run late or early beyond what the rig's time offsets say."""
    left = evidence.resync
    known = np.isfinite(left.offset_s)
    if len(evidence.rig) < 2 or known.sum() < 2:
        return []
    names = evidence.rig.names
    offset = np.where(known, left.offset_s, 0.0)
    bump = find_bump(left.model)
    if is_bump(evidence, bump):
        assert bump is not None
        after = evidence.model.time_s > bump.time_s
        moved = with_move(evidence.model, bump.camera, after)
        n = len(names)
        others = [c for c in range(n) if c != left.reference]
        shifts = np.concatenate([columns(c, OFFSET) for c in others])
        beside = np.zeros(n)
        nuisance = np.concatenate([move_columns(n), pose_columns(n)])
        beside[others] = estimate(moved, shifts, nuisance).value
        offset = np.where(np.abs(beside) > UNEXPLAINED * np.abs(offset), offset, 0.0)
    # The fault may be the reference's own: offsets are looked at from the middle of the cameras.
    middle = float(np.median(offset[known]))
    scale = evidence.scale_px
    floor = float(np.median(left.sigma_s[known & (left.sigma_s > 0)]))
    found: list[Finding] = []
    for c in np.flatnonzero(known).tolist():
        late, other = float(offset[c] - middle), "the others"
        if len(names) == 2:
            c, late, other = 1, float(offset[1] - offset[0]), names[0]
        sigma = max(float(left.sigma_s[c]), floor)
        effect = abs(late) * float(left.speed_px_s[c])
        if effect < EFFECT_WARN * scale or abs(late) < SIGNIFICANT * sigma:
            continue
        found.append(
            Finding(
                "fail" if effect > EFFECT_FAIL * scale else "warn",
                "sync",
                (names[c],),
                f"{names[c]} runs {1000 * abs(late):.1f} +- {1000 * sigma:.1f} ms "
                f"{'behind' if late > 0 else 'ahead of'} {other}, which moves its points by "
                f"{effect:.2f} px",
                "Calibrate again with time offsets as unknowns, or synchronise the cameras "
                "(mocap sync)",
                {"offset_ms": 1000 * late, "sigma_ms": 1000 * sigma, "effect_px": effect},
            )
        )
        if len(names) == 2:
            break
    return found
