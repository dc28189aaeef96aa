from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scripted_detector import NAME as SCRIPTED

from capture.detectors import DETECTORS, Detector, detector_skeleton, make_detector
from capture.detectors.mediapipe_holistic import FACE_MESH_OF_IBUG, MediaPipeHolistic
from capture.frames import Frame
from capture.video import VideoSource
from mocap.errors import InputError
from mocap.model.skeletons import BLAZEPOSE_WHOLEBODY, COCO_17, FACE_POINTS


def test_skeletons_are_known_without_loading_anything() -> None:
    assert detector_skeleton("mediapipe") is BLAZEPOSE_WHOLEBODY
    assert detector_skeleton(SCRIPTED) is COCO_17
    code = (
        "import sys; from capture.detectors import *; import capture.worker; "
        "assert all(len(detector_skeleton(name)) for name in DETECTORS); "
        "heavy = {'mediapipe', 'torch', 'cv2', 'av', 'open3d'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("openpose", "unknown detector 'openpose'; valid are mediapipe, or module:Class for one"),
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


def test_mediapipe_answers_in_pixels_of_the_original_image(frames: list[Frame]) -> None:
    detector = make_detector("mediapipe")
    assert isinstance(detector, MediaPipeHolistic)
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


def test_each_stream_of_mediapipe_has_a_state_of_its_own(frames: list[Frame]) -> None:
    turned = [Frame(f.index, f.time_ns, np.ascontiguousarray(f.image_rgb[:, ::-1])) for f in frames]
    alone, mixed = make_detector("mediapipe"), make_detector("mediapipe")
    expected = run(alone, frames)
    got = []
    for frame, other in zip(frames, turned, strict=True):
        one, _ = mixed.detect([("a", frame), ("b", other)])
        got.append(one.keypoints_px[0])
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    alone.close()
    mixed.close()


def test_mediapipe_finds_nobody_where_nobody_is() -> None:
    detector = make_detector("mediapipe")
    people = detector.detect([("a", Frame(0, 0, np.full((240, 320, 3), 90, np.uint8)))])[0]
    assert people.keypoints_px.shape == (0, len(BLAZEPOSE_WHOLEBODY), 2)
    detector.close()


def test_all_detectors_are_described_by_importable_classes() -> None:
    for name in DETECTORS:
        for method in ("prepare", "detect", "close"):
            module, class_name = DETECTORS[name].split(":")
            assert callable(
                getattr(getattr(__import__(module, fromlist=["x"]), class_name), method)
            )
