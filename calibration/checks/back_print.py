"""Does the print on the back of a two-sided target lie on that of its front?"""

from __future__ import annotations

import numpy as np

from calibration.checks.evidence import Evidence
from calibration.checks.finding import Finding, listed
from calibration.checks.linear import back_columns, estimate, lens_columns, pose_columns

EFFECT_WARN = 0.2
"""Pixels by which the shift worsens the residuals of what is seen from behind, at 1000 px of focal
length."""
SIGNIFICANT, FAR = 150.0, 60.0
"""Of the gain, and of the squared distance in standard deviations."""


def check_back_print(evidence: Evidence) -> list[Finding]:
    """A shift between the prints of both sides, which cameras in front and behind disagree by."""
    behind = evidence.tracks.behind
    if behind is None or not behind.any():
        return []
    model = evidence.resync.model
    n = model.cameras
    others = np.concatenate([pose_columns(n), lens_columns(n)])
    found = estimate(model, back_columns(n), others)
    instants = np.isin(evidence.tracks.time_s, evidence.model.time_s)
    seen = int((evidence.tracks.seen & behind[:, :, None])[:, instants].sum())
    effect = model.sigma_px * float(np.sqrt(max(found.gain, 0.0) / max(seen, 1)))
    far = float(found.value @ np.linalg.pinv(found.covariance) @ found.value)
    if found.gain < SIGNIFICANT or far < FAR or effect < EFFECT_WARN * evidence.scale_px:
        return []
    shift, sigma = 1000 * found.value, 1000 * found.sigma
    apart = float(np.linalg.norm(shift))
    words = ", ".join(
        f"{axis} {s:+.1f} +- {u:.1f}" for axis, s, u in zip("xyz", shift, sigma, strict=True)
    )
    names = tuple(evidence.rig.names[c] for c in range(n) if behind[c].any())
    return [
        Finding(
            "warn",
            "back_print",
            names,
            f"the print on the back of the target, which {listed(names)} saw, does not lie on that "
            f"of its front: they are about {apart:.1f} mm apart ({words} mm, z being the "
            f"thickness), which shifts cameras by as much and worsens the residuals by "
            f"{effect:.2f} px",
            "Calibrate again with --two-sided, which solves for it, or with a target that is "
            "printed on one side only",
            {"apart_mm": apart, "effect_px": effect, "gain": found.gain},
        )
    ]
