"""What a run reports at its end, and what `mocap info` shows of it later."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from capture.supervisor import CameraReport
from mocap.cli.progress import console, say
from mocap.model import SetAside
from mocap.pipeline.leads import Lead
from mocap.pipeline.metrics import limb_deviation_m, valid_share, view_share
from mocap.pipeline.rig_events import RigEvent
from mocap.pipeline.session_run import RunTiming
from mocap.pipeline.still_figures import StillFigure
from mocap.storage.session_reader import Session

NOISY_CAMERA = 1.5
"""A camera noisier than this, against the quietest, is pointed out."""
MAX_LISTED = 5
"""So many people who are none of the session's are named one by one."""
MUCH_REJECTED = 0.3
"""A camera of whose keypoints a larger share is rejected is pointed out."""


def run_summary(
    timing: RunTiming,
    reports: Mapping[str, CameraReport],
    camera_noise: Mapping[str, float],
    smooth_s: float,
    total_s: float,
    rig_events: Sequence[RigEvent] = (),
    leads: Sequence[Lead] = (),
    still: Sequence[StillFigure] = (),
) -> dict[str, Any]:
    """The summary that is stored in the session.

    Args:
        timing: of the central node.
        reports: of the workers.
        camera_noise: learnt noise of each camera, relative to what was configured.
        smooth_s: time spent on the smooth layer.
        total_s: time of the whole command.
        rig_events: cameras that were bumped, or whose clock drifted.
        leads: people whom one view alone shows.
        still: people who never move.
    """
    return {
        "total_s": total_s,
        "smooth_s": smooth_s,
        "central": asdict(timing),
        "workers": {name: asdict(report) for name, report in reports.items()},
        "camera_noise": dict(camera_noise),
        "rig_events": [event.as_json() for event in rig_events],
        "leads": [lead.as_json() for lead in leads],
        "still_figures": [figure.as_json() for figure in still],
    }


def print_summary(path: Path, summary: Mapping[str, Any]) -> None:
    """Prints what is in a session and where the time of its run went."""
    with Session(path) as session:
        print_session(session)
    _print_timing(summary)
    if len(summary.get("workers", {})):
        _print_cameras(summary)
    print_remarks(summary, path)
    name = shlex.quote(str(path))
    say(f"\nSession written to {path}")
    say(f"look at it:  mocap view {name}")
    say(f"convert it:  mocap export {name} --format bvh npz --out FOLDER")


def print_session(session: Session) -> None:
    """Prints what a session holds and how good it is."""
    raw = session.motion("raw")
    frames = session.frames
    span_s = (frames.time_ns[-1] - frames.time_ns[0]) * 1e-9 if len(frames) else 0.0
    rate = f"{frames.rate_hz:.4g} Hz" if len(frames) > 1 else "unknown rate"
    say(
        f"{len(frames)} frames ({span_s:.2f} s, {rate}), {len(session.rig)} cameras, "
        f"skeleton {session.skeleton.name}, layers {', '.join(session.layers) or 'none'}"
    )
    if not len(raw):
        say("Nobody was seen by two cameras: there are no 3D people.", "yellow")
        return
    body = session.skeleton.indices("body", "feet")
    layer = session.best_layer
    best = session.motion(layer)
    table = Table(title=f"People ({layer} layer)", title_justify="left")
    for heading in ("id", "frames", "body keypoints", "reprojection", "limb length sd"):
        table.add_column(heading, justify="right")
    for person_id in best.person_ids:
        person = best.person(person_id)
        errors = person.reprojection_px[:, list(body)]
        errors = errors[errors == errors]
        spread = [v for v in limb_deviation_m(person).values() if v == v]
        table.add_row(
            str(person_id),
            str(len(person)),
            f"{100 * valid_share(person, body):.1f} %",
            f"{_middle(errors.tolist()):.1f} px",
            f"{1000 * sum(spread) / len(spread):.1f} mm" if spread else "-",
        )
    console.print(table)
    _print_views(session, body)
    left_out = sorted(set(raw.person_ids) - set(best.person_ids))
    if session.edits:
        count = len(session.edits)
        say(f"{count} correction{'s' if count > 1 else ''} of ids; 'mocap tracks' lists them.")
    if left_out:
        say(f"{len(left_out)} people seen in too few frames are in the raw layer only.")
    _print_bystanders(session)


def _print_bystanders(session: Session) -> None:
    """Prints who was set aside, and why."""
    rows = session.bystanders()
    words = {
        SetAside.OUTSIDE_VOLUME: "outside the capture volume",
        SetAside.NOT_A_PERFORMER: "not one of the performers",
    }
    for reason, what in words.items():
        ids = rows["person_id"][rows["reason"] == reason]
        if not len(ids):
            continue
        each = [f"{i} ({(ids == i).sum()} frames)" for i in sorted(set(ids.tolist()))]
        shown = ", ".join(each[:MAX_LISTED]) + (" ..." if len(each) > MAX_LISTED else "")
        say(f"Set aside, {what}: {shown}")


