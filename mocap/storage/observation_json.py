"""2D people from a folder of JSON files, as other pose estimators leave them.

Either one folder per camera with one file per frame (`cam01_json/cam01_000000.json`: OpenPose,
Pose2Sim, MMPose on images), or one file per camera with all frames (`cam01.json`, or alone in a
folder `cam01`: AlphaPose, MMPose on videos, COCO results). What a file holds tells its tool.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mocap.errors import ObservationError, SkeletonError, valid_choices
from mocap.model import Skeleton
from mocap.storage.observation_layouts import Layout, layout_of
from mocap.storage.observation_people import Document, Person, read_document
from mocap.storage.observation_table import ObservationFile, checked_keypoints, people_table

_FOLDER_ENDING = re.compile(r"[_-]json$", re.IGNORECASE)
_FILE_BEGINNING, _FILE_ENDING = re.compile(r"^results_"), re.compile(r"[_-]results$")


def load_json_folder(folder: Path, wanted: Skeleton | None) -> ObservationFile:
    """Reads the 2D people of all cameras in a folder.

    Frame numbers stand in the names of the files or images, or in the files. Frames without people
    count where a file says that they exist.

    Args:
        folder: see the module's text.
        wanted: the skeleton the user named, or None: the number of keypoints tells it.

    Raises:
        ObservationError: the folder holds no such files, or one of them cannot be used.
        SkeletonError: the keypoints are those of no known skeleton, or not of `wanted`.
    """
    sources = _cameras(folder)
    documents = {name: _documents(files) for name, files in sources.items()}
    if any(files[0].parent == folder and documents[n][0].one_image for n, files in sources.items()):
        raise ObservationError(
            f"{folder} holds the images of one camera; pass the folder above it, which holds those "
            f"of all cameras"
        )
    layout = _common_layout(documents.values(), wanted, folder)
    rows: list[tuple[int, int, np.ndarray, float]] = []
    frames: set[int] = set()
    for position, each in enumerate(documents.values()):
        seen: dict[int, Path] = {}
        for document in each:
            for number, people in document.people.items():
                if number in seen:
                    raise ObservationError(
                        f"{document.path} is of frame {number}, as is {seen[number].name}; keep "
                        f"one of them"
                    )
                seen[number] = document.path
                for person in people:
                    keypoints = checked_keypoints(
                        layout.to_skeleton(_joined(person, document.path, layout)), document.path
                    )
                    if (keypoints[:, 2] > 0).any():
                        rows.append((number, position, keypoints, person.score))
        frames |= set(seen)
    rows.sort(key=lambda row: row[:2])
    frame_ids = np.array(sorted(frames), np.int64)
    return people_table(folder, layout.skeleton, tuple(documents), frame_ids, rows)


def _cameras(folder: Path) -> dict[str, list[Path]]:
    """The files of each camera, by the camera's name."""
    folders = [p for p in _listed(folder) if p.is_dir() and _json_files(p)]
    files = _json_files(folder)
    if folders and files:
        raise ObservationError(
            f"{folder} holds both JSON files ({files[0].name}) and folders of them "
            f"({folders[0].name}); expected one folder or one file per camera, and nothing else"
        )
    found: dict[str, list[Path]] = {}
    named = [(_FOLDER_ENDING.sub("", p.name), _json_files(p)) for p in folders] or [
        (_FILE_ENDING.sub("", _FILE_BEGINNING.sub("", p.stem)), [p]) for p in files
    ]
    for name, own in named:
        if name in found:
            raise ObservationError(
                f"{folder} holds camera {name!r} twice ({own[0].name} and {found[name][0].name}); "
                f"remove one of them"
            )
        found[name] = own
    if not found:
        raise ObservationError(
            f"{folder} holds no JSON files and no folders of them; expected one folder "
            f"('cam01_json') or one file ('cam01.json') per camera"
        )
    return found


def _listed(folder: Path) -> list[Path]:
    def natural(path: Path) -> list[tuple[int, str]]:
        return [(int(p), "") if p.isdigit() else (-1, p) for p in re.split(r"(\d+)", path.name)]

    return sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=natural)


def _json_files(folder: Path) -> list[Path]:
    return [p for p in _listed(folder) if p.suffix.lower() == ".json" and p.is_file()]


def _documents(files: list[Path]) -> list[Document]:
    """The files of one camera: one per frame, or a single one of all frames."""
    alone = len(files) == 1
    documents = [read_document(path, one_image=not alone) for path in files]
    whole = [document for document in documents if not document.one_image]
    if whole and not alone:
        raise ObservationError(
            f"{whole[0].path} is of a whole video, but is one of {len(files)} files in its folder; "
            f"expected one folder or file per camera"
        )
    return documents


def _common_layout(
    cameras: Iterable[list[Document]], wanted: Skeleton | None, folder: Path
) -> Layout:
    """The layout which all people of all files have; some may lack the face or a hand."""
    most = (0, 0, 0, 0)
    first: tuple[int, Path] | None = None
    for document in (d for documents in cameras for d in documents):
        for person in (p for people in document.people.values() for p in people):
            body, face, left, right = (len(part) for part in person.parts)
            if first is None:
                first = (body, document.path)
            elif body != first[0]:
                expected = f" of {wanted.name}" if wanted is not None else ""
                raise SkeletonError(
                    f"{document.path} has {body} keypoints per person, expected "
                    f"{first[0]}{expected} as in {first[1].name}; use files of one detector only"
                )
            sizes = (body, face, left, right)
            grown = tuple(max(a, b) for a, b in zip(most, sizes, strict=True))
            most = (grown[0], grown[1], grown[2], grown[3])
    if first is None:
        raise ObservationError(f"{folder} holds nobody: none of its JSON files has people in it")
    return layout_of(*most, wanted, first[1])


def _joined(person: Person, path: Path, layout: Layout) -> np.ndarray:
    """All keypoints of a person in the layout's order; missing parts are NaN."""
    total = sum(len(part) for part in person.parts)
    count = len(layout.keypoints)
    if total == count:
        return np.concatenate(person.parts)
    body, *rest = person.parts
    joined = np.full((count, 3), np.nan)
    joined[: len(body)] = body
    position = {name: i for i, name in enumerate(layout.keypoints)}
    starts = (
        position.get("face_00"),
        position.get("left_hand_wrist"),
        position.get("right_hand_wrist"),
    )
    for part, start in zip(rest, starts, strict=True):
        if not len(part):
            continue
        if start is None or start + len(part) > count:
            raise ObservationError(
                f"{path} has {total} keypoints per person, expected {count}, of "
                f"{valid_choices(layout.keypoints, 3)}; use files of one detector only"
            )
        joined[start : start + len(part)] = part
    return joined
