"""Does the calibration agree with everything that was seen?"""

from __future__ import annotations

import numpy as np

from calibration.checks.evidence import Evidence
from calibration.checks.finding import Finding, listed
from calibration.checks.tracks import frame_s

WARN_PX, FAIL_PX = 1.0, 3.0
"""Of the triangulation's residuals, at a focal length of 1000 px."""
STANDS_OUT = 2.5
OUTLIERS_WARN, OUTLIERS_FAIL = 0.1, 0.3
KEPT_RATIO = 2.0
SHORT = 0.5
"""What does not fit within less than this share of the time has a cause that came and went."""
FAST, FAST_PX = 2.0, 10.0
"""The target is too fast where it moves so many times as far from frame to frame as usual, and so
far."""


def check_fit(evidence: Evidence) -> list[Finding]:
    """Convergence, residuals of all points, cameras that stand out, and what was switched off."""
    found: list[Finding] = []
    solution = evidence.solution
    if not solution.converged:
        found.append(
            Finding(
                "fail",
                "convergence",
                (),
                f"the adjustment did not come to rest in {solution.iterations} iterations",
                "Look at the other findings first; otherwise give lenses by --intrinsics or film "
                f"more positions of {evidence.what}",
                {"iterations": float(solution.iterations)},
            )
        )
    scale = evidence.scale_px
    board = evidence.sightings is not None
    rmse = evidence.seen.rmse_px() if board else evidence.seen.typical_px()
    how = "RMSE" if board else "root mean square, from the median"
    if rmse > WARN_PX * scale:
        found.append(
            Finding(
                "fail" if rmse > FAIL_PX * scale else "warn",
                "residuals",
                (),
                f"over all points seen by two cameras or more, none left out, the residual is "
                f"{rmse:.2f} px ({how}); up to {WARN_PX * scale:.1f} px is good",
                (
                    "Look at the other findings for the cause; without one, check that people are "
                    "seen whole and large, and that the lenses are right"
                    if not board
                    else "Look at the other findings for the cause; without one, check that the "
                    "target is flat and described as it is printed, and that the pictures are sharp"
                ),
                {"rmse_px": rmse},
            )
        )
    found += _standing_out(evidence)
    entries = solution.residuals
    if not len(entries.camera):
        return found
    kept, every = entries.rmse_px(inliers_only=True), entries.rmse_px()
    found += _switched_off(evidence)
    if every > KEPT_RATIO * kept and every - kept > 0.5 * scale:
        found.append(
            Finding(
                "warn",
                "kept_only",
                (),
                f"the residual is {kept:.2f} px on what was kept but {every:.2f} px on everything: "
                f"the fit looks better than it is",
                "Look at the residuals over time in the report, and film again without the part "
                "that does not fit",
                {"kept_px": kept, "all_px": every},
            )
        )
    return found


def _switched_off(evidence: Evidence) -> list[Finding]:
    """Cameras of which much did not fit, when that was, and whether the target was fast then."""
    entries, names = evidence.solution.residuals, evidence.rig.names
    board = evidence.sightings is not None
    share = np.zeros(len(names))
    for c in range(len(names)):
        own = entries.camera == c
        share[c] = float(np.mean(~entries.inlier[own])) if own.sum() >= 20 else 0.0
    guilty = np.flatnonzero(share > OUTLIERS_WARN)
    if not len(guilty):
        return []
    out = np.isin(entries.camera, guilty) & ~entries.inlier
    first, last = np.quantile(entries.time_s[out], [0.05, 0.95])
    length = float(np.ptp(entries.time_s))
    who = listed([names[c] for c in guilty])
    shares = listed([f"{100 * share[c]:.0f} %" for c in guilty])
    seen = (
        f"{shares} of what {who} saw does not fit and was switched off, usual is below "
        f"{2 if board else 5} %"
    )
    remedy = (
        f"Look at the residuals over time in the report: all of the time points to "
        f"{'the target or ' if board else ''}the lens, some of the time to a bump or to "
        f"{'blur' if board else 'people taken for others'}"
    )
    if last - first < SHORT * length:
        seen += f"; nearly all of it between {first:.1f} and {last:.1f} s"
        usual, then = _steps_px(evidence, first, last)
        if board and then > max(FAST * usual, FAST_PX):
            seen += (
                f", when the target moved by {then:.0f} px from frame to frame ({usual:.0f} px at "
                f"other times)"
            )
            remedy = (
                "Move the target slower, with stops, or film more frames per second: what it did "
                "between two frames is not known"
            )
    return [
        Finding(
            "fail" if share.max() > OUTLIERS_FAIL else "warn",
            "outliers",
            tuple(names[c] for c in guilty),
            seen,
            remedy,
            {"outlier_share": float(share.max()), "from_s": float(first), "to_s": float(last)},
        )
    ]


def _steps_px(evidence: Evidence, first_s: float, last_s: float) -> tuple[float, float]:
    """How far points usually move from frame to frame, outside a stretch of time and in it."""
    if evidence.sightings is None:
        return float("nan"), float("nan")
    tracks = evidence.tracks
    step_s = np.array([frame_s(evidence.sightings[name]) for name in tracks.names])
    step = np.linalg.norm(tracks.velocity_px_s, axis=-1) * step_s[:, None, None]
    inside = (tracks.time_s >= first_s - 1e-6) & (tracks.time_s <= last_s + 1e-6)

    def usual(instants: np.ndarray) -> float:
        values = step[:, instants]
        values = values[np.isfinite(values)]
        return float(np.median(values)) if len(values) else 0.0

    return usual(~inside), usual(inside)


def _standing_out(evidence: Evidence) -> list[Finding]:
    rig = evidence.rig
    if len(rig) < 3:
        return []
    own = np.array([evidence.seen.rmse_px(c) for c in range(len(rig))])
    found: list[Finding] = []
    for c, name in enumerate(rig.names):
        others = np.delete(own, c)
        others = others[np.isfinite(others)]
        usual = float(np.median(others)) if len(others) else float("nan")
        if own[c] > STANDS_OUT * usual and own[c] > 0.8 * evidence.scale_px:
            found.append(
                Finding(
                    "warn",
                    "camera_stands_out",
                    (name,),
                    f"the residual of {name} is {own[c]:.2f} px, that of the others {usual:.2f} px",
                    f"Check lens, focus and fastening of {name}",
                    {"rmse_px": float(own[c]), "others_px": usual},
                )
            )
    return found