def _print_views(session: Session, body: tuple[int, ...]) -> None:
    """Prints what each camera contributed, and points out those that contradict the others."""
    views = session.views()
    noise = session.summary.get("camera_noise", {})
    table = Table(title="Views of these people", title_justify="left")
    for heading in ("camera", "2D people", "keypoints used", "rejected", "mirrored", "noise"):
        table.add_column(heading, justify="left" if heading == "camera" else "right")
    suspects: list[str] = []
    for c, name in enumerate(session.rig.names):
        share = view_share(
            views["view_state"][:, c], views["detection_index"][:, c], views["mirrored"][:, c], body
        )
        table.add_row(
            escape(name),
            str(share.seen),
            f"{100 * share.used:.0f} %",
            f"{100 * share.rejected:.0f} %",
            str(share.mirrored),
            f"x{noise[name]:.2f}" if name in noise else "-",
        )
        noisy = bool(noise) and noise.get(name, 0.0) > NOISY_CAMERA * min(noise.values())
        if noisy or share.rejected > MUCH_REJECTED:
            suspects.append(name)
    console.print(table)
    for name in suspects:
        say(
            f"camera {name} disagrees with the others: it was moved, is not in sync, or its "
            f"calibration is off; calibrate it again",
            "yellow",
        )


def _middle(values: list[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2] if ordered else float("nan")


def _print_timing(summary: Mapping[str, Any]) -> None:
    central = summary["central"]
    parts = {
        "waiting for detection": central["wait_s"],
        "3D reconstruction": central["reconstruct_s"],
        "writing": central["store_s"],
        "smoothing": summary["smooth_s"],
    }
    total = summary["total_s"]
    parts["start and end"] = total - sum(parts.values())
    frames = max(central["frames"], 1)
    table = Table(title=f"Time: {total:.1f} s", title_justify="left")
    for heading in ("step", "seconds", "share", "ms per frame"):
        table.add_column(heading, justify="left" if heading == "step" else "right")
    for name, seconds in parts.items():
        table.add_row(
            name,
            f"{seconds:.2f}",
            f"{100 * seconds / total:.1f} %",
            f"{1000 * seconds / frames:.2f}",
        )
    console.print(table)


def _print_cameras(summary: Mapping[str, Any]) -> None:
    table = Table(title="Cameras", title_justify="left")
    for heading in ("camera", "frames", "start", "decode", "detect", "send"):
        table.add_column(heading, justify="left" if heading == "camera" else "right")
    for name, report in summary["workers"].items():
        frames = max(report["frames"], 1)
        table.add_row(
            escape(name),
            str(report["frames"]),
            f"{report['startup_s']:.1f} s",
            *(
                f"{1000 * report[key] / frames:.1f} ms"
                for key in ("decode_s", "detect_s", "send_s")
            ),
        )
    console.print(table)


def print_remarks(
    summary: Mapping[str, Any], path: Path, people: Collection[int] | None = None
) -> None:
    """Prints what is to be looked at: cameras, people who never move, and leads.

    Args:
        summary: of the session.
        path: of the session, for the commands that help.
        people: ids that are left after corrections; None for all.
    """
    for stored in summary.get("rig_events", ()):
        event = RigEvent.from_json(stored)
        say(f"{event.sentence()}; solve the rig again from then on:", "yellow")
        say(f"  {event.remedy(shlex.quote(str(path)))}")
    for stored in summary.get("still_figures", ()):
        figure = StillFigure.from_json(stored)
        if people is not None and figure.person_id not in people:
            continue
        name = shlex.quote(str(path))
        say(
            f"{figure.sentence()} Leave it out: 'mocap tracks {name} --remove {figure.person_id}'",
            "yellow",
        )
    leads = [Lead.from_json(stored) for stored in summary.get("leads", ())]
    for lead in sorted(leads, key=lambda lead: -lead.frames)[:MAX_LISTED]:
        say(lead.sentence())
    if leads:
        more = f"{len(leads) - MAX_LISTED} more leads; " if len(leads) > MAX_LISTED else ""
        say(f"{more}one view alone does not say where in the room somebody is: 'mocap explain'")
    for name, report in summary.get("workers", {}).items():
        if report["restarts"]:
            say(f"camera {name}: its worker was started again ({report['errors'][0]})", "yellow")
        if report["lost"]:
            say(f"camera {name}: lost after {report['frames']} frames ({report['lost']})", "red")
        if report.get("dropped"):
            say(f"camera {name}: {report['dropped']} foreign messages were dropped", "yellow")
