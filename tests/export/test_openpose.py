"""2D people written as OpenPose does, and read by our own reader of such files."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from export_readers import source_of

from mocap.errors import InputError, OutputError
from mocap.export.openpose_json import OpenPoseOptions, write_openpose
from mocap.export.source import ExportSource, ViewRows
from mocap.model import Detections, FrameSet, Observation, Skeleton, skeleton_by_name
from mocap.storage.observation_json import load_json_folder

CAMERAS, FRAMES = 2, 5


def people_2d(skeleton: Skeleton, seed: int = 0) -> list[FrameSet]:
    """Two people in each image; some keypoints are missing, one camera lacks one frame."""
    rng = np.random.default_rng(seed)
    sets = []
    for number in range(10, 10 + FRAMES):
        observations = {}
        for camera in range(CAMERAS):
            if (number, camera) == (12, 1):
                continue
            points = rng.uniform(10, 400, (2, len(skeleton), 2))
            confidence = rng.uniform(0.2, 1.0, (2, len(skeleton)))
            gone = rng.random((2, len(skeleton))) < 0.1
            points[gone], confidence[gone] = np.nan, 0.0
            found = Detections(points, confidence, np.ones(2))
            name = f"cam{camera + 1:02d}"
            observations[name] = Observation(name, number, 0, found)
        sets.append(FrameSet(number, 0, observations))
    return sets


def session(walker, as_motion, name: str) -> ExportSource:
    """The second 2D person of each image is person 3."""
    skeleton = skeleton_by_name(name)
    motion = as_motion(skeleton, walker.array(skeleton)[:FRAMES], frame=10 + np.arange(FRAMES))
    rows = ViewRows(
        motion.frame,
        motion.person_id,
        np.zeros((FRAMES, CAMERAS, len(skeleton)), np.uint8),
        np.ones((FRAMES, CAMERAS), np.int64),
    )
    return source_of(motion, cameras=CAMERAS, frame_sets=people_2d(skeleton), views=rows)


@pytest.mark.parametrize(
    "name", ["coco17", "halpe26", "body25", "coco_wholebody133", "blazepose_wholebody"]
)
def test_own_layout_is_read_back_exactly(walker, as_motion, tmp_path, name) -> None:
    source = session(walker, as_motion, name)
    written = write_openpose(source, tmp_path, OpenPoseOptions(layout="own"), overwrite=False)
    assert written.what == f"{CAMERAS * FRAMES - 1} files, {2 * (CAMERAS * FRAMES - 1)} 2D people"
    read = load_json_folder(tmp_path / "openpose", source.motion.skeleton)
    assert read.skeleton.name == name
    check_equal(source, read, source.motion.skeleton)


def check_equal(source: ExportSource, read, skeleton: Skeleton) -> None:
    truth = {
        (each.number, camera): observation.detections
        for each in source.frame_sets()
        for camera, observation in each.observations.items()
    }
    found = {
        (each.number, camera): observation.detections
        for each in read.frame_sets(source.rig, 30.0)
        for camera, observation in each.observations.items()
        if len(observation.detections)
    }
    assert found.keys() == truth.keys()
    own = [n for n in skeleton.keypoints if n in source.motion.skeleton]
    a = [skeleton.index(n) for n in own]
    b = [source.motion.skeleton.index(n) for n in own]
    assert len(own) >= 17
    for key, people in found.items():
        np.testing.assert_allclose(
            people.keypoints_px[:, a], truth[key].keypoints_px[:, b], atol=1e-3
        )
        np.testing.assert_allclose(people.confidence[:, a], truth[key].confidence[:, b], atol=1e-3)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("halpe26", "body25"),
        ("coco_wholebody133", "coco_wholebody133"),
        ("blazepose_wholebody", "coco_wholebody133"),
    ],
)
def test_openposes_layout_is_read_back(walker, as_motion, tmp_path, name, expected) -> None:
    source = session(walker, as_motion, name)
    write_openpose(source, tmp_path, OpenPoseOptions(), overwrite=False)
    read = load_json_folder(tmp_path / "openpose", None)
    assert read.skeleton.name == expected
    check_equal(source, read, read.skeleton)


def test_files_are_as_openpose_writes_them(walker, as_motion, tmp_path) -> None:
    source = session(walker, as_motion, "coco_wholebody133")
    write_openpose(source, tmp_path, OpenPoseOptions(), overwrite=False)
    path = tmp_path / "openpose" / "cam02_json" / "cam02_000000000010_keypoints.json"
    document = json.loads(path.read_text())
    assert document["version"] == 1.3
    assert [p["person_id"] for p in document["people"]] == [[-1], [3]]
    person = document["people"][1]
    sizes = {key: len(values) for key, values in person.items() if key != "person_id"}
    assert sizes == {
        "pose_keypoints_2d": 75,
        "face_keypoints_2d": 210,
        "hand_left_keypoints_2d": 63,
        "hand_right_keypoints_2d": 63,
    }
    assert not (tmp_path / "openpose" / "cam02_json" / "cam02_000000000012_keypoints.json").exists()
    found = source.frame_sets()[0].observations["cam02"].detections
    left, right = (source.motion.skeleton.index(f"{s}_shoulder") for s in ("left", "right"))
    neck = np.array(person["pose_keypoints_2d"][3:6])
    seen = found.confidence[1, [left, right]].all()
    middle = found.keypoints_px[1, [left, right]].mean(0) if seen else (0.0, 0.0)
    np.testing.assert_allclose(neck[:2], middle, atol=1e-3)


def test_chosen_people_alone(walker, as_motion, tmp_path) -> None:
    source = replace(session(walker, as_motion, "halpe26"), some_people=True)
    written = write_openpose(source, tmp_path, OpenPoseOptions(), overwrite=False)
    assert written.what == "9 files, 9 2D people"


def test_existing_files_are_replaced_as_a_whole_or_not_at_all(walker, as_motion, tmp_path) -> None:
    source = session(walker, as_motion, "halpe26")
    old = tmp_path / "openpose" / "cam01_json" / "cam01_000000000099_keypoints.json"
    old.parent.mkdir(parents=True)
    old.write_text("{}")
    with pytest.raises(OutputError, match="--overwrite"):
        write_openpose(source, tmp_path, OpenPoseOptions(), overwrite=False)
    assert [p.name for p in old.parent.iterdir()] == [old.name]
    write_openpose(source, tmp_path, OpenPoseOptions(), overwrite=True)
    assert not old.exists()


def test_a_session_without_2d_people(walker, tmp_path) -> None:
    with pytest.raises(InputError, match=r"session\.h5 holds no 2D people"):
        write_openpose(source_of(walker.motion()), tmp_path, OpenPoseOptions(), overwrite=False)
    assert not list(tmp_path.iterdir())
