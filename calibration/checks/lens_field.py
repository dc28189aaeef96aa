"""Does the lens model fit: are the residuals noise, or a pattern in the image?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.checks.bump import bump_of
from calibration.checks.evidence import Evidence
from calibration.checks.finding import Finding
from calibration.checks.linear import (
    LENS,
    ChangeModel,
    Estimate,
    back_columns,
    columns,
    estimate,
    pose_columns,
)
from calibration.solution import Residuals
from mocap.arrays import Float, Int

CELLS = 8
WARN_PX, FAIL_PX = 0.25, 1.0
"""Systematic part of the residuals, at a focal length of 1000 px."""
NOISE_SHARE = 0.5
SIGNIFICANT = 5.0
SIGNIFICANT_GAIN = 200.0
CHANGE_WARN, CHANGE_FAIL = 0.2, 1.0
FOCAL_FAIL = 0.02
MIN_INSTANTS = 12
MIN_FRAMES = 4
MIN_CELLS = 6


@dataclass(frozen=True)
class ResidualField:
    """Mean residual by place in the image.

    Attributes:
        mean_px: of each cell; NaN where too few frames have points in it.
        sigma_px: standard deviation of each mean, from the spread between frames.
        frames: number of frames with points in the cell.
        systematic_px: root mean square of the means, less what noise alone would give.
        noise_px: root mean square residual per axis.
        significance: how many standard deviations the pattern is beyond chance.
    """

    mean_px: Float[np.ndarray, "rows columns 2"]
    sigma_px: Float[np.ndarray, "rows columns 2"]
    frames: Int[np.ndarray, "rows columns"]
    systematic_px: float
    noise_px: float
    significance: float


def residual_field(residuals: Residuals, camera: int, size: tuple[int, int]) -> ResidualField:
    """Mean residuals of a camera on a grid over its image.

    Residuals of one frame share the error of the target's pose, so frames are what is counted, not
    points.
    """
    long = max(size)
    nx, ny = (max(2, round(CELLS * side / long)) for side in size)
    own = (residuals.camera == camera) & np.isfinite(residuals.residual_px).all(axis=1)
    # Wild points are another check's concern; here they would hide the pattern.
    length = residuals.length_px[own]
    limit = 6 * max(float(np.median(length)) if len(length) else 0.0, 1e-9)
    rows = np.flatnonzero(own)[length <= limit]
    pixels, residual = residuals.pixels[rows], residuals.residual_px[rows]
    column = np.clip(((pixels[:, 0] + 0.5) / size[0] * nx).astype(int), 0, nx - 1)
    line = np.clip(((pixels[:, 1] + 0.5) / size[1] * ny).astype(int), 0, ny - 1)
    cell = line * nx + column
    frame = np.unique(residuals.frame[rows], return_inverse=True)[1]
    frames_total = int(frame.max()) + 1 if len(frame) else 1
    key, group = np.unique(cell * frames_total + frame, return_inverse=True)
    count = np.bincount(group).astype(float) if len(group) else np.zeros(0)
    means = np.stack([np.bincount(group, residual[:, k]) for k in (0, 1)], -1)
    means = means / count[:, None] if len(count) else np.zeros((0, 2))
    cell_of = key // frames_total
    cells = nx * ny
    frames = np.bincount(cell_of, minlength=cells)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.stack([np.bincount(cell_of, means[:, k], cells) for k in (0, 1)], -1)
        mean = mean / frames[:, None]
        second = np.stack([np.bincount(cell_of, means[:, k] ** 2, cells) for k in (0, 1)], -1)
        variance = (second / frames[:, None] - mean**2) / np.maximum(frames - 1, 1)[:, None]
    good = frames >= MIN_FRAMES
    mean[~good], variance[~good] = np.nan, np.nan
    variance = np.maximum(variance, 1e-12)
    known = int(good.sum())
    squares = float(np.nansum(mean**2)) / max(known, 1)
    chance = float(np.nansum(variance)) / max(known, 1)
    # Sum of squares of normal deviates of unequal variance: variance 2 sigma^4 each; a few frames
    # give heavier tails.
    heavier = 1 + 4 / np.maximum(np.where(good, frames, 1) - 1, 1)[:, None]
    spread = float(np.sqrt(np.nansum(2 * heavier * variance**2))) / max(known, 1)
    noise = float(np.sqrt(np.mean(residual**2))) if len(residual) else float("nan")
    return ResidualField(
        mean.reshape(ny, nx, 2),
        np.sqrt(variance).reshape(ny, nx, 2),
        frames.reshape(ny, nx),
        float(np.sqrt(max(squares - chance, 0.0))),
        noise,
        (squares - chance) / spread if spread > 0 and known >= MIN_CELLS else 0.0,
    )


def check_lens_field(evidence: Evidence) -> list[Finding]:
    """Lenses whose residuals form a pattern in the image, and lenses that another focal length or
    distortion would make agree with the other cameras."""
    found = _changed(evidence)
    named = {name for finding in found for name in finding.cameras}
    found += [f for f in _misfits(evidence) if not named & set(f.cameras)]
    if evidence.sightings is None or found:
        return found
    for c, camera in enumerate(evidence.rig):
        if camera.name in evidence.misfits:
            # Single views tell a lens from all that is wrong between cameras.
            continue
        field = residual_field(evidence.solution.residuals, c, camera.intrinsics.size)
        scale = camera.intrinsics.focal_px / 1000
        size = field.systematic_px
        if size < max(WARN_PX * scale, NOISE_SHARE * field.noise_px):
            continue
        if field.significance < SIGNIFICANT:
            continue
        lens = camera.intrinsics.lens
        given = evidence.lenses_given
        remedy = (
            f"Calibrate the lens of {camera.name} anew instead of taking it from --intrinsics: "
            f"focus or zoom may have changed"
            if given
            else f"Calibrate {camera.name} as the other lens model than {lens}, or with more "
            f"distortion terms; check that the target is flat and that no stabilisation or "
            f"cropping is switched on in the camera"
        )
        found.append(
            Finding(
                "fail" if size > FAIL_PX * scale else "warn",
                "lens_model",
                (camera.name,),
                f"residuals of {camera.name} form a pattern in the image of {size:.2f} px besides "
                f"noise of {field.noise_px:.2f} px: the {lens} lens model with "
                f"{len(camera.intrinsics.distortions)} distortion terms does not fit",
                remedy,
                {"systematic_px": size, "significance": field.significance},
            )
        )
    return found


def _misfits(evidence: Evidence) -> list[Finding]:
    """Lenses that do not fit single views of the target, wherever the cameras stand."""
    found: list[Finding] = []
    for camera in evidence.rig:
        misfit = evidence.misfits.get(camera.name)
        if misfit is None or not misfit.found:
            continue
        size = misfit.systematic_px
        rest = float(np.sqrt(max(misfit.noise_px**2 - size**2, 0.0)))
        scale = camera.intrinsics.focal_px / 1000
        whose = "that was given" if evidence.lenses_given else "model"
        found.append(
            Finding(
                "fail" if size > FAIL_PX * scale else "warn",
                "lens_model",
                (camera.name,),
                f"the lens {whose} of {camera.name} does not fit: in single views of the target "
                f"{misfit.noise_px:.2f} px of residual are left, with a lens that fits "
                f"{rest:.2f} px would be",
                f"Calibrate the lens of {camera.name} anew, from near (mocap calibrate lenses): "
                f"focus, zoom or video mode may have changed"
                if evidence.lenses_given
                else f"Allow other lens models for {camera.name} (--lens-models), check that the "
                f"target is flat, and that stabilisation is off",
                {"systematic_px": size, "residual_px": misfit.noise_px},
            )
        )
    return found


def lens_changes(model: ChangeModel) -> list[tuple[Estimate, float]]:
    """For each camera the change of focal length (share) and radial distortion that explains most,
    with by how much it worsens the camera's residuals (px, root mean square)."""
    n = model.cameras
    result: list[tuple[Estimate, float]] = []
    for c in range(n):
        others = np.concatenate([pose_columns(n), back_columns(n)])
        found = estimate(model, columns(c, LENS), others)
        count = max(int(model.pixels[:, c].sum()), 1)
        result.append((found, model.sigma_px * float(np.sqrt(max(found.gain, 0.0) / count))))
    return result


