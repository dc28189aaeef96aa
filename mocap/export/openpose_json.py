"""2D people as OpenPose writes them: a folder per camera, a JSON file per frame."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from mocap.arrays import Float
from mocap.errors import InputError, OutputError
from mocap.export.source import ExportSource, Written
from mocap.files import make_output_folder
from mocap.model import Skeleton
from mocap.model.skeletons import BODY_25, FACE_POINTS, hand_keypoints

_FOLDER = "openpose"
_ENDING = "_keypoints.json"
_MIDDLES = {"neck": ("left_shoulder", "right_shoulder"), "mid_hip": ("left_hip", "right_hip")}
_PUPILS = 2
"""OpenPose's face has so many points more than iBUG's, which no skeleton of ours has."""


@dataclass(frozen=True)
class OpenPoseOptions:
    """How OpenPose JSON files are written."""

    layout: Literal["body25", "own"] = "body25"
    """body25: what OpenPose itself writes: 25 points of body and feet, face and hands by
    themselves, what the skeleton lacks is 0; own: all points of the session's skeleton, in its
    order, as the body."""


def write_openpose(
    source: ExportSource, folder: Path, options: OpenPoseOptions, *, overwrite: bool
) -> Written:
    """Writes `openpose/CAMERA_json/CAMERA_000000000012_keypoints.json`, one per frame.

    Numbers are the session's frame numbers, so that the same number means the same instant in all
    cameras; a frame that a camera did not deliver has no file. `person_id` is the id of the 3D
    person, -1 for a 2D person who is part of none.

    Args:
        source: the session.
        folder: in which the folder `openpose` is made.
        options: layout of the keypoints.
        overwrite: whether files of an earlier export are replaced; they are all removed first.

    Raises:
        InputError: the session holds no 2D people.
        OutputError: the folder exists already, or cannot be written to.
    """
    top = folder / _FOLDER
    frame_sets = source.frame_sets()
    if not any(frame_set.observations for frame_set in frame_sets):
        raise InputError(
            f"{source.name} holds no 2D people in these frames; OpenPose JSON is made of them"
        )
    folders = {name: top / f"{name}_json" for name in source.rig.names}
    old = [path for own in folders.values() for path in own.glob(f"*{_ENDING}")]
    if old and not overwrite:
        raise OutputError(
            f"{top} holds files already; choose another folder, or pass --overwrite to replace them"
        )
    for own in folders.values():
        make_output_folder(own)
    for path in old:
        path.unlink()
    ids = _person_ids(source)
    known = set(source.motion.person_ids)
    skeleton = source.motion.skeleton
    files = people = 0
    for frame_set in frame_sets:
        for camera, observation in frame_set.observations.items():
            column = source.rig.names.index(camera)
            found = observation.detections
            entries: list[dict[str, object]] = []
            for i in range(len(found)):
                person = ids.get((frame_set.number, column, i), -1)
                if source.some_people and person not in known:
                    continue
                points = np.concatenate(
                    (found.keypoints_px[i], found.confidence[i][:, None]), axis=1
                )
                entries.append(_entry(person, points, skeleton, options))
            document = {"version": 1.3, "people": entries}
            name = f"{camera}_{frame_set.number:012d}{_ENDING}"
            (folders[camera] / name).write_text(json.dumps(document), encoding="utf-8")
            files += 1
            people += len(entries)
    lacking = [n for n in BODY_25.keypoints if n not in skeleton and n not in _MIDDLES]
    notes = [f"{skeleton.name} has no {', '.join(lacking)}: written as 0"] if lacking else []
    if options.layout == "own":
        notes = []
    return Written(top, f"{files} files, {people} 2D people", tuple(notes))


def _person_ids(source: ExportSource) -> dict[tuple[int, int, int], int]:
    """The 3D person of each 2D one, by frame, camera and place in the image's list."""
    if source.views is None:
        return {}
    rows, cameras = np.nonzero(source.views.detection_index >= 0)
    return {
        (int(source.views.frame[r]), int(c), int(source.views.detection_index[r, c])): int(
            source.views.person_id[r]
        )
        for r, c in zip(rows, cameras, strict=True)
    }


def _entry(
    person_id: int,
    points: Float[np.ndarray, "keypoints 3"],
    skeleton: Skeleton,
    options: OpenPoseOptions,
) -> dict[str, object]:
    """One 2D person."""
    parts: dict[str, list[float]] = {
        "pose_keypoints_2d": [],
        "face_keypoints_2d": [],
        "hand_left_keypoints_2d": [],
        "hand_right_keypoints_2d": [],
    }
    if options.layout == "own":
        parts["pose_keypoints_2d"] = _flat(points)
    else:
        parts["pose_keypoints_2d"] = _flat(_named(points, skeleton, BODY_25.keypoints))
        if FACE_POINTS[0] in skeleton:
            face = _named(points, skeleton, FACE_POINTS)
            parts["face_keypoints_2d"] = _flat(np.pad(face, ((0, _PUPILS), (0, 0))))
        for side in ("left", "right"):
            names = hand_keypoints(side)
            if names[0] in skeleton:
                parts[f"hand_{side}_keypoints_2d"] = _flat(_named(points, skeleton, names))
    return {"person_id": [person_id], **parts}


def _named(
    points: Float[np.ndarray, "keypoints 3"], skeleton: Skeleton, names: Sequence[str]
) -> Float[np.ndarray, "named 3"]:
    """The named keypoints; neck and mid hip are midpoints where the skeleton has none."""
    result = np.zeros((len(names), 3))
    for i, name in enumerate(names):
        if name in skeleton:
            result[i] = points[skeleton.index(name)]
        elif name in _MIDDLES:
            a, b = (points[skeleton.index(end)] for end in _MIDDLES[name])
            result[i] = (*(0.5 * (a[:2] + b[:2])), min(a[2], b[2]))
    return result


def _flat(points: Float[np.ndarray, "keypoints 3"]) -> list[float]:
    missing = ~np.isfinite(points).all(axis=1) | (points[:, 2] <= 0)
    rounded = np.round(np.where(missing[:, None], 0.0, points), 4)
    return rounded.reshape(-1).tolist()
