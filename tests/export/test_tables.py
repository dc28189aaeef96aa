from __future__ import annotations

import csv

import numpy as np
import pandas as pd
import pytest
from body_motions import humanoid_tree, moving, posed
from scipy.spatial.transform import Rotation

from mocap.body.biomechanics.tables import EventTable
from mocap.export.biomechanics_tables import derived_table, event_table
from mocap.export.body_npz import write_body_npz
from mocap.export.keypoints_npz import write_keypoints_npz
from mocap.export.tables import (
    Table,
    body_table,
    joined,
    keypoint_table,
    write_csv,
    write_parquet,
    write_table_npz,
)
from mocap.model import Motion, skeleton_by_name


@pytest.fixture
def motion(walker) -> Motion:
    one = walker.motion("halpe26", person_id=3)
    points = one.points_m.copy()
    points[2, 5] = np.nan
    points[4] += 1.0 / 3.0
    gone = np.isnan(points[..., 0])
    return Motion(
        one.skeleton,
        one.frame + 40,
        one.time_s,
        one.person_id,
        points,
        np.where(gone[..., None, None], np.nan, one.covariance_m2),
        np.where(gone, np.nan, one.reprojection_px),
        np.where(gone, 0, one.n_views),
    )


def test_npz_holds_exactly_the_arrays(motion, tmp_path) -> None:
    path = tmp_path / "keypoints.npz"
    write_keypoints_npz(motion, path)
    with np.load(path, allow_pickle=False) as data:
        assert set(data.files) == {
            *("joint_names", "frame", "time_s", "id", "points", "covariance"),
            *("reprojection_px", "n_views"),
        }
        assert data["joint_names"].dtype.kind == "U"
        assert tuple(data["joint_names"]) == motion.skeleton.keypoints
        assert data["frame"].dtype == data["id"].dtype == np.int64
        assert data["n_views"].dtype.kind == "i"
        for name, values in (
            ("frame", motion.frame),
            ("time_s", motion.time_s),
            ("id", motion.person_id),
            ("points", motion.points_m),
            ("covariance", motion.covariance_m2),
            ("reprojection_px", motion.reprojection_px),
            ("n_views", motion.n_views),
        ):
            np.testing.assert_array_equal(data[name], values)


def test_csv_is_read_back(motion, tmp_path) -> None:
    path = tmp_path / "keypoints.csv"
    write_csv(keypoint_table(motion), path)
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(motion)
    assert list(rows[0])[:9] == [
        *("frame", "time_s", "id", "nose_x_m", "nose_y_m", "nose_z_m", "nose_sigma_m"),
        *("nose_reprojection_px", "nose_n_views"),
    ]
    name = motion.skeleton.keypoints[5]
    hidden = rows[2]
    assert [hidden[f"{name}_{f}"] for f in ("x_m", "y_m", "z_m", "sigma_m")] == [""] * 4
    assert hidden[f"{name}_reprojection_px"] == "" and hidden[f"{name}_n_views"] == "0"
    last = rows[-1]
    assert (int(last["frame"]), int(last["id"])) == (int(motion.frame[-1]), 3)
    assert float(last["time_s"]) == pytest.approx(motion.time_s[-1], abs=1e-6)
    for axis, letter in enumerate("xyz"):
        got = [float(row[f"nose_{letter}_m"]) for row in rows]
        np.testing.assert_allclose(got, motion.points_m[:, 0, axis], atol=1e-6)
    assert float(last["nose_sigma_m"]) == pytest.approx(np.sqrt(3e-4), abs=1e-6)
    assert float(last["nose_reprojection_px"]) == 1.25
    assert last["nose_n_views"] == "3"
    assert "nan" not in path.read_text()


