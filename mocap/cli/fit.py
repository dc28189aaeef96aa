"""`mocap fit`: body models on the people of a session."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.table import Table

from mocap.body.fit import BodyFit
from mocap.body.fit_config import Device, FitConfig, batch_device
from mocap.body.fit_report import FitReport
from mocap.cli.bodies import body_of_each
from mocap.cli.options import SessionPath, option
from mocap.cli.progress import console, progress_bar, say
from mocap.errors import InputError
from mocap.pipeline.body import BodyChoice, fit_person, store_fits
from mocap.storage.session_reader import Session


@dataclass(frozen=True)
class FitOptions:
    """Settings of the fit.

    Attributes:
        smooth: how much the motion is smoothed; 1 is normal, 0 fits every frame by itself.
        robust_sigmas: at this many standard deviations a keypoint pulls most; farther ones less.
        no_floor: do not keep feet above z = 0.
        no_contacts: let feet that stand slide as the keypoints say.
        threads: number of stretches fitted at the same time.
        device: what fits the frames of a stretch together: cpu; cuda, a graphics card; auto, cuda
            where there is one and else cpu; torch, what cuda does, but on the processor.
    """

    smooth: float = 1.0
    robust_sigmas: float = 4.0
    no_floor: bool = False
    no_contacts: bool = False
    threads: int = 2
    device: Device = "cpu"

    def config(self) -> FitConfig:
        """As the fitter takes them."""
        return FitConfig(
            robust_sigmas=self.robust_sigmas,
            smooth=self.smooth,
            floor=not self.no_floor,
            contacts=not self.no_contacts,
            threads=self.threads,
            device=self.device,
        )


@dataclass(frozen=True)
class Fit:
    """Fit a body to each person of a session: joint rotations on a skeleton of constant bones.

    The bodies are kept beside the session, in SESSION.h5.bodies.h5, where 'mocap export' finds
    them; the session itself is not changed. The report says how far keypoints are from the body,
    which joints reached a limit, which frames to look at, and which lengths are assumed. See
    docs/bodies.md.

    Example: mocap fit session.h5 --model skeleton
    """

    session: SessionPath
    """The session file."""
    model: Annotated[str, option("NAME")] = "skeleton"
    """skeleton, anny, smpl, smplh or smplx. Default: skeleton."""
    gender: Literal["neutral", "male", "female"] = "neutral"
    """Of the body model, where it knows a difference."""
    model_path: Annotated[Path | None, option("PATH")] = None
    """File or folder of your licensed model files, for smpl, smplh and smplx."""
    layer: Annotated[Literal["raw", "smooth"] | None, option("{raw,smooth}")] = None
    """Fit the keypoints as triangulated, or smoothed. Default: smooth if there is one."""
    people: Annotated[tuple[int, ...], option("ID [ID ...]")] = ()
    """Only these person ids. Default: all."""
    from_2d: bool = False
    """Fit the 2D keypoints of all cameras by their reprojection, rather than the 3D ones."""
    no_fingers: bool = False
    """Leave the hands without fingers."""
    options: Annotated[FitOptions, tyro.conf.arg(name="")] = field(default_factory=FitOptions)
    """Settings of the fit."""

    def execute(self) -> int:
        """Runs the command and returns its exit code."""
        choice = BodyChoice(
            self.model,
            self.gender,
            self.model_path,
            not self.no_fingers,
            self.layer,
            self.from_2d,
            self.options.config(),
        )
        # What cannot be had is said before the session is opened.
        device = batch_device(self.options.device)
        if self.options.device == "auto":
            say(f"fitted on device {device or 'cpu'}")
        with Session(self.session) as session:
            motion = session.motion(self.layer or session.best_layer)
            people = self.people or motion.person_ids
            if not people:
                raise InputError(
                    f"{self.session} holds no 3D people; 'mocap info {self.session}' says what it "
                    f"holds"
                )
            for person_id in people:
                motion.person(person_id)
            fits = self._fits(session, people, choice)
            path = store_fits(session, fits, choice)
        print_reports([fit.report for fit in fits])
        say(f"\nBodies written to {path}")
        return 0

    def _fits(self, session: Session, people: tuple[int, ...], choice: BodyChoice) -> list[BodyFit]:
        with progress_bar("people", 100 * len(people)) as progress:

            def fit(person_id: int) -> BodyFit:
                before = 100 * people.index(person_id)

                def part(done: int, total: int) -> None:
                    progress(before + round(100 * done / total), 100 * len(people))

                return fit_person(session, person_id, choice, part)

            fits = body_of_each(people, fit, all_needed=bool(self.people))
            progress(100 * len(people), 100 * len(people))
        return fits


def print_reports(reports: list[FitReport]) -> None:
    """Prints the reports of fits as tables."""
    table = Table(title=f"Bodies ({reports[0].model})", title_justify="left")
    for heading in (
        "id",
        "frames",
        "measured",
        "residual",
        "height",
        "contacts",
        "largest slide",
        "frames to look at",
    ):
        table.add_column(heading, justify="right")
    for report in reports:
        table.add_row(
            str(report.person_id),
            str(report.frames),
            f"{100 * report.measured_frames / max(report.frames, 1):.0f} %",
            f"{report.median_mm:.1f} mm",
            f"{report.stature_m:.2f} m" if report.stature_m == report.stature_m else "-",
            str(report.contacts),
            f"{report.largest_slide_mm:.1f} mm" if report.contacts else "-",
            " ".join(map(str, report.frames_to_look_at[:5])) or "none",
        )
    console.print(table)
    _print_residuals(reports)
    for report in reports:
        name = f"person {report.person_id}"
        if report.limits_hit:
            worst = list(report.limits_hit.items())[:6]
            text = ", ".join(f"{dof} ({100 * share:.0f} % of frames)" for dof, share in worst)
            say(f"{name}: at a limit: {text}")
        if report.assumed:
            say(f"{name}: assumed from body proportions: {', '.join(report.assumed)}")
        for remark in report.remarks:
            say(f"{name}: {remark}", "yellow")


def _print_residuals(reports: list[FitReport]) -> None:
    """Distances of the keypoints of body and feet; fingers and face in one row each."""
    table = Table(title="Distance of keypoints from the body, median (95 %)", title_justify="left")
    table.add_column("keypoint")
    for report in reports:
        table.add_column(f"person {report.person_id}", justify="right")
    by_person = [{r.name: r for r in report.residuals} for report in reports]
    names = list(dict.fromkeys(name for found in by_person for name in found))
    for name in names:
        if "_hand_" in name or name.startswith("face_"):
            continue
        cells = [
            f"{r.median_mm:.0f} ({r.p95_mm:.0f}) mm" if (r := found.get(name)) else "-"
            for found in by_person
        ]
        table.add_row(name, *cells)
    for word, part in (
        ("left hand", "left_hand_"),
        ("right hand", "right_hand_"),
        ("face", "face_"),
    ):
        chosen = [[r for n, r in found.items() if n.startswith(part)] for found in by_person]
        if any(chosen):
            table.add_row(
                word,
                *(
                    f"{_middle([r.median_mm for r in rs]):.0f} "
                    f"({_middle([r.p95_mm for r in rs]):.0f}) mm"
                    if rs
                    else "-"
                    for rs in chosen
                ),
            )
    console.print(table)


def _middle(values: list[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]
