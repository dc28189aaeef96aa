"""`mocap import`: a motion of another program as a session."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro

from mocap.cli.options import option, required
from mocap.cli.progress import say
from mocap.cli.versions import software_versions
from mocap.errors import InputError
from mocap.export.amass import read_amass
from mocap.export.bvh_file import read_bvh
from mocap.export.bvh_import import METRES, BvhUnit, body_motion_of_bvh
from mocap.export.imported import keypoints_of_joints
from mocap.model import BodyMotion
from mocap.storage.imported_session import write_imported


@dataclass(frozen=True)
class Import:
    """Make a session of a motion of another program: a BVH file, or an NPZ of AMASS.

    The session holds the joints as 3D keypoints and the motion as a fitted body, so that it can be
    looked at, exported and compared as any other. Its only camera stands for the file and has seen
    nothing.

    Example: mocap import walk.bvh --out session.h5
    """

    motion: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """A .bvh file, or an .npz file with SMPL parameters in the convention of AMASS. The latter
    needs the licensed model file."""
    out: Annotated[Path, required("SESSION.h5")]
    """The session file to write."""
    unit: Annotated[BvhUnit | None, option("{m,cm,mm,in}")] = None
    """Of a BVH file: its unit of length. Default: by which the person has a person's height."""
    scale: Annotated[float | None, option("METRES")] = None
    """Of a BVH file: the length of its unit in metres, instead of --unit."""
    up: Annotated[Literal["x", "y", "z"] | None, option("{x,y,z}")] = None
    """Of a BVH file: its axis that points upwards. Default: the one along the legs at rest."""
    model_path: Annotated[Path | None, option("PATH")] = None
    """Of an NPZ file: file or folder of the SMPL models. Default: what MOCAP_BODY_MODELS names."""
    person: int = 0
    """Id which the person gets."""
    overwrite: bool = False
    """Replace an existing session."""

    def execute(self) -> int:
        """Runs the command and returns its exit code."""
        motion = self._read()
        skeleton, keypoints = keypoints_of_joints(motion)
        write_imported(
            self.out,
            motion,
            skeleton,
            keypoints,
            source=self.motion,
            software=software_versions(),
            overwrite=self.overwrite,
        )
        height = float(np.ptp(motion.rest_joints_m, axis=0).max())
        say(
            f"{self.out}: {len(motion)} frames at {1 / motion.frame_time_s:g} Hz, "
            f"{len(motion.tree)} joints, {height:.2f} m tall at rest"
            if len(motion) > 1
            else f"{self.out}: 1 frame, {len(motion.tree)} joints, {height:.2f} m tall at rest"
        )
        say(f"look at it:  mocap view {self.out}")
        return 0

    def _read(self) -> BodyMotion:
        kind = self.motion.suffix.lower()
        if kind == ".bvh":
            if self.unit is not None and self.scale is not None:
                raise InputError("--unit and --scale both state the unit; pass one of them")
            if self.scale is not None and not (np.isfinite(self.scale) and self.scale > 0):
                raise InputError(f"--scale is {self.scale:g}; it must be above 0 metres")
            metres = self.scale if self.unit is None else METRES[self.unit]
            return body_motion_of_bvh(
                read_bvh(self.motion),
                str(self.motion),
                metres_per_unit=metres,
                up=self.up,
                person_id=self.person,
            )
        if kind == ".npz":
            return read_amass(self.motion, models=self.model_path, person_id=self.person)
        raise InputError(
            f"{self.motion} ends in {kind or 'nothing'!r}; motions are imported from .bvh and .npz "
            f"files"
        )
