"""Finds and reads the user's own files of SMPL, SMPL-H and SMPL-X.

They are licensed, so each user registers and downloads them; nothing is ever downloaded here. The
folder is laid out as for the `smplx` library, as AMASS distributes it, or as it comes:

    FOLDER/smpl/SMPL_NEUTRAL.npz (or .pkl), FOLDER/smplh/SMPLH_MALE.pkl, FOLDER/smplx/...
    FOLDER/smplh/neutral/model.npz
    FOLDER/smpl/basicmodel_neutral_lbs_10_207_0_v1.1.0.pkl
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy import sparse

from mocap.body.smpl_data import SmplData
from mocap.body.smpl_kinds import GENDERS, SMPL_KINDS, SmplKind, check_gender, smpl_kind
from mocap.body.smpl_pickle import read_smpl_pickle
from mocap.errors import InputError, valid_choices

MODELS_VARIABLE = "MOCAP_BODY_MODELS"
"""Environment variable with the folder of the body models."""

_NEEDED = ("v_template", "f", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table")
_FACE = ("lmk_faces_idx", "lmk_bary_coords")
_SHAPES_WITH_EXPRESSION = {20: 10, 400: 300}
"""Of SMPL-X: how many of the shape directions are of the shape, the others being the expression."""
_WEIGHT_TOLERANCE = 1e-3


def model_file_names(kind: SmplKind, gender: str) -> tuple[str, ...]:
    """Where a model is looked for, relative to the folder of the body models."""
    upper = f"{kind.name.upper()}_{gender.upper()}"
    names = [f"{kind.name}/{upper}", f"{kind.name}/{gender}/model", upper]
    if kind.name == "smpl":
        letter = {"neutral": "neutral", "male": "m", "female": "f"}[gender]
        for version in ("1.1.0", "1.0.0"):
            for basic in ("basicmodel", "basicModel"):
                official = f"{basic}_{letter}_lbs_10_207_0_v{version}"
                names += [f"smpl/{official}", f"smpl/models/{official}", official]
    return tuple(f"{name}{suffix}" for name in names for suffix in (".npz", ".pkl"))


def find_smpl_file(kind_name: str, gender: str, path: Path | None = None) -> Path:
    """The model file of this kind and gender.

    Args:
        kind_name: "smpl", "smplh" or "smplx".
        gender: "neutral", "male" or "female".
        path: the file itself, or the folder of the body models; the environment variable
            `MOCAP_BODY_MODELS` names the folder when None.

    Raises:
        InputError: there is none; the message says where to get it and where to put it.
    """
    kind = smpl_kind(kind_name)
    check_gender(gender)
    if path is None:
        variable = os.environ.get(MODELS_VARIABLE)
        if not variable:
            raise InputError(
                f"no {kind.title} model file: set the environment variable {MODELS_VARIABLE} to "
                f"the folder of the body models, or name it by --model-path. "
                f"{_advice(kind, gender)}"
            )
        path = Path(variable)
    path = path.expanduser()
    if path.is_file():
        return path
    if not path.is_dir():
        raise InputError(f"no file or folder of body models at {path}. {_advice(kind, gender)}")
    for name in model_file_names(kind, gender):
        if (path / name).is_file():
            return path / name
    others = [g for g in GENDERS if g != gender and _there(path, kind, g)]
    hint = f" (there is {valid_choices(others)}: choose it by --gender)" if others else ""
    raise InputError(
        f"no {gender} {kind.title} model file in {path}{hint}. {_advice(kind, gender)}"
    )


def _there(folder: Path, kind: SmplKind, gender: str) -> bool:
    return any((folder / name).is_file() for name in model_file_names(kind, gender))


def _advice(kind: SmplKind, gender: str) -> str:
    upper = f"{kind.name}/{kind.name.upper()}_{gender.upper()}"
    return (
        f"Register at {kind.website}, accept its licence, download the {kind.title} model and put "
        f"it into that folder as {upper}.npz or {upper}.pkl"
    )


def load_smpl(kind_name: str, gender: str = "neutral", path: Path | None = None) -> SmplData:
    """Reads the model file of this kind and gender; see `find_smpl_file` for where it is.

    Raises:
        InputError: there is no such file, or it is damaged, of another model, or lacks something.
    """
    file = find_smpl_file(kind_name, gender, path)
    stamp = file.stat()
    return _load(file, kind_name, gender, stamp.st_mtime_ns, stamp.st_size)


@lru_cache(maxsize=2)
def _load(path: Path, kind_name: str, gender: str, _changed_ns: int, _size: int) -> SmplData:
    kind = smpl_kind(kind_name)
    wanted = (*_NEEDED, *(_FACE if kind.name == "smplx" else ()))
    if path.suffix == ".npz":
        arrays = _read_npz(path, wanted)
    elif path.suffix == ".pkl":
        arrays = read_smpl_pickle(path, wanted)
    else:
        raise InputError(f"the body model {path} ends neither with .npz nor with .pkl")
    _check(path, kind, arrays, wanted)
    betas = _num_betas(kind, arrays["shapedirs"].shape[2])
    pose = arrays["posedirs"].astype(np.float32)
    face = kind.name == "smplx"
    return SmplData(
        kind=kind,
        gender=gender,
        template_m=arrays["v_template"].astype(np.float64),
        shape_directions=arrays["shapedirs"][..., :betas].astype(np.float64),
        pose_directions=pose,
        joint_regressor=sparse.csr_matrix(arrays["J_regressor"].astype(np.float64)),
        weights=sparse.csr_matrix(arrays["weights"].astype(np.float32)),
        faces=arrays["f"].astype(np.int64),
        face_point_faces=arrays["lmk_faces_idx"].astype(np.int64) if face else np.zeros(0, int),
        face_point_coordinates=(
            arrays["lmk_bary_coords"].astype(np.float64) if face else np.zeros((0, 3))
        ),
    )


def _read_npz(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in names if name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, AttributeError) as error:
        raise InputError(
            f"the body model {path} is no readable NPZ file ({error}); "
            "get the file from its provider anew"
        ) from error


def _check(
    path: Path, kind: SmplKind, arrays: Mapping[str, np.ndarray], wanted: tuple[str, ...]
) -> None:
    missing = [name for name in wanted if name not in arrays]
    tree = arrays.get("kintree_table")
    joints = tree.shape[1] if tree is not None and tree.ndim == 2 else None
    template = arrays.get("v_template")
    vertices = len(template) if template is not None and template.ndim else None
    for other in SMPL_KINDS.values():
        same = (joints, vertices) == (len(other.tree), other.vertices)
        if same and other is not kind:
            raise InputError(
                f"{path} holds {other.title} ({joints} joints, {vertices} vertices), not "
                f"{kind.title}: choose --model {other.name}, or give the file of {kind.title}"
            )
    if missing:
        raise InputError(
            f"the body model {path} lacks {valid_choices(missing)}; a {kind.title} file has "
            f"{valid_choices(wanted)}. Is it another file?"
        )
    count = len(kind.tree)
    shapes: dict[str, tuple[int | None, ...]] = {
        "v_template": (kind.vertices, 3),
        "f": (None, 3),
        "shapedirs": (kind.vertices, 3, None),
        "posedirs": (kind.vertices, 3, 9 * (count - 1)),
        "J_regressor": (count, kind.vertices),
        "weights": (kind.vertices, count),
        "kintree_table": (2, count),
        "lmk_faces_idx": (51,),
        "lmk_bary_coords": (51, 3),
    }
    for name in wanted:
        _check_shape(path, kind, name, arrays[name], shapes[name])
    parents = arrays["kintree_table"][0].astype(np.int64)[1:]
    if tuple(parents) != kind.tree.parents[1:]:
        raise InputError(
            f"the joints in the body model {path} hang together otherwise than those of "
            f"{kind.title} (its {count} parents are {valid_choices(map(str, parents), 8)})"
        )
    faces = arrays["f"].astype(np.int64)
    if faces.min(initial=0) < 0 or faces.max(initial=0) >= kind.vertices:
        raise InputError(f"the triangles of the body model {path} name vertices that it lacks")
    if kind.name == "smplx" and not (
        arrays["lmk_faces_idx"].min() >= 0 and arrays["lmk_faces_idx"].max() < len(faces)
    ):
        raise InputError(f"lmk_faces_idx of the body model {path} names triangles that it lacks")
    if np.abs(arrays["weights"].sum(axis=1) - 1.0).max() > _WEIGHT_TOLERANCE:
        raise InputError(f"the skinning weights of the body model {path} do not sum to 1")


def _check_shape(
    path: Path,
    kind: SmplKind,
    name: str,
    array: np.ndarray,
    wanted: tuple[int | None, ...],
) -> None:
    fits = array.ndim == len(wanted) and all(
        want in (None, got) for want, got in zip(wanted, array.shape, strict=True)
    )
    if not fits:
        shown = tuple("any" if n is None else n for n in wanted)
        raise InputError(
            f"{name} of the body model {path} has shape {array.shape}, expected {shown} "
            f"for {kind.title}"
        )
    if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
        raise InputError(f"{name} of the body model {path} holds values that are no numbers")


def _num_betas(kind: SmplKind, directions: int) -> int:
    if kind.name == "smplx":
        return _SHAPES_WITH_EXPRESSION.get(directions, directions)
    return directions
