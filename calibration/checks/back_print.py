"""Does the print on the back of a two-sided target lie on that of its front?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calibration.board.back import seen_from_front
from calibration.checks.evidence import Evidence
from calibration.checks.finding import Finding, listed
from calibration.checks.linear import (
    OFFSET,
    POSE,
    ChangeModel,
    back_columns,
    change_model,
    columns,
    estimate,
    lens_columns,
    pose_columns,
)
from calibration.checks.tracks import PointTracks, tracks_of_sightings, triangulate
from calibration.sightings import Sightings
from mocap.arrays import Float
from mocap.model import Rig

EFFECT_WARN = 0.2
"""Pixels by which the shift worsens the residuals of what is seen from behind, at 1000 px of focal
length."""
SIGNIFICANT, FAR = 150.0, 60.0
"""Of the gain, and of the squared distance in standard deviations."""
ROUNDS = 3


@dataclass(frozen=True)
class BackShift:
    """How far the print on the back lies from that on the front.

    Attributes:
        shift_m: in the target's frame.
        sigma_m: standard deviations.
        effect_px: by how much it worsens the residuals of what is seen from behind.
        gain: see `Estimate`.
        certain: whether it is beyond what chance and other faults do.
    """

    shift_m: Float[np.ndarray, " 3"]
    sigma_m: Float[np.ndarray, " 3"]
    effect_px: float
    gain: float
    certain: bool

    def words(self) -> str:
        """The shift along each axis."""
        shift, sigma = 1000 * self.shift_m, 1000 * self.sigma_m
        parts = zip("xyz", shift, sigma, strict=True)
        return ", ".join(f"{axis} {s:+.1f} +- {u:.1f}" for axis, s, u in parts)


def back_shift(model: ChangeModel, tracks: PointTracks, scale_px: float) -> BackShift | None:
    """The shift that explains most, poses, time offsets and whole lenses of all cameras being free;
    None where nobody is behind the target.

    Args:
        model: of small changes.
        tracks: that it comes from, if need be at other instants.
        scale_px: pixels of an ordinary camera's residual.
    """
    if tracks.behind is None or not tracks.behind.any():
        return None
    n = model.cameras
    offsets = np.concatenate([columns(c, OFFSET) for c in range(n)])
    others = np.concatenate([pose_columns(n), lens_columns(n), offsets])
    found = estimate(model, back_columns(n), others)
    of_back = (tracks.seen & tracks.behind[:, :, None]).sum(axis=(1, 2))
    share = of_back / np.maximum(tracks.seen.sum(axis=(1, 2)), 1)
    seen = max(float(model.pixels.sum(axis=0) @ share), 1.0)
    effect = model.sigma_px * float(np.sqrt(max(found.gain, 0.0) / seen))
    far = float(found.value @ np.linalg.pinv(found.covariance) @ found.value)
    certain = found.gain >= SIGNIFICANT and far >= FAR and effect >= EFFECT_WARN * scale_px
    return BackShift(found.value, found.sigma, effect, found.gain, certain)


def without_back_shift(
    rig: Rig, sightings: Sightings, moved: Sequence[int] = ()
) -> tuple[Sightings, BackShift | None]:
    """What the cameras of a known rig would have seen of the front alone, with the shift of the
    back that was undone; None where nobody is behind the target.

    Args:
        rig: its lenses and poses are taken as they are, its time offsets are free.
        sightings: as delivered.
        moved: cameras whose poses are free, too, so that they do not bend the shift.
    """
    lenses = {camera.name: camera.intrinsics for camera in rig}
    free = [columns(c, OFFSET) for c in range(len(rig))] + [columns(c, POSE) for c in moved]
    total, undone, shift = np.zeros(3), sightings, None
    for _ in range(ROUNDS):
        tracks = tracks_of_sightings(rig, undone)
        if tracks.behind is None or not tracks.behind.any():
            return sightings, None
        model = change_model(rig, tracks, triangulate(rig, tracks))
        found = estimate(model, back_columns(len(rig)), np.concatenate(free))
        total = total + found.value
        shift = BackShift(total, found.sigma, 0.0, found.gain, True)
        undone = seen_from_front(sightings, lenses, total)
    return undone, shift


def check_back_print(evidence: Evidence) -> list[Finding]:
    """A shift between the prints of both sides, which cameras in front and behind disagree by."""
    behind = evidence.tracks.behind
    found = back_shift(evidence.resync.model, evidence.tracks, evidence.scale_px)
    if behind is None or found is None or not found.certain:
        return []
    names = tuple(n for c, n in enumerate(evidence.rig.names) if behind[c].any())
    return [
        back_print_finding(
            found,
            names,
            "Calibrate again with --two-sided, which solves for it, or with a target that is "
            "printed on one side only",
        )
    ]


def back_print_finding(found: BackShift, behind: tuple[str, ...], remedy: str) -> Finding:
    """What is said of a shift.

    Args:
        found: it.
        behind: names of the cameras that saw the back.
        remedy: what to do.
    """
    apart = 1000 * float(np.linalg.norm(found.shift_m))
    return Finding(
        "warn",
        "back_print",
        behind,
        f"the print on the back of the target, which {listed(behind)} saw, does not lie on that "
        f"of its front: they are about {apart:.1f} mm apart ({found.words()} mm, z being the "
        f"thickness), which shifts cameras by as much and worsens the residuals by "
        f"{found.effect_px:.2f} px",
        remedy,
        {"apart_mm": apart, "effect_px": found.effect_px, "gain": found.gain},
    )
