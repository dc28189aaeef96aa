"""2D people from the JSON files of other pose estimators, in the layouts these tools write."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic_scene import ring_rig

from mocap.errors import InputError, MocapError, ObservationError, SkeletonError
from mocap.model import skeleton_by_name
from mocap.storage.observation_file import load_observations

CAMERAS = ("cam0", "cam1", "cam10")
FRAMES = (3, 4, 12)
People = dict[tuple[str, int], list[np.ndarray]]


def scene(keypoints: int, people: int = 2) -> People:
    """People of three cameras in three frames; cam1 sees nobody in frame 4."""
    rng = np.random.default_rng(keypoints)
    found: People = {}
    for camera in CAMERAS:
        for frame in FRAMES:
            count = 0 if (camera, frame) == ("cam1", 4) else people
            rows = np.round(rng.uniform(1, 900, (count, keypoints, 3)), 3)
            rows[..., 2] = np.round(rng.uniform(0.1, 1.0, (count, keypoints)), 3)
            rows[:, 0] = 0.0
            found[camera, frame] = list(rows)
    return found


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def openpose_person(body: Any, face: Any = (), left: Any = (), right: Any = ()) -> dict[str, Any]:
    return {
        "person_id": [-1],
        "pose_keypoints_2d": np.asarray(body).ravel().tolist(),
        "face_keypoints_2d": np.asarray(face).ravel().tolist(),
        "hand_left_keypoints_2d": np.asarray(left).ravel().tolist(),
        "hand_right_keypoints_2d": np.asarray(right).ravel().tolist(),
        "pose_keypoints_3d": [],
        "face_keypoints_3d": [],
        "hand_left_keypoints_3d": [],
        "hand_right_keypoints_3d": [],
    }


def openpose(folder: Path, people: People) -> None:
    for (camera, frame), rows in people.items():
        content = {"version": 1.3, "people": [openpose_person(row) for row in rows]}
        write(folder / camera / f"{camera}_{frame:012d}_keypoints.json", content)


def pose2sim(folder: Path, people: People) -> None:
    for (camera, frame), rows in people.items():
        content = {"version": 1.3, "people": [openpose_person(row) for row in rows]}
        write(folder / f"{camera}_json" / f"{camera}_{frame:06d}.json", content)


def alphapose(folder: Path, people: People) -> None:
    for camera in CAMERAS:
        content = [
            {
                "image_id": f"{frame}.jpg",
                "category_id": 1,
                "keypoints": row.ravel().tolist(),
                "score": 2.5,
                "box": [1.0, 2.0, 3.0, 4.0],
                "idx": [0.0],
            }
            for frame in FRAMES
            for row in people[camera, frame]
        ]
        write(folder / camera / "alphapose-results.json", content)


def coco_results(folder: Path, people: People) -> None:
    for camera in CAMERAS:
        content = [
            {"image_id": f, "category_id": 1, "keypoints": row.ravel().tolist(), "score": 0.9}
            for f in FRAMES
            for row in people[camera, f]
        ]
        write(folder / f"{camera}.json", content)


def mmpose_frames(people: People, camera: str) -> list[dict[str, Any]]:
    return [
        {
            "frame_id": frame,
            "instances": [
                {
                    "keypoints": row[:, :2].tolist(),
                    "keypoint_scores": row[:, 2].tolist(),
                    "bbox": [[1.0, 2.0, 3.0, 4.0]],
                    "bbox_score": 0.8,
                }
                for row in people[camera, frame]
            ],
        }
        for frame in FRAMES
    ]


def mmpose_inferencer(folder: Path, people: People) -> None:
    for camera in CAMERAS:
        write(folder / f"{camera}.json", mmpose_frames(people, camera))


def mmpose_demo(folder: Path, people: People) -> None:
    for camera in CAMERAS:
        content = {"meta_info": {}, "instance_info": mmpose_frames(people, camera)}
        write(folder / f"results_{camera}.json", content)


def mmpose_images(folder: Path, people: People) -> None:
    for camera in CAMERAS:
        for frame in mmpose_frames(people, camera):
            write(folder / camera / f"image{frame['frame_id']:04d}.json", frame["instances"])


WRITERS = (
    *(openpose, pose2sim, alphapose, coco_results),
    *(mmpose_inferencer, mmpose_demo, mmpose_images),
)


@pytest.mark.parametrize("write_files", WRITERS, ids=lambda w: w.__name__)
@pytest.mark.parametrize("name", ["coco17", "body25", "halpe26", "coco_wholebody133"])
def test_all_tools_give_the_same_people(
    tmp_path: Path, write_files: Callable[[Path, People], None], name: str
) -> None:
    skeleton = skeleton_by_name(name)
    people = scene(len(skeleton))
    write_files(tmp_path, people)
    found = load_observations(tmp_path)
    assert found.skeleton is skeleton
    assert found.camera_names == CAMERAS
    assert found.frame_ids.tolist() == list(FRAMES)
    assert found.image_size is None
    for (camera, frame), rows in people.items():
        own = (found.frame == frame) & (found.camera == CAMERAS.index(camera))
        expected = np.array(rows).reshape(-1, len(skeleton), 3)
        got = found.detections_px[own]
        np.testing.assert_allclose(got[:, 1:], expected[:, 1:])
        # Zeros stand for missing.
        assert np.isnan(got[:, 0, :2]).all()
        assert (got[:, 0, 2] == 0).all()


def test_they_become_frame_sets(tmp_path: Path) -> None:
    pose2sim(tmp_path, {k: v for k, v in scene(26).items() if k[0] != "cam10"})
    sets = load_observations(tmp_path).frame_sets(ring_rig(2), 50.0)
    assert [s.number for s in sets] == [3, 4, 12]
    assert sets[2].time_ns == 240_000_000
    counts = [{n: len(o.detections) for n, o in s.observations.items()} for s in sets]
    assert counts == [{"cam0": 2, "cam1": 2}, {"cam0": 2, "cam1": 0}, {"cam0": 2, "cam1": 2}]


def test_hands_and_face_of_openpose_become_whole_bodies(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    body, face, left, right = (rng.uniform(0.1, 1, (n, 3)) for n in (25, 70, 21, 21))
    people = [
        openpose_person(body, face, left, right),
        openpose_person(body),
        openpose_person(body, (), (), right),
    ]
    for camera in CAMERAS[:2]:
        write(tmp_path / camera / "a_000.json", {"people": people})
        write(tmp_path / camera / "a_001.json", {"people": []})
    found = load_observations(tmp_path)
    whole, body25 = found.skeleton, skeleton_by_name("body25")
    assert whole.name == "coco_wholebody133"
    first, second, third = found.detections_px[:3]
    for name in ("left_wrist", "right_small_toe", "nose"):
        for row in (first, second, third):
            np.testing.assert_array_equal(row[whole.index(name)], body[body25.index(name)])
    np.testing.assert_array_equal(first[whole.index("face_67")], face[67])
    np.testing.assert_array_equal(first[whole.index("left_hand_thumb_tip")], left[4])
    np.testing.assert_array_equal(first[whole.index("right_hand_pinky_tip")], right[20])
    assert np.isnan(second[whole.index("face_00")]).any()
    assert np.isnan(third[whole.index("left_hand_wrist")]).any()
    np.testing.assert_array_equal(third[whole.index("right_hand_pinky_tip")], right[20])


def test_orders_without_a_table_of_their_own_are_brought_into_one(tmp_path: Path) -> None:
    coco18, halpe136 = scene(18, people=1), scene(136, people=1)
    openpose(tmp_path / "a", coco18)
    coco_results(tmp_path / "b", halpe136)
    found = load_observations(tmp_path / "a")
    assert found.skeleton.name == "coco17"
    # OpenPose's COCO model: nose, neck, right shoulder, ...
    expected = coco18["cam0", 3][0]
    row = found.detections_px[0]
    np.testing.assert_array_equal(row[found.skeleton.index("right_shoulder")], expected[2])
    np.testing.assert_array_equal(row[found.skeleton.index("left_ear")], expected[17])
    found = load_observations(tmp_path / "b")
    assert found.skeleton.name == "coco_wholebody133"
    expected, row = halpe136["cam0", 3][0], found.detections_px[0]
    # Halpe: the small toes follow the big ones of both sides; then heels, face and hands.
    np.testing.assert_array_equal(row[found.skeleton.index("left_small_toe")], expected[22])
    np.testing.assert_array_equal(row[found.skeleton.index("face_00")], expected[26])
    np.testing.assert_array_equal(row[found.skeleton.index("right_hand_wrist")], expected[115])


def test_whole_bodies_of_coco_results(tmp_path: Path) -> None:
    row = np.random.default_rng(0).uniform(0.1, 1, (133, 3))
    parts = {
        "keypoints": row[:17],
        "foot_kpts": row[17:23],
        "face_kpts": row[23:91],
        "lefthand_kpts": row[91:112],
        "righthand_kpts": row[112:],
    }
    person = {"image_id": 7, "score": 0.5} | {k: v.ravel().tolist() for k, v in parts.items()}
    write(tmp_path / "cam0.json", [person])
    found = load_observations(tmp_path)
    assert found.skeleton.name == "coco_wholebody133"
    np.testing.assert_array_equal(found.detections_px[0], row)
    assert found.score.tolist() == [0.5]


def test_people_without_any_keypoint_are_left_out(tmp_path: Path) -> None:
    people = scene(17)
    people["cam0", 3] = [np.zeros((17, 3)), np.full((17, 3), np.nan)]
    openpose(tmp_path, people)
    found = load_observations(tmp_path)
    assert not ((found.frame == 3) & (found.camera == 0)).any()


def test_the_named_skeleton_is_checked(tmp_path: Path) -> None:
    openpose(tmp_path, scene(17))
    assert load_observations(tmp_path, "coco17").skeleton.name == "coco17"
    with pytest.raises(SkeletonError, match=r"cam0_0.*17 keypoints per person, expected the 25 of"):
        load_observations(tmp_path, "body25")
    with pytest.raises(SkeletonError, match="unknown skeleton 'coco'; known skeletons are coco17"):
        load_observations(tmp_path, "coco")


def test_the_named_skeleton_is_checked_against_an_npz(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "people.npz",
        joint_names=np.array(skeleton_by_name("coco17").keypoints),
        camera_names=np.array(["a"]),
        frame_ids=np.arange(2),
        frame=np.zeros(1, int),
        camera=np.zeros(1, int),
        keypoints=np.ones((1, 17, 3)),
    )
    assert len(load_observations(tmp_path / "people.npz", "coco17").frame) == 1
    with pytest.raises(ObservationError, match=r"holds keypoints of coco17, expected halpe26"):
        load_observations(tmp_path / "people.npz", "halpe26")


def person_of(count: int) -> dict[str, Any]:
    return openpose_person(np.ones((count, 3)))


FILES: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({"cam0/readme.txt": "x"}, "holds no JSON files and no folders of them"),
    "no JSON": ({"cam0/a_1.json": "{", "cam0/a_2.json": "{"}, r"a_1.json cannot be read as JSON"),
    "another object": ({"cam0/a_1.json": {"bones": 1}}, r"a_1.json holds bones; expected a file"),
    "a number": ({"cam0/a_1.json": 3}, "holds int; expected a file of OpenPose"),
    "nobody": ({"cam0/a_1.json": {"people": []}}, "holds nobody"),
    "an unknown number of keypoints": (
        {"cam0/a_1.json": {"people": [person_of(30)]}},
        r"a_1.json has 30 keypoints per person, expected those of a known skeleton: coco17 \(17\)",
    ),
    "different numbers": (
        {
            "cam0/a_1.json": {"people": [person_of(17)]},
            "cam1/b_1.json": {"people": [person_of(25)]},
        },
        r"b_1.json has 25 keypoints per person, expected 17 as in a_1.json",
    ),
    "hands of 20": (
        {"cam0/a_1.json": {"people": [openpose_person(np.ones((25, 3)), (), np.ones((20, 3)))]}},
        "25 keypoints per person and 0 of the face, 20 and 0 of the hands",
    ),
    "no rows of three": (
        {"cam0/a_1.json": {"people": [{"pose_keypoints_2d": [1.0] * 50}]}},
        "50 numbers, which are no rows",
    ),
    "no keypoints": ({"cam0/a_1.json": {"people": [{}]}}, "no 'pose_keypoints_2d'"),
    "text as numbers": (
        {"cam0/a_1.json": {"people": [{"pose_keypoints_2d": ["x"] * 51}]}},
        "a_1.json holds people that cannot be read",
    ),
    "a person is a number": ({"cam0/a_1.json": {"people": [1]}}, "cannot be read"),
    "a list of numbers": ({"cam0.json": [1, 2]}, "cam0.json holds people that cannot be read"),
    "no frame number": ({"cam0/a.json": {"people": [person_of(17)]}}, "holds no frame number"),
    "a frame twice": (
        {"cam0/a_1.json": {"people": []}, "cam0/a_01.json": {"people": [person_of(17)]}},
        r"is of frame 1, as is a_0?1.json",
    ),
    "the frames of one camera": (
        {f"cam0_{i}.json": {"people": [person_of(17)]} for i in range(3)},
        "holds the images of one camera; pass the folder above it",
    ),
    "files and folders": (
        {"cam0.json": [], "cam1/a_1.json": {"people": []}},
        r"both JSON files \(cam0.json\) and folders",
    ),
    "a camera twice": (
        {"cam0/a_1.json": {}, "cam0_json/a_1.json": {}},
        "holds camera 'cam0' twice",
    ),
    "a video among images": (
        {
            "cam0/a_1.json": {"people": []},
            "cam0/a_2.json": [{"image_id": 1, "keypoints": [1.0] * 51}],
        },
        "a_2.json is of a whole video, but is one of 2 files",
    ),
    "infinity": (
        {"cam0/a_1.json": {"people": [openpose_person(np.full((17, 3), np.inf))]}},
        "a_1.json: keypoints hold infinity",
    ),
    "percent": (
        {"cam0/a_1.json": {"people": [openpose_person(np.full((17, 3), 80.0))]}},
        "confidence reaches 80; scale it to 0 to 1",
    ),
    "an image without number": (
        {"cam0.json": [{"image_id": "a.jpg", "keypoints": [1.0] * 51}]},
        "the name 'a' holds no frame number",
    ),
    "an image of no kind": (
        {"cam0.json": [{"image_id": True, "keypoints": [1.0] * 51}]},
        "image_id is True",
    ),
    "scores of other length": (
        {
            "cam0.json": [
                {
                    "frame_id": 0,
                    "instances": [{"keypoints": [[1, 2]] * 17, "keypoint_scores": [1.0] * 16}],
                }
            ]
        },
        r"keypoints of shape \(17, 2\) with 16 scores",
    ),
    "a frame twice in a file": (
        {"cam0.json": [{"frame_id": 0, "instances": []}, {"frame_id": 0, "instances": []}]},
        "frame_id 0 stands there twice",
    ),
    "a negative frame": (
        {"cam0.json": [{"frame_id": -1, "instances": []}]},
        "frame_id is -1",
    ),
    "a score of no size": (
        {"cam0.json": [{"image_id": 1, "keypoints": [1.0] * 51, "score": float("nan")}]},
        "score is nan",
    ),
}


@pytest.mark.parametrize(("files", "message"), FILES.values(), ids=FILES)
def test_wrong_files_are_refused_in_one_line(
    tmp_path: Path, files: dict[str, Any], message: str
) -> None:
    for name, content in files.items():
        write(tmp_path / name, content)
    with pytest.raises(MocapError, match=message) as error:
        load_observations(tmp_path)
    assert isinstance(error.value, ObservationError | SkeletonError)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


def test_the_file_of_one_camera_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "cam0.json", [])
    with pytest.raises(InputError, match=r"is the JSON file of one camera; pass the folder"):
        load_observations(path)


def test_hidden_and_other_files_do_not_matter(tmp_path: Path) -> None:
    openpose(tmp_path, scene(25))
    write(tmp_path / "cam0" / "._cam0_1.json", "\x00")
    write(tmp_path / ".DS_Store", "x")
    write(tmp_path / "cam0" / "notes.txt", "x")
    assert load_observations(tmp_path).frame_ids.tolist() == list(FRAMES)
