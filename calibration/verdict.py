"""Pass, warn or fail: the verdict on a calibration, with one remedy for each thing found."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from calibration.checks.back_print import check_back_print
from calibration.checks.blur import check_blur
from calibration.checks.bump import check_bump
from calibration.checks.coverage import check_coverage, coverage
from calibration.checks.evidence import Evidence, KnownDistance, Statures
from calibration.checks.exchange import check_exchange
from calibration.checks.finding import Finding
from calibration.checks.fit import check_fit
from calibration.checks.floor import check_floor
from calibration.checks.layout import check_layout
from calibration.checks.lens_field import check_lens_field
from calibration.checks.marker_size import check_marker_size
from calibration.checks.placement import check_placement
from calibration.checks.scale import check_scale, edge_lengths
from calibration.checks.shared_views import check_shared_views
from calibration.checks.sync import check_sync
from calibration.checks.uncertainty import camera_uncertainty, check_uncertainty

__all__ = [
    "Evidence",
    "Finding",
    "KnownDistance",
    "Statures",
    "Verdict",
    "judge",
    "verdict_of",
    "verdict_to_json",
]

Grade = Literal["pass", "warn", "fail"]

CHECKS: tuple[Callable[[Evidence], list[Finding]], ...] = (
    check_shared_views,
    check_layout,
    check_marker_size,
    check_exchange,
    check_back_print,
    check_placement,
    check_bump,
    check_sync,
    check_lens_field,
    check_scale,
    check_floor,
    check_blur,
    check_fit,
    check_coverage,
    check_uncertainty,
)
"""In the order of causes: what stands first is likely to be the reason of what follows."""

_FOLLOWS = frozenset(
    {"lens_model", "edge_length", "weak_pose", "outliers", "kept_only", "camera_stands_out"}
)
_EXPLAINED: dict[str, frozenset[str]] = {
    "mirrored_image": _FOLLOWS | {"bumped", "sync", "floor", "floor_flipped", "turned_layout"},
    "mirrored_layout": _FOLLOWS | {"bumped", "sync", "floor", "floor_flipped"},
    "turned_layout": _FOLLOWS | {"bumped", "sync", "floor", "floor_flipped"},
    "marker_size": _FOLLOWS | {"bumped", "sync", "residuals"},
    "exchanged": _FOLLOWS | {"bumped", "sync"},
    "bumped": _FOLLOWS | {"back_print"},
    "sync": _FOLLOWS | {"floor"},
    "back_print": frozenset({"edge_length", "camera_stands_out"}),
    "outliers": frozenset({"kept_only"}),
}
"""Findings which another one explains: they would send the user after a wrong cause. They are left
out unless they are graver than what explains them, so the grade stays what it is."""


@dataclass(frozen=True)
class Verdict:
    """What is to be thought of a calibration.

    Attributes:
        grade: "pass": use it; "warn": use it with care; "fail": do not.
        findings: failures first, then in the order of causes.
    """

    grade: Grade
    findings: tuple[Finding, ...] = ()

    @property
    def headline(self) -> str:
        """One sentence."""
        if self.grade == "pass":
            return "The calibration is good."
        if self.grade == "warn":
            return "The calibration can be used, with care."
        return "The calibration must not be used."

    def text(self) -> str:
        """The verdict as lines of plain text: what was found, and the remedy after it."""
        lines = [f"{self.grade.upper()}: {self.headline}"]
        for finding in self.findings:
            lines.append(f"[{finding.severity}] {finding.seen}. {finding.remedy}.")
        return "\n".join(lines)


def judge(evidence: Evidence) -> Verdict:
    """Judges a calibration by everything that was seen."""
    return verdict_of([finding for check in CHECKS for finding in check(evidence)])


def verdict_of(findings: list[Finding]) -> Verdict:
    """The verdict that follows from findings."""
    hidden: dict[str, bool] = {}
    for finding in findings:
        for other in _EXPLAINED.get(finding.check, frozenset()):
            hidden[other] = hidden.get(other, False) or finding.severity == "fail"
    kept = [
        f
        for f in findings
        if f.check not in hidden or (f.severity == "fail" and not hidden[f.check])
    ]
    kept.sort(key=lambda f: f.severity != "fail")
    grade: Grade = "pass"
    if kept:
        grade = "fail" if kept[0].severity == "fail" else "warn"
    return Verdict(grade, tuple(kept))


def verdict_to_json(verdict: Verdict, evidence: Evidence | None = None) -> dict[str, Any]:
    """The verdict, and with its evidence the figures per camera, for scripts.

    Keys are stable; NaN becomes None. Units stand in the keys.
    """
    content: dict[str, Any] = {
        "format": "mocap-calibration-report",
        "format_version": 1,
        "verdict": verdict.grade,
        "headline": verdict.headline,
        "findings": [
            {
                "severity": finding.severity,
                "check": finding.check,
                "cameras": list(finding.cameras),
                "seen": finding.seen,
                "remedy": finding.remedy,
                "figures": dict(finding.figures),
            }
            for finding in verdict.findings
        ],
    }
    if evidence is not None:
        content["rig"] = _rig_figures(evidence)
        content["cameras"] = _camera_figures(evidence)
    return _plain(content)


def _rig_figures(evidence: Evidence) -> dict[str, Any]:
    solution = evidence.solution
    figures: dict[str, Any] = {
        "world_frame": evidence.rig.metadata.world_frame,
        "triangulation_rmse_px": evidence.seen.rmse_px(),
        "residual_rmse_px": solution.residuals.rmse_px(),
        "residual_rmse_inliers_px": solution.residuals.rmse_px(inliers_only=True),
        "sigma_px": solution.sigma_px,
        "converged": solution.converged,
        "iterations": solution.iterations,
        "back_shift_mm": (1000 * solution.back_m).tolist() if np.any(solution.back_m) else None,
        "gauge": solution.gauge,
        "shared_instants": evidence.shared.tolist(),
        "notes": list(solution.notes),
    }
    if evidence.sightings is not None:
        edges = edge_lengths(evidence.sightings.target, evidence.seen)
        figures["target"] = evidence.sightings.target.describe()
        figures["edge_true_mm"] = 1000 * edges.true_m
        known = len(edges.length_m) > 0
        figures["edge_mean_mm"] = 1000 * float(edges.length_m.mean()) if known else None
        figures["edge_sd_mm"] = 1000 * float(edges.length_m.std()) if known else None
    return figures


def _camera_figures(evidence: Evidence) -> list[dict[str, Any]]:
    solution = evidence.solution
    uncertainty = camera_uncertainty(solution)
    figures: list[dict[str, Any]] = []
    for c, camera in enumerate(evidence.rig):
        own = evidence.sightings[camera.name] if evidence.sightings is not None else None
        figures.append(
            {
                "name": camera.name,
                "views": int(evidence.shared[c, c]),
                "frames_examined": own.frames_examined if own else None,
                "coverage": coverage(own) if own and len(own) else None,
                "rmse_px": solution.residuals.rmse_px(c),
                "triangulation_rmse_px": evidence.seen.rmse_px(c),
                "time_offset_ms": 1000 * camera.time_offset_s,
                "time_offset_sigma_ms": 1000 * float(solution.time_offset_sigma_s[c]),
                "drift_ppm": float(solution.drift_ppm[c]),
                "drift_sigma_ppm": float(solution.drift_sigma_ppm[c]),
                "focal_px": camera.intrinsics.focal_px,
                "focal_sigma_px": solution.lens_sigma[c].get("fx"),
                "position_m": camera.center_world.tolist(),
                "position_sigma_mm": 1000 * uncertainty[c].position_m,
                "rotation_sigma_deg": math.degrees(uncertainty[c].rotation_rad),
            }
        )
    return figures


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
