"""`mocap calibrate floor`: gives a rig another world frame."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import numpy as np

from mocap.cli.options import option, required
from mocap.cli.progress import say, say_error
from mocap.errors import CalibrationError, InputError
from mocap.files import check_input, check_output
from mocap.model import Motion, Rig
from mocap.storage.rig_file import load_rig, save_rig
from mocap.storage.session_reader import Session

if TYPE_CHECKING:
    from calibration.world_frame import NamedPoint, WorldFrame

POINT_KEYS = ("world_m", "pixels")


@dataclass(frozen=True)
class CalibrateFloor:
    """Put the floor and the origin of a rig where they belong.

    From points whose place in the room is known, clicked in two cameras or more; or from people who
    stand and walk, in a session that was made with the rig. Poses of the cameras relative to each
    other stay as they are. See docs/calibration.md.

    Example: mocap calibrate floor --rig rig.toml --points points.toml --out moved.toml
    """

    rig: Annotated[Path, required("RIG")]
    """The rig to move, of any readable format."""
    out: Annotated[Path, required("RIG.toml")]
    """The moved rig to write."""
    points: Annotated[Path | None, option("POINTS.toml")] = None
    """Known points: a table [NAME] for each, with world_m = [x, y, z] in metres, and below it
    [NAME.pixels] with CAMERA = [x, y]."""
    session: Annotated[Path | None, option("SESSION.h5")] = None
    """People instead of points: a session made with this rig."""
    height_m: Annotated[float | None, option("METRES")] = None
    """With --session: height of the people; sets the scale as well. Default: the scale stays."""
    scale: bool = False
    """With --points: the points set the scale as well."""
    overwrite: bool = False
    """Replace an existing rig."""

    def execute(self) -> int:
        """Runs the command and returns its exit code."""
        from calibration.world_frame import move_rig

        check_output(self.out, overwrite=self.overwrite)
        if (self.points is None) == (self.session is None):
            raise InputError("pass either --points or --session, and not both")
        if self.points is not None and self.height_m is not None:
            raise InputError("--height-m is for --session; points set the scale with --scale")
        if self.session is not None and self.scale:
            raise InputError("--scale is for --points; people set the scale with --height-m")
        rig = load_rig(self.rig)
        if self.points is not None:
            frame, source = self._from_points(rig, self.points), self.points
        else:
            assert self.session is not None
            frame, source = self._from_people(rig, self.session), self.session
        moved = move_rig(frame, rig)
        line = f"mocap calibrate floor: from {source.name}"
        metadata = replace(moved.metadata, provenance=(*moved.metadata.provenance, line))
        save_rig(replace(moved, metadata=metadata), self.out, overwrite=self.overwrite)
        for note in frame.notes:
            say_error(note, "warning", "yellow")
        say(f"world: {frame.words}")
        say(str(self.out))
        return 0

    def _from_points(self, rig: Rig, path: Path) -> WorldFrame:
        from calibration.world_frame import world_from_points

        return world_from_points(rig, load_points(path), scale=self.scale)

    def _from_people(self, rig: Rig, path: Path) -> WorldFrame:
        from calibration.world_frame import world_from_people

        with Session(path) as session:
            skeleton = session.skeleton
            theirs = {camera.name: camera.T_cam_world for camera in session.rig}
            same = [
                name in theirs and np.allclose(rig[name].T_cam_world, theirs[name], atol=1e-6)
                for name in rig.names
            ]
            if not all(same):
                wrong = rig.names[same.index(False)]
                raise CalibrationError(
                    f"camera {wrong!r} stands elsewhere in the rig of {path}; name the rig that "
                    f"the session was made with"
                )
            table = people_table(session.motion("raw"))
        return world_from_people(rig, table, skeleton, true_stature_m=self.height_m)


def people_table(motion: Motion) -> np.ndarray:
    """3D keypoints by frame, person and keypoint; NaN where a person was not there."""
    frames, row = np.unique(motion.frame, return_inverse=True)
    ids = {person_id: column for column, person_id in enumerate(motion.person_ids)}
    table = np.full((len(frames), max(1, len(ids)), len(motion.skeleton), 3), np.nan)
    for n, (at, person_id) in enumerate(zip(row, motion.person_id, strict=True)):
        table[at, ids[int(person_id)]] = motion.points_m[n]
    return table


def load_points(path: Path) -> list[NamedPoint]:
    """Reads known points.

    Raises:
        InputError: the file is missing, or is not as it should be; one line says where.
    """
    from calibration.world_frame import NamedPoint

    check_input(path, "points file")
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a valid TOML file: {error}; correct it") from error
    points: list[NamedPoint] = []
    for name, entry in document.items():
        where = f"{path}: point {name!r}"
        if not isinstance(entry, dict):
            raise InputError(f"{where} is {entry!r}, expected a table with world_m and pixels")
        table = cast("dict[str, Any]", entry)
        unknown = [key for key in table if key not in POINT_KEYS]
        if unknown:
            raise InputError(f"{where} has an unknown key {unknown[0]!r}; keys are world_m, pixels")
        pixels = table.get("pixels")
        if not isinstance(pixels, Mapping) or not pixels:
            raise InputError(f"{where} has no table 'pixels' with CAMERA = [x, y]")
        clicked = {
            str(camera): _numbers(place, 2, f"{where}: pixels.{camera}")
            for camera, place in cast("Mapping[str, Any]", pixels).items()
        }
        world = _numbers(table.get("world_m"), 3, f"{where}: world_m")
        points.append(
            NamedPoint(
                name,
                (world[0], world[1], world[2]),
                {camera: (place[0], place[1]) for camera, place in clicked.items()},
            )
        )
    return points


def _numbers(value: object, count: int, where: str) -> tuple[float, ...]:
    numbers = cast("list[Any]", value) if isinstance(value, list) else []
    good = len(numbers) == count and all(
        isinstance(n, int | float) and not isinstance(n, bool) and np.isfinite(n) for n in numbers
    )
    if not good:
        raise InputError(f"{where} is {value!r}, expected {count} numbers")
    return tuple(float(n) for n in numbers)
