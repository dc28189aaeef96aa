from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scripted_detector import NAME as SCRIPTED

from capture.detectors import (
    DEFAULT_DETECTOR,
    DETECTORS,
    Detector,
    detector_skeleton,
    make_detector,
)
from capture.detectors.face_mesh import FACE_MESH_OF_IBUG
from capture.detectors.face_network import FaceFinder, head_region
from capture.frames import Frame
from capture.video import VideoSource
from mocap.errors import InputError
from mocap.model.skeletons import BLAZEPOSE_WHOLEBODY, COCO_17, FACE_POINTS, hand_keypoints


def test_skeletons_are_known_without_loading_anything() -> None:
    assert detector_skeleton("mediapipe") is BLAZEPOSE_WHOLEBODY
    assert detector_skeleton("mediapipe-multi") is BLAZEPOSE_WHOLEBODY
    assert DEFAULT_DETECTOR in DETECTORS
    assert detector_skeleton(SCRIPTED) is COCO_17
    code = (
        "import sys; from capture.detectors import *; import capture.worker; "
        "assert all(len(detector_skeleton(name)) for name in DETECTORS); "
        "heavy = {'mediapipe', 'ai_edge_litert', 'torch', 'cv2', 'av', 'open3d'}; "
        "heavy = heavy & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "openpose",
            "unknown detector 'openpose'; valid are mediapipe, mediapipe-multi, or module",
        ),
        (":Class", "unknown detector ':Class'"),
        ("no_such_module:Class", "module 'no_such_module' cannot be imported .*PYTHONPATH"),
        ("scripted_detector:Nothing", "module 'scripted_detector' has no 'Nothing'; check"),
        ("scripted_detector:WithoutSkeleton", "does not say which keypoints it finds; its class"),
        ("broken_detector:Class", r"cannot be imported \(ZeroDivisionError: division by zero\)"),
    ],
)
def test_detectors_that_cannot_be_used(
    name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_detector.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InputError, match=words):
        detector_skeleton(name)


def test_a_detector_of_the_user_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_detector.py").write_text(
        "from mocap.model.skeletons import COCO_17\n\n\nclass Mine:\n    skeleton = COCO_17\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert type(make_detector("my_detector:Mine")).__name__ == "Mine"


def test_the_face_points_are_as_many_as_the_skeleton_has() -> None:
    assert len(FACE_MESH_OF_IBUG) == len(set(FACE_MESH_OF_IBUG)) == len(FACE_POINTS) == 68


@pytest.fixture(scope="module")
def frames(shared_path) -> list[Frame]:
    source = VideoSource(shared_path("pose2sim_single/videos/cam03.mp4"), end_ns=60_000_000)
    found = list(source)
    source.close()
    return found


def run(detector: Detector, frames: list[Frame], stream: str = "a") -> list[np.ndarray]:
    found = [detector.detect([(stream, frame)])[0] for frame in frames]
    assert [len(people) for people in found] == [1] * len(frames)
    for people in found:
        missing = np.isnan(people.keypoints_px).any(axis=2)
        assert (people.confidence[missing] == 0).all()
        assert ((people.confidence >= 0) & (people.confidence <= 1)).all()
    return [people.keypoints_px[0] for people in found]


BOTH = pytest.mark.parametrize("name", ["mediapipe", "mediapipe-multi"])


@BOTH
def test_it_answers_in_pixels_of_the_original_image(frames: list[Frame], name: str) -> None:
    detector = make_detector(name)
    height, width = frames[0].image_rgb.shape[:2]
    detector.prepare("a", (width, height))
    plain = run(detector, frames[:1])[0]
    limbs = list(BLAZEPOSE_WHOLEBODY.indices("body", "feet"))
    assert ((plain[limbs] > 0) & (plain[limbs] < (width, height))).all()
    ankle = plain[BLAZEPOSE_WHOLEBODY.index("left_ankle")]
    assert ankle[1] - plain[BLAZEPOSE_WHOLEBODY.index("nose")][1] > 200
    # The same picture with a border of 200 columns left and 100 rows above.
    border = np.pad(frames[0].image_rgb, ((100, 0), (200, 0), (0, 0)))
    shifted = run(detector, [Frame(0, 0, border)], "padded")[0]
    moved = np.median(shifted[limbs] - plain[limbs], axis=0)
    np.testing.assert_allclose(moved, (200, 100), atol=6)
    detector.close()


