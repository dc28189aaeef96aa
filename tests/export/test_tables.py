from __future__ import annotations

import csv

import numpy as np
import pytest
from mocap.export.keypoints_csv import write_keypoints_csv

from mocap.export.keypoints_npz import write_keypoints_npz
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
    write_keypoints_csv(motion, path)
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
    write_keypoints_csv(nobody, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().count("\n") == 1
    write_keypoints_npz(nobody, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as data:
        assert data["points"].shape == (0, 17, 3)
