"""Truth files come back as they were, and anything else is refused."""

from __future__ import annotations

import zipfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from mocap.errors import InputError, OutputError
from mocap.model.truth import Truth
from mocap.storage.truth_file import load_truth, save_truth


@pytest.fixture
def truth() -> Truth:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(4, 3, 3))
    points[1, 2] = np.nan
    return Truth(
        joint_names=("nose", "left_hip", "right_hip"),
        camera_names=("cam10", "cam2"),
        frame=np.array([0, 0, 1, 1]),
        time_s=np.array([0.0, 0.0, 0.04, 0.04]),
        id=np.array([0, 7, 0, 7]),
        points=points,
        visible=rng.random((4, 2, 3)) > 0.5,
        bone_names=("root", "spine"),
        bone_rotations=rng.normal(size=(4, 2, 3, 3)),
        bone_positions=rng.normal(size=(4, 2, 3)),
        shape={"height": {0: 0.4, 7: 0.6}, "muscle": {7: 0.5}},
    )


def test_round_trip(tmp_path: Path, truth: Truth) -> None:
    path = tmp_path / "folder" / "truth.npz"
    save_truth(path, truth)
    back = load_truth(path)
    for field in fields(Truth):
        value, other = getattr(truth, field.name), getattr(back, field.name)
        if isinstance(value, np.ndarray):
            assert value.dtype == other.dtype
            np.testing.assert_array_equal(value, other)
        else:
            assert value == other, field.name
    assert back.ids == (0, 7)
    assert back.frame_interval_s == pytest.approx(0.04)


def test_round_trip_of_nobody_and_of_keypoints_only(tmp_path: Path, truth: Truth) -> None:
    save_truth(
        tmp_path / "a.npz",
        Truth.of_points(
            truth.joint_names,
            truth.camera_names,
            truth.frame[:0],
            truth.time_s[:0],
            truth.id[:0],
            truth.points[:0],
            truth.visible[:0],
        ),
    )
    back = load_truth(tmp_path / "a.npz")
    assert len(back) == 0
    assert back.ids == ()
    assert back.bone_names == ()
    assert np.isnan(back.frame_interval_s)


def test_readable_by_numpy_alone(tmp_path: Path, truth: Truth) -> None:
    save_truth(tmp_path / "truth.npz", truth)
    with np.load(tmp_path / "truth.npz", allow_pickle=False) as data:
        assert data["joint_names"].tolist() == ["nose", "left_hip", "right_hip"]
        assert data["shape_names"].tolist() == ["height", "muscle"]
        np.testing.assert_array_equal(data["shape_values"], [[0.4, np.nan], [0.6, 0.5]])


def test_an_existing_file_is_kept(tmp_path: Path, truth: Truth) -> None:
    path = tmp_path / "truth.npz"
    save_truth(path, truth)
    with pytest.raises(OutputError, match="exists already"):
        save_truth(path, truth)
    save_truth(path, replace(truth, id=np.array([0, 8, 0, 8])), overwrite=True)
    assert load_truth(path).ids == (0, 8)


def change(path: Path, drop: str = "", **arrays: np.ndarray) -> None:
    with np.load(path) as file:
        data = {name: file[name] for name in file.files if name != drop}
    np.savez(path, **{**data, **arrays})


def test_files_that_are_no_truth_are_refused(tmp_path: Path, truth: Truth) -> None:
    path = tmp_path / "truth.npz"
    with pytest.raises(InputError, match="does not exist"):
        load_truth(path)
    for content in (b"", b"hello", b"PK\x03\x04 broken"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="not a truth file"):
            load_truth(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(InputError, match="not a truth file"):
        load_truth(path)
    np.save(path.with_suffix(".npy"), np.zeros(3))
    with pytest.raises(InputError, match="not a truth file"):
        load_truth(path.with_suffix(".npy"))
    np.savez(path, points=np.zeros(3))
    with pytest.raises(InputError, match="not a truth file"):
        load_truth(path)
    save_truth(path, truth, overwrite=True)
    change(path, format_version=np.array(99))
    with pytest.raises(InputError, match="version 99"):
        load_truth(path)


def test_damaged_files_are_refused(tmp_path: Path, truth: Truth) -> None:
    path = tmp_path / "truth.npz"
    save_truth(path, truth)
    change(path, drop="visible")
    with pytest.raises(InputError, match="lacks visible"):
        load_truth(path)
    save_truth(path, truth, overwrite=True)
    change(path, points=np.zeros((4, 2, 3)))
    with pytest.raises(InputError, match="points has shape"):
        load_truth(path)
    save_truth(path, truth, overwrite=True)
    change(path, shape_values=np.zeros((3, 1)))
    with pytest.raises(InputError, match="damaged"):
        load_truth(path)
    save_truth(path, truth, overwrite=True)
    change(path, points=np.array([object()]))
    with pytest.raises(InputError, match="not a truth file"):
        load_truth(path)


@pytest.mark.parametrize(
    ("change_of", "message"),
    [
        ({"id": np.array([0, 0, 0, 7])}, "twice in one frame"),
        ({"time_s": np.array([0.0, np.nan, 1, 1])}, "NaN"),
        ({"points": np.full((4, 3, 3), np.inf)}, "infinity"),
        ({"joint_names": ("a", "a", "b")}, "twice"),
        ({"visible": np.zeros((4, 3, 3), bool)}, "visible has shape"),
    ],
)
def test_impossible_truths_are_refused(
    truth: Truth, change_of: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        replace(truth, **change_of)