def _changed(evidence: Evidence) -> list[Finding]:
    names = evidence.rig.names
    if len(names) < 2 or len(evidence.resync.model.time_s) < MIN_INSTANTS:
        return []
    model = evidence.resync.model
    changes = lens_changes(model)
    top = max(range(len(names)), key=lambda c: changes[c][0].gain)
    found, effect = changes[top]
    if found.gain < SIGNIFICANT_GAIN or effect < CHANGE_WARN * evidence.scale_px:
        return []
    if bump_of(evidence) is not None:
        return []
    # Another camera's lens that explains nearly as much cannot be told apart.
    suspects = [c for c in range(len(names)) if changes[c][0].gain > 0.8 * found.gain]
    who = " or ".join(names[c] for c in suspects)
    focal, sigma = float(found.value[0]), float(found.sigma[0])
    # A wrong focal length hides in the poses and bends the space between the cameras.
    wrong = abs(focal) > max(FOCAL_FAIL, 5 * sigma)
    bad = wrong or effect > CHANGE_FAIL * evidence.scale_px
    return [
        Finding(
            "fail" if bad else "warn",
            "lens_model",
            tuple(names[c] for c in suspects),
            f"the lens of {who} does not fit: with a focal length {100 * focal:+.1f} +- "
            f"{100 * sigma:.1f} % and other distortion the cameras would agree better by "
            f"{effect:.2f} px",
            f"Calibrate the lens of {who} anew: zoom, focus or resolution may have changed, or the "
            f"lens model may be the wrong one",
            {"focal_change": focal, "focal_change_sigma": sigma, "effect_px": effect},
        )
    ]
