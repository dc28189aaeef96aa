"""`mocap calibrate people`, `mocap calibrate refine`: calibration without a board."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from calibration.with_people import PeopleOptions, calibrate_with_people, refine_with_people
from capture.detectors import DEFAULT_DETECTOR
from mocap.cli.calibration_summary import (
    EXIT_NOT_GOOD,
    called,
    print_calibration,
    report_paths,
)
from mocap.cli.footage import lenses_by_name
from mocap.cli.options import option, required
from mocap.cli.people_source import PeopleSource
from mocap.cli.progress import errors, say, say_error
from mocap.errors import InputError, RigError
from mocap.files import check_output, write_atomically
from mocap.model import Intrinsics, Rig
from mocap.storage.rig_file import load_intrinsics, load_rig, save_rig

if TYPE_CHECKING:
    from calibration.checks.evidence import Evidence
    from calibration.people.adjustment import PeopleAdjustment
    from calibration.people.tracks import PeopleTracks
    from calibration.verdict import Verdict

DEFAULT_SAMPLES_SEED = 0


@dataclass(frozen=True)
class CalibratePeople:
    """Calibrate a rig without a board, from people who walk through the volume.

    Poses of the cameras, their delays and, where lenses are not given, focal lengths come out, with
    a verdict and a report. The height of the person who is seen most gives the scale. The floor is
    where the feet are. Less accurate than a board. See docs/calibration.md.

    Example: mocap calibrate people --videos FOLDER --height-m 1.78 --out rig.toml

    Exit codes: 0 verdict pass or warn, 2 an input is not usable, 5 verdict fail (the rig and its
    report are written, and must not be used).
    """

    out: Annotated[Path, required("RIG.toml")]
    """The rig file to write."""
    videos: Annotated[tuple[Path, ...], option("PATH [PATH ...]")] = ()
    """A folder with one video per camera, or the videos themselves; named after the cameras."""
    observations: Annotated[Path | None, option("OBS.npz")] = None
    """2D people, instead of videos; see docs/formats.md."""
    session: Annotated[Path | None, option("SESSION.h5")] = None
    """The 2D people of a session, instead of videos; and its lenses, unless others are given."""
    fps: Annotated[float | None, option("HZ")] = None
    """Frame rate of --observations, which do not state one. Default: 30."""
    detector: Annotated[str, option("NAME")] = DEFAULT_DETECTOR
    """Finds the people in videos. Default: mediapipe-multi."""
    cameras: Annotated[tuple[str, ...], option("NAME [NAME ...]")] = ()
    """Use only these cameras, in this order."""
    intrinsics: Annotated[Path | None, option("RIG.toml")] = None
    """Known lenses, of any readable format. They are kept as they are."""
    old_rig: Annotated[Path | None, option("RIG.toml")] = None
    """An earlier calibration of these cameras, which the verdict compares with."""
    samples: int = 0
    """Also draw so many samples of the distribution of the rig, and report its quantiles."""
    report: Annotated[Path | None, option("REPORT.html")] = None
    """The report. Default: beside the rig, RIG.report.html, and the figures as RIG.report.json."""
    overwrite: bool = False
    """Replace an existing rig and report."""
    options: Annotated[PeopleOptions, tyro.conf.arg(name="")] = field(default_factory=PeopleOptions)
    """What to solve for."""

    def execute(self) -> int:
        """Runs the command and returns its exit code."""
        html, figures = report_paths(self.out, self.report)
        for path in (self.out, html, figures):
            check_output(path, overwrite=self.overwrite)
        if self.samples < 0:
            raise InputError(f"--samples is {self.samples}; it must be zero or positive")
        source = PeopleSource(
            session=self.session,
            observations=self.observations,
            videos=self.videos,
            fps=self.fps,
            detector=self.detector,
            cameras=self.cameras,
        )
        source.check()
        old_rig = None if self.old_rig is None else load_rig(self.old_rig)
        tracks, rig = source.load()
        lenses = self._lenses(tracks, rig)
        with errors.status("calibrating"):
            result = calibrate_with_people(tracks, lenses, self.options, old_rig=old_rig)
            notes = list(result.evidence.solution.notes)
            if self.samples:
                notes += _drawn(result.calibration.adjustment, tracks.names, self.samples)
            _write(
                result.solution.rig,
                self.out,
                (html, figures),
                f"mocap calibrate people: people seen by {', '.join(tracks.names)}",
                result.evidence,
                result.verdict,
                notes,
                dataclasses.asdict(self.options),
            )
        print_calibration(result.evidence, result.verdict, notes, (self.out, html, figures))
        return 0 if result.verdict.grade != "fail" else EXIT_NOT_GOOD

    def _lenses(self, tracks: PeopleTracks, rig: Rig | None) -> list[Intrinsics | None] | None:
        if self.intrinsics is not None:
            sizes = {camera.name: camera.image_size for camera in tracks.cameras}
            lenses, notes = lenses_by_name(sizes, load_intrinsics(self.intrinsics), self.intrinsics)
            for note in notes:
                say_error(note, "note", "yellow")
            return [lenses[name] for name in tracks.names]
        if rig is not None:
            return [rig[name].intrinsics for name in tracks.names]
        return None


@dataclass(frozen=True)
class CalibrateRefine:
    """Refine the poses of a rig on the people that its cameras film.

    Says which camera was off and by how much. Position, direction and scale of the whole stay those
    of the given rig. See docs/calibration.md.

    Example: mocap calibrate refine SESSION.h5 --out refined.toml

    Exit codes: 0 verdict pass or warn, 2 an input is not usable, 5 verdict fail (the rig and its
    report are written, and must not be used).
    """

    session: Annotated[
        Path | None,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="[SESSION.h5]", help_behavior_hint=""),
    ] = None
    """The people of a session that 'mocap run' made with the rig; brings the rig with it."""
    out: Annotated[Path | None, option("RIG.toml")] = None
    """The refined rig to write. Without it the changes are only told."""
    rig: Annotated[Path | None, option("RIG")] = None
    """The rig to refine, where it is not that of the session."""
    videos: Annotated[tuple[Path, ...], option("PATH [PATH ...]")] = ()
    """Videos of people, instead of a session."""
    observations: Annotated[Path | None, option("OBS.npz")] = None
    """2D people, instead of a session."""
    fps: Annotated[float | None, option("HZ")] = None
    """Frame rate of --observations, which do not state one. Default: 30."""
    detector: Annotated[str, option("NAME")] = DEFAULT_DETECTOR
    """Finds the people in videos. Default: mediapipe-multi."""
    every: int = 1
    """Use only every so many frames, for instance to judge the result on the others."""
    after_s: Annotated[float | None, option("SECONDS")] = None
    """Use only what was filmed after this time, for a camera that was bumped on the way."""
    focal: bool = False
    """Refine the focal lengths too."""
    offsets: bool = False
    """Refine the cameras' delays too."""
    samples: int = 0
    """Also draw so many samples of the distribution of the rig, and report its quantiles."""
    report: Annotated[Path | None, option("REPORT.html")] = None
    """The report. Default: beside the rig, RIG.report.html, and the figures as RIG.report.json."""
    overwrite: bool = False
    """Replace an existing rig and report."""

    def execute(self) -> int:
        """Runs the command and returns its exit code."""
        if self.out is not None:
            html, figures = report_paths(self.out, self.report)
            for path in (self.out, html, figures):
                check_output(path, overwrite=self.overwrite)
        elif self.report is not None:
            raise InputError("--report needs --out")
        if self.every < 1 or self.samples < 0:
            raise InputError("--every must be at least 1, and --samples zero or positive")
        source = PeopleSource(
            session=self.session,
            observations=self.observations,
            videos=self.videos,
            fps=self.fps,
            detector=self.detector,
            rig=self.rig,
        )
        source.check()
        if self.session is None and self.rig is None:
            raise RigError("name the rig to refine with --rig, or a session")
        tracks, rig = source.load()
        assert rig is not None
        if self.after_s is not None:
            tracks = tracks.between(self.after_s, float("inf"))
        if self.every > 1:
            tracks = tracks.every(self.every)
        with errors.status("refining"):
            refinement, evidence, verdict = refine_with_people(
                rig, tracks, solve_offsets=self.offsets, solve_focal=self.focal
            )
            lines = refinement.report.splitlines()
            notes = [*refinement.solution.notes]
            if self.samples:
                notes += _drawn(refinement.adjustment, rig.names, self.samples)
            if self.out is not None:
                _write(
                    refinement.solution.rig,
                    self.out,
                    report_paths(self.out, self.report),
                    f"mocap calibrate refine: on people seen by {', '.join(rig.names)}",
                    evidence,
                    verdict,
                    [*notes, *lines],
                    {"every": self.every, "focal": self.focal, "offsets": self.offsets},
                )
        written = () if self.out is None else (self.out, *report_paths(self.out, self.report))
        for line in lines:
            say(line)
        print_calibration(evidence, verdict, notes, written)
        return 0 if verdict.grade != "fail" else EXIT_NOT_GOOD


def _drawn(adjustment: PeopleAdjustment, names: Sequence[str], samples: int) -> list[str]:
    import numpy as np

    from calibration.people.posterior import sample_rig

    random = np.random.default_rng(DEFAULT_SAMPLES_SEED)
    return sample_rig(adjustment, random, samples=samples).report(tuple(names)).splitlines()


def _write(
    rig: Rig,
    out: Path,
    reports: tuple[Path, Path],
    provenance: str,
    evidence: Evidence,
    verdict: Verdict,
    notes: Sequence[str],
    options: dict[str, Any],
) -> None:
    from calibration.report import ReportInput, write_report
    from calibration.verdict import verdict_to_json

    metadata = replace(rig.metadata, provenance=(*rig.metadata.provenance, provenance))
    save_rig(replace(rig, metadata=metadata), out, overwrite=True)
    title = f"Calibration of {out.stem}"
    html, figures = reports
    write_report(html, ReportInput(title, evidence, verdict, (called(),), tuple(notes)))
    content = verdict_to_json(verdict, evidence)
    content["options"], content["notes"] = options, list(notes)
    write_atomically(figures, json.dumps(content, indent=2).encode())
