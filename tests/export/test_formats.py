from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from body_motions import humanoid_tree, moving, posed
from export_readers import source_of

from mocap.errors import InputError
from mocap.export.exporting import export
from mocap.export.formats import EXPORT_FORMATS
from mocap.export.options import ExportOptions, TableOptions
from mocap.export.source import ExportSource
from mocap.model import Motion, skeleton_by_name


def together(*people: Motion) -> Motion:
    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(person, name) for person in people])

    names = (
        "frame",
        "time_s",
        "person_id",
        "points_m",
        "covariance_m2",
        "reprojection_px",
        "n_views",
    )
    return Motion(people[0].skeleton, *(joined(name) for name in names))


def bodies() -> list:
    return [moving(*humanoid_tree(), person_id=i) for i in (1, 7)]


@pytest.fixture
def two(walker) -> ExportSource:
    motion = together(walker.motion(person_id=1), walker.motion(person_id=7))
    return source_of(motion, bodies=bodies())


FILES = {
    "bvh": ["person_1.bvh", "person_7.bvh"],
    "glb": ["person_1.glb", "person_7.glb"],
    "trc": ["person_1.trc", "person_7.trc"],
    "c3d": ["person_1.c3d", "person_7.c3d"],
    "csv": ["keypoints.csv"],
    "parquet": ["keypoints.parquet"],
    "npz": ["keypoints.npz"],
}


@pytest.mark.parametrize("name", FILES)
def test_files_of_each_format(two, tmp_path, name) -> None:
    folder = tmp_path / "new" / "folder"
    report = export(two, [name], folder, ExportOptions(), overwrite=False)
    assert not report.failures
    assert [w.path.name for w in report.written[name]] == FILES[name]
    assert sorted(p.name for p in folder.iterdir()) == FILES[name]
    first = report.written[name][0].path
    before = first.read_bytes()
    first.write_bytes(b"old")
    again = export(two, [name], folder, ExportOptions(), overwrite=False)
    assert "exists already" in again.failures[0].message
    assert first.read_bytes() == b"old"
    export(two, [name], folder, ExportOptions(), overwrite=True)
    assert first.stat().st_size == len(before)


def test_every_format_is_tried_and_failures_are_named(two, tmp_path) -> None:
    (tmp_path / "person_7.bvh").write_text("mine")
    (tmp_path / "keypoints.csv").mkdir()
    steps: list[tuple[int, int, str]] = []
    report = export(
        two,
        ["bvh", "csv", "openpose", "trc"],
        tmp_path,
        ExportOptions(),
        overwrite=False,
        progress=lambda *step: steps.append(step),
    )
    assert [(f.format, f.person_id) for f in report.failures] == [
        ("bvh", 7),
        ("csv", None),
        ("openpose", None),
    ]
    assert [w.path.name for w in report.written["bvh"]] == ["person_1.bvh"]
    assert [w.path.name for w in report.written["trc"]] == ["person_1.trc", "person_7.trc"]
    assert (tmp_path / "person_7.bvh").read_text() == "mine"
    assert steps[0] == (0, 6, "bvh, person 1")
    assert steps[2] == (2, 6, "csv")
    assert steps[-1] == (6, 6, "exported")


def test_bodies_go_into_tables_where_they_are_stored_or_asked_for(walker, two, tmp_path) -> None:
    def names(source: ExportSource, *contents: str) -> list[str]:
        options = ExportOptions(tables=TableOptions(contents or ("auto",)))
        report = export(source, ["csv", "npz"], tmp_path, options, overwrite=True)
        assert not report.failures
        return sorted(w.path.name for files in report.written.values() for w in files)

    assert names(two) == ["keypoints.csv", "keypoints.npz"]
    assert names(two, "bodies") == ["bodies.csv", "person_1_body.npz", "person_7_body.npz"]
    assert names(two, "angles") == ["angles.csv", "angles.npz"]
    stored = source_of(two.motion, bodies=bodies(), stored_bodies=(1,))
    every = ("angles", "bodies", "center_of_mass", "events", "keypoints", "strides")
    assert names(stored) == sorted(
        [
            *(f"{name}.csv" for name in every),
            *(f"{name}.npz" for name in every if name != "bodies"),
            "person_1_body.npz",
        ]
    )


def test_a_person_without_gait_does_not_keep_the_others_out(walker, tmp_path) -> None:
    short = posed({}, frames=3, person_id=1)
    source = source_of(
        together(walker.motion(person_id=1), walker.motion(person_id=7)),
        bodies=[short, bodies()[1]],
        stored_bodies=(1, 7),
    )
    report = export(source, ["csv", "c3d"], tmp_path, ExportOptions(), overwrite=False)
    assert not report.failures
    notes = [note for written in report.written["csv"] for note in written.notes]
    assert any(note.startswith("no events of person 1: ") for note in notes)
    assert set(pd.read_csv(tmp_path / "angles.csv").id) == {1, 7}
    c3d = {w.path.name: w.notes for w in report.written["c3d"]}
    assert c3d["person_1.c3d"][-1].startswith("no events: ")
    assert not any(note.startswith("no events") for note in c3d["person_7.c3d"])


def test_what_was_asked_for_and_cannot_be_made_is_a_failure(walker, tmp_path) -> None:
    source = source_of(walker.motion(), bodies=[posed({}, frames=3)])
    options = ExportOptions(tables=TableOptions(("events",)))
    report = export(source, ["csv"], tmp_path, options, overwrite=False)
    assert report.failures[0].message.startswith("no events of person 3: ")


def test_unknown_format_lists_the_valid_ones(two, tmp_path) -> None:
    with pytest.raises(InputError, match=f"'fbx'; formats are {', '.join(EXPORT_FORMATS)}"):
        export(two, ["bvh", "fbx"], tmp_path, ExportOptions(), overwrite=False)
    assert not list(tmp_path.iterdir())


def test_nobody_is_an_error(as_motion, tmp_path) -> None:
    nobody = as_motion(skeleton_by_name("coco17"), np.zeros((0, 17, 3)))
    with pytest.raises(InputError, match="nobody"):
        export(source_of(nobody), ["bvh"], tmp_path, ExportOptions(), overwrite=False)
