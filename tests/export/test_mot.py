"""MOT files: OpenSim's coordinates."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from body_motions import humanoid_tree, moving, posed
from scipy.spatial.transform import Rotation

from mocap.body.biomechanics.opensim import opensim_coordinates
from mocap.export.axes import OPENSIM
from mocap.export.mot import write_mot

OPENSIM_VARIABLE = "MOCAP_OPENSIM_PYTHON"


def read(path: Path) -> tuple[dict[str, str], list[str], np.ndarray]:
    """Head, columns and values, by the format's description."""
    head, body = path.read_text().split("endheader\n")
    lines = body.splitlines()
    values = np.array([[float(v) for v in line.split("\t")] for line in lines[1:]])
    pairs = dict(line.split("=") for line in head.splitlines()[1:])
    return pairs, lines[0].split("\t"), values


def test_head_and_a_right_angle_at_the_elbow(tmp_path) -> None:
    motion = posed({"LeftForeArm": np.array([0.0, 0.0, -np.pi / 2])})
    assert write_mot(motion, tmp_path / "a.mot") == ()
    head, columns, values = read(tmp_path / "a.mot")
    assert (head["inDegrees"], head["nRows"], head["nColumns"]) == ("yes", "2", str(len(columns)))
    assert columns[0] == "time"
    np.testing.assert_allclose(values[:, 0], motion.time_s)
    np.testing.assert_allclose(values[:, columns.index("elbow_flex_l")], 90.0)
    np.testing.assert_allclose(values[:, columns.index("elbow_flex_r")], 0.0, atol=1e-6)


def test_the_pelvis_is_in_the_axes_of_our_trc(tmp_path) -> None:
    motion = moving(*humanoid_tree())
    write_mot(motion, tmp_path / "a.mot")
    _, columns, values = read(tmp_path / "a.mot")
    place = values[:, [columns.index(f"pelvis_t{a}") for a in "xyz"]]
    np.testing.assert_allclose(place, motion.root_position_m @ OPENSIM.T, atol=1e-6)
    angles = values[:, [columns.index(f"pelvis_{a}") for a in ("tilt", "list", "rotation")]]
    turn = Rotation.from_euler("ZXY", angles, degrees=True)
    # The pelvis of OpenSim's models has X forwards, Y upwards, Z to the right.
    own = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]]).T
    world = Rotation.from_quat(motion.rotations[:, 0], scalar_first=True).as_matrix()
    np.testing.assert_allclose(turn.as_matrix(), OPENSIM @ world @ own, atol=1e-6)


def test_other_coordinates_do_not_depend_on_the_axes(tmp_path) -> None:
    motion = moving(*humanoid_tree())
    write_mot(motion, tmp_path / "a.mot")
    _, columns, values = read(tmp_path / "a.mot")
    table = opensim_coordinates(motion)
    for i, name in enumerate(table.names):
        if not name.startswith("pelvis"):
            np.testing.assert_allclose(
                values[:, columns.index(name)], table.values[:, i], atol=1e-5, err_msg=name
            )


def test_frames_without_the_person_are_counted(tmp_path) -> None:
    present = np.arange(60) > 4
    notes = write_mot(moving(*humanoid_tree(), present=present), tmp_path / "a.mot")
    assert notes == ("5 frames without the person, interpolated",)


def test_opensim_reads_the_coordinates(tmp_path) -> None:
    python = os.environ.get(OPENSIM_VARIABLE)
    if not python:
        pytest.skip(f"{OPENSIM_VARIABLE} names no Python with the package opensim")
    write_mot(moving(*humanoid_tree()), tmp_path / "a.mot")
    script = (
        "import opensim, sys; t = opensim.TimeSeriesTable(sys.argv[1]);"
        "print(t.getNumRows(), t.getNumColumns(), t.getTableMetaDataString('inDegrees'),"
        "t.getDependentColumn('knee_angle_r')[7])"
    )
    line = [python, "-c", script, str(tmp_path / "a.mot")]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=True)
    rows, columns, degrees, knee = done.stdout.split()[-4:]
    _, names, values = read(tmp_path / "a.mot")
    assert (int(rows), int(columns), degrees) == (60, len(names) - 1, "yes")
    assert float(knee) == pytest.approx(values[7, names.index("knee_angle_r")], abs=1e-6)
