"""OpenSim's own inverse kinematics on our markers, with the user's model.

OpenSim is an extra (`pip install mocap[opensim]`). It runs in a process of its own: what goes wrong
in its C++ code ends that process, and is reported as an error here.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mocap.errors import DependencyError, InputError
from mocap.export.markers import Markers
from mocap.export.trc import TrcOptions, write_trc
from mocap.files import check_input, write_atomically

_TIME_LIMIT_S = 3600
_SCRIPT = """
import json, sys
import opensim
job = json.loads(sys.argv[1])
opensim.Logger.setLevelString("error")
model = opensim.Model(job["model"])
model.initSystem()
known = model.getMarkerSet()
names = [known.get(i).getName() for i in range(known.getSize())]
shared = [name for name in names if name in job["markers"]]
if len(shared) < 3:
    print("MARKERS " + json.dumps(names[:20]))
    sys.exit(0)
tool = opensim.InverseKinematicsTool()
tool.setModel(model)
tool.setMarkerDataFileName(job["trc"])
tool.setStartTime(job["start_s"])
tool.setEndTime(job["end_s"])
tool.setOutputMotionFileName(job["out"])
tool.setResultsDir(job["folder"])
tool.set_report_errors(True)
tasks = tool.getIKTaskSet()
for name in shared:
    task = opensim.IKMarkerTask()
    task.setName(name)
    task.setApply(True)
    task.setWeight(1.0)
    tasks.cloneAndAppend(task)
done = tool.run()
print("DONE " + json.dumps([bool(done), len(shared)]))
"""


def write_opensim_ik(
    markers: Markers, model: Path, path: Path, options: TrcOptions
) -> tuple[str, ...]:
    """Solves the coordinates of a model for the markers of one person, and writes them as MOT.

    Args:
        markers: the keypoints, called as the model's markers.
        model: an OpenSim model (.osim), scaled to the person.
        path: the file; an existing one is replaced.
        options: how the markers are handed over; see `write_trc`.

    Returns:
        In words, how many markers were used, and how far they are from the model's.

    Raises:
        DependencyError: OpenSim is not installed.
        InputError: the model cannot be used, or has not three markers called as ours.
        OutputError: the folder cannot be written to.
    """
    check_input(model, "OpenSim model")
    if importlib.util.find_spec("opensim") is None:
        raise DependencyError(
            "inverse kinematics by OpenSim needs the package opensim; install it (pip install "
            "opensim), or leave out --mot.model"
        )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written, notes = write_trc(markers, folder / "markers.trc", options)
        job = {
            "model": str(model.resolve()),
            "markers": written.names,
            "trc": str(folder / "markers.trc"),
            "start_s": float(written.time_s[0]) - 1e-6,
            "end_s": float(written.time_s[-1]) + 1e-6,
            "out": str(folder / "made.mot"),
            "folder": str(folder),
        }
        used = _run(job, model)
        made = folder / "made.mot"
        if not made.exists():
            raise InputError(f"OpenSim wrote no motion for {model}; try it in OpenSim itself")
        errors = _marker_errors(folder)
        write_atomically(path, made.read_bytes())
    fit = f"{used} markers"
    if len(errors):
        fit += f", root mean square distance median {1000 * float(np.median(errors)):.0f} mm"
    return (f"by OpenSim on {model.name}: {fit}", *notes)


def _run(job: Mapping[str, object], model: Path) -> int:
    """Runs OpenSim; returns the number of markers it used."""
    line = [sys.executable, "-c", _SCRIPT, json.dumps(job)]
    try:
        done = subprocess.run(
            line,
            capture_output=True,
            text=True,
            timeout=_TIME_LIMIT_S,
            cwd=str(job["folder"]),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"OpenSim did not end within {_TIME_LIMIT_S} s on {model}; export fewer --frames"
        ) from error
    answers = dict(
        line.split(" ", 1)
        for line in done.stdout.splitlines()
        if line.startswith(("DONE ", "MARKERS "))
    )
    if "MARKERS" in answers:
        names = ", ".join(json.loads(answers["MARKERS"])) or "none"
        raise InputError(
            f"{model} has not three markers called as ours; it has {names}; rename them, or pass "
            f"--trc.names pose2sim for models of Pose2Sim"
        )
    if done.returncode or "DONE" not in answers:
        said = [each for each in (done.stderr or done.stdout).splitlines() if each.strip()]
        last = said[-1].strip() if said else f"exit code {done.returncode}"
        raise InputError(f"OpenSim cannot use {model} ({last}); try it in OpenSim itself")
    _, used = json.loads(answers["DONE"])
    return int(used)


def _marker_errors(folder: Path) -> np.ndarray:
    """Root mean square distance of the markers in each frame, metres."""
    for path in folder.glob("*_ik_marker_errors.sto"):
        lines = path.read_text().split("endheader")[1].strip().splitlines()
        column = lines[0].split("\t").index("marker_error_RMS")
        return np.array([float(line.split("\t")[column]) for line in lines[1:]])
    return np.zeros(0)