def test_nobody_gives_a_header_and_empty_arrays(tmp_path, as_motion) -> None:
    table = skeleton_by_name("coco17")
    nobody = as_motion(table, np.zeros((0, 17, 3)))
    write_csv(keypoint_table(nobody), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().count("\n") == 1
    write_keypoints_npz(nobody, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as data:
        assert data["points"].shape == (0, 17, 3)


def test_parquet_holds_the_same_as_the_csv(motion, tmp_path) -> None:
    table = keypoint_table(motion)
    write_csv(table, tmp_path / "a.csv")
    write_parquet(table, tmp_path / "a.parquet")
    text, binary = pd.read_csv(tmp_path / "a.csv"), pd.read_parquet(tmp_path / "a.parquet")
    assert list(text) == list(binary) == list(table.columns)
    np.testing.assert_allclose(binary.to_numpy(float), text.to_numpy(float), atol=5e-4)
    assert binary["frame"].dtype == np.int64
    hidden = f"{motion.skeleton.keypoints[5]}_x_m"
    assert binary[hidden].isna().sum() == text[hidden].isna().sum() == 1


def test_body_table_holds_positions_and_rotations(tmp_path) -> None:
    motion = moving(*humanoid_tree())
    write_csv(body_table(motion), tmp_path / "bodies.csv")
    read = pd.read_csv(tmp_path / "bodies.csv")
    assert list(read)[:7] == ["frame", "time_s", "id", "present", *(f"root_{a}_m" for a in "xyz")]
    assert read.frame.tolist() == motion.frame.tolist()
    assert (read.present == 1).all()
    j = motion.tree.index("LeftHand")
    np.testing.assert_allclose(
        read[[f"LeftHand_{a}_m" for a in "xyz"]], motion.joint_positions_m[:, j], atol=1e-6
    )
    np.testing.assert_allclose(
        read[[f"LeftHand_q{a}" for a in "wxyz"]], motion.rotations[:, j], atol=1e-6
    )


def test_angles_have_units_sigmas_and_the_right_angle_of_an_elbow() -> None:
    motion = posed({"LeftForeArm": np.array([0.0, 0.0, -np.pi / 2])}, frames=6)
    table = derived_table("angles", motion, "ground")
    assert list(table.columns)[:3] == ["frame", "time_s", "id"]
    np.testing.assert_allclose(table.columns["left_elbow_flexion_deg"], 90.0)
    np.testing.assert_allclose(table.columns["right_elbow_flexion_deg"], 0.0, atol=1e-9)
    assert np.isnan(table.columns["left_elbow_flexion_sigma_deg"]).all()
    assert table.columns["left_elbow_flexion_measured"].all()


def test_angles_next_to_a_gimbal_lock_are_marked_in_every_kind_of_file(tmp_path) -> None:
    # Arms that hang straight down have no plane of elevation; those of the T-pose have one.
    motion = posed({"LeftArm": np.array([0.0, np.pi / 2, 0.0])}, frames=6)
    table = derived_table("angles", motion, "ground")
    write_csv(table, tmp_path / "angles.csv")
    write_parquet(table, tmp_path / "angles.parquet")
    write_table_npz(table, tmp_path / "angles.npz")
    with np.load(tmp_path / "angles.npz") as data:
        files = [dict(data), pd.read_csv(tmp_path / "angles.csv")]
    files.append(pd.read_parquet(tmp_path / "angles.parquet"))
    for columns in files:
        assert np.all(columns["left_shoulder_plane_of_elevation_singular"] == 1)
        assert np.all(columns["right_shoulder_plane_of_elevation_singular"] == 0)
        assert np.all(columns["left_shoulder_flexion_singular"] == 0)
    masses = derived_table("center_of_mass", motion, "ground")
    assert not any(name.endswith("_singular") for name in masses.columns)


def test_events_are_written_as_text(tmp_path) -> None:
    events = EventTable(
        *(3, ("foot_strike", "toe_off"), ("left", "right")),
        *(np.array([5, 9]), np.array([0.1, 0.18]), np.array([True, False])),
    )
    write_csv(event_table(events), tmp_path / "events.csv")
    assert (tmp_path / "events.csv").read_text() == (
        "frame,time_s,id,side,event,measured\n"
        "5,0.100000,3,left,foot_strike,1\n9,0.180000,3,right,toe_off,0\n"
    )


def test_tables_of_several_people_with_different_columns(tmp_path) -> None:
    one = Table("t", {"id": np.array([1, 1]), "a": np.array([0.5, 1.5])}, {})
    two = Table("t", {"id": np.array([2]), "b": np.array([7.0])}, {"b": 1})
    both = joined("t", [one, two])
    write_csv(both, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "id,a,b\n1,0.500000,\n1,1.500000,\n2,,7.0\n"


def test_texts_are_quoted_where_they_must_be(tmp_path) -> None:
    table = Table("events", {"what": np.array(["a, b", "nanny"]), "t": np.array([1.0, np.nan])}, {})
    write_csv(table, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == 'what,t\n"a, b",1.000000\nnanny,\n'
    write_parquet(table, tmp_path / "t.parquet")
    assert pd.read_parquet(tmp_path / "t.parquet").what.tolist() == ["a, b", "nanny"]


def test_body_npz_holds_all_that_is_known_and_the_right_angle_of_an_elbow(tmp_path) -> None:
    motion = posed({"LeftForeArm": np.array([0.0, 0.0, -np.pi / 2])})
    write_body_npz(motion, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as data:
        for name in (
            "rest_joints_m",
            "frame",
            "time_s",
            "rotations",
            "joint_positions_m",
            "present",
        ):
            np.testing.assert_array_equal(data[name], getattr(motion, name))
        assert tuple(data["joint_names"]) == motion.tree.names
        assert tuple(data["joint_parents"]) == motion.tree.parents
        assert (int(data["id"]), str(data["model"])) == (3, "skeleton")
        elbow = data["rotations"][0, list(data["joint_names"]).index("LeftForeArm")]
    turn = Rotation.from_quat(elbow, scalar_first=True)
    assert np.rad2deg(turn.magnitude()) == pytest.approx(90.0)
