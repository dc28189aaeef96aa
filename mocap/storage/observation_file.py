"""2D people from files: frame sets without any video.

Read are our own NPZ (see `mocap.storage.observation_npz`) and folders of JSON files of OpenPose,
Pose2Sim, AlphaPose, MMPose or in COCO's format of results (see `mocap.storage.observation_json`).
"""

from __future__ import annotations

from pathlib import Path

from mocap.errors import InputError, ObservationError
from mocap.files import check_input
from mocap.model import skeleton_by_name
from mocap.storage.observation_json import load_json_folder
from mocap.storage.observation_npz import load_npz
from mocap.storage.observation_table import ObservationFile

__all__ = ["ObservationFile", "load_observations"]


def load_observations(path: Path, skeleton: str | None = None) -> ObservationFile:
    """Reads 2D people from an NPZ file or a folder of JSON files.

    Args:
        path: the file or folder.
        skeleton: name of the skeleton the keypoints belong to. Without it, the file says it, or
            the number of keypoints does.

    Raises:
        InputError: there is no such file.
        ObservationError: it is not such a file, or what it holds does not fit together.
        SkeletonError: its keypoints are those of no known skeleton, or of another one.
    """
    wanted = None if skeleton is None else skeleton_by_name(skeleton)
    if path.is_dir():
        return load_json_folder(path, wanted)
    check_input(path, "observation file")
    if path.suffix.lower() == ".json":
        raise InputError(
            f"{path} is the JSON file of one camera; pass the folder that holds those of all "
            f"cameras, each named after its camera"
        )
    found = load_npz(path)
    if wanted is not None and found.skeleton is not wanted:
        raise ObservationError(
            f"{path} holds keypoints of {found.skeleton.name}, expected {wanted.name}; leave out "
            f"--skeleton"
        )
    return found
