"""What can be chosen about an export, by format."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mocap.body.biomechanics.contacts import ContactMethod
from mocap.export.bvh import BvhOptions, Fingers
from mocap.export.c3d import C3dOptions
from mocap.export.openpose_json import OpenPoseOptions
from mocap.export.retarget import RetargetOptions
from mocap.export.trc import TrcOptions

Contents = Literal["auto", "keypoints", "bodies", "angles", "center_of_mass", "events", "strides"]


@dataclass(frozen=True)
class TableOptions:
    """What the tables (csv, parquet, npz) hold."""

    contents: tuple[Contents, ...] = ("auto",)
    """One or more of keypoints, bodies (joint positions and rotations), angles, center_of_mass,
    events and strides. auto: keypoints, and the others where the session holds fitted bodies."""
    gait: ContactMethod = "ground"
    """How foot contacts are found, for events and strides: treadmill on a moving belt."""


@dataclass(frozen=True)
class GlbOptions:
    """How GLB files are written."""

    mesh: Literal["auto", "surface", "bones"] = "auto"
    """surface: the body's own, of a body model that has one; bones: a double pyramid for each
    bone; auto: the surface where its licence lets files be passed on."""
    fingers: Fingers = "auto"
    """Joints of the fingers, if bones are shown. auto: where a finger was measured."""


@dataclass(frozen=True)
class MotOptions:
    """How MOT files are made."""

    model: Path | None = None
    """An OpenSim model (.osim) whose markers are called as ours (see --trc.names): OpenSim solves
    its coordinates for the markers. Without it they are the angles of the fitted body."""


@dataclass(frozen=True)
class ExportOptions:
    """Options of all formats."""

    bvh: BvhOptions = field(default_factory=BvhOptions)
    """BVH."""
    glb: GlbOptions = field(default_factory=GlbOptions)
    """glTF."""
    trc: TrcOptions = field(default_factory=TrcOptions)
    """TRC."""
    c3d: C3dOptions = field(default_factory=C3dOptions)
    """C3D."""
    mot: MotOptions = field(default_factory=MotOptions)
    """MOT."""
    tables: TableOptions = field(default_factory=TableOptions)
    """csv, parquet, npz."""
    openpose: OpenPoseOptions = field(default_factory=OpenPoseOptions)
    """OpenPose JSON."""
    retarget: RetargetOptions = field(default_factory=RetargetOptions)
    """The user's own skeleton."""
