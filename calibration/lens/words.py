"""What a lens calibration tells the user, in words."""

from __future__ import annotations

from calibration.lens.choice import LensCandidate
from calibration.lens.fold import folds_back
from calibration.lens.result import LensCalibration
from calibration.lens.uncertainty import distortion_uncertainty

WEAK_COVERAGE = 0.5
WEAK_FOCAL = 0.005
WEAK_TILT_DEG = 20.0
WEAK_PLACE_PX = 3.0
FEW_VIEWS = 8


def lens_notes(calibration: LensCalibration) -> tuple[str, ...]:
    """Findings and remedies, each a sentence that names the camera."""
    who = f"camera {calibration.name!r}"
    notes = list(lens_facts(calibration))
    misfit = calibration.misfit
    if misfit.found:
        remedy = (
            "the lens that was given does not belong to this footage; calibrate it anew"
            if calibration.given
            else "allow richer lens models (rational or fisheye), and check that the board is flat"
        )
        notes.append(
            f"{who}: the lens model does not fit: {misfit.systematic_px:.2f} px of the "
            f"{misfit.noise_px:.2f} px of residual are no noise; {remedy}"
        )
    if not calibration.given:
        notes += _weaknesses(calibration, who)
    return tuple(notes)


def lens_facts(calibration: LensCalibration) -> tuple[str, ...]:
    """What the verdict on a rig does not say of a lens: what was left out, and a lens that folds
    back."""
    who = f"camera {calibration.name!r}"
    notes: list[str] = []
    if len(calibration.frames_left_out):
        frames = ", ".join(str(int(f)) for f in calibration.frames_left_out[:10])
        more = "" if len(calibration.frames_left_out) <= 10 else ", ..."
        notes.append(
            f"{who}: the board of {len(calibration.frames_left_out)} frame"
            f"{'s' if len(calibration.frames_left_out) > 1 else ''} was left out, as it "
            f"fits several times worse than usual (blur, or corners read wrongly): {frames}{more}"
        )
    if calibration.points_left_out:
        count = calibration.points_left_out
        what = "one single corner was" if count == 1 else f"{count} single corners were"
        notes.append(f"{who}: {what} left out as wrong")
    if folds_back(calibration.intrinsics):
        notes.append(
            f"{who}: the lens folds back inside the image, so it is wrong near the border; "
            + (
                "calibrate it anew"
                if calibration.given
                else "move the board into the corners, or allow other lens models"
            )
        )
    return tuple(notes)


def _weaknesses(calibration: LensCalibration, who: str) -> list[str]:
    notes: list[str] = []
    coverage = calibration.coverage
    focal = calibration.focal_sigma_px / calibration.intrinsics.focal_px
    worst = distortion_uncertainty(calibration, 16).worst_px
    causes: list[str] = []
    remedies: list[str] = []
    if len(calibration.frame) < FEW_VIEWS:
        causes.append(f"only {len(calibration.frame)} views of the board could be used")
        remedies.append("show the board in more places")
    if coverage.share < WEAK_COVERAGE:
        causes.append(f"only {100 * coverage.share:.0f} % of the image was covered")
        remedies.append("move the board into the corners of the image")
    if coverage.tilt_deg[1] < WEAK_TILT_DEG:
        causes.append(f"the board was hardly tilted (at most {coverage.tilt_deg[1]:.0f} degrees)")
        remedies.append("tilt it by 30 to 45 degrees to all sides")
    effects: list[str] = []
    if focal > WEAK_FOCAL:
        effects.append(f"the focal length is known to +- {100 * focal:.1f} %")
    if worst > WEAK_PLACE_PX:
        effects.append(f"near the border of the image the lens may be off by {worst:.0f} px")
    if causes and effects:
        notes.append(f"{who}: {', '.join(causes)}: {', and '.join(effects)}; {'; '.join(remedies)}")
    elif effects:
        notes.append(
            f"{who}: {', and '.join(effects)}; show the board closer, tilted, and in the corners"
        )
    return notes


def candidate_table(candidates: tuple[LensCandidate, ...]) -> list[dict[str, str | float | bool]]:
    """The candidates as rows for a report, best first.

    Keys: "form", "parameters", "rmse_px", "left_out_px", "evidence" (score above the best one's;
    10 is strong evidence against), "folds_back".
    """
    least = min((c.score for c in candidates if c.admissible), default=0.0)
    return [
        {
            "form": c.form.name,
            "parameters": float(c.form.basis.shape[1]),
            "rmse_px": c.rmse_px,
            "left_out_px": c.left_out_px,
            "evidence": c.score - least,
            "folds_back": c.folds_back,
        }
        for c in candidates
    ]
