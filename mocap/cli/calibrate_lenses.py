"""`mocap calibrate lenses`: the lens of each camera by itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rich.table import Table
from rich.text import Text

from mocap.cli.calibration_summary import EXIT_NOT_GOOD
from mocap.cli.footage import footage_of, scan
from mocap.cli.options import option, required
from mocap.cli.progress import console, errors, say, say_error
from mocap.errors import CalibrationError
from mocap.files import check_input, check_output
from mocap.storage.lens_file import save_lenses
from mocap.storage.target_file import load_target

if TYPE_CHECKING:
    from calibration.lens.result import LensCalibration


@dataclass(frozen=True)
class CalibrateLenses:
    """Calibrate the lens of one or several cameras, each by itself, without poses.

    Film the board from near and tilted, into all corners of the image. The lenses are then given to
    'mocap calibrate' by --intrinsics. See docs/calibration.md.

    Example: mocap calibrate lenses --target board.toml --videos FOLDER --out lenses.toml

    Exit codes: 0 done, 2 an input is not usable, 5 a lens model does not fit its camera.
    """

    target: Annotated[Path, required("TARGET.toml")]
    """The board: our TOML, or the file of Caliscope, aniposelib, Pose2Sim or Kalibr (YAML)."""
    out: Annotated[Path, required("LENSES.toml")]
    """The file to write; `--intrinsics` reads it."""
    videos: Annotated[tuple[Path, ...], option("PATH [PATH ...]")] = ()
    """A folder with one video per camera, or the videos themselves; named after the cameras."""
    images: Annotated[Path | None, option("FOLDER")] = None
    """Images instead of videos: a folder per camera, or names that start with the camera's."""
    cameras: Annotated[tuple[str, ...], option("NAME [NAME ...]")] = ()
    """Use only these cameras, in this order."""
    lens_models: Annotated[tuple[str, ...], option("MODEL [MODEL ...]")] = ()
    """Models to choose from, such as "pinhole k1 k2 p1 p2 k3" or "fisheye". Default: all, by
    evidence."""
    overwrite: bool = False
    """Replace an existing file."""

    def execute(self) -> int:
        """Runs the command and returns its exit code."""
        from calibration.frame_choice import choose_frames
        from calibration.intrinsics import calibrate_lens
        from calibration.with_board import LENS_VIEWS

        check_output(self.out, overwrite=self.overwrite)
        check_input(self.target, "target file")
        target = load_target(self.target)
        footage = footage_of(self.videos, self.images, self.cameras)
        sightings = scan(target, footage, "searching the board")
        chosen = choose_frames(sightings, LENS_VIEWS, shared=False)
        with errors.status("calibrating"):
            found: list[LensCalibration] = []
            refused: list[CalibrationError] = []
            for camera in chosen.cameras:
                try:
                    found.append(
                        calibrate_lens(camera, chosen.target, models=self.lens_models or None)
                    )
                except CalibrationError as error:
                    refused.append(error)
        if not found:
            raise refused[0]
        for error in refused:
            say_error(f"{error}; this camera is left out", "warning", "yellow")
        save_lenses(
            {lens.name: lens.intrinsics for lens in found},
            self.out,
            comments={lens.name: (f"{lens.form.name}: {lens.rmse_px:.3f} px",) for lens in found},
            overwrite=self.overwrite,
        )
        console.print(_table(found))
        for camera in sightings.cameras:
            say(f"- {camera.name}: board found in {len(camera)} of {camera.frames_examined} frames")
        for camera in sightings.cameras:
            for note in camera.notes:
                say(f"- {note}")
        for lens in found:
            say(f"- {lens.name}: {lens.reason}")
            for note in lens.notes:
                say(f"- {note}")
        say(str(self.out))
        return EXIT_NOT_GOOD if any(lens.lens_misfit for lens in found) else 0


def _table(lenses: list[LensCalibration]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("camera", "views", "error px", "focal px", "centre px", "k1"):
        table.add_column(column, justify="left" if column == "camera" else "right", no_wrap=True)
    for lens in lenses:
        values, sigma = lens.values, lens.sigma
        center = " ".join(f"{values[n]:.1f} +- {sigma.get(n, 0.0):.1f}" for n in ("cx", "cy"))
        table.add_row(
            Text(lens.name),
            str(len(lens.frame)),
            f"{lens.rmse_px:.3f}",
            f"{lens.intrinsics.focal_px:.1f} +- {lens.focal_sigma_px:.1f}",
            center,
            f"{values['k1']:.3f}",
        )
    return table
