"""2D people in the JSON documents of pose estimators.

Which tool wrote a document is told by what is in it:

- OpenPose (Cao et al. 2019) and Pose2Sim, one image each: an object with `people`, each with
  `pose_keypoints_2d` and, if they were asked for, `face_keypoints_2d`, `hand_left_keypoints_2d` and
  `hand_right_keypoints_2d`: x, y, confidence in one flat list.
- COCO's format of results and AlphaPose, one camera each: a list of people, each with `image_id` (a
  number or the name of an image), flat `keypoints` and `score`; COCO-WholeBody adds `foot_kpts`,
  `face_kpts`, `lefthand_kpts` and `righthand_kpts`.
- MMPose, one camera each: a list (also within an object, as `instance_info`) of frames with
  `frame_id` and `instances`, each with `keypoints` as pairs and `keypoint_scores`. For one image,
  the list of instances alone.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mocap.arrays import Float
from mocap.errors import ObservationError, valid_choices

_OPENPOSE_PARTS = (
    *("pose_keypoints_2d", "face_keypoints_2d"),
    *("hand_left_keypoints_2d", "hand_right_keypoints_2d"),
)
_COCO_PARTS = ("face_kpts", "lefthand_kpts", "righthand_kpts")
_EXPECTED = "of OpenPose, Pose2Sim, AlphaPose, MMPose, or a list of COCO results"
_LAST_NUMBER = re.compile(r"(\d+)\D*$")


@dataclass(frozen=True)
class Person:
    """One 2D person as a file has it.

    Attributes:
        parts: x px, y px and confidence of body, face, left and right hand; empty where the file
            has none.
        score: of the person.
    """

    parts: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
    score: float


@dataclass(frozen=True)
class Document:
    """The people of one JSON file.

    Attributes:
        path: the file.
        people: those of each frame number.
        one_image: the file is of one image, whose frame number stands in the file's name.
    """

    path: Path
    people: dict[int, list[Person]]
    one_image: bool


def read_document(path: Path, *, one_image: bool) -> Document:
    """Reads one JSON file.

    Args:
        path: the file.
        one_image: an empty list is an image with nobody, and otherwise a camera which saw nobody.

    Raises:
        ObservationError: it is not JSON, or of none of these tools, or what it holds is damaged.
    """
    try:
        content: Any = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ObservationError(
            f"{path} cannot be read as JSON ({error}); write it again, or remove it"
        ) from error
    try:
        if isinstance(content, dict) and isinstance(content.get("people"), list):
            people = [_of_openpose(each) for each in content["people"]]
            return Document(path, {frame_number(path.stem, path): people}, one_image=True)
        if isinstance(content, dict) and isinstance(content.get("instance_info"), list):
            return Document(path, _of_frames(content["instance_info"]), one_image=False)
        if isinstance(content, list):
            return _of_list(path, content, one_image=one_image)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise ObservationError(
            f"{path} holds people that cannot be read ({what}); expected a file {_EXPECTED}"
        ) from error
    keys = valid_choices(content, 6) if isinstance(content, dict) else type(content).__name__
    raise ObservationError(f"{path} holds {keys}; expected a file {_EXPECTED}")


def _of_list(path: Path, content: list[Any], *, one_image: bool) -> Document:
    if not content:
        people = {frame_number(path.stem, path): []} if one_image else {}
        return Document(path, people, one_image)
    first = _object(content[0])
    if "image_id" in first:
        people: dict[int, list[Person]] = {}
        for each in map(_object, content):
            people.setdefault(_image_number(each["image_id"], path), []).append(_of_coco(each))
        return Document(path, people, one_image=False)
    if "instances" in first:
        return Document(path, _of_frames(content), one_image=False)
    number = frame_number(path.stem, path)
    return Document(path, {number: [_of_instance(each) for each in content]}, one_image=True)


def frame_number(name: str, path: Path) -> int:
    """The frame's number in the name of an image or file: its last number.

    Args:
        name: the name, without its ending.
        path: the file, for the error.

    Raises:
        ObservationError: there is none.
    """
    found = _LAST_NUMBER.search(name.removesuffix("_keypoints"))
    if found is None:
        raise ObservationError(
            f"{path}: the name {name!r} holds no frame number, expected one as in "
            f"'cam01_000012.json'; rename it"
        )
    return int(found.group(1))


def _image_number(image: Any, path: Path) -> int:
    if isinstance(image, int) and not isinstance(image, bool) and image >= 0:
        return image
    if isinstance(image, str):
        return frame_number(Path(image).stem, path)
    raise ValueError(f"image_id is {image!r}")


def _object(entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise ValueError(f"{entry!r:.40} where an object was expected")
    return entry


def _triples(values: Any) -> Float[np.ndarray, "n 3"]:
    """x, y and confidence from a flat list, which may be absent."""
    if values is None:
        return np.zeros((0, 3))
    numbers = np.array(values, np.float64)
    if numbers.ndim != 1 or numbers.size % 3:
        raise ValueError(f"{numbers.size} numbers, which are no rows of x, y, confidence")
    return numbers.reshape(-1, 3)


def _mean_confidence(keypoints: Float[np.ndarray, "n 3"]) -> float:
    return (
        float(np.nan_to_num(keypoints[:, 2], posinf=0.0, neginf=0.0).mean())
        if len(keypoints)
        else 0.0
    )


def _number(value: Any, otherwise: float) -> float:
    score = otherwise if value is None else float(np.array(value, np.float64).reshape(-1)[0])
    if not np.isfinite(score):
        raise ValueError(f"score is {score}")
    return score


def _of_openpose(entry: Any) -> Person:
    person = _object(entry)
    body, *rest = (_triples(person.get(name)) for name in _OPENPOSE_PARTS)
    if not len(body):
        raise KeyError(_OPENPOSE_PARTS[0])
    return Person((body, rest[0], rest[1], rest[2]), _mean_confidence(body))


def _of_coco(entry: Any) -> Person:
    person = _object(entry)
    body = np.concatenate([_triples(person["keypoints"]), _triples(person.get("foot_kpts"))])
    face, left, right = (_triples(person.get(name)) for name in _COCO_PARTS)
    if any(len(part) for part in (face, left, right)):
        # The parts follow each other in the order of COCO-WholeBody.
        body = np.concatenate([body, face, left, right])
    none = np.zeros((0, 3))
    return Person((body, none, none, none), _number(person.get("score"), _mean_confidence(body)))


def _of_frames(frames: list[Any]) -> dict[int, list[Person]]:
    people: dict[int, list[Person]] = {}
    for each in map(_object, frames):
        number = each["frame_id"]
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise ValueError(f"frame_id is {number!r}")
        if number in people:
            raise ValueError(f"frame_id {number} stands there twice")
        people[number] = [_of_instance(person) for person in each["instances"]]
    return people


def _of_instance(entry: Any) -> Person:
    person = _object(entry)
    points = np.array(person["keypoints"], np.float64)
    points = points.reshape(points.shape[-2:])
    scores = np.array(person["keypoint_scores"], np.float64).reshape(-1)
    if points.ndim != 2 or points.shape != (scores.size, 2):
        raise ValueError(f"keypoints of shape {points.shape} with {scores.size} scores")
    body = np.concatenate([points, scores[:, None]], axis=1)
    none = np.zeros((0, 3))
    return Person(
        (body, none, none, none), _number(person.get("bbox_score"), _mean_confidence(body))
    )
