"""Fitted bodies of a session: a file beside it, so that the session itself is never written to.

`SESSION.h5.bodies.h5` holds one group per model and person, `bodies/<model>/person_<id>`. It is
replaced as a whole, so that a kill at any moment leaves the old file or the new one. It names the
session by the time at which that was made, and each body says from which corrections of person ids
and from which layer it was made, so that a body which no longer fits its session is not used.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mocap.errors import SessionError
from mocap.files import make_output_folder
from mocap.model.body_motion import BodyMotion, JointTree
from mocap.storage.hdf5 import read_array, read_texts

FORMAT_NAME = "mocap-bodies"
FORMAT_VERSION = 1
BODIES_SUFFIX = ".bodies.h5"
"""What the name of a session is followed by."""
_TEXTS = ("shape_names", "dof_names", "keypoint_names")
_SCALARS = ("person_id", "model", "gender")
_ARRAYS = tuple(f.name for f in fields(BodyMotion) if f.name not in (*_TEXTS, *_SCALARS, "tree"))
_SMALL = ("position_covariance_m2", "rotation_covariance_rad2", "residual_m", "keypoints_m")
"""Stored as single precision."""


@dataclass(frozen=True, eq=False)
class StoredBody:
    """A fitted body and how it was made.

    Attributes:
        motion: the motion.
        layer: what it was fitted to: "raw", "smooth" or "2d".
        corrections: number of corrections of person ids that were in force.
        made_utc: when, ISO 8601.
        made_by: program and version.
        report: what the fit said about itself, as JSON takes it.
    """

    motion: BodyMotion
    layer: str
    corrections: int
    made_utc: str
    made_by: str
    report: dict[str, Any] = field(default_factory=lambda: dict[str, Any]())


def bodies_path(session: Path) -> Path:
    """Where the bodies of a session are kept."""
    return session.with_name(session.name + BODIES_SUFFIX)


def save_bodies(session: Path, created_utc: str, bodies: Sequence[StoredBody]) -> Path:
    """Stores bodies, each in place of an earlier one of the same model and person.

    Args:
        session: the session file.
        created_utc: when it was made, which is how the file knows it.
        bodies: what to store.

    Returns:
        The file.

    Raises:
        SessionError: the existing file is damaged, newer, or of another session.
        OutputError: the folder cannot be written to.
    """
    path = bodies_path(session)
    make_output_folder(path.parent)
    replaced = {(b.motion.model, b.motion.person_id) for b in bodies}
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        with h5py.File(temporary, "w") as file:
            file.attrs["format"] = FORMAT_NAME
            file.attrs["format_version"] = FORMAT_VERSION
            file.attrs["session_created_utc"] = created_utc
            if path.exists():
                with _opened(path, created_utc) as old:
                    for model, person_id in _listed(old):
                        if (model, person_id) not in replaced:
                            where = _place(model, person_id)
                            file.require_group(f"bodies/{model}")
                            old.copy(where, file, name=where)
            for body in bodies:
                _write(file, body)
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    return path


def list_bodies(session: Path, created_utc: str) -> tuple[tuple[str, int], ...]:
    """Model and person id of every stored body.

    Raises:
        SessionError: the file that holds them is damaged, newer, or of another session.
    """
    path = bodies_path(session)
    if not path.exists():
        return ()
    with _opened(path, created_utc) as file:
        return _listed(file)


def load_body(session: Path, created_utc: str, model: str, person_id: int) -> StoredBody | None:
    """A stored body; None if there is none of this model and person.

    Raises:
        SessionError: the file that holds it is damaged, newer, or of another session.
    """
    path = bodies_path(session)
    if not path.exists():
        return None
    with _opened(path, created_utc) as file:
        if (model, person_id) not in _listed(file):
            return None
        return _read(file, model, person_id)


@contextlib.contextmanager
def _opened(path: Path, created_utc: str) -> Generator[h5py.File]:
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != FORMAT_NAME:
                raise ValueError("not a file of bodies")
            version = int(str(file.attrs["format_version"]))
            if version > FORMAT_VERSION:
                raise SessionError(
                    f"{path} is of version {version}; this program reads up to {FORMAT_VERSION}, "
                    f"so update it"
                )
            made_for = str(file.attrs["session_created_utc"])
            if made_for != created_utc:
                raise SessionError(
                    f"{path} belongs to a session made {made_for}, not to the one made "
                    f"{created_utc}; move it to that session, or delete it and run 'mocap fit'"
                )
            yield file
    except (OSError, KeyError, ValueError, TypeError) as error:
        reason = str(error.args[0] if error.args else error).splitlines()[0]
        raise SessionError(
            f"{path} holds no fitted bodies, or is damaged ({reason}); delete it and run "
            f"'mocap fit' again"
        ) from error


def _place(model: str, person_id: int) -> str:
    return f"bodies/{model}/person_{person_id}"


def _listed(file: h5py.File) -> tuple[tuple[str, int], ...]:
    found: list[tuple[str, int]] = []
    bodies = file.get("bodies")
    if not isinstance(bodies, h5py.Group):
        return ()
    for model in bodies:
        people = bodies[model]
        if isinstance(people, h5py.Group):
            found += [(str(model), int(str(name).removeprefix("person_"))) for name in people]
    return tuple(sorted(found))


def _write(file: h5py.File, body: StoredBody) -> None:
    motion = body.motion
    place = file.create_group(_place(motion.model, motion.person_id))
    for name in _SCALARS:
        place.attrs[name] = getattr(motion, name)
    place.attrs["layer"] = body.layer
    place.attrs["corrections"] = body.corrections
    place.attrs["made_utc"] = body.made_utc
    place.attrs["made_by"] = body.made_by
    place.attrs["report_json"] = json.dumps(body.report)
    texts = {name: getattr(motion, name) for name in _TEXTS}
    for name, values in {**texts, "joint_names": motion.tree.names}.items():
        place.create_dataset(name, data=list(values), dtype=h5py.string_dtype(), shape=len(values))
    place.create_dataset("joint_parents", data=np.array(motion.tree.parents, np.int64))
    for name in _ARRAYS:
        values = getattr(motion, name)
        if name in _SMALL:
            values = values.astype(np.float32)
        packed = {"compression": "gzip", "compression_opts": 1} if values.size > 1000 else {}
        place.create_dataset(name, data=values, **packed)


def _read(file: h5py.File, model: str, person_id: int) -> StoredBody:
    place = _place(model, person_id)
    attributes: dict[str, Any] = dict(file[place].attrs)
    names = read_texts(file, f"{place}/joint_names")
    parents = read_array(file, f"{place}/joint_parents")
    values: dict[str, Any] = {name: read_array(file, f"{place}/{name}") for name in _ARRAYS}
    values |= {name: read_texts(file, f"{place}/{name}") for name in _TEXTS}
    motion = BodyMotion(
        person_id=int(attributes["person_id"]),
        model=str(attributes["model"]),
        gender=str(attributes["gender"]),
        tree=JointTree(names, tuple(int(p) for p in parents)),
        **values,
    )
    return StoredBody(
        motion,
        str(attributes["layer"]),
        int(attributes["corrections"]),
        str(attributes["made_utc"]),
        str(attributes["made_by"]),
        json.loads(str(attributes["report_json"])),
    )
