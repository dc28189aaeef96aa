"""2D people from an NPZ file, and every way in which such a file can be wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic_scene import SIZE, ring_rig

from mocap.errors import InputError, ObservationError, RigError, SkeletonError
from mocap.model import skeleton_by_name
from mocap.storage.observation_file import load_observations

COCO = skeleton_by_name("coco17")
NAMES = ("cam0", "cam1", "cam2", "spare")


def content() -> dict[str, Any]:
    """Five people in three of five frames; frame 7 shows nobody, frame 9 does to cam1 alone."""
    rng = np.random.default_rng(1)
    keypoints = rng.uniform(1, 900, (5, 17, 3)).astype(np.float32)
    keypoints[..., 2] = rng.uniform(0.1, 1.0, (5, 17))
    keypoints[1, 4] = 0.0
    return {
        "joint_names": np.array(COCO.keypoints),
        "camera_names": np.array(NAMES),
        "image_size": np.tile(SIZE, (4, 1)),
        "frame_ids": np.array([2, 3, 7, 8, 9]),
        "frame": np.array([2, 2, 2, 3, 9], np.int32),
        "camera": np.array([0, 0, 2, 1, 1], np.int32),
        "keypoints": keypoints,
        "score": np.linspace(0.2, 1, 5),
    }


def saved(tmp_path: Path, **changes: Any) -> Path:
    """The file with some arrays exchanged; None leaves one out."""
    arrays = {k: v for k, v in (content() | changes).items() if v is not None}
    np.savez(tmp_path / "people.npz", **arrays)
    return tmp_path / "people.npz"


def test_rows_are_grouped_by_frame_and_camera(tmp_path):
    found = load_observations(saved(tmp_path))
    assert found.skeleton is COCO
    assert found.camera_names == NAMES
    sets = found.frame_sets(ring_rig(3), 50.0)
    assert [s.number for s in sets] == [2, 3, 7, 8, 9]
    assert [s.time_ns for s in sets] == [n * 20_000_000 for n in (2, 3, 7, 8, 9)]
    counts = [{n: len(o.detections) for n, o in s.observations.items()} for s in sets]
    nobody = dict.fromkeys(("cam0", "cam1", "cam2"), 0)
    assert counts == [
        nobody | {"cam0": 2, "cam2": 1},
        nobody | {"cam1": 1},
        nobody,
        nobody,
        nobody | {"cam1": 1},
    ]
    first = sets[0].observations["cam0"]
    assert (first.frame_index, first.time_ns) == (2, 40_000_000)
    keypoints = content()["keypoints"]
    np.testing.assert_array_equal(first.detections.keypoints_px[0], keypoints[0, :, :2])
    np.testing.assert_array_equal(first.detections.confidence[0], keypoints[0, :, 2])
    np.testing.assert_allclose(first.detections.score, [0.2, 0.4])


def test_zeros_mean_missing(tmp_path):
    detections = load_observations(saved(tmp_path)).frame_sets(ring_rig(3), 50.0)[0]
    second = detections.observations["cam0"].detections
    assert np.isnan(second.keypoints_px[1, 4]).all()
    assert second.confidence[1, 4] == 0
    assert np.isfinite(second.keypoints_px[1]).all(axis=1).sum() == 16


@pytest.mark.parametrize(
    ("confidence", "expected"), [(1.2, 1.0), (0.0, 0.0), (-1.0, 0.0), (np.nan, 0.0)]
)
def test_confidence_just_above_one_is_cut_and_none_is_missing(tmp_path, confidence, expected):
    keypoints = content()["keypoints"]
    keypoints[0, 0, 2] = confidence
    detections = load_observations(saved(tmp_path, keypoints=keypoints)).detections_px
    assert detections[0, 0, 2] == expected
    assert np.isnan(detections[0, 0, 0]) == (expected == 0)


def test_optional_arrays_may_be_left_out(tmp_path):
    found = load_observations(saved(tmp_path, image_size=None, score=None))
    assert found.image_size is None
    np.testing.assert_array_equal(found.score, np.ones(5))
    assert len(found.frame_sets(ring_rig(2), 50.0)) == 5


def test_a_file_without_people(tmp_path):
    nothing = {
        "frame": np.zeros(0, int),
        "camera": np.zeros(0, int),
        "keypoints": np.zeros((0, 17, 3)),
        "score": np.zeros(0),
    }
    sets = load_observations(saved(tmp_path, **nothing)).frame_sets(ring_rig(2), 50.0)
    assert all(len(o.detections) == 0 for s in sets for o in s.observations.values())


def test_the_rig_must_fit(tmp_path):
    found = load_observations(saved(tmp_path))
    with pytest.raises(
        RigError, match=r"'cam3' of the rig is not in .*cam0, cam1, cam2, spare.*--cameras"
    ):
        found.frame_sets(ring_rig(4), 50.0)
    sizes = np.tile(SIZE, (4, 1))
    sizes[1] = 640, 480
    found = load_observations(saved(tmp_path, image_size=sizes))
    with pytest.raises(RigError, match=r"'cam1'.*640x480.*1280x960"):
        found.frame_sets(ring_rig(3), 50.0)


def with_value(name: str, place: Any, value: float) -> dict[str, np.ndarray]:
    array = content()[name].copy()
    array[place] = value
    return {name: array}


WRONG = {
    "no keypoints": ({"keypoints": None}, "lacks keypoints"),
    "two missing": ({"frame": None, "camera": None}, "lacks frame, camera"),
    "rows differ": ({"frame": np.array([2, 2])}, "keypoints has shape"),
    "two-dimensional frame": ({"frame": np.zeros((5, 1), int)}, "frame has shape"),
    "frame of no dimension": ({"frame": np.array(2)}, "frame has shape"),
    "two-dimensional frame_ids": ({"frame_ids": np.zeros((5, 1), int)}, "frame_ids has shape"),
    "camera too short": ({"camera": np.zeros(4, int)}, "camera has shape"),
    "other keypoint count": ({"keypoints": np.ones((5, 16, 3))}, "keypoints has shape"),
    "no confidence": ({"keypoints": np.ones((5, 17, 2))}, "keypoints has shape"),
    "score too long": ({"score": np.ones(6)}, "score has shape"),
    "image_size of one camera": ({"image_size": np.ones((1, 2), int)}, "image_size has shape"),
    "frames are halves": ({"frame": np.full(5, 2.5)}, "frame is float64, expected whole"),
    "frame_ids are NaN": ({"frame_ids": np.full(5, np.nan)}, "frame_ids is float64"),
    "camera is text": ({"camera": np.array(["cam0"] * 5)}, "camera is <U4"),
    "keypoints are text": ({"keypoints": np.full((5, 17, 3), "x")}, "keypoints is <U1"),
    "keypoints are complex": ({"keypoints": np.ones((5, 17, 3), complex)}, "keypoints is complex"),
    "names are one text": ({"camera_names": np.array("cam0")}, "camera_names has shape"),
    "a camera twice": ({"camera_names": np.array(["a", "b", "a", "c"])}, "names a camera twice"),
    "camera too high": (with_value("camera", 2, 4), "camera goes from 0 to 4"),
    "camera negative": (with_value("camera", 2, -1), "camera goes from -1"),
    "unknown frame": (with_value("frame", 4, 5), "frame 5 is not among"),
    "frame_ids fall": ({"frame_ids": np.array([9, 8, 7, 3, 2])}, "do not increase"),
    "frame_ids fall, unsigned": (
        {"frame_ids": np.array([9, 8, 7, 3, 2], np.uint16)},
        "do not increase",
    ),
    "frame_ids repeat": ({"frame_ids": np.array([2, 3, 3, 8, 9])}, "do not increase"),
    "infinite pixel": (with_value("keypoints", (0, 0, 0), np.inf), "infinity"),
    "score is NaN": (with_value("score", 1, np.nan), "score holds NaN"),
    "confidence in percent": (with_value("keypoints", (0, 0, 2), 87.0), "reaches 87"),
    "pickled": ({"keypoints": np.array([{"x": 1}] * 5, object)}, "plain arrays"),
}


@pytest.mark.parametrize(("changes", "message"), WRONG.values(), ids=WRONG)
def test_wrong_files_are_refused_in_one_line(tmp_path, changes, message):
    path = saved(tmp_path, **changes)
    with pytest.raises(ObservationError, match=message) as error:
        load_observations(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_unknown_skeletons_are_refused(tmp_path):
    names = np.array(["tail", *COCO.keypoints[1:]])
    with pytest.raises(SkeletonError, match=r"people.npz.*17 keypoints.*tail"):
        load_observations(saved(tmp_path, joint_names=names))


@pytest.mark.parametrize("kind", ["text", "empty", "one array", "cut", "scrambled"])
def test_other_files_are_refused(tmp_path, kind):
    path = saved(tmp_path)
    good = path.read_bytes()
    if kind == "one array":
        np.save(tmp_path / "one.npy", np.zeros(3))
        path.write_bytes((tmp_path / "one.npy").read_bytes())
    elif kind == "scrambled":
        np.savez_compressed(path, **content())
        good = bytearray(path.read_bytes())
        good[len(good) // 2 : len(good) // 2 + 200] = b"\x5a" * 200
        path.write_bytes(good)
    else:
        path.write_bytes({"text": b"x, y\n1, 2", "empty": b"", "cut": good[: len(good) // 2]}[kind])
    with pytest.raises(ObservationError, match="not an NPZ"):
        load_observations(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_observations(tmp_path / "none.npz")


def test_real_data(shared_path):
    found = load_observations(shared_path("shelf_dev/detections.npz"))
    assert found.skeleton.name == "body25"
    assert len(found.frame_ids) == 240
    assert len(found.frame) == 3479
    confidence = found.detections_px[..., 2]
    assert (confidence <= 1).all()
    np.testing.assert_array_equal(np.isnan(found.detections_px[..., 0]), confidence == 0)
