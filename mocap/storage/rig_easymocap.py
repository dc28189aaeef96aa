"""EasyMocap's cameras: `intri.yml` with the lenses and `extri.yml` with the poses.

Keys hold the camera's name: `K_<name>`, `dist_<name>` and often `H_<name>`, `W_<name>` in the one
file, `R_<name>` (rotation vector), `Rot_<name>` (3x3) and `T_<name>` (metres) in the other.
EasyMocap's own writer rounds to six digits, so the vector is what is taken, as EasyMocap does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mocap.arrays import Float
from mocap.errors import RigError, valid_choices
from mocap.geometry.rotations import rotvec_from_matrix
from mocap.model import Intrinsics, Rig
from mocap.storage.rig_filestorage import YAML_HEADER, matrix_text, texts_text
from mocap.storage.rig_lens import lens_of, size_from_centre
from mocap.storage.rig_units import Units, by_name, no_pose, posed_camera, rig_in_metres
from mocap.storage.rig_values import ROW, SQUARE, VECTOR, checked_array, rotation_of, size_of

INTRI = "intri.yml"
EXTRI = "extri.yml"

AGREEMENT_RAD = 1e-3
"""Largest angle between `R_<name>` and `Rot_<name>`, which are rounded."""


@dataclass(frozen=True)
class EasyMocapFile:
    """The cameras of `intri.yml` and `extri.yml`, in the order of `names`.

    Attributes:
        document: both files in one.
        source: how they are called in errors and in the provenance.
    """

    document: Mapping[str, Any]
    source: str

    def rig(self, units: Units | None = None) -> Rig:
        """The cameras with their poses; see `CameraFile`."""
        names = self._names()
        unposed = [
            name for name in names if not any(f"{key}_{name}" in self.document for key in _POSE)
        ]
        if unposed:
            raise no_pose(unposed, self.source)
        cameras = [
            posed_camera(
                name, self._lens(name), self._pose(name), f"{self.source}: camera {name!r}"
            )
            for name in names
        ]
        return rig_in_metres(cameras, self.source, "EasyMocap cameras", unit=units)

    def lenses(self) -> dict[str, Intrinsics]:
        """The lenses by camera name; see `CameraFile`."""
        return by_name([(name, self._lens(name)) for name in self._names()], self.source)

    def _names(self) -> list[str]:
        keyed = [key[2:] for key in self.document if key.startswith("K_")]
        listed = self.document.get("names")
        if not isinstance(listed, list):
            return keyed
        # EasyMocap itself skips the name none.
        names = [_keyed_name(name, keyed) for name in listed if str(name) != "none"]
        for name in names:
            if name not in keyed:
                raise RigError(
                    f"{self.source}: 'names' lists camera {name!r}, but there is no 'K_{name}'; "
                    f"there are lenses of {valid_choices(keyed)}"
                )
        return names

    def _lens(self, name: str) -> Intrinsics:
        where = f"{self.source}: camera {name!r}"
        matrix_key = f"K_{name}"
        matrix = checked_array(self.document[matrix_key], matrix_key, SQUARE, where)
        matrix = matrix.reshape(3, 3)
        distortions = None
        for key in (f"dist_{name}", f"D_{name}"):
            if key in self.document:
                distortions = checked_array(self.document[key], key, ROW, where)
                break
        sides = [self.document.get(f"{side}_{name}") for side in "WH"]
        if None in sides:
            remedy = f"add W_{name} and H_{name} (pixels) to {INTRI}"
            size = size_from_centre(matrix, where, remedy)
        else:
            size = size_of(sides, f"W_{name}, H_{name}", where)
        return lens_of(size, matrix, distortions, fisheye=False, where=where)

    def _pose(self, name: str) -> Float[np.ndarray, "4 4"]:
        where = f"{self.source}: camera {name!r}"
        found = {
            key: rotation_of(self.document[key], key, where)
            for key in (f"R_{name}", f"Rot_{name}")
            if key in self.document
        }
        if not found or f"T_{name}" not in self.document:
            missing = f"T_{name}" if found else f"R_{name}"
            raise RigError(f"{where}: key {missing!r} is missing; add it or calibrate again")
        rotations = list(found.values())
        apart_rad = float(np.linalg.norm(rotvec_from_matrix(rotations[0] @ rotations[-1].T)))
        if apart_rad > AGREEMENT_RAD:
            raise RigError(
                f"{where}: {' and '.join(map(repr, found))} are different rotations; delete the "
                f"wrong one"
            )
        pose = np.eye(4)
        pose[:3, :3] = rotations[0]
        pose[:3, 3] = checked_array(self.document[f"T_{name}"], f"T_{name}", VECTOR, where).ravel()
        return pose


_POSE = ("R", "Rot", "T")


def is_easymocap(document: Mapping[str, Any]) -> bool:
    """True if a FileStorage is EasyMocap's `intri.yml`, `extri.yml`, or both in one."""
    return has_lenses(document) or has_poses(document)


def has_lenses(document: Mapping[str, Any]) -> bool:
    """True if it has the lenses."""
    return any(key.startswith("K_") for key in document)


def has_poses(document: Mapping[str, Any]) -> bool:
    """True if it has poses."""
    rotations = [key for key in document if key.startswith(("R_", "Rot_"))]
    return bool(rotations) and any(key.startswith("T_") for key in document)


def easymocap_texts(rig: Rig) -> dict[str, str]:
    """The two files by name; each lens has up to five coefficients, and each name is a key."""
    intri = [YAML_HEADER, texts_text("names", rig.names)]
    extri = [YAML_HEADER, texts_text("names", rig.names)]
    for camera in rig:
        name, lens = camera.name, camera.intrinsics
        intri += [
            matrix_text(f"K_{name}", lens.matrix),
            matrix_text(f"dist_{name}", lens.distortions[None]),
            f"H_{name}: {lens.size[1]}\nW_{name}: {lens.size[0]}\n",
        ]
        extri += [
            matrix_text(f"R_{name}", camera.rotation_vector[:, None]),
            matrix_text(f"Rot_{name}", camera.T_cam_world[:3, :3]),
            matrix_text(f"T_{name}", camera.translation_m[:, None]),
        ]
    return {INTRI: "".join(intri), EXTRI: "".join(extri)}


def _keyed_name(name: object, keyed: list[str]) -> str:
    """A name of the list as it stands in the keys; unquoted digits come as a number."""
    text = str(name)
    if text in keyed or not isinstance(name, int | float):
        return text
    same = [key for key in keyed if key.isdigit() and int(key) == name]
    return same[0] if len(same) == 1 else text
