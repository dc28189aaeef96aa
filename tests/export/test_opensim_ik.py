"""OpenSim's inverse kinematics on our markers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from export_readers import source_of
from scipy.spatial.transform import Rotation

from mocap.errors import DependencyError, InputError
from mocap.export import opensim_ik
from mocap.export.axes import OPENSIM
from mocap.export.exporting import export
from mocap.export.options import ExportOptions, MotOptions
from mocap.model import Motion, skeleton_by_name

PLACES = {"nose": (0.5, 0.0, 0.0), "left_eye": (0.0, 0.4, 0.0), "right_eye": (0.2, 0.1, 0.3)}


def pole(path: Path, names: dict[str, str] | None = None) -> Path:
    """A rod that turns about the Z of its ground, with three markers."""
    opensim = pytest.importorskip("opensim")
    model = opensim.Model()
    rod = opensim.Body("rod", 1.0, opensim.Vec3(0), opensim.Inertia(0.1, 0.1, 0.1))
    model.addBody(rod)
    zero = opensim.Vec3(0)
    hinge = opensim.PinJoint("hinge", model.getGround(), zero, zero, rod, zero, zero)
    hinge.updCoordinate().setName("turn")
    model.addJoint(hinge)
    for name, place in PLACES.items():
        marker = opensim.Marker((names or {}).get(name, name), rod, opensim.Vec3(*place))
        model.addMarker(marker)
    model.finalizeConnections()
    model.printToXML(str(path))
    return path


def turning(as_motion, degrees: np.ndarray) -> Motion:
    table = skeleton_by_name("coco17")
    points = np.full((len(degrees), 17, 3), np.nan)
    turns = Rotation.from_euler("z", degrees[:, None], degrees=True)
    for name, place in PLACES.items():
        points[:, table.index(name)] = turns.apply(place) @ OPENSIM
    return as_motion(table, points)


def test_opensim_finds_the_turn_of_a_rod(as_motion, tmp_path) -> None:
    model = pole(tmp_path / "pole.osim")
    degrees = np.linspace(-40.0, 70.0, 30)
    motion = turning(as_motion, degrees)
    points = motion.points_m.copy()
    points[7, 1] = np.nan
    source = source_of(as_motion(motion.skeleton, points))
    options = ExportOptions(mot=MotOptions(model))
    report = export(source, ["mot"], tmp_path / "made", options, overwrite=False)
    assert not report.failures, report.failures
    (written,) = report.written["mot"]
    assert written.notes[0].startswith("by OpenSim on pole.osim: 3 markers, root mean square")
    assert written.notes[0].endswith("median 0 mm")
    assert written.notes[1] == "1 positions filled by lines, longest gap 1 frames"
    head, body = written.path.read_text().split("endheader\n")
    lines = body.strip().splitlines()
    assert "inDegrees=yes" in head
    values = np.array([[float(v) for v in line.split()] for line in lines[1:]])
    np.testing.assert_allclose(values[:, 0], motion.time_s, atol=1e-5)
    found = values[:, lines[0].split("\t").index("turn")]
    np.testing.assert_allclose(found, degrees, atol=0.5)


def test_models_that_do_not_fit(as_motion, tmp_path) -> None:
    source = source_of(turning(as_motion, np.zeros(5)))

    def failure(model: Path) -> str:
        options = ExportOptions(mot=MotOptions(model))
        report = export(source, ["mot"], tmp_path / "made", options, overwrite=False)
        return report.failures[0].message

    other = pole(tmp_path / "other.osim", {"nose": "NOSE"})
    assert "has not three markers called as ours; it has NOSE, left_eye" in failure(other)
    broken = tmp_path / "broken.osim"
    broken.write_text("<xml")
    assert failure(broken).startswith(f"OpenSim cannot use {broken} (")
    assert "OpenSim model" in failure(tmp_path / "none.osim")


def test_without_opensim_the_remedy_is_named(as_motion, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(opensim_ik.importlib.util, "find_spec", lambda _: None)
    model = tmp_path / "a.osim"
    model.touch()
    options = ExportOptions(mot=MotOptions(model))
    source = source_of(turning(as_motion, np.zeros(5)))
    report = export(source, ["mot"], tmp_path / "made", options, overwrite=False)
    assert "pip install opensim" in report.failures[0].message
    assert issubclass(DependencyError, Exception) and not issubclass(DependencyError, InputError)