@BOTH
def test_each_stream_has_a_state_of_its_own(frames: list[Frame], name: str) -> None:
    turned = [Frame(f.index, f.time_ns, np.ascontiguousarray(f.image_rgb[:, ::-1])) for f in frames]
    alone, mixed = make_detector(name), make_detector(name)
    expected = run(alone, frames)
    got = []
    for frame, other in zip(frames, turned, strict=True):
        one, _ = mixed.detect([("a", frame), ("b", other)])
        got.append(one.keypoints_px[0])
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    alone.close()
    mixed.close()


@BOTH
def test_it_finds_nobody_where_nobody_is(name: str) -> None:
    detector = make_detector(name)
    people = detector.detect([("a", Frame(0, 0, np.full((240, 320, 3), 90, np.uint8)))])[0]
    assert people.keypoints_px.shape == (0, len(BLAZEPOSE_WHOLEBODY), 2)
    detector.close()


def side_by_side(frame: Frame, index: int) -> Frame:
    """Two people: the person of the frame, and beside it a smaller one in a mirror."""
    image = frame.image_rgb
    mirrored = np.zeros_like(image)
    small = image[::2, ::-2]
    mirrored[300 : 300 + len(small), 200 : 200 + small.shape[1]] = small
    return Frame(index, frame.time_ns, np.concatenate([image, mirrored], axis=1))


def test_both_of_two_people_are_found_with_hands(frames: list[Frame]) -> None:
    detector = make_detector("mediapipe-multi")
    width = frames[0].image_rgb.shape[1]
    skeleton = BLAZEPOSE_WHOLEBODY
    limbs = list(skeleton.indices("body", "feet"))
    alone = run(make_detector("mediapipe-multi"), frames)
    for i, frame in enumerate(frames):
        people = detector.detect([("a", side_by_side(frame, i))])[0]
        assert len(people) == 2
        large, small = sorted(people.keypoints_px, key=lambda k: -np.ptp(k[limbs, 1]))
        assert np.median(np.abs(large - alone[i])[limbs]) < 6
        # Where the mirrored copy has what the large one has; left is right there.
        expected = np.array([width + 200, 300]) + np.array([width - 1, 0]) / 2
        expected = expected + large * np.array([-0.5, 0.5])
        for name in ("shoulder", "hip", "ankle"):
            got = small[[skeleton.index(f"{side}_{name}") for side in ("left", "right")]]
            want = expected[[skeleton.index(f"{side}_{name}") for side in ("right", "left")]]
            assert np.abs(got - want).max() < 25
    wrists: list[float] = []
    for person in (large, small):
        for side in ("left", "right"):
            root = person[skeleton.index(hand_keypoints(side)[0])]
            wrists.append(float(np.linalg.norm(root - person[skeleton.index(f"{side}_wrist")])))
    found = np.array(wrists)[np.isfinite(wrists)]
    assert len(found) >= 1
    assert found.max() < 40
    detector.close()


def test_a_face_is_that_of_its_own_body(shared_path) -> None:
    source = VideoSource(shared_path("pose2sim_single/videos/cam02.mp4"), end_ns=240_000_000)
    image = list(source)[-1].image_rgb
    source.close()
    # The one on the treadmill has no face that can be seen; the one behind has.
    people = make_detector("mediapipe-multi").detect([("a", Frame(0, 0, image))])[0]
    nose, tip = BLAZEPOSE_WHOLEBODY.index("nose"), BLAZEPOSE_WHOLEBODY.index("face_30")
    with_face = [k for k in people.keypoints_px if np.isfinite(k[tip]).all()]
    assert len(people) >= 2
    assert len(with_face) == 1
    body = with_face[0][:33].astype(np.float64)
    assert np.linalg.norm(with_face[0][tip] - body[nose]) < 10
    finder = FaceFinder()
    head = head_region(body)
    assert finder.find(image, body, None) is not None
    for share in (0.3, -0.3):
        assert finder.find(image, body + share * head.side_px, None) is None


def test_who_leaves_is_not_followed_any_more(frames: list[Frame]) -> None:
    detector = make_detector("mediapipe-multi")
    run(detector, frames[:1])
    empty = Frame(1, 0, np.full_like(frames[0].image_rgb, 128))
    assert len(detector.detect([("a", empty)])[0]) == 0
    # Looked for at once, and found again within two frames.
    counts = [len(detector.detect([("a", frames[0])])[0]) for _ in range(3)]
    assert counts[-1] == 1
    detector.close()


def test_all_detectors_are_described_by_importable_classes() -> None:
    for name in DETECTORS:
        for method in ("prepare", "detect", "close"):
            module, class_name = DETECTORS[name].split(":")
            assert callable(
                getattr(getattr(__import__(module, fromlist=["x"]), class_name), method)
            )
