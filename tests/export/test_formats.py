from __future__ import annotations

import logging

import numpy as np
import pytest

from mocap.errors import InputError, OutputError
from mocap.export.formats import EXPORT_FORMATS, ExportOptions, exporter_by_name
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


@pytest.fixture
def two(walker) -> Motion:
    return together(walker.motion(person_id=1), walker.motion(person_id=7))


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("bvh", ["person_1.bvh", "person_7.bvh"]),
        ("csv", ["keypoints.csv"]),
        ("npz", ["keypoints.npz"]),
    ],
)
def test_files_of_each_format(two, tmp_path, name, files) -> None:
    folder = tmp_path / "new" / "folder"
    made = exporter_by_name(name)(two, folder, ExportOptions(), False)
    assert made == [folder / file for file in files]
    assert sorted(p.name for p in folder.iterdir()) == files
    with pytest.raises(OutputError, match="exists already"):
        exporter_by_name(name)(two, folder, ExportOptions(), False)
    before = made[0].read_bytes()
    made[0].write_bytes(b"old")
    exporter_by_name(name)(two, folder, ExportOptions(), True)
    assert made[0].stat().st_size == len(before)


def test_one_existing_bvh_stops_all(two, tmp_path) -> None:
    (tmp_path / "person_7.bvh").write_text("mine")
    with pytest.raises(OutputError, match=r"person_7\.bvh"):
        EXPORT_FORMATS["bvh"](two, tmp_path, ExportOptions(), False)
    assert [p.name for p in tmp_path.iterdir()] == ["person_7.bvh"]


def test_unknown_format_lists_the_valid_ones() -> None:
    with pytest.raises(InputError, match="'fbx'; formats are bvh, csv, npz"):
        exporter_by_name("fbx")


def test_someone_who_cannot_be_solved_is_left_out_with_a_warning(
    walker, as_motion, tmp_path, caplog
) -> None:
    table = skeleton_by_name("halpe26")
    ghost = as_motion(table, np.full((4, len(table), 3), np.nan), person_id=9)
    with caplog.at_level(logging.WARNING):
        made = EXPORT_FORMATS["bvh"](
            together(walker.motion(), ghost), tmp_path, ExportOptions(), False
        )
    assert [p.name for p in made] == ["person_3.bvh"]
    assert "person 9" in caplog.text
    with pytest.raises(InputError, match="person 9"):
        EXPORT_FORMATS["bvh"](ghost, tmp_path, ExportOptions(), True)


def test_nobody_is_an_error_for_bvh(as_motion, tmp_path) -> None:
    nobody = as_motion(skeleton_by_name("coco17"), np.zeros((0, 17, 3)))
    with pytest.raises(InputError, match="nobody"):
        EXPORT_FORMATS["bvh"](nobody, tmp_path, ExportOptions(), False)
