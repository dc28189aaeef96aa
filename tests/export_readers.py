"""Independent readers of exported files, and a session's part to export."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import bvhio
import numpy as np
import pytest

from mocap.export.source import ExportSource, ViewRows
from mocap.model import BodyMotion, Camera, FrameSet, Intrinsics, Motion, Rig, ViewState

BLENDER_VARIABLE = "MOCAP_BLENDER_PYTHON"
RATE_HZ = 50.0


def rig(cameras: int = 3) -> Rig:
    lens = Intrinsics((640, 480), np.diag((500.0, 500.0, 1.0)), np.zeros(5))
    return Rig(tuple(Camera(f"cam{i + 1:02d}", lens, np.eye(4)) for i in range(cameras)))


def source_of(
    motion: Motion,
    *,
    bodies: Sequence[BodyMotion] = (),
    frame_sets: Sequence[FrameSet] = (),
    cameras: int = 3,
    **more: object,
) -> ExportSource:
    """A session in which camera i measures what `n_views` says: the first ones of them."""
    state = np.where(
        np.arange(cameras)[None, :, None] < motion.n_views[:, None], ViewState.USED, 0
    ).astype(np.uint8)
    by_id = {body.person_id: body for body in bodies}
    values: dict[str, object] = {
        "name": "session.h5",
        "motion": motion,
        "rate_hz": RATE_HZ,
        "rig": rig(cameras),
        "views": ViewRows(
            motion.frame, motion.person_id, state, np.zeros((len(motion), cameras), np.int64)
        ),
        "frame_sets": lambda: list(frame_sets),
        "body": by_id.__getitem__,
    }
    return ExportSource(**(values | more))  # type: ignore[arg-type]


def bvhio_positions(path: Path, frames: int, joints: Sequence[str]) -> np.ndarray:
    """Where the package bvhio has the joints, in the file's axes and unit."""
    root = bvhio.readAsHierarchy(str(path))
    found = np.empty((frames, len(joints), 3))
    for frame in range(frames):
        root.loadPose(frame)
        at = {joint.Name: joint.PositionWorld for joint, _, _ in root.layout()}
        found[frame] = [tuple(at[name]) for name in joints]
    return found


def blender_python() -> str:
    """The Python that has Blender in it, named by an environment variable; else skips the test."""
    python = os.environ.get(BLENDER_VARIABLE)
    if not python:
        pytest.skip(f"{BLENDER_VARIABLE} names no Python with the package bpy")
    return python


def blender_positions(
    path: Path, rate_hz: float, joints: Sequence[str], *, scale: float = 1.0
) -> np.ndarray:
    """Where Blender has the joints of a BVH or GLB, in its Z-up world, metres."""
    frames = _blender(path, rate_hz, scale)["frames"]
    return np.array([[frame[name] for name in joints] for frame in frames])


def blender_vertices(path: Path, rate_hz: float) -> np.ndarray:
    """Where Blender has the vertices of a GLB in the first frame, in its Z-up world, metres."""
    return np.array(_blender(path, rate_hz, 1.0)["vertices"])


def _blender(path: Path, rate_hz: float, scale: float) -> dict[str, list]:
    result = path.with_suffix(".json")
    script = Path(__file__).with_name("blender_reader.py")
    line = [blender_python(), str(script), str(path), str(rate_hz), str(scale), str(result)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(result.read_text())
