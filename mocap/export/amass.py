"""SMPL parameters as NPZ in the convention of AMASS, written and read.

Mahmood et al., "AMASS: Archive of Motion Capture as Surface Shapes" (ICCV 2019). Axis-angle,
metres, Z-up; `trans` is the translation of the `smplx` library, so that the root joint is at
J_0(betas) + trans.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np

from mocap.arrays import Float
from mocap.body.smpl_file import load_smpl
from mocap.body.smpl_kinds import GENDERS, SMPL_KINDS
from mocap.body.smpl_parameters import SmplParameters, body_motion_of_smpl, smpl_parameters
from mocap.errors import InputError, valid_choices
from mocap.files import check_input, write_atomically
from mocap.model import BodyMotion

_BETAS = 16
"""AMASS has so many shape numbers; a body with fewer has zeros behind them."""
_DMPLS = 8
_PARTS = {
    "root_orient": "global_orient",
    "pose_body": "body_pose",
    "pose_jaw": "jaw_pose",
}
_RATES = ("mocap_frame_rate", "mocap_framerate")
_OWN_NAMES = ("gender", "surface_model_type")


def write_amass(motion: BodyMotion, path: Path) -> tuple[str, ...]:
    """Writes the motion of one person on a model of the SMPL family.

    Besides AMASS's own keys there are `frame`, `time_s`, `present` (false where the person was
    not there and the pose is interpolated) and `person_id`.

    Args:
        motion: on SMPL, SMPL-H or SMPL-X.
        path: the file; an existing one is replaced.

    Returns:
        In words, how it is to be read.

    Raises:
        InputError: the motion is on another body model.
        OutputError: the folder cannot be written to.
    """
    parameters = smpl_parameters(motion)
    frames = len(parameters)
    step = motion.frame_time_s
    rate = 1.0 / step if np.isfinite(step) and step > 0 else 30.0
    betas = np.zeros(max(_BETAS, len(parameters.betas)))
    betas[: len(parameters.betas)] = parameters.betas
    parts = parameters.parts
    content: dict[str, np.ndarray] = {
        "trans": parameters.transl,
        "gender": np.array(parameters.gender),
        "surface_model_type": np.array(parameters.model),
        "mocap_frame_rate": np.array(rate),
        "mocap_framerate": np.array(rate),
        "mocap_time_length": np.array(frames / rate),
        "betas": betas,
        "num_betas": np.array(len(betas)),
        "poses": parameters.poses.reshape(frames, -1),
        "frame": motion.frame,
        "time_s": motion.time_s,
        "present": motion.present,
        "person_id": np.array(motion.person_id),
    }
    content |= {own: parts[name] for own, name in _PARTS.items() if name in parts}
    if "left_hand_pose" in parts:
        content["pose_hand"] = np.concatenate(
            (parts["left_hand_pose"], parts["right_hand_pose"]), axis=1
        )
    if "leye_pose" in parts:
        content["pose_eye"] = np.concatenate((parts["leye_pose"], parts["reye_pose"]), axis=1)
    if parameters.model == "smplh":
        content["dmpls"] = np.zeros((frames, _DMPLS))
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **content)
    write_atomically(path, stream.getvalue())
    title = parameters.kind.title
    hands = ", flat_hand_mean=True" if "left_hand_pose" in parts else ""
    return (f"{title}, {parameters.gender}: smplx with use_pca=False{hands}",)


def read_amass(path: Path, *, models: Path | None = None, person_id: int = 0) -> BodyMotion:
    """Reads an NPZ in the convention of AMASS.

    Where the joints are follows from the shape by the licensed model file, which is therefore
    needed; see `mocap.body.smpl_file`.

    Args:
        path: the file.
        models: folder of the body models, or None for the one the environment names.
        person_id: whose motion it is taken to be.

    Raises:
        InputError: the file is damaged or lacks something, or the model file is missing.
    """
    check_input(path, "motion file")
    values = _arrays(path)
    kind, gender = _kind(path, values), _gender(path, values)
    rate = next((float(values[key]) for key in _RATES if key in values), 0.0)
    if not (np.isfinite(rate) and rate > 0):
        raise InputError(f"{path} states no frame rate; add {_RATES[0]}, frames per second")
    poses, trans = values["poses"], values["trans"]
    frames = len(poses)
    if trans.shape != (frames, 3) or not frames:
        raise InputError(
            f"{path}: trans has shape {trans.shape}, expected ({frames}, 3) as there are "
            f"{frames} rows in poses, and at least one"
        )
    data = load_smpl(kind, gender, models)
    betas = np.atleast_1d(np.asarray(values.get("betas", np.zeros(0)), np.float64).squeeze())
    if betas.ndim != 1:
        raise InputError(f"{path}: betas have shape {betas.shape}, expected one shape per file")
    for name, array in (("poses", poses), ("trans", trans), ("betas", betas)):
        if not np.isfinite(array).all():
            raise InputError(f"{path}: {name} holds NaN or infinity; repair or cut the file")
    if np.any(betas[data.num_betas :]):
        raise InputError(
            f"{path} has {len(betas)} shape numbers, the model file only {data.num_betas}; use a "
            f"{SMPL_KINDS[kind].title} file with as many"
        )
    betas = betas[: data.num_betas]
    own = values.get("time_s")
    time_s = own if own is not None and own.shape == (frames,) else np.arange(frames) / rate
    parameters = SmplParameters(kind, gender, betas, trans, poses.reshape(frames, -1, 3))
    return body_motion_of_smpl(parameters, data.rest_joints(betas), time_s, person_id=person_id)


def _arrays(path: Path) -> dict[str, Float[np.ndarray, ...]]:
    """The arrays of the file; pickled objects in it are not read."""
    try:
        with np.load(path, allow_pickle=False) as data:
            values: dict[str, np.ndarray] = {}
            for key in data.files:
                try:
                    values[key] = data[key]
                except ValueError:
                    continue  # a pickled object, such as the list of labels
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise InputError(f"{path} is not a readable NPZ file ({error}); check the file") from error
    lacking = [key for key in ("poses", "trans") if key not in values]
    if lacking:
        raise InputError(
            f"{path} is not a motion of AMASS: it has no {lacking[0]}; it has "
            f"{valid_choices(values)}"
        )
    for key, value in values.items():
        if key not in _OWN_NAMES and value.dtype.kind in "fiub":
            values[key] = value.astype(np.float64)
    return values


def _kind(path: Path, values: dict[str, np.ndarray]) -> str:
    """Which model the file is of, by the number of its angles."""
    poses = values["poses"]
    sizes = {name: 3 * len(kind.tree) for name, kind in SMPL_KINDS.items()}
    if poses.ndim == 2:
        for name, size in sizes.items():
            if poses.shape[1] == size:
                return name
    raise InputError(
        f"{path}: poses have shape {poses.shape}, expected (frames, "
        f"{', '.join(f'{size} for {SMPL_KINDS[name].title}' for name, size in sizes.items())})"
    )


def _gender(path: Path, values: dict[str, np.ndarray]) -> str:
    value = values.get("gender", np.array("neutral"))
    text = value.item() if value.size == 1 else str(value)
    gender = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
    if gender not in GENDERS:
        raise InputError(f"{path}: gender is {gender!r}, expected one of {valid_choices(GENDERS)}")
    return gender
