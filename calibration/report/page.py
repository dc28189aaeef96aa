"""The page: verdict on top, then table and pictures. One file, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from calibration.checks.evidence import Evidence
from calibration.checks.finding import Finding
from calibration.report.cameras import (
    coverage_picture,
    histogram_picture,
    residual_map_picture,
    time_picture,
)
from calibration.report.figure import STYLE, image_tag, png_bytes
from calibration.report.lengths import length_picture
from calibration.report.rig import (
    graph_picture,
    perspective_picture,
    plan_picture,
    uncertainty_picture,
)
from calibration.verdict import Verdict, verdict_to_json
from mocap.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GRADES = {
    "pass": ("#1e7d46", "PASS"),
    "warn": ("#b7791f", "WARN"),
    "fail": ("#b03a2e", "FAIL"),
}
_CSS = """
body { font: 14px/1.45 "Helvetica Neue", Arial, sans-serif; color: #222; max-width: 62rem;
  margin: 1.5rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .6rem; }
h2 { font-size: 1.1rem; margin: 1.8rem 0 .3rem; border-bottom: 1px solid #ddd; }
p.about { color: #555; margin: .2rem 0 .6rem; }
.verdict { border-left: .6rem solid; padding: .5rem .9rem; margin: 0 0 .8rem; background: #f7f7f7; }
.verdict strong { font-size: 1.25rem; }
.finding { border-left: .3rem solid; padding: .2rem .8rem; margin: .5rem 0;
  page-break-inside: avoid; }
.finding .remedy { color: #333; font-weight: 600; }
.tag { font-size: .75rem; font-weight: 700; letter-spacing: .05em; }
table { border-collapse: collapse; font-size: .85rem; }
th, td { padding: .22rem .55rem; text-align: right; border-bottom: 1px solid #e5e5e5; }
th:first-child, td:first-child { text-align: left; font-weight: 600; }
th { color: #555; font-weight: 600; vertical-align: bottom; }
.scroll { overflow-x: auto; }
figure { margin: .2rem 0; page-break-inside: avoid; }
img { width: 100%; max-width: 56rem; height: auto; }
footer { color: #777; font-size: .8rem; margin-top: 2rem; }
@media print { body { margin: 0; max-width: none; font-size: 11px; } .verdict, .finding {
  -webkit-print-color-adjust: exact; print-color-adjust: exact; } }
"""


@dataclass(frozen=True)
class ReportInput:
    """What the report is about.

    Attributes:
        title: of the page.
        evidence: all that was seen and solved.
        verdict: `judge(evidence)`.
        origin: where it comes from, in the reader's words, such as command and folder.
        notes: further findings in words, such as those of the detection.
    """

    title: str
    evidence: Evidence
    verdict: Verdict
    origin: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())


def write_report(path: Path, report: ReportInput) -> None:
    """Writes the page; a file of that name is replaced as a whole.

    Raises:
        OutputError: the folder cannot be written to.
    """
    write_atomically(path, report_html(report).encode())


def report_html(report: ReportInput) -> str:
    """The page as text."""
    evidence = report.evidence
    body = [
        f"<h1>{escape(report.title)}</h1>",
        _verdict(report.verdict),
        _facts(report),
        "<h2>Cameras</h2>",
        _table(report),
        *(_section(*section, evidence) for section in _sections(evidence)),
    ]
    if report.origin:
        lines = "<br>".join(escape(line) for line in report.origin)
        body.append(f"<footer>{lines}</footer>")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(report.title)}</title><style>{_CSS}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _sections(evidence: Evidence) -> list[tuple[str, str, Callable[[Evidence], Figure]]]:
    board = evidence.sightings is not None
    what = "target" if board else "people"
    ground, line = "the floor", "the floor, z = 0"
    if not evidence.floor_set:
        ground, line = "a level plane", "z = 0, which is not the floor: none was set"
    sections = [
        (
            "The rig in perspective",
            f"Cameras with their image planes (the roof is the upper edge), {ground} in "
            f"steps of 1 m (0.5 m in small rooms), grey: where the {what} went. Metres.",
            perspective_picture,
        ),
        (
            "The rig from above and from the side",
            f"The arrows at the origin are x (red), y (green) and z (blue). Grey line: {line}.",
            plan_picture,
        ),
        (
            "Who sees what together",
            f"Number of instants at which two cameras see the {what} together; in brackets those "
            f"of the camera alone. Dotted red: fewer than 10.",
            graph_picture,
        ),
    ]
    if board:
        sections.append(
            (
                "Coverage",
                "Every point that was found, and the cells of the image that the target reached. A "
                "lens that was solved from this footage is unknown in white parts.",
                coverage_picture,
            )
        )
    sections += [
        (
            "Residuals in the image",
            "Mean of measured less predicted by place in the image. Arrows that point all outwards "
            "or inwards, or in whirls, say that the lens model does not fit; small arrows in all "
            "directions are noise.",
            residual_map_picture,
        ),
        (
            "Residuals by size",
            "Nothing is left out; the share beyond the edge of the picture is given. Grey: normal "
            "distribution of the same spread.",
            histogram_picture,
        ),
        (
            "Residuals over time",
            "Root mean square of each frame. A step says that a camera was bumped; peaks where "
            "things move fast say that cameras are not synchronous or pictures blurred.",
            time_picture,
        ),
    ]
    if board:
        sections.append(
            (
                "Lengths on the target",
                "Distances between adjacent points, each triangulated by itself, against the "
                "target's description.",
                length_picture,
            )
        )
    sections.append(
        (
            "Uncertainty of the cameras",
            f"From the covariance of the adjustment, {_gauge_words(evidence)}.",
            uncertainty_picture,
        )
    )
    return sections


def _gauge_words(evidence: Evidence) -> str:
    gauge = evidence.solution.gauge
    return "relative to all cameras together" if gauge is None else f"relative to {gauge}"


def _section(title: str, about: str, draw: Callable[[Evidence], Figure], evidence: Evidence) -> str:
    from matplotlib import rc_context

    with rc_context(STYLE):
        png = png_bytes(draw(evidence))
    return (
        f'<h2>{escape(title)}</h2><p class="about">{escape(about)}</p>'
        f"<figure>{image_tag(png, title)}</figure>"
    )


def _verdict(verdict: Verdict) -> str:
    colour, word = _GRADES[verdict.grade]
    parts = [
        f'<div class="verdict" style="border-color:{colour}"><strong style="color:{colour}">'
        f"{word}</strong> &nbsp; {escape(verdict.headline)}</div>"
    ]
    parts += [_finding(finding) for finding in verdict.findings]
    return "\n".join(parts)


def _finding(finding: Finding) -> str:
    colour, word = _GRADES[finding.severity]
    seen = finding.seen[:1].upper() + finding.seen[1:]
    return (
        f'<div class="finding" style="border-color:{colour}"><span class="tag" '
        f'style="color:{colour}">{word} &middot; {escape(finding.check)}</span><br>'
        f'{escape(seen)}.<br><span class="remedy">{escape(finding.remedy)}.</span></div>'
    )


def _facts(report: ReportInput) -> str:
    evidence = report.evidence
    figures = verdict_to_json(report.verdict, evidence)["rig"]
    lines = [
        f"World frame: {figures['world_frame']}.",
        f"Residual of the adjustment {_number(figures['residual_rmse_px'], 2)} px over everything, "
        f"{_number(figures['residual_rmse_inliers_px'], 2)} px over what was kept; of the "
        f"triangulation, nothing left out, {_number(figures['triangulation_rmse_px'], 2)} px.",
    ]
    if evidence.sightings is not None:
        lines.append(
            f"Target: {figures['target']}; edges come out "
            f"{_number(figures['edge_mean_mm'], 2)} +- {_number(figures['edge_sd_mm'], 2)} mm, "
            f"true {_number(figures['edge_true_mm'], 2)} mm."
        )
    lines += dict.fromkeys([*evidence.solution.notes, *report.notes])
    return '<p class="about">' + "<br>".join(escape(line) for line in lines) + "</p>"


def _table(report: ReportInput) -> str:
    head = (
        "camera",
        "instants",
        "coverage %",
        "RMSE px",
        "triang. RMSE px",
        "time offset ms",
        "focal px",
        "x, y, z m",
        "place mm (1 &sigma;)",
        "rotation &deg; (1 &sigma;)",
    )
    rows: list[str] = []
    for own in verdict_to_json(report.verdict, report.evidence)["cameras"]:
        offset = _with_sigma(own["time_offset_ms"], own["time_offset_sigma_ms"], 2)
        focal = _with_sigma(own["focal_px"], own["focal_sigma_px"], 1)
        share = own["coverage"]
        cells = (
            escape(own["name"]),
            str(own["views"]),
            "" if share is None else f"{100 * share:.0f}",
            _number(own["rmse_px"], 2),
            _number(own["triangulation_rmse_px"], 2),
            offset,
            focal,
            ", ".join(f"{v:.3f}" for v in own["position_m"]),
            _number(own["position_sigma_mm"], 2),
            _number(own["rotation_sigma_deg"], 3),
        )
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    header = "".join(f"<th>{cell}</th>" for cell in head)
    return (
        f'<div class="scroll"><table><tr>{header}</tr>{"".join(rows)}</table></div>'
        '<p class="about">A value without &plusmn; was given, not solved.</p>'
    )


def _with_sigma(value: float | None, sigma: float | None, digits: int) -> str:
    text = _number(value, digits)
    return text if sigma is None else f"{text} &plusmn; {_number(sigma, digits)}"


def _number(value: float | None, digits: int) -> str:
    return "&ndash;" if value is None else f"{value:.{digits}f}"
