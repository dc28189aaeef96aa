"""Does the calibration agree with everything that was seen?"""

from __future__ import annotations

import numpy as np

from calibration.checks.evidence import Evidence
from calibration.checks.finding import Finding

WARN_PX, FAIL_PX = 1.0, 3.0
"""Of the triangulation's residuals, at a focal length of 1000 px."""
STANDS_OUT = 2.5
OUTLIERS_WARN, OUTLIERS_FAIL = 0.1, 0.3
KEPT_RATIO = 2.0


def check_fit(evidence: Evidence) -> list[Finding]:
    """Convergence, residuals of all points, cameras that stand out, and what was switched off."""
    found: list[Finding] = []
    solution, rig = evidence.solution, evidence.rig
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
    for c, name in enumerate(rig.names):
        own = entries.camera == c
        if own.sum() < 20:
            continue
        share = float(np.mean(~entries.inlier[own]))
        if share > OUTLIERS_WARN:
            found.append(
                Finding(
                    "fail" if share > OUTLIERS_FAIL else "warn",
                    "outliers",
                    (name,),
                    f"{100 * share:.0f} % of what {name} saw does not fit and was switched off, "
                    f"usual is below {2 if board else 5} %",
                    f"Look at the residuals of {name} over time in the report: all of the time "
                    f"points to {'the target or ' if board else ''}the lens, some of the time to a "
                    f"bump or to {'blur' if board else 'people taken for others'}",
                    {"outlier_share": share},
                )
            )
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
