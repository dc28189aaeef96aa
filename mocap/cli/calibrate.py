"""`mocap calibrate`: a rig from footage of a board."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from calibration.lens.words import lens_facts
from calibration.with_board import BoardCalibration, BoardOptions, calibrate_with_board
from capture.detectors import DEFAULT_DETECTOR
from mocap.cli.calibration_summary import (
    EXIT_NOT_GOOD,
    called,
    print_calibration,
    report_paths,
)
from mocap.cli.footage import footage_of, lenses_by_name, names_in_file, scan
from mocap.cli.options import option, required
from mocap.cli.people_source import PeopleSource, people_at
from mocap.cli.progress import errors, progress_bar, say_error
from mocap.errors import CalibrationError, InputError, RigError
from mocap.files import check_input, check_output, write_atomically
from mocap.model import Intrinsics, Rig
from mocap.storage.rig_file import load_intrinsics, load_rig, save_rig
from mocap.storage.target_file import load_target

if TYPE_CHECKING:
    from calibration.checks.evidence import KnownDistance
    from calibration.footage import Footage
    from calibration.people.tracks import PeopleTracks
    from calibration.sightings import Sightings
    from mocap.model import Target


@dataclass(frozen=True)
class Calibrate:
    """Calibrate a rig of cameras from footage of a board.

    The board is moved through the volume, then laid on the floor. Lenses, poses of the cameras and
    their delays come out, with a verdict (pass, warn, fail), a remedy for each thing that is wrong,
    and a report with pictures beside the rig. The videos need not be synchronised. 'mocap board'
    prints boards; 'mocap calibrate people' does it without one. See docs/calibration.md.

    Example: mocap calibrate --target board.toml --videos FOLDER --out rig.toml

    Exit codes: 0 verdict pass or warn, 2 an input is not usable, 5 verdict fail (the rig and its
    report are written, and must not be used).
    """

    target: Annotated[Path, required("TARGET.toml")]
    """The board: our TOML, or the file of Caliscope, aniposelib, Pose2Sim or Kalibr (YAML)."""
    out: Annotated[Path, required("RIG.toml")]
    """The rig file to write."""
    videos: Annotated[tuple[Path, ...], option("PATH [PATH ...]")] = ()
    """A folder with one video per camera, or the videos themselves; named after the cameras."""
    images: Annotated[Path | None, option("FOLDER")] = None
    """Images instead of videos: a folder per camera, or names that start with the camera's; images
    of the same number are of the same instant."""
    live: Annotated[tuple[str, ...], option("NAME=SOURCE [NAME=SOURCE ...]")] = ()
    """Live cameras: the number of a device, or the address of a stream. They are recorded to the
    folder that --videos names."""
    seconds: float = 40.0
    """How long live cameras are recorded, in seconds."""
    cameras: Annotated[tuple[str, ...], option("NAME [NAME ...]")] = ()
    """Use only these cameras, in this order. Default: all, in the order of their names."""
    intrinsics: Annotated[Path | None, option("RIG.toml")] = None
    """Known lenses, of any readable format. They are kept as they are."""
    lens_videos: Annotated[tuple[Path, ...], option("PATH [PATH ...]")] = ()
    """Separate footage for the lenses, in which each camera sees the board from near."""
    lens_images: Annotated[Path | None, option("FOLDER")] = None
    """The same as images."""
    lens_target: Annotated[Path | None, option("TARGET.toml")] = None
    """The board of the separate footage. Default: the same."""
    old_rig: Annotated[Path | None, option("RIG.toml")] = None
    """An earlier calibration of these cameras, which the verdict compares with."""
    distance: Annotated[tuple[str, str, float] | None, option("CAMERA CAMERA METRES")] = None
    """A distance between two cameras that was measured, which the verdict compares with."""
    people: Annotated[tuple[Path, ...], option("PATH [PATH ...]")] = ()
    """People in front of the cameras as they stand: a session, a file of 2D people, or videos,
    which may be those of --videos. Their height tells a wrong square size; no board does."""
    height_m: Annotated[float | None, option("METRES")] = None
    """Height of the person who is seen most in --people, without shoes. Default: any adult's."""
    fps: Annotated[float | None, option("HZ")] = None
    """Frame rate of a file of 2D people, which does not state one. Default: 30."""
    detector: Annotated[str, option("NAME")] = DEFAULT_DETECTOR
    """Finds the people in videos. Default: mediapipe-multi."""
    report: Annotated[Path | None, option("REPORT.html")] = None
    """The report. Default: beside the rig, RIG.report.html, and the figures as RIG.report.json."""
    overwrite: bool = False
    """Replace an existing rig and report."""
    options: Annotated[BoardOptions, tyro.conf.arg(name="")] = field(default_factory=BoardOptions)
    """What to solve for."""

    def execute(self) -> int:
        """Runs the command and returns its exit code."""
        html, figures = report_paths(self.out, self.report)
        for path in (self.out, html, figures):
            check_output(path, overwrite=self.overwrite)
        people = self._check()
        target = load_target(self.target)
        if self.live:
            self._record()
        live = tuple(text.partition("=")[0] for text in self.live)
        footage = footage_of(self.videos, self.images, self.cameras or live)
        if len(footage) < 2:
            raise CalibrationError(
                f"{len(footage)} camera ({', '.join(f.name for f in footage)}); a rig needs at "
                f"least two: give the footage of all cameras; for one lens by itself there is "
                f"'mocap calibrate lenses'"
            )
        given = self._lenses(footage)
        old_rig = None if self.old_rig is None else load_rig(self.old_rig)
        tracks = self._people(people, footage)
        sightings = scan(target, footage, "searching the board")
        lens_sightings = self._lens_sightings(target, footage, given)
        with errors.status("calibrating") as status:
            result = calibrate_with_board(
                sightings,
                given,
                self.options,
                lens_sightings=lens_sightings,
                old_rig=old_rig,
                lens_rig=self._lens_rig(footage),
                distances=self._distances(),
                people=tracks,
                height_m=self.height_m,
                say=lambda what: status.update(f"calibrating: {what}"),
            )
            self._write(result, html, figures)
        print_calibration(
            result.evidence, result.verdict, _notes(result), (self.out, html, figures)
        )
        return 0 if result.verdict.grade != "fail" else EXIT_NOT_GOOD

    def _check(self) -> PeopleSource | None:
        """Checks the options; returns where people come from."""
        check_input(self.target, "target file")
        if self.live:
            if len(self.videos) != 1 or self.images is not None:
                raise InputError(
                    "--live needs --videos with one folder, to which the cameras are recorded"
                )
        elif bool(self.videos) == (self.images is not None):
            raise InputError("pass either --videos or --images, and not both")
        if self.lens_videos and self.lens_images is not None:
            raise InputError("pass either --lens-videos or --lens-images, and not both")
        if self.lens_target is not None and not (self.lens_videos or self.lens_images):
            raise InputError("--lens-target needs --lens-videos or --lens-images")
        if self.options.floor == "none" and self.options.floor_at_s is not None:
            raise InputError("--floor-at-s does not go with --floor none; leave one out")
        if self.height_m is not None and not 0.4 <= self.height_m <= 2.6:
            raise InputError(
                f"--height-m is {self.height_m:g}; give the height in metres, between 0.4 and 2.6"
            )
        if not self.people:
            for name, given in (("height-m", self.height_m), ("fps", self.fps)):
                if given is not None:
                    raise InputError(f"--{name} needs --people, in which the person is seen")
            return None
        return people_at(self.people, self.fps, self.detector)

    def _record(self) -> None:
        from capture.live import record_live
        from mocap.cli.interrupt import Interruption

        sources: dict[str, str] = {}
        for text in self.live:
            name, _, source = text.partition("=")
            if not name or not source or name in sources:
                raise InputError(
                    f"--live got {text!r}, expected different NAME=SOURCE, such as left=0 or "
                    f"door=rtsp://..."
                )
            sources[name] = source
        with (
            Interruption() as interruption,
            progress_bar("recording: move the board, then lay it on the floor", None) as progress,
        ):
            reports = record_live(
                sources,
                self.videos[0],
                self.seconds,
                overwrite=self.overwrite,
                stopped=interruption.requested,
                progress=lambda done, of: progress(int(done), int(of)),
            )
        for name, report in reports.items():
            if report.lost is not None:
                say_error(f"camera {name!r} {report.lost}; going on with what it saw", "warning")

    def _lenses(self, footage: Sequence[Footage]) -> dict[str, Intrinsics]:
        if self.intrinsics is None:
            return {}
        sizes = {each.name: each.image_size for each in footage}
        lenses, notes = lenses_by_name(sizes, load_intrinsics(self.intrinsics), self.intrinsics)
        for note in notes:
            say_error(note, "note", "yellow")
        return lenses

    def _lens_rig(self, footage: Sequence[Footage]) -> Rig | None:
        """The poses that stand beside the given lenses, if the file has any."""
        if self.intrinsics is None:
            return None
        try:
            rig = load_rig(self.intrinsics)
        except RigError:
            # Many files hold lenses only; `_lenses` has read them.
            return None
        pairs, _ = names_in_file((each.name for each in footage), rig.names)
        return Rig(tuple(replace(rig[other], name=name) for name, other in pairs.items()))

    def _lens_sightings(
        self, target: Target, footage: Sequence[Footage], given: dict[str, Intrinsics]
    ) -> Sightings | None:
        if not self.lens_videos and self.lens_images is None:
            return None
        if len(given) == len(footage):
            raise InputError(
                "--intrinsics gives all lenses already; leave it or the separate footage out"
            )
        other = target if self.lens_target is None else load_target(self.lens_target)
        names = tuple(each.name for each in footage)
        separate = footage_of(self.lens_videos, self.lens_images, names)
        return scan(other, separate, "searching the board for the lenses")

    def _people(
        self, source: PeopleSource | None, footage: Sequence[Footage]
    ) -> PeopleTracks | None:
        if source is None:
            return None
        known = {each.name: each.image_size for each in footage}
        if source.videos:
            source = replace(source, cameras=tuple(known))
        tracks, _ = source.load(known)
        if not any(name in known for name in tracks.names):
            raise InputError(
                f"--people has cameras {', '.join(tracks.names)}, the footage has "
                f"{', '.join(known)}; name them alike"
            )
        return tracks

    def _distances(self) -> tuple[KnownDistance, ...]:
        from calibration.checks.evidence import KnownDistance

        return () if self.distance is None else (KnownDistance(*self.distance),)

    def _write(self, result: BoardCalibration, html: Path, figures: Path) -> None:
        from calibration.report import ReportInput, write_report
        from calibration.verdict import verdict_to_json

        sources = ", ".join(str(p) for p in (*self.videos, self.images) if p is not None)
        provenance = f"mocap calibrate: {self.target.name} seen in {sources}"
        rig: Rig = result.solution.rig
        metadata = replace(rig.metadata, provenance=(*rig.metadata.provenance, provenance))
        save_rig(replace(rig, metadata=metadata), self.out, overwrite=self.overwrite)
        notes = _notes(result)
        title = f"Calibration of {self.out.stem}"
        write_report(
            html,
            ReportInput(title, result.evidence, result.verdict, (called(),), notes),
        )
        content = verdict_to_json(result.verdict, result.evidence)
        content["options"] = dataclasses.asdict(self.options)
        content["notes"] = list(notes)
        write_atomically(figures, json.dumps(content, indent=2).encode())


def _notes(result: BoardCalibration) -> tuple[str, ...]:
    sightings = result.evidence.sightings
    cameras = sightings.cameras if sightings is not None else ()
    found = [note for camera in cameras for note in camera.notes]
    # Weak lenses and those that do not fit are findings of the verdict.
    found += [note for lens in result.lenses.values() for note in lens_facts(lens)]
    found += result.solution.notes
    return tuple(dict.fromkeys(found))
