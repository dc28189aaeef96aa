"""Did a camera move while it was calibrated?

For every camera and every moment the question is put: would everything fit better, had this camera
stood elsewhere from this moment on? All poses are free to change besides, because the adjustment
has settled between before and after; so are all lenses and the print on the target's back, because
what is wrong with them moves points as the target goes from place to place. The camera whose move
explains most is the one that was bumped, if the move is also far beyond what differs from moment to
moment anyway.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.checks.evidence import Evidence
from calibration.checks.finding import Finding
from calibration.checks.linear import (
    ChangeModel,
    back_columns,
    estimate,
    gains_after,
    lens_columns,
    move_columns,
    pose_columns,
    with_move,
)
from calibration.checks.resync import resynchronised

EDGE = 0.08
MIN_INSTANTS = 8
EFFECT_WARN, EFFECT_FAIL = 0.3, 1.2
"""Pixels by which the move worsens the agreement, at 1000 px of focal length."""
SIGNIFICANT = 150.0
"""Of the gain, which for noise alone is about 6 to 30 (6 degrees of freedom, best of many
splits), but residuals are correlated."""
FAR = 60.0
"""Of the squared distance. The best of many moments reaches 30 to 40 where nothing moved."""
PEOPLE_EFFECT, PEOPLE_SIGNIFICANT = 1.6, 8.0
"""By how much both must be larger for keypoints of people, whose errors last for a second and
more and follow how people turn, so that an eighth of the pixels or less is independent."""
RIVAL_SHARE, RIVAL_GAIN = 0.97, 60.0


@dataclass(frozen=True)
class Bump:
    """A camera that stood elsewhere from some moment on.

    Attributes:
        camera: which one.
        time_s: when, on the session clock.
        moved_m: how far its centre moved.
        turned_rad: how far it turned.
        effect_px: by how much that worsens its residuals, root mean square.
        gain: how much of the squared residuals it explains, in variances of a pixel.
        distance: squared length of the move in its standard deviations, by the spread between
            stretches of time.
        rivals: other cameras whose move would explain as much.
    """

    camera: int
    time_s: float
    moved_m: float
    turned_rad: float
    effect_px: float
    gain: float
    distance: float
    rivals: tuple[int, ...]


def find_bump(model: ChangeModel) -> Bump | None:
    """The move of one camera that explains most; None with too little footage to tell."""
    n, count = model.cameras, len(model.time_s)
    if n < 2 or count < 2 * MIN_INSTANTS:
        return None
    free = np.concatenate([pose_columns(n), lens_columns(n), back_columns(n)])
    best: tuple[float, int, int, np.ndarray] | None = None
    gains = np.zeros(n)
    for c in range(n):
        own = np.flatnonzero(model.pixels[:, c] > 0)
        edge = max(MIN_INSTANTS, round(EDGE * len(own)))
        if len(own) < 2 * edge:
            continue
        tried = own[edge : len(own) - edge + 1]
        gain, change = gains_after(model, c, free)
        k = int(tried[np.argmax(gain[tried])])
        gains[c] = gain[k]
        if best is None or gain[k] > best[0]:
            best = float(gain[k]), c, k, change[k]
    if best is None:
        return None
    gain, camera, split, change = best
    after = np.arange(count) >= split
    # A camera that is moved twice looks as if it had moved less, so the smaller part counts.
    seen = min(int(model.pixels[after, camera].sum()), int(model.pixels[~after, camera].sum()))
    found = estimate(with_move(model, camera, after), move_columns(n), free)
    limit = max(RIVAL_SHARE * gain, gain - RIVAL_GAIN) if n > 2 else 0.9 * gain
    return Bump(
        camera,
        0.5 * float(model.time_s[split - 1] + model.time_s[split]),
        float(np.linalg.norm(change[3:6])),
        float(np.linalg.norm(change[:3])),
        model.sigma_px * float(np.sqrt(max(gain, 0.0) / max(seen, 1))),
        gain,
        float(found.value @ np.linalg.pinv(found.covariance) @ found.value),
        tuple(int(c) for c in range(n) if c != camera and gains[c] >= limit),
    )


def is_bump(evidence: Evidence, bump: Bump | None) -> bool:
    """Whether a move is more than chance and more than harmless."""
    people = evidence.sightings is None
    return (
        bump is not None
        and bump.gain >= SIGNIFICANT * (PEOPLE_SIGNIFICANT if people else 1.0)
        and bump.distance >= FAR
        and bump.effect_px >= EFFECT_WARN * evidence.scale_px * (PEOPLE_EFFECT if people else 1.0)
    )


def bump_of(evidence: Evidence) -> Bump | None:
    """The move of a camera that is more than chance, more than harmless, and no focal length that
    is far off. In the linear model lenses are free, but some percent are no small change, and draw
    the time offsets along; what is left of them comes and goes with the target's place, as a move
    does."""
    found = find_bump(evidence.resync.model)
    if not is_bump(evidence, found):
        return None
    refocused = resynchronised(
        evidence.rig,
        evidence.tracks,
        evidence.seen,
        evidence.model,
        evidence.sightings,
        evidence.solution.drift_ppm,
        focal_lengths=True,
    )
    return found if is_bump(evidence, find_bump(refocused.model)) else None


def check_bump(evidence: Evidence) -> list[Finding]:
    """A camera that was bumped while filming. Time offsets are allowed for: a late camera is not
    a moved one."""
    found = bump_of(evidence)
    if found is None:
        return []
    names = evidence.rig.names
    suspects = sorted((found.camera, *found.rivals))
    who = " or ".join(names[c] for c in suspects)
    bad = found.effect_px > EFFECT_FAIL * evidence.scale_px
    return [
        Finding(
            "fail" if bad else "warn",
            "bumped",
            tuple(names[c] for c in suspects),
            f"{who} moved at {found.time_s:.1f} s: by {1000 * found.moved_m:.0f} mm and "
            f"{np.degrees(found.turned_rad):.2f} degrees, which worsens its residuals by "
            f"{found.effect_px:.1f} px",
            f"Fasten the camera and film again; or calibrate from the footage before or after "
            f"{found.time_s:.1f} s alone, whichever is how it stands now",
            {
                "time_s": found.time_s,
                "moved_mm": 1000 * found.moved_m,
                "turned_deg": float(np.degrees(found.turned_rad)),
                "effect_px": found.effect_px,
                "gain": found.gain,
            },
        )
    ]
