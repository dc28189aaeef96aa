"""`mocap angles`: joint angles, centre of mass and gait of the people of a session."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from mocap.body.biomechanics.cycles import gait_cycles
from mocap.body.biomechanics.derivatives import FEWEST_FRAMES, rates_of, usable_cutoff_hz
from mocap.body.biomechanics.gait import Gait, gait
from mocap.body.biomechanics.joint_angles import ANGLE_NAMES, joint_angles
from mocap.body.biomechanics.lengths import SegmentLengths, segment_lengths
from mocap.body.biomechanics.mass import center_of_mass
from mocap.body.biomechanics.tables import QuantityTable
from mocap.cli.angles_plot import angles_picture, cycle_picture
from mocap.cli.angles_report import print_angles, print_gait, print_lengths
from mocap.cli.bodies import body_of_each
from mocap.cli.options import SessionPath, option
from mocap.cli.progress import progress_bar, say, say_error
from mocap.errors import InputError, valid_choices
from mocap.export.biomechanics_tables import event_table, quantity_table, stride_table
from mocap.export.tables import Table, write_csv
from mocap.files import check_output, make_output_folder, write_atomically
from mocap.model import BodyMotion
from mocap.pipeline.body import BodyChoice, session_body
from mocap.storage.session_reader import Session


@dataclass(frozen=True)
class Angles:
    """Joint angles, centre of mass and gait of the people of a session, with their uncertainty.

    Angles follow the conventions of the International Society of Biomechanics; see
    docs/joint_angles.md. Bodies that 'mocap fit' stored are used; others are fitted now, which
    takes longer. Without --out it prints what it finds; with it, it writes tables and pictures.

    Example: mocap angles session.h5 --out FOLDER
    """

    session: SessionPath
    """The session file."""
    out: Annotated[Path | None, option("FOLDER")] = None
    """Also write CSV tables and pictures to this folder."""
    model: Annotated[str, option("NAME")] = "skeleton"
    """Body model: skeleton, anny, smpl, smplh or smplx. Default: skeleton."""
    gender: Literal["neutral", "male", "female"] = "neutral"
    """Of a body model that is fitted now, where it knows a difference."""
    model_path: Annotated[Path | None, option("PATH")] = None
    """File or folder of your licensed model files, for smpl, smplh and smplx."""
    people: Annotated[tuple[int, ...], option("ID [ID ...]")] = ()
    """Only these person ids. Default: all."""
    frames: Annotated[tuple[int, int] | None, option("FIRST LAST")] = None
    """Only the frames between these two numbers, both included. Default: all."""
    angles: Annotated[tuple[str, ...], option("NAME [NAME ...]")] = ()
    """Only these angles, such as left_knee_flexion. Default: all."""
    only_measured: bool = False
    """Leave out angles that were not held by measurements."""
    masses: Annotated[
        Literal["female", "male", "average"] | None, option("{female,male,average}")
    ] = None
    """Whose segment masses the centre of mass takes. Default: by the gender of the body model."""
    treadmill: bool = False
    """People walk on a moving belt."""
    cutoff_hz: Annotated[float, option("HERTZ")] = 6.0
    """Bandwidth of speeds, and of what finds foot contacts. Default: 6."""
    overwrite: bool = False
    """Replace existing files."""

    def execute(self) -> int:
        """Runs the command and returns its exit code."""
        for name in self.angles:
            if name not in ANGLE_NAMES:
                raise InputError(f"no angle {name!r}; angles are {valid_choices(ANGLE_NAMES, 60)}")
        if not 0 < self.cutoff_hz < float("inf"):
            raise InputError(f"--cutoff-hz is {self.cutoff_hz:g}; it must be positive")
        with Session(self.session) as session:
            bodies = self._bodies(session)
        if self.out is not None:
            make_output_folder(self.out)
        for motion in bodies:
            self._person(motion)
        return 0

    def _bodies(self, session: Session) -> list[BodyMotion]:
        """The bodies of the chosen people in the chosen frames: stored, or fitted now."""
        found = session.motion(session.best_layer)
        for person_id in self.people:
            found.person(person_id)
        if self.frames is not None:
            first, last = self.frames
            found = found.rows((found.frame >= first) & (found.frame <= last))
        there = found.person_ids
        people = tuple(i for i in self.people if i in there) if self.people else there
        if not people:
            raise InputError(
                f"{self.session} holds no 3D people for this choice; "
                f"'mocap info {self.session}' says what it holds"
            )
        choice = BodyChoice(self.model, self.gender, self.model_path)
        bodies = body_of_each(people, lambda person_id: _body(session, person_id, choice))
        return bodies if self.frames is None else [m.frames(*self.frames) for m in bodies]

    def _person(self, motion: BodyMotion) -> None:
        first, last = int(motion.frame[0]), int(motion.frame[-1])
        title = f"Person {motion.person_id}, frames {first} to {last}, {motion.model}"
        say(title, "bold")
        table = joint_angles(motion, only_measured=self.only_measured)
        if self.angles:
            there = [name for name in self.angles if name in table.names]
            for name in self.angles:
                if name not in there:
                    say_error(f"this body has no {name}", "warning", "yellow")
            table = table.select(there)
        print_angles(table)
        lengths = segment_lengths(motion)
        print_lengths(lengths)
        walk = self._gait(motion)
        if walk is not None:
            print_gait(walk)
        if self.out is not None:
            self._write(self.out, motion, table, lengths, walk, title)

    def _gait(self, motion: BodyMotion) -> Gait | None:
        if len(motion) < FEWEST_FRAMES:
            say(f"Too short for speeds and gait, which need {FEWEST_FRAMES} frames.")
            return None
        cutoff = usable_cutoff_hz(motion.time_s, self.cutoff_hz)
        if cutoff < self.cutoff_hz:
            say(f"The frame rate lowers the bandwidth of speeds to {cutoff:.1f} Hz.")
        method = "treadmill" if self.treadmill else "ground"
        return gait(motion, method, cutoff_hz=self.cutoff_hz)

    def _write(
        self,
        folder: Path,
        motion: BodyMotion,
        table: QuantityTable,
        lengths: SegmentLengths,
        walk: Gait | None,
        title: str,
    ) -> None:
        """Writes what there is of one person; all names are checked before the first file."""
        stem = f"person_{motion.person_id}"
        tables: list[Table] = [
            quantity_table("angles", table),
            length_table(lengths, motion.person_id),
        ]
        contacts = None if walk is None else walk.contacts
        pictures: dict[str, Callable[[], bytes]] = {
            f"{stem}_angles.png": lambda: angles_picture(
                table, contacts, f"{title}: joint angles", chosen=bool(self.angles)
            )
        }
        if walk is not None:
            tables += [
                quantity_table("angle_speeds", rates_of(table, self.cutoff_hz)),
                quantity_table(
                    "center_of_mass", center_of_mass(motion, self.masses, cutoff_hz=self.cutoff_hz)
                ),
                event_table(walk.events),
            ]
            if len(walk.strides):
                tables.append(stride_table(walk.strides))
                speed = walk.strides.figure("speed").mean()
                strides = f"{len(walk.strides)} strides, {speed:.2f} m/s"
                pictures[f"{stem}_gait_cycle.png"] = lambda: cycle_picture(
                    gait_cycles(table, walk.strides),
                    f"{title}: {strides}",
                    chosen=bool(self.angles),
                )
        paths = [folder / f"{stem}_{each.name}.csv" for each in tables]
        for path in (*paths, *(folder / name for name in pictures)):
            check_output(path, overwrite=self.overwrite)
        for each, path in zip(tables, paths, strict=True):
            write_csv(each, path)
            say(str(path))
        for name, draw in pictures.items():
            write_atomically(folder / name, draw())
            say(str(folder / name))


def _body(session: Session, person_id: int, choice: BodyChoice) -> BodyMotion:
    """A person's body; a bar is shown if it must be fitted."""
    with ExitStack() as stack:
        bars: list[Callable[[int, int | None], None]] = []

        def progress(done: int, total: int) -> None:
            if not bars:
                bars.append(stack.enter_context(progress_bar(f"fit of person {person_id}", total)))
            bars[0](done, total)

        return session_body(session, person_id, choice, progress)


def length_table(lengths: SegmentLengths, person_id: int) -> Table:
    """Columns `id`, `segment`, `length_m`, `sigma_m`, `sigma_from` ("shape" or "positions")."""
    count = len(lengths.names)
    columns: dict[str, np.ndarray] = {
        "id": np.full(count, person_id),
        "segment": np.array(lengths.names, np.str_),
        "length_m": lengths.length_m,
        "sigma_m": lengths.sigma_m,
        "sigma_from": np.full(count, lengths.sigma_source),
    }
    return Table("lengths", columns, {})
