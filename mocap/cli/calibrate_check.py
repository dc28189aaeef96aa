"""`mocap calibrate check`: how good an old calibration is on today's footage."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rich.table import Table
from rich.text import Text

from capture.detectors import DEFAULT_DETECTOR
from mocap.cli.calibration_summary import EXIT_NOT_GOOD, print_verdict
from mocap.cli.footage import footage_of, scan
from mocap.cli.options import option, required
from mocap.cli.people_source import PeopleSource
from mocap.cli.progress import console, errors, say
from mocap.errors import InputError
from mocap.files import check_output, write_atomically
from mocap.model import Rig
from mocap.storage.rig_file import load_rig
from mocap.storage.target_file import load_target

if TYPE_CHECKING:
    from calibration.check import RigCheck


@dataclass(frozen=True)
class CalibrateCheck:
    """Check an old calibration on today's footage of a board, or of people.

    Says whether it still holds, which camera has moved and by how much, whether a lens was changed,
    and whether the cameras are in step.

    Example: mocap calibrate check --rig rig.toml --target board.toml --videos FOLDER

    Exit codes: 0 verdict pass or warn, 2 an input is not usable, 5 verdict fail.
    """

    rig: Annotated[Path, required("RIG")]
    """The calibration to check, of any readable format."""
    target: Annotated[Path | None, option("TARGET.toml")] = None
    """The board in the footage. Without it, people are looked for."""
    videos: Annotated[tuple[Path, ...], option("PATH [PATH ...]")] = ()
    """A folder with one video per camera, or the videos themselves; named after the cameras."""
    images: Annotated[Path | None, option("FOLDER")] = None
    """Images of a board instead of videos; see 'mocap calibrate'."""
    session: Annotated[Path | None, option("SESSION.h5")] = None
    """The people of a session instead of videos."""
    observations: Annotated[Path | None, option("OBS.npz")] = None
    """2D people in a file instead of videos."""
    fps: Annotated[float | None, option("HZ")] = None
    """Frame rate of --observations, which do not state one. Default: 30."""
    detector: Annotated[str, option("NAME")] = DEFAULT_DETECTOR
    """Finds the people in videos. Default: mediapipe-multi."""
    two_sided: bool = False
    """The board has a print on either side; how they lie on each other is solved for."""
    cameras: Annotated[tuple[str, ...], option("NAME [NAME ...]")] = ()
    """Check only these cameras of the rig."""
    json: Annotated[Path | None, option("CHECK.json")] = None
    """Also write the figures to a file."""
    overwrite: bool = False
    """Replace an existing file of figures."""

    def execute(self) -> int:
        """Runs the command and returns its exit code."""
        if self.json is not None:
            check_output(self.json, overwrite=self.overwrite)
        if self.target is not None and (self.session or self.observations):
            raise InputError("--target is for videos or images of a board; leave it out for people")
        if self.images is not None and (self.target is None or self.videos):
            raise InputError("--images needs --target, and no --videos")
        if self.two_sided and self.target is None:
            raise InputError("--two-sided is for a board; give --target, or leave it out")
        check = self._board(self.target) if self.target is not None else self._people()
        _print(check)
        if self.json is not None:
            write_atomically(self.json, json.dumps(_figures(check), indent=2).encode())
            say(str(self.json))
        return 0 if check.verdict.grade != "fail" else EXIT_NOT_GOOD

    def _board(self, target: Path) -> RigCheck:
        from calibration.check import check_rig

        board = load_target(target)
        rig = load_rig(self.rig)
        if self.cameras:
            rig = rig.subset(self.cameras)
        footage = footage_of(self.videos, self.images, rig.names)
        rig = _fitted(rig, {each.name: each.image_size for each in footage})
        sightings = scan(board, footage, "searching the board")
        if all(each.nominal_fps is None for each in footage):
            # Images of the same number are of the same instant, whatever the videos were.
            for camera in rig:
                rig = rig.replaced(replace(camera, time_offset_s=0.0))
        with errors.status("checking"):
            return check_rig(rig, sightings, two_sided=self.two_sided)

    def _people(self) -> RigCheck:
        from calibration.with_people import check_with_people

        source = PeopleSource(
            session=self.session,
            observations=self.observations,
            videos=self.videos,
            fps=self.fps,
            detector=self.detector,
            rig=self.rig,
            cameras=self.cameras,
        )
        tracks, rig = source.load()
        assert rig is not None
        with errors.status("checking"):
            return check_with_people(rig, tracks)


def _fitted(rig: Rig, sizes: dict[str, tuple[int, int]]) -> Rig:
    from calibration.image_size import fit_camera_to_image_size
    from mocap.cli.progress import say_error

    known = {name.casefold(): size for name, size in sizes.items()}
    for camera in rig:
        fitted, warning = fit_camera_to_image_size(camera, known[camera.name.casefold()])
        if warning:
            say_error(warning, "warning", "yellow")
        rig = rig.replaced(fitted)
    return rig


def _print(check: RigCheck) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("camera")
    for column in ("error px", "against the others px", "moved mm", "turned deg"):
        table.add_column(column, justify="right")
    for camera in check.cameras:
        table.add_row(
            Text(camera.name),
            f"{camera.rmse_px:.2f}",
            "" if math.isnan(camera.left_out_px) else f"{camera.left_out_px:.2f}",
            f"{1000 * camera.moved_m:.1f} +- {1000 * camera.moved_sigma_m:.1f}",
            f"{math.degrees(camera.turned_rad):.2f} +- {math.degrees(camera.turned_sigma_rad):.2f}",
        )
    console.print(table)
    say(
        f"{check.points} points triangulated, {check.rmse_px:.2f} px from their pixels (RMS of all)"
    )
    for note in check.notes:
        say(f"- {note}")
    print_verdict(check.verdict)


def _figures(check: RigCheck) -> dict[str, object]:
    from calibration.verdict import verdict_to_json

    content = verdict_to_json(check.verdict)
    content["rmse_px"], content["points"] = check.rmse_px, check.points
    content["notes"] = list(check.notes)
    content["cameras"] = [
        {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in vars(camera).items()
        }
        for camera in check.cameras
    ]
    return content
